"""A run that was stopped, in whatever way, ends with the bits of one that was not."""

import contextlib
import csv
import itertools
import json
import math
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from costly import REPRESENTATIVES
from resumable import BATCH, EPOCHS, EXAMPLES, STEPS, dropout, examples, fit, run
from resumable import build as compiled

import kerasgen
from kerasgen import catalog, hub
from kerasgen.callbacks import BestWeights, CSVHistory, NonFinite, Resume, SampleGrid, Stopped, checkpoints
from kerasgen.core import run_state
from kerasgen.files import LOCK, Locked, is_temporary, lock

QUICK = ("vae", "dcgan")  # the others take longer to compile
MIDDLE = 8  # a step in the middle of the second epoch


class At(keras.callbacks.Callback):
    """Does something once, after so many steps; it has nothing to be resumed."""

    def __init__(self, steps, action):
        super().__init__()
        self.left, self.action = steps, action

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.action()

    def state(self):
        return {}

    def restore(self, state):
        pass


class Cut(Exception):
    """The power went."""


def cut():
    raise Cut


def build(system="vae", **arguments):
    """A model that runs eagerly: in so few steps, tracing would take most of the time."""
    return compiled(system, run_eagerly=True, **arguments)


def steps_of(folder) -> list:
    """Of the checkpoints in a folder, newest first."""
    return [int(path.name.split("-")[0]) for path in checkpoints.find(folder)]


def by_steps(folder, steps=2):
    return Resume(folder, every=math.inf, steps=steps)


def begun(folder, *callbacks, model=None, after=MIDDLE, action=cut, error=Cut, **options):
    """Begin a run, of a VAE if no model is given, that ends with an error after some steps; returns the error."""
    with pytest.raises(error) as raised:
        fit(model or build(), *callbacks, At(after, action), by_steps(folder), **options)
    return raised.value


def differing(one, two):
    """Names of the arrays that differ in any bit."""
    assert one.keys() <= two.keys()
    return [key for key in one if (one[key].shape, one[key].tobytes()) != (two[key].shape, two[key].tobytes())]


@pytest.fixture(scope="module")
def whole():
    """What a VAE ends with that nothing stopped."""
    return fit(build())


# --- the same bits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "system", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in catalog.SYSTEMS]
)
def test_a_run_cut_off_in_an_epoch_ends_with_the_same_bits(system, tmp_path):
    begun(tmp_path, model=compiled(system))
    assert steps_of(tmp_path) == [6, 4]
    seeds = [key for key in run_state.variables(build(system)) if "seed" in key]
    assert bool(seeds) == bool(dropout(system))
    assert differing(fit(compiled(system)), fit(compiled(system), by_steps(tmp_path))) == []


@pytest.mark.parametrize("after", [2, pytest.param(STEPS, marks=pytest.mark.slow), EPOCHS * STEPS])
def test_wherever_it_is_cut_off(after, whole, tmp_path):
    with pytest.raises(Cut):
        fit(build(), At(after, cut), by_steps(tmp_path, 1))
    assert steps_of(tmp_path)[0] == after - 1  # it was cut off before the save
    assert differing(whole, fit(build(), by_steps(tmp_path))) == []


def test_before_the_first_checkpoint_it_begins_anew(whole, tmp_path):
    begun(tmp_path, after=1)
    assert steps_of(tmp_path) == []
    assert differing(whole, fit(build(), by_steps(tmp_path))) == []


def test_several_times(whole, tmp_path):
    for _ in range(3):
        begun(tmp_path, after=5)
    assert differing(whole, fit(build(), by_steps(tmp_path))) == []


def test_a_finished_run_is_there_at_once_and_can_be_extended(whole, tmp_path):
    fit(build(), by_steps(tmp_path), epochs=2)
    assert steps_of(tmp_path)[0] == 2 * STEPS
    ended = fit(build(), by_steps(tmp_path), At(1, cut), epochs=2)  # not one step
    assert differing(ended, fit(build(), epochs=2)) == []
    assert differing(whole, fit(build(), by_steps(tmp_path))) == []


