"""Quotients and rests of whole numbers."""

from __future__ import annotations

import tensorflow as tf

from kerasgen.exporting.lowering.registry import lowering

INTEGERS = (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64)


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
