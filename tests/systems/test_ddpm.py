"""DDPM: its size, its chain and its bound beside the published formulas, step by step, on coloured pictures that are
not square and a U-Net of three resolutions.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import kerasgen
from kerasgen.core import random
from kerasgen.core.batch import Batch
from kerasgen.runs import recipes

TINY = dict(image_shape=(8, 8, 1), levels=17, width=8, multipliers=(1, 2), blocks=1, attention=(4,), steps=20)

SHAPE, STEPS = (8, 12, 3), 6
SMALL = dict(
    image_shape=SHAPE, levels=256, steps=STEPS, schedule="cosine", width=8, multipliers=(1, 1, 2), blocks=1,
    attention=(4,), dropout=0.0,
)  # fmt: skip


def wild(**arguments):
    keras.utils.set_random_seed(0)
    model, generator = kerasgen.models.DDPM(**SMALL | arguments), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + 0.05 * generator.normal(size=weight.shape))
    return model


def pictures(count):
    return (np.random.default_rng(2).integers(256, size=(count, *SHAPE)) / 255).astype("float32")


# ------------------------------------------------------------------------------------------------- the paper's scale


@pytest.mark.parametrize("preset, count", [("ddpm_cifar10", 35_746_307), ("ddpm_256", 113_673_219)])
def test_the_papers_networks_have_their_size(preset, count):
    model = kerasgen.load(preset, weights=False)
    assert sum(v.shape.num_elements() for v in model.trainable_variables) == count
    abar = model.process.abar
    assert len(abar) == 1000 and abar[0] == pytest.approx(1 - 1e-4) and abar[-1] == pytest.approx(4.036e-5, rel=1e-3)
    assert 1 - abar[-1] / abar[-2] == pytest.approx(0.02, rel=1e-4)


@pytest.mark.parametrize("preset, rate, batch, steps", [
    ("ddpm_cifar10", 2e-4, 128, 800_000), ("ddpm_256", 2e-5, 64, 500_000), ("score_sde_cifar10", 2e-4, 128, 1_300_000),
])  # fmt: skip
def test_the_papers_recipes(preset, rate, batch, steps):
    """Warm-up, clipping, averages, mirrored pictures and length as in the authors' scripts."""
    about = kerasgen.hub.read_preset(preset)
    recipe = about["recipe"]
    assert about["data"]["batch_size"] == batch and recipe["epochs"] * recipe["steps_per_epoch"] == steps
    assert about["arguments"]["mirror"] == 0.5
    optimizer = recipes.optimizer(recipe["optimizers"]["optimizer"])
    assert (optimizer.global_clipnorm, optimizer.use_ema, optimizer.ema_momentum) == (1.0, True, 0.9999)
    schedule = optimizer._learning_rate
    for step, share in ((0, 0.0), (2500, 0.5), (5000, 1.0), (steps, 1.0)):
        assert float(schedule(step)) == pytest.approx(share * rate, rel=1e-4, abs=1e-12)


# ------------------------------------------------------------------------------------------------- the chain


def by_hand(model, network, seed, count, times):
    """The published loops, in double precision but for the network: x_0 clipped, betas of the visited times."""
    abar = np.float64(model.process.abar)
    draw = lambda stream: np.float64(random.normal(seed, stream, tf.range(count), SHAPE))
    x = draw(random.LATENT)
    for i in reversed(range(len(times))):
        now, before = abar[times[i]], abar[times[i - 1]] if i else 1.0
        told = times[i] if i < len(times) - 1 else min(times[i], int((abar >= 0.01).sum()) - 1)
        eps = np.float64(network(tf.constant(x, tf.float32), tf.fill((count,), told)))
        clean = (x - np.sqrt(1 - abar[told]) * eps) / np.sqrt(abar[told])
        clean, beta = np.clip(clean, -1, 1), 1 - now / before
        if model.sampler == "ddim":
            eps = (x - np.sqrt(now) * clean) / np.sqrt(1 - now)
            x = np.sqrt(before) * clean + np.sqrt(1 - before) * eps
            continue
        x = (np.sqrt(before) * beta * clean + np.sqrt(1 - beta) * (1 - before) * x) / (1 - now)
        spread = beta if model.process.variance == "fixed_large" else beta * (1 - before) / (1 - now)
        x += np.sqrt(spread) * draw(random.NOISE + i) if i else 0.0
    return (np.clip(x, -1, 1) + 1) / 2


@pytest.mark.parametrize(
    "sampler, variance", [("ancestral", "fixed_large"), ("ancestral", "fixed_small"), ("ddim", "fixed_large")]
)
def test_samplers_are_the_published_loops(sampler, variance):
    model = wild(variance=variance, sampler=sampler)
    network = tf.function(model.predict_noise, autograph=False)
    for times in ([5], [0, 2, 5], [0, 1, 2, 3, 4, 5]):
        x = model.sample(2, seed=7, steps=len(times))
        np.testing.assert_allclose(x, by_hand(model, network, 7, 2, times), atol=5e-4)


def test_every_sampler_takes_steps_and_a_spacing():
    model = wild()
    default = lambda: next(port.default for port in model.ports["sample"].inputs if port.name == "steps")
    assert model.sampler == "ancestral" and default() == STEPS
    one = model.sample(3, seed=7, steps=4)
    np.testing.assert_allclose(model.sample(2, seed=7, steps=4), one[:2], atol=1e-5)
    assert one.shape == (3, *SHAPE) and np.abs(one - model.sample(3, seed=7, steps=3)).max() > 1e-3
    model.spacing = "stride"
    assert np.abs(one - model.sample(3, seed=7, steps=4)).max() > 1e-3


