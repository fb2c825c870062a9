"""Writing files and folders so that readers and crashes see the old content or the new, nothing between."""

import contextlib
import difflib
import os
import re
import secrets
import shutil
import socket
import warnings

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

MARK = ".kerasgen"  # an empty file in each folder that was written here and may be replaced
LOCK = ".lock"  # a file in each folder that one process at a time may write to; it names the last one that did
ASIDE = ".replaced"  # in a run's folder: the run before, until a checkpoint of the new one is saved


class Locked(RuntimeError):
    """Another process writes to this folder."""


def atomic_write(path, content):
    """Write a file whole or not at all.

    A temporary file in the same folder is written, forced to disk and renamed over the path; the rename
    itself is then forced to disk. When writing fails, the old file is as it was and the temporary one is
    gone.

    Args:
        path: of the file; its folder exists.
        content: bytes, or a function that is given the temporary path and writes there (the path has the
            same suffix).

    Example:
        >>> atomic_write("history.json", b"{}")                                     # doctest: +SKIP
        >>> atomic_write("model.npz", lambda path: numpy.savez(path, **arrays))     # doctest: +SKIP
    """
    path = os.path.realpath(path)  # through a link, not over it
    temporary = _sibling(path)
    try:
        if callable(content):
            content(temporary)
        else:
            with open(temporary, "xb") as file:
                file.write(content)
        _sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise
    _sync(os.path.dirname(path))


def nearest(path) -> str:
    """`; did you mean PATH?` for a path that is not here, by the name at which it goes wrong; else empty.

    Example:
        >>> nearest("runs/dcgna")                                                   # doctest: +SKIP
        '; did you mean runs/dcgan?'
    """
    parent, name = os.path.split(os.path.normpath(os.fspath(path)))
    while parent and not os.path.isdir(parent):
        parent, name = os.path.split(parent)
    try:
        names = sorted(name for name in os.listdir(parent or os.curdir) if not name.startswith("."))
    except OSError:
        return ""
    match = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {os.path.join(parent, match[0])}?" if match else ""


@contextlib.contextmanager
def atomic_folder(path, overwrite=False):
    """Fill a folder whole or not at all: yields a temporary sibling that takes the path's place on success.

    A folder written here carries an empty mark and is replaced; another one is only replaced if it is empty
    or `overwrite` is true. When the block raises, the temporary folder is removed and the old one is as it
    was.

    Args:
        path: of the folder; missing parents are made.
        overwrite: replace a folder that is not ours.

    Raises:
        FileExistsError: the path is a file, or a folder that is not ours and not empty.

    Example:
        >>> with atomic_folder("exports/wgan_gp") as folder:    # doctest: +SKIP
        ...     write_all(folder)
    """
    path = os.path.abspath(path)
    _refuse_foreign(path, overwrite)
    temporary = _sibling(path)
    old = _sibling(path)
    os.makedirs(temporary)
    try:
        yield temporary
        atomic_write(os.path.join(temporary, MARK), b"")
        for folder, _, files in os.walk(temporary):
            for file in files:
                _sync(os.path.join(folder, file))
            _sync(folder)
        _refuse_foreign(path, overwrite)  # it may have appeared meanwhile
        if os.path.lexists(path):
            os.rename(path, old)
        try:
            os.rename(temporary, path)
        except BaseException:
            if os.path.lexists(old):
                os.rename(old, path)
            raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(os.path.dirname(path))
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def lock(folder):
    """Keep a folder that exists to this process while the block runs.

    The system frees the lock when the process ends, however it ends; the file stays and does not matter. Where there
    are no such locks (Windows, some network disks) nothing is refused.

    Args:
        folder: to be written to by one process at a time.

    Raises:
        Locked: another process, or another block of this one, has it; the line says which process on which host.

    Example:
        >>> with lock("runs/dcgan"):                    # doctest: +SKIP
        ...     train()
    """
    with open(os.path.join(folder, LOCK), "a+") as file:  # not truncated: it may name the owner
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "another process"
            raise Locked(f"{os.fspath(folder)}: in use by {owner}") from None
        except OSError as error:
            warnings.warn(f"{os.fspath(folder)}: not locked, {error.strerror}", stacklevel=3)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def discard(folder):
    """Remove a folder at once: a kill in between leaves a temporary one, which `sweep` removes."""
    hidden = _sibling(os.path.abspath(folder))
    os.rename(folder, hidden)
    shutil.rmtree(hidden)


def sweep(folder):
    """Remove the temporary files and folders that a killed process left in a folder or below it.

    Only for folders that no other process writes to.
    """
    for parent, folders, files in os.walk(folder):
        for name in filter(is_temporary, files):
            os.remove(os.path.join(parent, name))
        for name in filter(is_temporary, list(folders)):
            folders.remove(name)
            shutil.rmtree(os.path.join(parent, name))


def _refuse_foreign(path, overwrite):
    if os.path.islink(path) or (os.path.exists(path) and not os.path.isdir(path)):
        raise FileExistsError(f"path: expected a folder or nothing, got a file or link at {path!r}")
    foreign = os.path.isdir(path) and os.listdir(path) and MARK not in os.listdir(path)
    if foreign and not overwrite:
        raise FileExistsError(f"path: expected no folder or an empty one, got {path!r}; see overwrite=True")


def _sibling(path):
    """A new hidden name in the same folder, so on the same disk, with the same suffix."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{secrets.token_hex(4)}-{name}")


def is_temporary(name):
    """Whether a file or folder is what `atomic_write` or `atomic_folder` leaves when it is killed."""
    return re.match(r"\.[0-9a-f]{8}-", name)


def _sync(path):
    """Force a file or folder to disk, where the system can."""
    if os.path.isdir(path) and os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDWR if os.path.isfile(path) and os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
