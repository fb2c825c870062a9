"""Sampling from what the layers remember is sampling by a whole pass per element, only sooner."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from remembering import given, labels, law_of_memory

import kerasgen
from kerasgen import samplers
from kerasgen.core import random

TINY = dict(image_shape=(8, 8, 1), levels=17, num_classes=10, width=9, depth=2, hidden=9)

KINDS = {
    "grey": dict(image_shape=(5, 7, 1), levels=5, depth=3),
    "classes": dict(image_shape=(7, 4, 1), levels=3, num_classes=3, depth=2, first_kernel_size=5),
    "colour": dict(image_shape=(4, 5, 3), levels=4, num_classes=2, depth=3, first_kernel_size=3),
    "two channels": dict(image_shape=(3, 5, 2), levels=3, depth=2, kernel_size=5),
    "wider than the picture": dict(image_shape=(2, 2, 1), levels=2, depth=2, first_kernel_size=9),
    "one pixel wide": dict(image_shape=(6, 1, 3), levels=3, depth=2, kernel_size=1),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def wild(kind, scale=0.5):
    """A model far from its initial weights, where no bias is zero."""
    keras.utils.set_random_seed(0)
    arguments = dict(width=6, hidden=6, kernel_size=3, first_kernel_size=7) | KINDS[kind]
    model, generator = kerasgen.build("pixel_cnn", **arguments), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + scale * generator.normal(size=weight.shape))
    return model


def by_whole_passes(model, choose, count):
    """The naive sampler: choices (count, size)."""

    label = tf.constant(labels(model, count)) if model.num_classes else None

    def logits(levels):
        return model.predict_logits(model.from_levels(levels), label)

    @tf.function(autograph=False)
    def fill():
        return samplers.naive(logits, choose, count, model.image_shape)

    return fill().numpy().reshape(count, -1)


@each_kind
def test_logits_from_memory_are_those_of_a_whole_pass(kind):
    law_of_memory(wild(kind), 4, spread=0.1)


@pytest.mark.parametrize("kind, temperature", [("grey", 1.0), ("classes", 0.0), ("colour", 1.0), ("colour", 0.0)])
def test_samples_from_memory_are_those_of_whole_passes(kind, temperature):
    model, count = wild(kind), 8
    size = int(np.prod(model.image_shape))
    noise = temperature * random.gumbel(5, random.CHOICE, np.arange(count), (size, model.levels)).numpy()

    def choose(place, logits):
        return tf.argmax(logits + tf.gather(noise, place, axis=1), -1, output_type=tf.int32)

    expected = by_whole_passes(model, choose, count)
    x = model.sample(count, seed=5, temperature=temperature, **given(model, count))
    got = np.rint(x.reshape(count, -1) * (model.levels - 1)).astype(int)
    logits = model.logits(x, **given(model, count)).reshape(count, size, -1) + noise
    for row in np.flatnonzero((got != expected).any(1)):  # up to the first difference the prefixes are the same
        place = (got[row] != expected[row]).argmax()
        assert np.ptp(logits[row, place, [got[row, place], expected[row, place]]]) < 1e-4
    if temperature:
        assert len(np.unique(got, axis=0)) > 1
    else:
        np.testing.assert_array_equal(got, logits.argmax(-1))


def test_a_sample_does_not_depend_on_how_many_are_drawn():
    model = wild("colour")
    x = model.sample(7, seed=3, label=1)
    np.testing.assert_array_equal(x[:2], model.sample(2, seed=3, label=1))
    model.parts = 3
    np.testing.assert_array_equal(x, model.sample(7, seed=3, label=1))


@pytest.mark.slow
def test_colour_pictures_sample_alike_in_every_runtime(tmp_path):
    model = wild("colour", 0.1)
    report = kerasgen.export(model, tmp_path / "bundle")["functions"]["sample"]
    assert report["saved_model"] == 0 and report["onnx"] == 0
    bundle = kerasgen.runtime.Bundle(tmp_path / "bundle")
    np.testing.assert_array_equal(bundle.sample(9, seed=4), model.sample(9, seed=4))


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["pixel_cnn_digits", "pixel_cnn_digits_classes"])
def test_trained_presets_sample_alike_in_every_runtime(preset, tmp_path):
    model = kerasgen.load(preset)
    kerasgen.export(model, tmp_path / "bundle")
    bundle = kerasgen.runtime.Bundle(tmp_path / "bundle")
    flips = (bundle.sample(64, seed=4) != model.sample(64, seed=4)).any((1, 2, 3))
    assert flips.mean() <= 1 / 64  # two levels may tie
