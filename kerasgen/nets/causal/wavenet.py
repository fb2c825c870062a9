"""Dilated causal convolutions over time: whole for training, with queues for sampling."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen import samplers
from kerasgen.nets.network import network


class Stack:
    """Gated layers of growing dilation and a head that sums their skips: logits of every time, from the times before.

        z = tanh(W_f * x + V_f h) . sigmoid(W_g * x + V_g h),   x' = x + R z,   skips = sum S z

    Args:
        length: of what is predicted.
        levels: choices at every time.
        dilations: of the layers; each looks at its input now and so many times ago.
        num_classes: classes h that bias every layer, 0 for none.
        width, skip: feature maps of the layers and of the head.
    """

    def __init__(self, length, levels, dilations, num_classes=0, width=32, skip=512):
        self.length, self.levels, self.dilations, self.num_classes = length, levels, dilations, num_classes
        self.first = [layers.Embedding(levels, width) for _ in range(2)]  # a kernel of size 2 over one-hot levels
        last = len(dilations) - 1
        self.gated = [Gated(d, width, skip, num_classes, i == last) for i, d in enumerate(dilations)]
        self.head = layers.Dense(skip, activation="relu"), layers.Dense(levels)

    def network(self):
        """Levels (B, length) int32, then the label if there is one -> logits (B, length, levels)."""
        level = keras.Input((self.length,), dtype="int32")
        label = keras.Input((), dtype="int32") if self.num_classes else None
        x = sum(_delay(kernel(level), i + 1) for i, kernel in enumerate(self.first))
        skips = 0.0
        for gated in self.gated:
            x, skip = gated(x, label)
            skips = skips + skip
        hidden, out = self.head
        return network([level, label] if self.num_classes else level, out(hidden(ops.relu(skips))))

    def fill(self, choose, count, label=None):
        """Sample with queues: what each layer read since its dilation waits there, so that a step costs one pass of it.

        Returns: choices (B, length) int32.
        """
        steps = [gated.cached(label) for gated in self.gated]
        kernels, (hidden, out) = [kernel.embeddings for kernel in self.first], self.head

        def step(t, memory):
            seen, queues, moved, skips = memory[0], memory[1], [], 0.0
            x = sum(tf.where(level[:, None] < 0, 0.0, tf.gather(kernel, tf.maximum(level, 0)))
                    for level, kernel in zip(seen, kernels, strict=True))  # fmt: skip
            for gated, queue in zip(steps, queues, strict=True):
                moved.append(tf.concat([queue[:, 1:], x[:, None]], 1))
                x, skip = gated(queue[:, 0], x)
                skips = skips + skip
            logits = tf.matmul(tf.nn.relu(skips), hidden.kernel) + hidden.bias
            logits = tf.matmul(tf.nn.relu(logits), out.kernel) + out.bias
            level = choose(t, logits)
            return level, [[level, seen[0]], moved]

        nothing = tf.fill((count,), -1)
        queues = [tf.zeros((count, gated.dilation, gated.width)) for gated in self.gated]
        return samplers.sequence(step, [[nothing, nothing], queues], self.length)


class Gated:
    """One layer; the last has no output but its skip."""

    def __init__(self, dilation, width, skip, num_classes, last):
        self.dilation, self.width = dilation, width
        self.gate = layers.Conv1D(2 * width, 2, dilation_rate=dilation, padding="causal")
        self.classes = layers.Embedding(num_classes, 2 * width) if num_classes else None
        self.skip, self.out = layers.Dense(skip), None if last else layers.Dense(width)

    def __call__(self, x, label):
        a = self.gate(x)
        z = _gate(a + self.classes(label)[:, None] if self.classes else a)
        return x + self.out(z) if self.out else x, self.skip(z)

    def cached(self, label):
        """The layer for one time: a function of its input then and now (B, width) -> its output and skip."""
        then, now = tf.unstack(tf.convert_to_tensor(self.gate.kernel))
        bias = self.gate.bias + (tf.gather(self.classes.embeddings, label) if self.classes else 0.0)

        def step(before, x):
            z = _gate(tf.matmul(before, then) + tf.matmul(x, now) + bias)
            skip = tf.matmul(z, self.skip.kernel) + self.skip.bias
            return x + tf.matmul(z, self.out.kernel) + self.out.bias if self.out else x, skip

        return step


def _gate(x):
    features, gate = ops.split(x, 2, axis=-1)
    return ops.tanh(features) * ops.sigmoid(gate)


def _delay(x, times):
    return ops.pad(x[:, :-times], ((0, 0), (times, 0), (0, 0)))
