"""The penalty in closed form, the critic against the distance that it measures, and the networks of the authors."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts

import kerasgen
from kerasgen import hub
from kerasgen.core.batch import Batch
from kerasgen.objectives.gan import penalties

TINY = dict(image_shape=(8, 8, 1), latent_dim=6, widths=(12, 8, 6), critic_steps=2)

POINTS = dict(image_shape=(2,), latent_dim=2)


def build(**arguments):
    keras.utils.set_random_seed(0)
    return kerasgen.build("wgan_gp", **arguments)


class Stub:
    """What a penalty asks of a game and of a turn."""

    def __init__(self, realness, x, made):
        self.realness = lambda x, given: realness(x)
        self.batch = Batch(x, {}, tf.range(x.shape[0]), tf.constant(5))
        self.x, self.made = x, made


def penalty(realness, x, made):
    stub = Stub(realness, tf.constant(x), tf.constant(made))
    return float(penalties.Slope(10.0)(stub, stub))


def test_the_penalty_of_a_linear_critic():
    """10 (|a| - 1)^2, wherever it is asked."""
    random = np.random.default_rng(0)
    x, made, a = (random.normal(size=s).astype("float32") for s in ((6, 2, 2, 3), (6, 2, 2, 3), (12, 1)))
    found = penalty(lambda x: tf.reshape(x, (-1, 12)) @ a + 7.0, x, made)
    assert found == pytest.approx(10 * (np.linalg.norm(a) - 1) ** 2, rel=1e-4)


def test_slopes_are_asked_for_at_places_spread_evenly_between_an_example_and_what_is_made():
    """D(y) = |y|^2 / 2 has the slope |y|: from 0 to 3 e the penalty is 10 E (3 u - 1)^2 = 10, u ~ U(0, 1)."""
    count = 4000
    x, made = np.zeros((count, 2), "float32"), np.tile(np.float32([[0.0, 3.0]]), (count, 1))
    assert penalty(lambda y: tf.reduce_sum(y**2, 1, keepdims=True) / 2, x, made) == pytest.approx(10, rel=0.05)
    seen = []
    penalty(lambda y: seen.append(y.numpy()) or tf.reduce_sum(y**2, 1, keepdims=True), x, made)
    share = seen[0][:, 1] / 3
    np.testing.assert_allclose(np.quantile(share, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.03)
    assert not seen[0][:, 0].any() and 0 <= share.min() and share.max() <= 1


def judged(apart, weight, spread):
    """(gap of scores, mean slope and its deviation) of a critic of two frozen laws on a line, so far apart.

    L_D = -s d + w (s - 1)^2 for a slope s everywhere between them is least at s = 1 + d / (2 w).
    """
    model = build(**POINTS, widths=(32, 32), penalty=weight)
    critic, optimizer = model.discriminator, keras.optimizers.Adam(4e-3, beta_1=0.5, beta_2=0.9)
    optimizer.build(critic.trainable_variables)
    random = tf.random.Generator.from_seed(0)

    def laws():
        x, made = (random.normal((256, 2), stddev=spread) for _ in "xm")
        return x + [apart, 0.0], made

    @tf.function
    def learn(step):
        stub = Stub(critic, *laws())
        stub.batch = stub.batch._replace(seed=step)
        with tf.GradientTape() as tape:
            loss = model.adversarial_loss.discriminator(critic(stub.x), critic(stub.made))
            loss += sum(each(stub, stub) for each in model.penalties)
        optimizer.apply(tape.gradient(loss, critic.trainable_variables))

    for step in tf.range(300):
        learn(step)
    optimizer.learning_rate = 5e-4
    for step in tf.range(300, 400):
        learn(step)
    x, made = laws()
    y = tf.linspace(0.1, 0.9, 9)[:, None] * [[apart, 0.0]]
    with tf.GradientTape() as tape:
        tape.watch(y)
        score = critic(y)
    slopes = np.linalg.norm(tape.gradient(score, y), axis=1)
    return float(tf.reduce_mean(critic(x)) - tf.reduce_mean(critic(made))), slopes


@pytest.mark.parametrize("apart, weight, spread", [(3.0, 10.0, 0.0), (3.0, 10.0, 0.3), (1.0, 0.5, 0.0)])
def test_a_trained_critic_measures_the_wasserstein_distance(apart, weight, spread):
    """Two points, or two normals of one shape, are d apart; the gap is d times the slope 1 + d / (2 w)."""
    gap, slopes = judged(apart, weight, spread)
    slope = 1 + apart / (2 * weight)
    np.testing.assert_allclose(slopes, slope, rtol=0.04)
    assert gap == pytest.approx(apart * slope, rel=0.04)


def test_every_step_of_the_critic_takes_examples_of_its_own():
    model = build(**TINY)
    assert model.batches == model.critic_steps == 2 and model.rest is None
    assert [type(each) for each in model.penalties] == [penalties.Slope] and model.penalties[0].weight == 10.0


@pytest.mark.parametrize("critic", ["plain", "normed"])
@pytest.mark.parametrize("shape, widths", [((8, 8, 1), (6, 5, 4)), ((16, 8, 3), (8, 6, 5, 4)), ((6, 10, 2), (5, 4))])
def test_scores_of_examples_do_not_depend_on_each_other(critic, shape, widths):
    """Else the slopes of a batch would be each other's; at one, two and three changes of the sides."""
    model = build(image_shape=shape, latent_dim=4, widths=widths, critic=critic)
    x = np.random.default_rng(0).uniform(-1, 1, (4, *shape)).astype("float32")
    whole, alone = (np.array(model.discriminator(part, training=True)) for part in (x, x[1:2]))
    np.testing.assert_allclose(whole[1:2], alone, atol=1e-5)
    assert np.ptp(whole) > 1e-4 and model.sample(3, seed=7).shape == (3, *shape)


