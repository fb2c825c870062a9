"""Bayes' rule beside tables: pictures of 2x2 pixels in black and white, three classes, every probability by hand."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen import metrics
from kerasgen.data.description import Data
from kerasgen.objectives.autoregressive.chain_rule import Autoregressive

EVERY = np.array(list(itertools.product([0, 1], repeat=4)), "float32").reshape(16, 2, 2, 1)


class Coins(Autoregressive):
    """Four coins a class, thrown apart: P(x | c) = prod_i p_ci^x_i (1 - p_ci)^(1 - x_i)."""

    def __init__(self, chances, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.levels, self.num_classes = (2, 2, 1), 2, len(chances)
        self.odds = self.add_weight(shape=np.shape(chances), name="odds", initializer="zeros")
        self.odds.assign(np.log(chances) - np.log1p(-np.asarray(chances)))

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam()}

    def predict_logits(self, x, label, training=False):
        chosen = tf.reshape(tf.gather(tf.convert_to_tensor(self.odds), label), (-1, 2, 2, 1))
        return tf.stack([tf.zeros_like(chosen), chosen], -1)


CHANCES = np.array([[0.9, 0.2, 0.5, 0.7], [0.3, 0.6, 0.8, 0.1], [0.5, 0.5, 0.25, 0.75]])


def by_hand(x, chances=CHANCES):
    """p(c | x) for a uniform prior, in exact arithmetic but for the rounding of doubles."""
    rows = x.reshape(len(x), 1, 4)
    joint = np.where(rows > 0.5, chances, 1 - chances).prod(-1) / len(chances)
    return joint / joint.sum(1, keepdims=True)


def test_classify_is_the_rule():
    np.testing.assert_allclose(np.exp(Coins(CHANCES).classify(EVERY)), by_hand(EVERY), rtol=1e-5)


def test_the_prior_is_uniform_and_cancels():
    """Two classes of the same law share what one of them would have, and a lone class has all."""
    twice = Coins(CHANCES[[0, 1, 1]])
    found = np.exp(twice.classify(EVERY))
    np.testing.assert_allclose(found[:, 1], found[:, 2], rtol=1e-6)
    np.testing.assert_allclose(found, by_hand(EVERY, CHANCES[[0, 1, 1]]), rtol=1e-5)
    np.testing.assert_array_equal(Coins(CHANCES[:1]).classify(EVERY), np.zeros((16, 1)))


def test_what_no_class_can_make_spoils_no_other():
    """An example that has probability 0 in one class has none of that class, and the others are as they were."""
    never = CHANCES.copy()
    never[0] = [1e-30, 0.5, 0.5, 0.5]
    found = np.exp(Coins(never).classify(EVERY[8:]))  # the first pixel is white in all
    assert found[:, 0].max() < 1e-25
    rest = by_hand(EVERY[8:], CHANCES[1:])
    np.testing.assert_allclose(found[:, 1:], rest, rtol=1e-5)


def test_the_best_possible_accuracy_is_reached_and_measured():
    """On examples drawn from the laws, the share of right answers is that of Bayes' own classifier, enumerated."""
    random = np.random.default_rng(0)
    label = random.integers(3, size=4000).astype("int32")
    x = (random.random((4000, 4)) < CHANCES[label]).astype("uint8").reshape(-1, 2, 2, 1)
    part = x[:10], label[:10]
    data = Data(
        name="coins", splits={"train": part, "validation": part, "test": (x, label)}, shape=(2, 2, 1), minimum=0.0,
        maximum=1.0, levels=2, class_names=("a", "b", "c"), licence="none", origin="drawn",
    )  # fmt: skip
    best = np.where(EVERY.reshape(16, 1, 4) > 0.5, CHANCES, 1 - CHANCES).prod(-1).max(1).sum() / 3
    reached = metrics.evaluate(Coins(CHANCES), data, only=("classification_accuracy",))["classification_accuracy"]
    assert reached == pytest.approx(best, abs=3 * np.sqrt(best * (1 - best) / 4000)) and best < 0.8


def test_a_model_without_classes_does_not_classify():
    plain = kerasgen.build("pixel_cnn", image_shape=(2, 2, 1), levels=2, width=4, depth=1, hidden=4)
    assert "classify" not in plain.serves and "classify" not in plain.ports
    assert "classify" in type(plain).serves
    with pytest.raises(ValueError, match="PixelCNN does not serve 'classify'"):
        plain.classify(EVERY)
