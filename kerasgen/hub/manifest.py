"""`manifest.json`: sizes and hashes of a preset's files, and the versions that made them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from pathlib import Path

import kerasgen
from kerasgen.files import atomic_write
from kerasgen.hub.folder import FORMAT, MANIFEST, PRESET, WEIGHTS, dumps, read_json


class Damaged(ValueError):
    """Files of a preset are not what its manifest or its model says."""


def seal(folder: str | os.PathLike) -> None:
    """Write the manifest of a preset folder: sizes and hashes of its files, and the versions that made them."""
    files = {name: (Path(folder) / name).read_bytes() for name in (PRESET, WEIGHTS)}
    manifest = {"format": FORMAT, "files": {name: entry(data) for name, data in files.items()}, "versions": versions()}
    atomic_write(Path(folder) / MANIFEST, dumps(manifest).encode())


def entry(data: bytes) -> dict:
    """What a manifest says of a file."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def hashes(folder: Path, *names: str) -> list[str]:
    """The SHA-256 of files of a preset folder, as its manifest says.

    Raises:
        Damaged: there is no manifest, or it does not say it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise Damaged(f"{folder.name}: {MANIFEST} is missing; hub.seal writes it for files that you trust")
    manifest = read_json(path)
    try:
        form, found = manifest["format"], [manifest["files"][name]["sha256"] for name in names]
    except (KeyError, TypeError):
        raise Damaged(f"{path}: expected 'format' and the hashes of {', '.join(names)}") from None
    if form != FORMAT:
        raise Damaged(f"{path}: expected format {FORMAT}, got {form!r}; upgrade kerasgen")
    return found


def check(folder: Path, content: dict[str, bytes]) -> None:
    """Compare what was read of a folder's files with its manifest.

    Raises:
        Damaged: they differ, or there is none.
    """
    for (name, data), expected in zip(content.items(), hashes(folder, *content), strict=True):
        if entry(data)["sha256"] != expected:
            raise Damaged(f"{folder / name}: its SHA-256 is not that of the manifest; fetch or save it again")


def versions() -> dict[str, str]:
    """Versions of what trained a model, for its records."""
    import platform

    return {
        "kerasgen": kerasgen.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
    }
