"""Callbacks on models small enough to know the answer, with one optimiser and with two, averaged and not."""

import csv
import io

import imageio.v3 as imageio
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from rich.console import Console

from kerasgen import pictures
from kerasgen.callbacks import BestWeights, CSVHistory, NonFinite, Progress, SampleGrid
from kerasgen.core import averages, random
from kerasgen.core.model import GenerativeModel

FAR = np.linspace([3.0, 3.0], [5.0, 5.0], 8, dtype="float32")  # training leads past validation
NEAR = np.ones((8, 2), "float32")


class Point(GenerativeModel):
    """One point that follows the data; it counts its steps, as batch statistics would."""

    serves = ("sample",)
    kinds = ("vector",)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = (2,)
        self.point = self.add_weight(shape=(2,), initializer="zeros", name="point")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count", trainable=False)

    def losses(self, batch, training):
        return {"loss": tf.reduce_mean((batch.x - self.point) ** 2)}

    def train_step(self, data):
        self.count.assign_add(1.0)
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, "", lambda: self.losses(batch, True)))

    def serve_sample(self, seed, index):
        return self.point + 0.1 * random.normal(seed, random.LATENT, index, (2,))


class Pair(GenerativeModel):
    """Two players, each of which follows the data."""

    serves = ("sample",)
    kinds = ("vector",)
    players = ("left", "right")
    reports = ("left_loss", "right_loss")

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = (2,)
        self.left, self.right = (
            keras.Sequential([keras.Input((1,)), layers.Dense(2, use_bias=False, kernel_initializer="zeros")], name=n)
            for n in self.players
        )

    def losses(self, batch, training):
        one = tf.ones((1, 1))
        return {f"{p}_loss": tf.reduce_mean((batch.x - getattr(self, p)(one)) ** 2) for p in self.players}

    def train_step(self, data):
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, self.players, lambda: self.losses(batch, True)))

    def serve_sample(self, seed, index):
        return self.left(random.normal(seed, random.LATENT, index, (1,)))


class Normalised(GenerativeModel):
    """A player that follows the data, and a player with batch statistics of them."""

    players = ("mean", "seen")
    reports = ("mean_loss", "seen_loss")

    kinds = ("vector",)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = (2,)
        x = keras.Input((2,))
        self.mean = keras.Sequential([keras.Input((1,)), layers.Dense(2, use_bias=False)])
        self.seen = keras.Model(x, layers.BatchNormalization(momentum=0.5, synchronized=True)(x))

    def losses(self, batch, training):
        mean, seen = self.mean(tf.ones((1, 1))), self.seen(batch.x, training=training)
        mean_loss = tf.reduce_mean((batch.x - mean) ** 2)
        return {"mean_loss": mean_loss, "seen_loss": tf.reduce_mean((seen - batch.x) ** 2)}

    def train_step(self, data):
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, self.players, lambda: self.losses(batch, True)))


def fit(model, callbacks, epochs=7, use_ema=False, **options):
    names = [f"{player}_optimizer" if player else "optimizer" for player in model.players]
    model.compile(run_eagerly=True, **{n: keras.optimizers.SGD(0.08, use_ema=use_ema, ema_momentum=0.7) for n in names})
    validation = tf.data.Dataset.from_tensors(NEAR)
    model.fit(
        FAR,
        batch_size=8,
        epochs=epochs,
        validation_data=validation,
        verbose=0,
        callbacks=callbacks,
        **options,
    )
    return model


class Witness(keras.callbacks.Callback):
    """Writes down weights and averages after each epoch."""

    def on_train_begin(self, logs=None):
        self.weights, self.averages, self.logs = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append([w.numpy() for w in self.model.weights])
        with averages.averaged(self.model):
            self.averages.append([w.numpy() for w in self.model.weights])
        self.logs.append(dict(logs))


@pytest.mark.parametrize("use_ema", [False, True])
@pytest.mark.parametrize(
    "kind, monitor", [(Point, "val_loss"), (Pair, "val_right_loss"), (Normalised, "val_mean_loss")]
)
def test_the_best_weights_are_those_that_validation_saw(kind, monitor, use_ema):
    witness, best = Witness(), BestWeights(monitor)
    model = fit(kind(), [witness, best], use_ema=use_ema)
    epoch = int(np.argmin([logs[monitor] for logs in witness.logs]))
    assert best.epoch == epoch and 0 < epoch < 6
    kept = (witness.averages if use_ema else witness.weights)[epoch]
    for weight, value in zip(model.weights, kept, strict=True):
        np.testing.assert_allclose(weight.numpy(), value, rtol=1e-6)
    figures = model.evaluate(tf.data.Dataset.from_tensors(NEAR), return_dict=True, verbose=0)
    assert figures[monitor.removeprefix("val_")] == pytest.approx(best.value, rel=1e-5)
    assert all(np.array_equal(v, a) for v, a in averages.pairs(model))


