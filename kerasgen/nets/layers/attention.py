"""Self-attention over the places of a picture.

Reference: Zhang, Goodfellow, Metaxas, Odena, 2018, Self-Attention Generative Adversarial Networks, arXiv:1805.08318.
"""

from __future__ import annotations

import math

from keras import layers, ops

from kerasgen.nets.layers import spectral


def self_attention(x):
    """x + gamma * attention(x), gamma 0 at first: every place looks at all others, at half the resolution.

    The form of the authors' code: queries and keys have an eighth of the channels, values half of them, all by
    spectrally normalised 1x1 convolutions without bias.

    Args: x (B, H, W, C), a symbolic tensor; H and W are even.
    """
    height, width, channels = x.shape[1:]
    query = spectral.Conv(max(channels // 8, 1), 1, use_bias=False)(x)
    key = layers.MaxPooling2D(2)(spectral.Conv(max(channels // 8, 1), 1, use_bias=False)(x))
    value = layers.MaxPooling2D(2)(spectral.Conv(max(channels // 2, 1), 1, use_bias=False)(x))
    flat = [layers.Reshape((math.prod(t.shape[1:3]), t.shape[3]))(t) for t in (query, key, value)]
    out = layers.Reshape((height, width, value.shape[3]))(Attend()(flat))
    return layers.Add()([x, Gain()(spectral.Conv(channels, 1, use_bias=False)(out))])


class Attend(layers.Layer):
    """softmax(Q K') V for queries (B, N, D), keys (B, M, D) and values (B, M, E); not scaled, as in the paper."""

    def call(self, inputs):
        query, key, value = inputs
        weights = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 2, 1))))  # (B, N, M), rows sum to 1
        return ops.matmul(weights, value)


class Gain(layers.Layer):
    """One learned factor, 0 at first: what it multiplies is faded in by training."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def call(self, x):
        return self.gamma * x
