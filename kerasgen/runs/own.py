"""A system on the user's own data: arguments, recipe and length, chosen before the first step and said.

    arguments   what the data state, and the paper's pattern at their size (`Class.arguments_for`)
    recipe      that of the system's preset at the size of a paper that is nearest; optimisers, batch, penalties' steps
    length      what fits into the minutes that there are, by the time of some steps on this machine

A schedule of the paper is stretched to the run. An average of weights looks back as far as the paper's, at most over a
tenth of the run.
"""

from __future__ import annotations

import math
import os
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
MEASURED = 6  # steps of every stage that are timed, the first of which is not counted
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


def complete(plan: hub.Preset, wish: Wish, load: Callable[[hub.Preset], Any], log: Callable[[str], Any]) -> hub.Preset:
    """The plan of a run: with arguments, recipe and length; each is said in a line.

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
    paper = _paper(plan.system.id, load, content)
    recipe = paper.get("recipe") or {} if paper else {}
    own = {key: value for key, value in content["recipe"].items() if value is not None}
    own = {key: recipe[key] for key in ("compile", "monitor") if recipe.get(key) is not None} | own
    content["data"].setdefault("batch_size", min((paper or {}).get("data", {}).get("batch_size") or MOST, MOST))
    few = getattr(system, "levels", None) or _default(system, "levels")
    if few == 2:  # a system of black and white pictures
        content["data"].setdefault("levels", 2)
    data = load(hub.Preset(content))
    chosen = dict(content["arguments"])
    diff = tuple(name for name in wish.augment if name != "flip")
    if diff:
        if _default(system, "augmentations") is None:
            raise ValueError(f"augment: {plan.system.id} takes flip alone, got {', '.join(diff)}")
        chosen.setdefault("augmentations", list(diff))
    content["arguments"] = _json(system.arguments_for(data, **chosen))
    if content["data"].get("image_shape"):
        content["data"]["image_shape"] = list(data.shape)
    counts = "/".join(f"{data.count(split):,}" for split in ("train", "validation", "test"))
    log(f"data: {counts} {data.kind}s of {'x'.join(map(str, data.shape))} to train, validate, test on")
    log("model: " + ", ".join(f"{key}={_short(value)}" for key, value in content["arguments"].items()))

    begun, speed = time.monotonic(), measure(content, data)
    if wish.steps is None and own.get("epochs") is None:
        left = 60.0 * (wish.minutes or MINUTES) - (time.monotonic() - begun)
        wish = wish._replace(steps=max(1, int(left * (1.0 - BESIDE) / speed.seconds)))
    if wish.steps is not None:
        own.setdefault("epochs", max(min(PERIODS, wish.steps), speed.stages))
        own.setdefault("steps_per_epoch", max(1, round(wish.steps / own["epochs"])))
    content["recipe"] = own | {"steps_per_epoch": own.get("steps_per_epoch") or max(1, data.steps)}
    if "optimizers" not in own and recipe.get("optimizers"):
        whole = (recipe.get("epochs") or 0) * (recipe.get("steps_per_epoch") or 0)
        steps = recipes.length(content["recipe"], data, speed.model).steps
        content["recipe"]["optimizers"] = {
            name: _for_run(entry, whole, steps.get("" if name == "optimizer" else name.removesuffix("_optimizer")))
            for name, entry in recipe["optimizers"].items()
        }
    steps = content["recipe"]["epochs"] * content["recipe"]["steps_per_epoch"]
    log(
        f"recipe: {f'that of {paper.name}' if paper else 'the system’s own'}, "
        f"batches of {content['data']['batch_size']}; "
        "--set KEY=VALUE changes any of it"
    )
    log(
        f"about {speed.seconds:.2g} s a step and {speed.memory:.1f} GB here: {steps:,} steps, "
        f"{_lasting(steps * speed.seconds / (1.0 - BESIDE))}{_papers(recipe)}"
    )
    return hub.Preset(content)


class Speed(NamedTuple):
    """What some steps took.

    Attributes:
        seconds: of one, a mean over the stages by their length.
        memory: of this process at most, in GB.
        stages: how many there are.
        model: that was trained for it.
    """

    seconds: float
    memory: float
    stages: int
    model: Any


def measure(content: dict, data: Any) -> Speed:
    """Train a model for some steps of every stage, which is not the one that the run trains."""
    import keras

    taken = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.begun = time.monotonic()

        def on_train_batch_end(self, batch, logs=None):
            if batch:  # the first is traced and compiled
                taken.append(time.monotonic() - self.begun)

    model = kerasgen.build(content["system"], **content["arguments"])
    model.compile(seed=0, **(content["recipe"].get("compile") or {}))
    stages = max(1, len(model.stages))
    model.fit(data.train, epochs=stages, steps_per_epoch=MEASURED, callbacks=[Watch()], verbose=0)
    shares = [stage.epochs for stage in model.stages] or [1]
    each = len(taken) // stages
    means = [sum(taken[i * each : (i + 1) * each]) / each for i in range(stages)]
    seconds = sum(mean * share for mean, share in zip(means, shares, strict=True)) / sum(shares)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    return Speed(seconds, peak, stages, model)


def _paper(system, load, content):
    """The preset at a paper's scale of the size nearest to that of the data, None where there is none."""
    presets = [hub.read_preset(name) for name in hub.list_presets(f"{system}_*")]
    presets = [one for one in presets if one["system"] == system and not (one.get("data") or {}).get("name")]
    if not presets:
        return None
    shape = (content["data"].get("image_shape") or load(hub.Preset(content)).shape)[:2]

    def far(preset):
        own = preset["arguments"].get("image_shape") or shape
        return abs(math.log(math.prod(own[:2]) / math.prod(shape)))

    return min(presets, key=far)


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


def _papers(recipe):
    steps = (recipe.get("epochs") or 0) * (recipe.get("steps_per_epoch") or 0)
    return f"; the paper has {steps:,}" if steps else ""


def _lasting(seconds):
    """A time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _default(system, argument):
    import inspect

    found = inspect.signature(system.__init__).parameters.get(argument)
    return found.default if found else None


def _word(source):
    """A name for data, of letters, digits and underscores."""
    last = (
        os.path.splitext(Path(source.removeprefix("pairs:")).expanduser().resolve().name)[0]
        if _path(source)
        else source
    )
    return re.sub(r"\W+", "_", last.split(":")[-1].lower()).strip("_") or "data"


def _path(source):
    return os.path.exists(os.path.expanduser(source.removeprefix("pairs:")))


def _short(value):
    text = str(value).replace(" ", "")
    return text if len(text) <= 60 else text[:57] + "..."


def _json(arguments):
    plain = lambda value: [plain(v) for v in value] if isinstance(value, tuple | list) else value
    return {key: plain(value) for key, value in arguments.items()}
