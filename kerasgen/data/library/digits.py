"""MNIST, in grey and in black and white."""

import numpy as np

from kerasgen.data.fetching import File
from kerasgen.data.library.sets import Set, published


def read(path):
    """((x, label), (x, label)) of train and test."""
    held = np.load(path)
    return tuple((held[f"x_{split}"][..., None], held[f"y_{split}"]) for split in ("train", "test"))


def grey(held, seed, image_shape):
    return published(*held, image_shape, tuple("0123456789"))


def binary(held, seed, image_shape):
    """Each pixel is 1 with the probability of its grey value, drawn once, from a seed of its own."""
    fields, random = grey(held, seed, image_shape), np.random.RandomState(0)
    # P(r < x) = x / 255 for r uniform on 0 .. 254: the stream of RandomState never changes.
    draw = lambda x: (random.randint(255, size=x.shape, dtype="uint8") < x).astype("uint8")
    return {**fields, "splits": {name: (draw(x), label) for name, (x, label) in fields["splits"].items()}, "levels": 2}


MNIST = dict(
    shape=(28, 28, 1), counts=(54_000, 6_000, 10_000), licence="CC BY-SA 3.0", read=read,
    citation="Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, 1998, doi 10.1109/5.726791",
    files=(
        File(
            "mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        ),
    ),
)  # fmt: skip
SETS = {
    "mnist": Set("handwritten digits", make=grey, origin="MNIST (LeCun and Cortes)", **MNIST),
    "mnist_binary": Set(
        "the same in black and white", make=binary,
        origin="MNIST (LeCun and Cortes); pixels drawn from their grey values", **MNIST,
    ),
}  # fmt: skip
