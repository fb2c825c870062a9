"""Pixel shuffle: feature maps of one place become a block of pixels.

Reference: Shi, Caballero, Huszar, et al., 2016, Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network, arXiv:1609.05158.
"""

from __future__ import annotations

import keras
import tensorflow as tf


class PixelShuffle(keras.layers.Layer):
    """(B, H, W, C factor^2) -> (B, H factor, W factor, C).

    Feature map (i factor + j) C + c of a place is map c of the pixel in row i and column j of its block.

    Args:
        factor: by which the sides grow.
    """

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return tf.nn.depth_to_space(x, self.factor)

    def compute_output_shape(self, shape):
        batch, height, width, channels = shape
        return batch, height * self.factor, width * self.factor, channels // self.factor**2

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
