"""Bijectors of flows, over Keras networks: maps x = f(z) that can be inverted and say how they stretch space.

Each has two methods:

    forward(z) -> x
    inverse(x) -> z, log |det dz/dx|      (B,), or one number where it is the same for all examples

A network's one pass gives both results of `inverse`, and nothing is kept between calls. Bijectors are made anew for
every call (`Flow.bijector`); the networks and statistics that they use belong to the model.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import layers

from kerasgen.core import distribute

EPSILON, MOMENTUM = 1e-4, 0.99


class Chain:
    """One bijector after the other, in the order from data to latents."""

    def __init__(self, *parts):
        self.parts = parts

    def forward(self, z):
        for part in reversed(self.parts):
            z = part.forward(z)
        return z

    def inverse(self, x):
        total = 0.0
        for part in self.parts:
            x, log_det = part.inverse(x)
            total += log_det
        return x, total


class Rearranged:
    """Elements in other places, by a pair of functions that undo each other."""

    def __init__(self, forward, inverse):
        self.forward, self._inverse = forward, inverse

    def inverse(self, x):
        return self._inverse(x), 0.0


def squeeze() -> Rearranged:
    """Pictures (2h, 2w, c) from (h, w, 4c); inverse: the pixels of every 2x2 patch become channels, row by row."""
    return Rearranged(lambda z: tf.nn.depth_to_space(z, 2), lambda x: tf.nn.space_to_depth(x, 2))


def unsqueeze() -> Rearranged:
    """Pictures (h, w, 4c) from (2h, 2w, c)."""
    return Rearranged(squeeze()._inverse, squeeze().forward)


def flatten(shape) -> Rearranged:
    """Examples of that shape from vectors."""
    return Rearranged(lambda z: tf.reshape(z, (-1, *shape)), lambda x: tf.reshape(x, (-1, math.prod(shape))))


def permute(order) -> Rearranged:
    """Inverse: channel i of z is channel order[i] of x."""
    back = sorted(range(len(order)), key=order.__getitem__)
    return Rearranged(lambda z: tf.gather(z, back, axis=-1), lambda x: tf.gather(x, order, axis=-1))


class Range:
    """From [-1/2, 1/2] to [0, levels], linearly."""

    def __init__(self, levels: float):
        self.levels = levels

    def forward(self, z):
        return self.levels * (z + 0.5)

    def inverse(self, x):
        return x / self.levels - 0.5, -math.prod(x.shape[1:]) * math.log(self.levels)


class Logistic:
    """From all numbers to [0, levels], and a little beyond: `free` of the whole at each end.

    So what is piled up at black and at white is spread, and its logits are finite.
    """

    def __init__(self, levels: float, free: float):
        beyond = levels * free / (1 - 2 * free)
        self.low, self.length = -beyond, levels + 2 * beyond

    def forward(self, z):
        return self.low + self.length * tf.sigmoid(z)

    def inverse(self, x):
        share = (x - self.low) / self.length
        below, above = tf.math.log(share), tf.math.log1p(-share)
        return below - above, -_sum(below + above + math.log(self.length))


class Coupling:
    """Some channels pass and say how the others are scaled and shifted, x = z exp(s) + t.

    Args:
        network: channels that pass -> (s, t) of the others.
        passing: how many channels pass.
        first: whether those are the first channels, or the last.
        training: whether the network trains.
    """

    def __init__(self, network, passing: int, first: bool, training: bool):
        self.network, self.passing, self.first, self.training = network, passing, first, training

    def forward(self, z):
        passing, other = self._split(z)
        log_scale, shift = self.network(passing, training=self.training)
        return self._join(passing, other * tf.exp(log_scale) + shift)

    def inverse(self, x):
        passing, other = self._split(x)
        log_scale, shift = self.network(passing, training=self.training)
        return self._join(passing, (other - shift) * tf.exp(-log_scale)), -_sum(log_scale)

    def _split(self, x):
        k = self.passing if self.first else x.shape[-1] - self.passing
        one, other = x[..., :k], x[..., k:]
        return (one, other) if self.first else (other, one)

    def _join(self, passing, other):
        return tf.concat([passing, other] if self.first else [other, passing], axis=-1)


class MaskedCoupling:
    """The same for elements chosen by a mask: where it is 1 they pass. The network sees zeros for the others."""

    def __init__(self, network, mask, training: bool):
        self.network, self.mask, self.training = network, mask, training

    def forward(self, z):
        log_scale, shift = self._scale_and_shift(z)
        return z * tf.exp(log_scale) + shift

    def inverse(self, x):
        log_scale, shift = self._scale_and_shift(x)
        return (x - shift) * tf.exp(-log_scale), -_sum(log_scale)

    def _scale_and_shift(self, x):
        log_scale, shift = self.network(x * self.mask, training=self.training)
        return log_scale * (1.0 - self.mask), shift * (1.0 - self.mask)


class FirstChannels:
    """A bijector of the first half of the channels; the other half is finished and passes."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, z):
        first, rest = tf.split(z, 2, axis=-1)
        return tf.concat([self.inner.forward(first), rest], axis=-1)

    def inverse(self, x):
        first, rest = tf.split(x, 2, axis=-1)
        first, log_det = self.inner.inverse(first)
        return tf.concat([first, rest], axis=-1), log_det


class Normalization:
    """z = (x - mean) / sqrt(variance + eps), per channel, by running averages that include the current batch."""

    def __init__(self, statistics, training: bool):
        self.statistics, self.training = statistics, training

    def forward(self, z):
        return z * tf.sqrt(self.statistics.variance.value + EPSILON) + self.statistics.mean.value

    def inverse(self, x):
        if self.training:
            mean, variance = self.statistics.update(x)
        else:
            mean, variance = self.statistics.mean.value, self.statistics.variance.value
        z = (x - mean) * tf.math.rsqrt(variance + EPSILON)
        return z, -0.5 * places(x) * tf.reduce_sum(tf.math.log(variance + EPSILON))


class RunningStatistics(layers.Layer):
    """Running mean and variance per channel, over all replicas."""

    batch_statistics = True

    def build(self, shape):
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="mean")
        self.variance = self.add_weight(shape=(shape[-1],), initializer="ones", trainable=False, name="variance")

    def update(self, x):
        """The averages after this batch; gradients flow through the batch's share, as in the paper."""
        axes = list(range(x.shape.rank - 1))
        count = tf.cast(tf.size(x) // x.shape[-1], x.dtype)
        sums = distribute.total([tf.reduce_sum(x, axes), tf.reduce_sum(x * x, axes), count])
        first, second = sums[0] / sums[2], sums[1] / sums[2]
        mean = MOMENTUM * self.mean.value + (1 - MOMENTUM) * first
        variance = MOMENTUM * self.variance.value + (1 - MOMENTUM) * (second - first * first)
        self.mean.assign(mean)
        self.variance.assign(variance)
        return mean, variance


def places(x) -> int:
    """At how many places of an example a map of the channels acts."""
    return math.prod(x.shape[1:-1])


def _sum(x):
    """Over all elements of each example, (B,)."""
    return tf.reduce_sum(x, axis=list(range(1, x.shape.rank)))
