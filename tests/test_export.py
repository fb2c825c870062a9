"""A bundle holds what it promises, proves it, and is not written at all where it would not."""

import ast
import copy
import hashlib
import importlib.resources
import json
import pathlib
import re
import shutil

import jsonschema
import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

import kerasgen
from kerasgen import runtime
from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.exporting import agreement, conversion, gate, onnx_graph
from kerasgen.exporting.cases import cases
from kerasgen.exporting.errors import ExportError, ProofError
from kerasgen.exporting.info import describe
from kerasgen.runtime import description

PIXEL_CNN = dict(image_shape=(4, 4, 1), levels=3, num_classes=2, width=4, depth=1, hidden=4)
DATA = {"name": "digits", "licence": "CC BY 4.0", "origin": "UCI"}


class Toy(GenerativeModel):
    """Applies a function of the test to a latent."""

    serves = ("decode",)
    latent_dim = 3
    kinds = ("vector",)
    image_shape = (3,)

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.table = tf.constant([1.0, 2.0, 3.0])
        self.scale = self.add_weight(shape=(3,), initializer="ones", name="scale")

    def serve_decode(self, latent):
        return self.scale * self.function(self, latent)


def shaken(model):
    """Untrained networks are too tame to tell two runtimes apart."""
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    return model


@pytest.fixture
def exported(tiny_bundle):
    return tiny_bundle


def test_report(exported):
    _, report, _ = exported
    assert set(report) == {"system", "functions", "seconds", "bytes"} and report["system"] == "dcgan"
    for parity in report["functions"].values():
        assert parity["saved_model"] <= 1e-6 and parity["onnx"] <= 1e-5 and parity["flips"] == 0


def test_contents(exported):
    directory, report, model = exported
    info = json.loads((directory / "bundle.json").read_text())
    assert info["preset"] == "dcgan_tiny" and info["class"] == "DCGAN" and info["year"] == 2015
    assert info["data"] == DATA and info["licence"] == "Apache-2.0" and info["image_shape"] == [8, 8, 1]
    assert set(info["versions"]) > {
        "kerasgen",
        "tensorflow",
        "keras",
        "onnx",
        "tf2onnx",
        "onnxruntime",
        "opset",
    }
    assert info["functions"]["sample"]["inputs"][0]["name"] == "count"
    assert info["functions"]["energy"]["output"]["shape"] == ["batch"]
    written = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}
    assert written == {*info["files"], "bundle.json", ".kerasgen"}
    assert {"README.md", "samples.png", "onnx/sample.onnx", "saved_model/saved_model.pb"} < written
    assert sum(entry["bytes"] for entry in info["files"].values()) == report["bytes"]
    assert not [path for path in directory.parent.iterdir() if path != directory]
    text = (directory / "bundle.json").read_text() + (directory / "README.md").read_text()
    assert "/tmp" not in text and "/home" not in text and "/root" not in text


