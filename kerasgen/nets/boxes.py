"""Boxes in pictures: rows (class or -1, left, top, width, height) of a layout, lengths as shares of the picture."""

from __future__ import annotations

import tensorflow as tf


def present(layout):
    """1 for the rows of a layout (B, objects, 5) that are an object, 0 for the others, (B, objects)."""
    return tf.cast(layout[..., 0] >= 0, layout.dtype)


def filled(layout):
    """The layout with the first object of a scene in the place of every row that is none."""
    there = present(layout)
    first = tf.argmax(there, axis=1, output_type=tf.int32)
    return tf.where(there[..., None] > 0, layout, tf.gather(layout, first, batch_dims=1)[:, None])


def masks(layout, height: int, width: int):
    """1 inside of every box, its edges rounded to pixels, (B, objects, height, width, 1)."""
    left, top, across, down = (layout[..., i, None] for i in range(1, 5))
    rows, columns = (_inside(*span) for span in ((top, down, height), (left, across, width)))
    return (rows[..., :, None] * columns[..., None, :])[..., None]


def crops(x, layout, size: int):
    """What is in every box of the pictures x (B, H, W, C), by bilinear samples, (B, objects, size, size, C)."""
    left, top, across, down = (layout[..., i, None] for i in range(1, 5))
    rows, columns = (_samples(*span, size) for span in ((top, down, x.shape[1]), (left, across, x.shape[2])))
    strips = tf.einsum("bosh,bhwc->boswc", rows, x)
    return tf.einsum("botw,boswc->bostc", columns, strips)


def _inside(start, length, pixels):
    """Whether pixels lie in spans, (..., pixels)."""
    first, last = tf.floor(start * pixels + 0.5), tf.floor((start + length) * pixels + 0.5)
    at = tf.range(pixels, dtype=start.dtype)
    return tf.cast((at >= first) & (at < last), start.dtype)


def _samples(start, length, pixels, size):
    """Weights of a row of pixels in so many samples of a span, at the middle of its parts, (..., size, pixels)."""
    steps = (tf.range(size, dtype=start.dtype) + 0.5) / size
    at = tf.clip_by_value((start + length * steps) * pixels - 0.5, 0.0, pixels - 1.0)  # (..., size)
    return tf.maximum(1.0 - tf.abs(at[..., None] - tf.range(pixels, dtype=start.dtype)), 0.0)
