"""Does the collapse monitor flag runs that fail, and none that work?

    python benchmarks/collapse.py [OUT]       # prints the table of benchmarks/README.md; OUT gets a grid per run

Ten runs of a DCGAN on 8x8 digits, 40 epochs each, with the networks of `dcgan_digits_quick`: five that cannot work,
each in its own way, and five that do.
"""

from __future__ import annotations

import pathlib
import sys
import warnings
from typing import NamedTuple

import kerasgen  # isort: skip  (first: it chooses the backend)

import keras

EPOCHS = 40
FIGURES = ("spread", "modes", "real_accuracy", "fake_accuracy", "generator_loss", "discriminator_loss")


class Run(NamedTuple):
    """What differs from Adam with a learning rate of 5e-4 and beta_1 = 0.5 for both players, and batches of 64."""

    what: str
    seed: int
    generator: float = 5e-4
    discriminator: float = 5e-4
    beta_1: float = 0.5
    batch_size: int = 64
    latent_dim: int = 32
    widths: tuple = (64, 32)
    latents: float = 1.0  # every latent is multiplied by it


BAD = {
    "fast_generator": Run("generator 1,000 times as fast", 0, generator=0.5),
    "fast_discriminator": Run("discriminator 2,000 times as fast", 1, discriminator=1.0),
    "frozen_discriminator": Run("discriminator frozen, generator 20 times as fast", 2, 0.01, 0.0),
    "momentum": Run("beta_1 = 0.99", 3, beta_1=0.99),
    "no_latents": Run("latents times 0", 4, latents=0.0),
}
HEALTHY = {
    "plain": Run("5e-4", 0),
    "paper": Run("2e-4, as the paper", 1, 2e-4, 2e-4),
    "small": Run("half as many channels", 2, widths=(32, 16)),
    "few_latents": Run("8 latents, 1e-3", 3, 1e-3, 1e-3, latent_dim=8),
    "small_batches": Run("batches of 32", 4, batch_size=32),
}


def train(run: Run):
    """(monitor, model) after training."""
    keras.utils.set_random_seed(run.seed)
    data = kerasgen.data.load("digits", batch_size=run.batch_size, seed=run.seed)
    model = kerasgen.models.DCGAN(
        image_shape=data.image_shape, latent_dim=run.latent_dim, widths=run.widths, kernel_size=4
    )
    prior = model.prior
    model.prior = lambda *args: run.latents * prior(*args)
    rates = {"generator": run.generator, "discriminator": run.discriminator}
    adams = {f"{player}_optimizer": keras.optimizers.Adam(rate, run.beta_1) for player, rate in rates.items()}
    model.compile(seed=run.seed, **adams)
    monitor = kerasgen.callbacks.CollapseMonitor(data)
    model.fit(data.train, epochs=EPOCHS, verbose=0, callbacks=[monitor])
    return monitor, model


def main(out=None):
    import machine

    warnings.simplefilter("ignore")
    print(machine.describe(), "\n")
    print(f"| run | {' | '.join(FIGURES)} | flags |\n|{' --- |' * (len(FIGURES) + 2)}")
    for name, run in {**BAD, **HEALTHY}.items():
        monitor, model = train(run)
        history = model.history.history
        figures = " | ".join(f"{history[key][-1]:.3g}" for key in FIGURES)
        told = [f"epoch {epoch + 1}, {reason.split(', expected')[0]}" for epoch, reason in monitor.flags]
        flags = "; ".join(told) or "none"
        print(f"| {run.what} | {figures} | {flags} |", flush=True)
        if out:
            kerasgen.pictures.save(pathlib.Path(out, f"{name}.png"), model.sample(64, seed=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
