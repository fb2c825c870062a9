"""Sampling in Keras, SavedModel and ONNX Runtime, in one run: latency at batch 1, throughput at batch 64.

    python benchmarks/runtimes.py [PRESET ...]      # prints a table of benchmarks/README.md

`predict` is what a user of Keras would write: `network.predict` on latents for decoders, once per step for samplers
that loop. The three others draw whole samples from a seed, randomness included.
"""

from __future__ import annotations

import sys
import tempfile

import machine
import numpy as np

import kerasgen

PRESETS = (
    "vae_digits", "dcgan_digits", "vae_gan_digits", "real_nvp_digits", "pixel_cnn_digits_quick", "ddpm_digits",
)  # fmt: skip


def predict(model, batch):
    """One pass of the network in `predict`, and how many of them a sample takes."""
    shape = (batch, *model.image_shape)
    if hasattr(model, "generator") or hasattr(model, "decoder"):
        network = getattr(model, "generator", None) or model.decoder
        return lambda: network.predict(np.zeros((batch, model.latent_dim), "float32"), verbose=0), 1
    if hasattr(model, "process"):
        inputs = [np.zeros(shape, "float32"), np.zeros(batch, "int32")]
        return lambda: model.network.predict(inputs, verbose=0), 50
    if hasattr(model, "network"):
        return lambda: model.network.predict(np.zeros(shape, "float32"), verbose=0), int(np.prod(shape[1:]))
    return None, 0


def measure(preset, batch):
    """Seconds of each way to `batch` samples."""
    from kerasgen.exporting.runtimes import saved_model
    from kerasgen.runtime import Bundle, bind

    model = kerasgen.load(preset)
    with tempfile.TemporaryDirectory() as folder:
        kerasgen.export(model, f"{folder}/bundle")
        bundle = Bundle(f"{folder}/bundle")
        saved = saved_model(bundle)
        inputs = {"count": np.int32(batch), "seed": np.int32(1)}
        inputs |= {p.name: np.int32(50) for p in bundle.ports["sample"].inputs if p.name == "steps"}
        rest = {name: value for name, value in inputs.items() if name == "steps"}
        every = bind("sample", bundle.ports["sample"].inputs, (), inputs)  # it has no defaults of its own
        once, passes = predict(model, batch)
        ways = {
            "Keras": lambda: model.sample(batch, seed=1, **rest),
            "SavedModel": lambda: saved("sample", every),
            "ONNX Runtime": lambda: bundle.sample(batch, seed=1, **rest),
        }
        if once:
            ways["predict"] = once
        seconds = machine.interleaved(ways)
    if once:
        seconds["predict"] *= passes
    return seconds


def main(presets):
    print(machine.describe(), "\n")
    print("| preset | batch | predict, ms | Keras, ms | SavedModel, ms | ONNX Runtime, ms | predict / ONNX Runtime |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for preset in presets:
        for batch in (1, 64):
            ms = {way: 1e3 * value for way, value in measure(preset, batch).items()}
            ratio = f"{ms['predict'] / ms['ONNX Runtime']:.1f}" if "predict" in ms else ""
            shown = [
                f"{ms[way]:.2f}" if way in ms else "" for way in ("predict", "Keras", "SavedModel", "ONNX Runtime")
            ]
            print(f"| `{preset}` | {batch} | {' | '.join(shown)} | {ratio} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or PRESETS)
