"""Presets: systems as data, with a recipe and, for the small ones, trained weights.

A preset is a folder: `preset.json` (the system's id, its arguments, data and recipe), `model.safetensors` (weights),
`manifest.json` (sizes and SHA-256 of both) and, when `save_preset` wrote it, a `README.md`. The architecture is built
by our own code from the arguments, and weights are compared with it before any is assigned, so a preset is data and
nothing in it is run. Importing this module imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import importlib.metadata
import io
import json
import math
import os
import re
import zipfile
from pathlib import Path

import kerasgen
from kerasgen import catalog
from kerasgen.files import ASIDE, atomic_folder, atomic_write

FORMAT = 1
SHIPPED = Path(__file__).parent / "presets"
PRESET, WEIGHTS, MANIFEST, CARD = "preset.json", "model.safetensors", "manifest.json", "README.md"

# The keys of preset.json and the types of their values. All but the REQUIRED ones may be null or left out.
SCHEMA = {
    "format": int,
    "preset": str,
    "system": str,
    "description": str,
    "arguments": dict,  # the constructor checks the names
    "data": {
        "name": str,
        "batch_size": int,
        "image_shape": list,
        "labels": bool,
        "on_error": str,
        "max_pixels": int,
    },
    "recipe": {
        "epochs": int,
        "steps_per_epoch": int,
        "seed": int,
        "compile": {"jit_compile": bool, "steps_per_execution": int},
        "optimizers": dict,  # attribute -> OPTIMIZER
        "monitor": str,
    },
    "about": dict,  # what the data of a run are: `kerasgen.data.Data.about`
    "target": dict,  # figure -> TARGET
    "parameters": dict,
    "results": dict,
}
# `steps`: the training steps that rates and averages are written for; see `kerasgen.runs.recipes`.
OPTIMIZER = {"class_name": str, "config": dict, "steps": int}
# What a figure must reach, beside a baseline.
TARGET = {"at": float, "against": str, "like": str, "within": float}
REQUIRED = ("format", "preset", "system", "arguments")
POSITIVE = (
    "recipe.epochs",
    "recipe.steps_per_epoch",
    "recipe.compile.steps_per_execution",
    "data.batch_size",
    "data.max_pixels",
)
LIMITS = {"bytes": 2**20, "depth": 32}
TYPES = {
    int: "a whole number",
    float: "a number with a point",
    str: "text",
    dict: "an object",
    list: "a list",
    bool: "true or false",
}


class Damaged(ValueError):
    """Files of a preset are not what its manifest or its model says."""


class NotPreset(ValueError):
    """The name of a system, which has presets.

    Attributes:
        presets: their names.
    """

    def __init__(self, system, presets):
        self.presets = presets
        super().__init__(f"{system} is a system; expected one of its presets, {', '.join(presets)}")


# --- reading --------------------------------------------------------------------------------------------------------


def list_presets(pattern: str = "*", family: str | None = None) -> list[str]:
    """Names of the shipped presets that match a shell pattern, optionally of one family.

    Raises:
        ValueError: unknown family.

    Example:
        >>> import kerasgen
        >>> kerasgen.list_presets("dcgan_digits_q*")
        ['dcgan_digits_quick']
    """
    if family is not None and family not in catalog.FAMILIES:
        raise ValueError(f"unknown family {family!r}{catalog.nearest(family, catalog.FAMILIES)}")
    names = fnmatch.filter(sorted(path.parent.name for path in SHIPPED.glob(f"*/{PRESET}")), pattern)
    return [n for n in names if family is None or catalog.find(_read(SHIPPED / n)["system"]).family == family]


def find_preset(source) -> Path:
    """The preset folder that a name, a preset folder or a run folder stands for.

    Raises:
        ValueError: none of these; the line names the nearest preset.
    """
    by_plain = {catalog.plain(name): name for name in list_presets()}
    name = by_plain.get(catalog.plain(os.fspath(source)))
    if name:
        return SHIPPED / name
    path = Path(source)
    for folder in (path, path / "model", path / ASIDE / "model"):  # the last while a run replaces another
        if (folder / PRESET).is_file():
            return folder
    if (path / "bundle.json").is_file():
        raise ValueError(f"{source}: expected a preset or run folder, got a bundle; runtime.Bundle opens it")
    if path.is_dir():
        raise ValueError(f"{source}: expected a preset or run folder, got a folder without {PRESET}")
    system = next((id for id in catalog.SYSTEMS if catalog.plain(id) == catalog.plain(str(source))), None)
    if system:
        raise NotPreset(system, [name for name in by_plain.values() if _read(SHIPPED / name)["system"] == system])
    raise ValueError(f"unknown preset {str(source)!r}{catalog.nearest(str(source), by_plain.values())}")


def read_preset(source) -> dict:
    """A preset's `preset.json`, checked; no TensorFlow is imported.

    Args:
        source: preset name, preset folder or run folder.

    Raises:
        ValueError: unknown preset, or a fault in the file; the line names the key.

    Example:
        >>> from kerasgen import hub
        >>> hub.read_preset("dcgan_digits_quick")["system"]
        'dcgan'
    """
    return _read(find_preset(source))


def _read(folder):
    return check_preset(_read_json(folder / PRESET), folder.name)


def check_preset(preset, name="preset") -> dict:
    """The preset itself, after one look at every key and type.

    Raises:
        ValueError: the line names the key, what was expected and what arrived.
    """
    _check_keys(preset, SCHEMA, name, "")
    for key in REQUIRED:
        if preset.get(key) is None:
            raise ValueError(f"{name}: {key!r} is missing")
    if preset["format"] > FORMAT:
        raise ValueError(f"{name}: expected format {FORMAT}, got {preset['format']}; upgrade kerasgen")
    catalog.find(preset["system"])
    for key, value in preset["arguments"].items():
        if not _plain(value):
            raise ValueError(f"{name}: expected 'arguments.{key}' to be a scalar or a list, got an object")
    players = (preset.get("recipe") or {}).get("optimizers") or {}
    for player, optimizer in players.items():
        _check_keys(optimizer, OPTIMIZER, name, f"recipe.optimizers.{player}.")
    for key in (*POSITIVE, *(f"recipe.optimizers.{player}.steps" for player in players)):
        value = functools.reduce(lambda value, part: (value or {}).get(part), key.split("."), preset)
        if value is not None and value < 1:
            raise ValueError(f"{name}: expected {key!r} to be at least 1, got {value}")
    for figure, aim in (preset.get("target") or {}).items():
        _check_keys(aim, TARGET, name, f"target.{figure}.")
    return preset


def _check_keys(value, schema, name, at):
    if not isinstance(value, dict):
        got = json.dumps(value)[:40]
        raise ValueError(f"{name}: expected {at[:-1] or 'the file'!r} to be an object, got {got}")  # noqa: TRY004
    for key, child in value.items():
        if key not in schema:
            hint = catalog.nearest(key, schema) or f"; expected {', '.join(schema)}"
            raise ValueError(f"{name}: unknown key '{at}{key}'{hint}")
        expected = schema[key]
        if child is None:
            continue
        if isinstance(expected, dict):
            _check_keys(child, expected, name, f"{at}{key}.")
        elif type(child) is not expected:
            got = json.dumps(child)[:40]
            raise ValueError(f"{name}: expected '{at}{key}' to be {TYPES[expected]}, got {got}")


def _plain(value):
    return all(map(_plain, value)) if isinstance(value, list) else not isinstance(value, dict)


def _read_json(path) -> dict:
    """A JSON file of bounded size and depth, without NaN and infinity."""
    if path.stat().st_size > LIMITS["bytes"]:
        raise ValueError(f"{path.name}: expected at most {LIMITS['bytes']} bytes, got {path.stat().st_size}")

    def refuse(constant):
        raise ValueError(f"{path.name}: expected finite numbers, got {constant}")

    def depth(value):
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return 1 + max(map(depth, children), default=0)

    too_deep = f"{path.name}: expected at most {LIMITS['depth']} levels of nesting"
    try:
        value = json.loads(path.read_text("utf-8"), parse_constant=refuse)
        if depth(value) > LIMITS["depth"]:
            raise ValueError(too_deep)
    except RecursionError:
        raise ValueError(too_deep) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: expected JSON, got {error}") from None
    return value


# --- loading --------------------------------------------------------------------------------------------------------


def load(source, weights: bool = True, *, system=None):
    """A model from a preset, a run folder or a `.keras` file.

    Args:
        source: preset name, preset folder, run folder, or path of a `.keras` file that a kerasgen model wrote.
        weights: assign the trained weights; False gives the architecture with fresh ones.
        system: the model class expected, None for any.

    Raises:
        ValueError: unknown preset (the line names the nearest), a fault in the preset, or weights that it lacks.
        Damaged: files that differ from the manifest, or weights that differ from the model; none is assigned then.

    Example:
        >>> import kerasgen
        >>> kerasgen.load("dcgan_digits_quick", weights=False).latent_dim
        32
    """
    if str(source).endswith(".keras"):
        return _expect(system, _load_keras(source), source)
    folder = find_preset(source)
    preset = _read(folder)
    if weights and not (folder / WEIGHTS).is_file():
        raise ValueError(f"{folder.name}: a recipe without weights; train it, or pass weights=False")
    model = _expect(system, kerasgen.build(preset["system"], **preset["arguments"]), source)
    model.class_names = class_names(preset)
    if weights:
        load_weights(model, folder)
    return model


def class_names(preset) -> tuple:
    """What the classes of a preset or bundle are called, as far as it says so; a run says it of its data."""
    for key in ("about", "data"):
        names = (preset.get(key) or {}).get("class_names")
        if names:
            return tuple(names)
    return ()


def _expect(system, model, source):
    if system is not None and not isinstance(model, system):
        raise ValueError(f"{source}: expected a {system.__name__}, got a {type(model).__name__}")
    return model


def load_weights(model, folder):
    """Assign a preset folder's weights, all or none.

    Raises:
        Damaged: the files differ from the manifest, or the weights from the model.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as parse

    folder = Path(folder)
    variables = named_weights(model)
    size = (folder / WEIGHTS).stat().st_size
    most = sum(8 * math.prod(variable.shape) for variable in variables.values()) + 2**20
    if size > most:
        raise Damaged(f"{WEIGHTS}: expected at most {most} bytes for this model, got {size}")
    content = {PRESET: (folder / PRESET).read_bytes(), WEIGHTS: (folder / WEIGHTS).read_bytes()}
    _check_manifest(folder, content)
    try:
        arrays = parse(content[WEIGHTS])
    except SafetensorError as error:
        raise Damaged(f"{WEIGHTS}: expected safetensors, got {error}") from None
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


