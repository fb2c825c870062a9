"""Scores where everything is known: for data N(m, s^2) the best guess of the noise is linear in x_t, so samplers are
linear recursions, whose mean and variance follow from their answers to a zero, a one and one draw at a time, and codes
and likelihoods have closed forms.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from kerasgen.core.batch import Batch
from kerasgen.objectives.diffusion import score
from kerasgen.samplers import sde as samplers

M, S = 0.3, 0.5
KINDS = {kind: score.SDE(kind) for kind in score.KINDS}
each_kind = pytest.mark.parametrize("kind", KINDS)


def moments(sde, time):
    """alpha and sigma of the paper, in double precision."""
    time = np.asarray(time, "float64")
    if sde.kind == "ve":
        return np.ones_like(time), 0.01 * 5000.0**time
    alpha = np.exp(-0.25 * time**2 * 19.9 - 0.5 * time * 0.1)
    return alpha, np.sqrt(1 - alpha**2) if sde.kind == "vp" else 1 - alpha**2


def best_noise(sde):
    """E[eps | x_t] for Gaussian data."""

    def predict_noise(x, time):
        alpha, sigma = (score.like(part, x) for part in sde.marginal(time))
        return sigma * (x - alpha * M) / (alpha**2 * S**2 + sigma**2)

    return predict_noise


def graph(function):
    return tf.nest.map_structure(lambda t: t.numpy(), tf.function(function, autograph=False)())


# ------------------------------------------------------------------------------------------------- closed forms


@each_kind
def test_marginals_are_the_papers(kind):
    time = np.linspace(1e-5, 1, 50)
    found = KINDS[kind].marginal(tf.constant(time, tf.float32))
    for one, other in zip(found, moments(KINDS[kind], time), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5)


@each_kind
def test_coefficients_are_those_of_the_marginals(kind):
    """The moments of dx = f x dt + g dw follow m' = f m and v' = 2 f v + g^2."""
    sde, time = KINDS[kind], tf.constant(np.linspace(0.01, 1, 30))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(time)
        alpha, sigma = sde.marginal(time)
        variance = sigma**2
    drift, square = sde.coefficients(time)
    slope = tape.gradient(alpha, time)
    slope = tf.zeros_like(time) if slope is None else slope
    np.testing.assert_allclose(slope, drift * alpha, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(tape.gradient(variance, time), 2 * drift * variance + square, rtol=1e-6)


@each_kind
def test_simulated_forward_paths_have_these_marginals(kind):
    sde, steps = KINDS[kind], 20_000
    mean, variance = 1.0, float(moments(sde, 0.0)[1]) ** 2
    times = tf.constant(np.arange(steps) / steps)
    for drift, square in zip(*(np.asarray(part) for part in sde.coefficients(times)), strict=True):
        mean, variance = mean + drift * mean / steps, variance + (2 * drift * variance + square) / steps
    alpha, sigma = moments(sde, 1.0)
    assert mean == pytest.approx(float(alpha), rel=5e-3) and variance == pytest.approx(float(sigma**2), rel=5e-3)


@each_kind
def test_a_ratio_of_noise_to_signal_finds_its_time(kind):
    sde, time = KINDS[kind], np.geomspace(1e-5 if kind != "ve" else 1e-2, 1, 40)
    alpha, sigma = moments(sde, time)
    np.testing.assert_allclose(sde.time_of(tf.constant(sigma / alpha, tf.float32)), time, rtol=1e-3, atol=1e-5)
    assert float(sde.time_of(tf.constant(1e6))) == 1


@each_kind
def test_the_first_and_last_times_are_the_papers(kind):
    """1e-5 in training and for likelihoods; sampling stops at 1e-3, of VE at 1e-5."""
    sde = KINDS[kind]
    assert (sde.first, sde.stop) == (1e-5, 1e-5 if kind == "ve" else 1e-3)
    alpha, sigma = (float(part) for part in sde.marginal(tf.constant(sde.first)))
    exact = moments(sde, 1e-5)
    assert alpha == pytest.approx(exact[0], rel=1e-6) and sigma == pytest.approx(exact[1], rel=1e-4)


def test_an_unknown_kind_gets_one_line():
    with pytest.raises(ValueError, match="^sde: expected vp or sub_vp or ve, got 'vpp'$"):
        score.SDE("vpp")


# ------------------------------------------------------------------------------------------------- samplers


def law(sampler, sde, steps, draws, witnesses=0):
    """Mean and standard deviation of a sampler's output: row 0 no noise, row 1 the start, row i + 2 draw i. Witnesses
    follow, who measure the corrector's steps and have noise of their own."""
    generator, rows = np.random.default_rng(0), draws + 2
    start = np.concatenate([np.zeros(rows), generator.normal(size=witnesses)])[:, None]
    start[1] = 1
    others = tf.constant(generator.normal(size=(draws, witnesses, 1)), tf.float32)

    def noise(i):
        return tf.concat([tf.cast(tf.range(rows) == i + 2, tf.float32)[:, None], others[i]], 0)

    options = {"witnesses": witnesses} if witnesses else {}
    start = tf.constant(sde.end * start, tf.float32)
    call = lambda: sampler(best_noise(sde), sde, start, steps, noise, **options)
    out = graph(call)[:rows, 0].astype("float64")
    return out[0], np.sqrt(((out[1:] - out[0]) ** 2).sum())


