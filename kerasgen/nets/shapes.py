"""Arithmetic of picture sizes."""

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
    """(height, width) of every scale, the coarsest first.

    Example:
        >>> scales((64, 48), 4 / 3, 14)
        [(20, 15), (27, 20), (36, 27), (48, 36), (64, 48)]
    """
    found = [tuple(size)]
    while round(min(size) / ratio ** len(found)) >= coarsest:
        found.insert(0, tuple(round(side / ratio ** len(found)) for side in size))
    return found


def at_scale(size, scale, whole, least: int = 1) -> list:
    """The (height, width) at some scale of a picture of `size`, where one of size `whole` has the size `scale`.

    Args:
        size: (height, width), numbers or integer scalars.
        least: that a side has.
    """
    pairs = zip(size, scale, whole[:2], strict=True)
    return [tf.maximum((2 * side * part + own) // (2 * own), least) for side, part, own in pairs]