def _load_keras(path):
    """A user's own `.keras` file: its class and optimisers are looked up by us before Keras reads anything."""
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


# --- weights --------------------------------------------------------------------------------------------------------


def named_weights(model) -> dict:
    """The model's weights, batch statistics included, by names that do not depend on Keras' numbering of layers.

    A name is the position and the end of Keras' path without its counters: `0005/batch_normalization/gamma`. States of
    metrics, optimisers and seed generators are not weights.
    """
    return {
        f"{i:04d}/{'/'.join(re.sub(r'_[0-9]+$', '', part) for part in variable.path.split('/')[-2:])}": variable
        for i, variable in enumerate(model.weights)
    }


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


# --- saving ---------------------------------------------------------------------------------------------------------


def save_preset(model, folder, *, overwrite=False, half=False, **about) -> Path:
    """Write a model as a preset folder, whole or not at all.

    Args:
        model: a kerasgen model.
        folder: where to; a preset folder there is replaced, another one only with `overwrite`.
        overwrite: replace a folder that is not ours.
        half: store the weights in half precision (float16): half the bytes, three digits; a weight above 65,504 is
            refused.
        **about: further keys of `preset.json`: `description`, `data`, `recipe`, `target`, `results`, and `preset`,
            its name, if it is not the folder's.

    Raises:
        ValueError: a class outside the catalogue, unknown or wrong keys, or weights that are not finite.
        FileExistsError: the folder is there and not ours.

    Example:
        >>> import kerasgen, tempfile
        >>> model = kerasgen.build("dcgan", image_shape=(8, 8, 1), latent_dim=4, widths=(8, 4))
        >>> folder = kerasgen.hub.save_preset(model, tempfile.mkdtemp() + "/small")
        >>> kerasgen.load(folder).latent_dim
        4
    """
    import numpy as np
    from safetensors.numpy import save

    folder = Path(folder)
    system = catalog.of(type(model))
    if system is None:
        name = type(model).__name__
        raise ValueError(
            f"{name}: a preset is of a system of the catalogue, and this is a class of your own; "
            f"model.save('{name.lower()}.keras') keeps its models"
        )
    preset = {
        "format": FORMAT,
        "preset": folder.name,
        "system": system.id,
        "arguments": model.arguments,
        "parameters": parameters(model),
        **about,
    }
    preset = {key: preset[key] for key in [*SCHEMA, *preset] if key in preset}  # in the schema's order
    text = dumps(preset)
    check_preset(json.loads(text), folder.name)
    stored = {name: (v, _halved(_stored(v)) if half else _stored(v)) for name, v in named_weights(model).items()}
    with np.errstate(over="ignore"):  # what does not fit is infinite, and refused
        arrays = {name: np.asarray(v.numpy(), kind) for name, (v, (_, kind)) in stored.items()}
    _check_finite(arrays)
    with atomic_folder(folder, overwrite) as temporary:
        Path(temporary, PRESET).write_text(text, "utf-8")
        Path(temporary, WEIGHTS).write_bytes(save(arrays))
        Path(temporary, CARD).write_text(card(json.loads(text), model.serves), "utf-8")
        seal(temporary)
    return folder


