"""Graves' text network: its cell against Keras' and against the formula, its memory, and n-grams as a yardstick."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from remembering import law_of_memory
from simple import n_gram_bits

import kerasgen
from kerasgen.nets.causal.lstm import PeepholeLSTM

TINY = dict(image_shape=(6,), symbols=20, width=8, depth=2, bptt=3)

random = np.random.default_rng(0)


def cell(width=5, bptt=0, length=7):
    """A layer with peepholes far from zero, and inputs for it (3, length, 4 width)."""
    layer = PeepholeLSTM(width, bptt)
    layer.build((None, length, 4 * width))
    layer.peepholes.assign(random.normal(size=(3, width)))
    return layer, random.normal(size=(3, length, 4 * width)).astype("float32")


def test_without_peepholes_the_cell_is_that_of_keras():
    layer, a = cell()
    layer.peepholes.assign(np.zeros((3, 5)))
    other = keras.layers.LSTM(5, return_sequences=True)
    other.build((None, 7, 20))
    other.set_weights([np.eye(20), layer.recurrent.numpy(), layer.bias.numpy()])
    np.testing.assert_allclose(layer(a), other(a), atol=1e-6)


def test_the_gates_look_at_the_cell():
    layer, a = cell()
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    weights, (p_i, p_f, p_o), bias = (w.numpy() for w in (layer.recurrent, layer.peepholes, layer.bias))
    h = c = np.zeros((3, 5))
    for t in range(a.shape[1]):
        i, f, new, o = np.split(a[:, t] + h @ weights + bias, 4, axis=1)
        c = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(new)
        h = sigmoid(o + p_o * c) * np.tanh(c)
        np.testing.assert_allclose(layer(a)[:, t], h, atol=1e-6)


def test_errors_flow_back_over_so_many_steps_and_no_more():
    layer, a = cell(length=8)
    whole = layer(a)
    for bptt, first in ((0, 0), (4, 4), (3, 6)):  # the first step that the last state's gradient reaches
        layer.bptt = bptt
        x = tf.constant(a)
        with tf.GradientTape() as tape:
            tape.watch(x)
            h = layer(x)
            last = tf.reduce_sum(h[:, -1])
        np.testing.assert_array_equal(h, whole)  # the states themselves stay the same
        reached = np.abs(tape.gradient(last, x)).sum((0, 2)) > 0
        assert reached.tolist() == [t >= first for t in range(8)]


@pytest.mark.parametrize("depth", [1, 3])
def test_sampling_carries_the_state(depth):
    keras.utils.set_random_seed(1)
    model = kerasgen.build("char_rnn", image_shape=(9,), symbols=11, width=6, depth=depth)
    for weight in model.weights:
        weight.assign(weight + 0.3 * random.normal(size=weight.shape))
    law_of_memory(model, 4, 0.1)


def test_every_layer_sees_the_symbol():
    model = kerasgen.build("char_rnn", image_shape=(4,), symbols=5, width=6, depth=3)
    for below in model.below:
        below.kernel.assign(tf.zeros_like(below.kernel))
    kernel = model.head.kernel.numpy()
    for layer in range(3):
        alone = np.zeros_like(kernel)
        alone[6 * layer : 6 * layer + 6] = kernel[6 * layer : 6 * layer + 6]
        model.head.kernel.assign(alone)  # only this layer's states reach the softmax
        one, other = model.logits(np.array([[0, 1, 2, 3], [4, 1, 2, 3]], "int32"))
        assert np.abs(one[0] - other[0]).max() == 0 and np.abs(one[1] - other[1]).max() > 1e-4


def test_the_yardstick_is_right():
    """Of two symbols in turn, known after a long text; and of a fair coin."""
    assert n_gram_bits(b"ab" * 4000, b"ab" * 50, 3) < 0.01
    coin = bytes(random.integers(2, size=20000, dtype=np.uint8))
    assert n_gram_bits(coin, coin[:5000], 2) == pytest.approx(1, abs=0.01)


def test_the_shipped_model_is_better_than_n_grams():
    data = kerasgen.data.load("python_topics", image_shape=(256,))
    train, test = (bytes(data.splits[split][0].ravel()) for split in ("train", "test"))
    best = min(n_gram_bits(train, test, order) for order in (4, 5))
    model = kerasgen.load("char_rnn_python_topics")
    bits = -model.log_prob(data.arrays("test")[0]).mean() / 256 / math.log(2)
    assert bits <= best


def test_weights_of_the_paper():
    """The paper says 4.3 million for the Penn Treebank; counted: a layer of 1,000 cells with peepholes, 49 symbols."""
    assert counts("char_rnn", symbols=49) == {"network": 4_252_049}
