"""Draw with an exported model: `python sample.py BUNDLE --seed 7 --count 16 --out picture.png`.

Needs NumPy, ONNX Runtime and Pillow, and no other file. What the model takes besides a seed and a count is in its
`bundle.json` and can be given by name: `--label 3`, `--steps 20`, `--temperature 0.8`. Texts go to FILE.txt, sounds to
FILE.wav, and `--out FILE.npy` keeps the numbers. Exit code 2 if an argument or the bundle is not what was expected, 1
if the model does not run.
"""

import argparse
import hashlib
import json
import os
import pathlib
import sys
import wave

import numpy as np

FUNCTION, COLUMNS, SIDE, PLANE = "sample", 8, 128, 384
SUFFIXES = {"picture": ".png", "vector": ".png", "text": ".txt", "sound": ".wav"}


def onnx_runtime(path, content):
    """Opens an ONNX file: a function from {port: array} to the output."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the library is imported
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)[0]


def read(folder, function=FUNCTION):
    """`bundle.json`, and path and bytes of the function's file, which must be those that were written."""
    try:
        info = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        known = info["format"] == "kerasgen-bundle" and info["version"] == 1
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(f"expected the folder of a bundle, with a bundle.json of version 1, got {folder}")
    entry = info["functions"].get(function)
    if not entry or not entry["onnx"]:
        reason = entry["reason"] if entry else f"it serves {', '.join(info['functions'])}"
        raise ValueError(f"{folder}: {function} is not in ONNX: {reason}")
    path = folder / entry["onnx"]
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != info["files"][entry["onnx"]]["sha256"]:
        raise ValueError(f"{path} is not as it was written")
    return info, path, content


def feeds(ports, given):
    """Arrays by port name; one value stands for all rows where the port has a batch axis."""
    values = {}
    for port in ports:
        name, value, whole = port["name"], given[port["name"]], port["dtype"] == "int32"
        if port["text"]:
            letters, length = value.encode(), port["shape"][1]
            if len(letters) > length:
                raise ValueError(f"{name}: expected at most {length} bytes, got {len(letters)}")
            values[name] = np.tile(np.int32([*letters, *bytes(length - len(letters))]), (given["count"], 1))
            continue
        low = port["minimum"] if port["minimum"] is not None else -(2**31) if whole else -np.inf
        high = port["maximum"] if port["maximum"] is not None else 2**31 - 1 if whole else np.inf
        if not low <= value <= high:
            raise ValueError(f"{name}: expected a number from {low} to {high}, got {value}")
        values[name] = np.full((given["count"],) if port["shape"] else (), value, port["dtype"])
    return values


def draw(x):
    """Pictures (N, H, W, 1 or 3), eight in a row with their pixels enlarged, or points (N, 2), as (H, W, 3) uint8."""
    x = np.asarray(x, "float64")
    if x.ndim == 4 and len(x) and x.shape[3] in (1, 3):
        count, height, width, _ = x.shape
        columns, scale = min(count, COLUMNS), max(1, SIDE // height)
        rows = -(-count // columns)
        cells = np.ones((rows * columns, height, width, 3))
        cells[:count] = x
        cells = cells.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
        cells = cells.reshape(rows * height, columns * width, 3).repeat(scale, 0).repeat(scale, 1)
        return np.floor(255 * cells.clip(0, 1) + 0.5).astype("uint8")
    if x.ndim == 2 and len(x) and x.shape[1] == 2:
        limit = max(3, np.ceil(np.abs(x).max()))
        column, row = np.floor((x * [1, -1] / limit + 1) / 2 * (PLANE - 3)).astype(int).T
        pixels = np.full((PLANE, PLANE, 3), 255, "uint8")
        for right, down in np.ndindex(3, 3):  # a dot is three pixels wide
            pixels[row + down, column + right] = 0
        return pixels
    raise ValueError(f"expected pictures or points to draw, got shape {x.shape}; --out FILE.npy keeps the numbers")


def write(out, x, rate):
    """Write what the model made, by the file's suffix."""
    if out.suffix == ".npy":
        np.save(out, x)
    elif out.suffix == ".txt":
        out.write_bytes(b"\n\n".join(bytes(row.astype("uint8")).rstrip(b"\0") for row in x) + b"\n")
    elif out.suffix == ".wav":
        sounds = np.pad(x, ((0, 0), (0, rate // 4)))  # a pause after each
        with wave.open(str(out), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", "not compressed"))
            file.writeframes(np.rint(sounds.clip(-1, 1) * 32767).astype("<i2").tobytes())
    else:
        from PIL import Image

        Image.fromarray(draw(x)).save(out)


def parse(argv):
    """The arguments; those after the bundle are its ports."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("bundle", type=pathlib.Path, help="folder that kerasgen exported; the first argument")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="FILE.png, .txt, .wav or .npy")
    if not argv or argv[0].startswith("-"):
        parser.parse_args(argv)
    info, path, content = read(pathlib.Path(argv[0]))
    ports = info["functions"][FUNCTION]["inputs"]
    for port in ports:
        kind = str if port["text"] else int if port["dtype"] == "int32" else float
        default = "" if port["text"] else {"seed": 7, "count": 16}.get(port["name"], port["default"])
        options = dict(type=kind, default=default, required=default is None, help=port["meaning"])
        parser.add_argument(f"--{port['name']}", **options)
    arguments = parser.parse_args(argv)
    suffix = SUFFIXES[info["kind"]]
    if arguments.out.suffix not in (suffix, ".npy"):
        raise ValueError(f"--out: expected FILE{suffix} or FILE.npy, got {arguments.out}")
    return arguments.out, info["sample_rate"], path, content, feeds(ports, vars(arguments))


def main(argv=None, runtime=onnx_runtime) -> int:
    try:
        out, rate, path, content, inputs = parse(sys.argv[1:] if argv is None else argv)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        x = runtime(path, content)(inputs)
        write(out, x, rate)
    except Exception as error:
        print("error:", " ".join(str(error).split())[:300], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
