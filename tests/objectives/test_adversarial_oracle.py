"""Adversarial losses against NumPy, against the closed form of the best discriminator, and who learns from what."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import TINY

import kerasgen
from kerasgen.core import random
from kerasgen.data.description import Data
from kerasgen.objectives.gan import game, losses


def log_sigmoid(logit):
    return -np.logaddexp(0, -np.asarray(logit, "float64"))


def test_losses_equal_numpy():
    generator = np.random.default_rng(0)
    real, fake = (generator.normal(0, 4, (16, 1)).astype("float32") for _ in range(2))
    judged = -log_sigmoid(real).mean() - log_sigmoid(-fake).mean()
    np.testing.assert_allclose(losses.non_saturating_discriminator(real, fake), judged, rtol=1e-6)
    np.testing.assert_allclose(losses.non_saturating_generator(fake), -log_sigmoid(fake).mean(), rtol=1e-6)
    np.testing.assert_allclose(losses.minimax_generator(fake), log_sigmoid(-fake).mean(), rtol=1e-6)


def test_losses_are_finite_where_a_logarithm_of_a_sigmoid_is_not():
    sure = np.array([[-200.0], [200.0]], "float32")
    assert np.isfinite(losses.non_saturating_discriminator(sure, sure))
    assert np.isfinite(losses.non_saturating_generator(sure))


def test_the_non_saturating_loss_keeps_its_gradient():
    logit = tf.Variable([[-8.0]])  # a discriminator that is sure of a fake
    with tf.GradientTape(persistent=True) as tape:
        minimax, other = losses.minimax_generator(logit), losses.non_saturating_generator(logit)
    weak, strong = (abs(tape.gradient(loss, logit).numpy().item()) for loss in (minimax, other))
    assert weak == pytest.approx(1 / (1 + np.exp(8)), rel=1e-4) and strong == pytest.approx(1, abs=1e-3)
    assert strong / weak > 2000


def test_the_best_discriminator_is_the_log_ratio():
    """N(0, 1) against N(1, 1): D = 1/2 - x, and the game's value is -log 4 + 2 JSD = -1.1635."""
    x = np.linspace(-12, 13, 101)
    density = [np.exp(-0.5 * (x - mean) ** 2) / np.sqrt(2 * np.pi) for mean in (0, 1)]

    def value(logits):
        """V by quadrature; a score of 1e4 is a certain one, whose own term of the loss is zero."""
        loss = losses.non_saturating_discriminator
        real = [loss(np.float32([d]), np.float32([-1e4])) for d in logits]
        fake = [loss(np.float32([1e4]), np.float32([d])) for d in logits]
        return -np.trapezoid(density[0] * real + density[1] * fake, x)

    assert value(0.5 - x) == pytest.approx(-1.1635, abs=1e-4)
    jsd = sum(np.trapezoid(p * np.log(2 * p / sum(density)), x) for p in density) / 2
    assert value(0.5 - x) == pytest.approx(-np.log(4) + 2 * jsd, abs=1e-5)
    assert value(0.4 - x) < value(0.5 - x) > value(0.5 - 1.1 * x)


def test_a_game_at_rest_costs_two_logarithms_of_two():
    zero = np.zeros((4, 1), "float32")
    np.testing.assert_allclose(losses.non_saturating_discriminator(zero, zero), 2 * np.log(2), rtol=1e-6)


class Points(game.Game):
    """Points of ten classes; it writes down what each step of a player sees."""

    kinds = ("vector",)

    def __init__(self, critic_steps=3, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.num_classes, self.critic_steps = (2,), 10, critic_steps
        self.generator = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
        self.discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(10)])
        object.__setattr__(self, "judged", [])
        object.__setattr__(self, "fooled", [])

    def prior(self, seed, stream, index):
        return random.normal(seed, stream, index, (1,))

    def picture(self, latent, given, training=False):
        return self.generator(latent)

    def values(self, batch, step, players, training):
        (self.judged if "discriminator" in players else self.fooled).append(batch)
        return super().values(batch, step, players, training)


