"""The loops of autoregressive samplers, on a chain that needs no network: each choice depends on the one before."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import TINY

import kerasgen
from kerasgen import catalog, samplers

LENGTH, LEVELS, COUNT = 9, 4, 5
TABLE = np.random.default_rng(0).normal(size=(LEVELS + 1, LEVELS)).astype("float32")  # last row: nothing before
NOISE = np.random.default_rng(1).gumbel(size=(COUNT, LENGTH, LEVELS)).astype("float32")


def choose(place, logits):
    return tf.argmax(logits + tf.gather(NOISE, place, axis=1), -1, output_type=tf.int32)


def expected():
    x = np.full((COUNT, 1), LEVELS)
    for place in range(LENGTH):
        choice = (TABLE[x[:, -1]] + NOISE[:, place]).argmax(-1)
        x = np.concatenate([x, choice[:, None]], 1)
    return x[:, 1:]


def test_the_naive_loop():
    def logits(x):
        before = tf.concat([tf.fill((COUNT, 1), LEVELS), tf.reshape(x, (COUNT, LENGTH))[:, :-1]], 1)
        return tf.reshape(tf.gather(TABLE, before), (COUNT, 3, 3, 1, LEVELS))

    x = samplers.naive(logits, choose, COUNT, (3, 3, 1))
    np.testing.assert_array_equal(tf.reshape(x, (COUNT, LENGTH)), expected())


def test_the_naive_loop_in_another_order():
    """The same chain, whose i-th choice lies at place order[i]."""
    order = np.random.default_rng(2).permutation(LENGTH).astype("int32")

    def logits(x):
        steps = tf.gather(tf.reshape(x, (COUNT, LENGTH)), order, axis=1)
        before = tf.concat([tf.fill((COUNT, 1), LEVELS), steps[:, :-1]], 1)
        return tf.reshape(tf.gather(tf.gather(TABLE, before), np.argsort(order), axis=1), (COUNT, 3, 3, 1, LEVELS))

    def choose_step(place, logits):
        return choose(int(np.flatnonzero(order == int(place))[0]), logits)

    x = samplers.naive(logits, choose_step, COUNT, (3, 3, 1), order)
    np.testing.assert_array_equal(tf.gather(tf.reshape(x, (COUNT, LENGTH)), order, axis=1), expected())


@pytest.mark.parametrize("compiled", [False, True])
def test_a_sequence_remembers_its_last_choice(compiled):
    def step(place, last):
        choice = choose(place, tf.gather(TABLE, last))
        return choice, choice

    def fill():
        return samplers.sequence(step, tf.fill((COUNT,), LEVELS), LENGTH)

    x = tf.function(fill, autograph=False)() if compiled else fill()
    assert x.shape == (COUNT, LENGTH) and x.dtype == tf.int32
    np.testing.assert_array_equal(x, expected())


def test_a_raster_carries_one_memory_along_a_row_and_one_from_row_to_row():
    """Each pixel shows both: a number per column that every row changes, and how many pixels are to the left."""

    def pixel(i, j, above, left):
        return tf.stack([above[:, j] + i, left], -1), left + 1

    def row(above, x):
        return above + x[..., 0] + x[..., 1]

    above, left = tf.ones((COUNT, 3), tf.int32), tf.zeros((COUNT,), tf.int32)
    x = tf.function(lambda: samplers.raster(pixel, row, above, left, (4, 3, 2)), autograph=False)()
    assert x.shape == (COUNT, 4, 3, 2)
    memory, columns = np.ones(3, int), np.arange(3)
    for i in range(4):
        np.testing.assert_array_equal(x[:, i, :, 0], np.tile(memory + i, (COUNT, 1)))
        np.testing.assert_array_equal(x[:, i, :, 1], np.tile(columns, (COUNT, 1)))
        memory = memory + memory + i + columns


def kept(logits, temperature, top_k, top_p):
    """Which levels of one place may be chosen, one after the other from the likeliest down."""
    order = sorted(range(len(logits)), key=lambda level: -logits[level])[: top_k or None]
    shares = np.exp((logits[order] - logits[order[0]]) / temperature)
    total, chosen = 0.0, []
    for level, share in zip(order, shares / shares.sum(), strict=True):
        if chosen and total >= top_p:
            break
        chosen, total = [*chosen, level], total + share
    return {int(level) for level in chosen}


@pytest.mark.parametrize("size", [2, 7, 33])
@pytest.mark.parametrize("top_k, top_p", [(0, 1.0), (3, 1.0), (1, 1.0), (100, 1.0), (0, 0.6), (0, 0.0), (5, 0.9)])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_likeliest_are_those_of_a_plain_program(size, top_k, top_p, temperature):
    logits = np.random.default_rng(size).normal(scale=2, size=(5, size)).astype("float32")
    found = samplers.likeliest(tf.constant(logits), temperature, top_k, top_p).numpy()
    for row, among in zip(logits, found, strict=True):
        allowed = kept(row.astype("float64"), temperature, top_k, top_p)
        assert set(np.flatnonzero(among > -1e8)) == allowed
        assert all(among[level] == row[level] for level in allowed)


def test_levels_that_are_equally_likely_go_together():
    found = samplers.likeliest(tf.constant([[1.0, 2.0, 1.0, 0.0]]), 1.0, 2, 1.0).numpy()[0]
    assert (found > -1e8).tolist() == [True, True, True, False]


@pytest.mark.parametrize("system", [id for id, row in catalog.SYSTEMS.items() if row.family == "vq"])
def test_codes_are_chosen_among_the_likeliest(system):
    """One alone is what temperature 0 takes; all of them is what is taken without saying so."""
    model = kerasgen.build(system, **TINY[system])
    for weight in model.trainable_weights:
        weight.assign(weight + 0.3 * np.random.default_rng(1).normal(size=weight.shape))
    given = {"text": "a"} if "text" in model.given else {}
    plain = model.sample(4, seed=3, **given)
    np.testing.assert_array_equal(model.sample(4, seed=3, top_k=0, top_p=1.0, **given), plain)
    coldest = model.sample(4, seed=3, temperature=0.0, **given)
    for one in (dict(top_k=1), dict(top_p=0.0)):
        np.testing.assert_array_equal(model.sample(4, seed=3, **one, **given), coldest)
    assert np.abs(plain - coldest).max() > 0
