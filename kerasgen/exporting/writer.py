"""Write a trained model as a bundle, a folder that other runtimes can run, and prove that they agree with Keras.

Each function of the model becomes a SavedModel endpoint and one ONNX file, traced once. Nothing is taken on trust: the
ONNX graph must consist of standard operators with exactly the declared ports (`gate`), and export ends by running what
it wrote. A bundle appears in its place only when ONNX Runtime and SavedModel gave what Keras gave.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import time

import tensorflow as tf

from kerasgen import files
from kerasgen.exporting import card, conversion, onnx_graph, rounds
from kerasgen.exporting import variants as smaller
from kerasgen.exporting.agreement import prove
from kerasgen.exporting.cases import cases
from kerasgen.exporting.conversion import OPSET
from kerasgen.exporting.errors import ExportError
from kerasgen.exporting.info import describe, write_info
from kerasgen.exporting.runtimes import Remembered, by_rounds, give_back, onnx_runtime, saved_model
from kerasgen.runtime import FORMAT, Bundle


def export(
    model, directory, *, preset=None, data=None, overwrite=False, progress=None, opset=OPSET, variants=()
) -> dict:
    """Write a model as a bundle: SavedModel, one ONNX file per function, `bundle.json`, card and sample picture.

    The bundle is made in a temporary folder and moved into place when it has been proved; a failure leaves what was
    there before, and nothing else.

    Args:
        model: a `GenerativeModel`.
        directory: the folder to write.
        preset: name of the preset that the weights come from.
        data: what it was trained on: a `kerasgen.data` description, or a dictionary with name, licence, origin.
        overwrite: replace a bundle that is there. What is not a bundle is never replaced.
        progress: function called with a line of text before each step.
        opset: version of ONNX's operators; above 18, `onnx` converts the files, and what it wrote is proved.
        variants: smaller forms to write beside the ONNX files where they pay: "float16", "int8_dynamic", "int8_static".

    Returns:
        A report: `functions` -> largest differences from Keras and flips, `seconds` per step, `bytes`; with variants,
        `variants` -> function -> variant -> what was measured, or in one line why it was not written.

    Raises:
        FileExistsError: the folder is there (and is not a bundle, or `overwrite` is false).
        ExportError: a function does not convert.
        ProofError: a runtime disagrees with Keras (an `ExportError`).

    Example:
        >>> report = export(model, "exports/bundles/dcgan_digits")      # doctest: +SKIP
        >>> report["functions"]["sample"]                               # doctest: +SKIP
        {'saved_model': 0.0, 'onnx': 1.2e-07, 'flips': 0}
    """
    _refuse(directory, overwrite)
    conversion.check_opset(opset)
    variants, report = smaller.check_names(variants), {}
    clock = _Clock(progress)
    with files.atomic_folder(directory, overwrite=True) as folder:
        folder = pathlib.Path(folder)
        info = describe(model, preset, data, opset)
        clock("tracing")
        graphs = {function: onnx_graph.trace(model, function) for function in model.serves}
        for function, graph in graphs.items():
            if early := rounds.rounds_of(model, graph):
                info["functions"][function]["rounds"] = early
        clock("writing the SavedModel")
        _write_saved_model(graphs, folder / "saved_model")
        (folder / "onnx").mkdir()
        for function, entry in info["functions"].items():
            if entry["onnx"]:
                clock(f"converting {function}")
                conversion.write(graphs[function], function, info, folder / entry["onnx"])
        clock("comparing the runtimes")
        write_info(folder, info)
        bundle, reference = Bundle(folder), Remembered(_keras(model, graphs))
        info = bundle.info
        parity = _proved(bundle, reference)
        for function, entry in info["functions"].items():
            entry["parity"] = parity[function]
        if variants:
            report["variants"] = smaller.add(bundle, variants, clock)
        clock("writing the card")
        card.write_picture(info, reference, folder / "samples.png", data)
        (folder / "README.md").write_text(card.card(info, (folder / "samples.png").is_file()), encoding="utf-8")
        write_info(folder, info)
        size = sum(entry["bytes"] for entry in info["files"].values())
    report |= {"system": info["system"], "functions": parity}
    return {**report, "seconds": clock.seconds(), "bytes": size}


def _refuse(directory, overwrite):
    """Fail early where the bundle could not be put."""
    if not os.path.lexists(directory) or (os.path.isdir(directory) and not os.listdir(directory)):
        return
    if not _is_bundle(directory):
        raise FileExistsError(f"directory: expected a new folder or a bundle to replace, got {directory}")
    if not overwrite:
        raise FileExistsError(f"directory: {directory} is a bundle already; overwrite=True replaces it")


def _is_bundle(directory):
    path = pathlib.Path(directory, "bundle.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_saved_model(graphs, path):
    """One endpoint per function. Keras' ExportArchive would trace every function again and save what no one calls."""
    concrete = {function: graph.call.get_concrete_function() for function, graph in graphs.items()}
    module = tf.Module()
    module.state = list({id(v): v for graph in concrete.values() for v in graph.variables}.values())
    hidden = [v.name for v in module.state if not v.name[0].isalnum()]
    if hidden:
        raise ExportError(f"{hidden[0]}: a SavedModel needs names that begin with a letter; rename the layer's class")
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # it is not trained further
    first = next(iter(concrete.values()))
    tf.saved_model.save(module, str(path), {**concrete, "serving_default": first}, options)


def _proved(bundle, reference):
    """The proof of a new bundle, with one form of the weights in memory at a time beside the model's own.

    ONNX Runtime goes first: it gives its memory back, and TensorFlow keeps what it once had.
    """
    with rounds.forms(bundle) as at:
        onnx = Remembered(by_rounds(onnx_runtime, at))
        _ahead(onnx, bundle.info, bundle.serves)
        onnx.close()
        _ahead(reference, bundle.info, bundle.info["functions"])
        return prove(bundle.info, reference, {"saved_model": by_rounds(saved_model, at), "onnx": onnx})


def _ahead(run, info, functions):
    """Let a runtime that remembers run every case of some functions."""
    for function in functions:
        for case in cases(info["functions"][function], info):
            with contextlib.suppress(Exception):  # it is raised again where it is asked for
                run(function, *case)


def _keras(model, graphs):
    """The model itself, as a runtime."""

    @functools.cache
    def graph(function, early):
        if early is None:
            return graphs[function].call
        with rounds.traced(early):
            return onnx_graph.trace(model, function).call

    def run(function, inputs, early=None):
        (output,) = graph(function, early)(*(tf.constant(value) for value in inputs.values())).values()
        return output.numpy()

    return run


class _Clock:
    """Says what comes next, adds up the seconds of each step, and gives back what the last one left."""

    def __init__(self, progress):
        self.progress, self.steps = progress or (lambda line: None), []

    def __call__(self, step):
        give_back()
        self.steps.append((step, time.perf_counter()))
        self.progress(step)

    def seconds(self):
        ends = [start for _, start in self.steps[1:]] + [time.perf_counter()]
        return {step: round(end - start, 2) for (step, start), end in zip(self.steps, ends, strict=True)}
