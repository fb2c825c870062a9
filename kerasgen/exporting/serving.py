"""Lay a bundle's files out as a serving engine wants them: Triton Inference Server, TensorFlow Serving.

Nothing is converted: the files are those of the bundle, under the engine's names and with its description beside them.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import re

from kerasgen import files
from kerasgen.runtime import BATCH, Bundle

MAX_BATCH = 64  # rows that Triton may join into one call
TRITON_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32"}


def write(bundle, directory, layout, *, overwrite=False) -> dict:
    """Write a bundle's files as a model repository.

    Args:
        bundle: a `Bundle` or its folder; every file is checked against its hash on the way.
        directory: the folder to write.
        layout: "triton", ONNX files, one model per function and variant; or "tfserving", one SavedModel.
        overwrite: replace a folder that was written so. Another one is never replaced.

    Returns:
        `models`: their names as a client asks for them; `bytes`.

    Raises:
        FileExistsError: the folder is there.
        ValueError: an unknown layout, a folder that is no bundle, or nothing to serve.

    Example:
        >>> write("exports/bundles/vae_digits", "models", "triton")["models"]      # doctest: +SKIP
        ['vae_digits_sample', 'vae_digits_decode', ...]
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout: expected {' or '.join(LAYOUTS)}, got {layout!r}")
    refuse(directory, overwrite)
    bundle = bundle if isinstance(bundle, Bundle) else Bundle(bundle)
    name = re.sub(r"\W", "_", bundle.info.get("preset") or bundle.system)
    with files.atomic_folder(directory, overwrite=True) as folder:
        folder = pathlib.Path(folder)
        models, page = LAYOUTS[layout](bundle, folder, name)
        (folder / "README.md").write_text(page, encoding="utf-8")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"layout": layout, "models": models, "bytes": size}


def refuse(directory, overwrite):
    """Fail early where the folder could not be put.

    Raises:
        FileExistsError: something else is there, or `overwrite` is false.
    """
    path = pathlib.Path(directory)
    if not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path / files.MARK).is_file() or (path / "bundle.json").exists():
        raise FileExistsError(f"directory: expected a new folder or a model repository to replace, got {path}")
    if not overwrite:
        raise FileExistsError(f"directory: {path} is there already; overwrite=True replaces it")


# --- Triton Inference Server ------------------------------------------------------------------------------------------


def _triton(bundle, folder, name):
    """`<model>_<function>[_<variant>]/config.pbtxt` and `1/model.onnx` each."""
    models = {}
    for function in bundle.serves:
        entry = bundle.info["functions"][function]
        models[f"{name}_{function}"] = function, entry["onnx"]
        for variant, small in entry.get("variants", {}).items():
            models[f"{name}_{function}_{variant}"] = function, small["onnx"]
    if not models:
        raise ValueError(f"bundle {bundle.directory!r}: expected a function in ONNX, got none")
    for model, (function, path) in models.items():
        (folder / model / "1").mkdir(parents=True)
        (folder / model / "1" / "model.onnx").write_bytes(bundle.read(path, function))
        if weights := bundle.info["functions"][function].get("weights"):
            (folder / model / "1" / pathlib.Path(weights).name).write_bytes(bundle.read(weights))
        (folder / model / "config.pbtxt").write_text(triton_config(model, bundle.ports[function]))
    function = next(iter(bundle.serves))
    inputs = [
        {
            "name": port["name"],
            "shape": shape or [1],
            "datatype": TRITON_TYPES[port["dtype"]][5:],
            "data": values,
        }
        for port, shape, values in _example(bundle.info["functions"][function])
    ]
    page = TRITON.format(
        name=name,
        rows="\n".join(_row(m, bundle.info["functions"][f]) for m, (f, _) in models.items()),
        model=f"{name}_{function}",
        request=json.dumps({"inputs": inputs}),
    )
    return list(models), page