def recursion(sde, steps, kind, snr=0.16):
    """The same by the paper's formulas, moment by moment, in double precision."""
    mean, variance = 0.0, sde.end**2
    times = np.linspace(1, sde.stop, steps)
    for i, time in enumerate(times):
        alpha, sigma = moments(sde, time)
        total = alpha**2 * S**2 + sigma**2  # score = -(x - alpha M) / total
        if kind == "predictor_corrector":
            # The mean size of the score is that of x - alpha M over total, the mean size of z that of a normal.
            away = stats.foldnorm(abs(mean - alpha * M) / np.sqrt(variance), scale=np.sqrt(variance)).mean()
            size = 2 * (snr * np.sqrt(2 / np.pi) * total / away) ** 2
            mean, variance = (
                mean - size * (mean - alpha * M) / total,
                (1 - size / total) ** 2 * variance + 2 * size,
            )
        if i == steps - 1:
            keep = 1 - sigma**2 / total
            return (keep * mean + sigma**2 * alpha * M / total) / alpha, keep * np.sqrt(variance) / alpha
        if kind == "euler_maruyama":
            drift, square = (float(part) for part in sde.coefficients(tf.constant(time, tf.float64)))
            length = time - times[i + 1]
            keep, square = 1 - length * (drift + square / total), length * square
        else:
            before, sigma_before = moments(sde, times[i + 1])
            square = sigma**2 - (alpha / before * sigma_before) ** 2
            keep = 2 - alpha / before - square / total
        shift = square * alpha * M / total
        mean, variance = keep * mean + shift, keep**2 * variance + square


@each_kind
@pytest.mark.parametrize("steps", [2, 60])
@pytest.mark.parametrize("name", [name for name in samplers.NAMES if name != "probability_flow"])
def test_a_stochastic_sampler_is_its_recursion(name, kind, steps):
    sde, witnesses = KINDS[kind], 40_000 if name == "predictor_corrector" else 0
    found = law(getattr(samplers, name), sde, steps, 2 * steps, witnesses)
    np.testing.assert_allclose(found, recursion(sde, steps, name), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["sub_vp", "ve"])
@pytest.mark.parametrize("steps", [60, 100])
def test_a_corrector_pays(kind, steps):
    """At as many runs of the network, the predictor alone, at twice as many times, is further from the data. With norms
    of pure noise in the place of the score's, which are smaller where the data show, it would not be."""
    alone, corrected = (
        abs(recursion(KINDS[kind], n, name)[1] - S)
        for n, name in ((2 * steps, "reverse_diffusion"), (steps, "predictor_corrector"))
    )
    assert corrected < 0.9 * alone


@pytest.mark.parametrize(
    "kind, name, mean, deviation",
    [
        ("vp", "reverse_diffusion", 3e-3, 5e-3),
        ("vp", "predictor_corrector", 3e-3, 5e-3),
        ("vp", "euler_maruyama", 3e-3, 5e-3),
        ("sub_vp", "reverse_diffusion", 3e-3, 5e-3),
        ("sub_vp", "predictor_corrector", 3e-3, 5e-3),
        ("ve", "reverse_diffusion", 3e-3, 1e-2),
        ("ve", "predictor_corrector", 3e-3, 5e-3),
    ],
)
def test_a_thousand_steps_reach_the_data(kind, name, mean, deviation):
    """The corrector has a law of its own: steps e of Langevin's dynamics rest at the deviation S / sqrt(1 - r^2)."""
    found = recursion(KINDS[kind], 1000, name)
    rest = S / np.sqrt(1 - 0.16**2) if name == "predictor_corrector" else S
    assert found[0] == pytest.approx(M, abs=mean) and found[1] == pytest.approx(rest, abs=deviation)


