"""What simple models reach on the data of the checks, and real data too: python benchmarks/baselines.py [DATA ...]

Baselines are fitted to the train split by scikit-learn, NumPy and counting (`simple.py`), never by this package, and
measured by `kerasgen.metrics.evaluate` as systems are: at equal counts, three times with other seeds, of which the mean
is kept in `benchmarks/baselines.json`. A system's targets must be such that every baseline of its data fails one.

Real data stand beside: train examples in the place of samples, the true law where data are drawn from one, the known
answer of a translation, one half of a texture beside the other.
"""

from __future__ import annotations

import functools
import json
import pathlib
import sys

import numpy as np
import simple
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from simple import Rival

import kerasgen.data
from kerasgen import files, metrics
from kerasgen.metrics import described, texture, two_dim

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


def digits(data, seed):
    """Pictures of ten classes, and what is asked for in words or as numbers."""
    x, said = data.arrays("train")
    label, given = _classes(data), data.described or "label"
    rows, top = x.reshape(len(x), -1), data.levels - 1
    level = np.rint(rows * top)

    def picture(values):
        return (np.rint(np.clip(values, 0, 1) * top) / top).reshape(-1, *data.shape)

    def asked(rows_of):
        def sample(random, count, said):
            return picture(rows_of(random, count, described_class(data, said)))

        return dict(given=given, sample=sample)

    def copies(random, count, label):
        order = random.permutation(len(rows))
        places = [order[np.flatnonzero(label_of(order) == c)] for c in range(10)]
        used, chosen = np.zeros(10, int), []
        for c in label:
            chosen.append(places[c][used[c] % len(places[c])])
            used[c] += 1
        return rows[chosen]

    def label_of(order):
        return label[order]

    means = np.stack([rows[label == c].mean(0) for c in range(10)])
    alone = simple.Histogram(level, data.levels)
    yield "noise", Rival(data, sample=lambda random, count: picture(random.random((count, rows.shape[1]))))
    yield "grey", Rival(data, sample=lambda random, count: np.full((count, *data.shape), 0.5))
    yield (
        "mean",
        Rival(data, sample=lambda random, count: np.repeat(rows.mean(0).reshape(1, *data.shape), count, 0)),
    )
    yield (
        "mean_of_class",
        Rival(data, given=given, sample=lambda _, count, said: picture(means[described_class(data, said)])),
    )
    yield "copies", Rival(data, **asked(copies))
    yield (
        "noisy_copies",
        Rival(
            data, **asked(lambda random, *a: (c := copies(random, *a)) + 0.1 * random.normal(size=c.shape))
        ),
    )
    yield (
        "independent",
        Rival(
            data,
            sample=lambda random, count: picture(alone.sample(random, count) / top),
            log_prob=lambda x: alone.log_prob(np.rint(x.reshape(len(x), -1) * top)),
        ),
    )
    for name, components, form in (
        ("mixture_10", 1, "full"), ("mixture_50", 5, "full"),
        ("mixture_10_diagonal", 1, "diag"), ("mixture_50_diagonal", 5, "diag"), ("mixture_100_diagonal", 10, "diag"),
    ):  # fmt: skip
        yield name, functools.partial(_gaussians, data, rows, label, components, form, seed, asked)
    drawn = lambda draw: dict(sample=lambda random, count: picture(draw(random, count, None)))  # noqa: E731
    yield "gaussian", functools.partial(_gaussians, data, rows, None, 1, "full", seed, drawn)


def _gaussians(data, rows, label, components, form, seed, asked):
    """Mixtures of Gaussians: as samplers of pixels, and as densities of levels with noise."""
    drawn = simple.Mixture(rows, label, components, form, seed)
    top = data.levels - 1
    spread = [metrics.likelihood.dequantise(rows, data.levels, s) for s in range(1, 6)]
    noisy = simple.Mixture(
        top * np.concatenate(spread), None if label is None else np.tile(label, 5), components, form, seed
    )
    return Rival(
        data,
        density=True,
        **asked(drawn.sample),
        log_prob=lambda x: noisy.log_prob(top * x.reshape(len(x), -1)),
    )


def described_class(data, said):
    """Class numbers of what is said of examples."""
    return described.captioned(None, said)[1] if data.described == "text" else np.asarray(said)


def _classes(data):
    return described_class(data, data.arrays("train")[1])


def levels_17(data, seed):
    yield from digits(data, seed)
    x = data.arrays("train")[0]
    level = np.rint(x.reshape(len(x), -1) * 16)

    def logistic():
        chain = simple.Logistic(level, 17, strength=0.1)
        return Rival(
            data, log_prob=lambda x: chain.log_prob(np.rint(x.reshape(len(x), -1) * 16)),
            sample=lambda random, count: chain.sample(random, count).reshape(-1, *data.shape) / 16,
        )  # fmt: skip

    yield "logistic", logistic
    yield "patches_80_bits", lambda: Rival(data, reconstruct=simple.Patches(x, 32, seed).reconstruct)
    yield "components_16", Rival(data, reconstruct=_components(x, 16))


