"""A traced function as an ONNX graph, converted while its large weights are apart.

A converter copies every constant a dozen times on its way, so that a network of 60 million weights takes gigabytes.
Here large weights are inputs of the trace. The graph is frozen, lowered and optimised without their values; then each
value is put in once (`put_in`), and what is computed from weights alone, such as a kernel in another layout, is
computed then and never again.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

APART = 2**14  # elements of a weight that is worth keeping apart
# Of tf2onnx's optimisers, those that find something here.
OPTIMIZERS = (
    "optimize_transpose", "fold_constants", "loop_optimizer", "merge_duplication", "reshape_optimizer",
    "remove_identity", "remove_back_to_back",
)  # fmt: skip


class Traced(NamedTuple):
    """A function of a model, traced once.

    Attributes:
        call: a `tf.function` of the ports, which returns `{output port: tensor}`; SavedModel and Keras run this.
        apart: the same trace as a concrete function of the ports and of the large weights.
        weights: name of an input of `apart` -> the variable that stands for it.
    """

    call: object
    apart: object
    weights: dict


def trace(model, function) -> Traced:
    """A function of a model as a graph of its ports and its large weights, from which all forms are written."""
    import keras

    run, specs = model.graph(function)
    large = [variable for variable in model.variables if np.prod(variable.shape) >= APART]
    names = [f"weight_{i}" for i in range(len(large))]
    inputs = [tf.TensorSpec(v.shape, v.dtype, name) for name, v in zip(names, large, strict=True)]

    @tf.function(input_signature=[*specs.values(), *inputs], autograph=False)
    def apart(*tensors):
        with keras.StatelessScope(zip(large, tensors[len(specs) :], strict=True)):
            return run(**dict(zip(specs, tensors, strict=False)))

    concrete = apart.get_concrete_function()

    @tf.function(input_signature=list(specs.values()), autograph=False)
    def call(*tensors):
        return concrete(*tensors, *map(tf.convert_to_tensor, large))

    call.get_concrete_function()
    return Traced(call, concrete, dict(zip(names, large, strict=True)))


def to_onnx(traced: Traced, opset: int):
    """Convert a traced function; the large weights that it uses are the last inputs of the graph.

    As `tf2onnx.convert.from_function`, except that tensors made outside the function become constants instead of
    inputs, that operations without an ONNX form are lowered, and that few optimisers run, without their bookkeeping.
    """
    from tf2onnx import convert, optimizer, tf_loader

    from kerasgen.exporting import lowering

    # Set at all, this spares a deep copy of the graph per optimiser.
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "")
    concrete = traced.apart
    inputs = [tensor for tensor in concrete.inputs if tensor.dtype != tf.resource]
    inputs = [t for t in inputs if t.op.name not in traced.weights or t.consumers()]
    captured = {inner.op.name: outer for outer, inner in concrete.graph.captures if outer.dtype != tf.resource}
    outputs = concrete.structured_outputs
    names = {tensor.name: tensor.op.name for tensor in inputs} | {t.name: name for name, t in outputs.items()}
    frozen = tf_loader.from_function(concrete, [t.name for t in inputs], [t.name for t in outputs.values()])
    for node in frozen.node:
        if node.name in captured:
            node.op = "Const"
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(captured[node.name].numpy()))
            for name in set(node.attr) - {"dtype", "value"}:
                del node.attr[name]
    inputs = [tensor.name for tensor in inputs if tensor.op.name not in captured]
    outputs = [tensor.name for tensor in outputs.values()]
    if captured:
        with tf.Graph().as_default():
            tf.import_graph_def(frozen, name="")
            frozen = tf_loader.tf_optimize(inputs, outputs, frozen)
    every = optimizer._get_optimizers()
    proto, _ = convert._convert_common(
        frozen,
        opset=opset,
        input_names=inputs,
        output_names=outputs,
        tensors_to_rename={name: names[name] for name in inputs + outputs},
        custom_rewriter=[lowering.lower],
        optimizers={name: _bare(every[name]) for name in OPTIMIZERS},
    )
    return proto


def _bare(optimizer):
    """An optimiser of tf2onnx that does not rewrite the whole graph's protocol buffers after every pass."""

    class Bare(optimizer):
        def optimize(self, graph, iteration):
            self.opt_iteration = iteration
            graph = self._optimize(graph)
            graph.delete_unused_nodes(graph.outputs)
            return graph

    return Bare


def graphs_in(graph):
    """A graph and those inside its Loop, If and Scan nodes."""
    yield graph
    for body in (body for node in graph.node for body in _bodies(node)):
        yield from graphs_in(body)


def _bodies(node):
    """The graphs inside a node."""
    for attribute in node.attribute:
        yield from (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs)


# --- weights ----------------------------------------------------------------------------------------------------------


def put_in(proto, weights: dict):
    """Make constants of the inputs that stand for weights, and compute what depends on constants alone.

    Nodes inside loops are looked at too: what a loop hands on unchanged is taken from outside, so that a kernel is
    brought into its layout once and not in every step.

    Args:
        proto: `onnx.ModelProto`, changed in place.
        weights: name of an input -> the variable.
    """
    graph = proto.graph
    for inner in graphs_in(graph):
        _take_from_outside(inner)
    used = [value for value in graph.input if value.name in weights]
    for value in used:
        graph.input.remove(value)
    known = {value.name: weights[value.name].numpy for value in used}
    _fold(graph, known, {}, {}, helper.make_opsetid("", proto.opset_import[0].version))
    wanted = {name for inner in graphs_in(graph) for node in inner.node for name in node.input}
    wanted |= {value.name for inner in graphs_in(graph) for value in inner.output}
    for name in [name for name in known if name in wanted]:
        value = np.ascontiguousarray(known.pop(name)())
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        graph.initializer.add(name=name, dims=value.shape, data_type=kind, raw_data=value.tobytes())


def _take_from_outside(graph):
    """Drop the values that a loop of this graph hands on as they came; its body reads those from around the loop."""
    for node in graph.node:
        if node.op_type != "Loop":
            continue
        (body,) = _bodies(node)
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
        inputs, bodies = [name for name in node.input if name], list(_bodies(node))
        for body in bodies:
            _fold(body, known, constants, done, opset)
        fixed = all(name in known or name in constants for name in inputs) and not given & set(node.output)
        if bodies or not fixed or not any(name in known for name in inputs):
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
