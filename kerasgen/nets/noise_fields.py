"""Draws for pictures whose size is known late."""

from __future__ import annotations

import tensorflow as tf

ROWS = 2**12  # of the highest picture


def field(draw, seed, stream, index, size, widest: int, channels: int):
    """Draws (B, height, width, channels), the same wherever fields of two sizes overlap.

    Args:
        draw: `random.normal`, `random.bits` or the like, of which each row of a picture takes an index of its own.
        seed, stream, index: as `draw` takes them; from 2**20 on, indices repeat.
        size: (height, width), numbers or integer scalars; at most `ROWS` and `widest`.
    """
    height, width = size
    rows = tf.reshape(index[:, None] * ROWS + tf.range(height), (-1,))
    drawn = draw(seed, stream, rows, (widest, channels))
    return tf.reshape(drawn, (-1, height, widest, channels))[:, :, :width]
