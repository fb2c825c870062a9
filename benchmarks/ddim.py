"""Are 50 DDIM steps as good as 1,000 ancestral ones, from the same network?

    python benchmarks/ddim.py                # prints the table of benchmarks/README.md

Classifier confidence, k-NN precision and recall, and kernel distance of 400 samples of `ddpm_digits`, beside what
real training digits reach against the test digits.
"""

from __future__ import annotations

import time

import kerasgen  # isort: skip  (first: it chooses the backend)

import machine

COUNT = 400
SHOWN = (
    "confidence",
    "precision_digits_features",
    "recall_digits_features",
    "kernel_distance_digits_features",
    "frechet_digits_features",
    "class_share_min",
)


def main():
    data = kerasgen.data.load("digits")
    model = kerasgen.load("ddpm_digits")
    rows, floor = {}, {}
    for sampler in ("ddim", "ancestral"):
        model.sampler = sampler
        start = time.perf_counter()
        figures = kerasgen.metrics.evaluate(model, data, count=COUNT, functions=("sample",))
        rows[sampler] = [figures[key] for key in SHOWN] + [time.perf_counter() - start]
        floor = [figures[f"{key}_floor"] for key in SHOWN]
    print(machine.describe(), "\n")
    names = [key.replace("_digits_features", "") for key in SHOWN]
    print("| sampler | " + " | ".join(names) + " | seconds |\n|" + " --- |" * (len(names) + 2))
    for sampler, steps in (("ddim", 50), ("ancestral", 1000)):
        print(f"| {sampler}, {steps} steps | " + " | ".join(f"{v:.3f}" for v in rows[sampler]) + " |")
    print("| real training digits | " + " | ".join(f"{v:.3f}" for v in floor) + " | |")


if __name__ == "__main__":
    main()
