"""Weights of an ONNX graph that was converted without them.

What is computed from weights alone, such as a kernel in another layout, is computed here and never again, and a file is
written with each value in its place, so that no second copy of all weights is ever in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from kerasgen.exporting.subgraphs import bodies, graphs_in

HELD = 2**20  # bytes of a computed value that is held in memory; a larger one is computed again where it is needed


class Value(NamedTuple):
    """A value that is made when it is needed: its type, its shape, and a function that gives it."""

    dtype: np.dtype
    shape: tuple
    make: Callable

    @classmethod
    def of(cls, value, make):
        return cls(value.dtype, value.shape, (lambda: value) if value.nbytes <= HELD else make)

    @classmethod
    def at(cls, variable):
        return cls(np.dtype(variable.dtype), tuple(variable.shape), variable.numpy)

    @property
    def kind(self):
        """Its type, as ONNX numbers them."""
        return helper.np_dtype_to_tensor_dtype(self.dtype)

    @property
    def nbytes(self):
        return math.prod(self.shape) * self.dtype.itemsize


def put_in(proto, weights: dict):
    """Make constants of the inputs that stand for weights; see `folded`."""
    values = folded(proto, weights)
    _drop_inputs(proto.graph, values)
    for name, value in values.items():
        content = value.make().tobytes()
        proto.graph.initializer.add(name=name, dims=value.shape, data_type=value.kind, raw_data=content)


def folded(proto, weights: dict) -> dict:
    """Compute what depends on weights alone; what is used in the end is an input of the graph.

    Nodes inside loops are looked at too: what a loop hands on unchanged is taken from outside, so that a kernel is
    brought into its layout once and not in every step.

    Args:
        proto: `onnx.ModelProto`, changed in place.
        weights: name of an input -> the variable.

    Returns: name of an input -> its `Value`.
    """
    graph = proto.graph
    for inner in graphs_in(graph):
        _take_from_outside(inner)
    used = [value.name for value in graph.input if value.name in weights]
    _drop_inputs(graph, used)
    known = {name: Value.at(weights[name]) for name in used}
    _fold(graph, known, {}, {}, helper.make_opsetid("", proto.opset_import[0].version))
    wanted = {name for inner in graphs_in(graph) for node in inner.node for name in node.input}
    wanted |= {value.name for inner in graphs_in(graph) for value in inner.output}
    known = {name: value for name, value in known.items() if name in wanted}
    for name, value in known.items():
        graph.input.append(helper.make_tensor_value_info(name, value.kind, value.shape))
    return known


def _drop_inputs(graph, names):
    for value in [value for value in graph.input if value.name in names]:
        graph.input.remove(value)


def _take_from_outside(graph):
    """Drop the values that a loop of this graph hands on as they came; its body reads those from around the loop."""
    for node in graph.node:
        if node.op_type != "Loop":
            continue
        (body,) = bodies(node)
        passes = {inner.output[0]: inner.input[0] for inner in body.node if inner.op_type == "Identity"}
        renamed = {}
        for i in reversed(range(len(node.input) - 2)):
            inside, source = body.input[2 + i].name, body.output[1 + i].name
            while source in passes:
                source = passes[source]
            if source != inside:
                continue
            renamed[inside] = node.input[2 + i]
            renamed[node.output[i]] = node.input[2 + i]
            del node.input[2 + i], node.output[i], body.input[2 + i], body.output[1 + i]
        _rename(graph, renamed)


def _rename(graph, names):
    """Let a graph and those in it read other values; `names` may lead to names that lead on."""

    def last(name):
        while name in names:
            name = names[name]
        return name

    if not names:
        return
    for inner in graphs_in(graph):
        for node in inner.node:
            node.input[:] = map(last, node.input)
        for value in inner.output if inner is not graph else ():
            if value.name in names:  # what a body gives must be made inside it
                inner.node.append(helper.make_node("Identity", [last(value.name)], [value.name]))


def _fold(graph, known, outside, done, opset):
    """Take out the nodes of a graph, and of those in it, that read constants alone and a weight among them.

    Args:
        known: name -> the `Value` of a weight, or of what was computed from weights; grows.
        outside: name -> the other constants that the graph sees.
        done: what a node computes -> the name of its result, so that equal nodes are computed once; grows.
        opset: version of the operators.
    """
    values = {tensor.name: tensor for tensor in graph.initializer}
    values |= {
        n.output[0]: a.t for n in graph.node for a in n.attribute if n.op_type == "Constant" and a.name == "value"
    }
    constants, given = {**outside, **values}, {value.name for value in graph.output}
    kept, same = [], {}
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        inputs, inner = [name for name in node.input if name], list(bodies(node))
        for body in inner:
            _fold(body, known, constants, done, opset)
        fixed = all(name in known or name in constants for name in inputs) and not given & set(node.output)
        if inner or not fixed or not any(name in known for name in inputs):
            kept.append(node)
            continue
        key = _meaning(node, constants)
        if key in done:
            same[node.output[0]] = done[key]
            continue
        sources = {name: known.get(name) or constants[name] for name in inputs}
        results = _compute(node, sources, opset)
        before = sum(value.nbytes if name in known else len(value.raw_data) for name, value in sources.items())
        if sum(result.nbytes for result in results) > 2 * before:
            kept.append(node)  # a weight repeated for every row is cheaper to repeat than to store
            continue
        for i, (name, result) in enumerate(zip(node.output, results, strict=True)):
            again = lambda i=i, node=node, sources=sources: _compute(node, sources, opset)[i]
            known[name] = Value.of(result, again)
        done[key] = node.output[0]
    if len(kept) < len(graph.node):
        del graph.node[:]
        graph.node.extend(kept)
        _rename(graph, same)


def _meaning(node, constants):
    """What a node computes: its operator, its attributes, and its inputs, constants by their values."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = ""
    copy.input[:] = ["" if name in constants else name for name in node.input]
    del copy.output[:]
    values = [constants[n].raw_data or constants[n].SerializeToString() for n in node.input if n in constants]
    return copy.SerializeToString(), *values


