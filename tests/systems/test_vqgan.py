"""VQGAN: its weight of the game against a second tape, its stages, its codebook's gradients, the shipped model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import trainable

import kerasgen
from kerasgen.core.batch import Batch
from kerasgen.metrics.features import DigitsClassifier
from kerasgen.nets import perceptual
from kerasgen.nets.codebook import LearnedCodebook, perplexity
from kerasgen.objectives.gan import losses
from kerasgen.objectives.vq import quantization

# Its discriminator is so wide that some scores pass the hinge's margin, or the last bias rests.
TINY = dict(
    image_shape=(8, 8, 1),
    num_classes=10,
    codes=8,
    code_dim=4,
    width=8,
    multipliers=(1, 2),
    blocks=1,
    attention=(),
    perceptual="digits",
    discriminator_widths=(8, 128),
    prior_width=8,
    prior_depth=2,
    prior_heads=2,
    positions=None,
    epochs=(1, 1, 1),
)

CODES, GAME, PRIOR = range(3)


def build(stage=CODES, **arguments):
    keras.utils.set_random_seed(0)
    model = kerasgen.build("vqgan", **TINY | arguments)
    model.compile(run_eagerly=True, **{name: keras.optimizers.SGD(0.01) for name in model.optimizers()})
    model.enter_stage(stage, 0, 1)
    generator = np.random.default_rng(1)
    for v in (*model.decoder.trainable_variables, *model.encoder.trainable_variables):
        v.assign(v + 0.1 * generator.normal(size=v.shape))  # so that no layer is zero
    return model


def batch_of(count=8):
    x, label = (part[:count] for part in kerasgen.data.load("digits").arrays("train"))
    return Batch(tf.constant(x), {"label": tf.constant(label)}, tf.range(count), tf.constant(3), 1.0, count)


def weights(network):
    return [v.numpy() for v in network.variables]


# --- the codebook -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codes", [4, 32, 1024])
def test_the_codebook_begins_between_plus_and_minus_one_by_its_size(codes):
    """As the authors' does: of a wider start most vectors are never the nearest."""
    vectors = np.abs(kerasgen.build("vqgan", **TINY | {"codes": codes}).codebooks[0].vectors)
    assert 0.8 / codes < vectors.max() <= 1 / codes


