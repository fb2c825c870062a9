"""kerasgen: deep generative models for Keras 3, from `model.fit` to one exported file that samples anywhere.

    import kerasgen

    data = kerasgen.data.load("digits")
    model = kerasgen.build("dcgan", image_shape=data.image_shape, latent_dim=32, widths=(64, 32))
    model.compile()
    model.fit(data.train, epochs=40)
    pictures = model.sample(16, seed=7)
    kerasgen.export(model, "exports/dcgan_digits")

Importing this package imports neither TensorFlow nor Keras; the first model does.
"""

from __future__ import annotations

import importlib
import os

from kerasgen import catalog
from kerasgen.core import registry

__version__ = "0.1.0"

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Nothing leaves the machine: these must be set before the libraries are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

registry.watch()  # so that Keras finds our classes, whoever imports it and when

_SUBMODULES = (
    "callbacks", "core", "data", "exporting", "hub", "metrics", "models", "objectives", "runtime",
    "samplers",
)  # fmt: skip
_FUNCTIONS = {
    "load": "hub",
    "list_presets": "hub",
    "export": "exporting.writer",
    "verify": "exporting.proof",
}

__all__ = ["build", "list_systems", *_FUNCTIONS, *_SUBMODULES]


def build(system: str, **arguments):
    """Build a system by its id or class name.

    Args:
        system: as in `list_systems()`; case, `-` and `_` do not matter.
        **arguments: of the model's constructor.

    Raises:
        ValueError: unknown system (the line names the nearest one), unknown argument, or a text for a number.

    Example:
        >>> import kerasgen
        >>> kerasgen.build("dcgan", image_shape=(8, 8, 1), latent_dim=16, widths=(32, 16)).latent_dim
        16
    """
    import inspect

    cls = catalog.find(system).load()
    known = [name for name in inspect.signature(cls.__init__).parameters if name not in ("self", "kwargs")]
    for name in arguments:
        if name not in [*known, "name", "dtype"]:
            raise ValueError(f"{system}: expected {', '.join(known)}, got {name!r}{catalog.nearest(name, known)}")
        usual = getattr(inspect.signature(cls.__init__).parameters.get(name), "default", None)
        if isinstance(arguments[name], str) and isinstance(usual, int | float | tuple):
            kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(usual), "a list")
            raise ValueError(f"{name}: expected {kind} like {usual!r}, got {arguments[name]!r}")
    return cls(**arguments)


def list_systems(pattern: str = "*", family: str | None = None) -> list[str]:
    """Ids of the systems that match a shell pattern, optionally of one family.

    Example:
        >>> import kerasgen
        >>> kerasgen.list_systems("*pm")
        ['ddpm']
    """
    import fnmatch

    if family is not None and family not in catalog.FAMILIES:
        raise ValueError(f"unknown family {family!r}{catalog.nearest(family, catalog.FAMILIES)}")
    return [
        id for id, system in catalog.SYSTEMS.items() if fnmatch.fnmatch(id, pattern) and family in (None, system.family)
    ]


def __getattr__(name):
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"kerasgen.{_FUNCTIONS[name]}"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"kerasgen.{name}")
    raise AttributeError(f"module 'kerasgen' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