COUNT = 22
POINTS = np.linspace(-1, 1, 2 * COUNT, dtype="float32").reshape(COUNT, 2)
CLASSES = np.arange(COUNT) % 10
SOURCES = {  # what `fit` is given, examples that an epoch sees, sizes of the discriminator's batches of 4
    "arrays": (dict(x=POINTS, y=CLASSES, batch_size=4), 22, [4, 4, 4, 4, 3, 3]),
    "data": (
        lambda: dict(
            x=Data("points", {"train": (POINTS, CLASSES)}, (2,), class_names=tuple("0123456789"), batch_size=4).train
        ),
        12,
        [4, 4, 4],
    ),
    "batches": (
        lambda: dict(x=tf.data.Dataset.from_tensor_slices((POINTS, CLASSES)).batch(4)),
        22,
        [4, 4, 4, 4, 3, 3],
    ),
    "endless batches": (
        lambda: dict(
            x=tf.data.Dataset.from_tensor_slices((POINTS, CLASSES)).batch(4, drop_remainder=True).repeat(),
            steps_per_epoch=1,
        ),
        12,
        [4, 4, 4],
    ),
}


def played(given, steps=3, **compiled):
    keras.utils.set_random_seed(0)
    model = Points(steps)
    model.compile(seed=1, **{f"{player}_optimizer": keras.optimizers.SGD(0.1) for player in model.players}, **compiled)
    model.fit(**(given() if callable(given) else given), epochs=2, verbose=0)
    return model


@pytest.mark.parametrize("source", SOURCES)
def test_every_step_of_the_discriminator_sees_other_examples(source):
    given, seen, sizes = SOURCES[source]
    model = played(given, run_eagerly=True)
    assert [len(batch.x) for batch in model.judged] == 2 * sizes
    assert int(model.discriminator_optimizer.iterations) == 2 * len(sizes) == 3 * int(model.clock)
    for epoch in (model.judged[: len(sizes)], model.judged[len(sizes) :]):
        rows = np.concatenate([batch.x for batch in epoch])
        assert len(np.unique(rows, axis=0)) == seen == len(rows)  # none twice
        places = np.searchsorted(POINTS[:, 0], rows[:, 0])
        np.testing.assert_array_equal(np.concatenate([batch.label for batch in epoch]), CLASSES[places])
    for batch in model.judged:
        np.testing.assert_array_equal(batch.index, np.arange(len(batch.x)))
        assert float(batch.share) == 1.0 and int(batch.total) == len(batch.x)
    for made, last in zip(model.fooled, model.judged[2::3], strict=True):
        np.testing.assert_array_equal(made.label, last.label)


def test_one_step_of_the_discriminator_takes_the_batch_as_it_is():
    model = played(SOURCES["arrays"][0], steps=1, run_eagerly=True)
    assert [len(batch.x) for batch in model.judged[:6]] == [4, 4, 4, 4, 4, 2]


def test_a_batch_with_fewer_examples_than_steps_leaves_a_part_empty():
    """It changes no weight and no figure."""
    model = Points()
    model.compile(**{f"{player}_optimizer": keras.optimizers.SGD(0.1) for player in model.players})
    batch = model.batch((POINTS[:2], CLASSES[:2]))
    shares = [float(batch.part(step, 3).share) for step in range(3)]
    totals = [int(batch.part(step, 3).total) for step in range(3)]
    assert shares == [1.0, 1.0, 0.0] and totals == [1, 1, 0]
    kernel = model.discriminator.trainable_variables[0].numpy()
    empty = batch.part(2, 3)
    values = model.descend(empty, "discriminator", lambda: model.values(empty, 0, ("discriminator",), True))
    np.testing.assert_array_equal(model.discriminator.trainable_variables[0].numpy(), kernel)
    assert np.isfinite(values["discriminator_loss"])


def test_steps_on_other_examples_do_not_depend_on_how_the_step_is_run():
    whole = played(SOURCES["arrays"][0], run_eagerly=True)
    for options in (dict(), dict(steps_per_execution=2), dict(jit_compile=True)):
        other = played(SOURCES["arrays"][0], **options)
        for ours, theirs in zip(whole.weights, other.weights, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6)


