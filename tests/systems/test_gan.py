"""The game on a law that can be enumerated, what its two forms teach, and the networks of the authors' code."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts

import kerasgen
from kerasgen import hub
from kerasgen.core.batch import Batch

TINY = dict(
    image_shape=(8, 8, 1), latent_dim=6, widths=(16, 12), units=(10, 8), pieces=3, input_dropout=0.0, dropout=0.0
)

P, Q = np.float32([0.1, 0.2, 0.3, 0.4]), np.float32([0.4, 0.4, 0.1, 0.1])  # laws on the corners of a square
CORNERS = np.float32([[-1, -1], [-1, 1], [1, -1], [1, 1]])


def build(**arguments):
    keras.utils.set_random_seed(0)
    return kerasgen.build("gan", **arguments)


def expected(scores, law):
    """What `mean` of a loss over scores is to see: a score repeated as often as its corner comes up, of ten."""
    return tf.repeat(scores, np.round(10 * law).astype(int), axis=0)


def test_the_best_discriminator_is_p_over_p_plus_q_and_the_value_two_divergences():
    """The maxout network learns from every corner at once: the expectation itself, no draws."""
    model = build(image_shape=(2,), latent_dim=2, widths=(4,), units=(8, 8), pieces=2, input_dropout=0.0, dropout=0.0)
    judge, optimizer = model.discriminator, keras.optimizers.Adam(0.02)
    optimizer.build(judge.trainable_variables)

    @tf.function
    def learn():
        with tf.GradientTape() as tape:
            scores = judge(CORNERS, training=True)
            loss = model.adversarial_loss.discriminator(expected(scores, P), expected(scores, Q))
        optimizer.apply(tape.gradient(loss, judge.trainable_variables))
        return loss

    losses = [float(learn()) for _ in range(400)]
    found = tf.sigmoid(judge(CORNERS))[:, 0]
    np.testing.assert_allclose(found, P / (P + Q), atol=5e-3)
    middle = (P + Q) / 2
    divergence = (np.sum(P * np.log(P / middle)) + np.sum(Q * np.log(Q / middle))) / 2
    assert losses[-1] == pytest.approx(np.log(4) - 2 * divergence, abs=1e-4)
    assert losses[0] == pytest.approx(np.log(4), abs=1e-3)  # it began without an opinion


def gradient(model, score):
    """Of the generator's loss, where the discriminator gives one picture some score."""
    bias = model.discriminator.trainable_variables[-1]
    batch = Batch(tf.zeros((1, *model.image_shape)), {}, tf.constant([0]), tf.constant(3))
    made = model.draw(batch.seed, 0, batch.index, {})
    bias.assign_add(score - model.discriminator(made)[0])
    with tf.GradientTape() as tape:
        loss = model.values(batch, 0, ("generator",), training=False)["generator_loss"]
    variables = model.player_variables("generator")
    return np.concatenate([np.ravel(g) for g in tape.gradient(loss, variables)])


@pytest.mark.parametrize("score", [0.0, -6.0, 6.0])
def test_both_losses_of_the_generator_have_one_direction_and_two_sizes(score):
    """dL/ds = -sigmoid(-s) and -sigmoid(s): equal where D = 1/2, e^6 apart where it is sure."""
    free, bound = (gradient(build(**TINY, loss=loss), score) for loss in ("non_saturating", "minimax"))
    lengths = [np.linalg.norm(g) for g in (free, bound)]
    assert lengths[1] > 0 and free @ bound == pytest.approx(np.prod(lengths), rel=1e-4)
    assert lengths[0] / lengths[1] == pytest.approx(np.exp(-score), rel=1e-2)


def test_what_is_dropped_is_black():
    """Pictures are in [0, 1] where the discriminator drops a share of them, as in the authors' code."""
    model = build(**TINY | {"input_dropout": 0.2})
    dropped = keras.Model(model.discriminator.input, model.discriminator.get_layer(index=3).output)
    seen = np.array(dropped(-np.ones((2, 8, 8, 1), "float32"), training=True))
    np.testing.assert_array_equal(seen, 0.0)
    seen = np.array(dropped(np.ones((50, 8, 8, 1), "float32"), training=True))
    assert set(np.unique(seen)) == {0.0, 1.25} and (seen == 0).mean() == pytest.approx(0.2, abs=0.03)


def test_hidden_units_are_the_largest_of_their_pieces():
    model = build(**TINY)
    x = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 1)).astype("float32")
    h, (*hidden, last) = (x.reshape(5, 64) + 1) / 2, [d for d in model.discriminator.layers if hasattr(d, "units")]
    for dense in hidden:
        h = np.max((h @ dense.kernel.numpy() + dense.bias.numpy()).reshape(5, -1, TINY["pieces"]), -1)
    score = h @ last.kernel.numpy() + last.bias.numpy()
    np.testing.assert_allclose(model.energy((x + 1) / 2), -score[:, 0], atol=1e-6)


def test_latents_are_uniform_with_variance_one():
    z = build(**TINY).prior(7, 0, tf.range(4000)).numpy()
    assert np.abs(z).max() <= 3**0.5 and z.var() == pytest.approx(1, abs=0.02) and abs(z.mean()) < 0.02


def test_vectors_are_made_and_judged_as_they_are():
    model = build(image_shape=(2,), latent_dim=3, widths=(8,), units=(4,), pieces=2)
    z = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    x = model.decode(100.0 * z)
    np.testing.assert_array_equal(x, model.generator(100.0 * z))
    np.testing.assert_allclose(model.energy(x), -model.discriminator(x)[:, 0], rtol=1e-6)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss: expected non_saturating or minimax, got 'hinge'"):
        kerasgen.build("gan", loss="hinge")


def test_weights_of_the_paper():
    """Counted by hand from the layers of the authors' `mnist.yaml`: 240 units of 5 pieces."""
    generator = 100 * 1200 + 1200 + 1200 * 1200 + 1200 + 1200 * 784 + 784
    discriminator = 784 * 1200 + 1200 + 240 * 1200 + 1200 + 240 + 1
    assert counts("gan") == {"generator": generator, "discriminator": discriminator}
    assert (generator, discriminator) == (2_503_984, 1_231_441)


def test_rates_fall_as_those_of_the_authors():
    """`mnist.yaml`: divided by 1.000004 at every step; half as much for the discriminator, whose loss is doubled."""
    recipe = json.loads((hub.find_preset("gan_mnist") / "preset.json").read_text("utf-8"))["recipe"]["optimizers"]
    own = kerasgen.build("gan", **TINY).optimizers()
    for player, first in (("generator_optimizer", 0.1), ("discriminator_optimizer", 0.05)):
        config = recipe[player]["config"]
        rate = keras.optimizers.schedules.deserialize(config["learning_rate"])
        for step in (0, 1_000, 125_000, 1_000_000):
            assert float(rate(step)) == pytest.approx(first * 1.000004**-step, rel=1e-4)
            assert float(own[player]._learning_rate(step)) == pytest.approx(float(rate(step)), rel=1e-6)
        assert config["momentum"] == own[player].momentum == 0.5
