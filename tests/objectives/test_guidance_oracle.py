"""Guidance where everything is known: two classes, N(-1, s^2) and N(1, s^2), with the exact denoisers and the exact
classifier of noisy points. Then Bayes' rule holds at every noise level, and both ways of guidance are the same.
"""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from kerasgen.core.batch import Batch
from kerasgen.objectives.diffusion import denoising, guidance

S, T = 0.5, 60
CENTRES = tf.constant([-1.0, 1.0])


class Exact(guidance.Guided):
    """Points on a line in the scale of [-1, 1]; of the label 2 nothing is known."""

    kinds = ("vector",)

    def __init__(self, guide="free", share=0.0, drop=0.25, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.levels, self.num_classes = (1,), None, 2
        self.process = denoising.Process(denoising.linear_schedule(T))
        self.sampler, self.spacing = "ddim", "even"
        self.guide, self.drop, self.v = guide, drop, 2.0 * share - 1.0
        self.seen = []

    def away(self, x, time):
        """Distances (B, 2) from the classes' centres in units of noise, and the variance of a noisy class."""
        abar = self.process.at(self.process.abar, time, x)
        return x - tf.sqrt(abar) * CENTRES, abar * S**2 + 1.0 - abar, tf.sqrt(1.0 - abar)

    def predict(self, x, time, label, training=False):
        self.seen.append(label)
        away, variance, noise = self.away(x, time)
        weight = tf.where(label[:, None] < 2, tf.one_hot(label, 2), tf.nn.softmax(self.class_logits(x, time)))
        eps = noise * tf.reduce_sum(weight * away, -1, keepdims=True) / variance
        return eps, tf.fill(tf.shape(x), self.v)

    def class_logits(self, x, time, training=False):
        away, variance, _ = self.away(x, time)
        return -0.5 * away**2 / variance


X = tf.constant(np.linspace(-3, 3, 12)[:, None], tf.float32)
TIME = tf.constant([0, 6, 18, 30, 45, 59] * 2)
LABEL = tf.constant([0, 1] * 6)


@pytest.mark.parametrize("guide", ["free", "classifier"])
def test_a_guidance_of_1_is_the_class_and_of_0_is_none(guide):
    model, none = Exact(guide), tf.fill((12,), 2)
    for strength, label in ((1.0, LABEL), (0.0, none)):
        found, _ = model.guided(X, TIME, LABEL, strength)
        np.testing.assert_allclose(found, model.clean(X, TIME, label)[0], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("guide", ["free", "classifier"])
def test_guidance_is_a_power_of_the_posterior(guide):
    """The guided score is that of p(x) p(y | x)^w, by automatic differentiation of its logarithm."""
    model, w = Exact(guide), 3.0
    away, variance, noise = model.away(X, TIME)
    with tf.GradientTape() as tape:
        tape.watch(X)
        log = -0.5 * model.away(X, TIME)[0] ** 2 / variance
        total = tf.reduce_logsumexp(log, -1)
        power = total + w * (tf.gather(log, LABEL, batch_dims=1) - total)
    score = tape.gradient(power, X)
    found, _ = model.guided(X, TIME, LABEL, w)
    np.testing.assert_allclose(found, model.process.remove_noise(X, -noise * score, TIME), rtol=3e-3, atol=3e-3)


def test_the_slope_is_the_gradient_of_the_classifier():
    model = Exact()
    step = 1e-2

    def log_p(x):
        return tf.gather(tf.nn.log_softmax(model.class_logits(x, TIME)), LABEL, batch_dims=1).numpy()

    expected = (log_p(X + step) - log_p(X - step)) / (2 * step)
    np.testing.assert_allclose(model.slope(X, TIME, LABEL)[:, 0], expected, rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("guide", ["free", "classifier"])
def test_more_guidance_is_surer_and_less_varied(guide):
    model, found = Exact(guide), []
    for w in (0.0, 1.0, 4.0):
        x = 2 * model.sample(500, seed=7, label=1, guidance=w, steps=30).ravel() - 1
        found.append(((x > 0).mean(), x.std()))
    share, spread = zip(*found, strict=True)
    assert share[0] == pytest.approx(0.5, abs=0.06) and 0.95 < share[1] <= share[2]
    assert spread[0] > 2 * spread[1] > 2.2 * spread[2] and spread[1] == pytest.approx(S, abs=0.05)


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_learned_variances_lie_between_the_fixed_ones(share):
    process = Exact().process
    table = process.at(1.0 - process.abar / np.append(1, process.abar[:-1]) if share else process.posterior, TIME, X)
    late = TIME.numpy() > 0
    np.testing.assert_allclose(process.between(tf.fill((12, 1), share), TIME)[late], table[late], rtol=1e-3)
    half, ends = (
        process.between(tf.fill((12, 1), 0.5), TIME),
        [process.between(tf.fill((12, 1), s), TIME) for s in (0.0, 1.0)],
    )
    np.testing.assert_allclose(half**2, ends[0] * ends[1], rtol=1e-4)


def test_the_bound_of_the_true_variances_is_the_entropy():
    """Of a Gaussian class the reverse steps are Gaussians of known variance, with which nothing is lost but the end of
    the chain, KL(q(x_T) || N(0, 1)); with either fixed variance more is."""
    model, process = Exact(), Exact().process
    abar = process.abar.astype("float64")
    clean_variance = S**2 * (1 - abar) / (abar * S**2 + 1 - abar)  # of x_0 given x_t
    variance = process.posterior + process.signal**2 * clean_variance
    shares = (np.log(variance) - process.log_small) / (process.log_large - process.log_small)
    x = tf.constant(1.0 + S * stats.norm.ppf((np.arange(4000) + 0.5) / 4000)[:, None], tf.float32)

    def guess(x, time):
        return model.clean(x, time, tf.ones_like(time))[0]

    def learned(x, time):
        return guess(x, time), process.at(shares.astype("float32"), time, x)

    bound = process.bound(learned, x, 0, None).numpy().mean()
    mean, spread = np.sqrt(abar[-1]), abar[-1] * S**2 + 1 - abar[-1]
    end = 0.5 * (mean**2 + spread - 1 - np.log(spread))
    assert bound == pytest.approx(0.5 * np.log(2 * np.pi * np.e * S**2) + end, abs=0.02)
    for share in (0.0, 1.0):
        fixed = (
            process.bound(lambda x, t, share=share: (guess(x, t), tf.zeros_like(x) + share), x, 0, None).numpy().mean()
        )
        assert fixed > bound + 0.01


def test_classes_are_dropped_as_often_as_asked():
    model, count = Exact(share=1.0), 4000
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=count)
    x = (S * rng.normal(size=count) + 2.0 * label - 1.0)[:, None]
    batch = Batch(
        tf.constant((x + 1) / 2, tf.float32), {"label": tf.constant(label, tf.int32)}, tf.range(count), tf.constant(0)
    )
    losses = model.losses(batch, training=True)
    dropped = np.mean(model.seen[0].numpy() == 2)
    assert dropped == pytest.approx(0.25, abs=0.03)
    kept = model.seen[0].numpy() < 2
    np.testing.assert_array_equal(model.seen[0].numpy()[kept], label[kept])
    # Without class the best guess loses more.
    told, untold = (
        float(Exact(drop=drop, share=1.0).losses(batch, training=True)["network_loss"]) for drop in (0.0, 1.0)
    )
    assert told < float(losses["network_loss"]) < untold
