"""NADE.  Larochelle, Murray, 2011, and in its long form with Uria, Cote and Gregor, 2016, arXiv:1605.02226.

One hidden layer per element, all with the same weights: what the layer of element i sees is that of the one before and
one more product, so all D conditionals of H units cost O(D H), like a single pass. It came from the mean-field
equations of an RBM whose partition function it does away with.

Differs from the paper: any number of levels (a grey level enters as a number in [0, 1] and leaves as a softmax);
elements keep raster order, where the paper shuffles them once; classes may be given.
"""

from __future__ import annotations

import itertools
import math

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen import samplers
from kerasgen.core.paper import Paper
from kerasgen.nets.network import network
from kerasgen.objectives.autoregressive import chain_rule

PAPER = Paper(
    title="The Neural Autoregressive Distribution Estimator",
    authors="H. Larochelle and I. Murray",
    year=2011,
    reference="arXiv:1605.02226",
    tags=("exact likelihood", "weight sharing", "recurrence"),
)


class NADE(chain_rule.Autoregressive):
    """Neural autoregressive distribution estimator, optionally class-conditional.

        a_1 = c,   h_i = sigmoid(a_i),   P(x_i | x_1 .. x_(i-1)) = softmax(b_i + V_i h_i),   a_(i+1) = a_i + W_i x_i

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors of levels in [0, 1].
        levels: number of grey levels.
        num_classes: number of classes, 0 for none; a class adds to b and c.
        width: hidden units H.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.NADE(image_shape=(8, 8, 1), width=32)
        >>> model.log_prob(model.sample(3, seed=7)).shape
        (3,)
    """

    kinds = ("picture", "vector")

    def __init__(self, image_shape=(28, 28, 1), levels=2, num_classes=0, width=500, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.levels, self.num_classes = tuple(image_shape), levels, num_classes
        size = math.prod(self.image_shape)
        self.conditionals = Conditionals(size, levels, width)
        sizes = (width, size * (levels - 1)) if num_classes else ()
        self.classes = [layers.Embedding(num_classes, size) for size in sizes]
        self.network = self._network()

    def _network(self):
        """x (B, *image_shape) in [0, 1], label (B,) -> logits (B, *image_shape, levels)."""
        x, label = keras.Input(self.image_shape), keras.Input((), dtype="int32")
        logits = self.conditionals(layers.Flatten()(x), *[bias(label) for bias in self.classes])
        logits = layers.Reshape((*self.image_shape, self.levels))(logits)
        return network([x, label] if self.num_classes else x, logits, name="network")

    def optimizers(self):
        return {"optimizer": keras.optimizers.SGD(0.05)}

    def predict_logits(self, x, label, training=False):
        x = 0.5 * (x + 1.0)
        return self.network([x, label] if self.num_classes else x, training=training)

    def fill(self, choose, count, label):
        """Sample by the recurrence: a step adds one product to `a` and asks one element for its logits."""
        layer = self.conditionals
        c, b = tf.zeros((count, 1)) + layer.c, tf.zeros((count, 1, 1)) + layer.b
        if self.num_classes:
            class_c, class_b = [tf.gather(bias.embeddings, label) for bias in self.classes]
            c, b = c + class_c, b + tf.reshape(class_b, (-1, *layer.b.shape))

        def step(i, a):
            logits = tf.gather(b, i, axis=1) + tf.matmul(tf.sigmoid(a), tf.gather(layer.V, i), transpose_b=True)
            level = choose(i, tf.pad(logits, [[0, 0], [1, 0]]))
            x = tf.cast(level, tf.float32) / (self.levels - 1.0)
            return level, a + x[:, None] * tf.gather(layer.W, i)

        levels = samplers.sequence(step, c, math.prod(self.image_shape))
        return tf.reshape(levels, (count, *self.image_shape))


class Conditionals(layers.Layer):
    """The logits of all elements at once. Level 0 has the logit 0, so that two levels need one logit, as in the paper.

    Args:
        size: number of elements D.
        levels: number of grey levels.
        width: hidden units H.
    """

    def __init__(self, size, levels, width, **kwargs):
        super().__init__(**kwargs)
        uniform = keras.initializers.RandomUniform(-(width**-0.5), width**-0.5)
        self.W = self.add_weight(shape=(size, width), initializer="glorot_uniform", name="W")
        self.V = self.add_weight(shape=(size, levels - 1, width), initializer=uniform, name="V")
        self.b = self.add_weight(shape=(size, levels - 1), initializer="zeros", name="b")
        self.c = self.add_weight(shape=(width,), initializer="zeros", name="c")

    def call(self, x, class_c=None, class_b=None):
        a = self.c + _sums_before(x[:, :, None] * self.W)  # (B, D, H)
        a = a if class_c is None else a + class_c[:, None]
        logits = self.b + ops.einsum("bdh,dkh->bdk", ops.sigmoid(a), self.V)  # (B, D, levels - 1)
        logits = logits if class_b is None else logits + ops.reshape(class_b, (-1, *self.b.shape))
        return ops.pad(logits, ((0, 0), (0, 0), (1, 0)))


def _sums_before(x):
    """Running sums along axis 1 of x (B, D, H), each of what comes before: in groups of about sqrt(D), then over them.

    On a CPU TensorFlow's own `cumsum` would take most of a training step.
    """
    size, width = x.shape[1:]
    group = math.isqrt(size - 1) + 1
    groups = -(-size // group)
    x = tf.pad(x, ((0, 0), (0, groups * group - size), (0, 0)))
    x = tf.reshape(x, (-1, groups, group, width))
    *within, total = itertools.accumulate(tf.unstack(x, axis=2), initial=tf.zeros_like(x[:, :, 0]))
    *before, _ = itertools.accumulate(tf.unstack(total, axis=1), initial=tf.zeros_like(total[:, 0]))
    sums = tf.stack(within, axis=2) + tf.stack(before, axis=1)[:, :, None]
    return tf.reshape(sums, (-1, groups * group, width))[:, :size]
