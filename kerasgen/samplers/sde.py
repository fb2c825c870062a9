"""Loops that run noise backwards in continuous time, by a stochastic or by an ordinary differential equation.

They share one signature: `predict_noise(x, time)` guesses the noise in x_t, `sde` has the closed forms of
x_t = alpha_t x_0 + sigma_t eps, `x` (B, ...) is drawn from the law at time 1, `steps` times are visited, evenly spaced
from 1 to `sde.stop` (a scalar, also in the exported graph), `noise(i)` gives fresh normal draws like x. The last step
takes all noise away that is left.

Reference: Song, Sohl-Dickstein, Kingma, Kumar, Ermon, Poole, 2020, arXiv:2011.13456.
"""

from __future__ import annotations

import functools
import math

import tensorflow as tf

NAMES = ("predictor_corrector", "reverse_diffusion", "euler_maruyama", "probability_flow")


def reverse_diffusion(predict_noise, sde, x, steps, noise):
    """Undo forward steps x_t = a x_s + sqrt(v) z one by one: x_s = (2 - a) x_t + v score + sqrt(v) z."""

    def step(x, score, time, before, i):
        return _undo(sde, x, score, time, before, noise(i))

    return _descend(step, predict_noise, sde, x, steps)


def predictor_corrector(predict_noise, sde, x, steps, noise, snr: float = 0.16, witnesses: int = 0):
    """`reverse_diffusion` with a step of Langevin's dynamics before every move: two runs of the network per time.

    The last `witnesses` rows of x measure the step for all; 0 are all rows.
    """

    def correct(x, score, time, i):
        return langevin(x, score, noise(2 * i), snr, witnesses)

    def step(x, score, time, before, i):
        return _undo(sde, x, score, time, before, noise(2 * i + 1))

    return _descend(step, predict_noise, sde, x, steps, correct)


def langevin(x, score, draw, snr, witnesses: int = 0):
    """A step x + e score + sqrt(2 e) z, which keeps the law of x_t where it is and mends what is not yet it.

        e = 2 (r |z| / |score|)^2

    with both norms averaged over the last `witnesses` rows, 0 for all of them. In the paper these are all that are
    drawn together; with rows that are the same in every call, an example does not depend on its neighbours. In the
    authors' code a factor 1 - beta_t / 1000 is in e, which is left out here.
    """

    def norm(rows):
        axes = list(range(1, rows.shape.rank))
        return tf.reduce_mean(tf.sqrt(tf.reduce_sum(rows[-witnesses:] ** 2, axes)))

    size = 2.0 * (snr * norm(draw) / norm(score)) ** 2
    return x + size * score + tf.sqrt(2.0 * size) * draw


def euler_maruyama(predict_noise, sde, x, steps, noise):
    """The reverse equation dx = (f x - g^2 score) dt + g dw in small straight steps."""

    def step(x, score, time, before, i):
        drift, square = sde.coefficients(time)
        length = time - before
        return x - length * (drift * x - square * score) + tf.sqrt(length * square) * noise(i)

    return _descend(step, predict_noise, sde, x, steps)


def probability_flow(predict_noise, sde, x, steps, noise=None):
    """The ordinary equation with the same densities at every time; four runs of the network per step."""
    x, time = flow(predict_noise, sde, x, 1.0, sde.stop, steps), tf.constant(sde.stop)
    alpha, sigma = sde.marginal(time)
    return (x - sigma * predict_noise(x, _rows(time, x))) / alpha


def _undo(sde, x, score, time, before, draw):
    (alpha, sigma), (alpha_before, sigma_before) = sde.marginal(time), sde.marginal(before)
    a = alpha / alpha_before
    variance = tf.maximum(sigma**2 - (a * sigma_before) ** 2, 0.0)
    return (2.0 - a) * x + variance * score + tf.sqrt(variance) * draw


def _descend(step, predict_noise, sde, x, steps, correct=None):
    """Visit the times from 1 to `sde.stop`; from the last one go to time 0, where score and x say what x_0 is."""
    last = tf.convert_to_tensor(steps) - 1

    def time_at(i):
        share = tf.cast(tf.minimum(i, last), tf.float32) / tf.cast(tf.maximum(last, 1), tf.float32)
        return 1.0 - (1.0 - sde.stop) * share

    def body(i, x):
        time, before = time_at(i), time_at(i + 1)
        alpha, sigma = sde.marginal(time)

        def score(x):
            return -predict_noise(x, _rows(time, x)) / sigma

        x = correct(x, score(x), time, i) if correct else x
        slope = score(x)
        return i + 1, tf.where(i < last, step(x, slope, time, before, i), (x + sigma**2 * slope) / alpha)

    return tf.while_loop(lambda i, _: i <= last, body, (0, x))[1]


def _rows(time, x):
    return tf.fill(tf.shape(x)[:1], time)


# --- the ordinary equation --------------------------------------------------------------------------------------------


