"""The controller in closed form, who pays what, and the weights of the paper-scale networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts

import kerasgen
from kerasgen.models.gan.objective import began

TINY = dict(image_shape=(8, 8, 1), latent_dim=4, filters=4, sizes=3, gamma=0.7, rate=0.1, skips=True)


def test_weights_of_the_paper():
    """Counted from carpedm20/BEGAN-tensorflow, at 64 and 128 pixels: n = 128, 64 latents, 8x8 the smallest map."""
    assert counts("began") == {"generator": 1_716_611, "discriminator": 13_405_379}
    wide = counts("began", image_shape=(128, 128, 3), sizes=5)
    assert wide == {"generator": 2_011_779, "discriminator": 23_221_443}


def test_skips_widen_the_first_convolution_of_every_later_size():
    own = dict(image_shape=(32, 32, 3), filters=16, sizes=3)
    plain, skipping = counts("began", **own), counts("began", **own, skips=True)
    for player in plain:
        assert skipping[player] - plain[player] == 2 * 9 * 16 * 16


def model_of(**arguments):
    keras.utils.set_random_seed(1)
    model = kerasgen.build("began", **TINY | arguments)
    model.compile(seed=3, run_eagerly=True, **{f"{p}_optimizer": keras.optimizers.SGD(0.0) for p in model.players})
    return model


def pictures(count=6, seed=0):
    return np.random.default_rng(seed).uniform(size=(count, 8, 8, 1)).astype("float32")


def errors(model, batch):
    """L of examples and of what is made for them, by NumPy."""
    made = model.generator(model.prior(batch.seed, kerasgen.core.random.LATENT, batch.index))
    return [np.abs(v - model.discriminator(v)).mean() for v in (2 * batch.x - 1, made)]


def test_the_controller_moves_in_closed_form():
    model = model_of()
    k = 0.4
    model.balance.assign(k)
    for step in range(3):
        model.generator_optimizer.iterations.assign(step)
        x = pictures(seed=step)
        real, made = errors(model, model.batch((tf.constant(x),)))
        found = {key: float(v) for key, v in model.train_on_batch(x, return_dict=True).items()}
        model.reset_metrics()
        k, before = np.clip(k + 0.1 * (0.7 * real - made), 0, 1), k
        assert float(model.balance) == pytest.approx(k, abs=1e-5) and abs(k - before) > 1e-3
        assert found["balance"] == pytest.approx(k, abs=1e-5)
        assert found["generator_loss"] == pytest.approx(made, rel=1e-4)
        assert found["discriminator_loss"] == pytest.approx(real - before * made, rel=1e-4)
        assert found["convergence"] == pytest.approx(real + abs(0.7 * real - made), rel=1e-4)


def test_the_controller_stays_between_nothing_and_one():
    assert float(began.balanced(0.1, 0.1, 1.0, gamma=0.5, rate=10.0)[0]) == 0
    assert float(began.balanced(0.9, 1.0, 0.1, gamma=0.5, rate=10.0)[0]) == 1


def test_the_controller_rests_where_the_losses_are_in_balance():
    """L_D of a discriminator that could trade one error for the other: the controller ends where L(G) = gamma L(x)."""
    k, gamma = 0.0, 0.6
    for _ in range(600):
        real, made = 0.2 + 0.1 * k, 0.3 * (0.3 + k)  # the more k counts, the less is rebuilt of either
        k, measure = (float(v) for v in began.balanced(k, real, made, gamma, 0.1))
    assert 0 < k < 1 and made == pytest.approx(gamma * real, rel=1e-3)
    assert measure == pytest.approx(real, rel=1e-3)
    assert float(began.balanced(k, 0.5, 0.3, gamma, 0.01)[0]) == pytest.approx(k)


def test_evaluation_leaves_the_controller_alone():
    model = model_of()
    model.balance.assign(0.3)
    figures = model.evaluate(pictures(), verbose=0, return_dict=True)
    assert float(model.balance) == pytest.approx(0.3) and set(figures) == {"generator_loss", "discriminator_loss"}


def test_both_players_learn_from_one_pass():
    """Gradients of each player are those of its own loss, and the networks run once on what is made."""
    model, x, rate = model_of(), pictures(), 0.01
    model.compile(seed=3, run_eagerly=True, **{f"{p}_optimizer": keras.optimizers.SGD(rate) for p in model.players})
    model.balance.assign(0.5)
    batch = model.batch((tf.constant(x),))
    with tf.GradientTape(persistent=True) as tape:
        made = model.generator(model.prior(batch.seed, kerasgen.core.random.LATENT, batch.index))
        lost = [tf.reduce_mean(tf.abs(v - model.discriminator(v))) for v in (2 * batch.x - 1, made)]
        paid = {"generator": lost[1], "discriminator": lost[0] - 0.5 * lost[1]}
    wanted = {p: tape.gradient(paid[p], model.player_variables(p)) for p in model.players}
    before = {p: [v.numpy() for v in model.player_variables(p)] for p in model.players}
    drawn, prior = [], model.prior
    object.__setattr__(model, "prior", lambda *key: drawn.append(key) or prior(*key))
    model.train_on_batch(x)
    assert len(drawn) == 1
    for player, gradients in wanted.items():
        for old, variable, gradient in zip(before[player], model.player_variables(player), gradients, strict=True):
            np.testing.assert_allclose((old - variable.numpy()) / rate, gradient, rtol=5e-3, atol=2e-4)


def test_the_controller_is_saved(tmp_path):
    model = model_of()
    model.balance.assign(0.25)
    model.save(tmp_path / "model.keras")
    assert float(keras.models.load_model(tmp_path / "model.keras").balance) == 0.25


def test_energy_is_the_error_of_the_reconstruction():
    model, x = model_of(gamma=0.5), pictures()
    model.generator.trainable_variables[0].assign_add(tf.ones_like(model.generator.trainable_variables[0]))
    rebuilt = model.discriminator(2 * x - 1)
    np.testing.assert_allclose(model.energy(x), np.abs(2 * x - 1 - rebuilt).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(model.reconstruct(x), np.clip((rebuilt + 1) / 2, 0, 1), atol=1e-6)
