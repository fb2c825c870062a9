"""Boxes against loops and SciPy, losses against sums over objects, the shipped model against what layouts say."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import trainable
from scipy.ndimage import map_coordinates
from tiny import said

import kerasgen
from kerasgen.core.batch import Batch
from kerasgen.metrics import described
from kerasgen.nets import boxes

TINY = dict(
    image_shape=(8, 8, 1),
    classes=3,
    objects=3,
    latent_dim=4,
    embedding=4,
    widths=(4, 5, 6),
    crop_widths=(4, 5, 6),
    crop_size=4,
    lstm=(6, 5, 4),
    lstm_kernel=3,
    blocks=1,
    image_widths=(4, 5, 6),
    object_widths=(4, 5, 6),
)


def build(**arguments):
    """A model away from its first weights, where normalisations hide nothing."""
    keras.utils.set_random_seed(0)
    model, generator = kerasgen.build("layout2im", **TINY | arguments), np.random.default_rng(1)
    for v in model.trainable_variables:
        v.assign(v + 0.1 * generator.normal(size=v.shape))
    return model


@pytest.fixture
def batch():
    """Four scenes of three objects, of which one lacks the first and one the second."""
    layout = said(build(), 4)
    layout[1, 0, 0] = layout[2, 1, 0] = -1
    x = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")
    return Batch(tf.constant(x), {"layout": tf.constant(layout)}, tf.range(4), tf.constant(3), 1.0, 4)


# --- boxes ------------------------------------------------------------------------------------------------------------


def test_masks_are_the_pixels_of_boxes():
    layout = np.array([[[0, 0.25, 0.5, 0.375, 0.25], [1, 0.0, 0.05, 1.0, 0.15]]], "float32")
    expected = np.zeros((1, 2, 16, 8, 1))
    expected[0, 0, 8:12, 2:5] = 1
    expected[0, 1, 1:3] = 1  # 0.8 to 3.2 rows
    np.testing.assert_array_equal(boxes.masks(tf.constant(layout), 16, 8), expected)


def test_crops_of_the_size_of_a_box_are_its_pixels():
    x = np.random.default_rng(0).random((2, 24, 24, 3)).astype("float32")
    layout = np.array([[[0, 3, 5, 8, 8], [1, 16, 0, 8, 8]]] * 2, "float32")
    layout[..., 1:] /= 24
    crops = boxes.crops(tf.constant(x), tf.constant(layout), 8).numpy()
    np.testing.assert_allclose(crops[:, 0], x[:, 5:13, 3:11], atol=1e-5)
    np.testing.assert_allclose(crops[:, 1], x[:, 0:8, 16:24], atol=1e-5)


def test_other_crops_are_bilinear_samples():
    generator = np.random.default_rng(0)
    x = generator.random((1, 24, 16, 1)).astype("float32")
    left, top, width, height = 0.11, 0.42, 0.6, 0.47
    crops = boxes.crops(tf.constant(x), tf.constant([[[0, left, top, width, height]]], tf.float32), 8).numpy()
    steps = (np.arange(8) + 0.5) / 8
    rows, columns = (top + height * steps) * 24 - 0.5, (left + width * steps) * 16 - 0.5
    places = np.meshgrid(rows, columns, indexing="ij")
    np.testing.assert_allclose(
        crops[0, 0, ..., 0], map_coordinates(x[0, ..., 0], places, order=1, mode="nearest"), atol=1e-5
    )


def test_rows_that_are_no_object_repeat_the_first(batch):
    layout, filled = batch.given["layout"].numpy(), boxes.filled(batch.given["layout"]).numpy()
    np.testing.assert_array_equal(filled[1], layout[1][[1, 1, 2]])
    np.testing.assert_array_equal(filled[2], layout[2][[0, 0, 2]])
    np.testing.assert_array_equal(filled[[0, 3]], layout[[0, 3]])


# --- the objective ----------------------------------------------------------------------------------------------------


def test_losses_are_sums_over_scenes_and_their_objects(batch):
    """As the paper has them, one scene and one object at a time."""
    model = build()
    found = {name: float(value) for name, value in model.losses(batch, training=False).items()}
    x, layout = 2 * batch.x - 1, batch.given["layout"]
    z, eps = (model.latents(batch.seed, step, batch.index).numpy() for step in (0, 1))
    crops = boxes.crops(x, layout, model.crop_size)
    there, label = layout[..., 0].numpy() >= 0, np.maximum(layout[..., 0].numpy(), 0).astype("int32")

    def encoded(crop, b, o):
        return [part.numpy()[0] for part in model.crop_encoder([crop[b, o][None], tf.constant(label[b, o][None])])]

    codes, kl = np.zeros_like(z), 0.0
    for b, o in zip(*np.nonzero(there), strict=True):
        mean, log_variance = encoded(crops, b, o)
        codes[b, o] = mean + np.exp(log_variance / 2) * eps[b, o]
        kl += 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance) / 4
    again, other = (model.paint(layout, tf.constant(code)) for code in (codes, z))
    made = [boxes.crops(scene, layout, model.crop_size) for scene in (again, other)]

    def softplus(scores):
        return np.log1p(np.exp(np.asarray(scores, "float64"))).mean()

    def objects(value):
        means = [np.mean([value(b, o) for o in np.flatnonzero(there[b])]) for b in range(4)]
        return np.mean(means)

    def score(crop, sign):
        return objects(lambda b, o: softplus(sign * model.object_discriminator(crop[b, o][None])[0]))

    def surprise(crop):
        def one(b, o):
            logits = model.object_discriminator(crop[b, o][None])[1].numpy()[0].astype("float64")
            return np.log(np.exp(logits).sum()) - logits[label[b, o]]

        return objects(one)

    latent = objects(lambda b, o: np.abs(encoded(made[1], b, o)[0] - z[b, o]).mean())
    rebuilt = np.abs(again - x).mean()
    assert found["kl"] == pytest.approx(kl, rel=1e-4) and found["latent"] == pytest.approx(latent, rel=1e-4)
    assert found["reconstruction"] == pytest.approx(rebuilt, rel=1e-4)
    generator = 0.08 * kl + rebuilt + 10 * latent + sum(score(c, -1) + surprise(c) for c in made) / 2
    generator += sum(softplus(-model.image_discriminator(scene)) for scene in (again, other)) / 2
    assert found["generator_loss"] == pytest.approx(generator, rel=1e-4)
    discriminator = softplus(-model.image_discriminator(x)) + score(crops, -1) + surprise(crops)
    discriminator += sum(softplus(model.image_discriminator(scene)) for scene in (again, other)) / 2
    discriminator += sum(score(c, 1) for c in made) / 2
    assert found["discriminator_loss"] == pytest.approx(discriminator, rel=1e-4)


def test_rows_that_are_no_object_do_not_count(batch):
    """Neither what their boxes say, nor, for the sums above, their being there."""
    model, layout = build(), batch.given["layout"].numpy().copy()
    layout[1, 0, 1:], layout[2, 1, 1:] = 0.9, 0.1
    changed = batch._replace(given={"layout": tf.constant(layout)})
    for training in (False, True):
        first, second = (build().losses(b, training) for b in (batch, changed))
        assert all(float(first[name]) == pytest.approx(float(second[name]), rel=1e-5) for name in first)
    np.testing.assert_array_equal(*(model.sample(4, seed=1, layout=b.given["layout"]) for b in (batch, changed)))


def test_a_single_object_may_stand_in_any_row():
    """The LSTM passes over rows that are no object; with several its order counts, as the paper's does."""
    shallow = dict.fromkeys(("widths", "crop_widths", "image_widths", "object_widths"), (4, 6))
    model = build(objects=3, lstm=(6, 5), **shallow)
    row, z = [1, 0.2, 0.3, 0.5, 0.4], np.random.default_rng(0).normal(size=(1, 1, 4)).astype("float32")
    scenes = []
    for place in range(3):
        layout, latent = np.full((1, 3, 5), -1, "float32"), np.zeros((1, 3, 4), "float32")
        layout[0, place], latent[0, place] = row, z[0, 0]
        scenes.append(model.paint(tf.constant(layout), tf.constant(latent)).numpy())
    np.testing.assert_allclose(scenes[1], scenes[0], atol=1e-6)
    np.testing.assert_allclose(scenes[2], scenes[0], atol=1e-6)
    both = np.array([[row, [0, 0.4, 0.3, 0.5, 0.4], [-1] * 5]], "float32")
    z = np.random.default_rng(0).normal(size=(1, 3, 4)).astype("float32")
    one, other = (model.paint(tf.constant(both[:, o]), tf.constant(z[:, o])).numpy() for o in ([0, 1, 2], [1, 0, 2]))
    assert np.abs(one - other).max() > 1e-3


