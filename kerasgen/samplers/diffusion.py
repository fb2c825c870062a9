"""The chains that turn noise into pictures, for models that guess the clean picture behind a noisy one."""

from __future__ import annotations

import tensorflow as tf


def ddim(clean, abar, x, steps, noise=None, eta: float = 0.0):
    """Jump from time to time along the guessed noise.

        x_s = sqrt(abar_s) x_0 + sqrt(1 - abar_s - v) eps + sqrt(v) noise,
        v = eta^2 (1 - abar_s) / (1 - abar_t) (1 - abar_t / abar_s)

    With eta = 0 the result is a function of the starting noise alone; with eta = 1 and all T steps it is `ancestral`
    with the posterior's variance.

    Reference: Song, Meng, Ermon, 2020, Denoising Diffusion Implicit Models, arXiv:2010.02502.
    """

    def step(x, guess, now, before, i):
        eps = (x - tf.sqrt(now) * guess) * tf.math.rsqrt(1.0 - now)
        variance = eta**2 * (1.0 - before) / (1.0 - now) * (1.0 - now / before)
        x = tf.sqrt(before) * guess + tf.sqrt(tf.maximum(1.0 - before - variance, 0.0)) * eps
        return x + tf.sqrt(variance) * noise(i) if eta else x

    return _descend(step, clean, abar, x, steps)


def ancestral(clean, abar, x, steps, noise, variance: str = "fixed_large"):
    """Draw from p(x_s | x_t) = N(mu(x_t, x_0), v), where mu is the mean of q(x_s | x_t, x_0).

    v is beta ("fixed_large"), the variance of q itself ("fixed_small"), or, if `clean` gives the share of it beside the
    picture, between the two in its logarithm ("learned"); the last step adds no noise.

    Reference: Ho, Jain, Abbeel, 2020, Denoising Diffusion Probabilistic Models, arXiv:2006.11239, algorithm 2.
    """

    def step(x, guess, now, before, i):
        guess, share = guess if variance == "learned" else (guess, None)
        alpha = now / before
        mean = (tf.sqrt(before) * (1.0 - alpha) * guess + tf.sqrt(alpha) * (1.0 - before) * x) / (1.0 - now)
        large, small = 1.0 - alpha, (1.0 - alpha) * (1.0 - before) / (1.0 - now)
        if variance == "learned":
            spread = tf.exp(
                share * tf.math.log(large) + (1.0 - share) * tf.math.log(tf.maximum(small, 1e-20))
            )
        else:
            spread = large if variance == "fixed_large" else small
        return mean + tf.where(i > 0, tf.sqrt(spread), 0.0) * noise(i)

    return _descend(step, clean, abar, x, steps)


def _descend(step, clean, abar, x, steps):
    """Visit the times t_i = floor(i T / steps) from the last to the first."""
    total = len(abar)
    table = tf.constant([1.0, *map(float, abar)])  # entry t + 1 is abar_t, entry 0 the clean end
    steps = tf.minimum(tf.convert_to_tensor(steps), total)

    def body(i, x):
        time = i * total // steps
        before = tf.where(i > 0, (i - 1) * total // steps + 1, 0)
        guess = clean(x, tf.fill(tf.shape(x)[:1], time))
        return i - 1, step(x, guess, table[time + 1], tf.gather(table, before), i)

    return tf.while_loop(lambda i, _: i >= 0, body, (steps - 1, x))[1]
