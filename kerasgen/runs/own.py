"""A system on the user's own data: arguments, recipe and length, chosen before the first step and said.

    arguments   what the data state, and the paper's pattern at their size (`Class.arguments_for`)
    recipe      that of the system's preset at the size of a paper that is nearest; optimisers, batch, penalties' steps
    length      what fits into the minutes that there are, by the time of some steps on this machine

A schedule of the paper is stretched to the run. An average of weights looks back as far as the paper's, at most over a
tenth of the run.
"""

from __future__ import annotations

import inspect
import math
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import kerasgen
from kerasgen import catalog, hub
from kerasgen.core.lengths import MOMENTUM
from kerasgen.runs import recipes

MINUTES = 90.0  # of a run whose length is not said
MOST = 64  # examples of a batch; papers with more had many accelerators
PERIODS = 20  # epochs of a run: after each the model is saved, measured and drawn
BESIDE = 0.15  # share of a run that saving, measuring and drawing take
MEASURED = 4  # steps of every stage that are timed, the first of which is not counted
CHANGES = ("flip", "color", "translation", "cutout")  # of --augment


class Wish(NamedTuple):
    """How a run on own data is asked for.

    Attributes:
        size: (height, width) that pictures are cut and resized to, None for that which they have.
        minutes, steps: how long it may take, one of them or neither.
        augment: names in `CHANGES`.
    """

    size: tuple | None = None
    minutes: float | None = None
    steps: int | None = None
    augment: tuple = ()


def parse_size(text: str) -> tuple:
    """(height, width) of "64" or "48x64".

    Raises:
        ValueError: neither.

    Example:
        >>> parse_size("64"), parse_size("48x64")
        ((64, 64), (48, 64))
    """
    found = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text)
    if not found:
        raise ValueError(f"size: expected pixels such as 64, or height x width such as 48x64, got {text!r}")
    height, width = found.groups()
    return int(height), int(width or height)


def asked(system: str, source: str, wish: Wish) -> hub.Preset:
    """What is asked for, before the data and the system are looked at: a preset without arguments and recipe.

    Raises:
        ValueError: an unknown system, a size or a length that cannot be.
    """
    known = catalog.find(system)
    for name, value in wish._asdict().items():
        if name in ("minutes", "steps") and value is not None and not value > 0:
            raise ValueError(f"{name}: expected more than 0, got {value}")
    if wish.minutes is not None and wish.steps is not None:
        raise ValueError("steps: expected none beside minutes; one of them says how long the run is")
    unknown = [name for name in wish.augment if name not in CHANGES]
    if unknown:
        raise ValueError(f"augment: expected some of {', '.join(CHANGES)}, got {unknown[0]!r}")
    data: dict = {"name": source}
    if wish.size:
        data["image_shape"] = [*wish.size, None]
    if "flip" in wish.augment:
        data["flip"] = True
    name = f"{known.id}_{_word(source)}"
    content = {"format": hub.folder.FORMAT, "preset": name, "system": known.id, "arguments": {}, "data": data}
    return hub.Preset({**content, "recipe": {"seed": 0}}, name=name)


def ask(preset: Any, data: str | None, wish: Wish, overrides: dict | None = None) -> tuple[bool, Any, dict]:
    """(whether a system is to be fitted to data, what `begin` is to begin, its overrides).

    Raises:
        ValueError: a system without data, what goes with a system alone, an unknown size or length.
    """
    changes = dict(overrides or {})
    if isinstance(preset, str) and catalog.plain(preset) in {catalog.plain(id) for id in catalog.SYSTEMS}:
        if data is not None:
            return True, asked(preset, data, wish), changes
    elif any((wish.minutes, wish.steps, wish.augment)):
        name = next(name for name in ("minutes", "steps", "augment") if getattr(wish, name))
        raise ValueError(f"{name}: goes with a system and data; a preset says its length in epochs")
    if wish.size:
        shape = hub.read_preset(preset)["arguments"].get("image_shape") or [None]
        changes["data.image_shape"] = [*wish.size, shape[-1]]
    return False, preset, changes if data is None else changes | {"data.name": data}


def complete(
    plan: hub.Preset, wish: Wish, load: Callable[[hub.Preset], Any], log: Callable[[str], Any]
) -> tuple[hub.Preset, Any]:
    """(the plan of a run with arguments, recipe and length, each of which is said in a line; its data).

    Args:
        plan: of `asked`, with changes of the user.
        wish: the same.
        load: gives the data of a plan.
        log: function called with each line.

    Raises:
        ValueError: data that the system does not take, or a size for which it has no pattern.
    """
    content = plan.content()
    system: Any = plan.system.load()
    if (getattr(system, "levels", None) or _default(system, "levels")) == 2:  # a system of black and white pictures
        content["data"].setdefault("levels", 2)
    data = load(hub.Preset(content))
    paper = nearest(plan.system.id, data.shape)
    batch = (paper["data"].get("batch_size") if paper else None) or MOST
    data = data.with_batch(content["data"].setdefault("batch_size", min(batch, MOST)))
    content["arguments"] = _arguments(system, data, wish, content["arguments"])
    if content["data"].get("image_shape"):
        content["data"]["image_shape"] = list(data.shape)
    counts = "/".join(f"{data.count(split):,}" for split in ("train", "validation", "test"))
    log(f"data: {counts} {data.kind}s of {'x'.join(map(str, data.shape))} to train, validate, test on")
    log("model: " + ", ".join(f"{key}={_short(value)}" for key, value in content["arguments"].items()))

    speed, papers = measure(content, data, log), (paper.get("recipe") if paper else None) or {}
    content["recipe"] = _recipe(content["recipe"], papers, data, wish, speed)
    steps, whole = _steps(content["recipe"]), _steps(papers)
    length = f"{steps:,} step{'s' * (steps > 1)}, {_lasting(steps * speed.seconds / (1.0 - BESIDE))}"
    of = f"that of {paper.name}" if paper else "the system's own"
    log(f"recipe: {of}, batches of {data.batch_size}; --set KEY=VALUE changes any of it")
    beside = f"; the paper has {whole:,}" if whole else ""
    log(f"about {speed.seconds:.2g} s a step and {speed.memory:.1f} GB here: {length}{beside}")
    return hub.Preset(content), data


