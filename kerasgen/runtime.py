"""Run an exported bundle with NumPy and ONNX Runtime alone.

This file imports nothing else of kerasgen, so that it can be copied beside an app and run where TensorFlow is not
installed. `Port` and `bind` live here, since a bundle and a model check their inputs alike.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
import os
import re
from typing import NamedTuple

import numpy as np

FORMAT, VERSION = "kerasgen-bundle", 1  # docs/bundle-format.md says what they mean
BATCH = "batch"  # the symbolic first axis
INT32 = (-(2**31), 2**31 - 1)
SIZES = ("height", "width")  # inputs that say the size of an axis of the output
MAX_INFO = 2**22  # bytes of `bundle.json`


@dataclasses.dataclass(frozen=True)
class Port:
    """A named input or output of a function.

    Args:
        name: a word of the vocabulary in `kerasgen.core.vocabulary`.
        shape: `()` for a scalar, else `"batch"` and the sizes of the other axes; an output's axis may bear the name of
            the input that says its size, `"height"` or `"width"`.
        dtype: "float32" or "int32".
        meaning: one line for people: what it is, and in which unit.
        minimum, maximum: the allowed range, None where there is no bound.
        default: the value an optional input takes when it is left out; None where the input is required.
        text: each row is a text: its UTF-8 bytes, 0 after its end. A string is taken for these bytes.
    """

    name: str
    shape: tuple
    dtype: str
    meaning: str
    minimum: float | None = None
    maximum: float | None = None
    default: float | None = None
    text: bool = False

    def describe(self) -> str:
        """Shape, type and range, as error lines say them."""
        if self.text:
            return f"texts of at most {self.shape[1]} bytes"
        kind = {"float32": "numbers", "int32": "whole numbers"}[self.dtype]
        if not self.shape:
            kind = {"float32": "a number", "int32": "a whole number"}[self.dtype]
        sizes = ["N" if size == BATCH else str(size) for size in self.shape]
        shape = f" of shape ({', '.join(sizes)}{',' * (len(sizes) == 1)})"
        say = str if self.dtype == "int32" else "{:g}".format
        if self.minimum is not None and self.maximum is not None:
            limits = f" from {say(self.minimum)} to {say(self.maximum)}"
        elif self.minimum is not None:
            limits = f" of at least {say(self.minimum)}"
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
        if port.text and array.dtype.kind == "U":
            array = from_text(array.ravel(), port.shape[1])
    except ValueError as error:
        if port.text:
            raise ValueError(f"{port.name}: expected {port.describe()}, got {error}") from None
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        got = "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
        if type(value) is int:  # too large for any type of NumPy
            raise ValueError(f"{port.name}: expected {_whole_range(port)}, got {value}")
        raise ValueError(f"{port.name}: expected {port.describe()}, got {got}")
    if len(array.shape) != len(port.shape) or any(
        want not in (BATCH, *SIZES, None, got) for want, got in zip(port.shape, array.shape, strict=True)
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
        broken, far = array != np.floor(array), (array < INT32[0]) | (array > INT32[1])
        if broken.any() or far.any():
            bad = array[broken | far].flat[0]
            expected = _whole_range(port) if far.any() else port.describe()
            raise ValueError(f"{port.name}: expected {expected}, got {bad}")
    outside = np.zeros(array.shape, bool)
    if port.minimum is not None:
        outside |= array < port.minimum
    if port.maximum is not None:
        outside |= array > port.maximum
    if outside.any():
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        where = f" at {list(first)}" if first else ""
        levels = len(port.shape) == 4 and port.maximum and port.maximum < 1.1 < array.max()
        hint = "; divide levels by their maximum" if levels else ""
        raise ValueError(f"{port.name}: expected {port.describe()}, got {array[first]:g}{where}{hint}")
    return array.astype(port.dtype)


def _whole_range(port):
    """What a whole number can be, with the ends of its type where the port has none."""
    low, high = (own if end is None else end for own, end in zip(INT32, (port.minimum, port.maximum), strict=True))
    return dataclasses.replace(port, minimum=low, maximum=high).describe()


def bind(function: str, ports, args: tuple, given: dict, class_names=()) -> dict:
    """The inputs of a function by port name: positional and named arguments joined, checked, defaults filled in.

    Ports with a batch axis get the same number of rows: that of `count` for a sampler, else that of the first input. A
    single label, noise level, text or layout stands for all rows. A layout may have fewer boxes than its port.

    Args:
        function: its name, for error lines.
        ports: its input ports.
        args, given: values by position and by name.
        class_names: what classes are called; a name stands for its position in labels and layouts.

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
            value = "" if port.text else port.default
        if port.name in ("label", "layout"):
            value = numbered(value, class_names, port.name)
        if port.name == "layout":
            value = _padded(port, value)
        if rows is not None and _is_one(port, value):
            value = np.repeat(np.asarray(value)[None], rows, 0)
        result[port.name] = check(port, value)
        if port.name == "count":
            rows = int(result["count"])
        elif port.shape and port.shape[0] == BATCH:
            got = len(result[port.name])
            if rows is not None and got != rows:
                raise ValueError(f"{port.name}: expected {rows} rows, got {got}")
            rows = got
    return result


