"""Run an exported bundle with NumPy and ONNX Runtime alone.

This file imports nothing else of kerasgen, so that it can be copied beside an app and run where TensorFlow is not
installed. `Port` and `bind` live here, since a bundle and a model check their inputs alike.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from typing import NamedTuple

import numpy as np

FORMAT, VERSION = "kerasgen-bundle", 1
BATCH = "batch"  # the symbolic first axis


@dataclasses.dataclass(frozen=True)
class Port:
    """A named input or output of a function.

    Args:
        name: a word of the vocabulary in `kerasgen.contract`.
        shape: `()` for a scalar, else `"batch"` and the sizes of the other axes.
        dtype: "float32" or "int32".
        meaning: one line for people: what it is, and in which unit.
        minimum, maximum: the allowed range, None where there is no bound.
        default: the value an optional input takes when it is left out; None where the input is required.
    """

    name: str
    shape: tuple
    dtype: str
    meaning: str
    minimum: float | None = None
    maximum: float | None = None
    default: float | None = None

    def describe(self) -> str:
        """Shape, type and range, as error lines say them."""
        kind = {"float32": "numbers", "int32": "whole numbers"}[self.dtype]
        if not self.shape:
            kind = {"float32": "a number", "int32": "a whole number"}[self.dtype]
        sizes = ["N" if size == BATCH else str(size) for size in self.shape]
        shape = f" of shape ({', '.join(sizes)}{',' * (len(sizes) == 1)})"
        if self.minimum is not None and self.maximum is not None:
            limits = f" from {self.minimum:g} to {self.maximum:g}"
        elif self.minimum is not None:
            limits = f" of at least {self.minimum:g}"
        else:
            limits = ""
        return kind + (shape if self.shape else "") + limits


def check(port: Port, value) -> np.ndarray:
    """The value as an array of the port's type, or one line saying what was expected and what arrived.

    Raises:
        ValueError: wrong shape, type or range, or a value that is not finite.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        got = "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
        raise ValueError(f"{port.name}: expected {port.describe()}, got {got}")
    if len(array.shape) != len(port.shape) or any(
        want not in (BATCH, None, got) for want, got in zip(port.shape, array.shape, strict=True)
    ):
        hint = ""
        if array.ndim == len(port.shape) == 4 and array.shape[1] == port.shape[3] != array.shape[3]:
            hint = "; the channel axis is last"
        elif array.ndim == len(port.shape) - 1:
            hint = "; the first axis counts examples"
        raise ValueError(f"{port.name}: expected {port.describe()}, got shape {array.shape}{hint}")
    finite = np.isfinite(array)
    if not finite.all():
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        where = f" at {list(first)}" if first else ""
        raise ValueError(f"{port.name}: expected {port.describe()}, all finite, got {array[first]}{where}")
    if port.dtype == "int32":
        if (array != np.floor(array)).any() or (np.abs(array.astype(np.float64)) >= 2**31).any():
            bad = array[(array != np.floor(array)) | (np.abs(array.astype(np.float64)) >= 2**31)].flat[0]
            raise ValueError(f"{port.name}: expected {port.describe()}, got {bad}")
    outside = np.zeros(array.shape, bool)
    if port.minimum is not None:
        outside |= array < port.minimum
    if port.maximum is not None:
        outside |= array > port.maximum
    if outside.any():
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        where = f" at {list(first)}" if first else ""
        hint = "; divide levels by their maximum" if port.maximum and port.maximum < 1.1 < array.max() else ""
        raise ValueError(f"{port.name}: expected {port.describe()}, got {array[first]:g}{where}{hint}")
    return array.astype(port.dtype)


def bind(function: str, ports, args: tuple, given: dict) -> dict:
    """The inputs of a function by port name: positional and named arguments joined, checked, defaults filled in.

    Ports with a batch axis get the same number of rows: that of `count` for a sampler, else that of the first input. A
    single label or noise level stands for all rows.

    Raises:
        TypeError: a port that the function does not have, or one missing or given twice.
        ValueError: see `check`.
    """
    names = [port.name for port in ports]
    takes = ", ".join(p.name if p.default is None else f"[{p.name}]" for p in ports)
    if len(args) > len(ports):
        raise TypeError(f"{function}: expected {takes}, got {len(args)} values")
    values = dict(zip(names, args, strict=False))
    for name, value in given.items():
        if name not in names:
            raise TypeError(f"{function}: expected {takes}, got {name!r}")
        if name in values:
            raise TypeError(f"{function}: got {name!r} twice")
        values[name] = value
    if "seed" in names:
        values.setdefault("seed", 0)
    rows, result = None, {}
    for port in ports:
        value = values.get(port.name)
        if value is None:
            if port.default is None:
                raise TypeError(f"{function}: expected {takes}, {port.name} is missing")
            value = port.default
        if port.shape == (BATCH,) and rows is not None and np.ndim(value) == 0 and not isinstance(value, str):
            value = np.full(rows, value)
        result[port.name] = check(port, value)
        if port.name == "count":
            rows = int(result["count"])
        elif port.shape and port.shape[0] == BATCH:
            got = len(result[port.name])
            if rows is not None and got != rows:
                raise ValueError(f"{port.name}: expected {rows} rows, got {got}")
            rows = got
    return result


