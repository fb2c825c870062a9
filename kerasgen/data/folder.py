"""Data from a folder of pictures of any size and kind, read with Pillow.

What becomes of a picture: EXIF rotation is applied; transparency is laid on white; 16 bits become 8; an
animation gives its first frame; grey, palette, 1-bit and CMYK become grey or RGB as `image_shape` asks; it
is cropped at the centre to the wanted aspect, then resized with antialiasing. Sizes are read from headers
before anything is decoded.
"""

import concurrent.futures
import contextlib
import os
import warnings

import numpy as np

from kerasgen.data.arrays import split
from kerasgen.data.description import Data

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # the only readers let near a file
SUFFIXES = (".bmp", ".gif", ".jpg", ".jpeg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L")
IN_MEMORY = 256 * 2**20  # decoded bytes up to which a folder is decoded once instead of at every epoch
THREADS = 4  # each may hold one picture of max_pixels
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
            raise ValueError(f"{path}: {_reason(error)}") from None


def from_folder(root, seed, image_shape=None, on_error="raise", max_pixels=50_000_000):
    """Describe the pictures in a folder, or one picture file; `kerasgen.data.load` states the rules."""
    from PIL import Image

    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error: expected 'raise' or 'skip', got {on_error!r}")
    if image_shape is not None and (len(image_shape) != 3 or image_shape[2] not in (1, 3)):
        raise ValueError(f"image_shape: expected (height, width, 1 or 3), got {tuple(image_shape)}")
    root = os.path.abspath(root)
    files = [root] if os.path.isfile(root) else walk(root)
    paths = [path for path in files if path.lower().endswith(SUFFIXES)]
    if not paths:
        name = os.path.basename(root)
        raise ValueError(f"source: expected pictures ({' '.join(SUFFIXES)}), got none in {name!r}")

    Image.init()  # loads Pillow's readers, which threads must not do at the same time
    headers, bad = _attempt(lambda path: header(path, max_pixels), paths)
    shape = tuple(image_shape or _common_shape(set(headers.values())))
    small = len(headers) * np.prod(shape) <= IN_MEMORY
    if small or on_error == "skip":  # pictures decoded on demand must be tried once to skip the damaged
        read = decode if small else lambda *args: decode(*args).size
        decoded, worse = _attempt(lambda path: read(path, shape, max_pixels), list(headers))
        bad |= worse
    _report(bad, root, len(paths), on_error)

    paths = [path for path in paths if path not in bad]
    x = np.stack([decoded[path] for path in paths]) if small else None
    label, class_names = _classes(paths, root)

    def part(indices):
        pictures = x[indices] if small else Pictures([paths[i] for i in indices], shape, max_pixels)
        return pictures, None if label is None else label[indices]

    return Data(
        name=os.path.basename(root),
        splits={name: part(indices) for name, indices in split(len(paths), seed).items()},
        shape=shape,
        minimum=0.0,
        maximum=1.0,
        levels=256,
        class_names=class_names,
        licence="yours",
        origin="a folder of pictures",
        seed=seed,
    )


def walk(folder, above=()):
    """Yield files of a folder tree by name, through links but never around a loop, without hidden ones."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if os.path.isdir(path):
            yield from walk(path, (*above, real))
        elif os.path.isfile(path) or os.path.islink(path):  # a broken link is reported; a pipe would block
            yield path


def header(path, max_pixels):
    """(height, width, channels) of a picture once turned upright, without decoding it."""
    from PIL import ExifTags, Image

    with _opened(path, max_pixels) as image:
        exif = Image.Image.getexif(image)  # that of PNG files would decode the picture
        width, height = image.size[::-1] if exif.get(ExifTags.Base.Orientation) in ROTATED else image.size
        return height, width, 1 if image.mode in GREY else 3


def decode(path, shape, max_pixels):
    """Read one picture as uint8 (height, width, channels)."""
    from PIL import Image, ImageOps

    height, width, channels = shape
    with _opened(path, max_pixels) as image:
        image = ImageOps.exif_transpose(image)
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


def _classes(paths, root):
    """Class numbers and names from the first sub-folders; (None, ()) if under two or files beside them."""
    names = [os.path.relpath(path, root).split(os.sep) for path in paths]
    class_names = sorted({name[0] for name in names})
    if len(class_names) < 2 or any(len(name) == 1 for name in names):
        return None, ()
    return np.array([class_names.index(name[0]) for name in names], "int32"), tuple(class_names)


def _attempt(function, paths):
    """Apply a function to each file: ({path: result}, {path: reason})."""

    def call(path):
        try:
            return path, function(path), None
        except Exception as error:  # Pillow's readers raise whatever a damaged file makes them raise
            return path, None, _reason(error)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(call, paths))
    good = {path: result for path, result, reason in results if reason is None}
    return good, {path: reason for path, _, reason in results if reason is not None}


def _reason(error):
    """Why a file cannot be read, in one line without its path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def _report(bad, root, count, on_error):
    """Raise or warn, once, about the files that cannot be read."""
    above = os.path.dirname(root)
    files = [f"{os.path.relpath(path, above)} ({reason})" for path, reason in sorted(bad.items())]
    text = f"{len(files)} of {count} pictures cannot be read"
    if files and (on_error == "raise" or len(files) == count):
        raise ValueError(f"source: {text}, the first is {files[0]}; on_error='skip' leaves them out")
    if files:
        warnings.warn(f"source: {text} and are left out: {', '.join(files)}", stacklevel=5)
