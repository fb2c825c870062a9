"""A bundle runs with NumPy and ONNX Runtime alone, and says in one line what it does not accept."""

import concurrent.futures
import copy as copying
import hashlib
import json
import multiprocessing
import os
import pathlib
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
from PIL import Image

from kerasgen import runtime
from kerasgen.runtime import Bundle, Port


@pytest.fixture
def model(tiny_bundle):
    return tiny_bundle[2]


@pytest.fixture
def directory(tiny_bundle):
    return tiny_bundle[0]


@pytest.fixture
def copy(directory, tmp_path):
    return shutil.copytree(directory, tmp_path / "copy")


def test_functions_are_methods(model, directory):
    bundle = Bundle(directory)
    assert bundle.system == "dcgan" and bundle.serves == ("sample", "decode", "energy")
    assert bundle.ports == {name: tuple(ports) for name, ports in model.ports.items()}
    assert "sample" in dir(bundle) and hasattr(bundle, "energy") and not hasattr(bundle, "log_prob")
    x = bundle.sample(5, seed=7)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, model.sample(5, seed=7), atol=1e-5)
    np.testing.assert_array_equal(x[:2], bundle.run("sample", count=2, seed=7))
    latent = np.linspace(-1, 1, 16).reshape(2, 8)  # float64, as people have it
    np.testing.assert_allclose(bundle.decode(latent), model.decode(latent), atol=1e-5)
    np.testing.assert_allclose(bundle.energy(x), model.energy(x), atol=1e-5)
    assert bundle.sample(0).shape == (0, 8, 8, 1)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda b: b.log_prob,
            AttributeError,
            "dcgan does not serve 'log_prob'; it serves sample, decode, energy",
        ),
        (lambda b: b.run("smaple", 1), ValueError, "dcgan does not serve 'smaple'"),
        (lambda b: b.sample(), TypeError, "sample: expected count, seed, count is missing"),
        (lambda b: b.sample(-1), ValueError, "count: expected a whole number of at least 0, got -1"),
        (lambda b: b.sample(2, steps=3), TypeError, "sample: expected count, seed, got 'steps'"),
        (lambda b: b.decode(np.zeros((2, 7))), ValueError, r"latent: expected .* got shape \(2, 7\)"),
        (
            lambda b: b.energy(np.full((1, 8, 8, 1), np.nan)),
            ValueError,
            "x: expected numbers of shape .* all finite",
        ),
    ],
)
def test_one_line_errors(directory, call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(Bundle(directory))
    assert "\n" not in str(caught.value)


def test_not_a_bundle(tmp_path):
    with pytest.raises(ValueError, match="expected the folder of a bundle, with a bundle.json"):
        Bundle(tmp_path)
    for text in ("", "[]", "{}", '{"format": "other"}', "\x00"):
        (tmp_path / "bundle.json").write_text(text)
        with pytest.raises(ValueError, match="expected the folder of a bundle"):
            Bundle(tmp_path)


def test_newer_version(copy):
    info = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps({**info, "version": 2}))
    with pytest.raises(ValueError, match="expected format version 1 or older, got 2"):
        Bundle(copy)


def test_changed_file(copy):
    path = copy / "onnx" / "energy.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="onnx/energy.onnx is not as it was written"):
        Bundle(copy)


