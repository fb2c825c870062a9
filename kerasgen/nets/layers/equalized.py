"""Layers with an equalised learning rate: weights are N(0, 1) and scaled when they are used, not when they are made.

An optimiser such as Adam takes steps of one size for all weights. If all of them have unit variance, none learns faster
relative to its own size than another, whatever the fan-in of its layer.

Reference: Karras, Aila, Laine, Lehtinen, 2017, Progressive Growing of GANs, arXiv:1710.10196.
"""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from kerasgen.nets.layers.low_pass import FOUR, blur


class Dense(layers.Layer):
    """Matrix and bias, both used at `rate` times their stored size, and started so that it does not show.

    Args: units; rate, by which the layer learns slower than others; bias, its first value, None for no bias.
    """

    def __init__(self, units, rate=1.0, bias=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate, self.first = units, rate, bias

    def build(self, shape):
        normal = keras.initializers.RandomNormal(stddev=1.0 / self.rate)
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer=normal, name="kernel")
        if self.first is not None:
            constant = keras.initializers.Constant(self.first / self.rate)
            self.bias = self.add_weight(shape=(self.units,), initializer=constant, name="bias")
        self.gain = self.rate / math.sqrt(shape[-1])

    def call(self, x):
        x = ops.matmul(x, self.kernel * self.gain)
        return x if self.first is None else x + self.bias * self.rate


class Conv(layers.Layer):
    """Convolution with padding "same"; `down` low-passes the picture and halves its sides."""

    def __init__(self, units, size, down=False, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.size, self.down, self.use_bias = units, size, down, use_bias

    def build(self, shape):
        normal = keras.initializers.RandomNormal(stddev=1.0)
        size = (self.size, self.size, shape[-1], self.units)
        self.kernel = self.add_weight(shape=size, initializer=normal, name="kernel")
        self.gain = 1.0 / math.sqrt(math.prod(size[:-1]))
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, x):
        kernel = self.kernel * self.gain
        if self.down:
            x = blur(x, FOUR, self.size // 2 + 1)
            x = ops.conv(x, kernel, strides=2, padding="valid")
        else:
            x = ops.conv(x, kernel, padding="same")
        return x + self.bias if self.use_bias else x


class Bias(layers.Layer):
    """A number per channel."""

    def build(self, shape):
        self.bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="bias")

    def call(self, x):
        return x + self.bias


class Leaky(layers.Layer):
    """Leaky ReLU times sqrt(2), so that activations of unit variance stay near it."""

    def call(self, x):
        return ops.leaky_relu(x, 0.2) * 2.0**0.5


def leaky(x):
    return Leaky()(x)
