"""The folder of a training run: which runs are in it, how one begins, and how one takes the place of another.

A run that is there is not removed when a new one begins. It is set aside, into `.replaced`, and is removed once a
checkpoint of the new one is saved; if the new one ends without, the old one comes back. `config.json` goes last and
comes back first, so that whoever finds a folder whose process was killed in between knows which of the two is whole.
"""

from __future__ import annotations

import datetime
import json
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from kerasgen import files, hub
from kerasgen.files import ASIDE

CONFIG, CHECKPOINTS, HISTORY, MODEL = "config.json", "checkpoints", "history.csv", "model"
STAYS = (files.LOCK, files.MARK, ASIDE)


def place(name: str, out: str | os.PathLike | None = None) -> Path:
    """Where a run of a preset goes; nothing is written yet.

    Raises:
        FileExistsError: the folder is there and not a run.
    """
    folder = Path(out or Path("runs", name, time.strftime("%Y%m%d-%H%M%S")))
    if folder.exists() and not (folder.is_dir() and _replaceable(folder)):
        raise FileExistsError(f"{folder}: expected a new or empty folder, or a run to replace")
    return folder


def unfinished(name: str, out: str | os.PathLike | None = None) -> Path | None:
    """The folder of the run to go on with, None where there is none: `out`, or the newest unfinished run of a preset.

    Raises:
        ValueError: the run in `out` has no checkpoints any more.
    """
    if out is None:
        folders = sorted(Path("runs", name).glob(f"*/{CHECKPOINTS}"), reverse=True)
        records = {folder.parent: record(folder.parent) for folder in folders}
        return next((folder for folder, about in records.items() if about and "finished" not in about), None)
    folder = Path(out)
    if not record(folder):
        return None
    if not (folder / CHECKPOINTS).is_dir():
        raise ValueError(f"{folder}: expected a run with {CHECKPOINTS}, got one without; it can only be replaced")
    return folder


def record(folder: Path) -> dict | None:
    """A run's config.json, None where there is none."""
    path = folder / CONFIG
    return json.loads(path.read_text("utf-8")) if path.is_file() and (folder / files.MARK).is_file() else None


def begin(folder: Path, plan: hub.Preset) -> dict:
    """Make a folder ready for a new run and return its record; a run that is there is set aside."""
    settle(folder)
    if (folder / ASIDE).is_dir():
        put_back(folder)
    files.sweep(folder)
    if (folder / CONFIG).is_file() and ((folder / MODEL / hub.PRESET).is_file() or saved(folder)):
        (folder / ASIDE).mkdir()
        for child in sorted(_children(folder), key=lambda child: child.name == CONFIG):
            os.rename(child, folder / ASIDE / child.name)
    _clear(folder)
    (folder / files.MARK).touch()
    (folder / CHECKPOINTS).mkdir()
    about = {"preset": plan, "versions": hub.versions(), "command": _command(), "started": now()}
    write(folder, about)
    return about


def go_on(folder: Path, about: dict, plan: hub.Preset) -> dict:
    """Make a folder ready for its own run to go on and return its record, with the plan of a run that is extended."""
    files.sweep(folder)
    about = {key: value for key, value in about.items() if key != "finished"}
    if about["preset"] != plan:
        about |= {"preset": plan, "command": _command()}
    write(folder, about)
    return about


def saved(folder: Path) -> bool:
    """Whether there is a checkpoint of the run in a folder."""
    return any((folder / CHECKPOINTS).glob("[0-9]*-*.safetensors"))


def settle(folder: Path) -> None:
    """Once there is a checkpoint of the run, remove the one that it replaces."""
    if (folder / ASIDE).is_dir() and (folder / ASIDE / CONFIG).is_file() and saved(folder):
        files.discard(folder / ASIDE)


def put_back(folder: Path) -> None:
    """Undo that a run was set aside, however far that went; a kill in here is mended by another call."""
    aside = folder / ASIDE
    if (aside / CONFIG).is_file():  # all of it is there, and the rest is the new run's
        _clear(folder, but=(CONFIG,))
        os.replace(aside / CONFIG, folder / CONFIG)
    for child in aside.iterdir():
        os.rename(child, folder / child.name)
    aside.rmdir()


def mend(folder: Path) -> None:
    """Put back a run whose setting aside was cut off by a kill."""
    if (folder / ASIDE).is_dir() and not (folder / ASIDE / CONFIG).is_file():
        with files.lock(folder):
            put_back(folder)


def undo(folder: Path) -> bool:
    """After a failure: whether nothing of the run stays, because nothing of it was saved.

    What it replaced is back then. Without that, the folder is empty, unless there is a history to look at.
    """
    settle(folder)
    if (folder / ASIDE).is_dir():
        put_back(folder)
        return True
    if saved(folder) or (folder / HISTORY).is_file():
        return False
    _clear(folder)
    for name in (files.MARK, files.LOCK):
        (folder / name).unlink(missing_ok=True)
    return True


def write(folder: Path, about: dict) -> None:
    """Write a run's record."""
    files.atomic_write(folder / CONFIG, hub.dumps(about).encode())


def now() -> str:
    """The time, for the record."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _replaceable(folder):
    """Whether a folder is empty, a run, or the beginnings of one."""
    names = {name for name in os.listdir(folder) if not files.is_temporary(name)}
    begun = {*STAYS, CHECKPOINTS}
    return names <= {files.LOCK} or (files.MARK in names and (CONFIG in names or names <= begun))


def _children(folder, but=()):
    return [child for child in folder.iterdir() if child.name not in (*STAYS, *but)]


def _clear(folder, but=()):
    for child in _children(folder, but):
        shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()


def _command():
    """The command line, if this is one, without the folder that it wrote to."""
    name, *words = sys.argv
    if Path(name).stem not in ("kerasgen", "__main__"):
        return None
    if "--out" in words:
        del words[words.index("--out") : words.index("--out") + 2]
    return shlex.join(["kerasgen", *(word for word in words if word != "--resume")])