def from_text(texts, length: int) -> np.ndarray:
    """Texts as rows of UTF-8 bytes (N, length) int32, 0 after their end.

    Raises:
        ValueError: one is too long, or holds the character 0; the line says how long it is.
    """
    rows = np.zeros((len(texts), length), np.int32)
    for row, text in zip(rows, texts, strict=True):
        content = str(text).encode()
        if len(content) > length or 0 in content:
            raise ValueError(f"{len(content)} bytes" if len(content) > length else "the character 0")
        row[: len(content)] = list(content)
    return rows


def to_text(rows) -> list:
    """The texts of rows of UTF-8 bytes, without the zeros after their end; bytes that are no UTF-8 become U+FFFD.

    Example:
        >>> to_text([[72, 105, 0, 0]])
        ['Hi']
    """
    return [bytes(np.asarray(row, np.uint8)).rstrip(b"\0").decode(errors="replace") for row in rows]


def numbered(value, class_names, name="label"):
    """A class, or classes in lists, with names in the place of numbers replaced by these.

    Raises:
        ValueError: no class of that name; the line names the nearest.

    Example:
        >>> numbered(["dog", 0], ("cat", "dog"))
        [1, 0]
    """
    if isinstance(value, np.ndarray):
        value = value.tolist() if value.dtype.kind in "UO" else value
    if isinstance(value, list | tuple):
        return [numbered(each, class_names, name) for each in value]
    if not isinstance(value, str):
        return value
    if value in class_names:
        return list(class_names).index(value)
    if not class_names:
        raise ValueError(f"{name}: expected class numbers, as the model knows no names of classes, got {value!r}")
    near = difflib.get_close_matches(value, class_names, 1, 0.5)
    known = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(str, class_names[:20]))}"
    raise ValueError(f"{name}: unknown class {value!r}; {known}")


def _padded(port, value):
    """A layout, or several, with rows of no object (class -1) after its boxes up to the number that the port has."""
    try:
        array = np.asarray(value, np.float64)
    except ValueError:  # several layouts with different numbers of boxes, or no numbers
        if isinstance(value, list | tuple) and all(np.ndim(row) == 1 for one in value for row in one):
            return [_padded(port, one) for one in value]
        return value
    if array.size == 0 and array.ndim < 3:  # a layout without boxes
        array = np.zeros((0, 5))
    missing = port.shape[1] - array.shape[-2] if array.ndim in (2, 3) and array.shape[-1] == 5 else 0
    if missing <= 0:
        return value
    none = np.broadcast_to([-1.0, 0, 0, 0, 0], (*array.shape[:-2], missing, 5))
    return np.concatenate([array, none], -2)


def _is_one(port, value):
    """Whether a value is that of one row, which stands for all."""
    if isinstance(value, str):
        return port.text
    several = port.text and np.asarray(value).dtype.kind == "U"  # strings, each of them a row
    return bool(port.shape) and np.ndim(value) == len(port.shape) - 1 and not several


class Ports(NamedTuple):
    """The declared inputs, in calling order, and the output of one function."""

    inputs: tuple
    output: Port


