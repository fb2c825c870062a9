"""Gated PixelCNN.  van den Oord et al., 2016, Conditional Image Generation with PixelCNN Decoders, arXiv:1606.05328.

Two stacks of convolutions read what comes before a pixel: the vertical one all rows above, the horizontal one the
pixels to the left in its own row and, through a 1x1 convolution, what the vertical stack saw. There is no blind spot.
Each layer is gated, y = tanh(W_f * x + V_f h) . sigmoid(W_g * x + V_g h), with h the class.

Differs from the paper: every feature map belongs to one colour channel, so that green may look at red and blue at both,
as in the authors' PixelRNN; a dropout may be asked for.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasgen import samplers
from kerasgen.nets.network import network
from kerasgen.objectives import autoregressive


class PixelCNN(autoregressive.Autoregressive):
    """Gated PixelCNN over discrete levels, optionally class-conditional.

        P(x) = prod_i softmax(logits_i(x_1 .. x_(i-1), h))[x_i]

    Args:
        image_shape: (height, width, channels).
        levels: number of grey levels.
        num_classes: number of classes h, 0 for none.
        width: feature maps of each stack; a multiple of the number of channels.
        depth: number of gated layers.
        hidden: feature maps of the two 1x1 convolutions at the end.
        kernel_size, first_kernel_size: of the gated layers and of the first one.
        dropout: share of feature maps dropped in training.

    Raises:
        ValueError: the width does not divide by the number of channels.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.PixelCNN(image_shape=(8, 8, 1), levels=2, width=8, depth=2, hidden=8)
        >>> model.logits(model.sample(3, seed=7)).shape
        (3, 8, 8, 1, 2)
    """

    def __init__(
        self, image_shape=(32, 32, 3), levels=256, num_classes=0, width=129, depth=15, hidden=1026, kernel_size=5,
        first_kernel_size=7, dropout=0.0, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        channels = image_shape[-1]
        if width % channels or hidden % channels:
            raise ValueError(
                f"width, hidden: expected multiples of {channels} channels, got {width}, {hidden}"
            )
        self.image_shape, self.levels, self.num_classes = tuple(image_shape), levels, num_classes
        sizes = [first_kernel_size] + [kernel_size] * (depth - 1)
        self.gated = [Gated(width, s, i == 0, channels, num_classes, dropout) for i, s in enumerate(sizes)]
        self.head = Head(hidden, levels, channels)
        self.network = self._network()

    def _network(self):
        x = vertical = horizontal = keras.Input(self.image_shape)
        label = keras.Input((), dtype="int32") if self.num_classes else None
        for gated in self.gated:
            vertical, horizontal = gated(vertical, horizontal, label)
        return network(x if label is None else [x, label], self.head(horizontal), name="network")

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-3)}

    def predict_logits(self, x, label, training=False):
        return self.network([x, label] if self.num_classes else x, training=training)

    def fill(self, choose, count, label):
        """Sample by what the layers remember, one stack of the rows above, the other of the pixels to the left."""
        _, width, channels = self.image_shape
        stack, head = [Cached(gated, label) for gated in self.gated], self.head.cached()
        sizes = [gated.reach * (channels if gated.first else gated.width) for gated in self.gated]

        def pixel(i, j, above, left):
            seen = tf.split(tf.gather(above[1], j, axis=1), len(stack), axis=-1)
            x = [tf.zeros((count,), tf.int32)] * channels
            for channel in range(channels):  # each sees the ones before
                inputs = [self.from_levels(tf.stack(x, -1))]  # of the layers at this pixel
                for layer, window, shown in zip(stack, left, seen, strict=True):
                    inputs.append(layer.pixel(window, inputs[-1], shown))
                logits = head(inputs.pop())[:, channel::channels]  # feature k belongs to channel k % channels
                x[channel] = choose((i * width + j) * channels + channel, logits)
            x = tf.stack(x, -1)
            inputs[0] = self.from_levels(x)
            return x, [_slide(window, new) for window, new in zip(left, inputs, strict=True)]

        def row(above, x):
            v, rows, seen = self.from_levels(x), [], []
            for layer, window in zip(stack, above[0], strict=True):
                rows.append(_slide(window, v))
                v, shown = layer.row(window, v)
                seen.append(shown)
            return rows, tf.concat(seen, -1)

        rows = [tf.zeros((count, width, size)) for size in sizes]
        seen = [layer.bias + tf.zeros((count, width, 1)) for layer in stack]  # nothing is above the first row
        left = [tf.zeros((count, size)) for size in sizes]
        return samplers.raster(pixel, row, (rows, tf.concat(seen, -1)), left, self.image_shape)


class Gated:
    """A layer of both stacks over whole pictures. The first one has no residual and does not see its own pixel."""

    def __init__(self, width, size, first, channels, num_classes, dropout):
        self.width, self.reach, self.first = width, size // 2, first
        self.vertical = layers.Conv2D(2 * width, (self.reach + 1, size))  # rows r - reach .. r
        self.horizontal = RowConv(2 * width, self.reach, includes_self=not first, channels=channels)
        self.down = layers.Conv2D(2 * width, 1)
        self.classes = [layers.Embedding(num_classes, 2 * width) for _ in "vh"] if num_classes else []
        self.dropout = [layers.SpatialDropout2D(dropout) for _ in "vh"] if dropout else []
        self.out = RowConv(width, 0, channels=channels)

    def __call__(self, vertical, horizontal, label):
        reach = self.reach
        v = self.vertical(layers.ZeroPadding2D(((reach, 0), (reach, reach)))(vertical))
        h = self.horizontal(horizontal)
        h = h + self.down(_shift_down(v))  # rows above r
        if self.classes:
            v, h = (x + _over_pixels(bias(label)) for x, bias in zip((v, h), self.classes, strict=True))
        v, h = _gate(v), _gate(h)
        if self.dropout:
            v, h = (drop(x) for x, drop in zip((v, h), self.dropout, strict=True))
        h = self.out(h)
        return v, h if self.first else horizontal + h


class Cached:
    """The same layer for sampling: the vertical stack a row at a time, the horizontal one a pixel at a time.

    What it read of the last `reach` rows or pixels lies side by side, the oldest first, in a window (B, W, reach * C)
    or (B, reach * C). So each convolution is a product with a matrix, made once.

    Attributes:
        bias: what the vertical stack shows the horizontal one where no row is above.
    """

    def __init__(self, gated, label):
        self.reach, self.first = gated.reach, gated.first
        # A patch of the vertical stack lies column by column, each of reach + 1 rows.
        self.vertical = _matrix(tf.transpose(gated.vertical.kernel, (1, 0, 2, 3)))
        self.down, self.horizontal = _matrix(gated.down.kernel), _matrix(gated.horizontal.masked())
        self.out, self.out_bias = _matrix(gated.out.masked()), tf.convert_to_tensor(gated.out.bias)
        v, h = [tf.gather(c.embeddings, label)[:, None] for c in gated.classes] or (0.0, 0.0)
        self.vertical_bias, self.class_bias = tf.convert_to_tensor(gated.vertical.bias), v
        self.bias = gated.down.bias + gated.horizontal.bias + h

    def row(self, window, x):
        """The vertical stack's next row (B, W, width), and what it shows the row below (B, W, 2 width)."""
        reach, width = self.reach, x.shape[1]
        x = tf.pad(tf.concat([window, x], -1), ((0, 0), (reach, reach), (0, 0)))
        x = tf.concat([x[:, k : k + width] for k in range(2 * reach + 1)], -1)
        v = tf.matmul(x, self.vertical) + self.vertical_bias
        return _gate(v + self.class_bias), tf.matmul(v, self.down) + self.bias

    def pixel(self, window, x, seen):
        """The horizontal stack's next pixel (B, width), given what it sees of the rows above."""
        h = _gate(tf.matmul(tf.concat([window, x], -1), self.horizontal) + seen)
        h = tf.matmul(h, self.out) + self.out_bias
        return h if self.first else x + h


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
        (a, b), (c, d) = [
            (_matrix(x.masked()), tf.convert_to_tensor(x.bias)) for x in (self.hidden, self.out)
        ]
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
    return layers.ZeroPadding2D(((1, 0), (0, 0)))(layers.Cropping2D(((0, 1), (0, 0)))(x))


def _over_pixels(bias):
    return layers.Reshape((1, 1, bias.shape[-1]))(bias)


def _matrix(kernel):
    """A convolution's kernel as a matrix: from what a place sees, side by side, to its features."""
    return tf.reshape(kernel, (-1, kernel.shape[-1]))


def _slide(window, new):
    """The window after one more row or pixel: the oldest features leave."""
    return tf.concat([window, new], -1)[..., new.shape[-1] :]
