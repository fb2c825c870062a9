"""Parity: a bundle's functions in every runtime that is installed here, compared with its SavedModel.

A runtime is a function of a bundle that gives a function (function, inputs) -> output, as `proof` has them.
`RUNTIMES` is the list of those that `kerasgen verify` looks for; programs may measure others, in the same way.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import weakref

import numpy as np

from kerasgen.runtime import Bundle


class Absent(Exception):
    """A runtime is not installed here; the line says how to get it."""


class Gap(Exception):
    """A runtime cannot run a function, for a reason that lies with the runtime and is known."""


# --- runtimes ---------------------------------------------------------------------------------------------------------


def onnx_runtime(bundle):
    """ONNX Runtime in this process."""
    from kerasgen.exporting import writer

    return writer.onnx_runtime(bundle)


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


# --- the table --------------------------------------------------------------------------------------------------------


def verify(directory, runtimes=None, progress=None) -> dict:
    """Prove a bundle again where it is: its files, and every function in every runtime that is here.

    Args, Returns: as `measure`; there are no misses.

    Raises:
        ValueError: not a bundle, or a file that is not as it was written.
        ProofError: a function that a runtime does not run, or gives another result for; `report` is what was measured.

    Example:
        >>> verify("exports/bundles/dcgan_digits")["functions"]["sample"]["onnx"] < 1e-4     # doctest: +SKIP
        True
    """
    from kerasgen.exporting.proof import ProofError

    report = measure(directory, runtimes, progress)
    if report["misses"]:
        error = ProofError("; ".join(report["misses"]))
        error.report = report
        raise error
    return report


def check(directory):
    """Open a bundle and check what it says of itself: every file's hash, standard ONNX, and what variants promise.

    Returns: the `Bundle`, and the differences of its variants, function -> variant -> largest and mean.
    Raises: ValueError, naming the file.
    """
    import onnx

    from kerasgen.exporting import variants, writer

    bundle = Bundle(directory)
    bundle.check_files()
    for function, path in bundle.onnx.items():
        proto = onnx.load_from_string(bundle.read(path))
        writer.gate(proto, function, bundle.ports[function], bundle.info["versions"]["opset"])
    return bundle, variants.verify(bundle)


def measure(directory, runtimes=None, progress=None) -> dict:
    """Run every function of a bundle in every runtime that is here, and compare with the SavedModel.

    Args:
        directory: a bundle.
        runtimes: name -> function of a bundle, as `RUNTIMES`, which it is if left out.
        progress: function called with a line of text before each step.

    Returns:
        system; functions -> {runtime: largest difference, or None where it was not run, "flips": choices that fell
        otherwise, each a tie}; variants, if there are any, as `check` has them; gaps: function -> {runtime: reason};
        absent: runtime -> reason; misses: a line for each function that a runtime does not run or gives another result
        for; seconds.

    Raises:
        ValueError: not a bundle, or a file that is not as it was written.

    Example:
        >>> measure("exports/bundles/vae_digits")["misses"]     # doctest: +SKIP
        []
    """
    from kerasgen.exporting import writer

    began, progress = time.perf_counter(), progress or (lambda line: None)
    progress("reading")
    bundle, small = check(directory)
    opened, report = {}, {"system": bundle.system, "functions": {}, "gaps": {}, "absent": {}, "misses": []}
    report |= {"variants": small} if small else {}
    for name, runtime in (RUNTIMES if runtimes is None else runtimes).items():
        try:
            opened[name] = runtime(bundle)
        except Absent as error:
            report["absent"][name] = str(error)
    reference = writer.remembered(writer.saved_model(bundle))
    for function, entry in bundle.info["functions"].items():
        progress(f"comparing {function}")
        row, gaps = report["functions"].setdefault(function, {"flips": 0}), {}
        for name, run in opened.items():
            row[name] = None
            if not entry["onnx"]:
                gaps[name] = entry["reason"]
                continue
            try:
                proof = writer.prove(bundle.info, reference, {name: run}, [function])[function]
            except writer.ExportError as error:
                if isinstance(error.__cause__, Gap):
                    gaps[name] = str(error.__cause__)
                else:
                    report["misses"].append(str(error))
            else:
                row[name] = proof[name]
                row["flips"] += proof["flips"]
        if gaps:
            report["gaps"][function] = gaps
    return report | {"seconds": round(time.perf_counter() - began, 1)}
