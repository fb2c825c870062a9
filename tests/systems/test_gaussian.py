"""Gradient descent finds the Gaussian of maximum likelihood, whose closed form is known."""

import keras
import numpy as np
import pytest
from scipy import stats

import kerasgen

TINY = dict(image_shape=(8, 8, 1), levels=17)

MIX = np.array([[1.5, 0.0], [-0.8, 0.4]])
X = (np.random.default_rng(0).normal(size=(12, 2)) @ MIX.T + [0.5, -1.0]).astype("float32")


@pytest.fixture(scope="module")
def fitted():
    model = kerasgen.build("gaussian", image_shape=(2,))
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    model.fit(np.tile(X, (50, 1)), batch_size=12, shuffle=False, epochs=12, verbose=0)
    return model


def test_descent_finds_the_closed_form(fitted):
    scale = fitted.scale().numpy()
    np.testing.assert_allclose(fitted.mean, X.mean(0), atol=1e-3)
    np.testing.assert_allclose(scale @ scale.T, np.cov(X.T, bias=True), atol=1e-3)


def test_the_covariance_divides_by_the_number_of_examples(fitted):
    """Twelve examples tell N from N - 1: their determinants differ by 16 %."""
    found = np.linalg.det(fitted.scale()) ** 2
    assert found == pytest.approx(np.linalg.det(np.cov(X.T, bias=True)), rel=0.01)
    assert found < 0.9 * np.linalg.det(np.cov(X.T))


def test_the_likelihood_is_the_closed_form(fitted):
    covariance = np.cov(X.T, bias=True)
    best = -0.5 * (2 * np.log(2 * np.pi) + np.log(np.linalg.det(covariance)) + 2)
    assert fitted.log_prob(X).mean() == pytest.approx(best, abs=1e-3)
    elsewhere = np.random.default_rng(1).normal(size=(5, 2)).astype("float32")
    expected = stats.multivariate_normal(X.mean(0), covariance).logpdf(elsewhere)
    np.testing.assert_allclose(fitted.log_prob(elsewhere), expected, atol=0.02)


def test_samples_have_the_fitted_moments(fitted):
    x = fitted.sample(4000, seed=7)
    np.testing.assert_allclose(x.mean(0), fitted.mean, atol=0.1)
    np.testing.assert_allclose(np.cov(x.T), np.cov(X.T, bias=True), atol=0.2)


def test_adaptation_starts_from_the_spread_of_the_first_batch():
    model = kerasgen.build("gaussian", image_shape=(2,))
    model.adapt(X)
    np.testing.assert_allclose(model.mean, X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.scale(), np.diag(X.std(0)), atol=1e-4)
