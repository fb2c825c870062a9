"""Arithmetic of picture sizes."""

import math

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


def at_scale(size, scale, whole, least: int = 1) -> list:
    """The (height, width) at some scale of a picture of `size`, where one of size `whole` has the size `scale`.

    Args:
        size: (height, width), numbers or integer scalars.
        least: that a side has.
    """
    pairs = zip(size, scale, whole[:2], strict=True)
    return [tf.maximum((2 * side * part + own) // (2 * own), least) for side, part, own in pairs]
