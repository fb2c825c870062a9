"""A traced function as an ONNX graph, converted while its large weights are apart.

A converter copies every constant a dozen times on its way, so that a network of 60 million weights takes gigabytes.
Here large weights are inputs of the trace. The graph is frozen, lowered and optimised without their values; then each
value is put in once, by `weights`.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

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
    apart: Any
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