@each_kind
@pytest.mark.parametrize("time", [0.05, 0.4, 1.0])
def test_a_corrector_leaves_the_law_where_it_is(kind, time):
    """A step e of Langevin's dynamics on N(m, v) moves v by e^2 / v, no more; another law it brings nearer."""
    alpha, sigma = moments(KINDS[kind], time)
    total, generator = alpha**2 * S**2 + sigma**2, np.random.default_rng(0)
    for variance in (total, 4 * total):
        away = np.concatenate([[0, np.sqrt(variance), 0], np.sqrt(variance) * generator.normal(size=400_000)])
        draw = np.concatenate([[0, 0, 1], generator.normal(size=400_000)])
        x, slope, draw = (tf.constant(part[:, None], tf.float32) for part in (alpha * M + away, -away / total, draw))
        out = samplers.langevin(x, slope, draw, 0.16, 400_000).numpy()[:3, 0].astype("float64")
        assert out[0] == pytest.approx(alpha * M, abs=1e-4 * sigma)
        size = 2 * (0.16 * total) ** 2 / variance
        after = ((out[1:] - out[0]) ** 2).sum()
        assert after == pytest.approx((1 - size / total) ** 2 * variance + 2 * size, rel=1e-4)
        assert after <= variance * 1.003


def test_the_corrector_steps_as_published():
    """2 (r |z| / |score|)^2 with norms of whole examples averaged over the witnesses, colour and all."""
    generator, shape = np.random.default_rng(0), (5, 4, 6, 3)
    x, score, draw = (tf.constant(generator.normal(size=shape), tf.float32) for _ in range(3))
    for witnesses in (0, 2):
        norm = lambda v, n=witnesses: np.linalg.norm(np.reshape(v, (5, -1))[-n:], axis=1).mean()
        size = 2 * (0.16 * norm(draw) / norm(score)) ** 2
        found = samplers.langevin(x, score, draw, 0.16, witnesses)
        np.testing.assert_allclose(found, x + size * score + np.sqrt(2 * size) * draw, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------ the ordinary equation


def carried(sde, x, time, to):
    """Where the flow takes x: it keeps the quantile of a Gaussian."""
    (alpha, sigma), (alpha_to, sigma_to) = moments(sde, time), moments(sde, to)
    spread = lambda a, s: np.sqrt(a**2 * S**2 + s**2)
    return alpha_to * M + spread(alpha_to, sigma_to) / spread(alpha, sigma) * (x - alpha * M)


@each_kind
def test_the_flow_keeps_quantiles_both_ways(kind):
    sde, x = KINDS[kind], np.array([[-1.2], [0.0], [0.3], [2.0]])
    there = graph(lambda: samplers.flow(best_noise(sde), sde, tf.constant(x, tf.float32), sde.first, 1.0, 24))
    np.testing.assert_allclose(there / sde.end, carried(sde, x, sde.first, 1.0) / sde.end, atol=2e-4)
    back = graph(lambda: samplers.flow(best_noise(sde), sde, tf.constant(there), 1.0, sde.first, 24))
    np.testing.assert_allclose(back, x, atol=1e-3)


def test_the_flow_is_of_fourth_order():
    sde, x = KINDS["vp"], np.array([[1.5]])
    exact = carried(sde, x, 1e-3, 0.9)
    error = [
        abs(graph(lambda n=n: samplers.flow(best_noise(sde), sde, tf.constant(x, tf.float32), 1e-3, 0.9, n)) - exact)
        for n in (3, 6)
    ]
    assert 9 < float((error[0] / error[1]).item()) < 30


@each_kind
def test_likelihoods_are_those_of_the_data(kind):
    """Exact but for the law at time 1, whose mean and variance the prior leaves out; corrected for that, to 1e-3."""
    sde, x = KINDS[kind], np.array([[-1.2], [0.0], [0.3], [0.9], [2.0]])
    trace = samplers.exact_trace
    nats = graph(
        lambda: samplers.log_likelihood(best_noise(sde), sde, tf.constant(x, tf.float32), trace, sde.first, 24)
    )
    alpha, sigma = moments(sde, sde.first)
    exact = stats.norm.logpdf(x[:, 0], alpha * M, np.hypot(alpha * S, sigma))
    end, (alpha, sigma) = carried(sde, x[:, 0], sde.first, 1.0), moments(sde, 1.0)
    correction = stats.norm.logpdf(end, alpha * M, np.hypot(alpha * S, sigma)) - stats.norm.logpdf(end, 0, sde.end)
    np.testing.assert_allclose(nats + correction, exact, atol=1e-3)
    np.testing.assert_allclose(nats, exact, atol=3e-2)


def bent(y):
    return tf.sin(y) + tf.reduce_sum(y, -1, keepdims=True) * y**2


def test_the_estimated_trace_is_right_on_average():
    """Over all signs exactly; for one draw it is not."""
    y = tf.constant(np.random.default_rng(0).normal(size=(1, 3)), tf.float32)
    value, exact = samplers.exact_trace(bent, y)
    np.testing.assert_allclose(value, bent(y))
    with tf.GradientTape() as tape:
        tape.watch(y)
        out = bent(y)
    np.testing.assert_allclose(exact, np.trace(tape.jacobian(out, y)[0, :, 0]).item(), rtol=1e-5)
    signs = tf.constant(list(itertools.product([-1.0, 1.0], repeat=3)))
    _, estimates = samplers.estimated_trace(signs)(bent, tf.repeat(y, 8, 0))
    assert np.mean(estimates) == pytest.approx(exact.numpy().item(), rel=1e-4) and np.ptp(estimates) > 0.1


def test_a_density_of_two_dimensions_has_mass_one():
    """Two Gaussians on a line, whose scores are known: their likelihood by the flow, summed over a grid."""
    sde, centres = KINDS["vp"], tf.constant([[-1.0, 0.0], [1.0, 0.5]])

    def predict_noise(x, time):
        alpha, sigma = (score.like(part, x) for part in sde.marginal(time))
        variance = alpha**2 * 0.09 + sigma**2
        away = x[:, None] - alpha[:, None] * centres
        weight = tf.nn.softmax(-tf.reduce_sum(away**2, -1) / (2 * variance))
        return sigma * tf.reduce_sum(weight[..., None] * away, 1) / variance

    side = np.linspace(-2.5, 2.5, 41, dtype="float32")
    grid = tf.constant(np.stack(np.meshgrid(side, side), -1).reshape(-1, 2))
    nats = graph(lambda: samplers.log_likelihood(predict_noise, sde, grid, samplers.exact_trace, sde.first, 24))
    exact = np.logaddexp(*[stats.multivariate_normal.logpdf(grid, c, 0.09) for c in centres.numpy()]) - np.log(2)
    near = exact > -8
    np.testing.assert_allclose(nats[near], exact[near], atol=0.05)
    assert np.exp(nats).sum() * (side[1] - side[0]) ** 2 == pytest.approx(1, abs=1e-2)


# ------------------------------------------------------------------------------------------------- the objective


class Exact(score.Score):
    """The best guess of the noise as a model: data that are N(m, s^2) in the inner scale."""

    kinds = ("picture", "vector")

    def __init__(self, kind="vp", shape=(1,), levels=None, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.levels, self.latent_dim = shape, levels, int(np.prod(shape))
        self.sde, self.sampler, self.default_steps = KINDS[kind], "reverse_diffusion", 100

    def predict_noise(self, x, time, training=False):
        return best_noise(self.sde)(x, time)


@each_kind
def test_the_loss_of_the_best_guess(kind):
    """E |eps - eps*|^2 at time t is alpha^2 s^2 / (alpha^2 s^2 + sigma^2); the loss averages over all times."""
    count, sde = 40_000, KINDS[kind]
    x = stats.norm(M, S).rvs((count, 1), random_state=0).astype("float32")
    found = Exact(kind).losses(Batch(tf.constant(x), {}, tf.range(count), tf.constant(0)), training=True)["loss"]

    def at(time):
        alpha, sigma = moments(sde, time)
        return alpha**2 * S**2 / (alpha**2 * S**2 + sigma**2)

    assert float(found) == pytest.approx(integrate.quad(at, sde.first, 1)[0] / (1 - sde.first), rel=0.04)


@pytest.mark.parametrize("levels", [None, 17])
def test_functions_speak_of_x(levels):
    """Denoising is Wiener's filter, the score is that of N(m, s^2), and densities are per unit of x or per level."""
    model, scale = Exact(shape=(1, 1, 1), levels=levels), 2 * 16 / 17 if levels else 2.0
    x = np.array([0.25, 0.625, 0.75], "float32").reshape(-1, 1, 1, 1)
    inner = 2 * (16 * x.ravel() + 0.5) / 17 - 1 if levels else 2 * x.ravel() - 1
    np.testing.assert_allclose(model.serve_score(tf.constant(x))[:, 0, 0, 0], -scale * (inner - M) / S**2, rtol=1e-3)
    level = np.array([0.05, 0.3, 1.0], "float32")
    share = S**2 / (S**2 + (scale * level) ** 2)
    expected = share * inner + (1 - share) * M
    expected = (17 * (expected + 1) / 2 - 0.5) / 16 if levels else (expected + 1) / 2
    found = model.serve_denoise(tf.constant(x), tf.constant(level))[:, 0, 0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    noisy = x + (0.4 / 16 if levels else 0.0)  # levels plus u
    inner = 2 * 16 * noisy.ravel() / 17 + 2 * 0 - 1 if levels else inner
    nats = graph(lambda: model.serve_bound(tf.constant(noisy), 0))
    np.testing.assert_allclose(nats, stats.norm.logpdf(inner, M, S) + np.log(2 / 17 if levels else 2), atol=1e-2)


def test_decoding_an_encoding_gives_the_example_back():
    model = Exact(shape=(8, 8, 1), levels=17)
    x = np.random.default_rng(0).integers(17, size=(3, 8, 8, 1)).astype("float32") / 16
    latent = graph(lambda: model.serve_encode(tf.constant(x)))
    assert latent.shape == (3, 64)
    np.testing.assert_allclose(graph(lambda: model.serve_decode(tf.constant(latent))), x, atol=1e-3)


@pytest.mark.parametrize("name", samplers.NAMES)
def test_every_sampler_gives_the_data(name):
    model = Exact(shape=(1,))
    model.sampler = name
    x = model.sample(4000, seed=7, steps=24 if name == "probability_flow" else 300)
    assert x.mean() == pytest.approx(M, abs=0.03) and x.std() == pytest.approx(S, abs=0.03)
    with pytest.raises(ValueError, match="sampler: expected predictor_corrector or .*, got 'ddim'"):
        model.sampler = "ddim"


def test_few_dimensions_have_their_exact_trace():
    """So their likelihood does not depend on the seed; of more it does, and its mean is that of the exact trace."""
    few, many = (Exact(shape=(size,)) for size in (2, 20))
    x = np.random.default_rng(0).normal(M, S, (3, 20)).astype("float32")
    few.predict_noise = bent_noise(few.sde)
    many.predict_noise = bent_noise(many.sde)
    one, other = (few.bound(x[:, :2], seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(one, other)
    sde = few.sde
    nats = samplers.log_likelihood(few.predict_noise, sde, tf.constant(x[:, :2]), samplers.exact_trace, sde.first, 24)
    np.testing.assert_allclose(one, nats, rtol=1e-4)
    assert np.abs(many.bound(x, seed=0) - many.bound(x, seed=1)).min() > 1e-3


def bent_noise(sde):
    """A guess whose Jacobian is not diagonal."""

    def predict_noise(x, time, training=False):
        return best_noise(sde)(x, time) + 0.1 * tf.sin(tf.roll(x, 1, -1) + x)

    return predict_noise


@pytest.mark.parametrize("name", samplers.NAMES)
def test_an_example_does_not_depend_on_its_neighbours(name):
    model = Exact("ve", shape=(2,))
    model.sampler = name
    x = model.sample(5, seed=7, steps=6)
    np.testing.assert_allclose(model.sample(2, seed=7, steps=6), x[:2], rtol=1e-5)