# --- the shipped model ------------------------------------------------------------------------------------------------


@functools.cache
def shipped():
    return kerasgen.load("layout2im_scenes")


@functools.cache
def scenes():
    return kerasgen.data.load("digit_scenes").arrays("test")


def agreement(x, layout):
    """Share of the boxes in which the classifier finds the class told."""
    return described.agreement("digit_scenes", x, layout)


def test_boxes_hold_the_digits_told():
    x, layout = scenes()
    assert agreement(x, layout) > 0.97  # so can the classifier read them?
    assert agreement(shipped().sample(len(layout), seed=7, layout=layout), layout) >= 0.9


def test_in_any_order():
    layout = scenes()[1][:, ::-1]
    assert agreement(shipped().sample(len(layout), seed=7, layout=layout), layout) >= 0.9


def test_ink_is_in_the_boxes():
    layout = scenes()[1]
    covered = boxes.masks(boxes.filled(tf.constant(layout)), 24, 24).numpy().max(1)
    samples = shipped().sample(len(layout), seed=7, layout=layout)
    assert (samples * covered).sum() / samples.sum() > 0.9


def test_two_seeds_give_two_scenes_of_a_layout():
    layout = scenes()[1]
    one, other = (shipped().sample(len(layout), seed=seed, layout=layout) for seed in (7, 8))
    assert np.abs(one - other).mean() > 0.03


