"""PixelCNN++.  Salimans, Karpathy, Chen, Kingma, 2017, arXiv:1701.05517.

A PixelCNN of whole pixels: the levels of a pixel follow a mixture of discretised logistics, whose colours depend on
each other linearly, so that neighbouring levels need not be learned apart. Two streams of gated residual blocks, one
for all rows above, one for the pixels to the left as well, go down to a quarter of the resolution and up again, with
skips from every block on the way down to its mirror on the way up.

Differs from the paper: weight normalisation starts with filters of unit length in place of an initialisation from
data; the mixture's log-probabilities are exact where the authors' code takes the density in the far tails. Sampling
draws levels from their exact law and keeps what the streams remember, so that its cost is linear in the pixels.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen import samplers
from kerasgen.core.paper import Paper
from kerasgen.nets.causal.weight_normed import Grown, Pixels, Rows, Shifted, Whole, weights_of
from kerasgen.nets.network import network
from kerasgen.nets.sizes import halvings
from kerasgen.objectives.autoregressive import chain_rule, logistic_mixture

PAPER = Paper(
    title=("PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications"),
    authors="T. Salimans and A. Karpathy and X. Chen and D. P. Kingma",
    year=2017,
    reference="arXiv:1701.05517",
    tags=("exact likelihood", "logistic mixture", "class-conditional", "multi-scale"),
)


class PixelCNNPP(chain_rule.Autoregressive):
    """PixelCNN with logistic mixtures and three resolutions, optionally class-conditional.

        P(x) = prod_i sum_k w_k(x_1 .. x_(i-1)) Logistic_k(x_i; x_1 .. x_(i-1)),   i over pixels

    Args:
        image_shape: (height, width, channels).
        levels: number of grey levels.
        num_classes: number of classes, 0 for none.
        width: feature maps of each stream.
        depth: residual blocks of each stream at every resolution on the way down.
        components: of the mixture.
        resolutions: how many.
        dropout: share of features dropped in training.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.PixelCNNPP(image_shape=(8, 8, 1), levels=17, width=8, depth=1, components=2)
        >>> model.logits(model.sample(3, seed=7)).shape
        (3, 8, 8, 1, 17)
    """

    def __init__(
        self, image_shape=(32, 32, 3), levels=256, num_classes=0, width=160, depth=5, components=10, resolutions=3,
        dropout=0.5, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.levels, self.num_classes = tuple(image_shape), levels, num_classes
        options = dict(width=width, depth=depth, num_classes=num_classes, dropout=dropout)
        self.first = Shifted(width, (2, 3)), Shifted(width, (1, 3)), Shifted(width, (2, 1))
        self.above = Level(resolutions, size=(2, 3), **options)
        self.left = Level(resolutions, size=(2, 2), **options)
        self.last = Shifted(logistic_mixture.size(components, image_shape[-1]))
        self.step = 2 ** (resolutions - 1)  # sides divide by it once padded
        self.network = self._network()

    @classmethod
    def sized(cls, data):
        return {"resolutions": 1 + halvings(data.shape, most=2)}

    def optimizers(self):
        rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 1, 0.999995)
        return {"optimizer": keras.optimizers.Adam(rate, beta_1=0.95, beta_2=0.9995, use_ema=True, ema_momentum=0.9995)}

    def _network(self):
        x = picture = keras.Input(self.image_shape)
        label = keras.Input((), dtype="int32") if self.num_classes else None
        height, width = self.image_shape[:2]
        x = layers.Concatenate()([x, ops.ones_like(x[..., :1])])  # tells pixels from what is around them
        x = layers.ZeroPadding2D(((0, -height % self.step), (0, -width % self.step)))(x)
        above, row, column = (layer(x) for layer in self.first)
        do = Whole(label)
        self.above.run(do, _shift(above, 1, 0))
        x = self.left.run(Whole(label, do.outputs), _shift(row, 1, 0) + _shift(column, 0, 1), both=True)
        x = layers.Cropping2D(((0, -height % self.step), (0, -width % self.step)))(x)
        return network(picture if label is None else [picture, label], self.last(layers.ELU()(x)), name="network")

    def numbers(self, x, label, training=False):
        return self.network(x if label is None else [x, label], training=training)

    def distribution(self, x, label=None, training=False):
        numbers = self.numbers(2.0 * x - 1.0, label, training)
        return logistic_mixture.LogisticMixture(numbers, self.levels, self.image_shape[-1])

    def predict_logits(self, x, label, training=False):
        return logistic_mixture.logits(self.numbers(x, label, training), x, self.levels)

    def fill(self, choose, count, label):
        """Sample by what the streams remember, of the rows above and of the pixels to the left."""
        height, width, channels = self.image_shape
        padded = width + -width % self.step
        weights = weights_of(self.network)
        first, row_first, column_first = self.first
        finish = weights[self.last]

        def rows(stream, i, memory, x, shown=()):
            do = Rows(weights, label, i, memory, shown)
            stream.run(do, x, both=bool(shown))
            return do.kept, do.outputs

        def row(above, x):
            """Both streams move on: the left one through this row, now that it is full, the other to the next."""
            i, before, ahead, memory, shown, left_memory = above
            x = _mark(self.from_levels(x))
            x = tf.pad(x, ((0, 0), (0, padded - width), (0, 0)))
            start = ahead + _shift(column_first.row(weights[column_first], before, x)[:, None], 0, 1)[:, 0]
            left_memory, _ = rows(self.left, i, left_memory, start, shown)
            memory, shown = rows(self.above, i + 1, memory, first.row(weights[first], before, x))
            ahead = row_first.row(weights[row_first], before, x)
            return i + 1, x, ahead, memory, shown, left_memory

        def pixel(i, j, above, left):
            _, before, ahead, _, shown, left_memory = above
            kernel, bias = weights[column_first]
            corner = tf.gather(tf.pad(before, ((0, 0), (1, 0), (0, 0))), j, axis=1)
            start = tf.matmul(tf.concat([corner, left[0]], -1), tf.reshape(kernel, (-1, kernel.shape[-1]))) + bias
            start = tf.gather(ahead, j, axis=1) + tf.cast(j > 0, start.dtype) * start
            do = Pixels(weights, label, i, j, left_memory, left[1], shown)
            x = self.left.run(do, start, both=True)
            numbers = tf.matmul(tf.nn.elu(x), finish[0][0, 0]) + finish[1]
            numbers = tf.reshape(numbers, (-1, self.last.filters))  # converters lose shapes inside loops
            x = [tf.zeros((count,), tf.int32)] * channels
            for channel in range(channels):  # each sees the ones before
                earlier = tf.reshape(self.from_levels(tf.stack(x, -1)), (-1, channels))
                logits = logistic_mixture.logits(numbers, earlier, self.levels)
                x[channel] = choose((i * width + j) * channels + channel, logits[:, channel])
            x = tf.stack(x, -1)
            return x, [_mark(self.from_levels(x)), do.kept]

        # Nothing is above the first row. What each stream will remember has the form of what it remembers after a row.
        blank, none = tf.zeros((count, padded, self.first[0].filters)), None
        memory, shown = rows(self.above, 0, none, blank)
        left_memory = tf.nest.map_structure(tf.zeros_like, rows(self.left, 0, none, blank, shown)[0])
        before = tf.zeros((count, padded, channels + 1))
        above = (tf.zeros((), tf.int32), before, blank, memory, shown, left_memory)
        left = [tf.zeros((count, channels + 1)), [tf.zeros_like(rows[:, 0]) for rows in left_memory]]
        return samplers.raster(pixel, row, above, left, self.image_shape)


class Level:
    """One stream at one resolution and, inside it, at all coarser ones: down through its blocks and up again."""

    def __init__(self, resolutions, size, width, depth, num_classes, dropout):
        def block():
            return Gated(size, width, num_classes, dropout)

        self.down = [block() for _ in range(depth)]
        self.up = [block() for _ in range(depth + (resolutions > 1))]
        self.inner = None
        if resolutions > 1:
            self.shrink, self.grow = Shifted(width, size, stride=2), Grown(width, size)
            self.inner = Level(resolutions - 1, size, width, depth, num_classes, dropout)

    def run(self, do, x, both=False):
        """The stream's output; `both` if it sees the other stream. `do` says how: whole, by rows or by pixels."""
        skips = [x]
        for block in self.down:
            skips.append(do.block(block, skips[-1], do.other() if both else None))
        if self.inner:
            x = do.conv(self.shrink, skips[-1])
            x = do.grow(self.grow, do.inner(lambda x: self.inner.run(do, x, both), x))
        else:
            x = skips.pop()
        for block in self.up:
            other = skips.pop()
            x = do.block(block, x, ops.concatenate([do.other(), other], axis=len(x.shape) - 1) if both else other)
        return x


