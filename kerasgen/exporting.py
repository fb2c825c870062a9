"""Write a trained model as a bundle, a folder that other runtimes can run, and prove that they agree with Keras.

Each function of the model becomes a SavedModel endpoint and one ONNX file, traced once. Nothing is taken on trust: the
ONNX graph must consist of standard operators with exactly the declared ports (`gate`), and export ends by running what
it wrote. A bundle appears in its place only when ONNX Runtime and SavedModel gave what Keras gave.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import logging
import math
import os
import pathlib
import re
import time

import numpy as np

import kerasgen
from kerasgen import catalog, files, pictures
from kerasgen.runtime import BATCH, FORMAT, VERSION, Bundle, port_of

OPSET = 18
TOLERANCE = 1e-4  # of |a - b| / max(1, |a|)
TIE = 1e-3  # two choices this close in perturbed logits may flip
MAX_NODES, MAX_BYTES = 100_000, 2**31 - 1
MAX_STEPS = 50  # of a sampler in the proof: a loop's body is the same for each
LICENCE = "Apache-2.0"
LIBRARIES = ("tensorflow", "keras", "tensorflow-probability", "onnx", "tf2onnx", "onnxruntime")


class ExportError(ValueError):
    """A function could not be written, or a runtime disagrees: one line naming function, runtime and difference."""


def export(model, directory, *, preset=None, data=None, overwrite=False, progress=None) -> dict:
    """Write a model as a bundle: SavedModel, one ONNX file per function, `bundle.json`, card and sample picture.

    The bundle is made in a temporary folder and moved into place when it has been proved; a failure leaves what was
    there before, and nothing else.

    Args:
        model: a `GenerativeModel`.
        directory: the folder to write.
        preset: name of the preset that the weights come from.
        data: what it was trained on: a `kerasgen.data` description, or a dictionary with name, licence, origin.
        overwrite: replace a bundle that is there. What is not a bundle is never replaced.
        progress: function called with a line of text before each step.

    Returns:
        A report: `functions` -> largest differences from Keras and flips, `seconds` per step, `bytes`.

    Raises:
        FileExistsError: the folder is there (and is not a bundle, or `overwrite` is false).
        ExportError: a function does not convert, or a runtime disagrees with Keras.

    Example:
        >>> report = export(model, "exports/bundles/dcgan_digits")      # doctest: +SKIP
        >>> report["functions"]["sample"]                               # doctest: +SKIP
        {'saved_model': 0.0, 'onnx': 1.2e-07, 'flips': 0}
    """
    _refuse(directory, overwrite)
    clock = _Clock(progress)
    with files.atomic_folder(directory, overwrite=True) as folder:
        folder = pathlib.Path(folder)
        info = _describe(model, preset, data)
        clock("tracing")
        graphs = {function: _trace(model, function) for function in model.serves}
        clock("writing the SavedModel")
        _write_saved_model(graphs, folder / "saved_model")
        (folder / "onnx").mkdir()
        for function, entry in info["functions"].items():
            if entry["onnx"]:
                clock(f"converting {function}")
                proto = convert(graphs[function], function, info)
                (folder / entry["onnx"]).write_bytes(proto.SerializeToString())
        clock("comparing the runtimes")
        _write_info(folder, info)
        bundle = Bundle(folder)
        runtimes = {"saved_model": saved_model(bundle), "onnx": onnx_runtime(bundle)}
        for function, parity in prove(info, _keras(graphs), runtimes).items():
            info["functions"][function]["parity"] = parity
        clock("writing the card")
        _write_picture(info, runtimes["saved_model"], folder / "samples.png")
        _write_info(folder, info)
        (folder / "README.md").write_text(card(info), encoding="utf-8")
        _write_info(folder, info)
        size = sum(entry["bytes"] for entry in info["files"].values())
        parity = {function: entry["parity"] for function, entry in info["functions"].items()}
    return {"system": info["system"], "functions": parity, "seconds": clock.seconds(), "bytes": size}


def verify(directory) -> dict:
    """Prove a bundle again where it is: every file's hash, the ONNX graphs, and SavedModel against ONNX Runtime.

    Args:
        directory: a bundle.

    Returns:
        A report as `export`'s, with differences from the SavedModel.

    Raises:
        ValueError: not a bundle, or a file that is not as it was written.
        ExportError: the runtimes disagree.

    Example:
        >>> verify("exports/bundles/dcgan_digits")["functions"]["sample"]["onnx"] < 1e-4     # doctest: +SKIP
        True
    """
    import onnx

    clock = _Clock(None)
    clock("reading")
    bundle = Bundle(directory)
    for name in bundle.info["files"]:
        bundle._read(name)
    for function, entry in bundle.info["functions"].items():
        if entry["onnx"]:
            gate(onnx.load_from_string(bundle._read(entry["onnx"])), function, bundle.ports[function])
    clock("comparing the runtimes")
    parity = prove(bundle.info, saved_model(bundle), {"onnx": onnx_runtime(bundle)})
    return {"system": bundle.system, "functions": parity, "seconds": clock.seconds()}


# --- writing ----------------------------------------------------------------------------------------------------------


def _refuse(directory, overwrite):
    """Fail early where the bundle could not be put."""
    if not os.path.lexists(directory) or (os.path.isdir(directory) and not os.listdir(directory)):
        return
    if not _is_bundle(directory):
        raise FileExistsError(f"directory: expected a new folder or a bundle to replace, got {directory}")
    if not overwrite:
        raise FileExistsError(f"directory: {directory} is a bundle already; overwrite=True replaces it")


def _is_bundle(directory):
    path = pathlib.Path(directory, "bundle.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _describe(model, preset, data) -> dict:
    """`bundle.json` as far as it is known before anything is written."""
    name = type(model).__name__
    system = next((row for row in catalog.SYSTEMS.values() if row.name == name), None)
    functions = {}
    for function, ports in model.ports().items():
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
        names = ("name", "licence", "origin", "class_names", "entropy")
        data = {key: getattr(data, key) for key in names}
    return {
        "format": FORMAT,
        "version": VERSION,
        "system": system.id if system else name.lower(),
        "class": name,
        "preset": preset,
        "title": system.title if system else name,
        "paper": f"{system.authors}, {system.reference}" if system else None,
        "year": system.year if system else None,
        "data": data,
        "image_shape": list(model.image_shape),
        "levels": model.levels,
        "num_classes": model.num_classes,
        "discrete": list(getattr(model, "discrete", ())),
        "functions": functions,
        "files": {},
        "versions": {
            "kerasgen": kerasgen.__version__,
            **{library: importlib.metadata.version(library) for library in LIBRARIES},
            "opset": OPSET,
        },
        "licence": LICENCE,
    }


def _write_info(folder, info):
    """Hash what is in the folder and write `bundle.json`."""
    info["files"] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "bundle.json"):
        content = path.read_bytes()
        entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        info["files"][path.relative_to(folder).as_posix()] = entry
    (folder / "bundle.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")


def _trace(model, function):
    """The function as a `tf.function` of its ports in order; everything is written from this one trace."""
    import tensorflow as tf

    run, specs = model.graph(function)

    @tf.function(input_signature=list(specs.values()), autograph=False)
    def graph(*tensors):
        return run(**dict(zip(specs, tensors, strict=True)))

    graph.get_concrete_function()
    return graph


def _write_saved_model(graphs, path):
    """One endpoint per function. Keras' ExportArchive would trace every function again and save what no one calls."""
    import tensorflow as tf

    concrete = {function: graph.get_concrete_function() for function, graph in graphs.items()}
    module = tf.Module()
    module.state = list({id(v): v for graph in concrete.values() for v in graph.variables}.values())
    hidden = [v.name for v in module.state if not v.name[0].isalnum()]
    if hidden:
        raise ExportError(
            f"{hidden[0]}: a SavedModel needs names that begin with a letter; rename the layer's class"
        )
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # it is not trained further
    first = next(iter(concrete.values()))
    tf.saved_model.save(module, str(path), {**concrete, "serving_default": first}, options)


