"""Runtimes: what runs the functions of a bundle.

A runtime is a function of a bundle that gives a function (function, inputs) -> output.
`RUNTIMES` is the list of those that `kerasgen verify` looks for; programs may measure others, in the same way.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import weakref

import numpy as np


class Absent(Exception):
    """A runtime is not installed here; the line says how to get it."""


class Gap(Exception):
    """A runtime cannot run a function, for a reason that lies with the runtime and is known."""


# --- runtimes ---------------------------------------------------------------------------------------------------------


def saved_model(bundle):
    """The SavedModel in TensorFlow."""
    import tensorflow as tf

    # Its functions need its variables, so the closure keeps the object itself.
    loaded = tf.saved_model.load(os.path.join(bundle.directory, "saved_model"))

    def run(function, inputs):
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        (output,) = loaded.signatures[function](**tensors).values()
        return output.numpy()

    return run


def onnx_runtime(bundle):
    """ONNX Runtime in this process: one file open at a time, and no memory kept from call to call."""
    current = session = None

    def run(function, inputs):
        import onnxruntime

        nonlocal current, session
        if function != current:
            session = None  # before there is another
            options = onnxruntime.SessionOptions()
            options.enable_cpu_mem_arena = False
            current, session = function, bundle.open(function, options)
            give_back()
        # It refuses NumPy's scalars.
        return session.run(None, {name: np.asarray(value) for name, value in inputs.items()})[0]

    return run


def give_back():
    """Give memory back to the system that is free; the C library keeps it else, and phases of an export add up."""
    gc.collect()  # graphs and loaded SavedModels are circles
    with contextlib.suppress(OSError, AttributeError):  # another system, another C library
        ctypes.CDLL(None).malloc_trim(0)


def node(bundle, folder=None):
    """onnxruntime-web in Node: one process that answers a line for each call, through the client `sample.mjs`.

    Args:
        bundle: a `Bundle`.
        folder: of the client, with its packages; left out, `$KERASGEN_NODE` or this checkout's `exports/clients/node`.

    Raises:
        Absent: Node, the client or its packages are not here.
    """
    checkout = pathlib.Path(__file__).resolve().parents[2] / "exports" / "clients" / "node"
    folder = pathlib.Path(folder or os.environ.get("KERASGEN_NODE") or checkout)
    if not shutil.which("node"):
        raise Absent("node is not on the path: install Node 20 or newer")
    if not (folder / "sample.mjs").is_file():
        raise Absent("no Node client: --node DIR names the folder exports/clients/node of a checkout")
    if not (folder / "node_modules" / "onnxruntime-web").is_dir():
        raise Absent(f"onnxruntime-web is not installed: npm install --ignore-scripts in {folder}")
    command = ["node", folder / "sample.mjs", bundle.directory, "--serve"]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process = subprocess.Popen(command, **pipes)

    def run(function, inputs):
        if bundle.info["functions"][function].get("weights"):
            raise Gap("weights above 2 GiB do not fit into WASM beside what is computed")
        given = {n: {"dims": value.shape, "data": value.ravel().tolist()} for n, value in inputs.items()}
        try:
            print(json.dumps({"function": function, "inputs": given}), file=process.stdin, flush=True)
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": process.stderr.read() or "no answer"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return np.asarray(answer["data"], bundle.ports[function].output.dtype).reshape(answer["dims"])

    weakref.finalize(run, _end, process)
    return run


def _end(process):
    process.kill()
    process.communicate()


def openvino(bundle):
    """OpenVINO on the CPU, in float32 (by its own choice it computes in less where the processor can).

    Raises:
        Absent: it is not installed.
    """
    library, core = _openvino()
    models = {}

    def run(function, inputs):
        if function not in models:
            if bundle.info["functions"][function].get("weights"):
                raise Gap("OpenVINO does not read weights from a second file")
            content = bundle.read(bundle.onnx[function])  # bytes: its reader of paths does not take loops
            try:
                model = core.read_model(content)
                models[function] = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            except RuntimeError as error:
                unread = sorted(set(re.findall(r"-- (\w+)-\d+ with a message", str(error))))
                what = f"read the operator {', '.join(unread)} as it is here" if unread else "load the file"
                raise Gap(f"OpenVINO does not {what}") from error
            words = [op for op in _ops(model) if op.get_type_name() == "BitwiseXor"]
            if any(op.get_output_element_type(0) == library.Type.i64 for op in words):
                # It would run and give other numbers (openvinotoolkit/openvino#24072, #35823).
                models[function] = Gap("OpenVINO computes int64 in 32 bits, too few for the random numbers")
        if isinstance(models[function], Gap):
            raise models[function]
        return next(iter(models[function](inputs).values()))

    return run


@functools.cache
def _openvino():
    """OpenVINO and its core, for as long as this process lives.

    At its end the core frees the stack that it has set for signals, and the next signal, such as Ctrl-C, would find no
    memory there and kill the process.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # else it sends a message when it is imported
    try:
        import openvino as library
    except ImportError:
        raise Absent("openvino is not installed: pip install openvino") from None
    return library, library.Core()


def _ops(model):
    """The operators of an OpenVINO model and of its loops."""
    for op in model.get_ops():
        yield op
        if hasattr(op, "get_function"):
            yield from _ops(op.get_function())


RUNTIMES = {"onnx": onnx_runtime, "node": node, "openvino": openvino}
TITLES = {"onnx": "ONNX Runtime", "node": "Node (WASM)", "openvino": "OpenVINO"}


# --- around them ------------------------------------------------------------------------------------------------------


class Remembered:
    """A runtime that computes each call once: it gives again what it gave, and raises again what it raised."""

    def __init__(self, run):
        self.run, self.known = run, {}

    def __call__(self, function, inputs, rounds=None):
        key = function, rounds, *((name, np.asarray(value).tobytes()) for name, value in inputs.items())
        if key not in self.known:
            try:
                # A copy: ONNX Runtime's results keep all of its memory.
                self.known[key] = np.array(self.run(function, inputs, rounds))
            except Exception as error:
                self.known[key] = error
        if isinstance(self.known[key], Exception):
            raise self.known[key]
        return self.known[key]

    def close(self):
        """Let go of the runtime, and with it of what it has open; what it gave is still known."""
        self.run = None
        give_back()


def by_rounds(runtime, at):
    """A runtime of several forms of a bundle, one of them open at a time.

    Args:
        runtime: function of a bundle.
        at: rounds after which loops end -> the bundle whose loops do; None: by themselves.
    """
    current, opened = None, runtime(at(None))

    def run(function, inputs, rounds=None):
        nonlocal current, opened
        if rounds != current:
            at(current).close()
            opened = None
            give_back()
            current, opened = rounds, runtime(at(rounds))
        return opened(function, inputs)

    return run
