"""Denoising where everything is known: for data N(m, s^2) the best guess of x_0 is linear in x_t, so a sampler is a
linear recursion, whose mean and variance follow exactly from its answers to a zero, a one and one draw at a time.

The figures were computed apart from this code: m = 0.3, s = 0.5, T = 1000, beta from 1e-4 to 0.02.
"""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from kerasgen import samplers
from kerasgen.core import random
from kerasgen.core.batch import Batch
from kerasgen.objectives.diffusion import denoising

M, S, T = 0.3, 0.5, 1000
ABAR = denoising.linear_schedule(T)
ENTROPY = 0.72579  # of N(m, s^2), nats


def best_clean(abar, share=1.0, shift=0.0):
    """E[x_0 | x_t] for Gaussian data, shifted, and a share of the larger variance, after t = 0."""

    def clean(x, time):
        a = tf.gather(tf.constant(abar, tf.float32), time)[:, None]
        guess = M + tf.sqrt(a) * S**2 / (a * S**2 + 1 - a) * (x - tf.sqrt(a) * M)
        return guess + shift, tf.where(time[:, None] > 0, share, 1.0)

    return clean


def graph(function):
    """Run in a graph, which is much faster for long chains."""
    return tf.function(function, autograph=False)().numpy()


def one_at_a_time(steps):
    """Starts and noises that are zero but for one of them per row: row 0 none, row 1 the start, row i + 2 step i."""
    start = np.zeros((steps + 2, 1), "float32")
    start[1] = 1
    return tf.constant(start), lambda i: tf.cast(tf.range(steps + 2) == i + 2, tf.float32)[:, None]


def law(sampler, abar, times, share=1.0, **options):
    """Mean and standard deviation of a sampler's output."""
    start, noise = one_at_a_time(len(times))
    call = lambda: sampler(best_clean(abar, share), abar, start, tf.constant(times), noise, **options)
    out = graph(call)[:, 0].astype("float64")
    return out[0], np.sqrt(((out[1:] - out[0]) ** 2).sum())


def recursion(abar, times, share=None, told=None):
    """The same by the papers' formulas, moment by moment, in double precision: DDIM without noise, or ancestral with a
    share of the larger variance. `told` is the time that the denoiser is told at the start, if not the true one."""
    mean, variance = 0.0, 1.0
    for i in reversed(range(len(times))):
        now, before = abar[times[i]], abar[times[i - 1]] if i else 1.0
        a = abar[told if told is not None and i == len(times) - 1 else times[i]]
        gain = np.sqrt(a) * S**2 / (a * S**2 + 1 - a)  # x_0 = gain x + rest
        rest, noise = M - gain * np.sqrt(a) * M, 0.0
        if share is None:
            of_x = np.sqrt((1 - before) / (1 - now))
            of_guess = np.sqrt(before) - of_x * np.sqrt(now)
        else:
            beta = 1 - now / before
            of_x, of_guess = np.sqrt(1 - beta) * (1 - before) / (1 - now), np.sqrt(before) * beta / (1 - now)
            noise = beta**share * (beta * (1 - before) / (1 - now)) ** (1 - share) if i else 0.0
        keep = of_x + of_guess * gain
        mean, variance = keep * mean + of_guess * rest, keep**2 * variance + noise
    return mean, np.sqrt(variance)


# ------------------------------------------------------------------------------------------------- samplers


