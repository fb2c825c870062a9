"""TensorFlow operations that have no ONNX form, each written as operations that have one.

tf2onnx converts operation by operation. What it does not know it leaves in the graph, and some it converts wrongly:
integer division truncates, and `where(c, a, b)` becomes `c * a + (1 - c) * b`, which spreads the NaN or infinity of the
branch that was not chosen. Here each such operation is defined in TensorFlow itself, by operations that do convert.
`lower` is a tf2onnx rewriter: before the conversion it traces the definition for every such node, in the main graph and
in the bodies of loops and conditions, and puts the traced nodes in its place.

So a lowering is read, and tested, as the formula that it is. Definitions may use each other's operations.
"""

from __future__ import annotations

import inspect
import math

import numpy as np
import tensorflow as tf

FLOATS = (tf.float16, tf.float32, tf.float64)
INTEGERS = (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64)
LOWERINGS = {}  # type of the operation -> (definition, types of its last input for which it is used, or None)


def lowering(*operations, types=None):
    """Register a definition: a function of the operation's inputs and, by keyword, of its attributes.

    A definition that does not cover these inputs returns None, and the node is left to tf2onnx.
    """

    def register(definition):
        LOWERINGS.update({operation: (definition, types) for operation in operations})
        return definition

    return register


def lower(graph, nodes):
    """Replace every node that has a lowering; for `tf2onnx.convert.from_function(custom_rewriter=[lower])`.

    Args:
        graph: a graph of tf2onnx whose nodes are still TensorFlow's.
        nodes: its nodes.

    Returns:
        The nodes of the rewritten graph.
    """
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        definition, types = LOWERINGS.get(node.type, (None, None))
        if definition and (types is None or _type(graph, node.input[-1]) in types):
            waiting += _replace(graph, node, definition)
        elif node.type in ("Select", "SelectV2"):
            node.set_attr("handles_nan", True)  # the converter's own mark for the true ONNX `Where`
    return graph.get_nodes()


def _replace(graph, node, definition):
    """Trace the definition for the node's inputs, wire the traced nodes in, and return them."""
    from tf2onnx import tf_utils, utils

    keywords = inspect.signature(definition).parameters.values()
    keywords = {k.name: node.get_attr_value(k.name) for k in keywords if k.kind is k.KEYWORD_ONLY}
    constants = {
        name: source.get_tensor_value(as_list=False)
        for name, source in zip(node.input, node.inputs, strict=True)
        if source is not None and source.is_const()
    }
    outside = [name for name in dict.fromkeys(node.input) if name not in constants]

    @tf.function(input_signature=[_spec(graph, name) for name in outside], autograph=False)
    def trace(*tensors):
        values = dict(zip(outside, tensors, strict=True))
        values |= {name: tf.constant(value, _type(graph, name)) for name, value in constants.items()}
        return definition(*(values[name] for name in node.input), **keywords)

    # The converter works inside a TF1 graph, where `==` of tensors would compare identities.
    with tf.__internal__.eager_context.eager_mode():
        traced = trace.get_concrete_function()
    if not traced.outputs:
        return []
    new_nodes, _, _, shapes, types, _ = tf_utils.tensorflow_to_onnx(traced.graph, {})
    prefix = utils.make_name(node.type)
    names = {tensor.name: name for tensor, name in zip(traced.inputs, outside, strict=True)}
    names[traced.outputs[0].name] = node.output[0]  # an Identity of its own: tf.function adds it
    shapes[traced.outputs[0].name] = graph.get_shape(node.output[0])
    graph.remove_node(node.name)

    def named(tensor):
        return names.get(tensor, f"{prefix}/{tensor}")

    return [
        graph.make_node(
            new.op_type,
            [named(name) for name in new.input],
            attr={attribute.name: attribute for attribute in new.attribute},
            outputs=[named(name) for name in new.output],
            name=f"{prefix}/{new.name}",
            shapes=[shapes[name] for name in new.output],
            dtypes=[types[name] for name in new.output],
            skip_conversion=False,
            infer_shape_dtype=False,
        )
        for new in new_nodes
        if new.op_type != "Placeholder"
    ]


def _spec(graph, name):
    shape = graph.get_shape(name)
    return tf.TensorSpec(None if shape is None else [None if n < 0 else n for n in shape], _type(graph, name))


def _type(graph, name):
    from tf2onnx import utils

    return tf.as_dtype(utils.map_onnx_to_numpy_type(graph.get_dtype(name)))


# --- logarithms and exponentials near where they vanish ---------------------------------------------------------------


