"""Weights are kept apart while a function is converted, and what depends on them alone is computed once."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers, ops

from kerasgen.core.model import GenerativeModel
from kerasgen.exporting import onnx_graph, weights
from kerasgen.exporting.subgraphs import graphs_in

SIDE = 6


class Toy(GenerativeModel):
    """Applies a function of the test, which uses a convolution, a matrix and an embedding, to pictures."""

    serves = ("reconstruct",)
    image_shape = (SIDE, SIDE + 2, 3)

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.convolution = layers.Conv2D(3, 3, padding="same", name="convolution")
        self.convolution.build((None, *self.image_shape))
        self.matrix = self.add_weight(shape=(3, 3), initializer="orthogonal", name="matrix")
        rng = np.random.default_rng(0)
        for weight in self.weights:
            weight.assign(weight + 0.3 * rng.normal(size=weight.shape))

    def serve_reconstruct(self, x):
        return self.function(self, x)


def looped(model, x):
    """A kernel in a loop: it is handed on unchanged, and brought into its layout in every step."""
    return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.tanh(model.convolution(x))), (0, x))[1]


def twice(model, x):
    """Two loops, one in the other, and a use outside: one kernel."""

    def outer(i, x):
        return i + 1, 0.5 * looped(model, x) + 0.5 * model.convolution(x)

    return tf.while_loop(lambda i, x: i < 2, outer, (0, model.convolution(x)))[1]


def normalised(model, x):
    """A matrix divided by its largest singular value, in a branch."""
    vector = ops.ones((3, 1)) / 3**0.5
    for _ in range(3):
        vector = ops.matmul(model.matrix, ops.matmul(ops.transpose(model.matrix), vector))
        vector = vector / ops.norm(vector)
    matrix = model.matrix / ops.norm(ops.matmul(ops.transpose(model.matrix), vector))
    return tf.cond(tf.reduce_sum(x) > 1e6, lambda: x, lambda: ops.matmul(x, matrix))


def grown(model, x):
    """A value that a loop changes and that begins as a weight; a weight that a loop gives back."""
    _, x, matrix, same = tf.while_loop(
        lambda i, *rest: i < 3,
        lambda i, x, matrix, same: (i + 1, ops.matmul(x, matrix), 0.5 * matrix, same),
        (0, x, tf.convert_to_tensor(model.matrix), 2.0 * model.matrix),
    )
    return ops.matmul(x, matrix + same)


def spread(model, x):
    """A weight repeated for every row is not stored so often."""
    return x + ops.mean(ops.tile(ops.reshape(model.matrix, (1, 9)), (4096, 1)))


FUNCTIONS = {f.__name__: f for f in (looped, twice, normalised, grown, spread)}


def converted(function, monkeypatch, apart=2):
    monkeypatch.setattr(onnx_graph, "APART", apart)
    model = Toy(function)
    traced = onnx_graph.trace(model, "reconstruct")
    proto = onnx_graph.to_onnx(traced, 18)
    assert len(proto.graph.input) > 1 or apart > 100
    weights.put_in(proto, traced.weights)
    onnx.checker.check_model(proto, full_check=True)
    return model, traced, proto


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name, monkeypatch):
    import onnxruntime

    model, traced, proto = converted(FUNCTIONS[name], monkeypatch)
    assert [value.name for value in proto.graph.input] == ["x"]
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for rows in (3, 1):
        x = np.random.default_rng(rows).uniform(size=(rows, *model.image_shape)).astype("float32")
        expected = model.function(model, tf.constant(x)).numpy()
        assert np.abs(traced.call(tf.constant(x))["reconstruction"].numpy() - expected).max() < 1e-6
        assert np.abs(session.run(None, {"x": x})[0] - expected).max() < 1e-5


@pytest.mark.parametrize("name", ["looped", "twice"])
def test_a_kernel_is_stored_once_in_its_layout_and_no_loop_carries_it(name, monkeypatch):
    model, _, proto = converted(FUNCTIONS[name], monkeypatch)
    kernel = np.transpose(model.convolution.kernel.numpy(), (3, 2, 0, 1))
    stored = [onnx.numpy_helper.to_array(t) for graph in graphs_in(proto.graph) for t in graph.initializer]
    assert sum(array.size == kernel.size for array in stored) == 1
    assert any(array.shape == kernel.shape and np.array_equal(array, kernel) for array in stored)
    weights = {tensor.name for tensor in proto.graph.initializer if np.prod(tensor.dims) == kernel.size}
    nodes = [node for graph in graphs_in(proto.graph) for node in graph.node]
    assert {node.op_type for node in nodes if weights & set(node.input)} == {"Conv"}


def test_what_depends_on_weights_alone_is_computed(monkeypatch):
    _, _, proto = converted(normalised, monkeypatch)
    nodes = [node.op_type for graph in graphs_in(proto.graph) for node in graph.node]
    assert nodes.count("MatMul") == 1 and "Div" not in nodes


def test_what_would_grow_is_not_computed(monkeypatch):
    _, _, proto = converted(spread, monkeypatch)
    assert proto.ByteSize() < 20_000


def test_small_weights_are_constants(monkeypatch):
    """Nothing is apart, and the same graph comes out."""
    proto = converted(looped, monkeypatch, apart=10**6)[2]
    other = converted(looped, monkeypatch)[2]
    assert sorted(n.op_type for n in proto.graph.node) == sorted(n.op_type for n in other.graph.node)


def test_the_weights_of_a_trace_are_those_of_the_model(monkeypatch):
    """A traced function follows its model: nothing is frozen before a file is written."""
    monkeypatch.setattr(onnx_graph, "APART", 2)
    model = Toy(looped)
    traced, x = onnx_graph.trace(model, "reconstruct"), tf.ones((1, *model.image_shape))
    model.convolution.kernel.assign(keras.ops.zeros_like(model.convolution.kernel))
    assert np.allclose(traced.call(x)["reconstruction"], np.tanh(model.convolution.bias.numpy()), atol=1e-6)