def triton_config(model, ports) -> str:
    """`config.pbtxt` of one function.

    Where every input has a batch axis, Triton may join the rows of several requests. `seed` and `count` have none, so
    that such a model takes one request at a time (`max_batch_size: 0`); a scalar is declared with one element then,
    and the engine feeds it as a scalar.

    Args:
        model: its name, which is that of its folder.
        ports: the function's `Ports`.
    """
    rows = all(port.shape for port in ports.inputs)
    lines = [f'name: "{model}"', 'backend: "onnxruntime"', f"max_batch_size: {MAX_BATCH if rows else 0}"]
    for side, port in [*(("input", port) for port in ports.inputs), ("output", ports.output)]:
        sizes = [-1 if isinstance(size, str) else size for size in port.shape][rows:]
        dims, reshape = (sizes, "") if sizes else ([1], ", reshape: { shape: [ ] }" if rows else "")
        kind, said = TRITON_TYPES[port.dtype], ", ".join(map(str, dims))
        lines.append(f'{side} [ {{ name: "{port.name}", data_type: {kind}, dims: [ {said} ]{reshape} }} ]')
    return "\n".join([*lines, *(["dynamic_batching { }"] if rows else [])]) + "\n"


TRITON = """# {name} for Triton Inference Server

A model repository: one model per function, ONNX files for the `onnxruntime` backend.

```bash
docker run --rm -p 8000:8000 -p 8001:8001 -v "$PWD:/models" \\
  nvcr.io/nvidia/tritonserver:<version>-py3 tritonserver --model-repository=/models
```

| model | inputs | output |
| --- | --- | --- |
{rows}

Every input is required; the values after `=` are what the model's authors would give. Scalars are sent with shape [1].

```bash
curl localhost:8000/v2/models/{model}/infer -d '{request}'
```

A model whose inputs all have a batch axis joins the rows of several requests into one call. The others take one request
at a time; run more instances of them (`instance_group`) for more at once. The same seed gives the same result in every
instance, on every machine.
"""


# --- TensorFlow Serving -----------------------------------------------------------------------------------------------


def _tfserving(bundle, folder, name):
    """`<model>/1/`: the SavedModel as it is; its signatures are the functions."""
    inside = [path for path in bundle.info["files"] if path.startswith("saved_model/")]
    if not inside:
        raise ValueError(f"bundle {bundle.directory!r}: expected a SavedModel, got none")
    for path in inside:
        target = folder / name / "1" / path.partition("/")[2]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bundle.read(path))
    functions = bundle.info["functions"]
    function, entry = next(iter(functions.items()))
    # Rows and scalars in one request: the columns' form of TensorFlow Serving ("inputs"), not the rows' ("instances").
    inputs = {port["name"]: _nested(values, shape) for port, shape, values in _example(entry)}
    page = TFSERVING.format(
        name=name,
        rows="\n".join(_row(entry["signature"], entry) for entry in functions.values()),
        default=function,
        request=json.dumps({"signature_name": entry["signature"], "inputs": inputs}),
    )
    return [name], page


TFSERVING = """# {name} for TensorFlow Serving

```bash
docker run --rm -p 8501:8501 -v "$PWD/{name}:/models/{name}" -e MODEL_NAME={name} tensorflow/serving
```

| signature | inputs | output |
| --- | --- | --- |
{rows}

`serving_default` is `{default}`. Every input is required; the values after `=` are what the model's authors would give.
Requests name their inputs (`"inputs"`); `"instances"` has no place for scalars.

```bash
curl localhost:8501/v1/models/{name}:predict -d '{request}'
```

A SavedModel is a program: serve only those that you trust.
"""

LAYOUTS = {"triton": _triton, "tfserving": _tfserving}


# --- both -------------------------------------------------------------------------------------------------------------


def _row(name, entry):
    """A model's row of the page."""

    def cell(port):
        shape = f" ({', '.join(map(str, port['shape']))})" if port["shape"] else ""
        default = "" if port.get("default") is None else f" = {port['default']:g}"
        return f"`{port['name']}` {port['dtype']}{shape}{default}"

    return f"| `{name}` | {', '.join(map(cell, entry['inputs']))} | {cell(entry['output'])} |"


def _example(entry):
    """(port, shape, values) of a first request: four examples of seed 7, or one row of zeros or defaults."""
    rows = 4 if any(port["name"] == "count" for port in entry["inputs"]) else 1
    for port in entry["inputs"]:
        shape = [rows if size == BATCH else size for size in port["shape"]]
        value = {"count": rows, "seed": 7}.get(port["name"], port.get("default") or 0)
        value = float(value) if port["dtype"] == "float32" else value
        yield port, shape, [value] * math.prod(shape)


def _nested(values, shape):
    """A flat list as nested lists, or as a number."""
    if not shape:
        return values[0]
    step = len(values) // shape[0]
    return [_nested(values[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
