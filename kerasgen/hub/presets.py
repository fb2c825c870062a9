"""Which presets there are, and one of them: checked when it is made, and then passed on."""

from __future__ import annotations

import copy
import fnmatch
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kerasgen import catalog
from kerasgen.files import ASIDE, nearest
from kerasgen.hub import schema, shelf
from kerasgen.hub.folder import PRESET, SHIPPED, read_json


class NotPreset(ValueError):
    """The name of a system, which has presets.

    Attributes:
        presets: their names.
    """

    def __init__(self, system: str, presets: list[str]):
        self.presets = presets
        super().__init__(f"{system} is a system; expected one of its presets, {', '.join(presets)}")


class Preset(Mapping):
    """A preset whose every key and type is right: whoever has one need not look again.

    It reads like the dictionary that `preset.json` holds and is not changed; `changed` makes another one.

    Args:
        content: what `preset.json` holds, or will; the preset's own from then on.
        folder: where it lies, None for one that lies nowhere yet.
        name: how error lines call it; left out, its folder, or what it calls itself.

    Raises:
        ValueError: the line names the key, what was expected and what arrived.

    Example:
        >>> from kerasgen import hub
        >>> preset = hub.read_preset("dcgan_digits_quick")
        >>> preset.system.family, preset["data"]["name"], preset.weights
        ('gan', 'digits', True)
    """

    def __init__(self, content: Mapping, folder: Path | None = None, name: str | None = None):
        content = dict(content) if isinstance(content, Mapping) else content
        schema.check(content, name or (folder.name if folder else str(_named(content))))
        self._content, self.folder = content, folder

    def __getitem__(self, key: str) -> Any:
        return self._content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return f"Preset({self.name!r})"

    @property
    def name(self) -> str:
        return self._content["preset"]

    @property
    def system(self) -> catalog.System:
        """Its row of the catalogue."""
        return catalog.find(self._content["system"])

    @property
    def weights(self) -> bool:
        """Whether there are trained weights, in its folder or on the shelf."""
        return self.folder is not None and shelf.has_weights(self.folder)

    @property
    def parameters(self) -> int:
        """How many the model has, 0 where that is not written."""
        return sum((self.get("parameters") or {}).values())

    @property
    def class_names(self) -> tuple:
        """What the classes are called, as far as it says so."""
        return class_names(self)

    def content(self) -> dict:
        """A copy of what `preset.json` holds, to be changed."""
        return copy.deepcopy(self._content)

    def changed(self, overrides: Mapping[str, Any]) -> Preset:
        """Another one, with values for dotted keys; it lies nowhere yet.

        Raises:
            ValueError: a key that does not exist, or a wrong value.

        Example:
            >>> from kerasgen import hub
            >>> hub.read_preset("dcgan_digits_quick").changed({"recipe.epochs": 3})["recipe"]["epochs"]
            3
        """
        content = self.content()
        for key, value in overrides.items():
            _put(content, key, value)
        return Preset(content, name=self.name)


def _named(content):
    return content.get("preset", "preset") if isinstance(content, dict) else "preset"


def _put(content, key, value):
    """Set a dotted key; the check of the whole preset finds the keys that do not exist."""
    *parents, last = key.split(".")
    for parent in parents:
        if content.get(parent) is None:
            content[parent] = {}
        content = content[parent]
        if not isinstance(content, dict):
            raise ValueError(f"{key}: expected a key of the preset, but {parent!r} holds a value")
    content[last] = value


def class_names(about: Mapping) -> tuple:
    """What the classes of a preset or bundle are called, as far as it says so; a run says it of its data."""
    for key in ("about", "data"):
        names = (about.get(key) or {}).get("class_names")
        if names:
            return tuple(names)
    return ()


def list_presets(pattern: str = "*", family: str | None = None) -> list[str]:
    """Names of the shipped presets that match a shell pattern, optionally of one family.

    Raises:
        ValueError: unknown family.

    Example:
        >>> import kerasgen
        >>> kerasgen.list_presets("dcgan_digits_q*")
        ['dcgan_digits_quick']
    """
    if family is not None and family not in catalog.FAMILIES:
        raise ValueError(f"unknown family {family!r}{catalog.nearest(family, catalog.FAMILIES)}")
    names = fnmatch.filter(sorted(path.parent.name for path in SHIPPED.glob(f"*/{PRESET}")), pattern)
    return [name for name in names if family is None or read_preset(name).system.family == family]


def small_presets() -> dict[str, str]:
    """system -> the smallest of its presets with weights, a quick one if there is one: it stands for the system.

    Example:
        >>> from kerasgen import hub
        >>> hub.small_presets()["dcgan"]
        'dcgan_digits_quick'
    """
    trained: dict[str, list[tuple]] = {}
    for preset in map(read_preset, list_presets()):
        if preset.weights:
            entry = (not preset.name.endswith("_quick"), preset.parameters, preset.name)
            trained.setdefault(preset.system.id, []).append(entry)
    return {id: min(trained[id])[-1] for id in catalog.SYSTEMS if id in trained}


def find_preset(source: str | os.PathLike | Preset) -> Path:
    """The preset folder that a name, a preset folder or a run folder stands for.

    Raises:
        NotPreset: the name of a system.
        ValueError: none of these; the line names the nearest preset.
    """
    if isinstance(source, Preset):
        if source.folder is None:
            raise ValueError(f"{source.name}: expected a preset that lies in a folder, got one that was made here")
        return source.folder
    if re.fullmatch(r"\w+", str(source)) and (SHIPPED / source / PRESET).is_file():
        return SHIPPED / source
    shipped = list_presets()
    by_plain = {catalog.plain(name): name for name in shipped}
    name = by_plain.get(catalog.plain(os.fspath(source)))
    if name:
        return SHIPPED / name
    path = Path(source)
    for folder in (path, path / "model", path / ASIDE / "model"):  # the last while a run replaces another
        if (folder / PRESET).is_file():
            return folder
    if (path / "bundle.json").is_file():
        raise ValueError(f"{source}: expected a preset or run folder, got a bundle; runtime.Bundle opens it")
    if path.is_dir():
        raise ValueError(f"{source}: expected a preset or run folder, got a folder without {PRESET}")
    system = next((id for id in catalog.SYSTEMS if catalog.plain(id) == catalog.plain(str(source))), None)
    if system:
        raise NotPreset(system, [name for name in shipped if read_preset(name)["system"] == system])
    hint = nearest(source) if os.sep in str(source) else catalog.nearest(str(source), shipped) or nearest(source)
    raise ValueError(f"unknown preset {str(source)!r}{hint}")


def read_preset(source: str | os.PathLike | Preset) -> Preset:
    """A preset, checked; no TensorFlow is imported.

    Args:
        source: preset name, preset folder or run folder; a `Preset` is given back.

    Raises:
        ValueError: unknown preset, or a fault in the file; the line names the key.

    Example:
        >>> from kerasgen import hub
        >>> hub.read_preset("dcgan_digits_quick")["system"]
        'dcgan'
    """
    if isinstance(source, Preset):
        return source
    folder = find_preset(source)
    return Preset(read_json(folder / PRESET), folder)
