"""Binary vectors of the tables of NADE and MADE, and letters in black and white."""

from __future__ import annotations

import functools

import numpy as np

from kerasgen.data.fetching import File
from kerasgen.data.library.sets import RAW, Set

PARTS = {"train": "train", "valid": "validation", "test": "test"}
AT = f"{RAW}/arranger1044/DEBD/850908666388f1b1c766a304b37dae14613f1e51/datasets"
ARCHIVE = "github.com/arranger1044/DEBD has it, which loads as an array"
LETTER = (16, 8, 1)


def lines(*paths):
    """Three arrays (N, dim) of files of zeros and ones with commas between."""
    return [np.loadtxt(path, "uint8", delimiter=",", ndmin=2) for path in paths]


def packed(path, name):
    """The same of the file that mirrors have, in which eight values are a byte."""
    with np.load(path) as held:
        width = dict(said.split("=") for said in held["widths"].tolist())[name]
        return [np.unpackbits(held[f"{name}_{part}"], axis=1)[:, : int(width)] for part in PARTS]


def vectors(held, seed, image_shape):
    splits = {split: (x, None) for split, x in zip(PARTS.values(), held, strict=True)}
    return dict(splits=splits, shape=held[0].shape[1:], minimum=0.0, maximum=1.0, levels=2)


def letters(held, seed, image_shape):
    """Pictures: 128 values are 16 rows of 8."""
    if image_shape is not None and tuple(image_shape) != LETTER:
        raise ValueError(
            f"image_shape: expected {LETTER} for ocr_letters, which are black and white, got {image_shape}"
        )
    return {**vectors([x.reshape(-1, *LETTER) for x in held], seed, image_shape), "shape": LETTER}


def row(name, what, width, counts, citation, hashes=(), make=vectors, licence="CC BY 4.0 (UCI)"):
    file = File("uci_binary.npz", "d06fd370aad46b6bb734b2d33717052a22a06a5749a0071260aee412f438f1a3")
    parts = [(f"{name}.{part}.data", sha256) for part, sha256 in zip(PARTS, hashes, strict=True)] if hashes else ()
    return Set(
        what, width if isinstance(width, tuple) else (width,), counts, make, licence,
        f"{name} of the tables of NADE, arranger1044/DEBD", citation,
        tuple(File(part, sha256, f"{AT}/{name}/{part}") for part, sha256 in parts), lines,
        (file, functools.partial(packed, name=name)), "" if parts else ARCHIVE,
    )  # fmt: skip


NADE = "H. Larochelle and I. Murray, 2011, The Neural Autoregressive Distribution Estimator"
SPN = "D. Lowd and J. Davis, 2010, Learning Markov Network Structure with Decision Trees"
SETS = {
    "ocr_letters": row(
        "ocr_letters", "handwritten letters", LETTER, (32_152, 10_000, 10_000),
        "R. Kassel, 1995; B. Taskar, C. Guestrin and D. Koller, 2003", make=letters, licence="research",
    ),
    "adult": row("adult", "incomes", 123, (5000, 1414, 26_147), NADE),
    "dna": row(
        "dna", "genes", 180, (1600, 400, 1186), NADE,
        (
            "bb8de0ca4b6ad9b610036b7a302962ebecd4b504354b14c02c7d0bee48d207d9",
            "4b0fc89cda5eaf5c75926e281afb6af99de194a546070d5b81b524ba251f4f3f",
            "fec3ae7b26804020a9c43c99828441c5e08bb76b23719368a74ad2b09af99100",
        ),
    ),
    "mushrooms": row(
        "mushrooms", "mushrooms", 112, (2000, 500, 5624), NADE,
        (
            "465c712c066bbbee3ccceded24bbe42b4c379df67b524e28cce9bf3a8b83f27b",
            "5a067e6854df71623415e6adc8e913cbff766637a324788882ba800907aa5385",
            "313c5f04b5d0a18bee2f2ffa264be265d09f5362aad6f714637acd9552f81aa0",
        ),
    ),
    "nips": row(
        "nips", "words of papers", 500, (400, 100, 1240), NADE,
        (
            "4d744cb1f2c725405bff6ef6878df06eafbbc2a91f0510e0f3d8a508b05ec7bb",
            "b06acd8e6a701d63d4e58b5076c11c59bcd0343fb9b1fbb5997459d3e6b8ca96",
            "48711bdaffbd43aa439679785e19d9cc80c64a157fa84eadc5dce60ee4edf7bc",
        ),
        licence="none stated",
    ),
    "nltcs": row(
        "nltcs", "a survey of long-term care", 16, (16_181, 2157, 3236), SPN,
        (
            "e547a7aedad1dd2f7177030881ab1b92c7e24ae5464c71a0f1f89daecaf52b30",
            "93bbbf5c6febdc9bc6e5b5bfab636f4dc0685ab2896d24b23dd267794c3bfcf6",
            "f9ffa6b74b27dc03bee3203d157ee31079e80b13be40d0c0093d635c25aed523",
        ),
        licence="none stated",
    ),
    "plants": row(
        "plants", "where plants grow", 69, (17_412, 2321, 3482), SPN,
        (
            "1fb1219ff94068d12a563f9e81f8889a1885f41e867884cff608669300c6848f",
            "47834ed318b2d74f48e4b083226ef47fd446d41986012ceae19d230574821b34",
            "95f53c033cd1d86467aec2610dc5bfe014534206c2da4919f73bcab246ab8755",
        ),
    ),
}  # fmt: skip
