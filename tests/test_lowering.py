"""Every lowering against TensorFlow, in ONNX Runtime, at the values where the plain formula goes wrong."""

import math

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from kerasgen.exporting import lowering
from kerasgen.exporting.gate import gate
from kerasgen.runtime import port_of

INF = math.inf
WIDE = [-INF, -50.0, -9.0, -1.0, -0.5, -0.3, -1e-3, -1e-7, 0.0, 1e-7, 1e-3, 0.3, 0.5, 1.0, 9.0, 50.0, INF]
ABOVE_MINUS_ONE = [
    -1.0,
    -0.999999,
    -0.9,
    -0.5,
    -1e-4,
    -1e-7,
    0.0,
    1e-10,
    1e-7,
    1e-4,
    0.3,
    1.0,
    1e5,
    1e30,
    INF,
]
INSIDE = [-1.0, -0.999999, -0.9, -0.5, -1e-3, 0.0, 1e-7, 0.2, 0.7, 0.99, 0.9999, 1.0]
PROBABILITIES = [0.0, 1e-30, 1e-12, 1e-6, 0.01, 0.074, 0.076, 0.3, 0.5, 0.7, 0.92, 0.93, 0.999, 0.999999, 1.0]
POSITIVE = [1e-10, 1e-3, 0.1, 0.5, 0.9, 1.1, 1.5, 1.9, 2.1, 3.0, 7.5, 40.0, 1e3, 1e6]
BELOW_ZERO = [-0.1, -0.9, -1.5, -2.3, -7.7]
LEFT, RIGHT = [0.0, 0.0, 0.0, 2.0, 2.0, -3.0], [0.0, INF, -1.0, 0.0, 3.0, 0.5]
OVER, UNDER = [7, 7, -7, -7, 6, -6, 6, -6, 0, -1], [3, -3, 3, -3, 3, 3, -3, -3, 5, 2**20]
LOWER = np.tril(np.random.default_rng(0).normal(size=(4, 4)) + 3.0 * np.eye(4)).astype("float32")
RIGHTS = np.random.default_rng(1).normal(size=(3, 4, 2)).astype("float32")
ROWS = np.sort(np.random.default_rng(2).integers(0, 6, (2, 9)), 1).astype("float32")


def column(*values, kind="float32"):
    return [np.asarray(v, kind) for v in values]


def solve(matrix, right, **options):
    return tf.linalg.triangular_solve(tf.broadcast_to(matrix, (3, 4, 4)), right, **options)


