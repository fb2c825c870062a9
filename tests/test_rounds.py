"""Loops that a proof does not run whole end after the same rounds in all that is compared, and say so."""

import importlib.resources
import json

import jsonschema
import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.core.model import GenerativeModel
from kerasgen.exporting import onnx_graph, rounds, runtimes
from kerasgen.exporting.errors import ProofError

WHOLE = 1000


class Counting(GenerativeModel):
    """`decode` adds 1 a thousand times, after a change of what is added to."""

    serves = ("decode", "encode")
    latent_dim = 3
    kinds = ("vector",)
    image_shape = (3,)

    def __init__(self, step=lambda x: x + 1.0, **kwargs):
        super().__init__(**kwargs)
        self.step = step
        self.scale = self.add_weight(shape=(3,), initializer="ones", name="scale")

    def serve_decode(self, latent):
        return tf.while_loop(lambda i, _: i < WHOLE, lambda i, x: (i + 1, self.step(x)), (0, self.scale * latent))[1]

    def serve_encode(self, x):
        return 2.0 * self.scale * x


class Nested(Counting):
    """Thirty rounds of ten rounds, each with a loop that collects 0.5 five times."""

    def serve_decode(self, latent):
        def collected(x):
            done = tf.TensorArray(tf.float32, 5, element_shape=(None, 3))
            body = lambda i, done: (i + 1, done.write(i, 0.5 + 0.0 * x))
            return x + tf.reduce_sum(tf.while_loop(lambda i, _: i < 5, body, (0, done))[1].stack(), 0)

        def inner(x):
            return tf.while_loop(lambda j, _: j < 10, lambda j, x: (j + 1, collected(x)), (0, x))[1]

        return tf.while_loop(lambda i, _: i < 30, lambda i, x: (i + 1, inner(x)), (0, self.scale * latent))[1]


class Stepping(GenerativeModel):
    """Adds 1 so often as it is asked to; `steps` is a number in every runtime."""

    serves = ("sample",)
    kinds = ("vector",)
    image_shape = (3,)

    def serve_sample(self, seed, index, steps):
        start = tf.zeros((tf.size(index), 3)) + tf.cast(seed, tf.float32)
        return tf.while_loop(lambda i, _: i < steps, lambda i, x: (i + 1, x + 1.0), (0, start))[1]


def test_a_chain_whose_length_is_an_input(few, tmp_path):
    report = kerasgen.export(Stepping(), tmp_path / "b")
    assert report["functions"]["sample"] == {"saved_model": 0.0, "onnx": 0.0, "flips": 0}
    assert kerasgen.runtime.Bundle(tmp_path / "b").sample(2, seed=7, steps=4).tolist() == [[11.0] * 3] * 2


@pytest.fixture
def few(monkeypatch):
    """Models of any size are large."""
    monkeypatch.setattr(rounds, "MANY", 0)


@pytest.mark.parametrize(("make", "whole", "two"), [(Counting, 1000.0, 2.0), (Nested, 750.0, 10.0)])
def test_every_form_ends_after_the_same_rounds(make, whole, two, few, tmp_path):
    """In Nested, two rounds of two rounds, each of 2.5: what collects runs whole."""
    model, latent = make(), np.float32([[0.0, 1.0, 2.0]])
    report = kerasgen.export(model, tmp_path / "b")
    assert report["functions"]["decode"] == {"saved_model": 0.0, "onnx": 0.0, "flips": 0}
    bundle = kerasgen.runtime.Bundle(tmp_path / "b")
    np.testing.assert_array_equal(bundle.decode(latent), latent + whole)
    with rounds.traced(2):
        (x,) = onnx_graph.trace(model, "decode").call(latent).values()
    np.testing.assert_array_equal(x, latent + two)
    with rounds.forms(bundle) as at:
        assert at(None) is bundle and at(2) is at(2)
        assert at(2).serves == ("decode",), "what has no loops is proved as it is"
        np.testing.assert_array_equal(at(2).decode(latent), latent + two)
        np.testing.assert_array_equal(runtimes.saved_model(at(2))("decode", {"latent": latent}), latent + two)
        folder = at(2).directory
    with pytest.raises(ValueError, match="expected the folder of a bundle"):
        kerasgen.runtime.Bundle(folder)


def test_a_bundle_says_which_loops_were_not_run_whole(few, tmp_path, monkeypatch):
    kerasgen.export(Counting(), tmp_path / "early")
    info = json.loads((tmp_path / "early" / "bundle.json").read_text())
    schema = importlib.resources.files("kerasgen.exporting").joinpath("bundle.schema.json").read_text("utf-8")
    jsonschema.Draft202012Validator(json.loads(schema)).validate(info)
    assert info["functions"]["decode"]["rounds"] == [2, 3] and "rounds" not in info["functions"]["encode"]
    assert "after 2 and 3 rounds" in (tmp_path / "early" / "README.md").read_text()
    seen = []

    def watched(bundle):
        run = runtimes.onnx_runtime(bundle)
        return lambda function, inputs: seen.append((function, run(function, inputs).max())) or run(function, inputs)

    assert kerasgen.verify(tmp_path / "early", {"onnx": watched})["misses"] == []
    assert len(seen) == 4 and all(value < 10.0 for _, value in seen), "verify ran a thousand rounds"
    monkeypatch.setattr(rounds, "MANY", 10)
    kerasgen.export(Counting(), tmp_path / "whole")
    assert "rounds" not in (tmp_path / "whole" / "bundle.json").read_text()


def test_a_fault_inside_of_a_loop_is_seen_in_two_rounds(few, tmp_path):
    model = Counting(lambda x: x + tf.random.normal((3,)))
    with pytest.raises(ProofError, match="decode: (saved_model|onnx) differs by"):
        kerasgen.export(model, tmp_path / "b")
    assert not list(tmp_path.iterdir())
