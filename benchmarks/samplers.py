"""Compiled sampling loops against what a user would write by hand, in one run.

    python benchmarks/samplers.py            # prints the tables of benchmarks/README.md

1. PixelCNN, batch 1: `model.sample(1)` against a Python loop that calls `network.predict` once per pixel.
2. PixelCNN in ONNX Runtime against Keras: the same loop, exported.
3. PixelCNN over picture sizes: sampling from cached activations against a compiled loop of whole passes.
4. DDPM: `model.sample` with 50 steps against 50 runs of the compiled network alone; the rest is the loop's overhead.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial

import machine
import numpy as np
import tensorflow as tf

import kerasgen  # isort: skip  (first: it chooses the backend)
from kerasgen import samplers
from kerasgen.core import random

SIZES = (8, 12, 16, 24, 32)


def pixel_by_pixel(model, seed: int):
    """The sampler of a notebook: one `predict` per pixel, Gumbel noise from NumPy."""
    size = int(np.prod(model.image_shape))
    noise = np.random.default_rng(seed).gumbel(size=(size, model.levels))
    x = np.zeros((1, *model.image_shape), "float32")
    for place in range(size):
        logits = model.network.predict(2.0 * x - 1.0, verbose=0).reshape(size, model.levels)[place]
        x.reshape(-1)[place] = np.argmax(logits + noise[place]) / (model.levels - 1)
    return x


def autoregressive():
    model = kerasgen.load("pixel_cnn_digits")
    return machine.interleaved(
        {
            "sample": lambda: model.sample(1, seed=1),
            "predict per pixel": lambda: pixel_by_pixel(model, 1),
        },
        repeats=3,
    )


def fastest(actions, turns: int = 15):
    """Least seconds of each action: of two thread pools, one suffers more from other work on the machine."""
    seconds = {name: [] for name in actions}
    for _ in range(turns):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in seconds.items()}


def runtimes(batches):
    """batch -> seconds of Keras and of ONNX Runtime."""
    model = kerasgen.load("pixel_cnn_digits")
    with tempfile.TemporaryDirectory() as folder:
        kerasgen.export(model, f"{folder}/bundle")
        bundle = kerasgen.runtime.Bundle(f"{folder}/bundle")
        return {
            batch: fastest({"Keras": partial(model.sample, batch), "ONNX Runtime": partial(bundle.sample, batch)})
            for batch in batches
        }


def picture_size(size: int):
    """Seconds per picture of a fresh model of the preset's width and depth."""
    arguments = kerasgen.load("pixel_cnn_digits", weights=False).arguments
    model = kerasgen.build("pixel_cnn", **arguments | {"image_shape": (size, size, 1)})

    @tf.function(autograph=False)
    def whole_passes():
        noise = random.gumbel(0, random.CHOICE, tf.range(1), (size * size, model.levels))
        return samplers.naive(
            lambda levels: model.predict_logits(model.from_levels(levels), None),
            lambda place, logits: tf.argmax(logits + noise[:, place], -1, output_type=tf.int32),
            1,
            model.image_shape,
        )

    actions = {"cached": lambda: model.sample(1), "whole passes": lambda: whole_passes().numpy()}
    return machine.interleaved(actions, repeats=5 if size < 16 else 1)


def diffusion(batch: int, steps: int = 50):
    model = kerasgen.load("ddpm_digits")
    shape = (batch, *model.image_shape)
    network = tf.function(model.predict_noise).get_concrete_function(
        tf.TensorSpec((None, *model.image_shape)), tf.TensorSpec((None,), tf.int32)
    )
    x, time = tf.zeros(shape), tf.fill((batch,), 500)

    def alone():
        for _ in range(steps):
            out = network(x, time)
        return out.numpy()

    return machine.interleaved({"sample": lambda: model.sample(batch, steps=steps), "network": alone})


def main():
    print(machine.describe(), "\n")
    times = autoregressive()
    ratio = times["predict per pixel"] / times["sample"]
    print("| PixelCNN 8x8, batch 1 | seconds |\n| --- | --- |")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.4f} |")
    print(f"| ratio | {ratio:.0f} |\n")
    print("| PixelCNN 8x8, fastest of 15 | Keras, s | ONNX Runtime, s |\n| --- | --- | --- |")
    for batch, times in runtimes((1, 64)).items():
        print(f"| batch {batch} | {times['Keras']:.4f} | {times['ONNX Runtime']:.4f} |")
    print("\n| picture | cached, s | per pixel, ms | whole passes, s | per pixel, ms | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for size in SIZES:
        cached, whole = picture_size(size).values()
        times = [f"{seconds:.4f} | {1000 * seconds / size**2:.2f}" for seconds in (cached, whole)]
        print(f"| {size}x{size} | {' | '.join(times)} | {whole / cached:.0f} |")
    print("\n| DDPM 8x8, 50 steps | sample, s | network alone, s | overhead |\n| --- | --- | --- | --- |")
    for batch in (1, 16, 64):
        times = diffusion(batch)
        print(
            f"| batch {batch} | {times['sample']:.4f} | {times['network']:.4f} "
            f"| {times['sample'] / times['network'] - 1:+.1%} |"
        )


if __name__ == "__main__":
    main()
