"""Model repositories: each engine's description says what the files in them take and give."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from kerasgen import runtime
from kerasgen.cli import main
from kerasgen.exporting import serving
from kerasgen.runtime import Bundle


@pytest.fixture(scope="module")
def config():
    """Triton's `ModelConfig`, as far as it is used here: names and numbers of its published model_config.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference", syntax="proto3")
    kinds = file.enum_type.add(name="DataType")
    for name, number in {"TYPE_INVALID": 0, "TYPE_INT32": 8, "TYPE_FP32": 11}.items():
        kinds.value.add(name=name, number=number)
    string, int32, int64, enum, message = 9, 5, 3, 14, 11
    tensor = [("name", 1, string), ("data_type", 2, enum, ".inference.DataType")]
    shape = ".inference.ModelTensorReshape"
    messages = {
        "ModelTensorReshape": [("*shape", 1, int64)],
        "ModelInput": [*tensor, ("*dims", 4, int64), ("reshape", 5, message, shape)],
        "ModelOutput": [*tensor, ("*dims", 3, int64), ("reshape", 5, message, shape)],
        "ModelDynamicBatching": [],
        "ModelConfig": [
            ("name", 1, string),
            ("backend", 17, string),
            ("max_batch_size", 4, int32),
            ("*input", 5, message, ".inference.ModelInput"),
            ("*output", 6, message, ".inference.ModelOutput"),
            ("dynamic_batching", 11, message, ".inference.ModelDynamicBatching"),
        ],
    }
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for field, number, kind, *of in fields:
            label = 3 if field.startswith("*") else 1
            about = dict(name=field.lstrip("*"), number=number, type=kind, label=label)
            described.field.add(**about, **({"type_name": of[0]} if of else {}))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


def parsed(config, text):
    return text_format.Parse(text, config())


def test_triton(tiny_bundle, tmp_path, config):
    folder, _, model = tiny_bundle
    report = serving.write(folder, tmp_path / "models", "triton")
    assert report["models"] == [f"dcgan_tiny_{name}" for name in ("sample", "decode", "energy")]
    types = {"TYPE_FP32": "tensor(float)", "TYPE_INT32": "tensor(int32)"}
    for name in report["models"]:
        described = parsed(config, (tmp_path / "models" / name / "config.pbtxt").read_text())
        session = onnxruntime.InferenceSession(tmp_path / "models" / name / "1" / "model.onnx")
        assert described.name == name and described.backend == "onnxruntime"
        rows = described.max_batch_size > 0
        assert rows == described.HasField("dynamic_batching") == ("sample" not in name)
        for said, real in (
            *zip(described.input, session.get_inputs(), strict=True),
            *zip(described.output, session.get_outputs(), strict=True),
        ):
            kind = config.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_number[said.data_type].name
            assert (said.name, types[kind]) == (real.name, real.type)
            # What the engine compares with the file: `reshape` in the place of `dims`, and the batch axis before them.
            dims = list(said.reshape.shape if said.HasField("reshape") else said.dims)
            assert said.dims, "the engine refuses a tensor without dims"
            wanted = [size if isinstance(size, int) else -1 for size in real.shape]
            if real.shape:
                assert ([-1] if rows else []) + dims == wanted
            else:
                assert not rows and dims == [1] and not said.HasField("reshape")
    text = (tmp_path / "models" / "README.md").read_text()
    request = json.loads(re.search(r"curl \S+/dcgan_tiny_sample/infer -d '(.*)'", text)[1])
    session = onnxruntime.InferenceSession(tmp_path / "models" / "dcgan_tiny_sample" / "1" / "model.onnx")
    feeds = {i["name"]: np.reshape(np.array(i["data"], "int32"), ()) for i in request["inputs"]}
    np.testing.assert_allclose(session.run(None, feeds)[0], model.sample(4, seed=7), atol=1e-5)


def test_triton_scalars_per_row(config):
    """A port with nothing but a batch axis has no dims of its own, which the engine writes as a reshape."""
    label = runtime.Port("label", ("batch",), "int32", "which")
    latent = runtime.Port("latent", ("batch", 4), "float32", "where")
    described = parsed(config, serving.triton_config("m", runtime.Ports((latent, label), label)))
    assert [list(port.dims) for port in described.input] == [[4], [1]]
    assert described.input[1].HasField("reshape") and not list(described.input[1].reshape.shape)
    assert described.output[0].HasField("reshape") and described.max_batch_size == serving.MAX_BATCH


