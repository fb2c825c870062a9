"""Gated convolutions over pixels, each from the pixels before it: whole for training, cached for sampling.

Two stacks read what comes before a pixel: the vertical one all rows above, the horizontal one the pixels to the left in
its own row and, through a 1x1 convolution, what the vertical stack saw. There is no blind spot.

Reference: van den Oord et al., 2016, Conditional Image Generation with PixelCNN Decoders, arXiv:1606.05328.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasgen import samplers
from kerasgen.nets.network import network


class Stack:
    """Gated layers and a head: logits of every level of every pixel, from the pixels before.

    Args:
        image_shape: (height, width, channels) of what is predicted.
        levels: choices of every element.
        depth: (height, width, depth) is what one pixel looks like to the layers; the number of channels if left out.
        num_classes: classes that bias every layer, 0 for none.
        width, hidden: feature maps of the gated layers and of the head.
        sizes: kernel sizes of the layers, the first first.
        dropout: share of feature maps dropped in training.
        condition: features of a map (height, width, condition) that biases every layer, 0 for none.
        attention: after which layers, counted from 1, a pixel attends to those up to it. Such a stack cannot be cached.
        heads: of the attention.
    """

    def __init__(
        self, image_shape, levels, depth=None, num_classes=0, width=64, hidden=64, sizes=(5, 3), dropout=0.0,
        condition=0, attention=(), heads=1,
    ):  # fmt: skip
        self.image_shape, self.levels = tuple(image_shape), levels
        channels = image_shape[-1]
        self.depth, self.num_classes, self.condition = depth or channels, num_classes, condition
        self.gated = [
            Gated(width, size, i == 0, channels, num_classes, dropout, condition) for i, size in enumerate(sizes)
        ]
        self.attention = {i: CausalAttention(heads, width // heads) for i in attention}
        self.head = Head(hidden, levels, channels)

    def network(self, name="network"):
        """x (B, H, W, depth), then the label and the condition if there are any -> logits (B, *image_shape, levels)."""
        shape = self.image_shape[:2]
        x = vertical = horizontal = keras.Input((*shape, self.depth))
        label = keras.Input((), dtype="int32") if self.num_classes else None
        condition = keras.Input((*shape, self.condition)) if self.condition else None
        for i, gated in enumerate(self.gated, start=1):
            vertical, horizontal = gated(vertical, horizontal, label, condition)
            if i in self.attention:
                horizontal = horizontal + self.attention[i](horizontal)
        inputs = [given for given in (x, label, condition) if given is not None]
        return network(inputs[0] if len(inputs) == 1 else inputs, self.head(horizontal), name=name)

    def fill(self, choose, count, show, label=None, condition=None):
        """Sample by what the layers remember, one stack of the rows above, the other of the pixels to the left.

        Args:
            choose: function (place, logits (B, levels)) -> choices (B,) int32, place in raster order.
            count: B, may be a tensor.
            show: function of choices (B, ..., channels) int32 -> what the layers see of them (B, ..., depth).
            label, condition: what biases the layers.

        Returns: choices (B, *image_shape) int32.
        """
        _, width, channels = self.image_shape
        stack, head = [Cached(gated, label, condition) for gated in self.gated], self.head.cached()
        sizes = [gated.reach * (self.depth if gated.first else gated.width) for gated in self.gated]

        def pixel(i, j, above, left):
            seen = tf.split(tf.gather(above[2], j, axis=1), len(stack), axis=-1)
            x = [tf.zeros((count,), tf.int32)] * channels
            for channel in range(channels):  # each sees the ones before
                inputs = [show(tf.stack(x, -1))]  # of the layers at this pixel
                for layer, window, shown in zip(stack, left, seen, strict=True):
                    inputs.append(layer.pixel(window, inputs[-1], shown))
                logits = head(inputs.pop())[:, channel::channels]  # feature k belongs to channel k % channels
                x[channel] = choose((i * width + j) * channels + channel, logits)
            x = tf.stack(x, -1)
            inputs[0] = show(x)
            return x, [_slide(window, new) for window, new in zip(left, inputs, strict=True)]

        def row(above, x):
            i, v, rows, seen = above[0], show(x), [], []
            for layer, window in zip(stack, above[1], strict=True):
                rows.append(_slide(window, v))
                v, shown = layer.row(i, window, v)
                seen.append(shown)
            return i + 1, rows, tf.concat(seen, -1)

        rows = [tf.zeros((count, width, size)) for size in sizes]
        seen = [layer.beginning() + tf.zeros((count, width, 1)) for layer in stack]  # nothing is above the first row
        left = [tf.zeros((count, size)) for size in sizes]
        return samplers.raster(pixel, row, (0, rows, tf.concat(seen, -1)), left, self.image_shape)


class Gated:
    """A layer of both stacks over whole pictures. The first one has no residual and does not see its own pixel."""

    def __init__(self, width, size, first, channels, num_classes, dropout, condition):
        self.width, self.reach, self.first = width, size // 2, first
        self.vertical = layers.Conv2D(2 * width, (self.reach + 1, size))  # rows r - reach .. r
        self.horizontal = RowConv(2 * width, self.reach, includes_self=not first, channels=channels)
        self.down = layers.Conv2D(2 * width, 1)
        self.classes = [layers.Embedding(num_classes, 2 * width) for _ in "vh"] if num_classes else []
        self.conditions = [layers.Conv2D(2 * width, 1, use_bias=False) for _ in "vh"] if condition else []
        self.dropout = [layers.SpatialDropout2D(dropout) for _ in "vh"] if dropout else []
        self.out = RowConv(width, 0, channels=channels)

    def __call__(self, vertical, horizontal, label, condition):
        reach = self.reach
        v = self.vertical(layers.ZeroPadding2D(((reach, 0), (reach, reach)))(vertical))
        h = self.horizontal(horizontal)
        h = h + self.down(_shift_down(v))  # rows above r
        if self.classes:
            v, h = (x + _over_pixels(bias(label)) for x, bias in zip((v, h), self.classes, strict=True))
        if self.conditions:
            v, h = (x + bias(condition) for x, bias in zip((v, h), self.conditions, strict=True))
        v, h = _gate(v), _gate(h)
        if self.dropout:
            v, h = (drop(x) for x, drop in zip((v, h), self.dropout, strict=True))
        h = self.out(h)
        return v, h if self.first else horizontal + h


class Cached:
    """The same layer for sampling: the vertical stack a row at a time, the horizontal one a pixel at a time.

    What it read of the last `reach` rows or pixels lies side by side, the oldest first, in a window (B, W, reach * C)
    or (B, reach * C). So each convolution is a product with a matrix, made once.
    """

    def __init__(self, gated, label, condition):
        self.reach, self.first = gated.reach, gated.first
        # A patch of the vertical stack lies column by column, each of reach + 1 rows.
        self.vertical = _matrix(tf.transpose(gated.vertical.kernel, (1, 0, 2, 3)))
        self.down, self.horizontal = _matrix(gated.down.kernel), _matrix(gated.horizontal.masked())
        self.out, self.out_bias = _matrix(gated.out.masked()), tf.convert_to_tensor(gated.out.bias)
        v, h = [tf.gather(c.embeddings, label)[:, None] for c in gated.classes] or (0.0, 0.0)
        self.vertical_bias, self.class_bias = tf.convert_to_tensor(gated.vertical.bias), v
        self.bias = gated.down.bias + gated.horizontal.bias + h
        self.conditions = [tf.nn.conv2d(condition, c.kernel, 1, "VALID") for c in gated.conditions]

    def beginning(self):
        """What the first row sees, with no row above it."""
        return self.bias + (self.conditions[1][:, 0] if self.conditions else 0.0)

    def row(self, i, window, x):
        """Row i of the vertical stack (B, W, width), and what it shows the row below (B, W, 2 width)."""
        reach, width = self.reach, x.shape[1]
        x = tf.pad(tf.concat([window, x], -1), ((0, 0), (reach, reach), (0, 0)))
        x = tf.concat([x[:, k : k + width] for k in range(2 * reach + 1)], -1)
        v = tf.matmul(x, self.vertical) + self.vertical_bias
        shown = tf.matmul(v, self.down) + self.bias
        if self.conditions:
            below = tf.minimum(i + 1, self.conditions[1].shape[1] - 1)  # nothing looks at what the last row shows
            v, shown = v + self.conditions[0][:, i], shown + self.conditions[1][:, below]
        return _gate(v + self.class_bias), shown

    def pixel(self, window, x, seen):
        """The horizontal stack's next pixel (B, width), given what it sees of the rows above."""
        h = _gate(tf.matmul(tf.concat([window, x], -1), self.horizontal) + seen)
        h = tf.matmul(h, self.out) + self.out_bias
        return h if self.first else x + h


