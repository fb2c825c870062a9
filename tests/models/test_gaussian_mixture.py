"""A mixture of eight Gaussians finds the eight that made the data."""

import keras
import numpy as np
import pytest
from scipy import stats

import kerasgen

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
