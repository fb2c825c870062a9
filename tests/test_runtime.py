"""A bundle runs with NumPy and ONNX Runtime alone, and says in one line what it does not accept."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import kerasgen
from kerasgen.runtime import Bundle


@pytest.fixture(scope="module")
def model():
    return kerasgen.build("dcgan", image_shape=(8, 8, 1), latent_dim=8, widths=(16, 8), kernel_size=3)


@pytest.fixture(scope="module")
def directory(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runtime") / "bundle"
    kerasgen.export(model, folder)
    return folder


@pytest.fixture
def copy(directory, tmp_path):
    return shutil.copytree(directory, tmp_path / "copy")


def test_functions_are_methods(model, directory):
    bundle = Bundle(directory)
    assert bundle.system == "dcgan" and bundle.functions == ("sample", "decode", "energy")
    assert bundle.ports == {name: tuple(ports) for name, ports in model.ports().items()}
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


def test_links_and_paths_outside_are_refused(copy, tmp_path):
    path = copy / "onnx" / "energy.onnx"
    shutil.move(path, tmp_path / "outside.onnx")
    with pytest.raises(ValueError, match="expected a file onnx/energy.onnx, found none or a link"):
        Bundle(copy)
    os.symlink(tmp_path / "outside.onnx", path)
    with pytest.raises(ValueError, match="found none or a link"):
        Bundle(copy)
    info = json.loads((copy / "bundle.json").read_text())
    info["functions"]["energy"]["onnx"] = "../outside.onnx"
    (copy / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match="found none or a link"):
        Bundle(copy)


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


def test_runs_copied_beside_an_app(directory, tmp_path):
    import kerasgen.runtime

    shutil.copy(kerasgen.runtime.__file__, tmp_path / "runtime.py")
    program = PROGRAM.format(module="runtime", directory=str(directory))
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ORT_DISABLE_TELEMETRY")}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env=environment)


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
