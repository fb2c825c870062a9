"""Convolution whose input channels are scaled by a style, and whose outputs are scaled back to unit variance.

    w'_ijk = s_i w_ijk,   w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + eps)

for every example its own s. Scaling what goes in by s and what comes out by 1 / sqrt(...) is the same, and needs one
convolution for all examples.

Reference: Karras et al., 2019, Analyzing and Improving the Image Quality of StyleGAN, arXiv:1912.04958.
"""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from kerasgen.nets.layers import equalized
from kerasgen.nets.layers.low_pass import FOUR, blur


class Modulated(layers.Layer):
    """Modulated convolution with padding "same", bias apart.

    Args:
        units, size: of the convolution.
        up: doubles the sides by a transposed convolution and a low-pass filter.
        demodulate: bring outputs back to unit variance; without it the weights are scaled by their fan-in.
    """

    def __init__(self, units, size, up=False, demodulate=True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.size, self.up, self.demodulate = units, size, up, demodulate

    def build(self, x_shape, style_shape):
        normal = keras.initializers.RandomNormal(stddev=1.0)
        size = (self.size, self.size, x_shape[-1], self.units)
        # Sums of squares need single precision.
        self.kernel = self.add_weight(shape=size, initializer=normal, name="kernel", autocast=False)
        self.affine = equalized.Dense(x_shape[-1], bias=1.0, dtype="float32")
        self.affine.build(style_shape)
        self.gain = 1.0 / math.sqrt(math.prod(size[:-1]))

    def call(self, x, style):
        s, kernel = self.affine(style), ops.convert_to_tensor(self.kernel) * self.gain  # (B, C)
        y = self.convolve(x * ops.cast(s, x.dtype)[:, None, None, :], ops.cast(kernel, x.dtype))
        if self.demodulate:
            squares = ops.matmul(ops.square(s), ops.sum(ops.square(kernel), axis=(0, 1)))  # (B, units)
            y = y * ops.cast(ops.rsqrt(squares + 1e-8), y.dtype)[:, None, None, :]
        return y

    def convolve(self, x, kernel):
        if not self.up:
            return ops.conv(x, kernel, padding="same")
        y = ops.conv_transpose(x, ops.transpose(kernel, (0, 1, 3, 2)), strides=2, padding="valid")
        return blur(y, FOUR, 1, gain=4.0)  # (B, 2H + 1, 2W + 1, units) -> (B, 2H, 2W, units)
