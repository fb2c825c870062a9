"""A training run from a preset: its data, its model, its recipe, and one folder with all that came of it.

    runs/<preset>/<stamp>/
        config.json      the preset as it was run, versions, command
        history.csv      figures per epoch
        samples/         one seed through the epochs, and samples.gif
        samples.png      the trained model
        tensorboard/     the same for TensorBoard, where it is installed
        checkpoints/     what `resume=True` goes on from; a finished run keeps the last one, so that it can be extended
        model/           a preset folder

`kerasgen.load` and the command line take the run folder as they take a preset.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import importlib.util
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from math import isfinite as finite
from pathlib import Path
from typing import NamedTuple

import numpy as np

import kerasgen
from kerasgen import catalog, files, hub

GRIDS = 20  # sample pictures in a run, about
MONITORED = 256  # examples that the collapse monitor looks at
CONFIG, CHECKPOINTS = "config.json", "checkpoints"


class Start(NamedTuple):
    """How a run begins."""

    plan: dict  # the preset with its overrides
    folder: Path
    record: dict | None  # config.json of the run that goes on, None for a new one

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self.record and "finished" in self.record and self.record["preset"] == self.plan)


class Interrupted(KeyboardInterrupt):
    """The run was stopped by Ctrl-C and saved in `folder`."""

    def __init__(self, folder):
        super().__init__(f"interrupted; what was learned so far is in {folder}")
        self.folder = folder


def train(
    preset, *, epochs=None, seed=None, out=None, overrides=None, resume=False, strategy=None, deterministic=False,
    progress=True,
) -> Path:  # fmt: skip
    """Train a preset as its recipe says, or nearly so.

    Ctrl-C stops after the step at hand and saves; a second one stops at once.

    Args:
        preset: name or folder.
        epochs, seed: in the place of the recipe's.
        out: the run folder; left out, `runs/<preset>/<stamp>`. A run that is there is replaced when training starts.
        overrides: {dotted key of preset.json: value}, such as {"arguments.widths": [32, 16], "data.batch_size": 32}.
        resume: go on with the run in `out`, or with the newest unfinished one of the preset; see `begin`.
        strategy: None, "mirrored" or "multiworker"; see `distribute.strategy`.
        deterministic: the same machine, versions and number of threads give the same bits.
        progress: show a bar on standard error.

    Returns:
        The run folder.

    Raises:
        ValueError: unknown preset, key, argument or data; a wrong value; a preset without data or recipe; a run to go
            on with that differs.
        FileExistsError: `out` is there and not a run.
        Locked: another process trains into the folder.
        Interrupted: Ctrl-C, after saving.

    Example:
        >>> train("dcgan_digits_quick", epochs=2, overrides={"data.batch_size": 32})       # doctest: +SKIP
        PosixPath('runs/dcgan_digits_quick/20261122-042500')
    """
    start = begin(
        preset, epochs=epochs, seed=seed, out=out, overrides=overrides, resume=resume, strategy=strategy
    )
    if start.finished:
        return start.folder
    return run(start, *prepare(start.plan, strategy, deterministic), progress=progress)


def begin(preset, *, epochs=None, seed=None, out=None, overrides=None, resume=False, strategy=None) -> Start:
    """What is to be run, and where; nothing is written and no TensorFlow is imported.

    A run that goes on takes its plan from its own `config.json`. Options that differ from it are refused, but for more
    epochs, which extend the run. Where there is no run to go on with, a new one begins.

    Args: those of `train`.

    Raises: as `train`.
    """
    base = hub.read_preset(preset)
    given = {"recipe.epochs": epochs, "recipe.seed": seed}
    given = {key: value for key, value in given.items() if value is not None} | (overrides or {})
    folder = _unfinished(base["preset"], out) if resume else None
    record = _record(folder) if folder else None
    if record:
        _check_same(folder, base["preset"], record["preset"], given)
    resolved = plan(record["preset"] if record else base, overrides=given)
    folder = folder or place(resolved, out)
    if (folder / CONFIG).is_file() and strategy != "multiworker":  # whose chief may be here already
        with files.lock(folder):  # another process is told of before TensorFlow is imported
            pass
    return Start(resolved, folder, record)


def plan(preset, *, overrides=None) -> dict:
    """A preset, by name, by folder or as it is, with its overrides, checked; no TensorFlow is imported."""
    resolved = copy.deepcopy(preset if isinstance(preset, dict) else hub.read_preset(preset))
    for key, value in (overrides or {}).items():
        _put(resolved, key, value)
    hub.check_preset(resolved, resolved["preset"])
    for part in ("data", "recipe"):
        if not resolved.get(part):
            hint = "; --set data.name=FOLDER trains on your pictures" if part == "data" else ""
            raise ValueError(f"{resolved['preset']}: expected a preset with {part!r}, got none{hint}")
    return resolved


def prepare(resolved: dict, strategy: str | None = None, deterministic: bool = False) -> tuple:
    """(data, compiled model) of a plan; the model is compiled in the scope of a strategy."""
    import keras
    import tensorflow as tf

    from kerasgen import distribute

    scope = distribute.strategy(strategy)  # several workers meet here, before any other operation
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    recipe = resolved["recipe"]
    seed = recipe.get("seed") or 0
    keras.utils.set_random_seed(seed)
    options = {key: value for key, value in resolved["data"].items() if value is not None}
    data = kerasgen.data.load(options.pop("name"), seed=seed, **options)
    compiled = dict(recipe.get("compile") or {})
    if scope.num_replicas_in_sync > 1:
        compiled["jit_compile"] = False  # XLA compiles for one device
    with scope.scope():
        model = kerasgen.build(resolved["system"], **resolved["arguments"])
        optimizers = {name: optimizer(entry) for name, entry in (recipe.get("optimizers") or {}).items()}
        model.compile(seed=seed, **compiled, **optimizers)
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
    if folder.exists() and not (folder.is_dir() and _replaceable(folder)):
        raise FileExistsError(f"{folder}: expected a new or empty folder, or a run to replace")
    return folder


def run(start: Start, data, model, *, progress=True) -> Path:
    """Fit a prepared model and write the run folder, in the place of a new run's predecessor; see `train`."""
    from kerasgen import distribute

    strategy, kept = model.distribute_strategy, start.folder / CHECKPOINTS
    if distribute.is_chief(strategy):
        start.folder.mkdir(parents=True, exist_ok=True)
        with files.lock(start.folder):
            _run(start, data, model, kept, progress)
    else:  # other workers read the chief's checkpoints and write nothing that stays
        with tempfile.TemporaryDirectory() as scratch:
            _run(start._replace(folder=Path(scratch)), data, model, kept, progress=False)
    distribute.meet(strategy)  # a worker that leaves early looks dead to the others
    return start.folder


