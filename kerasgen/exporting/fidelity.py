"""How far a smaller ONNX file is from the full one, and how fast it is, on inputs that the model itself makes."""

from __future__ import annotations

import time
import types

import numpy as np

from kerasgen.exporting.cases import value_of
from kerasgen.exporting.errors import ProofError, one_line

ROWS = 64  # examples in a case
# Seeds of the cases: what is calibrated on is not measured on.
CALIBRATION, MEASURED, OTHER = (1, 2), 101, 102
PICTURES = 500  # for the Frechet distance,
PATIENCE = 20.0  # which is left out where drawing so many takes more seconds than this
SHARE = 0.1  # of the Frechet distance to another seed's pictures: the whole set hardly moves
CALLS, SECONDS = 20, 1.0  # a median of at most so many calls, in about so much time


class Full:
    """The full files on fixed inputs, each run once.

    Inputs are as the functions meet them in use: defaults, and in the place of examples those that the model draws.
    """

    def __init__(self, bundle):
        self.bundle, self._drawn, self._given = bundle, {}, {}

    def inputs(self, function, seed, rows):
        draw = np.random.default_rng(seed)
        return {
            port.name: self._examples(seed)[:rows]
            if "sample" in self.bundle.serves and port.shape == self.bundle.ports["sample"].output.shape
            else value_of(port, rows, seed, True, self.bundle.info, draw)
            for port in self.bundle.ports[function].inputs
        }

    def output(self, function, seed, rows):
        if (function, seed, rows) not in self._given:
            given = self.bundle.run(function, **self.inputs(function, seed, rows))
            self._given[function, seed, rows] = given
        return self._given[function, seed, rows]

    def _examples(self, seed):
        if seed not in self._drawn:
            x, top = self.bundle.sample(ROWS, seed=seed), (self.bundle.info["levels"] or 0) - 1
            self._drawn[seed] = np.rint(x * top).astype("float32") / np.float32(top) if top > 0 else x
        return self._drawn[seed]


def _session(content):
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {name: np.asarray(value) for name, value in inputs.items()})[0]


def distances(content, full, function, name, limits):
    """Largest and mean |a - b| / max(1, |a|) from the full file.

    Raises:
        ProofError: it does not run, or one is above its limit.
    """
    expected = full.output(function, MEASURED, ROWS)
    try:
        got = _session(content)(full.inputs(function, MEASURED, ROWS))
    except Exception as error:
        raise ProofError(f"{function}: {name} does not run: {one_line(error)}") from error
    if got.shape != expected.shape:
        raise ProofError(f"{function}: {name} gives shape {got.shape}, expected {expected.shape}")
    found = np.abs(expected - got).astype(np.float64) / np.maximum(1, np.abs(expected))
    fidelity = {"max": float(found.max()), "mean": float(found.mean())}
    for key, limit in (("max", limits.largest), ("mean", limits.mean)):
        if not fidelity[key] <= limit:  # what is not a number fails too
            raise ProofError(f"{function}: {name} differs by {fidelity[key]:.3g} ({key}), expected {limit:g} or less")
    return fidelity


def moved(content, full, function, name):
    """For drawn digits, how far the pictures moved, and how far those of another seed are."""
    from kerasgen.metrics.features import features_for
    from kerasgen.metrics.fidelity import frechet

    info, ports = full.bundle.info, full.bundle.ports[function]
    trained_on = (info["data"] or {}).get("name", "")
    known = types.SimpleNamespace(name=trained_on, shape=ports.output.shape[1:], kind=info["kind"])
    classifier = features_for(known)
    slow = info["functions"][function]["measured"]["milliseconds"][str(ROWS)] * PICTURES / ROWS > 1000 * PATIENCE
    if ports.output.name != "x" or classifier is None or slow:
        return {}
    got = _session(content)(full.inputs(function, MEASURED, PICTURES))
    pictures = full.output(function, MEASURED, PICTURES), got, full.output(function, OTHER, PICTURES)
    whole, small, other = map(classifier.features, pictures)
    shift, seeds = frechet(whole, small), frechet(whole, other)
    if not shift <= SHARE * seeds:
        wanted = f"{SHARE * seeds:.2g} or less"
        raise ProofError(f"{function}: {name} moves the pictures by {shift:.2g} (Frechet), expected {wanted}")
    return {"frechet": shift, "frechet_seeds": seeds}


def measured(content, full, function):
    """Size, and the median time of a call with one row and with 64; a first call is left out where more are made."""
    run, times = _session(content), {}
    for rows in (1, ROWS):
        inputs, taken = full.inputs(function, MEASURED, rows), []
        while len(taken) <= CALLS and sum(taken) < SECONDS:
            start = time.perf_counter()
            run(inputs)
            taken.append(time.perf_counter() - start)
        times[str(rows)] = round(1000 * float(np.median(taken[1:] or taken)), 3)
    return {"bytes": len(content), "milliseconds": times}