def test_latents_are_found_again():
    """In the crops of what they made; a guess of 0 is 0.8 from them."""
    model, layout = shipped(), tf.constant(scenes()[1][:256])
    z, there = model.latents(7, 0, tf.range(256)), layout[..., 0].numpy() >= 0
    crops = model.crops(model.paint(layout, z), layout)
    mean = model.crop_encoder([crops, tf.reshape(model.classes_of(layout), (-1,))])[0]
    gaps = np.abs(tf.reshape(mean, z.shape) - z)[there]
    assert gaps.mean() <= 0.4


def test_moving_a_box_moves_its_digit():
    centres = []
    for left in (2, 6, 10):
        layout = np.full((64, 3, 5), -1, "float32")
        layout[:, 0, 0] = np.arange(64) % 10
        layout[:, 0, 1:] = np.array([left, 8, 10, 10]) / 24
        samples = shipped().sample(64, seed=7, layout=layout)[..., 0]
        centres.append((samples * np.arange(24)).sum((1, 2)) / samples.sum((1, 2)))
    steps = np.diff(np.mean(centres, axis=1))
    np.testing.assert_allclose(steps, 4, atol=1)


# --- the paper's scale ------------------------------------------------------------------------------------------------


def test_weights_of_the_paper():
    """As counted from the authors' code, with 184 classes; the parts of the generator with 179."""
    model = kerasgen.load("layout2im_64", weights=False)
    generator = trainable(model.crop_encoder) + trainable(model.layout_encoder) + trainable(model.decoder)
    assert generator == 27_684_739
    found = [trainable(network) for network in (model.image_discriminator, model.object_discriminator)]
    assert found == [10_141_440, 10_330_041]
    small = kerasgen.build("layout2im", classes=179, objects=2, image_widths=(4, 4), object_widths=(4, 4))
    found = [trainable(network) for network in (small.crop_encoder, small.layout_encoder, small.decoder)]
    assert found == [11_992_000, 13_800_768, 1_862_211]
