"""GuidedDiffusion: what each head learns from, what the label does, and whether guidance does as it says."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import trainable

import kerasgen
from kerasgen.core import random
from kerasgen.core.batch import Batch
from kerasgen.metrics import features
from kerasgen.objectives.diffusion import guidance

TINY = dict(
    image_shape=(8, 8, 1),
    levels=17,
    num_classes=10,
    steps=20,
    guide="free",
    width=8,
    multipliers=(1, 2),
    blocks=1,
    attention=(4,),
    head=4,
    classifier_width=8,
    classifier_blocks=1,
    dropout=0.0,
)

COLOUR = dict(image_shape=(8, 12, 3), levels=256, multipliers=(1, 1, 2), attention=(2, 4))
SMALL = dict(
    image_shape=(8, 8, 1), levels=17, num_classes=3, steps=20, width=8, multipliers=(1, 2), blocks=1, attention=(4,),
    head=4, classifier_width=8, classifier_blocks=1, dropout=0.0, sampler="ddim", guide="free",
)  # fmt: skip


def wild(**arguments):
    keras.utils.set_random_seed(0)
    model, generator = kerasgen.models.GuidedDiffusion(**SMALL | arguments), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + 0.1 * generator.normal(size=weight.shape))
    return model


def samples(model, guidance=1.0, steps=3):
    """Two of class 1, without a graph: quicker for one call."""
    index, label = tf.range(2), tf.fill((2,), 1)
    given = dict(guidance=tf.constant(guidance), steps=tf.constant(steps))
    return model.pure("sample")(seed=tf.constant(7), index=index, label=label, **given).numpy()


def test_the_bound_does_not_teach_the_noise(monkeypatch):
    """The last layer's first half predicts noise, its second half variances; each learns from its own loss."""
    model, found = wild(), []
    last = model.network.trainable_variables[-2]
    assert last.shape == (3, 3, 8, 2)
    x = tf.constant(np.random.default_rng(0).integers(17, size=(8, 8, 8, 1)) / 16, tf.float32)
    batch = Batch(x, {"label": tf.constant([0, 1, 2, 0, 1, 2, 0, 1])}, tf.range(8), tf.constant(0))
    for share in (0.0, 1.0):
        monkeypatch.setattr(guidance, "BOUND_SHARE", share)
        with tf.GradientTape() as tape:
            loss = model.losses(batch, training=True)["network_loss"]
        found.append(tape.gradient(loss, last.value).numpy())
    np.testing.assert_allclose(found[0][..., 0], found[1][..., 0], rtol=1e-4, atol=1e-6)
    assert not found[0][..., 1].any() and np.abs(found[1][..., 1]).max() > 1e-4


@pytest.mark.parametrize("guide", ["free", "classifier"])
def test_colour_that_is_not_square_in_three_resolutions(guide):
    model = wild(**COLOUR, guide=guide, sampler="ancestral", mirror=0.5)
    x = samples(model)
    assert x.shape == (2, 8, 12, 3) and 0 <= x.min() < x.max() <= 1
    batch = Batch(tf.constant(x), {"label": tf.constant([0, 2])}, tf.range(2), tf.constant(0))
    assert all(np.isfinite(loss) for loss in model.losses(batch, training=True).values())


def test_no_class_is_told_as_zeros():
    model, x = wild(), tf.constant(np.random.default_rng(0).normal(size=(2, 8, 8, 1)), tf.float32)
    time = tf.constant([3, 12])
    told, untold = (model.predict(x, time, tf.fill((2,), label))[0] for label in (1, 3))
    assert np.abs(told - untold).max() > 1e-3
    table = next(w for w in model.network.trainable_variables if w.shape[:1] == (3,) and len(w.shape) == 2)
    table.assign(np.zeros(table.shape))
    np.testing.assert_array_equal(model.predict(x, time, tf.fill((2,), 1))[0], untold)


def test_guides_share_the_networks():
    model = wild()
    pictures = {}
    for guide in ("free", "classifier"):
        model.guide = guide
        pictures[guide] = [samples(model, w) for w in (0.0, 2.0)]
    # Of weight 0 is no class, whoever guides.
    np.testing.assert_allclose(pictures["free"][0], pictures["classifier"][0], atol=1e-5)
    assert np.abs(pictures["free"][1] - pictures["classifier"][1]).max() > 1e-3


def test_variances_are_learned_where_they_are_drawn():
    """Another v gives other ancestral samples, and the same ones by DDIM."""
    found = []
    for shift in (0.0, 0.8):
        model = wild(sampler="ancestral")
        bias = model.network.trainable_variables[-1]
        bias.assign(bias + np.array([0.0, shift]))
        one = samples(model)
        model.sampler = "ddim"
        found.append((one, samples(model)))
    assert np.abs(found[0][0] - found[1][0]).max() > 1e-3
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.fixture(scope="module")
def digits():
    return kerasgen.load("guided_diffusion_digits_quick")