def convert(graph, function, info):
    """One traced function as an ONNX model that has passed the gate.

    Args:
        graph: a `tf.function` with an input signature, returning a dictionary of one tensor.
        function: its name.
        info: `bundle.json`.

    Raises:
        ExportError: it does not convert.
    """
    from kerasgen import lowering

    entry = info["functions"][function]
    inputs, output = [port_of(p) for p in entry["inputs"]], port_of(entry["output"])
    log = logging.getLogger(
        "tf2onnx"
    )  # it reports what it cannot do there and goes on; the gate reports it to us
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        proto = lowering.to_onnx(graph, OPSET)
    except Exception as error:
        raise ExportError(f"{function}: does not convert to ONNX: {_line(error)}") from error
    finally:
        log.setLevel(level)
    gate(proto, function, (inputs, output))
    for value, port in zip((*proto.graph.input, *proto.graph.output), (*inputs, output), strict=True):
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for size in port.shape:
            shape.dim.add(**({"dim_param": size} if size == BATCH else {"dim_value": size}))
    _shorten(proto)
    del proto.opset_import[:]
    proto.opset_import.add(domain="", version=OPSET)
    proto.graph.name, proto.graph.doc_string = f"{info['system']}.{function}", ""
    proto.producer_name, proto.producer_version, proto.doc_string = "kerasgen", kerasgen.__version__, ""
    ports = {"inputs": entry["inputs"], "output": entry["output"]}
    for key, value in {"system": info["system"], "function": function, "ports": json.dumps(ports)}.items():
        proto.metadata_props.add(key=key, value=value)
    return proto


