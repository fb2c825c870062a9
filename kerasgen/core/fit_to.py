"""From data to a model of their size: what the data state, and the paper's pattern for the rest.

A system's defaults are the paper's, for the pictures of the paper. Users bring their own. What data state of themselves
(shape, grey levels, classes, ...) is taken from them; how many stages, how many feature maps and where attention goes
follows the way in which the paper's networks grow with the picture, which each system says in `sized`.
"""

from __future__ import annotations

import inspect
from typing import Any

STATED = {  # argument of a constructor -> what data state of it, None for nothing
    "image_shape": lambda data: tuple(data.shape),
    "levels": lambda data: data.levels,
    "num_classes": lambda data: data.num_classes,
    "sample_rate": lambda data: data.sample_rate,
    "text_length": lambda data: _size(data, "text"),
    "objects": lambda data: _size(data, "layout"),
    "classes": lambda data: len(data.objects) or None,
    "picture_channels": lambda data: data.picture_shape[2] if data.picture_shape else None,
}


class Sized:
    """Models that are made for some data."""

    @classmethod
    def sized(cls, data: Any) -> dict:
        """Hook: arguments by the paper's pattern for the size of `data.shape`; the others keep their defaults."""
        return {}

    @classmethod
    def arguments_for(cls, data: Any, **chosen: Any) -> dict:
        """Constructor arguments for some data.

        Args:
            data: `kerasgen.data.Data`.
            **chosen: arguments that are not left to the data and the pattern.

        Raises:
            ValueError: data of another kind, without the classes that the system needs, or of a size for which the
                pattern has no place.

        Example:
            >>> import kerasgen
            >>> kerasgen.models.DCGAN.arguments_for(kerasgen.data.load("digits"))
            {'image_shape': (8, 8, 1), 'widths': (128,)}
        """
        known = inspect.signature(cls.__init__).parameters
        if data.kind not in cls.kinds:
            raise ValueError(f"data: expected {' or '.join(f'{kind}s' for kind in cls.kinds)}, got {data.kind}s")
        stated = {name: state(data) for name, state in STATED.items() if name in known}
        if stated.get("num_classes") == 0 and known["num_classes"].default:
            raise ValueError(f"data: {cls.__name__} learns classes, and {data.name} has none; sub-folders name them")
        stated = {name: value for name, value in stated.items() if value is not None}
        return stated | cls.sized(data) | chosen

    @classmethod
    def fit_to(cls, data: Any, **chosen: Any) -> Any:
        """A model for some data, by the paper's pattern at their size.

        Args and Raises: as `arguments_for`.

        Example:
            >>> import kerasgen
            >>> model = kerasgen.models.DCGAN.fit_to(kerasgen.data.load("digits"), latent_dim=8)
            >>> model.sample(2, seed=7).shape
            (2, 8, 8, 1)
        """
        return cls(**cls.arguments_for(data, **chosen))


def _size(data: Any, port: str) -> int | None:
    """How many bytes or boxes are given of each example."""
    return data.splits["train"][1][port].shape[1] if port in data.given else None
