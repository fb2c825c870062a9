"""What stops or flags a run: figures and weights that are not finite, generators that collapse, losses that grow."""

import functools
import importlib.util
import itertools
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from safetensors.numpy import load_file
from tiny import TINY

import kerasgen
from kerasgen import catalog, cli
from kerasgen.callbacks import (
    CollapseMonitor,
    CSVHistory,
    NonFinite,
    NonFiniteGuard,
    Resume,
    check_finite,
    checkpoints,
)
from kerasgen.core import random, run_state
from kerasgen.core.model import GenerativeModel
from kerasgen.metrics import two_dim
from kerasgen.objectives.gan import game

# --- what is not finite ---------------------------------------------------------------------------------------------

EPOCH = 4  # steps


class Poison:
    """Multiplies one of a model's losses by a value, at one step of training."""

    def __init__(self, model):
        self.model, self.key = model, tf.Variable(-1)
        self.step, self.value = tf.Variable(-1, dtype=tf.int64), tf.Variable(1.0)
        descend, names = model.descend, list(model.reports)

        def poisoned(batch, players, compute):
            now = tf.equal(tf.cast(model.clock, tf.int64) + 1, self.step)

            def factor(name):
                return tf.where(now & (self.key == names.index(name)), self.value, 1.0) if name in names else 1.0

            return descend(batch, players, lambda: {n: v * factor(n) for n, v in compute().items()})

        model.descend = poisoned

    def put(self, step, value=np.nan, key="loss"):
        """`step` counts from 1 in the next `fit`."""
        self.key.assign(list(self.model.reports).index(key))
        self.step.assign(int(self.model.clock.numpy()) + step)
        self.value.assign(value)


class Point(GenerativeModel):
    """One point that follows the data, and a weight that no loss sees, such as a batch statistic."""

    serves = ("sample",)
    kinds = ("vector",)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = (2,)
        self.point = self.add_weight(shape=(2,), initializer="zeros", name="point")
        self.unseen = self.add_weight(shape=(3,), initializer="zeros", name="unseen", trainable=False)

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(0.1)}

    def losses(self, batch, training):
        return {"loss": tf.reduce_mean((batch.x - self.point) ** 2)}

    def train_step(self, data):
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, "", lambda: self.losses(batch, True)))

    def serve_sample(self, seed, index):
        return self.point + random.normal(seed, random.LATENT, index, (2,))


@pytest.fixture
def point():
    model = Point()
    model.compile()
    model.poison = Poison(model)
    return model


def fit(model, callbacks=(), epochs=3):
    levels = (model.levels or 17) - 1
    x = np.random.default_rng(0).random((4 * EPOCH, *model.image_shape)).astype("float32")
    y = np.arange(len(x)) % model.num_classes if model.num_classes else None
    x = np.round(x * levels) / np.float32(levels)
    return model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, callbacks=list(callbacks))


def state(model):
    return {key: variable.numpy() for key, variable in run_state.variables(model).items()}


def finite(arrays):
    return all(np.isfinite(array).all() for array in arrays.values())


class After(keras.callbacks.Callback):
    """Does something after one step, counted from 1. Keras then calls no callback in a thread."""

    def __init__(self, step=0, action=None):
        super().__init__()
        self.step, self.action, self.done = step, action, 0

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        if self.done == self.step:
            self.action()


class Ends(keras.callbacks.Callback):
    """The state at the beginning and after every epoch."""

    def on_train_begin(self, logs=None):
        self.states = {0: state(self.model)}

    def on_epoch_end(self, epoch, logs=None):
        self.states[EPOCH * (epoch + 1)] = state(self.model)


def spoil(variable, value=np.nan):
    """Put one wrong number into a variable."""

    def action():
        array = variable.numpy()
        array.flat[0] = value
        variable.assign(array)

    return action


@pytest.mark.parametrize(
    "id, smaller",
    [
        *((id, {}) for id in ("gaussian", "vae", "dcgan")),
        *(pytest.param(id, {}, marks=pytest.mark.slow) for id in ("real_nvp", "pixel_cnn", "vae_gan")),
        pytest.param("ddpm", dict(multipliers=(1,), attention=()), marks=pytest.mark.slow),
    ],
)
def test_a_loss_that_is_not_finite_stops_training_at_its_step(id, smaller):
    model = kerasgen.build(id, **{**TINY[id], **smaller})
    model.compile()
    poison, ends = Poison(model), Ends()
    for key, value in itertools.product(model.reports, (np.nan, np.inf)):
        poison.put(6, value, key)
        with pytest.raises(NonFinite, match="^step 6: .*; training stopped, and the model is back [^\n]*$") as caught:
            fit(model, [ends])
        error = caught.value
        assert error.step == 6 and not np.isfinite(error.values[key]) and error.back in (0, 4)
        assert key in str(error) or len(error.values) > 3
        after = state(model)
        assert finite(after) and all(np.array_equal(ends.states[error.back][k], after[k]) for k in after)


