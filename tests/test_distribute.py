"""One replica, two replicas of one process and two worker processes learn the same."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from tiny import TINY

# The cheapest are tried in the quick tests, which pay for the tracing of every replica.
QUICK = ("vae", "dcgan")


def ports(count):
    """Ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    numbers = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return numbers


def start(mode, *arguments, program="replicas.py", **environment):
    environment = {**os.environ, **environment}
    return subprocess.Popen(
        [sys.executable, os.path.join(os.path.dirname(__file__), program), mode, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def workers(count, *arguments, **options):
    """One process per worker of a cluster on this machine."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports(count)]}
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(count)]
    return [start("multiworker", *arguments, TF_CONFIG=json.dumps(task), **options) for task in tasks]


def finish(processes, timeout=400):
    """Wait for all of them to succeed; none is left running, whatever happens."""
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]


def trained(folder, systems):
    """What each way of training wrote, as {system: {way: arrays}}."""
    finish([start("single", folder, *systems)])
    finish([start("mirrored", folder, *systems)])
    finish(workers(2, folder, *systems))
    ways = ("single", "mirrored", "multiworker-0", "multiworker-1")
    return {system: {way: np.load(folder / f"{system}-{way}.npz") for way in ways} for system in systems}


def compare(found):
    alone = found["single"]
    for way in ("mirrored", "multiworker-0", "multiworker-1"):
        assert set(found[way]) == set(alone)
        for name in alone:
            scale = max(1.0, np.abs(alone[name]).max(initial=0))  # figures are in the hundreds
            np.testing.assert_allclose(found[way][name] / scale, alone[name] / scale, atol=1e-6, err_msg=name)
    # A wrong share would be seen: training moved the weights by far more than is tolerated.
    learned = [name.partition("/")[2] for name in alone if name.startswith("start/")]
    assert max(np.abs(alone[f"weight/{i}"] - alone[f"start/{i}"]).max() for i in learned) > 1e-5


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("replicas"), QUICK)


@pytest.mark.xdist_group("distribute")
@pytest.mark.parametrize("system", QUICK)
def test_replicas_learn_what_one_does(quick, system):
    compare(quick[system])


@pytest.mark.slow
@pytest.mark.xdist_group("distribute")
@pytest.mark.parametrize("system", [system for system in TINY if system not in QUICK])
def test_replicas_of_every_system_learn_what_one_does(tmp_path, system):
    compare(trained(tmp_path, [system])[system])


def test_no_process_outlives_a_test_that_waits_in_vain():
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        finish([sleeper], timeout=0.1)
    assert sleeper.poll() is not None


@pytest.mark.slow
@pytest.mark.xdist_group("distribute")
def test_what_keras_does_wrongly_in_replicas(tmp_path):
    """Clipping, loss scaling, several steps per execution: right, or refused in one line (tests/strategies.py)."""
    finish([start("mirrored", program="strategies.py")])


@pytest.mark.xdist_group("distribute")
@pytest.mark.parametrize("systems", [("vae",), pytest.param(tuple(TINY), marks=pytest.mark.slow)], ids=["one", "all"])
def test_deterministic_runs_end_with_the_same_bits(tmp_path, systems):
    """In two processes with all threads of the machine, which without it disagree in the last bits."""
    folders = [tmp_path / name for name in "ab"]
    threads = dict(TF_NUM_INTRAOP_THREADS="0", TF_NUM_INTEROP_THREADS="0")
    for folder in folders:
        folder.mkdir()
        finish([start("deterministic", folder, *systems, **threads)], timeout=400 + 60 * len(systems))
    for system in systems:
        one, other = (np.load(folder / f"{system}-deterministic.npz") for folder in folders)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=f"{system}: {name}")