class Bundle:
    """An exported model: what it serves are its methods, as with the model itself.

    Opening reads `bundle.json` and checks every ONNX file that is to run: its hash, that it is one file of standard
    operators, and that its inputs and outputs are the ports. A function's file becomes a session when the function is
    first called.

    Args:
        directory: the folder that `kerasgen.export` wrote.
        variant: a smaller form, such as "float16"; a function that has none runs as it is.
        threads: how many ONNX Runtime uses for a call; left out, one for each core. In a pool of processes, 1.
        providers: where it runs, as ONNX Runtime names it, the first that is there:
            `("CUDAExecutionProvider", "CPUExecutionProvider")`.

    Attributes:
        info: `bundle.json`.
        system: id of the model's system.
        class_names: what classes are called; a name can be given wherever their numbers can.
        functions: names of the functions that ONNX Runtime can run.
        ports: function -> its `Ports`, for these.
        onnx: function -> the file that it runs, for these.

    Raises:
        ValueError: not a bundle, one of a newer version, or one that is not as it was written.

    A bundle can be copied and sent to other processes, which open sessions of their own.

    Example:
        >>> bundle = Bundle("exports/bundles/dcgan_digits")     # doctest: +SKIP
        >>> bundle.sample(16, seed=7).shape                     # doctest: +SKIP
        (16, 8, 8, 1)
    """

    def __init__(self, directory, variant=None, *, threads=None, providers=("CPUExecutionProvider",)):
        if threads is not None and (type(threads) is not int or threads < 1):
            raise ValueError(f"threads: expected a whole number of at least 1, or None, got {threads!r}")
        self.threads, self.providers = threads, tuple(providers)
        self.directory = os.path.abspath(directory)
        self.info = _read_info(self.directory)
        self.system = self.info["system"]
        self.class_names = tuple((self.info.get("data") or {}).get("class_names") or ())
        entries = {name: entry for name, entry in self.info["functions"].items() if entry["onnx"]}
        self.functions = tuple(entries)
        self.ports = {
            name: Ports(tuple(map(port_of, entry["inputs"])), port_of(entry["output"]))
            for name, entry in entries.items()
        }
        small = {name: entry.get("variants", {}) for name, entry in entries.items()}
        known = sorted({name for variants in small.values() for name in variants})
        if variant is not None and variant not in known:
            raise ValueError(f"variant: expected {' or '.join(known) or 'None, it has none'}, got {variant!r}")
        self.onnx = {n: small[n].get(variant, entry)["onnx"] for n, entry in entries.items()}
        self._sessions = {}
        for name, path in self.onnx.items():
            self.read(path, name)
            self._weights(name)

    def run(self, function: str, *args, **ports) -> np.ndarray:
        """Call a function by its name; what it takes is `self.ports[function].inputs`.

        Raises:
            ValueError: the bundle does not run this function, or an input is not what the port takes.
            TypeError: an input is missing, unknown or given twice.
        """
        if function not in self.functions:
            raise ValueError(self._unknown(function))
        values = bind(function, self.ports[function].inputs, args, ports, self.class_names)
        # ONNX Runtime refuses NumPy scalars.
        feeds = {name: np.asarray(value) for name, value in values.items()}
        return self.session(function).run(None, feeds)[0]

    def read(self, path, function=None) -> bytes:
        """The bytes of a file of the bundle, which are those that were written: what is checked is what is used.

        Args:
            path: as `bundle.json` lists it.
            function: given, the file must be an ONNX model of this function.

        Raises:
            ValueError: it is not listed, not a file, not as it was written, or no such model.
        """
        try:
            content = _read(self.directory, path, self.info["files"])
            if function is not None:
                entry = self.info["functions"][function]
                check_graph(content, self.ports[function], entry.get("weights") if path == entry["onnx"] else None)
        except ValueError as error:
            raise ValueError(f"bundle {self.directory!r}: {path} {error}") from None
        return content

    def _weights(self, function):
        """The bytes of the second file of what a function runs, if it has one."""
        entry = self.info["functions"][function]
        return self.read(entry["weights"]) if entry.get("weights") and self.onnx[function] == entry["onnx"] else None

    def check_files(self):
        """Read every file that `bundle.json` lists, and see that nothing else lies where programs are read from.

        Raises:
            ValueError: see `read`; or a file in `onnx/` or `saved_model/` that is not listed.
        """
        for path in self.info["files"]:
            self.read(path)
        for top in ("onnx", "saved_model"):
            for folder, inside, names in os.walk(os.path.join(self.directory, top)):
                linked = [name for name in inside if os.path.islink(os.path.join(folder, name))]
                for name in [*names, *linked]:  # the walk does not go into linked folders
                    path = os.path.relpath(os.path.join(folder, name), self.directory).replace(os.sep, "/")
                    if path not in self.info["files"]:
                        raise ValueError(f"bundle {self.directory!r}: {path} is not listed in bundle.json")

    def close(self):
        """Give back the memory of what has run; a function that is called again is opened again."""
        self._sessions.clear()

    def __getstate__(self):
        return {**self.__dict__, "_sessions": {}}  # which only this process can use

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

    def session(self, function: str):
        """The session of ONNX Runtime that runs a function; it is opened once."""
        if function not in self._sessions:
            self._sessions[function] = self.open(function)
        return self._sessions[function]

    def open(self, function: str, options=None):
        """A new session of ONNX Runtime for a function, for those who have options of their own."""
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the library is imported
        import onnxruntime

        known = onnxruntime.get_available_providers()
        for provider in self.providers:
            if provider not in known:
                raise ValueError(f"providers: expected some of {', '.join(known)}, got {provider!r}")
        if options is None:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads or 0
        content, weights = self.read(self.onnx[function], function), self._weights(function)
        if weights:
            names = [os.path.basename(self.info["functions"][function]["weights"])]
            options.add_external_initializers_from_files_in_memory(names, [weights], [len(weights)])
        return onnxruntime.InferenceSession(content, options, list(self.providers))


