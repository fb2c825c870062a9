"""Scores in continuous time: learn grad log p_t for every amount of noise t, then run the noise backwards.

    x_t = alpha_t x_0 + sigma_t eps;   loss = E |eps - eps_theta(x_t, t)|^2,   score(x, t) = -eps_theta(x, t) / sigma_t

which is score matching weighted by sigma_t^2. The noise is that of a stochastic equation dx = f(t) x dt + g(t) dw;
`SDE` holds its closed forms. The same scores drive its reversal (`sample`) and an ordinary equation with the same
densities: its path is a code for a picture (`encode`, `decode`) and its divergence a likelihood (`bound`).

Inside, pictures are in [-1, 1] and vectors as they are. Data with levels have u ~ U[0, 1) levels added, since densities
are spoken of.

Reference: Song, Sohl-Dickstein, Kingma, Kumar, Ermon, Poole, 2020, arXiv:2011.13456.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import from_signed, to_signed
from kerasgen.objectives import augment
from kerasgen.objectives.density import likelihood
from kerasgen.samplers import Choice
from kerasgen.samplers import sde as samplers

FIRST, STOP = 1e-5, 1e-3  # the first time of training and of the ordinary equation; the last of sampling
LITTLE = 1e-2  # noise over signal at which `score` is served
ODE_STEPS = 24  # of the ordinary equation, four runs of the network each
EXACT = 8  # dimensions up to which the trace of a Jacobian is summed, one run each, and not estimated
WITNESSED = 128  # dimensions, of all witnesses together, that measure the steps of "predictor_corrector"


class Score(GenerativeModel):
    """A network that predicts the noise in an example at any time in (0, 1].

    A model sets `self.sde`, `self.default_steps` and `latent_dim`, and fills one hook, `predict_noise`.

    Attributes:
        sampler: name of the function in `kerasgen.samplers.sde` that `sample` runs; may be replaced after training.
        snr: r of Langevin's steps in "predictor_corrector".
        mirror: share of the training pictures that are mirrored.
    """

    serves = ("sample", "denoise", "score", "encode", "decode", "bound")
    reports = ("loss",)
    inconvertible = {"bound": "the gradient of a network holds operations that have no ONNX form"}
    density = True
    sampler = Choice(*samplers.NAMES)
    snr = 0.16
    mirror = 0.0

    def predict_noise(self, x, time, training: bool = False):
        """Hook: eps like x from x_t (B, *image_shape), in the inner scale, and time (B,) in (0, 1]."""
        raise NotImplementedError

    def losses(self, batch, training):
        x = self.inwards(likelihood.dequantise(batch, self.levels))
        x = augment.mirror(x, self.mirror * training, batch.seed, batch.index)
        first = self.sde.first
        time = first + (1.0 - first) * random.uniform(batch.seed, random.TIME, batch.index, ())
        noise = random.normal(batch.seed, random.NOISE, batch.index, x.shape[1:])
        alpha, sigma = (like(part, x) for part in self.sde.marginal(time))
        guess = self.predict_noise(alpha * x + sigma * noise, time, training)
        return {"loss": ops.mean((noise - guess) ** 2)}

    # The inner scale: [0, levels), or [0, 1], becomes [-1, 1]; vectors stay.

    def inwards(self, y):
        if self.levels:
            return to_signed(y / self.levels)
        return to_signed(y) if len(self.image_shape) == 3 else y

    def outwards(self, v):
        if self.levels:
            return likelihood.from_units(from_signed(v) * self.levels, self.levels)
        return tf.clip_by_value(from_signed(v), 0.0, 1.0) if len(self.image_shape) == 3 else v

    @property
    def stretch(self) -> float:
        """The derivative of the inner scale by x."""
        return 2.0 * (self.levels - 1.0) / self.levels if self.levels else 1.0 + (len(self.image_shape) == 3)

    def centre(self, x):
        """x as users see it, at the middle of its level's cell, in the inner scale."""
        return self.inwards(likelihood.to_units(x, self.levels) + (0.5 if self.levels else 0.0))

    @property
    def witnesses(self) -> int:
        """Further examples, the same for all of a seed, that measure the steps of Langevin's dynamics."""
        return -(-WITNESSED // math.prod(self.image_shape))

    def visited(self) -> int:
        return ODE_STEPS if self.sampler == "probability_flow" else self.default_steps

    @property
    def changes(self):
        return {"steps": dict(meaning="times that the sampler visits", default=self.visited())}

    def serve_sample(self, seed, index, steps):
        def noise(i):
            return random.normal(seed, random.NOISE + i, index, self.image_shape)

        options, count = {}, tf.size(index)
        if self.sampler == "predictor_corrector":
            options = {"snr": self.snr, "witnesses": self.witnesses}
            index = tf.concat([index, -1 - tf.range(self.witnesses)], 0)
        start = self.sde.end * random.normal(seed, random.LATENT, index, self.image_shape)
        x = getattr(samplers, self.sampler)(self.predict_noise, self.sde, start, steps, noise, **options)
        return self.outwards(x[:count])

    def serve_denoise(self, x, noise_level):
        level = self.stretch * noise_level
        time = tf.maximum(self.sde.time_of(level), self.sde.first)
        x, level = self.centre(x), like(level, x)
        alpha = like(self.sde.marginal(time)[0], x)
        return self.outwards(x - level * self.predict_noise(alpha * x, time))

    def serve_score(self, x):
        """Under a little noise: with less, the network's errors, divided by the noise, would outgrow the score."""
        x, time = self.centre(x), self.sde.time_of(tf.fill(tf.shape(x)[:1], LITTLE))
        sigma = like(self.sde.marginal(time)[1], x)
        return -self.stretch / sigma * self.predict_noise(x, time)

    def serve_encode(self, x):
        end = samplers.flow(self.predict_noise, self.sde, self.centre(x), self.sde.first, 1.0, ODE_STEPS)
        return tf.reshape(end / self.sde.end, (-1, self.latent_dim))

    def serve_decode(self, latent):
        start = self.sde.end * tf.reshape(latent, (-1, *self.image_shape))
        return self.outwards(samplers.flow(self.predict_noise, self.sde, start, 1.0, self.sde.first, ODE_STEPS))

    def serve_bound(self, x, seed):
        """The likelihood of the ordinary equation, in a few dimensions exact, so that the seed changes nothing; in more
        its trace is estimated, with one random direction per example."""
        v = self.inwards(likelihood.to_units(x, self.levels))
        trace = samplers.exact_trace
        if math.prod(self.image_shape) > EXACT:
            signs = random.integers(seed, random.NOISE, tf.range(tf.shape(v)[0]), self.image_shape, 2)
            trace = samplers.estimated_trace(2.0 * tf.cast(signs, tf.float32) - 1.0)
        nats = samplers.log_likelihood(self.predict_noise, self.sde, v, trace, self.sde.first, ODE_STEPS)
        # Per grey level, or per unit of x.
        unit = 2.0 / self.levels if self.levels else self.stretch
        return nats + math.prod(self.image_shape) * math.log(unit)


def like(values, x):
    """(B,) shaped to multiply x (B, ...)."""
    return tf.reshape(values, (-1, *[1] * (x.shape.rank - 1)))


class SDE:
    """x_t = alpha_t x_0 + sigma_t eps at times t in (0, 1], and its inverse: the time of a noise-to-signal ratio.

    Args:
        kind: "vp" (variance preserving, the limit of DDPM: alpha^2 + sigma^2 = 1), "sub_vp" (sigma = 1 - alpha^2) or
            "ve" (variance exploding, the limit of many Gaussians of growing width: alpha = 1).
        beta: first and last rate of "vp" and "sub_vp", alpha_t^2 = exp(-integral of beta).
        sigma: first and last deviation of "ve", between which it grows geometrically.

    Attributes:
        end: deviation of the law that sampling starts from.
        first: the time of the least noise that a network is asked about.
        stop: the time at which sampling ends.
    """

    def __init__(self, kind: str, beta=(0.1, 20.0), sigma=(0.01, 50.0)):
        if kind not in KINDS:
            raise ValueError(f"sde: expected {' or '.join(KINDS)}, got {kind!r}")
        self.kind, self.beta, self.sigma = kind, beta, sigma
        self.end = sigma[1] if kind == "ve" else 1.0
        self.first, self.stop = FIRST, FIRST if kind == "ve" else STOP

    def marginal(self, time):
        """(alpha_t, sigma_t), like time."""
        if self.kind == "ve":
            first, last = self.sigma
            return tf.ones_like(time), first * (last / first) ** time
        first, last = self.beta
        exponent = time * (first + 0.5 * time * (last - first))  # the integral of beta
        # 1 - exp(-x) keeps its digits for small x, where float32 holds no alpha between 1 and 1 - 1e-6.
        faded = -tf.math.expm1(-exponent)  # 1 - alpha^2
        return tf.exp(-0.5 * exponent), tf.sqrt(faded) if self.kind == "vp" else faded

    def coefficients(self, time):
        """(f, g^2) of dx = f x dt + g dw: f = d ln alpha / dt, g^2 = d sigma^2 / dt - 2 f sigma^2."""
        if self.kind == "ve":
            first, last = self.sigma
            return tf.zeros_like(time), 2.0 * math.log(last / first) * self.marginal(time)[1] ** 2
        first, last = self.beta
        beta = first + time * (last - first)
        faded = 1.0 if self.kind == "vp" else 1.0 - self.marginal(time)[0] ** 4
        return -0.5 * beta, beta * faded

    def time_of(self, ratio):
        """The time at which sigma_t / alpha_t = ratio, at most 1."""
        if self.kind == "ve":
            first, last = self.sigma
            return tf.clip_by_value(tf.math.log(ratio / first) / math.log(last / first), 0.0, 1.0)
        if self.kind == "vp":
            exponent = tf.math.log1p(ratio**2)
        else:  # (1 - alpha^2) / alpha = ratio, alpha = 2 / (ratio + root): ln of its inverse squared without loss
            exponent = 2.0 * tf.math.asinh(0.5 * ratio)
        first, last = self.beta
        root = tf.sqrt(first**2 + 2.0 * (last - first) * exponent)
        return tf.minimum(2.0 * exponent / (first + root), 1.0)


KINDS = ("vp", "sub_vp", "ve")
