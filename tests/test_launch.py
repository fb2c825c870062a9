"""Several workers as one command: they end together, and when one dies all start again and lose nothing."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from kerasgen.cli import launching, main

TRAIN = ["train", "vae_digits_quick", "--set", "arguments.dropout=0.0"]


def test_all_workers_end_well():
    assert launching.supervise(["list", "--json"], workers=2) == 0


def test_a_worker_that_fails_ends_all(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERASGEN_DEBUG", "1")  # a traceback in the place of a line
    command = ["train", "nonsense", "--out", str(tmp_path / "run")]
    assert launching.supervise(command, workers=2) == 1
    assert re.search("worker [01]: exit code 1", capsys.readouterr().err)


def test_a_usage_error_is_not_tried_again(capfd):
    assert main(["launch", "--workers", "2", "train", "nonsense", "--out", "x"]) == 2
    assert capfd.readouterr().err.count("unknown preset") == 1


@pytest.mark.parametrize("command", [["list"], ["train", "vae_digits"]], ids=["not train", "no --out"])
def test_launch_says_what_it_expects(command, capsys):
    assert main(["launch", *command]) == 2
    assert capsys.readouterr().err.startswith("error: launch: expected a train command with --out")


@pytest.mark.slow
def test_a_dead_worker_costs_nothing_but_time(tmp_path):
    """Worker 1 is killed in mid-training; the run ends with the same bits as one that nobody killed."""

    def start(name):
        command = ["launch", "--workers", "2", *TRAIN, "--epochs", "16", "--out", tmp_path / name]
        command = [sys.executable, "-m", "kerasgen", *map(str, command)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    calm = start("calm")
    assert calm.wait(300) == 0
    disturbed = start("disturbed")
    deadline = time.monotonic() + 200
    while not (tmp_path / "disturbed" / "history.csv").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = subprocess.run(["pgrep", "-P", str(disturbed.pid)], capture_output=True, text=True).stdout.split()
    os.kill(int(children[-1]), signal.SIGKILL)
    assert disturbed.wait(300) == 0
    assert "restarting all 2 from the last checkpoint" in disturbed.stderr.read()
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("calm", "disturbed")]
    assert weights[0] == weights[1]
