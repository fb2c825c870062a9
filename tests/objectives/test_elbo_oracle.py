"""The variational bound against a model whose likelihood and posterior are known: x = W z + m + s eps, z ~ N(0, I).

The columns of W are orthogonal, so that the exact posterior is diagonal and an `Elbo` can hold it.
"""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow_probability import distributions as tfd

from kerasgen.core.batch import Batch
from kerasgen.metrics.likelihood import importance_weighted
from kerasgen.objectives.vae import elbo

W = np.array([[1.0, 0.5], [0.5, -1.0], [-1.0, 0.5], [0.5, 1.0]]) * [0.9, 0.4]
MEAN, DEVIATION = np.array([0.3, -0.1, 0.2, 0.5]), 0.6
EVIDENCE = stats.multivariate_normal(MEAN, W @ W.T + DEVIATION**2 * np.eye(4))
PRECISION = np.eye(2) + W.T @ W / DEVIATION**2  # of the posterior, diagonal
X = EVIDENCE.rvs(6, random_state=0).astype("float32")


class LinearGaussian(elbo.Elbo):
    """`shift` and `stretch` move the posterior away from the exact one."""

    density = True
    kinds = ("vector",)

    def __init__(self, shift=0.0, stretch=1.0, levels=None, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim, self.levels = (4,), 2, levels
        self.shift, self.stretch = shift, stretch

    def posterior(self, x, training=False):
        mean = (x - MEAN) @ tf.constant(W / DEVIATION**2 / np.diag(PRECISION), tf.float32)
        deviation = self.stretch / np.sqrt(np.diag(PRECISION)).astype("float32")
        return tfd.Independent(tfd.Normal(mean + self.shift, deviation + 0.0 * mean), 1)

    def likelihood(self, latent, training=False):
        mean = latent @ tf.constant(W.T, tf.float32) + tf.constant(MEAN, tf.float32)
        return tfd.Independent(tfd.Normal(mean, DEVIATION), 1)


def draws(function, count):
    """(count, N) values: rows of one call draw apart, and so do two seeds."""
    halves = [function(np.tile(X, (count // 2, 1)), seed) for seed in (0, 1)]
    return np.concatenate(halves).reshape(count, len(X))


def assert_mean(samples, expected, deviations=3.5):
    """The mean over the first axis is `expected` within so many standard errors."""
    error = samples.std(0) / np.sqrt(len(samples)) + 1e-5
    assert (np.abs(samples.mean(0) - expected) < deviations * error).all()


def test_the_test_bed_has_a_diagonal_posterior():
    assert PRECISION[0, 1] == pytest.approx(0) and (np.diag(PRECISION) > 1.1).all()


def test_with_the_exact_posterior_every_weight_is_the_likelihood():
    weights = draws(LinearGaussian().log_weight, 20)
    np.testing.assert_allclose(weights, np.broadcast_to(EVIDENCE.logpdf(X), weights.shape), atol=1e-4)


def test_with_the_exact_posterior_the_bound_is_tight():
    assert_mean(draws(LinearGaussian().serve_bound, 4000), EVIDENCE.logpdf(X))


def test_a_wrong_posterior_costs_its_divergence_from_the_exact_one():
    shift, stretch = 0.3, 0.7
    model = LinearGaussian(shift, stretch)
    gap = 0.5 * (2 * stretch**2 - 2 - 4 * np.log(stretch) + shift**2 * np.trace(PRECISION))
    assert gap > 0.3
    for bound in (
        model.serve_bound,
        model.log_weight,
    ):  # the divergence from the prior in closed form, and drawn
        assert_mean(draws(bound, 4000), EVIDENCE.logpdf(X) - gap)


def test_importance_weights_are_unbiased_and_their_bound_grows_with_the_particles():
    weights = draws(LinearGaussian(0.3, 1.3).log_weight, 8000)
    assert_mean(np.exp(weights - EVIDENCE.logpdf(X)), 1.0)
    # Groups of one draw, nested in groups of ten, nested in groups of a hundred.
    groups = [weights.reshape(-1, k, len(X)).swapaxes(0, 1) for k in (1, 10, 100)]
    bounds = [importance_weighted(group).mean(0) for group in groups]
    assert (bounds[0] < bounds[1] - 0.1).all() and (bounds[1] < bounds[2]).all()
    np.testing.assert_allclose(bounds[2], EVIDENCE.logpdf(X), atol=0.03)


def test_the_divergence_in_closed_form_is_the_one_that_is_drawn():
    model = LinearGaussian(0.3, 0.7)
    kl = model.negative_bound(X, tf.zeros((6, 2))).kl
    q, prior = model.posterior(X), elbo.standard_normal(2)
    z = q.sample(4000, seed=0)
    assert_mean((q.log_prob(z) - prior.log_prob(z)).numpy(), kl)
    mean, variance = q.mean().numpy(), q.variance().numpy()
    np.testing.assert_allclose(kl, 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum(-1), rtol=1e-5)


def test_networks_return_the_logarithm_of_the_variance():
    q = elbo.diagonal_normal(tf.ones((1, 2)), tf.fill((1, 2), np.log(4.0).astype("float32")))
    np.testing.assert_allclose(q.variance(), 4.0, rtol=1e-6)
    np.testing.assert_allclose(elbo.reparameterise(q, tf.constant([[0.0, -1.5]])), [[1.0, -2.0]], rtol=1e-6)


def test_a_density_is_per_grey_level():
    """17 levels make the density of a unit that of 1/16: ln 16 less in each of four dimensions."""
    plain, levels = LinearGaussian(0.3), LinearGaussian(0.3, levels=17)
    for function in ("serve_bound", "log_weight"):
        difference = getattr(plain, function)(X, 3) - getattr(levels, function)(X, 3)
        np.testing.assert_allclose(difference, 4 * np.log(16), rtol=1e-5)


def test_the_loss_is_minus_the_mean_bound():
    batch = Batch(tf.constant(X), {}, tf.range(6), tf.constant(5))
    values = LinearGaussian(0.3).losses(batch, training=False)
    np.testing.assert_allclose(values["loss"], -np.mean(LinearGaussian(0.3).serve_bound(X, 5)), rtol=1e-5)
    np.testing.assert_allclose(values["loss"], values["reconstruction"] + values["kl"], rtol=1e-6)
