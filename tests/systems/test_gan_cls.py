"""Losses against sums over pairs, wrong texts against their definition, the shipped model against what captions say."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import trainable
from tiny import said

import kerasgen
from kerasgen.core.batch import Batch
from kerasgen.data import described
from kerasgen.metrics.features import DigitsClassifier
from kerasgen.objectives.gan import text_matching

TINY = dict(
    image_shape=(8, 8, 1),
    text_length=12,
    latent_dim=6,
    widths=(8, 6, 5),
    discriminator_widths=(5, 6, 8),
    text_dim=6,
    text_width=8,
    projection=4,
    interpolation=0.5,
    epochs=(1, 1),
)


def build(**arguments):
    """A model whose discriminator is far from sure of nothing, as it is at first."""
    keras.utils.set_random_seed(0)
    model, generator = kerasgen.build("gan_cls", **TINY | arguments), np.random.default_rng(1)
    for v in model.discriminator.trainable_variables:
        v.assign(v + 0.3 * generator.normal(size=v.shape))
    return model


def batch_of(x, text, seed=3):
    return Batch(
        tf.convert_to_tensor(x), {"text": tf.convert_to_tensor(text)}, tf.range(len(x)), tf.constant(seed), 1.0, len(x)
    )


@pytest.fixture
def batch():
    """Six pictures; the first and the fourth text are the same."""
    text = said(build(), 6)
    text[3] = text[0]
    return batch_of(np.random.default_rng(0).random((6, 8, 8, 1)).astype("float32"), text)


def log_sigmoid(score):
    return np.log(1.0 / (1.0 + np.exp(-np.asarray(score, "float64"))))


# --- the objective ----------------------------------------------------------------------------------------------------


def test_the_discriminators_loss_is_the_papers():
    right, wrong, fake = np.random.default_rng(0).normal(0, 2, (3, 5, 1))
    counts = np.array([1, 1, 0, 1, 0.0])[:, None]
    found = text_matching.discriminator_loss(right, wrong, fake, counts, mismatch=0.3)
    refused = 0.3 * counts * log_sigmoid(-wrong) + 0.7 * log_sigmoid(-fake)  # 1 - s(a) = s(-a)
    assert float(found) == pytest.approx(-np.mean(log_sigmoid(right) + refused), rel=1e-5)


def test_encoders_learn_from_all_wrong_pairs_of_a_batch(batch):
    model = build()
    x = model.picture_encoder(2 * batch.x - 1).numpy()
    t = model.text_encoder(batch.given["text"]).numpy()
    total = 0.0
    for i in range(6):
        for j in range(6):
            if not np.array_equal(batch.given["text"][i], batch.given["text"][j]):
                right = x[i] @ t[i]
                total += max(0, 1 - right + x[i] @ t[j]) + max(0, 1 - right + x[j] @ t[i])
    found = float(model.match(batch, training=True)[None])
    assert found == pytest.approx(total / 36, rel=1e-5) and found > 0.1


def test_wrong_texts_are_those_of_the_same_number_of_places_on(batch):
    model, texts = build(), batch.given["text"].numpy()
    shifts = set()
    for seed in range(60):
        wrong = model.others(batch._replace(seed=tf.constant(seed)), training=True).numpy()
        shift = next(s for s in range(6) if np.array_equal(np.roll(texts, -s, axis=0), wrong))
        shifts.add(shift)
    assert shifts == {1, 2, 3, 4, 5}  # never its own


def test_texts_that_are_equal_are_no_wrong_pair(batch):
    """A batch in which all texts are the same has no lie to tell but the generator's."""
    same = batch._replace(given={"text": tf.repeat(batch.given["text"][:1], 6, 0)})
    model = build(mismatch=0.4)
    text = model.text_encoder(same.given["text"])
    fake = model.draw(same.seed, 0, same.index, {"text": text}, training=True)
    real, made = (
        -log_sigmoid(sign * model.discriminator([x, text], training=True)).mean()
        for sign, x in ((1, 2 * same.x - 1), (-1, fake))
    )
    found = float(model.values(same, 0, ("discriminator",), training=True)["discriminator_loss"])
    assert found == pytest.approx(real + 0.6 * made, rel=1e-4) and made > 0.1
    assert (
        float(model.values(batch, 0, ("discriminator",), training=True)["discriminator_loss"])
        > real + 0.6 * made + 0.01
    )


