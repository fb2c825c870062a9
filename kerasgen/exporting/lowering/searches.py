"""Shapes, comparisons and searches."""

from __future__ import annotations

import tensorflow as tf

from kerasgen.exporting.lowering import integers
from kerasgen.exporting.lowering.registry import lowering


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
        rows.append(integers.floor_mod(indices, dims[axis]))
        indices = integers.floor_div(indices, dims[axis])
    return tf.stack(rows[::-1])


@lowering("Select", "SelectV2", types=(tf.bool,))
def select_bool(condition, x, y):
    """`where` over truth values, which ONNX Runtime does not have."""
    return (condition & x) | (~condition & y)


@lowering("LogicalXor")
def logical_xor(x, y):
    return tf.not_equal(x, y)