def test_validation_looks_at_weights_where_nothing_is_averaged_and_at_averages_where_something_is():
    first, last = (fit(Point(), [BestWeights()], use_ema=ema).history.history["val_loss"] for ema in (False, True))
    assert first != last
    plain = fit(Point(), [], use_ema=True).history.history["val_loss"]
    np.testing.assert_allclose(plain, first, rtol=1e-5)  # without the callback, Keras looks at the weights


def test_batch_statistics_are_kept_with_the_weights():
    best = BestWeights()
    model = fit(Point(), [best])
    assert int(model.count) == best.epoch + 1


def test_batch_statistics_are_averaged_as_the_weights_are():
    """The first step sets the average, a later one moves it by a share of 1 - 0.7, of statistics by more at first."""
    witness = Witness()
    model = fit(Normalised(), [witness], use_ema=True, epochs=5)
    for i, weight in enumerate(model.weights):
        expected = witness.weights[0][i]
        for epoch, row in enumerate(witness.weights):
            share = 0.7 if epoch else 0.0
            share = share if weight.trainable else min(share, epoch / (epoch + 9))  # an epoch is a step
            expected = share * expected + (1 - share) * row[i]
            np.testing.assert_allclose(witness.averages[epoch][i], expected, rtol=1e-5)
        np.testing.assert_array_equal(weight.numpy(), witness.averages[-1][i])  # `fit` ends with the averages
        assert np.abs(witness.weights[-1][i] - expected).max() > 1e-3


