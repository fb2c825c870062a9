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
import importlib.util
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasgen import files, hub
from kerasgen.data import asking
from kerasgen.data.description import named
from kerasgen.runs import own, recipes, run_folder
from kerasgen.runs.plans import Start, begin, parse, plan  # noqa: F401  (beside what runs them)
from kerasgen.runs.preparing import fitted, prepare  # noqa: F401  (fitted: beside what runs it)
from kerasgen.runs.run_folder import CHECKPOINTS

GRIDS = 20  # sample pictures in a run, about
GRID = 16  # samples in each, of those that are drawn as a grid
DRAWING = 0.1  # share of a run that may go into them
STEPS = 50  # of a sampler that can take fewer than its own number
VALIDATED = 0.1  # of the batches of an epoch, where the recipe states their number: so many are validated on
MONITORED = 256  # examples that the collapse monitor looks at


class Undone(ArithmeticError):
    """Training failed before anything was saved; the folder is as it was."""


class Interrupted(KeyboardInterrupt):
    """The run was stopped by Ctrl-C and saved in `folder`."""

    def __init__(self, folder: Path):
        super().__init__(f"interrupted; what was learned so far is in {folder}")
        self.folder = folder


def train(
    preset: str | os.PathLike | hub.Preset, *, data: str | None = None, wish: own.Wish = own.Wish(),  # noqa: B008
    epochs: int | None = None, seed: int | None = None, out: str | os.PathLike | None = None,
    overrides: dict | None = None, resume: bool = False, strategy: str | None = None, deterministic: bool = False,
    progress: bool = True,
) -> Path:  # fmt: skip
    """Train a preset as its recipe says, or nearly so, or a system on your own data.

    Ctrl-C stops after the step at hand and saves; a second one does not wait for the step.

    Args:
        preset: name, folder or `hub.Preset`; or the name of a system, which is fitted to `data`.
        data: what `kerasgen.data.load` takes, in the place of the preset's.
        wish: size of the pictures; how long, and through which changes, a system is trained.
        epochs, seed: in the place of the recipe's.
        out: the run folder; left out, `runs/<preset>/<stamp>`. A run that is there is replaced as soon as there is a
            checkpoint of this one; if there never is, it comes back.
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
        Undone: a figure was not finite before anything was saved; the folder is as it was.
        Locked: another process trains into the folder.
        Interrupted: Ctrl-C, after saving.

    Example:
        >>> train("stylegan2", data="pictures", wish=own.Wish(size=(64, 64), minutes=90))   # doctest: +SKIP
        PosixPath('runs/stylegan2_pictures/20261122-042500')
        >>> train("dcgan_digits_quick", epochs=2, overrides={"data.batch_size": 32})       # doctest: +SKIP
        PosixPath('runs/dcgan_digits_quick/20261122-042500')
    """
    from rich.console import Console

    say = Console(stderr=True, quiet=not progress, highlight=False, markup=False, soft_wrap=True).print
    fitting, source, changes = own.ask(preset, data, wish, overrides)
    start = begin(source, epochs=epochs, seed=seed, out=out, overrides=changes, resume=resume, strategy=strategy)
    if start.finished:
        return start.folder
    given = None
    if fitting:
        start, given = fitted(start, wish, say)
    return run(start, *prepare(start.plan, strategy, deterministic, say, given), progress=progress)


def run(start: Start, data: Any, model: Any, *, progress: bool = True) -> Path:
    """Fit a prepared model and write the run folder, in the place of a new run's predecessor; see `train`."""
    from kerasgen.core import distribute

    strategy, folder, kept = model.distribute_strategy, start.folder, start.folder / CHECKPOINTS
    if distribute.is_chief(strategy):
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with files.lock(folder), _undone_on_failure(start):
                _run(start, data, model, kept, progress)
        finally:
            if new and not os.listdir(folder):
                folder.rmdir()
    else:  # other workers read the chief's checkpoints and write nothing that stays
        with tempfile.TemporaryDirectory() as scratch:
            _run(start._replace(folder=Path(scratch)), data, model, kept, progress=False)
    distribute.meet(strategy)  # a worker that leaves early looks dead to the others
    return folder


@contextlib.contextmanager
def _undone_on_failure(start):
    """What fails before anything is saved leaves the folder as it was; its error says so as `undone`."""
    from kerasgen.callbacks import NonFinite

    try:
        yield
    except Interrupted:
        raise
    except BaseException as error:
        replaces = start.record is None or (start.folder / files.ASIDE).is_dir()
        error.undone = replaces and run_folder.undo(start.folder)
        if error.undone and isinstance(error, NonFinite):
            failed = NonFinite(error.step, error.values)
            raise Undone(f"{failed}; nothing was saved, and {start.folder} is as it was") from error
        raise


