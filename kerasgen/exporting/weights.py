"""Weights of an ONNX graph that was converted without them.

What is computed from weights alone, such as a kernel in another layout, is computed here and never again, and a file is
written with each value in its place, so that no second copy of all weights is ever in memory.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from kerasgen.exporting.subgraphs import bodies, graphs_in


def put_in(proto, weights: dict):
    """Make constants of the inputs that stand for weights; see `folded`."""
    for name, value in folded(proto, weights).items():
        _drop_inputs(proto.graph, {name})
        value = value()
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        proto.graph.initializer.add(name=name, dims=value.shape, data_type=kind, raw_data=value.tobytes())


def folded(proto, weights: dict) -> dict:
    """Compute what depends on weights alone; what is used in the end is an input of the graph.

    Nodes inside loops are looked at too: what a loop hands on unchanged is taken from outside, so that a kernel is
    brought into its layout once and not in every step.

    Args:
        proto: `onnx.ModelProto`, changed in place.
        weights: name of an input -> the variable.

    Returns: name of an input -> a function that gives its value.
    """
    graph = proto.graph
    for inner in graphs_in(graph):
        _take_from_outside(inner)
    used = [value.name for value in graph.input if value.name in weights]
    _drop_inputs(graph, used)
    known = {name: weights[name].numpy for name in used}
    _fold(graph, known, {}, {}, helper.make_opsetid("", proto.opset_import[0].version))
    wanted = {name for inner in graphs_in(graph) for node in inner.node for name in node.input}
    wanted |= {value.name for inner in graphs_in(graph) for value in inner.output}
    known = {name: value for name, value in known.items() if name in wanted}
    for name, value in known.items():
        like = value()
        kind = helper.np_dtype_to_tensor_dtype(like.dtype)
        graph.input.append(helper.make_tensor_value_info(name, kind, like.shape))
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
        known: name -> a function that gives the weight, or what was computed from weights; grows.
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
        feeds = {n: np.asarray(known[n]()) if n in known else numpy_helper.to_array(constants[n]) for n in inputs}
        results = _compute(node, feeds, opset)
        if sum(result.nbytes for result in results) > 2 * sum(value.nbytes for value in feeds.values()):
            kept.append(node)  # a weight repeated for every row is cheaper to repeat than to store
            continue
        for name, result in zip(node.output, results, strict=True):
            known[name] = lambda result=result: result
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


def _compute(node, feeds, opset):
    """The results of one node."""
    from onnx.reference import ReferenceEvaluator

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
        values: name of an input -> a function that gives its value.
        path: of the file.
    """
    _drop_inputs(proto.graph, values)
    heads = {}
    for name, value in values.items():
        like = value()
        kind = helper.np_dtype_to_tensor_dtype(like.dtype)
        head = onnx.TensorProto(name=name, dims=like.shape, data_type=kind).SerializeToString()
        heads[name] = head + _key(_RAW_DATA, like.nbytes), like.nbytes
    tensors = {name: _key(_INITIALIZER, len(head) + size) + head for name, (head, size) in heads.items()}
    graph = proto.graph.SerializeToString()
    proto.ClearField("graph")
    size = len(graph) + sum(len(tensors[name]) + heads[name][1] for name in values)
    with open(path, "wb") as file:
        file.write(_key(_GRAPH, size) + graph)
        for name, value in values.items():
            file.write(tensors[name])
            file.write(np.ascontiguousarray(value()).data)
        file.write(proto.SerializeToString())


def _key(field, size) -> bytes:
    """What stands before a field of so many bytes."""
    coded = [field << 3 | 2]
    while size > 127:
        coded.append(size & 127 | 128)
        size >>= 7
    return bytes([*coded, size])
