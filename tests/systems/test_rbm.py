"""Small machines whose partition function, law and gradient are sums that can be written out."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import expit, logsumexp

import kerasgen
from kerasgen.core import random

TINY = dict(image_shape=(8, 8, 1), hidden=8, chains=6)


def bits(size):
    return np.array(list(itertools.product([0.0, 1.0], repeat=size)))


def wild(scale=1.0, **arguments):
    """A machine with large weights and biases."""
    keras.utils.set_random_seed(0)
    model, generator = kerasgen.build("rbm", **arguments), np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(scale * generator.normal(size=weight.shape))
    return model


def parameters(model):
    return [w.numpy().astype("float64") for w in (model.W, model.a, model.b)]


def log_law(model):
    """(every v, ln of the unnormalised p(v)), by summing over all hidden states of the joint energy."""
    W, a, b = parameters(model)
    v, h = bits(len(a)), bits(len(b))
    return v, logsumexp(v @ W @ h.T + (v @ a)[:, None] + h @ b, axis=1)


def pictures(v, model):
    return v.reshape(-1, *model.image_shape).astype("float32")


def test_the_free_energy_sums_hidden_units_out():
    model = wild(image_shape=(2, 3, 1), hidden=5)
    v, log_p = log_law(model)
    np.testing.assert_allclose(model.energy(pictures(v, model)), -log_p, rtol=1e-5, atol=1e-5)


def test_flipped_is_the_free_energy_of_flipped_pictures():
    model = wild(image_shape=(2, 3, 1), hidden=4)
    v = np.random.default_rng(2).integers(2, size=(5, 6)).astype("float32")
    flipped = v[:, None, :] + (1 - 2 * v)[:, :, None] * np.eye(6, dtype="float32")
    expected = model.energy(pictures(flipped, model)).reshape(5, 6)
    np.testing.assert_allclose(model.flipped(tf.constant(v)), expected, rtol=1e-5, atol=1e-5)


def test_the_loss_is_the_pseudo_likelihood():
    model = wild(image_shape=(2, 2, 1), hidden=3)
    v, log_p = log_law(model)
    law, expected = np.exp(log_p - logsumexp(log_p)).reshape(2, 2, 2, 2), 0.0
    for pixel in range(4):
        conditional = law / law.sum(axis=pixel, keepdims=True)
        expected = expected - np.log(conditional.reshape(16))
    batch = kerasgen.core.batch.Batch(tf.constant(pictures(v, model)), {}, tf.range(16), tf.constant(0))
    assert float(model.losses(batch, training=False)["loss"]) == pytest.approx(expected.mean(), rel=1e-4)


def test_annealing_finds_the_partition_function():
    """Of a machine with 8 visible and 6 hidden units, whose 16,384 states can be summed."""
    model = wild(image_shape=(2, 4, 1), hidden=6)
    exact = logsumexp(log_law(model)[1])
    found = [model.log_partition(temperatures=1000, chains=256, seed=seed) for seed in range(2)]
    assert found == pytest.approx([exact] * 2, abs=0.05)
    assert abs(model.log_partition(temperatures=1, chains=256) - exact) > 0.05  # which one step would miss


def test_one_sweep_leaves_the_law_as_it_is():
    """p T = p for the transition matrix T(v, v') = sum_h p(h|v) p(v'|h), and what is drawn follows T."""
    model = wild(image_shape=(2, 2, 1), hidden=3)
    W, a, b = parameters(model)
    v, log_p = log_law(model)
    h, law = bits(3), np.exp(log_p - logsumexp(log_p))
    hidden = np.exp(stats.bernoulli.logpmf(h, expit(v @ W + b)[:, None]).sum(-1))  # (v, h)
    visible = np.exp(stats.bernoulli.logpmf(v, expit(h @ W.T + a)[:, None]).sum(-1))  # (h, v)
    transition = hidden @ visible
    np.testing.assert_allclose(law @ transition, law, atol=1e-12)
    start, count = 5, 4096
    chains = tf.constant(np.repeat(v[start : start + 1], count, 0).astype("float32"))
    drawn = model.sweep(chains, 7, random.NOISE, tf.range(count)).numpy()
    counts = np.bincount((drawn @ [8, 4, 2, 1]).astype(int), minlength=16)
    expected = transition[start] * count
    assert expected.min() > 5 and stats.chisquare(counts, expected).pvalue > 1e-3


def test_long_chains_follow_the_law():
    model = wild(0.7, image_shape=(2, 2, 1), hidden=3)
    _, log_p = log_law(model)
    samples = model.sample(4096, seed=7, steps=60).reshape(-1, 4)
    counts = np.bincount((samples @ [8, 4, 2, 1]).astype(int), minlength=16)
    expected = np.exp(log_p - logsumexp(log_p)) * 4096
    assert expected.min() > 5 and stats.chisquare(counts, expected).pvalue > 1e-3
    assert stats.chisquare(counts, np.full(16, 256)).pvalue < 1e-3


def test_without_weights_pixels_are_independent():
    model = wild(image_shape=(2, 2, 1), hidden=3)
    model.W.assign(0 * model.W)
    x = bits(4)
    log_p = -model.energy(pictures(x, model)) - model.log_partition(temperatures=1)
    chance = expit(model.a.numpy())
    np.testing.assert_allclose(log_p, stats.bernoulli.logpmf(x, chance).sum(-1), atol=1e-4)


def correlations(model, v):
    """Means over rows of v of (v h', v, h), with the hidden units' expectations."""
    W, _, b = parameters(model)
    h = expit(v @ W + b)
    return [v.T @ h / len(v), v.mean(0), h.mean(0)]


def step(model, x):
    """What one step of plain gradient descent of length 1 adds to W, a and b."""
    model.compile(optimizer=keras.optimizers.SGD(1.0))
    before = parameters(model)
    model.train_on_batch(x)
    return [after - old for after, old in zip(parameters(model), before, strict=True)]


@pytest.mark.parametrize("chains", [0, 20])
def test_a_step_is_the_difference_of_two_correlations(chains):
    """Of the data and of the chains: nothing is propagated back."""
    model = wild(image_shape=(2, 3, 1), hidden=4, chains=chains, sweeps=2)
    v = np.random.default_rng(3).integers(2, size=(8, 6)).astype("float64")
    twin = wild(image_shape=(2, 3, 1), hidden=4, chains=chains, sweeps=2)
    twin.compile()
    moved = step(model, pictures(v, model))
    end = twin.contrast(twin.batch(pictures(v, model)))[1].numpy().astype("float64")
    assert len(end) == (chains or 8) and set(np.unique(end)) <= {0, 1}
    for change, data, chain in zip(moved, correlations(twin, v), correlations(twin, end), strict=True):
        np.testing.assert_allclose(change, data - chain, atol=1e-5)
    if chains:
        np.testing.assert_array_equal(model.chains.numpy(), end)


def test_long_chains_give_the_gradient_of_the_likelihood():
    """By enumeration: correlations of the data less those of the model's own law."""
    model = wild(0.7, image_shape=(2, 2, 1), hidden=3, chains=20_000, sweeps=40)
    v, log_p = log_law(model)
    law, data = np.exp(log_p - logsumexp(log_p)), v[[0, 0, 1, 8]]
    W, _, b = parameters(model)
    h = expit(v @ W + b)
    exact = [v.T @ (law[:, None] * h), law @ v, law @ h]
    expected = [d - e for d, e in zip(correlations(model, data), exact, strict=True)]
    for change, wanted in zip(step(model, pictures(data, model)), expected, strict=True):
        np.testing.assert_allclose(change, wanted, atol=0.02)  # 5 deviations of the mean over the chains
        assert np.abs(wanted).max() > 0.1


def bars_and_stripes():
    rows = bits(3)
    bars = np.repeat(rows[:, :, None], 3, 2)
    return np.unique(np.concatenate([bars, bars.transpose(0, 2, 1)]).reshape(-1, 9), axis=0)


def divergence(chains):
    """KL(data | model), exactly, after training on bars and stripes."""
    keras.utils.set_random_seed(0)
    model = kerasgen.build("rbm", image_shape=(3, 3, 1), hidden=12, chains=chains)
    rate = keras.optimizers.schedules.PolynomialDecay(0.1, 10_000)  # persistent chains must keep up with the weights
    model.compile(optimizer=keras.optimizers.SGD(rate), steps_per_execution=500)
    v = bars_and_stripes()
    batches = tf.data.Dataset.from_tensors(pictures(v, model)).repeat()
    model.fit(batches, steps_per_epoch=10_000, verbose=0)
    every, log_p = log_law(model)
    places = [int(place) for place in v @ 2 ** np.arange(9)[::-1]]
    np.testing.assert_array_equal(every[places], v)
    return float((logsumexp(log_p) - log_p[places]).mean() - np.log(len(v)))


@pytest.mark.slow
def test_persistent_chains_learn_bars_and_stripes_better_than_short_ones():
    """CD-1 never leaves the neighbourhood of the data, so it does not see what else the model likes."""
    short, persistent = divergence(0), divergence(300)
    assert 0 < persistent < 0.5 * short


def test_weights_of_the_paper():
    """Counted by hand: a matrix of 784 x 500, and biases."""
    assert 784 * 500 + 784 + 500 == 393_284
    trainable = kerasgen.build("rbm").trainable_variables
    assert sum(v.value.shape.num_elements() for v in trainable) == 393_284
