"""Matches are those of a search one by one; with few samples it regresses, with many it covers every mode."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from sklearn.neighbors import NearestNeighbors

import kerasgen
from kerasgen.core import random
from kerasgen.objectives.implicit import nearest_samples

TINY = dict(image_shape=(8, 8, 1), latent_dim=4, widths=(16, 8), candidates=20)

POINTS = dict(image_shape=(2,), latent_dim=3, widths=(16,))
PICTURES = dict(image_shape=(8, 8, 1), latent_dim=5, widths=(16, 8, 4))


def build(**arguments):
    keras.utils.set_random_seed(0)
    return kerasgen.build("imle", **arguments)


def digits(count):
    return kerasgen.data.load("digits").arrays("train")[0][:count]


@pytest.mark.parametrize("arguments", [POINTS, PICTURES], ids=["points", "pictures"])
def test_matches_are_the_nearest_of_all_candidates(arguments):
    """As scikit-learn finds them, in the latents that the seed gives."""
    model = build(candidates=50, **arguments)
    x = digits(12) if arguments is PICTURES else np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
    latent, distance = model.match(tf.constant(x), 9)
    candidates = random.normal(9, random.LATENT, tf.range(50), (model.latent_dim,)).numpy()
    samples = model.decode(candidates).reshape(50, -1)
    gaps, places = NearestNeighbors(n_neighbors=1).fit(samples).kneighbors(x.reshape(12, -1))
    np.testing.assert_array_equal(latent, candidates[places[:, 0]])
    np.testing.assert_allclose(distance, gaps[:, 0] ** 2, rtol=1e-4, atol=1e-5)


def test_squared_distances():
    x, y = (np.random.default_rng(i).normal(size=(n, 2, 3, 1)).astype("float32") for i, n in ((1, 4), (2, 5)))
    expected = ((x[:, None] - y[None]) ** 2).sum((2, 3, 4))
    np.testing.assert_allclose(nearest_samples.squared_distances(x, y), expected, rtol=1e-5)


def test_more_candidates_never_raise_the_loss():
    """The first of many candidates are the few, so each minimum is over a larger set."""
    x = tf.constant(digits(20))
    losses = []
    for candidates in (1, 10, 100, 1000):
        model = build(candidates=candidates, **PICTURES)
        batch = kerasgen.core.batch.Batch(x, {}, tf.range(20), tf.constant(0))
        losses.append(float(model.losses(batch, training=False)["loss"]))
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] - 1e-3


def test_on_matched_pairs_it_is_a_regression_whose_loss_falls():
    """Between two draws of candidates: the pairs stay as they are and the generator follows the gradient."""
    model = build(candidates=100, **POINTS)
    x = np.random.default_rng(3).normal(size=(32, 2)).astype("float32")
    latent, distance = model.match(tf.constant(x), 1)
    model.generator.compile(keras.optimizers.SGD(0.02), "mse")
    losses = model.generator.fit(latent, x, batch_size=32, epochs=20, shuffle=False, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(float(tf.reduce_mean(distance)) / 2, rel=1e-4)
    assert (np.diff(losses) < 0).all()


def ring(**arguments):
    """Points, and samples of a generator trained on them."""
    model = build(image_shape=(2,), latent_dim=2, widths=(64, 64), jitter=0.0, **arguments)
    angle = np.arange(8) * np.pi / 4
    x = np.tile(2 * np.stack([np.cos(angle), np.sin(angle)], -1), (8, 1)).astype("float32")
    model.compile(optimizer=keras.optimizers.Adam(2e-3), steps_per_execution=100)
    model.fit(tf.data.Dataset.from_tensors(x).repeat(), steps_per_epoch=600, verbose=0)
    return x[:8], model.sample(1000, seed=7)


def test_with_one_candidate_it_regresses_to_the_mean():
    x, samples = ring(candidates=1)
    assert np.linalg.norm(samples, axis=1).mean() < 0.5  # all points have distance 2 from their mean


def test_with_many_candidates_every_point_has_a_sample():
    x, samples = ring(candidates=200)
    nearest = np.linalg.norm(x[:, None] - samples[None], axis=-1).min(1)
    assert nearest.max() < 0.2


def test_weights_of_the_paper():
    """Counted from the layers of the authors' code."""
    assert counts("imle") == {"generator": 6_622_592}