@lowering("Log1p")
def log1p(x):
    """ln(1 + x): near 0 the rounding of u = 1 + x cancels in ln(u) / (u - 1) (Kahan)."""
    u = 1.0 + x
    near = tf.where(tf.equal(u, 1.0), x, x * tf.math.log(u) / (u - 1.0))
    return tf.where(tf.abs(x) < 0.5, near, tf.math.log(u))


@lowering("Expm1")
def expm1(x):
    """e^x - 1, likewise from (u - 1) / ln(u) with u = e^x."""
    u = tf.exp(x)
    near = tf.where(tf.equal(u, 1.0), x, x * (u - 1.0) / tf.math.log(u))
    return tf.where(tf.abs(x) < 0.5, near, u - 1.0)


@lowering("Softplus")
def softplus(x):
    """ln(1 + e^x) without loss for very negative x, where ONNX Runtime's own gives 0."""
    return tf.maximum(x, 0.0) + tf.math.log1p(tf.exp(-tf.abs(x)))


@lowering("Xlogy")
def xlogy(x, y):
    """x ln(y), 0 where x is 0."""
    zero = tf.equal(x, 0.0)
    return tf.where(zero, tf.zeros_like(x), x) * tf.math.log(tf.where(zero, tf.ones_like(y), y))


@lowering("Xlog1py")
def xlog1py(x, y):
    """x ln(1 + y), 0 where x is 0."""
    zero = tf.equal(x, 0.0)
    return tf.where(zero, tf.zeros_like(x), x) * tf.math.log1p(tf.where(zero, tf.zeros_like(y), y))


@lowering("Xdivy")
def xdivy(x, y):
    """x / y, 0 where x is 0."""
    zero = tf.equal(x, 0.0)
    return tf.where(zero, tf.zeros_like(x), x) / tf.where(zero, tf.ones_like(y), y)


@lowering("DivNoNan")
def div_no_nan(x, y):
    """x / y, 0 where y is 0."""
    zero = tf.equal(y, 0.0)
    return tf.where(zero, tf.zeros_like(x), x) / tf.where(zero, tf.ones_like(y), y)


@lowering("MulNoNan")
def mul_no_nan(x, y):
    """x y, 0 where y is 0 even if x is not finite."""
    return tf.where(tf.equal(y, 0.0), tf.zeros_like(x), x) * y


@lowering("CumulativeLogsumexp")
def cumulative_logsumexp(x, axis, *, exclusive, reverse):
    """Running ln(sum(e^x)) about the largest value."""
    top = tf.reduce_max(x, axis, keepdims=True)
    return tf.math.log(tf.cumsum(tf.exp(x - top), axis, exclusive=bool(exclusive), reverse=bool(reverse))) + top


# --- integers ---------------------------------------------------------------------------------------------------------


@lowering("FloorDiv", types=INTEGERS)
def floor_div(x, y):
    """The quotient rounded down; ONNX rounds it towards zero."""
    quotient = tf.truncatediv(x, y)
    rest = x - quotient * y
    return quotient - tf.cast(_against(rest, y), x.dtype)


@lowering("FloorMod", types=INTEGERS)
def floor_mod(x, y):
    """The rest with the sign of y."""
    rest = x - tf.truncatediv(x, y) * y
    return rest + tf.where(_against(rest, y), y, tf.zeros_like(y))


@lowering("TruncateMod", types=INTEGERS)
def truncate_mod(x, y):
    """The rest with the sign of x."""
    return x - tf.truncatediv(x, y) * y


def _against(rest, y):
    return tf.not_equal(rest, 0) & tf.not_equal(rest < 0, y < 0)


# --- special functions ------------------------------------------------------------------------------------------------


def polynomial(x, *coefficients):
    """Horner's scheme, the highest power first."""
    value = tf.ones_like(x) * coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


@lowering("Erfc")
def erfc(x):
    """1 - erf(x) near 0, a Chebyshev fit times e^(-x^2) in the tail (Numerical Recipes: relative error 1.2e-7)."""
    z = tf.minimum(tf.abs(x), 30.0)
    t = 1.0 / (1.0 + 0.5 * z)
    fit = polynomial(
        t, 0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
        1.00002368, -1.26551223,
    )  # fmt: skip
    coarse = tf.floor(z * 16.0) / 16.0  # its square is exact, so that e^(-z^2) keeps its digits
    tail = t * tf.exp(-coarse * coarse) * tf.exp(-(z - coarse) * (z + coarse) + fit)
    return tf.where(z < 0.5, 1.0 - tf.math.erf(x), tf.where(x > 0.0, tail, 2.0 - tail))


