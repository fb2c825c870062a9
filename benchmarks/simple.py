"""Simple models that systems must beat, made of scikit-learn, NumPy and counting, and nothing of this package.

Each is fitted to arrays and draws with a NumPy generator; `Rival` shows one to `kerasgen.metrics.evaluate` as a model.
"""

from __future__ import annotations

import collections
import itertools
import math

import numpy as np
from scipy.special import logsumexp, ndtr
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture

from kerasgen.runtime import BATCH, Port, Ports


class Rival:
    """NumPy functions that serve what a model serves.

    Args:
        data: what it stands beside.
        given: name of the input of `sample` that says what is asked for, or nothing.
        density: `log_prob` is a density of grey levels with noise.
        smaller: (height, width) of the pictures that `upscale` takes.
        **functions: sample(random, count[, said]), log_prob(x), reconstruct(x), translate(x[, domain]), upscale(x),
            encode(x) -> groups (N,), classify(x) -> (N, classes), colorize(grey) -> x.
    """

    def __init__(self, data, *, given="", density=False, smaller=(), **functions):
        top = data.levels / (data.levels - 1) if density and data.levels else data.maximum
        x = Port("x", (BATCH, *data.shape), "float32", "", data.minimum, top)
        sample = (Port("count", (), "int32", "", 0), Port("seed", (), "int32", ""))
        said = Port(given, (BATCH,), "int32", "", 0) if given else None
        label = (Port("label", (BATCH,), "int32", "", 0),) * bool(data.num_classes)
        picture = Port("picture", (BATCH, *(data.picture_shape or data.shape)), "float32", "")
        small = Port("picture", (BATCH, *smaller, data.shape[-1]), "float32", "")
        inputs = {"sample": sample + (said,) * bool(given), "translate": (picture, *label), "upscale": (small,)}
        grey = Port("picture", (BATCH, *data.shape[:2], 1), "float32", "") if len(data.shape) == 3 else x
        inputs["colorize"] = (grey,)
        code = Port("code", (BATCH, 1), "int32", "")
        self.ports = {name: Ports(inputs.get(name, (x,)), code if name == "encode" else None) for name in functions}
        self.functions, self.levels = functions, data.levels or (256 if data.text else None)

    def sample(self, count, *, seed, **said):
        return np.asarray(self.functions["sample"](np.random.default_rng(seed), count, *said.values()), "float32")

    def log_prob(self, x):
        return self.functions["log_prob"](x)

    def classify(self, x):
        return self.functions["classify"](x)

    def reconstruct(self, x):
        return self.functions["reconstruct"](x)

    def translate(self, x, **label):
        return self.functions["translate"](x, **label)

    def upscale(self, x):
        return self.functions["upscale"](x)

    def colorize(self, picture):
        return self.functions["colorize"](picture)

    def encode(self, x):
        return self.functions["encode"](x)[:, None]


class Mixture:
    """Gaussians fitted by expectation maximisation, `components` for each class, where there are classes.

    Args:
        x: (N, D) rows.
        label: (N,) classes, or None.
        components: for each class.
        form: "full" or "diag" covariances.
        seed: of the start.
    """

    def __init__(self, x, label, components, form="full", seed=0):
        label = np.zeros(len(x), int) if label is None else label
        self.parts, options = [], dict(covariance_type=form, reg_covar=1e-3, random_state=seed)
        self.of_class = [[] for _ in range(label.max() + 1)]
        for c, share in enumerate(np.bincount(label) / len(label)):
            found = GaussianMixture(components, **options).fit(x[label == c])
            for weight, mean, spread in zip(found.weights_, found.means_, found.covariances_, strict=True):
                self.of_class[c].append(len(self.parts))
                self.parts.append((share * weight, mean, np.diag(spread) if form == "diag" else spread))
        self.shares = np.array([share for share, _, _ in self.parts])

    def log_prob(self, x):
        return logsumexp(self._joint(x), axis=0)

    def classify(self, x):
        """(N, classes), by Bayes' rule with the classes' shares."""
        joint = self._joint(x)
        return np.stack([logsumexp(joint[parts], axis=0) for parts in self.of_class], 1)

    def _joint(self, x):
        laws = [np.log(share) + multivariate_normal(mean, spread).logpdf(x) for share, mean, spread in self.parts]
        return np.array(laws)

    def sample(self, random, count, label=None):
        """Rows (count, D), of the classes asked for."""
        chosen = random.choice(len(self.parts), count, p=self.shares / self.shares.sum())
        if label is not None:
            chosen = np.array(
                [random.choice(self.of_class[c], p=_shares(self.shares[self.of_class[c]])) for c in label]
            )
        x = np.zeros((count, len(self.parts[0][1])))
        for part in np.unique(chosen):
            _, mean, spread = self.parts[part]
            x[chosen == part] = random.multivariate_normal(mean, spread, (chosen == part).sum(), method="eigh")
        return x