class CausalAttention(layers.Layer):
    """Every pixel looks at all pixels up to itself, in raster order.

    The horizontal stack has not seen a pixel where it predicts it, so no pixel sees itself.
    """

    def __init__(self, heads, size, **kwargs):
        super().__init__(**kwargs)
        self.attend = layers.MultiHeadAttention(heads, size)

    def build(self, shape):
        row = (shape[0], None, shape[-1])
        self.attend.build(row, row)

    def call(self, x):
        flat = ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))
        seen = self.attend(flat, flat, use_causal_mask=True)
        return ops.reshape(seen, (-1, *x.shape[1:]))


class Head:
    """Two 1x1 convolutions, and the levels of each channel."""

    def __init__(self, hidden, levels, channels):
        self.levels, self.channels = levels, channels
        self.hidden = RowConv(hidden, 0, channels=channels)
        self.out = RowConv(levels * channels, 0, channels=channels)

    def __call__(self, x):
        x = layers.ReLU()(self.hidden(layers.ReLU()(x)))
        x = layers.Reshape((*x.shape[1:-1], self.levels, self.channels))(self.out(x))
        return layers.Permute((1, 2, 4, 3))(x)  # (B, H, W, channels, levels)

    def cached(self):
        """The same for one pixel: a function (B, width) -> (B, levels * channels)."""
        (a, b), (c, d) = [(_matrix(x.masked()), tf.convert_to_tensor(x.bias)) for x in (self.hidden, self.out)]
        return lambda x: tf.matmul(tf.nn.relu(tf.matmul(tf.nn.relu(x), a) + b), c) + d


