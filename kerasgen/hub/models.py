"""From a preset to a model and back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import kerasgen
from kerasgen import catalog
from kerasgen.files import atomic_folder
from kerasgen.hub import keras_files, manifest, schema
from kerasgen.hub import weights as stored
from kerasgen.hub.card import card
from kerasgen.hub.folder import CARD, FORMAT, PRESET, WEIGHTS, dumps
from kerasgen.hub.presets import Preset, find_preset, read_preset


def load(source: str | os.PathLike | Preset, weights: bool = True, *, system: type | None = None) -> Any:
    """A model from a preset, a run folder or a `.keras` file.

    Args:
        source: preset name, preset folder, run folder, `Preset`, or path of a `.keras` file that a kerasgen model
            wrote.
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
    if not isinstance(source, Preset) and str(source).endswith(".keras"):
        return _expect(system, keras_files.load(source), source)
    preset = read_preset(source)
    if weights and not preset.weights:
        raise ValueError(f"{_called(preset)}: a recipe without weights; train it, or pass weights=False")
    model = _expect(system, kerasgen.build(preset["system"], **preset["arguments"]), source)
    model.class_names = preset.class_names
    if weights:
        stored.load_weights(model, find_preset(preset))
    return model


def _called(preset):
    return preset.folder.name if preset.folder else preset.name


def _expect(system, model, source):
    if system is not None and not isinstance(model, system):
        raise ValueError(f"{source}: expected a {system.__name__}, got a {type(model).__name__}")
    return model


def save_preset(
    model: Any, folder: str | os.PathLike, *, overwrite: bool = False, half: bool = False, **about: Any
) -> Path:
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
    folder = Path(folder)
    system = catalog.of(type(model))
    if system is None:
        name = type(model).__name__
        raise ValueError(
            f"{name}: a preset is of a system of the catalogue, and this is a class of your own; "
            f"model.save('{name.lower()}.keras') keeps its models"
        )
    content = {
        "format": FORMAT,
        "preset": folder.name,
        "system": system.id,
        "arguments": model.arguments,
        "parameters": parameters(model),
        **about,
    }
    text = dumps({key: content[key] for key in [*schema.SCHEMA, *content] if key in content})  # in the schema's order
    preset = Preset(json.loads(text), name=folder.name)
    weights = stored.dump(model, half)
    with atomic_folder(folder, overwrite) as temporary:
        Path(temporary, PRESET).write_text(text, "utf-8")
        Path(temporary, WEIGHTS).write_bytes(weights)
        Path(temporary, CARD).write_text(card(preset, preset.class_names or model.class_names), "utf-8")
        manifest.seal(temporary)
    return folder


def parameters(model: Any) -> dict[str, int]:
    """Numbers of parameters: of each player where all are networks, else in total."""
    if all(hasattr(model, player) for player in model.players):
        return {player: getattr(model, player).count_params() for player in model.players}
    return {"total": model.count_params()}  # a player of several networks, or the whole model
