"""Mixtures of discretised logistic distributions: the law of a pixel's grey levels from a few numbers per pixel.

    P(x) = sum_k w_k prod_c P_k(x_c | x_1 .. x_(c-1)),   P_k(x_c | ..) = S((x_c + h - m) / s) - S((x_c - h - m) / s)
    m = mean_kc + sum_(d < c) tanh(a_kcd) x_d

with S the logistic function, levels evenly spaced in [-1, 1], h half their distance, and the outermost levels open to
infinity. The difference is computed as S(a) - S(b) = S(a) S(-b) (1 - e^(b - a)), each factor by its logarithm: exact in
the tails as well, without branches, and the probabilities of a channel's levels sum to one.

Reference: Salimans, Karpathy, Chen, Kingma, 2017, PixelCNN++, arXiv:1701.05517.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow_probability import distributions as tfd


def size(components: int, channels: int) -> int:
    """How many numbers a pixel's mixture takes."""
    return components * (1 + 2 * channels + channels * (channels - 1) // 2)


class LogisticMixture(tfd.Distribution):
    """The law of the levels of pictures (B, H, W, C), pixel by pixel, from numbers (B, H, W, size).

    Args:
        numbers: what a network makes of the earlier pixels.
        levels: number of grey levels.
        channels: C.
    """

    def __init__(self, numbers, levels, channels):
        self.numbers, self.levels, self.channels = numbers, levels, channels
        super().__init__(tf.int32, tfd.NOT_REPARAMETERIZED, False, False, name="logistic_mixture")

    def _batch_shape(self):
        return self.numbers.shape[:1]

    def _event_shape(self):
        return [*self.numbers.shape[1:3], self.channels]

    def _log_prob(self, levels):
        x = 2.0 * tf.cast(levels, tf.float32) / (self.levels - 1.0) - 1.0
        weights, *laws = _parts(self.numbers, x, self.channels)
        joint = weights + tf.reduce_sum(level_log_prob(x[..., None], *laws, self.levels), axis=-2)
        return tf.reduce_sum(tf.reduce_logsumexp(joint, axis=-1), axis=(1, 2))


def logits(numbers, x, levels: int):
    """Log-probabilities of every level of every channel, given the channels before it at the same place.

    Args:
        numbers: (..., size).
        x: (..., C) in [-1, 1]; channel c is looked at by the later ones alone.
        levels: number of grey levels.

    Returns: (..., C, levels).
    """
    weights, means, log_scales = _parts(numbers, x, x.shape[-1])
    # Which component made the earlier channels tells of which one makes the next.
    seen = level_log_prob(x[..., None], means, log_scales, levels)  # (..., C, K)
    weights = weights[..., None, :] + tf.cumsum(seen, axis=-2, exclusive=True)
    weights = weights - tf.reduce_logsumexp(weights, axis=-1, keepdims=True)
    every = tf.linspace(-1.0, 1.0, levels)
    laws = level_log_prob(every, means[..., None], log_scales[..., None], levels)  # (..., C, K, levels)
    return tf.reduce_logsumexp(weights[..., None] + laws, axis=-2)


def level_log_prob(x, mean, log_scale, levels: int):
    """ln P of the level at x, all arguments broadcast; x in [-1, 1]."""
    half = 1.0 / (levels - 1.0)
    inverse = tf.exp(-log_scale)
    above, below = (x + half - mean) * inverse, (x - half - mean) * inverse
    up, down = -tf.nn.softplus(-above), -tf.nn.softplus(below)  # ln S(above), ln S(-below)
    between = up + down + tf.math.log(-tf.math.expm1(-2.0 * half * inverse))
    return tf.where(x < -1.0 + half, up, tf.where(x > 1.0 - half, down, between))


def _parts(numbers, x, channels):
    """Log-weights (..., K), and means and log-scales (..., C, K) given the earlier channels of x (..., C)."""
    components = numbers.shape[-1] // size(1, channels)
    parts = tf.split(numbers, numbers.shape[-1] // components, axis=-1)
    weights, means = tf.nn.log_softmax(parts[0]), list(parts[1 : 1 + channels])
    log_scales = tf.maximum(tf.stack(parts[1 + channels : 1 + 2 * channels], axis=-2), -7.0)
    slopes = iter(parts[1 + 2 * channels :])
    for channel in range(channels):
        for earlier in range(channel):
            means[channel] = means[channel] + tf.tanh(next(slopes)) * x[..., earlier, None]
    return weights, tf.stack(means, axis=-2), log_scales
