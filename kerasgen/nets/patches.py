"""Patches of pictures: where they are, how far they are from those of another picture, and which is nearest.

    |p - q|^2 = |p|^2 - 2 p.q + |q|^2,   p.q for many p and q at once, by a convolution or a product of matrices

Pictures here are whole numbers about 0: sums of their products stay below 2^24, where
float32 counts exactly, so that the nearest patch is the same in every runtime, ties included (the first one wins).
A picture is (H, W, C); its places are those where a patch fits, in rows.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

EXACT = 2**24  # whole numbers up to here are exact in float32
BUDGET = 2**22  # distances in memory at once, 16 MiB


def centred(level, levels: int, most: int = 256):
    """Levels 0, 1, ... as at most `most` whole numbers about 0."""
    if levels > most:
        return tf.floor(level * (most / levels)) - most // 2
    return level - levels // 2


def gaussian(size: int, total: int):
    """Weights of a patch's pixels, whole numbers (size, size, 1) whose sum is `total` at most; sigma is size / 6.4."""
    g = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / (size / 6.4)) ** 2)
    g = np.outer(g, g)
    return np.floor(g / g.sum() * total)[..., None].astype("float32")


def places(x, size: int) -> tuple:
    """How many rows and columns of places there are for patches of a size."""
    shape = tf.shape(x)
    return shape[0] - size + 1, shape[1] - size + 1


def windows(x, at, size: int):
    """The patches (n, size, size, C) at some places (n,)."""
    width, columns = tf.shape(x)[1], places(x, size)[1]
    first = tf.math.floordiv(at, columns) * width + tf.math.floormod(at, columns)
    return around(tf.reshape(x, (-1, x.shape[-1])), first, width, size)


def around(pixels, first, width, size: int):
    """The patches (n, size, size, C) whose first pixels are given, among the pixels (N, C) of rows of a width."""
    corner = tf.range(size)[:, None] * width + tf.range(size)
    found = tf.gather(pixels, first[:, None] + tf.reshape(corner, (1, -1)))
    return tf.reshape(found, (-1, size, size, pixels.shape[-1]))


def distances(x, patches, weights=None):
    """Squared distances (places of x, n) of patches (n, size, size, C).

    Args:
        weights: of their pixels, whole numbers (n, size, size, 1); None for 1.
    """
    squares = tf.reduce_sum(x * x, axis=-1, keepdims=True)
    if weights is None:
        weights, weighted = tf.ones_like(patches[:1, ..., :1]), patches
    else:
        weighted = weights * patches
    own = tf.reduce_sum(weighted * patches, axis=(1, 2, 3))
    return own - 2.0 * _correlation(x, weighted) + _correlation(squares, weights)


def between(rows, squares, others):
    """Squared distances (N, M) of rows (N, D), whose own squares (N, 1) are known, and others (M, D)."""
    return squares - 2.0 * tf.matmul(rows, others, transpose_b=True) + tf.reduce_sum(others * others, axis=1)


