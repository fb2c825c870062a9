"""Maximum likelihood of a density: minimising KL(data || model) = -E log p(x) + constant.

Data with levels are made continuous by u ~ U[0, 1) levels, so that the density's likelihood bounds that of the levels
(Theis et al., 2016, arXiv:1511.01844). Densities live on grey levels, y = x (levels - 1); without levels y = x.

The pieces below serve `Likelihood` (any density that can be drawn from) and `flow.Flow` (densities made by a bijector).
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.model import GenerativeModel


class Likelihood(GenerativeModel):
    """A density p(y) in closed form, fitted by gradient ascent on its log-likelihood.

    A model fills the two hooks below; both speak of y, in grey levels.
    """

    serves = ("sample", "log_prob")
    reports = ("loss", "bits_per_dim")
    density = True

    def distribution(self):
        """Hook: the `tfp.distributions` density over y (B, *image_shape), built from the model's weights."""
        raise NotImplementedError

    def draw(self, seed, index):
        """Hook: y of the examples at `index`."""
        raise NotImplementedError

    def losses(self, batch, training):
        y = dequantise(batch, self.levels)
        return report(-ops.mean(self.distribution().log_prob(y)), self.image_shape)

    def serve_sample(self, seed, index):
        return from_units(self.draw(seed, index), self.levels)

    def serve_log_prob(self, x):
        return self.distribution().log_prob(to_units(x, self.levels))


def to_units(x, levels: int | None):
    """x as users see it, in grey levels: pictures in [0, 1] become [0, levels - 1]."""
    return x * (levels - 1.0) if levels else x


def from_units(y, levels: int | None):
    """The example, of pictures in [0, 1], of continuous grey levels y in [0, levels), or of y without levels.

    Level k has the cell [k, k + 1), whose middle is k + 1/2; half a level is taken off rather than rounding down, which
    would not be continuous. What a density puts beyond black and white is black and white.
    """
    x = (y - 0.5) / (levels - 1.0) if levels else y
    return tf.clip_by_value(x, 0.0, 1.0) if levels or x.shape.rank == 4 else x


def dequantise(batch, levels: int | None):
    """y = levels + u with u ~ U[0, 1), drawn for this step; data without levels are returned as they are."""
    y = to_units(batch.x, levels)
    return y + random.uniform(batch.seed, random.DEQUANTIZE, batch.index, batch.x.shape[1:]) if levels else y


def report(loss, image_shape) -> dict:
    """The history of a likelihood: nats per example and bits per dimension."""
    return {"loss": loss, "bits_per_dim": loss / (math.prod(image_shape) * math.log(2.0))}
