"""Drawing what a model made: grids of pictures, scatters of points, pages of text, spectrograms of sounds, animations.

Needs NumPy, Pillow, imageio and, for points, matplotlib; TensorFlow is never imported.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from kerasgen.files import atomic_write
from kerasgen.runtime import to_text

SIDE = 256  # pixels that the longer side of a grid has at least, so that 8x8 pictures can be seen
GAP = 2  # white pixels between pictures
FORMATS = (".png", ".gif", ".npy", ".txt", ".wav")
COUNTS = {"picture": 64, "vector": 1000, "text": 8, "sound": 9}  # examples that are drawn of each kind
PAGE = 16  # texts that a page shows at most
COLUMNS = 100  # characters in a line of it
WINDOW, FRAMES = 256, 96  # of a spectrogram: values of a sound in one column at most, and columns
FLOOR = 80  # decibels below the loudest that are black


def grid(pictures, columns=None, scale=None) -> np.ndarray:
    """Pictures side by side as one RGB picture, each pixel enlarged to a square.

    Args:
        pictures: (N, H, W, C) in [0, 1] with one or three channels; values outside are clipped, NaN is black.
        columns: pictures in a row; left out, the grid is as square as it can be.
        scale: size of a pixel's square; left out, the longer side of the grid is at least 256.

    Returns:
        (height, width, 3) uint8.

    Raises:
        ValueError: no pictures, or another number of channels.

    Example:
        >>> grid(np.zeros((10, 8, 8, 1)), columns=5, scale=4).shape
        (70, 172, 3)
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or not len(pictures) or pictures.shape[-1] not in (1, 3):
        raise ValueError(f"pictures: expected shape (N, height, width, 1 or 3), got {pictures.shape}")
    count, height, width, _ = pictures.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = scale or math.ceil(SIDE / max(rows * height, columns * width))
    levels = np.rint(np.clip(np.nan_to_num(pictures), 0, 1) * 255).astype("uint8").repeat(scale, 1).repeat(scale, 2)
    canvas = np.full((rows * columns, height * scale + GAP, width * scale + GAP, 3), 255, "uint8")
    canvas[:count, GAP:, GAP:] = levels
    canvas = canvas.reshape(rows, columns, *canvas.shape[1:]).swapaxes(1, 2)
    canvas = canvas.reshape(rows * canvas.shape[1], -1, 3)
    return np.pad(canvas, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def versions(*several, columns=8) -> np.ndarray:
    """Versions of the same pictures as one RGB picture: each in a row of its own, below that of the version before.

    Args:
        several: pictures (N, H, W, C) in [0, 1], of sizes of which the largest is a multiple.
        columns: pictures in a row.

    Example:
        >>> versions(np.zeros((3, 4, 4, 1)), np.zeros((3, 8, 8, 3)), columns=2).shape
        (266, 134, 3)
    """
    height = max(x.shape[1] for x in several)
    blank = -len(several[0]) % columns
    rows = []
    for x in several:
        times = height // x.shape[1]
        x = np.broadcast_to(x.repeat(times, 1).repeat(times, 2), (len(x), height, times * x.shape[2], 3))
        x = np.pad(x, ((0, blank), (0, 0), (0, 0), (0, 0)), constant_values=1)
        rows.append(x.reshape(-1, columns, *x.shape[1:]))
    together = np.stack(rows, 1)
    return grid(together.reshape(-1, *together.shape[3:]), columns)


def resized(x, size) -> np.ndarray:
    """Pictures (N, H, W, C) in [0, 1] at another (height, width), by the bicubic kernel, as super-resolution has it.

    Where they become smaller it is widened, so that no pixel is skipped.

    Example:
        >>> resized(np.ones((2, 8, 8, 1), "float32"), (4, 4)).shape
        (2, 4, 4, 1)
    """
    from PIL import Image

    def resize(plane):
        return np.asarray(Image.fromarray(plane).resize(tuple(size)[::-1], Image.Resampling.BICUBIC))

    planes = np.moveaxis(np.asarray(x, "float32"), -1, 1)
    made = np.stack([np.stack([resize(plane) for plane in channels], -1) for channels in planes])
    return made.clip(0, 1)


def grey(x) -> np.ndarray:
    """Pictures (..., 3) in [0, 1] without their colours, (..., 1): each pixel the grey of the same luminance.

    Example:
        >>> float(grey([0.0, 1.0, 0.0])[0]).__round__(2)
        0.86
    """
    x = np.asarray(x, "float32")
    light = np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92) @ np.float32([0.212671, 0.71516, 0.072169])
    level = np.where(light > 0.0031308, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055, 12.92 * light)
    return level.clip(0, 1).astype("float32")[..., None]


