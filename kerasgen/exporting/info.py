"""`bundle.json`: what a bundle says of itself, and the hashes of its files."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform

import kerasgen
from kerasgen import catalog
from kerasgen.core import random
from kerasgen.runtime import FORMAT, VERSION

LICENCE = "Apache-2.0"
LIBRARIES = ("tensorflow", "keras", "tensorflow-probability", "numpy", "onnx", "tf2onnx", "onnxruntime")
FACTS = ("name", "licence", "origin", "class_names", "entropy", "descriptions")  # of the data, in a bundle
STREAMS = ("latent", "noise", "choice", "label", "dequantize", "time")  # of `kerasgen.core.random`, served ones


def describe(model, preset, data, opset) -> dict:
    """`bundle.json` as far as it is known before anything is written."""
    name = type(model).__name__
    system = catalog.of(type(model))
    functions = {}
    for function, ports in model.ports.items():
        reason = model.inconvertible.get(function)
        functions[function] = {
            "onnx": None if reason else f"onnx/{function}.onnx",
            "reason": reason,
            "signature": function,
            "inputs": [dataclasses.asdict(port) for port in ports.inputs],
            "output": dataclasses.asdict(ports.output),
            "parity": None,
        }
    if data is not None and not isinstance(data, dict):
        data = {key: getattr(data, key) for key in FACTS}
    if data is not None:
        data = {"licence": "unknown", "origin": "unknown", **data}
    return {
        "format": FORMAT,
        "version": VERSION,
        "system": system.id if system else name.lower(),
        "class": name,
        "preset": preset,
        "family": system.family if system else None,
        "title": system.title if system else name,
        "paper": f"{system.authors}, {system.reference}" if system else None,
        "year": system.year if system else None,
        "data": data,
        "kind": model.kind,
        "sample_rate": model.sample_rate,
        "image_shape": list(model.image_shape),
        "levels": model.levels,
        "num_classes": model.num_classes,
        "discrete": list(getattr(model, "discrete", ())),
        "values": model.scale(model.levels).values if getattr(model, "discrete", ()) else None,
        "order": list(map(int, model.order)) if len(getattr(model, "order", ())) else None,
        "functions": functions,
        "randomness": {
            "generator": "threefry-2x32-20",
            "streams": {name: getattr(random, name.upper()) for name in STREAMS},
        },
        "files": {},
        "versions": {
            "kerasgen": kerasgen.__version__,
            "python": platform.python_version(),
            **{library: importlib.metadata.version(library) for library in LIBRARIES},
            "opset": opset,
        },
        "licence": LICENCE,
    }


def write_info(folder, info):
    """Write `bundle.json`, with the hashes of the files that are new in the folder; none changes once it is written."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "bundle.json"):
        name = path.relative_to(folder).as_posix()
        if name not in info["files"]:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            info["files"][name] = {"sha256": digest, "bytes": path.stat().st_size}
    info["files"] = dict(sorted(info["files"].items()))
    (folder / "bundle.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