def test_several_steps_in_one_execution(tmp_path):
    def model():
        return compiled(steps_per_execution=2)  # of five in an epoch

    with pytest.raises(Cut):
        fit(model(), At(4, cut), by_steps(tmp_path, 1))
    assert differing(fit(model()), fit(model(), by_steps(tmp_path))) == []


def test_other_executions_go_on_where_they_can(tmp_path):
    with pytest.raises(Cut):
        fit(compiled(), At(MIDDLE + 1, cut), by_steps(tmp_path, 1))  # after the third step of an epoch
    with pytest.raises(ValueError, match="steps_per_execution: expected a divisor of 3, .* got 2"):
        fit(compiled(steps_per_execution=2), by_steps(tmp_path))
    assert differing(fit(compiled()), fit(compiled(steps_per_execution=3), by_steps(tmp_path))) == []


def test_loss_scaling_and_clipping(tmp_path):
    def model():
        inner = keras.optimizers.Adam(clipnorm=1.0)
        return build(optimizer=keras.optimizers.LossScaleOptimizer(inner, dynamic_growth_steps=3))

    with pytest.raises(Cut):
        fit(model(), At(MIDDLE, cut), by_steps(tmp_path))
    assert differing(fit(model()), fit(model(), by_steps(tmp_path))) == []


# --- other callbacks ------------------------------------------------------------------------------------------------


def of_all_kinds(folder):
    """Callbacks with state of every kind; the first two act, so that the run ends early."""
    return [
        keras.callbacks.EarlyStopping("val_loss", patience=4, min_delta=0.25, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.1),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.ModelCheckpoint(str(folder / "best.keras"), monitor="val_loss", save_best_only=True),
        BestWeights("val_loss"),
        CSVHistory(folder / "history.csv"),
        SampleGrid(folder / "samples", every=2, count=4),
    ]


@pytest.mark.parametrize("after", [MIDDLE, pytest.param(2 * STEPS + 1, marks=pytest.mark.slow)])
def test_callbacks_go_on_too(after, tmp_path):
    ends = []
    for name in ("whole", "parts"):
        folder = tmp_path / name
        folder.mkdir()
        options = dict(epochs=20, validation=True)
        if name == "parts":
            with pytest.raises(Cut):
                fit(
                    compiled(),
                    *of_all_kinds(folder),
                    At(after, cut),
                    by_steps(folder / "checkpoints", 3),
                    **options,
                )
        callbacks = of_all_kinds(folder)
        ends.append(fit(compiled(), *callbacks, *([by_steps(folder / "checkpoints")] * (name == "parts")), **options))
        stop, plateau, _, _, best, _, _ = callbacks
        ends[-1]["kept"] = np.array(
            [stop.stopped_epoch, stop.best, stop.wait, stop.best_epoch, plateau.best, best.value]
        )
        rows = list(csv.DictReader((folder / "history.csv").open()))
        seconds = [float(row.pop("seconds")) for row in rows]
        assert seconds == sorted(seconds)
        ends[-1]["rows"] = np.array([list(row.values()) for row in rows])
        ends[-1]["pictures"] = np.array(sorted(path.name for path in (folder / "samples").iterdir()))
    assert differing(*ends) == [] and 4 < len(ends[0]["epochs"]) < 20
    gifs = [(tmp_path / name / "samples" / "samples.gif").read_bytes() for name in ("whole", "parts")]
    assert gifs[0] == gifs[1]
    # Once a callback has stopped the run, it stays stopped.
    again = of_all_kinds(tmp_path / "parts")
    ended = fit(compiled(), *again, by_steps(tmp_path / "parts" / "checkpoints"), At(1, cut), **options)
    assert differing(ended, ends[0]) == []


