"""Write the table of differences between runtimes: `python exports/parity.py [BUNDLE ...] [--out exports/PARITY.md]`.

Every function of every bundle runs on the inputs of `kerasgen.exporting.cases` in SavedModel (here the reference), in
ONNX Runtime and, where its package is installed, in Node. What the export measured against Keras stands beside it.
Exit code 3 if a runtime disagrees.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).parent
NODE = HERE / "clients" / "node"
PAGE = """# Parity

Written by `python exports/parity.py`. Each figure is the largest |a - b| / max(1, |a|) over all inputs and elements;
{tolerance:g} is the limit. *Ties* counts samples in which a choice between two levels fell otherwise; each was proved
to be a tie. The first two columns compare with Keras and were recorded at export; the next two compare with the
SavedModel here. {node}

| bundle | function | SavedModel, Keras | ONNX, Keras | ONNX Runtime, SavedModel | Node, SavedModel | ties |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

Versions here: {versions}.
"""


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description="Compare the runtimes of bundles.")
    parser.add_argument(
        "bundles", nargs="*", type=pathlib.Path, help="folders; without any, exports/bundles/*"
    )
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "PARITY.md")
    arguments = parser.parse_args(argv)

    from kerasgen import exporting, files
    from kerasgen.runtime import Bundle

    folders = arguments.bundles or sorted(path.parent for path in (HERE / "bundles").glob("*/bundle.json"))
    reason, rows, failed = missing_node(), [], False
    for folder in folders:
        bundle = Bundle(folder)
        runtimes = {"onnx": exporting.onnx_runtime(bundle)} | ({} if reason else {"node": node(bundle)})
        reference = exporting.saved_model(bundle)
        for name, entry in bundle.info["functions"].items():
            try:
                proof = exporting.prove(bundle.info, reference, runtimes, [name])[name]
            except exporting.ExportError as error:
                failed, proof = True, {"onnx": str(error), "node": "", "flips": 0}
                print(f"error: {folder}: {error}", file=sys.stderr)
            recorded = [entry["parity"]["saved_model"], entry["parity"]["onnx"]]
            figures = [*recorded, proof["onnx"], proof.get("node", "not run"), proof["flips"]]
            rows.append(f"| {folder.name} | `{name}` | " + " | ".join(map(_cell, figures)) + " |")
            print(rows[-1])
    libraries = ("tensorflow", "onnxruntime", "numpy")
    page = PAGE.format(
        tolerance=exporting.TOLERANCE,
        node=f"Node was not run: {reason}." if reason else "Node runs onnxruntime-web (WASM).",
        rows="\n".join(rows),
        versions=", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries),
    )
    files.atomic_write(arguments.out, page.encode())
    return 3 if failed else 0


def missing_node() -> str:
    """Why Node cannot run, or an empty string."""
    if not shutil.which("node"):
        return "node is not installed"
    if not (NODE / "node_modules" / "onnxruntime-web").is_dir():
        return "run `npm install` in exports/clients/node"
    return ""


def node(bundle):
    """A runtime for `exporting.prove`: one Node process per call."""

    def run(function, inputs):
        given = {
            name: {"dims": value.shape, "data": value.ravel().tolist()} for name, value in inputs.items()
        }
        with tempfile.TemporaryDirectory() as folder:
            source, target = pathlib.Path(folder, "in.json"), pathlib.Path(folder, "out.json")
            source.write_text(json.dumps(given))
            command = ["node", NODE / "sample.mjs", bundle.directory, "--function", function]
            done = subprocess.run(
                [*command, "--inputs", source, "--out", target], capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(done.stderr.strip())
            output = json.loads(target.read_text())
        port = bundle.ports[function].output
        return np.asarray(output["data"], port.dtype).reshape(output["dims"])

    return run


def _cell(value):
    if value is None:
        return "no ONNX form"
    return f"{value:.1e}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
