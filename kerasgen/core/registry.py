"""What Keras has to know before a model is asked for: our classes, and which of its backends they need.

`keras.saving.load_model` looks a class up by the name it was registered under, which happens when its file is
imported, and ours are imported when they are needed. So Keras is given an entry for each system that imports it then.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from kerasgen import catalog

PACKAGE = "kerasgen"  # our classes are `kerasgen>VAE` in files


class Later:
    """What Keras finds under a system's name: enough of a class to make a model from its configuration."""

    def __init__(self, system: catalog.System):
        self.system = system

    def from_config(self, config: dict, **options: Any) -> Any:
        return self.system.load().from_config(config, **options)


def tell(keras: ModuleType) -> None:
    """Give Keras an entry for every system; the class itself takes its place when it is imported."""
    known = keras.saving.get_custom_objects()
    for system in catalog.SYSTEMS.values():
        known.setdefault(f"{PACKAGE}>{system.name}", Later(system))


class AfterImport:
    """An entry of `sys.meta_path` that calls a function with Keras as soon as somebody imports it."""

    def __init__(self, call: Callable[[ModuleType], None]):
        self.call = call

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "keras":
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_call(module):
            run(module)
            self.call(module)

        spec.loader.exec_module = run_and_call
        return spec


def watch() -> None:
    """Tell Keras now if it is there, else when it is imported; nothing is imported here."""
    if hasattr(sys.modules.get("keras"), "saving"):
        tell(sys.modules["keras"])
    elif not any(isinstance(finder, AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, AfterImport(tell))


def check_backend() -> None:
    """Refuse a backend that models cannot run on, before Keras fails to find what it needs.

    Raises:
        ImportError: the backend is not TensorFlow.
    """
    keras = sys.modules.get("keras")
    used = keras.backend.backend() if hasattr(keras, "backend") else os.environ.get("KERAS_BACKEND", "tensorflow")
    if used != "tensorflow":
        raise ImportError(
            f"kerasgen: expected the Keras backend 'tensorflow', got {used!r}; "
            "import kerasgen before keras, or set KERAS_BACKEND=tensorflow"
        )


def check_settings() -> None:
    """Refuse settings of Keras that our layers do not follow.

    Raises:
        ValueError: pictures with the channel axis first, or numbers of another size than float32.
    """
    import keras

    settings = {
        "image_data_format": (keras.config.image_data_format(), "channels_last"),
        "floatx": (keras.config.floatx(), "float32"),
    }
    for name, (got, expected) in settings.items():
        if got != expected:
            file = os.path.join("~", ".keras", "keras.json")
            raise ValueError(
                f"keras: expected {name} {expected!r}, got {got!r}; "
                f"call keras.config.set_{name}({expected!r}), or mend {file}"
            )