class Linear:
    """Each pixel as a linear function of all pixels of another picture, by least squares with a squared penalty."""

    def __init__(self, given, x, strength=1.0):
        self.shape, self.fitted = x.shape[1:], Ridge(strength).fit(given.reshape(len(x), -1), x.reshape(len(x), -1))

    def __call__(self, given):
        made = self.fitted.predict(given.reshape(len(given), -1))
        return made.reshape(-1, *self.shape).clip(0, 1).astype("float32")


class BernoulliMixture:
    """Products of coins, mixed, fitted by expectation maximisation to rows of zeros and ones."""

    def __init__(self, x, components, seed=0, rounds=200, prior=0.1):
        random = np.random.default_rng(seed)
        share = random.dirichlet(np.ones(components), len(x))
        for _ in range(rounds):
            self._maximise(x, share, prior)
            joint = self._joint(x)
            share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    def _maximise(self, x, share, prior):
        held = share.sum(0)
        self.weights = (held + prior) / (held + prior).sum()
        self.p = (share.T @ x + prior) / (held[:, None] + 2 * prior)

    def _joint(self, x):
        return x @ np.log(self.p).T + (1 - x) @ np.log1p(-self.p).T + np.log(self.weights)

    def log_prob(self, x):
        return logsumexp(self._joint(x), axis=1)

    def sample(self, random, count):
        return random.random((count, self.p.shape[1])) < self.p[random.choice(len(self.p), count, p=self.weights)]


class Logistic:
    """A chain of logistic regressions, each value given those before it in an order: the convex optimum of an FVSBN.

    Args:
        x: (N, D) whole levels.
        levels: number of them.
        order: of the values, None for raster.
        strength: inverse weight of the squared penalty, `C` in scikit-learn.
    """

    def __init__(self, x, levels, order=None, strength=1.0):
        self.order, self.levels = np.arange(x.shape[1]) if order is None else order, levels
        self.steps, scaled = [], x / (levels - 1)
        for i, place in enumerate(self.order):
            y = x[:, place].astype(int)
            counts = np.bincount(y, minlength=levels) + 1.0 / levels
            fitted = None
            if i and len(np.unique(y)) > 1:
                fitted = LogisticRegression(C=strength, max_iter=300).fit(scaled[:, self.order[:i]], y)
            self.steps.append((fitted, np.log(counts / counts.sum())))

    def chances(self, i, seen):
        """ln P of each level of the value at place i of the order, given rows of those before it."""
        fitted, alone = self.steps[i]
        if fitted is None:
            return np.tile(alone, (len(seen), 1))
        found = np.full((len(seen), self.levels), -np.inf)
        found[:, fitted.classes_] = fitted.predict_log_proba(seen / (self.levels - 1))
        rare = alone - math.log(1e3)  # a level never seen in the train split may come
        return np.logaddexp(found + math.log1p(-1e-3), rare)

    def log_prob(self, x):
        total = np.zeros(len(x))
        for i, place in enumerate(self.order):
            total += self.chances(i, x[:, self.order[:i]])[np.arange(len(x)), x[:, place].astype(int)]
        return total

    def sample(self, random, count):
        x = np.zeros((count, len(self.order)))
        for i, place in enumerate(self.order):
            noise = random.gumbel(size=(count, self.levels))
            x[:, place] = (self.chances(i, x[:, self.order[:i]]) + noise).argmax(1)
        return x


class Histogram:
    """Every value for itself: shares of levels, one added to each."""

    def __init__(self, x, levels):
        counts = np.stack([(x == k).sum(0) for k in range(levels)]) + 1.0
        self.share = counts / counts.sum(0)  # (levels, D)

    def log_prob(self, x):
        return np.log(self.share[x.astype(int), np.arange(x.shape[1])]).sum(1)

    def sample(self, random, count):
        return (np.log(self.share) + random.gumbel(size=(count, *self.share.shape))).argmax(1)


