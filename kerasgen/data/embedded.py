"""Data that ship with the libraries or are drawn from a formula: digits and two-dimensional toys."""

import dataclasses
import functools

import numpy as np

from kerasgen.data.description import Data

SPLITS = ("train", "validation", "test")
COUNTS = (20_000, 2_000, 10_000)  # points of every toy in these


def digits(seed):
    """1,797 handwritten digits, 8x8, 17 grey levels."""
    return _digits("digits", lambda level: level, 17, seed)


def digits_binary(seed):
    """The same digits in black and white: level 8 and above is 1."""
    return _digits("digits_binary", lambda level: (level >= 8).astype("uint8"), 2, seed)


def digits_half_contrast(seed):
    """The same digits, every other one at half the contrast: two domains, of which no pairs are known."""
    data = digits(seed)
    splits = {}
    for split, (x, _) in data.splits.items():
        domain = np.arange(len(x), dtype="int32") % 2
        splits[split] = np.where(domain[:, None, None, None], x + 8, 2 * x).astype("uint8"), domain
    names = ("full contrast", "half contrast")
    return dataclasses.replace(data, name="digits_half_contrast", splits=splits, levels=33, class_names=names)


def digits_edges(seed):
    """The digits, each with its edges: where it differs by half of the levels from the pixel to the right or below."""
    data = digits(seed)
    splits = {}
    for split, (x, _) in data.splits.items():
        level = np.pad(x.astype("int32"), ((0, 0), (0, 1), (0, 1), (0, 0)), "edge")
        steps = level[:, :-1, 1:] - level[:, :-1, :-1], level[:, 1:, :-1] - level[:, :-1, :-1]
        edges = np.maximum(*map(np.abs, steps)) >= 8
        splits[split] = x, {"picture": (16 * edges).astype("uint8")}
    origin = f"{data.origin}; edges found in the pictures"
    return dataclasses.replace(data, name="digits_edges", splits=splits, class_names=(), origin=origin)


def _digits(name, convert, levels, seed):
    from sklearn.datasets import load_digits

    x, label = load_digits(return_X_y=True)
    x, label = convert(x.astype("uint8").reshape(-1, 8, 8, 1)), label.astype("int32")
    parts = np.split(np.random.RandomState(0).permutation(1797), [1257, 1257 + 180])
    return Data(
        name=name,
        splits={split: (x[i], label[i]) for split, i in zip(SPLITS, parts, strict=True)},
        shape=(8, 8, 1),
        minimum=0.0,
        maximum=1.0,
        levels=levels,
        class_names=tuple("0123456789"),
        licence="CC BY 4.0",
        origin="Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, UCI, 1998), test part",
        seed=seed,
    )


def eight_gaussians(count, random):
    """Eight Gaussians on a circle of radius 2, sigma 0.2."""
    angle = random.randint(8, size=count) * (np.pi / 4)
    return 2 * _circle(angle) + 0.2 * random.randn(count, 2)


def twenty_five_gaussians(count, random):
    """Twenty-five Gaussians on the grid {-2, ..., 2} squared, sigma 0.1."""
    return random.randint(-2, 3, size=(count, 2)) + 0.1 * random.randn(count, 2)


def moons(count, random):
    """Two interleaved half circles of radius 1 (scikit-learn), sigma 0.1."""
    from sklearn.datasets import make_moons

    return make_moons(count, noise=0.1, random_state=random)[0]


def circles(count, random):
    """Two circles of radius 1 and 0.5 (scikit-learn), sigma 0.08."""
    from sklearn.datasets import make_circles

    return make_circles(count, factor=0.5, noise=0.08, random_state=random)[0]


def rings(count, random):
    """Four circles of radius 0.5, 1, 1.5 and 2 with equal mass, sigma 0.08."""
    radius = 0.5 * random.randint(1, 5, size=count)
    return radius[:, None] * _circle(2 * np.pi * random.rand(count)) + 0.08 * random.randn(count, 2)


def checkerboard(count, random):
    """Uniform on eight of the unit squares of a 4x4 board over [-2, 2] squared."""
    column = random.randint(4, size=count)
    row = 2 * random.randint(2, size=count) + column % 2
    return np.stack([column, row], -1) - 2 + random.rand(count, 2)


def spirals(count, random):
    """Two arms of one and a half turns to radius 2, sigma 0.08."""
    turn = np.sqrt(random.rand(count))  # the outer part of an arm is longer and holds more of the mass
    radius = 2 * turn * random.choice([-1, 1], size=count)
    return radius[:, None] * _circle(3 * np.pi * turn) + 0.08 * random.randn(count, 2)


def _circle(angle):
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _toy(draw, entropy, seed):
    x = draw(sum(COUNTS), np.random.RandomState(0)).astype("float32")
    parts = np.split(x, np.cumsum(COUNTS)[:-1])
    return Data(
        name=draw.__name__,
        splits={split: (part, None) for split, part in zip(SPLITS, parts, strict=True)},
        shape=(2,),
        entropy=entropy,
        licence="none needed (drawn from a formula)",
        origin=draw.__doc__,
        seed=seed,
    )


TOYS = {  # entropy in nats, by quadrature of the density (the tests repeat it)
    eight_gaussians: 1.6981,
    twenty_five_gaussians: 1.4516,
    moons: 1.0076,
    circles: 1.0709,
    rings: 2.2125,
    checkerboard: 2.0794,
    spirals: 1.8664,
}

DIGITS = digits, digits_binary, digits_half_contrast, digits_edges
MAKERS = {make.__name__: make for make in DIGITS} | {
    draw.__name__: functools.partial(_toy, draw, entropy) for draw, entropy in TOYS.items()
}