def test_file_changed_after_opening(copy):
    bundle = Bundle(copy)
    (copy / "onnx" / "energy.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match="not as it was written"):
        bundle.energy(np.zeros((1, 8, 8, 1)))


# --- what a reader refuses: docs/bundle-format.md ---------------------------------------------------------------------


def refused(folder, message, error=ValueError):
    """Opening fails in one line, before anything runs."""
    with pytest.raises(error, match=message) as caught:
        Bundle(folder)
    assert "\n" not in str(caught.value)


def rewrite(folder, change):
    """Change `bundle.json` in place."""
    info = json.loads((folder / "bundle.json").read_text())
    change(info)
    (folder / "bundle.json").write_text(json.dumps(info))


def doctor(folder, change, name="onnx/energy.onnx"):
    """Change an ONNX file in place, and make its hash and size fit."""
    proto = onnx.load(folder / name, load_external_data=False)
    change(proto)
    content = proto.SerializeToString()
    (folder / name).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    rewrite(folder, lambda info: info["files"].update({name: entry}))


def test_missing_files_links_and_paths_outside(copy, tmp_path):
    path, outside = copy / "onnx" / "energy.onnx", tmp_path / "outside.onnx"
    shutil.move(path, outside)
    refused(copy, "onnx/energy.onnx is missing; expected a file")
    os.symlink(copy / "onnx" / "sample.onnx", path)  # another content
    refused(copy, "onnx/energy.onnx is not as it was written")
    path.unlink()
    os.symlink(path, path)
    refused(copy, "onnx/energy.onnx is missing; expected a file")
    path.unlink()
    os.symlink("/dev/zero", path)
    refused(copy, "onnx/energy.onnx is missing; expected a file")
    path.unlink()
    os.mkfifo(path)  # to open it would wait for ever
    refused(copy, "onnx/energy.onnx is missing; expected a file")
    path.unlink()
    path.mkdir()
    refused(copy, "onnx/energy.onnx is missing")
    for name in ("../outside.onnx", str(outside), "onnx/../../outside.onnx", "..\\outside.onnx"):
        rewrite(copy, lambda info, name=name: info["functions"]["energy"].update(onnx=name))
        refused(copy, "functions.energy.onnx: expected a path inside the folder or null, got '")
    rewrite(copy, lambda info: info["functions"]["energy"].update(onnx="onnx/energy.onnx"))
    rewrite(copy, lambda info: info["files"].update({"../outside.onnx": info["files"]["README.md"]}))
    refused(copy, "bundle.json: files: expected a path inside the folder, got '../outside.onnx'")


def cache(folder, place):
    """The folder as a download cache lays it out: links to files named by their hashes."""
    for path in filter(pathlib.Path.is_file, sorted(folder.rglob("*"))):
        content = path.read_bytes()
        blob, link = place / "blobs" / hashlib.sha256(content).hexdigest(), place / path.relative_to(folder)
        for parent in (blob.parent, link.parent):
            parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return place


def second_names(folder, place):
    """A copy as installers and backups make it: the same files under a second name."""
    return shutil.copytree(folder, place, copy_function=os.link)


def linked_folder(folder, place):
    """A copy whose ONNX files lie in a folder elsewhere."""
    shutil.copytree(folder, place / "bundle")
    shutil.move(place / "bundle" / "onnx", place / "elsewhere")
    os.symlink(place / "elsewhere", place / "bundle" / "onnx")
    return place / "bundle"


@pytest.mark.parametrize("layout", [cache, second_names, linked_folder])
def test_links_are_followed(copy, tmp_path, layout):
    """Size and hash say what a file is, not its names."""
    bundle = Bundle(layout(copy, tmp_path / "place"))
    bundle.check_files()
    np.testing.assert_array_equal(bundle.sample(2, seed=1), Bundle(copy).sample(2, seed=1))
    content = (tmp_path / "place").rglob("energy.onnx")
    with open(next(iter(content)), "r+b") as file:  # through the link
        file.write(b"x")
    with pytest.raises(ValueError, match="onnx/energy.onnx is not as it was written"):
        bundle.check_files()


def test_files_in_a_linked_folder_are_listed_too(copy, tmp_path):
    shutil.copytree(copy / "saved_model", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", copy / "saved_model" / "more")
    with pytest.raises(ValueError, match="saved_model/more is not listed in bundle.json"):
        Bundle(copy).check_files()


def draw(bundle):
    return bundle.sample(2, seed=1)


def test_a_used_bundle_can_be_copied_and_sent(directory):
    bundle = Bundle(directory, threads=1)
    x = bundle.sample(2, seed=1)
    for other in (pickle.loads(pickle.dumps(bundle)), copying.deepcopy(bundle), copying.copy(bundle)):
        np.testing.assert_array_equal(other.sample(2, seed=1), x)
        assert other.threads == 1 and other.class_names == bundle.class_names
    np.testing.assert_array_equal(bundle.sample(2, seed=1), x)
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(draw, bundle).result(), x)


def test_threads_and_providers(directory):
    bundle = Bundle(directory, threads=1)
    options = bundle.session("sample").get_session_options()
    assert options.intra_op_num_threads == 1
    assert Bundle(directory).session("sample").get_session_options().intra_op_num_threads == 0  # one a core
    assert bundle.session("sample").get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(ValueError, match="threads: expected a whole number of at least 1, or None, got 0"):
        Bundle(directory, threads=0)
    with pytest.raises(ValueError, match="providers: expected some of .*CPUExecutionProvider.*, got 'Abacus'"):
        Bundle(directory, providers=["Abacus"]).sample(1)


def test_whole_numbers_say_their_ends(directory):
    bundle = Bundle(directory)
    ends = "from -2147483648 to 2147483647"
    for seed in (2**31, -(2**31) - 1, 1_795_745_210_813_856_000, 2**70):
        with pytest.raises(ValueError, match=f"seed: expected a whole number {ends}, got {seed}"):
            bundle.sample(1, seed=seed)
    for seed in (2**31 - 1, -(2**31)):
        assert bundle.sample(1, seed=seed).shape == (1, 8, 8, 1)
    with pytest.raises(ValueError, match="seed: expected a whole number, got 1.5"):
        bundle.sample(1, seed=1.5)


def test_hints_fit_the_port():
    truncation = Port("truncation", (), "float32", "", 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="truncation: expected a number from 0 to 1, got 2$"):
        runtime.check(truncation, 2)
    pictures = Port("x", ("batch", 2, 2, 1), "float32", "", 0.0, 1.0)
    with pytest.raises(ValueError, match="divide levels by their maximum"):
        runtime.check(pictures, np.full((1, 2, 2, 1), 255))


# --- classes and boxes ------------------------------------------------------------------------------------------------

ANIMALS = ("cat", "dog", "10")
LABEL = Port("label", ("batch",), "int32", "", -1, 2, -1)
LAYOUT = Port("layout", ("batch", 3, 5), "float32", "", -1.0)


@pytest.mark.parametrize(
    "given, numbers",
    [("dog", [1, 1]), (["dog", "cat"], [1, 0]), (["10", 0], [2, 0]), (np.array(["cat", "10"]), [0, 2]),
     (np.array(["cat", 2], object), [0, 2]), (1, [1, 1]), (None, [-1, -1])],
)  # fmt: skip
def test_a_class_by_its_name(given, numbers):
    values = runtime.bind("sample", (Port("count", (), "int32", ""), LABEL), (2,), {"label": given}, ANIMALS)
    assert values["label"].tolist() == numbers and values["label"].dtype == np.int32


@pytest.mark.parametrize(
    "given, names, line",
    [("cot", ANIMALS, "label: unknown class 'cot'; did you mean 'cat'?"),
     (["dog", "zebra"], ANIMALS, "label: unknown class 'zebra'; known: cat, dog, 10"),
     ("cat", (), "label: expected class numbers, as the model knows no names of classes, got 'cat'")],
)  # fmt: skip
def test_an_unknown_class(given, names, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        runtime.bind("sample", (LABEL,), (), {"label": given}, names)


def test_fewer_boxes_than_there_may_be():
    ports, none = (Port("count", (), "int32", ""), LAYOUT), [-1, 0, 0, 0, 0]
    boxes = [["dog", 0, 0, 0.5, 0.5], [0, 0.5, 0, 0.5, 0.5]]
    one = runtime.bind("sample", ports, (2,), {"layout": boxes}, ANIMALS)["layout"]
    assert one.tolist() == [[[1, *boxes[0][1:]], boxes[1], none]] * 2
    several = runtime.bind("sample", ports, (2,), {"layout": [boxes, boxes[1:]]}, ANIMALS)["layout"]
    assert several.tolist() == [one[0].tolist(), [boxes[1], none, none]]
    assert runtime.bind("sample", ports, (1,), {"layout": []})["layout"].tolist() == [[none] * 3]
    for wrong in ([[0, 0, 0, 1]], [boxes[1]] * 4, "boxes", [[0, 0, 0, 1, 1, 1]], [[None] * 5]):
        with pytest.raises(ValueError, match="^layout: "):
            runtime.bind("sample", ports, (1,), {"layout": wrong})


def test_classes_of_a_bundle_have_names(copy):
    def name(info):
        info["data"]["class_names"] = ["cat", "dog"]
        info["functions"]["sample"]["inputs"].append(
            dict(
                name="label",
                shape=["batch"],
                dtype="int32",
                meaning="class",
                minimum=-1,
                maximum=1,
                default=-1,
            )
        )

    def take(proto):
        proto.graph.input.append(onnx.helper.make_tensor_value_info("label", onnx.TensorProto.INT32, ["batch"]))

    rewrite(copy, name)
    doctor(copy, take, "onnx/sample.onnx")
    bundle = Bundle(copy)
    assert bundle.class_names == ("cat", "dog")
    np.testing.assert_array_equal(bundle.sample(2, label="dog"), bundle.sample(2, label=1))
    with pytest.raises(ValueError, match="label: unknown class 'dig'; did you mean 'dog'?"):
        bundle.sample(2, label="dig")


def test_wrong_size(copy):
    with open(copy / "onnx" / "energy.onnx", "ab") as file:
        file.truncate(2**40)  # sparse: it must not be read
    refused(copy, r"onnx/energy.onnx is not as it was written: expected \d+ bytes, got 1099511627776")


def test_claimed_but_not_listed(copy):
    rewrite(copy, lambda info: info["files"].pop("onnx/energy.onnx"))
    refused(copy, "functions.energy: expected a file that is listed in files, got 'onnx/energy.onnx'")


def test_there_but_not_listed(copy):
    (copy / "notes.txt").write_text("anyone's")
    Bundle(copy).check_files()
    (copy / "saved_model" / "saved_model.cpb").write_text("read before saved_model.pb")
    with pytest.raises(ValueError, match="saved_model/saved_model.cpb is not listed in bundle.json"):
        Bundle(copy).check_files()


MALFORMED = {
    "system is missing": lambda i: i.pop("system"),
    "title: expected a text, got '5'": lambda i: i.update(title=5),
    "functions: expected an object, got ": lambda i: i.update(functions=[]),
    "functions: expected a lower-case name, got '__class__'": lambda i: i["functions"].update(
        __class__=i["functions"]["sample"]
    ),
    "image_shape\\[1\\]: expected a whole number, got '8.5'": lambda i: i.update(image_shape=[8, 8.5, 1]),
    "num_classes: expected a whole number, got 'True'": lambda i: i.update(num_classes=True),
    "functions.energy.inputs is missing": lambda i: i["functions"]["energy"].pop("inputs"),
    "functions.energy.inputs\\[0\\].dtype: expected float32.int32, got 'float16'": lambda i: (
        i["functions"]["energy"]["inputs"][0].update(dtype="float16")
    ),
    "functions.energy.x: expected a shape ": lambda i: i["functions"]["energy"]["inputs"][0].update(
        shape=[16, 8, 8, 1]
    ),
    "functions.energy.energy: expected a shape .*, got \\['batch', 'height'\\]": lambda i: (
        i["functions"]["energy"]["output"].update(shape=["batch", "height"])  # which no input says
    ),
    "functions.energy.x: expected a shape .*, got \\['batch', 8, 'width', 1\\]": lambda i: (
        i["functions"]["energy"]["inputs"][0].update(shape=["batch", 8, "width", 1])
    ),
    "functions.energy: expected ports of different names, got x, x": lambda i: (
        i["functions"]["energy"]["output"].update(name="x")
    ),
    "functions.energy.reason: expected why it has no ONNX file": lambda i: i["functions"]["energy"].update(onnx=None),
    "files.README.md.sha256: expected ": lambda i: i["files"]["README.md"].update(sha256="0"),
    "files.README.md.bytes is missing": lambda i: i["files"]["README.md"].pop("bytes"),
    "functions.energy.variants.float16.onnx: expected a path inside the folder, got '/x'": lambda i: (
        i["functions"]["energy"].update(variants={"float16": {"onnx": "/x"}})
    ),
    "expected format version 1 or older, got None": lambda i: i.pop("version"),
    "expected format version 1 or older, got '1'": lambda i: i.update(version="1"),
    "expected format version 1 or older, got 0": lambda i: i.update(version=0),
}  # fmt: skip


@pytest.mark.parametrize("message", MALFORMED)
def test_malformed_bundle_json(copy, message):
    rewrite(copy, MALFORMED[message])
    refused(copy, message)


def test_hostile_json(copy):
    for text in ("[" * 100_000, '{"format": "kerasgen-bundle"' + " " * 2**22 + "}"):
        (copy / "bundle.json").write_text(text)
        refused(copy, "expected the folder of a bundle, with a bundle.json")


def test_keys_of_a_later_time_are_passed_over(copy):
    rewrite(copy, lambda info: info.update(colour="green"))
    rewrite(copy, lambda info: info["functions"]["sample"]["inputs"][0].update(unit="pictures"))
    assert Bundle(copy).sample(1).shape == (1, 8, 8, 1)


def inside_a_branch(proto, tensor):
    """Hide a tensor in the body of an If node in the body of an If node."""
    body = onnx.GraphProto(name="body")
    body.node.add(op_type="Constant", output=["hidden"]).attribute.add(
        name="value", type=onnx.AttributeProto.TENSOR
    ).t.CopyFrom(tensor)
    for _ in range(2):
        outer = onnx.GraphProto(name="outer")
        outer.node.add(op_type="If", output=["hidden"]).attribute.add(
            name="then_branch", type=onnx.AttributeProto.GRAPH
        ).g.CopyFrom(body)
        body = outer
    proto.graph.node.extend(body.node)


EXTERNAL = onnx.TensorProto(
    name="w", data_type=1, dims=[1], data_location=1,
    external_data=[onnx.StringStringEntryProto(key="location", value="/etc/passwd")],
)  # fmt: skip
SPARSE = onnx.SparseTensorProto(values=EXTERNAL)


def first_input(proto):
    return proto.graph.input[0].type.tensor_type


DOCTORED = {
    "external data": (lambda p: p.graph.initializer.append(EXTERNAL), "stores a tensor outside"),
    "external data, unmarked": (
        lambda p: p.graph.initializer[0].external_data.add(key="location", value="x"),
        "stores a tensor outside",
    ),
    "external data in a branch": (lambda p: inside_a_branch(p, EXTERNAL), "stores a tensor outside"),
    "external data, sparse": (lambda p: p.graph.sparse_initializer.append(SPARSE), "stores a tensor outside"),
    "operator of another domain": (
        lambda p: setattr(p.graph.node[0], "domain", "com.microsoft"),
        "uses operators of com.microsoft; expected standard ones",
    ),
    "another domain": (
        lambda p: p.opset_import.add(domain="evil", version=1),
        "uses operators of evil",
    ),
    "local function": (lambda p: p.functions.add(name="f", domain=""), "holds a function"),
    "training graph": (lambda p: p.training_info.add(), "holds a training"),
    "port that is missing": (lambda p: p.graph.input.pop(), "has the inputs none; expected x float32"),
    "port that is unknown": (
        lambda p: p.graph.input.append(onnx.helper.make_tensor_value_info("captured", onnx.TensorProto.FLOAT, [3])),
        r"has the inputs x float32 .*, captured float32 \(3\); expected x float32 \(batch, 8, 8, 1\)$",
    ),
    "output of another name": (
        lambda p: setattr(p.graph.output[0], "name", "y"),
        r"has the output y float32 \(batch\); expected energy float32 \(batch\)",
    ),
    "batch axis of one size": (
        lambda p: first_input(p).shape.dim[0].CopyFrom(onnx.TensorShapeProto.Dimension(dim_value=16)),
        r"has the inputs x float32 \(16, 8, 8, 1\); expected x float32 \(batch, 8, 8, 1\)",
    ),
    "another size": (
        lambda p: first_input(p).shape.dim[1].CopyFrom(onnx.TensorShapeProto.Dimension(dim_value=9)),
        r"has the inputs x float32 \(batch, 9, 8, 1\)",
    ),
    "another type": (
        lambda p: setattr(first_input(p), "elem_type", 11),
        r"has the inputs x type 11 \(batch, 8, 8, 1\)",
    ),
    "no graph": (lambda p: p.ClearField("graph"), "has the inputs none"),
}


@pytest.mark.parametrize("what", DOCTORED)
def test_doctored_onnx_files(copy, what):
    change, message = DOCTORED[what]
    doctor(copy, change)
    refused(copy, f"onnx/energy.onnx {message}")


def test_not_onnx(copy):
    """Every cut of a file is refused, as is noise; nothing but a ValueError comes out."""
    whole, ports = (copy / "onnx" / "energy.onnx").read_bytes(), Bundle(copy).ports["energy"]
    noise = np.random.default_rng(0)
    cuts = [whole[: int(n)] for n in noise.integers(0, len(whole), 100)]
    for content in (*cuts, *(noise.bytes(100) for _ in range(500)), b"\xff" * 50, whole[:50] * 9):
        with pytest.raises(ValueError):
            runtime.check_graph(content, ports)
    runtime.check_graph(whole, ports)


def test_messages_too_deep(copy):
    content = b""
    for _ in range(2000):
        for key in (b"\x32", b"\x2a", b"\x0a"):  # a graph in an attribute in a node in a graph
            content = key + varint(len(content)) + content
    with pytest.raises(ValueError, match="holds messages 101 deep"):
        runtime.check_graph(b"\x3a" + varint(len(content)) + content, Bundle(copy).ports["energy"])


def varint(n):
    return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])


