"""Guided denoising: a sampler that is pulled towards a class, as far as one asks.

    eps = eps(x_t) - sqrt(1 - abar_t) w grad log p(y | x_t)         by a classifier of noisy pictures
    eps = eps(x_t) + w (eps(x_t, y) - eps(x_t))                     by the same network with and without the class

With exact networks w = 1 samples from p(x | y), w = 0 from p(x), and larger w sharpens the class: each noise level's
density is that of x times p(y | x) to the power w. Both are learned side by side; either may be used.

Besides the noise the network predicts variances, exp(v ln beta_t + (1 - v) ln posterior_t), which learn from the
variational bound, while the noise, held fixed there, learns from the simple loss alone.

Reference: Dhariwal, Nichol, 2021, arXiv:2105.05233; Nichol, Dhariwal, 2021, arXiv:2102.09672; Ho, Salimans, 2022,
arXiv:2207.12598.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops

from kerasgen import samplers
from kerasgen.core import random
from kerasgen.objectives.diffusion import denoising

BOUND_SHARE = 1e-3  # weight of the variational bound, in bits per dimension, beside the simple loss


class Guided(denoising.Denoising):
    """A denoiser that may be told the class, and a classifier of noisy pictures.

    A model sets `self.process`, `self.drop` (the share of examples whose class is kept from the network), `sampler`,
    `spacing` and `guide`, and fills two hooks.

    Attributes:
        guide: "free" (the network with and without the class) or "classifier"; may be replaced after training.
        guidance: how strongly, if `sample` is not told.
    """

    players = ("network", "classifier")
    reports = ("network_loss", "classifier_loss")
    guide = samplers.Choice("free", "classifier")
    guidance = 1.0

    @property
    def inconvertible(self):
        reason = "the gradient of a classifier holds operations that have no ONNX form"
        return {"sample": reason} if self.guide == "classifier" else {}

    def predict(self, x, time, label, training: bool = False):
        """Hook: eps and v like x, from x_t in the scale of [-1, 1]; the label `num_classes` stands for none."""
        raise NotImplementedError

    def class_logits(self, x, time, training: bool = False):
        """Hook: logits (B, num_classes) of the class of x_t."""
        raise NotImplementedError

    def predict_noise(self, x, time, label=None, training=False):
        label = tf.fill(tf.shape(time), self.num_classes) if label is None else label
        return self.predict(x, time, label, training)[0]

    def losses(self, batch, training):
        x = self.inner(batch, training)
        time = random.integers(batch.seed, random.TIME, batch.index, (), self.process.steps)
        noise = random.normal(batch.seed, random.NOISE, batch.index, x.shape[1:])
        noisy = self.process.add_noise(x, noise, time)
        dropped = random.uniform(batch.seed, random.LABEL, batch.index, ()) < self.drop
        eps, v = self.predict(noisy, time, tf.where(dropped, self.num_classes, batch.label), training)
        clean = self.process.remove_noise(noisy, tf.stop_gradient(eps), time)
        mean, variance = self.process.posterior_mean(noisy, clean, time), self.process.between(share(v), time)
        bits = self.process.term(x, noisy, mean, variance, time, self.levels) / math.log(2.0)
        weight = BOUND_SHARE * self.process.steps  # a term of T stands for all
        logits = self.class_logits(noisy, time, training)
        return {
            "network_loss": ops.mean((noise - eps) ** 2) + weight * ops.mean(bits),
            "classifier_loss": ops.mean(tf.nn.sparse_softmax_cross_entropy_with_logits(batch.label, logits)),
        }

    def clean(self, x, time, label):
        """The guess of x_0 behind x_t for a class, and the share of the larger variance."""
        eps, v = self.predict(x, time, label)
        return self.bounded(self.process.remove_noise(x, eps, time)), share(v)

    def guided(self, x, time, label, guidance):
        """The same, pulled towards the class."""
        none = tf.fill(tf.shape(label), self.num_classes)
        if self.guide == "free":
            both = self.predict(tf.concat([x, x], 0), tf.concat([time, time], 0), tf.concat([label, none], 0))
            (told, untold), (v, _) = (tf.split(part, 2) for part in both)
            eps = untold + guidance * (told - untold)
        else:
            eps, v = self.predict(x, time, none)
            deviation = tf.sqrt(1.0 - self.process.at(self.process.abar, time, x))
            eps -= guidance * deviation * self.slope(x, time, label)
        return self.bounded(self.process.remove_noise(x, eps, time)), share(v)

    def slope(self, x, time, label):
        """The gradient of log p(label | x_t) by x_t."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = self.class_logits(x, time)
            chosen = -tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits)
        return tape.gradient(chosen, x)

    @property
    def changes(self):
        total = self.process.steps
        steps = dict(maximum=total, default=min(50, total))
        return {"steps": steps, "guidance": dict(default=float(self.guidance))}

    def serve_sample(self, seed, index, label, guidance, steps):
        return self.drawn(lambda x, time: self.guided(x, time, label, guidance), seed, index, steps)


def share(v):
    """The network's v in [-1, 1] as a share in [0, 1]."""
    return 0.5 * (v + 1.0)
