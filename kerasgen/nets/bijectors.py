"""Bijectors of flows, as `tfp.bijectors` over Keras networks.

They are made anew for every call (`Flow.bijector`); the networks and statistics that they use belong to the model.
In TFP's terms forward goes from latents to data.
"""

from __future__ import annotations

import functools
import math

import tensorflow as tf
from keras import layers
from tensorflow_probability import bijectors as tfb

from kerasgen import distribute

EPSILON, MOMENTUM = 1e-4, 0.99


def chain(*bijectors):
    """A chain with a short name: TFP's own lists all its parts, which fills exported graphs with kilobytes of names.

    In the order from data to latents.
    """
    return tfb.Chain(list(bijectors), name="chain")


def logistic(levels: float, alpha: float):
    """From all numbers to levels between 0 and `levels`, and a little beyond: alpha / 2 of the range at both ends.

    So what is piled up at black and at white is spread, and nothing is ever drawn far outside.
    """
    beyond = levels * alpha / 2 / (1 - alpha)
    return tfb.Sigmoid(low=-beyond, high=levels + beyond)


def remembered(compute):
    """What a bijector computes from a tensor, once per tensor.

    TFP asks for the inverse and for its log-determinant apart; both must come from one run of a network, for speed and
    because dropout would differ between two.
    """

    @functools.wraps(compute)
    def once(self, x):
        seen = vars(self).setdefault("_seen", {})
        if x.ref() not in seen:
            seen[x.ref()] = compute(self, x)
        return seen[x.ref()]

    return once


class Coupling(tfb.Bijector):
    """Where the mask is 1, x passes; elsewhere it is scaled and shifted by what the network sees under the mask."""

    def __init__(self, mask, network, training):
        super().__init__(forward_min_event_ndims=mask.ndim, is_constant_jacobian=False, name="coupling")
        self.mask, self.network, self.training = mask, network, training

    @remembered
    def _scale_and_shift(self, x):
        log_scale, shift = self.network(x * self.mask, training=self.training)
        return log_scale * (1.0 - self.mask), shift * (1.0 - self.mask)

    def _forward(self, z):
        log_scale, shift = self._scale_and_shift(z)
        return z * tf.exp(log_scale) + shift

    def _inverse(self, x):
        log_scale, shift = self._scale_and_shift(x)
        return (x - shift) * tf.exp(-log_scale)

    def _forward_log_det_jacobian(self, z):
        return tf.reduce_sum(self._scale_and_shift(z)[0], axis=list(range(-self.mask.ndim, 0)))

    def _inverse_log_det_jacobian(self, x):
        return -self._forward_log_det_jacobian(
            x
        )  # the masked half, all that the network sees, is the same in x and z


def places(x, rank: int) -> int:
    """At how many places of an event of that rank a map of the channels acts."""
    return math.prod(x.shape[-rank:-1])


class Normalization(tfb.Bijector):
    """z = (x - mean) / sqrt(variance + eps), per channel, by running averages that include the current batch."""

    def __init__(self, statistics, rank, training):
        super().__init__(forward_min_event_ndims=rank, is_constant_jacobian=True, name="normalization")
        self.statistics, self.rank, self.training = statistics, rank, training

    @remembered
    def _mean_and_variance(self, x):
        if self.training:
            mean, variance = self.statistics.update(x)
        else:
            mean, variance = self.statistics.mean.value, self.statistics.variance.value
        return mean, variance + EPSILON

    def _forward(self, z):
        mean, variance = self._mean_and_variance(z)
        return z * tf.sqrt(variance) + mean

    def _inverse(self, x):
        mean, variance = self._mean_and_variance(x)
        return (x - mean) * tf.math.rsqrt(variance)

    def _inverse_log_det_jacobian(self, x):
        _, variance = self._mean_and_variance(x)
        return -0.5 * places(x, self.rank) * tf.reduce_sum(tf.math.log(variance))


class RunningStatistics(layers.Layer):
    """Running mean and variance per channel, over all replicas."""

    batch_statistics = True

    def build(self, shape):
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="mean")
        self.variance = self.add_weight(
            shape=(shape[-1],), initializer="ones", trainable=False, name="variance"
        )

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


class Squeeze(tfb.Bijector):
    """Pictures (2h, 2w, c) from (h, w, 4c); inverse: every 2x2 patch becomes channels."""

    def __init__(self):
        super().__init__(forward_min_event_ndims=3, is_constant_jacobian=True, name="squeeze")

    def _forward(self, x):
        return tf.nn.depth_to_space(x, 2)

    def _inverse(self, x):
        return tf.nn.space_to_depth(x, 2)

    def _inverse_log_det_jacobian(self, x):
        return tf.zeros((), x.dtype)

    def _forward_event_shape(self, shape):
        return tf.TensorShape([2 * shape[0], 2 * shape[1], shape[2] // 4])

    def _inverse_event_shape(self, shape):
        return tf.TensorShape([shape[0] // 2, shape[1] // 2, 4 * shape[2]])


class FirstChannels(tfb.Bijector):
    """Apply a bijector to the first half of the channels; the other half is finished and passes."""

    def __init__(self, inner):
        super().__init__(forward_min_event_ndims=3, is_constant_jacobian=False, name="first_channels")
        self.inner = inner

    @remembered  # so that the inner bijector knows them again
    def _halves(self, x):
        return tf.split(x, 2, axis=-1)

    def _forward(self, z):
        first, rest = self._halves(z)
        return tf.concat([self.inner.forward(first), rest], axis=-1)

    def _inverse(self, x):
        first, rest = self._halves(x)
        return tf.concat([self.inner.inverse(first), rest], axis=-1)

    def _inverse_log_det_jacobian(self, x):
        return self.inner.inverse_log_det_jacobian(self._halves(x)[0], 3)
