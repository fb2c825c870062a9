"""What generators by style have in common: latents become styles w, and every layer of a picture has one.

Reference: Karras, Laine, Aila, 2018, A Style-Based Generator Architecture for Generative Adversarial Networks,
arXiv:1812.04948.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import distribute, random
from kerasgen.nets.layers.equalized import Dense, leaky
from kerasgen.nets.network import network

DECAY = 0.995  # of the mean style, in a step


def mapping(latent_dim, depth):
    """The network from latents z to styles w of the same size, which learns a hundred times as slowly as others."""
    z = keras.Input((latent_dim,))
    x = z * ops.rsqrt(ops.mean(ops.square(z), axis=1, keepdims=True) + 1e-8)
    for _ in range(depth):
        x = leaky(Dense(latent_dim, rate=0.01)(x))
    return network(z, x, name="mapping")


def drawn(mapping, seed, stream, index):
    """w (B, D) of fresh latents."""
    return mapping(random.normal(seed, stream, index, mapping.input_shape[1:]))


def one_each(w, depth):
    """w (B, D) for each of so many layers, (B, depth, D)."""
    return tf.stack([w] * depth, axis=1)  # XLA has no second derivative of `repeat`


def mixed(mapping, seed, step, index, depth, share):
    """Styles of layers (B, depth, D); those of some pictures are of a second latent, from a random layer on.

    Args:
        mapping: the network.
        seed, step, index: of the draws.
        depth: number of layers.
        share: of the pictures that have a second latent.
    """
    w, fine = (drawn(mapping, seed, random.LATENT + 2 * step + i, index) for i in (0, 1))
    u = random.uniform(seed, random.CHOICE + step, index, (2,))
    border = tf.where(u[:, 0] < share, 1.0 + tf.floor(u[:, 1] * (depth - 1.0)), float(depth))
    return tf.where((tf.range(float(depth)) < border[:, None])[..., None], w[:, None], fine[:, None])


def follow(mean, w):
    """Move the variable of the mean style by one batch w (B, D)."""
    total, count = distribute.total([tf.reduce_sum(w, axis=0), tf.cast(tf.shape(w)[0], w.dtype)])
    mean.assign(DECAY * mean + (1.0 - DECAY) * tf.stop_gradient(total / count))


class Constant(layers.Layer):
    """A learned picture, the same for every example of the batch."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, shape):
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.picture = self.add_weight(shape=self.size, initializer=normal, name="picture")

    def call(self, styles):
        return self.picture + ops.zeros_like(styles[:, :1, :1, None])


class Noise(layers.Layer):
    """Noise (B, H, W, 1) added to channels, of a learned strength that is 0 at first.

    Args: each, whether every channel has a strength of its own.
    """

    def __init__(self, each=False, **kwargs):
        super().__init__(**kwargs)
        self.each = each

    def build(self, x_shape, noise_shape):
        shape = x_shape[-1:] if self.each else ()
        self.strength = self.add_weight(shape=shape, initializer="zeros", name="strength")

    def call(self, x, noise):
        return x + self.strength * noise
