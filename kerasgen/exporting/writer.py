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
import os
import pathlib
import platform
import re
import time

import kerasgen
from kerasgen import catalog, files
from kerasgen.exporting import card
from kerasgen.exporting import variants as smaller
from kerasgen.exporting.proof import (  # noqa: F401  (for those who prove a bundle in other runtimes)
    TOLERANCE,
    ExportError,
    ProofError,
    cases,
    one_line,
    onnx_runtime,
    prove,
    remembered,
    saved_model,
)
from kerasgen.runtime import FORMAT, VERSION, Bundle, port_of

OPSET = 18  # what the converter writes; every runtime of today has it
MAX_NODES, MAX_BYTES = 100_000, 2**31 - 1
LICENCE = "Apache-2.0"
LIBRARIES = ("tensorflow", "keras", "tensorflow-probability", "numpy", "onnx", "tf2onnx", "onnxruntime")
FACTS = ("name", "licence", "origin", "class_names", "entropy", "descriptions")  # of the data, in a bundle
STREAMS = (
    "latent",
    "noise",
    "choice",
    "label",
    "dequantize",
    "time",
)  # of `kerasgen.core.random`, served ones


def export(
    model, directory, *, preset=None, data=None, overwrite=False, progress=None, opset=OPSET, variants=()
) -> dict:
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
        opset: version of ONNX's operators; above 18, `onnx` converts the files, and what it wrote is proved.
        variants: smaller forms to write beside the ONNX files where they pay: "float16", "int8_dynamic", "int8_static".

    Returns:
        A report: `functions` -> largest differences from Keras and flips, `seconds` per step, `bytes`; with variants,
        `variants` -> function -> variant -> what was measured, or in one line why it was not written.

    Raises:
        FileExistsError: the folder is there (and is not a bundle, or `overwrite` is false).
        ExportError: a function does not convert.
        ProofError: a runtime disagrees with Keras (an `ExportError`).

    Example:
        >>> report = export(model, "exports/bundles/dcgan_digits")      # doctest: +SKIP
        >>> report["functions"]["sample"]                               # doctest: +SKIP
        {'saved_model': 0.0, 'onnx': 1.2e-07, 'flips': 0}
    """
    from kerasgen.exporting import onnx_graph

    _refuse(directory, overwrite)
    check_opset(opset)
    variants, report = smaller.check_names(variants), {}
    clock = _Clock(progress)
    with files.atomic_folder(directory, overwrite=True) as folder:
        folder = pathlib.Path(folder)
        info = _describe(model, preset, data, opset)
        clock("tracing")
        graphs = {function: onnx_graph.trace(model, function) for function in model.serves}
        clock("writing the SavedModel")
        _write_saved_model(graphs, folder / "saved_model")
        (folder / "onnx").mkdir()
        for function, entry in info["functions"].items():
            if entry["onnx"]:
                clock(f"converting {function}")
                proto = convert(graphs[function], function, info)
                (folder / entry["onnx"]).write_bytes(proto.SerializeToString())
                del proto  # before the next one is made
        clock("comparing the runtimes")
        _write_info(folder, info)
        bundle = Bundle(folder)
        info = bundle.info
        for function, parity in _proved(bundle, reference := remembered(_keras(graphs))).items():
            info["functions"][function]["parity"] = parity
        if variants:
            report["variants"] = smaller.add(bundle, variants, clock)
        clock("writing the card")
        card.write_picture(info, reference, folder / "samples.png", data)
        _write_info(folder, info)
        (folder / "README.md").write_text(card.card(info), encoding="utf-8")
        _write_info(folder, info)
        size = sum(entry["bytes"] for entry in info["files"].values())
        parity = {function: entry["parity"] for function, entry in info["functions"].items()}
    report |= {"system": info["system"], "functions": parity}
    return {**report, "seconds": clock.seconds(), "bytes": size}


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


def _describe(model, preset, data, opset) -> dict:
    """`bundle.json` as far as it is known before anything is written."""
    from kerasgen.core import random

    name = type(model).__name__
    system = catalog.of(type(model))
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


def _write_info(folder, info):
    """Hash what is in the folder and write `bundle.json`."""
    info["files"] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "bundle.json"):
        content = path.read_bytes()
        entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        info["files"][path.relative_to(folder).as_posix()] = entry
    (folder / "bundle.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")


def _write_saved_model(graphs, path):
    """One endpoint per function. Keras' ExportArchive would trace every function again and save what no one calls."""
    import tensorflow as tf

    concrete = {function: graph.call.get_concrete_function() for function, graph in graphs.items()}
    module = tf.Module()
    module.state = list({id(v): v for graph in concrete.values() for v in graph.variables}.values())
    hidden = [v.name for v in module.state if not v.name[0].isalnum()]
    if hidden:
        raise ExportError(f"{hidden[0]}: a SavedModel needs names that begin with a letter; rename the layer's class")
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # it is not trained further
    first = next(iter(concrete.values()))
    tf.saved_model.save(module, str(path), {**concrete, "serving_default": first}, options)


