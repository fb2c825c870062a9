"""Write docs/checks.md: what every system must reach on real data, what it reaches, and how fast its bundle draws.

    python benchmarks/checks.py                     # measures the shipped weights, and writes the page
    make parity                                     # bundles, and the differences between runtimes
    python benchmarks/checks.py build/parity/*      # the same, and times these bundles, in turn

The list is that of the presets with a `target` (see `targets.py`). Figures are measured from the shipped weights each
time; parameters and seconds of training are those that `benchmarks/presets.py` recorded beside them.
"""

from __future__ import annotations

import pathlib
import re
import sys
import time

import baselines
import machine
import targets

import kerasgen
from kerasgen import catalog, hub
from kerasgen.data import asking
from kerasgen.data.description import named
from kerasgen.runtime import Bundle

ROOT = pathlib.Path(__file__).resolve().parents[1]
BATCH = 64
PAGE = """# Checks of the systems

Written by `python benchmarks/checks.py`. Each system is held to figures that its shipped weights must reach on data
that they have not seen; what the paper claims beyond figures (identities, exact laws, gradients) is in its tests.

Figures are measured by `kerasgen.metrics.evaluate`, from at most 1,000 samples, in parts of as many as there are test
examples; what samples are told is said of train examples. Beside each stands what real data reach (train examples in
the place of samples, the true law, one half of a picture beside the other) and the baseline that the figure is there
to tell systems from: a simple model of the same data, measured in the same way with three seeds
(`python benchmarks/baselines.py`). A target is at most half way from real data to that baseline; where nothing is
known of real data, it is better than the baseline. Where a system solves a problem that has one solution, its figure
must be that of an independent solver (±). Every baseline of a preset's data fails at least one of its figures; there
are {names}.

| system | preset | figure | reached | target | real data | baseline | its figure | |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

{missed}

## Sizes, and seconds

Samples per second are those of one small bundle in ONNX Runtime, {batch} at a time; systems without `sample` change
pictures.
The difference is the largest of all functions and runtimes in [PARITY.md](../exports/PARITY.md), where {tolerance:g} is
the limit.

| preset | parameters | trained in, s | samples per second | largest difference |
| --- | --- | --- | --- | --- |
{sizes}

{machine}
"""


def draw(bundle: Bundle):
    """A function that makes `BATCH` samples, or changes pictures; what data say of them is that of the test split."""
    data = kerasgen.data.of(bundle.info)
    if "sample" not in bundle.serves:
        function = next(name for name in asking.CHANGES if name in bundle.serves)
        asked = asking.inputs(data, "test", bundle.ports[function].inputs, BATCH)
        return lambda: bundle.run(function, **asked)
    needed = {port.name for port in bundle.ports["sample"].inputs if port.default is None} - {"count", "seed"}
    said = named(data.arrays("test")[1], data.given) if data else {}
    given = {name: said[name][:BATCH] for name in needed}
    return lambda: bundle.sample(BATCH, seed=1, **given)


def differences() -> dict:
    """system -> the largest figure in its rows of PARITY.md."""
    found = {}
    for line in (ROOT / "exports" / "PARITY.md").read_text("utf-8").splitlines():
        system, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if system in catalog.SYSTEMS:
            values = [float(cell) for cell in cells[1:-1] if re.fullmatch(r"[0-9.e+-]+", cell)]
            found[system] = max([found.get(system, 0.0), *values])
    return found


def speeds(folders) -> dict:
    """system -> samples per second of its bundle."""
    found = {}
    for folder in folders:
        bundle = Bundle(folder)
        seconds = machine.interleaved({"": draw(bundle)}, repeats=5)[""]
        found[bundle.info["system"]] = BATCH / seconds
        print(f"{folder}: {BATCH / seconds:.3g} samples per second", file=sys.stderr)
    return found


def in_order() -> list[str]:
    """The presets with targets, in the order of the catalogue."""
    return sorted(targets.presets(), key=lambda name: list(catalog.SYSTEMS).index(hub.read_preset(name)["system"]))


def row(name, target, value) -> str:
    """One line of the page."""
    system, met = hub.read_preset(name)["system"], target.met(value)
    figure = f"`{target.figure.replace('_digits_features', '').replace('_raw_values', '')}`"
    cells = (
        f"[`{system}`](systems/{system}.md)", f"`{name}`", figure,
        f"{value:.4g}" if met else f"**{value:.4g}**", target,
        "" if target.real is None else f"{target.real:.4g}", target.against or target.like, f"{target.beside:.4g}",
        "met" if met else "**missed**",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main(folders) -> int:
    from kerasgen import files
    from kerasgen.exporting.agreement import TOLERANCE

    fast, apart = speeds(folders), differences()
    rows, missed, sizes = [], [], []
    for name in in_order():
        start, about = time.process_time(), hub.read_preset(name)
        reached = targets.measure(name)
        print(name, reached, f"{time.process_time() - start:.1f} s", file=sys.stderr, flush=True)
        system, aims = about["system"], targets.targets(name)
        rows += [row(name, aim, reached[aim.figure]) for aim in aims]
        missed += [f"`{name}`"] * any(not aim.met(reached[aim.figure]) for aim in aims)
        speed = f"{fast[system]:.3g}" if system in fast else "not timed"
        difference = f"{apart[system]:.1e}" if system in apart else "not run"
        size, seconds = sum(about["parameters"].values()), about["results"]["seconds"]
        sizes.append(f"| `{name}` | {size:,} | {seconds:.0f} | {speed} | {difference} |")
    names = sorted({name for known in baselines.read().values() for name in known["baselines"]})
    page = PAGE.format(
        batch=BATCH, tolerance=TOLERANCE, rows="\n".join(rows), sizes="\n".join(sizes),
        names=", ".join(names), machine=f"{machine.describe()}.",
        missed=f"Presets that miss a target: {', '.join(missed)}." if missed else "All targets are met.",
    )  # fmt: skip
    files.atomic_write(ROOT / "docs" / "checks.md", page.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
