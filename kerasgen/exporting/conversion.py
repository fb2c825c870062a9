"""A traced function as an ONNX file whose inputs and output are its ports, and which has passed the gate."""

from __future__ import annotations

import json
import logging
import re

import onnx
from onnx import version_converter

import kerasgen
from kerasgen.exporting import onnx_graph, weights
from kerasgen.exporting.errors import ExportError, one_line
from kerasgen.exporting.gate import MAX_BYTES, gate
from kerasgen.exporting.subgraphs import graphs_in
from kerasgen.runtime import port_of

OPSET = 18  # what the converter writes; every runtime of today has it
LARGEST = MAX_BYTES  # a file with its weights


def write(graph, function, info, path):
    """Write one traced function as an ONNX file that has passed the gate; large weights go into a second one.

    Args:
        graph: an `onnx_graph.Traced`.
        function: its name.
        info: `bundle.json`; if there is a second file, the function's entry names it.
        path: of the file.

    Raises:
        ExportError: it does not convert.
    """
    entry = info["functions"][function]
    inputs, output = [port_of(p) for p in entry["inputs"]], port_of(entry["output"])
    log = logging.getLogger("tf2onnx")  # it reports what it cannot do there and goes on; the gate reports it to us
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        proto = onnx_graph.to_onnx(graph, OPSET)
        values = weights.folded(proto, graph.weights)
    except Exception as error:
        raise ExportError(f"{function}: does not convert to ONNX: {one_line(error)}") from error
    finally:
        log.setLevel(level)
    opset = info["versions"]["opset"]
    if opset != OPSET:
        gate(proto, function, (inputs, output), weights=values)
        proto = _raise_opset(proto, function, opset)
    gate(proto, function, (inputs, output), opset, values)
    sides = (*proto.graph.input[: len(inputs)], *proto.graph.output)
    for value, port in zip(sides, (*inputs, output), strict=True):
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for size in port.shape:
            shape.dim.add(**({"dim_param": size} if isinstance(size, str) else {"dim_value": size}))
    names = _shorten(proto)
    del proto.opset_import[:]
    proto.opset_import.add(domain="", version=opset)
    proto.graph.name, proto.graph.doc_string = f"{info['system']}.{function}", ""
    proto.producer_name, proto.producer_version, proto.doc_string = "kerasgen", kerasgen.__version__, ""
    ports = {"inputs": entry["inputs"], "output": entry["output"]}
    for key, value in {"system": info["system"], "function": function, "ports": json.dumps(ports)}.items():
        proto.metadata_props.add(key=key, value=value)
    values = {names[name]: value for name, value in values.items()}
    if proto.ByteSize() + sum(value.nbytes for value in values.values()) <= LARGEST:
        weights.write(proto, values, path)
    else:
        apart = path.with_suffix(".weights")
        weights.write_apart(proto, values, path, apart)
        entry["weights"] = f"onnx/{apart.name}"


def _raise_opset(proto, function, opset):
    """The model in a newer version of the operators."""
    try:
        proto = version_converter.convert_version(proto, opset)
    except Exception as error:
        raise ExportError(f"{function}: does not convert to opset {opset}: {one_line(error)}") from error
    # Each version of the operators asks for a version of the file format, which the converter leaves as it was.
    proto.ir_version = max(proto.ir_version, onnx.helper.OP_SET_ID_VERSION_MAP[("ai.onnx", opset)])
    return proto


def _shorten(proto):
    """Short names for what is inside, and no stale shapes; returns old name -> new name.

    Scopes in scopes make names of kilobytes, more than the weights of a small model; the shapes still have the
    converter's own names for the batch axis.
    """
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
    return names


def check_opset(opset):
    """Refuse versions that the converter, `onnx` or ONNX Runtime does not have."""
    newest = onnx.defs.onnx_opset_version()
    if type(opset) is not int or not OPSET <= opset <= newest:
        raise ValueError(f"opset: expected a whole number from {OPSET} to {newest}, got {opset!r}")
