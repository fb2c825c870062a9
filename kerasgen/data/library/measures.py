"""Real-valued vectors of the tables of RNADE, prepared as there."""

from __future__ import annotations

import functools

import numpy as np

from kerasgen.data.arrays import split
from kerasgen.data.fetching import File
from kerasgen.data.library.sets import RAW, Set

CORRELATED = 0.98
DATASETS = f"{RAW}/jbrownlee/Datasets/d20fcb6402ae34e653d4513b00f39257bb37ed7f"


def columns(path, skip=0, last=None):
    """(N, columns) of a file with commas between."""
    with open(path, encoding="utf-8") as file:
        rows = [line.strip().split(",")[:last] for line in file.readlines()[skip:] if line.strip()]
    return np.array(rows, "float32")


def prepared(held, seed, image_shape):
    """Without what is discrete or said twice, each column less its mean and over its deviation in the train split.

    Discrete is a column of whole numbers. Of two whose correlation is above 0.98 the first goes; so the number of
    columns is that of the paper.
    """
    x = held.astype("float64")
    x = x[:, (x != np.round(x)).any(0)]
    near, kept = np.abs(np.corrcoef(x.T)) > CORRELATED, np.full(x.shape[1], True)
    for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        kept[i] &= not (kept[i] and kept[j])
    x, of = x[:, kept], split(len(x), 0)
    train = x[of["train"]]
    x = ((x - train.mean(0)) / train.std(0)).astype("float32")
    return dict(splits={name: (x[i], None) for name, i in of.items()}, shape=x.shape[1:])


def row(name, what, width, counts, citation, file, **read):
    small = File("uci_real.npz", "9b49c90450904e77515204c2cb15e6c05de7ffef6ef8c3fd52d4c75ecb3780dd")
    return Set(
        what, (width,), counts, prepared, "CC BY 4.0 (UCI)", f"{name} of the tables of RNADE, UCI; prepared as there",
        citation, (file,), functools.partial(columns, **read), (small, lambda path: np.load(path)[name]),
    )  # fmt: skip


WINE = "P. Cortez and others, 2009, doi 10.1016/j.dss.2009.05.016"
SETS = {
    "wine_red": row(
        "wine_red", "red wines", 11, (1281, 159, 159), WINE,
        File(
            "winequality-red.csv", "c9614512e980f1cbd221c796daa97f00c4898c3cd1716863abac60f6cd1a522e",
            f"{DATASETS}/winequality-red.csv",
        ),
        last=-1,
    ),
    "wine_white": row(
        "wine_white", "white wines", 11, (3920, 489, 489), WINE,
        File(
            "winequality-white.csv", "659d419fff887f225bf977d20520bb64a64cae203e460087f809721d4430ba27",
            f"{DATASETS}/winequality-white.csv",
        ),
        last=-1,
    ),
    "ionosphere": row(
        "ionosphere", "echoes of radar", 32, (281, 35, 35), "V. Sigillito and others, 1989",
        File(
            "ionosphere.csv", "fd6dd7864b55d56dac0a1e6e24af9ccc35bf2555ac79af8ab9f3d1daa065ab83",
            f"{DATASETS}/ionosphere.csv",
        ),
        last=-1,
    ),
    "parkinsons": row(
        "parkinsons", "measures of voices", 15, (4701, 587, 587),
        "A. Tsanas and others, 2010, doi 10.1109/TBME.2009.2036000",
        File(
            "parkinsons_updrs.data", "f2c7d5025dec4e92e7feae367a5f7ccf58789a10ac6b54bdf15976c599f9dd39",
            f"{RAW}/behnazrzf/Parkinson-s_Telemonitoring/f603774b38bfc967f20b4752bec4b6f872917d98/data/"
            "parkinsons_updrs.data",
        ),
        skip=1,
    ),
}  # fmt: skip