# --- the gate ---------------------------------------------------------------------------------------------------------


def gate(proto, function, ports):
    """Refuse an ONNX model that not every runtime could load, or that asks for more than its ports.

    The converter does not raise where an operator has no ONNX form: it writes a model that no runtime loads.

    Args:
        proto: `onnx.ModelProto`.
        function: its name, for the error line.
        ports: (inputs, output).

    Raises:
        ExportError: see above.
    """
    import onnx

    inputs, output = ports
    got, want = [i.name for i in proto.graph.input], [port.name for port in inputs]
    if got != want:
        extra = [name for name in got if name not in want]
        hint = "; make constants inside the function" if extra else ""
        raise ExportError(
            f"{function}: expected the ONNX inputs {', '.join(want)}, got {', '.join(got)}{hint}"
        )
    if [o.name for o in proto.graph.output] != [output.name]:
        raise ExportError(
            f"{function}: expected the ONNX output {output.name}, got {[o.name for o in proto.graph.output]}"
        )
    count, foreign = 0, set()
    for graph in _graphs(proto.graph):
        count += len(graph.node)
        for node in graph.node:
            if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, OPSET, ""):
                foreign.add(f"{node.domain}.{node.op_type}".lstrip("."))
        for tensor in (*graph.initializer, *(a.t for node in graph.node for a in node.attribute)):
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise ExportError(f"{function}: expected one ONNX file, got a tensor stored outside it")
    if foreign or len(proto.functions):
        names = ", ".join(sorted(foreign)) or "local functions"
        raise ExportError(f"{function}: expected standard ONNX operators, got {names}")
    if count > MAX_NODES:
        raise ExportError(
            f"{function}: expected at most {MAX_NODES} ONNX nodes, got {count}; a loop was unrolled"
        )
    if proto.ByteSize() > MAX_BYTES:
        raise ExportError(f"{function}: expected an ONNX file below 2 GiB, got {proto.ByteSize()} bytes")
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{function}: not a valid ONNX model: {_line(error)}") from error


def _shorten(proto):
    """Short names for what is inside, and no stale shapes.

    Scopes of bijectors in bijectors make names of kilobytes, more than the weights of a small flow; the shapes still
    have the converter's own names for the batch axis.
    """
    names = {value.name: value.name for value in (*proto.graph.input, *proto.graph.output)} | {"": ""}

    def short(name):
        if name not in names:
            names[name] = f"{re.split('[/:]', name)[-2 if ':' in name else -1]}_{len(names)}"
        return names[name]

    for graph in _graphs(proto.graph):
        del graph.value_info[:]
        for thing in (*graph.input, *graph.output, *graph.initializer):
            thing.name = short(thing.name)
        for i, node in enumerate(graph.node):
            node.name, node.doc_string = f"{node.op_type}_{i}", ""
            node.input[:], node.output[:] = map(short, node.input), map(short, node.output)


