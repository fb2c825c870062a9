"""A look into an ONNX file before it is run, without the `onnx` package."""

from __future__ import annotations

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