def test_unknown_variant(directory):
    with pytest.raises(ValueError, match="variant: expected None, it has none, got 'float16'"):
        Bundle(directory, variant="float16")


def test_a_linked_folder_is_fine(directory, tmp_path):
    os.symlink(directory, tmp_path / "link")
    assert Bundle(tmp_path / "link").sample(1).shape == (1, 8, 8, 1)


PROGRAM = """
import sys
from {module} import Bundle
x = Bundle({directory!r}).sample(2, seed=7)
assert x.shape == (2, 8, 8, 1)
heavy = {{"tensorflow", "keras", "onnx", "tf2onnx"}} & set(sys.modules)
assert not heavy, heavy
import os
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
"""


def test_imports_nothing_heavy(directory):
    program = PROGRAM.format(module="kerasgen.runtime", directory=str(directory))
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", ["runtime", "kerasgen.runtime"])
def test_runs_copied_beside_an_app(name, directory, tmp_path):
    shutil.copytree(pathlib.Path(runtime.__file__).parent, tmp_path / name.replace(".", "/"))
    (tmp_path / name.partition(".")[0] / "__init__.py").touch()  # else an installed kerasgen comes first
    program = PROGRAM.format(module=name, directory=str(directory))
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ORT_DISABLE_TELEMETRY")}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env=environment)


