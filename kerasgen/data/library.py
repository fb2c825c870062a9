"""Public data by name: MNIST, emoji in two styles, Shakespeare.

A row of `SETS` says where data come from and what makes them; files are those of `fetching`. Data that are small enough
to be copied around may have a form of their own in mirrors, which another reader opens.
"""

from __future__ import annotations

import functools
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kerasgen.data import remote
from kerasgen.data.arrays import split
from kerasgen.data.description import Data
from kerasgen.data.fetching import File, fetch, in_folder
from kerasgen.runtime import from_text

EMOJI_SIZE, EMOJI_NAME = 64, 96  # pixels; bytes of the longest name
STYLES = ("google", "twitter")


class Set(NamedTuple):
    """Public data.

    Attributes:
        make: function (what the reader gives, seed, image_shape) -> fields of `Data`.
        files: those that are fetched.
        read: paths of them -> what `make` takes.
        licence, origin: in words.
        small: a file that mirrors may have in their place, and its reader.
    """

    make: Callable
    files: tuple
    read: Callable
    licence: str
    origin: str
    small: tuple | None = None


def load(name: str, seed, image_shape) -> Data:
    """Describe the data of a name in `SETS`.

    Raises:
        OSError: they could not be fetched.
        ValueError: a mirror has other files of these names; an `image_shape` that they cannot have.
    """
    known = SETS[name]
    found = known.small and in_folder(known.small[0])
    held = (
        known.small[1](found) if found else known.read(*(in_folder(file) or fetch(file, name) for file in known.files))
    )
    fields = known.make(held, seed, image_shape)
    return Data(name=name, licence=known.licence, origin=known.origin, seed=seed, **fields)


# --- readers ----------------------------------------------------------------------------------------------------------


def mnist(path):
    """((x, label), (x, label)) of train and test."""
    held = np.load(path)
    return tuple((held[f"x_{split}"][..., None], held[f"y_{split}"]) for split in ("train", "test"))


def emoji_packages(google, twitter):
    """[(code, name, category, PNG of Google's, PNG of Twitter's)], by code, of two packages of `emoji-datasource`."""
    pictures = []
    for style, path in zip(STYLES, (google, twitter), strict=True):
        with tarfile.open(path) as package:
            rows = json.load(package.extractfile("package/emoji.json"))
            wanted = {
                f"package/img/{style}/{EMOJI_SIZE}/{row['image']}": row
                for row in rows
                if row["category"] != "Component" and not row["subcategory"].endswith("-flag")
            }
            members = (member for member in package if member.name in wanted)
            pictures.append({wanted[m.name]["image"]: package.extractfile(m).read() for m in members})
    known = [(row["image"], row["name"].lower(), row["category"]) for row in rows]
    both = [row for row in known if all(row[0] in style for style in pictures)]
    return sorted((code[:-4], name, category, *(style[code] for style in pictures)) for code, name, category in both)


def emoji_archive(path):
    """The same of the archive that mirrors have."""
    import csv

    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("emoji.csv").decode())))
        pngs = lambda code: (archive.read(f"{style}/{code}.png") for style in STYLES)
        return sorted((row["code"], row["name"], row["category"], *pngs(row["code"])) for row in rows)


# --- what is made of them ---------------------------------------------------------------------------------------------


def digits_of_two_splits(held, seed, image_shape):
    """Published train and test; the last tenth of train is for validation."""
    train, test = held
    parts = {**dict(zip(("train", "validation"), remote.last_tenth(train), strict=True)), "test": test}
    splits = {name: (_fitted(x, image_shape), label.astype("int32")) for name, (x, label) in parts.items()}
    return {**_pictures(splits), "class_names": tuple("0123456789")}


def emoji_by_category(held, seed, image_shape):
    """Google's style, each with its category as label and its name as text."""
    names = sorted({row[2] for row in held})
    label = np.array([names.index(row[2]) for row in held], "int32")
    text = from_text([row[1] for row in held], EMOJI_NAME)
    x = _drawn([row[3] for row in held], image_shape)
    splits = {name: (x[i], {"label": label[i], "text": text[i]}) for name, i in split(len(x), 0).items()}
    return {**_pictures(splits), "class_names": tuple(names)}


def emoji_in_both_styles(held, seed, image_shape):
    """Google's is given, and Twitter's of the same emoji is to be made of it."""
    google, twitter = (_drawn([row[place] for row in held], image_shape) for place in (3, 4))
    return _pictures({name: (twitter[i], {"picture": google[i]}) for name, i in split(len(google), 0).items()})


def emoji_in_either_style(held, seed, image_shape):
    """Every other emoji of a split in Google's style (label 0), the rest in Twitter's (1): no pairs are known."""
    splits = {}
    for name, indices in split(len(held), 0).items():
        label = np.arange(len(indices), dtype="int32") % 2
        splits[name] = _drawn([held[i][3 + l] for i, l in zip(indices, label, strict=True)], image_shape), label
    return {**_pictures(splits), "class_names": tuple(style.title() for style in STYLES)}


def text(path, seed, image_shape):
    from kerasgen.data import sequences

    made = sequences.texts("", [sequences.read_text(path)], seed, image_shape)
    return dict(splits=made.splits, shape=made.shape, minimum=0, maximum=255, text=True)


def _pictures(splits):
    return dict(splits=splits, shape=splits["train"][0].shape[1:], minimum=0.0, maximum=1.0, levels=256)


def _fitted(x, image_shape):
    """Pictures of the size and the channels that are asked for."""
    if image_shape is None or x.shape[1:] == tuple(image_shape):
        return x
    return np.stack([remote.fit(picture, image_shape) for picture in x])


def _drawn(files, image_shape):
    """PNG files on white."""
    from PIL import Image

    from kerasgen.data import folder

    shape = tuple(image_shape or (EMOJI_SIZE, EMOJI_SIZE, 3))
    folder.check_shape(shape)
    return np.stack([folder.converted(Image.open(io.BytesIO(content)), shape) for content in files])


EMOJI = dict(
    files=tuple(
        File(f"emoji-datasource-{style}-16.0.0.tgz", sha256, f"https://registry.npmjs.org/{name}/-/{name}-16.0.0.tgz")
        for style, sha256, name in (
            ("google", "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438", "emoji-datasource-google"),
            ("twitter", "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877", "emoji-datasource-twitter"),
        )
    ),
    read=emoji_packages,
    licence="Noto Emoji: Apache 2.0; Twemoji: CC BY 4.0",
    origin="npm packages emoji-datasource-google and emoji-datasource-twitter 16.0.0; without skin tones and flags "
    "of countries",
    small=(
        File("emoji_pairs.zip", "327c40ddec25a8ebc577609db7ddb5f79c9694d5116a33c732098b6315dbd54f"),
        emoji_archive,
    ),
)
SETS = {
    "mnist": Set(
        digits_of_two_splits,
        (
            File(
                "mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
            ),
        ),
        mnist, "CC BY-SA 3.0", "MNIST (LeCun and Cortes)",
    ),
    "tiny_shakespeare": Set(
        text,
        (
            File(
                "tiny_shakespeare.txt", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/"
                "tinyshakespeare/input.txt",
            ),
        ),
        lambda path: path, "public domain", "plays of Shakespeare, karpathy/char-rnn",
    ),
    "emoji": Set(emoji_by_category, **EMOJI),
    "emoji_pairs": Set(emoji_in_both_styles, **EMOJI),
    "emoji_styles": Set(emoji_in_either_style, **EMOJI),
}  # fmt: skip
MAKERS = {name: functools.partial(load, name) for name in SETS}
