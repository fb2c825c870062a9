"""What simple models reach on the data of the checks, and real data too: python benchmarks/baselines.py [DATA ...]

Baselines (`rivals.py`) are fitted to the train split by scikit-learn, NumPy and counting, never by this package, and
measured by `kerasgen.metrics.evaluate` as systems are: at equal counts, three times with other seeds, of which the mean
is kept in `benchmarks/baselines.json`. A system's targets must be such that every baseline of its data fails one.

Real data stand beside: train examples in the place of samples, the true law where data are drawn from one, the known
answer of a translation, one half of a texture beside the other.
"""

from __future__ import annotations

import json
import pathlib
import sys

import numpy as np
from rivals import MAKERS
from scipy.stats import multivariate_normal

import kerasgen.data
from kerasgen import files, metrics
from kerasgen.metrics import two_dim

FILE = pathlib.Path(__file__).with_name("baselines.json")
SEEDS = (0, 1, 2)  # of fits and of samples
COUNT = 1000  # samples at most, as `evaluate` draws
SOLUTIONS = {  # of the data's own family: what systems may be compared with, not what they must beat
    "eight_gaussians": ("mixture_8",),
    "twenty_five_gaussians": ("independent",),  # a grid: its coordinates are independent
    "plucked_strings": ("linear_40",),  # a string is a linear recurrence of at most 32 values
}
SOURCES = {  # data: how it is loaded, if not by its name
    "brick_64": ("brick", (64, 64, 1)),
    "brick_48": ("brick", (48, 48, 1)),
}


def load(name):
    source, shape = SOURCES.get(name, (name, None))
    return kerasgen.data.load(source, image_shape=shape)


def exact(data):
    """Figures that are known of the true law."""
    x = data.arrays("test")[0]
    if data.name in two_dim.MODES:
        centres, sigma = two_dim.MODES[data.name]
        return {"nats": float(np.log(np.mean([multivariate_normal(c, sigma**2).pdf(x) for c in centres], 0)).mean())}
    if data.name == "plucked_strings":
        return {"bits_per_dim": data.entropy / x.shape[1] / np.log(2)}
    known = {
        # An original in the place of what is made of it at half its sides, its class in the place of its code, or of
        # that which is found.
        "digits": {"upscaled_frechet_digits_features": 0.0, "upscaled_ssim": 1.0, "upscaled_agreement": 1.0}
        | {"code_agreement": 1.0, "classification_accuracy": 1.0},
        "digits_half_contrast": {"translation_mse": 0.0, "translation_agreement": 1.0},
    }
    return known.get(data.name, {})


def measure(name, seeds=SEEDS, only=None):
    """{"real": figures, "baselines": {name: figures}} of some data; means over the seeds.

    Args:
        name: of the data, one of `MAKERS`.
        seeds: of fits and of samples.
        only: names of baselines; None is all.
    """
    data = load(name)
    found, real = {}, exact(data)
    for seed in seeds:
        for baseline, rival in MAKERS[name](data, seed):
            if only is None or baseline in only:
                rival = rival() if callable(rival) else rival  # fits that take time wait until they are asked for
                figures = rival if isinstance(rival, dict) else metrics.evaluate(rival, data, count=COUNT, seed=seed)
                found.setdefault(baseline, []).append(figures)
                real |= {key.removesuffix("_floor"): v for key, v in figures.items() if key.endswith("_floor")}
                print(name, seed, baseline, file=sys.stderr, flush=True)
    mean = {
        baseline: {
            key: _short(np.mean([figures[key] for figures in runs])) for key in runs[0] if not key.endswith("_floor")
        }
        for baseline, runs in found.items()
    }
    return {"real": {key: _short(value) for key, value in real.items()}, "baselines": mean}


def _short(value):
    return float(f"{value:.5g}")


def read() -> dict:
    """What is recorded."""
    return json.loads(FILE.read_text("utf-8"))


def main(names):
    known = read() if FILE.is_file() else {}
    for name in names or MAKERS:
        known[name] = measure(name)
        files.atomic_write(FILE, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1:])
