"""The proof: every function runs in every runtime on inputs made from its ports, and gives what the reference gives."""

from __future__ import annotations

import os

import numpy as np

from kerasgen.runtime import BATCH, SIZES, from_text, port_of

TOLERANCE = 1e-4  # of |a - b| / max(1, |a|)
TIE = 1e-3  # two choices this close in perturbed logits may flip
MAX_STEPS = 50  # of a sampler in the proof: a loop's body is the same for each


class ExportError(ValueError):
    """A function could not be written, or a runtime disagrees: one line naming function, runtime and difference."""


class ProofError(ExportError):
    """A runtime disagrees with the reference, or does not run."""


def saved_model(bundle):
    """A runtime for `prove`: a function (function, inputs) -> output that runs the bundle's SavedModel."""
    import tensorflow as tf

    # Its functions need its variables, so the closure keeps the object itself.
    loaded = tf.saved_model.load(os.path.join(bundle.directory, "saved_model"))

    def run(function, inputs):
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        (output,) = loaded.signatures[function](**tensors).values()
        return output.numpy()

    return run


def onnx_runtime(bundle):
    """A runtime for `prove`: the bundle's ONNX files in ONNX Runtime, one of them open at a time."""
    current = None

    def run(function, inputs):
        nonlocal current
        if function != current:
            bundle.close()
            current = function
        return bundle.run(function, **inputs)

    return run


def remembered(run):
    """The same runtime, which computes each call once."""
    known = {}

    def call(function, inputs):
        key = function, *((name, np.asarray(value).tobytes()) for name, value in inputs.items())
        if key not in known:
            known[key] = np.array(run(function, inputs))  # a copy: ONNX Runtime's results keep all of its memory
        return known[key]

    return call


def prove(info, reference, runtimes, functions=None) -> dict:
    """Run every function everywhere and compare.

    Args:
        info: `bundle.json`.
        reference: function (function, inputs) -> output.
        runtimes: name -> such a function; all but "saved_model" run the ONNX files.
        functions: names; left out, all.

    Returns:
        function -> {runtime: largest difference from the reference, or None where it is declared inconvertible,
        "flips": choices that fell otherwise, each proved to be a tie}.

    Raises:
        ProofError: a difference above `TOLERANCE`, or a function that does not run.
    """
    proof = {}
    for function in functions or info["functions"]:
        entry = info["functions"][function]
        parity = {name: 0.0 if name == "saved_model" or entry["onnx"] else None for name in runtimes}
        parity["flips"] = 0
        for inputs in cases(entry, info):
            expected = reference(function, inputs)
            wrong = np.isnan(expected).sum()
            if wrong:
                raise ProofError(f"{function}: gives {wrong} values that are not numbers")
            for name in [name for name in runtimes if parity[name] is not None]:
                try:
                    got = runtimes[name](function, inputs)
                except Exception as error:
                    raise ProofError(f"{function}: {name} does not run: {one_line(error)}") from error
                flipped = flips(info, function, inputs, expected, got, reference, name)
                worst = difference(np.delete(expected, flipped, 0), np.delete(got, flipped, 0))
                if not worst <= TOLERANCE:
                    raise ProofError(f"{function}: {name} differs by {worst:.2g}, expected {TOLERANCE:g} or less")
                parity[name] = max(parity[name], worst)
                parity["flips"] += len(flipped)
        proof[function] = parity
    return proof


def difference(expected, got):
    """Largest |a - b| / max(1, |a|); infinite where shapes or types differ, or what is not finite."""
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return np.inf
    with np.errstate(invalid="ignore"):
        difference = np.abs(expected - got) / np.maximum(1.0, np.abs(expected))
    difference = np.where(expected == got, 0.0, np.where(np.isfinite(difference), difference, np.inf))
    return float(difference.max(initial=0.0))


def flips(info, function, inputs, expected, got, reference, runtime):
    """Rows in which a choice fell otherwise; each must have been a tie at the first place where it did.

    Up to that place both runtimes had the same prefix, so the logits there are those of Keras' own sample. A choice is
    argmax(logits + temperature * gumbel): the two levels must have been within `TIE` of each other there.
    """
    if function not in info["discrete"] or "logits" not in info["functions"] or expected.shape != got.shape:
        return []
    from kerasgen.core import random

    values = np.float32(info.get("values") or np.arange(info["levels"]) / (info["levels"] - 1))
    levels = [np.abs(x.reshape(len(x), -1, 1) - values).argmin(-1) for x in (expected, got)]
    order = info.get("order") or np.arange(levels[0].shape[1])
    rows = [row for row in range(len(expected)) if not np.array_equal(levels[0][row], levels[1][row])]
    if not rows:
        return []
    names = [port["name"] for port in info["functions"]["logits"]["inputs"]]
    given = {names[0]: expected, **{name: inputs[name] for name in names[1:]}}
    if "label" in given:
        seed, index = int(inputs["seed"]), range(len(expected))
        drawn = random.integers(seed, random.LABEL, index, (), info["num_classes"]).numpy()
        given["label"] = np.where(given["label"] < 0, drawn, given["label"])
    logits = np.reshape(reference("logits", given), (len(expected), -1, info["levels"]))
    for row in rows:
        place = order[int(np.argmax((levels[0] != levels[1])[row, order]))]
        noise = random.gumbel(int(inputs["seed"]), random.CHOICE, [row], logits.shape[1:]).numpy()[0, place]
        score = logits[row, place] + float(inputs.get("temperature", 1.0)) * noise
        gap = abs(score[levels[0][row, place]] - score[levels[1][row, place]])
        if not gap <= TIE:
            where = f"in row {row} at {place}, {gap:.2g} from a tie"
            raise ProofError(f"{function}: {runtime} chose another level {where}")
    return rows


def cases(entry, info):
    """Inputs that exercise a function: three rows and one row, defaults and other values, made from the ports alone."""
    for rows, seed in ((3, 7), (1, 12345)):
        draw = np.random.default_rng(seed)
        ports = map(port_of, entry["inputs"])
        inputs = {port.name: value_of(port, rows, seed, rows == 3, info, draw) for port in ports}
        if "steps" in inputs:
            inputs["steps"] = np.minimum(inputs["steps"], MAX_STEPS)
        yield inputs


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


def one_line(error):
    """An error as one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
