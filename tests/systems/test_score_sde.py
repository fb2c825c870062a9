"""ScoreSDE: its networks, its samplers with real networks, and what training on known densities must reach."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from scipy import special

import kerasgen
from kerasgen.metrics import two_dim
from kerasgen.objectives.diffusion import score

TINY = dict(image_shape=(8, 8, 1), levels=17, width=8, multipliers=(1, 2), blocks=1, attention=(), steps=5)

SMALL = dict(image_shape=(8, 8, 1), levels=17, width=8, multipliers=(1, 2), blocks=1, attention=(4,), steps=4)
COLOUR = dict(image_shape=(8, 12, 3), levels=256, multipliers=(1, 1, 2))  # not square, three resolutions


def wild(**arguments):
    model, generator = kerasgen.models.ScoreSDE(**SMALL | arguments), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + 0.05 * generator.normal(size=weight.shape))
    return model


@pytest.mark.parametrize("sde", score.KINDS)
def test_every_kind_denoises_at_every_time(sde):
    """Little noise leaves the picture; the network knows the time, and under much noise sees inputs of a usual size."""
    model = wild(sde=sde, attention=())
    x = np.random.default_rng(0).uniform(0.2, 0.8, (4, 8, 8, 1)).astype("float32")
    errors = [np.abs(model.denoise(x, noise_level=np.full(4, level, "float32")) - x).max() for level in (0.1, 1e-3)]
    assert errors[1] < errors[0] and errors[1] < 0.01
    noise = tf.constant(np.random.default_rng(1).normal(size=(2, 8, 8, 1)), tf.float32)
    early, late = (
        model.predict_noise(noise * model.sde.marginal(tf.constant(t))[1], tf.constant([t, t])) for t in (0.2, 1.0)
    )
    assert np.abs(early - late).max() > 1e-3 and np.abs(late).max() < 20


def test_samplers_share_a_network_and_differ():
    model, seen = wild(), {}
    for name in ("predictor_corrector", "euler_maruyama"):
        model.sampler = name
        seen[name] = model.sample(2, seed=7)
    assert np.abs(seen["predictor_corrector"] - seen["euler_maruyama"]).max() > 1e-3
    default = next(p.default for p in model.ports["sample"].inputs if p.name == "steps")
    assert default == 4
    model.sampler = "probability_flow"
    assert next(p.default for p in model.ports["sample"].inputs if p.name == "steps") == score.ODE_STEPS


def test_vectors_learn_a_gaussian():
    """The loss comes near to that of the best guess, and the likelihood near to the entropy."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(4096, 2)) * [0.5, 1.5] + [1.0, -0.5]).astype("float32")
    model = kerasgen.models.ScoreSDE(image_shape=(2,), sde="vp", width=32, blocks=1, dropout=0.0)
    model.compile(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, 480)))
    model.fit(x, batch_size=256, epochs=30, verbose=0)
    nats = -model.bound(x[:1000], seed=1).mean()
    entropy = np.log(2 * np.pi * np.e) + np.log(0.5 * 1.5)
    assert nats == pytest.approx(entropy, abs=0.1)
    sample = model.sample(1000, seed=7, steps=100)
    np.testing.assert_allclose(sample.mean(0), [1.0, -0.5], atol=0.15)
    np.testing.assert_allclose(sample.std(0), [0.5, 1.5], rtol=0.15)
    np.testing.assert_allclose(model.decode(model.encode(x[:64])), x[:64], atol=1e-2)


@pytest.mark.parametrize("sampler", ["predictor_corrector", "euler_maruyama"])
def test_colour_that_is_not_square_in_three_resolutions(sampler):
    model = wild(**COLOUR, sampler=sampler)
    x = model.sample(3, seed=7)
    assert x.shape == (3, 8, 12, 3) and 0 <= x.min() and x.max() <= 1
    np.testing.assert_allclose(model.sample(1, seed=7), x[:1], atol=1e-5)


def test_the_corrector_has_few_witnesses():
    """One further picture at least, and 128 values at least."""
    shapes = {(2,): 64, (8, 8, 1): 2, (8, 12, 3): 1, (32, 32, 3): 1}
    model = wild()
    for shape, count in shapes.items():
        model.image_shape = shape
        assert model.witnesses == count


@pytest.mark.slow
def test_eight_gaussians_come_within_a_twentieth_of_a_nat():
    """Of the law that they were drawn from, on the same points, and of its entropy. The trace is exact."""
    model, data = kerasgen.load("score_sde_eight_gaussians"), kerasgen.data.load("eight_gaussians")
    x = data.arrays("test")[0][:2000]
    nats = -model.bound(x, seed=0)
    np.testing.assert_array_equal(nats, -model.bound(x, seed=1))
    centres, sigma = two_dim.MODES["eight_gaussians"]
    away = ((x[:, None] - centres) ** 2).sum(-1) / (2 * sigma**2)
    law = np.log(8 * 2 * np.pi * sigma**2) - special.logsumexp(-away, 1)
    assert 0 < (nats - law).mean() < 0.05
    assert -0.06 < nats.mean() - data.entropy < 0.05
    np.testing.assert_allclose(model.decode(model.encode(x[:200])), x[:200], atol=1e-2)
    latent = model.encode(x)
    assert np.abs(latent.mean(0)).max() < 0.1 and latent.std(0) == pytest.approx([1.0, 1.0], abs=0.1)


@pytest.mark.parametrize(
    "arguments, line",
    [
        (dict(sde="vpp"), "sde: expected vp or sub_vp or ve, got 'vpp'"),
        (dict(sampler="ddim"), "sampler: expected predictor_corrector or .*, got 'ddim'"),
        (dict(image_shape=(7, 8, 1)), "image_shape: expected sides that divide by 2"),
        (dict(image_shape=(2,), mirror=0.5), "mirror: expected 0 for vectors, got 0.5"),
    ],
)
def test_bad_arguments_get_one_line(arguments, line):
    with pytest.raises(ValueError, match=line):
        kerasgen.models.ScoreSDE(**SMALL | arguments)


def test_weights_of_the_paper():
    """DDPM++, counted from the authors' code."""
    assert counts("score_sde") == {"network": 61_804_419}


@pytest.mark.slow
def test_weights_of_the_paper_twice_as_deep():
    """Counted from the authors' code."""
    assert counts("score_sde", blocks=8) == {"network": 106_632_579}
