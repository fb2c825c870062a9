"""Scales are learnt one by one and keep what is below; the picture itself is one of the samples."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.core import random
from kerasgen.metrics import texture
from kerasgen.nets.noise_fields import field
from kerasgen.objectives.gan import penalties

TINY = dict(image_shape=(8, 8, 1), coarsest=6, width=4, depth=2)

TINY = dict(image_shape=(12, 14, 1), coarsest=6, width=4, depth=2)


def build(**arguments):
    keras.utils.set_random_seed(0)
    return kerasgen.build("singan", **TINY | arguments)


def picture(shape=(12, 14, 1), count=1):
    return np.random.default_rng(1).uniform(size=(count, *shape)).astype("float32")


def values(networks):
    return [v.numpy() for network in networks for v in network.trainable_variables]


# --- pieces -----------------------------------------------------------------------------------------------------------


def test_the_penalty_is_the_slope_at_every_pixel():
    """For a linear critic it is known: the sum over places of a 3x3 kernel is its total away from the border."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 1)).astype("float32")
    x = tf.constant(picture((9, 9, 2), 3))
    found = penalties.local_slope(lambda x: tf.nn.conv2d(x, kernel, 1, "VALID"), x)
    counts = np.zeros((9, 9, 2))
    for row in range(7):
        for column in range(7):
            counts[row : row + 3, column : column + 3] += kernel[..., 0]
    assert float(found) == pytest.approx(np.mean((np.sqrt((counts**2).sum(-1)) - 1) ** 2), rel=1e-4)


def test_a_field_is_the_same_wherever_two_sizes_overlap():
    draw = lambda size: field(random.normal, 7, 3, tf.range(2), size, 20, 2).numpy()  # noqa: E731
    small, large = draw((5, 6)), draw((9, 20))
    np.testing.assert_array_equal(small, large[:, :5, :6])
    assert abs(np.corrcoef(large[0].ravel(), large[1].ravel())[0, 1]) < 0.15
    assert len(np.unique(large)) == large.size


