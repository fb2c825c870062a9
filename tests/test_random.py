"""The random numbers: against the published vectors, a NumPy oracle, statistics, and itself in every way of running."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx
from scipy import stats

from kerasgen.core import random

WORD = 2**32
SEEDS = (0, 7, 2**31 - 1, -1, 2**40 + 5)
# Random123, kat_vectors, threefry2x32 20: counter, key, result
PUBLISHED = {
    "zeros": ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    "ones": ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    "pi": ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
}


def oracle(key, counter):
    """Threefry-2x32-20 as the paper writes it, on uint32 that wrap around."""
    schedule = [np.uint32(key[0]), np.uint32(key[1]), np.uint32(key[0] ^ key[1] ^ 0x1BD11BDA)]
    with np.errstate(over="ignore"):
        x0, x1 = (np.asarray(c).astype(np.uint32) + k for c, k in zip(counter, schedule[:2], strict=True))
        for turn in range(5):
            for r in ((13, 15, 26, 6), (17, 29, 16, 24))[turn % 2]:
                x0 = x0 + x1
                x1 = ((x1 << np.uint32(r)) | (x1 >> np.uint32(32 - r))) ^ x0
            x0 = x0 + schedule[(turn + 1) % 3]
            x1 = x1 + schedule[(turn + 2) % 3] + np.uint32(turn + 1)
    return x0, x1


def oracle_bits(seed, stream, index, shape):
    position = np.arange(int(np.prod(shape, dtype=int)))
    index = np.asarray(index, "int64") % WORD
    words = oracle((seed % WORD, stream % WORD), np.broadcast_arrays(index[:, None], position[None] // 2))
    return np.where(position % 2 == 0, *words).reshape(len(index), *shape).astype("int64")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_vectors(name):
    counter, key, result = PUBLISHED[name]
    assert tuple(int(word) for word in oracle(key, counter)) == result
    tensors = ([tf.constant(word, tf.int64) for word in words] for words in (key, counter))
    assert tuple(int(word) for word in random._threefry(*tensors)) == result


def test_interface_is_the_cipher():
    for seed, stream in zip(SEEDS, (0, random.NOISE + 3, -1, 2**33, random.INIT), strict=True):
        for shape in ((), (1,), (2,), (3, 5), (4, 4, 3)):
            index = np.array([0, 1, 17, 2**31 - 1, -1], "int32")
            drawn = random.bits(seed, stream, tf.constant(index), shape)
            assert drawn.dtype == tf.int64
            np.testing.assert_array_equal(drawn, oracle_bits(seed, stream, index, shape))


def test_streams_do_not_meet():
    streams = [getattr(random, name) for name in dir(random) if name.isupper() and not name.startswith("_")]
    assert len(streams) == 9 and len({stream >> 24 for stream in (*streams, random._FOLD)}) == 10
    assert all(stream % 2**24 == 0 and 0 < stream < WORD for stream in streams)


def flaws(words):
    """Names of the tests of randomness that a sequence of 32-bit words fails, each at p < 1e-4."""
    words = np.asarray(words, "int64").ravel()
    u = (words + 0.5) / WORD
    pairs = (words[:-1:2] >> 28) * 16 + (words[1::2] >> 28)
    p = {
        "top byte": stats.chisquare(np.bincount(words >> 24, minlength=256)).pvalue,
        "low byte": stats.chisquare(np.bincount(words & 255, minlength=256)).pvalue,
        "pairs": stats.chisquare(np.bincount(pairs, minlength=256)).pvalue,
        "uniform": stats.kstest(u, "uniform").pvalue,
    }
    for lag in (1, 2, 3, 8):
        p[f"lag {lag}"] = stats.pearsonr(u[:-lag], u[lag:]).pvalue
    for bit in range(32):  # 32 tests in one: each is held to a 32nd of the level
        p[f"bit {bit}"] = 32 * stats.binomtest(int((words >> bit & 1).sum()), len(words)).pvalue
    # a chi-square that is too small is a flaw as well: a Weyl sequence is too even
    p["evenness"] = 1 - p["top byte"]
    return [name for name, value in p.items() if value < 1e-4]


def along(axis, count=4096):
    """Words that differ in one argument alone."""
    numbers = tf.range(count, dtype=tf.int64)

    @tf.function
    def over(fn):
        return tf.map_fn(fn, numbers, fn_output_signature=tf.int64)

    return {
        "position": lambda: random.bits(7, random.NOISE, [3], (count,)),
        "sample": lambda: random.bits(7, random.NOISE, numbers, ()),
        "seed": lambda: over(lambda n: random.bits(n, random.NOISE, [3], ())[0]),
        "stream": lambda: over(lambda n: random.bits(7, random.NOISE + n, [3], ())[0]),
        "fold": lambda: over(lambda n: random.fold(7, n)),
    }[axis]()


@pytest.mark.parametrize("axis", ["position", "sample", "seed", "stream", "fold"])
def test_words_are_uniform_and_independent(axis):
    assert flaws(along(axis)) == []


def test_bad_generators_are_found():
    n = np.arange(4096, dtype="int64")
    lcg = (n * 1103515245 + 12345) % WORD  # the integer hash that one is tempted to write in a graph
    assert flaws(lcg) and "pairs" in flaws(lcg)
    assert flaws(n * 2654435769 % WORD)  # a Weyl sequence
    assert flaws(n << 19)
    half = np.asarray(along("position"))
    assert "lag 1" in flaws(np.where(n % 2, half, np.roll(half, 1)))  # every second word repeats its neighbour


def test_neighbouring_keys_are_uncorrelated():
    draws = {
        (seed, stream): np.asarray(random.uniform(seed, stream, tf.range(64), (64,))).ravel()
        for seed in (0, 1, 2, WORD - 1)
        for stream in (random.LATENT, random.NOISE, random.NOISE + 1)
    }
    correlation = np.corrcoef(list(draws.values()))
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 5 / 64  # five standard deviations, 1 / sqrt(64 * 64) each


def test_uniform():
    u = np.asarray(random.uniform(7, random.NOISE, tf.range(200), (101,)))
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    np.testing.assert_array_equal(u * 2.0**24, oracle_bits(7, random.NOISE, np.arange(200), (101,)) >> 8)


def test_normal():
    x = np.asarray(random.normal(7, random.NOISE, tf.range(400), (100,)), "float64")
    words = oracle_bits(7, random.NOISE, np.arange(400), (100,)) >> 8
    radius, angle = np.sqrt(-2 * np.log((words[:, ::2] + 1) / 2**24)), 2 * np.pi * words[:, 1::2] / 2**24
    np.testing.assert_allclose(x[:, ::2], radius * np.cos(angle), atol=2e-6)
    np.testing.assert_allclose(x[:, 1::2], radius * np.sin(angle), atol=2e-6)
    assert stats.kstest(x.ravel(), "norm").pvalue > 1e-3
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x**power).mean() - moment) < 4 * np.sqrt(spread / x.size)
    for first, second in ((x[:, ::2], x[:, 1::2]), (x[:, 1:], x[:, :-1]), (x[1:], x[:-1])):
        assert stats.pearsonr(first.ravel(), second.ravel()).pvalue > 1e-3
        assert stats.pearsonr(first.ravel() ** 2, second.ravel() ** 2).pvalue > 1e-3


def test_gumbel():
    g = np.asarray(random.gumbel(7, random.CHOICE, tf.range(400), (100,)), "float64")
    assert stats.kstest(g.ravel(), "gumbel_r").pvalue > 1e-3
    assert abs(g.mean() - np.euler_gamma) < 4 * g.std() / np.sqrt(g.size)
    assert abs(g.var() / (np.pi**2 / 6) - 1) < 0.05


def test_extreme_words_stay_finite(monkeypatch):
    extremes = tf.constant([[0, 0, WORD - 1, WORD - 1]], tf.int64), tf.constant([[0, WORD - 1] * 2], tf.int64)
    monkeypatch.setattr(random, "_threefry", lambda key, counter: extremes)
    u, x, g = (np.asarray(draw(0, 0, [0], (8,))) for draw in (random.uniform, random.normal, random.gumbel))
    assert u.min() == 0 and u.max() == np.float32(1 - 2.0**-24)
    assert np.abs(x).max() == pytest.approx(np.sqrt(48 * np.log(2)), abs=1e-5)
    assert g.min() == pytest.approx(-2.8115, abs=1e-3) and g.max() == pytest.approx(16.6355, abs=1e-3)
    for bound in (1, 10, 1000, 2**20 + 7, 2**31 - 1):
        whole = np.asarray(random.integers(0, 0, [0], (8,), bound))
        assert whole.dtype == np.int32 and whole.min() == 0 and whole.max() == bound - 1


def test_integers_and_categorical_frequencies():
    whole = np.asarray(random.integers(7, random.LABEL, tf.range(20000), (), 10))
    assert stats.chisquare(np.bincount(whole, minlength=10)).pvalue > 1e-3
    probabilities = np.array([0.5, 0.25, 0.15, 0.07, 0.03, 0.0])
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities).astype("float32") + 3
    drawn = random.categorical(7, random.CHOICE, tf.range(5000), np.broadcast_to(logits, (5000, 4, 6)))
    assert drawn.shape == (5000, 4) and drawn.dtype == tf.int32
    seen = np.bincount(np.ravel(drawn), minlength=6)
    assert seen[5] == 0 and stats.chisquare(seen[:5], 20000 * probabilities[:5]).pvalue > 1e-3
    assert stats.pearsonr(drawn[:, 0], drawn[:, 1]).pvalue > 1e-3


def test_sample_does_not_depend_on_the_batch():
    """Bits exactly; floats to rounding, because the last elements of a tensor take TensorFlow's scalar path."""
    for draw, step in ((random.bits, 0), (random.uniform, 0), (random.normal, 1e-6), (random.gumbel, 1e-6)):
        whole = np.asarray(draw(7, random.NOISE, tf.range(37), (5, 3)))
        for index in (np.arange(1), np.arange(10, 20), np.array([36, 0, 17])):
            part = np.asarray(draw(7, random.NOISE, index, (5, 3)))
            np.testing.assert_allclose(part, whole[index], rtol=step, atol=step)