def test_the_learned_codebook_gets_its_own_gradient_alone():
    keras.utils.set_random_seed(0)
    book, z = LearnedCodebook(7, 3), tf.random.normal((5, 2, 2, 3), seed=1)
    codes = book.nearest(z)
    distance = np.linalg.norm(z.numpy()[..., None, :] - book.vectors.numpy(), axis=-1)
    np.testing.assert_array_equal(codes, distance.argmin(-1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        e = book.lookup(codes)
        through = tf.reduce_sum(tf.sin(quantization.straight_through(z, e)))
        learned, committed = quantization.commitment(e, z), quantization.commitment(z, e)
    assert tape.gradient(through, book.vectors) is None and tape.gradient(committed, book.vectors) is None
    assert tape.gradient(learned, z) is None
    expected = np.zeros((7, 3))
    np.add.at(expected, codes.numpy().ravel(), (2 * (e - z) / tf.size(z, tf.float32)).numpy().reshape(-1, 3))
    np.testing.assert_allclose(tf.convert_to_tensor(tape.gradient(learned, book.vectors)), expected, atol=1e-6)


def test_beta_is_the_weight_of_the_commitment_and_not_of_the_codebook():
    model, batch, found = build(), batch_of(), []
    for beta in (0.0, 0.25, 2.0):
        model.commitment = beta
        with tf.GradientTape() as tape:
            values = model.losses(batch, training=True)
        sources = model.codebooks[0].vectors, model.encoder.trainable_variables[0]
        found.append([tf.convert_to_tensor(g).numpy() for g in tape.gradient(values["autoencoder_loss"], sources)])
        values = {k: float(v) for k, v in values.items()}
        rest = values["reconstruction"] + values["perceptual"]
        assert values["loss"] == pytest.approx(rest + (1 + beta) * values["commitment"], rel=1e-5)
    for book, _ in found[1:]:
        np.testing.assert_allclose(book, found[0][0], atol=1e-7)
    steps = [encoder - found[0][1] for _, encoder in found]
    # As a whole: single elements are small differences of large sums.
    assert np.linalg.norm(steps[2] - 8 * steps[1]) < 1e-3 * np.linalg.norm(steps[2])
    assert np.abs(steps[1]).max() > 1e-4


# --- the game ---------------------------------------------------------------------------------------------------------


def pulls(model, batch):
    """Gradients of the reconstruction and of the generator's loss at the decoder's last kernel, written anew."""
    x = 2 * batch.x - 1
    z = model.encoder(x)
    quantized = model.codebooks[0].lookup(model.codebooks[0].nearest(z))
    kernel = model.decoder.get_layer("last").kernel
    found = []
    for kind in ("rebuilt", "fooled"):
        with tf.GradientTape() as tape:
            y = model.decoder(quantized)
            if kind == "rebuilt":
                shown = (x + 1) / 2, (y + 1) / 2
                loss = tf.reduce_mean(tf.abs(x - y)) + perceptual.distance("digits", *shown)
            else:
                loss = -tf.reduce_mean(model.discriminator(y, training=True))
        found.append(tape.gradient(loss, kernel))
    return found


def test_the_weight_of_the_game_is_that_of_a_second_tape():
    model, batch = build(GAME), batch_of()
    rebuilt, fooled = (np.linalg.norm(pull) for pull in pulls(model, batch))
    values = {k: float(v) for k, v in model.losses(batch, training=True).items()}
    weight = (values["autoencoder_loss"] - values["loss"]) / values["generator_loss"]
    assert weight == pytest.approx(0.8 * rebuilt / (fooled + 1e-6), rel=1e-3)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_the_game_pulls_as_hard_however_it_is_scaled(scale):
    first, second = tf.constant([3.0, 4.0]), tf.constant([0.6, -0.8])
    weight = losses.adaptive_weight(first, scale * second)
    assert float(tf.norm(weight * scale * second)) == pytest.approx(5.0, rel=1e-4)
    assert float(losses.adaptive_weight(first, 1e-9 * second)) == 1e4


def test_before_its_stage_nothing_of_the_discriminator_moves():
    model, batch = build(CODES), batch_of()
    before, encoder = weights(model.discriminator), weights(model.encoder)
    values = model.losses(batch, training=True)
    assert float(values["autoencoder_loss"]) == float(values["loss"]) and "generator_loss" not in values
    model.train_on_batch(batch.x, batch.label)
    assert all((a == b).all() for a, b in zip(before, weights(model.discriminator), strict=True))
    assert any((a != b).any() for a, b in zip(encoder, weights(model.encoder), strict=True))
    assert int(model.discriminator_optimizer.iterations) == 0
    model.enter_stage(GAME, 0, 1)
    model.train_on_batch(batch.x, batch.label)
    assert any((a != b).any() for a, b in zip(before, weights(model.discriminator), strict=True))


def test_the_prior_learns_while_the_rest_is_still():
    model, batch = build(PRIOR), batch_of()
    before = weights(model.encoder) + weights(model.decoder) + weights(model.discriminator)
    prior = weights(model.prior)
    model.train_on_batch(batch.x, batch.label)
    after = weights(model.encoder) + weights(model.decoder) + weights(model.discriminator)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert any((a != b).any() for a, b in zip(prior, weights(model.prior), strict=True))


# --- the perceptual distance ------------------------------------------------------------------------------------------


def test_the_distance_is_its_definition_on_the_classifiers_activations():
    x, y = np.random.default_rng(0).random((2, 3, 8, 8, 1)).astype("float32")
    classifier = DigitsClassifier()
    total = 0.0
    first = [classifier._convolve("conv_1", p) for p in (x, y)]
    second = [classifier._convolve("conv_2", p) for p in first]
    pooled = [p.reshape(3, 4, 2, 4, 2, -1).max((2, 4)) for p in second]
    for a, b in (first, second, [classifier._convolve("conv_3", p) for p in pooled]):
        a, b = (f / np.sqrt((f**2).sum(-1, keepdims=True) + 1e-8) for f in (a, b))
        total += ((a - b) ** 2).sum(-1).mean()
    assert float(perceptual.distance("digits", x, y)) == pytest.approx(total, rel=1e-4)
    assert float(perceptual.distance("digits", x, x)) == 0.0


def test_vgg16_is_looked_at_after_its_five_blocks():
    """With weights that need no download."""
    keras.utils.set_random_seed(0)
    vgg = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    blocks, prepare = perceptual.from_vgg(vgg)
    assert [len(block) for block in blocks] == [2, 2, 3, 3, 3]
    x = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
    names = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
    inner = keras.Model(vgg.inputs, [vgg.get_layer(name).output for name in names])
    expected = inner([keras.applications.vgg16.preprocess_input(255.0 * x)])
    found = perceptual.activations(blocks, prepare(tf.constant(x)))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * float(tf.reduce_max(b)))


# --- the prior --------------------------------------------------------------------------------------------------------


def test_logits_depend_on_codes_before_alone():
    model = build()
    for v in model.prior.trainable_variables:
        v.assign(v + 0.3 * np.random.default_rng(2).normal(size=v.shape))
    codes = np.random.default_rng(0).integers(8, size=(1, 16)).astype("int32")
    before = model.logits(codes, label=[2])[0]
    seen = np.zeros((16, 16), bool)  # [by whom, what]
    for i in range(16):
        changed = codes.copy()
        changed[0, i] = (changed[0, i] + 1) % 8
        seen[:, i] = np.abs(model.logits(changed, label=[2])[0] - before).max(-1) > 1e-6
    np.testing.assert_array_equal(seen, np.tri(16, k=-1, dtype=bool))


# --- the shipped model ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    return kerasgen.load("vqgan_digits_quick"), *kerasgen.data.load("digits").arrays("test")


def laplacian(x):
    """Mean energy of the second differences."""
    middle = 4 * x[:, 1:-1, 1:-1]
    around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return np.mean((middle - around) ** 2)


def test_the_shipped_model_uses_its_codes_and_keeps_the_class(shipped):
    model, x, _ = shipped
    codes, again = model.encode(x), model.reconstruct(x)
    assert float(perplexity(codes, model.codes)) > 0.5 * model.codes
    classifier = DigitsClassifier()
    classes = [classifier.probabilities(picture).argmax(-1) for picture in (x, again)]
    assert (classes[0] == classes[1]).mean() > 0.95


def test_codes_of_what_codes_stand_for_are_mostly_the_same(shipped):
    model, x, _ = shipped
    codes = model.encode(x)
    assert (model.encode(model.decode(codes)) == codes).mean() > 0.7


def test_reconstructions_are_sharper_than_those_of_squared_errors(shipped):
    """With 80 bits, against VQ-VAE-2 with 80: as sharp as the data within an eighth, where that one blurs."""
    model, x, _ = shipped
    other = kerasgen.load("vq_vae_2_digits")
    gaps = [abs(laplacian(m.reconstruct(x)) / laplacian(x) - 1) for m in (model, other)]
    assert gaps[0] < gaps[1] and gaps[0] < 0.15


def test_samples_are_of_the_class_that_was_asked_for(shipped):
    model, _, _ = shipped
    asked = np.repeat(np.arange(10), 20)
    said = DigitsClassifier().probabilities(model.sample(200, seed=1, label=asked)).argmax(-1)
    assert (said == asked).mean() > 0.9


# --- the paper's scale ------------------------------------------------------------------------------------------------


def test_weights_of_the_paper():
    """The autoencoder with 1,024 codes, and the discriminator, counted from the authors' code."""
    model = kerasgen.build("vqgan", prior_width=8, prior_depth=1, prior_heads=1)
    assert sum(map(trainable, model.player_networks("autoencoder"))) == 72_141_699
    assert trainable(model.discriminator) == 2_765_633


@pytest.fixture
def small_autoencoder():
    """Arguments of the smallest autoencoder with 16x16 codes."""
    return dict(width=4, multipliers=(1,) * 5, blocks=1, attention=(), code_dim=4)


@pytest.mark.slow
def test_weights_of_the_prior_of_faces(small_autoencoder):
    """The transformer of faces, counted from the authors' code."""
    assert trainable(kerasgen.build("vqgan", **small_autoencoder).prior) == 304_932_864


@pytest.mark.slow
def test_weights_of_the_prior_of_classes(small_autoencoder):
    """That of ImageNet, counted from the authors' code, from its first two blocks; it has tokens of classes."""
    options = dict(codes=16384, num_classes=1000, prior_width=1536, **small_autoencoder)
    one, two = (trainable(kerasgen.build("vqgan", prior_depth=depth, **options).prior) for depth in (1, 2))
    assert one + 47 * (two - one) - 1000 * 1536 == 1_411_034_112