def _graphs(graph):
    """A graph and those inside its Loop, If and Scan nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(body)


# --- the proof --------------------------------------------------------------------------------------------------------


def _keras(graphs):
    def run(function, inputs):
        import tensorflow as tf

        (output,) = graphs[function](*(tf.constant(value) for value in inputs.values())).values()
        return output.numpy()

    return run


def saved_model(bundle):
    """A runtime for `prove`: a function (function, inputs) -> output that runs the bundle's SavedModel."""
    import tensorflow as tf

    # Its functions need its variables, so the closure keeps the object itself.
    loaded = tf.saved_model.load(os.path.join(bundle.directory, "saved_model"))

    def run(function, inputs):
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        (output,) = loaded.signatures[function](**tensors).values()
        return output.numpy()

    return run


def onnx_runtime(bundle):
    """A runtime for `prove`: the bundle's ONNX files in ONNX Runtime."""
    return lambda function, inputs: bundle.run(function, **inputs)


def prove(info, reference, runtimes, functions=None) -> dict:
    """Run every function everywhere and compare.

    Args:
        info: `bundle.json`.
        reference: function (function, inputs) -> output.
        runtimes: name -> such a function; all but "saved_model" run the ONNX files.
        functions: names; left out, all.

    Returns:
        function -> {runtime: largest difference from the reference, or None where it is declared inconvertible,
        "flips": choices that fell otherwise, each proved to be a tie}.

    Raises:
        ExportError: a difference above `TOLERANCE`, or a function that does not run.
    """
    proof = {}
    for function in functions or info["functions"]:
        entry = info["functions"][function]
        parity = {name: 0.0 if name == "saved_model" or entry["onnx"] else None for name in runtimes}
        parity["flips"] = 0
        for inputs in cases(entry, info):
            expected = reference(function, inputs)
            wrong = np.isnan(expected).sum()
            if wrong:
                raise ExportError(f"{function}: gives {wrong} values that are not numbers")
            for name in [name for name in runtimes if parity[name] is not None]:
                try:
                    got = runtimes[name](function, inputs)
                except Exception as error:
                    raise ExportError(f"{function}: {name} does not run: {_line(error)}") from error
                flipped = _flips(info, function, inputs, expected, got, reference, name)
                worst = _difference(np.delete(expected, flipped, 0), np.delete(got, flipped, 0))
                if not worst <= TOLERANCE:
                    raise ExportError(
                        f"{function}: {name} differs by {worst:.2g}, expected {TOLERANCE:g} or less"
                    )
                parity[name] = max(parity[name], worst)
                parity["flips"] += len(flipped)
        proof[function] = parity
    return proof


def _difference(expected, got):
    """Largest |a - b| / max(1, |a|); infinite where shapes or types differ, or what is not finite."""
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return np.inf
    with np.errstate(invalid="ignore"):
        difference = np.abs(expected - got) / np.maximum(1.0, np.abs(expected))
    difference = np.where(expected == got, 0.0, np.where(np.isfinite(difference), difference, np.inf))
    return float(difference.max(initial=0.0))


def _flips(info, function, inputs, expected, got, reference, runtime):
    """Rows in which a choice fell otherwise; each must have been a tie at the first place where it did.

    Up to that place both runtimes had the same prefix, so the logits there are those of Keras' own sample. A choice is
    argmax(logits + temperature * gumbel): the two levels must have been within `TIE` of each other there.
    """
    if function not in info["discrete"] or "logits" not in info["functions"] or expected.shape != got.shape:
        return []
    from kerasgen import random

    levels = [np.rint(x.reshape(len(x), -1) * (info["levels"] - 1)).astype(int) for x in (expected, got)]
    rows = [row for row in range(len(expected)) if not np.array_equal(levels[0][row], levels[1][row])]
    if not rows:
        return []
    names = [port["name"] for port in info["functions"]["logits"]["inputs"]]
    given = {names[0]: expected, **{name: inputs[name] for name in names[1:]}}
    if "label" in given:
        seed, index = int(inputs["seed"]), range(len(expected))
        drawn = random.integers(seed, random.LABEL, index, (), info["num_classes"]).numpy()
        given["label"] = np.where(given["label"] < 0, drawn, given["label"])
    logits = np.reshape(reference("logits", given), (len(expected), -1, info["levels"]))
    for row in rows:
        place = int(np.argmax(levels[0][row] != levels[1][row]))
        noise = random.gumbel(int(inputs["seed"]), random.CHOICE, [row], logits.shape[1:]).numpy()[0, place]
        score = logits[row, place] + float(inputs.get("temperature", 1.0)) * noise
        gap = abs(score[levels[0][row, place]] - score[levels[1][row, place]])
        if not gap <= TIE:
            where = f"in row {row} at {place}, {gap:.2g} from a tie"
            raise ExportError(f"{function}: {runtime} chose another level {where}")
    return rows


