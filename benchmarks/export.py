"""What it costs to export the presets at the papers' scale: seconds, memory, bytes, and the proof's differences.

    python benchmarks/export.py                          # all of at most 1e8 weights; writes docs/export-costs.md
    python benchmarks/export.py stylegan2_256            # these alone, printed

Each preset is built with fresh weights and exported in a process of its own, on whatever else runs on the machine: use
a quiet one. Models that set themselves by the first batch, as `fit` lets them, are given one: a flow that has not seen
it makes values of hundreds, in which single precision has no digits left for pictures. Memory is the process' largest.
"""

from __future__ import annotations

import json
import math
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import machine
import numpy as np

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "export-costs.md"
MOST = 10**8  # weights
LONGEST = 900  # seconds
HEAD = """# What an export costs

Written by `python benchmarks/export.py`: presets of a paper's scale with at most {most:.0e} weights, built with fresh
weights, each exported with its proof in a process of its own. One without a row was not measured. The bound for memory
is 4 times the weights plus 1 GB; the libraries themselves take {base:.1f} GB of it. Seconds are those of a clock,
beside whatever else ran. *Rounds* says which functions were proved with loops that end after 2 and 3 rounds.

| preset | weights | seconds | slowest step | memory, GB | bound, GB | bundle, MB | largest difference | rounds |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

{machine}
"""


def base():
    """Only the libraries, in the worker."""
    import kerasgen.core.model  # noqa: F401
    import kerasgen.exporting.writer  # noqa: F401

    return {}


def export(name):
    """Export one preset, in the worker."""
    import kerasgen

    model = kerasgen.load(name, weights=False)
    weights = sum(math.prod(weight.shape) for weight in model.weights)
    if weights > MOST:
        return {"weights": weights}
    if model.adapts:
        model.adapt(np.random.default_rng(0).uniform(size=(16, *model.image_shape)).astype("float32"))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = kerasgen.export(model, pathlib.Path(folder) / name)
        functions = json.loads(pathlib.Path(folder, name, "bundle.json").read_text("utf-8"))["functions"]
    parities = [p[key] for p in report["functions"].values() for key in ("saved_model", "onnx")]
    return {
        "weights": weights,
        "seconds": time.perf_counter() - began,
        "slowest": max(report["seconds"].items(), key=lambda step: step[1]),
        "rounds": [function for function, entry in functions.items() if "rounds" in entry],
        "bytes": report["bytes"],
        "difference": max(value for value in parities if value is not None),
    }


def measured(*arguments) -> dict:
    """What a worker of its own reports, and its largest memory."""
    command = [sys.executable, __file__, "--worker", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {LONGEST / 60:.0f} minutes"}
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def row(name, about) -> str:
    if "error" in about:
        return f"| {name} | | {about['error'][:80]} | | | | | | |"
    if "seconds" not in about:
        return f"| {name} | {about['weights']:,} | not tried | | | | | | |"
    bound, (step, seconds) = 4 * 4e-9 * about["weights"] + 1, about["slowest"]
    return (
        f"| {name} | {about['weights']:,} | {about['seconds']:.0f} | {step}, {seconds:.0f} s | {about['memory']:.1f} | "
        f"{bound:.1f} | {about['bytes'] / 1e6:.0f} | {about['difference']:.1e} | {', '.join(about['rounds'])} |"
    )


def presets():
    """The presets at the papers' scale, which come without weights."""
    from kerasgen import hub

    return [name for name in hub.list_presets() if not hub.read_preset(name).weights]


def main():
    names = sys.argv[1:]
    if names[:1] == ["--worker"]:
        about = export(*names[1:]) if names[1:] else base()
        about["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(json.dumps(about))
        return
    rows, alone = [], measured()["memory"]
    for name in names or presets():
        rows.append(row(name, measured(name)))
        print(rows[-1], flush=True)
        if not names:  # after every row, so that what was measured is kept
            text = HEAD.format(most=MOST, base=alone, rows="\n".join(rows), machine=machine.describe())
            PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
