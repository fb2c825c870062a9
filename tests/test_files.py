"""Files and folders are written whole or not at all."""

import errno
import os
import socket
import stat
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from kerasgen import files
from kerasgen.files import MARK, Locked, atomic_folder, atomic_write, lock, sweep


def test_bytes_and_writers(tmp_path):
    atomic_write(tmp_path / "a.bin", b"old")
    atomic_write(tmp_path / "a.bin", b"new")
    atomic_write(tmp_path / "b.npz", lambda path: np.savez(path, x=np.arange(3)))
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert np.load(tmp_path / "b.npz")["x"].tolist() == [0, 1, 2]
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "b.npz"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    atomic_write(tmp_path / "atomic", b"")
    assert stat.S_IMODE(os.stat(tmp_path / "atomic").st_mode) == stat.S_IMODE(os.stat(tmp_path / "ordinary").st_mode)


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failing_writer_leaves_the_old_file(tmp_path, error):
    atomic_write(tmp_path / "a", b"old")

    def write(path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        atomic_write(tmp_path / "a", write)
    assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_a_failing_rename_leaves_the_old_file(tmp_path, monkeypatch):
    atomic_write(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError("busy")))
    with pytest.raises(PermissionError):
        atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_text_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        atomic_write(tmp_path / "a", "text")
    assert os.listdir(tmp_path) == []


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    atomic_write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"


def fill(folder, text):
    with open(os.path.join(folder, "a"), "w") as file:
        file.write(text)


def test_a_folder_appears_whole_and_may_be_replaced(tmp_path):
    path = tmp_path / "new" / "bundle"
    for text in ("one", "two"):
        with atomic_folder(path) as folder:
            fill(folder, text)
            assert not path.exists() or (path / "a").read_text() == "one"
        assert (path / "a").read_text() == text
    assert os.listdir(path.parent) == ["bundle"] and sorted(os.listdir(path)) == [MARK, "a"]


def test_a_failure_removes_the_new_folder_and_keeps_the_old(tmp_path):
    path = tmp_path / "bundle"
    with atomic_folder(path) as folder:
        fill(folder, "old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as folder:
        fill(folder, "half")
        raise KeyboardInterrupt
    assert (path / "a").read_text() == "old" and os.listdir(tmp_path) == ["bundle"]


def test_a_failing_swap_puts_the_old_folder_back(tmp_path, monkeypatch):
    path, rename = tmp_path / "bundle", os.rename
    with atomic_folder(path) as folder:
        fill(folder, "old")

    def refuse(source, target):
        if target == str(path) and "half" in open(os.path.join(source, "a")).read():
            raise PermissionError("busy")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError), atomic_folder(path) as folder:
        fill(folder, "half")
    assert (path / "a").read_text() == "old" and os.listdir(tmp_path) == ["bundle"]


def test_a_foreign_folder_is_not_overwritten(tmp_path):
    path = tmp_path / "thesis"
    path.mkdir()
    with atomic_folder(path) as folder:  # an empty one may be taken
        fill(folder, "ours")
    (path / MARK).unlink()
    with (
        pytest.raises(FileExistsError, match="path: expected no folder or an empty one"),
        atomic_folder(path),
    ):
        pytest.fail("the block must not run")
    with atomic_folder(path, overwrite=True) as folder:
        fill(folder, "new")
    assert (path / "a").read_text() == "new"
    with (
        pytest.raises(FileExistsError, match="got a file or link"),
        atomic_folder(path / "a", overwrite=True),
    ):
        pytest.fail("the block must not run")


# --- locks and leftovers --------------------------------------------------------------------------------------------


def holder(folder):
    """A process that tries to hold a folder: its first line says whether it does."""
    program = f"""
import time
from kerasgen.files import Locked, lock
try:
    with lock({str(folder)!r}):
        print("held", flush=True)
        time.sleep(60)
except Locked as error:
    print(error, flush=True)
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_locked_folder_is_refused_in_one_line_and_freed_at_the_end(tmp_path):
    with lock(tmp_path):
        with pytest.raises(Locked) as error, lock(tmp_path):
            pytest.fail("the block must not run")
        assert str(error.value) == f"{tmp_path}: in use by process {os.getpid()} on {socket.gethostname()}"
    with lock(tmp_path):
        pass


def test_of_several_processes_exactly_one_holds_a_folder(tmp_path):
    for _ in range(5):
        processes = [holder(tmp_path) for _ in range(4)]
        lines = [process.stdout.readline().strip() for process in processes]
        for process in processes:
            process.kill()  # and the next round finds the lock of a killed process
            process.wait()
        lines.remove("held")  # of one
        assert all(line.startswith(f"{tmp_path}: in use by ") for line in lines)


def test_without_locks_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    with lock(tmp_path), lock(tmp_path):
        pass


def test_a_disk_without_locks_is_told_of(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with pytest.warns(UserWarning, match="not locked, No locks available"), lock(tmp_path):
        pass


def test_leftovers_are_swept_and_nothing_else(tmp_path):
    kept = [".hidden", "a-b", ".lock", "12345678-a", "inner/.12345678", "inner/x"]
    swept = [".0123abcd-a.npz", "inner/.0123abcd-b", ".0123abcd-folder/c"]
    for name in kept + swept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sweep(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == set(kept) and not (tmp_path / ".0123abcd-folder").exists()