def test_layer_normalisation_is_over_an_example_with_a_gain_for_each_channel():
    model = build(image_shape=(8, 8, 1), latent_dim=4, widths=(6, 5, 4), critic="normed")
    normed = [d for d in model.discriminator.layers if isinstance(d, keras.layers.GroupNormalization)]
    assert len(normed) == 2 * 2
    x = np.random.default_rng(0).normal(2, 3, (3, 4, 5, normed[0].gamma.shape[0])).astype("float32")
    mean, var = x.mean((1, 2, 3), keepdims=True), x.var((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(normed[0](x), (x - mean) / np.sqrt(var + 1e-5), atol=1e-4)
    assert not any(isinstance(d, keras.layers.BatchNormalization) for d in model.discriminator.layers)


def test_an_unknown_critic_is_refused():
    with pytest.raises(ValueError, match="critic: expected plain or normed, got 'deep'"):
        kerasgen.build("wgan_gp", critic="deep")


def test_weights_for_cifar():
    """1,204,483 and 1,053,825 counted from the authors' `gan_cifar_resnet.py`, but for biases without effect.

    Those stand in front of batch normalisation, in each of three blocks of 128 channels, and at the end of the critic.
    """
    assert counts("wgan_gp") == {"generator": 1_204_483 - 3 * 128, "discriminator": 1_053_825 - 1}


def test_weights_for_64_pixels():
    """Counted by hand from `GoodGenerator` and `GoodDiscriminator` of the authors' `gan_64x64.py`."""
    up = [(512, 512), (512, 256), (256, 128), (128, 64)]
    down = [(64, 128), (128, 256), (256, 512), (512, 512)]
    # Two normalisations, a convolution without biases and one with, and the way around them.
    ups = sum(2 * (a + b) + 9 * a * b + 9 * b * b + b + a * b + b for a, b in up)
    downs = sum(2 * (a + a) + 9 * a * a + 9 * a * b + b + a * b + b for a, b in down)
    generator = 129 * 4 * 4 * 512 + ups + 2 * 64 + 9 * 64 * 3 + 3
    critic = 9 * 3 * 64 + 64 + downs + 4 * 4 * 512  # without the last bias
    model = kerasgen.load("wgan_gp_64", weights=False)
    assert [n.count_params() for n in (model.discriminator,)] == [critic]
    trainable = sum(v.value.shape.num_elements() for v in model.generator.trainable_variables)
    assert (trainable, critic) == (generator, critic) == (8_540_483, 7_491_841 - 1)


def test_rates_are_those_of_the_authors():
    """To nothing in 100,000 steps of the generator, 500,000 of the critic, for CIFAR-10; constant for 64x64."""
    for name, expected in (
        ("wgan_gp_cifar10", {0: 2e-4, 0.5: 1e-4, 1.0: 0.0}),
        ("wgan_gp_64", {0: 1e-4, 0.5: 1e-4, 1.0: 1e-4}),
    ):
        given = json.loads((hub.find_preset(name) / "preset.json").read_text("utf-8"))
        recipe = given["recipe"]
        steps = recipe["epochs"] * recipe["steps_per_epoch"]
        for player, each in (("generator", 1), ("discriminator", given["arguments"]["critic_steps"])):
            config = recipe["optimizers"][f"{player}_optimizer"]["config"]
            rate = config["learning_rate"]
            rate = keras.optimizers.schedules.deserialize(rate) if isinstance(rate, dict) else lambda step, r=rate: r
            for share, value in expected.items():
                assert float(rate(round(share * steps * each))) == pytest.approx(value, abs=1e-9), (name, player)
            assert (config["beta_1"], config["beta_2"]) == (0.0, 0.9)
        assert given["data"]["batch_size"] == 64 and each == 5
    own = build(**TINY).optimizers()["discriminator_optimizer"]
    assert float(own._learning_rate(100_000)) == pytest.approx(1e-4) and own.beta_1 == 0.0
