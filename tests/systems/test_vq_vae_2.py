"""VQ-VAE-2: quantiser against definition, priors against enumeration, shipped model against its claims."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.core.batch import Batch
from kerasgen.metrics.features import DigitsClassifier
from kerasgen.nets.codebook import EPSILON, Codebook, perplexity
from kerasgen.objectives.vq import quantization
from kerasgen.runs import training

TINY = dict(
    image_shape=(8, 8, 1),
    num_classes=10,
    halvings=1,
    codes=8,
    code_dim=4,
    width=8,
    blocks=1,
    residual=4,
    prior_width=8,
    prior_layers=2,
    attention=1,
    heads=2,
    condition_blocks=1,
    kernel_size=3,
    dropout=0.0,
)

TINY = dict(
    image_shape=(4, 4, 1), halvings=1, codes=2, code_dim=3, width=8, blocks=1, residual=4, prior_width=8,
    prior_layers=2, attention=1, heads=2, condition_blocks=1, kernel_size=3, dropout=0.0,
)  # fmt: skip


def build(**arguments):
    keras.utils.set_random_seed(0)
    model = kerasgen.build("vq_vae_2", **TINY | arguments)
    generator = np.random.default_rng(1)
    for v in model.trainable_variables:
        v.assign(v + 0.3 * generator.normal(size=v.shape))
    return model


def batch_of(z, seed=3):
    return Batch(z, {}, tf.range(len(z)), tf.constant(seed), 1.0, len(z))


# --- the quantiser ----------------------------------------------------------------------------------------------------


def test_the_nearest_vector_is_the_nearest():
    keras.utils.set_random_seed(0)
    book, z = Codebook(7, 3), np.random.default_rng(0).normal(size=(5, 2, 2, 3)).astype("float32")
    distance = np.linalg.norm(z[..., None, :] - book.vectors.numpy(), axis=-1)
    np.testing.assert_array_equal(book.nearest(z), distance.argmin(-1))
    np.testing.assert_array_equal(book.nearest(book.lookup(tf.range(7))), np.arange(7))


def test_gradients_pass_the_quantiser_straight():
    keras.utils.set_random_seed(0)
    book, z = Codebook(7, 3), tf.random.normal((5, 2, 2, 3), seed=1)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        codes = book.nearest(z)
        q = book.lookup(codes)
        y = quantization.straight_through(z, q)
        target = tf.reduce_sum(tf.sin(y))
        committed = quantization.commitment(z, q)
    np.testing.assert_allclose(y, q, atol=1e-6)
    np.testing.assert_array_equal(tape.gradient(target, z), tape.gradient(target, y))
    np.testing.assert_allclose(tape.gradient(committed, z), 2 * (z - q) / tf.size(z, tf.float32), rtol=1e-5)
    assert tape.gradient(target, book.variables) == [None] * len(book.variables)


def test_without_decay_an_update_is_a_step_of_k_means():
    keras.utils.set_random_seed(0)
    book, z = Codebook(4, 2, decay=0.0), np.random.default_rng(0).normal(size=(40, 3, 3, 2)).astype("float32")
    codes = book.nearest(z)
    book.update(batch_of(z), z, codes)
    flat, chosen = z.reshape(-1, 2), np.ravel(codes)
    lloyd = np.stack([flat[chosen == k].mean(0) for k in range(4)])
    np.testing.assert_allclose(book.vectors, lloyd, rtol=1e-4, atol=len(flat) * EPSILON)


def test_codes_that_nobody_chooses_go_to_examples():
    keras.utils.set_random_seed(0)
    book, z = Codebook(16, 2), np.random.default_rng(0).normal(size=(64, 4, 2)).astype("float32")
    book.total.assign(100.0 + book.total)  # far away: one of them is the nearest to all
    for step in range(700):
        book.update(batch_of(z, step), z, book.nearest(z))
    assert float(perplexity(book.nearest(z), 16)) > 0.8 * 16


@pytest.mark.parametrize("codes, expected", [([3] * 8, 1.0), ([0, 1, 2, 3] * 2, 4.0)])
def test_perplexity(codes, expected):
    assert float(perplexity(tf.constant(codes), 4)) == pytest.approx(expected, rel=1e-5)


def test_the_commitment_grows_with_beta():
    model = build()
    x = np.random.default_rng(0).random((4, 4, 4, 1)).astype("float32")
    losses = []
    for beta in (0.0, 0.25, 0.5):
        model.commitment = beta
        losses.append({k: float(v) for k, v in model.losses(batch_of(tf.constant(x)), False).items()})
    for beta, values in zip((0.0, 0.25, 0.5), losses, strict=True):
        assert values["loss"] == pytest.approx(values["reconstruction"] + beta * values["commitment"], rel=1e-5)


# --- the priors -------------------------------------------------------------------------------------------------------


def everything(model):
    """All codes that there are, (2 ** size, size)."""
    return np.array(list(itertools.product(range(model.codes), repeat=model.size)), "int32")


def test_probabilities_of_codes_sum_to_one():
    model = build()  # one top code, four bottom codes: 32 in all
    codes = everything(model)
    log_p = model.log_prior(model.split(codes), {}).numpy()
    assert np.exp(log_p.astype("float64")).sum() == pytest.approx(1.0, abs=1e-5)
    # The same by the logits that are served.
    log_q = tf.nn.log_softmax(model.logits(codes)).numpy()
    np.testing.assert_allclose(np.take_along_axis(log_q, codes[..., None], -1).sum((1, 2)), log_p, rtol=1e-4)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_priors_look_at_what_comes_before_alone(num_classes):
    model = build(image_shape=(8, 8, 1), num_classes=num_classes, codes=3)
    label = {"label": [2]} if num_classes else {}
    codes = np.random.default_rng(0).integers(3, size=(1, 20)).astype("int32")
    before = model.logits(codes, **label)[0]
    seen = np.zeros((20, 20), bool)  # [by whom, what]
    for i in range(20):
        changed = codes.copy()
        changed[0, i] = (changed[0, i] + 1) % 3
        seen[:, i] = np.abs(model.logits(changed, **label)[0] - before).max(-1) > 1e-6
    order = np.arange(20)
    assert not seen[order[:, None] <= order[None, :]].any()
    top, bottom = order[:4], order[4:]
    assert seen[top[-1], top[:-1]].all() and seen[np.ix_(bottom, top)].any(0).all()


def test_samples_follow_the_priors():
    model, count = build(), 4000
    codes = []

    def keep(grids):
        codes.append(model.join(grids))
        return tf.zeros((len(grids[0]), *model.image_shape))

    model.show = keep
    model.serve_sample(tf.constant(5), tf.range(count), {})
    place = (codes[0].numpy() * 2 ** np.arange(model.size)[::-1]).sum(-1)
    found = np.bincount(place, minlength=32)
    expected = count * np.exp(model.log_prior(model.split(everything(model)), {}).numpy().astype("float64"))
    assert ((found - expected) ** 2 / expected).sum() < 61.1  # chi-square of 31, p = 0.001


# --- the shipped model ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    return kerasgen.load("vq_vae_2_digits"), kerasgen.data.load("digits")


def test_the_bottom_prior_uses_the_top(shipped):
    model, data = shipped
    x, label = map(tf.constant, data.arrays("test"))
    given = {"label": label} if model.given else {}
    top, bottom = model.split(model.encode(x))
    fits = float(tf.reduce_mean(model.log_prior([top, bottom], given)))
    shuffled = tf.gather(top, np.random.default_rng(0).permutation(len(x)))
    logits = [model.prior_logits([k, bottom], given)[1] for k in (top, shuffled)]
    nats = [tf.nn.sparse_softmax_cross_entropy_with_logits(bottom, each) for each in logits]
    bits = [float(tf.reduce_mean(each)) / np.log(2) for each in nats]
    assert bits[1] > bits[0] + 0.05
    assert np.isfinite(fits)


def test_the_shipped_model_uses_its_codes_and_reconstructs(shipped):
    model, data = shipped
    x = data.arrays("test")[0]
    for book, codes in zip(model.codebooks, model.split(model.encode(x)), strict=True):
        assert float(perplexity(codes, book.codes)) > 0.5 * book.codes
    assert np.mean((model.reconstruct(x) - x) ** 2) < 0.0090  # product quantisation with 64 bits; this has 80


@pytest.mark.slow
def test_two_levels_reconstruct_nearly_as_well_as_one_of_as_many_bits(shipped):
    """80 bits each, by one recipe: 4 codes and 16 codes out of 16, and 16 codes out of 32."""
    plan = training.plan("vq_vae_2_digits", overrides={"arguments.codes": 32, "arguments.epochs": [160, 1]})
    data, one = training.prepare(plan)

    def without_top(x, training=False):
        fine, z = one.encoder(x, training=training)
        silent = tf.zeros_like(z)
        return [one.level(0, silent), one.level(1, one.refiner([fine, silent], training=training))]

    def picture(quantized, training=False):
        return one.decoder([tf.zeros_like(quantized[0]), quantized[1]], training=training)

    one.levels_of, one.picture = without_top, picture
    one.fit(data.train, epochs=161, verbose=0)
    x = data.arrays("test")[0]
    errors = [np.mean((model.reconstruct(x) - x) ** 2) for model in (shipped[0], one)]
    assert errors[0] < 1.3 * errors[1] < 1.3 * 0.006


def test_samples_are_of_the_class_that_was_asked_for(shipped):
    model, _ = shipped
    asked = np.repeat(np.arange(10), 20)
    said = DigitsClassifier().probabilities(model.sample(200, seed=1, label=asked)).argmax(-1)
    assert (said == asked).mean() > 0.8


# --- the paper's scale ------------------------------------------------------------------------------------------------


def conv(size, inputs, outputs):
    """Weights of a convolution with bias."""
    return size * inputs * outputs + outputs


def test_weights_of_the_paper():
    """The autoencoder of the paper's table, counted by hand."""
    model = kerasgen.build("vq_vae_2", image_shape=(256, 256, 3), prior_width=8, prior_layers=1, attention=1, heads=1)
    residual = 2 * (conv(9, 128, 64) + conv(1, 64, 128))
    down = conv(16, 3, 64) + conv(16, 64, 128) + conv(9, 128, 128) + residual
    encoder = down + conv(16, 128, 128) + conv(9, 128, 128) + residual + conv(1, 128, 64)
    refiner = conv(9, 64, 128) + residual + conv(16, 128, 64) + conv(1, 64 + 128, 64)
    decoder = conv(16, 64, 64) + conv(9, 128, 128) + residual + conv(16, 128, 64) + conv(16, 64, 3)
    found = [network.count_params() for network in (model.encoder, model.refiner, model.decoder)]
    assert found == [encoder, refiner, decoder]
    assert [book.total.shape for book in model.codebooks] == [(512, 64)] * 2
    assert model.grids == [(32, 32), (64, 64)]


@pytest.mark.slow
def test_weights_of_the_papers_priors():
    width, classes, codes = 512, 1000, 512
    model = kerasgen.build("vq_vae_2", num_classes=classes)

    def gated(inputs, condition):
        whole = conv(15, inputs, 2 * width) + conv(3, inputs, 2 * width)
        whole += conv(1, 2 * width, 2 * width) + conv(1, width, width) + 2 * classes * 2 * width
        return whole + 2 * condition * 2 * width

    def stack(condition):
        head = conv(1, width, width) + conv(1, width, codes)
        unseen = (classes + condition) * 2 * width  # nobody looks at the vertical stack of the last layer
        return gated(codes, condition) + 19 * gated(width, condition) + head - unseen

    attention = 4 * 4 * (width * width + width)
    condition = conv(1, codes, width) + 20 * (conv(9, width, width) + conv(1, width, width)) + conv(16, width, width)
    found = [n.count_params() for n in (model.top_prior, model.bottom_prior, model.conditioner)]
    assert found == [stack(0) + attention, stack(width), condition]