def port_of(fields: dict) -> Port:
    """A port from its fields in `bundle.json`; fields of a later time are passed over."""
    known = {field.name: fields[field.name] for field in dataclasses.fields(Port) if field.name in fields}
    return Port(**{**known, "shape": tuple(fields["shape"])})


# --- bundle.json ------------------------------------------------------------------------------------------------------

# What a reader relies on, as forms: a type, None, a pattern, a tuple of alternatives, [form] for a list, {str: form}
# for an object with any keys, {"key": form} for one with these; "key?" may be missing. Other keys are passed over:
# later writers may add some. `bundle.schema.json`, for writers, asks for more.
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PATH = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)  # no absolute or hidden one, no .., no drive
_NUMBER = (int, float, None)
_PORT = {
    "name": _NAME,
    "shape": [(int, re.compile("|".join((BATCH, *SIZES))))],
    "dtype": re.compile("float32|int32"),
    "meaning": str,
    "minimum?": _NUMBER,
    "maximum?": _NUMBER,
    "default?": _NUMBER,
    "text?": bool,
}
_FUNCTION = {
    "onnx": (_PATH, None),
    "reason?": (str, None),
    "inputs": [_PORT],
    "output": _PORT,
    "weights?": _PATH,
    "variants?": {str: {"onnx": _PATH}},
}
_INFO = {
    "system": str,
    "class": str,
    "title": str,
    "data?": ({"name": str, "licence?": str, "origin?": str, "class_names?": ([str], None)}, None),
    "kind": re.compile("picture|vector|text|sound"),
    "sample_rate?": (int, None),
    "image_shape": [int],
    "levels": (int, None),
    "num_classes": int,
    "values?": ([_NUMBER], None),
    "order?": ([int], None),
    "functions": {str: _FUNCTION},
    "files": {str: {"sha256": re.compile("[0-9a-f]{64}"), "bytes": int}},
}
_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    None: "null",
    list: "a list",
    dict: "an object",
}


