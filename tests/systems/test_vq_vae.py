"""VQ-VAE: quantiser and gradients against their definitions, the prior against enumeration, the shipped model."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen import hub
from kerasgen.core.batch import Batch
from kerasgen.metrics.features import DigitsClassifier
from kerasgen.nets.codebook import perplexity

TINY = dict(
    image_shape=(8, 8, 1), num_classes=10, halvings=2, latents=2, codes=8, code_dim=3, width=8, blocks=1, residual=4,
    prior_width=16, prior_layers=3, kernel_size=3, epochs=(1, 1),
)  # fmt: skip


def build(stage=0, **arguments):
    keras.utils.set_random_seed(0)
    model = kerasgen.build("vq_vae", **TINY | dict(num_classes=0) | arguments)
    model.compile(run_eagerly=True, **{name: keras.optimizers.SGD(0.01) for name in model.optimizers()})
    model.enter_stage(stage, 0, 1)
    generator = np.random.default_rng(1)
    for v in model.trainable_variables:
        v.assign(v + 0.3 * generator.normal(size=v.shape))
    return model


def batch_of(count=6, shape=(8, 8, 1)):
    x = tf.constant(np.random.default_rng(2).random((count, *shape)).astype("float32"))
    return Batch(x, {}, tf.range(count), tf.constant(3), 1.0, count)


def dense(gradient):
    return tf.convert_to_tensor(gradient).numpy()


# --- the networks -----------------------------------------------------------------------------------------------------


def conv(size, inputs, outputs):
    return size * inputs * outputs + outputs


def autoencoder(width, residual, latents=1):
    """Weights of encoder, decoder and 512 vectors of 64, counted by hand from the authors' code."""
    blocks = 2 * (conv(9, width, residual) + conv(1, residual, width))
    encoder = conv(16, 3, width // 2) + conv(16, width // 2, width) + conv(9, width, width) + blocks
    decoder = conv(9, 64 * latents, width) + blocks + conv(16, width, width // 2) + conv(16, width // 2, 3)
    return encoder + conv(1, width, 64 * latents) + decoder + 512 * 64


@pytest.mark.parametrize(
    "preset, expected, grid",
    [
        ("vq_vae_imagenet_128", autoencoder(128, 32), (32, 32)),
        pytest.param("vq_vae_cifar10", autoencoder(256, 256, latents=10), (8, 80), marks=pytest.mark.slow),
    ],
)
def test_weights_of_the_papers_networks(preset, expected, grid):
    """google-deepmind/sonnet, `examples/vqvae_example.ipynb`, which says the 128 and 32 of ImageNet, has 695,491."""
    assert autoencoder(128, 32) == 695_491
    model = kerasgen.load(preset, weights=False)
    assert sum(v.shape.num_elements() for v in model.player_variables("autoencoder")) == expected
    assert model.grids == [grid] and (model.codes, model.commitment) == (512, 0.25)


@pytest.mark.parametrize("name", ["vq_vae_cifar10", "vq_vae_imagenet_128"])
def test_the_recipe_is_that_of_the_paper(name):
    """Section 4.1: 250,000 steps of 128 pictures, Adam at 0.0002."""
    preset = hub.read_preset(name)
    assert preset["arguments"]["epochs"][0] * preset["recipe"]["steps_per_epoch"] == 250_000
    assert preset["data"]["batch_size"] == 128
    adam = preset["recipe"]["optimizers"]["autoencoder_optimizer"]
    assert (adam["class_name"], adam["config"]["learning_rate"]) == ("Adam", 2e-4)


# --- the quantiser ----------------------------------------------------------------------------------------------------


def test_codes_are_those_of_the_nearest_vectors():
    model, x = build(), batch_of().x
    z = model.encoder(2 * x - 1).numpy()
    vectors = model.codebooks[0].vectors.numpy()
    distance = np.square(z[..., None, :] - vectors).sum(-1)  # (B, h, w, K), all of them
    np.testing.assert_array_equal(model.encode(x), distance.argmin(-1).reshape(len(z), -1))
    assert len(np.unique(model.encode(x))) > 1
    decoded = 0.5 * (model.decoder(vectors[distance.argmin(-1)]) + 1)
    np.testing.assert_allclose(model.decode(model.encode(x)), np.clip(decoded, 0, 1), atol=1e-6)


def test_gradients_pass_the_quantiser_as_if_it_were_the_identity():
    """Of the reconstruction alone: what the decoder says of e is handed on as if it were said of z."""
    model, batch = build(), batch_of()
    x, encoder = 2 * batch.x - 1, model.encoder.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        (level,) = model.levels_of(x)
        loss = tf.reduce_mean((x - model.picture([level.quantized])) ** 2)
    found = tape.gradient(loss, encoder)
    assert tape.gradient(loss, model.codebooks[0].vectors) is None

    chosen = model.codebooks[0].lookup(level.codes)
    with tf.GradientTape() as tape:
        tape.watch(chosen)
        loss = tf.reduce_mean((x - model.decoder(chosen)) ** 2)
    said = tape.gradient(loss, chosen)
    with tf.GradientTape() as tape:
        z = model.encoder(x)
    for ours, expected in zip(found, tape.gradient(z, encoder, output_gradients=said), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)
    assert max(np.abs(each).max() for each in found) > 1e-4


def test_the_codebooks_term_pulls_the_vectors_that_are_used_and_no_others():
    model, batch = build(codes=40), batch_of()
    (level,) = model.levels_of(2 * batch.x - 1)
    book, k, z = model.codebooks[0], level.codes.numpy().ravel(), level.z.numpy().reshape(-1, 3)
    with tf.GradientTape() as tape:
        loss = model.code_losses(batch, 2 * batch.x - 1, True)["autoencoder_loss"]
    found, expected = dense(tape.gradient(loss, book.vectors)), np.zeros((40, 3))
    np.add.at(expected, k, 2 * (book.vectors.numpy()[k] - z) / z.size)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    unused = np.setdiff1d(np.arange(40), k)
    assert len(unused) and not found[unused].any() and np.abs(found[k]).max() > 1e-4


@pytest.mark.parametrize("beta", [0.0, 0.25, 2.0])
def test_the_loss_is_three_terms(beta):
    batch = batch_of()
    learned, followed = build(commitment=beta, variance=0.5), build(commitment=beta, variance=0.5, decay=0.9)
    values = {k: float(v) for k, v in learned.code_losses(batch, 2 * batch.x - 1, True).items()}
    x = 2 * batch.x - 1
    (level,) = learned.levels_of(x)
    error = np.mean((x - learned.picture([level.quantized])) ** 2) / 0.5
    distance = np.mean((level.z - learned.codebooks[0].lookup(level.codes)) ** 2)
    assert values["loss"] == pytest.approx(error + (1 + beta) * distance, rel=1e-5)
    # Vectors that follow by moving averages have no term, and move without any gradient.
    before = followed.codebooks[0].vectors.numpy()
    values = {k: float(v) for k, v in followed.code_losses(batch, x, False).items()}
    assert values["loss"] == pytest.approx(values["reconstruction"] + beta * values["commitment"], rel=1e-5)
    np.testing.assert_array_equal(followed.codebooks[0].vectors, before)
    followed.code_losses(batch, x, True)
    assert np.abs(followed.codebooks[0].vectors - before).max() > 1e-4


# --- the prior --------------------------------------------------------------------------------------------------------

SMALL = dict(image_shape=(4, 4, 1), codes=3)  # one place of two codes, four with a halving less
PLACES = dict(image_shape=(4, 4, 1), halvings=1, codes=2, latents=1)


def everything(model):
    return np.array(list(itertools.product(range(model.codes), repeat=model.size)), "int32")


@pytest.mark.parametrize("arguments", [SMALL, PLACES, PLACES | {"latents": 2}])
def test_probabilities_of_codes_sum_to_one_and_bits_are_theirs(arguments):
    model = build(stage=1, **arguments)
    codes = everything(model)
    log_p = model.log_prior(model.split(codes), {}).numpy().astype("float64")
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=1e-5)
    log_q = tf.nn.log_softmax(model.logits(codes)).numpy()
    np.testing.assert_allclose(np.take_along_axis(log_q, codes[..., None], -1).sum((1, 2)), log_p, rtol=1e-4)
    batch = batch_of(shape=model.image_shape)
    place = model.encode(batch.x) @ model.codes ** np.arange(model.size)[::-1]
    bits = -log_p[place].mean() / model.size / np.log(2)
    assert float(model.losses(batch, False)["bits_per_code"]) == pytest.approx(bits, rel=1e-4)


def test_each_code_is_predicted_from_those_before_it():
    model = build(stage=1, image_shape=(8, 8, 1), halvings=1, latents=2, codes=3, num_classes=3)
    codes = np.random.default_rng(0).integers(3, size=(1, model.size)).astype("int32")
    before = model.logits(codes, label=[2])[0]
    seen = np.zeros((model.size, model.size), bool)  # [by whom, what]
    for i in range(model.size):
        changed = codes.copy()
        changed[0, i] = (changed[0, i] + 1) % 3
        seen[:, i] = np.abs(model.logits(changed, label=[2])[0] - before).max(-1) > 1e-6
    order = np.arange(model.size)
    assert not seen[order[:, None] <= order[None, :]].any()
    assert all(seen[i + 1, i] for i in order[:-1] if (i + 1) % 8)  # in a row the next one looks at it
    assert np.abs(model.logits(codes, label=[1])[0] - before).max() > 1e-6


@pytest.mark.parametrize("arguments", [PLACES, PLACES | {"latents": 2}])
def test_samples_follow_the_prior(arguments):
    model, count, codes = build(stage=1, **arguments), 4000, []

    def keep(grids):
        codes.append(model.join(grids))
        return tf.zeros((len(grids[0]), *model.image_shape))

    model.show = keep
    model.serve_sample(tf.constant(5), tf.range(count), {})
    found = np.bincount(codes[0].numpy() @ 2 ** np.arange(model.size)[::-1], minlength=2**model.size)
    expected = count * np.exp(model.log_prior(model.split(everything(model)), {}).numpy().astype("float64"))
    often = expected > 5
    rest = [sum(part[~often]) for part in (found, expected)]
    chi = ((found - expected) ** 2 / expected)[often].sum() + (rest[0] - rest[1]) ** 2 / max(rest[1], 1.0)
    free = often.sum()
    assert chi < free + 3.1 * np.sqrt(2 * free) + 6  # the 0.1 % of a chi-square, and a little


# --- the shipped model ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    return kerasgen.load("vq_vae_digits"), kerasgen.data.load("digits")


def test_the_shipped_model_uses_its_codes_and_reconstructs(shipped):
    model, data = shipped
    x = data.arrays("test")[0]
    assert float(perplexity(model.encode(x), model.codes)) > 0.5 * model.codes
    assert np.mean((model.reconstruct(x) - x) ** 2) < 0.0087  # patches of as many bits
    assert model.size * np.log2(model.codes) <= 80


def test_samples_are_of_the_class_that_was_asked_for(shipped):
    asked = np.repeat(np.arange(10), 20)
    said = DigitsClassifier().probabilities(shipped[0].sample(200, seed=1, label=asked)).argmax(-1)
    assert (said == asked).mean() > 0.85
