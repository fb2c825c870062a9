"""Discrete codes in two stages: an autoencoder that may only say which vectors of a codebook it means, and a prior that
learns which codes go together.

    k = argmin_j |z - e_j|,  q = e_k;     stage 1: -log p(x | q) + beta |z - sg q|^2;     stage 2: -log P(k_1 .. k_n)

The gradient of the reconstruction with respect to q goes to z as it is (straight through); the codebook follows z by
moving averages, or descends |sg z - q|^2. sg stops gradients.

Reference: van den Oord, Vinyals, Kavukcuoglu, 2017, Neural Discrete Representation Learning, arXiv:1711.00937.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf
from keras import ops

from kerasgen import samplers
from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import shown, to_signed
from kerasgen.runtime import BATCH


class Level(NamedTuple):
    """What is said of examples at one resolution."""

    z: tf.Tensor  # (B, h, w, dim) what the encoder says
    codes: tf.Tensor  # (B, h, w) int32, the nearest vectors
    quantized: tf.Tensor  # (B, h, w, dim) these, with the gradient of z


class Quantized(GenerativeModel):
    """An autoencoder over codes at one or more levels, then a prior over the codes.

    A model builds `self.codebooks`, one per level, calls `in_stages(*stages(...))`, and fills the hooks below. Inside,
    pictures are in [-1, 1].

    Attributes:
        codes: choices of every code, K.
        grids: (h, w) of every level, the first level first; as a port, codes are all levels side by side.
        commitment: beta.
        variance: of the data in [-1, 1], by which squared errors are divided.
    """

    players = ("autoencoder", "prior")
    reports = ("loss", "reconstruction", "commitment", "bits_per_code")
    serves = ("sample", "encode", "decode", "reconstruct", "logits")
    commitment: float = 0.25
    variance: float = 1.0

    def levels_of(self, x, training: bool = False) -> list:
        """Hook: the `Level`s of x, made with `self.level`."""
        raise NotImplementedError

    def picture(self, quantized: list, training: bool = False):
        """Hook: x from the vectors of every level."""
        raise NotImplementedError

    def prior_logits(self, codes: list, given: dict, training: bool = False) -> list:
        """Hook: logits (B, h, w, K) of every level, each from the codes before, in raster order, and earlier levels."""
        raise NotImplementedError

    def fill(self, choose, count, given: dict) -> list:
        """Hook: codes (B, h, w) of every level; `choose(level)(place, logits (B, K))` picks those of one place."""
        raise NotImplementedError

    def code_losses(self, batch, x, training: bool) -> dict:
        """Hook: what the autoencoder descends, and figures, for x in [-1, 1]; if a model says nothing, squared errors,
        with codebooks that learn as each of them does."""
        levels = self.levels_of(x, training)
        y = self.picture([level.quantized for level in levels], training)
        reconstruction = ops.mean((x - y) ** 2) / self.variance
        committed = sum(commitment(level.z, level.quantized) for level in levels)
        pairs = zip(self.codebooks, levels, strict=True)
        learned = sum(book.learn(batch, level.z, level.codes, training) for book, level in pairs)
        loss = reconstruction + learned + self.commitment * committed
        return {
            "autoencoder_loss": loss,
            "loss": loss,
            "reconstruction": reconstruction,
            "commitment": committed,
        }

    def prior_losses(self, batch, codes: list, training: bool) -> dict:
        """Hook: what the prior descends, and figures; if a model says nothing, the nats of the codes."""
        nats = -ops.mean(self.log_prior(codes, batch.given, training))
        return {"prior_loss": nats, "loss": nats, "bits_per_code": nats / (self.size * math.log(2.0))}

    def level(self, i: int, z) -> Level:
        """The nearest vectors of a level's codebook."""
        codes = self.codebooks[i].nearest(z)
        return Level(z, codes, straight_through(z, self.codebooks[i].lookup(codes)))

    def losses(self, batch, training):
        x = to_signed(batch.x)
        if "autoencoder" in self.stage.players:
            return self.code_losses(batch, x, training)
        return self.prior_losses(batch, [level.codes for level in self.levels_of(x)], training)

    def log_prior(self, codes: list, given: dict, training: bool = False):
        """log P of the codes of all levels, (B,) nats."""
        logits = self.prior_logits(codes, given, training)
        each = [-tf.nn.sparse_softmax_cross_entropy_with_logits(k, l) for k, l in zip(codes, logits, strict=True)]
        return sum(tf.reduce_sum(log_p, (1, 2)) for log_p in each)

    def seen(self, codes):
        """What a convolutional prior sees of codes (..., C), C at a place: for each of them one of K channels is 1.

        Channel i is of code i % C, as the masks of `kerasgen.nets.causal.gated_pixelcnn` have it.
        """
        x = tf.one_hot(codes, self.codes, axis=len(codes.shape) - 1)  # (..., K, C)
        return tf.reshape(x, tf.concat([tf.shape(codes)[:-1], [self.codes * codes.shape[-1]]], 0))

    @property
    def size(self) -> int:
        """Codes of one example."""
        return sum(height * width for height, width in self.grids)

    @property
    def changes(self):
        return {"logits": dict(shape=(BATCH, self.size, self.codes), meaning="unnormalised log-probabilities of codes")}

    def split(self, code) -> list:
        """Codes (B, size, ...) as the grids of the levels, (B, h, w, ...)."""
        parts = tf.split(code, [height * width for height, width in self.grids], axis=1)
        return [tf.reshape(part, (-1, *grid, *code.shape[2:])) for part, grid in zip(parts, self.grids, strict=True)]

    def join(self, grids: list):
        """Grids (B, h, w, ...) of the levels side by side, (B, size, ...)."""
        return tf.concat([tf.reshape(x, (-1, math.prod(x.shape[1:3]), *x.shape[3:])) for x in grids], 1)

    def serve_encode(self, x):
        return self.join([level.codes for level in self.levels_of(to_signed(x))])

    def serve_decode(self, code):
        return self.show(self.split(code))

    def serve_logits(self, code, given):
        return self.join(self.prior_logits(self.split(code), given))

    def show(self, codes: list):
        """The picture in [0, 1] that codes stand for."""
        quantized = [codebook.lookup(k) for codebook, k in zip(self.codebooks, codes, strict=True)]
        return shown(self.picture(quantized))

    def serve_reconstruct(self, x):
        return self.show([level.codes for level in self.levels_of(to_signed(x))])

    def serve_sample(self, seed, index, given, temperature=1.0, top_k=0, top_p=1.0):
        gumbel = temperature * random.gumbel(seed, random.CHOICE, index, (self.size, self.codes))
        first = [sum(h * w for h, w in self.grids[:level]) for level in range(len(self.grids))]

        def choose(level):
            return samplers.gumbel_max(gumbel, first[level], among)

        def among(logits):
            return samplers.likeliest(tf.reshape(logits, (-1, self.codes)), temperature, top_k, top_p)

        return self.show(self.fill(choose, tf.shape(index)[0], given))


def straight_through(z, quantized):
    """The quantised value, with the gradient of z."""
    return z + tf.stop_gradient(quantized - z)


def commitment(z, quantized):
    """mean |z - sg q|^2 per element, which keeps the encoder near the codebook; of (q, z), the codebook near it."""
    return ops.mean((z - tf.stop_gradient(quantized)) ** 2)
