"""What is to be run: a preset with its overrides, checked; where it goes; and which run it goes on with.

Nothing in here imports TensorFlow, so that a mistake is told at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import kerasgen
from kerasgen import files, hub
from kerasgen.runs import run_folder


class Start(NamedTuple):
    """How a run begins."""

    plan: hub.Preset  # with its overrides
    folder: Path
    record: dict | None  # config.json of the run that goes on, None for a new one

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self.record and "finished" in self.record and self.record["preset"] == self.plan)


def begin(
    preset: str | os.PathLike | hub.Preset, *, epochs: int | None = None, seed: int | None = None,
    out: str | os.PathLike | None = None, overrides: dict | None = None, resume: bool = False,
    strategy: str | None = None,
) -> Start:  # fmt: skip
    """What is to be run, and where; no new run is begun and no TensorFlow is imported.

    A run that goes on takes its plan from its own `config.json`. Options that differ from it are refused, but for more
    epochs, which extend the run. Where there is no run to go on with, a new one begins.

    Args: those of `train`.

    Raises: as `train`.
    """
    base = _to_train(preset)
    name = base.name
    given = {"recipe.epochs": epochs, "recipe.seed": seed}
    given = {key: value for key, value in given.items() if value is not None} | (overrides or {})
    if out and strategy != "multiworker":  # whose chief may be here already
        run_folder.mend(Path(out))
    folder = run_folder.unfinished(name, out) if resume else None
    record = run_folder.record(folder) if folder else None
    if record:
        asked = {f"data.{key}": value for key, value in base["data"].items()} if base.folder is None else {}
        base = hub.Preset(record["preset"])
        _check_same(folder, name, base, asked | given)
    resolved = plan(base, overrides=given)
    folder = folder or run_folder.place(resolved.name, out)
    if (folder / run_folder.CONFIG).is_file() and strategy != "multiworker":
        with files.lock(folder):  # another process is told of before TensorFlow is imported
            pass
    return Start(resolved, folder, record)


def plan(preset: str | os.PathLike | hub.Preset, *, overrides: dict | None = None) -> hub.Preset:
    """A preset, by name, by folder or as it is, with its overrides; no TensorFlow is imported.

    Data in files are known by their absolute path, so that the run can be gone on with from anywhere. The size that is
    given for the data is the model's too, unless another is given for it.

    Raises:
        ValueError: a key that does not exist, a wrong value, or a preset that says no data or no recipe.
    """
    preset, changes = _to_train(preset), dict(overrides or {})
    sizes = {"data.image_shape": "arguments.image_shape", "arguments.image_shape": "data.image_shape"}
    given = [key for key in sizes if changes.get(key)]
    if len(given) == 1 and (given == ["data.image_shape"] or (preset.get("data") or {}).get("image_shape")):
        changes[sizes[given[0]]] = changes[given[0]]
    resolved = preset.changed(changes)
    hints = {
        "data": "; --data FOLDER trains on your pictures",
        "recipe": "; --epochs 10 trains that long, with the paper's optimisers",
    }
    for part, hint in hints.items():
        if not resolved.get(part):
            raise ValueError(f"{resolved.name}: expected a preset with {part!r}, got none{hint}")
    if not resolved["data"].get("name"):
        raise ValueError(f"{resolved.name}: expected data with a 'name', got none{hints['data']}")
    name = _located(resolved["data"]["name"])
    kerasgen.data.check_here(name)
    kerasgen.data.check_known(name)
    return resolved if name == resolved["data"]["name"] else resolved.changed({"data.name": name})


def parse(settings: list[str]) -> dict:
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


def _get(preset, key):
    """The value of a dotted key, None where there is none."""
    for part in key.split("."):
        preset = preset.get(part) if isinstance(preset, Mapping) else None
    return preset


def _check_same(folder, name, saved, given):
    """Refuse options that are not those of the run in a folder."""
    if saved.name != name:
        raise ValueError(f"{folder}: expected a run of {name}, got one of {saved.name}")
    for key, value in given.items():
        before = _get(saved, key)
        if key == "recipe.epochs" and value >= (before or 1):
            continue
        if key == "data.name":
            value = _located(value)
        if not _same(value, before):
            least = " or more" if key == "recipe.epochs" else ""
            before, value = json.dumps(before), json.dumps(value)
            raise ValueError(f"{folder}: expected {key} = {before}{least} of the run to go on with, got {value}")


def _same(value, before):
    """Whether a value is that of a run; of a size, None stands for whatever the run has."""
    if isinstance(value, list) and isinstance(before, list) and len(value) == len(before):
        return all(a is None or a == b for a, b in zip(value, before, strict=True))
    return value == before


def _to_train(source) -> hub.Preset:
    """A preset to be trained."""
    try:
        return hub.read_preset(source)
    except hub.NotPreset as error:
        command = f"kerasgen train {source} --data FOLDER"
        raise ValueError(f"{error}; on your own pictures: {command}") from None


def _located(name: str) -> str:
    """The name of data, an absolute path if it is that of a file or folder."""
    known = plain(name) in kerasgen.data.names() or name.startswith(("keras:", "tfds:"))
    path = os.path.expanduser(name)
    return os.path.abspath(path) if not known and os.path.exists(path) else name


def plain(name: str) -> str:
    """A name as `kerasgen.data.load` looks it up."""
    return name.lower().replace("-", "_")