class Patches:
    """One code for each patch of 2x2 pixels, by k-means: what so many bits hold without any network."""

    def __init__(self, x, codes, seed=0):
        self.found = KMeans(codes, n_init=4, random_state=seed).fit(self._cut(x))

    def _cut(self, x):
        count, height, width, channels = x.shape
        x = x.reshape(count, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(-1, 4 * channels).astype("float64")

    def reconstruct(self, x):
        count, height, width, channels = x.shape
        rows = self.found.cluster_centers_[self.found.predict(self._cut(x))]
        rows = rows.reshape(count, height // 2, width // 2, 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
        return rows.reshape(x.shape).astype("float32")


class Strings:
    """Sounds by linear prediction from the values before, for each class; the first ones each for itself.

    Args:
        x: (N, length) of bin middles in [-1, 1].
        label: (N,) classes.
        bins: number of levels.
        reach: values looked back at.
    """

    def __init__(self, x, label, bins, reach=40):
        self.bins, self.reach, self.laws = bins, reach, []
        for c in range(label.max() + 1):
            rows, y = self._windows(x[label == c])
            slope = np.linalg.lstsq(rows, y, rcond=None)[0]
            self.laws.append((slope, (y - rows @ slope).std()))

    def _windows(self, x):
        windows = np.lib.stride_tricks.sliding_window_view(x.astype("float64"), self.reach + 1, 1)
        return windows[..., :-1].reshape(-1, self.reach), windows[..., -1].ravel()

    def nats(self, x, label):
        """Mean log-probability of the levels of examples."""
        total = 0.0
        for c, (slope, spread) in enumerate(self.laws):
            rows, y = self._windows(x[label == c])
            edges = np.stack([y - 1 / self.bins, y + 1 / self.bins])
            edges[0, y < -1 + 1.5 / self.bins], edges[1, y > 1 - 1.5 / self.bins] = -np.inf, np.inf  # tails
            low, high = ndtr((edges - rows @ slope) / spread)
            total += np.log(np.maximum(high - low, 1e-12)).sum()
        return total / len(x) - self.reach * math.log(self.bins)


def n_gram_bits(train, test, order):
    """Bits per byte of an interpolated Witten-Bell n-gram: P(c | h) = (n(hc) + d(h) P(c | h')) / (n(h) + d(h))."""
    counts = [collections.Counter() for _ in range(order)]
    totals, kinds = ([collections.Counter() for _ in range(order)] for _ in range(2))
    for n in range(order):
        counts[n].update(train[i : i + n + 1] for i in range(len(train) - n))
        for gram, count in counts[n].items():
            totals[n][gram[:-1]] += count
            kinds[n][gram[:-1]] += 1
    bits = 0.0
    for i in range(order, len(test)):
        p = 1 / 256
        for n in range(order):
            gram = test[i - n : i + 1]
            total, kind = totals[n][gram[:-1]], kinds[n][gram[:-1]]
            if not total:
                break
            p = (counts[n][gram] + kind * p) / (total + kind)
        bits -= math.log2(p)
    return bits / (len(test) - order)


def of_classes(random, label, wanted):
    """Places of examples of the classes that are wanted, each as seldom as can be."""
    order = random.permutation(len(label))
    places = {c: itertools.cycle(order[label[order] == c]) for c in np.unique(label)}
    return np.array([next(places[c]) for c in wanted])


def blocks(random, picture, side):
    """A picture of its own blocks, put side by side at random."""
    height, width, channels = picture.shape
    made = np.zeros((height + side, width + side, channels))
    for row in range(0, height, side):
        for column in range(0, width, side):
            y, x = random.integers(height - side + 1), random.integers(width - side + 1)
            made[row : row + side, column : column + side] = picture[y : y + side, x : x + side]
    return made[:height, :width]


def tiles(random, picture, side):
    """A picture of one block of it, again and again."""
    height, width, _ = picture.shape
    y, x = random.integers(height - side + 1), random.integers(width - side + 1)
    repeats = (-(-height // side), -(-width // side), 1)
    return np.tile(picture[y : y + side, x : x + side], repeats)[:height, :width]


def moved(random, picture):
    """The picture itself, cyclically shifted and mirrored."""
    shift = random.integers(picture.shape[0]), random.integers(picture.shape[1])
    made = np.roll(picture, shift, (0, 1))
    return made[:: random.choice([1, -1]), :: random.choice([1, -1])]


def _shares(weights):
    return weights / weights.sum()
