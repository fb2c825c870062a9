"""A run that takes the place of another one: whatever ends it, one of the two is whole."""

import os
import shutil
from pathlib import Path

import pytest

from kerasgen import files, hub
from kerasgen.runs import run_folder

PLAN = {"preset": "tiny"}
OPERATIONS = [
    (os, "rename"), (os, "replace"), (shutil, "rmtree"),
    (Path, "mkdir"), (Path, "rmdir"), (Path, "touch"), (Path, "unlink"),
]  # fmt: skip


class Kill(BaseException):
    """The power went."""


@pytest.fixture
def killed(monkeypatch):
    """`killed(action, k)`: whether the action was cut off before its operation number k on the disk."""

    def call(action, k):
        done = 0

        def counted(real):
            def operation(*args, **kwargs):
                nonlocal done
                if done == k:
                    raise Kill
                done += 1
                return real(*args, **kwargs)

            return operation

        with monkeypatch.context() as patch:
            for owner, name in OPERATIONS:
                patch.setattr(owner, name, counted(getattr(owner, name)))
            try:
                action()
            except Kill:
                return True
        return False

    return call


@pytest.fixture
def folder(tmp_path):
    """A finished run, with a bundle that was exported into it."""
    folder = tmp_path / "run"
    for name in ("config.json", "history.csv", ".kerasgen", ".lock", "model/preset.json", "model/model.safetensors",
                 "bundle/bundle.json", "checkpoints/0000000009-0123456789abcdef.safetensors"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}" if name == "config.json" else f"old {name}")
    return folder


def tree(folder):
    """Contents by path, without the lock."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {n: p.read_text() for n, p in found.items() if p.is_file() and n not in (".lock", ".kerasgen")}


def learned(folder):
    """The new run saves a checkpoint."""
    (folder / "checkpoints" / "0000000001-aaaaaaaaaaaaaaaa.safetensors").write_text("new")


def test_a_failing_run_gives_the_folder_back(folder):
    before = tree(folder)
    run_folder.begin(folder, PLAN)
    assert run_folder.record(folder)["preset"] == PLAN and not run_folder.saved(folder)
    assert (hub.find_preset(folder) / hub.WEIGHTS).read_text() == "old model/model.safetensors"
    (folder / "samples").mkdir()
    (folder / "samples" / "new.png").touch()
    assert run_folder.undo(folder) and tree(folder) == before


def test_a_run_that_saved_stays_and_the_old_one_goes(folder):
    run_folder.begin(folder, PLAN)
    learned(folder)
    run_folder.settle(folder)
    assert not run_folder.undo(folder)
    assert set(tree(folder)) == {"config.json", "checkpoints/0000000001-aaaaaaaaaaaaaaaa.safetensors"}


def test_a_kill_while_a_run_begins_leaves_the_old_one_whole(folder, killed, tmp_path):
    before, k = tree(folder), 0
    while True:
        copy = shutil.copytree(folder, tmp_path / f"{k}")
        cut = killed(lambda copy=copy: run_folder.begin(copy, PLAN), k)
        assert (hub.find_preset(copy) / hub.WEIGHTS).read_text() == "old model/model.safetensors"
        run_folder.mend(copy)  # what every command that trains does first
        assert (copy / files.ASIDE).is_dir() or tree(copy) == before
        run_folder.place("tiny", copy)  # it is still a run to replace
        run_folder.begin(copy, PLAN)
        assert run_folder.undo(copy) and tree(copy) == before
        if not cut:
            break
        k += 1
    assert k > 8


def test_a_kill_while_the_old_one_comes_back_is_mended(folder, killed, tmp_path):
    before, k, cut = tree(folder), 0, True
    while cut:
        copy = shutil.copytree(folder, tmp_path / f"{k}")
        run_folder.begin(copy, PLAN)
        (copy / "history.csv").write_text("new")
        cut = killed(lambda copy=copy: run_folder.undo(copy), k)
        run_folder.mend(copy)
        run_folder.begin(copy, PLAN)
        assert run_folder.undo(copy) and tree(copy) == before
        k += 1
    assert k > 8


def test_a_kill_while_the_old_one_goes_leaves_the_new_one(folder, killed, tmp_path):
    k, cut = 0, True
    while cut:
        copy = shutil.copytree(folder, tmp_path / f"{k}")
        run_folder.begin(copy, PLAN)
        learned(copy)
        cut = killed(lambda copy=copy: run_folder.settle(copy), k)
        run_folder.mend(copy)
        about = run_folder.go_on(copy, run_folder.record(copy), PLAN)
        run_folder.settle(copy)
        assert about["preset"] == PLAN and run_folder.saved(copy) and not (copy / "bundle").exists()
        assert not any(map(files.is_temporary, os.listdir(copy))) and not (copy / files.ASIDE).exists()
        k += 1
    assert k == 3


def test_nothing_stays_of_a_new_run_that_failed(tmp_path):
    run_folder.begin(tmp_path, PLAN)
    (tmp_path / "tensorboard").mkdir()
    assert run_folder.undo(tmp_path) and list(tmp_path.iterdir()) == []
    run_folder.begin(tmp_path, PLAN)
    (tmp_path / "history.csv").touch()  # an epoch, to look at
    assert not run_folder.undo(tmp_path) and (tmp_path / "config.json").exists()
