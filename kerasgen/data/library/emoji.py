"""Emoji in two styles."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import numpy as np

from kerasgen.data.arrays import split
from kerasgen.data.fetching import File
from kerasgen.data.library.sets import Set, pictures
from kerasgen.runtime import from_text

EMOJI_SIZE, EMOJI_NAME = 64, 96  # pixels; bytes of the longest name
STYLES = ("google", "twitter")


def emoji_packages(google, twitter):
    """[(code, name, category, PNG of Google's, PNG of Twitter's)], by code, of two packages of `emoji-datasource`."""
    drawn = []
    for style, path in zip(STYLES, (google, twitter), strict=True):
        with tarfile.open(path) as package:
            rows = json.load(package.extractfile("package/emoji.json"))
            wanted = {
                f"package/img/{style}/{EMOJI_SIZE}/{row['image']}": row
                for row in rows
                if row["category"] != "Component" and not row["subcategory"].endswith("-flag")
            }
            members = (member for member in package if member.name in wanted)
            drawn.append({wanted[m.name]["image"]: package.extractfile(m).read() for m in members})
    known = [(row["image"], row["name"].lower(), row["category"]) for row in rows]
    both = [row for row in known if all(row[0] in style for style in drawn)]
    return sorted((code[:-4], name, category, *(style[code] for style in drawn)) for code, name, category in both)


def emoji_archive(path):
    """The same of the archive that mirrors have."""
    import csv

    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("emoji.csv").decode())))
        pngs = lambda code: (archive.read(f"{style}/{code}.png") for style in STYLES)
        return sorted((row["code"], row["name"], row["category"], *pngs(row["code"])) for row in rows)


def emoji_by_category(held, seed, image_shape):
    """Google's style, each with its category as label and its name as text."""
    names = sorted({row[2] for row in held})
    label = np.array([names.index(row[2]) for row in held], "int32")
    text = from_text([row[1] for row in held], EMOJI_NAME)
    x = _drawn([row[3] for row in held], image_shape)
    splits = {name: (x[i], {"label": label[i], "text": text[i]}) for name, i in split(len(x), 0).items()}
    return {**pictures(splits), "class_names": tuple(names)}


def emoji_in_both_styles(held, seed, image_shape):
    """Google's is given, and Twitter's of the same emoji is to be made of it."""
    google, twitter = (_drawn([row[place] for row in held], image_shape) for place in (3, 4))
    return pictures({name: (twitter[i], {"picture": google[i]}) for name, i in split(len(google), 0).items()})


def emoji_in_either_style(held, seed, image_shape):
    """Every other emoji of a split in Google's style (label 0), the rest in Twitter's (1): no pairs are known."""
    splits = {}
    for name, indices in split(len(held), 0).items():
        label = np.arange(len(indices), dtype="int32") % 2
        splits[name] = _drawn([held[i][3 + l] for i, l in zip(indices, label, strict=True)], image_shape), label
    return {**pictures(splits), "class_names": tuple(style.title() for style in STYLES)}


def _drawn(files, image_shape):
    """PNG files on white."""
    from PIL import Image

    from kerasgen.data import folder

    shape = tuple(image_shape or (EMOJI_SIZE, EMOJI_SIZE, 3))
    folder.check_shape(shape)
    return np.stack([folder.converted(Image.open(io.BytesIO(content)), shape) for content in files])


EMOJI = dict(
    shape=(EMOJI_SIZE, EMOJI_SIZE, 3),
    counts=(1316, 164, 164),
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
    citation="Google, Noto Emoji; Twitter, Twemoji",
    small=(
        File("emoji_pairs.zip", "327c40ddec25a8ebc577609db7ddb5f79c9694d5116a33c732098b6315dbd54f"),
        emoji_archive,
    ),
)
SETS = {
    "emoji": Set("emoji with their names", make=emoji_by_category, **EMOJI),
    "emoji_pairs": Set("the same emoji in two styles", make=emoji_in_both_styles, **EMOJI),
    "emoji_styles": Set("emoji in two styles, no pairs", make=emoji_in_either_style, **EMOJI),
}
