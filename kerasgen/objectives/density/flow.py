"""Likelihood through a bijector: x = f(z), z ~ N(0, I), and so

    log p(x) = log N(f^-1(x); 0, I) + log |det d f^-1(x) / dx|

Sampling is one pass of f, the likelihood one pass of its inverse.

Reference: Dinh, Krueger, Bengio, 2014, NICE, arXiv:1410.8516.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.objectives.density import likelihood


class Flow(GenerativeModel):
    """A density made by a bijector from a standard normal of as many dimensions.

    A model fills one hook, `bijector`, and sets `latent_dim` to the number of dimensions.
    """

    serves = ("sample", "decode", "encode", "log_prob")
    reports = ("loss", "bits_per_dim")
    density = True

    def bijector(self, training: bool = False):
        """Hook: the map from latents (B, latent_dim) to grey levels y (B, *image_shape), as in `nets.bijectors`."""
        raise NotImplementedError

    def log_density(self, y, training: bool = False):
        """log p(y), (B,)."""
        z, log_det = self.bijector(training).inverse(y)
        normal = -0.5 * (tf.reduce_sum(tf.square(z), axis=-1) + self.latent_dim * math.log(2.0 * math.pi))
        return normal + log_det

    def losses(self, batch, training):
        y = likelihood.dequantise(batch, self.levels)
        figures = likelihood.report(-ops.mean(self.log_density(y, training)), self.image_shape)
        # What the weights' own regularizers ask for moves the weights, and is no part of the figure.
        decay = sum((v.regularizer(v) for v in self.trainable_variables if v.regularizer), 0.0)
        return figures | {"loss": figures["loss"] + decay - ops.stop_gradient(decay)} if training else figures

    def serve_sample(self, seed, index, temperature=1.0):
        return self.serve_decode(temperature * random.normal(seed, random.LATENT, index, (self.latent_dim,)))

    def serve_decode(self, latent):
        return likelihood.from_units(self.bijector().forward(latent), self.levels)

    def serve_encode(self, x):
        # The middle of the level's cell, so that decoding gives x back.
        z, _ = self.bijector().inverse(likelihood.to_units(x, self.levels) + (0.5 if self.levels else 0.0))
        return z

    def serve_log_prob(self, x):
        return self.log_density(likelihood.to_units(x, self.levels))