@pytest.mark.parametrize("threads", [True, False])
def test_the_step_is_exact(point, threads):
    for step in (1, 4, 5, 12):
        point.poison.put(step)
        with pytest.raises(NonFinite) as caught:
            fit(point, [] if threads else [After()])
        assert caught.value.step == step


def test_several_steps_per_execution_name_the_last_of_theirs(point):
    point.compile(steps_per_execution=3)
    for step, named in ((2, 3), (4, 4), (6, 7)):
        point.poison.put(step)
        with pytest.raises(NonFinite) as caught:
            fit(point)
        assert caught.value.step == named


def test_training_goes_on_from_where_the_model_is_back(point):
    point.poison.put(6)
    with pytest.raises(NonFinite):
        fit(point)
    point.poison.put(-1)
    assert finite(fit(point).history)


def test_without_a_copy_the_model_is_left_as_it_is(point):
    point.poison.put(6)
    with pytest.raises(NonFinite, match="^step 6: loss is nan$") as caught:
        fit(point, [NonFiniteGuard(keep=False)])
    assert caught.value.back is None and not finite(state(point))


def test_a_weight_that_is_not_finite_is_seen_in_the_loss_of_the_next_step(point):
    with pytest.raises(NonFinite, match="step 3: loss is nan; .* is back where fit began"):
        fit(point, [After(2, spoil(point.point))])
    assert finite(state(point))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_weight_that_no_loss_sees_is_found_at_the_end_of_the_epoch(point, value):
    with pytest.raises(NonFinite, match=f"step 8: {point.unseen.path} is {value:g}; training stopped"):
        fit(point, [After(6, spoil(point.unseen, value))])
    assert finite(state(point))


def test_nothing_that_is_not_finite_is_written(point, tmp_path):
    saver = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True)
    table = CSVHistory(tmp_path / "history.csv")
    with pytest.raises(NonFinite, match="step 8: "):
        fit(point, [NonFiniteGuard(), After(6, spoil(point.unseen)), saver, table])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.weights.h5", "history.csv"]
    point.load_weights(tmp_path / "1.weights.h5")
    assert finite(state(point)) and "nan" not in (tmp_path / "history.csv").read_text()


def test_a_checkpoint_is_refused_and_the_one_before_kept(point, tmp_path):
    moment = point.optimizer.variables[-1]
    with pytest.raises(NonFinite, match=f"step 6: {moment.path} is inf"):
        fit(point, [After(6, spoil(moment, np.inf)), Resume(tmp_path, steps=1)])
    kept = checkpoints.find(tmp_path)
    assert kept[0].name.startswith("0000000005-") and all(finite(load_file(path)) for path in kept)


def test_a_model_that_begins_with_such_a_weight_is_refused(point):
    spoil(point.unseen)()
    with pytest.raises(NonFinite, match=f"^step 0: {point.unseen.path} is nan$"):
        fit(point)
    with pytest.raises(NonFinite, match="step 7: "):
        check_finite(point, 7)


def test_large_finite_weights_are_let_through(point):
    spoil(point.unseen, 3e38)()
    check_finite(point, 0)  # the sum of squares is infinite


def test_many_names_are_counted():
    line = str(NonFinite(3, {name: np.nan for name in "abcde"}))
    assert line == "step 3: a is nan, b is nan, c is nan, 2 more"


def test_figures_of_validation_count_too():
    class Broken(Point):
        def test_step(self, data):
            return self.report(self.batch(data, training=False), {"loss": tf.constant(np.inf)})

    model = Broken()
    model.compile()
    x = np.eye(8, 2, dtype="float32")
    with pytest.raises(NonFinite, match="step 2: val_loss is inf"):
        model.fit(x, batch_size=4, epochs=3, validation_data=x, verbose=0)


def test_steps_that_loss_scaling_skips_are_no_fault(point):
    scaling = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**127)
    spoil(point.point, 99.0)()
    point.compile(optimizer=scaling)
    assert finite(fit(point).history) and float(scaling.dynamic_scale) < 2.0**127


