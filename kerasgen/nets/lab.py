"""CIE Lab: the lightness L of a colour, 0 to 100, and where it lies between green and red (a), blue and yellow (b).

    L = 116 f(Y) - 16,  a = 500 (f(X) - f(Y)),  b = 200 (f(Y) - f(Z)),  f(t) = t^(1/3), near black a line

with X, Y, Z in parts of white (D65, 2 degrees), linear in the light that sRGB levels stand for. Equal distances look
about equally far apart. A grey has a = b = 0, so that L alone says which.

Reference: CIE 15; IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
WHITE = np.array([0.95047, 1.0, 1.08883])
TO_XYZ = (XYZ / WHITE[:, None]).T.astype("float32")  # from linear light, in parts of white
FROM_XYZ = np.linalg.inv(XYZ / WHITE[:, None]).T.astype("float32")
BLACK, SLOPE, START = 0.008856, 7.787, 16.0 / 116.0  # of f: below BLACK it is SLOPE t + START


def to_lab(x):
    """Pictures (..., 3) in [0, 1] -> L, a, b (..., 3)."""
    x, y, z = tf.unstack(_curved(tf.linalg.matvec(TO_XYZ.T, _light(x))), axis=-1)
    return tf.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def lightness(grey):
    """L of greys in [0, 1], of any shape."""
    return 116.0 * _curved(_light(grey)) - 16.0


def from_lab(lab):
    """L, a, b (..., 3) -> pictures (..., 3) in [0, 1]; what no screen can show goes to the nearest that it can."""
    lightness, a, b = tf.unstack(lab, axis=-1)
    y = (lightness + 16.0) / 116.0
    curved = tf.maximum(tf.stack([y + a / 500.0, y, y - b / 200.0], axis=-1), 0.0)
    xyz = tf.where(curved > START + SLOPE * BLACK, curved**3, (curved - START) / SLOPE)
    light = tf.clip_by_value(tf.linalg.matvec(FROM_XYZ.T, xyz), 0.0, 1.0)
    return tf.where(light > 0.0031308, 1.055 * tf.maximum(light, 0.0031308) ** (1.0 / 2.4) - 0.055, 12.92 * light)


def _light(x):
    """The light that sRGB levels in [0, 1] stand for."""
    return tf.where(x > 0.04045, ((tf.maximum(x, 0.04045) + 0.055) / 1.055) ** 2.4, x / 12.92)


def _curved(t):
    """f."""
    return tf.where(t > BLACK, tf.maximum(t, BLACK) ** (1.0 / 3.0), SLOPE * t + START)


# The authors' bins: squares of side 10 around these, which hold the colours that screens can show at some lightness.
# a / 10 -> the first and the last b / 10.
GAMUT = {
    -9: (5, 9), -8: (2, 9), -7: (0, 9), -6: (-2, 9), -5: (-3, 10), -4: (-4, 10), -3: (-5, 10), -2: (-5, 10),
    -1: (-6, 10), 0: (-7, 10), 1: (-8, 9), 2: (-8, 9), 3: (-9, 9), 4: (-10, 9), 5: (-10, 8), 6: (-11, 8), 7: (-11, 8),
    8: (-11, 7), 9: (-11, 7), 10: (-9, 0),
}  # fmt: skip
BINS = np.array([(10 * a, 10 * b) for a, (first, last) in GAMUT.items() for b in range(first, last + 1)], "float32")
