"""ProGAN: what growing must leave as it was, and its layers against closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.callbacks import Resume
from kerasgen.models.gan.architecture.progan import _normalised
from kerasgen.nets.layers.equalized import Conv, Dense
from kerasgen.nets.layers.minibatch_deviation import BatchDeviation
from kerasgen.objectives.gan import penalties

TINY = dict(image_shape=(8, 8, 1), latent_dim=6, widths=(8, 7, 6))

Z = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = kerasgen.build("progan", image_shape=(16, 16, 1), latent_dim=6, widths=(8, 6, 4))
    for v in model.trainable_variables:  # biases begin at zero
        v.assign(v + 0.1 * tf.random.stateless_normal(v.shape, (1, 2)))
    return model


def stage(model, name, done=0, steps=10):
    model.place.assign([[stage.name for stage in model.stages].index(name), done, steps])


def enlarged(x):
    return x.repeat(2, 1).repeat(2, 2)


def test_stages_go_up_to_full_size(model):
    names = [stage.name for stage in model.stages]
    assert names == ["4x4", "fade in 8x8", "8x8", "fade in 16x16", "16x16"]
    assert [stage.epochs for stage in model.stages] == [1, 1, 1, 1, 4]


@pytest.mark.parametrize("before, fade, after", [("4x4", "fade in 8x8", "8x8"), ("8x8", "fade in 16x16", "16x16")])
def test_growing_changes_nothing_at_once(model, before, fade, after):
    """With a share of 0 both networks are the old ones, with a share of 1 the new ones."""
    outputs = {}
    x = np.random.default_rng(1).normal(size=(5, 16, 16, 1)).astype("float32")
    for name, *progress in [(before,), (fade, 0), (fade, 5), (fade, 10), (after,)]:
        stage(model, name, *progress)
        outputs[name, *progress] = model.generator(Z).numpy(), model.discriminator(x).numpy()
    for i in range(2):
        old, faded, half, full, new = (values[i] for values in outputs.values())
        np.testing.assert_allclose(faded, old, atol=1e-6)
        np.testing.assert_allclose(full, new, atol=1e-6)
        assert np.abs(half - old).max() > 1e-3 < np.abs(half - new).max()
    assert outputs[before,][0].shape == x.shape


def test_a_new_resolution_ignores_the_old_colours(model):
    stage(model, "8x8")
    picture = model.generator(Z).numpy()
    for v in model.generator.colours[0].trainable_variables:
        v.assign(v + 1.0)
    np.testing.assert_array_equal(model.generator(Z), picture)


def test_pictures_of_the_data_are_blurred_as_the_generators_are(model):
    x = np.random.default_rng(1).normal(size=(2, 16, 16, 1)).astype("float32")
    stage(model, "fade in 16x16", 0)
    mean = x.reshape(2, 8, 2, 8, 2, 1).mean((2, 4))
    np.testing.assert_allclose(model.real(x), enlarged(mean), atol=1e-6)
    stage(model, "fade in 16x16", 10)
    np.testing.assert_allclose(model.real(x), x, atol=1e-6)


def test_scores_see_the_resolution_reached_alone(model):
    stage(model, "4x4")
    x = np.random.default_rng(1).normal(size=(2, 16, 16, 1)).astype("float32")
    mean = x.reshape(2, 4, 4, 4, 4, 1).mean((2, 4))
    np.testing.assert_allclose(model.discriminator(x), model.discriminator(mean), atol=1e-6)


def test_features_of_a_pixel_have_unit_mean_square():
    x = 7.0 * np.random.default_rng(0).normal(size=(3, 4, 4, 9)).astype("float32")
    np.testing.assert_allclose(np.mean(np.square(_normalised(x)), -1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("width", [4, 64, 512])
def test_equalised_layers_keep_the_variance(width):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(64, 6, 6, width)).astype("float32")
    inner = np.array(Conv(256, 3)(x))[:, 1:-1, 1:-1]  # at the border zeros are seen
    assert inner.std() == pytest.approx(1.0, abs=0.1)
    assert np.std(Dense(256)(x[:, 0, 0])) == pytest.approx(1.0, abs=0.1)


def test_copies_have_no_deviation():
    x = np.ones((8, 1, 1, 1), "float32") * np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype("float32")
    added = np.array(BatchDeviation()(x, training=True))[..., -1]
    np.testing.assert_allclose(added, 1e-4, rtol=1e-3)  # the root of the epsilon


def test_the_penalty_on_slopes_of_a_linear_critic():
    a = np.random.default_rng(0).normal(size=(12, 1)).astype("float32")
    x = tf.random.stateless_normal((5, 2, 2, 3), (0, 1))
    found = penalties.slope(lambda x: tf.reshape(x, (-1, 12)) @ a, x)
    assert float(found) == pytest.approx((np.linalg.norm(a) - 1) ** 2, rel=1e-4)


# ------------------------------------------------------------------------------------------------- growing up

WIDTHS = (6, 6, 5, 5, 4)


class Cut(keras.callbacks.Callback):
    """End a run after so many steps."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.clock) == self.after:
            raise InterruptedError

    def state(self):
        return {}

    def restore(self, state):
        pass