def test_the_command_line_says_it_in_one_line(tmp_path, capsys):
    rate, out = "recipe.optimizers.optimizer.config.learning_rate=1e38", tmp_path / "run"
    assert cli.main(["train", "gaussian_digits", "--epochs", "1", "--set", rate, "--out", str(out)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert line.startswith("error: step ") and "loss is" in line
    assert not out.exists()


# --- what has collapsed ---------------------------------------------------------------------------------------------


class Ring(GenerativeModel):
    """A generator that reaches so many of the eight Gaussians, and a discriminator that knows its samples or does not.

    Samples are multiples of 1/64, which is how they can be told.
    """

    serves = ("sample", "energy")
    kinds = ("vector",)

    def __init__(self, reached=8, sure=False, jump=999, rest=0.0, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.sure, self.jump, self.rest = (2,), sure, jump, rest
        self.reached = tf.Variable(reached)
        self.discriminator = self.add_weight(shape=(), initializer="zeros", name="discriminator")

    def losses(self, batch, training):
        jumped = tf.cast(self.clock, tf.int32) >= self.jump
        return {"loss": tf.where(jumped, 30.0, 2.0) + 0.0 * self.discriminator}

    def train_step(self, data):
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, "", lambda: self.losses(batch, True)))

    def serve_sample(self, seed, index):
        centres, sigma = two_dim.MODES["eight_gaussians"]
        noise = sigma * random.normal(seed, random.LATENT, index, (2,))
        return tf.round(64.0 * (tf.gather(tf.constant(centres, tf.float32), index % self.reached) + noise)) / 64.0

    def serve_energy(self, x):
        made = tf.reduce_all(tf.equal(64.0 * x, tf.round(64.0 * x)), axis=-1)
        return tf.where(made & self.sure, 1.0, -1.0)


@functools.cache
def ring_data():
    return kerasgen.data.load("eight_gaussians", batch_size=2000)  # 10 steps an epoch


def watch(model, epochs=6, data=None, callbacks=(), patience=20, **options):
    """(monitor, its warnings, history) of a run."""
    model.compile(optimizer="sgd")
    monitor = CollapseMonitor(ring_data() if data is None else data, every=1, patience=patience, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(ring_data().train, epochs=epochs, verbose=0, callbacks=[monitor, *callbacks]).history
    return monitor, [str(one.message) for one in caught if "expected at" in str(one.message)], history


def test_a_healthy_run_is_silent_and_has_its_figures_in_the_history(tmp_path):
    monitor, said, history = watch(Ring(), callbacks=[CSVHistory(tmp_path / "history.csv")])
    assert monitor.flags == [] and said == []
    assert history["spread"] == pytest.approx([1.0] * 6, abs=0.05) and history["modes"] == [8] * 6
    assert history["real_accuracy"] == [1.0] * 6 and history["fake_accuracy"] == [0.0] * 6
    assert "spread" in (tmp_path / "history.csv").read_text().splitlines()[0]


@pytest.mark.parametrize(
    "faulty, reasons",
    [
        (dict(reached=3), ["collapsed: 3 of 8 modes, expected at least 5"]),
        (
            dict(reached=1),
            ["collapsed: spread 0.14, expected at least 0.4", "collapsed: 1 of 8 modes, expected at least 5"],
        ),
        (dict(sure=True), ["saturated: discriminator right about 100.0%, expected at most 98.0%"]),
    ],
    ids=["modes", "spread", "accuracy"],
)
def test_a_collapsed_run_is_flagged_once(faulty, reasons):
    monitor, said, _ = watch(Ring(**faulty), warmup=0.2)  # epoch 1 is not judged, 2 and 3 are the patience
    assert monitor.flags == [(2, reason) for reason in reasons]
    assert said == [f"epoch 3, step 30: {reason}" for reason in reasons]


def test_accuracies_are_counted_from_the_score_at_which_the_game_rests():
    """Scores are -1 for samples and 1 for all else: beyond 1 none looks real, and a critic has no such score."""
    monitor, _, history = watch(Ring(sure=True, rest=1.5))
    assert history["real_accuracy"] == [0.0] * 6 and history["fake_accuracy"] == [1.0] * 6
    assert monitor.flags == []
    critic, said, history = watch(Ring(sure=True, rest=None))
    assert "real_accuracy" not in history and critic.flags == [] and said == []


def test_games_say_where_their_scores_rest():
    """Those of a Wasserstein critic nowhere: shifted by any constant they are as good."""
    for system, row in catalog.SYSTEMS.items():
        cls = row.load()
        if issubclass(cls, game.Game):
            scores, loss = np.array([[0.5], [-1.0]], "float32"), cls.adversarial_loss
            shifted = [float(loss.discriminator(scores + c, scores + c)) for c in (0.0, 3.0)]
            assert (loss.rest is None) == np.isclose(*shifted), system
            if loss.rest is not None:  # where real and made look alike, that score costs least
                at = [float(loss.discriminator(*2 * [np.float32([[loss.rest + c]])])) for c in (-2, 0, 2)]
                assert at[1] < min(at[0], at[2]), system


def test_a_loss_that_runs_away_is_flagged():
    monitor, said, _ = watch(Ring(jump=35), epochs=9)  # the epochs' means: 2, 2, 2, 16, 30, 30 ...
    assert monitor.flags == [(5, "diverged: loss 30, expected at most 20")] and len(said) == 1


def test_thresholds_can_be_moved_and_switched_off():
    off = dict(spread=None, modes=None, accuracy=None, loss=None)
    assert watch(Ring(reached=1, sure=True, jump=35), epochs=9, **off)[0].flags == []
    assert len(watch(Ring(reached=7), modes=0.95)[0].flags) == 1
    assert watch(Ring(reached=1), patience=1000)[0].flags == []  # longer than the run


def test_a_run_can_be_stopped():
    monitor, _, history = watch(Ring(reached=1), epochs=20, stop=True, warmup=0)
    assert len(history["loss"]) == 2 == monitor.flags[0][0] + 1


def test_a_bad_moment_is_no_fault():
    model = Ring()

    class Moment(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            model.reached.assign(1 if epoch in (4, 5) else 8)

    monitor, _, history = watch(model, epochs=10, callbacks=[Moment()], patience=40)
    assert 1 in history["modes"] and monitor.flags == []


@pytest.mark.parametrize("kind", [np.asarray, lambda x: tf.data.Dataset.from_tensor_slices((x, x)).batch(50)])
def test_arrays_and_datasets_do_as_data(kind):
    x = ring_data().arrays("train")[0][:300]
    model = Ring()
    model.compile(optimizer="sgd")
    monitor = CollapseMonitor(kind(x), every=2, count=100)
    history = model.fit(x, epochs=4, verbose=0, callbacks=[monitor]).history
    assert "modes" not in history and history["spread"] == pytest.approx([1.0] * 4, abs=0.1)  # one in each epoch


def test_a_conditional_model_without_a_discriminator_draws_its_labels():
    model = kerasgen.build("pixel_cnn", **TINY["pixel_cnn"])
    model.compile()
    data = kerasgen.data.load("digits")
    history = fit(model, [CollapseMonitor(data, count=32)]).history
    assert len(history["spread"]) == len(history["modes"]) == 3 and "real_accuracy" not in history


@pytest.mark.parametrize("data, got", [(np.zeros((9, 3)), (9, 3)), (np.zeros((1, 2)), (1, 2))])
def test_data_of_another_shape_are_refused(data, got):
    with pytest.raises(ValueError, match=rf"data: expected shape \(2 or more, 2\), got \({got[0]}, {got[1]}\)"):
        watch(Ring(), data=data)


def test_a_model_without_samples_is_refused():
    class Silent(Ring):
        serves = ("energy",)

    with pytest.raises(ValueError, match="expected a model that serves sample, got Silent"):
        watch(Silent())


def test_a_resumed_run_is_watched_as_one(tmp_path):
    class Broken(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    once, _, history = watch(Ring(reached=1), callbacks=[Resume(tmp_path / "once", steps=1)])
    with pytest.raises(KeyboardInterrupt):
        watch(Ring(reached=1), callbacks=[Broken(), Resume(tmp_path / "twice", steps=1)])
    twice, _, resumed = watch(Ring(reached=1), callbacks=[Resume(tmp_path / "twice", steps=1)])
    assert once.flags == twice.flags != [] and history == resumed


@functools.cache
def benchmark():
    spec = importlib.util.spec_from_file_location("collapse", ROOT / "benchmarks" / "collapse.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["collapse"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmark().BAD)
def test_runs_that_fail_are_flagged(name):
    assert benchmark().train(benchmark().BAD[name])[0].flags


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmark().HEALTHY)
def test_runs_that_work_are_not(name):
    assert benchmark().train(benchmark().HEALTHY[name])[0].flags == []