def convert(graph, function, info):
    """One traced function as an ONNX model that has passed the gate.

    Args:
        graph: an `onnx_graph.Traced`.
        function: its name.
        info: `bundle.json`.

    Raises:
        ExportError: it does not convert.
    """
    from kerasgen.exporting import onnx_graph

    entry = info["functions"][function]
    inputs, output = [port_of(p) for p in entry["inputs"]], port_of(entry["output"])
    log = logging.getLogger("tf2onnx")  # it reports what it cannot do there and goes on; the gate reports it to us
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        proto = onnx_graph.to_onnx(graph, OPSET)
        onnx_graph.put_in(proto, graph.weights)
    except Exception as error:
        raise ExportError(f"{function}: does not convert to ONNX: {one_line(error)}") from error
    finally:
        log.setLevel(level)
    opset = info["versions"]["opset"]
    if opset != OPSET:
        gate(proto, function, (inputs, output))
        proto = _raise_opset(proto, function, opset)
    gate(proto, function, (inputs, output), opset)
    for value, port in zip((*proto.graph.input, *proto.graph.output), (*inputs, output), strict=True):
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for size in port.shape:
            shape.dim.add(**({"dim_param": size} if isinstance(size, str) else {"dim_value": size}))
    _shorten(proto)
    del proto.opset_import[:]
    proto.opset_import.add(domain="", version=opset)
    proto.graph.name, proto.graph.doc_string = f"{info['system']}.{function}", ""
    proto.producer_name, proto.producer_version, proto.doc_string = "kerasgen", kerasgen.__version__, ""
    ports = {"inputs": entry["inputs"], "output": entry["output"]}
    for key, value in {"system": info["system"], "function": function, "ports": json.dumps(ports)}.items():
        proto.metadata_props.add(key=key, value=value)
    return proto


def _proved(bundle, reference):
    """The proof of a new bundle, with one form of the weights in memory at a time beside the model's own.

    ONNX Runtime goes first: it gives its memory back, and TensorFlow keeps what it once had.
    """
    info, opened = bundle.info, {"onnx": remembered(onnx_runtime(bundle))}
    for function in bundle.functions:
        for inputs in cases(info["functions"][function], info):
            opened["onnx"](function, inputs)
    bundle.close()
    proof = prove(info, reference, opened)
    for function, parity in prove(info, reference, {"saved_model": saved_model(bundle)}).items():
        flips = proof[function]["flips"] + parity["flips"]
        proof[function] = {**parity, **proof[function], "flips": flips}
    return proof


def _keras(graphs):
    def run(function, inputs):
        import tensorflow as tf

        (output,) = graphs[function].call(*(tf.constant(value) for value in inputs.values())).values()
        return output.numpy()

    return run