def nearest(system: str, shape: tuple) -> hub.Preset | None:
    """The preset of a system at a paper's scale whose size is nearest to a shape, None where there is none."""
    presets = [hub.read_preset(name) for name in hub.list_presets(f"{system}_*")]
    presets = [one for one in presets if one["system"] == system and not (one.get("data") or {}).get("name")]

    def far(preset):
        own = preset["arguments"].get("image_shape") or shape
        return abs(math.log(math.prod(own[:2]) / math.prod(shape[:2])))

    return min(presets, key=far, default=None)


def _arguments(system, data, wish, chosen):
    """Constructor arguments, as JSON holds them."""
    seen = [name for name in wish.augment if name != "flip"]
    if seen and _default(system, "augmentations") is None:
        raise ValueError(f"augment: {system.__name__} takes flip alone, got {', '.join(seen)}")
    chosen = ({"augmentations": seen} if seen else {}) | chosen
    plain = lambda value: [plain(v) for v in value] if isinstance(value, tuple | list) else value
    return {key: plain(value) for key, value in system.arguments_for(data, **chosen).items()}


def _recipe(own, papers, data, wish, speed):
    """The paper's recipe with the user's changes, for as many steps as are wished for or fit into the minutes."""
    own = {key: value for key, value in own.items() if value is not None}
    recipe = {key: papers[key] for key in ("compile", "monitor") if papers.get(key) is not None} | own
    steps = wish.steps
    if papers.get("epochs") == 1:  # it remembers the data, and that is all
        steps = max(1, data.steps)
    elif steps is None and "epochs" not in own:
        left = 60.0 * (wish.minutes or MINUTES) - speed.spent
        steps = max(1, int(left * (1.0 - BESIDE) / speed.seconds))
    if steps is not None:
        recipe.setdefault("epochs", max(min(PERIODS, steps), speed.stages))
        recipe.setdefault("steps_per_epoch", max(1, round(steps / recipe["epochs"])))
    recipe.setdefault("steps_per_epoch", max(1, data.steps))
    if "optimizers" not in own and papers.get("optimizers"):
        of = recipes.length(recipe, data, speed.model).steps  # of each player
        recipe["optimizers"] = {
            name: _for_run(
                entry, _steps(papers), of.get("" if name == "optimizer" else name.removesuffix("_optimizer"))
            )
            for name, entry in papers["optimizers"].items()
        }
    return recipe


class Speed(NamedTuple):
    """What some steps took.

    Attributes:
        seconds: of one, a mean over the stages by their length.
        memory: of this process at most, in GB.
        stages: how many there are.
        spent: seconds on measuring them.
        model: that was trained for it.
    """

    seconds: float
    memory: float
    stages: int
    spent: float
    model: Any


def measure(content: dict, data: Any, log: Callable[[str], Any]) -> Speed:
    """Train a model for some steps of every stage, which is not the one that the run trains."""
    import keras

    begun, taken = time.monotonic(), []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.begun = time.monotonic()

        def on_train_batch_end(self, batch, logs=None):
            if batch:  # the first is traced and compiled
                taken.append(time.monotonic() - self.begun)

    model = kerasgen.build(content["system"], **content["arguments"])
    model.compile(seed=0, **(content["recipe"].get("compile") or {}))
    stages = max(1, len(model.stages))
    log(f"{model.count_params():,} parameters; {MEASURED * stages} steps are timed")
    model.fit(data.train, epochs=stages, steps_per_epoch=MEASURED, callbacks=[Watch()], verbose=0)
    shares = [stage.epochs for stage in model.stages] or [1]
    each = len(taken) // stages
    means = [sum(taken[i * each : (i + 1) * each]) / each for i in range(stages)]
    seconds = sum(mean * share for mean, share in zip(means, shares, strict=True)) / sum(shares)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    return Speed(seconds, peak, stages, time.monotonic() - begun, model)


def _for_run(entry, written, steps):
    """A paper's optimiser for a run of so many steps."""
    if not recipes.counts(entry) or not steps:
        return entry
    written = entry.get("steps") or written
    horizon = 1.0 / (1.0 - entry["config"].get(MOMENTUM, 0.99))
    entry = recipes.stretched({**entry, "steps": written or steps}, steps)
    if entry["config"].get("use_ema"):
        entry["config"][MOMENTUM] = recipes.looking_back(min(horizon, max(1, round(recipes.SHARE * steps))))
    return {**entry, "steps": steps}


def _steps(recipe):
    """Of a run, 0 where its recipe does not count them."""
    return (recipe.get("epochs") or 0) * (recipe.get("steps_per_epoch") or 0)


def _lasting(seconds):
    """A time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _default(system, argument):
    found = inspect.signature(system.__init__).parameters.get(argument)
    return found.default if found else None


def _word(source):
    """A name for data, of letters, digits and underscores."""
    path = Path(source.removeprefix("pairs:")).expanduser()
    last = path.resolve().stem if path.exists() else source.split(":")[-1]
    return re.sub(r"\W+", "_", last.lower()).strip("_") or "data"


def _short(value):
    text = str(value).replace(" ", "")
    return text if len(text) <= 60 else text[:57] + "..."