def test_a_callback_that_is_gone_is_told_of(whole, tmp_path):
    begun(tmp_path, CSVHistory(tmp_path / "history.csv"))
    with pytest.warns(UserWarning, match="without the callback CSVHistory; the run may not go on exactly"):
        assert differing(whole, fit(build(), by_steps(tmp_path))) == []


def test_plain_values_survive_packing():
    values = {
        "x": [1, 2.5, -math.inf, True, None, "text", (1, (2,))],
        2: np.float32(0.1),
        ("a", 1): {"kept": [np.arange(3), np.array(True), np.array(1.5, "bfloat16")]},
    }
    arrays = {}
    packed = json.loads(json.dumps(checkpoints.pack(values, "here", arrays)))
    back = checkpoints.unpack(packed, arrays)
    assert list(back) == list(values) and back["x"] == values["x"] and back[2] == np.float32(0.1)
    for one, two in zip(back["a", 1]["kept"], values["a", 1]["kept"], strict=True):
        assert one.dtype == two.dtype and np.array_equal(one, two)
    for value in (object(), [print], np.array(["a"]), {"model": tf.Variable(1.0)}):
        with pytest.raises(TypeError, match="expected a plain value"):
            checkpoints.pack(value, "here", {})


# --- other data -----------------------------------------------------------------------------------------------------


def pipeline(seed):
    """A user's own data; the order of a shuffle with a seed is the same in each process, though not in each epoch."""
    x, _ = examples(build(), EXAMPLES)
    if seed is None:
        keras.utils.set_random_seed(random.SystemRandom().randrange(2**31))
    return tf.data.Dataset.from_tensor_slices(x).shuffle(EXAMPLES, seed=seed).batch(BATCH)


def test_a_pipeline_in_a_repeatable_order_is_replayed(tmp_path):
    ends = [fit(build(), by_steps(tmp_path / "whole"), data=pipeline(5))]
    begun(tmp_path / "parts", data=pipeline(5))
    ends.append(fit(build(), by_steps(tmp_path / "parts"), data=pipeline(5)))
    assert differing(*ends) == []


def test_a_pipeline_in_another_order_is_refused(tmp_path):
    begun(tmp_path, data=pipeline(None))
    with pytest.raises(ValueError, match="the first batch is not that of the run .*without a seed") as error:
        fit(build(), by_steps(tmp_path), data=pipeline(None))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "data, message",
    [
        (lambda: pipeline(5).repeat(), "steps_per_epoch: expected the batches of an epoch"),
        (lambda: pipeline(5).filter(lambda x: True), "steps_per_epoch: expected the batches of an epoch"),
        (lambda: pipeline(5).take(2), "expected steps_per_epoch = 5 of the run to go on with, got 2"),
    ],
)
def test_data_that_cannot_be_replayed_are_refused(data, message, begun_once):
    with pytest.raises(ValueError, match=message):
        fit(build(), by_steps(begun_once), data=data())


# --- another run ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def begun_once(tmp_path_factory):
    """Checkpoints of a VAE; the tests that take them leave them as they are."""
    folder = tmp_path_factory.mktemp("begun")
    begun(folder)
    return folder


def vae(**arguments):
    model = kerasgen.build("vae", **{"image_shape": (8, 8, 1), "latent_dim": 4, "widths": (16,), "levels": 2,
                                     "dropout": 0.2, **arguments})  # fmt: skip
    model.compile(seed=3, optimizer=keras.optimizers.Adam(1e-3, use_ema=True))
    return model


