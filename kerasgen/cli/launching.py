"""`launch`: several workers on this machine, as one command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Annotated

import typer

from kerasgen.cli.console import Usage, log

GRACE = 20.0  # seconds from SIGTERM to SIGKILL
USAGE = 2  # the exit code of a command that cannot be understood

ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


def launch(
    context: typer.Context,
    workers: Annotated[int, typer.Option(min=1, help="How many processes.")] = 2,
    restarts: Annotated[int, typer.Option(min=0, help="How often to start again after a worker has died.")] = 3,
) -> None:
    """Train with several worker processes on this machine: `kerasgen launch --workers 2 train PRESET --out DIR`.

    What follows the options is a `train` command; `--strategy multiworker` and `--resume` are added to it. When one
    worker dies, all are stopped and started again from the last checkpoint: one alone could not join the others.
    """
    command = context.args
    if command[:1] != ["train"] or "--out" not in command:
        raise Usage("launch: expected a train command with --out, as in: launch --workers 2 train PRESET --out DIR")
    for attempt in range(restarts + 1):
        again = attempt > 0 and "--resume" not in command
        code = supervise([*command, "--strategy", "multiworker", *(["--resume"] if again else [])], workers)
        if code in (0, USAGE, 130, 143):
            raise typer.Exit(code)
        if attempt < restarts:
            log(f"a worker ended with exit code {code}; restarting all {workers} from the last checkpoint")
    raise typer.Exit(code)


def supervise(command: list[str], workers: int) -> int:
    """Run one process per worker until all have ended well or one has not; then end the others.

    Returns:
        0, or the exit code of the first worker that failed.
    """
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(workers)]}
    processes, errors, asked = [], [tempfile.TemporaryFile("w+") for _ in range(workers)], []

    def ask(number, frame):
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for index in range(workers):
            task = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "kerasgen", *command],
                    env={**os.environ, "TF_CONFIG": task},
                    # The chief speaks for all; of the others only the reason of a failure is shown.
                    stdout=subprocess.DEVNULL if index else None,
                    stderr=errors[index] if index else None,
                    start_new_session=True,  # Ctrl-C reaches this process alone, which tells the workers
                )
            )
        while not asked:
            codes = [process.poll() for process in processes]
            failed = [(index, code) for index, code in enumerate(codes) if code]
            if failed:
                first, code = failed[0]
                # All workers read the same command: the chief is about to say what is wrong with it.
                if not (code == USAGE and _end(processes[0]) == USAGE):
                    log(f"worker {first}: {_reason(errors[first]) or f'exit code {code}'}")
                return code
            if None not in codes:
                return 0
            time.sleep(0.2)
        return 128 + asked[0]
    finally:
        stop(processes)
        for file in errors:
            file.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process):
    """The exit code of a process that ends soon; None of one that goes on."""
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        return None


def stop(processes: list[subprocess.Popen]) -> None:
    """End processes, gently at first."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _reason(file) -> str:
    """The last line that says what went wrong, if there is one."""
    file.seek(0)
    return next((line.strip() for line in reversed(file.readlines()) if line.startswith("error: ")), "")


def free_ports(count: int) -> list:
    """Ports of this machine that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