def check_opset(opset):
    """Refuse versions that the converter, `onnx` or ONNX Runtime does not have."""
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if type(opset) is not int or not OPSET <= opset <= newest:
        raise ValueError(f"opset: expected a whole number from {OPSET} to {newest}, got {opset!r}")


def _raise_opset(proto, function, opset):
    """The model in a newer version of the operators."""
    import onnx
    from onnx import version_converter

    try:
        proto = version_converter.convert_version(proto, opset)
    except Exception as error:
        raise ExportError(f"{function}: does not convert to opset {opset}: {one_line(error)}") from error
    # Each version of the operators asks for a version of the file format, which the converter leaves as it was.
    proto.ir_version = max(proto.ir_version, onnx.helper.OP_SET_ID_VERSION_MAP[("ai.onnx", opset)])
    return proto


# --- the gate ---------------------------------------------------------------------------------------------------------


def gate(proto, function, ports, opset=OPSET):
    """Refuse an ONNX model that not every runtime could load, or that asks for more than its ports.

    The converter does not raise where an operator has no ONNX form: it writes a model that no runtime loads.

    Args:
        proto: `onnx.ModelProto`.
        function: its name, for the error line.
        ports: (inputs, output).
        opset: version of the standard operators that it uses.

    Raises:
        ExportError: see above.
    """
    import onnx

    from kerasgen.exporting.onnx_graph import graphs_in

    inputs, output = ports
    got, want = [i.name for i in proto.graph.input], [port.name for port in inputs]
    if got != want:
        extra = [name for name in got if name not in want]
        hint = "; make constants inside the function" if extra else ""
        raise ExportError(f"{function}: expected the ONNX inputs {', '.join(want)}, got {', '.join(got)}{hint}")
    if [o.name for o in proto.graph.output] != [output.name]:
        raise ExportError(
            f"{function}: expected the ONNX output {output.name}, got {[o.name for o in proto.graph.output]}"
        )
    count, foreign = 0, set()
    for graph in graphs_in(proto.graph):
        count += len(graph.node)
        for node in graph.node:
            if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, opset, ""):
                foreign.add(f"{node.domain}.{node.op_type}".lstrip("."))
        for tensor in (*graph.initializer, *(a.t for node in graph.node for a in node.attribute)):
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise ExportError(f"{function}: expected one ONNX file, got a tensor stored outside it")
    if foreign or len(proto.functions):
        names = ", ".join(sorted(foreign)) or "local functions"
        raise ExportError(f"{function}: expected standard ONNX operators, got {names}")
    if count > MAX_NODES:
        raise ExportError(f"{function}: expected at most {MAX_NODES} ONNX nodes, got {count}; a loop was unrolled")
    if proto.ByteSize() > MAX_BYTES:
        raise ExportError(f"{function}: expected an ONNX file below 2 GiB, got {proto.ByteSize()} bytes")
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{function}: not a valid ONNX model: {one_line(error)}") from error


def _shorten(proto):
    """Short names for what is inside, and no stale shapes.

    Scopes in scopes make names of kilobytes, more than the weights of a small model; the shapes still have the
    converter's own names for the batch axis.
    """
    from kerasgen.exporting.onnx_graph import graphs_in

    names = {value.name: value.name for value in (*proto.graph.input, *proto.graph.output)} | {"": ""}

    def short(name):
        if name not in names:
            names[name] = f"{re.split('[/:]', name)[-2 if ':' in name else -1]}_{len(names)}"
        return names[name]

    for graph in graphs_in(proto.graph):
        del graph.value_info[:]
        for thing in (*graph.input, *graph.output, *graph.initializer):
            thing.name = short(thing.name)
        for i, node in enumerate(graph.node):
            node.name, node.doc_string = f"{node.op_type}_{i}", ""
            node.input[:], node.output[:] = map(short, node.input), map(short, node.output)


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
