"""StyleGAN: normalisation by style against its definition, mixing, truncation, growing that changes nothing at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import signal

import kerasgen
from kerasgen import hub
from kerasgen.core import random
from kerasgen.models.gan.architecture.stylegan import AdaptiveNorm, _smaller
from kerasgen.nets.gan import styles

TINY = dict(image_shape=(8, 8, 1), latent_dim=6, widths=(8, 7, 6), mapping=2, begins=1, epochs=(1, 2), gamma=0.1)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = kerasgen.build("stylegan", image_shape=(8, 12, 3), latent_dim=6, widths=(8, 7, 6), mapping=2, begins=0)
    for v in model.trainable_variables:  # biases and strengths begin at zero
        v.assign(v + 0.3 * tf.random.stateless_normal(v.shape, (1, 2)))
    return model


def stage(model, name, done=0, steps=10):
    model.place.assign([[stage.name for stage in model.stages].index(name), done, steps])


def size(variables):
    return sum(v.shape.num_elements() for v in variables)


# --- the networks -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_weights_of_the_papers_networks():
    """The authors' page says 26,219,627 for the generator; the 1,539 of the colours of 4x4 are never trained.

    The discriminator is counted from their code, `training/networks_stylegan.py`, in the same way.
    """
    model = kerasgen.build("stylegan")
    assert size(model.player_variables("generator")) == 26_219_627 - (512 * 3 + 3)
    assert size(model.generator.mapping.trainable_variables) == 8 * (512 * 512 + 512)
    widths = (512, 512, 512, 512, 256, 128, 64, 32, 16)
    conv = lambda size, inputs, outputs: size * inputs * outputs + outputs  # noqa: E731
    pairs = zip(widths, widths[1:], strict=False)
    halvings = sum(conv(9, wide, wide) + conv(9, wide, narrow) for narrow, wide in pairs)
    last = conv(9, 513, 512) + conv(1, 16 * 512, 512) + conv(1, 512, 1)
    colours = sum(conv(1, 3, width) for width in widths[1:])
    assert size(model.player_variables("discriminator")) == halvings + last + colours == 23_085_201
    assert model.begins == 1 and model.stages[0].name == "8x8"
    assert (len(model.stages), sum(stage.epochs for stage in model.stages)) == (15, 125)  # 3 are 600,000 pictures


def test_every_map_has_exactly_the_mean_and_deviation_of_its_style():
    keras.utils.set_random_seed(0)
    layer, x, w = AdaptiveNorm(), 5.0 * normal(4, 6, 5, 3) + 7.0, normal(4, 9, seed=1)
    y = layer(x, w).numpy()
    s, b = np.split(layer.affine(w).numpy(), 2, axis=-1)
    np.testing.assert_allclose(y.mean((1, 2)), b, atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2)), np.abs(1 + s), rtol=1e-4)
    # Of each map that is all: what was its scale before does not matter, its pattern stays.
    np.testing.assert_allclose(layer(10.0 * x - 3.0, w), y, atol=1e-4)
    pattern = (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True)
    np.testing.assert_allclose(y, (1 + s)[:, None, None] * pattern + b[:, None, None], atol=1e-4)


def test_features_at_the_end_of_a_resolution_have_the_statistics_of_their_style(model):
    stage(model, "8x12")
    w, noise = tf.constant(normal(3, 6, 6)), tf.constant(normal(3, model.generator.places))
    x = None
    for level in range(3):
        x = model.generator.features(level, x, [w, noise])
        block = model.generator.blocks[level - 1] if level else model.generator.first
        *_, last = [layer for layer in block.layers if isinstance(layer, AdaptiveNorm)]
        s, b = np.split(last.affine(w[:, 2 * level + 1]).numpy(), 2, axis=-1)
        np.testing.assert_allclose(np.mean(x, (1, 2)), b, atol=1e-4)
        np.testing.assert_allclose(np.std(x, (1, 2)), np.abs(1 + s), rtol=1e-3)


def test_every_map_has_a_strength_of_its_own_for_the_same_noise():
    layer, x, noise = styles.Noise(each=True), normal(2, 4, 4, 3), normal(2, 4, 4, 1, seed=1)
    np.testing.assert_array_equal(layer(x, noise), x)
    layer.strength.assign([0.0, 1.0, -2.0])
    np.testing.assert_allclose(layer(x, noise), x + noise * np.float32([0, 1, -2]), rtol=1e-6)


def test_halvings_are_filtered_before_the_convolution():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 8, 4))
    block = keras.Model(inputs, _smaller(inputs, 4, 3))
    first, second = [layer for layer in block.layers if layer.name.startswith("conv")]
    x = normal(2, 6, 8, 4)
    h = np.maximum(first(x), 0.2 * first(x)) * np.sqrt(2.0)
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16.0
    h = np.stack([[signal.correlate2d(p[..., c], kernel, "same") for c in range(4)] for p in h])
    h = second(h.transpose(0, 2, 3, 1).astype("float32")).numpy().reshape(2, 3, 2, 4, 2, 3).mean((2, 4))
    np.testing.assert_allclose(block(x), np.maximum(h, 0.2 * h) * np.sqrt(2.0), atol=1e-5)


# --- styles -----------------------------------------------------------------------------------------------------------


def test_mixing_a_latent_with_itself_is_no_mixing(model, monkeypatch):
    stage(model, "8x12")
    index, fresh = tf.range(40), random.normal
    monkeypatch.setattr(styles.random, "normal", lambda seed, stream, index, shape: fresh(seed, 0, index, shape))
    mixed = model.styles(3, 0, index, training=True)
    np.testing.assert_array_equal(mixed, model.styles(3, 0, index, training=False))
    monkeypatch.undo()
    changed = np.abs(model.styles(3, 0, index, training=True) - mixed).max(-1) > 0
    assert changed.any(1).mean() > 0.7 and (np.diff(changed.astype(int), axis=1) >= 0).all()  # from a layer on


def test_fine_styles_leave_coarser_features_alone(model):
    stage(model, "8x12")
    w, noise = tf.constant(normal(3, 6, 6)), tf.constant(normal(3, model.generator.places))
    other = tf.concat([w[:, :4], normal(3, 2, 6, seed=1)], 1)
    x = y = None
    for level in range(3):
        x, y = (model.generator.features(level, h, [said, noise]) for h, said in ((x, w), (y, other)))
        assert np.array_equal(x, y) == (level < 2)


def test_truncation_pulls_the_first_layers_to_the_mean_style(model):
    stage(model, "8x12")
    model.mean_style.assign(normal(6))
    for v in model.trainable_variables:
        if v.path.endswith("strength"):
            v.assign(tf.zeros_like(v))
    none = model.sample(4, seed=7, truncation=0.0)
    mean = model.generator([styles.one_each(model.mean_style[None], 6), tf.zeros((1, model.generator.places))])
    expected = np.clip(0.5 * (mean + 1.0), 0, 1).repeat(4, 0)
    np.testing.assert_allclose(none, expected, atol=1e-5)  # all six layers are among the first eight
    drawn = np.clip(0.5 * (model.draw(7, 0, tf.range(4), {}) + 1.0), 0, 1)
    np.testing.assert_allclose(model.sample(4, seed=7, truncation=1.0), drawn, atol=1e-6)
    object.__setattr__(model, "truncated", 2)
    model.forget_compiled()
    assert np.ptp(model.sample(4, seed=7, truncation=0.0), axis=0).max() > 1e-2


def test_the_mean_style_follows_the_styles_of_training(model):
    before = normal(6)
    model.mean_style.assign(before)
    model.draw(1, 2, tf.range(8), {}, training=True)
    w = styles.drawn(model.generator.mapping, 1, random.LATENT + 4, tf.range(8)).numpy().mean(0)
    np.testing.assert_allclose(model.mean_style, 0.995 * before + 0.005 * w, atol=1e-6)
    after = model.mean_style.numpy()
    model.draw(1, 2, tf.range(8), {})
    np.testing.assert_array_equal(model.mean_style, after)


# --- growing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before, fade, after", [("2x3", "fade in 4x6", "4x6"), ("4x6", "fade in 8x12", "8x12")])
def test_growing_changes_nothing_at_once(model, before, fade, after):
    """With a share of 0 both networks are the old ones, with a share of 1 the new ones."""
    outputs, x, z = {}, normal(5, 8, 12, 3), normal(5, 6)
    for name, *progress in [(before,), (fade, 0), (fade, 5), (fade, 10), (after,)]:
        stage(model, name, *progress)
        outputs[name, *progress] = model.picture(z, {}).numpy(), model.discriminator(x).numpy()
    for i in range(2):
        old, faded, half, full, new = (values[i] for values in outputs.values())
        np.testing.assert_allclose(faded, old, atol=1e-5)
        np.testing.assert_allclose(full, new, atol=1e-5)
        assert np.abs(half - old).max() > 1e-3 < np.abs(half - new).max()
    assert outputs[before,][0].shape == x.shape


def test_it_may_begin_above_the_smallest_pictures():
    keras.utils.set_random_seed(0)
    model = kerasgen.build("stylegan", **TINY)
    assert [stage.name for stage in model.stages] == ["4x4", "fade in 8x8", "8x8"]
    assert len(model.generator.colours) == len(model.discriminator.features) == 2
    picture = model.decode(normal(2, 6))
    np.testing.assert_array_equal(picture, picture[:, ::2, ::2].repeat(2, 1).repeat(2, 2))  # 4x4, enlarged
    assert model.generator.places == 2 * (2 * 2 + 4 * 4) and model.generator.depth == 4
    assert model.real(normal(2, 8, 8, 1)).shape == (2, 4, 4, 1)
    with pytest.raises(ValueError, match="begins: expected one of 3 resolutions, counted from 0, got 3"):
        kerasgen.build("stylegan", **TINY | {"begins": 3})


def test_noise_of_a_layer_is_its_own(model):
    """Changing the noise of the last resolution changes nothing before it."""
    stage(model, "8x12")
    w, noise = tf.constant(normal(2, 6, 6)), tf.constant(normal(2, model.generator.places))
    before = 2 * (2 * 3 + 4 * 6)
    other = tf.concat([noise[:, :before], normal(2, 2 * 8 * 12, seed=3)], 1)
    x = y = None
    for level in range(3):
        x, y = (model.generator.features(level, h, [w, said]) for h, said in ((x, noise), (y, other)))
        assert np.array_equal(x, y) == (level < 2)


def test_the_recipe_is_that_of_the_authors():
    """NVlabs/stylegan, `train.py` and `training/training_loop.py`."""
    preset = hub.read_preset("stylegan_ffhq_1024")
    recipe, batch = preset["recipe"], preset["data"]["batch_size"]
    pictures = recipe["epochs"] * recipe["steps_per_epoch"] * batch
    adam = recipe["optimizers"]["generator_optimizer"]["config"]
    assert (batch, pictures) == (32, 25_000_000)
    assert pictures * preset["arguments"]["epochs"][0] / recipe["epochs"] == 600_000  # of each stage but the last
    assert adam["ema_momentum"] ** (10_000 / batch) == pytest.approx(0.5, rel=1e-3)
    assert (adam["beta_1"], adam["beta_2"], adam["epsilon"], adam["learning_rate"]) == (0.0, 0.99, 1e-8, 2e-3)
    assert (preset["arguments"]["gamma"], preset["arguments"]["mixing"]) == (10.0, 0.9)
