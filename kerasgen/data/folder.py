"""Data from a folder of pictures of any size and kind, read with Pillow.

What becomes of a picture: EXIF rotation is applied; transparency is laid on white; 16 bits become 8; an
animation gives its first frame; grey, palette, 1-bit and CMYK become grey or RGB as `image_shape` asks; it
is cropped at the centre to the wanted aspect, then resized with antialiasing. Sizes are read from headers
before anything is decoded.
"""

import contextlib
import os

import numpy as np

from kerasgen.data import paths as files
from kerasgen.data.description import Data

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # the only readers let near a file
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L")
IN_MEMORY = 256 * 2**20  # decoded bytes up to which a folder is decoded once instead of at every epoch
ROTATED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


class Pictures:
    """Picture files decoded when indexed: `pictures[indices]` is uint8 (N, height, width, channels)."""

    def __init__(self, paths, shape, max_pixels):
        self.paths, self.shape, self.max_pixels = paths, shape, max_pixels

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, indices):
        pictures = [self.decode(self.paths[i]) for i in indices]
        return np.array(pictures, "uint8").reshape(len(pictures), *self.shape)

    def decode(self, path):
        """Read one picture, uint8 of this shape; an error is a ValueError that names the file."""
        try:
            return decode(path, self.shape, self.max_pixels)
        except Exception as error:
            raise ValueError(f"{path}: {files.reason(error)}") from None


def from_folder(name, root, paths, seed, image_shape=None, labels=None, on_error="raise", max_pixels=50_000_000):
    """Describe the picture files of a folder, or one of them; `kerasgen.data.load` states the rules."""
    from PIL import Image

    if image_shape is not None:
        check_shape(image_shape)
    Image.init()  # loads Pillow's readers, which threads must not do at the same time
    headers, bad = files.attempt(lambda path: header(path, max_pixels), paths)
    shape = tuple(image_shape or _common_shape(set(headers.values())))
    if shape[2] is None:
        shape = (*shape[:2], max((channels for _, _, channels in headers.values()), default=1))
    small = len(headers) * np.prod(shape) <= IN_MEMORY
    if small or on_error == "skip":  # pictures decoded on demand must be tried once to skip the damaged
        read = decode if small else lambda *args: decode(*args).size
        decoded, worse = files.attempt(lambda path: read(path, shape, max_pixels), list(headers))
        bad |= worse
    files.report(bad, root, len(paths), on_error)

    paths = [path for path in paths if path not in bad]
    x = np.stack([decoded[path] for path in paths]) if small else None
    where, names = files.places(paths, root)
    label, class_names = files.classes(names, labels)

    def part(indices):
        pictures = x[indices] if small else Pictures([paths[i] for i in indices], shape, max_pixels)
        return pictures, None if label is None else label[indices]

    return Data(
        name=name,
        splits={split: part(indices) for split, indices in files.divide(where, seed).items()},
        shape=shape,
        minimum=0.0,
        maximum=1.0,
        levels=256,
        class_names=class_names,
        licence="yours",
        origin="a folder of pictures",
        seed=seed,
    )


def header(path, max_pixels):
    """(height, width, channels) of a picture once turned upright, without decoding it."""
    from PIL import ExifTags, Image

    with _opened(path, max_pixels) as image:
        exif = Image.Image.getexif(image)  # that of PNG files would decode the picture
        width, height = image.size[::-1] if exif.get(ExifTags.Base.Orientation) in ROTATED else image.size
        return height, width, 1 if image.mode in GREY else 3


def decode(path, shape, max_pixels):
    """Read one picture as uint8 (height, width, channels)."""
    from PIL import ImageOps

    with _opened(path, max_pixels) as image:
        image = ImageOps.exif_transpose(image)
    return converted(image, shape)


def check_shape(image_shape):
    """Refuse what no picture can be made.

    Raises:
        ValueError: not (height, width, 1 or 3), nor None for the channels that pictures have.
    """
    if len(image_shape) != 3 or image_shape[2] not in (1, 3, None):
        raise ValueError(f"image_shape: expected (height, width, 1 or 3), got {tuple(image_shape)}")


def converted(image, shape):
    """A picture of Pillow as uint8 (height, width, channels)."""
    from PIL import Image, ImageOps

    height, width, channels = shape
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("L" if channels == 1 else "RGB")
    image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(shape)


@contextlib.contextmanager
def _opened(path, max_pixels):
    """Open a picture, which reads its header, and refuse what should not be decoded."""
    from PIL import Image, UnidentifiedImageError

    if os.path.getsize(path) == 0:
        raise ValueError("empty file")
    try:
        image = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:  # its message is the path
        raise ValueError("not a picture that can be read") from None
    with image:
        if image.width * image.height > max_pixels:
            raise ValueError(f"{image.width}x{image.height} pixels, more than max_pixels={max_pixels}")
        if image.mode == "F":
            raise ValueError("float pixels, whose range is not known")
        yield image


def _eight_bits(image):
    """16 bits to 8, rounded; Pillow's own conversion clips at 255."""
    from PIL import Image

    x = np.asarray(image)
    if x.min() < 0 or x.max() > 65535:
        raise ValueError("pixels of more than 16 bits")
    return Image.fromarray(np.rint(x / 257).astype("uint8"))


def _common_shape(shapes):
    """The one shape of all pictures; grey ones among RGB ones become RGB."""
    sizes = sorted({shape[:2] for shape in shapes})
    if len(sizes) > 1:
        raise ValueError(
            f"image_shape: expected (height, width, channels), since pictures have {len(sizes)} sizes, "
            f"from {sizes[0]} to {sizes[-1]}; got None"
        )
    return max(shapes, default=(1, 1, 1))
