"""Denoising where everything is known: for data N(m, s^2) the best guess of x_0 is linear in x_t, so a sampler is a
linear recursion, whose mean and variance follow exactly from its answers to a zero, a one and one draw at a time.

The figures were computed apart from this code: m = 0.3, s = 0.5, T = 1000, beta from 1e-4 to 0.02.
"""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from kerasgen import random, samplers
from kerasgen.model import Batch
from kerasgen.objectives import denoising

M, S, T = 0.3, 0.5, 1000
ABAR = denoising.linear_schedule(T)
ENTROPY = 0.72579  # of N(m, s^2), nats


def best_clean(abar):
    """E[x_0 | x_t] for Gaussian data."""

    def clean(x, time):
        a = tf.gather(tf.constant(abar, tf.float32), time)[:, None]
        return M + tf.sqrt(a) * S**2 / (a * S**2 + 1 - a) * (x - tf.sqrt(a) * M)

    return clean


def graph(function):
    """Run in a graph, which is much faster for long chains."""
    return tf.function(function, autograph=False)().numpy()


def one_at_a_time(steps):
    """Starts and noises that are zero but for one of them per row: row 0 none, row 1 the start, row i + 2 step i."""
    start = np.zeros((steps + 2, 1), "float32")
    start[1] = 1
    return tf.constant(start), lambda i: tf.cast(tf.range(steps + 2) == i + 2, tf.float32)[:, None]


def law(sampler, steps, **options):
    """Mean and standard deviation of a sampler's output."""
    start, noise = one_at_a_time(steps)
    out = graph(lambda: sampler(best_clean(ABAR), ABAR, start, steps, noise, **options))[:, 0].astype(
        "float64"
    )
    return out[0], np.sqrt(((out[1:] - out[0]) ** 2).sum())


# ------------------------------------------------------------------------------------------------- samplers


@pytest.mark.parametrize("variance, expected", [("fixed_large", 0.50075), ("fixed_small", 0.49611)])
def test_ancestral_sampling_reaches_the_exact_law(variance, expected):
    mean, deviation = law(samplers.ancestral, T, variance=variance)
    assert mean == pytest.approx(0.29997, abs=1e-4) and deviation == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "eta, table",
    [
        (0.0, {5: 0.2693, 10: 0.3741, 20: 0.4337, 50: 0.4724, 100: 0.4860, 1000: 0.4985}),
        (1.0, {5: 0.2478, 10: 0.3333, 20: 0.3915, 50: 0.4441, 100: 0.4683, 1000: 0.4961}),
    ],
)
def test_ddim_reaches_the_exact_law(eta, table):
    found = {steps: law(samplers.ddim, steps, eta=eta) for steps in table}
    assert {steps: deviation for steps, (_, deviation) in found.items()} == pytest.approx(table, abs=1e-4)
    assert found[1000][0] == pytest.approx(M, abs=1e-3)


def test_ddim_without_noise_is_a_function_of_the_start():
    def never(i):
        raise AssertionError("drew noise")

    x = samplers.ddim(best_clean(ABAR), ABAR, tf.ones((1, 1)), 5, never)
    np.testing.assert_array_equal(x, samplers.ddim(best_clean(ABAR), ABAR, tf.ones((1, 1)), 5))


def test_ddim_with_all_steps_and_noise_is_ancestral():
    """Same noise, same pictures, also for a denoiser that is not linear: means and variances agree at every step."""
    abar = denoising.cosine_schedule(40)
    start, speed = tf.constant([[-1.0], [0.3], [2.0]]), tf.constant([[1.0], [2.0], [3.0]])
    noise = lambda i: tf.sin(speed * tf.cast(i, tf.float32))
    clean = lambda x, time: tf.tanh(x + 0.1 * tf.cast(time, tf.float32)[:, None])
    one = samplers.ddim(clean, abar, start, 40, noise, eta=1.0)
    other = samplers.ancestral(clean, abar, start, 40, noise, variance="fixed_small")
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    large = samplers.ancestral(clean, abar, start, 40, noise, variance="fixed_large")
    assert np.abs(one - large).max() > 1e-3


@pytest.mark.parametrize("sampler", samplers.NAMES)
def test_samplers_visit_evenly_spaced_times_and_no_more_than_there_are(sampler):
    times = []

    def clean(x, time):
        times.append(int(time[0]))
        return x

    def visit(steps):
        times.clear()
        getattr(samplers, sampler)(
            clean, denoising.linear_schedule(25), tf.zeros((1, 1)), steps, lambda i: 0.0
        )
        return list(times)

    assert visit(5) == [20, 15, 10, 5, 0]
    assert visit(4) == [18, 12, 6, 0]
    assert visit(1) == [0]
    assert visit(25) == visit(26) == visit(10**6) == list(range(24, -1, -1))