def every_draw(seed, count):
    """All functions at once, for the tests of how they run; the odd shape leaves half a block unused.

    Three of them share their words, which keeps the graph, and so the conversion, small.
    """
    index, step = tf.range(count), random.fold(seed, count)
    logits = tf.reshape(tf.cast(tf.range(8), tf.float32) / 4.0, (1, 2, 4)) + tf.zeros((count, 1, 1))
    return {
        "bits": random.bits(seed, random.NOISE + 3, index, (3, 5)),
        "uniform": random.uniform(seed, random.NOISE + 3, index, (3, 5)),
        "normal": random.normal(seed, random.LATENT, index, (4, 2)),
        "gumbel": random.gumbel(step, random.CHOICE, index, ()),
        "integers": random.integers(seed, random.NOISE + 3, index, (3, 5), 1000),
        "categorical": random.categorical(seed, random.CHOICE, index, logits),
        "fold": step,
    }


def assert_same(got, expected):
    for name, value in expected.items():
        value, other = np.asarray(value), np.asarray(got[name])
        assert other.dtype == value.dtype and other.shape == value.shape, name
        tolerance = 1e-6 if name in ("normal", "gumbel") else 0
        np.testing.assert_allclose(other, value, rtol=tolerance, atol=tolerance, err_msg=name)


