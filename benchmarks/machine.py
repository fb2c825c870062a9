"""What a figure was measured on, and how: shared by the programs in this folder."""

import importlib.metadata
import os
import platform
import statistics
import time


def describe() -> str:
    """Versions and hardware, one line."""
    names = ("tensorflow", "keras", "tensorflow-probability", "onnxruntime")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return f"{versions}; Python {platform.python_version()}; {os.cpu_count()} cores, {cpu}"


def interleaved(actions: dict, repeats: int = 7) -> dict:
    """Median seconds of each action. The actions take turns, so that a busy moment of the machine hits them alike."""
    for action in actions.values():
        action()  # trace, compile and fill caches
    seconds = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
