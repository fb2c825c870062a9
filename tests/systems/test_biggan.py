"""Truncation, chunks of the latent, projection on classes and orthogonality: each against its closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from scipy import stats

import kerasgen
from kerasgen.core import random
from kerasgen.nets.layers import spectral
from kerasgen.objectives.gan import penalties

TINY = dict(
    image_shape=(8, 8, 1), num_classes=10, latent_dim=6, width=8, multipliers=(2, 2, 1), embedding=4, attention=(4,)
)

ARGUMENTS = dict(image_shape=(8, 8, 1), num_classes=5, latent_dim=12, width=4, multipliers=(2, 2, 1), embedding=4)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return kerasgen.build("biggan", attention=(4,), **ARGUMENTS)


def latents(model, truncation, count=2000):
    return model.prior(7, random.LATENT, tf.range(count), truncation).numpy()


def test_latents_are_normal(model):
    z = latents(model, 1.0)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z.T) - np.eye(12)).max() < 0.1


@pytest.mark.parametrize("threshold", [2.0, 1.0, 0.5, 0.04])  # those of the paper
def test_truncated_latents_are_the_normal_given_that_it_is_small(model, threshold):
    truncation = 2 * stats.norm.cdf(threshold) - 1
    z = latents(model, truncation)
    assert np.abs(z).max() <= threshold * (1 + 1e-5) and np.abs(z).max() > 0.99 * threshold
    law = stats.truncnorm(-threshold, threshold)
    assert stats.kstest(z.ravel(), law.cdf).pvalue > 1e-3
    assert z.var() == pytest.approx(law.var(), rel=0.03)


def test_truncation_keeps_the_order_of_latents_and_ends_at_the_middle(model):
    whole, half, none = (latents(model, t, 50) for t in (1.0, 0.5, 0.0))
    np.testing.assert_array_equal(np.argsort(whole.ravel()), np.argsort(half.ravel()))
    assert (np.abs(half) < np.abs(whole)).all() and not none.any()
    np.testing.assert_array_equal(
        model.sample(3, seed=7, label=1, truncation=0.5),
        model.decode(model.prior(7, random.LATENT, tf.range(3), 0.5).numpy(), np.array([1, 1, 1])),
    )


def test_each_chunk_of_the_latent_acts_at_its_own_depth(model):
    """The Jacobian of every gain and bias is zero outside of the chunk of its block."""
    conditions = [layer for layer in model.generator.layers if isinstance(layer, keras.layers.Concatenate)]
    inner = keras.Model(model.generator.inputs, [layer.output for layer in conditions])
    z = tf.constant(np.random.default_rng(0).normal(size=(1, 12)).astype("float32"))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        sums = [tf.reduce_sum(c * tf.range(1.0, 9.0)) for c in inner([z, tf.constant([2])])]
    support = [tape.gradient(s, z).numpy()[0] != 0 for s in sums]
    expected = [np.repeat([False, True, False], 4), np.repeat([False, False, True], 4)]
    np.testing.assert_array_equal(support, expected)
    # Every class-conditional normalisation reads one of these conditions and nothing else.
    readers = [n.operation for layer in conditions for n in layer._outbound_nodes]
    assert len(readers) == 2 * 2 * 2 and all(isinstance(reader, spectral.Dense) for reader in readers)


def test_a_score_is_a_projection_on_its_class(model):
    """D(x, y) - D(x, y') = h(x) . (V_y - V_y') with the normalised V."""
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1)).astype("float32"))
    classes = next(
        layer for layer in model.discriminator.layers if isinstance(layer, spectral.Dense) and layer.units == 5
    )
    h = keras.Model(model.discriminator.inputs, classes.input)(x).numpy()
    v = classes.normalised(False).numpy()
    one, other = np.array([0, 1, 2, 3, 4, 0]), np.array([4, 4, 0, 1, 1, 2])
    found = model.realness(x, {"label": tf.constant(one)}) - model.realness(x, {"label": tf.constant(other)})
    np.testing.assert_allclose(found[:, 0], (h * (v[:, one] - v[:, other]).T).sum(1), atol=1e-5)
    best = np.max([model.realness(x, {"label": tf.fill((6,), y)})[:, 0] for y in range(5)], axis=0)
    np.testing.assert_allclose(model.energy(0.5 * (x.numpy() + 1.0)), -best, atol=1e-5)


def test_the_generator_pays_for_what_is_not_orthogonal():
    keras.utils.set_random_seed(0)
    model = kerasgen.build("biggan", orthogonality=0.5, **ARGUMENTS)
    kernels = spectral.kernels(model.generator)
    wide = [k for k in kernels if k.shape[0] < k.shape[1]]  # columns of these cannot be orthogonal
    tall = sum(map(penalties.off_diagonal, [k for k in kernels if k.shape[0] >= k.shape[1]]))
    assert float(tall) == pytest.approx(0, abs=1e-6)  # as they begin
    expected = 0.5 * sum(np.square(g - np.diag(np.diag(g))).sum() for g in [(k.numpy().T @ k) for k in wide])
    assert float(model.penalties[0](model, None)) == pytest.approx(expected, rel=1e-4) and expected > 0


def test_scores_do_not_stretch_pictures_far():
    """The slope is that of the directions of the weights: their lengths do not matter."""
    keras.utils.set_random_seed(0)
    model = kerasgen.build("biggan", **TINY)
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1)).astype("float32"))

    def slope():
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(model.realness(x, {"label": tf.zeros((16,), tf.int32)}))
        return tf.norm(tf.reshape(tape.gradient(total, x), (16, -1)), axis=1).numpy().max()

    before = slope()
    for layer in model.discriminator.layers:
        if isinstance(layer, spectral.Spectral):
            layer.kernel.assign(100.0 * layer.kernel)
    assert slope() == pytest.approx(before, rel=1e-3)


def test_a_latent_must_divide_into_chunks():
    with pytest.raises(ValueError, match="latent_dim: expected a multiple of 3 chunks, got 10"):
        kerasgen.build("biggan", **ARGUMENTS | {"latent_dim": 10})
    with pytest.raises(ValueError, match="num_classes: expected at least 1, got 0"):
        kerasgen.build("biggan", **ARGUMENTS | {"num_classes": 0})


@pytest.fixture(scope="module")
def trained():
    return kerasgen.load("biggan_digits_quick"), kerasgen.data.load("digits")


def test_truncation_trades_variety_for_fidelity(trained):
    model, data = trained
    judge = kerasgen.metrics.features.features_for(data)
    label = np.repeat(np.arange(10), 20).astype("int32")
    spread, confidence = [], []
    for truncation in (0.1, 0.5, 1.0):
        x = model.sample(200, seed=7, label=label, truncation=truncation)
        spread.append(np.mean([x[label == k].std(0).mean() for k in range(10)]))
        confidence.append(judge.probabilities(x).max(-1).mean())
    assert spread[0] < spread[1] < spread[2] and confidence[0] > confidence[2]


def test_samples_are_of_their_class(trained):
    model, data = trained
    label = np.repeat(np.arange(10), 30).astype("int32")
    judged = kerasgen.metrics.features.features_for(data).probabilities(model.sample(300, seed=7, label=label))
    assert (judged.argmax(-1) == label).mean() >= 0.9


@pytest.fixture
def no_orthogonal_start(monkeypatch):
    """Zeros in its place: a decomposition of every kernel takes minutes and changes no number of weights."""
    zeros = lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype or "float32")
    monkeypatch.setattr(keras.initializers.Orthogonal, "__call__", zeros)


@pytest.mark.slow
def test_weights_of_the_paper(no_orthogonal_start):
    """Counted from the authors' code."""
    assert counts("biggan") == {"generator": 70_433_988, "discriminator": 87_982_370}


@pytest.mark.slow
def test_weights_of_the_paper_at_256_pixels(no_orthogonal_start):
    """Counted from the authors' code."""
    larger = dict(multipliers=(16, 16, 8, 8, 4, 2, 1), attention=(128,), latent_dim=140)
    expected = {"generator": 82_097_604, "discriminator": 99_191_330}
    assert counts("biggan", image_shape=(256, 256, 3), **larger) == expected
