"""The file behind `Resume`: what a run consists of, how that is keyed, written whole, found again and compared.

One file, `<steps done>-<start of its SHA-256>.safetensors`, holds every array and, as JSON in the array `state`, the
rest. Nothing in it is run: arrays are plain numbers, and JSON names no classes to be made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from kerasgen import hub
from kerasgen.core import run_state
from kerasgen.core.lengths import LENGTHS, MOMENTUM
from kerasgen.files import atomic_write

FORMAT = 1
NAME = re.compile(r"(\d{10,})-([0-9a-f]{16})\.safetensors")
STATE = "state"  # the array that holds the JSON
NOTHING = {"dict": []}  # what a callback without state packs


class Checkpoint(NamedTuple):
    """A file that was read and is intact."""

    path: Path
    arrays: dict  # key -> array
    state: dict


# --- the file -------------------------------------------------------------------------------------------------------


def write(directory, done: int, arrays: dict, state: dict) -> Path:
    """Write a checkpoint whole or not at all.

    Args:
        directory: a folder that exists.
        done: training steps so far, part of the name.
        arrays: key -> NumPy array.
        state: plain values.
    """
    from safetensors.numpy import save

    halves = [key for key, array in arrays.items() if array.dtype.name == "bfloat16"]  # NumPy has no such type
    arrays = {key: array.view("uint16") if key in halves else array for key, array in arrays.items()}
    state = {"format": FORMAT, "versions": hub.versions(), "bfloat16": halves, **state}
    arrays[STATE] = np.frombuffer(json.dumps(state).encode(), "uint8")
    content = save({key: np.asarray(array, order="C") for key, array in arrays.items()})
    path = Path(directory, f"{done:010d}-{_digest(content)}.safetensors")
    atomic_write(path, content)
    return path


def newest(directory) -> Checkpoint | None:
    """The newest intact checkpoint of a folder, None where there is no checkpoint at all.

    Raises:
        Damaged: there are checkpoints, and none is intact.
        ValueError: a later version of kerasgen wrote it.
    """
    paths = find(directory)
    for path in paths:
        content = path.read_bytes()
        if NAME.fullmatch(path.name)[2] == _digest(content):
            return _parse(path, content)
        warnings.warn(f"{path}: damaged; going on from the checkpoint before it", stacklevel=4)
    if paths:
        raise hub.Damaged(f"{directory}: expected an intact checkpoint, got {len(paths)} damaged")
    return None


def find(directory) -> list:
    """Paths of the checkpoints in a folder, newest first."""
    paths = [path for path in Path(directory).iterdir() if NAME.fullmatch(path.name)]
    return sorted(paths, key=lambda path: (int(path.name.split("-")[0]), path.stat().st_mtime), reverse=True)


def _parse(path, content):
    from safetensors.numpy import load

    arrays = load(content)
    state = json.loads(arrays.pop(STATE).tobytes())
    if state["format"] > FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT}, got {state['format']}; upgrade kerasgen")
    for key in state["bfloat16"]:
        arrays[key] = arrays[key].view("bfloat16")
    return Checkpoint(path, arrays, state)


def _digest(content):
    return hashlib.sha256(content).hexdigest()[:16]


# --- the model ------------------------------------------------------------------------------------------------------


def check_variables(checkpoint: Checkpoint, model):
    """Compare keys, shapes and types with the model's, before anything is assigned.

    Raises:
        ValueError: the line names the first that differs.
    """
    expected, got = run_state.variables(model), checkpoint.arrays
    saved = {key for key in got if not key.startswith("callbacks/")}
    for key in sorted(saved ^ set(expected)):
        place = "which the model does not have" if key in saved else "which is missing"
        raise ValueError(f"{checkpoint.path}: {key}, {place}")
    for key, variable in expected.items():
        ours, theirs = (tuple(variable.shape), str(variable.dtype)), (got[key].shape, got[key].dtype.name)
        if ours != theirs:
            raise ValueError(f"{checkpoint.path}: {key}: expected shape and type {ours}, got {theirs}")


def describe(model, source, epochs) -> dict:
    """What makes a run the same run, as plain values by dotted names.

    Args:
        model: compiled.
        source: its data; see `kerasgen.data.endless`.
        epochs: how long it is to be.
    """
    about = {
        "system": type(model).__name__,
        "arguments": model.arguments,
        "dtype": model.dtype_policy.name,
        "seed": model.seed,
        "epochs": epochs,
        **{name: keras.optimizers.serialize(optimizer) for name, optimizer in run_state.optimizers(model).items()},
        "steps_per_epoch": source.steps,
        "first_batch": source.fingerprint(),
    }
    return json.loads(json.dumps(dict(_flat(about)), default=lambda value: type(value).__name__))


def check_run(directory, saved: dict, now: dict):
    """Compare two descriptions.

    A run of other epochs is a run that is extended: lengths of schedules and averages may be those of the longer run.

    Raises:
        ValueError: the line names the first difference.
    """
    extended = saved.get("epochs") != now["epochs"]
    for key in [*now, *saved]:
        before, after = saved.get(key), now.get(key)
        if before == after or key == "epochs" or (extended and key.rpartition(".")[2] in (*LENGTHS, MOMENTUM)):
            continue
        if key == "first_batch":
            raise ValueError(
                f"{directory}: the first batch is not that of the run to go on with: the data are others, or their "
                "order cannot be repeated (a shuffle without a seed)"
            )
        raise ValueError(
            f"{directory}: expected {key} = {json.dumps(before)} of the run to go on with, got {json.dumps(after)}"
        )


def _flat(values, prefix=""):
    for key, value in values.items():
        # Keras numbers its names, and a learning rate that is a number is part of the optimiser's variables.
        if key == "name" or (key == "learning_rate" and not isinstance(value, dict)):
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


# --- the other callbacks --------------------------------------------------------------------------------------------


def attributes(callback) -> dict:
    """attribute -> digest of its value, for those that hold plain values."""
    return {
        name: hashlib.sha256(
            json.dumps([packed, {key: str(array.dtype) for key, array in arrays.items()}]).encode()
            + b"".join(array.tobytes() for array in arrays.values())
        ).digest()
        for name, packed, arrays in _plain(callback)
    }


def state_of(callback, beginning: dict, name: str, arrays: dict):
    """What a callback has to be given back: its own `state()`, or else the attributes that changed.

    Plain values are numbers, text, None, NumPy arrays, and lists, tuples and dictionaries of these.

    Args:
        callback: a Keras callback.
        beginning: `attributes` of it when training began.
        name: prefix of the keys of its arrays.
        arrays: these are added here.

    Returns: values as JSON.
    """
    if hasattr(callback, "state"):
        return pack(callback.state(), name, arrays)
    now, changed = attributes(callback), []
    for attribute, packed, found in _plain(callback, f"{name}/"):
        if now[attribute] != beginning.get(attribute):
            changed.append([attribute, packed])
            arrays.update(found)
    return {"dict": changed}


def give_back(callback, packed, arrays: dict):
    """Undo `state_of`."""
    values = unpack(packed, arrays)
    if hasattr(callback, "restore"):
        callback.restore(values)
    else:
        for attribute, value in values.items():
            setattr(callback, attribute, value)


def _plain(callback, prefix=""):
    for name, value in vars(callback).items():
        if name == "min_delta":  # an argument, whose sign Keras changes at first use, in each process anew
            continue
        arrays = {}
        with contextlib.suppress(TypeError, RecursionError):
            yield name, pack(value, prefix + name, arrays), arrays


def pack(value, name: str, arrays: dict):
    """A plain value as JSON; its arrays go to `arrays` under keys that begin with `name`.

    Raises:
        TypeError: the value, or a part of it, is not plain.

    Example:
        >>> arrays = {}
        >>> pack({"best": 0.5, "kept": [np.ones(2)]}, "x", arrays)
        {'dict': [['best', 0.5], ['kept', [{'array': 'x/1/0'}]]]}
        >>> unpack(_, arrays)["kept"]
        [array([1., 1.])]
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and (value.dtype.kind in "biuf" or value.dtype.name == "bfloat16"):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, (list, tuple)):
        parts = [pack(part, f"{name}/{i}", arrays) for i, part in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if isinstance(value, dict):
        pairs = enumerate(value.items())
        return {"dict": [[pack(key, name, {}), pack(part, f"{name}/{i}", arrays)] for i, (key, part) in pairs]}
    raise TypeError(f"{name}: expected a plain value, got {type(value).__name__}")


def unpack(value, arrays: dict):
    """Undo `pack`."""
    if isinstance(value, list):
        return [unpack(part, arrays) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[content].copy()
    if kind == "tuple":
        return tuple(unpack(part, arrays) for part in content)
    return {unpack(key, arrays): unpack(part, arrays) for key, part in content}
