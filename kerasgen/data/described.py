"""Pictures that are described: digits with captions, scenes of digits with their boxes."""

import functools

import numpy as np

from kerasgen.data.description import Data
from kerasgen.data.embedded import digits
from kerasgen.runtime import from_text

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CAPTION = 32  # bytes
SCENE, OBJECTS, SIDES = (
    24,
    3,
    (8, 9, 10, 11, 12),
)  # pixels of a canvas, digits on it at most, their heights and widths
SCENES = {"train": 4096, "validation": 256, "test": 512}


def captioned_digits(seed):
    """The digits, each with a caption: "a thin upright small three"."""
    data = digits(seed)
    middle = np.median(traits(data.arrays("train")[0]), axis=0)

    def captioned(x, given):
        above = traits(x / np.float32(16)) > middle
        words = [("thin", "bold"), ("upright", "slanted"), ("small", "large")]
        rows = [" ".join(pair[int(i)] for pair, i in zip(words, row, strict=True)) for row in above]
        texts = [f"a {row} {NAMES[i]}" for row, i in zip(rows, given["label"], strict=True)]
        return x, {"text": from_text(texts, CAPTION)}

    return Data(
        name="captioned_digits", splits={split: captioned(*part) for split, part in data.splits.items()},
        shape=data.shape, minimum=0.0, maximum=1.0, levels=17,
        licence=data.licence, origin=f"{data.origin}; captions made from the pictures", seed=seed,
    )  # fmt: skip


def traits(x):
    """What captions tell of digits (N, 8, 8, 1) in [0, 1]: ink, slant and size, (N, 3).

    Ink is the mean; slant how far a stroke goes to the right for each row up, from second moments; size the spread of
    the ink around its middle.
    """
    weight = x[..., 0] / np.maximum(x[..., 0].sum((1, 2), keepdims=True), 1e-6)
    row, column = np.mgrid[: x.shape[1], : x.shape[2]]
    row = row - (weight * row).sum((1, 2))[:, None, None]
    column = column - (weight * column).sum((1, 2))[:, None, None]
    across = [(weight * a * b).sum((1, 2)) for a, b in ((row, column), (row, row), (column, column))]
    return np.stack([x[..., 0].mean((1, 2)), -across[0] / np.maximum(across[1], 1e-6), across[1] + across[2]], 1)


def digit_scenes(seed):
    """One to three digits of several sizes on a canvas of 24x24, and where they are.

    A layout has a row (class, left, top, width, height) for each digit, lengths as shares of the canvas, class -1 for
    none. Boxes overlap by a quarter of the smaller one at most.
    """
    data, random = digits(seed), np.random.RandomState(0)
    splits = {
        split: _scenes(data.splits[split][0], data.splits[split][1]["label"], count, random)
        for split, count in SCENES.items()
    }
    return Data(
        name="digit_scenes", splits=splits, shape=(SCENE, SCENE, 1), minimum=0.0, maximum=1.0, levels=256,
        objects=NAMES, licence=data.licence,
        origin=f"{data.origin}; resized and put together", seed=seed,
    )  # fmt: skip


def _scenes(x, label, count, random):
    scenes = np.zeros((count, SCENE, SCENE, 1), "uint8")
    layouts = np.zeros((count, OBJECTS, 5), "float32")
    layouts[..., 0] = -1
    for scene, layout in zip(scenes, layouts, strict=True):
        boxes = []
        for place in range(1 + random.randint(OBJECTS)):
            box = _free_box(boxes, random)
            chosen = random.randint(len(x))
            left, top, width, height = box
            there = scene[top : top + height, left : left + width, 0]
            np.maximum(there, _resized(x[chosen, ..., 0].tobytes(), width, height), out=there)
            layout[place] = [label[chosen], *(np.array(box) / SCENE)]
            boxes.append(box)
    return scenes, {"layout": layouts}


def _free_box(boxes, random):
    """(left, top, width, height) that overlaps little with the others; after many tries, the last that was tried."""
    for _ in range(100):
        width, height = random.choice(SIDES, 2)
        box = (*random.randint([SCENE - width + 1, SCENE - height + 1]), width, height)
        if all(_overlap(box, other) <= 0.25 * min(width * height, other[2] * other[3]) for other in boxes):
            break
    return box


def _overlap(a, b):
    sides = [min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    return max(sides[0], 0) * max(sides[1], 0)


@functools.lru_cache(None)
def _resized(levels, width, height):
    from PIL import Image

    picture = np.frombuffer(levels, "uint8").reshape(8, 8)
    picture = Image.fromarray(np.rint(picture * (255 / 16)).astype("uint8"))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


MAKERS = {"captioned_digits": captioned_digits, "digit_scenes": digit_scenes}
