"""Smaller files give what the full ones give, to a stated distance, or are not written."""

import importlib.resources
import json
import re
import shutil

import jsonschema
import numpy as np
import onnx
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.exporting import fidelity, variants
from kerasgen.exporting.errors import ProofError
from kerasgen.runtime import Bundle

EVERY = tuple(variants.VARIANTS)


class Toy(GenerativeModel):
    """Draws pictures through dense layers, the first of them in a loop."""

    serves = ("sample", "decode")
    latent_dim = 16
    image_shape = (8, 8, 1)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        rng = np.random.default_rng(0)
        for name, shape in {"first": (16, 16), "second": (16, 256), "third": (256, 64)}.items():
            value = rng.normal(size=shape) / np.sqrt(shape[0])
            setattr(self, name, self.add_weight(shape=shape, name=name))
            getattr(self, name).assign(value)

    def serve_sample(self, seed, index):
        return self.serve_decode(random.normal(seed, random.LATENT, index, (16,)))

    def serve_decode(self, latent):
        _, x = tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, tf.tanh(x @ self.first)), (0, latent))
        return tf.reshape(tf.sigmoid(tf.nn.relu(x @ self.second) @ self.third), (-1, 8, 8, 1))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(folder, report, model)"""
    model, folder = Toy(), tmp_path_factory.mktemp("variants") / "toy"
    data = {"name": "digits", "licence": "CC BY 4.0", "origin": "UCI"}
    return folder, kerasgen.export(model, folder, data=data, variants=[*EVERY, "float16"]), model


def test_report_and_bundle_say_what_was_measured(written):
    folder, report, _ = written
    info = json.loads((folder / "bundle.json").read_text())
    schema = importlib.resources.files("kerasgen.exporting").joinpath("bundle.schema.json").read_text("utf-8")
    jsonschema.Draft202012Validator(json.loads(schema)).validate(info)
    seen = 0
    for function, entry in info["functions"].items():
        full = entry["measured"]
        assert full["bytes"] == info["files"][entry["onnx"]]["bytes"]
        assert set(report["variants"][function]) == set(EVERY)
        for name, said in report["variants"][function].items():
            path, limits = f"onnx/{function}.{name}.onnx", variants.VARIANTS[name]
            if isinstance(said, str):  # why it was not written
                assert "\n" not in said and name not in entry["variants"] and not (folder / path).exists()
                continue
            one, seen = entry["variants"][name], seen + 1
            assert said == {"fidelity": one["fidelity"], **one["measured"]}
            assert one["onnx"] == path and one["measured"]["bytes"] == (folder / path).stat().st_size
            assert full["bytes"] / one["measured"]["bytes"] >= limits.smaller
            assert one["fidelity"]["max"] <= limits.largest and one["fidelity"]["mean"] <= limits.mean
            assert one["fidelity"]["frechet"] <= fidelity.SHARE * one["fidelity"]["frechet_seeds"]
            assert set(one["measured"]["milliseconds"]) == {"1", "64"}
    assert seen >= 3 and {"float16"} <= set(info["functions"]["sample"]["variants"])


def test_half_precision_leaves_the_randomness_exact(written):
    """The integers of the generator are untouched; only weights are rounded, in and outside of the loop."""
    proto = onnx.load(written[0] / "onnx" / "sample.float16.onnx")
    halves = {t.name for t in proto.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    assert len(halves) == 3
    for node in proto.graph.node:
        assert node.op_type == "Cast" or not halves & set(node.input)


def test_variants_run(written):
    folder, _, model = written
    x = model.sample(5, seed=3)
    for name in EVERY:
        bundle = Bundle(folder, variant=name)
        entry = bundle.info["functions"]["sample"]
        expected = entry["variants"].get(name, entry)["onnx"]  # the full one stands in for one that is not there
        assert bundle.onnx["sample"] == expected
        np.testing.assert_allclose(bundle.sample(5, seed=3), x, atol=variants.VARIANTS[name].largest)
    with pytest.raises(ValueError, match="variant: expected .*float16.*, got 'int4'"):
        Bundle(folder, variant="int4")


def test_card_and_verify(written):
    folder, report, _ = written
    assert "| `sample` | float16 |" in (folder / "README.md").read_text()
    again = kerasgen.verify(folder)["variants"]
    for function, found in again.items():
        for name, far in found.items():
            assert far["max"] == pytest.approx(report["variants"][function][name]["fidelity"]["max"], rel=0.1)


def test_verify_sees_a_variant_of_another_model(written, tmp_path):
    import hashlib

    folder = shutil.copytree(written[0], tmp_path / "b")
    path = folder / "onnx" / "decode.float16.onnx"
    proto = onnx.load(path)
    weight = max(proto.graph.initializer, key=lambda t: len(t.raw_data))
    weight.raw_data = bytes(len(weight.raw_data))
    path.write_bytes(proto.SerializeToString())
    info = json.loads((folder / "bundle.json").read_text())
    content = path.read_bytes()
    info["files"]["onnx/decode.float16.onnx"] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    (folder / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(ProofError, match="decode: float16 differs by .* .max., expected 0.01 or less"):
        kerasgen.verify(folder)


def spoil(proto, change):
    change(proto)
    return proto


def floats(proto):
    return [t for t in proto.graph.initializer if t.data_type == onnx.TensorProto.FLOAT and len(t.raw_data) > 99]


def one_more_row(proto):
    """Every output with its last row twice."""
    (output,) = proto.graph.output
    for node in proto.graph.node:
        node.output[:] = ["inner" if name == output.name else name for name in node.output]
    start = onnx.numpy_helper.from_array(np.array([-1]), "start")
    proto.graph.initializer.extend([start, onnx.numpy_helper.from_array(np.array([2**31]), "end")])
    proto.graph.node.add(op_type="Slice", input=["inner", "start", "end"], output=["last"])
    proto.graph.node.add(op_type="Concat", input=["inner", "last"], output=[output.name]).attribute.add(
        name="axis", type=onnx.AttributeProto.INT, i=0
    )


def nothing(proto, calibration):
    raise RuntimeError("no kernel\nfor this")


REFUSED = {
    "not small enough": (dict(smaller=100.0), r"float16 is 1\.\d+ times smaller, expected 100 or more"),
    "too far": (dict(largest=1e-7), r"float16 differs by .* \(max\), expected 1e-07 or less"),
    "too far on average": (dict(mean=1e-9), r"float16 differs by .* \(mean\), expected 1e-09 or less"),
    "cannot be made": (dict(make=nothing), "float16 cannot be made: no kernel for this"),
    "another domain": (
        dict(make=lambda p, _: spoil(p, lambda p: setattr(p.graph.node[0], "domain", "com.microsoft"))),
        "expected standard ONNX operators, got com.microsoft",
    ),
    "not a number": (
        dict(
            make=lambda p, _: spoil(
                p,
                lambda p: [setattr(t, "raw_data", b"\xff" * len(t.raw_data)) for t in floats(p)],
            ),
            smaller=0.5,
        ),
        "float16 differs by nan",
    ),
    "another shape": (
        dict(make=lambda p, _: spoil(p, one_more_row), smaller=0.5),
        r"float16 gives shape \(65, 8, 8, 1\), expected \(64, 8, 8, 1\)",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_does_not_pay_is_not_written(written, tmp_path, monkeypatch, why):
    """It is a line of the report, not a failure of the export."""
    limits, message = REFUSED[why]
    monkeypatch.setitem(variants.VARIANTS, "float16", variants.VARIANTS["float16"]._replace(**limits))
    folder = shutil.copytree(written[0], tmp_path / "b")
    for path in folder.glob("onnx/*.*.onnx"):
        path.unlink()
    bundle = Bundle(folder)
    report = variants.add(bundle, ["float16"], lambda line: None)
    assert re.match(message, report["decode"]["float16"]), report
    assert bundle.info["functions"]["decode"]["variants"] == {}
    assert not (folder / "onnx" / "decode.float16.onnx").exists()


def test_pictures_may_not_move(written, tmp_path, monkeypatch):
    monkeypatch.setattr(fidelity, "SHARE", 0.0)
    folder = shutil.copytree(written[0], tmp_path / "b")
    report = variants.add(Bundle(folder), ["float16"], lambda line: None)
    assert "float16 moves the pictures by" in report["sample"]["float16"]


def test_slow_functions_are_compared_without_frechet(written, tmp_path, monkeypatch):
    monkeypatch.setattr(fidelity, "PATIENCE", 0.0)
    folder = shutil.copytree(written[0], tmp_path / "b")
    report = variants.add(Bundle(folder), ["float16"], lambda line: None)
    assert set(report["sample"]["float16"]["fidelity"]) == {"max", "mean"}


def test_unknown_names(tmp_path):
    with pytest.raises(ValueError, match="variants: expected some of float16, int8_dynamic, int8_static, got 'int4'"):
        kerasgen.export(Toy(), tmp_path / "b", variants=["int4"])
    assert not list(tmp_path.iterdir())