INPUTS = tf.TensorSpec((), tf.int32, "seed"), tf.TensorSpec((), tf.int32, "count")


@pytest.mark.parametrize("jit", [pytest.param(False, id="graph"), pytest.param(True, id="xla", marks=pytest.mark.slow)])
def test_eager_graph_and_xla_agree(jit):
    # XLA needs the count when it compiles: the seed alone is dynamic
    compiled = tf.function(every_draw, input_signature=None if jit else INPUTS, jit_compile=jit)
    for seed in (-3, 7):
        count = 6 if jit else tf.constant(6)
        assert_same(compiled(tf.constant(seed), count), every_draw(seed, 6))


def test_onnx_runtime_agrees():
    model, _ = tf2onnx.convert.from_function(tf.function(every_draw), input_signature=INPUTS, opset=18)
    onnx.checker.check_model(model)
    assert [port.name for port in model.graph.input] == ["seed", "count"]
    assert all(node.domain in ("", "ai.onnx") and onnx.defs.has(node.op_type) for node in model.graph.node)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    for seed, count in ((7, 1), (7, 6), (-3, 4), (2**31 - 1, 33), (0, 0)):
        feeds = {"seed": np.asarray(seed, "int32"), "count": np.asarray(count, "int32")}
        assert_same(dict(zip(names, session.run(None, feeds), strict=True)), every_draw(seed, count))


