"""Agreement: a function gives in one runtime what it gives in another, but for rounding and for ties of choices."""

from __future__ import annotations

import numpy as np

from kerasgen.exporting.cases import cases
from kerasgen.exporting.errors import ProofError, one_line

TOLERANCE = 1e-4  # of |a - b| / max(1, |a|)
TIE = 1e-3  # two choices this close in perturbed logits may flip


def prove(info, reference, runtimes, functions=None) -> dict:
    """Run every function everywhere and compare.

    Args:
        info: `bundle.json`.
        reference: function (function, inputs, rounds) -> output; loops end after so many rounds, None: by themselves.
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
        able = [name for name in runtimes if name == "saved_model" or entry["onnx"]]
        parity: dict = {name: 0.0 if name in able else None for name in runtimes} | {"flips": 0}
        for inputs, rounds in cases(entry, info):
            expected = reference(function, inputs, rounds)
            wrong = np.isnan(expected).sum()
            if wrong:
                raise ProofError(f"{function}: gives {wrong} values that are not numbers")
            for name in able:
                try:
                    got = runtimes[name](function, inputs, rounds)
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
