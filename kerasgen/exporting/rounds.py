"""Loops that end early, so that a function of many rounds can be proved in seconds.

A round of a loop is the same network every time: what two and three rounds give is what a proof can see of a thousand.
The same change is made to all that is compared: the trace of Keras, the SavedModel and the ONNX files end their loops
after so many rounds. Loops that collect a value from every round, such as those that choose element after element from
what they remember, are left as they are: without all of their values they have no result, and a round of theirs is
cheap.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import os
import pathlib
import tempfile
from unittest import mock

import onnx
import tensorflow as tf
from onnx import helper
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from kerasgen.exporting.info import write_info
from kerasgen.exporting.subgraphs import graphs_in
from kerasgen.runtime import Bundle

PROGRAM = "saved_model/saved_model.pb"
ROUNDS = (2, 3)  # of the two cases of a proof
MANY = 2**22  # weights of a model whose loops are not run whole


def rounds_of(model, graph):
    """After how many rounds the loops of a traced function end in its two cases, or None where they run whole."""
    if sum(math.prod(v.shape) for v in model.variables) <= MANY:
        return None
    definition = graph.apart.graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return list(ROUNDS) if any(map(_is_plain, nodes)) else None


@contextlib.contextmanager
def traced(rounds):
    """Loops that are traced meanwhile end after so many rounds."""
    whole = tf.while_loop

    def while_loop(cond, body, loop_vars, *args, maximum_iterations=None, **kwargs):
        if not any(isinstance(value, tf.TensorArray) for value in tf.nest.flatten(loop_vars)):
            maximum_iterations = rounds if maximum_iterations is None else tf.minimum(maximum_iterations, rounds)
        return whole(cond, body, loop_vars, *args, maximum_iterations=maximum_iterations, **kwargs)

    with mock.patch.object(tf, "while_loop", while_loop):
        yield


@contextlib.contextmanager
def forms(bundle):
    """Yields a function: rounds -> the bundle whose loops end after so many; None -> the bundle itself.

    The others hold the functions that are not proved whole, in temporary folders, each written when it is asked for.
    """
    with tempfile.TemporaryDirectory() as folder:
        known = {None: bundle}

        def at(rounds):
            if rounds not in known:
                known[rounds] = _shortened(bundle, rounds, pathlib.Path(folder, str(rounds)))
            return known[rounds]

        yield at
        for each in known.values():
            each.close()


def _shortened(bundle, rounds, folder) -> Bundle:
    """Write those functions of a bundle that are not proved whole with loops that end after so many rounds."""
    info = copy.deepcopy(bundle.info)
    info["functions"] = {name: entry for name, entry in info["functions"].items() if entry.get("rounds")}
    info["files"] = {}
    (folder / "onnx").mkdir(parents=True)
    for name, entry in info["functions"].items():
        entry.pop("variants", None)
        if entry["onnx"]:
            proto = onnx.load_from_string(bundle.read(entry["onnx"], name))
            _end_onnx(proto.graph, rounds)
            if weights := entry.get("weights"):
                os.symlink(pathlib.Path(bundle.directory, weights), folder / weights)
                info["files"][weights] = bundle.info["files"][weights]
            (folder / entry["onnx"]).write_bytes(proto.SerializeToString())
    if PROGRAM in bundle.info["files"]:
        saved = saved_model_pb2.SavedModel.FromString(bundle.read(PROGRAM))
        for meta in saved.meta_graphs:
            _end_functions(meta.graph_def.library.function, rounds)
        (folder / PROGRAM).parent.mkdir()
        (folder / PROGRAM).write_bytes(saved.SerializeToString())
        os.symlink(pathlib.Path(bundle.directory, PROGRAM).with_name("variables"), folder / "saved_model" / "variables")
    write_info(folder, info)
    return Bundle(folder)


def _is_plain(node):
    """Whether a node of TensorFlow is a loop that collects nothing."""
    return node.op in ("While", "StatelessWhile") and types_pb2.DT_VARIANT not in node.attr["T"].list.type


def _end_functions(functions, rounds):
    """Let TensorFlow's loops end early: the first of what they carry counts their rounds."""
    conditions = {node.attr["cond"].func.name for f in functions for node in f.node_def if _is_plain(node)}
    for function in functions:
        if function.signature.name not in conditions:
            continue
        (result,) = function.signature.output_arg
        limit = function.node_def.add(name="rounds", op="Const")
        counter = function.signature.input_arg[0]
        limit.attr["dtype"].type = counter.type
        limit.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(rounds, counter.type))
        early = function.node_def.add(name="early", op="Less")
        early.input.extend([counter.name, "rounds:output:0"])
        early.attr["T"].type = counter.type
        both = function.node_def.add(name="goes_on", op="LogicalAnd")
        both.input.extend([function.ret[result.name], "early:z:0"])
        function.ret[result.name] = "goes_on:z:0"


def _end_onnx(graph, rounds):
    """Let the loops of a graph and of those in it end early, but for those that collect values."""
    graph.initializer.append(helper.make_tensor("rounds", onnx.TensorProto.INT64, [], [rounds]))
    names = (f"least_{i}" for i in itertools.count())
    for inner in reversed(list(graphs_in(graph))):  # from the inside, since nodes are copied with what is inside them
        nodes = []
        for node in map(copy.deepcopy, inner.node):
            if node.op_type == "Loop" and len(node.output) == len(node.input) - 2:
                limit = "rounds"
                if node.input[0]:
                    limit = next(names)
                    nodes.append(helper.make_node("Min", [node.input[0], "rounds"], [limit]))
                node.input[0] = limit
            nodes.append(node)
        del inner.node[:]
        inner.node.extend(nodes)
