"""A mixture of eight Gaussians finds the eight that made the data."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn.mixture import GaussianMixture as Solver

import kerasgen

TINY = dict(image_shape=(2,), components=4)

DATA = kerasgen.data.load("eight_gaussians", batch_size=256)


def test_descent_comes_near_the_entropy():
    model = kerasgen.build("gaussian_mixture", components=8)
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    model.fit(DATA.train, epochs=6, verbose=0)
    nats = -model.log_prob(DATA.arrays("test")[0])
    error = nats.std() / np.sqrt(len(nats))
    assert DATA.entropy - 3.5 * error < nats.mean() <= 1.72
    radii = np.linalg.norm(model.means, axis=-1)
    np.testing.assert_allclose(radii, 2, atol=0.1)  # a mean in each mode, none between two


@pytest.fixture(scope="module")
def solved():
    """A fixed point of expectation-maximisation, by scikit-learn, and a model that is put there."""
    x = DATA.arrays("train")[0]
    found = Solver(8, reg_covar=1e-9, tol=1e-9, max_iter=1000, random_state=0).fit(x)
    model = kerasgen.build("gaussian_mixture", components=8)
    model.shares.assign(np.log(found.weights_))
    model.means.assign(found.means_)
    model.raw_scales.assign(model.triangle.inverse(np.linalg.cholesky(found.covariances_).astype("float32")))
    return found, model, x


def test_a_fixed_point_of_em_has_no_gradient(solved):
    """The likelihood is the same, and so is where it is highest; off the fixed point there is a gradient."""
    found, model, x = solved
    np.testing.assert_allclose(model.log_prob(x[:500]), found.score_samples(x[:500]), atol=2e-4)

    def largest():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model.distribution().log_prob(x))
        return max(float(tf.reduce_max(tf.abs(g))) for g in tape.gradient(loss, model.trainable_variables))

    assert largest() < 1e-3
    model.means.assign_add(np.full((8, 2), 0.1, "float32"))
    assert largest() > 0.05
    model.means.assign(found.means_)


def test_the_preset_is_where_em_ends(solved):
    found, _, x = solved
    model = kerasgen.load("gaussian_mixture_eight_gaussians")
    assert model.log_prob(x).mean() == pytest.approx(found.score(x), abs=5e-3)
    order, theirs = (np.lexsort(np.round(means, 1).T) for means in (model.means.numpy(), found.means_))
    np.testing.assert_allclose(model.means.numpy()[order], found.means_[theirs], atol=0.03)


def test_log_prob_is_the_weighted_sum_of_normals():
    generator = np.random.default_rng(0)
    model = kerasgen.build("gaussian_mixture", components=3)
    for weight in (model.shares, model.means, model.raw_scales):
        weight.assign(generator.normal(size=weight.shape))
    x = generator.normal(size=(6, 2)).astype("float32")
    share = np.exp(model.shares) / np.exp(model.shares).sum()
    scales = model.triangle.forward(model.raw_scales.value).numpy()
    parts = [
        w * stats.multivariate_normal(mean, scale @ scale.T).pdf(x)
        for w, mean, scale in zip(share, model.means.numpy(), scales, strict=True)
    ]
    np.testing.assert_allclose(model.log_prob(x), np.log(sum(parts)), rtol=1e-4, atol=1e-4)
    assert (np.diagonal(scales, axis1=1, axis2=2) >= 0.03).all() and np.allclose(scales, np.tril(scales))


def test_samples_come_from_all_components_in_their_shares():
    model = kerasgen.build("gaussian_mixture", components=3)
    model.means.assign([[-50.0, 0.0], [0.0, 0.0], [50.0, 0.0]])
    model.shares.assign(np.log([0.5, 0.2, 0.3]))
    x = model.sample(4000, seed=7)
    counts = [(x[:, 0] < -25).sum(), (np.abs(x[:, 0]) < 25).sum(), (x[:, 0] > 25).sum()]
    assert stats.chisquare(counts, [2000, 800, 1200]).pvalue > 1e-3
    assert x[x[:, 0] > 25].std(0) == pytest.approx([1, 1], abs=0.1)  # the identity, as at the start
