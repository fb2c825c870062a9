"""Presets: systems as data, with a recipe and, for the small ones, trained weights.

A preset is a folder: `preset.json` (the system's id, its arguments, data and recipe), `model.safetensors` (weights),
`manifest.json` (sizes and SHA-256 of both) and, when `save_preset` wrote it, a `README.md`. The architecture is built
by our own code from the arguments, and weights are compared with it before any is assigned, so a preset is data and
nothing in it is run. Importing this package imports neither TensorFlow nor Keras.

    folder       the files of a preset, and how JSON is read and written
    schema       what a preset.json may hold
    presets      which presets there are, and one of them, checked
    manifest     which files belong together, and what made them
    shelf        weights that are too large for the wheel
    weights      weights by name, in full and half precision
    keras_files  `.keras` files, looked at before Keras reads them
    card         what a preset says of itself to people
    models       from a preset to a model and back
"""

from kerasgen.hub.folder import CARD, MANIFEST, PRESET, SHIPPED, WEIGHTS, dumps
from kerasgen.hub.manifest import Damaged, seal, versions
from kerasgen.hub.models import load, save_preset
from kerasgen.hub.places import named_weights
from kerasgen.hub.presets import NotPreset, Preset, class_names, find_preset, list_presets, read_preset, small_presets
from kerasgen.hub.weights import load_weights

__all__ = [
    "CARD",
    "MANIFEST",
    "PRESET",
    "SHIPPED",
    "WEIGHTS",
    "Damaged",
    "NotPreset",
    "Preset",
    "class_names",
    "dumps",
    "find_preset",
    "list_presets",
    "load",
    "load_weights",
    "named_weights",
    "read_preset",
    "save_preset",
    "seal",
    "small_presets",
    "versions",
]
