"""Logarithms and exponentials near where they vanish."""

from __future__ import annotations

import tensorflow as tf

from kerasgen.exporting.lowering.registry import lowering


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
