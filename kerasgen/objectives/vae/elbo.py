"""The variational bound of models with a latent z:

    log p(x) >= E_q(z|x) log p(x|z) - KL(q(z|x) || p(z)),    z = mean + deviation * eps,  eps ~ N(0, I)

Sums run over pixels and latent dimensions, the mean over the batch alone: a mean over pixels would multiply the KL by
their number.

Reference: Kingma, Welling, 2013, Auto-Encoding Variational Bayes, arXiv:1312.6114.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf
from keras import ops
from tensorflow_probability import distributions as tfd

from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.objectives.density import likelihood


class Terms(NamedTuple):
    """The two parts of the negative bound, (B,) nats each."""

    reconstruction: tf.Tensor  # -log p(x|z)
    kl: tf.Tensor  # KL(q(z|x) || p(z))


class Elbo(GenerativeModel):
    """A latent-variable model with an amortised Gaussian posterior.

    A model fills the two hooks below. Both the encoder and the decoder follow the gradient of the same loss.
    """

    serves = ("sample", "decode", "encode", "reconstruct", "bound")
    reports = ("loss", "reconstruction", "kl")

    def posterior(self, x, training: bool = False):
        """Hook: q(z|x), a `tfd.Independent` normal over (B, latent_dim); x in [0, 1]."""
        raise NotImplementedError

    def likelihood(self, latent, training: bool = False):
        """Hook: p(x|z), a distribution over x in [0, 1], (B, *image_shape)."""
        raise NotImplementedError

    def negative_bound(self, x, eps, training: bool = False) -> Terms:
        """Both parts of the bound for the latent that eps (B, latent_dim) picks, the KL in closed form.

        A density per unit of x becomes one per grey level when it is divided by (levels - 1) per dimension.
        """
        q = self.posterior(x, training)
        reconstruction = -self.likelihood(reparameterise(q, eps), training).log_prob(x)
        kl = tfd.kl_divergence(q, standard_normal(self.latent_dim))
        return Terms(reconstruction + self.log_unit(), kl)

    @property
    def top(self) -> float:
        """Grey levels per unit of x."""
        return self.levels - 1.0 if self.levels else 1.0

    def log_unit(self) -> float:
        """What turns -log p per unit of x into -log p per grey level; nothing where p is a probability."""
        return math.prod(self.image_shape) * math.log(self.top) if self.density else 0.0

    def losses(self, batch, training):
        x = likelihood.dequantise(batch, self.levels) / self.top if self.density else batch.x
        eps = random.normal(batch.seed, random.LATENT, batch.index, (self.latent_dim,))
        reconstruction, kl = map(ops.mean, self.negative_bound(x, eps, training))
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def log_weight(self, x, seed):
        """log p(x, z) - log q(z|x) for one z ~ q(z|x) per example; the log-mean-exp of many approaches log p(x)."""
        q = self.posterior(x)
        z = reparameterise(q, random.normal(seed, random.LATENT, tf.range(tf.shape(x)[0]), (self.latent_dim,)))
        log_prior = standard_normal(self.latent_dim).log_prob(z)
        return log_prior + self.likelihood(z).log_prob(x) - self.log_unit() - q.log_prob(z)

    def serve_sample(self, seed, index):
        return self.serve_decode(random.normal(seed, random.LATENT, index, (self.latent_dim,)))

    def serve_decode(self, latent):
        return tf.clip_by_value(self.likelihood(latent).mean(), 0.0, 1.0)

    def serve_encode(self, x):
        return self.posterior(x).mean()

    def serve_reconstruct(self, x):
        return self.serve_decode(self.serve_encode(x))

    def serve_bound(self, x, seed):
        eps = random.normal(seed, random.LATENT, tf.range(tf.shape(x)[0]), (self.latent_dim,))
        reconstruction, kl = self.negative_bound(x, eps)
        return -reconstruction - kl


def standard_normal(dim: int):
    """N(0, I) over (dim,)."""
    return tfd.Independent(tfd.Normal(tf.zeros(dim), tf.ones(dim)), 1)


def diagonal_normal(mean, raw_variance):
    """N(mean, exp(raw_variance)), both (B, dim): networks return the logarithm of the variance."""
    return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * raw_variance)), 1)


def reparameterise(q, eps):
    """z = mean + deviation * eps, so that gradients reach the posterior's parameters."""
    return q.mean() + q.stddev() * eps