def _run(start, data, model, checkpoint_folder, progress):
    import keras
    from rich.console import Console

    from kerasgen import callbacks, pictures
    from kerasgen.callbacks import checkpoints
    from kerasgen.core import averages, distribute
    from kerasgen.core.model import GenerativeModel

    console = Console(stderr=True, quiet=not progress)
    folder, recipe, name = start.folder, start.plan["recipe"], start.plan.name
    seed, monitor = recipe.get("seed") or 0, recipe.get("monitor")
    epochs = recipes.length(recipe, data, model).epochs
    count = pictures.COUNTS[model.kind]
    begin = (folder, start.record, start.plan) if start.record else (folder, start.plan)
    record = (run_folder.go_on if start.record else run_folder.begin)(*begin)
    distribute.meet(model.distribute_strategy)  # no worker reads checkpoints of a run that the chief replaces
    command = record["command"]

    board = folder / "tensorboard" if importlib.util.find_spec("tensorboard") else None
    bar = callbacks.Progress(console)
    chosen = [callbacks.CSVHistory(folder / run_folder.HISTORY), bar]
    settle = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: run_folder.settle(folder))
    fewer = _fewer_steps(model)
    if _drawable(model, data):
        shown = GRID if model.kind == "picture" else count
        options = {"count": shown, **fewer, **_about(model, data, shown), "share": DRAWING, "progress": bar}
        options |= {} if "sample" in model.serves else {"data": data}
        options["tensorboard"] = board / "samples" if board else None
        chosen.append(callbacks.SampleGrid(folder / "samples", max(1, epochs // GRIDS), **options))
    last = model.stages[-1].players if model.stages else ()
    if (
        hasattr(model, "discriminator")
        and "sample" in model.serves
        and _drawable(model, data)
        and (not last or "discriminator" in last)
    ):
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
    if validation is not None and recipe.get("steps_per_epoch"):
        validation = validation.take(math.ceil(VALIDATED * recipe["steps_per_epoch"]))
    interrupted = False
    with contextlib.closing(bar):
        try:
            model.fit(
                data.train,
                epochs=epochs,
                steps_per_epoch=recipe.get("steps_per_epoch"),
                validation_data=validation,
                callbacks=[*chosen, *([best] if best else []), settle, resume],
                verbose=0,
            )
        except callbacks.Stopped:
            interrupted = True
            if best:
                best.on_train_end()
    run_folder.settle(folder)
    history = model.history.history
    figures = best.figures if best else {key: values[-1] for key, values in history.items()}
    results = {
        **{key: float(f"{value:.6g}") for key, value in figures.items() if math.isfinite(value)},
        **({"best_epoch": best.epoch + 1} if best and best.epoch is not None else {}),
        "epochs": len(model.history.epoch),
        "seconds": round(resume.seconds, 1),
        **({"command": command} if command else {}),
    }
    kept = {key: start.plan[key] for key in ("description", "data", "recipe") if start.plan.get(key)}
    kept["about"] = data.about
    with averages.averaged(model) if interrupted else contextlib.nullcontext():  # as the end of `fit` does
        hub.save_preset(model, folder / run_folder.MODEL, preset=name, **kept, results=results)
    if interrupted:
        raise Interrupted(folder)
    if _drawable(model, data):
        with console.status(f"drawing {count} samples"):
            if "sample" in model.serves:
                x = model.sample(count, seed=seed, **fewer, **_about(model, data, count))
                pictures.save(folder / "samples.png", x, model.kind)
            else:
                rows = asking.versions(model, data, "validation", GRID, seed)
                pictures.write(folder / "samples.png", pictures.versions(*rows))
    run_folder.write(folder, {**record, "finished": run_folder.now()})
    if distribute.is_chief(model.distribute_strategy):
        for old in checkpoints.find(checkpoint_folder)[1:]:
            old.unlink()


def _drawable(model, data):
    """Whether what is made needs no input but what the data have, and can be drawn."""
    shape, sample = model.image_shape, model.ports.get("sample")
    if sample is None:
        shown = {shape[-1], (model.picture_shape or shape)[-1]} <= {1, 3}
        return bool(set(asking.CHANGES) & set(model.serves)) and shown and data.count("validation") > 0
    if not {port.name for port in sample.inputs if port.default is None} <= {"count", "seed", *model.given}:
        return False
    return shape[-1] in (1, 3) if model.kind == "picture" else len(shape) == 1 and shape[0] > 1


def _fewer_steps(model):
    """Steps of the sampler for a look at a model, where it can take fewer than its own number."""
    inputs = model.ports["sample"].inputs if "sample" in model.serves else ()
    own = {port.name: port.default for port in inputs}.get("steps")
    return {"steps": STEPS} if own and own > STEPS else {}


def _about(model, data, count):
    """What described samples are about: the descriptions of the validation split, over and over."""
    given = named(data.arrays("validation")[1], data.given)
    return {name: given[name][np.arange(count) % len(given[name])] for name in model.given if name != "label"}