@pytest.fixture(scope="module")
def free():
    return kerasgen.load("guided_diffusion_digits_free_quick")


@pytest.mark.parametrize("preset, plainly", [("digits", 0.7), ("free", 0.9)])
def test_more_guidance_gives_more_digits_of_the_class_and_less_variety(preset, plainly, request):
    """The judge is the classifier of the metrics, not the model's own."""
    model, judge = request.getfixturevalue(preset), features.features_for(kerasgen.data.load("digits"))
    assert model.guide == {"digits": "classifier", "free": "free"}[preset]
    label, share, spread = np.arange(100) % 10, [], []
    for w in (0.0, 1.0, 3.0):
        x = model.sample(100, seed=7, label=label, guidance=w, steps=10)
        share.append((judge.probabilities(x).argmax(-1) == label).mean())
        spread.append(np.mean([x[label == c].std(0).mean() for c in range(10)]))
    assert share[0] < 0.3 and plainly < share[1] < share[2] and share[2] > 0.9
    assert spread[0] > spread[1] > spread[2]


def test_guidance_has_a_default_of_the_model():
    model = wild(guidance=4.0)
    port = next(port for port in model.ports["sample"].inputs if port.name == "guidance")
    assert port.default == 4.0
    np.testing.assert_array_equal(model.sample(2, seed=7, steps=2), model.sample(2, seed=7, steps=2, guidance=4.0))


def test_the_classifier_reads_digits_under_little_noise(digits):
    x, label = kerasgen.data.load("digits").arrays("test")
    time = tf.fill((len(x),), 100)
    noise = random.normal(0, random.NOISE, tf.range(len(x)), (8, 8, 1))
    noisy = digits.process.add_noise(tf.constant(2.0 * x - 1.0), noise, time)
    assert (digits.class_logits(noisy, time).numpy().argmax(-1) == label).mean() > 0.85


@pytest.mark.slow
def test_learned_variances_have_the_best_bound(digits):
    """The same means with either fixed variance are further from the digits."""
    x, label = (tf.constant(part[:16]) for part in kerasgen.data.load("digits").arrays("test"))

    @tf.function(autograph=False)
    def without(share):
        clean = lambda x, t: (digits.clean(x, t, label)[0], tf.zeros_like(x) + share)
        return -digits.process.bound(clean, 2.0 * x - 1.0, 0, digits.levels)

    learned = digits.bound(x, seed=0, label=label).mean()
    fixed = [without(share).numpy().mean() for share in (0.0, 1.0)]
    assert learned > max(fixed) + 1.0


def test_what_a_classifier_guides_says_that_it_has_no_onnx():
    model = wild(guide="classifier")
    reason = "the gradient of a classifier holds operations that have no ONNX form"
    assert model.inconvertible == {"sample": reason}
    model.guide = "free"
    assert not model.inconvertible


@pytest.mark.slow
def test_a_bundle_of_a_guiding_classifier(tmp_path):
    """As SavedModel it samples; the runtime without TensorFlow says in one line why it does not."""
    model = wild(guide="classifier", steps=4)
    report = kerasgen.export(model, tmp_path / "bundle")
    assert report["functions"]["sample"]["onnx"] is None and report["functions"]["denoise"]["onnx"] < 1e-4
    entry = json.loads((tmp_path / "bundle" / "bundle.json").read_text())["functions"]["sample"]
    assert entry["reason"] == model.inconvertible["sample"] and entry["parity"]["saved_model"] < 1e-4
    with pytest.raises(Exception, match="the gradient of a classifier holds operations that have no ONNX form"):
        kerasgen.runtime.Bundle(tmp_path / "bundle").sample(2, seed=7)


@pytest.mark.parametrize(
    "arguments, line",
    [
        (dict(guide="none"), "guide: expected free or classifier, got 'none'"),
        (dict(num_classes=1), "num_classes: expected at least 2, got 1"),
        (dict(schedule="sine"), "schedule: expected linear or cosine, got 'sine'"),
    ],
)
def test_bad_arguments_get_one_line(arguments, line):
    with pytest.raises(ValueError, match=line):
        kerasgen.models.GuidedDiffusion(**SMALL | arguments)


@pytest.mark.slow
def test_weights_of_the_paper():
    """ADM of 64 pixels and its classifier of noisy pictures, counted from the authors' code."""
    model = kerasgen.load("guided_diffusion_64", weights=False)
    assert [trainable(network) for network in (model.network, model.classifier)] == [295_904_454, 65_438_568]