@pytest.mark.parametrize(
    "model, message",
    [
        (lambda: build("dcgan"), 'expected system = "VAE" of the run to go on with, got "DCGAN"'),
        (lambda: vae(latent_dim=3), "expected arguments.latent_dim = 4 of the run to go on with, got 3"),
        (lambda: vae(dropout=0.3), "expected arguments.dropout = 0.2 of the run to go on with, got 0.3"),
        (lambda: build(seed=4), "expected seed = 3 of the run to go on with, got 4"),
        (lambda: build(optimizer="sgd"), 'expected optimizer.class_name = "Adam" of the run .*, got "SGD"'),
        (
            lambda: build(optimizer=keras.optimizers.Adam(beta_1=0.5, use_ema=True)),
            "expected optimizer.config.beta_1 = 0.9 of the run to go on with, got 0.5",
        ),
        (
            lambda: build(
                optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 9), use_ema=True)
            ),
            "expected optimizer.config.learning_rate.*of the run to go on with",
        ),
    ],
)
def test_another_run_is_refused_in_one_line_and_changes_nothing(model, message, begun_once):
    before, names = model(), sorted(os.listdir(begun_once))
    weights = [weight.numpy() for weight in before.weights]
    with pytest.raises(ValueError, match=message) as error:
        fit(before, by_steps(begun_once))
    assert "\n" not in str(error.value) and sorted(os.listdir(begun_once)) == names
    assert all(np.array_equal(one, two) for one, two in zip(weights, [w.numpy() for w in before.weights], strict=True))
    with lock(begun_once):
        pass  # it was given back


def test_lengths_may_be_those_of_a_longer_run():
    """Of schedules and averages, and nothing else; a run of the same epochs is the same in them too."""
    cosine, adam = "optimizer.config.learning_rate.config.", "optimizer.config."
    saved = {
        "epochs": 3,
        "seed": 0,
        f"{cosine}decay_steps": 9,
        f"{adam}ema_momentum": 0.9,
        f"{adam}beta_1": 0.5,
    }
    longer = {f"{cosine}decay_steps": 18, f"{adam}ema_momentum": 0.95}
    checkpoints.check_run("run", saved, {**saved, "epochs": 6, **longer})
    checkpoints.check_run("run", saved, {**saved, "epochs": 2})
    for key, value in {**longer, f"{cosine}boundaries": [3, 6]}.items():
        with pytest.raises(ValueError, match=f"run: expected {key} = .* of the run to go on with"):
            checkpoints.check_run("run", saved, {**saved, key: value})
    with pytest.raises(ValueError, match="expected optimizer.config.beta_1 = 0.5 of the run to go on with, got 0.4"):
        checkpoints.check_run("run", saved, {**saved, "epochs": 6, f"{adam}beta_1": 0.4})


