"""The simple models of every data set on which a system is judged.

`MAKERS[data](data, seed)` gives pairs of a name and a `Rival`, its figures, or a function that fits one when asked.
"""

from __future__ import annotations

import functools

import numpy as np
import simple
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from simple import Rival

import kerasgen.data
from kerasgen import metrics, pictures
from kerasgen.metrics import described, texture


def digits(data, seed):
    """Pictures of ten classes, and what is asked for in words or as numbers."""
    x, said = data.arrays("train")
    label, given = classes_of(data, said), next(iter(data.given), "label")
    rows, top = x.reshape(len(x), -1), data.levels - 1
    level = np.rint(rows * top)

    def picture(values):
        return (np.rint(np.clip(values, 0, 1) * top) / top).reshape(-1, *data.shape)

    def free(draw):
        return {"sample": lambda random, count: picture(draw(random, count))}

    def asked(draw):
        made = lambda random, count, said: picture(draw(random, count, classes_of(data, said)))  # noqa: E731
        return {"given": given, "sample": made}

    def noisy(random, count, wanted):
        values = rows[simple.of_classes(random, label, wanted)]
        return values + 0.1 * random.normal(size=values.shape)

    means = np.stack([rows[label == c].mean(0) for c in range(10)])
    alone = simple.Histogram(level, data.levels)
    of_levels = lambda x: alone.log_prob(np.rint(x.reshape(len(x), -1) * top))  # noqa: E731
    size = rows.shape[1]
    yield "noise", Rival(data, **free(lambda random, count: random.random((count, size))))
    yield "grey", Rival(data, **free(lambda random, count: np.full((count, size), 0.5)))
    yield "mean", Rival(data, **free(lambda random, count: np.repeat(rows.mean(0)[None], count, 0)))
    yield "mean_of_class", Rival(data, **asked(lambda random, count, wanted: means[wanted]))
    yield (
        "copies",
        Rival(data, **asked(lambda random, _, wanted: rows[simple.of_classes(random, label, wanted)])),
    )
    yield "noisy_copies", Rival(data, **asked(noisy))
    one_by_one = free(lambda random, count: alone.sample(random, count) / top)
    yield "independent", Rival(data, **one_by_one, log_prob=of_levels)
    for name, components, form in (
        ("mixture_10", 1, "full"), ("mixture_50", 5, "full"),
        ("mixture_10_diagonal", 1, "diag"), ("mixture_50_diagonal", 5, "diag"), ("mixture_100_diagonal", 10, "diag"),
    ):  # fmt: skip
        yield name, functools.partial(_gaussians, data, rows, label, components, form, seed, asked)
    yield "gaussian", functools.partial(_gaussians, data, rows, None, 1, "full", seed, free)


def _gaussians(data, rows, label, components, form, seed, served):
    """Mixtures of Gaussians: as samplers of pixels, and as densities of levels with noise."""
    drawn, top = simple.Mixture(rows, label, components, form, seed), data.levels - 1
    spread = [metrics.likelihood.dequantise(rows, data.levels, s) for s in range(1, 6)]
    labels = None if label is None else np.tile(label, 5)
    noisy = simple.Mixture(top * np.concatenate(spread), labels, components, form, seed)
    likely = {"log_prob": noisy.log_prob} | ({} if label is None else {"classify": noisy.classify})
    likely = {name: (lambda x, law=law: law(top * x.reshape(len(x), -1))) for name, law in likely.items()}
    return Rival(data, density=True, **served(drawn.sample), **likely)


def classes_of(data, said):
    """Class numbers of what is said of examples."""
    return described.captioned(None, said)[1] if "text" in data.given else np.asarray(said)


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
    yield from classifiers(data)
    yield "patches_80_bits", lambda: Rival(data, reconstruct=simple.Patches(x, 32, seed).reconstruct)
    yield "k_means_10", Rival(data, encode=_groups(x, 10, seed))
    yield "components_16", Rival(data, reconstruct=_components(x, 16))
    yield from enlargements(data, x)