# name -> (operation, inputs, relative tolerance, smallest magnitude that the tolerance is relative to)
CASES = {
    "Log1p": (tf.math.log1p, column(ABOVE_MINUS_ONE), 1e-6, 0),
    "Expm1": (tf.math.expm1, column(WIDE), 1e-6, 0),
    "Softplus": (tf.math.softplus, column(WIDE), 1e-6, 0),
    "Erfc": (tf.math.erfc, column(WIDE), 1e-6, 1e-30),
    "Erfinv": (tf.math.erfinv, column(INSIDE), 1e-6, 1),  # TensorFlow's own is wrong below 1e-3
    "Ndtri": (tf.math.ndtri, column(PROBABILITIES), 1e-6, 0.1),
    "Lgamma": (tf.math.lgamma, column(POSITIVE + BELOW_ZERO), 1e-6, 1),
    "Digamma": (tf.math.digamma, column(POSITIVE + BELOW_ZERO), 1e-6, 1),
    "MulNoNan": (tf.math.multiply_no_nan, column(RIGHT, LEFT), 1e-6, 0),
    "DivNoNan": (tf.math.divide_no_nan, column(LEFT, RIGHT), 1e-6, 0),
    "Xlogy": (tf.math.xlogy, column(LEFT, RIGHT), 1e-6, 0),
    "Xlog1py": (tf.math.xlog1py, column(LEFT, RIGHT), 1e-6, 0),
    "Xdivy": (tf.math.xdivy, column(LEFT, RIGHT), 1e-6, 0),
    "CumulativeLogsumexp": (lambda x: tf.math.cumulative_logsumexp(x, -1), [RIGHTS], 1e-6, 1),
    "Select with infinities": (lambda x: tf.where(x > 0, x, -INF), column(WIDE), 0, 0),
    "Select of truths": (lambda x: tf.cast(tf.where(x > 0, x < 2, x < -2), tf.int32), column(WIDE), 0, 0),
    "Select by row": (lambda x: tf.raw_ops.Select(condition=x[:, 0] > 3, x=x, y=-x), [ROWS], 0, 0),
    "FloorDiv int32": (lambda x, y: x // y, column(OVER, UNDER, kind="int32"), 0, 0),
    "FloorDiv int64": (lambda x, y: x // y, column(OVER, UNDER, kind="int64"), 0, 0),
    "FloorDiv float": (lambda x, y: x // y, column(OVER, UNDER), 0, 0),
    "FloorMod int32": (lambda x, y: x % y, column(OVER, UNDER, kind="int32"), 0, 0),
    "FloorMod float": (lambda x, y: x % y, column(OVER, UNDER), 0, 0),
    "TruncateMod": (lambda x, y: tf.raw_ops.TruncateMod(x=x, y=y), column(OVER, UNDER, kind="int32"), 0, 0),
    "LogicalXor": (lambda x, y: tf.cast(tf.math.logical_xor(x > 0, y > 0), tf.int32), column(OVER, UNDER), 0, 0),
    "Rint": (tf.math.rint, column([-2.5, -1.5, -0.5, 0.5, 1.5, 2.4]), 0, 0),
    "IsFinite": (lambda x: tf.cast(tf.math.is_finite(x), tf.int32), column(WIDE), 0, 0),
    "Sigmoid": (tf.math.sigmoid, column(WIDE[1:-1]), 1e-6, 1),
    "GELU": (lambda x: tf.nn.gelu(x, approximate=False), column(WIDE[1:-1]), 1e-6, 1e-6),
    "BroadcastArgs": (
        lambda x: tf.raw_ops.BroadcastArgs(s0=tf.shape(x), s1=tf.constant([7, 1, 1, 2], tf.int32)), [RIGHTS], 0, 0),
    "LowerBound": (lambda x, y: tf.searchsorted(x, y, "left"), [ROWS, ROWS[:, ::2] + 0.0], 0, 0),
    "UpperBound": (lambda x, y: tf.searchsorted(x, y, "right"), [ROWS, ROWS[:, ::2] + 0.0], 0, 0),
    "Bucketize": (lambda x: tf.raw_ops.Bucketize(input=x, boundaries=[0.0, 2.0, 4.5]), [ROWS], 0, 0),
    "UnravelIndex": (lambda x: tf.unravel_index(x, (3, 4, 5)), column([0, 1, 17, 59], kind="int32"), 0, 0),
    "MatrixBandPart": (lambda x: tf.linalg.band_part(x, 1, -1), [RIGHTS], 0, 0),
    "MatrixSetDiag": (lambda x: tf.linalg.set_diag(x, tf.reduce_sum(x, -1)), [np.stack([LOWER] * 2)], 1e-6, 1),
    "MatrixDiagPart": (lambda x: tf.linalg.diag_part(x), [np.stack([LOWER] * 2)], 0, 0),
    "MatrixDiag": (tf.linalg.diag, [ROWS], 0, 0),
    "MatrixTriangularSolve constant": (lambda x: solve(LOWER, x), [RIGHTS], 1e-6, 1),
    "MatrixTriangularSolve constant, adjoint": (lambda x: solve(LOWER, x, adjoint=True), [RIGHTS], 1e-6, 1),
    "MatrixTriangularSolve": (lambda m, x: solve(m, x), [LOWER, RIGHTS], 1e-6, 1),
    "MatrixTriangularSolve adjoint": (lambda m, x: solve(m, x, adjoint=True), [LOWER, RIGHTS], 1e-6, 1),
    "MatrixTriangularSolve upper": (lambda m, x: solve(m, x, lower=False), [LOWER.T, RIGHTS], 1e-6, 1),
    "Cholesky": (tf.linalg.cholesky, [np.stack([LOWER @ LOWER.T] * 2)], 1e-6, 1),
    "Cholesky constant": (lambda x: x @ tf.linalg.cholesky(LOWER @ LOWER.T), [LOWER], 1e-6, 1),
}  # fmt: skip


def both(function, inputs):
    """The function's value in TensorFlow and, converted, in ONNX Runtime; leading axes are dynamic."""
    import onnxruntime
    import tf2onnx

    specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype, name) for name, x in zip(("x", "y"), inputs, strict=False)]

    @tf.function(input_signature=specs, autograph=False)
    def graph(*tensors):
        return {"out": function(*tensors)}

    proto, _ = tf2onnx.convert.from_function(graph, specs, opset=18, custom_rewriter=[lowering.lower])
    ports = [port_of({"name": s.name, "shape": (), "dtype": "", "meaning": ""}) for s in specs]
    gate(proto, "test", (ports, port_of({"name": "out", "shape": (), "dtype": "", "meaning": ""})))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {spec.name: x for spec, x in zip(specs, inputs, strict=True)}
    return graph(*inputs)["out"].numpy(), session.run(None, feeds)[0]


def differences(expected, got, floor):
    assert expected.shape == got.shape and expected.dtype == got.dtype
    same = (expected == got) | (np.isnan(expected) & np.isnan(got))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(same, 0.0, np.abs(expected - got) / np.maximum(np.abs(expected), max(floor, 1e-38)))


@pytest.mark.parametrize("name", CASES)
def test_operation(name):
    function, inputs, tolerance, floor = CASES[name]
    expected, got = both(function, inputs)
    worst = differences(expected, got, floor)
    assert worst.max() <= tolerance, f"{worst}\n{expected}\n{got}"


def test_in_a_loop_and_a_condition():
    def function(x):
        x = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.math.log1p(x)), (0, x))[1]
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.math.expm1(x), lambda: x)

    expected, got = both(function, column([0.0, 1e-7, 1.0, 9.0]))
    assert differences(expected, got, 0).max() <= 1e-6