def test_a_network_sees_patches_of_its_depth():
    model = build(depth=3, coarsest=7)
    x = tf.constant(picture((12, 14, 1)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        scores = model.discriminators[0](x)
    assert scores.shape == (1, 6, 8, 1)
    # Normalisation looks at the whole picture; without it a score would see 7x7 pixels and no more.
    layers = model.discriminators[0].convolutions
    with tf.GradientTape() as tape:
        tape.watch(x)
        h = x
        for layer in layers:
            h = tf.nn.conv2d(h, layer.weight("kernel"), 1, "VALID")
        one = h[0, 2, 3, 0]
    seen = np.argwhere(np.abs(tape.gradient(one, x).numpy()[0, :, :, 0]) > 0)
    assert seen.min(0).tolist() == [2, 3] and seen.max(0).tolist() == [8, 9]


def test_a_scale_begins_where_the_one_below_ended():
    model = build(image_shape=(18, 18, 1), coarsest=10)
    for network in (model.generators[0], model.discriminators[0]):
        for variable in network.trainable_variables:
            variable.assign(variable + np.random.default_rng(0).normal(size=variable.shape))
    x = tf.constant(picture((18, 18, 1)))
    for n in (1, 2):
        np.testing.assert_array_equal(model.discriminators[n](x), model.discriminators[0](x))
        np.testing.assert_array_equal(model.generators[n](x, x), model.generators[0](x, x))
    wide = kerasgen.build("singan", image_shape=(40, 40, 1), coarsest=8, width=4, depth=2)
    filters = [network.convolutions[0].own["kernel"].shape[-1] for network in wide.generators]
    assert filters == [4, 4, 4, 4, 8, 8, 8] and np.abs(wide.generators[4].convolutions[0].own["kernel"]).max() > 0


def test_the_picture_is_shrunk_to_every_scale():
    model, x = build(), picture()
    scales = model.scales_of(x)
    assert [tuple(level.shape[1:3]) for level in scales] == model.sizes == [(6, 7), (8, 9), (10, 11), (12, 14)]
    np.testing.assert_array_equal(scales[-1], x)
    assert all(abs(float(tf.reduce_mean(level)) - x.mean()) < 0.03 for level in scales)


# --- learning ---------------------------------------------------------------------------------------------------------


def test_only_the_scale_of_the_stage_learns():
    model, x = build(), picture()
    model.compile(seed=3)
    for n in range(4):
        before = [values([g]) + values([d]) for g, d in zip(model.generators, model.discriminators, strict=True)]
        model.enter_stage(n, 0, 2)
        for _ in range(2):
            model.train_on_batch(x)
        after = [values([g]) + values([d]) for g, d in zip(model.generators, model.discriminators, strict=True)]
        changed = [any((a != b).any() for a, b in zip(*pair, strict=True)) for pair in zip(before, after, strict=True)]
        assert changed == [i == n for i in range(4)]


def test_noise_is_a_tenth_of_what_is_missing():
    model, x = build(), picture()
    model.compile(seed=3)
    model.enter_stage(1, 0, 3)
    below = model.made(model.fixed, 0)
    expected = np.sqrt(np.mean((tf.image.resize(below, (8, 9)) - model.scales_of(2 * x - 1)[1]) ** 2)) / 10
    model.train_on_batch(x)
    np.testing.assert_allclose(model.amplitudes, [1, expected, 1, 1], rtol=1e-5)
    model.train_on_batch(1 - x)  # later steps leave it
    np.testing.assert_allclose(model.amplitudes, [1, expected, 1, 1], rtol=1e-5)


COLOUR = dict(image_shape=(16, 12, 3), coarsest=6, width=4, depth=2)


def test_generators_remember_what_they_were_normalised_by():
    """A tenth of the way after each step: to the statistics of what is drawn, then to those of what is given back."""
    model, x = build(**COLOUR), picture((16, 12, 3), 3)
    assert model.sizes == [(8, 6), (10, 8), (13, 10), (16, 12)]
    model.compile(seed=3, run_eagerly=True)
    for n in (0, 2):
        model.enter_stage(n, 0, 3)
        expected, seen = [np.asarray(v) for v in model.generators[n].remembered], []
        np.testing.assert_array_equal(expected[0], [[0.0] * 4, [1.0] * 4])
        remember = model.generators[n].remember
        model.generators[n].remember = lambda found, do=remember, seen=seen: do(seen.append(found) or found)
        model.train_on_batch(x)
        assert len(seen) == 2 and not np.allclose(seen[0][0], seen[1][0])
        for found in seen:
            expected = [0.9 * e + 0.1 * f for e, f in zip(expected, found, strict=True)]
        np.testing.assert_allclose(model.generators[n].remembered, expected, rtol=1e-5)


def test_the_statistics_of_a_layer_are_those_of_each_picture():
    model = build(**COLOUR)
    noise, before = (tf.constant(picture((16, 12, 3), 2)) for _ in range(2))
    _, (found,) = model.generators[1].learning(noise, before)
    padded = tf.pad(noise + before, [[0, 0], [2, 2], [2, 2], [0, 0]])
    h = tf.nn.conv2d(padded, model.generators[1].convolutions[0].weight("kernel"), 1, "VALID").numpy()
    np.testing.assert_allclose(found[:, 0], h.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(found[:, 1], h.var((1, 2)), rtol=1e-4)


def test_what_is_made_depends_on_patches_alone():
    """Unlike what training sees, in which every pixel moves the statistics of all."""
    model = build(**COLOUR)
    generator, generated = model.generators[2], np.random.default_rng(5)
    for statistics in generator.remembered:
        statistics.assign(generated.uniform(0.5, 2.0, statistics.shape))
    noise, before = (generated.normal(size=(1, 20, 17, 3)).astype("float32") for _ in range(2))
    part = np.s_[:, 3:15, 4:16]
    inside = np.s_[:, 2:-2, 2:-2]  # zeros around it are seen further out
    for make, same in ((generator, True), (lambda *given: generator.learning(*given)[0], False)):
        whole, alone = (np.asarray(make(*given)) for given in ((noise, before), (noise[part], before[part])))
        assert np.allclose(whole[part][inside], alone[inside], atol=1e-5) == same


# --- functions --------------------------------------------------------------------------------------------------------


def test_any_size_comes_out():
    model = build()
    for height, width in ((12, 28), (48, 5), (1, 1)):
        assert model.sample(2, seed=3, height=height, width=width).shape == (2, height, width, 1)
    np.testing.assert_array_equal(model.sample(2, seed=3), model.sample(2, seed=3, height=12, width=14))


def test_refining_by_nothing_changes_nothing_and_more_changes_more():
    model = build()
    for network in model.generators:
        for variable in network.trainable_variables:
            variable.assign(variable + 0.1 * np.random.default_rng(0).normal(size=variable.shape))
    x = picture(count=2)
    changes = [np.abs(model.refine(x, seed=1, strength=s) - x).mean() for s in (0.0, 0.5, 1.0)]
    assert changes[0] < 1e-6 and 0 < changes[1] < changes[2]


def test_bad_arguments_get_one_line():
    with pytest.raises(ValueError) as error:
        build(depth=4)
    assert str(error.value) == "depth: expected patches of at most 6, the coarsest scale, got 9"


# --- the preset -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    model = kerasgen.load("singan_brick")
    return model, kerasgen.data.load("brick", image_shape=model.image_shape).arrays("test")[0]


def test_the_picture_is_one_of_the_samples_at_every_scale(trained):
    model, x = trained
    for n, level in enumerate(model.scales_of(2 * x - 1)):
        error = np.sqrt(np.mean((model.made(model.fixed, n) - level) ** 2)) / 2  # in [0, 1]
        assert error <= 0.05


def test_samples_are_new_and_made_of_what_the_picture_is_made_of(trained):
    model, x = trained
    samples = model.sample(4, seed=7)
    assert texture.coherence(samples, x[0]) < 0.3 and texture.completeness(samples, x[0]) < 0.3
    wide = model.sample(2, seed=7, height=24, width=96)
    assert wide.shape == (2, 24, 96, 1) and texture.coherence(wide, x[0]) < 0.5


@pytest.mark.xfail(reason="0.110 for 0.087: new walls have patches of their own; copies with moved joints had 0.085")
def test_samples_are_nearer_to_the_wall_than_one_half_is_to_the_other(trained):
    """The nearest of the four ways to lay one half beside the other; on average they are 0.128 apart."""
    model, x = trained
    far = texture.distance(texture.shuffled(x[0]), x[0])
    assert texture.coherence(model.sample(4, seed=7), x[0]) < texture.distance(x[0, 24:], x[0, :24]) / far


def test_samples_are_no_moved_copies(trained):
    """Half of the mean squared difference over the variance, from the nearest shift of the picture or its mirror."""
    model, x = trained
    assert texture.novelty(model.sample(4, seed=7), x[0]) > 0.3


def test_injection_at_the_finest_scale_returns_the_picture(trained):
    model, x = trained
    refined = model.refine(x, seed=3, strength=0.3)
    assert 0 < np.sqrt(np.mean((refined - x) ** 2)) < 0.05


def test_injection_takes_the_texture_over(trained):
    """A patch of paint becomes bricks again."""
    model, x = trained
    painted = x.copy()
    painted[:, 16:30, 14:34] = x.mean()
    refined = model.refine(painted, seed=3, strength=1.0)
    inside = np.s_[:, 18:28, 16:32]
    assert refined[inside].std() > 0.4 * x[inside].std() and painted[inside].std() < 1e-6


# --- the paper's scale ------------------------------------------------------------------------------------------------


def test_weights_of_the_paper():
    """Counted from the authors' code, but for biases without effect: before normalisation, and of a critic."""
    model = kerasgen.load("singan_250", weights=False)
    assert len(model.sizes) == 8 and min(model.sizes[0]) == 25  # as many as the paper's rule gives for 188x250
    model = kerasgen.build("singan", image_shape=(250, 250, 3))
    assert len(model.sizes) == 9 and min(model.sizes[0]) == 25
    filters = [32] * 4 + [64] * 4 + [128]
    generators, critics = (
        [sum(v.value.shape.num_elements() for v in network.trainable_variables) for network in networks]
        for networks in (model.generators, model.discriminators)
    )
    theirs = {32: (29_763, 29_185), 64: (114_819, 113_665), 128: (450_819, 448_513)}
    assert [count + 4 * f for count, f in zip(generators, filters, strict=True)] == [theirs[f][0] for f in filters]
    assert [count + 4 * f + 1 for count, f in zip(critics, filters, strict=True)] == [theirs[f][1] for f in filters]
