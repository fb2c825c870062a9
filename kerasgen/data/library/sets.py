"""A row of the table of public data, and what its makers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kerasgen.data import remote

RAW = "https://raw.githubusercontent.com"


class Set(NamedTuple):
    """Public data.

    Attributes:
        make: function (what the reader gives, seed, image_shape) -> fields of `Data`.
        files: those that are fetched; none where no public file has a hash that is known.
        read: paths of them -> what `make` takes.
        licence, origin: in words.
        small: a file that mirrors may have in their place, and its reader.
        elsewhere: where no file is fetched, who has the data, in words.
    """

    make: Callable
    files: tuple
    read: Callable | None
    licence: str
    origin: str
    small: tuple | None = None
    elsewhere: str = ""


def pictures(splits, levels=256):
    """The fields of pictures of so many grey levels."""
    return dict(splits=splits, shape=splits["train"][0].shape[1:], minimum=0.0, maximum=1.0, levels=levels)


def fitted(x, image_shape):
    """Pictures of the size and the channels that are asked for."""
    if image_shape is None or x.shape[1:] == tuple(image_shape):
        return x
    return np.stack([remote.fit(picture, image_shape) for picture in x])


def pieces(flat, length):
    """What is stored end to end, as a list of arrays of these lengths."""
    return np.split(flat, np.cumsum(length)[:-1])