def nearest(query, keys, size: int, alpha: float | None = None):
    """For every patch of `query`, where in `keys` its nearest is, (n,) int32, and how far, (n,).

    Args:
        query, keys: pictures (H, W, C), of any two sizes.
        size: of the patches.
        alpha: given, a distance, the root of the sum of squares, is divided by alpha + that of the key's own nearest
            query: keys that nothing in the query is like come first, so that no part of `keys` is left out (Granot et
            al., 2021).

    Returns:
        Places and squared distances; these are the divided ones if `alpha` is given. In memory at once are the patches
        of `keys`, 144 MiB for 7x7 in 512x512 in colour, and `BUDGET` distances or those of one query.
    """
    rows, columns = places(query, size)
    total, key_rows, key_columns = rows * columns, *places(keys, size)
    part = tf.maximum(BUDGET // (key_rows * key_columns), 1)
    stored = _rows(windows(keys, tf.range(key_rows * key_columns), size))
    squares = _correlation(tf.reduce_sum(keys * keys, axis=-1, keepdims=True), tf.ones((1, size, size, 1)))

    def parts(start):
        at = tf.range(start, tf.minimum(start + part, total))
        return between(stored, squares, _rows(windows(query, at, size)))

    def covered(start, least):
        return start + part, tf.minimum(least, tf.reduce_min(parts(start), axis=1))

    def found(start, where, how_far):
        d = parts(start) / scale
        where = tf.concat([where, tf.argmin(d, axis=0, output_type=tf.int32)], 0)
        return start + part, where, tf.concat([how_far, tf.reduce_min(d, axis=0)], 0)

    def inside(start, *_):
        return start < total

    scale = tf.ones((1, 1))
    if alpha is not None:
        least = tf.fill([key_rows * key_columns], tf.float32.max)
        least = tf.while_loop(inside, covered, (tf.constant(0), least))[1]
        scale = tf.square(alpha + tf.sqrt(least))[:, None]
    state = (tf.constant(0), tf.zeros((0,), tf.int32), tf.zeros((0,)))
    shapes = tuple(map(tf.TensorShape, ((), (None,), (None,))))
    return tf.while_loop(inside, found, state, shapes)[1:]


def votes(where, picture, size: int, height, width):
    """The picture (height, width, C) in which every patch is one of `picture`, averaged where they overlap.

    Args:
        where: places in `picture`, one for every place of the result in rows, (n,).
        picture: levels (h, w, C), at most 256 of them.
        size: of the patches; their middles count most.

    Returns:
        Levels, rounded.
    """
    wide, columns = tf.shape(picture)[1], places(picture, size)[1]
    first = tf.math.floordiv(where, columns) * wide + tf.math.floormod(where, columns)
    pixels = tf.reshape(tf.pad(picture, [[0, 0], [0, 0], [0, 1]], constant_values=1.0), (-1, picture.shape[-1] + 1))
    weights = 1.0 + gaussian(size, EXACT // 256 - size**2).ravel()

    def step(i, total):
        row, column = i // size, i % size
        found = tf.gather(weights, i) * tf.gather(pixels, first + row * wide + column)
        found = tf.reshape(found, (height - size + 1, width - size + 1, pixels.shape[-1]))
        return i + 1, total + tf.pad(found, [[row, size - 1 - row], [column, size - 1 - column], [0, 0]])

    start = tf.constant(0), tf.zeros((height, width, pixels.shape[-1]))
    shapes = tf.TensorShape(()), tf.TensorShape((None, None, pixels.shape[-1]))
    total = tf.while_loop(lambda i, _: i < size**2, step, start, shapes)[1]
    return tf.round(total[..., :-1] / total[..., -1:])


def shrinking(before: int, after: int):
    """The matrix (after, before) of a triangle filter that shrinks, in 256ths, whole numbers."""
    centre = (np.arange(after)[:, None] + 0.5) * before / after - 0.5
    weights = np.maximum(1.0 - np.abs(np.arange(before) - centre) * after / before, 0.0)
    edges = np.cumsum(weights, axis=1) / weights.sum(1, keepdims=True)  # rounding these keeps the sums of rows
    return np.diff(np.rint(256 * edges), prepend=0.0).astype("float32")


def shrunk(level, height: int, width: int):
    """Levels (..., H, W, C), at most 256 of them, at a smaller size."""
    rows, columns = shrinking(level.shape[-3], height), shrinking(level.shape[-2], width)
    return tf.einsum("ab,...bcf,dc->...adf", rows, level, columns) / 2.0**16


def enlarged(level, height, width):
    """Levels (H, W, C), at most 256 of them, at another size by lines between pixels, rounded."""
    for axis, after in enumerate((height, width)):
        before = tf.shape(level)[axis]
        at = (2 * tf.range(after) + 1) * before * 32 // after - 32  # in 64ths of a pixel
        at = tf.clip_by_value(at, 0, 64 * (before - 1))
        share = tf.reshape(tf.cast(at % 64, tf.float32), (-1, 1, 1) if axis == 0 else (1, -1, 1))
        first, second = (tf.gather(level, i, axis=axis) for i in (at // 64, tf.minimum(at // 64 + 1, before - 1)))
        level = (64.0 - share) * first + share * second
    return tf.round(level / 64.0**2)


def _rows(patches):
    return tf.reshape(patches, (-1, patches.shape[1] * patches.shape[2] * patches.shape[3]))


def _correlation(x, patches):
    """Sums of products (places of x, n) of the patches (n, size, size, C) with the picture."""
    found = tf.nn.conv2d(x[None], tf.transpose(patches, (1, 2, 3, 0)), 1, "VALID")
    return tf.reshape(found, (-1, tf.shape(patches)[0]))