def changed(folder, change):
    """Rewrite the newest checkpoint, with a digest that fits."""
    newest = checkpoints.newest(folder)
    newest.path.unlink()
    arrays, state = dict(newest.arrays), dict(newest.state)
    change(arrays, state)
    return checkpoints.write(folder, 6, arrays, state)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda arrays, state: arrays.pop("model/0000/dense/kernel"),
            "model/0000/dense/kernel, which is missing",
        ),
        (
            lambda arrays, state: arrays.update({"model/x": np.zeros(1)}),
            "model/x, which the model does not have",
        ),
        (
            lambda arrays, state: arrays.update({"model/0000/dense/kernel": np.zeros((2, 2))}),
            r"model/0000/dense/kernel: expected shape and type \(\(64, 16\), 'float32'\), got \(\(2, 2\), 'float64'\)",
        ),
        (lambda arrays, state: state.update(format=2), "expected format 1, got 2; upgrade kerasgen"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change, message, begun_once, tmp_path):
    copy(begun_once, tmp_path)
    changed(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        fit(build(), by_steps(tmp_path))


def test_other_versions_are_told_of(begun_once, tmp_path, whole):
    copy(begun_once, tmp_path)
    changed(tmp_path, lambda arrays, state: state.update(versions={**state["versions"], "keras": "3.15.0"}))
    with pytest.warns(UserWarning, match="saved with keras 3.15.0, now"):
        assert differing(whole, fit(build(), by_steps(tmp_path))) == []


def copy(source, target):
    for path in checkpoints.find(source):
        (target / path.name).write_bytes(path.read_bytes())


# --- damage ---------------------------------------------------------------------------------------------------------


def test_a_damaged_checkpoint_falls_back_to_the_one_before(begun_once, tmp_path, whole):
    copy(begun_once, tmp_path)
    path = checkpoints.find(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.warns(UserWarning, match="damaged; going on from the checkpoint before it"):
        assert differing(whole, fit(build(), by_steps(tmp_path))) == []
    assert path not in checkpoints.find(tmp_path)


def test_no_damage_goes_unseen(begun_once, tmp_path):
    copy(begun_once, tmp_path)
    newest, before = checkpoints.find(tmp_path)
    content, chance = newest.read_bytes(), random.Random(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(300):
            place = chance.randrange(len(content))
            bit = bytes([content[place] ^ 1 << chance.randrange(8)])
            newest.write_bytes(content[:place] if i % 3 == 0 else content[:place] + bit + content[place + 1 :])
            assert checkpoints.newest(tmp_path).path == before
        before.unlink()
        with pytest.raises(hub.Damaged, match="expected an intact checkpoint, got 1 damaged"):
            checkpoints.newest(tmp_path)


@contextlib.contextmanager
def small_disk(limit):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, whole):
    with small_disk(resource.getrlimit(resource.RLIMIT_FSIZE)[0]):
        fill = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        error = begun(tmp_path, after=7, action=fill, error=OSError)
    assert str(error) == (
        f"{tmp_path}: the checkpoint of step 8 was not written, File too large; that of step 6 is intact"
    )
    assert steps_of(tmp_path) == [6, 4] and not any(map(is_temporary, os.listdir(tmp_path)))
    assert differing(whole, fit(build(), by_steps(tmp_path))) == []


def test_what_is_not_finite_is_not_written(tmp_path):
    def spoil():
        model.trainable_weights[0].assign(tf.fill(model.trainable_weights[0].shape, math.nan))

    model = build()
    with pytest.raises(NonFinite, match="step 8"):
        fit(model, At(MIDDLE, spoil), by_steps(tmp_path))
    assert steps_of(tmp_path) == [6, 4]


# --- signals and locks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, error", [("SIGINT", Stopped), ("SIGTERM", SystemExit)])
def test_signals_save_and_end(name, error, tmp_path, whole):
    number = getattr(signal, name)
    handlers = [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(error) as raised:
        fit(build(), At(MIDDLE, lambda: signal.raise_signal(number)), Resume(tmp_path))
    assert getattr(raised.value, "code", None) == (128 + number if error is SystemExit else None)
    assert steps_of(tmp_path) == [MIDDLE]
    assert [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert differing(whole, fit(build(), by_steps(tmp_path))) == []


def test_the_second_interrupt_does_not_wait(tmp_path):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as raised:
        fit(build(), At(MIDDLE, twice), by_steps(tmp_path))
    assert raised.type is KeyboardInterrupt and steps_of(tmp_path) == [6, 4]


class InValidation(At):
    """Acts at the first batch of a validation."""

    def on_train_batch_end(self, batch, logs=None):
        pass

    def on_test_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)


@pytest.mark.parametrize("epoch, number", [pytest.param(0, signal.SIGTERM, marks=pytest.mark.slow), (1, signal.SIGINT)])
def test_a_signal_does_not_wait_for_the_end_of_validation(epoch, number, tmp_path):
    ends = fit(build(), BestWeights(), validation=True)
    batches = EXAMPLES // BATCH
    signalling = InValidation(epoch * batches + 1, lambda: signal.raise_signal(number))
    with pytest.raises((SystemExit, Stopped)):
        fit(build(), BestWeights(), signalling, Resume(tmp_path), validation=True)
    assert steps_of(tmp_path) == [(epoch + 1) * STEPS]
    assert differing(ends, fit(build(), BestWeights(), Resume(tmp_path), validation=True)) == []


def test_a_directory_is_for_one_process(tmp_path):
    program = (
        f"import sys, time; from kerasgen.files import lock\nwith lock({str(tmp_path)!r}): print('held', flush=True); "
        "time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(kerasgen.__file__).parents[1]
    )
    try:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(Locked, match=f"{tmp_path}: in use by process {other.pid} on "):
            fit(build(), by_steps(tmp_path))
    finally:
        other.kill()
        other.wait()
    begun(tmp_path)  # a killed process holds nothing
    assert (tmp_path / LOCK).exists() and steps_of(tmp_path)


# --- kills ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def workers(monkeypatch):
    """Processes that begin with TensorFlow imported."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the server would not find the module otherwise
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resumable"])
    return context


def start(workers, *arguments, mode):
    """The processes of a run."""
    ports = []
    if mode == "multiworker":
        with socket.socket() as one, socket.socket() as two:
            for free in (one, two):
                free.bind(("localhost", 0))
            ports = [free.getsockname()[1] for free in (one, two)]
    ranks = range(len(ports) or 1)
    processes = [workers.Process(target=run, args=(*arguments, mode, ports, rank)) for rank in ranks]
    for process in processes:
        process.start()
    return processes


def ended(system, folder, workers, moments=(), mode="single"):
    """What a run ends with that is killed at these moments; and how many kills there were, and how many in a save.

    A moment is a time in seconds after the first checkpoint of a process, or None: when a save has begun.
    """
    saves, done, kills, inside, before = folder / "checkpoints", folder / "done.npz", 0, 0, 0
    saves.mkdir(parents=True)
    for moment in [*moments, math.inf]:
        known = set(os.listdir(saves))
        processes, deadline = start(workers, system, folder, mode=mode), math.inf
        while processes[0].is_alive() and time.monotonic() < deadline:
            time.sleep(0.0002)
            new = set(os.listdir(saves)) - known
            if moment is None and any(map(is_temporary, new)):
                break
            if moment is not None and deadline == math.inf and any(map(checkpoints.NAME.fullmatch, new)):
                deadline = time.monotonic() + moment
        for process in processes:
            process.kill()
            process.join()
        if done.exists():
            with np.load(done) as arrays:
                return dict(arrays), kills, inside
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        inside += any(map(is_temporary, set(os.listdir(saves)) - known))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a damaged checkpoint would be told of
            steps = int(checkpoints.newest(saves).path.name.split("-")[0])
        assert steps >= before
        before = steps
    raise AssertionError(f"the run has not ended: exit code {process.exitcode}")


def test_killed_runs_end_as_others(workers, tmp_path):
    whole, *_ = ended("vae", tmp_path / "whole", workers)
    parts, kills, _ = ended("vae", tmp_path / "parts", workers, [0.02, None])
    assert kills == 2 and differing(whole, parts) == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["mirrored", "multiworker"])
def test_killed_runs_of_several_replicas_end_as_others(mode, workers, tmp_path):
    whole, *_ = ended("dcgan", tmp_path / "whole", workers, mode=mode)
    parts, kills, _ = ended("dcgan", tmp_path / "parts", workers, [0.1, None, 0.2], mode=mode)
    assert kills == 3 and differing(whole, parts) == []


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing(workers, tmp_path):
    chance, kills, inside = random.Random(0), 0, 0
    whole = {system: ended(system, tmp_path / system, workers)[0] for system in REPRESENTATIVES}
    for number, system in enumerate(itertools.chain(REPRESENTATIVES, itertools.cycle(QUICK))):
        moments = [None if i % 2 else chance.uniform(0, 0.5) for i in range(16 if system in QUICK else 6)]
        parts, killed, in_a_save = ended(system, tmp_path / str(number), workers, moments)
        assert differing(whole[system], parts) == []
        kills, inside = kills + killed, inside + in_a_save
        print(f"{kills} kills, {inside} of them in a save: {system} too ends with the same bits", flush=True)
        if kills >= 100 and inside >= 50:
            break