def cases(entry, info):
    """Inputs that exercise a function: three rows and one row, defaults and other values, made from the ports alone."""
    for rows, seed in ((3, 7), (1, 12345)):
        draw = np.random.default_rng(seed)
        ports = map(port_of, entry["inputs"])
        inputs = {port.name: _value(port, rows, seed, rows == 3, info, draw) for port in ports}
        if "steps" in inputs:
            inputs["steps"] = np.minimum(inputs["steps"], MAX_STEPS)
        yield inputs


def _value(port, rows, seed, plain, info, draw):
    """An input: its default if `plain`, else another value in its range."""
    shape = tuple(rows if size == BATCH else size for size in port.shape)
    low = port.minimum if port.minimum is not None else -3.0
    high = port.maximum if port.maximum is not None else low + 6.0
    if port.name in ("count", "seed"):
        value = {"count": rows, "seed": seed}[port.name]
    elif port.default is not None and not port.shape:
        value = port.default if plain else 3 if port.name == "steps" else low + 0.6 * (min(high, 2.0) - low)
    elif port.name == "label":
        drawn = port.default is not None and not plain
        value = port.default if drawn else np.arange(rows) % info["num_classes"]
    elif port.name == "noise_level":
        value = np.geomspace(0.05, 5.0, rows)
    elif port.name == "mask":
        value = draw.integers(0, 2, shape)
    elif port.dtype == "int32":
        value = draw.integers(int(low), int(high) + 1, shape)
    elif port.minimum is None and port.maximum is None:
        value = draw.standard_normal(shape)
    elif info["levels"] and tuple(port.shape[1:]) == tuple(info["image_shape"]):
        value = draw.integers(0, info["levels"], shape) / (info["levels"] - 1)
    else:
        value = draw.uniform(low, high, shape)
    return np.broadcast_to(np.asarray(value, port.dtype), shape).copy()


# --- the card ---------------------------------------------------------------------------------------------------------

CARD = """# {name}

{picture}{about}

| function | takes | gives | SavedModel | ONNX |
| --- | --- | --- | --- | --- |
{rows}

The last columns are the largest difference from Keras that was measured when this was written. Shapes, ranges and
meanings are in `bundle.json`. The same seed gives the same result in every runtime. Run these in this folder:

```bash
kerasgen verify .        # proves the files and the runtimes here again
{command}```
{onnx}
SavedModel:

```python
import numpy as np
import tensorflow as tf

model = tf.saved_model.load("saved_model")  # keep it: its functions need its variables
{output} = model.signatures["{function}"]({tensors})["{output}"]
```

Made with {versions}. Licence of the weights and the card: {licence}.
"""

ONNX = """
Python without TensorFlow, with checked inputs and defaults (`pip install kerasgen`, or copy `kerasgen/runtime.py`):

```python
import numpy as np
from kerasgen.runtime import Bundle

{output} = Bundle(".").{function}({arguments})
```

ONNX Runtime alone:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("onnx/{function}.onnx")
({output},) = session.run(["{output}"], {{{feeds}}})
```

Node or the browser (`onnxruntime-node` or `onnxruntime-web`):

```js
const session = await ort.InferenceSession.create("onnx/{function}.onnx");
const {{ {output} }} = await session.run({{
{script}
}});
```
"""


