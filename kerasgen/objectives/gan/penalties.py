"""What networks of a game pay for beside the game: free functions that return scalars to be added to a loss."""

from __future__ import annotations

import tensorflow as tf
from keras import ops


def off_diagonal(kernel):
    """|W'W . (1 - I)|^2: zero if and only if the columns of W (inputs, outputs) are orthogonal, of any length."""
    gram = ops.matmul(ops.transpose(kernel), kernel)
    return ops.sum(ops.square(gram)) - ops.sum(ops.square(ops.diagonal(gram)))


def r1(score, x):
    """E |dD(x)/dx|^2, for a function x (B, ...) -> scores (B, 1) whose examples hardly see each other."""
    return ops.mean(_squared_slopes(score, x))


def slope(score, x):
    """E (|dD(x)/dx| - 1)^2, which makes D 1-Lipschitz where x is (Gulrajani et al., 2017, arXiv:1704.00028)."""
    return ops.mean(ops.square(ops.sqrt(_squared_slopes(score, x) + 1e-12) - 1.0))


def _squared_slopes(score, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = ops.sum(score(x))
    return ops.sum(ops.square(tape.gradient(total, x)), axis=list(range(1, len(x.shape))))


def path_lengths(picture, styles, noise):
    """|J'y| of every example: how far a step in style space moves a picture, in a random direction y.

    Args:
        picture: function styles (B, L, D) -> pictures (B, H, W, C).
        styles: at which J is the Jacobian.
        noise: (B, H, W, C) standard normal.

    Returns: (B,), each the root of the mean over layers of the squared length in style space.
    """
    with tf.GradientTape() as tape:
        tape.watch(styles)
        x = picture(styles)
        height, width = x.shape[1:3]
        projected = ops.sum(x * noise) / (height * width) ** 0.5
    slope = tape.gradient(projected, styles)
    return ops.sqrt(ops.mean(ops.sum(ops.square(slope), axis=2), axis=1) + 1e-12)


def due(step, every):
    """Whether a penalty that is paid every so many steps is paid in this one, a boolean scalar."""
    return tf.equal(tf.math.floormod(tf.cast(step, tf.int64), every), 0)


def when(due, compute, like):
    """What `compute()` returns if a penalty is due, else zeros like `like`; then nothing is computed.

    Times the number of steps between payments it is the penalty itself, on average, for a fraction of the work.
    Nothing in `compute` may look at other replicas.
    """
    return tf.cond(due, compute, lambda: tf.zeros_like(like))


def local_slope(score, x):
    """E (|dD(x)/dp| - 1)^2 over pixels p (B, H, W, C), for critics of patches that score every place of x by itself.

    Each place's scores are summed over the patches that see it (Rott Shaham et al., 2019, arXiv:1905.01164).
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = ops.sum(score(x))
    squares = ops.sum(ops.square(tape.gradient(total, x)), axis=-1)
    return ops.mean(ops.square(ops.sqrt(squares + 1e-12) - 1.0))