def dumps(value) -> str:
    """JSON as people read it: indented, with lists of scalars on one line; NumPy scalars are plain numbers."""
    plain = {"allow_nan": False, "default": lambda scalar: scalar.item()}
    text = json.dumps(value, indent=2, ensure_ascii=False, **plain)
    return re.sub(r"\[\n\s+([^][{}]*?)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def seal(folder):
    """Write the manifest of a preset folder: sizes and hashes of its files, and the versions that made them."""
    files = {name: (Path(folder) / name).read_bytes() for name in (PRESET, WEIGHTS)}
    manifest = {
        "format": FORMAT,
        "files": {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in files.items()},
        "versions": versions(),
    }
    atomic_write(Path(folder) / MANIFEST, dumps(manifest).encode())


def _check_manifest(folder, content):
    path = folder / MANIFEST
    if not path.is_file():
        raise Damaged(f"{folder.name}: {MANIFEST} is missing; hub.seal writes it for files that you trust")
    manifest = _read_json(path)
    try:
        form, files = manifest["format"], {name: manifest["files"][name]["sha256"] for name in content}
    except (KeyError, TypeError):
        raise Damaged(f"{path}: expected 'format' and the hashes of {', '.join(content)}") from None
    if form != FORMAT:
        raise Damaged(f"{path}: expected format {FORMAT}, got {form!r}; upgrade kerasgen")
    for name, data in content.items():
        if _sha256(data) != files[name]:
            raise Damaged(f"{folder / name}: its SHA-256 is not that of the manifest; fetch or save it again")


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def parameters(model) -> dict:
    """Numbers of parameters: of each player where all are networks, else in total."""
    networks = {player: getattr(model, player, None) for player in model.players}
    if None in networks.values():  # a player of several networks, or the whole model
        return {"total": model.count_params()}
    return {player: network.count_params() for player, network in networks.items()}


def versions() -> dict:
    """Versions of what trained a model, for its records."""
    import platform

    return {
        "kerasgen": kerasgen.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
    }


def card(preset: dict, serves=("sample",)) -> str:
    """A preset's README.md: what it is, how to use it, what was measured."""
    system, data = catalog.find(preset["system"]), preset.get("data")
    name = data["name"] if data else ""
    name = os.path.basename(name) if os.path.isabs(name) else name  # a card tells no paths of this machine
    trained = f", trained on `{name}`" if data else ""
    call = "x = model.sample(16, seed=7)" if "sample" in serves else f"help(model.{serves[0]})"
    measured = [f"| {key} | {_shown(value)} |" for key, value in (preset.get("results") or {}).items()]
    text = f"""
---
library_name: kerasgen
tags: [{", ".join([system.family, *system.tags])}]
---

# {preset["preset"]}

{preset.get("description") or ""}

A {system.name} of {sum(preset["parameters"].values()):,} parameters{trained}.
{system.authors}, {system.year}, *{system.title}*, {system.reference}.

```python
import kerasgen

model = kerasgen.load("path/to/this/folder")
{call}
```
"""
    table = ["", "| measured | |", "| --- | --- |", *measured, ""] if measured else []
    return text.lstrip().replace("\n\n\n\n", "\n\n") + "\n".join(table)


def _shown(value):
    return f"{value:.4g}" if isinstance(value, float) else f"`{value}`"