def _read_info(directory):
    """`bundle.json`, if this is one that this version of the format can read."""
    path = os.path.join(directory, "bundle.json")
    try:
        if os.path.getsize(path) > MAX_INFO:
            raise ValueError(f"{os.path.getsize(path)} bytes")
        with open(path, encoding="utf-8") as file:
            info = json.load(file)
        known = info["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise ValueError(f"expected the folder of a bundle, with a bundle.json, got {directory!r}")
    try:
        _check_info(info)
    except ValueError as error:
        raise ValueError(f"bundle {directory!r}: {error}") from None
    return info


def _check_info(info):
    """Refuse what is of another version or not of the form, naming the key."""
    version = info.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(f"expected format version {VERSION} or older, got {version!r}")
    _match(info, _INFO, "")
    for path in info["files"]:
        _match(path, _PATH, "files")
    for name, entry in info["functions"].items():
        _check_function(name, entry, info["files"])


def _match(value, form, key):
    """Refuse a value that is not of its form, naming its key."""
    forms = form if isinstance(form, tuple) else (form,)
    inside = f"{key}." if key else ""
    for form in forms:
        if isinstance(form, dict) and isinstance(value, dict):
            for name, inner in form.items():
                if name is str:
                    for each, item in value.items():
                        _match(item, inner, inside + each)
                elif name.rstrip("?") in value:
                    _match(value[name.rstrip("?")], inner, inside + name.rstrip("?"))
                elif not name.endswith("?"):
                    raise ValueError(f"bundle.json: {inside}{name} is missing")
            return
        if isinstance(form, list) and isinstance(value, list):
            for i, item in enumerate(value):
                _match(item, form[0], f"{key}[{i}]")
            return
        if form is None and value is None or type(value) is form:
            return
        if isinstance(form, re.Pattern) and isinstance(value, str) and form.fullmatch(value):
            return
    raise ValueError(f"bundle.json: {key}: expected {' or '.join(map(_say, forms))}, got {str(value)[:40]!r}")


def _say(form):
    if isinstance(form, re.Pattern):
        return {_NAME: "a lower-case name", _PATH: "a path inside the folder"}.get(form, form.pattern)
    return _WORDS[type(form) if isinstance(form, dict | list) else form]


def _check_function(name, entry, files):
    """What the forms do not say of a function: its name, its axes, and that its files are listed."""
    key = f"functions.{name}"
    _match(name, _NAME, "functions")
    if entry["onnx"] is None and not entry.get("reason"):
        raise ValueError(f"bundle.json: {key}.reason: expected why it has no ONNX file, got nothing")
    ports = [*entry["inputs"], entry["output"]]
    names = [port["name"] for port in ports]
    if len(set(names)) < len(names):
        raise ValueError(f"bundle.json: {key}: expected ports of different names, got {', '.join(names)}")
    for port in ports:
        shape = port["shape"]
        sizes = {name for name in SIZES if name in names} if port is entry["output"] else ()
        if (shape and shape[0] != BATCH) or any(n not in sizes and (type(n) is not int or n < 1) for n in shape[1:]):
            raise ValueError(
                f'bundle.json: {key}.{port["name"]}: expected a shape [] or ["{BATCH}", sizes], got {shape}'
            )
    small = [variant["onnx"] for variant in entry.get("variants", {}).values()]
    for path in [*(entry[name] for name in ("onnx", "weights") if entry.get(name)), *small]:
        if path not in files:
            raise ValueError(f"bundle.json: {key}: expected a file that is listed in files, got {path!r}")


def _read(directory, path, files):
    """A listed file's bytes; the error says what is wrong with it."""
    if path not in files:
        raise ValueError("is not listed in bundle.json")
    full = os.path.join(directory, *path.split("/"))
    if not os.path.isfile(full):
        raise ValueError("is missing; expected a file")
    with open(full, "rb") as file:
        about = os.fstat(file.fileno())
        size = files[path]["bytes"]
        if about.st_size != size:
            raise ValueError(f"is not as it was written: expected {size} bytes, got {about.st_size}")
        content = file.read()
    if hashlib.sha256(content).hexdigest() != files[path]["sha256"]:
        raise ValueError("is not as it was written (sha256 differs)")
    return content


# --- ONNX files -------------------------------------------------------------------------------------------------------

# An ONNX file is one protocol buffer. This much of its wire format shows, without the `onnx` package, whether it asks
# for other files or other operators: message -> number of a field -> the message that it holds.
_INSIDE = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_GRAPH, _INPUTS, _OUTPUTS, _DOMAIN, _EXTERNAL = 7, 11, 12, {"opset": 1, "node": 7}, (13, 14)
_TYPES = {1: "float32", 6: "int32"}
MAX_DEPTH = 100  # of messages in messages, as protobuf itself has it


def check_graph(content, ports, weights=None):
    """Refuse an ONNX file that needs more than itself and the standard operators, or that has other ports.

    Args:
        content: the file's bytes.
        ports: the function's `Ports`.
        weights: path of the one file beside it that may hold tensors.

    Raises:
        ValueError: see above; the line goes on from the file's name.
    """
    try:
        domains, versions = set(), 0
        for message, number, value in _walk(memoryview(content), "model", 0):
            if message == "tensor" and number in _EXTERNAL and value:
                _check_outside(number, value, weights)
            if message == "model" and _INSIDE["model"].get(number) in ("training", "function"):
                raise ValueError(f"holds a {_INSIDE['model'][number]}; expected one graph of standard operators")
            versions += message == "opset" and number == 2
            if number == _DOMAIN.get(message):
                domains.add(bytes(value).decode())
        graphs = [value for number, value in _fields(memoryview(content)) if number == _GRAPH]
        fields = [field for graph in graphs for field in _fields(graph)]
        sides = [[_value(v) for n, v in fields if n == side] for side in (_INPUTS, _OUTPUTS)]
    except (IndexError, KeyError, TypeError, UnicodeDecodeError):
        raise ValueError("is not an ONNX file") from None
    if not versions:  # cut off behind its graph
        raise ValueError("is not an ONNX file")
    foreign = sorted(domains - {"", "ai.onnx"})
    if foreign:
        raise ValueError(f"uses operators of {', '.join(foreign)}; expected standard ones")
    for what, got, want in zip(("inputs", "output"), sides, (ports.inputs, [ports.output]), strict=True):
        want = [f"{port.name} {port.dtype} ({', '.join(map(str, port.shape))})" for port in want]
        if sorted(got) != sorted(want):
            raise ValueError(f"has the {what} {', '.join(got) or 'none'}; expected {', '.join(want)}")


def _check_outside(number, value, weights):
    """Refuse a tensor that lies anywhere but in the file of weights."""
    if not weights:
        raise ValueError("stores a tensor outside; expected one file without external data")
    name, fields = weights.rpartition("/")[2], dict(_fields(value) if number == _EXTERNAL[0] else ())
    if fields.get(1) == b"location" and fields.get(2) != name.encode():
        raise ValueError(f"stores a tensor elsewhere; expected {name}")


def _walk(data, message, depth):
    """(message, number, value) of every field, messages inside messages included."""
    if depth > MAX_DEPTH:
        raise ValueError(f"holds messages {depth} deep; expected at most {MAX_DEPTH}")
    for number, value in _fields(data):
        yield message, number, value
        inside = _INSIDE.get(message, {}).get(number)
        if inside:
            yield from _walk(value, inside, depth + 1)


def _fields(data):
    """(number, value) of the fields of a message: whole numbers, and bytes for everything else."""
    at = 0
    while at < len(data):
        key, at = _whole(data, at)
        kind, size = key & 7, {1: 8, 5: 4}.get(key & 7)
        if kind == 0:
            value, at = _whole(data, at)
        else:
            if kind == 2:
                size, at = _whole(data, at)
            value, at = data[at : at + size], at + size  # no size, no such kind: a TypeError
            if len(value) != size:
                raise IndexError
        yield key >> 3, value


def _whole(data, at):
    """A whole number, seven bits a byte, and where the next field begins."""
    value = shift = 0
    while True:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise IndexError


def _value(data):
    """Name, type and shape of an input or output, in words."""
    fields = dict(_fields(data))
    tensor = dict(_fields(dict(_fields(fields[2]))[1]))
    sizes = [dict(_fields(size)) for number, size in _fields(tensor.get(2, b"")) if number == 1]
    shape = ", ".join(bytes(size[2]).decode() if 2 in size else str(size.get(1, "?")) for size in sizes)
    return f"{bytes(fields[1]).decode()} {_TYPES.get(tensor[1], f'type {tensor[1]}')} ({shape})"