def test_averaged_statistics_are_saved(tmp_path):
    model = fit(Normalised(), [], use_ema=True, epochs=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for (_, one), (_, other) in zip(averages.pairs(model), averages.pairs(loaded), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert len(averages.pairs(loaded)) == len(model.weights)
    for each in (model, loaded):
        each.fit(FAR, batch_size=8, verbose=0)
    for one, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)


def test_without_averages_statistics_have_none():
    model = fit(Normalised(), [], epochs=2)
    assert averages.pairs(model) == [] and not hasattr(model.seen_optimizer, "statistics_averages")


def test_averages_are_exchanged_and_given_back():
    model = fit(Pair(), [Witness()], use_ema=True, epochs=3)
    variable, average = averages.pairs(model)[0]
    variable.assign(variable + 1)
    before = variable.numpy(), average.numpy()
    with averages.averaged(model):
        assert np.array_equal(variable, before[1]) and np.array_equal(average, before[0])
    assert np.array_equal(variable, before[0]) and np.array_equal(average, before[1])


def test_a_figure_that_is_not_finite_is_never_the_best():
    class Broken(Point):
        def test_step(self, data):
            return self.report(self.batch(data, training=False), {"loss": tf.constant(np.nan)})

    best = BestWeights()
    with pytest.raises(NonFinite, match="val_loss is nan"):
        fit(Broken(), [best])
    assert best.epoch is None


def test_an_unknown_figure_is_named():
    with pytest.raises(ValueError, match="monitor: expected one of loss, val_loss, got 'val_lss'"):
        fit(Point(), [BestWeights("val_lss")])


def test_sample_grids_of_points(tmp_path):
    grid = SampleGrid(tmp_path / "samples", every=3, count=50)
    fit(Point(), [grid])
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["epoch_0003.png", "epoch_0006.png", "epoch_0007.png", "samples.gif"]
    frames = imageio.imread(tmp_path / "samples" / "samples.gif", index=None)
    assert frames.shape[0] == 3 and frames.shape[1] >= 256


def test_sample_grids_draw_the_averages(tmp_path, monkeypatch):
    seen, witness = [], Witness()
    monkeypatch.setattr(pictures, "draw", lambda x, kind: seen.append(x.mean(0)) or np.zeros((4, 4, 3), "uint8"))
    fit(Point(), [witness, SampleGrid(tmp_path, count=4000)], use_ema=True, epochs=3)
    for mean, average in zip(seen, witness.averages, strict=True):
        np.testing.assert_allclose(mean, average[0], atol=0.02)


def test_tensorboard_gets_the_same_pictures(tmp_path):
    pytest.importorskip("tensorboard")
    fit(Point(), [SampleGrid(tmp_path / "samples", tensorboard=tmp_path / "board")], epochs=1)
    (events,) = (tmp_path / "board").iterdir()
    tags = [value.tag for event in tf.compat.v1.train.summary_iterator(str(events)) for value in event.summary.value]
    assert tags == ["samples"]


def test_the_history_is_a_table(tmp_path):
    path = tmp_path / "history.csv"
    model = fit(Point(), [CSVHistory(path)], epochs=2)
    rows = list(csv.DictReader(path.open()))
    assert list(rows[0]) == ["epoch", "seconds", "loss", "val_loss", "learning_rate"]
    assert [float(row["loss"]) for row in rows] == model.history.history["loss"]


def test_the_table_has_the_learning_rate_of_every_player(tmp_path):
    path, rate = tmp_path / "history.csv", keras.optimizers.schedules.PolynomialDecay
    model, steps = Pair(), -(-len(FAR) // 8)
    left, right = keras.optimizers.SGD(rate(0.4, 2 * steps, 0.2)), keras.optimizers.SGD(0.5)
    model.compile(run_eagerly=True, left_optimizer=left, right_optimizer=right)
    model.fit(FAR, batch_size=8, epochs=2, verbose=0, callbacks=[CSVHistory(path)])
    rows = list(csv.DictReader(path.open()))
    assert [float(row["left_learning_rate"]) for row in rows] == pytest.approx([0.3, 0.2])
    assert [float(row["right_learning_rate"]) for row in rows] == [0.5, 0.5]


class Slow(Point):
    """Its samples and its epochs take ten seconds each, by a clock of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.now = [0.0]

    def sample(self, count, **ports):
        self.now[0] += 10.0
        return super().sample(count, **ports)


@pytest.mark.parametrize("share, most", [(None, 40), (0.1, 5), (0.25, 14)])
def test_drawing_takes_a_share_of_the_time(share, most, tmp_path, monkeypatch):
    """At most that share after the first picture; 40 epochs of 10 s."""
    model = Slow()
    monkeypatch.setattr("kerasgen.callbacks.sample_grid.time.perf_counter", lambda: model.now[0])
    tick = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: model.now.__setitem__(0, model.now[0] + 10)
    )
    grid = SampleGrid(tmp_path / "samples", count=4, share=share)
    fit(model, [tick, grid], epochs=40)
    assert grid.paths[0].name == "epoch_0001.png" and len(grid.paths) <= most
    assert share is None or grid.spent - 10 <= share * model.now[0]
    assert len(grid.paths) > 1


def test_the_bar_says_that_a_picture_is_drawn(tmp_path):
    text, seen = io.StringIO(), []

    class Told(Point):
        def sample(self, count, **ports):
            seen.append(bar.bar.tasks[0].fields["figures"])
            return super().sample(count, **ports)

    bar = Progress(Console(file=text, force_terminal=True, width=120))
    fit(Told(), [bar, SampleGrid(tmp_path / "samples", count=4, progress=bar)], epochs=2)
    assert seen == ["drawing", "drawing"] and "drawing" in text.getvalue() and "loss" in text.getvalue()


def test_progress_without_a_terminal_is_a_few_lines():
    text = io.StringIO()
    fit(Point(), [Progress(Console(file=text), lines=4)])
    lines = text.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["2/7", "4/7", "6/7", "7/7"]
    assert "val_loss" in lines[0]


def test_progress_on_a_terminal_is_one_line():
    text = io.StringIO()
    bar = Progress(Console(file=text, force_terminal=True, width=120))
    fit(Point(), [bar])
    assert "7/7" in text.getvalue() and bar.bar is None


# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape, size",
    [
        ((10, 8, 8, 1), (200, 266)),
        ((1, 8, 8, 3), (260, 260)),
        ((4, 300, 200, 3), (606, 406)),
        ((2, 28, 28, 1), (144, 286)),
    ],
)
def test_grids_are_large_enough_to_see(shape, size):
    drawn = pictures.grid(np.random.default_rng(0).random(shape))
    assert drawn.shape == (*size, 3) and drawn.dtype == np.uint8 and max(drawn.shape) >= 256


def test_a_grid_shows_each_pixel_as_a_square_in_order():
    x = np.arange(6).reshape(6, 1, 1, 1) / 10
    drawn = pictures.grid(x, columns=3, scale=5)
    centres = drawn[4::7, 4::7, 0]
    assert centres.tolist() == [[0, 26, 51], [76, 102, 128]]


@pytest.mark.parametrize(
    "name, shape", [("x.png", (3, 8, 8, 1)), ("x.gif", (3, 8, 8, 1)), ("x.npy", (3, 5)), ("x.PNG", (3, 2))]
)
def test_files_of_examples(tmp_path, name, shape):
    x = np.random.default_rng(0).random(shape).astype("float32")
    path = pictures.save(tmp_path / "new" / name, x)
    read = np.load(path) if path.suffix == ".npy" else imageio.imread(path, index=None if name == "x.gif" else 0)
    assert np.array_equal(read, x) if path.suffix == ".npy" else read.size
    assert [p.name for p in path.parent.iterdir()] == [name]


@pytest.mark.parametrize(
    "name, shape",
    [
        ("x.jpg", (1, 8, 8, 1)),
        ("x", (1, 8, 8, 1)),
        ("x.png", (0, 8, 8, 1)),
        ("x.png", (2, 8, 8, 2)),
        ("x.gif", (3, 2)),
        ("x.png", (3, 1)),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(tmp_path, name, shape):
    with pytest.raises(ValueError, match="expected"):
        pictures.save(tmp_path / name, np.zeros(shape))
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_not_numbers_are_drawn_black():
    assert pictures.grid(np.full((1, 8, 8, 1), np.nan))[10, 10].tolist() == [0, 0, 0]
    assert pictures.scatter(np.full((3, 2), np.inf)).shape == (384, 384, 3)
