"""The chains that turn noise into pictures, for models that guess the clean picture behind a noisy one.

A chain visits S of the T times of the schedule; a spacing chooses them. The visited times are a shorter chain of their
own, whose betas are 1 - abar_t / abar_s for neighbours s < t.

Reference: Nichol, Dhariwal, 2021, Improved Denoising Diffusion Probabilistic Models, arXiv:2102.09672, section 4.
"""

from __future__ import annotations

import tensorflow as tf

# --- spacings: (T, S) -> the times (S,), rising; S is at least 2 and at most T --------------------------------------


def even(total, steps):
    """round(i (T - 1) / (S - 1)), halves to the even number: from 0 to T - 1.

    Differs from the paper's code, which rounds running sums, so that a half may fall to the other side.
    """
    place, gaps = tf.range(steps) * (total - 1), steps - 1
    whole, rest = place // gaps, place % gaps
    return whole + tf.cast(2 * rest + whole % 2 > gaps, place.dtype)


def quadratic(total, steps):
    """floor(c i^2) with c = (T - 1) / (S - 1)^2, but no time twice: close together where there is little noise.

    Differs from the paper's code, whose last time is 0.8 T and which may visit a time twice.

    Reference: Song, Meng, Ermon, 2020, arXiv:2010.02502, appendix D.2.
    """
    place, gaps = tf.range(steps), steps - 1
    return tf.maximum(place, place * place * (total - 1) // (gaps * gaps))


def stride(total, steps):
    """floor(i T / S), the strides of DDIM's code where S divides T; T - 1 is not among them unless S is T.

    The start is taken for x at the last of them, which it is not: samples of few steps have a mean too near to zero.

    Reference: Song, Meng, Ermon, 2020, arXiv:2010.02502, appendix D.2, "linear".
    """
    return tf.range(steps) * total // steps


SPACINGS = {"even": even, "quadratic": quadratic, "stride": stride}


def times(spacing: str, total: int, steps):
    """The times that a chain of `steps` steps visits, (S,) int32, rising; no more than there are.

    A single time is T - 1, where the start is: the authors' codes take 0, where there is no noise to take away.

    Args:
        spacing: "even", "quadratic" or "stride".
        total: T, of the schedule.
        steps: S, a scalar, also in the exported graph.

    Example:
        >>> times("even", 1000, 5).numpy().tolist()
        [0, 250, 500, 749, 999]
    """
    steps = tf.minimum(tf.cast(steps, tf.int64), total)  # squares of times do not fit into 32 bits
    several = SPACINGS[spacing](total, tf.maximum(steps, 2))
    return tf.cast(tf.where(steps == 1, tf.cast(total - 1, tf.int64), several[:steps]), tf.int32)


# --- samplers: one signature, see `kerasgen.samplers` ---------------------------------------------------------------


def ddim(clean, abar, x, times, noise=None, eta: float = 0.0):
    """Jump from time to time along the guessed noise.

        x_s = sqrt(abar_s) x_0 + sqrt(1 - abar_s - v) eps + sqrt(v) noise,
        v = eta^2 (1 - abar_s) / (1 - abar_t) (1 - abar_t / abar_s)

    With eta = 0 the result is a function of the starting noise alone; with eta = 1 it is `ancestral` with the
    posterior's variance.

    Reference: Song, Meng, Ermon, 2020, Denoising Diffusion Implicit Models, arXiv:2010.02502.
    """

    def step(x, guess, share, now, before, i):
        eps = (x - tf.sqrt(now) * guess) * tf.math.rsqrt(1.0 - now)
        variance = eta**2 * (1.0 - before) / (1.0 - now) * (1.0 - now / before)
        x = tf.sqrt(before) * guess + tf.sqrt(tf.maximum(1.0 - before - variance, 0.0)) * eps
        return x + tf.sqrt(variance) * noise(i) if eta else x

    return _descend(step, clean, abar, x, times)


def ancestral(clean, abar, x, times, noise):
    """Draw from p(x_s | x_t) = N(mu(x_t, x_0), v), where mu is the mean of q(x_s | x_t, x_0).

        ln v = share ln(beta) + (1 - share) ln(variance of q)

    with the share that `clean` gives: 1 and 0 are the two fixed variances of the paper, a network may give any other.
    The last step adds no noise.

    Reference: Ho, Jain, Abbeel, 2020, Denoising Diffusion Probabilistic Models, arXiv:2006.11239, algorithm 2.
    """

    def step(x, guess, share, now, before, i):
        alpha = now / before
        mean = (tf.sqrt(before) * (1.0 - alpha) * guess + tf.sqrt(alpha) * (1.0 - before) * x) / (1.0 - now)
        large, small = 1.0 - alpha, (1.0 - alpha) * (1.0 - before) / (1.0 - now)
        spread = tf.exp(share * tf.math.log(large) + (1.0 - share) * tf.math.log(tf.maximum(small, 1e-20)))
        return mean + tf.where(i > 0, tf.sqrt(spread), 0.0) * noise(i)

    return _descend(step, clean, abar, x, times)


def _descend(step, clean, abar, x, times):
    """Visit the times from the last to the first; from the first one go to the clean end."""
    now = tf.gather(tf.constant(abar, tf.float32), times)
    before = tf.concat([[1.0], now[:-1]], 0)

    def body(i, x):
        guess, share = clean(x, tf.fill(tf.shape(x)[:1], times[i]))
        return i - 1, step(x, guess, share, now[i], before[i], i)

    return tf.while_loop(lambda i, _: i >= 0, body, (tf.size(times) - 1, x))[1]
