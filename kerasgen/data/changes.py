"""Data made from data: fewer grey levels, or every training picture beside its mirror image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from kerasgen.data.description import Data


class Changed:
    """Rows that are changed when they are read."""

    def __init__(self, rows, change: Callable, times: int = 1):
        self.rows, self.change, self.times, self.shape = rows, change, times, rows.shape

    def __len__(self):
        return len(self.rows) * self.times

    def __getitem__(self, indices):
        turn, place = np.divmod(np.asarray(indices), len(self.rows))
        return self.change(self.rows[place], turn)


def coarser(data: Data, levels: int) -> Data:
    """Pictures of fewer grey levels, each value the nearest of them.

    Raises:
        ValueError: not pictures of that many levels, or fewer than two.

    Example:
        >>> import kerasgen.data
        >>> coarser(kerasgen.data.load("digits"), 2).levels
        2
    """
    if levels == data.levels:
        return data
    if data.kind != "picture" or not data.levels or not 2 <= levels <= data.levels:
        got = f"{levels} of {data.name}, {data.kind}s of {data.levels or 'continuous'} levels"
        raise ValueError(f"levels: expected 2 to as many as pictures have, got {got}")

    def rounded(rows, turn=None):
        return np.rint(rows * ((levels - 1) / (data.levels - 1))).astype("uint8")

    def of(x, given):
        given = {name: _changed(rows, rounded) if name == "picture" else rows for name, rows in given.items()}
        return _changed(x, rounded), given

    return dataclasses.replace(data, levels=levels, splits={name: of(*rows) for name, rows in data.splits.items()})


def mirrored(data: Data) -> Data:
    """Each training picture, and its mirror image with what is given of it: twice as many.

    Raises:
        ValueError: not pictures.

    Example:
        >>> import kerasgen.data
        >>> mirrored(kerasgen.data.load("digits")).count("train")
        2514
    """
    if data.kind != "picture":
        raise ValueError(f"flip: expected pictures, got {data.kind}s from {data.name}")

    def turned(rows, turn):
        return np.where(turn[:, None, None, None] > 0, rows[:, :, ::-1], rows)

    def moved(rows, turn):  # (class, left, top, width, height); no object is class -1
        boxes = rows.copy()
        boxes[..., 1] = np.where(rows[..., 0] < 0, rows[..., 1], 1.0 - rows[..., 1] - rows[..., 3])
        return np.where(turn[:, None, None] > 0, boxes, rows)

    kept = lambda rows, turn: rows
    changes = {"picture": turned, "layout": moved}
    x, given = data.splits["train"]
    train = (
        _changed(x, turned, 2),
        {name: _changed(rows, changes.get(name, kept), 2) for name, rows in given.items()},
    )
    return dataclasses.replace(data, splits={**data.splits, "train": train})


def _changed(rows, change, times=1):
    """The same when read, done at once for an array."""
    changed = Changed(rows, change, times)
    return changed[np.arange(len(changed))] if isinstance(rows, np.ndarray) else changed
