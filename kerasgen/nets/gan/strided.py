"""What strided networks of GANs begin with and how they are normalised, since DCGAN.

Reference: Radford, Metz, Chintala, 2015, arXiv:1511.06434.
"""

from __future__ import annotations

import keras
from keras import layers


def normal():
    """How kernels begin, N(0, 0.02)."""
    return keras.initializers.RandomNormal(stddev=0.02)


def batch_norm():
    """Mean 0 and variance 1 of every feature map over the global batch, then a scale and a shift."""
    gamma = keras.initializers.RandomNormal(1.0, 0.02)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, synchronized=True)
