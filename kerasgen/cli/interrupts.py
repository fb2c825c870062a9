"""Ctrl-C while one long call of TensorFlow holds the main thread, where Python cannot hear it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

PATIENCE = 1.0  # seconds in which the main thread should have heard a Ctrl-C
SHOW_CURSOR = b"\x1b[?25h"  # which a bar hides


@contextlib.contextmanager
def heard(end: Callable[[int], Any] = os._exit) -> Iterator[None]:
    """In here, a second Ctrl-C ends the process at once, with code 130, whatever it is busy with.

    Python runs the handlers of signals in the main thread, between its own instructions. A thread of its own hears of
    signals beside it, says so where the main thread is held up, and ends the process where it still is after a second
    Ctrl-C. Files are written whole or not at all, and the system frees locks: as after a kill, nothing is half-written.

    Args:
        end: function of the exit code.
    """
    before = -1
    if threading.current_thread() is threading.main_thread():
        before = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(before)
    if threading.current_thread() is not threading.main_thread() or before != -1:  # an event loop hears them
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(reading, over, end), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(-1)
        os.close(writing)  # which ends the thread
        watch.join()
        os.close(reading)


def _watch(reading, over, end):
    """Read the numbers of signals as they come."""
    asked = 0
    while number := os.read(reading, 1):
        asked += number[0] == signal.SIGINT
        if asked == 1 and not select.select([reading], [], [], PATIENCE)[0]:
            os.write(2, b"stopping after the call at hand; Ctrl-C again stops at once\n")
        if asked > 1 and not over.wait(PATIENCE):
            os.write(2, (SHOW_CURSOR if os.isatty(2) else b"") + b"stopped at once\n")
            end(130)