@lowering("Erfinv")
def erfinv(x):
    """Giles (2010), "Approximating the erfinv function"."""
    w = -tf.math.log((1.0 - x) * (1.0 + x))
    near = polynomial(
        w - 2.5, 2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
        -0.00417768164, 0.246640727, 1.50140941,
    )  # fmt: skip
    far = polynomial(
        tf.sqrt(tf.maximum(w, 5.0)) - 3.0, -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844,
        0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
    )  # fmt: skip
    return tf.where(tf.equal(tf.abs(x), 1.0), x * math.inf, x * tf.where(w < 5.0, near, far))


@lowering("Ndtri")
def ndtri(p):
    """The normal quantile: Wichura (1988), algorithm AS 241, PPND7 (about 1 part in 10^7)."""
    q = p - 0.5
    r = 0.180625 - q * q
    middle = q * polynomial(r, 59.109374720, 159.29113202, 50.434271938, 3.3871327179)
    middle /= polynomial(r, 67.187563600, 78.757757664, 17.895169469, 1.0)
    rest = tf.minimum(p, 1.0 - p)
    r = tf.sqrt(-tf.math.log(tf.where(rest > 0.0, rest, tf.ones_like(rest))))
    a = r - 1.6
    near = polynomial(a, 0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777)
    near /= polynomial(a, 0.12021132975, 0.73700164250, 1.0)
    b = r - 5.0
    far = polynomial(b, 0.017337203997, 0.42868294337, 3.0812263860, 6.6579051150)
    far /= polynomial(b, 0.012258202635, 0.24197894225, 1.0)
    tail = tf.where(q < 0.0, -tf.ones_like(q), tf.ones_like(q)) * tf.where(r <= 5.0, near, far)
    value = tf.where(tf.abs(q) <= 0.425, middle, tail)
    return tf.where(rest > 0.0, value, q * math.inf)


@lowering("Lgamma")
def lgamma(x):
    """ln |Gamma(x)| by Lanczos' sum (g = 7, n = 9), reflected below 1/2."""
    below = x < 0.5
    z = tf.where(below, -x, x - 1.0)
    total = tf.ones_like(z) * 0.99999999999980993
    for i, weight in enumerate((
        676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
        -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
    )):  # fmt: skip
        total += weight / (z + (i + 1.0))
    t = z + 7.5
    value = 0.5 * math.log(2.0 * math.pi) + (z + 0.5) * tf.math.log(t) - t + tf.math.log(total)
    fraction = tf.abs(x - tf.round(x))
    sine = tf.where(below, tf.sin(math.pi * fraction), tf.ones_like(x))
    return tf.where(below, math.log(math.pi) - tf.math.log(sine) - value, value)


@lowering("Digamma")
def digamma(x):
    """d/dx ln Gamma(x): recurrence up to 6 and the asymptotic series, reflected below 0."""
    below = x <= 0.0
    z = tf.where(below, 1.0 - x, x)
    value = tf.zeros_like(z)
    for _ in range(6):
        small = z < 6.0
        value -= tf.where(small, 1.0 / z, tf.zeros_like(z))
        z = tf.where(small, z + 1.0, z)
    r = 1.0 / (z * z)
    value += tf.math.log(z) - 0.5 / z - r * polynomial(r, 1 / 252, -1 / 120, 1 / 12)
    angle = math.pi * (x - tf.round(x))
    tangent = tf.where(below, tf.tan(angle), tf.ones_like(x))
    return tf.where(below, value - math.pi / tangent, value)


# --- shapes, comparisons, searches ------------------------------------------------------------------------------------


@lowering("BroadcastArgs")
def broadcast_args(first, second):
    """The shape that two shapes broadcast to."""
    rank = max(first.shape[0], second.shape[0])
    first, second = (tf.pad(s, [[rank - s.shape[0], 0]], constant_values=1) for s in (first, second))
    return tf.where(tf.equal(first, 1), second, first)


@lowering("LowerBound")
def lower_bound(sorted_rows, values, *, out_type=None):
    """How many of the sorted row are below each value."""
    return _count(sorted_rows[:, None, :] < values[:, :, None], out_type)


@lowering("UpperBound")
def upper_bound(sorted_rows, values, *, out_type=None):
    """How many of the sorted row are not above each value."""
    return _count(sorted_rows[:, None, :] <= values[:, :, None], out_type)