def _write_picture(info, run, path):
    """Draw what the model makes from seed 0, if it makes pictures or points."""
    size = info["image_shape"]
    made = {name: e for name, e in info["functions"].items() if list(e["output"]["shape"][1:]) == size}
    plane, picture = len(size) == 1 and size[0] > 1, len(size) == 3 and size[2] in (1, 3)
    if not made or not (plane or picture):
        return
    function = "sample" if "sample" in made else next(iter(made))
    count = 1000 if plane else 36 if max(size) <= 64 else 16
    draw = np.random.default_rng(0)
    ports = map(port_of, made[function]["inputs"])
    x = run(function, {port.name: _value(port, count, 0, True, info, draw) for port in ports})
    pictures.write(path, pictures.draw(x))


def card(info) -> str:
    """The README of a bundle: what it is, its ports, and how each runtime calls it."""
    functions, data = info["functions"], info["data"]
    function = max(functions, key=lambda name: (functions[name]["onnx"] is not None, name == "sample"))
    inputs = functions[function]["inputs"]
    about = f"{info['class']}: *{info['title']}*"
    about += f", {info['paper']} ({info['year']})." if info["paper"] else "."
    if data:
        origin, licence = data.get("origin", "origin unknown"), data.get("licence", "unknown")
        about += f"\n\nTrained on {data['name']}: {origin}. Licence of the data: {licence}."
    words = dict(
        name=info["preset"] or info["class"],
        picture="![samples](samples.png)\n\n" if "samples.png" in info["files"] else "",
        about=about,
        rows="\n".join(_row(name, entry) for name, entry in functions.items()),
        command="kerasgen sample . -n 16 --seed 7 -o samples.png\n" if function == "sample" else "",
        function=function,
        output=functions[function]["output"]["name"],
        arguments=", ".join(f"{p['name']}={_python(p)}" for p in inputs if p["default"] is None),
        feeds=", ".join(f'"{p["name"]}": {_python(p, "np.asarray")}' for p in inputs),
        tensors=", ".join(f"{p['name']}=tf.constant({_python(p)})" for p in inputs),
        script="\n".join(f"  {p['name']}: {_javascript(p)}," for p in inputs),
        versions=", ".join(f"{name} {version}" for name, version in info["versions"].items()),
        licence=info["licence"],
    )
    return CARD.format(**words, onnx=ONNX.format(**words) if functions[function]["onnx"] else "")


def _row(name, entry):
    """A function's row of the card's table."""

    def cell(port):
        shape = f" ({', '.join(map(str, port['shape']))})" if port["shape"] else ""
        return f"`{port['name']}` {port['dtype']}{shape}"

    saved, flips = f"{entry['parity']['saved_model']:.1e}", entry["parity"]["flips"]
    ties = f", {flips} ties fell otherwise" if flips else ""
    onnx = f"{entry['parity']['onnx']:.1e}{ties}" if entry["onnx"] else f"no: {entry['reason']}"
    return (
        f"| `{name}` | {', '.join(map(cell, entry['inputs']))} | {cell(entry['output'])} | {saved} | {onnx} |"
    )


def _snippet(port):
    """The value that the card gives to a port, and its shape: 16 rows of the default, or of zeros."""
    value = {"count": 16, "seed": 7}.get(port["name"], port["default"] or 0)
    value = float(value) if port["dtype"] == "float32" else value
    return value, [16 if size == BATCH else size for size in port["shape"]]


def _python(port, scalar=""):
    """A port's value as Python; a scalar as a plain number, or as an array made by `scalar`."""
    value, shape = _snippet(port)
    if shape:
        return f"np.full({tuple(shape)}, {value}, np.{port['dtype']})"
    return f"{scalar}({value}, np.{port['dtype']})" if scalar else str(value)


def _javascript(port):
    value, shape = _snippet(port)
    array = {"float32": "Float32Array", "int32": "Int32Array"}[port["dtype"]]
    return f'new ort.Tensor("{port["dtype"]}", new {array}({math.prod(shape)}).fill({value}), {shape})'


# --- small things -----------------------------------------------------------------------------------------------------


class _Clock:
    """Says what comes next and adds up the seconds of each step."""

    def __init__(self, progress):
        self.progress, self.steps = progress or (lambda line: None), []

    def __call__(self, step):
        self.steps.append((step, time.perf_counter()))
        self.progress(step)

    def seconds(self):
        ends = [start for _, start in self.steps[1:]] + [time.perf_counter()]
        return {step: round(end - start, 2) for (step, start), end in zip(self.steps, ends, strict=True)}


def _line(error):
    """An error as one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
