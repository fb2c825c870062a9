"""`.keras` files: classes and sizes are looked up by us before Keras reads anything, and nothing in them is run."""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import Any

from kerasgen import catalog
from kerasgen.hub.folder import LIMITS
from kerasgen.hub.manifest import Damaged


def load(path: str | os.PathLike) -> Any:
    """The model of a user's own `.keras` file.

    Raises:
        ValueError: no such file, no model of ours, or a class that a model of ours does not hold.
        Damaged: weights that claim to be larger than the file.
    """
    if "://" in str(path):
        raise ValueError(f"{path}: expected a local file, got an address")
    if not os.path.isfile(path):
        raise ValueError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
            config = json.loads(file.read(LIMITS["bytes"] + 1))
        package, _, name = config["registered_name"].partition(">")
    except (zipfile.BadZipFile, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise ValueError(f"{path}: expected a .keras file of a kerasgen model") from None
    known = [system for system in catalog.SYSTEMS.values() if system.name == name and package == "kerasgen"]
    if not known:
        raise ValueError(
            f"{path}: expected a kerasgen model, got {config['registered_name']!r}; "
            "keras.saving.load_model opens a class of your own where it is defined"
        )
    _check_classes(config["config"], path, allowed=())
    optimizers = ("keras.optimizers", "keras.optimizers.schedules")
    _check_classes(config.get("compile_config"), path, allowed=optimizers)
    _check_declared(path)
    known[0].load()  # registers the class

    import keras

    return keras.models.load_model(path, safe_mode=True)


def _check_declared(path):
    """Refuse weights that claim to be larger than the file they are in; Keras would make room for them."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("model.weights.h5").file_size
        if size > os.path.getsize(path):  # Keras does not compress
            raise Damaged(f"{path}: expected weights of at most the file's size, got {size} bytes")
        declared = []
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            file.visititems(lambda _, item: declared.append(getattr(item, "nbytes", 0)))
    if sum(declared) > 1.1 * size + 2**20:
        raise Damaged(f"{path}: expected weights of at most {size} bytes, got {sum(declared)} declared")


def _check_classes(value, path, allowed):
    """Refuse serialised objects from any module but the allowed ones, wherever they are nested."""
    if isinstance(value, dict):
        if "class_name" in value and value.get("module") not in allowed:
            raise ValueError(f"{path}: a kerasgen model does not hold {value['class_name']!r}")
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            _check_classes(child, path, allowed)
