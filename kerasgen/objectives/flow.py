"""Likelihood through a bijector: x = f(z), z ~ N(0, I), and so

    log p(x) = log N(f^-1(x); 0, I) + log |det d f^-1(x) / dx|

Sampling is one pass of f, the likelihood one pass of its inverse.

Reference: Dinh, Krueger, Bengio, 2014, NICE, arXiv:1410.8516.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops
from tensorflow_probability import distributions as tfd

from kerasgen import random
from kerasgen.model import GenerativeModel
from kerasgen.objectives import likelihood


class Flow(GenerativeModel):
    """A density made by a bijector from a standard normal of as many dimensions.

    A model fills one hook, `bijector`, and sets `latent_dim` to the number of dimensions.
    """

    serves = ("sample", "decode", "encode", "log_prob")
    reports = ("loss", "bits_per_dim")
    density = True

    def bijector(self, training: bool = False):
        """Hook: the `tfp.bijectors` map from latents (B, latent_dim) to grey levels y (B, *image_shape)."""
        raise NotImplementedError

    def distribution(self, training: bool = False):
        """The density of y."""
        base = tfd.MultivariateNormalDiag(tf.zeros(math.prod(self.image_shape)))
        return tfd.TransformedDistribution(base, self.bijector(training))

    def losses(self, batch, training):
        y = likelihood.dequantise(batch, self.levels)
        return likelihood.report(-ops.mean(self.distribution(training).log_prob(y)), self.image_shape)

    def train_step(self, data):
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, "", lambda: self.losses(batch, training=True)))

    def serve_sample(self, seed, index, temperature=1.0):
        return self.serve_decode(temperature * random.normal(seed, random.LATENT, index, (self.latent_dim,)))

    def serve_decode(self, latent):
        return likelihood.from_units(self.bijector().forward(latent), self.levels)

    def serve_encode(self, x):
        # The middle of the level's cell, so that decoding gives x back.
        return self.bijector().inverse(likelihood.to_units(x, self.levels) + (0.5 if self.levels else 0.0))

    def serve_log_prob(self, x):
        return self.distribution().log_prob(likelihood.to_units(x, self.levels))