def _count(true, out_type):
    from tf2onnx import utils

    kind = tf.as_dtype(utils.map_onnx_to_numpy_type(out_type)) if out_type else tf.int32
    return tf.cast(tf.reduce_sum(tf.cast(true, tf.int32), -1), kind)


@lowering("Bucketize")
def bucketize(x, *, boundaries):
    """How many boundaries are not above x."""
    return tf.reduce_sum(tf.cast(x[..., None] >= tf.constant(boundaries, x.dtype), tf.int32), -1)


@lowering("UnravelIndex")
def unravel_index(indices, dims):
    """The coordinates of flat indices, one row per axis."""
    rows = []
    for axis in reversed(range(dims.shape[0])):
        rows.append(floor_mod(indices, dims[axis]))
        indices = floor_div(indices, dims[axis])
    return tf.stack(rows[::-1])


@lowering("Select", "SelectV2", types=(tf.bool,))
def select_bool(condition, x, y):
    """`where` over truth values, which ONNX Runtime does not have."""
    return (condition & x) | (~condition & y)


@lowering("LogicalXor")
def logical_xor(x, y):
    return tf.not_equal(x, y)


# --- matrices ---------------------------------------------------------------------------------------------------------


@lowering("MatrixBandPart")
def matrix_band_part(x, below, above):
    """What lies at most so many places below and above the diagonal; a negative number keeps all."""
    rows, columns = tf.range(tf.shape(x)[-2])[:, None], tf.range(tf.shape(x)[-1])[None, :]
    below, above = tf.cast(below, tf.int32), tf.cast(above, tf.int32)
    keep = ((below < 0) | (rows - columns <= below)) & ((above < 0) | (columns - rows <= above))
    return tf.where(keep, x, tf.zeros_like(x))


@lowering("MatrixSetDiagV3")
def matrix_set_diag(x, diagonal, k):
    """x with another main diagonal."""
    if _is_main(k) and x.shape[-1] == x.shape[-2]:
        return tf.where(_diagonal(x), diagonal[..., None], x)


@lowering("MatrixDiagPartV3")
def matrix_diag_part(x, k, padding):
    """The main diagonal of a square matrix."""
    if _is_main(k) and x.shape[-1] == x.shape[-2]:
        return tf.reduce_sum(tf.where(_diagonal(x), x, tf.zeros_like(x)), -1)


@lowering("MatrixDiagV3")
def matrix_diag(diagonal, k, rows, columns, padding):
    """A matrix with this main diagonal and zeros."""
    if _is_main(k) and tf.get_static_value(rows) == tf.get_static_value(columns) == -1:
        column = diagonal[..., None]
        return tf.where(_diagonal(column), column, tf.zeros_like(column))


def _is_main(k):
    return np.all(tf.get_static_value(k) == 0)


def _diagonal(x):
    places = tf.range(tf.shape(x)[-2])
    return places[:, None] == places[None, :]


@lowering("MatrixTriangularSolve")
def matrix_triangular_solve(matrix, right, *, lower, adjoint):
    """X of matrix X = right: by the inverse in float64 if the matrix is a constant, else by substitution."""
    known = tf.get_static_value(matrix)
    if known is not None:
        full = np.tril(known) if lower else np.triu(known)
        inverse = np.linalg.inv(full.astype(np.float64)).astype(known.dtype)
        return tf.matmul(tf.constant(inverse), right, adjoint_a=bool(adjoint))
    if adjoint:
        matrix, lower = tf.linalg.matrix_transpose(matrix), not lower
    size, solved, done = matrix.shape[-1], None, []
    for i in range(size) if lower else reversed(range(size)):
        row = right[..., i : i + 1, :]
        if done:
            row -= tf.matmul(tf.gather(matrix[..., i : i + 1, :], done, axis=-1), solved)
        row /= matrix[..., i : i + 1, i : i + 1]
        solved = row if solved is None else tf.concat([solved, row], -2)
        done.append(i)
    return solved if lower else tf.reverse(solved, [-2])


@lowering("Cholesky")
def cholesky(matrix):
    """The lower factor, column by column; a constant matrix is folded before this."""
    size, columns = matrix.shape[-1], []
    for j in range(size):
        column = matrix[..., j]
        if columns:
            left = tf.stack(columns, -1)
            column -= tf.linalg.matvec(left, left[..., j, :])
        column /= tf.sqrt(column[..., j : j + 1])
        columns.append(column * np.array([0.0] * j + [1.0] * (size - j), matrix.dtype.as_numpy_dtype))
    return tf.stack(columns, -1)
