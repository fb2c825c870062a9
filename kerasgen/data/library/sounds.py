"""Sounds: digits that are spoken."""

from __future__ import annotations

import numpy as np

from kerasgen.data import sequences
from kerasgen.data.fetching import File
from kerasgen.data.library.sets import Set, pieces

LENGTH, RATE = 4000, 8000  # values of a piece where nothing else is asked for, and per second: half a second
TAKES = {"train": range(8, 100), "validation": range(5, 8), "test": range(5)}  # of the same word by the same speaker


def spoken_archive(path):
    """[(digit, take, sound of 16 bits)] of the file that mirrors have."""
    held = np.load(path)
    return list(zip(held["digit"], held["take"], pieces(held["audio"], held["length"]), strict=True))


def spoken_digits(held, seed, image_shape):
    """A piece is the beginning of a word, with silence after a short one; a word gives one piece."""
    length = sequences.length_of("spoken_digits", image_shape, LENGTH)
    splits = {}
    for split, takes in TAKES.items():
        rows = [(digit, sound[:length]) for digit, take, sound in held if take in takes]
        x = np.stack([np.pad(sound, (0, length - len(sound))) for _, sound in rows])
        splits[split] = x.astype("float32") / 32768, np.array([digit for digit, _ in rows], "int32")
    return dict(
        splits=splits, shape=(length,), minimum=-1.0, maximum=1.0, sample_rate=RATE, class_names=tuple("0123456789")
    )


SETS = {
    "spoken_digits": Set(
        spoken_digits, (), None, "CC BY-SA 4.0",
        "Free Spoken Digit Dataset (Jackson and others): four speakers, takes 0 to 29",
        (
            File("spoken_digits.npz", "21a3a92f783ba7ce8f980ec779368aac4af4019ad2362969b4e616d9cbb6f734"),
            spoken_archive,
        ),
        "github.com/Jakobovski/free-spoken-digit-dataset has the sounds, which load as a folder",
    ),
}  # fmt: skip