def classifiers(data):
    """Which class it is, by what is fitted to tell that, and, of every pixel for itself, by Bayes' rule."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import KNeighborsClassifier

    x, label = data.arrays("train")
    rows, top = x.reshape(len(x), -1), data.levels - 1
    of_class = [simple.Histogram(np.rint(rows[label == c] * top), data.levels) for c in range(data.num_classes)]
    laws = lambda x: np.stack([law.log_prob(np.rint(x * top)) for law in of_class], 1)  # noqa: E731
    linear, nearest = LinearDiscriminantAnalysis().fit(rows, label), KNeighborsClassifier(1).fit(rows, label)
    made = {"pixels_of_class": laws, "discriminant": linear.predict_proba, "nearest_class": nearest.predict_proba}
    for name, found in made.items():
        yield name, Rival(data, classify=lambda x, found=found: found(x.reshape(len(x), -1)))


def _groups(x, count, seed):
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=10, random_state=seed).fit(x.reshape(len(x), -1))
    return lambda x: found.predict(x.reshape(len(x), -1))


def _components(x, count):
    from sklearn.decomposition import PCA

    found = PCA(count, svd_solver="full").fit(x.reshape(len(x), -1))

    def reconstruct(x):
        rows = found.inverse_transform(found.transform(x.reshape(len(x), -1)))
        return rows.reshape(x.shape).clip(0, 1).astype("float32")

    return reconstruct


def enlargements(data, x):
    """Pictures at twice their sides."""
    small, size = pictures.resized(x, [side // 2 for side in data.shape[:2]]), data.shape[:2]
    made = {
        "repeated": lambda x: x.repeat(2, 1).repeat(2, 2),
        "bicubic": lambda x: pictures.resized(x, size),
        "linear": simple.Linear(small, x),
    }
    for name, upscale in made.items():
        yield name, Rival(data, smaller=small.shape[1:3], upscale=upscale)


def pairs(data, seed):
    """Translations of pictures whose results are known."""
    x, given = data.arrays("train")

    def nearest(picture):
        far = cdist(picture.reshape(len(picture), -1), given.reshape(len(given), -1))
        return x[far.argmin(1)]

    yield "identity", Rival(data, translate=lambda picture: picture)
    yield "mean", Rival(data, translate=lambda picture: np.repeat(x.mean(0)[None], len(picture), 0))
    yield "nearest", Rival(data, translate=nearest)
    yield "linear", Rival(data, translate=simple.Linear(given, x))


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


def colours(data, seed):
    """Colours of grey pictures by averages, by the nearest picture, or by any."""
    from skimage.color import lab2rgb, rgb2lab

    x = rgb2lab(data.arrays("train")[0])
    light, chroma = x[..., :1], x[..., 1:]
    level = lambda light: np.clip(np.rint(light[..., 0]), 0, 100).astype(int)  # noqa: E731
    counts = np.bincount(level(light).ravel(), minlength=101)
    total = [np.bincount(level(light).ravel(), chroma[..., i].ravel(), minlength=101) for i in (0, 1)]
    of_lightness = np.stack(total, -1) / np.maximum(counts, 1)[:, None]
    random = np.random.default_rng(seed)

    def nearest(light_):
        far = cdist(light_.reshape(len(light_), -1), light.reshape(len(light), -1))
        return chroma[far.argmin(1)]

    made = {
        "grey": lambda light: np.zeros((*light.shape[:-1], 2)),
        "mean": lambda light: np.broadcast_to(chroma.mean((0, 1, 2)), (*light.shape[:-1], 2)),
        "mean_of_lightness": lambda light: of_lightness[level(light)],
        "nearest": nearest,
        "any": lambda light: chroma[random.integers(len(chroma), size=len(light))],
    }

    def coloured(guess):
        def colorize(picture):
            light = rgb2lab(np.repeat(picture, 3, -1))[..., :1]
            return lab2rgb(np.concatenate([light, guess(light)], -1)).clip(0, 1).astype("float32")

        return colorize

    for name, guess in made.items():
        yield name, Rival(data, colorize=coloured(guess))


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
        places = [np.clip(np.searchsorted(edges, c) - 1, 0, 49) for c, (_, edges) in zip(x.T, bins, strict=True)]
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
        made(lambda random: np.full(picture.shape, picture.mean()) + 1e-6 * random.normal(size=picture.shape)),
    )
    for side in (8, 16):
        yield f"blocks_{side}", made(lambda random, side=side: simple.blocks(random, picture, side))
    yield "tiles_16", made(lambda random: simple.tiles(random, picture, 16))


MAKERS = {
    "digits": levels_17, "digits_binary": binary, "captioned_digits": digits, "digit_scenes": scenes,
    "digits_half_contrast": contrasts, "digits_edges": pairs, "patches": colours,
    "eight_gaussians": points, "twenty_five_gaussians": points, "python_topics": words, "plucked_strings": strings,
    "brick_64": textures, "brick_48": textures,
}  # fmt: skip
