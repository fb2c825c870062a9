"""Convolutions that look up and to the left only, for whole pictures, for a row at a time and for a pixel at a time.

A layer sees `size[0]` rows, its own the last of them, and `size[1]` columns: 1 its own, 2 the left one as well, 3 one
more to the right, for streams that know nothing of their own row. Weights are normalised: w = g v / |v|, one g per
filter (Salimans, Kingma, 2016, arXiv:1602.07868).
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops


class Normalised(layers.Layer):
    """Weight normalisation of a kernel (rows, columns, inputs, filters)."""

    def __init__(self, filters, size=(1, 1), stride=1, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.size, self.stride, self.scale = filters, tuple(size), stride, scale

    def build(self, shape):
        normal, length = keras.initializers.RandomNormal(stddev=0.05), keras.initializers.Constant(self.scale)
        size, exact = (*self.size, shape[-1], self.filters), dict(autocast=False)
        self.v = self.add_weight(shape=size, initializer=normal, name="v", **exact)
        self.g = self.add_weight(shape=(self.filters,), initializer=length, name="g", **exact)
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias", **exact)

    def weights_now(self):
        """Kernel and bias as they are used."""
        v = ops.convert_to_tensor(self.v)
        kernel = self.g * v * ops.rsqrt(ops.sum(ops.square(v), axis=(0, 1, 2)) + 1e-12)
        return kernel, ops.convert_to_tensor(self.bias)

    def call(self, x):
        kernel, bias = (ops.cast(w, x.dtype) for w in self.weights_now())
        return self.whole(x, kernel) + bias


class Shifted(Normalised):
    """The convolution; with `stride` 2 it halves the sides."""

    def whole(self, x, kernel):
        x = ops.pad(x, ((0, 0), (self.size[0] - 1, 0), (self.size[1] // 2, (self.size[1] - 1) // 2), (0, 0)))
        return ops.conv(x, kernel, strides=self.stride, padding="valid")

    def row(self, weights, above, x):
        """The row (B, W / stride, filters) of rows (B, W, C): the one above, and its own."""
        kernel, bias = weights
        x = tf.stack([above, x], axis=1)[:, 2 - self.size[0] :]
        side = self.size[1] // 2, (self.size[1] - 1) // 2
        x = tf.pad(x, ((0, 0), (0, 0), side, (0, 0)))
        return tf.nn.conv2d(x, kernel, self.stride, "VALID")[:, 0] + bias

    def pixel(self, weights, above, left, x, column):
        """The pixel (B, filters) of a layer of size 2x2, from the row above (B, W, C), its left pixel and itself."""
        kernel, bias = weights
        pair = tf.gather(tf.pad(above, ((0, 0), (1, 0), (0, 0))), [column, column + 1], axis=1)
        x = tf.concat([pair[:, 0], pair[:, 1], left, x], axis=1)
        return tf.matmul(x, tf.reshape(kernel, (-1, self.filters))) + bias


class Grown(Normalised):
    """The transposed convolution of stride 2, of size 2x2, or 2x3 for streams that know nothing of their own row."""

    def whole(self, x, kernel):
        width = 2 * x.shape[2]
        x = ops.conv_transpose(x, ops.transpose(kernel, (0, 1, 3, 2)), strides=2, padding="valid")
        first = self.size[1] - 2  # the column that belongs to the left neighbour of the first
        return x[:, :, first : first + width]

    def row(self, weights, x, parity):
        """Row 2 i + parity (B, 2 W, filters) from row i (B, W, C)."""
        kernel, bias = weights
        return tf.gather(self.whole(x[:, None], kernel), parity, axis=1) + bias

    def pixel(self, weights, x, place):
        """Pixel (2 i + a, 2 j + b), place = 2 a + b, from pixel (i, j), for a layer of size 2x2."""
        kernel, bias = weights
        return tf.matmul(x, tf.gather(tf.reshape(kernel, (4, -1, self.filters)), place)) + bias


def weights_of(network) -> dict:
    """layer -> its kernel and bias as they are used, made once for a whole sampling loop."""
    return {layer: layer.weights_now() for layer in network.layers if isinstance(layer, Normalised)}


# A stream of layers is written once, as a program of the operations below, and run in three ways. Where it goes to a
# coarser resolution, `inner` runs what happens there: every second row and pixel only, else what was found last is
# still good.


class Whole:
    """For whole pictures (B, H, W, C), by the layers themselves.

    Attributes: outputs of the blocks, in the order of the program, which is that in which the other stream asks for
    them.
    """

    def __init__(self, label, shown=()):
        self.label, self.shown, self.outputs = label, iter(shown), []

    def block(self, block, x, other):
        self.outputs.append(block(self, x, other))
        return self.outputs[-1]

    def conv(self, layer, x):
        return layer(x)

    point = grow = drop = conv

    def inner(self, run, x):
        return run(x)

    def condition(self, classes):
        return layers.Reshape((1, 1, classes.output_dim))(classes(self.label))

    def other(self):
        return next(self.shown)


class _Step(Whole):
    """What rows and pixels have in common; `level` counts how often the resolution was halved."""

    def __init__(self, weights, label, shown):
        super().__init__(label, shown)
        self.weights, self.level, self.kept = weights, 0, []

    def at(self, place):
        """A row or column at this level, and whether it is the first of those that share a place there."""
        return place // 2**self.level, tf.equal(place % 2**self.level, 0)

    def block(self, block, x, other):
        return super().block(block, _known(x), None if other is None else _known(other))

    def point(self, layer, x):
        kernel, bias = self.weights[layer]
        return tf.matmul(x, kernel[0, 0]) + bias

    def drop(self, layer, x):
        return x


class Rows(_Step):
    """For row i (B, W, C), from what was kept of the row before; None for the first one.

    Attributes: kept, for the next row: of each convolution what went in, of each finer level what came out.
    """

    def __init__(self, weights, label, i, memory, shown=()):
        super().__init__(weights, label, shown)
        self.i, self.memory = i, None if memory is None else iter(memory)

    def conv(self, layer, x):
        above = self.recall(x)
        self.keep(x, above)
        return layer.row(self.weights[layer], above, x)

    def inner(self, run, x):
        self.level += 1
        x = run(x)
        x = self.keep(x, self.recall(x))
        self.level -= 1
        return x

    def grow(self, layer, x):
        return layer.row(self.weights[layer], x, self.at(self.i)[0] % 2)

    def condition(self, classes):
        return tf.gather(classes.embeddings, self.label)[:, None]

    def recall(self, x):
        return tf.zeros_like(x) if self.memory is None else next(self.memory)

    def keep(self, new, old):
        self.kept.append(_either(self.at(self.i)[1], new, old))
        return self.kept[-1]


class Pixels(_Step):
    """For pixel (i, j) (B, C), from what was kept of the row above (`Rows`) and of the pixel before, zeros for the
    first.

    Attributes: kept, for the next pixel: likewise.
    """

    def __init__(self, weights, label, i, j, above, left, shown):
        super().__init__(weights, label, shown)
        self.i, self.j, self.above, self.left = i, j, iter(above), iter(left)

    def conv(self, layer, x):
        above, left, (column, due) = next(self.above), next(self.left), self.at(self.j)
        self.kept.append(_either(due, x, left))
        return layer.pixel(self.weights[layer], above, left, x, column)

    def inner(self, run, x):
        self.level += 1
        x, above, left, (column, due) = run(x), next(self.above), next(self.left), self.at(self.j)
        self.kept.append(_either(due, x, left))
        # On other rows than the first of those that share one here, it was found before.
        x = _either(self.at(self.i)[1], self.kept[-1], tf.gather(above, column, axis=1))
        self.level -= 1
        return x

    def grow(self, layer, x):
        return layer.pixel(self.weights[layer], x, 2 * (self.at(self.i)[0] % 2) + self.at(self.j)[0] % 2)

    def condition(self, classes):
        return tf.gather(classes.embeddings, self.label)

    def other(self):
        return tf.gather(next(self.shown), self.at(self.j)[0], axis=1)


def _either(first, one, other):
    """`one` if `first`, else `other`, both finite: converters know the shape of sums, inside loops not of choices."""
    first = tf.cast(first, one.dtype)
    return first * one + (1.0 - first) * other


def _known(x):
    """x with its static shape written down, which converters lose inside loops."""
    return tf.reshape(x, (-1, *x.shape[1:]))