def _components(x, count):
    from sklearn.decomposition import PCA

    found = PCA(count, svd_solver="full").fit(x.reshape(len(x), -1))

    def reconstruct(x):
        rows = found.inverse_transform(found.transform(x.reshape(len(x), -1)))
        return rows.reshape(x.shape).clip(0, 1).astype("float32")

    return reconstruct


def binary(data, seed):
    yield from digits(data, seed)
    x = data.arrays("train")[0].reshape(-1, 64)

    def rival(fit):
        law = fit()
        return Rival(
            data, log_prob=lambda x: law.log_prob(x.reshape(len(x), -1)),
            sample=lambda random, count: law.sample(random, count).reshape(-1, *data.shape),
        )  # fmt: skip

    for components in (10, 50, 200):
        yield (
            f"coins_{components}",
            functools.partial(rival, lambda n=components: simple.BernoulliMixture(x, n, seed)),
        )
    yield "logistic", functools.partial(rival, lambda: simple.Logistic(x, 2))

    def orders():
        random = np.random.default_rng(seed)
        chains = [simple.Logistic(x, 2, random.permutation(64)) for _ in range(8)]
        laws = lambda x: [chain.log_prob(x.reshape(len(x), -1)) for chain in chains]  # noqa: E731
        return Rival(data, log_prob=lambda x: logsumexp(laws(x), axis=0) - np.log(8))

    yield "logistic_8_orders", orders


def scenes(data, seed):
    """Digits put where the boxes are, with nothing learnt about scenes."""
    x, layouts = data.arrays("train")
    source = kerasgen.data.load("digits")
    small, label = source.arrays("train")
    rows = small.reshape(len(small), -1)
    law = simple.Mixture(rows, label, 1, "full", seed)
    means = np.stack([rows[label == c].mean(0) for c in range(10)])
    known = {layout.tobytes(): i for i, layout in enumerate(layouts)}

    def pasted(draw):
        def sample(random, count, layout):
            made = np.zeros((count, *data.shape), "float32")
            for canvas, objects in zip(made, layout, strict=True):
                _paste(canvas, objects[objects[:, 0] >= 0], lambda c: draw(random, c))
            return made

        return Rival(data, given="layout", sample=sample)

    yield (
        "noise",
        Rival(data, given="layout", sample=lambda random, count, _: random.random((count, *data.shape))),
    )
    yield (
        "grey",
        Rival(data, given="layout", sample=lambda random, count, _: np.full((count, *data.shape), 0.5)),
    )
    yield (
        "copies",
        Rival(data, given="layout", sample=lambda _, count, layout: x[[known[a.tobytes()] for a in layout]]),
    )
    yield "pasted_means", pasted(lambda random, c: means[c])
    yield "pasted_gaussians", pasted(lambda random, c: law.sample(random, 1, [c])[0])


def _paste(canvas, objects, draw):
    from PIL import Image

    side = canvas.shape[0]
    for row in objects:
        left, top, width, height = np.rint(row[1:] * side).astype(int)
        picture = Image.fromarray(np.clip(draw(int(row[0])), 0, 1).reshape(8, 8).astype("float32"))
        picture = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
        there = canvas[top : top + height, left : left + width, 0]
        np.maximum(there, picture, out=there)


def contrasts(data, seed):
    """Translations that learn nothing."""
    x, domain = data.arrays("train")
    means = [x[domain == d].mean(0) for d in (0, 1)]
    yield "identity", Rival(data, translate=lambda x, label: x)
    yield "mean_of_domain", Rival(data, translate=lambda x, label: np.stack([means[d] for d in label]))

    def nearest(x, label):
        found = [np.abs(x[i] - x_of[d]).sum((1, 2, 3)).argmin() for i, d in enumerate(label)]
        return np.stack([x_of[d][j] for d, j in zip(label, found, strict=True)])

    x_of = [x[domain == d] for d in (0, 1)]
    yield "nearest_of_domain", Rival(data, translate=nearest)


