"""Weights by name, in a `model.safetensors`: all of them are compared with the model before any is assigned."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

from kerasgen.hub import manifest, places, shelf
from kerasgen.hub.folder import PRESET, WEIGHTS
from kerasgen.hub.manifest import Damaged

OLD = re.compile(r"\d{4}/")  # how names of weights begin in files of version 0.1


def load_weights(model: Any, folder: str | os.PathLike) -> None:
    """Assign a preset folder's weights, which may lie on the shelf, all or none.

    Raises:
        OSError: they are on the shelf, and not here.
        Damaged: the files differ from the manifest, or the weights from the model.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as parse

    folder = Path(folder)
    variables = places.named_weights(model)
    path = shelf.find(folder)
    size = path.stat().st_size
    most = sum(8 * math.prod(variable.shape) for variable in variables.values()) + 2**20
    if size > most:
        raise Damaged(f"{WEIGHTS}: expected at most {most} bytes for this model, got {size}")
    content = {PRESET: (folder / PRESET).read_bytes(), WEIGHTS: path.read_bytes()}
    manifest.check(folder, content)
    try:
        arrays = parse(content[WEIGHTS])
    except SafetensorError as error:
        raise Damaged(f"{WEIGHTS}: expected safetensors, got {error}") from None
    if arrays and all(OLD.match(name) for name in arrays):
        variables = places.numbered_weights(model)
    for name in [*variables, *arrays]:
        if name not in arrays:
            raise Damaged(f"{WEIGHTS}: expected {name!r}, which is missing")
        if name not in variables:
            raise Damaged(f"{WEIGHTS}: got {name!r}, which the model does not have")
        expected, got = _stored(variables[name]), (arrays[name].shape, arrays[name].dtype.name)
        if got not in (expected, _halved(expected)):
            raise Damaged(f"{WEIGHTS}: expected {name!r} of shape and type {expected}, got {got}")
    _check_finite(arrays)
    for name, variable in variables.items():
        variable.assign(arrays[name])
    model.adapts = False  # the first batch of a further `fit` must not initialise what was learned


def dump(model: Any, half: bool = False) -> bytes:
    """The weights of a model as a file holds them.

    Args:
        half: in half precision (float16): half the bytes, three digits.

    Raises:
        Damaged: weights that are not finite, or do not fit into half precision.
    """
    import numpy as np
    from safetensors.numpy import save

    stored = {name: (v, _halved(_stored(v)) if half else _stored(v)) for name, v in places.named_weights(model).items()}
    with np.errstate(over="ignore"):  # what does not fit is infinite, and refused
        arrays = {name: np.asarray(v.numpy(), kind) for name, (v, (_, kind)) in stored.items()}
    _check_finite(arrays)
    return save(arrays)


def _stored(variable):
    """Shape and type of a variable in the file: all floating types are stored as float32."""
    kind = str(variable.dtype)
    return tuple(variable.shape), "float32" if "float" in kind else kind


def _halved(stored):
    """The same in half precision, which a file may be in."""
    shape, kind = stored
    return shape, "float16" if kind == "float32" else kind


def _check_finite(arrays):
    import numpy as np

    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise Damaged(f"{WEIGHTS}: expected finite weights, got NaN or infinity in {name!r}")
