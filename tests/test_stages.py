"""Models of stages, on two points that are learned one after the other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.callbacks import BestWeights, Resume
from kerasgen.core import averages
from kerasgen.core.model import GenerativeModel
from kerasgen.core.stages import Stage, ends, restart

X = np.random.default_rng(0).normal(size=(24, 2)).astype("float32")


class Means(GenerativeModel):
    """The mean of the data, then the mean distance from it."""

    kinds = ("vector",)
    players = ("mean", "spread")
    reports = ("loss", "progress", "bias")

    def __init__(self, epochs=(2, 4), average=False, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.average = (2,), average
        self.mean, self.spread = keras.layers.Dense(2, use_bias=False), keras.layers.Dense(1, use_bias=False)
        self.mean.build((1, 1))
        self.spread.build((1, 1))
        self.in_stages(Stage("mean", epochs[0], ("mean",)), Stage("spread", epochs[1], ("spread",)))

    def optimizers(self):
        options = dict(use_ema=True, ema_momentum=0.5) if self.average else {}
        return {f"{player}_optimizer": keras.optimizers.Adam(0.1, **options) for player in self.players}

    def losses(self, batch, training):
        distance = batch.x - self.mean(tf.ones((1, 1)))
        if self.stage.name == "mean":
            loss = tf.reduce_mean(distance**2)
            return {
                "mean_loss": loss,
                "loss": loss,
                "bias": tf.reduce_mean(distance),
                "progress": self.progress,
            }
        loss = tf.reduce_mean((tf.abs(distance) - self.spread(tf.ones((1, 1)))) ** 2)
        return {"spread_loss": loss, "loss": loss, "progress": self.progress}

    def train_step(self, data):
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, self.stage.players, lambda: self.losses(batch, True)))


def fitted(*callbacks, epochs=None, data=X, **options):
    keras.utils.set_random_seed(0)
    model = Means(**options)
    model.compile()
    history = model.fit(data, batch_size=8, epochs=epochs, verbose=0, callbacks=list(callbacks), validation_data=X[:5])
    return model, history.history


class Seen(keras.callbacks.Callback):
    """The weights at the end of every epoch."""

    def on_train_begin(self, logs=None):
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        model = self.model
        self.epochs.append((model.stage.name, *(float(tf.reduce_sum(w)) for w in model.trainable_variables)))

    def state(self):
        return {}

    def restore(self, state):
        pass


@pytest.mark.parametrize("epochs, expected", [(None, [60, 90, 120]), (12, [6, 9, 12]), (3, [1, 2, 3]), (5, [2, 4, 5])])
def test_epochs_are_shared_out(epochs, expected):
    assert ends([Stage("a", 60), Stage("b", 30), Stage("c", 30)], epochs) == expected


def test_too_few_epochs_are_refused():
    with pytest.raises(ValueError, match=r"epochs: expected at least 2, one for each stage \(mean, spread\), got 1"):
        fitted(epochs=1)


def test_one_fit_goes_through_all_stages():
    seen = Seen()
    model, history = fitted(seen)
    assert [name for name, *_ in seen.epochs] == ["mean"] * 2 + ["spread"] * 4
    means, spreads = ([values[i] for values in seen.epochs] for i in (1, 2))
    assert len(set(means)) == 2 and len(set(means[1:])) == 1  # the first stage's player rests in the second
    assert len(set(spreads)) == 5 and spreads[0] == spreads[1]
    assert int(model.clock) == 6 * 3
    assert len(history["loss"]) == len(history["val_loss"]) == 6 and len(history["bias"]) == 2


def test_progress_counts_the_steps_of_a_stage():
    model, history = fitted(epochs=3)
    assert model.stage.name == "spread" and float(model.progress) == 1.0
    # 1 epoch of 3 steps, then 2 epochs: means over the epochs of 1/3, 2/3, 1 and of 1/6, ..., 6/6
    np.testing.assert_allclose(history["progress"], [2 / 3, 1 / 3, 5 / 6], rtol=1e-5)


def test_the_stage_is_saved(tmp_path):
    model, _ = fitted(epochs=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.stage.name == "spread" and float(loaded.progress) == 1.0


def test_averages_begin_with_the_first_step_of_their_stage():
    keras.utils.set_random_seed(0)
    model = Means(average=True)
    model.compile()
    before = [w.numpy() for w in model.trainable_variables]
    for _ in range(2):  # the first average is the first value
        model.train_step(tf.constant(X[:8]))
    mean, spread = (w.numpy() for w in model.trainable_variables)
    with averages.averaged(model):
        assert not np.array_equal(model.mean.kernel, mean)
        np.testing.assert_array_equal(model.spread.kernel, spread)
    np.testing.assert_array_equal(spread, before[1])


@pytest.mark.parametrize("scaled", [False, True])
def test_a_restarted_optimiser_has_no_moments_and_the_clock_goes_on(scaled):
    model = Means(average=True)
    adam = keras.optimizers.Adam(0.1, use_ema=True)
    model.compile(mean_optimizer=keras.optimizers.LossScaleOptimizer(adam) if scaled else adam)
    for _ in range(3):
        model.train_step(tf.constant(X[:8]))
    adam.learning_rate = 0.03
    kept = [average.numpy() for average in adam._model_variables_moving_average]
    restart(model.mean_optimizer)
    assert int(adam.iterations) == 0 and int(model.clock) == 3 and float(adam.learning_rate) == np.float32(0.03)
    moments = [v for v in adam.variables if "momentum" in v.name or "velocity" in v.name]
    assert len(moments) == 2 and not any(v.numpy().any() for v in moments)
    for average, before in zip(adam._model_variables_moving_average, kept, strict=True):
        np.testing.assert_array_equal(average.numpy(), before)
    model.train_step(tf.constant(X[:8]))
    assert int(adam.iterations) == 1 and int(model.clock) == 4


def test_every_stage_ends_with_its_best_weights():
    class Worse(keras.callbacks.Callback):
        """Spoil the mean at the end of its stage, before validation."""

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.good = self.model.mean.kernel.numpy()

        def on_train_batch_end(self, batch, logs=None):
            if self.model.stage.name == "mean" and int(self.model.clock) == 6:
                self.model.mean.kernel.assign(self.good + 100)

    worse, best = Worse(), BestWeights("val_loss")
    model, history = fitted(worse, best)
    assert history["val_loss"][1] > 1000 > history["val_loss"][0]
    np.testing.assert_array_equal(model.mean.kernel, worse.good)
    assert best.epoch >= 2 and model.stage.name == "spread"
    assert best.figures["bias"] == pytest.approx(history["bias"][0])


@pytest.mark.parametrize("after", [4, 6, 8])
def test_a_run_goes_on_in_its_stage(tmp_path, after):
    class Cut(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.clock) == after:
                raise InterruptedError

        def state(self):
            return {}

        def restore(self, state):
            pass

    whole, history = fitted(average=True)
    with pytest.raises(InterruptedError):
        fitted(Resume(tmp_path, steps=1), Cut(), average=True)
    resumed, again = fitted(Resume(tmp_path, steps=1), average=True)
    for ours, theirs in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)
    assert again == history


def test_a_dataset_of_unknown_length_is_refused():
    data = tf.data.Dataset.from_tensor_slices(X).filter(lambda x: True).batch(8)
    with pytest.raises(ValueError, match="steps_per_epoch: expected the batches of an epoch"):
        fitted(data=data)


def test_several_steps_in_one_execution():
    one, _ = fitted()
    keras.utils.set_random_seed(0)
    model = Means()
    model.compile(steps_per_execution=2)
    model.fit(X, batch_size=8, verbose=0, validation_data=X[:5])
    for ours, theirs in zip(one.weights, model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, err_msg=ours.path)


def test_kerasgen_has_stages_of_its_own():
    assert kerasgen.build("gaussian", image_shape=(2,)).stages == ()
