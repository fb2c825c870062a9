"""Likelihood as numbers that can be compared: nats, bits per dimension, importance-weighted estimates.

A discrete model gives ln P(level). A density gives ln p(y) per unit grey level at y = level + u, u ~ U[0, 1)^D:

    E_u ln p(level + u)  <=  ln E_u p(level + u)  =  ln P(level)        (Jensen)

so the figure of a density is a lower bound of what the same model, made discrete, would get: the two may be
compared. bits/dim = -nats / (D ln 2) in both cases, and a uniform model over 17 levels has log2 17 = 4.087.

Reference: Theis, van den Oord, Bethge, 2016, A note on the evaluation of generative models, arXiv:1511.01844;
Burda, Grosse, Salakhutdinov, 2016, Importance weighted autoencoders, arXiv:1509.00519.
"""

from __future__ import annotations

import inspect
import itertools
import math

import numpy as np
from scipy.special import logsumexp

PART = 256  # examples per call of a model


def bits_per_dim(nats, dimensions):
    """Bits per dimension, -nats / (D ln 2), of log-likelihoods in nats per example.

    Args:
        nats: a number or array; ln P of levels, or ln p per unit grey level.
        dimensions: numbers in one example, D >= 1.

    Raises:
        ValueError: no dimensions.

    Example:
        >>> round(float(bits_per_dim(-64 * np.log(17), 64)), 3)
        4.087
    """
    if dimensions < 1:
        raise ValueError(f"dimensions: expected at least 1, got {dimensions}")
    return -np.asarray(nats) / (dimensions * math.log(2))


def dequantise(x, levels, seed):
    """Spread every grey level over its cell: x + u / (levels - 1) with u ~ U[0, 1), fixed by the seed.

    Args:
        x: (N, ...) levels as k / (levels - 1), in [0, 1].
        levels: number of grey levels, at least 2.
        seed: of u.

    Returns:
        float32 (N, ...) in [0, levels / (levels - 1)), which rounding never reaches.

    Raises:
        ValueError: fewer than two levels.

    Example:
        >>> y = dequantise(np.ones((2, 8, 8, 1)), 17, seed=0)
        >>> bool(y.min() >= 1) and bool(y.max() < 17 / 16)
        True
    """
    if levels < 2:
        raise ValueError(f"levels: expected at least 2, got {levels}")
    u = np.random.default_rng(seed).random(np.shape(x), "float32")
    top = np.nextafter(np.float32(levels / (levels - 1)), np.float32(0))
    return np.minimum(np.asarray(x, "float32") + u / np.float32(levels - 1), top)


def importance_weighted(log_weights):
    """Estimate ln p(x) from K particles per example: ln (1/K) sum_k w_k, computed without overflow.

    With w = p(x, z) / q(z | x), z ~ q, its expectation is below ln p(x), grows with K, and tends to ln p(x).

    Args:
        log_weights: (K, N) ln w.

    Returns:
        (N,) nats.

    Raises:
        ValueError: no particles.

    Example:
        >>> np.exp(importance_weighted(np.log([[1.0, 2.0], [3.0, 2.0]]))).round(6).tolist()
        [2.0, 2.0]
    """
    log_weights = np.asarray(log_weights)
    if not len(log_weights):
        raise ValueError("log_weights: expected at least one particle, got none")
    return logsumexp(log_weights, axis=0) - math.log(len(log_weights))


def log_likelihood(model, x, label, data, *, seed=0):
    """ln p(x), or ln p(x | label), of every example by the model's `log_prob`.

    A model that says `density = True` sees levels with noise (`dequantise`); any other is discrete and sees them
    as they are. The port of x tells: that of a density for levels reaches levels / (levels - 1).

    Args:
        model: a `GenerativeModel` or bundle that serves `log_prob`.
        x: (N, *data.shape).
        label: (N,) class numbers, or None where the model takes none.
        data: what x is from.
        seed: of the noise.

    Returns:
        (N,) nats.

    Raises:
        ValueError: other grey levels than the model's.

    Example:
        >>> log_likelihood(model, *data.arrays("test"), data).mean()      # doctest: +SKIP
    """
    return in_parts(model.log_prob, _points(model, "log_prob", x, data, seed), label)


def class_log_prob(model, x, data, *, seed=0):
    """ln p(c | x) of every example and class by the model's `classify`, on what `log_likelihood` shows it.

    Args, raises: as `log_likelihood`.

    Returns:
        (N, num_classes) nats.

    Example:
        >>> class_log_prob(model, data.arrays("test")[0], data).argmax(-1)      # doctest: +SKIP
    """
    return in_parts(model.classify, _points(model, "classify", x, data, seed))


def lower_bound(model, x, label, data, *, seed=0):
    """The model's `bound` below ln p(x) of every example, one draw of its latents each.

    Args, returns and raises: as `log_likelihood`, for a model that serves `bound`; `seed` is that of the
    latents too.

    Example:
        >>> lower_bound(model, *data.arrays("test"), data).mean()      # doctest: +SKIP
    """
    x = _points(model, "bound", x, data, seed)
    seeds = itertools.count(seed)  # one per part
    return in_parts(lambda part, **row: model.bound(part, seed=next(seeds) % 2**31, **row), x, label)


def importance_estimate(model, x, label, data, *, particles=500, seed=0):
    """`importance_weighted` of a Keras model's `log_weight(x, seed) -> (B,)`, called once per particle.

    Args:
        model: serves `bound` and has `log_weight`, over tensors; where that takes `label`, it is given it.
        x, label, data: as in `log_likelihood`.
        particles: K; memory does not grow with it but for K numbers per example.
        seed: of the particles.

    Returns:
        (N,) nats.

    Raises:
        ValueError: no particles; other grey levels than the model's.

    Example:
        >>> importance_estimate(model, *data.arrays("test"), data).mean()      # doctest: +SKIP
    """
    import tensorflow as tf

    from kerasgen.core import random

    if particles < 1:
        raise ValueError(f"particles: expected at least 1, got {particles}")
    x = _points(model, "bound", x, data, seed)
    label = label if "label" in inspect.signature(model.log_weight).parameters else None

    @tf.function(reduce_retracing=True, autograph=False)
    def log_weight(x, particle, **row):
        return model.log_weight(x, random.fold(seed, particle), **row)

    keys = [tf.constant(particle) for particle in range(particles)]

    def estimate(part, **row):
        part, row = tf.constant(part), {name: tf.constant(value) for name, value in row.items()}
        return importance_weighted([log_weight(part, key, **row) for key in keys])

    return in_parts(estimate, x, label)


def in_parts(function, x, label=None):
    """The results of `function(x[, label=])` for all examples, in parts of 256, which bounds its memory."""
    parts = [slice(i, i + PART) for i in range(0, max(len(x), 1), PART)]
    return np.concatenate([function(x[p], **({} if label is None else {"label": label[p]})) for p in parts])


def _points(model, function, x, data, seed):
    """Examples as a likelihood takes them, with noise within the levels for a density."""
    high = next(port.maximum for port in model.ports[function].inputs if port.name == "x")
    if high is None or high <= 1 or data.kind in ("text", "sound"):  # no grey levels
        return x
    levels = round(high / (high - 1))
    if levels != data.levels:
        raise ValueError(f"data: expected {levels} levels, those of the model, got {data.levels}")
    return dequantise(x, levels, seed)
