"""MNIST, in grey and in black and white."""

import numpy as np

from kerasgen.data import remote
from kerasgen.data.fetching import File
from kerasgen.data.library.sets import Set, fitted, pictures


def mnist(path):
    """((x, label), (x, label)) of train and test."""
    held = np.load(path)
    return tuple((held[f"x_{split}"][..., None], held[f"y_{split}"]) for split in ("train", "test"))


def of_two_splits(held, seed, image_shape):
    """Published train and test; the last tenth of train is for validation."""
    train, test = held
    parts = {**dict(zip(("train", "validation"), remote.last_tenth(train), strict=True)), "test": test}
    splits = {name: (fitted(x, image_shape), label.astype("int32")) for name, (x, label) in parts.items()}
    return {**pictures(splits), "class_names": tuple("0123456789")}


def binary(held, seed, image_shape):
    """Each pixel is 1 with the probability of its grey value, drawn once, from a seed of its own."""
    fields, random = of_two_splits(held, seed, image_shape), np.random.RandomState(0)
    # P(r < x) = x / 255 for r uniform on 0 .. 254: the stream of RandomState never changes.
    draw = lambda x: (random.randint(255, size=x.shape, dtype="uint8") < x).astype("uint8")
    return {**fields, "splits": {name: (draw(x), label) for name, (x, label) in fields["splits"].items()}, "levels": 2}


FILE = File(
    "mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
)  # fmt: skip
SETS = {
    "mnist": Set(of_two_splits, (FILE,), mnist, "CC BY-SA 3.0", "MNIST (LeCun and Cortes)"),
    "mnist_binary": Set(
        binary, (FILE,), mnist, "CC BY-SA 3.0", "MNIST (LeCun and Cortes); pixels drawn from their grey values"
    ),
}
