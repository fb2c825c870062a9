"""WaveNet: its receptive field, its queues, mu-law, and strings whose entropy is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from remembering import law_of_memory

import kerasgen
from kerasgen.core.ranges import Linear, MuLaw
from kerasgen.data import sequences

TINY = dict(image_shape=(24,), sample_rate=100, levels=6, num_classes=3, width=6, skip=8, depth=2, blocks=2)

TINY = dict(levels=5, width=6, skip=8)
random = np.random.default_rng(0)


def wild(**arguments):
    keras.utils.set_random_seed(1)
    model = kerasgen.build("wavenet", **TINY | arguments)
    for weight in model.weights:
        weight.assign(weight + 0.3 * random.normal(size=weight.shape))
    return model


@pytest.mark.parametrize("depth, blocks", [(1, 1), (3, 1), (3, 2), (2, 3)])
def test_the_receptive_field_is_what_the_docs_say(depth, blocks):
    field = blocks * (2**depth - 1) + 2
    model = wild(image_shape=(field + 3,), depth=depth, blocks=blocks)
    values = np.float32(model.scale(5).values)
    x = values[random.integers(5, size=(4, field + 3))]
    seen = []
    for t in range(field + 3):
        other = x.copy()
        other[:, t] = np.where(x[:, t] == values[0], values[1], values[0])
        seen.append(np.abs(model.logits(x)[:, -1] - model.logits(other)[:, -1]).max() > 0)
    assert seen == [field + 2 - field <= t < field + 2 for t in range(field + 3)]


@pytest.mark.parametrize("classes", [0, 3])
def test_queues_give_what_whole_passes_give(classes):
    law_of_memory(wild(image_shape=(20,), depth=3, blocks=2, num_classes=classes), 6, 0.1)


@pytest.mark.parametrize("scale", [Linear, MuLaw])
def test_levels_come_back_and_values_move_by_half_a_bin(scale):
    scale = scale(256)
    every = np.arange(256)
    np.testing.assert_array_equal(scale.level(scale.value(every)), every)
    x = np.linspace(-1, 1, 20001, dtype="float32")
    back, half = scale.value(scale.level(x)).numpy(), 1 / 256
    moved = np.abs(scale._compress(tf.constant(x)) - scale._compress(tf.constant(back)))
    assert moved.max() <= half + 1e-5 and np.isin([0, 255], scale.level(x)).all()


def test_mu_law_is_that_of_telephones():
    """F(x) = sign(x) ln(1 + 255 |x|) / ln 256; soft values have finer levels."""
    x = random.uniform(-1, 1, 100).astype("float32")
    expected = np.sign(x) * np.log(1 + 255 * np.abs(x)) / np.log(256)
    np.testing.assert_allclose(MuLaw(256)._compress(tf.constant(x)), expected, atol=1e-6)
    steps = np.diff(MuLaw(256).values)
    assert steps.argmin() in (126, 127, 128) and steps.max() / steps.min() > 100


def test_the_probabilities_of_the_strings_sum_to_one():
    mean = np.array([-1.2, -0.31, 0.0, 0.99])[:, None]
    total = sequences._mass(np.arange(sequences.BINS)[None], mean).sum(1)
    np.testing.assert_allclose(total, 1, atol=1e-12)


def test_the_strings_have_the_entropy_of_the_formula():
    """About 1/2 log2(2 pi e (sigma^2 + bin^2 / 12)) - log2(bin) bits for a value after the burst."""
    data = kerasgen.data.load("plucked_strings")
    bin = 2 / sequences.BINS
    rounded = 0.5 * np.log2(2 * np.pi * np.e * (sequences.SIGMA**2 + bin**2 / 12)) - np.log2(bin)
    after = np.mean(list(sequences.PERIODS.values())) + 1
    expected = (rounded * (1000 - after) + np.log2(sequences.BINS) * after) / 1000
    assert data.entropy / 1000 / np.log(2) == pytest.approx(expected, abs=0.01)
    x, _ = data.arrays("test")
    assert set(np.unique(x)) <= set(np.float32(Linear(sequences.BINS).values))


def bits(model, data, count=128):
    x, label = data.arrays("test")
    return -model.log_prob(x[:count], label=label[:count]) / x.shape[1] / np.log(2)


def test_the_shipped_model_comes_near_the_entropy_and_not_below():
    data = kerasgen.data.load("plucked_strings")
    found = bits(kerasgen.load("wavenet_plucked_strings"), data)
    entropy = data.entropy / 1000 / np.log(2)
    assert entropy - 2 * found.std() / np.sqrt(len(found)) <= found.mean() <= entropy + 0.05


def pitch(sounds):
    """The lag from 12 to 40 at which each sound is most like itself, after its burst: its period, or twice that."""
    tail = sounds[:, 100:] - sounds[:, 100:].mean(1, keepdims=True)
    lags = np.arange(12, 41)
    alike = np.stack([(tail[:, lag:] * tail[:, :-lag]).mean(1) for lag in lags], 1)
    return lags[alike.argmax(1)]


def in_tune(found, period):
    return (np.abs(found - period) <= 1) | (np.abs(found - 2 * period) <= 1)


def test_strings_sound_at_the_pitch_that_was_asked_for():
    """A string's loop is N + 1/2 values long."""
    period, label = np.array(list(sequences.PERIODS.values())), np.arange(64) % 8
    x, real = kerasgen.data.load("plucked_strings").arrays("test")
    assert in_tune(pitch(x), period[real] + 0.5).mean() > 0.9
    sounds = kerasgen.load("wavenet_plucked_strings").sample(64, seed=7, label=label)
    assert in_tune(pitch(sounds), period[label] + 0.5).mean() > 0.9
    assert in_tune(pitch(sounds), np.roll(period[label], 3) + 0.5).mean() < 0.5  # other notes are told apart


@pytest.mark.slow
def test_a_field_shorter_than_the_loop_is_worse():
    data = kerasgen.data.load("plucked_strings", batch_size=16, image_shape=(250,))
    found = {}
    for depth in (3, 6):  # fields of 9 and 65 values; loops have 15 to 31
        keras.utils.set_random_seed(0)
        model = kerasgen.build(
            "wavenet", image_shape=(250,), levels=64, num_classes=8, width=24, skip=48, depth=depth, blocks=1,
            companding="linear",
        )  # fmt: skip
        model.compile(optimizer=keras.optimizers.Adam(4e-3))
        model.fit(data.train, epochs=12, verbose=0)
        found[depth] = bits(model, data).mean()
    assert found[6] < found[3] - 0.5


def test_weights_of_the_paper():
    """Counted from a common implementation, but for the residual output of its last layer, which nothing reads."""
    theirs, unread = 1_515_968, 32 * 32 + 32
    assert counts("wavenet") == {"network": theirs - unread}