def test_tfserving(tiny_bundle, tmp_path):
    folder, _, model = tiny_bundle
    report = serving.write(folder, tmp_path / "models", "tfserving")
    assert report["models"] == ["dcgan_tiny"]
    version = tmp_path / "models" / "dcgan_tiny" / "1"
    assert (version / "saved_model.pb").is_file() and (version / "variables").is_dir()
    assert [path.name for path in version.parent.iterdir()] == ["1"]
    loaded = tf.saved_model.load(str(version))
    ports = Bundle(folder).ports
    assert set(loaded.signatures) == {*ports, "serving_default"}
    for function, (inputs, output) in ports.items():
        signature = loaded.signatures[function]
        for port, spec in (
            *((port, signature.structured_input_signature[1][port.name]) for port in inputs),
            (output, signature.structured_outputs[output.name]),
        ):
            assert spec.dtype.name == port.dtype
            assert spec.shape.as_list() == [None if size == "batch" else size for size in port.shape]
    text = (tmp_path / "models" / "README.md").read_text()
    request = json.loads(re.search(r"curl \S+/dcgan_tiny:predict -d '(.*)'", text)[1])
    inputs = {name: tf.constant(value) for name, value in request["inputs"].items()}
    x = loaded.signatures[request["signature_name"]](**inputs)["x"]
    np.testing.assert_allclose(x, model.sample(4, seed=7), atol=1e-5)


def test_example_requests_of_rows(tiny_bundle):
    entry = Bundle(tiny_bundle[0]).info["functions"]["decode"]
    ((_, shape, values),) = serving._example(entry)
    assert serving._nested(values, shape) == [[0.0] * 8]


def test_what_is_not_a_repository_is_never_replaced(tiny_bundle, tmp_path):
    out = tmp_path / "models"
    with pytest.raises(ValueError, match="layout: expected triton or tfserving, got 'torchserve'"):
        serving.write(tiny_bundle[0], out, "torchserve")
    serving.write(tiny_bundle[0], out, "tfserving")
    with pytest.raises(FileExistsError, match="overwrite=True replaces it"):
        serving.write(tiny_bundle[0], out, "triton")
    serving.write(tiny_bundle[0], out, "triton", overwrite=True)
    assert not (out / "dcgan_tiny").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    for folder in (tmp_path / "mine", tiny_bundle[0], tmp_path / "mine" / "thesis.txt"):
        with pytest.raises(FileExistsError, match="expected a new folder or a model repository"):
            serving.write(tiny_bundle[0], folder, "triton", overwrite=True)


def test_a_changed_file_is_not_laid_out(tiny_bundle, tmp_path):
    folder = shutil.copytree(tiny_bundle[0], tmp_path / "bundle")
    (folder / "saved_model" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="saved_model/saved_model.pb is not as it was written"):
        serving.write(folder, tmp_path / "models", "tfserving")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_command_line(tiny_bundle, tmp_path, capsys):
    out = tmp_path / "models"
    assert main(["export", str(tiny_bundle[0]), "--layout", "triton", "--out", str(out)]) == 0
    assert (out / "dcgan_tiny_sample" / "config.pbtxt").is_file()
    for arguments, message in {
        ("--layout", "triton"): "is there already; --overwrite replaces it",
        ("--layout", "torchserve"): "--layout: expected triton or tfserving, got 'torchserve'",
        ("--layout", "triton", "--opset", "21"): "a bundle whose files are written",
        (): "it is a bundle already",
    }.items():
        capsys.readouterr()
        assert main(["export", str(tiny_bundle[0]), *arguments, "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_needs_no_tensorflow(tiny_bundle, tmp_path):
    program = f"""
import sys
from kerasgen.cli import main
assert main(["export", {str(tiny_bundle[0])!r}, "--layout", "tfserving", "--out", {str(tmp_path / "m")!r}]) == 0
assert not {{"tensorflow", "keras", "onnx"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
