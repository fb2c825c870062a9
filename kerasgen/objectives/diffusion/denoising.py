"""Denoising: learn to take away Gaussian noise of every strength, then make pictures by taking it away step by step.

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps,   t = 0 .. T-1;     loss = E |eps - eps_theta(x_t, t)|^2

Inside, pictures are in [-1, 1]. `Process` holds the schedule and its closed forms; samplers are in `kerasgen.samplers`.

Reference: Ho, Jain, Abbeel, 2020, arXiv:2006.11239; cosine schedule: Nichol, Dhariwal, 2021, arXiv:2102.09672.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from keras import ops

from kerasgen import samplers
from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import from_signed, to_signed
from kerasgen.objectives import augment

FAINT = 0.01  # abar of the least signal that a network is asked to see in the start of a chain


class Denoising(GenerativeModel):
    """A network that predicts the noise in a picture, trained on all noise levels at once.

    A model sets `self.process` and fills one hook, `predict_noise`.

    Attributes:
        sampler: name of the function in `kerasgen.samplers` that `sample` runs; may be replaced after training.
        spacing: name of the choice of times that it visits where they are fewer than all; may be replaced, too.
        mirror: share of the training pictures that are mirrored.
    """

    serves = ("sample", "denoise", "bound")
    reports = ("loss",)
    sampler = samplers.Choice(*samplers.NAMES)
    spacing = samplers.Choice(*samplers.SPACINGS)
    mirror = 0.0

    def predict_noise(self, x, time, label=None, training: bool = False):
        """Hook: eps like x from x_t (B, *image_shape) in the scale of [-1, 1] and time (B,) int32."""
        raise NotImplementedError

    def inner(self, batch, training):
        """The pictures of a batch in the scale of [-1, 1], some of them mirrored in training."""
        return to_signed(augment.mirror(batch.x, self.mirror * training, batch.seed, batch.index))

    def losses(self, batch, training):
        x = self.inner(batch, training)
        time = random.integers(batch.seed, random.TIME, batch.index, (), self.process.steps)
        noise = random.normal(batch.seed, random.NOISE, batch.index, x.shape[1:])
        guess = self.predict_noise(self.process.add_noise(x, noise, time), time, batch.label, training)
        return {"loss": ops.mean((noise - guess) ** 2)}

    def clean(self, x, time, label=None):
        """The guess of x_0 behind x_t, and the share of the larger variance in the step from there.

        Pictures are clipped to [-1, 1], which keeps long chains on the data.
        """
        guess = self.process.remove_noise(x, self.predict_noise(x, time, label), time)
        return self.bounded(guess), self.process.share(time, x, self.levels)

    def bounded(self, x):
        return tf.clip_by_value(x, -1.0, 1.0) if len(self.image_shape) == 3 else x

    @property
    def changes(self):
        total = self.process.steps
        return {"steps": dict(maximum=total, default=total if self.sampler == "ancestral" else min(50, total))}

    def drawn(self, clean, seed, index, steps):
        """Pictures at the end of the chain that `clean` (see `kerasgen.samplers`) leads down.

        The start is noise. Of a network that is told so, x_0 would be its error over sqrt(abar), times 20,000 at the
        end of a cosine schedule. It is told the last time with a signal that it can see: noise is as good an x there,
        and an exact network's guess moves by a few hundredths.
        """

        def noise(i):
            return random.normal(seed, random.NOISE + i, index, self.image_shape)

        visited = samplers.times(self.spacing, self.process.steps, steps)
        first, told = visited[-1], tf.minimum(visited[-1], self.process.faint)
        x = getattr(samplers, self.sampler)(
            lambda x, time: clean(x, tf.where(time == first, told, time)),
            self.process.abar,
            random.normal(seed, random.LATENT, index, self.image_shape),
            visited,
            noise,
        )
        return from_signed(self.bounded(x))

    def serve_sample(self, seed, index, steps):
        return self.drawn(self.clean, seed, index, steps)

    def serve_denoise(self, x, noise_level, label=None):
        level = 2.0 * noise_level  # [0, 1] is half as wide as [-1, 1]
        time = self.process.time_of(level)
        level = tf.reshape(level, (-1, *[1] * len(self.image_shape)))
        x = to_signed(x)
        eps = self.predict_noise(x * tf.math.rsqrt(1.0 + level**2), time, label)
        return from_signed(self.bounded(x - level * eps))

    def serve_bound(self, x, seed, label=None):
        clean = lambda x, time: self.clean(x, time, label)
        nats = -self.process.bound(clean, to_signed(x), seed, self.levels)
        # A density over [-1, 1] is twice as high over [0, 1], in every dimension.
        return nats if self.levels else nats + math.prod(self.image_shape) * math.log(2.0)


class Process:
    """The forward chain of T noise levels and its closed forms.

    Args:
        abar: (T,) shares of signal left, decreasing in (0, 1).
        variance: of the reverse steps, "fixed_large" (beta_t) or "fixed_small" (the posterior's).
    """

    def __init__(self, abar, variance: str = "fixed_large"):
        if variance not in ("fixed_large", "fixed_small"):
            raise ValueError(f"variance: expected fixed_large or fixed_small, got {variance!r}")
        self.abar = np.asarray(abar, "float32")
        self.steps, self.variance = len(self.abar), variance
        self.faint = max(int(np.sum(self.abar >= FAINT)) - 1, 0)  # the last time with so much signal
        before = np.append(1.0, np.asarray(abar, "float64")[:-1])
        abar = np.asarray(abar, "float64")
        beta = 1.0 - abar / before
        # mu(x_t, x_0) = signal x_0 + carry x_t, variance of q(x_(t-1) | x_t, x_0)
        self.signal = (np.sqrt(before) * beta / (1.0 - abar)).astype("float32")
        self.carry = (np.sqrt(1.0 - beta) * (1.0 - before) / (1.0 - abar)).astype("float32")
        self.posterior = (beta * (1.0 - before) / (1.0 - abar)).astype("float32")
        # Between these lie learned variances. At t = 0 the posterior has no spread: that of t = 1 is taken there.
        self.log_large = np.log(beta).astype("float32")
        first = self.posterior[1] if self.steps > 1 else beta[0]
        self.log_small = np.log(np.append(first, self.posterior[1:])).astype("float32")

    def at(self, table, time, like):
        """Values of a schedule at time (B,), shaped to multiply `like`."""
        return tf.reshape(tf.gather(tf.constant(table), time), (-1, *[1] * (like.shape.rank - 1)))

    def add_noise(self, x, noise, time):
        """x_t, drawn in one step from x_0."""
        abar = self.at(self.abar, time, x)
        return tf.sqrt(abar) * x + tf.sqrt(1.0 - abar) * noise

    def remove_noise(self, x, noise, time):
        """x_0, were `noise` the noise in x_t."""
        abar = self.at(self.abar, time, x)
        return (x - tf.sqrt(1.0 - abar) * noise) * tf.math.rsqrt(abar)

    def posterior_mean(self, x, clean, time):
        """Mean of q(x_(t-1) | x_t, x_0 = clean)."""
        return self.at(self.signal, time, x) * clean + self.at(self.carry, time, x) * x

    def share(self, time, like, levels: int | None):
        """The share, for `between`, of the fixed variances at time (B,), shaped to multiply `like`.

        At t = 0 the posterior has no spread. There data with levels have the posterior's of t = 1, as in the authors'
        code: beta_0 is twice as much, more than cells of 256 levels have room for. A density has beta_0, its own.
        """
        share = tf.where(time > 0, float(self.variance == "fixed_large"), float(not levels))
        return tf.reshape(share, (-1, *[1] * (like.shape.rank - 1)))

    def between(self, share, time):
        """Variances like share: 0 is the posterior's, 1 is beta_t, and those between are so in their logarithms."""
        large, small = self.at(self.log_large, time, share), self.at(self.log_small, time, share)
        return tf.exp(share * large + (1.0 - share) * small)

    def time_of(self, level):
        """The last time whose noise, relative to the signal, has at most deviation `level` (B,)."""
        levels = np.sqrt(1.0 / np.maximum(self.abar.astype("float64"), 1e-30) - 1.0).astype("float32")
        quieter = tf.cast(levels[None, :] <= level[:, None], tf.int32)
        return tf.maximum(tf.reduce_sum(quieter, axis=1) - 1, 0)

    def term(self, x, noisy, mean, variance, time, levels: int | None):
        """One term of the bound like x, for the reverse step N(mean, variance) from x_t = noisy at time (B,)."""
        true, spread = self.posterior_mean(noisy, x, time), self.at(self.posterior, time, x)
        ratio = tf.maximum(spread, 1e-20) / variance
        kl = 0.5 * (ratio - 1.0 - tf.math.log(ratio) + (true - mean) ** 2 / variance)
        first = tf.reshape(time == 0, (-1, *[1] * (x.shape.rank - 1)))
        return tf.where(first, _negative_log_decoder(x, mean, tf.sqrt(variance), levels), kl)

    def bound(self, clean, x, seed, levels: int | None):
        """The negative variational bound in nats (B,), one draw of x_t at every t: T runs of the network.

            -log p(x_0 | x_1) + sum_t KL(q(x_(t-1) | x_t, x_0) || p(x_(t-1) | x_t)) + KL(q(x_T | x_0) || N(0, I))

        Data with levels have the probability that the last step's normal gives to the level's cell, the outermost
        cells reaching to infinity; other data have its density, per unit of x in [-1, 1].

        `clean` gives the picture and the share of the larger variance, for `between`.
        """
        axes = list(range(1, x.shape.rank))
        index = tf.range(tf.shape(x)[0])

        def step(t, total):
            time = tf.fill(tf.shape(index), t)
            noise = random.normal(seed, random.NOISE + t, index, x.shape[1:])
            noisy = self.add_noise(x, noise, time)
            guess, share = clean(noisy, time)
            mean, variance = self.posterior_mean(noisy, guess, time), self.between(share, time)
            return t + 1, total + tf.reduce_sum(self.term(x, noisy, mean, variance, time, levels), axes)

        _, total = tf.while_loop(lambda t, _: t < self.steps, step, (0, tf.zeros(tf.shape(x)[0])))
        last = float(self.abar[-1])
        prior = 0.5 * (-last - math.log(1.0 - last) + last * x**2)
        return total + tf.reduce_sum(prior, axes)


def _negative_log_decoder(x, mean, deviation, levels):
    z = (x - mean) / deviation
    if not levels:
        return 0.5 * z**2 + tf.math.log(deviation) + 0.5 * math.log(2.0 * math.pi)
    half = 1.0 / (levels - 1.0) / deviation  # half a cell, in deviations

    def beyond(z):
        # Not from erf: 1 - erf is a multiple of 6e-8, so far out it would jump from level to level of rounding.
        return 0.5 * tf.math.erfc(z * math.sqrt(0.5))

    # By symmetry a cell below the mean weighs as much as one above, where small masses keep their digits.
    inner = beyond(tf.abs(z) - half) - beyond(tf.abs(z) + half)
    outer = beyond(tf.where(x < 0.0, -z, z) - half)
    mass = tf.where(tf.abs(x) >= 1.0 - 1e-4, outer, inner)
    return -tf.math.log(tf.maximum(mass, 1e-30))


def linear_schedule(steps: int, first: float = 1e-4, last: float = 0.02):
    """abar of betas that grow linearly, scaled so that a chain of any length ends at the noise of the paper's 1,000;
    at most 0.999, which chains of 20 steps and fewer would exceed."""
    return np.cumprod(1.0 - np.minimum(np.linspace(first, last, steps) * 1000.0 / steps, 0.999))


def cosine_schedule(steps: int, offset: float = 0.008):
    """abar_t = cos^2((t / T + s) / (1 + s) * pi / 2), with betas of at most 0.999."""
    place = (np.arange(steps + 1) / steps + offset) / (1.0 + offset)
    abar = np.cos(place * math.pi / 2.0) ** 2
    return np.cumprod(1.0 - np.minimum(1.0 - abar[1:] / abar[:-1], 0.999))


SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
