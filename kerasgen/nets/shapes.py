"""Arithmetic of picture sizes."""


def stages_of(image_shape, stages: int) -> tuple:
    """Height and width after halving `stages` times.

    Raises:
        ValueError: they do not divide.
    """
    height, width = image_shape[:2]
    if height % 2**stages or width % 2**stages:
        raise ValueError(f"image_shape: expected sides that divide by {2**stages}, got {tuple(image_shape)}")
    return height // 2**stages, width // 2**stages