class RowConv(layers.Layer):
    """Convolution along a row that sees `reach` pixels to the left, and of its own pixel only what comes earlier.

    Feature i belongs to colour channel i % channels. Of its own pixel, a feature sees those of earlier channels and,
    when `includes_self`, of its own channel.
    """

    def __init__(self, filters, reach, includes_self=True, channels=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.reach, self.includes_self, self.channels = filters, reach, includes_self, channels
        self.initializer = keras.initializers.GlorotUniform()

    def build(self, shape):
        size = (1, self.reach + 1, shape[-1], self.filters)
        self.kernel = self.add_weight(shape=size, initializer=self.initializer, name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        source, target = np.arange(shape[-1]) % self.channels, np.arange(self.filters) % self.channels
        earlier = np.less_equal if self.includes_self else np.less
        self.mask = np.ones(size, "float32")
        self.mask[0, -1] = earlier(source[:, None], target[None, :])

    def masked(self):
        kernel = ops.convert_to_tensor(self.kernel)
        return kernel if self.mask.all() else kernel * ops.cast(self.mask, kernel.dtype)

    def call(self, x):
        x = ops.pad(x, ((0, 0), (0, 0), (self.reach, 0), (0, 0))) if self.reach else x
        return ops.conv(x, self.masked(), padding="valid") + self.bias


def _gate(x):
    features, gate = ops.split(x, 2, axis=-1)
    return ops.tanh(features) * ops.sigmoid(gate)


def _shift_down(x):
    return layers.ZeroPadding2D(((1, 0), (0, 0)))(x)[:, :-1]


def _over_pixels(bias):
    return layers.Reshape((1, 1, bias.shape[-1]))(bias)


def _matrix(kernel):
    """A convolution's kernel as a matrix: from what a place sees, side by side, to its features."""
    return tf.reshape(kernel, (-1, kernel.shape[-1]))


def _slide(window, new):
    """The window after one more row or pixel: the oldest features leave."""
    return tf.concat([window, new], -1)[..., new.shape[-1] :]
