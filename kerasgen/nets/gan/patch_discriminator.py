"""A discriminator of patches: one score for every overlapping part of a picture instead of one for the whole.

Parts beyond its reach are judged apart, so it says whether textures and edges look real and leaves the composition to
other terms of a loss. It is small, and takes pictures of any size.

Reference: Isola, Zhu, Zhou, Efros, 2016, Image-to-Image Translation with Conditional Adversarial Networks,
arXiv:1611.07004.
"""

from __future__ import annotations

import keras
from keras import layers

from kerasgen.nets.gan.strided import batch_norm, normal
from kerasgen.nets.network import network


def pattern(image_shape) -> tuple:
    """Widths whose scores see about half of a picture: the paper's 70 pixels for 128 and more, 34 for 64, 16 for 32.

    Example:
        >>> pattern((64, 64, 3))
        (64, 128, 256)
    """
    return (64, 128, 256, 512)[: max(2, min(image_shape[:2]).bit_length() - 4)]


def discriminator(image_shape, widths, norm="batch", name="discriminator"):
    """x (B, H, W, C) -> scores (B, h, w, 1).

    Every convolution but the last two halves the sides. With four widths a score sees 70x70 pixels.

    Args:
        image_shape: (height, width, channels).
        widths: feature maps of all convolutions but the last, the first one's first.
        norm: "batch" or "instance", between a convolution and its leaky ReLU; not in the first.
    """
    x = picture = keras.Input(image_shape)
    for i, width in enumerate(widths):
        bias = i == 0 or norm == "instance"  # batch normalisation has its own
        x = _convolve(x, width, 2 if i + 1 < len(widths) else 1, bias)
        x = layers.LeakyReLU(0.2)(x if i == 0 else NORMS[norm]()(x))
    return network(picture, _convolve(x, 1, 1, True), name=name)


def instance_norm():
    """Mean 0 and variance 1 of every feature map of every example, without scale and shift."""
    return layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False)


NORMS = {"batch": batch_norm, "instance": instance_norm}


def _convolve(x, width, stride, bias):
    x = layers.ZeroPadding2D(1)(x)
    return layers.Conv2D(width, 4, stride, use_bias=bias, kernel_initializer=normal())(x)