@pytest.mark.parametrize("share, expected", [(1.0, 0.50075), (0.0, 0.49611)])
def test_ancestral_sampling_reaches_the_exact_law(share, expected):
    mean, deviation = law(samplers.ancestral, ABAR, np.arange(T), share)
    assert mean == pytest.approx(0.29997, abs=1e-4) and deviation == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "eta, table",
    [
        (0.0, {5: 0.2693, 10: 0.3741, 20: 0.4337, 50: 0.4724, 100: 0.4860, 1000: 0.4985}),
        (1.0, {5: 0.2478, 10: 0.3333, 20: 0.3915, 50: 0.4441, 100: 0.4683, 1000: 0.4961}),
    ],
)
def test_ddim_reaches_the_exact_law(eta, table):
    found = {n: law(samplers.ddim, ABAR, np.arange(0, T, T // n), eta=eta) for n in table}
    assert {n: deviation for n, (_, deviation) in found.items()} == pytest.approx(table, abs=1e-4)
    assert found[1000][0] == pytest.approx(M, abs=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 50])
def test_few_steps_keep_the_mean(steps):
    """By the cosine schedule, which ends in pure noise. Strides, which start from the noise of T - 1 at another time,
    do not: of five steps the mean is 0.265."""
    abar = denoising.cosine_schedule(T)
    for spacing in ("even", "quadratic"):
        times = samplers.times(spacing, T, steps).numpy()
        for sampler, share in ((samplers.ddim, None), (samplers.ancestral, 0.0), (samplers.ancestral, 1.0)):
            found = law(sampler, abar, times, 1.0 if share is None else share)
            assert found == pytest.approx(recursion(abar, times, share), abs=1e-4)
            assert found[0] == pytest.approx(M, abs=1e-4)
    if steps == 5:
        mean = law(samplers.ddim, abar, samplers.times("stride", T, 5).numpy())[0]
        assert mean == pytest.approx(0.26495, abs=1e-4)


def test_ddim_without_noise_is_a_function_of_the_start():
    def never(i):
        raise AssertionError("drew noise")

    times = tf.constant([0, 250, 500, 749, 999])
    x = samplers.ddim(best_clean(ABAR), ABAR, tf.ones((1, 1)), times, never)
    np.testing.assert_array_equal(x, samplers.ddim(best_clean(ABAR), ABAR, tf.ones((1, 1)), times))


def test_ddim_with_noise_is_ancestral():
    """Same noise, same pictures, also for a denoiser that is not linear: means and variances agree at every step."""
    abar = denoising.cosine_schedule(40)
    start, speed = tf.constant([[-1.0], [0.3], [2.0]]), tf.constant([[1.0], [2.0], [3.0]])
    noise = lambda i: tf.sin(speed * tf.cast(i, tf.float32))
    clean = lambda share: lambda x, time: (tf.tanh(x + 0.1 * tf.cast(time, tf.float32)[:, None]), share)
    for steps in (7, 40):
        times = samplers.times("even", 40, steps)
        one = samplers.ddim(clean(0.0), abar, start, times, noise, eta=1.0)
        other, large = (samplers.ancestral(clean(share), abar, start, times, noise) for share in (0.0, 1.0))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
        assert np.abs(one - large).max() > 1e-3


@pytest.mark.parametrize("total", [25, 100, 1000, 4000])
@pytest.mark.parametrize("steps", [2, 3, 4, 5, 7, 10, 20, 25, 50, 100, 250, 4000])
def test_even_times_are_those_of_the_published_code(total, steps):
    """In double precision, halves to the even number, as Python rounds; the strides are those of DDIM's code."""
    found = samplers.times("even", total, steps).numpy()
    steps = min(steps, total)
    np.testing.assert_array_equal(found, [round(i * (total - 1) / (steps - 1)) for i in range(steps)])
    if total % steps == 0:
        strides = range(0, total, total // steps)
        np.testing.assert_array_equal(samplers.times("stride", total, steps), strides)


@pytest.mark.parametrize("spacing", samplers.SPACINGS)
@pytest.mark.parametrize("total", [1, 2, 7, 25, 1000, 4000])
def test_no_time_is_visited_twice_and_one_step_begins_at_the_start(spacing, total):
    for steps in {1, 2, 3, 7, total // 2 + 1, total, total + 1, 10**9}:
        found = samplers.times(spacing, total, steps).numpy()
        assert len(found) == min(steps, total) and found[0] >= 0 and (np.diff(found) > 0).all()
        assert found[-1] == total - 1 or (spacing == "stride" and 1 < steps < total and found[-1] < total)
        if steps >= total:
            np.testing.assert_array_equal(found, np.arange(total))


def test_quadratic_times_are_near_to_the_clean_end():
    assert samplers.times("quadratic", 1000, 7).numpy().tolist() == [0, 27, 111, 249, 444, 693, 999]


@pytest.mark.parametrize("sampler", samplers.NAMES)
def test_samplers_visit_the_times_from_the_last_to_the_first(sampler):
    seen = []

    def clean(x, time):
        seen.append(int(time[0]))
        return x, 1.0

    getattr(samplers, sampler)(clean, ABAR, tf.zeros((1, 1)), tf.constant([2, 30, 999]), lambda i: 0.0)
    assert seen == [999, 30, 2]


def test_the_exact_denoiser_of_a_few_points_leads_to_the_points():
    """The best guess for a finite set is its softmax-weighted mean; the chain must end on the set."""
    points = tf.constant([[-1.0, 0.0], [0.5, 0.8], [0.7, -0.6], [0.0, 0.1]])

    def clean(x, time):
        a = tf.gather(tf.constant(ABAR, tf.float32), time)[:, None, None]
        distance = tf.reduce_sum((x[:, None] - tf.sqrt(a) * points) ** 2, -1)  # (B, 4)
        return tf.nn.softmax(-distance / (2 * (1 - a[..., 0]))) @ points, 1.0

    start = tf.constant(np.random.default_rng(0).normal(size=(64, 2)), tf.float32)
    index, times = tf.range(64), samplers.times("even", T, 200)
    for draw in (
        lambda: samplers.ddim(clean, ABAR, start, times),
        lambda: samplers.ancestral(clean, ABAR, start, times, lambda i: random.normal(0, i, index, (2,))),
    ):
        distance = np.linalg.norm(graph(draw)[:, None] - points, axis=-1)
        assert distance.min(1).max() < 1e-3
        assert len(set(distance.argmin(1))) == 4


# ------------------------------------------------------------------------------------------------- the chain


@pytest.mark.parametrize("name", denoising.SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 10, 20, 21, 100, 1000])
def test_schedules_fall_from_signal_to_noise(name, steps):
    abar = denoising.SCHEDULES[name](steps)
    assert len(abar) == steps and (abar > 0).all() and (abar < 1).all() and (np.diff(abar) < 0).all()
    assert (np.float32(abar) > 0).all() and (np.float32(abar) < 1).all()
    process = denoising.Process(abar)
    tables = (process.signal, process.carry, process.posterior)
    assert all(np.isfinite(table).all() and (table >= 0).all() for table in tables)
    assert np.isfinite(process.log_large).all() and np.isfinite(process.log_small).all()
    assert steps < 20 or (abar[0] > 0.99 and abar[-1] < 1e-4)


def test_schedules_begin_and_end_as_published():
    assert ABAR[0] == pytest.approx(1 - 1e-4) and ABAR[-1] == pytest.approx(4.036e-5, rel=1e-3)
    cosine = denoising.cosine_schedule(T)
    start = np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    assert cosine[0] == pytest.approx(np.cos(0.009 / 1.008 * np.pi / 2) ** 2 / start)
    assert cosine[499] == pytest.approx(np.cos(0.508 / 1.008 * np.pi / 2) ** 2 / start)
    assert 1 - cosine[-1] / cosine[-2] == pytest.approx(0.999)


def test_noise_is_added_as_one_step_after_the_other_would():
    process, beta = denoising.Process(ABAR), 1 - ABAR / np.append(1, ABAR[:-1])
    time = tf.constant([0, 1, 500, 999])
    signal = process.add_noise(tf.ones((4, 1)), tf.zeros((4, 1)), time).numpy()[:, 0]
    noise = process.add_noise(tf.zeros((4, 1)), tf.ones((4, 1)), time).numpy()[:, 0]
    mean, variance = 1.0, 0.0
    for t, b in enumerate(beta):
        mean, variance = np.sqrt(1 - b) * mean, (1 - b) * variance + b
        for i in np.flatnonzero(time.numpy() == t):
            assert signal[i] == pytest.approx(mean, rel=1e-4) and noise[i] ** 2 == pytest.approx(variance, rel=1e-3)


def test_taking_away_the_noise_that_was_added_gives_the_picture_back():
    process, generator = denoising.Process(ABAR), np.random.default_rng(0)
    x, noise = (tf.constant(generator.normal(size=(5, 3)), tf.float32) for _ in range(2))
    time = tf.constant([0, 10, 100, 500, 700])
    np.testing.assert_allclose(process.remove_noise(process.add_noise(x, noise, time), noise, time), x, atol=1e-4)


def test_the_posterior_is_gaussian_bayes():
    """q(x_(t-1) | x_t, x_0) from N(x_(t-1); sqrt(before) x_0, 1 - before) and N(x_t; sqrt(1 - beta) x_(t-1), beta)."""
    process, before = denoising.Process(ABAR), np.append(1, ABAR[:-1])
    beta = 1 - ABAR / before
    time = np.array([1, 2, 50, 400, 999])
    b, p = beta[time], before[time]
    precision = 1 / (1 - p) + (1 - b) / b
    x, clean = 0.7, -0.4
    mean = (np.sqrt(p) * clean / (1 - p) + np.sqrt(1 - b) * x / b) / precision
    np.testing.assert_allclose(process.posterior[time], 1 / precision, rtol=1e-4)
    found = process.posterior_mean(tf.fill((5, 1), x), tf.fill((5, 1), clean), tf.constant(time))
    np.testing.assert_allclose(found[:, 0], mean, rtol=1e-4)
    assert process.posterior[0] == 0 and process.signal[0] == pytest.approx(1) and process.carry[0] == 0


def test_a_noise_level_finds_its_time():
    process = denoising.Process(ABAR)
    levels = np.sqrt(1 / ABAR - 1)
    level = tf.constant([0.0, levels[0] / 2, levels[7] * 1.001, levels[500] * 1.0001, levels[-1] * 2], tf.float32)
    assert process.time_of(level).numpy().tolist() == [0, 0, 7, 500, 999]


# ------------------------------------------------------------------------------------------------- the bound


@pytest.fixture
def two_point_noise(monkeypatch):
    """Draws of 1 for the first half of the rows and -1 for the second: exact expectations of anything quadratic."""

    def normal(seed, stream, index, shape):
        sign = tf.where(index < tf.size(index) // 2, 1.0, -1.0)
        return tf.broadcast_to(tf.reshape(sign, (-1, *[1] * len(shape))), (tf.size(index), *shape))

    monkeypatch.setattr(random, "normal", normal)


X = tf.constant([[M + S], [M - S], [M + S], [M - S]])  # mean m and variance s^2 for either sign of the noise


@pytest.mark.parametrize("share, expected", [(1.0, 0.72689), (0.0, 1.18214)])
def test_the_bound_of_the_best_denoiser(two_point_noise, share, expected):
    process = denoising.Process(ABAR)
    bound = graph(lambda: process.bound(best_clean(ABAR, share), X, 0, None)).mean()
    assert bound == pytest.approx(expected, abs=2e-4) and bound > ENTROPY
    worse = graph(lambda: process.bound(best_clean(ABAR, share, shift=0.02), X, 0, None)).mean()
    assert worse > bound + 0.01


def published_term(x, noisy, guess, t, variance, levels):
    """A term of the bound by the formulas of the authors' code, for linear betas, in double precision."""
    beta = np.linspace(1e-4, 0.02, T)
    abar = np.cumprod(1 - beta)
    before = np.append(1, abar)[t]
    posterior = beta[1:] * (1 - abar[:-1]) / (1 - abar[1:])  # from t = 1 on
    small = np.append(posterior[0], posterior)[t]
    large = np.append(posterior[0], beta[1:])[t]
    mean = lambda clean: (
        (np.sqrt(before) * beta[t] * clean + (1 - before) * np.sqrt(1 - beta[t]) * noisy) / (1 - abar[t])
    )
    reverse = large if variance == "fixed_large" else small
    if t:
        return stats_kl(mean(x), small, mean(guess), reverse)
    low, high = (x + sign / (levels - 1) for sign in (-1, 1))
    low, high = np.where(x < -0.999, -np.inf, low), np.where(x > 0.999, np.inf, high)
    mass = np.diff(stats.norm.cdf([low, high], mean(guess), np.sqrt(reverse)), axis=0)[0]
    return -np.log(mass)


def stats_kl(one, variance, other, spread):
    return 0.5 * (np.log(spread / variance) - 1 + variance / spread + (one - other) ** 2 / spread)


@pytest.mark.parametrize("levels", [17, 256])
@pytest.mark.parametrize("variance", ["fixed_large", "fixed_small"])
def test_terms_of_the_bound_are_those_of_the_published_code(variance, levels):
    """Where noise meets the data, both variances are the posterior's of the step after: half of beta_0."""
    process, generator = denoising.Process(ABAR, variance), np.random.default_rng(0)
    x = 2 * generator.integers(levels, size=(6, 9)) / (levels - 1) - 1
    x[:, :2] = [-1, 1]
    time = np.array([0, 0, 1, 2, 40, 999])
    guess = x + 0.004 * generator.normal(size=x.shape)
    noisy = np.sqrt(ABAR[time])[:, None] * x + np.sqrt(1 - ABAR[time])[:, None] * generator.normal(size=x.shape)
    expected = [published_term(*row, t, variance, levels) for *row, t in zip(x, noisy, guess, time, strict=True)]
    x, noisy, guess = (tf.constant(value, tf.float32) for value in (x, noisy, guess))
    time = tf.constant(time)
    spread = process.between(process.share(time, x, levels), time)
    found = process.term(x, noisy, process.posterior_mean(noisy, guess, time), spread, time, levels)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_levels_of_the_decoder_have_mass_one(levels):
    mean, deviation = np.meshgrid(np.linspace(-2, 2, 21), [0.01, 0.03, 0.1, 0.5, 2.0])
    x = 2 * np.arange(levels, dtype="float32")[:, None] / (levels - 1) - 1  # (levels, 1)
    mean, deviation = (tf.constant(v.reshape(1, -1), tf.float32) for v in (mean, deviation))
    mass = np.exp(-denoising._negative_log_decoder(tf.constant(x), mean, deviation, levels))
    np.testing.assert_allclose(mass.sum(0), 1, atol=1e-4)
    edges = np.append(-np.inf, np.append((x[1:] + x[:-1])[:, 0] / 2, np.inf))[:, None]
    np.testing.assert_allclose(mass, np.diff(stats.norm.cdf(edges, mean, deviation), axis=0), atol=1e-5)


def test_the_decoder_keeps_its_digits_far_from_the_mean():
    """Logarithms of masses down to 1e-27, on both sides, of inner and outer cells, and their slopes."""
    levels, x = 17, tf.constant([-1.0, -0.875, 0.25, 0.875, 1.0])
    z = tf.constant(np.linspace(-10, 10, 41)[:, None], tf.float32)
    deviation = tf.constant(0.1)
    with tf.GradientTape() as tape:
        tape.watch(z)
        found = denoising._negative_log_decoder(x, x - deviation * z, deviation, levels)
    low, high = (z.numpy().astype("float64") + sign / 16 / 0.1 for sign in (-1, 1))
    mass = np.where(z > 0, stats.norm.sf(low) - stats.norm.sf(high), stats.norm.cdf(high) - stats.norm.cdf(low))
    mass = np.select([x.numpy() < -0.99, x.numpy() > 0.99], [stats.norm.cdf(high), stats.norm.sf(low)], mass)
    assert mass.min() < 1e-19
    np.testing.assert_allclose(found, -np.log(mass), rtol=2e-5, atol=1e-5)
    slope = -(stats.norm.pdf(high) * (x.numpy() < 0.99) - stats.norm.pdf(low) * (x.numpy() > -0.99)) / mass
    np.testing.assert_allclose(tape.gradient(found, z)[:, 0], slope.sum(1), rtol=1e-3, atol=1e-3)


class Exact(denoising.Denoising):
    """The best denoiser as a model: data that are N(m, s^2) over [-1, 1] are N((m + 1) / 2, s^2 / 4) over [0, 1]."""

    kinds = ("vector",)
    error = 0.0  # amplitude of what is wrong in the guessed noise

    def __init__(self, levels=None, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.levels = (1,), levels
        self.process, self.sampler, self.spacing = denoising.Process(ABAR), "ancestral", "even"

    def predict_noise(self, x, time, label=None, training=False):
        a = tf.gather(tf.constant(self.process.abar), time)[:, None]
        noise = tf.sqrt(1 - a) * (x - tf.sqrt(a) * M) / (a * S**2 + 1 - a)
        return noise + self.error * tf.sin(5 * x)


def test_a_model_without_levels_is_bounded_per_unit_of_x(two_point_noise):
    """x in [0, 1] has half the width of the inner scale: its density is twice as high."""
    bound = graph(lambda: Exact().serve_bound((X + 1) / 2, 0)).mean()
    assert -bound == pytest.approx(0.72689 - np.log(2), abs=2e-4)


def test_many_levels_are_a_density_per_level(two_point_noise):
    """The probability of one of many levels is its density times its width."""
    levels = 65  # a level's width of 1/32 is small beside s, and large beside the last step's deviation of 0.01
    x = tf.constant([[-0.5], [0.0], [0.25], [0.75]] * 2)
    discrete = graph(lambda: Exact(levels).serve_bound((x + 1) / 2, 0))
    density = stats.norm.logpdf(x[:, 0], M, S)
    paired = discrete.reshape(2, 4).mean(0)
    np.testing.assert_allclose(paired, density[:4] + np.log(2 / (levels - 1)), atol=0.1)


def test_the_loss_of_the_best_denoiser():
    """E |eps - eps*|^2 at time t is abar s^2 / (abar s^2 + 1 - abar); the loss averages over all times."""
    count = 40_000
    x = stats.norm((M + 1) / 2, S / 2).rvs((count, 1), random_state=0).astype("float32")
    loss = Exact().losses(Batch(tf.constant(x), {}, tf.range(count), tf.constant(0)), training=True)["loss"]
    assert float(loss) == pytest.approx((ABAR * S**2 / (ABAR * S**2 + 1 - ABAR)).mean(), rel=0.04)


def test_the_best_denoiser_is_the_wiener_filter():
    x, level = np.array([[0.2], [0.9], [0.65]], "float32"), np.array([0.05, 0.3, 1.0], "float32")
    found = Exact().serve_denoise(tf.constant(x), tf.constant(level))[:, 0]
    share = (S / 2) ** 2 / ((S / 2) ** 2 + level**2)
    np.testing.assert_allclose(found, share * x[:, 0] + (1 - share) * (M + 1) / 2, atol=5e-3)


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 50])
@pytest.mark.parametrize("sampler, share", [("ddim", None), ("ancestral", 1.0)])
def test_few_steps_of_a_model_are_samples(sampler, share, steps):
    """Told a time with a little signal at the start, an exact network keeps the law."""
    model, abar = Exact(), denoising.cosine_schedule(T)
    model.process, model.sampler = denoising.Process(abar), sampler
    times = samplers.times("even", T, steps).numpy()
    mean, deviation = recursion(abar, times, share, told=934)
    assert abar[934] >= 0.01 > abar[935]
    assert mean == pytest.approx(M, abs=1e-3)
    assert deviation == pytest.approx(recursion(abar, times, share)[1], abs=0.03)
    x = 2 * model.sample(4000, seed=7, steps=steps) - 1
    assert x.mean() == pytest.approx(mean, abs=4 * deviation / 4000**0.5)
    assert x.std() == pytest.approx(deviation, rel=0.04)


@pytest.mark.parametrize("sampler", samplers.NAMES)
def test_one_step_of_an_imperfect_network_is_not_its_error(sampler):
    """At the end of a cosine schedule an error of 0.02 in the noise is one of 400 in the picture."""
    model = Exact()
    model.process, model.sampler = denoising.Process(denoising.cosine_schedule(T)), sampler
    model.error = 0.02
    for spacing in samplers.SPACINGS:
        model.spacing = spacing
        x = 2 * model.sample(1000, seed=7, steps=1) - 1
        assert x.mean() == pytest.approx(M, abs=0.02) and x.std() < 0.2


def test_more_steps_than_there_are_are_all():
    model = Exact()
    model.process = denoising.Process(denoising.linear_schedule(25))
    port = next(port for port in model.ports["sample"].inputs if port.name == "steps")
    assert (port.minimum, port.maximum, port.default) == (1, 25, 25)
    with pytest.raises(ValueError, match="steps: expected .*25, got 26"):
        model.sample(2, steps=26)
    model.sampler = "ddim"
    assert next(p for p in model.ports["sample"].inputs if p.name == "steps").default == 25
    with pytest.raises(ValueError, match="spacing: expected even or quadratic or stride, got 'odd'"):
        model.spacing = "odd"
