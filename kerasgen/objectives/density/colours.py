"""Colours by classification: which of 313 colours a pixel has, told from a grey picture.

    Z(h, w) = the five nearest bins of the true colour, weighed by a Gaussian of their distance (sigma 5)
    L = E  v(Z) * - sum_q Z_q log Q_q(lightness),   v(Z) = w_(nearest bin)
    w_q ~ 1 / ((1 - lambda) p_q + lambda / 313),  sum_q p_q w_q = 1

p is how often colours occur, smoothed by a Gaussian (sigma 5). A grey pixel can have several colours. Their mean, which
is what a squared error asks for, is a greyish one that it never has; a distribution over bins holds them apart. Most
pixels of photographs are nearly grey, so that without w rare colours would never win. A colour is read off as the
annealed mean,

    sum_q q f_T(Q)_q,   f_T(Q)_q ~ exp(log Q_q / T),

between the mean (T = 1) and the likeliest bin (T -> 0).

Reference: Zhang, Isola, Efros, 2016, Colorful Image Colorization, arXiv:1603.08511.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from keras import ops

from kerasgen.core import distribute
from kerasgen.core.model import GenerativeModel
from kerasgen.nets.lab import BINS, from_lab, lightness, to_lab
from kerasgen.nets.sizes import linear
from kerasgen.objectives import augment

NEIGHBOURS, SIGMA = 5, 5.0  # bins that a colour is shared among, and the spread of their weights
UNIFORM = 0.5  # lambda
COLDEST = 1e-6  # below this temperature the likeliest bin has all


class Colours(GenerativeModel):
    """The colours of grey pictures.

    The grey picture is x without its colours, so that data are colour pictures and nothing beside them. A model calls
    `count_colours` in its constructor, fills one hook, and sets `picture_shape` and the attributes below.

    Attributes:
        pooled: height and width of the pixels that one prediction stands for.
        mirrored: share of the pictures that are mirrored in training.
        decay: of the weights; half of it times their squared norm is paid.
    """

    serves = ("colorize",)
    pooled: int = 4
    mirrored: float = 0.5
    decay: float = 0.0

    def predict_colours(self, light, training: bool = False):
        """Hook: logits (B, H / pooled, W / pooled, 313) of the bins from lightness (B, H, W, 1), about -1/2 to 1/2."""
        raise NotImplementedError

    def count_colours(self):
        """Make the weight that holds p, the shares of the bins in all batches seen, before smoothing."""
        uniform = np.full(len(BINS), 1.0 / len(BINS), "float32")
        self.shares = self.add_weight(shape=uniform.shape, initializer="zeros", trainable=False, name="shares")
        self.shares.assign(uniform)

    def losses(self, batch, training):
        x = augment.mirror(batch.x, self.mirrored, batch.seed, batch.index) if training else batch.x
        lab = to_lab(x)
        chroma = tf.nn.avg_pool2d(lab[..., 1:], self.pooled, self.pooled, "VALID")
        bins, shares = encoded(chroma)
        if training:
            self.see(bins[..., 0], batch)
        surprise = -tf.nn.log_softmax(self.predict_colours(centred(lab[..., :1]), training))
        surprise = tf.reduce_sum(shares * tf.gather(surprise, bins, batch_dims=3), axis=-1)
        loss = ops.mean(tf.gather(rarity(self.shares), bins[..., 0]) * surprise)
        # What large weights cost moves the weights, and is no part of the figure.
        if training and self.decay:
            size = 0.5 * self.decay * sum(tf.reduce_sum(tf.square(v)) for v in self.trainable_variables)
            loss += size - tf.stop_gradient(size)
        return {"loss": loss}

    def see(self, nearest, batch):
        """Let the shares be the mean over all batches seen, this one included."""
        count = tf.size(nearest)
        here = tf.ones((count,)) * batch.share / tf.cast(count, tf.float32)
        (found,) = distribute.total([tf.math.unsorted_segment_sum(here, tf.reshape(nearest, (-1,)), len(BINS))])
        seen = tf.cast(tf.convert_to_tensor(self.clock), tf.float32)
        self.shares.assign(self.shares + (found - self.shares) / (seen + 1.0))

    def serve_colorize(self, picture, temperature=0.38):
        light = lightness(picture)
        logits = self.predict_colours(centred(light))
        chroma = tf.matmul(tf.nn.softmax(logits / tf.maximum(temperature, COLDEST)), BINS)  # (B, h, w, 2)
        rows, columns = (linear(side // self.pooled, side) for side in self.image_shape[:2])
        chroma = tf.einsum("th,bhwc,sw->btsc", rows, chroma, columns)
        return from_lab(tf.concat([light, chroma], -1))


def centred(light):
    """L as a network sees it."""
    return (light - 50.0) / 100.0


def encoded(chroma):
    """Colours (..., 2) as their nearest bins and the weights of these, both (..., 5), the nearest first."""
    distance = tf.reduce_sum(chroma**2, -1, keepdims=True) - 2.0 * tf.matmul(chroma, BINS.T) + (BINS**2).sum(-1)
    far, bins = tf.math.top_k(-distance, NEIGHBOURS)
    return bins, tf.nn.softmax(far / (2.0 * SIGMA**2))


def rarity(shares, uniform=UNIFORM):
    """w (313,), from the shares p of the bins before smoothing."""
    p = tf.linalg.matvec(SMOOTHING, shares)
    weights = 1.0 / ((1.0 - uniform) * p + uniform / len(BINS))
    return weights / tf.reduce_sum(p * weights)


def _smoothing():
    """(to, from): what is in a bin spreads to those around it by a Gaussian, and none of it is lost."""
    distance = ((BINS[:, None] - BINS) ** 2).sum(-1)
    spread = np.exp(-distance / (2.0 * SIGMA**2))
    return (spread / spread.sum(0)).astype("float32")


SMOOTHING = _smoothing()
