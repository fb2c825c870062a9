"""Public files: looked for in a mirror, else fetched once, and checked by hash before anything reads them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

MIRROR = "KERASGEN_DATA"  # the variable that names a folder to look in first


class File(NamedTuple):
    """A file and where it lies.

    Attributes:
        name: in a mirror, and in the cache.
        sha256: of its bytes.
        url: where it is fetched from; None for what only mirrors have.
    """

    name: str
    sha256: str
    url: str | None = None


def in_folder(file: File, variable: str = MIRROR) -> Path | None:
    """The file in the folder that a variable names, None where it is not there.

    Raises:
        ValueError: another file of that name, or a folder that does not exist.
    """
    folder = os.environ.get(variable)
    if not folder:
        return None
    if not os.path.isdir(os.path.expanduser(folder)):
        raise ValueError(f"{variable}: expected a folder, got {folder!r}")
    path = Path(folder).expanduser() / file.name
    if not path.is_file():
        return None
    with path.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != file.sha256:
        raise ValueError(f"{path}: expected SHA-256 {file.sha256[:12]}..., got {found[:12]}...; it is another file")
    return path


def fetch(file: File, what: str, variable: str = MIRROR, cache: str = "data") -> Path:
    """The file, from the cache, or fetched into the cache with a progress bar.

    Args:
        file: with a `url`.
        what: whatever needs it, for the line of an error.
        variable: that could have named a folder with it, for the same line.
        cache: folder of the cache that it goes into.

    Raises:
        OSError: it could not be fetched, or is not what it was; nothing is left behind.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    try:
        fetched = pooch.retrieve(
            file.url, f"sha256:{file.sha256}", file.name, pooch.os_cache("kerasgen") / cache,
            downloader=pooch.HTTPDownloader(progressbar=_Bar(file.name)),
        )  # fmt: skip
    except Exception as error:  # those of requests, of sockets, of a hash that differs
        reason = " ".join(str(error).split())[:120]
        hint = f"{variable}=FOLDER names a folder that has {file.name}"
        raise OSError(f"{what}: {file.url} could not be fetched ({reason}); {hint}") from None
    return Path(fetched)


class _Bar:
    """A progress bar on the error stream, as pooch asks for it."""

    def __init__(self, name):
        from rich.console import Console
        from rich.progress import Progress

        self.progress = Progress(console=Console(stderr=True), transient=True)
        self.task = self.progress.add_task(name, total=None)

    @property
    def total(self):
        return self.progress.tasks[0].total

    @total.setter
    def total(self, size):
        self.progress.update(self.task, total=size)
        self.progress.start()

    def update(self, size):
        self.progress.update(self.task, advance=size)

    def reset(self):
        self.progress.reset(self.task)

    def close(self):
        self.progress.stop()
