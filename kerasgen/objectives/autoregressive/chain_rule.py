"""Exact likelihood, one element after the other: log P(x) = sum_i log P(x_i | x_1 .. x_(i-1)).

The network returns the logits of every element's levels in one pass, each computed from earlier elements alone.
Sampling fills the elements in order (rows, columns, channels, where a model names no other), inside the graph.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops
from tensorflow_probability import distributions as tfd

from kerasgen import samplers
from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import Grey
from kerasgen.objectives.density import bayes, likelihood


class Autoregressive(bayes.Classified, GenerativeModel):
    """Discrete levels, predicted one after the other.

    A model fills two hooks: `predict_logits`, for a whole picture at once, and `fill`, for one element after the other.
    Where it has several members both take `member`, which of them; one learns at a time, in turn.

    Attributes:
        scale: how examples are read as levels, of `kerasgen.core.levels`.
        order: the elements, numbered in raster order, from first to last; () is raster order.
        members: how many laws are mixed in equal shares, P(x) = mean_m P_m(x), each with an order of its own; `logits`
            and `order` are those of the first.
    """

    serves = ("sample", "log_prob", "logits", "classify")
    reports = ("loss", "bits_per_dim")
    scale: type = Grey
    order: tuple = ()
    members: int = 1

    @property
    def discrete(self):
        """What chooses levels, so that runtimes may differ where two tie; of several members the logits do not tell."""
        return ("sample",) if self.members == 1 else ()

    def predict_logits(self, x, label, training: bool = False):
        """Hook: logits (B, *image_shape, levels) from the signal of x (pictures: in [-1, 1]) and label (B,) or None."""
        raise NotImplementedError

    def fill(self, choose, count, label):
        """Hook: levels (count, *image_shape) int32, filled by one of the loops of `kerasgen.samplers.autoregressive`.

        `choose(place, logits (B, levels))` picks the levels (B,) of the element at a place, numbered in raster order.
        """
        raise NotImplementedError

    def distribution(self, x, label=None, training: bool = False):
        """The law of every level given the elements before it. In training, of the member in turn."""
        x = self.scale(self.levels).signal(x)
        if self.members == 1:
            return self._independent(self.predict_logits(x, label, training))
        if training:
            turn = ops.convert_to_tensor(self.clock) % self.members
            return self._independent(self.predict_logits(x, label, training, member=turn))
        logits = [self.predict_logits(x, label, member=member) for member in range(self.members)]
        laws = self._independent(tf.stack(logits, axis=1))  # (B, members)
        return tfd.MixtureSameFamily(tfd.Categorical(tf.zeros(self.members)), laws)

    def _independent(self, logits):
        return tfd.Independent(tfd.Categorical(logits), len(self.image_shape))

    def losses(self, batch, training):
        nats = -ops.mean(self.distribution(batch.x, batch.label, training).log_prob(self.to_levels(batch.x)))
        return likelihood.report(nats, self.image_shape)

    def to_levels(self, x):
        """The nearest level of x, int32."""
        return self.scale(self.levels).level(x)

    def from_levels(self, levels):
        """What `predict_logits` takes for levels."""
        scale = self.scale(self.levels)
        return scale.signal(scale.value(levels))

    def serve_logits(self, x, label=None):
        return self.predict_logits(self.scale(self.levels).signal(x), label)

    def serve_log_prob(self, x, label=None):
        return self.distribution(x, label).log_prob(self.to_levels(x))

    def serve_sample(self, seed, index, label=None, temperature=1.0):
        size = math.prod(self.image_shape)
        choose = samplers.gumbel_max(temperature * random.gumbel(seed, random.CHOICE, index, (size, self.levels)))
        count = tf.shape(index)[0]
        if self.members == 1:
            levels = self.fill(choose, count, label)
        else:  # every member makes all, and each example is taken from its own
            chosen = random.integers(seed, random.LATENT, index, (), self.members)
            chosen = tf.reshape(chosen, (-1, *[1] * len(self.image_shape)))

            def step(member, levels):
                made = self.fill(choose, count, label, member=member)
                return member + 1, tf.where(chosen == member, made, levels)

            blank = tf.zeros((count, *self.image_shape), tf.int32)
            _, levels = tf.while_loop(lambda member, _: member < self.members, step, (0, blank))
        return self.scale(self.levels).value(levels)
