"""A causal transformer: whole for training, with remembered keys and values for sampling.

Every block adds to its input what it attends to and then what a network of two layers makes of that, each from
normalised values (pre-norm). A place attends to itself and to those before; a mask of a block may allow it less.

`Transformer` knows features alone: those that mix several kinds of tokens embed them themselves. `Tokens` adds an
embedding, a beginning and a head, which is all that one kind of tokens asks for.

Reference: Vaswani et al., 2017, Attention Is All You Need, arXiv:1706.03762; Radford et al., 2019 (pre-norm, learned
positions).
"""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasgen import samplers
from kerasgen.nets.network import network

FORBIDDEN = -3e4  # a logit whose exponential is 0, also in half precision


class Transformer:
    """Blocks over sequences of features, and a last normalisation.

    Args:
        length: places of the longest sequence.
        width: features of a place.
        depth: blocks.
        heads: of the attention; they divide the width.
        dropout: share of features, and of attention, dropped in training.
        masks: for each block in turn (again from the first when they end) an array (length, length) of booleans, which
            places a place (row) may attend to (column), besides being causal; None allows all.

    Example:
        >>> transformer = Transformer(length=6, width=8, depth=2, heads=2)
        >>> x = keras.Input((6, 8))
        >>> model = keras.Model(x, transformer(x))
        >>> features, memory = transformer.remember(tf.ones((3, 2, 8)))     # the first two places, together
        >>> step, memory = transformer.cached(), transformer.room(memory)
        >>> features, memory = step(2, tf.ones((3, 8)), memory)             # the third
        >>> bool(np.allclose(features, model(tf.ones((3, 6, 8)))[:, 2], atol=1e-5))
        True
    """

    def __init__(self, length, width, depth, heads, dropout=0.0, masks=(None,)):
        self.length, self.width, self.heads = length, width, heads
        causal = np.tri(length, dtype=bool)
        masks = [causal if mask is None else causal & np.asarray(mask, bool) for mask in masks]
        self.blocks = [Block(width, heads, dropout, masks[i % len(masks)]) for i in range(depth)]
        self.norm = layers.LayerNormalization(epsilon=1e-5)

    def __call__(self, x):
        """x (B, places, width) -> the same shape; places is static, at most `length`."""
        return self.remember(x)[0]

    def remember(self, x):
        """The same, and the memory after these places."""
        memory = []
        for block in self.blocks:
            x, known = block(x)
            memory.append(known)
        return self.norm(x), memory

    def beginning(self, count):
        """The memory before the first place, of `count` sequences."""
        empty = tf.zeros((count, self.length, self.heads, self.width // self.heads))
        return [[empty, empty] for _ in self.blocks]

    def room(self, memory):
        """The memory of `remember` with room for all places, as `cached` needs it."""
        missing = self.length - memory[0][0].shape[1]
        pad = ((0, 0), (0, missing), (0, 0), (0, 0))
        return [[tf.pad(tf.cast(each, tf.float32), pad) for each in known] for known in memory]

    def cached(self):
        """For sampling: a function (i, x (B, width), memory) -> features (B, width) of place i, memory.

        The memory is that of `beginning` or `room`; x is what stands at place i.
        """
        blocks = [block.cached() for block in self.blocks]
        norm = _norm(self.norm)

        def step(i, x, memory):
            after = []
            for block, known in zip(blocks, memory, strict=True):
                x, known = block(i, x, known)
                after.append(known)
            return norm(x), after

        return step

    def fill(self, choose, embed, features, memory, count):
        """Sample tokens, each from those before: the sequence ends with these `count`.

        Args:
            choose: function (i, features (B, width)) -> tokens (B,) int32, the i-th of them.
            embed: function (place, tokens (B,)) -> x (B, width), what stands at a place that holds these.
            features: (B, width) of the place that predicts the first of them.
            memory: after that place.
            count: tokens, static.

        Returns: tokens (B, count) int32.
        """
        step, first = self.cached(), self.length - count

        def one(i, state):
            features, memory = state
            tokens = choose(i, features)
            place = tf.minimum(first + i + 1, self.length - 1)  # nothing is asked after the last token
            return tokens, step(place, embed(place, tokens), memory)

        return samplers.sequence(one, (features, memory), count)


class Tokens:
    """The law of a sequence of tokens, each from those before.

        P(k_1 .. k_n) = prod_t P(k_t | k_1 .. k_(t-1), label)

    The first place holds the class, or nothing; place t > 0 holds token t - 1 and predicts token t.

    Args:
        count: different tokens.
        length: n.
        width, depth, heads, dropout, masks: as of `Transformer`.
        num_classes: classes that the law depends on, 0 for none.
        positions: places that have a learned position, at least n; None for n.
    """

    def __init__(self, count, length, width, depth, heads, dropout=0.0, num_classes=0, positions=None, masks=(None,)):
        self.count, self.length, self.width, self.num_classes = count, length, width, num_classes
        self.transformer = Transformer(length, width, depth, heads, dropout, masks)
        self.embedding = layers.Embedding(count, width, embeddings_initializer=_normal())
        self.classes = layers.Embedding(num_classes, width, embeddings_initializer=_normal()) if num_classes else None
        self.positions = Positions(positions or length)
        self.dropout = layers.Dropout(dropout)
        self.head = layers.Dense(count, use_bias=False, kernel_initializer=_normal())

    def network(self, name="network"):
        """tokens (B, n) int32, then the label (B,) if there are classes -> logits (B, n, count)."""
        tokens = keras.Input((self.length,), dtype="int32")
        label = keras.Input((), dtype="int32") if self.num_classes else None
        x = self.dropout(
            self.positions(ops.concatenate([self.first(tokens, label), self.embedding(tokens[:, :-1])], 1))
        )
        logits = self.head(self.transformer(x))
        return network(tokens if label is None else [tokens, label], logits, name=name)

    def first(self, tokens, label):
        """What stands at the first place, (B, 1, width)."""
        if self.num_classes:
            return self.classes(ops.expand_dims(label, 1))
        return ops.zeros_like(self.embedding(tokens[:, :1]))

    def fill(self, choose, count, label=None, given=None):
        """Sample by remembered keys and values: each token costs one place's work.

        Args:
            choose: function (place, logits (B, count)) -> tokens (B,) int32.
            count: B, may be a tensor.
            label: (B,) int32, if there are classes.
            given: tokens (B, p) int32 that begin the sequence, p static; None for none.

        Returns: tokens (B, n) int32.
        """
        learned = self.embedding.embeddings, self.positions.embeddings, self.head.kernel
        embedding, positions, head = map(tf.convert_to_tensor, learned)
        if given is None:
            x = tf.cast(self.first(tf.zeros((count, 1), tf.int32), label)[:, 0], tf.float32) + positions[0]
            features, memory = self.transformer.cached()(0, x, self.transformer.beginning(count))
            known = 0
        else:
            x = ops.concatenate([self.first(given, label), self.embedding(given)], 1)
            features, memory = self.transformer.remember(self.positions(x))
            features, memory = tf.cast(features[:, -1], tf.float32), self.transformer.room(memory)
            known = given.shape[1]

        made = self.transformer.fill(
            lambda i, features: choose(known + i, tf.matmul(features, head)),
            lambda place, token: tf.gather(embedding, token) + tf.gather(positions, place),
            features, memory, self.length - known,
        )  # fmt: skip
        return made if given is None else tf.concat([given, made], 1)


class Block:
    """x + attention(norm(x)), then x + dense(gelu(dense(norm(x)))).

    Args:
        width, heads, dropout: as of `Transformer`.
        mask: (length, length) of booleans.
    """

    def __init__(self, width, heads, dropout, mask):
        self.heads, self.size, self.mask = heads, width // heads, mask
        self.norms = [layers.LayerNormalization(epsilon=1e-5) for _ in range(2)]
        self.query, self.key, self.value, self.out, self.narrow = (_dense(width) for _ in range(5))
        self.wide = _dense(4 * width)
        self.drop = layers.Dropout(dropout) if dropout else lambda x: x

    def __call__(self, x):
        """x (B, places, width) -> the same, and keys and values (B, places, heads, size)."""
        places = x.shape[1]
        y = self.norms[0](x)
        query, key, value = (
            ops.reshape(f(y), (-1, places, self.heads, self.size)) for f in (self.query, self.key, self.value)
        )
        scores = ops.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(self.size)
        scores = ops.where(self.mask[:places, :places], scores, ops.cast(FORBIDDEN, scores.dtype))
        seen = ops.einsum("bhqk,bkhd->bqhd", self.drop(ops.softmax(scores)), value)
        x = x + self.drop(self.out(ops.reshape(seen, (-1, places, self.heads * self.size))))
        y = self.narrow(ops.gelu(self.wide(self.norms[1](x)), approximate=False))
        return x + self.drop(y), (key, value)

    def cached(self):
        """The same for one place: a function (i, x (B, width), (keys, values)) -> x, (keys, values) with those of i."""
        norms = [_norm(norm) for norm in self.norms]
        query, key, value, out, wide, narrow = (
            _affine(dense) for dense in (self.query, self.key, self.value, self.out, self.wide, self.narrow)
        )
        mask = tf.constant(self.mask)
        places = tf.range(len(self.mask))[None, :, None, None]

        def step(i, x, known):
            y = norms[0](x)
            q, k, v = (tf.reshape(f(y), (-1, self.heads, self.size)) for f in (query, key, value))
            keys, values = (tf.where(places == i, new[:, None], old) for new, old in zip((k, v), known, strict=True))
            scores = tf.einsum("bhd,bkhd->bhk", q, keys) / math.sqrt(self.size)
            scores = tf.where(tf.gather(mask, i), scores, FORBIDDEN)
            seen = tf.einsum("bhk,bkhd->bhd", tf.nn.softmax(scores), values)
            x = x + out(tf.reshape(seen, (-1, self.heads * self.size)))
            return x + narrow(tf.nn.gelu(wide(norms[1](x)))), [keys, values]

        return step


class Positions(layers.Layer):
    """Adds what was learned about each of the first `count` places."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def build(self, shape):
        size = (self.count, shape[-1])
        self.embeddings = self.add_weight(shape=size, initializer=_normal(), name="embeddings")

    def call(self, x):
        return x + ops.convert_to_tensor(self.embeddings)[: x.shape[1]]


def _normal():
    return keras.initializers.RandomNormal(stddev=0.02)


def _dense(width):
    return layers.Dense(width, kernel_initializer=_normal())


def _affine(dense):
    kernel, bias = tf.convert_to_tensor(dense.kernel), tf.convert_to_tensor(dense.bias)
    return lambda x: tf.matmul(x, kernel) + bias


def _norm(norm):
    gamma, beta = tf.convert_to_tensor(norm.gamma), tf.convert_to_tensor(norm.beta)

    def normalise(x):
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        return gamma * (x - mean) * tf.math.rsqrt(variance + norm.epsilon) + beta

    return normalise