def test_seeds_may_be_any_integer():
    same = [
        5,
        np.int32(5),
        np.uint64(5),
        5 + WORD,
        5 - WORD,
        tf.constant(5),
        tf.constant(5, tf.uint8),
        tf.Variable(5),
    ]
    draws = [np.asarray(random.bits(seed, random.NOISE, [0, 1], (3,))) for seed in same]
    assert all((draw == draws[0]).all() for draw in draws)
    assert int(random.fold(7, 3)) == oracle_bits(7, random._FOLD, [3], ())[0]


BAD = {
    "seed float": (
        lambda: random.bits(1.5, 0, [0], ()),
        "seed: expected an integer scalar, got float32 of shape ()",
    ),
    "seed none": (lambda: random.bits(None, 0, [0], ()), "seed: expected an integer scalar, got None"),
    "seed bool": (
        lambda: random.bits(True, 0, [0], ()),
        "seed: expected an integer scalar, got bool of shape ()",
    ),
    "seed rank": (
        lambda: random.bits([1, 2], 0, [0], ()),
        "seed: expected an integer scalar, got int32 of shape (2,)",
    ),
    "stream": (
        lambda: random.normal(1, "noise", [0], ()),
        "stream: expected an integer scalar, got string of shape ()",
    ),
    "index rank 0": (
        lambda: random.bits(1, 0, tf.constant(4), ()),
        "index: expected an integer tensor (B,), got int32 of shape ()",
    ),
    "index rank 2": (
        lambda: random.bits(1, 0, [[0]], ()),
        "index: expected an integer tensor (B,), got int32 of shape (1, 1)",
    ),
    "index float": (
        lambda: random.bits(1, 0, [0.0], ()),
        "index: expected an integer tensor (B,), got float32 of shape (1,)",
    ),
    "shape none": (
        lambda: random.bits(1, 0, [0], (None, 3)),
        "shape: expected a static tuple of positive integers, got (None, 3)",
    ),
    "shape zero": (
        lambda: random.bits(1, 0, [0], (0,)),
        "shape: expected a static tuple of positive integers, got (0,)",
    ),
    "shape int": (
        lambda: random.bits(1, 0, [0], 3),
        "shape: expected a static tuple of positive integers, got 3",
    ),
    "shape tensor": (
        lambda: random.bits(1, 0, [0], tf.TensorShape(None)),
        "shape: expected a static tuple of positive integers, got <unknown>",
    ),
    "bound": (
        lambda: random.integers(1, 0, [0], (), 0),
        "bound: expected a Python integer in [1, 2**31), got 0",
    ),
    "logits": (
        lambda: random.categorical(1, 0, [0], [0.0]),
        "logits: expected a tensor (B, ..., K), got shape (1,)",
    ),
    "fold": (lambda: random.fold(1, 0.5), "value: expected an integer scalar, got float32 of shape ()"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name):
    call, text = BAD[name]
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert str(caught.value) == text
