"""A tf2onnx rewriter that traces the definitions and puts the traced nodes in the place of the operations."""

from __future__ import annotations

import inspect

import tensorflow as tf

from kerasgen.exporting.lowering.registry import LOWERINGS


def lower(graph, nodes):
    """Replace every node that has a lowering; for `tf2onnx.convert.from_function(custom_rewriter=[lower])`.

    Args:
        graph: a graph of tf2onnx whose nodes are still TensorFlow's.
        nodes: its nodes.

    Returns:
        The nodes of the rewritten graph.
    """
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        definition, types = LOWERINGS.get(node.type, (None, None))
        if definition and (types is None or _type(graph, node.input[-1]) in types):
            waiting += _replace(graph, node, definition)
        elif node.type in ("Select", "SelectV2"):
            node.set_attr("handles_nan", True)  # the converter's own mark for the true ONNX `Where`
    return graph.get_nodes()


def _replace(graph, node, definition):
    """Trace the definition for the node's inputs, wire the traced nodes in, and return them."""
    from tf2onnx import tf_utils, utils

    keywords = inspect.signature(definition).parameters.values()
    keywords = {k.name: node.get_attr_value(k.name) for k in keywords if k.kind is k.KEYWORD_ONLY}
    constants = {
        name: source.get_tensor_value(as_list=False)
        for name, source in zip(node.input, node.inputs, strict=True)
        if source is not None and source.is_const()
    }
    outside = [name for name in dict.fromkeys(node.input) if name not in constants]

    @tf.function(input_signature=[_spec(graph, name) for name in outside], autograph=False)
    def trace(*tensors):
        values = dict(zip(outside, tensors, strict=True))
        values |= {name: tf.constant(value, _type(graph, name)) for name, value in constants.items()}
        return definition(*(values[name] for name in node.input), **keywords)

    # The converter works inside a TF1 graph, where `==` of tensors would compare identities.
    with tf.__internal__.eager_context.eager_mode():
        traced = trace.get_concrete_function()
    if not traced.outputs:
        return []
    new_nodes, _, _, shapes, types, _ = tf_utils.tensorflow_to_onnx(traced.graph, {})
    prefix = utils.make_name(node.type)
    names = {tensor.name: name for tensor, name in zip(traced.inputs, outside, strict=True)}
    names[traced.outputs[0].name] = node.output[0]  # an Identity of its own: tf.function adds it
    shapes[traced.outputs[0].name] = graph.get_shape(node.output[0])
    graph.remove_node(node.name)

    def named(tensor):
        return names.get(tensor, f"{prefix}/{tensor}")

    return [
        graph.make_node(
            new.op_type,
            [named(name) for name in new.input],
            attr={attribute.name: attribute for attribute in new.attribute},
            outputs=[named(name) for name in new.output],
            name=f"{prefix}/{new.name}",
            shapes=[shapes[name] for name in new.output],
            dtypes=[types[name] for name in new.output],
            skip_conversion=False,
            infer_shape_dtype=False,
        )
        for new in new_nodes
        if new.op_type != "Placeholder"
    ]


def _spec(graph, name):
    shape = graph.get_shape(name)
    return tf.TensorSpec(None if shape is None else [None if n < 0 else n for n in shape], _type(graph, name))


def _type(graph, name):
    from tf2onnx import utils

    return tf.as_dtype(utils.map_onnx_to_numpy_type(graph.get_dtype(name)))
