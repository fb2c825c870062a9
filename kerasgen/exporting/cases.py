"""Inputs that exercise a function, made from its ports alone."""

from __future__ import annotations

import numpy as np

from kerasgen.runtime import BATCH, SIZES, from_text, port_of

MAX_STEPS = 50  # of a sampler in the proof: a loop's body is the same for each


def cases(entry, info):
    """Two cases, three rows and one row, of defaults and of other values: (inputs, rounds).

    Rounds are None where the function's loops end by themselves.
    """
    for rows, seed, rounds in zip((3, 1), (7, 12345), entry.get("rounds") or (None, None), strict=True):
        draw = np.random.default_rng(seed)
        ports = map(port_of, entry["inputs"])
        inputs = {port.name: value_of(port, rows, seed, rows == 3, info, draw) for port in ports}
        if "steps" in inputs:
            inputs["steps"] = np.minimum(inputs["steps"], MAX_STEPS)
        yield inputs, rounds


def value_of(port, rows, seed, plain, info, draw):
    """An input: its default if `plain`, else another value in its range."""
    shape = tuple(rows if size == BATCH else size for size in port.shape)
    low = port.minimum if port.minimum is not None else -3.0
    high = port.maximum if port.maximum is not None else low + 6.0
    if port.name in ("count", "seed"):
        value = {"count": rows, "seed": seed}[port.name]
    elif port.name in SIZES:
        value = port.default if plain else port.default + 3 + 2 * (port.name == "width")
    elif port.default is not None and not port.shape:
        value = port.default if plain else 3 if port.name == "steps" else low + 0.6 * (min(high, 2.0) - low)
    elif port.name == "label":
        drawn = port.default is not None and not plain
        value = port.default if drawn else np.arange(rows) % info["num_classes"]
    elif port.name == "noise_level":
        value = np.geomspace(0.05, 5.0, rows)
    elif port.name in ("text", "layout"):
        value = _described(port, rows, info, draw)
    elif port.name == "mask":
        value = draw.integers(0, 2, shape)
    elif port.dtype == "int32":
        value = draw.integers(int(low), int(high) + 1, shape)
    elif port.minimum is None and port.maximum is None:
        value = draw.standard_normal(shape)
    elif info["levels"] and tuple(port.shape[1:]) == tuple(info["image_shape"]):
        values = info.get("values") or np.arange(info["levels"]) / (info["levels"] - 1)
        value = np.take(values, draw.integers(0, info["levels"], shape))
    else:
        value = draw.uniform(low, high, shape)
    return np.broadcast_to(np.asarray(value, port.dtype), shape).copy()


def _described(port, rows, info, draw):
    """Descriptions of the data, over and over; without, letters, or boxes of the first class."""
    known = (info["data"] or {}).get("descriptions")
    if known:
        known = from_text(known, port.shape[1]) if port.text else np.array(known)
        return known[np.arange(rows) % len(known)]
    if port.text:
        return draw.integers(97, 123, (rows, port.shape[1]))
    shape = (rows, *port.shape[1:-1])
    corners = draw.uniform(0, 0.5, (4, *shape))
    return np.stack([np.zeros(shape), corners[0], corners[1], 0.2 + corners[2] / 2, 0.2 + corners[3] / 2], -1)
