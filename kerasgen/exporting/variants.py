"""Smaller forms of a bundle's ONNX files: half-precision weights, eight-bit weights, eight-bit arithmetic.

A variant has the ports of the full file and only standard operators, so that whatever runs the one runs the other. Each
is measured against the full file on the model's own inputs, and is written only where it pays: smaller by a stated
factor, and within a stated distance.
"""

from __future__ import annotations

import logging
import os
import pathlib
import tempfile
from typing import NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

from kerasgen.exporting.errors import ExportError, one_line
from kerasgen.exporting.fidelity import CALIBRATION, ROWS, Full, distances, measured, moved
from kerasgen.exporting.gate import gate
from kerasgen.exporting.subgraphs import graphs_in

WEIGHTED = {"Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"}  # their constants are weights; others may be schedules
RESHAPED = {"Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}  # may stand between
HALF = 256  # elements of a weight that is worth a Cast


class Variant(NamedTuple):
    """How it is made, and what it must keep to: times smaller, and largest and mean |a - b| / max(1, |a|)."""

    make: object
    smaller: float
    largest: float
    mean: float


# --- how they are made ------------------------------------------------------------------------------------------------


def _float16(proto, calibration):
    """Weights in half precision, each with a Cast before it; the arithmetic stays in float32.

    The converters that turn whole graphs into float16 break what surrounds the weights: the integers of the random
    generator no longer fit, and loops are left with two types. Runtimes cast a constant once, when they load the file.
    """
    graphs = list(graphs_in(proto.graph))
    weights = _weights(graphs)
    for graph in graphs:
        halves = {}
        for tensor in graph.initializer:
            large = tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= HALF
            if large and tensor.name in weights:
                half, name = numpy_helper.to_array(tensor).astype(np.float16), tensor.name
                if np.isfinite(half).all():
                    halves[name] = f"{name}_half"
                    tensor.CopyFrom(numpy_helper.from_array(half, halves[name]))
        casts = [
            onnx.helper.make_node("Cast", [half], [name], name=f"Cast_{half}", to=onnx.TensorProto.FLOAT)
            for name, half in halves.items()
        ]
        nodes = list(graph.node)
        del graph.node[:]
        graph.node.extend([*casts, *nodes])
    return proto


def _weights(graphs):
    """Names of what is multiplied as a weight, also where it reaches the product reshaped or through a loop."""
    nodes = [node for graph in graphs for node in graph.node]
    leads = {node.output[0]: node.input[0] for node in nodes if node.op_type in RESHAPED}
    for node in nodes:
        if node.op_type == "Loop":
            (body,) = [attribute.g for attribute in node.attribute if attribute.name == "body"]
            leads |= {inner.name: outer for inner, outer in zip(body.input, node.input, strict=True)}
    found = {name for node in nodes if node.op_type in WEIGHTED for name in node.input}
    waiting = list(found)
    while waiting:
        name = leads.get(waiting.pop())
        if name and name not in found:
            found.add(name)
            waiting.append(name)
    return found


def _int8_dynamic(proto, calibration):
    """Weights in eight bits; what meets them is brought to eight bits by its own range in each call."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    return _quantized(
        quantize_dynamic,
        proto,
        weight_type=QuantType.QInt8,
        reduce_range=True,
        extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
    )


def _int8_static(proto, calibration):
    """Weights and what meets them in eight bits, by ranges that were seen on the model's own inputs."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        rest = iter(calibration)

        def get_next(self):
            return next(self.rest, None)

    return _quantized(
        quantize_static,
        proto,
        calibration_data_reader=Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        reduce_range=True,
    )


def _quantized(quantize, proto, **options):
    """What a quantiser of ONNX Runtime writes. Weights get seven bits (`reduce_range`): eight overflow on old CPUs."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # advice about preparing the model, through the root logger
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            quantize(proto, path, **options)
            return onnx.load(path)
    finally:
        logging.disable(disabled)


# A file that is mostly weights shrinks by 2 or by 4; one that shrinks by much less is mostly graph, and no variant of
# it pays. Half precision rounds a weight by 2**-12 of itself, which a dozen layers carry to a thousandth: more than a
# hundredth is not rounding. For eight bits, a hundredth of the range is 2.5 of a picture's 255 levels, which no one
# sees; a tenth at the worst element still leaves an edge an edge.
VARIANTS = {
    "float16": Variant(_float16, 1.5, 0.01, 0.001),
    "int8_dynamic": Variant(_int8_dynamic, 2.0, 0.1, 0.01),
    "int8_static": Variant(_int8_static, 2.0, 0.1, 0.01),
}


# --- writing ----------------------------------------------------------------------------------------------------------


def check_names(names):
    """The names as a tuple without repeats.

    Raises:
        ValueError: an unknown one.
    """
    for name in names:
        if name not in VARIANTS:
            raise ValueError(f"variants: expected some of {', '.join(VARIANTS)}, got {name!r}")
    return tuple(dict.fromkeys(names))


def add(bundle, names, progress) -> dict:
    """Make, measure and write the variants of every ONNX file of a bundle that is being written.

    Args:
        bundle: the `Bundle`; its `info` is completed.
        names: of `VARIANTS`.
        progress: function called with a line of text before each step.

    Returns:
        function -> variant -> what `bundle.json` says of it, or why it was not written.
    """
    full, report = Full(bundle), dict[str, dict]()
    for function in bundle.serves:
        entry = bundle.info["functions"][function]
        entry["measured"] = measured(bundle.read(entry["onnx"]), full, function)
        entry["variants"], report[function] = {}, {}
        for name in names:
            progress(f"{name} of {function}")
            path = entry["onnx"].replace(".onnx", f".{name}.onnx")
            try:
                small, fidelity = _make(full, function, name)
            except ExportError as error:
                report[function][name] = str(error).removeprefix(f"{function}: ")
                continue
            pathlib.Path(bundle.directory, path).write_bytes(small)
            cost = measured(small, full, function)
            entry["variants"][name] = {"onnx": path, "fidelity": fidelity, "measured": cost}
            report[function][name] = {"fidelity": fidelity, **cost}
    return report


def verify(bundle) -> dict:
    """Measure the variants of a bundle again.

    Returns:
        function -> variant -> largest and mean difference from the full file.

    Raises:
        ExportError: a file that not every runtime could load; a `ProofError` where it misses its fidelity.
    """
    full, report = Full(bundle), dict[str, dict]()
    for function in bundle.serves:
        for name, entry in bundle.info["functions"][function].get("variants", {}).items():
            content = bundle.read(entry["onnx"], function)
            opset = bundle.info["versions"]["opset"]
            gate(onnx.load_from_string(content), function, bundle.ports[function], opset)
            report.setdefault(function, {})[name] = distances(content, full, function, name, VARIANTS[name])
    return report


def _make(full, function, name):
    """(the file, its fidelity); the error says why there is none."""
    bundle = full.bundle
    if bundle.info["functions"][function].get("weights"):
        raise ExportError(f"{function}: {name} is not made of a function whose weights lie in a second file")
    content, opset = bundle.read(bundle.onnx[function]), bundle.info["versions"]["opset"]
    whole = onnx.load_from_string(content)
    calibration = [full.inputs(function, seed, ROWS) for seed in CALIBRATION] if name == "int8_static" else []
    try:
        proto = VARIANTS[name].make(onnx.load_from_string(content), calibration)
    except Exception as error:
        raise ExportError(f"{function}: {name} cannot be made: {one_line(error)}") from error
    del proto.opset_import[:], proto.graph.value_info[:], proto.metadata_props[:]
    proto.opset_import.add(domain="", version=opset)
    proto.metadata_props.extend(whole.metadata_props)
    proto.producer_name, proto.producer_version = whole.producer_name, whole.producer_version
    gate(proto, function, bundle.ports[function], opset)
    small = proto.SerializeToString()
    factor, wanted = len(content) / len(small), VARIANTS[name].smaller
    if factor < wanted:
        raise ExportError(f"{function}: {name} is {factor:.2f} times smaller, expected {wanted:g} or more")
    return small, distances(small, full, function, name, VARIANTS[name]) | moved(small, full, function, name)
