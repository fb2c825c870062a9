"""The vectors that a quantiser chooses from."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import distribute, random

EPSILON = 1e-5
UNUSED = 0.05  # share of the mean use below which a code is begun anew


class Vectors(layers.Layer):
    """K vectors e (K, dim), `self.vectors`, of which the nearest is chosen."""

    def learn(self, batch, z, codes, training):
        """Hook: go nearer to the z that chose them; what is to be descended for it, 0 where an update does it.

        Args:
            batch: the `Batch` that z was made from.
            z: (B, ..., dim).
            codes: (B, ...) int32, their nearest.
            training: whether anything may move.
        """
        raise NotImplementedError

    def nearest(self, z):
        """The code of the nearest vector: z (..., dim) -> (...) int32."""
        e = tf.convert_to_tensor(self.vectors)
        # |z|^2 is the same for all codes.
        distance = tf.reduce_sum(e * e, -1) - 2.0 * tf.matmul(tf.reshape(z, (-1, self.dim)), e, transpose_b=True)
        return tf.reshape(tf.argmin(distance, -1, output_type=tf.int32), tf.shape(z)[:-1])

    def lookup(self, codes):
        """The vectors of codes: (...) int32 -> (..., dim)."""
        return tf.gather(self.vectors, codes)


class LearnedCodebook(Vectors):
    """Vectors that are moved as all other weights are, by the gradient of |sg z - e|^2.

    Args:
        codes: K.
        dim: size of a vector.
        spread: they begin between this and its negative.
    """

    def __init__(self, codes, dim, spread=1.0, **kwargs):
        super().__init__(**kwargs)
        self.codes, self.dim = codes, dim
        start = keras.initializers.RandomUniform(-spread, spread)
        self.vectors = self.add_weight(shape=(codes, dim), initializer=start, name="vectors")
        self.built = True

    def learn(self, batch, z, codes, training):
        return ops.mean((tf.stop_gradient(z) - self.lookup(codes)) ** 2)


class Codebook(Vectors):
    """K vectors that follow, by moving averages, the encoder's outputs that chose them.

        N_k <- g N_k + (1 - g) n_k,   m_k <- g m_k + (1 - g) sum of the z that chose k,   e_k = m_k / N_k

    with N smoothed towards the mean, so that no division is by zero; with g = 0 an update is a step of k-means. A code
    that hardly anything chooses goes to where an example of the batch is.

    Args:
        codes: K.
        dim: size of a vector.
        decay: g.

    Reference: van den Oord, Vinyals, Kavukcuoglu, 2017, Neural Discrete Representation Learning, arXiv:1711.00937,
    appendix A.1.
    """

    def __init__(self, codes, dim, decay=0.99, **kwargs):
        super().__init__(**kwargs)
        self.codes, self.dim, self.decay = codes, dim, decay
        start = keras.initializers.RandomUniform(-1.0, 1.0)
        self.total = self.add_weight(shape=(codes, dim), initializer=start, trainable=False, name="total")
        self.count = self.add_weight(shape=(codes,), initializer="ones", trainable=False, name="count")
        self.built = True

    @property
    def vectors(self):
        """e, (K, dim)."""
        count = tf.convert_to_tensor(self.count)
        everything = tf.reduce_sum(count)
        count = (count + EPSILON) / (everything + self.codes * EPSILON) * everything
        return self.total / count[:, None]

    def learn(self, batch, z, codes, training):
        if training:
            self.update(batch, z, codes)
        return 0.0

    def update(self, batch, z, codes):
        """Move the averages by one batch.

        Args:
            batch: the `Batch` that z was made from; unused codes go to examples that its seed picks.
            z: (B, ..., dim).
            codes: (B, ...) int32, their nearest.
        """
        z = tf.reshape(tf.stop_gradient(z), (-1, self.dim))
        here = tf.cast(batch.share > 0, tf.float32)  # no row of this replica may be of the global batch
        chosen = here * tf.one_hot(tf.reshape(codes, (-1,)), self.codes)
        rows = tf.shape(z)[0] // tf.size(batch.index)  # vectors of one example
        used, moved = tf.reduce_sum(chosen, 0), tf.matmul(chosen, z, transpose_a=True)
        place = random.integers(batch.seed, random.INIT, tf.range(self.codes), (), 2**30) % (batch.total * rows)
        place -= batch.index[0] * rows
        inside = tf.cast((place >= 0) & (place < tf.shape(z)[0]), tf.float32) * here
        examples = inside[:, None] * tf.gather(z, tf.clip_by_value(place, 0, tf.shape(z)[0] - 1))
        used, moved, examples = distribute.total([used, moved, examples])

        count = self.decay * self.count + (1.0 - self.decay) * used
        total = self.decay * self.total + (1.0 - self.decay) * moved
        mean = tf.reduce_mean(count)
        unused = count < UNUSED * mean
        self.count.assign(tf.where(unused, mean, count))
        self.total.assign(tf.where(unused[:, None], mean * examples, total))


def perplexity(codes, count: int):
    """exp of the entropy of how often codes are used: 1 for a single one, `count` for even use."""
    share = tf.reduce_mean(tf.one_hot(tf.reshape(codes, (-1,)), count), 0)
    return tf.exp(-tf.reduce_sum(share * tf.math.log(share + 1e-10)))
