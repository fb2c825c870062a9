"""Compiled sampling loops against what a user would write by hand, in one run.

    python benchmarks/samplers.py            # prints the tables of benchmarks/README.md

1. PixelCNN, batch 1: `model.sample(1)` against a Python loop that calls `network.predict` once per pixel.
2. DDPM: `model.sample` with 50 steps against 50 runs of the compiled network alone; the rest is the loop's overhead.
"""

from __future__ import annotations

import machine
import numpy as np
import tensorflow as tf

import kerasgen  # isort: skip  (first: it chooses the backend)


def pixel_by_pixel(model, seed: int):
    """The naive sampler: one `predict` per pixel, Gumbel noise from NumPy."""
    noise = np.random.default_rng(seed).gumbel(size=(model.latent_size, model.levels))
    x = np.zeros((1, *model.image_shape), "float32")
    for place in range(model.latent_size):
        logits = model.network.predict(2.0 * x - 1.0, verbose=0).reshape(model.latent_size, model.levels)[
            place
        ]
        x.reshape(-1)[place] = np.argmax(logits + noise[place]) / (model.levels - 1)
    return x


def autoregressive():
    model = kerasgen.load("pixel_cnn_digits")
    model.latent_size = int(np.prod(model.image_shape))
    return machine.interleaved(
        {
            "compiled loop": lambda: model.sample(1, seed=1),
            "predict per pixel": lambda: pixel_by_pixel(model, 1),
        },
        repeats=3,
    )


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
    ratio = times["predict per pixel"] / times["compiled loop"]
    print("| PixelCNN 8x8, batch 1 | seconds |\n| --- | --- |")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.4f} |")
    print(f"| ratio | {ratio:.0f} |\n")
    print("| DDPM 8x8, 50 steps | sample, s | network alone, s | overhead |\n| --- | --- | --- | --- |")
    for batch in (1, 16, 64):
        times = diffusion(batch)
        print(
            f"| batch {batch} | {times['sample']:.4f} | {times['network']:.4f} "
            f"| {times['sample'] / times['network'] - 1:+.1%} |"
        )


if __name__ == "__main__":
    main()
