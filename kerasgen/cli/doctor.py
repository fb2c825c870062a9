"""`doctor`: what is installed, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

import kerasgen
from kerasgen.cli.console import console, print_json, table, tensorflow


class Row(NamedTuple):
    """One finding: `state` is ok, note (something optional is absent) or wrong; `fix` says what to do."""

    what: str
    state: str
    found: str
    fix: str = ""


def doctor(json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check versions, devices, memory, disk, browser, telemetry switches, and one small export."""
    rows = [*_versions(), *_machine(), *_telemetry(), _devices(), _smoke()]
    if json:
        print_json([row._asdict() for row in rows])
    else:
        colours = {"ok": "green", "note": "yellow", "wrong": "red"}
        drawn = table("", "what", "found", "fix")
        for row in rows:
            drawn.add_row(Text(row.state, colours[row.state]), row.what, row.found, row.fix)
        console().print(drawn)
    raise typer.Exit(int(any(row.state == "wrong" for row in rows)))


def _versions():
    from packaging.requirements import Requirement

    python = platform.python_version()
    yield Row("python", *(("ok", python) if python >= "3.11" else ("wrong", python, "install Python 3.11 or newer")))
    for requirement in map(Requirement, _requirements()):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield Row(requirement.name, "wrong", "not installed", f"pip install '{requirement}'")
            continue
        good = requirement.specifier.contains(found, prereleases=True)
        yield Row(requirement.name, "ok" if good else "wrong", found, "" if good else f"pip install '{requirement}'")


def _requirements():
    """Ours, of the installed package or of the source tree."""
    try:
        return importlib.metadata.requires("kerasgen") or []
    except importlib.metadata.PackageNotFoundError:
        import tomllib

        project = Path(kerasgen.__file__).parents[1] / "pyproject.toml"
        return tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"] if project.exists() else []


def _machine():
    import subprocess

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    yield Row("cores", "ok", str(os.cpu_count()))
    if memory:
        fix = "" if memory >= 4 else "training and export together want 4 GiB"
        yield Row("memory", "note" if fix else "ok", f"{memory:.1f} GiB", fix)
    free = shutil.disk_usage(".").free / 2**30
    fix = "" if free >= 2 else "free 2 GiB for runs and bundles"
    yield Row("disk", "note" if fix else "ok", f"{free:.1f} GiB free here", fix)
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    fix = "" if browser else "install chromium, for the browser tests"
    yield Row("chromium", "ok" if browser else "note", browser or "not found", fix)
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip() if node else ""
    fix = "" if node else "install Node.js, for the JavaScript client"
    yield Row("node", "ok" if node else "note", version or "not found", fix)


def _telemetry():
    for variable, off in (("ORT_DISABLE_TELEMETRY", "1"), ("GRADIO_ANALYTICS_ENABLED", "False")):
        value = os.environ.get(variable, "not set")
        fix = "" if value == off else f"export {variable}={off}"
        yield Row(variable, "note" if fix else "ok", value, fix)


def _devices():
    try:
        tensorflow()
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
    except Exception as error:
        return Row("devices", "wrong", _line(error), "pip install --force-reinstall tensorflow")
    if found:
        return Row("devices", "ok", f"{len(found)} GPU")
    return Row("devices", "note", "CPU only", "with an NVIDIA GPU: pip install 'kerasgen[and-cuda]'")


def _smoke():
    """A small function through TensorFlow, ONNX and ONNX Runtime."""
    try:
        import numpy as np
        import onnxruntime
        import tensorflow as tf
        import tf2onnx

        double = tf.function(lambda x: 2.0 * x, input_signature=[tf.TensorSpec((None, 2), tf.float32, "x")])
        proto, _ = tf2onnx.convert.from_function(double, double.input_signature, opset=18)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        got = session.run(None, {"x": np.ones((3, 2), "float32")})[0]
        if got.tolist() != [[2.0, 2.0]] * 3:
            raise ArithmeticError(f"2 x 1 gave {got.tolist()}")
    except Exception as error:
        return Row("export", "wrong", _line(error), "pip install --force-reinstall tf2onnx onnx onnxruntime")
    return Row("export", "ok", "TensorFlow -> ONNX -> ONNX Runtime")


def _line(error):
    return " ".join(str(error).split())[:100]
