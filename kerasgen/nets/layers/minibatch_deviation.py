"""What tells a discriminator that samples resemble each other.

Reference: Karras, Aila, Laine, Lehtinen, 2017, Progressive Growing of GANs, arXiv:1710.10196.
"""

from __future__ import annotations

import tensorflow as tf
from keras import layers, ops

from kerasgen.core import distribute


class BatchDeviation(layers.Layer):
    """Add a channel: the standard deviation over the batch, averaged over features, the same number everywhere.

    In training that is over the global batch, and its running average is kept. Elsewhere the average is used, so that a
    score does not depend on what else is scored.
    """

    batch_statistics = True

    def build(self, shape):
        self.average = self.add_weight(shape=(), initializer="zeros", trainable=False, name="average", autocast=False)

    def call(self, x, training=False):
        deviation = self.measure(ops.cast(x, "float32")) if training else ops.convert_to_tensor(self.average)
        return ops.concatenate([x, ops.ones_like(x[..., :1]) * ops.cast(deviation, x.dtype)], axis=-1)

    def measure(self, x):
        total, count = distribute.total([tf.reduce_sum(x, axis=0), tf.cast(tf.shape(x)[0], x.dtype)])
        # From the mean, not from the mean of squares: what is left of a batch of copies must be zero.
        (squares,) = distribute.total([tf.reduce_sum(tf.square(x - total / count), axis=0)])
        deviation = ops.mean(ops.sqrt(squares / count + 1e-8))
        self.average.assign(0.99 * self.average + 0.01 * ops.stop_gradient(deviation))
        return deviation

    def compute_output_shape(self, shape):
        return (*shape[:-1], shape[-1] + 1)
