"""`bundle.json`: what a reader relies on, and files that are what was written.

`docs/bundle-format.md` says what the keys mean.
"""

from __future__ import annotations

import hashlib
import json
import os
import re

from .ports import BATCH, SIZES

FORMAT, VERSION = "kerasgen-bundle", 1
MAX_INFO = 2**22  # bytes of `bundle.json`

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
    "span?": _NUMBER,
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


def read_info(directory):
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
        check_info(info)
    except ValueError as error:
        raise ValueError(f"bundle {directory!r}: {error}") from None
    return info


def check_info(info):
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


def read_file(directory, path, files):
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