rng = np.random.default_rng(3)
MEAN = rng.normal(size=4).astype("float32")
MEANS = rng.normal(size=(5, 4)).astype("float32")
POINTS = rng.normal(size=(6, 4)).astype("float32")
BITS = (POINTS > 0).astype("float32")
INTERVAL = (0.98 / (1 + np.exp(-POINTS)) + 0.01).astype("float32")
LEVELS = np.rint(INTERVAL * 255).astype("float32")


def softplus_sigmoid():
    chain = tfb.Chain([tfb.Sigmoid(), tfb.Shift(MEAN), tfb.Scale(tf.nn.softplus(MEAN) + 0.1)])
    return tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 4), chain)


def through_softplus():
    return tfd.TransformedDistribution(tfd.MultivariateNormalDiag(MEAN), tfb.Chain([tfb.Shift(-0.5), tfb.Softplus()]))


def quantized(scale=20.0):
    logistic = tfd.TransformedDistribution(tfd.Logistic(MEAN * 40 + 120, scale), tfb.Shift(-0.5))
    return tfd.Independent(tfd.QuantizedDistribution(logistic, 0.0, 255.0), 1)


DENSITIES = {
    "MultivariateNormalTriL": (lambda: tfd.MultivariateNormalTriL(MEAN, LOWER), POINTS),
    "MultivariateNormalDiag": (lambda: tfd.MultivariateNormalDiag(MEAN, tf.exp(MEAN)), POINTS),
    "Bernoulli": (lambda: tfd.Independent(tfd.Bernoulli(logits=MEAN), 1), BITS),
    "ContinuousBernoulli": (lambda: tfd.Independent(tfd.ContinuousBernoulli(logits=MEAN), 1), INTERVAL),
    "Beta": (lambda: tfd.Independent(tfd.Beta(tf.exp(MEAN), 2.0), 1), INTERVAL),
    "Poisson": (lambda: tfd.Independent(tfd.Poisson(tf.exp(MEAN)), 1), LEVELS),
    "Mixture of MultivariateNormalTriL": (
        lambda: tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.zeros(5)), tfd.MultivariateNormalTriL(MEANS, np.stack([LOWER] * 5))),
        POINTS),
    "Mixture of MultivariateNormalDiag": (
        lambda: tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.zeros(5)), tfd.MultivariateNormalDiag(MEANS, tf.exp(MEANS))),
        POINTS),
    "TransformedDistribution by Sigmoid, Shift, Scale": (softplus_sigmoid, INTERVAL),
    "TransformedDistribution by Softplus": (through_softplus, np.abs(POINTS)),
    "QuantizedDistribution of Logistic": (quantized, LEVELS),
}  # fmt: skip


@pytest.mark.parametrize("name", DENSITIES)
def test_log_prob(name):
    distribution, points = DENSITIES[name]
    expected, got = both(lambda x: distribution().log_prob(x), [points])
    assert differences(expected, got, 1).max() <= 1e-5, f"{expected}\n{got}"


def test_kl_divergence():
    def function(x):
        posterior = tfd.MultivariateNormalDiag(x[:, :2], tf.nn.softplus(x[:, 2:]))
        normal = tfd.Independent(tfd.Normal(x[:, :2], tf.nn.softplus(x[:, 2:])), 1)
        prior = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
        standard = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
        return tfd.kl_divergence(posterior, prior) + tfd.kl_divergence(normal, standard)

    expected, got = both(function, [POINTS])
    assert differences(expected, got, 1).max() <= 1e-5


def test_fill_scale_tril_of_a_network():
    def function(x):
        tril = tfb.FillScaleTriL()(tf.concat([x, x[:, :2]], -1))
        return tfd.MultivariateNormalTriL(x[:, :3], tril).log_prob(x[:, 1:])

    expected, got = both(function, [POINTS])
    assert differences(expected, got, 1).max() <= 1e-5
