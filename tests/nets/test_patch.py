"""A score of the patch discriminator sees 70x70 pixels and no more."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasgen.nets.gan import patch_discriminator


@pytest.mark.parametrize("widths, reach", [((2, 2, 2, 2), 70), ((2, 2, 2), 34), ((2, 2), 16)])
def test_reach_of_a_score(widths, reach):
    keras.utils.set_random_seed(0)
    network = patch_discriminator.discriminator((96, 96, 1), widths)
    for v in network.trainable_variables:
        v.assign(tf.abs(v) + 0.1)  # no leaky ReLU and no sum hides anything
    x = tf.ones((1, 96, 96, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        scores = network(x, training=False)
        side = scores.shape[1]
        score = scores[0, side // 2, side // 2, 0]
    rows, columns = np.nonzero(tape.gradient(score, x)[0, :, :, 0].numpy())
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == reach


def test_sides_of_the_scores():
    """256 pixels give 30x30 scores."""
    assert patch_discriminator.discriminator((256, 256, 3), (2, 2, 2, 2)).output_shape == (None, 30, 30, 1)


def test_instance_norm_is_its_definition():
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(3, 5, 4, 2)).astype("float32")
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    np.testing.assert_allclose(patch_discriminator.instance_norm()(x), (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)
    assert not patch_discriminator.instance_norm()(x[:1]).numpy().mean() > 1e-5
