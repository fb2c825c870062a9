"""MADE.  Germain, Gregor, Murray, Larochelle, 2015, arXiv:1502.03509.

An autoencoder whose weights are masked so that output i sees inputs before i alone: one pass gives all conditionals. A
hidden unit of degree m sees the first m elements and is seen by those after the m-th. Orders and degrees may be drawn
anew for every step, out of a fixed number of masks; the model is then the mixture of all. Without hidden layers it is
the fully visible sigmoid belief net (FVSBN): one logistic regression per element.

Differs from the paper: any number of levels (a grey level enters as a number in [0, 1] and leaves as a softmax);
classes may be given, unmasked; kernels start uniformly (Glorot, Bengio, 2010), not orthogonal.
"""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasgen import samplers
from kerasgen.core.paper import Paper
from kerasgen.nets.network import network
from kerasgen.objectives.autoregressive import chain_rule

PAPER = Paper(
    title="MADE: Masked Autoencoder for Distribution Estimation",
    authors="M. Germain and K. Gregor and I. Murray and H. Larochelle",
    year=2015,
    reference="arXiv:1502.03509",
    tags=("exact likelihood", "masks", "FVSBN", "sigmoid belief net"),
)

ORDERINGS = ("raster", "random")


class MADE(chain_rule.Autoregressive):
    """Masked autoencoder for distribution estimation, optionally class-conditional.

        P(x) = mean_m prod_i softmax(logits_mi(x_j : j before i in order m))[x_i]
        weight j -> k of mask m counts where degree_m(j) <= degree_m(k); the i-th input has degree i, its output i - 1

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors of levels in [0, 1].
        levels: number of grey levels.
        num_classes: number of classes, 0 for none.
        widths: hidden units of each layer; () is the FVSBN. Inputs reach the outputs directly as well.
        masks: number of masks; each learns every so many steps, all are mixed.
        ordering: "raster", or "random" for an order of its own for each mask.
        dropout: share of hidden units dropped in training.

    Raises:
        ValueError: unknown ordering.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.MADE(image_shape=(8, 8, 1), widths=(32,), masks=2, ordering="random")
        >>> model.log_prob(model.sample(3, seed=7)).shape
        (3,)
    """

    kinds = ("picture", "vector")

    def __init__(
        self, image_shape=(28, 28, 1), levels=2, num_classes=0, widths=(8000, 8000), masks=1, ordering="raster",
        dropout=0.0, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if ordering not in ORDERINGS:
            raise ValueError(f"ordering: expected {' or '.join(ORDERINGS)}, got {ordering!r}")
        self.image_shape, self.levels, self.num_classes = tuple(image_shape), levels, num_classes
        self.members = masks
        size = math.prod(self.image_shape)
        self.orders, degrees = _degrees(size, widths, masks, ordering)
        self.order = tuple(self.orders[0].tolist())
        self.network = self._network(degrees, dropout)

    def _network(self, degrees, dropout):
        """x (B, *image_shape) in [0, 1], number of the mask (), label (B,) -> logits (B, *image_shape, levels)."""
        inputs, *hidden = degrees
        outputs = np.repeat(inputs - 1, self.levels - 1, axis=1)  # level 0 has the logit 0
        x, member = keras.Input(self.image_shape), keras.Input(batch_shape=(), dtype="int32")
        given = [x, member] + ([keras.Input((), dtype="int32")] if self.num_classes else [])

        def biased(y):
            return y + layers.Embedding(self.num_classes, y.shape[-1])(given[2]) if self.num_classes else y

        first = y = layers.Flatten()(x)
        for source, target in zip(degrees, hidden, strict=False):
            y = layers.ReLU()(biased(Masked(source, target)(y, member)))
            y = layers.Dropout(dropout)(y) if dropout else y
        out = Masked(inputs, outputs)(first, member)
        if hidden:
            out = out + Masked(hidden[-1], outputs, use_bias=False)(y, member)
        out = layers.Reshape((*self.image_shape, self.levels - 1))(biased(out))
        return network(given, ops.pad(out, [[0, 0]] * len(self.image_shape) + [[0, 0], [1, 0]]), name="network")

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adagrad(0.01, initial_accumulator_value=0.0, epsilon=1e-6)}

    def predict_logits(self, x, label, training=False, member=0):
        given = [0.5 * (x + 1.0), tf.cast(member, tf.int32)] + ([label] if self.num_classes else [])
        return self.network(given, training=training)

    def fill(self, choose, count, label, member=0):
        def logits(levels):
            return self.predict_logits(self.from_levels(levels), label, member=member)

        return samplers.naive(logits, choose, count, self.image_shape, tf.gather(self.orders, member))


class Masked(layers.Layer):
    """Dense layer in which unit j of the input reaches unit k where degree j <= degree k.

    Args:
        source: (masks, inputs) degrees.
        target: (masks, units) degrees.
        use_bias: whether it has a bias.
    """

    def __init__(self, source, target, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.source, self.target, self.use_bias = source, target, use_bias

    def build(self, *_):
        size = self.source.shape[1], self.target.shape[1]
        self.kernel = self.add_weight(shape=size, initializer="glorot_uniform", name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(shape=size[1:], initializer="zeros", name="bias")

    def mask(self, member):
        """(inputs, units) booleans."""
        source, target = (ops.take(degrees, member, axis=0) for degrees in (self.source, self.target))
        return source[:, None] <= target[None, :]

    def call(self, x, member):
        y = ops.matmul(x, self.kernel * ops.cast(self.mask(member), self.compute_dtype))
        return y + self.bias if self.use_bias else y


def _degrees(size, widths, masks, ordering):
    """Orders (masks, size), elements from first to last; degrees (masks, units) of the inputs and each hidden layer."""
    random = np.random.RandomState(0)  # its numbers are the same in every version of NumPy
    shuffled = [random.permutation(size) if ordering == "random" else np.arange(size) for _ in range(masks)]
    orders = np.array(shuffled, "int32")
    degrees, lowest = [orders.argsort(axis=1).astype("int32") + 1], np.ones(masks, "int32")
    for width in widths:  # a degree below the lowest of the layer before would see nothing
        high = max(size - 1, 1)
        drawn = [random.randint(low, high + 1, width) for low in lowest]
        degrees.append(np.array(drawn, "int32"))
        lowest = degrees[-1].min(axis=1)
    return orders, degrees
