"""Convolutions between pictures and a grid of features: halvings, a stack of residual blocks, doublings.

Reference: van den Oord, Vinyals, Kavukcuoglu, 2017, Neural Discrete Representation Learning, arXiv:1711.00937, in the
form of the authors' code, google-deepmind/sonnet, `examples/vqvae_example.ipynb`.
"""

from __future__ import annotations

from keras import layers


def contract(x, halvings, width, blocks, units):
    """Halve the sides so many times, then a convolution and residual blocks; the first halvings have half the width."""
    for i in reversed(range(halvings)):
        x = layers.Conv2D(width // 2 if i else width, 4, 2, "same", activation="relu")(x)
    return residual_blocks(layers.Conv2D(width, 3, padding="same")(x), blocks, units)


def expand(x, doublings, width, channels):
    """Double the sides so many times, down to the channels of a picture."""
    for i in reversed(range(doublings)):
        x = layers.Conv2DTranspose(width // 2 if i else channels, 4, 2, "same")(layers.ReLU()(x))
    return x


def residual_blocks(x, blocks, units):
    """x + conv1x1(relu(conv3x3(relu(x)))), so many times."""
    for _ in range(blocks):
        y = layers.Conv2D(units, 3, padding="same", activation="relu")(layers.ReLU()(x))
        x = x + layers.Conv2D(x.shape[-1], 1)(y)
    return layers.ReLU()(x)
