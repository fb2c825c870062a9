"""What a `preset.json` may hold: its keys, and the types and least values of what stands there."""

from __future__ import annotations

import functools
import json
from typing import Any

from kerasgen import catalog
from kerasgen.hub.folder import FORMAT

# The keys of preset.json and the types of their values. All but the REQUIRED ones may be null or left out.
SCHEMA = {
    "format": int,
    "preset": str,
    "system": str,
    "description": str,
    "arguments": dict,  # the constructor checks the names
    "data": {
        "name": str,
        "batch_size": int,
        "image_shape": list,
        "labels": bool,
        "on_error": str,
        "max_pixels": int,
        "levels": int,
        "flip": bool,
    },
    "recipe": {
        "epochs": int,
        "steps_per_epoch": int,
        "seed": int,
        "compile": {"jit_compile": bool, "steps_per_execution": int},
        "optimizers": dict,  # attribute -> OPTIMIZER
        "monitor": str,
        "precision": str,  # one of PRECISIONS of `kerasgen.runs.preparing`
    },
    "about": dict,  # what the data of a run are: `kerasgen.data.Data.about`
    "target": dict,  # figure -> TARGET
    "parameters": dict,
    "results": dict,
}
# `steps`: the training steps that rates and averages are written for; see `kerasgen.runs.recipes`.
OPTIMIZER = {"class_name": str, "config": dict, "steps": int}
# What a figure must reach, beside a baseline.
TARGET = {"at": float, "against": str, "like": str, "within": float}
REQUIRED = ("format", "preset", "system", "arguments")
POSITIVE = (
    "recipe.epochs",
    "recipe.steps_per_epoch",
    "recipe.compile.steps_per_execution",
    "data.batch_size",
    "data.max_pixels",
)
TYPES = {
    int: "a whole number",
    float: "a number with a point",
    str: "text",
    dict: "an object",
    list: "a list",
    bool: "true or false",
}


def check(content: Any, name: str) -> None:
    """One look at every key and type of a preset.

    Raises:
        ValueError: the line names the key, what was expected and what arrived.
    """
    _check_keys(content, SCHEMA, name, "")
    for key in REQUIRED:
        if content.get(key) is None:
            raise ValueError(f"{name}: {key!r} is missing")
    if content["format"] > FORMAT:
        raise ValueError(f"{name}: expected format {FORMAT}, got {content['format']}; upgrade kerasgen")
    catalog.find(content["system"])
    for key, value in content["arguments"].items():
        if not _plain(value):
            raise ValueError(f"{name}: expected 'arguments.{key}' to be a scalar or a list, got an object")
    players = (content.get("recipe") or {}).get("optimizers") or {}
    for player, optimizer in players.items():
        _check_keys(optimizer, OPTIMIZER, name, f"recipe.optimizers.{player}.")
    for key in (*POSITIVE, *(f"recipe.optimizers.{player}.steps" for player in players)):
        value = functools.reduce(lambda value, part: (value or {}).get(part), key.split("."), content)
        if value is not None and value < 1:
            raise ValueError(f"{name}: expected {key!r} to be at least 1, got {value}")
    for figure, aim in (content.get("target") or {}).items():
        _check_keys(aim, TARGET, name, f"target.{figure}.")


def _check_keys(value, schema, name, at):
    if not isinstance(value, dict):
        got = json.dumps(value)[:40]
        raise ValueError(f"{name}: expected {at[:-1] or 'the file'!r} to be an object, got {got}")
    for key, child in value.items():
        if key not in schema:
            hint = catalog.nearest(key, schema) or f"; expected {', '.join(schema)}"
            raise ValueError(f"{name}: unknown key '{at}{key}'{hint}")
        expected = schema[key]
        if child is None:
            continue
        if isinstance(expected, dict):
            _check_keys(child, expected, name, f"{at}{key}.")
        elif type(child) is not expected:
            got = json.dumps(child)[:40]
            raise ValueError(f"{name}: expected '{at}{key}' to be {TYPES[expected]}, got {got}")


def _plain(value):
    return all(map(_plain, value)) if isinstance(value, list) else not isinstance(value, dict)