def test_interpolation_adds_what_the_discriminator_gets_wrong_between_two_texts(batch):
    model, plain = build(interpolation=0.7), build(interpolation=0.0)
    with_it, without = (
        float(m.values(batch, 0, ("generator",), training=False)["generator_loss"]) for m in (model, plain)
    )
    between = 0.5 * (model.text_encoder(batch.given["text"]) + model.text_encoder(tf.zeros_like(batch.given["text"])))
    fake = model.draw(batch.seed, 1, batch.index, {"text": between})
    extra = -log_sigmoid(model.discriminator([fake, between])).mean()
    assert with_it - without == pytest.approx(0.7 * extra, rel=1e-4)


def test_the_second_stage_leaves_texts_as_they_are(batch):
    model = build()
    model.compile()
    model.enter_stage(1, 0, 1)
    before = [v.numpy() for v in (*model.text_encoder.weights, *model.picture_encoder.weights)]
    model.train_on_batch(batch.x, batch.given["text"])
    after = [v.numpy() for v in (*model.text_encoder.weights, *model.picture_encoder.weights)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_networks_of_different_depth_get_one_line():
    with pytest.raises(ValueError, match="discriminator_widths: expected 3, as many as widths, got 1"):
        build(discriminator_widths=(8,))


# --- the shipped model ------------------------------------------------------------------------------------------------


@functools.cache
def captioned(split="test"):
    """Pictures, captions and classes of a split, and the middle of what captions tell."""
    data = kerasgen.data.load("captioned_digits")
    x, text = data.arrays(split)
    label = kerasgen.data.load("digits").arrays(split)[1]
    return x, text, label, np.median(described.traits(data.arrays("train")[0]), axis=0)


def agreement(model):
    """Shares of samples about the test split's captions that have the class, the ink, the slant and the size told."""
    x, text, label, middle = captioned()
    samples = model.sample(len(x), seed=7, text=text)
    found = DigitsClassifier().probabilities(samples).argmax(-1)
    traits = (described.traits(samples) > middle) == (described.traits(x) > middle)
    return [np.mean(found == label), *traits.mean(0)]


@functools.cache
def shipped():
    return kerasgen.load("gan_cls_digits_quick")


def test_samples_are_what_captions_say():
    of_class, ink, slant, size = agreement(shipped())
    assert of_class >= 0.9 and min(ink, slant, size) >= 0.85


def test_a_caption_can_be_written():
    bold, thin = (shipped().sample(50, seed=1, text=f"a {word} upright large three") for word in ("bold", "thin"))
    for samples in (bold, thin):
        assert (DigitsClassifier().probabilities(samples).argmax(-1) == 3).mean() >= 0.85
        assert samples.std(0).mean() > 0.05  # one caption, many pictures
    assert bold.mean() > thin.mean() + 0.02  # ink


def test_the_discriminator_reads():
    """Real pictures with their own captions score above the same pictures with those of others."""
    x, text, _, _ = captioned()
    order = np.random.default_rng(0).permutation(len(x))
    model, x = shipped(), tf.constant(2 * x - 1)
    right, wrong = (model.discriminator([x, model.text_encoder(t)]).numpy() for t in (text, text[order]))
    lies = (text != text[order]).any(1)
    assert (wrong < right)[lies].mean() >= 0.9


@pytest.mark.slow
def test_wrong_pairs_teach_to_read():
    """The same recipe, a third as long, with and without them: samples agree less with their captions."""

    def trained(mismatch):
        keras.utils.set_random_seed(0)
        preset = kerasgen.hub.read_preset("gan_cls_digits_quick")
        model = kerasgen.build("gan_cls", **preset["arguments"] | {"mismatch": mismatch, "epochs": (8, 40)})
        rates = {"encoder": 2e-3, "discriminator": 1e-3, "generator": 1e-3}
        model.compile(**{f"{k}_optimizer": keras.optimizers.Adam(rate, beta_1=0.5) for k, rate in rates.items()})
        model.fit(kerasgen.data.load("captioned_digits").train, verbose=0)
        return agreement(model)[0]

    assert trained(0.5) > max(0.75, trained(0.0) + 0.05)


# --- the paper's scale ------------------------------------------------------------------------------------------------


def test_weights_of_the_paper():
    """Counted by hand from the layers of the authors' code."""
    model = kerasgen.load("gan_cls_64", weights=False)
    found = [trainable(network) for network in (model.generator, model.discriminator)]
    assert found == [18_909_699, 4_032_321]
