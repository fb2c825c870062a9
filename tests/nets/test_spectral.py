"""Spectral normalisation against singular values by SVD and the gradient of the paper; attention against einsum."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasgen.nets.layers import spectral
from kerasgen.nets.layers.attention import Attend, self_attention


def built(kind, seed=0):
    """A layer far from its orthogonal start, whose singular values are apart."""
    keras.utils.set_random_seed(seed)
    layer = spectral.Dense(6) if kind == "dense" else spectral.Conv(6, 3)
    shape = (4, 5) if kind == "dense" else (4, 7, 7, 5)
    x = tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))
    layer(x)
    layer.kernel.assign(np.random.default_rng(1).normal(0, 2, layer.kernel.shape) * np.arange(1.0, 7.0))
    layer.bias.assign(np.arange(6.0))
    return layer, x


each_kind = pytest.mark.parametrize("kind", ["dense", "conv"])


@each_kind
def test_sigma_becomes_the_largest_singular_value(kind):
    layer, x = built(kind)
    raw = layer.kernel.numpy().copy()
    for _ in range(60):
        layer(x, training=True)
    top = np.linalg.svd(layer.matrix().numpy(), compute_uv=False)[0]
    normalised = layer.normalised(False).numpy()
    np.testing.assert_allclose(normalised * top, raw, rtol=1e-4)
    assert np.linalg.svd(normalised.reshape(-1, 6), compute_uv=False)[0] == pytest.approx(1, rel=1e-4)
    np.testing.assert_array_equal(layer.kernel.numpy(), raw)  # what is trained is not overwritten


@each_kind
def test_only_training_moves_the_singular_vector(kind):
    layer, x = built(kind)
    before = layer.u.numpy().copy()
    one, other = layer(x, training=False), layer(x)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(layer.u.numpy(), before)
    layer(x, training=True)
    assert np.abs(layer.u.numpy() - before).max() > 1e-2


@each_kind
def test_the_gradient_flows_through_sigma(kind):
    """dL/dW = (dL/dW' - <dL/dW', W'> v u') / sigma, for any L."""
    layer, x = built(kind)
    for _ in range(3):  # far from converged: the formula holds for any u and v
        layer(x, training=True)
    weight = np.random.default_rng(2).normal(size=layer.kernel.shape).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weight * tf.square(layer.normalised(False)))
    found = tape.gradient(loss, layer.kernel.value).numpy().reshape(-1, 6)
    w, u = layer.matrix().numpy().astype("float64"), layer.u.numpy().astype("float64")
    v = w @ u / np.linalg.norm(w @ u)
    u = v @ w / np.linalg.norm(v @ w)
    sigma = v @ w @ u
    inner = 2 * weight.reshape(-1, 6) * w / sigma  # dL/dW'
    expected = (inner - (inner * w / sigma).sum() * np.outer(v, u)) / sigma
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(inner / sigma - expected).max() > 1e-2 * np.abs(expected).max()  # sigma's share can be seen


@each_kind
def test_the_layer_is_the_one_of_keras_with_that_kernel(kind):
    layer, x = built(kind)
    kernel = layer.normalised(False).numpy()
    plain = keras.layers.Dense(6) if kind == "dense" else keras.layers.Conv2D(6, 3, padding="same")
    plain(x)
    plain.set_weights([kernel, layer.bias.numpy()])
    np.testing.assert_allclose(layer(x), plain(x), atol=1e-5)


def attention(channels=16, side=4):
    keras.utils.set_random_seed(0)
    x = keras.Input((side, side, channels))
    model = keras.Model(x, self_attention(x))
    given = np.random.default_rng(0).normal(size=(3, side, side, channels)).astype("float32")
    return model, given


def test_attention_starts_as_the_identity_to_the_last_bit():
    model, x = attention()
    np.testing.assert_array_equal(model(x), x)
    assert model.count_params() - 2 * 2 - 8 - 16 == 2 * 2 * 16 + 2 * 8 * 16 + 1  # 2 C^2 / 8 + 2 C^2 / 2 + gamma, less u


def test_attention_is_a_mean_of_values_under_softmax():
    rng = np.random.default_rng(0)
    query, key, value = (rng.normal(size=s).astype("float32") for s in ((2, 5, 3), (2, 4, 3), (2, 4, 6)))
    weights = np.exp(np.einsum("bnd,bmd->bnm", query, key))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(Attend()([query, key, value]), np.einsum("bnm,bme->bne", weights, value), atol=1e-5)
    ones = np.ones((2, 4, 1), "float32")
    np.testing.assert_allclose(Attend()([query, key, ones]), np.ones((2, 5, 1)), atol=1e-6)  # rows sum to 1


def test_attention_reaches_the_far_corner():
    model, x = attention()
    for weight in model.trainable_weights:
        weight.assign(weight + 1.0 if weight.name == "gamma" else weight)
    moved = x.copy()
    moved[:, -1, -1] += 3.0
    assert np.abs(model(moved)[:, 0, 0] - model(x)[:, 0, 0]).min(axis=0).max() > 1e-3
