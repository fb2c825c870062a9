"""Draw with an exported model in OpenVINO: `python sample.py BUNDLE --seed 7 --count 16 --out picture.png`.

Needs NumPy, OpenVINO, Pillow and `../python/sample.py`, whose arguments it takes.

OpenVINO's CPU plugin computes int64 in 32 bits, without an error, and the random numbers of a bundle are made of 32-bit
words in int64. So a file that draws would draw other numbers there. Where this is so, and the model has `decode`, the
program decodes latents that NumPy draws from the seed, and says that they are not those of the other runtimes.
"""

import functools
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import sample as client  # noqa: E402


def ops(model):
    """The operators of a model and of its loops."""
    for op in model.get_ops():
        yield op
        if hasattr(op, "get_function"):
            yield from ops(op.get_function())


@functools.cache
def library():
    """OpenVINO and its core, which stays: at its end it would free the stack on which this process gets signals."""
    sys.modules.setdefault("openvino_telemetry", None)  # else it sends a message when it is imported
    import openvino

    return openvino, openvino.Core()


def compiled(content):
    """A function from {port: array} to the output, and whether it draws random numbers that OpenVINO gets wrong."""
    openvino, core = library()
    model = core.read_model(content)  # bytes: the reader that takes paths does not take loops
    words = [op for op in ops(model) if op.get_type_name() == "BitwiseXor"]
    wrong = any(op.get_output_element_type(0) == openvino.Type.i64 for op in words)
    # By its own choice it computes in less than float32 where the processor can.
    run = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda feeds: next(iter(run(feeds).values())), wrong


def openvino_runtime(path, content):
    """As `client.onnx_runtime`."""
    run, wrong = compiled(content)
    decode = path.parent / "decode.onnx"
    if not wrong:
        return run
    if not decode.is_file():
        raise RuntimeError(f"OpenVINO computes int64 in 32 bits, too few for the draws of {path.name}")
    print("note: OpenVINO cannot draw as the other runtimes do; these latents are NumPy's", file=sys.stderr)
    info, _, content = client.read(path.parents[1], "decode")
    (latent,) = (port for port in info["functions"]["decode"]["inputs"] if port["name"] == "latent")

    def run_decode(feeds):
        draws = np.random.default_rng(int(feeds["seed"]) % 2**32)
        shape = (int(feeds["count"]), *latent["shape"][1:])
        given = {name: value for name, value in feeds.items() if name == "label"}
        return compiled(content)[0]({"latent": draws.standard_normal(shape, "float32"), **given})

    return run_decode


if __name__ == "__main__":
    sys.exit(client.main(runtime=openvino_runtime))
