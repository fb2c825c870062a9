"""Every system of the hub: family, class, paper, what it serves and how it learns.

`catalog.json` is made from the model files by `python docs/generate.py`: the folder, the class, and the `PAPER` beside
it. The id is the file name, the prefix of its presets, the docs page and the test file. This module imports nothing
heavy and reads the file when the first system is asked for: `kerasgen list` reads it alone.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_suffix(".json")
# The folders under `kerasgen/models`, in the order in which systems are listed; within one they go by year and id.
FAMILIES = ("density", "vae", "vq", "gan", "flow", "autoregressive", "diffusion", "energy", "implicit", "single_image")


class System(NamedTuple):
    """One published model.

    Attributes: `folder` is where it lies under `kerasgen/models`; `name` the class in it; `title`, `authors`, `year`
    and `reference` cite the paper; `tags` are further words that people look for; `serves` is what it can do, and
    `objective` the class that it learns by, both as the class says.
    """

    id: str
    folder: str
    name: str
    title: str
    authors: str
    year: int
    reference: str
    tags: tuple[str, ...]
    serves: tuple[str, ...]
    objective: str

    @property
    def path(self) -> str:
        return f"kerasgen.models.{self.folder.replace('/', '.')}.{self.id}"

    @property
    def family(self) -> str:
        """The first folder under `kerasgen/models`: `gan`, `vae`, ..."""
        return self.folder.partition("/")[0]

    def load(self) -> type:
        """The model class; this imports TensorFlow."""
        return getattr(importlib.import_module(self.path), self.name)

    def bibtex(self) -> str:
        """The paper as a BibTeX entry."""
        return (
            f"@misc{{{self.id},\n  title = {{{self.title}}},\n  author = {{{self.authors}}},\n"
            f"  year = {{{self.year}}},\n  note = {{{self.reference}}}\n}}"
        )


SYSTEMS: dict[str, System]  # id -> system; read when it is asked for


@functools.cache
def _systems() -> dict[str, System]:
    rows = json.loads(FILE.read_text("utf-8"))
    return {row["id"]: System(**{**row, "tags": tuple(row["tags"]), "serves": tuple(row["serves"])}) for row in rows}


def __getattr__(name):
    if name == "SYSTEMS":
        return _systems()
    raise AttributeError(f"module 'kerasgen.catalog' has no attribute {name!r}")


def of(cls: type) -> System | None:
    """The system that a model class is; None for a class of somebody else, whatever it is called."""
    return next((row for row in _systems().values() if (row.path, row.name) == (cls.__module__, cls.__name__)), None)


def plain(name: str) -> str:
    """A name as look-up sees it: case, `-` and `_` do not matter."""
    return "".join(name.lower().replace("-", "_").split("_"))


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the closest known name, or an empty string."""
    by_plain = {plain(k): k for k in known}
    match = difflib.get_close_matches(plain(name), by_plain, n=1, cutoff=0.5)
    return f"; did you mean {by_plain[match[0]]}?" if match else ""


def find(name: str) -> System:
    """The system of that id or class name.

    Raises:
        ValueError: no such system; the line names the nearest one.

    Example:
        >>> from kerasgen import catalog
        >>> catalog.find("Real-NVP").name
        'RealNVP'
    """
    if name in _systems():
        return _systems()[name]
    for system in _systems().values():
        if plain(name) in (plain(system.id), plain(system.name)):
            return system
    raise ValueError(f"unknown system {name!r}{nearest(name, _systems())}")
