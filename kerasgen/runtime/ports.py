"""Ports: the named inputs and outputs of a function, and how what a user gives becomes them.

A bundle and a model check their inputs alike, by this file.
"""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any, NamedTuple, Protocol

import numpy as np

BATCH = "batch"  # the symbolic first axis
INT32 = (-(2**31), 2**31 - 1)
SIZES = ("height", "width")  # inputs that say the size of an axis of the output


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
        span: where a slider for it ends, if its range goes further; None where the range says it.
    """

    name: str
    shape: tuple
    dtype: str
    meaning: str
    minimum: float | None = None
    maximum: float | None = None
    default: float | None = None
    text: bool = False
    span: float | None = None

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
        if port.default is not None and len(port.shape) > 1 and isinstance(value, int | float | np.number):
            value = np.full(port.shape[1:], value)  # one number stands for all of a row
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


class Served(Protocol):
    """What a model and a bundle both are: functions as methods, by `serves`, and what their examples look like.

    Attributes:
        serves: names of the functions.
        ports: function -> its `Ports`.
        kind: of an example, "picture", "vector", "text" or "sound".
        image_shape: of an example.
        levels: of the data, None where they are continuous.
        sample_rate: of sounds, values per second.
        num_classes: 0 where examples have no label.
        class_names: where they are known; a name can be given wherever its number can.
    """

    serves: tuple
    ports: dict
    kind: str
    image_shape: tuple
    levels: int | None
    sample_rate: int | None
    num_classes: int
    class_names: tuple

    def __getattr__(self, name: str) -> Any:
        """The functions, by their names."""


def port_of(fields: dict) -> Port:
    """A port from its fields in `bundle.json`; fields of a later time are passed over."""
    known = {field.name: fields[field.name] for field in dataclasses.fields(Port) if field.name in fields}
    return Port(**{**known, "shape": tuple(fields["shape"])})
