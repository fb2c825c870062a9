"""Before the first step: the data of a plan, and its model, compiled, which fit each other."""

from __future__ import annotations

import contextlib
import inspect
import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import kerasgen
from kerasgen import hub
from kerasgen.runs import own, plans, recipes
from kerasgen.runs.plans import Start

PRECISIONS = {"float32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


def fitted(start: Start, wish: own.Wish, log: Callable[[str], Any]) -> tuple[Start, Any]:
    """(the start of a run on own data with arguments, recipe and length, each said in a line; the data).

    A run that goes on has them already, and its data are not looked at.

    Raises:
        ValueError: data that the system does not take, or a size for which it has no pattern.
    """
    if start.record is not None:
        return start, None
    with policy(start.plan):
        plan, data = own.complete(start.plan, wish, lambda plan: _load(plan, _seed(plan), lend=False), log)
    return start._replace(plan=plan), data


def prepare(
    resolved: hub.Preset,
    strategy: str | None = None,
    deterministic: bool = False,
    log: Callable[[str], Any] = lambda line: None,
    data: Any = None,
) -> tuple[Any, Any]:
    """(data, compiled model) of a plan, which fit each other; the model is compiled in the scope of a strategy.

    Args:
        resolved: the plan.
        strategy, deterministic: as in `train`.
        log: function called with a line for what was fitted to the length of the run.
        data: the plan's, if they are loaded already.

    Raises:
        ValueError: the data do not load, or do not fit the model; the line says what to change.
    """
    import keras
    import tensorflow as tf

    from kerasgen.core import distribute
    from kerasgen.data.checks import Mismatch

    scope = distribute.strategy(strategy)  # several workers meet here, before any other operation
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    recipe, seed = resolved["recipe"], _seed(resolved)
    keras.utils.set_random_seed(seed)
    data = _load(resolved, seed) if data is None else data
    compiled = dict(recipe.get("compile") or {})
    if scope.num_replicas_in_sync > 1:
        compiled["jit_compile"] = False  # XLA compiles for one device
    with scope.scope(), policy(resolved):
        model = kerasgen.build(resolved["system"], **resolved["arguments"])
        optimizers, fitted = recipes.optimizers(recipe, model, recipes.length(recipe, data, model))
        model.compile(seed=seed, **compiled, **optimizers)
    try:
        model.check(data)
    except Mismatch as error:
        cure = f"arguments.{error.argument}={json.dumps(error.value, separators=(',', ':'))}"
        raise ValueError(f"arguments.{error.said}; --set {shlex.quote(cure)}") from None
    for line in fitted:
        log(line)
    return data, model


@contextlib.contextmanager
def policy(resolved: hub.Preset) -> Iterator[None]:
    """Layers that are made in here compute as the plan's recipe says.

    Raises:
        ValueError: an unknown precision.
    """
    import keras

    precision = resolved["recipe"].get("precision")
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(f"precision: expected {', '.join(PRECISIONS)}, got {precision!r}")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(PRECISIONS[precision] if precision else before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _seed(resolved):
    return resolved["recipe"].get("seed") or 0


def _load(resolved, seed, lend=True):
    """The data of a plan; what can be cut to a size is cut to the model's, if no other is given and it is lent."""
    options = {key: value for key, value in resolved["data"].items() if value is not None}
    name = options.pop("name")
    fixed = plans.plain(name) in kerasgen.data.FIXED or name.startswith("keras:")
    lent = {} if fixed or not lend or "image_shape" in options else _size(resolved)
    kerasgen.data.check_here(name)
    try:
        try:
            return kerasgen.data.load(name, seed=seed, **options, **lent)
        except ValueError as error:
            if not lent or not str(error).startswith("image_shape"):
                raise
            return kerasgen.data.load(name, seed=seed, **options)  # of another kind, as `check` will say
    except ValueError as error:  # which speaks to Python
        said = str(error).replace("on_error='skip'", "--set data.on_error=skip")
        sizes = "expected (height, width, channels), since pictures have"
        raise ValueError(f"{said}; --size 64 cuts and resizes them" if sizes in said and not lend else said) from error


def _size(resolved) -> dict:
    """The `image_shape` of a plan's model, before it is built; empty where it has none."""
    parameters = inspect.signature(resolved.system.load().__init__).parameters
    default = parameters["image_shape"].default if "image_shape" in parameters else None
    shape = resolved["arguments"].get("image_shape") or default
    return {"image_shape": shape} if shape else {}
