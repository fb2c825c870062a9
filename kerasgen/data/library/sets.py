"""A row of the table of public data, and what its makers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kerasgen.data import remote
from kerasgen.data.fetching import File

RAW = "https://raw.githubusercontent.com"


class Set(NamedTuple):
    """Public data.

    Attributes:
        what: in a few words.
        shape, counts: of an example, where nothing else is asked for; of train, validation and test.
        make: function (what the reader gives, seed, image_shape) -> fields of `Data`.
        licence, origin: in words, as `Data` has them.
        citation: who is to be cited.
        files: those that are fetched; none where no public file has a hash that is known.
        read: paths of them -> what `make` takes.
        small: a file that mirrors may have in their place, and its reader.
        elsewhere: where no file is fetched, how to get the data, in words.
    """

    what: str
    shape: tuple
    counts: tuple
    make: Callable
    licence: str
    origin: str
    citation: str
    files: tuple[File, ...] = ()
    read: Callable | None = None
    small: tuple | None = None
    elsewhere: str = ""


def pictures(splits, levels=256):
    """The fields of pictures of so many grey levels."""
    return dict(splits=splits, shape=splits["train"][0].shape[1:], minimum=0.0, maximum=1.0, levels=levels)


def published(train, test, image_shape, class_names):
    """The fields of labelled pictures of two splits (x, label); the last tenth of train is for validation."""
    parts = {**dict(zip(("train", "validation"), remote.last_tenth(train), strict=True)), "test": test}
    splits = {name: (fitted(x, image_shape), label.astype("int32")) for name, (x, label) in parts.items()}
    return {**pictures(splits), "class_names": class_names}


def fitted(x, image_shape):
    """Pictures of the size and the channels that are asked for."""
    if image_shape is None or x.shape[1:] == tuple(image_shape):
        return x
    from kerasgen.data import folder

    folder.check_shape(image_shape)
    return np.stack([remote.fit(picture, image_shape) for picture in x])


def pieces(flat, length):
    """What is stored end to end, as a list of arrays of these lengths."""
    return np.split(flat, np.cumsum(length)[:-1])
