"""Codes that can be read from what is made of them: a game and a bound on mutual information.

The generator makes pictures of noise z and of codes c. Q, which shares all but its last layers with the discriminator,
says what it reads of them, and both players descend, beside the game,

    -weight L_I,   L_I = E log Q(c|G(z, c)) + H(c) <= I(c; G(z, c)),

with equality where Q(c|x) is the true posterior. Without it nothing asks the generator to heed its codes. Categorical
codes are uniform, so H(c) is a sum of logarithms of how many values they have; continuous ones, which are the last of
the latent, are uniform on (-1, 1), and Q(c|x) is N(mean(x), 1) for them.

Reference: Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel, 2016, InfoGAN, arXiv:1606.03657.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.once import once
from kerasgen.core.ranges import shown, to_signed
from kerasgen.objectives.gan import game


class Reading(game.Play):
    """A turn in which codes are read from what is made: scores and codes come from one pass of the shared network."""

    @once
    def codes(self):
        """What the pictures are made of: (B, size) int32 and (B, factors)."""
        return self.game.chosen(self.batch.seed, self.step, self.batch.index)

    @once
    def judged(self):
        """Scores (B, 1) of what is made, logits (B, size, codes) and means (B, factors) of Q."""
        return self.game.discriminator(self.made, training=self.training)

    @once
    def fake(self):
        return self.judged[0]

    @once
    def information(self):
        """The bound L_I of the categorical codes and of the continuous ones, in nats."""
        (code, factors), (_, logits, means) = self.codes, self.judged
        return categorical_information(logits, code), continuous_information(means, factors)


class Informed(game.Game):
    """A game whose generator makes pictures of codes that the discriminator's other output Q reads.

    A model builds `self.generator` (latent, code -> x in [-1, 1]) and `self.discriminator` (x -> score, logits of the
    codes, means of the continuous ones), which has all of Q: what a player learns of both is one sum. It sets

    Attributes:
        size: categorical codes of a picture.
        codes: values that each of them can have.
        factors: continuous codes, the last of the latent.
        weight: of the bound in both players' losses, lambda.
    """

    serves = ("sample", "decode", "encode", "energy")
    figures = ("information", "factor_information")
    size: int
    factors: int
    weight: float = 1.0

    def prior(self, seed, stream, index):
        """Noise and continuous codes (B, latent_dim) ~ U(-1, 1)."""
        return 2.0 * random.uniform(seed, stream, index, (self.latent_dim,)) - 1.0

    def code(self, seed, step, index):
        """Categorical codes (B, size)."""
        return random.integers(seed, random.CHOICE + step, index, (self.size,), self.codes)

    def chosen(self, seed, step, index):
        """The codes of a draw, without the noise."""
        latent = self.prior(seed, random.LATENT + step, index)
        return self.code(seed, step, index), latent[:, self.latent_dim - self.factors :]

    def draw(self, seed, step, index, given, training=False):
        return super().draw(seed, step, index, {"code": self.code(seed, step, index), **given}, training)

    def realness(self, x, given, training=False):
        return self.discriminator(x, training=training)[0]

    def play(self, batch, step, training):
        return Reading(self, batch, step, training)

    def terms(self, play, player):
        yield from super().terms(play, player)
        yield None, -self.weight * sum(play.information)

    def measures(self, play):
        return dict(zip(self.figures, play.information, strict=True))

    def serve_sample(self, seed, index, code):
        return shown(self.draw(seed, 0, index, {"code": ops.where(code < 0, self.code(seed, 0, index), code)}))

    def serve_decode(self, latent, code):
        return shown(self.picture(latent, {"code": code}))

    def serve_encode(self, x):
        """The likeliest codes."""
        return tf.argmax(self.discriminator(to_signed(x), training=False)[1], axis=-1, output_type=tf.int32)

    def serve_energy(self, x):
        return -self.realness(to_signed(x), {})[:, 0]


def categorical_information(logits, code):
    """E log Q(c|x) + H(c) of uniform codes (B, size), from logits (B, size, values); at most size log(values).

    Example:
        >>> import numpy as np
        >>> round(float(categorical_information(50.0 * np.eye(4, dtype="float32")[:, None], np.arange(4)[:, None])), 4)
        1.3863
    """
    size, values = logits.shape[1:]
    read = ops.sum(ops.log_softmax(logits) * ops.one_hot(code, values), axis=(1, 2))
    return ops.mean(read + size * math.log(values))  # added before the mean, for the two nearly cancel at first


def continuous_information(means, factors):
    """E log N(c; mean(x), 1) + H(c) of codes (B, n) that are uniform on (-1, 1); at most n (log 2 - log(2 pi) / 2)."""
    read = -0.5 * ops.square(factors - means) - 0.5 * math.log(2.0 * math.pi)
    return ops.mean(ops.sum(read + math.log(2.0), axis=1))
