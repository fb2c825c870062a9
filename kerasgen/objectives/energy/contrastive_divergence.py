"""Contrastive divergence: free energy is pulled down where the data are and pushed up where the model's chains are.

    -d log p(v) / d theta = d F(v) / d theta - E_(v' ~ p) d F(v') / d theta,      p(v) = exp(-F(v)) / Z

Nobody can draw v' ~ p at once, since Z is a sum over all pictures, but a Markov chain tends to p. It may start at the
data and take few steps (CD-k) or be kept from one update to the next (persistent, PCD). Either way the update is a
difference of two averages, of the data and of the chains: no error travels back through the chain.

Reference: Hinton, 2002, doi:10.1162/089976602760128018; Tieleman, 2008, doi:10.1145/1390156.1390290.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.model import GenerativeModel


class Contrastive(GenerativeModel):
    """A law of binary pictures, known up to a factor.

    A model fills three hooks, which speak of v (B, D) of zeros and ones, and sets the two attributes.

    Attributes:
        sweeps: steps of the chains per update, the k of CD-k.
        chains: variable (chains, D) that is not trained, the persistent chains; None starts them at the data. Every
            replica moves all of them, by the same draws.
    """

    serves = ("sample", "energy")
    reports = ("loss",)
    levels = 2
    sweeps: int = 1
    chains = None

    def free_energy(self, v):
        """Hook: F (B,)."""
        raise NotImplementedError

    def flipped(self, v):
        """Hook: F (B, D) of the pictures that differ from v in one pixel each."""
        raise NotImplementedError

    def sweep(self, v, seed, stream, index):
        """Hook: the chains (B, D) one step further, a step that leaves p as it is."""
        raise NotImplementedError

    def run(self, v, seed, index, steps):
        """The chains some steps further."""

        def step(i, v):
            return i + 1, self.sweep(v, seed, random.NOISE + i, index)

        return tf.while_loop(lambda i, v: i < steps, step, (0, v))[1]

    def contrast(self, batch):
        """v of the data and v' of the chains."""
        v = _flat(batch.x)
        if self.chains is None:
            return v, self.run(v, batch.seed, batch.index, self.sweeps)
        chains = ops.convert_to_tensor(self.chains)
        return v, self.run(chains, batch.seed, tf.range(chains.shape[0]), self.sweeps)

    def train_step(self, data):
        batch = self.batch(data)
        v, chains = self.contrast(batch)

        def difference():
            return {"loss": ops.mean(self.free_energy(v)) - ops.mean(self.free_energy(chains))}

        self.descend(batch, "", difference)
        if self.chains is not None:
            self.chains.assign(chains)
        return self.report(batch, self.losses(batch, training=True))

    def losses(self, batch, training):
        """-log of the pseudo-likelihood, prod_i p(v_i | all others), which needs no Z; it is watched, not descended."""
        v = _flat(batch.x)
        surprise = ops.softplus(self.free_energy(v)[:, None] - self.flipped(v))
        return {"loss": ops.mean(ops.sum(surprise, axis=-1))}

    def serve_energy(self, x):
        return self.free_energy(_flat(x))

    def serve_sample(self, seed, index, steps=1000):
        size = math.prod(self.image_shape)
        start = tf.cast(random.uniform(seed, random.LATENT, index, (size,)) < 0.5, tf.float32)
        return tf.reshape(self.run(start, seed, index, steps), (-1, *self.image_shape))


def _flat(x):
    return tf.reshape(x, (-1, math.prod(x.shape[1:])))
