"""Layers whose kernel is divided by its largest singular value, so that a network of them stretches nothing far.

    W' = W / sigma(W),   sigma(W) = u' W v,   u and v by one step of power iteration per forward pass in training

The raw W is what is trained and saved, and gradients flow through sigma:
dL/dW = (dL/dW' - <dL/dW', W'> u v') / sigma, with u and v held fixed. (Keras' own wrapper overwrites W instead.)

Reference: Miyato, Kataoka, Koyama, Yoshida, 2018, Spectral Normalization for GANs, arXiv:1802.05957.
"""

from __future__ import annotations

import keras
from keras import layers, ops

EPSILON = 1e-12


class Spectral(layers.Layer):
    """A layer with one spectrally normalised kernel, seen as a matrix (inputs, outputs), and perhaps a bias.

    Attributes:
        kernel: the raw W, orthogonal at first.
        u: the leading singular vector on the side of the outputs, as far as it is known.
    """

    def __init__(self, units, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.use_bias = units, use_bias
        # The autograph of Keras would cast them to half precision, in which singular values are too coarse.
        self.exact = dict(autocast=False)

    def build_kernel(self, shape):
        orthogonal, normal = keras.initializers.Orthogonal(), keras.initializers.RandomNormal(stddev=1.0)
        self.kernel = self.add_weight(shape=shape, initializer=orthogonal, name="kernel", **self.exact)
        self.u = self.add_weight(shape=(self.units,), initializer=normal, trainable=False, name="u", **self.exact)
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def matrix(self):
        """The raw kernel as a matrix (inputs, outputs)."""
        return ops.reshape(self.kernel, (-1, self.units))

    def normalised(self, training):
        """W / sigma(W), in the shape of the kernel."""
        w = self.matrix()
        fixed = ops.stop_gradient(w)
        v = _unit(ops.matmul(fixed, ops.convert_to_tensor(self.u)[:, None]))  # (inputs, 1)
        u = _unit(ops.matmul(ops.transpose(fixed), v))  # (outputs, 1)
        if training:
            self.u.assign(u[:, 0])
        sigma = ops.sum(v * ops.matmul(w, u))
        return ops.cast(ops.convert_to_tensor(self.kernel) / sigma, self.compute_dtype)

    def biased(self, x):
        return x + self.bias if self.use_bias else x


class Dense(Spectral):
    """`keras.layers.Dense`, spectrally normalised."""

    def build(self, shape):
        self.build_kernel((shape[-1], self.units))

    def call(self, x, training=False):
        return self.biased(ops.matmul(x, self.normalised(training)))


class Conv(Spectral):
    """`keras.layers.Conv2D` with padding "same" and stride 1, spectrally normalised."""

    def __init__(self, units, size, use_bias=True, **kwargs):
        super().__init__(units, use_bias, **kwargs)
        self.size = size

    def build(self, shape):
        self.build_kernel((self.size, self.size, shape[-1], self.units))

    def call(self, x, training=False):
        return self.biased(ops.conv(x, self.normalised(training), padding="same"))


def kernels(network) -> list:
    """The raw kernels of a network's spectrally normalised layers, as matrices (inputs, outputs)."""
    return [layer.matrix() for layer in network._flatten_layers() if isinstance(layer, Spectral)]


def _unit(x):
    return ops.stop_gradient(x / (ops.norm(x) + EPSILON))
