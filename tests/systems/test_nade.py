"""The recurrence is the sum written out, in training and in sampling, and the law that it learns is the data's."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from scipy import stats
from scipy.special import expit, log_softmax
from tensorflow_probability import distributions as tfd

import kerasgen

TINY = dict(image_shape=(8, 8, 1), levels=2, width=16)

KINDS = {
    "binary": dict(image_shape=(3, 4, 1), levels=2),
    "grey": dict(image_shape=(3, 3, 1), levels=5),
    "colour and classes": dict(image_shape=(2, 3, 3), levels=3, num_classes=4),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def wild(scale=0.5, **arguments):
    """A model far from its initial weights, where no bias is zero."""
    keras.utils.set_random_seed(0)
    model, generator = kerasgen.build("nade", width=7, **arguments), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + scale * generator.normal(size=weight.shape))
    return model


def pictures(model, count=5):
    """Levels (count, D), pictures of them, and labels as a keyword."""
    generator = np.random.default_rng(2)
    levels = generator.integers(model.levels, size=(count, *model.image_shape)).astype("int32")
    label = {"label": np.arange(count, dtype="int32") % model.num_classes} if model.num_classes else {}
    return levels.reshape(count, -1), (levels / (model.levels - 1)).astype("float32"), label


def written_out(model, x, label):
    """Logits (B, D, levels) in float64, every hidden layer from its own sum."""
    layer = model.conditionals
    W, V, b, c = (w.numpy().astype("float64") for w in (layer.W, layer.V, layer.b, layer.c))
    x, size = x.reshape(len(x), -1).astype("float64"), len(W)
    logits = np.zeros((len(x), size, model.levels))
    for row, i in itertools.product(range(len(x)), range(size)):
        extra_c, extra_b = 0.0, 0.0
        if label:
            class_c, class_b = (bias.embeddings.numpy()[label["label"][row]] for bias in model.classes)
            extra_c, extra_b = class_c, class_b.reshape(b.shape)[i]
        h = expit(c + extra_c + sum((W[j] * x[row, j] for j in range(i)), np.zeros(len(c))))
        logits[row, i, 1:] = b[i] + extra_b + V[i] @ h
    return logits


@each_kind
def test_the_recurrence_is_the_sum_written_out(kind):
    model = wild(**KINDS[kind])
    levels, x, label = pictures(model)
    expected = written_out(model, x, label)
    np.testing.assert_allclose(model.logits(x, **label).reshape(expected.shape), expected, atol=1e-5)
    nats = np.take_along_axis(log_softmax(expected, -1), levels[..., None], -1).sum((1, 2))
    np.testing.assert_allclose(model.log_prob(x, **label), nats, rtol=1e-5)


@each_kind
def test_logits_in_sampling_are_those_of_a_whole_pass(kind):
    model, seen = wild(**KINDS[kind]), {}
    levels, x, label = pictures(model)

    def follow(place, logits):
        seen[int(place)] = logits.numpy()
        return tf.constant(levels[:, int(place)])

    filled = model.fill(follow, len(x), label.get("label"))  # eagerly, so that every step can be looked at
    np.testing.assert_array_equal(tf.reshape(filled, levels.shape), levels)
    expected = model.logits(x, **label).reshape(len(x), -1, model.levels)
    assert list(seen) == list(range(levels.shape[1]))
    np.testing.assert_allclose(np.stack([*seen.values()], 1), expected, atol=1e-5)


def test_all_pictures_of_nine_pixels_sum_to_one():
    model = wild(1.0, image_shape=(3, 3, 1))
    x = np.array(list(itertools.product([0.0, 1.0], repeat=9)), "float32").reshape(-1, 3, 3, 1)
    assert np.exp(model.log_prob(x).astype("float64")).sum() == pytest.approx(1, abs=1e-5)


def test_the_law_is_that_of_an_autoregressive_distribution():
    """TensorFlow Probability's, which makes each conditional anew from the sample so far."""
    model = wild(image_shape=(2, 3, 1))

    def conditionals(x):
        logits = model.predict_logits(2.0 * tf.reshape(x, (-1, 2, 3, 1)) - 1.0, None)
        return tfd.Independent(tfd.Bernoulli(tf.reshape(logits[..., 1], (-1, 6)), dtype=tf.float32), 1)

    x = np.random.default_rng(3).integers(2, size=(8, 6)).astype("float32")
    other = tfd.Autoregressive(conditionals, sample0=tf.zeros((8, 6)), num_steps=6)
    np.testing.assert_allclose(model.log_prob(x.reshape(-1, 2, 3, 1)), other.log_prob(x), rtol=1e-5)


def test_it_learns_a_law_that_is_known():
    """Of four bits, with all 16 patterns in the batch as often as their chance says: the loss tends to the entropy."""
    chance = np.random.default_rng(4).dirichlet(np.ones(16))
    counts = np.maximum(1, np.rint(2000 * chance)).astype(int)
    patterns = np.array(list(itertools.product([0.0, 1.0], repeat=4)), "float32").reshape(-1, 2, 2, 1)
    x = np.repeat(patterns, counts, 0)
    entropy = stats.entropy(counts / counts.sum())
    model = kerasgen.build("nade", image_shape=(2, 2, 1), width=16)
    model.compile(optimizer=keras.optimizers.Adam(0.05), steps_per_execution=100)
    start = -model.log_prob(x).mean()
    model.fit(tf.data.Dataset.from_tensors(x).repeat(), steps_per_epoch=600, verbose=0)
    nats = -model.log_prob(x).mean()
    assert entropy - 1e-5 <= nats < entropy + 0.003 < start - 0.2
    learnt = np.exp(model.log_prob(patterns))
    np.testing.assert_allclose(learnt, counts / counts.sum(), atol=0.01)


def test_weights_of_the_paper():
    """Counted by hand: two matrices of 784 x 500, and biases."""
    assert counts("nade") == {"network": 2 * 784 * 500 + 500 + 784} == {"network": 785_284}
