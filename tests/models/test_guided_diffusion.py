"""GuidedDiffusion: what each head learns from, what the label does, and whether guidance does as it says."""

import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.model import Batch
from kerasgen.objectives import guidance

SMALL = dict(
    image_shape=(8, 8, 1), levels=17, num_classes=3, steps=20, width=8, multipliers=(1, 2), blocks=1, attention=(4,),
    head=4, classifier_width=8, classifier_blocks=1, dropout=0.0, sampler="ddim", guide="free",
)  # fmt: skip


def wild(**arguments):
    model, generator = kerasgen.models.GuidedDiffusion(**SMALL | arguments), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + 0.1 * generator.normal(size=weight.shape))
    return model


def test_the_bound_does_not_teach_the_noise(monkeypatch):
    """The last layer's first half predicts noise, its second half variances; each learns from its own loss."""
    model, found = wild(), []
    last = model.network.trainable_variables[-2]
    assert last.shape == (3, 3, 8, 2)
    x = tf.constant(np.random.default_rng(0).integers(17, size=(8, 8, 8, 1)) / 16, tf.float32)
    batch = Batch(x, tf.constant([0, 1, 2, 0, 1, 2, 0, 1]), tf.range(8), tf.constant(0))
    for share in (0.0, 1.0):
        monkeypatch.setattr(guidance, "BOUND_SHARE", share)
        with tf.GradientTape() as tape:
            loss = model.losses(batch, training=True)["network_loss"]
        found.append(tape.gradient(loss, last.value).numpy())
    np.testing.assert_allclose(found[0][..., 0], found[1][..., 0], rtol=1e-4, atol=1e-6)
    assert not found[0][..., 1].any() and np.abs(found[1][..., 1]).max() > 1e-4


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
        pictures[guide] = [model.sample(2, seed=7, label=1, guidance=w, steps=5) for w in (0.0, 2.0)]
    np.testing.assert_allclose(
        pictures["free"][0], pictures["classifier"][0], atol=1e-5
    )  # 0: no class, whoever guides
    assert np.abs(pictures["free"][1] - pictures["classifier"][1]).max() > 1e-3


def test_variances_are_learned_where_they_are_drawn():
    """Another v gives other ancestral samples, and the same ones by DDIM."""
    found = []
    for shift in (0.0, 0.8):
        model = wild(sampler="ancestral")
        bias = model.network.trainable_variables[-1]
        bias.assign(bias + np.array([0.0, shift]))
        one = model.sample(2, seed=7, label=1, steps=5)
        model.sampler = "ddim"
        found.append((one, model.sample(2, seed=7, label=1, steps=5)))
    assert np.abs(found[0][0] - found[1][0]).max() > 1e-3
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_guided_digits_are_of_their_class():
    """The shipped digits: more guidance, more digits that the classifier of the metrics takes for what was asked."""
    model, data = kerasgen.load("guided_diffusion_digits_quick"), kerasgen.data.load("digits")
    from kerasgen.metrics import features

    label, share = np.arange(100) % 10, []
    judge = features.features_for(data)
    for w in (0.0, 1.0, 3.0):
        x = model.sample(100, seed=7, label=label, guidance=w, steps=20)
        share.append((judge.probabilities(x).argmax(-1) == label).mean())
    assert share[0] < 0.4 and share[1] > 0.6 and share[2] >= share[1]


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
