"""Files in memory: examples as PNG, GIF, WAV, text and CSV, and a visitor's picture as an array.

Nothing is written to a disk. A file is a data address, "data:image/png;base64,...".
"""

from __future__ import annotations

import base64
import io
import wave

import numpy as np
from PIL import Image, ImageOps

from kerasgen.demo.limits import MOST_SENT, MOST_SIDE, refusal

PNG = "data:image/png;base64,"


def levels(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture (H, W, C) in [0, 1] as bytes; a small one is enlarged by a whole number, up to `side` pixels."""
    x, times = np.round(np.clip(picture, 0, 1) * 255).astype("uint8"), enlarged(picture.shape, side)
    return x.repeat(times, 0).repeat(times, 1)


def enlarged(shape: tuple, side: int) -> int:
    """By how much a picture of a shape (H, W, C) is enlarged, so that it stays within `side` pixels; at least 1."""
    return max(1, side // max(shape[:2]))


def png(picture: np.ndarray, side: int = 128) -> str:
    """A picture (H, W, C) in [0, 1] as PNG; small ones are enlarged, so that a saved copy can be seen."""
    return _image(levels(picture, side), "PNG")


def gif(pictures: np.ndarray, side: int = 256) -> str:
    """Pictures (N, H, W, C) in [0, 1] as GIF that runs there and back, without end."""
    frames = [_opened(levels(picture, side)) for picture in [*pictures, *pictures[-2:0:-1]]]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=120, loop=0)
    return address("image/gif", file.getvalue())


def wav(sound: np.ndarray, sample_rate: int) -> str:
    """A sound (length,) in [-1, 1] as a data address."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, sample_rate, 0, "NONE", "not compressed"))
        out.writeframes(np.rint(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return address("audio/wav", file.getvalue())


def table(rows: np.ndarray) -> str:
    """Numbers as CSV, one example a line."""
    lines = [",".join(f"{value:.7g}" for value in row) for row in np.reshape(rows, (len(rows), -1))]
    return address("text/csv", "\n".join([*lines, ""]).encode())


def thumbnail_of(path, pictures):
    """A bundle's picture, small; of a grid of pictures the first few, or all grids of one kind would look alike."""
    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
            if pictures:
                image = image.crop((0, 0, *(max(1, 2 * side // 5) for side in image.size)))
            image.thumbnail((128, 128))
            return _encoded(image, "PNG")
    except (OSError, Image.DecompressionBombError):  # a bundle may come without one
        return ""


def picture_of(sent, shape: tuple) -> np.ndarray:
    """A picture that a visitor sent, as an array of `shape` (H, W, C) in [0, 1].

    The middle of the picture is cut to the shape's proportions. What is transparent becomes white.

    Args:
        sent: a data address of a PNG file. The page makes one out of whatever the visitor chose, but a request need
            not come from the page.
        shape: what the function takes.

    Raises:
        gr.Error: not such an address, too large, or a file that cannot be read.
    """
    if not isinstance(sent, str) or not sent.startswith(PNG):
        raise refusal(f"own picture: expected a PNG file as a data address, got {str(sent)[:20]!r}")
    if len(sent) > MOST_SENT:
        raise refusal(f"own picture: expected at most {MOST_SENT} bytes, got {len(sent)}")
    try:
        file = io.BytesIO(base64.b64decode(sent[len(PNG) :], validate=True))
        image = Image.open(file, formats=("PNG",))  # reads no pixels yet
        size = image.size
        if max(size) <= MOST_SIDE:
            image = image.convert("RGBA")
    except Exception:  # what a decoder raises on bytes of a stranger is not told in advance
        raise refusal("own picture: not a PNG file that can be read") from None
    if max(size) > MOST_SIDE:
        raise refusal(f"own picture: expected sides of at most {MOST_SIDE} pixels, got {size[0]} x {size[1]}")
    height, width, channels = shape
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image).convert("L" if channels == 1 else "RGB")
    return np.asarray(ImageOps.fit(image, (width, height)), "float32").reshape(shape) / 255


def address(media: str, content: bytes) -> str:
    """A file as a data address."""
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def _opened(x):
    return Image.fromarray(x[..., 0] if x.shape[-1] == 1 else x)


def _image(x, form):
    return _encoded(_opened(x), form)


def _encoded(image, form):
    file = io.BytesIO()
    image.save(file, form)
    return address(f"image/{form.lower()}", file.getvalue())
