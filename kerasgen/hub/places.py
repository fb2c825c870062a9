"""Weights named by their place in the architecture: `generator/conv2d_transpose_1/kernel`.

A name is the way to a variable: attribute by attribute through a model and its layers, and through a network from its
inputs to its outputs, where layers of one kind are counted unless they have names of their own. So it depends on the
architecture alone, and not on what else was built before in the same process or in which order.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator
from typing import Any


def named_weights(model: Any) -> dict[str, Any]:
    """Name -> variable, of all weights of a model, batch statistics included; a shared layer has its first place.

    States of metrics, optimisers and seed generators are not weights.

    Example:
        >>> import kerasgen
        >>> list(named_weights(kerasgen.build("vae", image_shape=(8, 8, 1), latent_dim=2, widths=(4,))))[:2]
        ['encoder/dense/kernel', 'encoder/dense/bias']
    """
    weights, found = {id(variable) for variable in model.weights}, {}
    for name, variable in _walk(model, "", set()):
        if id(variable) in weights:
            found[name] = variable
    if len(found) != len(weights):
        lost = weights - {id(variable) for variable in found.values()}
        paths = ", ".join(variable.path for variable in model.weights if id(variable) in lost)
        raise ValueError(f"{type(model).__name__}: expected every weight in an attribute of its own, not so {paths}")
    return found


def numbered_weights(model: Any) -> dict[str, Any]:
    """The same by the names that files of version 0.1 have: the position, and the end of Keras' path."""
    return {
        f"{i:04d}/{'/'.join(map(_uncounted, variable.path.split('/')[-2:]))}": variable
        for i, variable in enumerate(model.weights)
    }


def _walk(layer: Any, above: str, seen: set) -> Iterator[tuple[str, Any]]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    own = [*layer._trainable_variables, *layer._non_trainable_variables]
    for name, variable in zip(_counted(_uncounted(variable.name) for variable in own), own, strict=True):
        yield above + name, variable
    for name, inner in _parts(layer):
        yield from _walk(inner, f"{above}{name}/", seen)


def _parts(layer: Any) -> Iterator[tuple[str, Any]]:
    """(name, layer) of what a layer is made of."""
    import keras

    if isinstance(layer, keras.Model) and hasattr(layer, "operations"):  # a network of layers, not a system
        kinds = [_snake(type(inner).__name__) for inner in layer.layers]
        # Keras' own names count all that it ever made.
        named = [re.fullmatch(rf"{kind}(_\d+)?", x.name) is None for kind, x in zip(kinds, layer.layers, strict=True)]
        rows = zip(layer.layers, named, kinds, strict=True)
        names = _counted(inner.name if own else kind for inner, own, kind in rows)
        yield from zip(names, layer.layers, strict=True)
        return
    for attribute, value in sorted(vars(layer).items(), key=lambda item: item[0].startswith("_")):
        if attribute != "_layers":  # Keras' own list of them all
            yield from _listed(attribute.removeprefix("_"), value)


def _listed(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The layers in an attribute, be it one, or a list or mapping of them."""
    import keras

    if isinstance(value, keras.Layer):
        yield name, value
    elif isinstance(value, list | tuple | dict):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _listed(f"{name}_{key}", inner)


def _counted(names: Iterable[str]) -> list[str]:
    """Names that are told apart: the second of a name is name_1."""
    counts: collections.Counter[str] = collections.Counter()
    found = []
    for name in names:
        found.append(f"{name}_{counts[name]}" if counts[name] else name)
        counts[name] += 1
    return found


def _uncounted(name: str) -> str:
    return re.sub(r"_[0-9]+$", "", name)


def _snake(name: str) -> str:
    """Keras' name for layers of a class, without its count: Conv2DTranspose is conv2d_transpose."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
