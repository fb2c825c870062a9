"""Implicit maximum likelihood: every example is to have a sample near by.

    min_theta  E_(z_1 .. z_m)  sum_i  min_j |G(z_j) - x_i|^2

A GAN asks each sample to look like some example, and may leave examples out; this asks each example for a sample, and
may not. Where the samples are drawn from a density, minimising the distance to the nearest of them maximises the
likelihood of a smoothed version of it (Li, Malik, 2018, section 3).

Reference: Li, Malik, 2018, Implicit Maximum Likelihood Estimation, arXiv:1809.09087.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.model import GenerativeModel


class Matching(GenerativeModel):
    """A generator whose samples are matched to the examples.

    A model builds `self.generator` (latent -> x) and sets the two attributes.

    Attributes:
        candidates: samples among which the nearest is sought, m; a step draws them once for all of its examples.
        jitter: deviation of what is added to a matched latent.
    """

    reports = ("loss",)
    serves = ("sample", "decode")
    candidates: int = 1000
    jitter: float = 0.0

    def prior(self, seed, stream, index):
        return random.normal(seed, stream, index, (self.latent_dim,))

    def match(self, x, seed):
        """The latent (B, latent_dim) of the candidate that is nearest to each x, and its squared distance (B,)."""
        latent = self.prior(seed, random.LATENT, tf.range(self.candidates))
        distances = squared_distances(x, self.generator(latent, training=False))
        return tf.gather(latent, tf.argmin(distances, axis=1)), tf.reduce_min(distances, axis=1)

    def train_step(self, data):
        batch = self.batch(data)
        latent, _ = self.match(batch.x, batch.seed)
        latent += self.jitter * self.prior(batch.seed, random.NOISE, batch.index)

        def loss():
            gap = self.generator(latent, training=True) - batch.x
            return {"loss": ops.mean(tf.reduce_sum(_flat(gap) ** 2, axis=1))}

        return self.report(batch, self.descend(batch, "", loss))

    def losses(self, batch, training):
        return {"loss": ops.mean(self.match(batch.x, batch.seed)[1])}

    def serve_sample(self, seed, index):
        return self.serve_decode(self.prior(seed, random.LATENT, index))

    def serve_decode(self, latent):
        return self.generator(latent, training=False)


def squared_distances(x, y):
    """|x_i - y_j|^2 (N, M) between the examples of two batches, by the product of all with all."""
    x, y = _flat(x), _flat(y)
    products = tf.matmul(x, y, transpose_b=True)
    return tf.reduce_sum(x**2, axis=1)[:, None] - 2.0 * products + tf.reduce_sum(y**2, axis=1)


def _flat(x):
    return ops.reshape(x, (ops.shape(x)[0], -1))
