"""Discrete codes learned through a relaxation: the pieces of a discrete variational autoencoder.

    q(k | x) = softmax(logits);   y = softmax((logits + g) / tau), g Gumbel, goes to the one-hot code as tau -> 0
    -log p(x | y) + beta KL(q || uniform),   KL = log K - H(q)

Reference: Jang, Gu, Poole, 2016, Categorical Reparameterization with Gumbel-Softmax, arXiv:1611.01144; Ramesh et al.,
2021, arXiv:2102.12092.
"""

from __future__ import annotations

import math

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

MARGIN = 0.1  # how far pictures are kept from 0 and 1, where the logit has no value


def gumbel_softmax(logits, gumbel, temperature):
    """Relaxed codes (..., K), which sum to one; of small temperature nearly one-hot, drawn from softmax(logits)."""
    return tf.nn.softmax((logits + gumbel) / temperature)


def kl_to_uniform(logits):
    """KL(q || uniform) = log K - H(q) of every code, from 0 to log K."""
    return math.log(logits.shape[-1]) - tfd.Categorical(logits).entropy()


def logit_laplace(location, log_scale):
    """The law of values in (0, 1) whose logit is Laplace: f(x) = exp(-|logit x - mu| / b) / (2 b x (1 - x)).

    Example:
        >>> x = (tf.range(1000.0) + 0.5) / 1000
        >>> float(tf.round(tf.reduce_mean(logit_laplace(0.3, -1.0).prob(x)) * 1000) / 1000)
        1.0
    """
    return tfd.TransformedDistribution(tfd.Laplace(location, tf.exp(log_scale)), tfb.Sigmoid())


def inside(x):
    """Pictures in [0, 1] as that law sees them, in [MARGIN, 1 - MARGIN]."""
    return (1.0 - 2.0 * MARGIN) * x + MARGIN


def outside(x):
    """The way back."""
    return tf.clip_by_value((x - MARGIN) / (1.0 - 2.0 * MARGIN), 0.0, 1.0)


def annealed(first, last, progress):
    """From the first value to the last along half a cosine, as progress goes from 0 to 1 and beyond."""
    progress = tf.clip_by_value(progress, 0.0, 1.0)
    return last + 0.5 * (first - last) * (1.0 + tf.cos(math.pi * progress))
