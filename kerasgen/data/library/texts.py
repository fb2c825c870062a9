"""Texts: plays of Shakespeare."""

from kerasgen.data import sequences
from kerasgen.data.fetching import File
from kerasgen.data.library.sets import RAW, Set


def plays(path, seed, image_shape):
    return described("tiny_shakespeare", [sequences.read_text(path)], seed, image_shape)


def described(name, contents, seed, image_shape, where=None):
    """The fields of texts, which lie in published splits or are cut into three."""
    made = sequences.texts(name, contents, seed, image_shape, where)
    return dict(splits=made.splits, shape=made.shape, minimum=0, maximum=255, text=True)


SETS = {
    "tiny_shakespeare": Set(
        plays,
        (
            File(
                "tiny_shakespeare.txt", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                f"{RAW}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
            ),
        ),
        lambda path: path, "public domain", "plays of Shakespeare, karpathy/char-rnn",
    ),
}  # fmt: skip
