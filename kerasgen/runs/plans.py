"""What is to be run: a preset with its overrides, checked; where it goes; and which run it goes on with.

Nothing in here imports TensorFlow, so that a mistake is told at once.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import NamedTuple

import kerasgen
from kerasgen import files, hub
from kerasgen.runs import run_folder


class Start(NamedTuple):
    """How a run begins."""

    plan: dict  # the preset with its overrides
    folder: Path
    record: dict | None  # config.json of the run that goes on, None for a new one

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self.record and "finished" in self.record and self.record["preset"] == self.plan)


def begin(preset, *, epochs=None, seed=None, out=None, overrides=None, resume=False, strategy=None) -> Start:
    """What is to be run, and where; no new run is begun and no TensorFlow is imported.

    A run that goes on takes its plan from its own `config.json`. Options that differ from it are refused, but for more
    epochs, which extend the run. Where there is no run to go on with, a new one begins.

    Args: those of `train`.

    Raises: as `train`.
    """
    base = _preset(preset)
    given = {"recipe.epochs": epochs, "recipe.seed": seed}
    given = {key: value for key, value in given.items() if value is not None} | (overrides or {})
    if out and strategy != "multiworker":  # whose chief may be here already
        run_folder.mend(Path(out))
    folder = run_folder.unfinished(base["preset"], out) if resume else None
    record = run_folder.record(folder) if folder else None
    if record:
        _check_same(folder, base["preset"], record["preset"], given)
    resolved = plan(record["preset"] if record else base, overrides=given)
    folder = folder or run_folder.place(resolved["preset"], out)
    if (folder / run_folder.CONFIG).is_file() and strategy != "multiworker":
        with files.lock(folder):  # another process is told of before TensorFlow is imported
            pass
    return Start(resolved, folder, record)


def plan(preset, *, overrides=None) -> dict:
    """A preset, by name, by folder or as it is, with its overrides, checked; no TensorFlow is imported.

    Data in files are known by their absolute path, so that the run can be gone on with from anywhere. The size that is
    given for the data is the model's too, unless another is given for it.
    """
    resolved = copy.deepcopy(preset if isinstance(preset, dict) else _preset(preset))
    overrides = overrides or {}
    for key, value in overrides.items():
        _put(resolved, key, value)
    hub.check_preset(resolved, resolved["preset"])
    hints = {
        "data": "; --set data.name=FOLDER trains on your pictures",
        "recipe": "; --epochs 10 trains that long, with the paper's optimisers",
    }
    for part, hint in hints.items():
        if not resolved.get(part):
            raise ValueError(f"{resolved['preset']}: expected a preset with {part!r}, got none{hint}")
    if not resolved["data"].get("name"):
        raise ValueError(f"{resolved['preset']}: expected data with a 'name', got none{hints['data']}")
    resolved["data"]["name"] = _located(resolved["data"]["name"])
    parts = {"data": "arguments", "arguments": "data"}
    given = [part for part in parts if overrides.get(f"{part}.image_shape")]
    if len(given) == 1 and (given == ["data"] or resolved["data"].get("image_shape")):
        resolved[parts[given[0]]]["image_shape"] = overrides[f"{given[0]}.image_shape"]
    return resolved


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


def _check_same(folder, name, saved, given):
    """Refuse options that are not those of the run in a folder."""
    if saved["preset"] != name:
        raise ValueError(f"{folder}: expected a run of {name}, got one of {saved['preset']}")
    for key, value in given.items():
        before = _get(saved, key)
        if key == "recipe.epochs" and value >= (before or 1):
            continue
        if key == "data.name":
            value = _located(value)
        if value != before:
            least = " or more" if key == "recipe.epochs" else ""
            before, value = json.dumps(before), json.dumps(value)
            raise ValueError(
                f"{folder}: expected {key} = {before}{least} of the run to go on with, got {value}"
            )


def _preset(source) -> dict:
    """A preset to be trained."""
    try:
        return hub.read_preset(source)
    except hub.NotPreset as error:
        command = f"kerasgen train {error.presets[0]} --set data.name=FOLDER --epochs 10"
        raise ValueError(f"{error}; on your own pictures: {command}") from None


def _located(name: str) -> str:
    """The name of data, an absolute path if it is that of a file or folder."""
    known = plain(name) in kerasgen.data.names() or name.startswith(("keras:", "tfds:"))
    path = os.path.expanduser(name)
    return os.path.abspath(path) if not known and os.path.exists(path) else name


def plain(name):
    """A name as `kerasgen.data.load` looks it up."""
    return name.lower().replace("-", "_")