@pytest.fixture(scope="module")
def schema():
    text = importlib.resources.files("kerasgen.exporting").joinpath("bundle.schema.json").read_text("utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    return jsonschema.Draft202012Validator(json.loads(text))


def test_what_is_written_follows_the_schema(exported, schema):
    info = json.loads((exported[0] / "bundle.json").read_text())
    schema.validate(info)
    later = {"family"}  # which the first bundles do not say
    assert set(schema.schema["required"]) | later == set(info), "a key that the schema does not tell of"
    assert later < set(schema.schema["properties"])
    assert info["randomness"]["streams"]["latent"] == random.LATENT
    bare = describe(exported[2], None, {"name": "mine"}, 18)
    assert bare["data"] == {"name": "mine", "licence": "unknown", "origin": "unknown"}


def leaves(value, path=()):
    """Every place in `bundle.json`, containers included."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))


def test_the_reader_refuses_nothing_that_the_schema_allows(exported, schema):
    """One place at a time removed, or of another kind: what readers refuse is no bundle for writers either."""
    info, refused = json.loads((exported[0] / "bundle.json").read_text()), 0
    for path in [p for p in leaves(info) if p]:
        for other in (None, "removed", 1.5, "", -1, [], {}, True):
            spoiled = copy.deepcopy(info)
            place = spoiled
            for key in path[:-1]:
                place = place[key]
            if other == "removed":
                del place[path[-1]]
            else:
                place[path[-1]] = other
            try:
                description.check_info(spoiled)
            except ValueError as error:
                refused += 1
                # Which port or file stands where is not a matter of the schema.
                across = re.search("different names|listed in files", str(error))
                assert across or not schema.is_valid(spoiled), f"{path}: {error}"
    assert refused > 500


def test_onnx_files(exported):
    directory, _, model = exported
    for function, ports in model.ports.items():
        proto = onnx.load(directory / "onnx" / f"{function}.onnx")
        assert [(o.domain, o.version) for o in proto.opset_import] == [("", 18)]
        for value, port in zip((*proto.graph.input, *proto.graph.output), (*ports.inputs, ports.output), strict=True):
            dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            assert (value.name, dims) == (port.name, list(port.shape))
        metadata = {entry.key: entry.value for entry in proto.metadata_props}
        assert metadata["function"] == function
        assert json.loads(metadata["ports"])["output"]["name"] == ports.output.name
        assert max(len(node.name) for node in proto.graph.node) < 40


def test_saved_model_is_named_by_ports(exported):
    directory, _, model = exported
    loaded = tf.saved_model.load(str(directory / "saved_model"))
    assert set(loaded.signatures) == {"sample", "decode", "energy", "serving_default"}
    x = loaded.signatures["sample"](count=tf.constant(2), seed=tf.constant(7))["x"]
    np.testing.assert_allclose(x, model.sample(2, seed=7), atol=1e-6)


def test_verify(exported, tmp_path):
    directory, _, _ = exported
    report = kerasgen.verify(directory)
    assert report["system"] == "dcgan" and report["functions"]["sample"]["onnx"] < 1e-5 and report["misses"] == []

    def broken(bundle):
        return lambda function, inputs: bundle.run(function, **inputs) + 0.01

    with pytest.raises(ProofError, match="sample: broken differs by 0.01") as error:
        kerasgen.verify(directory, {"broken": broken})
    assert len(error.value.report["misses"]) == 3  # of all functions, in one go, as on the command line
    with pytest.raises(ValueError, match="expected the folder of a bundle"):
        kerasgen.verify(tmp_path)


@pytest.mark.parametrize("name", ["saved_model/saved_model.pb", "README.md", "onnx/energy.onnx"])
def test_verify_refuses_what_was_changed(exported, tmp_path, name):
    directory = shutil.copytree(exported[0], tmp_path / "bundle")
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is not as it was written"):
        kerasgen.verify(directory)


def test_card_snippets_run(exported, monkeypatch):
    directory, _, model = exported
    text = (directory / "README.md").read_text()
    assert "Radford" in text and "CC BY 4.0" in text and "| `energy` |" in text and "![samples]" in text
    snippets = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(snippets) == 3
    monkeypatch.chdir(directory)
    for snippet in snippets:
        names = {}
        exec(snippet, names)
        np.testing.assert_allclose(names["x"], model.sample(16, seed=7), atol=1e-5)


def test_samples_png(exported):
    from PIL import Image

    picture = Image.open(exported[0] / "samples.png")
    assert picture.mode == "RGB" and min(picture.size) >= 256


def test_discrete_choices_in_a_loop(tmp_path):
    model = shaken(kerasgen.build("pixel_cnn", **PIXEL_CNN))
    report = kerasgen.export(model, tmp_path / "b")
    assert report["functions"]["sample"] == {"saved_model": 0.0, "onnx": 0.0, "flips": 0}
    bundle = kerasgen.runtime.Bundle(tmp_path / "b")
    np.testing.assert_array_equal(bundle.sample(3, seed=1, label=1), model.sample(3, seed=1, label=1))
    np.testing.assert_array_equal(bundle.sample(3, seed=1)[:2], bundle.sample(2, seed=1))


def test_flips_must_be_ties():
    info = {
        "discrete": ["sample"],
        "levels": 3,
        "num_classes": 0,
        "functions": {"logits": {"inputs": [{"name": "x"}]}},
    }
    inputs = {"seed": np.asarray(5), "temperature": np.asarray(1.0)}
    expected = np.zeros((2, 2, 2, 1), "float32")
    got = expected.copy()
    got[1, 1, 0] = 0.5
    noise = random.gumbel(5, random.CHOICE, [0, 1], (4, 3)).numpy()

    def flips(logits):
        return agreement.flips(info, "sample", inputs, expected, got, lambda *_: logits, "onnx")

    assert flips(-noise) == [1]  # every choice is a tie
    with pytest.raises(ExportError, match="sample: onnx chose another level in row 1 at 2, 0.01 from a tie"):
        flips(-noise + [0.01, 0.0, 0.0])


def rows_of(page, heading):
    """The rows of the Markdown table that has this heading."""
    lines = page.split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_vectors_of_the_format_are_those_of_the_generator(root):
    page = (root / "docs" / "bundle-format.md").read_text("utf-8")
    ciphered = rows_of(page, "key | counter | words")
    for key, counter, words in ciphered:
        pairs = [[tf.constant(int(word, 16), tf.int64) for word in pair.split()] for pair in (key, counter)]
        assert [f"{int(word):08x}" for word in random._threefry(*pairs)] == words.split()
    drawn = rows_of(page, "seed, stream, index | bits | uniform | normal | Gumbel | integer below 10")
    for where, bits, *values, whole in drawn:
        seed, stream, index = map(int, where.split(","))
        place = seed, stream, [index], (3,)
        assert [f"{word:08x}" for word in random.bits(*place).numpy()[0]] == bits.split()
        assert random.integers(*place, 10).numpy()[0].tolist() == list(map(int, whole.split()))
        for draw, numbers in zip((random.uniform, random.normal, random.gumbel), values, strict=True):
            np.testing.assert_allclose(draw(*place)[0], np.array(numbers.split(), "f4"), atol=2e-6)
    assert len(ciphered) == len(drawn) == 3


def test_latents_drawn_by_the_specification(exported):
    """Uniforms as the page has them, and a decoder: what `sample` gives."""
    bundle = runtime.Bundle(exported[0])
    streams = bundle.info["randomness"]["streams"]
    latent = exported[2].prior(7, streams["latent"], tf.range(3))
    np.testing.assert_allclose(bundle.decode(latent), bundle.sample(3, seed=7), atol=1e-5)


# --- weights above 2 GiB ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def split(tiny_bundle, tmp_path_factory):
    """A bundle whose weights were too large for one file; here, those of 40 elements and more."""
    folder = tmp_path_factory.mktemp("split") / "b"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_graph, "APART", 40)
        patch.setattr(conversion, "LARGEST", 1000)
        kerasgen.export(tiny_bundle[2], folder)
    return folder, tiny_bundle[2]


def test_large_weights_lie_in_a_second_file(split, schema):
    folder, model = split
    info, bundle = json.loads((folder / "bundle.json").read_text()), runtime.Bundle(folder)
    schema.validate(info)
    assert info["functions"]["sample"]["weights"] == "onnx/sample.weights" in info["files"]
    large = sum(int(np.prod(w.shape)) for w in model.generator.weights if np.prod(w.shape) >= 40)
    assert (folder / "onnx" / "sample.weights").stat().st_size == 4 * large
    graph = onnx.load(folder / "onnx" / "sample.onnx", load_external_data=False).graph
    assert not [tensor for tensor in graph.initializer if len(tensor.raw_data) > 4 * 40]
    np.testing.assert_allclose(bundle.sample(3, seed=7), model.sample(3, seed=7), atol=1e-5)
    assert kerasgen.verify(folder)["misses"] == []


@pytest.mark.parametrize("what", ["changed", "elsewhere", "not said"])
def test_a_second_file_is_the_one_that_was_written(split, tmp_path, what):
    folder = shutil.copytree(split[0], tmp_path / "b")
    info = json.loads((folder / "bundle.json").read_text())
    if what == "changed":
        content = bytearray((folder / "onnx" / "energy.weights").read_bytes())
        content[0] ^= 1
        (folder / "onnx" / "energy.weights").write_bytes(content)
        message = "onnx/energy.weights is not as it was written"
    elif what == "elsewhere":
        proto = onnx.load(folder / "onnx" / "energy.onnx", load_external_data=False)
        tensor = next(t for t in proto.graph.initializer if t.external_data)
        tensor.external_data[0].value = "../../secret"
        content = proto.SerializeToString()
        (folder / "onnx" / "energy.onnx").write_bytes(content)
        info["files"]["onnx/energy.onnx"] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        message = "onnx/energy.onnx stores a tensor elsewhere; expected energy.weights"
    else:
        del info["functions"]["energy"]["weights"]
        message = "onnx/energy.onnx stores a tensor outside"
    (folder / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=message):
        runtime.Bundle(folder)


# --- what is refused --------------------------------------------------------------------------------------------------


def in_a_loop(operation):
    return lambda latent: tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, operation(x)), (0, latent))[1]


def betainc(x):
    return tf.math.betainc(tf.abs(x) + 1.0, tf.abs(x) + 1.0, tf.sigmoid(x))


TRIPS = {
    "no ONNX form": (lambda m, x: betainc(x), "decode: expected standard ONNX operators, got Betainc"),
    "no ONNX form, in a loop": (
        lambda m, x: in_a_loop(betainc)(x),
        "expected standard ONNX operators, got Betainc",
    ),
    "unseeded randomness": (
        lambda m, x: x + tf.random.normal((3,)),
        "decode: (saved_model|onnx) differs by .*0.0001 or less",
    ),
    "not a number": (
        lambda m, x: tf.math.log(-tf.abs(x)),
        "decode: gives 9 values that are not numbers",
    ),
    "another shape": (lambda m, x: x[:, :2] * m.table[:2], "."),
}


@pytest.mark.parametrize("name", TRIPS)
def test_a_failure_is_one_line_and_leaves_nothing(name, tmp_path):
    function, message = TRIPS[name]
    with pytest.raises(Exception, match=message) as caught:
        kerasgen.export(Toy(function), tmp_path / "new" / "bundle")
    if message != ".":
        assert isinstance(caught.value, ExportError) and "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.*")) and not (tmp_path / "new" / "bundle").exists()


def test_names_that_a_saved_model_refuses(tmp_path):
    class _Hidden(keras.layers.Layer):
        def build(self, shape):
            self.gain = self.add_weight(shape=(3,), name="gain")

        def call(self, x):
            return self.gain * x

    model = Toy(lambda m, x: m.layer(x))
    x = keras.Input((3,))
    model.layer = keras.Model(x, _Hidden()(x))
    with pytest.raises(ExportError, match="a SavedModel needs names that begin with a letter"):
        kerasgen.export(model, tmp_path / "b")


def test_a_failure_leaves_the_bundle_that_was_there(tmp_path):
    kerasgen.export(Toy(lambda m, x: x), tmp_path / "b")
    before = {path: path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file()}
    with pytest.raises(ExportError):
        kerasgen.export(Toy(lambda m, x: betainc(x)), tmp_path / "b", overwrite=True)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="overwrite=True replaces it"):
        kerasgen.export(Toy(lambda m, x: x), tmp_path / "b")
    kerasgen.export(Toy(lambda m, x: 2.0 * x), tmp_path / "b", overwrite=True)
    assert kerasgen.runtime.Bundle(tmp_path / "b").decode([[1, 2, 3]]).tolist() == [[2, 4, 6]]


def test_what_is_not_a_bundle_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="expected a new folder or a bundle to replace"):
            kerasgen.export(Toy(lambda m, x: x), tmp_path, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_tensors_made_outside_and_integer_division(tmp_path):
    """Both convert wrongly or to extra inputs by themselves."""

    def function(model, x):
        levels = tf.cast(tf.round(x * 10.0), tf.int32)
        return model.table * tf.cast(levels // 3 + levels % 3, tf.float32)

    report = kerasgen.export(Toy(function), tmp_path / "b")
    assert report["functions"]["decode"]["onnx"] == 0.0
    bundle = kerasgen.runtime.Bundle(tmp_path / "b")
    assert bundle.decode([[-0.7, 0.7, -0.1]]).tolist() == [[-1.0, 6.0, 3.0]]


def test_inconvertible_is_declared(tmp_path):
    class Declared(Toy):
        inconvertible = {"decode": "betainc has no ONNX form"}

    report = kerasgen.export(Declared(lambda m, x: betainc(x)), tmp_path / "b")
    assert report["functions"]["decode"]["onnx"] is None
    bundle = kerasgen.runtime.Bundle(tmp_path / "b")
    assert bundle.serves == ()
    with pytest.raises(ValueError, match="decode: not in ONNX .betainc has no ONNX form.; use the SavedModel"):
        bundle.run("decode", [[1, 2, 3]])
    assert kerasgen.verify(tmp_path / "b")["functions"]["decode"]["onnx"] is None


def plain(traced, opset):
    """The conversion without our lowerings, as `tf2onnx` does it."""
    import tf2onnx

    return tf2onnx.convert.from_function(traced.call, traced.call.input_signature, opset=opset)[0]


def whole_division(model, x):
    levels = tf.cast(tf.round(x * 10.0), tf.int32)
    return tf.cast(levels // 3 + levels % 3, tf.float32)


WRONG = {
    "an operator left as it was": (
        lambda m, x: tf.math.log1p(tf.abs(x)),
        ExportError,
        "decode: expected standard ONNX operators, got Log1p",
    ),
    "a captured tensor": (
        lambda m, x: x * m.table,
        ExportError,
        "decode: expected the ONNX inputs latent, got latent, .*; make constants inside the function",
    ),
    "division of negative whole numbers": (
        whole_division,
        ProofError,
        "decode: onnx differs by .*, expected 0.0001 or less",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_the_converter_does_wrong_is_caught(what, tmp_path, monkeypatch):
    """Each model exports; were its lowering lost, export would say so and leave nothing."""
    function, error, message = WRONG[what]
    report = kerasgen.export(Toy(function), tmp_path / "right")
    assert report["functions"]["decode"]["onnx"] < 1e-6
    monkeypatch.setattr(onnx_graph, "to_onnx", plain)
    with pytest.raises(error, match=message):
        kerasgen.export(Toy(function), tmp_path / "wrong")
    assert [path.name for path in tmp_path.iterdir()] == ["right"]


def test_a_newer_opset(exported, tmp_path):
    report = kerasgen.export(exported[2], tmp_path / "b", opset=21)
    assert report["functions"]["sample"]["onnx"] < 1e-5
    for path in (tmp_path / "b" / "onnx").iterdir():
        proto = onnx.load(path)
        assert [(o.domain, o.version) for o in proto.opset_import] == [("", 21)] and proto.ir_version >= 10
    assert json.loads((tmp_path / "b" / "bundle.json").read_text())["versions"]["opset"] == 21
    assert kerasgen.verify(tmp_path / "b")["functions"]["energy"]["onnx"] < 1e-4


def test_a_newer_opset_inside_a_loop(tmp_path):
    """What changed its form after version 18, in the body of a loop: the converter must go in there too."""

    def body(x):
        return tf.reduce_mean(tf.nn.softmax(tf.pad(x, [[0, 0], [1, 1]])), -1, keepdims=True) + tf.math.erf(x)

    report = kerasgen.export(Toy(lambda m, x: in_a_loop(body)(x)), tmp_path / "b", opset=23)
    assert report["functions"]["decode"]["onnx"] < 1e-5


def test_an_opset_that_is_not_there(tmp_path, monkeypatch):
    model = Toy(lambda m, x: x)
    for opset in (17, 1000, 21.0):
        with pytest.raises(ValueError, match=r"opset: expected a whole number from 18 to \d+, got"):
            kerasgen.export(model, tmp_path / "b", opset=opset)

    def unable(proto, opset):
        raise RuntimeError("no adapter\nfor this operator")

    monkeypatch.setattr("onnx.version_converter.convert_version", unable)
    with pytest.raises(ExportError, match="^decode: does not convert to opset 21: no adapter for this operator$"):
        kerasgen.export(model, tmp_path / "b", opset=21)
    assert not list(tmp_path.iterdir())


def test_the_command_line_says_which_failure_it_is(tmp_path, monkeypatch, capsys):
    """A proof that is missed has its own exit code."""
    from kerasgen.cli import bundles, main

    makers = {
        "missed": lambda m, x: x + tf.random.normal((3,)),
        "no ONNX form": lambda m, x: betainc(x),
    }
    monkeypatch.setattr(bundles, "open_source", lambda source: (Toy(makers[source]), {}))
    for source, code in (("missed", 3), ("no ONNX form", 1)):
        capsys.readouterr()
        assert main(["export", source, "--out", str(tmp_path / "b")]) == code
        assert capsys.readouterr().err.splitlines()[-1].startswith("error: decode: ")
    for option in (["--opset", "17"], ["--variants", "int4"]):
        assert main(["export", "missed", "--out", str(tmp_path / "b"), *option]) == 2
    assert not list(tmp_path.iterdir())


@pytest.fixture
def proto(exported):
    """(the energy function's ONNX model, its ports): to be spoiled."""
    return onnx.load(exported[0] / "onnx" / "energy.onnx"), exported[2].ports["energy"]


def test_gate_inputs(proto):
    model, ports = proto
    model.graph.input.add(name="captured")
    with pytest.raises(ExportError, match="expected the ONNX inputs x, got x, captured; make constants inside"):
        gate.gate(model, "energy", ports)


def test_gate_outputs(proto):
    model, ports = proto
    with pytest.raises(ExportError, match="expected the ONNX output"):
        gate.gate(model, "energy", ports._replace(output=ports.inputs[0]))


def test_gate_domains(proto):
    model, ports = proto
    model.graph.node[0].domain = "com.microsoft"
    with pytest.raises(ExportError, match="expected standard ONNX operators, got com.microsoft"):
        gate.gate(model, "energy", ports)


def test_gate_external_data(proto, tmp_path):
    model, ports = proto
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(ExportError, match="a tensor stored outside"):
        gate.gate(model, "energy", ports)


def test_gate_size(proto, monkeypatch):
    model, ports = proto
    monkeypatch.setattr(gate, "MAX_NODES", 3)
    with pytest.raises(ExportError, match="at most 3 ONNX nodes"):
        gate.gate(model, "energy", ports)
    monkeypatch.undo()
    monkeypatch.setattr(gate, "MAX_BYTES", 3)
    with pytest.raises(ExportError, match="below 2 GiB"):
        gate.gate(model, "energy", ports)


def test_differences_see_what_is_not_a_number():
    one = np.asarray([1.0, np.inf], "float32")
    assert agreement.difference(one, one) == 0.0
    assert agreement.difference(one, np.asarray([1.0, np.nan], "float32")) == np.inf
    assert agreement.difference(one, np.asarray([1.0, 3.0], "float32")) == np.inf
    assert agreement.difference(one, one[:1]) == np.inf
    assert agreement.difference(one, one.astype("float64")) == np.inf


def test_cases_stay_in_range(exported):
    from kerasgen.runtime import check, port_of

    info = json.loads((pathlib.Path(exported[0]) / "bundle.json").read_text())
    for entry in info["functions"].values():
        for inputs, _ in cases(entry, info):
            for port in map(port_of, entry["inputs"]):
                assert check(port, inputs[port.name]).dtype == inputs[port.name].dtype


def test_the_room_has_layers(root):
    """No file imports what imports it, at whatever depth; and each can be read in one sitting."""
    room, leads = root / "kerasgen" / "exporting", {}
    for path in room.rglob("*.py"):
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 350, path
        name = ".".join(path.relative_to(room).with_suffix("").parts).removesuffix(".__init__")
        leads[name] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kerasgen.exporting"):
                inside = node.module.removeprefix("kerasgen.exporting").lstrip(".")
                for alias in node.names:  # a file, or something in one
                    file = f"{inside}.{alias.name}".lstrip(".")
                    leads[name].add(file if (room / f"{file.replace('.', '/')}.py").is_file() else inside)
    leads = {name: {other for other in others if other in leads and other} - {name} for name, others in leads.items()}
    assert leads["writer"] >= {"card", "conversion", "rounds", "runtimes"}
    while leads:
        done = [name for name, others in leads.items() if not others & set(leads)]
        assert done, f"a circle among {sorted(leads)}"
        leads = {name: others for name, others in leads.items() if name not in done}