def grown(resolutions, *callbacks):
    """A model of colour pictures, not square, that went through all its stages, two steps each."""
    keras.utils.set_random_seed(0)
    shape = (2 * 2 ** (resolutions - 1), 3 * 2 ** (resolutions - 1), 3)
    model = kerasgen.build("progan", image_shape=shape, latent_dim=6, widths=WIDTHS[:resolutions])
    model.compile(run_eagerly=True)
    start = [v.numpy() for v in model.trainable_variables]
    x = np.random.default_rng(0).random((9, *shape)).astype("float32")
    epochs = 2 * resolutions - 1
    history = model.fit(x, batch_size=5, epochs=epochs, verbose=0, callbacks=list(callbacks)).history
    return model, history, start


@pytest.mark.parametrize("resolutions", [3, *(pytest.param(count, marks=pytest.mark.slow) for count in (4, 5))])
def test_it_grows_through_all_resolutions(resolutions, tmp_path):
    """Trained, stopped in a middle fade and gone on with, and exported."""
    model, history, start = grown(resolutions)
    stages = 2 * resolutions - 1
    assert model.stage is model.stages[-1] and int(model.clock) == 2 * stages
    assert np.isfinite(list(history.values())).all() and len(history["generator_loss"]) == stages
    changed = [np.abs(v.numpy() - w).max() > 0 for v, w in zip(model.trainable_variables, start, strict=True)]
    assert all(changed)

    with pytest.raises(InterruptedError):
        grown(resolutions, Resume(tmp_path / "run", steps=1), Cut(7))  # "fade in" of the third resolution
    resumed, again, _ = grown(resolutions, Resume(tmp_path / "run", steps=1))
    assert again == history
    for ours, theirs in zip(model.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)
    for player in model.players:
        pair = (each.player_optimizer(player).variables for each in (model, resumed))
        for ours, theirs in zip(*pair, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)

    kerasgen.export(model, tmp_path / "bundle")
    x = kerasgen.runtime.Bundle(tmp_path / "bundle").sample(3, seed=7)
    np.testing.assert_allclose(x, model.sample(3, seed=7), atol=1e-4)
    assert np.ptp(x[0], axis=(0, 1)).min() > 0  # all three channels have something in them


def test_reals_and_fakes_meet_at_the_resolution_reached(model):
    """In every stage the critic's slope is taken between pictures of the same size."""
    model.compile(run_eagerly=True)
    x = tf.constant(np.random.default_rng(1).uniform(size=(4, 16, 16, 1)).astype("float32"))
    for name, size in {"4x4": 4, "fade in 8x8": 8, "8x8": 8, "fade in 16x16": 16, "16x16": 16}.items():
        stage(model, name, 3)
        assert model.real(2.0 * x - 1.0).shape == (4, size, size, 1)
        values = model.values(model.batch((x,)), 0, ("discriminator",), training=True)
        assert np.isfinite(values["discriminator_loss"]) and values["slope"] > 0
        play = model.play(model.batch((x,)), 0, training=False)
        assert play.x.shape == play.made.shape == (4, size, size, 1)


def test_optimisers_begin_anew_with_every_stage():
    """A step after growing is as long as the first of all: Adam without moments moves every weight by its rate."""
    keras.utils.set_random_seed(0)
    model = kerasgen.build("progan", image_shape=(8, 12, 3), latent_dim=6, widths=(5, 4, 4))
    model.compile(run_eagerly=True)
    x = np.random.default_rng(0).random((6, 8, 12, 3)).astype("float32")
    lengths, clock = [], []
    for place in range(len(model.stages)):
        model.enter_stage(place, 0, 2)
        for step in range(2):
            before = [v.numpy() for v in model.generator.trainable_variables]
            model.train_on_batch(x)
            after = model.generator.trainable_variables
            lengths.append(max(np.abs(v.numpy() - w).max() for v, w in zip(after, before, strict=True)))
            clock.append(int(model.clock))
            assert int(model.generator_optimizer.iterations) == step + 1
    assert clock == list(range(1, len(lengths) + 1))
    rate = float(model.generator_optimizer.learning_rate)
    np.testing.assert_allclose(lengths[::2], rate, rtol=0.01)
    assert max(lengths) < 1.5 * rate  # of the second: sqrt(1 + 0.99) of it at most


def test_weights_of_the_paper():
    """Counted from the paper's table, which says 23.1 million each: what is left at full size, no faded colours."""
    model = kerasgen.build("progan")
    faded = [sum(n.count_params() for n in model.generator.colours[:-1])]
    faded += [sum(n.count_params() for n in model.discriminator.features[:-1])]
    found = [sum(v.shape.num_elements() for v in model.player_variables(player)) for player in model.players]
    assert [a - b for a, b in zip(found, faded, strict=True)] == [23_071_507, 23_077_137]