def flow(predict_noise, sde, x, start, end, steps):
    """Carry x from one time to another along the ordinary equation.

    For y = x / alpha and the noise-to-signal ratio r = sigma / alpha it is dy = eps dr, for all three kinds of noise.
    It is solved for w = y / sqrt(1 + r^2), which hardly changes when there is only signal or only noise, by Runge and
    Kutta's fourth-order method:

        dw / dr = eps / sqrt(1 + r^2) - r / (1 + r^2) w

    Steps are even in arsinh(r / 0.001): that is ln r, but for ratios so small that nothing happens there.
    """

    def slope(ratio, w):
        return _speed(ratio, w, _noise_of(predict_noise, sde, ratio)(w))

    (scale, ratio), (scale_end, ratio_end) = (_scale_and_ratio(sde, time) for time in (start, end))
    return scale_end * _integrate(slope, x / scale, ratio, ratio_end, steps)


def log_likelihood(predict_noise, sde, x, trace, start, steps):
    """Nats (B,) of x at time `start`: those of its end at time 1, and the divergence on the way.

    Args:
        trace: function (function, w) -> function(w), trace of its Jacobian (B,).
    """
    size = math.prod(x.shape[1:])

    def slope(ratio, state):
        eps, divergence = trace(_noise_of(predict_noise, sde, ratio), state[0])
        return _speed(ratio, state[0], eps), _speed(ratio, float(size), divergence)

    (scale, ratio), (scale_end, ratio_end) = (_scale_and_ratio(sde, time) for time in (start, 1.0))
    w, volume = _integrate(slope, (x / scale, tf.zeros(tf.shape(x)[:1])), ratio, ratio_end, steps)
    z = scale_end * w / sde.end
    normal = -0.5 * tf.reduce_sum(z**2, list(range(1, x.shape.rank))) - size * (
        0.5 * math.log(2.0 * math.pi) + math.log(sde.end)
    )
    return normal + size * tf.math.log(scale_end / scale) + volume


def estimated_trace(direction):
    """Hutchinson's estimate v . J v of a trace, unbiased for independent signs v (B, ...); one run there and back."""

    def trace(function, w):
        with tf.GradientTape() as tape:
            tape.watch(w)
            value = function(w)
        slope = tape.gradient(value, w, output_gradients=direction)
        return value, tf.reduce_sum(direction * slope, list(range(1, w.shape.rank)))

    return trace


def exact_trace(function, w):
    """The trace itself, as many runs of the network as there are dimensions."""
    size, total = math.prod(w.shape[1:]), 0.0
    for i in range(size):
        direction = tf.reshape(tf.one_hot([i], size), (1, *w.shape[1:])) * tf.ones_like(w)
        value, part = estimated_trace(direction)(function, w)
        total += part
    return value, total


def _noise_of(predict_noise, sde, ratio):
    """eps as a function of w, at the time of that noise-to-signal ratio."""
    time = sde.time_of(ratio)
    scale, _ = _scale_and_ratio(sde, time)
    return lambda w: predict_noise(scale * w, _rows(time, w))


def _scale_and_ratio(sde, time):
    """x / w = sqrt(alpha^2 + sigma^2) and r."""
    alpha, sigma = sde.marginal(tf.convert_to_tensor(time))
    return tf.sqrt(alpha**2 + sigma**2), sigma / alpha


def _speed(ratio, w, eps):
    """The derivative by r."""
    return tf.math.rsqrt(1.0 + ratio**2) * eps - ratio / (1.0 + ratio**2) * w


SMALL = 1e-3  # the noise-to-signal ratio below which steps are even in it, not in its logarithm
# Runge and Kutta's four stages: where each looks, how far it carries the state for the next, and its weight.
LOOK, CARRY, WEIGHT = (0.0, 0.5, 0.5, 1.0), (0.5, 0.5, 1.0, 0.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6)


def _integrate(slope, state, start, end, steps):
    """Runge and Kutta's method from one noise-to-signal ratio r to another; `slope(r, state)` is by r.

    Stages follow each other in the loop, so that the exported graph holds the network once.
    """
    first, last = tf.math.asinh(start / SMALL), tf.math.asinh(end / SMALL)
    length = (last - first) / tf.cast(steps, tf.float32)

    def add(state, weight, slopes):
        return tf.nest.map_structure(lambda x, y: x + weight * y, state, slopes)

    def body(i, state, here, total):
        stage = i % 4
        look, carry, weight = (tf.gather(tf.constant(table), stage) for table in (LOOK, CARRY, WEIGHT))
        ratio = SMALL * tf.sinh(first + length * (tf.cast(i // 4, tf.float32) + look))
        slopes, change = slope(ratio, here), length * tf.sqrt(SMALL**2 + ratio**2)  # of r in a step
        total = add(total, weight * change, slopes)
        done, moved = add(state, 1.0, total), add(state, carry * change, slopes)
        choose = functools.partial(tf.nest.map_structure, lambda x, y: tf.where(stage == 3, x, y))
        return i + 1, choose(done, state), choose(done, moved), choose(zero, total)

    zero = tf.nest.map_structure(tf.zeros_like, state)
    return tf.while_loop(lambda i, *_: i < 4 * steps, body, (0, state, state, zero))[1]