def test_the_exact_denoiser_of_a_few_points_leads_to_the_points():
    """The best guess for a finite set is its softmax-weighted mean; the chain must end on the set."""
    points = tf.constant([[-1.0, 0.0], [0.5, 0.8], [0.7, -0.6], [0.0, 0.1]])

    def clean(x, time):
        a = tf.gather(tf.constant(ABAR, tf.float32), time)[:, None, None]
        distance = tf.reduce_sum((x[:, None] - tf.sqrt(a) * points) ** 2, -1)  # (B, 4)
        return tf.nn.softmax(-distance / (2 * (1 - a[..., 0]))) @ points

    start = tf.constant(np.random.default_rng(0).normal(size=(64, 2)), tf.float32)
    index = tf.range(64)
    for draw in (
        lambda: samplers.ddim(clean, ABAR, start, 200),
        lambda: samplers.ancestral(clean, ABAR, start, 200, lambda i: random.normal(0, i, index, (2,))),
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
    tables = (process.signal, process.carry, process.posterior, process.reverse)
    assert all(np.isfinite(table).all() and (table >= 0).all() for table in tables)
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
            assert signal[i] == pytest.approx(mean, rel=1e-4) and noise[i] ** 2 == pytest.approx(
                variance, rel=1e-3
            )


def test_taking_away_the_noise_that_was_added_gives_the_picture_back():
    process, generator = denoising.Process(ABAR), np.random.default_rng(0)
    x, noise = (tf.constant(generator.normal(size=(5, 3)), tf.float32) for _ in range(2))
    time = tf.constant([0, 10, 100, 500, 700])
    np.testing.assert_allclose(
        process.remove_noise(process.add_noise(x, noise, time), noise, time), x, atol=1e-4
    )


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
    level = tf.constant(
        [0.0, levels[0] / 2, levels[7] * 1.001, levels[500] * 1.0001, levels[-1] * 2], tf.float32
    )
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


@pytest.mark.parametrize("variance, expected", [("fixed_large", 0.72689), ("fixed_small", 1.18214)])
def test_the_bound_of_the_best_denoiser(two_point_noise, variance, expected):
    process = denoising.Process(ABAR, variance)
    bound = graph(lambda: process.bound(best_clean(ABAR), X, 0, None)).mean()
    assert bound == pytest.approx(expected, abs=2e-4) and bound > ENTROPY
    worse = graph(lambda: process.bound(lambda x, t: best_clean(ABAR)(x, t) + 0.02, X, 0, None)).mean()
    assert worse > bound + 0.01


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
    mass = np.where(
        z > 0, stats.norm.sf(low) - stats.norm.sf(high), stats.norm.cdf(high) - stats.norm.cdf(low)
    )
    mass = np.select([x.numpy() < -0.99, x.numpy() > 0.99], [stats.norm.cdf(high), stats.norm.sf(low)], mass)
    assert mass.min() < 1e-19
    np.testing.assert_allclose(found, -np.log(mass), rtol=2e-5, atol=1e-5)
    slope = -(stats.norm.pdf(high) * (x.numpy() < 0.99) - stats.norm.pdf(low) * (x.numpy() > -0.99)) / mass
    np.testing.assert_allclose(tape.gradient(found, z)[:, 0], slope.sum(1), rtol=1e-3, atol=1e-3)


class Exact(denoising.Denoising):
    """The best denoiser as a model: data that are N(m, s^2) over [-1, 1] are N((m + 1) / 2, s^2 / 4) over [0, 1]."""

    kinds = ("vector",)

    def __init__(self, levels=None, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.levels = (1,), levels
        self.process, self.sampler = denoising.Process(ABAR), "ancestral"

    def predict_noise(self, x, time, label=None, training=False):
        a = tf.gather(tf.constant(ABAR, tf.float32), time)[:, None]
        return tf.sqrt(1 - a) * (x - tf.sqrt(a) * M) / (a * S**2 + 1 - a)


def test_a_model_without_levels_is_bounded_per_unit_of_x(two_point_noise):
    """x in [0, 1] has half the width of the inner scale: its density is twice as high."""
    bound = graph(lambda: Exact().serve_bound((X + 1) / 2, 0)).mean()
    assert -bound == pytest.approx(0.72689 - np.log(2), abs=2e-4)


def test_many_levels_are_a_density_per_level(two_point_noise):
    """The probability of one of many levels is its density times its width."""
    levels = (
        65  # a level's width of 1/32 is small beside s, and large beside the last step's deviation of 0.01
    )
    x = tf.constant([[-0.5], [0.0], [0.25], [0.75]] * 2)
    discrete = graph(lambda: Exact(levels).serve_bound((x + 1) / 2, 0))
    density = stats.norm.logpdf(x[:, 0], M, S)
    paired = discrete.reshape(2, 4).mean(0)
    np.testing.assert_allclose(paired, density[:4] + np.log(2 / (levels - 1)), atol=0.1)


def test_the_loss_of_the_best_denoiser():
    """E |eps - eps*|^2 at time t is abar s^2 / (abar s^2 + 1 - abar); the loss averages over all times."""
    count = 40_000
    x = stats.norm((M + 1) / 2, S / 2).rvs((count, 1), random_state=0).astype("float32")
    loss = Exact().losses(Batch(tf.constant(x), None, tf.range(count), tf.constant(0)), training=True)["loss"]
    assert float(loss) == pytest.approx((ABAR * S**2 / (ABAR * S**2 + 1 - ABAR)).mean(), rel=0.04)


def test_the_best_denoiser_is_the_wiener_filter():
    x, level = np.array([[0.2], [0.9], [0.65]], "float32"), np.array([0.05, 0.3, 1.0], "float32")
    found = Exact().serve_denoise(tf.constant(x), tf.constant(level))[:, 0]
    share = (S / 2) ** 2 / ((S / 2) ** 2 + level**2)
    np.testing.assert_allclose(found, share * x[:, 0] + (1 - share) * (M + 1) / 2, atol=5e-3)
