"""Differentiable augmentation: the discriminator sees real and generated pictures through the same random changes.

With few data a discriminator learns them by heart. Here it never sees a picture unchanged, and since gradients flow
through the changes, the generator learns to make pictures whose changed views look real, which are the unchanged ones.

Reference: Zhao, Liu, Lin, Zhu, Han, 2020, Differentiable Augmentation for Data-Efficient GAN Training,
arXiv:2006.10738.
"""

from __future__ import annotations

import tensorflow as tf

from kerasgen.core import random


def apply(x, names, seed, step, index):
    """Pictures (B, H, W, C) in [-1, 1] after the changes of those names, drawn for the examples at `index`.

    Raises:
        ValueError: no such change.
    """
    for i, name in enumerate(names):
        if name not in NAMES:
            raise ValueError(f"augmentations: expected some of {', '.join(NAMES)}, got {name!r}")
        u = random.uniform(seed, random.AUGMENT + step * len(NAMES) + i, index, (3,))
        x = NAMES[name](x, u)
    return x


def mirror(x, share: float, seed, index):
    """Pictures (B, H, W, C), of which a share is mirrored left to right, drawn for the examples at `index`.

    Raises:
        ValueError: a share outside of [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"mirror: expected a share from 0 to 1, got {share}")
    if not share:
        return x
    turned = random.uniform(seed, random.AUGMENT, index, ()) < share
    return tf.where(turned[:, None, None, None], x[:, :, ::-1], x)


def jitter(x, reach: int, seed, index):
    """Pictures (B, H, W, C), enlarged by `reach` pixels a side and cut to their size again, anywhere.

    Where is drawn for the examples at `index`. Between pixels it is linear.
    """
    if not reach:
        return x
    start = random.integers(seed, random.AUGMENT + 1, index, (2,), reach + 1)  # (B, 2)
    for axis in (1, 2):
        size = x.shape[axis]
        place = tf.cast(tf.range(size)[None, :] + start[:, axis - 1 : axis], tf.float32) + 0.5
        place = tf.clip_by_value(
            place * size / (size + reach) - 0.5, 0.0, size - 1.0
        )  # (B, size): where each comes from
        weights = tf.nn.relu(1.0 - tf.abs(place[..., None] - tf.range(size, dtype=tf.float32)))  # (B, to, from)
        x = tf.einsum("bth,bhwc->btwc" if axis == 1 else "btw,bhwc->bhtc", weights, x)
    return x


def color(x, u):
    """Brightness by U(-0.5, 0.5), saturation about a pixel's mean by U(0, 2), contrast about all by U(0.5, 1.5)."""
    u = tf.reshape(u, (-1, 1, 1, 1, 3))
    x = x + (u[..., 0] - 0.5)
    mean = tf.reduce_mean(x, axis=3, keepdims=True)
    x = mean + (x - mean) * (2.0 * u[..., 1])
    mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
    return mean + (x - mean) * (u[..., 2] + 0.5)


def translation(x, u):
    """Shifted by up to an eighth of each side, whole pixels; zeros come in."""
    for axis in (1, 2):
        size = x.shape[axis]
        reach = int(size / 8 + 0.5)
        shift = tf.cast(tf.floor(u[:, axis - 1] * (2 * reach + 1)), tf.int32) - reach  # (B,)
        source = tf.range(size)[None, :] - shift[:, None]  # (B, size): where each row or column comes from
        # As a product with a shift matrix it has a gradient of every order on every device.
        matrix = tf.one_hot(source, size, dtype=x.dtype)  # (B, to, from); beyond the edge a row of zeros
        x = tf.einsum("bth,bhwc->btwc" if axis == 1 else "btw,bhwc->bhtc", matrix, x)
    return x


def cutout(x, u):
    """A hole of half the sides, zeros, around any pixel."""
    keep = tf.ones((tf.shape(x)[0], 1, 1, 1), x.dtype)
    hole = keep
    for axis in (1, 2):
        size = x.shape[axis]
        half = int(size / 2 + 0.5)
        start = tf.cast(tf.floor(u[:, axis - 1] * (size + 1 - half % 2)), tf.int32) - half // 2
        place = tf.range(size)[None, :] - start[:, None]
        inside = tf.cast((place >= 0) & (place < half), x.dtype)
        hole = hole * tf.reshape(inside, (-1, size, 1, 1) if axis == 1 else (-1, 1, size, 1))
    return x * (keep - hole)


NAMES = {"color": color, "translation": translation, "cutout": cutout}
