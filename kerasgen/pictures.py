"""Drawing what a model made: grids of pictures, scatters of points, animations.

Needs NumPy, Pillow, imageio and, for points, matplotlib; TensorFlow is never imported.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from kerasgen.files import atomic_write

SIDE = 256  # pixels that the longer side of a grid has at least, so that 8x8 pictures can be seen
GAP = 2  # white pixels between pictures
FORMATS = (".png", ".gif", ".npy")


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
    levels = (
        np.rint(np.clip(np.nan_to_num(pictures), 0, 1) * 255)
        .astype("uint8")
        .repeat(scale, 1)
        .repeat(scale, 2)
    )
    canvas = np.full((rows * columns, height * scale + GAP, width * scale + GAP, 3), 255, "uint8")
    canvas[:count, GAP:, GAP:] = levels
    canvas = canvas.reshape(rows, columns, *canvas.shape[1:]).swapaxes(1, 2)
    canvas = canvas.reshape(rows * canvas.shape[1], -1, 3)
    return np.pad(canvas, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


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


def draw(x) -> np.ndarray:
    """A grid of pictures or a scatter of points, by the shape of x."""
    return scatter(x) if np.ndim(x) == 2 else grid(x)


def save(path, x) -> Path:
    """Write examples to a file, whole or not at all: `.png` draws them all, `.gif` one after the other, `.npy` keeps x.

    Args:
        path: of the file; its folder is made.
        x: pictures (N, H, W, C) in [0, 1], or points (N, D).

    Raises:
        ValueError: another suffix, or a shape that cannot be drawn.

    Example:
        >>> save("samples.png", model.sample(16))   # doctest: +SKIP
    """
    path, kind = Path(path), Path(path).suffix.lower()
    if kind not in FORMATS:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    if kind == ".png":
        return write(path, draw(x))
    if kind == ".gif":
        return animate(path, [grid(picture[None]) for picture in x])
    path.parent.mkdir(parents=True, exist_ok=True)
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
    """Write RGB pictures of one size as a GIF that runs for ever; the last one stays longer."""
    import imageio.v3 as imageio

    path, frames = Path(path), np.stack([*frames, *frames[-1:] * 3])
    options = {"extension": ".gif", "duration": 1000 * seconds, "loop": 0}
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, lambda file: imageio.imwrite(file, frames, **options))
    return path
