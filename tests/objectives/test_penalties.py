"""Penalties against closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from kerasgen.objectives.gan import penalties


def test_orthogonal_columns_of_any_length_cost_nothing():
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(12, 5)))
    lengths = np.array([0.1, 1.0, 3.0, 0.5, 2.0])
    assert float(penalties.off_diagonal((q * lengths).astype("float32"))) == pytest.approx(0, abs=1e-5)
    w = rng.normal(size=(12, 5)).astype("float32")
    gram = w.T @ w
    assert float(penalties.off_diagonal(w)) == pytest.approx(np.square(gram - np.diag(np.diag(gram))).sum(), rel=1e-4)


def test_r1_of_a_linear_score_is_the_square_of_its_slope():
    a = np.random.default_rng(0).normal(size=(12, 1)).astype("float32")
    x = tf.constant(np.random.default_rng(1).normal(size=(5, 2, 2, 3)).astype("float32"))
    value = penalties.r1(lambda x: tf.reshape(x, (-1, 12)) @ a + 7.0, x)
    assert float(value) == pytest.approx(np.square(a).sum(), rel=1e-5)


def test_r1_teaches_the_weights_behind_a_slope():
    """D(x) = x' A x / 2: the slope is A x for symmetric A, so dR1/dA = 2 A x x' on average."""
    rng = np.random.default_rng(0)
    a = tf.Variable(np.diag([1.0, 2.0, 3.0]).astype("float32"))
    x = tf.constant(rng.normal(size=(6, 3)).astype("float32"))
    with tf.GradientTape() as tape:
        value = penalties.r1(lambda x: 0.5 * tf.reduce_sum(x * (x @ a), 1, keepdims=True), x)
    found = tape.gradient(value, a).numpy()
    second = x.numpy().T @ x.numpy() / 6
    symmetric = a.numpy() @ second + second @ a.numpy()  # of (A + A') / 2, whose parts share the gradient
    np.testing.assert_allclose(found, symmetric, rtol=1e-4)


def test_path_lengths_of_a_linear_picture():
    """x = A w: J'y = A'y, with y of unit variance scaled by one over the root of the number of pixels."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3 * 4, 2 * 4 * 4 * 1)).astype("float32")
    styles, noise = (rng.normal(size=s).astype("float32") for s in ((5, 3, 4), (5, 2 * 4, 4, 1)))
    picture = lambda w: tf.reshape(tf.reshape(w, (-1, 12)) @ a, (-1, 8, 4, 1))
    found = penalties.path_lengths(picture, tf.constant(styles), tf.constant(noise))
    slopes = (noise.reshape(5, 32) @ a.T / np.sqrt(32)).reshape(5, 3, 4)
    np.testing.assert_allclose(found, np.sqrt(np.square(slopes).sum(2).mean(1)), rtol=1e-4)


def test_path_lengths_are_all_the_same_for_an_orthonormal_picture():
    """Then |J'y| = |y| and its spread is that of |y|: none for y of one length."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(16, 16)))
    noise = rng.normal(size=(64, 4, 4, 1))
    noise *= 4 / np.sqrt(np.square(noise).sum((1, 2, 3), keepdims=True))
    picture = lambda w: tf.reshape(w[:, 0] @ q.astype("float32"), (-1, 4, 4, 1))
    lengths = penalties.path_lengths(picture, tf.zeros((64, 1, 16)), tf.constant(noise.astype("float32")))
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-4)


@pytest.mark.parametrize("graph", [False, True])
def test_a_lazy_penalty_is_paid_every_so_many_steps_and_costs_the_same_on_average(graph):
    calls = []

    def compute():
        calls.append(1)
        return tf.constant([1.0, 2.0])

    def at(step):
        return 4.0 * penalties.when(penalties.due(step, 4), compute, like=tf.zeros(2))

    run = tf.function(at, autograph=False) if graph else at
    paid = np.stack([run(tf.constant(step)) for step in range(12)])
    np.testing.assert_array_equal(paid[:, 0] > 0, np.arange(12) % 4 == 0)
    np.testing.assert_allclose(paid.mean(0), [1.0, 2.0])
    assert len(calls) == (1 if graph else 3)  # traced once; eagerly it runs on due steps alone
