"""Denoising: learn to take away Gaussian noise of every strength, then make pictures by taking it away step by step.

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps,   t = 0 .. T-1;     loss = E |eps - eps_theta(x_t, t)|^2

Inside, pictures are in [-1, 1]. `Process` holds the schedule and its closed forms; samplers are in `kerasgen.samplers`.

Reference: Ho, Jain, Abbeel, 2020, arXiv:2006.11239; cosine schedule: Nichol, Dhariwal, 2021, arXiv:2102.09672.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import tensorflow as tf
from keras import ops

from kerasgen import random, samplers
from kerasgen.model import GenerativeModel
from kerasgen.objectives.adversarial import from_signed, to_signed


class Denoising(GenerativeModel):
    """A network that predicts the noise in a picture, trained on all noise levels at once.

    A model sets `self.process` and fills one hook, `predict_noise`.

    Attributes:
        sampler: name of the function in `kerasgen.samplers` that `sample` runs; may be replaced after training.
    """

    serves = ("sample", "denoise", "bound")
    reports = ("loss",)
    sampler = samplers.Choice(*samplers.NAMES)

    def predict_noise(self, x, time, label=None, training: bool = False):
        """Hook: eps like x from x_t (B, *image_shape) in the scale of [-1, 1] and time (B,) int32."""
        raise NotImplementedError

    def losses(self, batch, training):
        x = to_signed(batch.x)
        time = random.integers(batch.seed, random.TIME, batch.index, (), self.process.steps)
        noise = random.normal(batch.seed, random.NOISE, batch.index, x.shape[1:])
        guess = self.predict_noise(self.process.add_noise(x, noise, time), time, batch.label, training)
        return {"loss": ops.mean((noise - guess) ** 2)}

    def train_step(self, data):
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, "", lambda: self.losses(batch, training=True)))

    def clean(self, x, time, label=None):
        """The guess of x_0 behind x_t: pictures are clipped to [-1, 1], which keeps long chains on the data."""
        return self.bounded(self.process.remove_noise(x, self.predict_noise(x, time, label), time))

    def bounded(self, x):
        return tf.clip_by_value(x, -1.0, 1.0) if len(self.image_shape) == 3 else x

    def port(self, name, function=""):
        port = super().port(name, function)
        if name == "steps":
            default = self.process.steps if self.sampler == "ancestral" else min(50, self.process.steps)
            port = dataclasses.replace(port, maximum=self.process.steps, default=default)
        return port

    def serve_sample(self, seed, index, steps):
        def noise(i):
            return random.normal(seed, random.NOISE + i, index, self.image_shape)

        options = {"variance": self.process.variance} if self.sampler == "ancestral" else {}
        start = random.normal(seed, random.LATENT, index, self.image_shape)
        x = getattr(samplers, self.sampler)(self.clean, self.process.abar, start, steps, noise, **options)
        return from_signed(self.bounded(x))

    def serve_denoise(self, x, noise_level):
        level = 2.0 * noise_level  # [0, 1] is half as wide as [-1, 1]
        time = self.process.time_of(level)
        level = tf.reshape(level, (-1, *[1] * len(self.image_shape)))
        x = to_signed(x)
        return from_signed(
            self.bounded(x - level * self.predict_noise(x * tf.math.rsqrt(1.0 + level**2), time))
        )

    def serve_bound(self, x, seed):
        nats = -self.process.bound(self.clean, to_signed(x), seed, self.levels)
        # A density over [-1, 1] is twice as high over [0, 1], in every dimension.
        return nats if self.levels else nats + math.prod(self.image_shape) * math.log(2.0)


class Process:
    """The forward chain of T noise levels and its closed forms.

    Args:
        abar: (T,) shares of signal left, decreasing in (0, 1).
        variance: "fixed_large" (beta_t) or "fixed_small" (the posterior's) for the reverse steps of the bound.
    """

    def __init__(self, abar, variance: str = "fixed_large"):
        if variance not in ("fixed_large", "fixed_small"):
            raise ValueError(f"variance: expected fixed_large or fixed_small, got {variance!r}")
        self.abar = np.asarray(abar, "float32")
        self.steps, self.variance = len(self.abar), variance
        before = np.append(1.0, np.asarray(abar, "float64")[:-1])
        abar = np.asarray(abar, "float64")
        beta = 1.0 - abar / before
        # mu(x_t, x_0) = signal x_0 + carry x_t, variance of q(x_(t-1) | x_t, x_0)
        self.signal = (np.sqrt(before) * beta / (1.0 - abar)).astype("float32")
        self.carry = (np.sqrt(1.0 - beta) * (1.0 - before) / (1.0 - abar)).astype("float32")
        self.posterior = (beta * (1.0 - before) / (1.0 - abar)).astype("float32")
        # At t = 0, where the posterior has no spread, the decoder has that of x_1 in both cases.
        reverse = beta if variance == "fixed_large" else np.append(beta[0], self.posterior[1:])
        self.reverse = reverse.astype("float32")
        # Learned variances lie between these two.
        self.log_large = np.log(beta).astype("float32")
        self.log_small = np.log(np.append(self.posterior[1:2], self.posterior[1:])).astype("float32")

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

        Where `clean` gives a pair, the second is the share of learned variances for `between`.
        """
        axes = list(range(1, x.shape.rank))
        index = tf.range(tf.shape(x)[0])

        def step(t, total):
            time = tf.fill(tf.shape(index), t)
            noise = random.normal(seed, random.NOISE + t, index, x.shape[1:])
            noisy = self.add_noise(x, noise, time)
            guess = clean(noisy, time)
            if isinstance(guess, tuple):
                guess, variance = guess[0], self.between(guess[1], time)
            else:
                variance = self.at(self.reverse, time, x)
            mean = self.posterior_mean(noisy, guess, time)
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
