"""Modulation, filters, styles and lazy penalties, each against what it stands for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from scipy import signal

import kerasgen
from kerasgen.core import random
from kerasgen.nets.layers import equalized, low_pass
from kerasgen.nets.layers.minibatch_deviation import BatchDeviation
from kerasgen.nets.layers.modulated import Modulated
from kerasgen.objectives.gan import penalties

TINY = dict(image_shape=(8, 8, 1), latent_dim=6, widths=(8, 7, 6), mapping=2, gamma=0.1, r1_every=2, path_every=2)

rng = np.random.default_rng


def normal(*shape, seed=0):
    return rng(seed).normal(size=shape).astype("float32")


# ------------------------------------------------------------------------------------------------- blocks


def modulated(up=False, demodulate=True, channels=5):
    keras.utils.set_random_seed(0)
    layer = Modulated(6, 3, up=up, demodulate=demodulate)
    x, style = normal(4, 8, 8, channels), normal(4, 7, seed=1)
    layer(x, style)
    return layer, x, style


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulation_is_a_convolution_with_weights_of_each_example(up, demodulate):
    """The definition: w_i = s_i w, divided by its norm, one convolution per example."""
    layer, x, style = modulated(up, demodulate)
    s = layer.affine(style).numpy()
    found = layer(x, style).numpy()
    for i in range(4):
        w = layer.kernel.numpy() * layer.gain * s[i][:, None]
        if demodulate:
            w = w / np.sqrt(np.square(w).sum((0, 1, 2)) + 1e-8)
        if up:
            y = tf.nn.conv2d_transpose(x[i : i + 1], w.transpose(0, 1, 3, 2), (1, 17, 17, 6), 2, "VALID")
            kernel = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16.0
            padded = np.pad(y[0], ((1, 1), (1, 1), (0, 0)))
            y = np.stack([signal.correlate2d(padded[..., c], kernel, "valid") for c in range(6)], -1)
        else:
            y = tf.nn.conv2d(x[i : i + 1], w, 1, "SAME")[0]
        np.testing.assert_allclose(found[i], y, atol=1e-4)


def test_demodulated_outputs_have_unit_variance_at_any_scale_of_the_style():
    layer, _, style = modulated(channels=32)
    x = normal(64, 16, 16, 32)
    layer = Modulated(48, 3)
    y = layer(x, normal(64, 7))[:, 1:-1, 1:-1].numpy()  # away from the zeros around
    assert np.abs(y.std((0, 1, 2)) - 1).max() < 0.1
    affine, kernel, bias = layer.affine(normal(64, 7)).numpy(), layer.affine.kernel, layer.affine.bias
    kernel.assign(10.0 * kernel), bias.assign(10.0 * bias)
    np.testing.assert_allclose(layer.affine(normal(64, 7)), 10 * affine, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer(x, normal(64, 7))[:, 1:-1, 1:-1], y, rtol=1e-3, atol=1e-4)


def test_equalised_layers_keep_unit_variance_whatever_their_width():
    keras.utils.set_random_seed(0)
    for width in (16, 256):
        x = normal(512, width)
        for rate in (1.0, 0.01):
            layer = equalized.Dense(64, rate=rate)
            assert np.std(layer(x)) == pytest.approx(1, abs=0.1)
            assert np.std(layer.kernel) == pytest.approx(1 / rate, rel=0.1)
        assert np.std(equalized.Conv(64, 3)(normal(16, 8, 8, width))[:, 1:-1, 1:-1]) == pytest.approx(1, abs=0.1)


def test_filters_keep_what_is_flat_and_take_away_what_is_fine():
    flat, fine = np.ones((1, 12, 12, 2), "float32"), np.ones((1, 12, 12, 2), "float32")
    fine[:, ::2] = -1.0
    for taps in (low_pass.THREE, low_pass.FOUR):
        np.testing.assert_allclose(low_pass.blur(flat, taps, 0), 1.0, rtol=1e-6)
        np.testing.assert_allclose(low_pass.blur(fine, taps, 0), 0.0, atol=1e-6)
    np.testing.assert_allclose(low_pass.double(flat)[:, 2:-2, 2:-2], 1.0, rtol=1e-6)


def test_doubling_is_zeros_between_pixels_and_the_filter():
    x = normal(1, 5, 6, 1)
    zeros = np.zeros((10, 12))
    zeros[::2, ::2] = x[0, :, :, 0]
    kernel = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16.0
    expected = signal.correlate2d(np.pad(zeros, ((2, 1), (2, 1))), kernel, "valid")
    np.testing.assert_allclose(low_pass.double(x)[0, :, :, 0], expected, atol=1e-5)


def test_halving_averages_before_it_skips():
    keras.utils.set_random_seed(0)
    layer = equalized.Conv(3, 1, down=True, use_bias=False)
    x = normal(2, 8, 8, 4)
    found = layer(x)
    kernel = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64.0
    blurred = np.stack(
        [[signal.correlate2d(np.pad(p[..., c], 1), kernel, "valid")[::2, ::2] for c in range(4)] for p in x]
    )
    expected = np.einsum("bchw,cd->bhwd", blurred, layer.kernel.numpy()[0, 0] * layer.gain)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_deviation_of_copies_is_zero_and_of_a_batch_is_its_mean_deviation():
    layer = BatchDeviation()
    x = normal(6, 4, 4, 3)
    np.testing.assert_allclose(layer(np.repeat(x[:1], 6, 0), training=True)[..., 3], 1e-4, atol=1e-5)
    np.testing.assert_allclose(layer(x, training=True)[..., 3], x.std(0).mean(), rtol=1e-4)
    for _ in range(1000):
        layer(x, training=True)
    np.testing.assert_allclose(layer(x[:1])[..., 3], x.std(0).mean(), rtol=1e-3)  # alone, by the running average


# ------------------------------------------------------------------------------------------------- the model


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return kerasgen.build("stylegan2", **TINY)


def test_noise_is_silent_at_first_and_then_is_what_the_seed_draws(model):
    index = tf.range(3)
    styles = model.styles(7, 0, index, training=False)
    quiet = model.decode(random.normal(7, random.LATENT, index, (model.latent_dim,)).numpy())
    np.testing.assert_allclose(model.sample(3, seed=7), quiet, atol=1e-6)
    for weight in model.generator.trainable_variables:
        if weight.name == "strength":
            weight.assign(0.5)
    one, other = (model.synthesise(seed, 0, index, styles) for seed in (1, 2))
    assert np.abs(one - other).max() > 1e-3  # the same styles
    np.testing.assert_array_equal(one, model.synthesise(1, 0, index, styles))


def test_truncation_pulls_styles_to_their_mean(model):
    model.mean_style.assign(normal(model.latent_dim))
    whole, half, none = (model.sample(4, seed=7, truncation=t) for t in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(none - none[:1], 0, atol=1e-6)  # one picture for all latents
    assert np.ptp(whole, axis=0).max() > np.ptp(half, axis=0).max() > 1e-4
    draws = adversarial_picture(model, model.draw(7, 0, tf.range(4), {}))
    np.testing.assert_allclose(whole, draws, atol=1e-6)


def adversarial_picture(model, x):
    return np.clip(0.5 * (x.numpy() + 1.0), 0, 1)


def test_the_mean_style_follows_the_styles(model):
    for step in range(60):
        model.draw(step, 0, tf.range(64), {}, training=True)
    expected = np.mean([model.style(s, random.LATENT, tf.range(64)).numpy().mean(0) for s in range(20)], 0)
    distance = np.linalg.norm(model.mean_style.numpy() - (1 - 0.995**60) * expected)
    assert distance < 0.2 * np.linalg.norm((1 - 0.995**60) * expected)


def test_styles_are_mixed_at_a_random_layer(model):
    object.__setattr__(model, "mixing", 0.9)
    styles = model.styles(3, 1, tf.range(500), training=True).numpy()
    coarse, fine = (model.style(3, random.LATENT + k, tf.range(500)).numpy()[:, None] for k in (2, 3))
    is_fine = (styles == fine).all(-1)
    np.testing.assert_array_equal((styles == coarse).all(-1), ~is_fine)
    assert not is_fine[:, 0].any() and (np.diff(is_fine.astype(int), axis=1) >= 0).all()  # from a layer on
    depth = styles.shape[1]
    counts = np.bincount(is_fine.sum(1), minlength=depth) / 500
    assert counts[0] == pytest.approx(0.1, abs=0.05)
    assert np.abs(counts[1:] - 0.9 / (depth - 1)).max() < 0.07


def test_fine_styles_leave_what_lies_before_them_alone(model):
    """Replacing the styles of layers >= L keeps every feature map before L, bit for bit."""
    synthesis = model.generator.get_layer("synthesis")
    maps = [layer for layer in synthesis.layers if isinstance(layer, Modulated) and layer.demodulate]
    inner = keras.Model(synthesis.inputs, [layer.output for layer in maps])
    styles, other = normal(2, *synthesis.input_shape[0][1:]), normal(2, *synthesis.input_shape[0][1:], seed=1)
    noise = normal(2, *synthesis.input_shape[1][1:])
    before = inner([styles, noise])
    for layer in range(1, len(maps)):
        mixed = styles.copy()
        mixed[:, layer:] = other[:, layer:]
        after = inner([mixed, noise])
        same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert same == [i < layer for i in range(len(maps))]


def test_r1_is_paid_every_so_many_steps_only(model):
    """Between payments a step follows the game alone; with payment, the penalty times the number of steps too."""
    x = tf.constant(rng(0).uniform(size=(8, 8, 8, 1)).astype("float32"))
    still = {f"{p}_optimizer": keras.optimizers.SGD(0.0) for p in model.players}
    model.compile(run_eagerly=True, **still)
    found, (r1, _) = [], model.penalties
    for step in range(2 * r1.every + 1):
        found.append(float(r1(model, model.play(model.batch((x,)), 0, training=True))))
        model.generator_optimizer.iterations.assign(step + 1)
    seen = 2.0 * x - 1.0
    with tf.GradientTape() as tape:
        tape.watch(seen)
        total = tf.reduce_sum(model.realness(seen, {}))
    slope = np.square(tape.gradient(total, seen)).sum((1, 2, 3)).mean()
    paid = np.array(found) > 0
    np.testing.assert_array_equal(np.flatnonzero(paid), np.arange(3) * r1.every)
    np.testing.assert_allclose(np.array(found)[paid], model.arguments["gamma"] / 2 * slope * r1.every, rtol=1e-4)


def test_the_mean_path_length_moves_when_it_is_paid(model):
    x = tf.constant(rng(0).uniform(size=(8, 8, 8, 1)).astype("float32"))
    model.compile(run_eagerly=True, **{f"{p}_optimizer": keras.optimizers.SGD(0.0) for p in model.players})
    batch, (_, paths) = model.batch((x,)), model.penalties
    play = model.play(batch, 1, training=True)
    penalty = float(paths(model, play))
    mean = float(model.mean_length)
    assert penalty > 0 and mean > 0
    noise = random.normal(batch.seed, random.NOISE + 3, batch.index, model.image_shape)
    w = model.styles(batch.seed, 2, batch.index, training=True)  # mixed, as in the authors' code
    lengths = penalties.path_lengths(lambda w: model.synthesise(batch.seed, 2, batch.index, w), w, noise)
    assert mean == pytest.approx(np.mean(lengths), rel=1e-4)  # it starts at the first ones
    assert penalty == pytest.approx(paths.every * paths.weight * np.var(lengths), rel=1e-3)
    model.generator_optimizer.iterations.assign(1)
    assert float(paths(model, play)) == 0 and float(model.mean_length) == mean
    model.generator_optimizer.iterations.assign(paths.every)
    model.mean_length.assign(2.0 * mean)
    paths(model, play)
    assert float(model.mean_length) == pytest.approx(1.99 * mean, rel=1e-4)


@pytest.fixture(scope="module")
def trained():
    return kerasgen.load("stylegan2_digits_quick")


def test_early_styles_move_the_coarse_picture_more_than_late_ones(trained):
    """Swapping the styles of the first two layers, and of the others; the coarse picture is its means of 2x2 pixels."""
    index = tf.range(100)
    synthesis = trained.generator.get_layer("synthesis")
    one, other = (trained.styles(seed, 0, index, training=False).numpy() for seed in (1, 2))
    quiet = np.zeros((100, synthesis.input_shape[1][1]), "float32")
    before, moved = synthesis([one, quiet]).numpy(), []
    for part in (slice(None, 2), slice(2, None)):
        mixed = one.copy()
        mixed[:, part] = other[:, part]
        change = synthesis([mixed, quiet]).numpy() - before
        moved.append(np.square(change.reshape(100, 4, 2, 4, 2).mean((2, 4))).mean())
    assert moved[0] > 1.5 * moved[1] > 0


def test_weights_of_the_paper():
    """Configuration F, counted from the authors' code."""
    assert counts("stylegan2") == {"generator": 30_370_060, "discriminator": 29_012_513}


def test_weights_of_the_paper_at_256_pixels():
    """Counted from the authors' code at full width."""
    widths = (512, 512, 512, 512, 512, 256, 128)
    expected = {"generator": 30_034_338, "discriminator": 28_864_129}
    assert counts("stylegan2", image_shape=(256, 256, 3), widths=widths) == expected
