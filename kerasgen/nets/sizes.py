"""Arithmetic of picture sizes."""

import math

import numpy as np
import tensorflow as tf


def stages_of(image_shape, stages: int) -> tuple:
    """Height and width after halving `stages` times.

    Raises:
        ValueError: they do not divide.
    """
    height, width = image_shape[:2]
    if height % 2**stages or width % 2**stages:
        raise ValueError(f"image_shape: expected sides that divide by {2**stages}, got {tuple(image_shape)}")
    return height // 2**stages, width // 2**stages


def halvings(image_shape, smallest: int = 4, least: int = 1, most: int = 99) -> int:
    """How often both sides can be halved before the shorter one is below `smallest`.

    Raises:
        ValueError: less often than `least`.

    Example:
        >>> [halvings(shape) for shape in ((64, 64, 3), (28, 28, 1), (24, 40, 3))]
        [4, 2, 2]
    """
    height, width = image_shape[:2]
    by = math.gcd(height, width, 2**most)
    count = (by & -by).bit_length() - 1  # how often 2 divides both
    while count and min(height, width) < smallest * 2**count:
        count -= 1
    if count < least:
        ask = f"sides that divide by {2**least} and are {smallest * 2**least} or more"
        raise ValueError(f"image_shape: expected {ask}, got {tuple(image_shape)}")
    return count


def doubling(first: int, count: int, most: int) -> tuple:
    """Feature maps that double from size to size, up to `most`.

    Example:
        >>> doubling(128, 5, 1024)
        (128, 256, 512, 1024, 1024)
    """
    return tuple(min(first * 2**i, most) for i in range(count))


def maps_of_sides(image_shape, product: int, most: int = 512) -> tuple:
    """Feature maps of every size from the smallest picture up: `product` over the shorter side, up to `most`.

    Example:
        >>> maps_of_sides((64, 64, 3), 16384)
        (512, 512, 512, 512, 256)
    """
    count = halvings(image_shape)
    return tuple(min(most, product * 2 ** (count - i) // min(image_shape[:2])) for i in range(count + 1))


def scales(size, ratio: float, coarsest: int) -> list:
    """(height, width) of every scale, the coarsest first, between which sides grow by nearly the same ratio.

    The shorter side of the coarsest scale is `coarsest`, or that of the picture if it is smaller already. There are as
    many scales as bring the ratio between neighbours nearest to the one that is asked for (Rott Shaham et al., 2019).

    Example:
        >>> scales((188, 250), 4 / 3, 25)
        [(25, 33), (33, 44), (44, 59), (59, 79), (79, 105), (106, 140), (141, 187), (188, 250)]
    """
    shorter = min(size)
    if shorter <= coarsest:
        return [tuple(size)]
    fewer = max(int(math.log(shorter / coarsest) / math.log(ratio)), 1)
    of = {steps: (shorter / coarsest) ** (1 / steps) for steps in (fewer, fewer + 1)}
    steps = min(of, key=lambda steps: abs(of[steps] - ratio))
    return [tuple(round(side / of[steps] ** n) for side in size) for n in range(steps, -1, -1)]


def bicubic(own: int, wanted: int):
    """What resizing does to one side: weights (wanted, own) of the pixels that each new one is made of.

    By the cubic kernel with a = -1/2 (Keys, 1981), widened where the side becomes smaller, so that no pixel is skipped.

    Example:
        >>> bicubic(8, 4).shape
        (4, 8)
    """
    wide = max(own / wanted, 1.0)
    middle = (np.arange(wanted)[:, None] + 0.5) * own / wanted - 0.5
    far = np.abs(np.arange(own) - middle) / wide
    near, rest = 1.5 * far**3 - 2.5 * far**2 + 1.0, -0.5 * far**3 + 2.5 * far**2 - 4.0 * far + 2.0
    weights = np.where(far < 1.0, near, np.where(far < 2.0, rest, 0.0))
    return (weights / weights.sum(1, keepdims=True)).astype("float32")


def linear(own: int, wanted: int):
    """What resizing does to one side, as `bicubic`, by the two nearest pixels.

    Example:
        >>> linear(2, 4).tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    place = np.clip((np.arange(wanted)[:, None] + 0.5) * own / wanted - 0.5, 0, own - 1)
    return np.maximum(1.0 - np.abs(np.arange(own) - place), 0.0).astype("float32")


def at_scale(size, scale, whole, least: int = 1) -> list:
    """The (height, width) at some scale of a picture of `size`, where one of size `whole` has the size `scale`.

    Args:
        size: (height, width), numbers or integer scalars.
        least: that a side has.
    """
    pairs = zip(size, scale, whole[:2], strict=True)
    return [tf.maximum((2 * side * part + own) // (2 * own), least) for side, part, own in pairs]
