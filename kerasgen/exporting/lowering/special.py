"""Special functions: of errors, the normal quantile, the gamma function and its derivative."""

from __future__ import annotations

import math

import tensorflow as tf

from kerasgen.exporting.lowering.registry import lowering


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
