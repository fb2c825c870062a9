"""Written characters: Omniglot, letters in black and white."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from kerasgen.data.fetching import File
from kerasgen.data.library.sets import RAW, Set, fitted, pictures

SIZE = 28
DRAWERS = {"train": range(1, 17), "validation": range(17, 19), "test": range(19, 21)}


def drawings(*paths):
    """(pictures 28x28, ink 255; names of their characters; drawers) of Omniglot's archives of pictures 105x105.

    Some alphabets are in two archives.
    """
    from PIL import Image

    found = {}
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            for file in (name for name in archive.namelist() if name.endswith(".png")):
                alphabet, character, name = file.split("/")[-3:]
                ink = 255 - np.asarray(Image.open(io.BytesIO(archive.read(file))).convert("L"))
                small = Image.fromarray(ink).resize((SIZE, SIZE), Image.Resampling.BOX)
                place = alphabet, int(character.removeprefix("character")), int(name[:-4].split("_")[1])
                found[place] = np.asarray(small)
    places = sorted(found)
    names = [f"{alphabet} {character}" for alphabet, character, _ in places]
    return np.stack([found[place] for place in places]), names, np.array([drawer for *_, drawer in places])


def prepared(path):
    """The same of the file that mirrors have."""
    held = np.load(path)
    rows = zip(held["alphabets"][held["alphabet"]], held["character"], strict=True)
    return held["x28"], [f"{alphabet} {character}" for alphabet, character in rows], held["drawer"]


def omniglot(held, seed, image_shape):
    """Every character is in every split, by other drawers."""
    from kerasgen.data.arrays import natural

    x, named, drawer = held
    x, names = fitted(x[..., None], image_shape), sorted(set(named), key=natural)
    number = {name: i for i, name in enumerate(names)}
    label = np.array([number[name] for name in named], "int32")
    of = {split: np.flatnonzero(np.isin(drawer, list(drawers))) for split, drawers in DRAWERS.items()}
    return {**pictures({split: (x[i], label[i]) for split, i in of.items()}), "class_names": tuple(names)}


SETS = {
    "omniglot": Set(
        "characters of 8 alphabets", (SIZE, SIZE, 1), (3872, 484, 484), omniglot, "MIT",
        "Omniglot (Lake), both small background sets, 28x28",
        "B. Lake, R. Salakhutdinov and J. Tenenbaum, 2015, doi 10.1126/science.aab3050",
        tuple(
            File(
                f"images_background_{name}.zip", sha256,
                f"{RAW}/brendenlake/omniglot/057f034baf2ecb8530bc5710e5a23584d2a519cc/python/images_background_{name}.zip",
            )
            for name, sha256 in (
                ("small1", "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4"),
                ("small2", "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f"),
            )
        ),
        drawings,
        (
            File("omniglot_pictures.npz", "fe2bfdcdd06cc13add08274f6aded5280f1391526b7d1b6656ddb729ddda5d95"),
            prepared,
        ),
    ),
}  # fmt: skip