def test_runs_as_a_namespace(directory, tmp_path):
    """Copied without kerasgen's `__init__.py`, where no kerasgen is installed."""
    shutil.copytree(pathlib.Path(runtime.__file__).parent, tmp_path / "kerasgen" / "runtime")
    libraries = tmp_path / "libraries"  # what is installed, but for kerasgen
    libraries.mkdir()
    for library in (np, pytest.importorskip("onnxruntime")):
        for path in pathlib.Path(library.__file__).parents[1].glob(f"{library.__name__}*"):
            (libraries / path.name).symlink_to(path)
    program = PROGRAM.format(module="kerasgen.runtime", directory=str(directory))
    program += "import kerasgen\nassert kerasgen.__file__ is None\n"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ORT_DISABLE_TELEMETRY")}
    environment["PYTHONPATH"] = str(libraries)
    # -S leaves out what is installed; the folder of the app is where the program runs.
    subprocess.run([sys.executable, "-S", "-c", program], check=True, cwd=tmp_path, env=environment)


NODE = pathlib.Path(__file__).resolve().parents[1] / "exports" / "clients" / "node"


def test_sample_in_node(model, directory, tmp_path):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    if not (NODE / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("onnxruntime-web is not installed in exports/clients/node")

    def node(*arguments):
        return subprocess.run(["node", NODE / "sample.mjs", *arguments], capture_output=True, text=True)

    done = node(directory, "--count", "3", "--seed", "7", "--out", tmp_path / "x.json")
    assert done.returncode == 0, done.stderr
    output = json.loads((tmp_path / "x.json").read_text())
    x = np.reshape(output["data"], output["dims"])
    np.testing.assert_allclose(x, model.sample(3, seed=7), atol=1e-5)
    assert node(directory, "--count", "3", "--out", tmp_path / "x.png").returncode == 0
    picture = np.asarray(Image.open(tmp_path / "x.png")).astype("float64") / 255
    assert picture.shape == (128, 3 * 128, 3)
    np.testing.assert_allclose(picture[::16, :128:16, :1], x[0], atol=1 / 255)
    done = node(directory, "--function", "dance", "--out", tmp_path / "y.json")
    assert done.returncode == 1 and done.stderr == "error: dance: expected one of sample,decode,energy\n"
