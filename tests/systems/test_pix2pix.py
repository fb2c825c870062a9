"""The paper's networks, what a score sees, what the noise is, and the distance's part in the game."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts

import kerasgen
from kerasgen.core import random
from kerasgen.objectives import augment

TINY = dict(image_shape=(8, 8, 3), picture_channels=1, widths=(6, 8, 8), discriminator_widths=(8, 12), jitter=2)


def test_weights_of_the_paper():
    """Counted from the authors' Torch code: 54,419,459 and 2,769,601, less the biases before a normalisation."""
    widths = (64, 128, 256, 512, 512, 512, 512, 512)
    before = sum(widths[1:-1]) + sum(widths[:-1])
    judged = 128 + 256 + 512
    assert counts("pix2pix") == {"generator": 54_419_459 - before, "discriminator": 2_769_601 - judged}


def test_a_score_sees_seventy_pixels():
    model = kerasgen.build("pix2pix", image_shape=(96, 128, 3), widths=(4, 4), discriminator_widths=(4, 4, 4, 4))
    picture = tf.Variable(tf.random.normal((1, 96, 128, 6)))
    with tf.GradientTape() as tape:
        scores = model.discriminator(picture)
        score = scores[0, scores.shape[1] // 2, scores.shape[2] // 2, 0]
    seen = np.abs(tape.gradient(score, picture)[0].numpy()).sum(-1) > 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert rows[-1] - rows[0] + 1 == 70 == columns[-1] - columns[0] + 1


def test_noise_is_which_maps_are_dropped():
    """Half of the values stay, twice as large; another seed drops others, and nothing else is drawn."""
    model = kerasgen.build(
        "pix2pix", image_shape=(16, 16, 1), picture_channels=1, widths=(8, 8, 64, 64), discriminator_widths=(8, 8)
    )
    masks = model.prior(7, random.DROPOUT, tf.range(32))
    assert [mask.shape[1:] for mask in masks] == [(2, 2, 64), (4, 4, 8), (8, 8, 8)]
    for mask in masks:
        assert set(np.unique(mask)) == {0.0, 2.0} and abs(np.mean(mask) - 1.0) < 0.05
    x = np.random.default_rng(0).random((3, 16, 16, 1), "float32")
    one, same, other = (model.translate(x, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and np.abs(one - other).mean() > 1e-3
    alone = model.translate(np.repeat(x[:1], 2, 0), seed=1)
    assert np.allclose(alone[0], one[0], atol=1e-6) and np.abs(alone[0] - alone[1]).mean() > 1e-3


def test_small_things_pass_beside_the_innermost_map():
    """What goes in reaches what comes out at its own place, though nothing passes the bottleneck."""
    model = kerasgen.build(
        "pix2pix", image_shape=(16, 16, 1), picture_channels=1, widths=(8, 8, 8), discriminator_widths=(8, 8)
    )
    innermost = [layer for layer in model.generator.layers if isinstance(layer, keras.layers.Conv2D)][2]
    innermost.kernel.assign(tf.zeros_like(innermost.kernel))
    x = np.random.default_rng(0).random((1, 16, 16, 1), "float32")
    changed = x.copy()
    changed[0, 5, 11] = 1.0 - changed[0, 5, 11]
    moved = np.abs(model.translate(changed, seed=0) - model.translate(x, seed=0))[0, ..., 0]
    assert moved[2:9, 8:15].mean() > 4 * moved[12:, :6].mean() > 0


def test_terms_of_both_players():
    """By hand: half of the discriminator's loss, the generator's, and lambda times the mean absolute difference."""
    model = kerasgen.build("pix2pix", **{**TINY, "jitter": 0, "mirrored": 0.0, "distance": 3.0})
    model.compile()
    rng = np.random.default_rng(0)
    x, picture = (tf.constant(rng.random((4, 8, 8, channels), "float32")) for channels in (3, 1))
    batch = model.batch((x, picture), training=False)
    values = model.losses(batch, training=False)
    made = model.draw(batch.seed, 0, batch.index, {"picture": picture})
    score = lambda x: model.discriminator(tf.concat([2 * picture - 1, x], -1), training=False)  # noqa: E731
    real, fake = score(2 * x - 1), score(made)
    soft = lambda x: np.log1p(np.exp(np.asarray(x, "float64")))  # noqa: E731
    distance = 3.0 * np.abs(2 * x - 1 - made).mean()
    assert float(values["discriminator_loss"]) == pytest.approx(
        0.5 * (soft(-real).mean() + soft(fake).mean()), rel=1e-5
    )
    assert float(values["distance"]) == pytest.approx(distance, rel=1e-5)
    assert float(values["generator_loss"]) == pytest.approx(soft(-fake).mean() + distance, rel=1e-5)


@pytest.mark.parametrize("shape", [(8, 12, 1), (16, 8, 3)])
def test_pairs_are_moved_alike(shape):
    """What is given with a picture is moved with it, by whole pixels here, and nothing is seen twice."""
    x = tf.random.uniform((64, *shape), seed=1)
    index = tf.range(64)
    one, other = (augment.mirror(augment.jitter(y, 3, 5, index), 0.5, 5, index) for y in (x, 1.0 - x))
    assert np.allclose(one, 1.0 - other, atol=1e-6)
    ramp = tf.tile(tf.range(shape[1], dtype=tf.float32)[None, None, :, None], (64, shape[0], 1, 1))
    cut = augment.jitter(ramp, 3, 5, index)
    slope = np.diff(cut[:, 0, 1:-1, 0])
    assert np.allclose(slope, shape[1] / (shape[1] + 3), atol=1e-5)  # enlarged by so much
    assert len(np.unique(np.round(cut[:, 0, 2, 0], 4))) == 4  # cut at each of the four places
