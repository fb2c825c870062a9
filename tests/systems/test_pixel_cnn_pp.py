"""The mixture against sums and TFP, the order of the streams, and sampling from memory against whole passes."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from remembering import law_of_memory
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import kerasgen
from kerasgen.core import random
from kerasgen.nets.causal.weight_normed import Grown, Shifted
from kerasgen.objectives.autoregressive import logistic_mixture as mixture

TINY = dict(image_shape=(8, 8, 1), levels=17, num_classes=10, width=8, depth=1, components=2, dropout=0.0)

# ------------------------------------------------------------------------------------------------- the mixture


def every_level(levels):
    return np.linspace(-1, 1, levels, dtype="float32")


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("mean", [-3.0, -0.98, 0.1, 1.7])
@pytest.mark.parametrize("log_scale", [-7.0, -3.0, 0.0, 3.0])
def test_levels_sum_to_one(levels, mean, log_scale):
    log_prob = mixture.level_log_prob(every_level(levels), mean, log_scale, levels).numpy().astype("float64")
    assert np.isfinite(log_prob).all() and np.exp(log_prob).sum() == pytest.approx(1, abs=2e-5)


def test_levels_are_those_of_tfp():
    """Where TFP's difference of two numbers near one keeps its digits; levels are 0 .. 16 there."""
    levels = 17
    for mean, log_scale in ((0.0, -2.0), (0.6, -1.0), (-0.9, -1.5), (0.3, 0.5)):
        logistic = tfd.Logistic(np.float32(8.0 * (mean + 1.0)), np.float32(8.0 * np.exp(log_scale)))
        shifted = tfd.TransformedDistribution(logistic, tfb.Shift(-0.5))
        quantised = tfd.QuantizedDistribution(shifted, 0.0, levels - 1.0)
        found = mixture.level_log_prob(every_level(levels), mean, log_scale, levels)
        np.testing.assert_allclose(found, quantised.log_prob(np.arange(17, dtype="float32")), atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("log_scale", [-7.0, -5.0, -2.0])
def test_tails_are_exact_in_double_precision_and_have_gradients(log_scale):
    """Far from the mean the mass underflows in every number format; its logarithm and slope do not."""
    levels, mean = 256, tf.Variable(0.9)
    scale = tf.Variable(log_scale)
    x = every_level(levels)
    with tf.GradientTape() as tape:
        found = mixture.level_log_prob(x, mean, scale, levels)
        total = tf.reduce_sum(found[1:-1])
    slopes = tape.gradient(total, [mean, scale])
    assert np.isfinite([s.numpy() for s in slopes]).all() and abs(slopes[0].numpy()) > 1
    half, inverse = 1 / 255, np.exp(-log_scale)
    above, below = ((x.astype("float64") + sign * half - 0.9) * inverse for sign in (1, -1))
    softplus = lambda t: np.logaddexp(0, t)
    expected = -softplus(-above) - softplus(below) + np.log(-np.expm1(below - above))
    np.testing.assert_allclose(found[1:-1], expected[1:-1], rtol=2e-4, atol=1e-3)
    assert expected.min() < (-700 if log_scale == -7 else -10)


def numbers(channels, components=3, scale=1.0, shape=(1, 1, 1)):
    rng = np.random.default_rng(channels)
    return (scale * rng.normal(size=(*shape, mixture.size(components, channels)))).astype("float32")


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_pixels_sum_to_one_over_all_colours(channels):
    levels = 4
    pixels = np.array(list(itertools.product(range(levels), repeat=channels)), "int32").reshape(-1, 1, 1, channels)
    law = mixture.LogisticMixture(np.repeat(numbers(channels), len(pixels), 0), levels, channels)
    log_prob = law.log_prob(pixels).numpy()
    assert np.exp(log_prob.astype("float64")).sum() == pytest.approx(1, abs=1e-5)
    assert np.ptp(log_prob) > 1
    # The product of what `logits` says of each channel given the ones before is the same law.
    x = 2.0 * pixels.astype("float32") / (levels - 1) - 1.0
    each = mixture.logits(tf.constant(np.repeat(numbers(channels), len(pixels), 0)), tf.constant(x), levels)
    chosen = np.take_along_axis(each.numpy(), pixels[..., None], -1).sum((1, 2, 3, 4))
    np.testing.assert_allclose(chosen, log_prob, atol=1e-5)
    np.testing.assert_allclose(np.exp(each).sum(-1), 1, atol=1e-5)


def test_later_colours_depend_on_earlier_ones():
    given = tf.constant(numbers(3))
    x = tf.constant([[[[0.2, -0.4, 0.7]]]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        logits = mixture.logits(given, x, 5)
        parts = [tf.reduce_sum(logits[..., c, :] * tf.range(5.0)) for c in range(3)]
    seen = np.stack([tape.gradient(part, x).numpy().ravel() != 0 for part in parts])
    np.testing.assert_array_equal(seen, np.tri(3, 3, -1, dtype=bool))


# ------------------------------------------------------------------------------------------------- the layers


@pytest.mark.parametrize("size", [(1, 3), (2, 1), (2, 2), (2, 3)])
def test_convolutions_look_at_what_they_say(size):
    keras.utils.set_random_seed(0)
    layer, x = Shifted(1, size), tf.random.normal((1, 5, 6, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        middle = layer(x)[0, 2, 3, 0]
    seen = tape.gradient(middle, x)[0, ..., 0].numpy() != 0
    expected = np.zeros((5, 6), bool)
    expected[3 - size[0] : 3, 3 - size[1] // 2 : 4 + (size[1] - 1) // 2] = True
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("size", [(2, 2), (2, 3)])
def test_down_and_up_again_keeps_the_order(size):
    """Place (r, c) of what comes back depends on rows up to r - r % 2 and, for 2x2, columns up to c - c % 2."""
    keras.utils.set_random_seed(0)
    down, up, x = Shifted(2, size, stride=2), Grown(1, size), tf.random.normal((1, 8, 8, 1))
    assert up(down(x)).shape == x.shape
    for r, c in itertools.product(range(8), range(8)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = up(down(x))[0, r, c, 0]
        seen = np.argwhere(tape.gradient(y, x)[0, ..., 0].numpy() != 0)
        assert seen[:, 0].max() == r - r % 2
        if size[1] == 2:
            assert seen[:, 1].max() == c - c % 2


def test_weights_are_normalised():
    keras.utils.set_random_seed(0)
    layer = Shifted(5, (2, 3), scale=0.3)
    layer(tf.zeros((1, 4, 4, 3)))
    kernel, _ = layer.weights_now()
    np.testing.assert_allclose(np.sqrt(np.square(kernel).sum((0, 1, 2))), 0.3, rtol=1e-5)
    layer.v.assign(7.0 * layer.v)
    np.testing.assert_allclose(layer.weights_now()[0], kernel, rtol=1e-5)


# ------------------------------------------------------------------------------------------------- sampling

KINDS = {
    "colour": dict(image_shape=(3, 5, 3), levels=4, num_classes=2),
    "two resolutions": dict(image_shape=(3, 3, 2), levels=3, resolutions=2),
    "grey": dict(image_shape=(8, 8, 1), levels=5),
    "classes": dict(image_shape=(6, 4, 1), levels=3, num_classes=3, depth=2),
    "one resolution": dict(image_shape=(3, 3, 1), levels=3, resolutions=1),
    "one pixel wide": dict(image_shape=(5, 1, 1), levels=3),
}
each_kind = pytest.mark.parametrize(
    "kind", [k if i < 2 else pytest.param(k, marks=pytest.mark.slow) for i, k in enumerate(KINDS)]
)


def wild(kind, scale=0.3):
    """A model far from its initial weights, where no bias is zero."""
    keras.utils.set_random_seed(0)
    arguments = dict(width=6, depth=1, components=2, dropout=0.0) | KINDS[kind]
    model, generator = kerasgen.build("pixel_cnn_pp", **arguments), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + scale * generator.normal(size=weight.shape))
    return model


@each_kind
def test_logits_from_memory_are_those_of_a_whole_pass(kind):
    law_of_memory(wild(kind), 3, spread=0.01)


def test_samples_from_memory_are_the_best_choices_of_a_whole_pass():
    """Inside the graph: with the noise that it was drawn with, every level of a sample wins against all others."""
    model, count = wild("grey"), 6
    noise = random.gumbel(5, random.CHOICE, np.arange(count), (64, model.levels)).numpy()
    x = model.sample(count, seed=5)
    logits = model.logits(x).reshape(count, 64, model.levels) + noise
    level = np.rint(x * (model.levels - 1)).astype(int).reshape(count, 64, 1)
    assert (logits.max(-1) - np.take_along_axis(logits, level, -1)[..., 0]).max() < 1e-4
    assert len(np.unique(x.reshape(count, -1), axis=0)) == count


@pytest.mark.slow
def test_colour_pictures_sample_alike_in_every_runtime(tmp_path):
    model = wild("colour", 0.1)
    report = kerasgen.export(model, tmp_path / "bundle")["functions"]["sample"]
    assert report["saved_model"] == 0 and report["onnx"] == 0
    bundle = kerasgen.runtime.Bundle(tmp_path / "bundle")
    np.testing.assert_array_equal(bundle.sample(9, seed=4), model.sample(9, seed=4))


def test_weights_of_the_paper():
    """Counted from the authors' specification."""
    assert counts("pixel_cnn_pp") == {"network": 53_659_080}
