"""Bundles of systems for the demo and the page, made the cheap way: ONNX files that passed the gate, nothing proved."""

import pathlib

import numpy as np
from tiny import TINY, said

import kerasgen


def write(model, folder, preset=None, data=None):
    """A bundle of a model's ONNX files; without the SavedModel, proof and card, which take most of an export's time."""
    from kerasgen.exporting import conversion, onnx_graph
    from kerasgen.exporting import info as saying

    folder = pathlib.Path(folder)
    (folder / "onnx").mkdir(parents=True)
    info = saying.describe(model, preset, data, conversion.OPSET)
    for function, entry in info["functions"].items():
        if entry["onnx"]:
            conversion.write(onnx_graph.trace(model, function), function, info, folder / entry["onnx"])
    saying.write_info(folder, info)
    return folder


def tiny(system, folder):
    """The bundle of a tiny model that learned nothing, with what data would say of its examples."""
    model = kerasgen.build(system, **TINY[system])
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:  # untrained networks are too tame for anything to be seen
        weight.assign(weight + 0.05 * rng.normal(size=weight.shape))
    about = {"name": "digits", "licence": "CC BY 4.0", "origin": "UCI"}
    if "label" in model.given:
        about["class_names"] = tuple("red green blue cyan pink grey gold lime navy teal".split()[: model.num_classes])
    elif model.given:
        texts = said(model, 2)
        known = (
            [bytes(row).rstrip(b"\0").decode() for row in texts.astype("uint8")]
            if model.text_length
            else texts.tolist()
        )
        about["descriptions"] = known
    return write(model, folder, data=about)