class Ports(NamedTuple):
    """The declared inputs, in calling order, and the output of one function."""

    inputs: tuple
    output: Port


class Bundle:
    """An exported model: what it serves are its methods, as with the model itself.

    Opening reads `bundle.json` and checks every ONNX file against the hash written there; a function's file becomes a
    session when the function is first called.

    Args:
        directory: the folder that `kerasgen.export` wrote.

    Attributes:
        info: `bundle.json`.
        system: id of the model's system.
        functions: names of the functions that ONNX Runtime can run.
        ports: function -> its `Ports`, for these.

    Raises:
        ValueError: not a bundle, one of a newer version, or one that is not as it was written.

    Example:
        >>> bundle = Bundle("exports/bundles/dcgan_digits")     # doctest: +SKIP
        >>> bundle.sample(16, seed=7).shape                     # doctest: +SKIP
        (16, 8, 8, 1)
    """

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        self.info = _read_info(self.directory)
        self.system = self.info["system"]
        entries = {name: entry for name, entry in self.info["functions"].items() if entry["onnx"]}
        self.functions = tuple(entries)
        self.ports = {
            name: Ports(tuple(port_of(p) for p in entry["inputs"]), port_of(entry["output"]))
            for name, entry in entries.items()
        }
        self._sessions = {}
        for entry in entries.values():
            self._read(entry["onnx"])

    def run(self, function: str, *args, **ports) -> np.ndarray:
        """Call a function by its name; what it takes is `self.ports[function].inputs`.

        Raises:
            ValueError: the bundle does not run this function, or an input is not what the port takes.
            TypeError: an input is missing, unknown or given twice.
        """
        if function not in self.functions:
            raise ValueError(self._unknown(function))
        values = bind(function, self.ports[function].inputs, args, ports)
        # ONNX Runtime refuses NumPy scalars.
        feeds = {name: np.asarray(value) for name, value in values.items()}
        return self._session(function).run(None, feeds)[0]

    def __getattr__(self, name):
        if name.startswith("_") or name not in self.__dict__.get("functions", ()):
            raise AttributeError(self._unknown(name) if "info" in self.__dict__ else name)
        return functools.partial(self.run, name)

    def __dir__(self):
        return [*super().__dir__(), *self.functions]

    def __repr__(self):
        return f"Bundle({self.info['title']!r}: {', '.join(self.functions)})"

    def _unknown(self, function):
        entry = self.info["functions"].get(function)
        if entry:
            return f"{function}: not in ONNX ({entry['reason']}); use the SavedModel"
        return f"{self.system} does not serve {function!r}; it serves {', '.join(self.functions)}"

    def _session(self, function):
        if function not in self._sessions:
            os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the library is imported
            import onnxruntime

            content = self._read(self.info["functions"][function]["onnx"])
            self._sessions[function] = onnxruntime.InferenceSession(
                content, providers=["CPUExecutionProvider"]
            )
        return self._sessions[function]

    def _read(self, name):
        """A file's bytes, which are those that were written: what is checked is what is run."""
        path, promised = os.path.join(self.directory, *name.split("/")), self.info["files"].get(name, {})
        real = os.path.join(os.path.realpath(self.directory), *name.split("/"))
        if ".." in name.split("/") or os.path.realpath(path) != real or not os.path.isfile(path):
            raise ValueError(f"bundle {self.directory!r}: expected a file {name}, found none or a link")
        with open(path, "rb") as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != promised.get("sha256"):
            raise ValueError(f"bundle {self.directory!r}: {name} is not as it was written (sha256 differs)")
        return content


def port_of(fields: dict) -> Port:
    """A port from its fields in `bundle.json`."""
    return Port(**{**fields, "shape": tuple(fields["shape"])})


def _read_info(directory):
    """`bundle.json`, if this is one that this version of the format can read."""
    try:
        with open(os.path.join(directory, "bundle.json"), encoding="utf-8") as file:
            info = json.load(file)
        known = info["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(f"expected the folder of a bundle, with a bundle.json, got {directory!r}")
    if not isinstance(info["version"], int) or info["version"] > VERSION:
        raise ValueError(
            f"bundle {directory!r}: expected format version {VERSION} or older, got {info['version']}"
        )
    return info