def test_every_step_has_fresh_latents():
    model = kerasgen.build("dcgan", **TINY["dcgan"])
    model.compile(run_eagerly=True)
    object.__setattr__(model, "critic_steps", 2)
    seen = []
    prior = model.prior
    object.__setattr__(model, "prior", lambda *key: seen.append(prior(*key)) or seen[-1])
    x = np.random.default_rng(0).uniform(size=(8, *model.image_shape)).astype("float32")
    model.train_on_batch(x)
    assert len(seen) == 3 and int(model.discriminator_optimizer.iterations) == 2
    assert int(model.generator_optimizer.iterations) == 1
    assert all(np.abs(seen[i] - seen[j]).max() > 0.1 for i, j in ((0, 1), (0, 2), (1, 2)))


# ------------------------------------------------------------------------------------------- learned similarity


def step_of(model, x, rate):
    """What one SGD step takes away from the weights of each player, divided by the rate: the gradient it followed."""
    model.compile(seed=3, run_eagerly=True, **{f"{p}_optimizer": keras.optimizers.SGD(rate) for p in model.players})
    values = lambda: {p: [v.numpy() for v in model.player_variables(p)] for p in model.players}
    before = values()
    model.train_on_batch(x)
    return {p: [(a - b) / rate for a, b in zip(before[p], after, strict=True)] for p, after in values().items()}


def test_each_network_of_a_learned_similarity_learns_from_its_own_terms():
    """Encoder: KL and reconstruction, not the game. Discriminator: the game, not the reconstruction."""
    model = kerasgen.build("vae_gan", **TINY["vae_gan"] | {"gamma": 0.5})
    x = np.random.default_rng(0).uniform(size=(4, 8, 8, 1)).astype("float32")
    model.compile(seed=3)
    batch = model.batch(tf.constant(x))
    with tf.GradientTape(persistent=True) as tape:
        values = model.losses(batch, training=True)
        reconstruction, kl, judging = values["reconstruction"], values["kl"], values["discriminator_loss"]
        weighted = 0.5 * reconstruction
        fooling = values["decoder_loss"] - weighted

    def gradient(player, *terms):
        gradients = [tape.gradient(term, model.player_variables(player)) for term in terms]
        return [sum(0 if g is None else g.numpy() for g in parts) for parts in zip(*gradients, strict=True)]

    expected = {
        "encoder": gradient("encoder", kl, reconstruction),
        "decoder": gradient("decoder", weighted, fooling),
        "discriminator": gradient("discriminator", judging),
    }
    # What must not be followed is there to be followed: else the test could not fail.
    assert max(np.abs(g).max() for g in gradient("encoder", fooling)) > 1e-4
    assert max(np.abs(g).max() for g in gradient("discriminator", reconstruction)) > 1e-4

    found = step_of(model, x, rate=0.01)
    for player in model.players:
        for got, wanted in zip(found[player], expected[player], strict=True):
            scale = np.abs(wanted).max() + 1e-3
            np.testing.assert_allclose(got / scale, wanted / scale, atol=2e-3)


def test_the_terms_of_a_learned_similarity_equal_numpy():
    model = kerasgen.build("vae_gan", **TINY["vae_gan"])
    x = np.random.default_rng(0).uniform(size=(4, 8, 8, 1)).astype("float32")
    model.compile(seed=3)
    batch = model.batch(tf.constant(x))
    values = {name: float(v) for name, v in model.losses(batch, training=False).items()}
    eps, z = (random.normal(batch.seed, random.LATENT + i, batch.index, (model.latent_dim,)).numpy() for i in (0, 1))
    mean, log_variance = (v.numpy() for v in model.encoder(2 * x - 1))
    rebuilt, made = model.decoder(mean + np.exp(log_variance / 2) * eps), model.decoder(z)
    features, real = (v.numpy() for v in model.discriminator(2 * x - 1))
    seen, judged = (v.numpy() for v in model.discriminator(rebuilt))
    fake = np.concatenate([judged, model.discriminator(made)[1]])
    squares = 0.5 * ((features - seen) ** 2 + np.log(2 * np.pi)).reshape(4, -1).sum(1).mean()
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1).mean()
    expected = {
        "reconstruction": squares,
        "kl": kl,
        "encoder_loss": kl + squares,
        "decoder_loss": model.gamma * squares - 2 * log_sigmoid(fake).mean(),
        "discriminator_loss": -log_sigmoid(real).mean() - 2 * log_sigmoid(-fake).mean(),
    }
    assert values == pytest.approx(expected, rel=1e-4)
