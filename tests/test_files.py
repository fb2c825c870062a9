"""Files and folders are written whole or not at all."""

import os
import stat

import numpy as np
import pytest

from kerasgen.files import MARK, atomic_folder, atomic_write


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
    assert stat.S_IMODE(os.stat(tmp_path / "atomic").st_mode) == stat.S_IMODE(
        os.stat(tmp_path / "ordinary").st_mode
    )


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