# ------------------------------------------------------------------------------------------------- the bound


@pytest.mark.parametrize("variance", ["fixed_large", "fixed_small"])
def test_the_bound_is_the_published_one(variance):
    """Every term by the authors' formulas, in double precision but for the network."""
    model, x = wild(variance=variance), pictures(2)
    network = tf.function(model.predict_noise, autograph=False)
    signed, abar = 2 * np.float64(x) - 1, np.float64(model.process.abar)
    before = np.append(1, abar[:-1])
    beta = 1 - abar / before
    posterior = beta * (1 - before) / (1 - abar)
    small = np.append(posterior[1], posterior[1:])
    spread = np.append(posterior[1], beta[1:]) if variance == "fixed_large" else small
    nats = np.sum(-abar[-1] - np.log(1 - abar[-1]) + abar[-1] * signed**2, (1, 2, 3)) / 2
    for t in range(STEPS):
        noise = np.float64(random.normal(3, random.NOISE + t, tf.range(2), SHAPE))
        noisy = np.sqrt(abar[t]) * signed + np.sqrt(1 - abar[t]) * noise
        eps = np.float64(network(tf.constant(noisy, tf.float32), tf.fill((2,), t)))
        clean = np.clip((noisy - np.sqrt(1 - abar[t]) * eps) / np.sqrt(abar[t]), -1, 1)
        mean = lambda v, t=t, noisy=noisy: (
            (np.sqrt(before[t]) * beta[t] * v + np.sqrt(1 - beta[t]) * (1 - before[t]) * noisy) / (1 - abar[t])
        )
        if t:
            ratio = small[t] / spread[t]
            term = (ratio - 1 - np.log(ratio) + (mean(signed) - mean(clean)) ** 2 / spread[t]) / 2
        else:
            low = np.where(signed < -0.999, -np.inf, signed - 1 / 255)
            high = np.where(signed > 0.999, np.inf, signed + 1 / 255)
            mass = np.diff(stats.norm.cdf([low, high], mean(clean), np.sqrt(spread[0])), axis=0)[0]
            term = -np.log(np.maximum(mass, 1e-30))
        nats += term.sum((1, 2, 3))
    np.testing.assert_allclose(-model.bound(x, seed=3), nats, rtol=1e-3)


# ------------------------------------------------------------------------------------------------- training


def test_mirrored_pictures_are_learned_in_training_alone():
    x = pictures(64)
    batch, model = (
        Batch(tf.constant(x), {}, tf.range(64), tf.constant(5)),
        wild(multipliers=(1,), attention=()),
    )
    model.mirror = 1.0
    np.testing.assert_array_equal(model.inner(batch, True), 2 * x[:, :, ::-1] - 1)
    np.testing.assert_array_equal(model.inner(batch, False), 2 * x - 1)
    model.mirror = 0.5
    turned = [np.array_equal(a, b[:, ::-1]) for a, b in zip(model.inner(batch, True), 2 * x - 1, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(model.inner(batch, True), 2 * x - 1, strict=True)]
    assert 16 < sum(turned) < 48 and sum(turned) + sum(kept) == 64
    model.mirror = 1.5
    with pytest.raises(ValueError, match="mirror: expected a share from 0 to 1, got 1.5"):
        model.inner(batch, True)


@pytest.mark.slow
def test_three_resolutions_learn():
    """Coloured stripes: the loss falls below that of guessing no noise at all, 1."""
    stripes = np.zeros((64, *SHAPE), "float32")
    stripes[::2, :, ::2, 0] = 1
    stripes[1::2, ::2, :, 2] = 1
    model = kerasgen.models.DDPM(**SMALL | dict(levels=2, steps=50, ema=0.9))
    model.compile(optimizer=keras.optimizers.Adam(3e-3, use_ema=True, ema_momentum=0.9))
    history = model.fit(stripes, batch_size=16, epochs=12, verbose=0).history["loss"]
    assert history[-1] < 0.5 < history[0]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_a_bundle_takes_steps(sampler, tmp_path):
    model = wild(sampler=sampler)
    kerasgen.export(model, tmp_path / "bundle")
    bundle = kerasgen.runtime.Bundle(tmp_path / "bundle")
    for steps in (1, 2, 4, STEPS):
        found = bundle.sample(3, seed=7, steps=steps)
        np.testing.assert_allclose(found, model.sample(3, seed=7, steps=steps), atol=1e-4)
    port = next(port for port in bundle.ports["sample"].inputs if port.name == "steps")
    assert (port.minimum, port.maximum, port.default) == (1, STEPS, STEPS)


@pytest.mark.parametrize(
    "arguments, line",
    [
        (dict(schedule="sine"), "schedule: expected linear or cosine, got 'sine'"),
        (dict(variance="learned"), "variance: expected fixed_large or fixed_small, got 'learned'"),
        (dict(sampler="euler"), "sampler: expected ancestral or ddim, got 'euler'"),
        (dict(spacing="odd"), "spacing: expected even or quadratic or stride, got 'odd'"),
        (dict(image_shape=(8, 10, 3)), "image_shape: expected sides that divide by 4"),
    ],
)
def test_bad_arguments_get_one_line(arguments, line):
    with pytest.raises(ValueError, match=line):
        kerasgen.models.DDPM(**SMALL | arguments)