def _run(start, data, model, checkpoint_folder, progress):
    import keras
    from rich.console import Console

    from kerasgen import averages, callbacks, distribute, pictures
    from kerasgen.callbacks import checkpoints
    from kerasgen.model import GenerativeModel

    console = Console(stderr=True, quiet=not progress)
    folder, recipe, name = start.folder, start.plan["recipe"], start.plan["preset"]
    seed, monitor = recipe.get("seed") or 0, recipe.get("monitor")
    epochs = recipe.get("epochs") or sum(stage.epochs for stage in model.stages) or 1
    count = pictures.COUNTS[model.kind]
    record = _enter(start)
    distribute.meet(model.distribute_strategy)  # no worker reads checkpoints of a run that the chief replaces
    command = record["command"]

    board = folder / "tensorboard" if importlib.util.find_spec("tensorboard") else None
    bar = callbacks.Progress(console)
    chosen = [callbacks.CSVHistory(folder / "history.csv"), bar]
    if _drawable(model):
        logs = board / "samples" if board else None
        every, about = max(1, epochs // GRIDS), _about(model, data, count)
        chosen.append(callbacks.SampleGrid(folder / "samples", every, tensorboard=logs, **about))
    last = model.stages[-1].players if model.stages else ()
    if hasattr(model, "discriminator") and _drawable(model) and (not last or "discriminator" in last):
        every, about = max(2, epochs // GRIDS), _about(model, data, MONITORED)
        # Its figures are logged too.
        chosen.insert(0, callbacks.CollapseMonitor(data, every, MONITORED, **about))
    if board:
        chosen.append(keras.callbacks.TensorBoard(str(board), write_graph=False))
    best = callbacks.BestWeights(monitor) if monitor else None
    resume = callbacks.Resume(checkpoint_folder)
    kind, base = type(model), GenerativeModel
    validates = kind.losses is not base.losses or kind.test_step is not base.test_step
    validation = data.validation if validates and data.count("validation") else None
    interrupted = False
    with contextlib.closing(bar):
        try:
            model.fit(
                data.train,
                epochs=epochs,
                steps_per_epoch=recipe.get("steps_per_epoch"),
                validation_data=validation,
                callbacks=[*chosen, *([best] if best else []), resume],
                verbose=0,
            )
        except callbacks.Stopped:
            interrupted = True
            if best:
                best.on_train_end()
    history = model.history.history
    figures = best.figures if best else {key: values[-1] for key, values in history.items()}
    results = {
        **{key: float(f"{value:.6g}") for key, value in figures.items() if finite(value)},
        **({"best_epoch": best.epoch + 1} if best and best.epoch is not None else {}),
        "epochs": len(model.history.epoch),
        "seconds": round(resume.seconds, 1),
        **({"command": command} if command else {}),
    }
    kept = {key: start.plan[key] for key in ("description", "data", "recipe") if start.plan.get(key)}
    with averages.averaged(model) if interrupted else contextlib.nullcontext():  # as the end of `fit` does
        hub.save_preset(model, folder / "model", preset=name, **kept, results=results)
        if _drawable(model):
            x = model.sample(count, seed=seed, **_about(model, data, count))
            pictures.save(folder / "samples.png", x, model.kind)
    if interrupted:
        raise Interrupted(folder)
    _write(folder, {**record, "finished": _now()})
    if distribute.is_chief(model.distribute_strategy):
        for old in checkpoints.find(checkpoint_folder)[1:]:
            old.unlink()


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


def _get(preset, key):
    """The value of a dotted key, None where there is none."""
    for part in key.split("."):
        preset = preset.get(part) if isinstance(preset, dict) else None
    return preset


# --- run folders ----------------------------------------------------------------------------------------------------


def _unfinished(name, out):
    """The folder of the run to go on with, None where there is none: `out`, or the newest unfinished run of a preset.

    Raises:
        ValueError: the run in `out` has no checkpoints any more.
    """
    if out is None:
        folders = sorted(Path("runs", name).glob(f"*/{CHECKPOINTS}"), reverse=True)
        records = {folder.parent: _record(folder.parent) for folder in folders}
        return next(
            (folder for folder, record in records.items() if record and "finished" not in record), None
        )
    folder = Path(out)
    if not _record(folder):
        return None
    if not (folder / CHECKPOINTS).is_dir():
        raise ValueError(
            f"{folder}: expected a run with {CHECKPOINTS}, got one without; it can only be replaced"
        )
    return folder


def _record(folder):
    """A run's config.json, None where there is none."""
    path = folder / CONFIG
    return json.loads(path.read_text("utf-8")) if path.is_file() and (folder / files.MARK).is_file() else None


def _check_same(folder, name, saved, given):
    """Refuse options that are not those of the run in a folder."""
    if saved["preset"] != name:
        raise ValueError(f"{folder}: expected a run of {name}, got one of {saved['preset']}")
    for key, value in given.items():
        before = _get(saved, key)
        if key == "recipe.epochs" and value >= (before or 1):
            continue
        if value != before:
            least = " or more" if key == "recipe.epochs" else ""
            before, value = json.dumps(before), json.dumps(value)
            raise ValueError(
                f"{folder}: expected {key} = {before}{least} of the run to go on with, got {value}"
            )


def _replaceable(folder):
    """Whether a folder is empty, a run, or the beginnings of one."""
    names = {name for name in os.listdir(folder) if not files.is_temporary(name)}
    begun = {files.LOCK, files.MARK, CHECKPOINTS}
    return names <= {files.LOCK} or (files.MARK in names and (CONFIG in names or names <= begun))


def _enter(start) -> dict:
    """Make the folder ready and return its record; a kill in here leaves what can be replaced or gone on with."""
    folder = start.folder
    if start.record:
        files.sweep(folder)
        record = {key: value for key, value in start.record.items() if key != "finished"}
        if record["preset"] != start.plan:  # extended
            record |= {"preset": start.plan, "command": _command()}
    else:
        for child in folder.iterdir():
            if child.name not in (files.LOCK, files.MARK, CONFIG):
                shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
        (folder / files.MARK).touch()
        (folder / CHECKPOINTS).mkdir()
        record = {"preset": start.plan, "versions": hub.versions(), "command": _command(), "started": _now()}
    _write(folder, record)
    return record


def _write(folder, record):
    files.atomic_write(folder / CONFIG, hub.dumps(record).encode())


def _now():
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _command():
    """The command line, if this is one, without the folder that it wrote to."""
    name, *words = sys.argv
    if Path(name).stem not in ("kerasgen", "__main__"):
        return None
    if "--out" in words:
        del words[words.index("--out") : words.index("--out") + 2]
    return shlex.join(["kerasgen", *(word for word in words if word != "--resume")])


def _drawable(model):
    """Whether samples need no input but what the data describe, and can be drawn."""
    shape, sample = model.image_shape, model.ports().get("sample")
    needs = {port.name for port in sample.inputs if port.default is None} if sample else {"sample"}
    if not needs <= {"count", "seed", model.described}:
        return False
    return shape[-1] in (1, 3) if model.kind == "picture" else len(shape) == 1 and shape[0] > 1


def _about(model, data, count):
    """What described samples are about: the descriptions of the validation split, over and over."""
    if model.described not in ("text", "layout"):
        return {}
    given = data.arrays("validation")[1]
    return {model.described: given[np.arange(count) % len(given)]}