def points(data, seed):
    x = data.arrays("train")[0]
    low, high = x.min(0), x.max(0)
    yield "noise", Rival(
        data, sample=lambda random, count: random.uniform(low, high, (count, 2)),
        log_prob=lambda x: np.full(len(x), -np.log(high - low).sum()),
    )  # fmt: skip
    yield "mean", Rival(data, sample=lambda random, count: np.repeat(x.mean(0)[None], count, 0))
    yield "copies", Rival(data, sample=lambda random, count: x[random.permutation(len(x))[:count]])
    own = (("mixture_8", 8),) if data.name == "eight_gaussians" else ()
    for name, components in (("gaussian", 1), ("mixture_4", 4), *own):
        law = simple.Mixture(x, None, components, "full", seed)
        yield name, Rival(data, sample=law.sample, log_prob=law.log_prob)
    bins = [np.histogram(column, 50, density=True) for column in x.T]

    def independent(x):
        places = [
            np.clip(np.searchsorted(edges, c) - 1, 0, 49) for c, (_, edges) in zip(x.T, bins, strict=True)
        ]
        return sum(np.log(np.maximum(h[p], 1e-6)) for p, (h, _) in zip(places, bins, strict=True))

    shuffled = lambda random, count: np.stack([random.choice(column, count) for column in x.T], 1)  # noqa: E731
    yield "independent", Rival(data, sample=shuffled, log_prob=independent)


def words(data, seed):
    train, test = (bytes(data.splits[split][0].ravel()) for split in ("train", "test"))
    for order in (1, 2, 5):
        yield f"{order}_gram", {"bits_per_dim": simple.n_gram_bits(train, test, order)}


def strings(data, seed):
    (x, label), (test, told) = data.arrays("train"), data.arrays("test")
    bits = lambda nats: float(-nats / x.shape[1] / np.log(2))  # noqa: E731
    level = lambda x: np.rint((x + 1) * 32 - 0.5)  # noqa: E731
    share = np.log((np.bincount(level(x).ravel().astype(int), minlength=64) + 1) / (x.size + 64))
    yield "independent", {"bits_per_dim": bits(share[level(test).astype(int)].sum(1).mean())}
    pairs = np.full((8, 64, 64), 1 / 64)
    known, heard = level(x).astype(int), level(test).astype(int)
    np.add.at(pairs, (label[:, None], known[:, :-1], known[:, 1:]), 1)
    pairs = np.log(pairs / pairs.sum(-1, keepdims=True))
    after = pairs[told[:, None], heard[:, :-1], heard[:, 1:]].sum(1) + share[heard[:, 0]]
    yield "2_gram", {"bits_per_dim": bits(after.mean())}
    yield "linear_40", {"bits_per_dim": bits(simple.Strings(x, label, 64).nats(test, told))}


def textures(data, seed):
    picture = data.arrays("test")[0][0]

    def made(one):
        return Rival(data, sample=lambda random, count: np.stack([one(random) for _ in range(count)]))

    yield "copies", made(lambda random: picture)
    yield "noisy_copies", made(lambda random: picture + 0.05 * random.normal(size=picture.shape))
    yield "moved_copies", made(lambda random: simple.moved(random, picture))
    yield "shuffled_pixels", made(lambda random: texture.shuffled(picture, random.integers(2**31)))
    yield (
        "grey",
        made(
            lambda random: np.full(picture.shape, picture.mean()) + 1e-6 * random.normal(size=picture.shape)
        ),
    )
    for side in (8, 16):
        yield f"blocks_{side}", made(lambda random, side=side: simple.blocks(random, picture, side))
    yield "tiles_16", made(lambda random: simple.tiles(random, picture, 16))


def exact(data):
    """Figures that are known of the true law."""
    x = data.arrays("test")[0]
    if data.name in two_dim.MODES:
        centres, sigma = two_dim.MODES[data.name]
        return {
            "nats": float(
                np.log(np.mean([multivariate_normal(c, sigma**2).pdf(x) for c in centres], 0)).mean()
            )
        }
    if data.name == "plucked_strings":
        return {"bits_per_dim": data.entropy / x.shape[1] / np.log(2)}
    return (
        {"translation_mse": 0.0, "translation_agreement": 1.0} if data.name == "digits_half_contrast" else {}
    )


MAKERS = {
    "digits": levels_17, "digits_binary": binary, "captioned_digits": digits, "digit_scenes": scenes,
    "digits_half_contrast": contrasts, "eight_gaussians": points, "twenty_five_gaussians": points,
    "python_topics": words, "plucked_strings": strings, "brick_64": textures, "brick_48": textures,
}  # fmt: skip


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
                rival = (
                    rival() if callable(rival) else rival
                )  # fits that take time wait until they are asked for
                figures = (
                    rival
                    if isinstance(rival, dict)
                    else metrics.evaluate(rival, data, count=COUNT, seed=seed)
                )
                found.setdefault(baseline, []).append(figures)
                real |= {
                    key.removesuffix("_floor"): v for key, v in figures.items() if key.endswith("_floor")
                }
                print(name, seed, baseline, file=sys.stderr, flush=True)
    mean = {
        baseline: {
            key: _short(np.mean([figures[key] for figures in runs]))
            for key in runs[0]
            if not key.endswith("_floor")
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