class Gated:
    """x + a . sigmoid(b), with a and b by two convolutions of x, what it is shown of elsewhere, and the class."""

    def __init__(self, size, width, num_classes, dropout):
        self.first, self.second = Shifted(width, size), Shifted(2 * width, size, scale=0.1)
        self.shown = Shifted(width)
        self.classes = layers.Embedding(num_classes, 2 * width) if num_classes else None
        self.dropout = layers.Dropout(dropout) if dropout else None

    def __call__(self, do, x, other):
        y = do.conv(self.first, _both_signs(x))
        if other is not None:
            y = y + do.point(self.shown, _both_signs(other))
        y = _both_signs(y)
        y = do.conv(self.second, y if self.dropout is None else do.drop(self.dropout, y))
        if self.classes:
            y = y + do.condition(self.classes)
        features, gate = ops.split(y, 2, axis=len(y.shape) - 1)
        return x + features * ops.sigmoid(gate)


def _both_signs(x):
    return ops.elu(ops.concatenate([x, -x], axis=len(x.shape) - 1))  # converters lose the rank inside loops


def _shift(x, down, right):
    """Pictures moved down or to the right by one pixel; zeros come in."""
    height, width = x.shape[1:3]
    return ops.pad(x, ((0, 0), (down, 0), (right, 0), (0, 0)))[:, :height, :width]


def _mark(x):
    """Pixels with a channel of ones, which tells them from what is around the picture."""
    return tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)
