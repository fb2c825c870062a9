"""The cached transformer is the whole one; no place sees what follows, nor what its mask hides."""

import doctest
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasgen import samplers
from kerasgen.nets.causal import transformer
from kerasgen.nets.causal.transformer import Tokens, Transformer

LENGTH = 7
BAND = np.abs(np.subtract.outer(np.arange(LENGTH), np.arange(LENGTH))) < 3
EVEN = np.eye(LENGTH, dtype=bool) | (np.arange(LENGTH) % 2 == 0)[None]
MASKS = {"causal": (None,), "band": (BAND,), "by turns": (None, EVEN, BAND)}


def wild(network):
    generator = np.random.default_rng(1)
    for v in network.trainable_variables:
        v.assign(v + 0.3 * generator.normal(size=v.shape))
    return network


def build(masks=(None,), num_classes=0, depth=3, **options):
    keras.utils.set_random_seed(0)
    tokens = Tokens(5, LENGTH, 8, depth, 2, num_classes=num_classes, masks=masks, **options)
    return tokens, wild(tokens.network())


def inputs(num_classes, count=4):
    generator = np.random.default_rng(0)
    tokens = generator.integers(5, size=(count, LENGTH)).astype("int32")
    return [tokens, np.arange(count, dtype="int32") % num_classes] if num_classes else tokens


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("given", [0, 1, 4])
@pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)
def test_cached_logits_are_those_of_the_whole(masks, given, num_classes):
    tokens, network = build(masks, num_classes)
    x = inputs(num_classes)
    sequence, label = x if num_classes else (x, None)
    seen = []

    def choose(place, logits):
        seen.append(logits)
        return tf.gather(sequence, place, axis=1)

    known = tf.constant(sequence[:, :given]) if given else None
    filled = tokens.fill(choose, len(sequence), label, known)
    np.testing.assert_array_equal(filled, sequence)
    np.testing.assert_allclose(np.stack(seen, 1), network(x)[:, given:], atol=1e-5)


@pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)
def test_a_place_depends_on_the_tokens_that_its_masks_let_through(masks):
    """By changing one token at a time; what each block lets through is multiplied up."""
    depth = 3
    _, network = build(masks, depth=depth)
    x = inputs(0, 1)
    before = network(x)[0].numpy()
    seen = np.zeros((LENGTH, LENGTH), bool)  # [by whom, what]
    for i in range(LENGTH):
        changed = x.copy()
        changed[0, i] = (changed[0, i] + 1) % 5
        seen[:, i] = np.abs(network(changed)[0].numpy() - before).max(-1) > 1e-6
    causal, reach = np.tri(LENGTH, dtype=int), np.eye(LENGTH, dtype=int)
    for i in range(depth):
        mask = masks[i % len(masks)]
        reach = (causal if mask is None else causal * mask) @ reach
    allowed = np.pad(reach[:, 1:] > 0, ((0, 0), (0, 1)))  # token t stands at place t + 1
    np.testing.assert_array_equal(seen, allowed)


def test_probabilities_sum_to_one_and_samples_follow_them():
    keras.utils.set_random_seed(0)
    tokens = Tokens(2, 4, 8, 2, 2)
    network = wild(tokens.network())
    everything = np.array(list(itertools.product(range(2), repeat=4)), "int32")
    log_p = tf.nn.log_softmax(network(everything)).numpy().astype("float64")
    p = np.exp(np.take_along_axis(log_p, everything[..., None], -1).sum((1, 2)))
    assert p.sum() == pytest.approx(1.0, abs=1e-5)
    count = 4000
    noise = np.random.default_rng(0).gumbel(size=(count, 4, 2)).astype("float32")
    made = tokens.fill(samplers.gumbel_max(tf.constant(noise)), count).numpy()
    found = np.bincount(made @ [8, 4, 2, 1], minlength=16)
    assert p.min() > 5 / count
    assert ((found - count * p) ** 2 / (count * p)).sum() < 37.7  # chi-square of 15, p = 0.001


def test_number_of_weights():
    """12 width^2 + 13 width for a block, as two publications' code has it."""
    keras.utils.set_random_seed(0)
    body, x = Transformer(6, 16, 3, 4), keras.Input((6, 16))
    assert keras.Model(x, body(x)).count_params() == 3 * (12 * 16**2 + 13 * 16) + 2 * 16


def test_attention_is_its_definition():
    keras.utils.set_random_seed(0)
    block = transformer.Block(4, 1, 0.0, np.tri(3, dtype=bool))
    x = np.random.default_rng(0).normal(size=(1, 3, 4)).astype("float32")
    symbolic = keras.Input((3, 4))
    network = wild(keras.Model(symbolic, block(symbolic)[0]))
    y = block.norms[0](x)[0].numpy()
    query, key, value = (y @ f.kernel.numpy() + f.bias.numpy() for f in (block.query, block.key, block.value))
    after = x[0].copy()
    for i in range(3):
        weights = np.exp(query[i] @ key[: i + 1].T / 2.0)
        after[i] += block.out((weights / weights.sum() @ value[: i + 1])[None])[0]
    expected = after + block.narrow(keras.ops.gelu(block.wide(block.norms[1](after)), approximate=False))
    np.testing.assert_allclose(network(x)[0], expected, atol=1e-5)


def test_the_example_runs():
    assert doctest.testmod(transformer).failed == 0
