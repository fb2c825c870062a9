"""A training run from a preset: its data, its model, its recipe, and one folder with all that came of it.

    runs/<preset>/<stamp>/
        config.json      the preset as it was run, versions, command
        history.csv      figures per epoch
        samples/         one seed through the epochs, and samples.gif
        samples.png      the trained model
        tensorboard/     the same for TensorBoard, where it is installed
        model/           a preset folder

`kerasgen.load` and the command line take the run folder as they take a preset.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import importlib.util
import json
import shlex
import shutil
import signal
import sys
import threading
import time
from math import isfinite as finite
from pathlib import Path

import kerasgen
from kerasgen import catalog, files, hub

GRIDS = 20  # sample pictures in a run, about


class Interrupted(KeyboardInterrupt):
    """The run was stopped by Ctrl-C and saved in `folder`."""

    def __init__(self, folder):
        super().__init__(f"interrupted; what was learned so far is in {folder}")
        self.folder = folder


def train(preset, *, epochs=None, seed=None, out=None, overrides=None, progress=True) -> Path:
    """Train a preset as its recipe says, or nearly so.

    Ctrl-C stops after the step at hand and saves; a second one stops at once.

    Args:
        preset: name or folder.
        epochs, seed: in the place of the recipe's.
        out: the run folder; left out, `runs/<preset>/<stamp>`. A run that is there is replaced when training starts.
        overrides: {dotted key of preset.json: value}, such as {"arguments.widths": [32, 16], "data.batch_size": 32}.
        progress: show a bar on standard error.

    Returns:
        The run folder.

    Raises:
        ValueError: unknown preset, key, argument or data; a wrong value; a preset without data or recipe.
        FileExistsError: `out` is there and not a run.
        Interrupted: Ctrl-C, after saving.

    Example:
        >>> train("dcgan_digits_quick", epochs=2, overrides={"data.batch_size": 32})       # doctest: +SKIP
        PosixPath('runs/dcgan_digits_quick/20261122-042500')
    """
    resolved = plan(preset, epochs=epochs, seed=seed, overrides=overrides)
    folder = place(resolved, out)
    return run(resolved, *prepare(resolved), folder, progress=progress)


def plan(preset, *, epochs=None, seed=None, overrides=None) -> dict:
    """The preset with its overrides, checked; no TensorFlow is imported."""
    resolved = copy.deepcopy(hub.read_preset(preset))
    for key, value in {"recipe.epochs": epochs, "recipe.seed": seed}.items():
        if value is not None:
            _put(resolved, key, value)
    for key, value in (overrides or {}).items():
        _put(resolved, key, value)
    hub.check_preset(resolved, resolved["preset"])
    for part in ("data", "recipe"):
        if not resolved.get(part):
            hint = "; --set data.name=FOLDER trains on your pictures" if part == "data" else ""
            raise ValueError(f"{resolved['preset']}: expected a preset with {part!r}, got none{hint}")
    return resolved


def prepare(resolved: dict) -> tuple:
    """(data, compiled model) of a plan."""
    import keras

    recipe = resolved["recipe"]
    seed = recipe.get("seed") or 0
    keras.utils.set_random_seed(seed)
    options = {key: value for key, value in resolved["data"].items() if value is not None}
    data = kerasgen.data.load(options.pop("name"), seed=seed, **options)
    model = kerasgen.build(resolved["system"], **resolved["arguments"])
    optimizers = {name: optimizer(entry) for name, entry in (recipe.get("optimizers") or {}).items()}
    model.compile(seed=seed, **(recipe.get("compile") or {}), **optimizers)
    return data, model


def optimizer(entry: dict):
    """A Keras optimiser from `{"class_name", "config"}`; a value of the config may be a learning-rate schedule.

    Classes are looked up among Keras' optimisers and schedules by name; nothing else is deserialised.

    Example:
        >>> optimizer({"class_name": "AdamW", "config": {"learning_rate": 1e-3, "use_ema": True}}).use_ema
        True
    """
    import keras

    def make(entry, module, base):
        kinds = {name: kind for name, kind in vars(module).items() if isinstance(kind, type)}
        known = {name: kind for name, kind in kinds.items() if issubclass(kind, base) and kind is not base}
        name = entry.get("class_name")
        if name not in known:
            raise ValueError(f"unknown {base.__name__} {name!r}{catalog.nearest(str(name), known)}")
        values = {
            key: make(value, schedules, schedules.LearningRateSchedule) if isinstance(value, dict) else value
            for key, value in (entry.get("config") or {}).items()
        }
        return known[name](**values)

    schedules = keras.optimizers.schedules
    return make(entry, keras.optimizers, keras.optimizers.Optimizer)


def place(resolved: dict, out=None) -> Path:
    """Where a run goes; nothing is written yet.

    Raises:
        FileExistsError: the folder is there and not a run.
    """
    folder = Path(out or Path("runs", resolved["preset"], time.strftime("%Y%m%d-%H%M%S")))
    ours = (folder / files.MARK).is_file() and (folder / "config.json").is_file()
    if folder.exists() and not ours and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder}: expected a new or empty folder, or a run to replace")
    return folder


def run(resolved: dict, data, model, folder, *, progress=True) -> Path:
    """Fit a prepared model and write the run folder, in the place of a run that is there; see `train`."""
    import keras
    from rich.console import Console

    from kerasgen import callbacks, pictures
    from kerasgen.model import GenerativeModel

    console = Console(stderr=True, quiet=not progress)
    recipe, name = resolved["recipe"], resolved["preset"]
    epochs, seed, monitor = recipe.get("epochs") or 1, recipe.get("seed") or 0, recipe.get("monitor")
    count = 64 if len(model.image_shape) == 3 else 1000
    command = _command()
    started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    record = {"preset": resolved, "versions": hub.versions(), "command": command, "started": started}
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / files.MARK).touch()
    files.atomic_write(folder / "config.json", hub.dumps(record).encode())

    board = folder / "tensorboard" if importlib.util.find_spec("tensorboard") else None
    bar = callbacks.Progress(console)
    chosen = [callbacks.CSVHistory(folder / "history.csv"), bar]
    if _drawable(model):
        logs = board / "samples" if board else None
        chosen.append(callbacks.SampleGrid(folder / "samples", max(1, epochs // GRIDS), tensorboard=logs))
    if board:
        chosen.append(keras.callbacks.TensorBoard(str(board), write_graph=False))
    best = callbacks.BestWeights(monitor) if monitor else None
    kind, base = type(model), GenerativeModel
    validates = kind.losses is not base.losses or kind.test_step is not base.test_step
    validation = data.validation if validates and data.count("validation") else None
    start = time.perf_counter()
    with _stopping(console) as (stop, stopper), contextlib.closing(bar):
        history = model.fit(
            data.train,
            epochs=epochs,
            validation_data=validation,
            callbacks=[*chosen, *([best] if best else []), stopper],
            verbose=0,
        ).history
    epoch = best.epoch if best and best.epoch is not None else -1
    results = {
        **{key: float(f"{values[epoch]:.6g}") for key, values in history.items() if finite(values[epoch])},
        **({"best_epoch": epoch + 1} if best else {}),
        "epochs": max(map(len, history.values()), default=0),
        "seconds": round(time.perf_counter() - start, 1),
        **({"command": command} if command else {}),
    }
    kept = {key: resolved[key] for key in ("description", "data", "recipe") if resolved.get(key)}
    hub.save_preset(model, folder / "model", preset=name, **kept, results=results)
    if _drawable(model):
        pictures.save(folder / "samples.png", model.sample(count, seed=seed))
    if stop:
        raise Interrupted(folder)
    return folder


def parse(settings) -> dict:
    """`key=value` texts as overrides; a value is JSON where it can be read so, else text.

    Example:
        >>> parse(["recipe.epochs=3", "arguments.widths=[32, 16]", "data.name=digits"])
        {'recipe.epochs': 3, 'arguments.widths': [32, 16], 'data.name': 'digits'}
    """
    overrides = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not key or not equals:
            raise ValueError(f"--set: expected key=value, got {setting!r}")
        try:
            overrides[key] = json.loads(text)
        except json.JSONDecodeError:
            overrides[key] = text
    return overrides


def _put(preset, key, value):
    """Set a dotted key; the check of the whole preset finds the keys that do not exist."""
    *parents, last = key.split(".")
    for parent in parents:
        if preset.get(parent) is None:
            preset[parent] = {}
        preset = preset[parent]
        if not isinstance(preset, dict):
            raise ValueError(f"{key}: expected a key of the preset, but {parent!r} holds a value")
    preset[last] = value


def _command():
    """The command line, if this is one, without the folder that it wrote to."""
    name, *words = sys.argv
    if Path(name).stem not in ("kerasgen", "__main__"):
        return None
    if "--out" in words:
        del words[words.index("--out") : words.index("--out") + 2]
    return shlex.join(["kerasgen", *words])


def _drawable(model):
    """Whether samples need no input of their own and can be drawn."""
    shape, sample = model.image_shape, model.ports().get("sample")
    needs = {port.name for port in sample.inputs if port.default is None} if sample else {"sample"}
    if not needs <= {"count", "seed"}:
        return False
    return shape[-1] in (1, 3) if len(shape) == 3 else len(shape) == 1 and shape[0] > 1


@contextlib.contextmanager
def _stopping(console):
    """Gives (a list that Ctrl-C fills, a callback that stops after the step at hand)."""
    import keras

    stop = []

    def note(*_):
        stop.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        console.print("stopping after this step; Ctrl-C again stops at once")

    def halt(batch, logs):
        callback.model.stop_training = callback.model.stop_training or bool(stop)

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=halt)
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop, callback
        return
    old = signal.signal(signal.SIGINT, note)
    try:
        yield stop, callback
    finally:
        signal.signal(signal.SIGINT, old)
