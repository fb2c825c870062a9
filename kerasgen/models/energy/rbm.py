"""RBM.  Smolensky, 1986; learnt by contrastive divergence: Hinton, 2002, doi:10.1162/089976602760128018.

Visible and hidden binary units with weights between the two kinds and none within: given one kind the units of the
other are independent, so that a Gibbs step draws a whole layer at once. Hidden units that are summed out leave a
product of experts over pictures. Each weight learns from what its two units do together: a correlation under the data,
less the same under the model's own chains.

Differs from the paper: the chains are persistent by default (Tieleman, 2008); the log-partition function is estimated
by annealed importance sampling (Salakhutdinov, Murray, 2008).
"""

from __future__ import annotations

import math

import keras
import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.objectives.energy import contrastive_divergence

PAPER = Paper(
    title="Training Products of Experts by Minimizing Contrastive Divergence",
    authors="G. E. Hinton",
    year=2002,
    reference="doi:10.1162/089976602760128018",
    tags=("Boltzmann machine", "contrastive divergence", "Gibbs sampling", "binary"),
)


class RBM(contrastive_divergence.Contrastive):
    """Restricted Boltzmann machine over binary pictures.

        E(v, h) = -v'Wh - a'v - b'h,    F(v) = -a'v - sum_j log(1 + exp(b_j + v'W_j)),    p(v) = exp(-F(v)) / Z

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors of zeros and ones.
        hidden: number of hidden units.
        chains: persistent chains of PCD; 0 starts chains at the data, CD.
        sweeps: Gibbs steps of the chains per update.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.RBM(image_shape=(8, 8, 1), hidden=16, chains=10)
        >>> model.energy(model.sample(3, seed=7, steps=20)).shape
        (3,)
    """

    kinds = ("picture", "vector")

    def __init__(self, image_shape=(28, 28, 1), hidden=500, chains=100, sweeps=1, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.hidden, self.sweeps = tuple(image_shape), hidden, sweeps
        visible = math.prod(self.image_shape)
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.W = self.add_weight(shape=(visible, hidden), initializer=small, name="W")
        self.a = self.add_weight(shape=(visible,), initializer="zeros", name="a")
        self.b = self.add_weight(shape=(hidden,), initializer="zeros", name="b")
        if chains:
            start = random.integers(0, random.INIT, tf.range(chains), (visible,), 2).numpy()
            self.chains = self.add_weight(
                shape=start.shape,
                initializer=lambda *_, **__: tf.constant(start, tf.float32),
                trainable=False,
                aggregation="only_first_replica",  # all have the same
                name="chains",
            )

    def optimizers(self):
        return {"optimizer": keras.optimizers.SGD(0.05, momentum=0.5)}

    def free_energy(self, v):
        return -self.log_weight_at(v, 1.0)

    def log_weight_at(self, v, strength):
        """-F(v) (B,) with the weights W and b scaled: at strength 0 hidden units say nothing, at 1 it is the model."""
        inputs = strength * (ops.matmul(v, self.W) + self.b)
        return ops.matmul(v, self.a) + ops.sum(ops.softplus(inputs), axis=-1)

    def flipped(self, v):
        inputs, change = ops.matmul(v, self.W) + self.b, 1.0 - 2.0 * v  # what a flip adds to a pixel
        inputs = inputs[:, None, :] + change[:, :, None] * self.W  # (B, D, H)
        return -(ops.matmul(v, self.a)[:, None] + change * self.a + ops.sum(ops.softplus(inputs), axis=-1))

    def sweep(self, v, seed, stream, index, strength=1.0):
        u = random.uniform(seed, stream, index, (self.hidden + v.shape[1],))
        h = _bits(u[:, : self.hidden], strength * (ops.matmul(v, self.W) + self.b))
        return _bits(u[:, self.hidden :], self.a + strength * ops.matmul(h, ops.transpose(self.W)))

    def log_partition(self, temperatures=1000, chains=256, seed=0):
        """ln Z by annealed importance sampling: chains from independent pixels to the model, in even steps of strength.

        Args:
            temperatures: number of steps.
            chains: independent runs, whose weights are averaged.
            seed: of all draws.

        Example:
            >>> import kerasgen, math
            >>> model = kerasgen.models.RBM(image_shape=(2, 2, 1), hidden=3)
            >>> bool(abs(model.log_partition(temperatures=20) - 7 * math.log(2)) < 0.05)
            True
        """
        index = tf.range(chains)

        def step(k, v, total):
            strength, before = (tf.cast(i, tf.float32) / temperatures for i in (k, k - 1))
            total += self.log_weight_at(v, strength) - self.log_weight_at(v, before)
            return k + 1, self.sweep(v, seed, random.NOISE + k, index, strength), total

        @tf.function(autograph=False)
        def anneal():
            a = tf.convert_to_tensor(self.a)
            v = _bits(random.uniform(seed, random.LATENT, index, a.shape), a)
            loop = tf.while_loop(lambda k, *_: k <= temperatures, step, (1, v, tf.zeros((chains,))))
            mean = tf.reduce_logsumexp(loop[2]) - math.log(chains)
            return mean + self.hidden * math.log(2.0) + tf.reduce_sum(tf.math.softplus(a))

        return float(anneal())


def _bits(u, logits):
    """Ones with probability sigmoid(logits), zeros else."""
    return tf.cast(u < tf.sigmoid(logits), tf.float32)
