"""The proof of a bundle that is there: its files, and its functions in every runtime that is installed here."""

from __future__ import annotations

import time

import onnx

from kerasgen.exporting import rounds, variants
from kerasgen.exporting.agreement import prove
from kerasgen.exporting.errors import ExportError, ProofError
from kerasgen.exporting.gate import gate
from kerasgen.exporting.runtimes import RUNTIMES, Absent, Gap, Remembered, by_rounds, saved_model
from kerasgen.exporting.weights import take_apart
from kerasgen.runtime import Bundle


def verify(directory, runtimes=None, progress=None) -> dict:
    """Prove a bundle again where it is: its files, and every function in every runtime that is here.

    Args, Returns: as `measure`; there are no misses.

    Raises:
        ValueError: not a bundle, or a file that is not as it was written.
        ProofError: a function that a runtime does not run, or gives another result for; `report` is what was measured.

    Example:
        >>> verify("exports/bundles/dcgan_digits")["functions"]["sample"]["onnx"] < 1e-4     # doctest: +SKIP
        True
    """
    report = measure(directory, runtimes, progress)
    if report["misses"]:
        error = ProofError("; ".join(report["misses"]))
        error.report = report
        raise error
    return report


def check(directory):
    """Open a bundle and check what it says of itself: every file's hash, standard ONNX, and what variants promise.

    Returns: the `Bundle`, and the differences of its variants, function -> variant -> largest and mean.
    Raises: ValueError, naming the file.
    """
    bundle = Bundle(directory)
    bundle.check_files()
    for function, path in bundle.onnx.items():
        proto = onnx.load_from_string(bundle.read(path))
        apart = take_apart(proto)
        gate(proto, function, bundle.ports[function], bundle.info["versions"]["opset"], apart)
    return bundle, variants.verify(bundle)


def measure(directory, runtimes=None, progress=None) -> dict:
    """Run every function of a bundle in every runtime that is here, and compare with the SavedModel.

    Args:
        directory: a bundle.
        runtimes: name -> function of a bundle, as `RUNTIMES`, which it is if left out.
        progress: function called with a line of text before each step.

    Returns:
        system; functions -> {runtime: largest difference, or None where it was not run, "flips": choices that fell
        otherwise, each a tie}; variants, if there are any, as `check` has them; gaps: function -> {runtime: reason};
        absent: runtime -> reason; misses: a line for each function that a runtime does not run or gives another result
        for; seconds.

    Raises:
        ValueError: not a bundle, or a file that is not as it was written.

    Example:
        >>> measure("exports/bundles/vae_digits")["misses"]     # doctest: +SKIP
        []
    """
    began, progress = time.perf_counter(), progress or (lambda line: None)
    progress("reading")
    bundle, small = check(directory)
    opened, report = {}, {"system": bundle.system, "functions": {}, "gaps": {}, "absent": {}, "misses": []}
    report |= {"variants": small} if small else {}
    with rounds.forms(bundle) as at:
        for name, runtime in (RUNTIMES if runtimes is None else runtimes).items():
            try:
                opened[name] = by_rounds(runtime, at)
            except Absent as error:
                report["absent"][name] = str(error)
        reference = Remembered(by_rounds(saved_model, at))
        for function in bundle.info["functions"]:
            progress(f"comparing {function}")
            _compare(bundle.info, function, reference, opened, report)
    return report | {"seconds": round(time.perf_counter() - began, 1)}


def _compare(info, function, reference, opened, report):
    """Run a function in every runtime and put what was found into the report."""
    entry, row, gaps = info["functions"][function], report["functions"].setdefault(function, {"flips": 0}), {}
    for name, run in opened.items():
        row[name] = None
        if not entry["onnx"]:
            gaps[name] = entry["reason"]
            continue
        try:
            proof = prove(info, reference, {name: run}, [function])[function]
        except ExportError as error:
            if isinstance(error.__cause__, Gap):
                gaps[name] = str(error.__cause__)
            else:
                report["misses"].append(str(error))
        else:
            row[name] = proof[name]
            row["flips"] += proof["flips"]
    if gaps:
        report["gaps"][function] = gaps
