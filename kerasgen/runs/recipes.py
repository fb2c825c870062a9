"""A recipe's optimisers, made for a run of some length.

Schedules, warm-ups and averages are written in training steps, those of the data that the recipe's author had. A run on
other data, with another batch size or other epochs has more of them or fewer. So an optimiser of a recipe may state
`steps`, the length that it is written for, and what is counted in steps is stretched to the run:

    decay_steps, boundaries, warmup_steps, 1 / (1 - ema_momentum)    *=    steps of the run / stated steps

In a system of stages a player's steps are those of the stages in which it learns. The system's own optimisers, those of
the paper, state no length, and are for runs of a paper's size; in a shorter one warm-up and average end after a tenth.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from kerasgen import catalog
from kerasgen.core.lengths import LENGTHS, MOMENTUM

SHARE = 0.1  # of a run, at most, that goes into the warm-up, and that an average looks back over


class Length(NamedTuple):
    """How long a run is."""

    epochs: int
    steps: dict  # player -> training steps in which it learns


def length(recipe: dict, data: Any, model: Any) -> Length:
    """The length of a run.

    Args:
        recipe: of the plan.
        data: `kerasgen.data.Data`.
        model: whose stages share the epochs.
    """
    from kerasgen.core.stages import ends  # which imports Keras

    epochs = recipe.get("epochs")
    each = recipe.get("steps_per_epoch") or max(1, data.steps // model.batches)
    if not model.stages:
        return Length(epochs or 1, dict.fromkeys(model.players, (epochs or 1) * each))
    at = ends(model.stages, epochs)
    long = [end - start for start, end in zip([0, *at], at, strict=False)]
    steps = {
        player: each * sum(n for n, s in zip(long, model.stages, strict=True) if player in (s.players or (player,)))
        for player in model.players
    }  # fmt: skip
    return Length(at[-1], steps)


def optimizers(recipe: dict, model: Any, run: Length) -> tuple[dict, list[str]]:
    """({"<player>_optimizer": optimiser}, what was fitted to the run, in words).

    Args:
        recipe: of the plan; what it does not state are the system's own optimisers.
        model: not compiled yet.
        run: its length.
    """
    given: dict = recipe.get("optimizers") or {}
    said: dict = {}
    made, own = {}, None
    for player, steps in run.steps.items():
        name = f"{player}_optimizer" if player else "optimizer"
        if name in given:
            entry = stretched(given[name], steps)
            made[name] = optimizer(entry)
            written = given[name].get("steps")
            if entry != given[name]:
                said[f"what is written for {written:,} steps is stretched to the {steps:,} of this run"] = None
            continue
        own = model.optimizers() if own is None else own
        if name in own:
            made[name], shortened = shorter(own[name], steps)
            said |= dict.fromkeys(shortened)
    made |= {name: optimizer(entry) for name, entry in given.items() if name not in made}  # `compile` refuses them
    return made, list(said)


def counts(entry: dict) -> bool:
    """Whether anything of an optimiser's entry in a recipe is counted in steps."""
    config = entry.get("config") or {}
    return bool(config.get("use_ema") or any(set(LENGTHS) & set(s) for s in _schedules(config)))


def stretched(entry: dict, steps: int) -> dict:
    """An optimiser's entry in a recipe, for a run of so many steps.

    Example:
        >>> cosine = {"class_name": "CosineDecay", "config": {"initial_learning_rate": 1e-3, "decay_steps": 100}}
        >>> adam = {"learning_rate": cosine, "use_ema": True, "ema_momentum": 0.9}
        >>> adam = stretched({"class_name": "Adam", "config": adam, "steps": 100}, 250)["config"]
        >>> adam["learning_rate"]["config"]["decay_steps"], adam["ema_momentum"]
        (250, 0.96)
    """
    written = entry.get("steps")
    if not written or written == steps:
        return entry
    entry, by = copy.deepcopy(entry), steps / written
    config = entry.get("config") or {}
    for schedule in _schedules(config):
        for key in LENGTHS:
            if schedule.get(key):
                schedule[key] = _times(schedule[key], by)
    if config.get("use_ema"):
        config[MOMENTUM] = looking_back(by / (1.0 - config.get(MOMENTUM, 0.99)))
    return entry


def shorter(own: Any, steps: int) -> tuple[Any, list[str]]:
    """(a system's own optimiser for a run of so many steps, what was shortened in words)."""
    config, most, said = own.get_config(), max(1, round(SHARE * steps)), []
    for schedule in _schedules(config):
        if (schedule.get("warmup_steps") or 0) > most:
            said.append(f"the paper's warm-up of {schedule['warmup_steps']:,} steps")
            schedule["warmup_steps"] = most
    horizon = 1.0 / (1.0 - config[MOMENTUM]) if config["use_ema"] else 0.0
    if horizon > 1.001 * most:  # of rounding
        said.append(f"the paper's average over {horizon:,.0f} steps")
        config[MOMENTUM] = looking_back(most)
    said = [f"{what} is cut to {most:,}, a tenth of this run" for what in said]
    return (type(own).from_config(config), said) if said else (own, [])


def optimizer(entry: dict) -> Any:
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


def _schedules(config) -> list:
    """The configurations of the schedules in that of an optimiser."""
    return [value["config"] for value in config.values() if isinstance(value, dict) and "config" in value]


def _times(value, by):
    """So many steps, or a list of them, longer or shorter; at least one."""
    return [_times(v, by) for v in value] if isinstance(value, list) else max(1, round(value * by))


def looking_back(steps: float) -> float:
    """The share that an average keeps of its old value so as to look back over so many steps."""
    return round(1.0 - 1.0 / max(steps, 1.0), 9)
