"""In which numbers an example is written: pictures are in [0, 1] outside and in [-1, 1] inside a network; and levels.

Levels 0 .. L - 1 are the greys of pictures, the symbols of texts, the amplitudes of sounds. A scale turns examples x
into levels and back. What a network is shown of x is its `signal`: for texts and sounds the number of the level, for
pictures where it lies between -1 and 1.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf


class Grey:
    """Levels spread evenly over [0, 1]; the signal is 2 x - 1.

    Example:
        >>> Grey(17).value(Grey(17).level(tf.constant([0.0, 0.49, 1.0]))).numpy()
        array([0. , 0.5, 1. ], dtype=float32)
    """

    values = None  # evenly spread, as a reader of bundles expects where it is told nothing else

    def __init__(self, levels):
        self.levels = levels

    def level(self, x):
        """The nearest level of x, int32."""
        return tf.cast(tf.floor(x * (self.levels - 1.0) + 0.5), tf.int32)

    def value(self, level):
        """x of a level."""
        return tf.cast(level, tf.float32) / (self.levels - 1.0)

    def signal(self, x):
        """What the network sees of x."""
        return 2.0 * x - 1.0


class Symbols:
    """Texts: x is the number of a symbol."""

    def __init__(self, levels):
        self.levels, self.values = levels, list(range(levels))

    def level(self, x):
        return tf.cast(x, tf.int32)

    def value(self, level):
        return level

    def signal(self, x):
        return self.level(x)


class Linear:
    """Sounds: bins of equal width over [-1, 1]; x of a level is the middle of its bin.

    Example:
        >>> Linear(4).value(Linear(4).level(tf.constant([-1.0, 0.1, 0.6]))).numpy()
        array([-0.75,  0.25,  0.75], dtype=float32)
    """

    def __init__(self, levels):
        self.levels = levels
        middles = (2 * np.arange(levels) + 1) / levels - 1
        self.values = np.float32(self._expand(middles)).tolist()

    def _expand(self, y):
        return y

    def _compress(self, x):
        return x

    def level(self, x):
        bins = tf.floor((self._compress(x) + 1.0) * (self.levels / 2))
        return tf.cast(tf.clip_by_value(bins, 0.0, self.levels - 1.0), tf.int32)

    def value(self, level):
        return tf.gather(tf.constant(self.values, tf.float32), level)

    def signal(self, x):
        return self.level(x)


class MuLaw(Linear):
    """Sounds: bins of equal width of sign(x) ln(1 + mu |x|) / ln(1 + mu), mu = 255: finer where a sound is soft.

    Reference: ITU-T G.711.
    """

    mu = 255

    def _expand(self, y):
        return np.sign(y) * np.expm1(np.abs(y) * math.log1p(self.mu)) / self.mu

    def _compress(self, x):
        return tf.sign(x) * tf.math.log1p(self.mu * tf.abs(x)) / math.log1p(self.mu)


def to_signed(x):
    """Pictures in [0, 1] as the networks see them, in [-1, 1]."""
    return 2.0 * x - 1.0


def from_signed(x):
    """Pictures in [-1, 1] as users see them, in [0, 1]."""
    return 0.5 * (x + 1.0)


def shown(x):
    """The same, for networks whose last layer is not bounded."""
    return from_signed(tf.clip_by_value(x, -1.0, 1.0))