def scatter(points, limit=None) -> np.ndarray:
    """Points of the plane as a square RGB picture.

    Args:
        points: (N, 2) or wider; the first two coordinates are drawn, where they are finite.
        limit: the axes go from -limit to limit; left out, at least to 3 and as far as nearly all points lie.

    Raises:
        ValueError: no points, or fewer than two coordinates.

    Example:
        >>> scatter(np.zeros((10, 2))).shape
        (384, 384, 3)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = np.asarray(points)
    if points.ndim != 2 or not len(points) or points.shape[1] < 2:
        raise ValueError(f"points: expected shape (N, 2 or more), got {points.shape}")
    points = points[np.isfinite(points).all(1), :2]
    limit = limit or max(3, math.ceil(np.quantile(np.abs(points), 0.99) if len(points) else 0))
    figure = Figure((3.84, 3.84), dpi=100, layout="constrained")
    axes = figure.add_subplot(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.scatter(*points.T, s=4, alpha=0.5, linewidths=0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def page(texts) -> np.ndarray:
    """The first texts as black letters on a white RGB picture, below each other, with a line between them.

    Args:
        texts: rows of UTF-8 bytes (N, length).

    Example:
        >>> page([[72, 105]]).shape
        (19, 616, 3)
    """
    from PIL import Image, ImageDraw, ImageFont

    lines = []
    for text in to_text(texts[:PAGE]):
        plain = "".join(c if c.isprintable() and ord(c) < 256 else "\n" if c == "\n" else "\u00b7" for c in text)
        broken = [line[i : i + COLUMNS] for line in plain.split("\n") for i in range(0, max(len(line), 1), COLUMNS)]
        lines += [*broken, "_" * 20, ""]
    font = ImageFont.load_default_imagefont()
    canvas = Image.new("RGB", (6 * COLUMNS + 16, 11 * (len(lines) - 2) + 8), "white")
    ImageDraw.Draw(canvas).multiline_text((8, 4), "\n".join(lines[:-2]), "black", font, spacing=0)
    return np.asarray(canvas)


def spectrograms(sounds) -> np.ndarray:
    """Sounds (N, length) in [-1, 1] as a grid of spectrograms: time to the right, frequency upwards, bright is loud.

    Example:
        >>> spectrograms(np.zeros((4, 1000))).shape[2]
        3
    """
    from scipy.signal import spectrogram

    length = np.shape(sounds)[1]
    window = min(WINDOW, 2 ** int(math.log2(max(length / 4, 1))))
    overlap = window - max(1, (length - window) // FRAMES)
    *_, power = spectrogram(np.asarray(sounds), nperseg=window, noverlap=max(0, overlap), detrend=False)
    decibels = 10 * np.log10(power + 1e-12)
    loud = decibels.max(initial=-100.0)
    return grid((1 + (decibels - loud) / FLOOR)[:, ::-1, :, None])


def draw(x, kind="picture") -> np.ndarray:
    """Examples of a kind ("picture", "vector", "text", "sound") as one RGB picture; vectors show two coordinates."""
    if kind in ("text", "sound"):
        return page(x) if kind == "text" else spectrograms(x)
    return scatter(x) if np.ndim(x) == 2 else grid(x)


def save(path, x, kind="picture", sample_rate=None) -> Path:
    """Write examples to a file, whole or not at all.

    `.png` draws them, `.gif` one after the other, `.npy` keeps x, `.txt` holds texts, `.wav` sounds after each other.

    Args:
        path: of the file; its folder is made.
        x: pictures (N, H, W, C) in [0, 1], points (N, D), texts (N, length) of bytes, or sounds (N, length).
        kind: "picture", "vector", "text" or "sound".
        sample_rate: of sounds, values per second.

    Raises:
        ValueError: another suffix, or a kind or shape that cannot be written so.

    Example:
        >>> save("samples.png", model.sample(16))   # doctest: +SKIP
    """
    path, suffix = Path(path), Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    needs = {".txt": "text", ".wav": "sound"}.get(suffix, kind)
    if kind != needs:
        raise ValueError(f"{path}: expected a {needs} model for {suffix}, got one of {kind}s")
    if suffix == ".png":
        return write(path, draw(x, kind))
    if suffix == ".gif":
        frame = grid if kind in ("picture", "vector") else lambda x: draw(x, kind)  # one point is no picture
        return animate(path, [frame(example[None]) for example in x])
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".txt":
        atomic_write(path, "\n\n".join(to_text(x)).encode() + b"\n")
    elif suffix == ".wav":
        from scipy.io import wavfile

        pause = np.zeros((len(x), sample_rate // 4))
        levels = np.rint(np.clip(np.concatenate([x, pause], 1).ravel(), -1, 1) * 32767).astype("int16")
        atomic_write(path, lambda file: wavfile.write(file, sample_rate, levels))
    else:
        atomic_write(path, lambda file: np.save(file, x))
    return path


def write(path, image) -> Path:
    """Write one RGB picture (height, width, 3) uint8 as PNG."""
    from PIL import Image

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, lambda file: Image.fromarray(image).save(file, "PNG", optimize=True))
    return path


def animate(path, frames, seconds=0.25) -> Path:
    """Write RGB pictures of one width as a GIF that runs for ever; the last one stays longer."""
    import imageio.v3 as imageio

    height = max(len(frame) for frame in frames)  # pages of text differ
    frames = [np.pad(f, ((0, height - len(f)), (0, 0), (0, 0)), constant_values=255) for f in frames]
    path, frames = Path(path), np.stack([*frames, *frames[-1:] * 3])
    options = {"extension": ".gif", "duration": 1000 * seconds, "loop": 0}
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, lambda file: imageio.imwrite(file, frames, **options))
    return path