def _compute(node, sources, opset):
    """The results of one node of values and of constants."""
    from onnx.reference import ReferenceEvaluator

    feeds = {n: np.asarray(v.make()) if isinstance(v, Value) else numpy_helper.to_array(v) for n, v in sources.items()}
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in feeds.items()}
    inputs = [helper.make_tensor_value_info(name, kind, feeds[name].shape) for name, kind in kinds.items()]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "node", inputs, outputs)
    return ReferenceEvaluator(helper.make_model(graph, opset_imports=[opset])).run(None, feeds)


# --- the file ---------------------------------------------------------------------------------------------------------

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # numbers of fields in ONNX's protocol buffers


def write(proto, values: dict, path):
    """Write a model as a file, with the values of some of its inputs as constants.

    The same bytes could be had from a model that holds its constants, but that is copied whole three times on its way.

    Args:
        proto: `onnx.ModelProto`; it loses its graph.
        values: name of an input -> its `Value`.
        path: of the file.
    """
    _drop_inputs(proto.graph, values)
    heads = {}
    for name, value in values.items():
        head = onnx.TensorProto(name=name, dims=value.shape, data_type=value.kind).SerializeToString()
        head += _key(_RAW_DATA, value.nbytes)
        heads[name] = _key(_INITIALIZER, len(head) + value.nbytes) + head
    graph = proto.graph.SerializeToString()
    proto.ClearField("graph")
    size = len(graph) + sum(len(heads[name]) + value.nbytes for name, value in values.items())
    with open(path, "wb") as file:
        file.write(_key(_GRAPH, size) + graph)
        for name, value in values.items():
            file.write(heads[name])
            file.write(np.ascontiguousarray(value.make()).data)
        file.write(proto.SerializeToString())


def write_apart(proto, values: dict, path, apart):
    """Write a model whose values lie in a second file beside it: one protocol buffer holds at most 2 GiB.

    Args:
        proto, values, path: as `write` has them.
        apart: path of the second file.
    """
    _drop_inputs(proto.graph, values)
    with open(apart, "wb") as file:
        for name, value in values.items():
            tensor = proto.graph.initializer.add(name=name, dims=value.shape, data_type=value.kind)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            where = {"location": apart.name, "offset": file.tell(), "length": value.nbytes}
            for key, each in where.items():
                tensor.external_data.add(key=key, value=str(each))
            file.write(np.ascontiguousarray(value.make()).data)
    path.write_bytes(proto.SerializeToString())


def take_apart(proto) -> set:
    """Make inputs of the constants that lie in a second file, as the gate takes them; returns their names."""
    tensors = [t for t in proto.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    for tensor in tensors:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        proto.graph.initializer.remove(tensor)
    return {tensor.name for tensor in tensors}


def _key(field, size) -> bytes:
    """What stands before a field of so many bytes."""
    coded = [field << 3 | 2]
    while size > 127:
        coded.append(size & 127 | 128)
        size >>= 7
    return bytes([*coded, size])
