"""The bound on the information by enumeration, which player pays for it, and the weights of the paper's networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts

import kerasgen
from kerasgen.core import random
from kerasgen.objectives.gan import information

TINY = dict(image_shape=(8, 8, 1), noise_dim=4, size=2, codes=3, factors=2, widths=(16, 12, 8), hidden=32, head=6)


def test_weights_of_the_paper():
    """Counted by hand from openai/InfoGAN, `regularized_gan.py`, less the biases in front of batch normalisation."""
    generator = 74 * 1024 + 1024 * 6272 + 16 * 128 * 64 + 16 * 64 + 1 + 2 * (1024 + 6272 + 64)
    trunk = 16 * 64 + 64 + 16 * 64 * 128 + 6272 * 1024 + 2 * (128 + 1024)
    score, q = 1025, 1024 * 128 + 2 * 128 + 129 * 12
    assert counts("info_gan") == {"generator": generator, "discriminator": trunk + score + q}
    assert generator + 1024 + 6272 + 64 == 6_652_481  # with them


# Six pictures x made of three codes c: p(x | c), c uniform.
JOINT = np.random.default_rng(0).dirichlet(np.ones(6), 3) / 3  # (codes, pictures)


def mutual_information(joint):
    return float((joint * np.log(joint / joint.sum(0) / joint.sum(1, keepdims=True))).sum())


def bound(q):
    """L_I over the whole joint, for Q(c|x) (pictures, codes): every pair is an example, weighed by repeating none."""
    value = 0.0
    for c in range(3):
        for x in range(6):
            one = information.categorical_information(np.log(q[x])[None, None].astype("float32"), np.array([[c]]))
            value += JOINT[c, x] * float(one)
    return value


def test_the_bound_is_the_information_where_q_is_the_posterior():
    posterior = (JOINT / JOINT.sum(0)).T
    exact = mutual_information(JOINT)
    assert bound(posterior) == pytest.approx(exact, abs=1e-5) and 0.05 < exact < np.log(3)


def test_another_q_gives_less():
    posterior, exact = (JOINT / JOINT.sum(0)).T, mutual_information(JOINT)
    assert bound(posterior[:, [1, 2, 0]]) < exact - 0.1 and bound(posterior[::-1]) < exact - 0.1
    assert bound(np.full((6, 3), 1 / 3)) == pytest.approx(0, abs=1e-6)  # knows nothing
    gap = sum(JOINT[:, x].sum() * (posterior[x] * np.log(posterior[x] * 3)).sum() for x in range(6))
    assert exact - bound(np.full((6, 3), 1 / 3)) == pytest.approx(gap, abs=1e-5)  # the divergence of Q


def test_the_bound_never_exceeds_the_entropy_of_the_codes():
    draw = np.random.default_rng(1)
    for scale in (0.1, 3.0, 200.0):
        logits, code = scale * draw.normal(size=(40, 2, 5)).astype("float32"), draw.integers(5, size=(40, 2))
        assert float(information.categorical_information(logits, code)) <= 2 * np.log(5)
    sure = 100.0 * np.eye(5, dtype="float32")[draw.integers(5, size=(40, 2))]
    assert float(information.categorical_information(sure, sure.argmax(-1))) == pytest.approx(2 * np.log(5))


def test_the_bound_of_continuous_codes():
    draw = np.random.default_rng(2)
    factors = draw.uniform(-1, 1, (2000, 3)).astype("float32")
    best = float(information.continuous_information(factors, factors))
    assert best == pytest.approx(3 * (np.log(2) - 0.5 * np.log(2 * np.pi)), rel=1e-5)
    unread = float(information.continuous_information(np.zeros_like(factors), factors))
    assert unread - best == pytest.approx(-0.5 * (factors**2).sum(1).mean(), rel=1e-4)


def pictures(count=6):
    return np.random.default_rng(0).uniform(size=(count, 8, 8, 1)).astype("float32")


def test_both_players_pay_for_the_bound():
    """The discriminator's step moves Q by it, the generator's step the generator; figures are the bound itself."""
    steps = {}
    for weight in (0.0, 2.0):
        keras.utils.set_random_seed(1)
        model = kerasgen.build("info_gan", **TINY | {"weight": weight})
        model.compile(seed=3, run_eagerly=True, **{f"{p}_optimizer": keras.optimizers.SGD(0.1) for p in model.players})
        batch = model.batch((tf.constant(pictures()),))
        values = model.values(batch, 0, model.players, training=False)
        play = model.play(batch, 0, training=False)
        told = float(values["information"]), float(values["factor_information"])
        assert told == pytest.approx([float(v) for v in play.information])
        game = np.log1p(np.exp(-play.fake)).mean()
        assert float(values["generator_loss"]) == pytest.approx(game - weight * sum(told), rel=1e-5)
        before = {p: [v.numpy() for v in model.player_variables(p)] for p in model.players}
        model.train_on_batch(pictures())
        moved = {p: [a - v.numpy() for a, v in zip(before[p], model.player_variables(p), strict=True)] for p in before}
        steps[weight] = moved
    logits = [i for i, v in enumerate(model.player_variables("discriminator")) if v.shape == (6, 6)]
    assert len(logits) == 1  # the kernel of Q's logits: 6 units, 2 codes of 3 values
    assert not steps[0.0]["discriminator"][logits[0]].any() and steps[2.0]["discriminator"][logits[0]].any()
    assert np.abs(steps[2.0]["generator"][0] - steps[0.0]["generator"][0]).max() > 0


def test_the_codes_that_are_read_are_those_that_were_drawn():
    model = kerasgen.build("info_gan", **TINY)
    model.compile()
    batch = model.batch((tf.constant(pictures()),))
    for step in (0, 1):
        play = model.play(batch, step, training=False)
        code, factors = play.codes
        latent = model.prior(batch.seed, random.LATENT + step, batch.index)
        np.testing.assert_array_equal(factors, latent[:, 4:])
        np.testing.assert_allclose(play.made, model.generator([latent, code]), atol=1e-6)
    assert len(np.unique(model.code(7, 0, tf.range(200)))) == 3


def test_a_code_can_be_asked_for():
    model = kerasgen.build("info_gan", **TINY)
    for weight in model.generator.trainable_variables:
        weight.assign(weight + 0.3 * np.random.default_rng(3).normal(size=weight.shape))
    drawn = model.code(7, 0, tf.range(5)).numpy()
    plain = model.sample(5, seed=7)
    np.testing.assert_array_equal(plain, model.sample(5, seed=7, code=drawn))
    np.testing.assert_array_equal(plain, model.sample(5, seed=7, code=[-1, -1]))
    np.testing.assert_array_equal(model.sample(5, seed=7, code=2), model.sample(5, seed=7, code=[2, 2]))
    half = np.where([True, False], drawn, -1)
    np.testing.assert_array_equal(plain, model.sample(5, seed=7, code=half))
    assert np.abs(model.sample(5, seed=7, code=(drawn + 1) % 3) - plain).max() > 1e-3
    latent = model.prior(7, random.LATENT, tf.range(5)).numpy()
    np.testing.assert_allclose(model.decode(latent, code=drawn), plain, atol=1e-6)
    with pytest.raises(ValueError, match="code: expected whole numbers of shape .* from -1 to 2, got 3"):
        model.sample(2, code=[3, 0])


def test_an_encoding_is_the_likeliest_code():
    model, x = kerasgen.build("info_gan", **TINY), pictures()
    np.testing.assert_array_equal(model.encode(x), np.argmax(model.discriminator(2 * x - 1)[1], -1))
    assert model.encode(x).shape == (6, 2)
