"""Sounds: digits that are spoken."""

from __future__ import annotations

import io
import tarfile

import numpy as np

from kerasgen.data import sequences
from kerasgen.data.fetching import File
from kerasgen.data.library.sets import Set, pieces

LENGTH, RATE = 4000, 8000  # values of a piece where nothing else is asked for, and per second: half a second
SPEAKERS, LAST = ("george", "jackson", "nicolas", "theo"), 29  # those that mirrors have too, and takes up to this one
TAKES = {"train": range(8, LAST + 1), "validation": range(5, 8), "test": range(5)}  # of a word by a speaker


def recordings(path):
    """[(digit, take, sound of 16 bits)] of the repository, by digit, speaker and take."""
    from scipy.io import wavfile

    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.rpartition("/recordings/")[2]
            digit, speaker, take = (name.removesuffix(".wav").split("_") + [""] * 3)[:3]
            if name.endswith(".wav") and speaker in SPEAKERS and int(take) <= LAST:
                content = io.BytesIO(archive.extractfile(member).read())
                found[int(digit), speaker, int(take)] = wavfile.read(content)[1]
    return [(digit, take, found[digit, speaker, take]) for digit, speaker, take in sorted(found)]


def end_to_end(path):
    """The same of the file that mirrors have."""
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
        "words at 8 kHz, the first half second of each", (LENGTH,), (880, 120, 200), spoken_digits, "CC BY-SA 4.0",
        "Free Spoken Digit Dataset (Jackson and others): four speakers, takes 0 to 29",
        "Z. Jackson and others, 2018, doi 10.5281/zenodo.1342401",
        (
            File(
                "free-spoken-digit-dataset-1.0.9.tar.gz",
                "8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
                "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
            ),
        ),
        recordings,
        (
            File("spoken_digits.npz", "21a3a92f783ba7ce8f980ec779368aac4af4019ad2362969b4e616d9cbb6f734"),
            end_to_end,
        ),
    ),
}  # fmt: skip
