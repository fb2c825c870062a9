"""What a trained system can do, in one table: the vocabulary of functions and of the ports they read and write.

A model serves some of these functions; the names of a function's arguments are port names. Everything that looks at a
model from outside (SavedModel endpoints, ONNX files, parity, CLI verbs, demo widgets, metrics, docs, laws) reads this
page and the model's `ports()`, and nothing else.
"""

from __future__ import annotations

import numbers
import warnings
from typing import NamedTuple

from kerasgen.runtime import Port


class Function(NamedTuple):
    """A verb of the vocabulary: required inputs, optional inputs, what its output is called, and what that is."""

    takes: tuple
    may_take: tuple
    gives: str
    meaning: str


CONTROLS = ("truncation", "guidance", "steps", "temperature", "top_k", "top_p", "height", "width")
GIVEN = ("label", "text", "layout")  # what data say of an example; a model may be given several

# An output is named after what it is. It never shares a name with an input of the same function, since one ONNX graph
# cannot use a name twice.
FUNCTIONS = {
    "sample": Function(("count", "seed"), GIVEN + ("picture",) + CONTROLS, "x", "new examples"),
    "decode": Function(("latent|code",), ("label",), "x", "the example that a latent or code stands for"),
    "encode": Function(("x",), ("label",), "latent|code", "the latent or code of an example"),
    "reconstruct": Function(("x",), ("label",), "reconstruction", "an example after encoding and decoding"),
    "log_prob": Function(("x",), GIVEN, "log_prob", "exact log-likelihood, nats per example"),
    "bound": Function(("x", "seed"), ("label",), "bound", "lower bound of the log-likelihood, nats per example"),
    "logits": Function(("x|code",), GIVEN, "logits", "unnormalised log-probabilities of every element's levels"),
    "denoise": Function(("x", "noise_level"), ("label",), "denoised", "the expected clean example"),
    "energy": Function(
        ("x",),
        (),
        "energy",
        "unnormalised negative log-density; for critics, the lower the more real an example looks",
    ),
    "score": Function(("x",), (), "score", "gradient of the log-density with respect to the example"),
    "translate": Function(("picture",), ("label", "seed"), "translated", "the picture in another domain"),
    "complete": Function(("picture", "mask", "seed"), ("strength",), "completed", "the picture with its hole filled"),
    "refine": Function(("picture", "seed"), ("strength",), "refined", "a realistic picture near the given one"),
    "upscale": Function(("picture",), ("seed",), "upscaled", "the picture at a higher resolution"),
    "colorize": Function(("picture",), ("seed",), "colorized", "the grey picture with colours"),
}

# Ports whose shape and range are the same for every model. The others (x, latent, label, height, mask, ...) depend on
# the model and are completed by `GenerativeModel.port`.
SCALARS = {
    "seed": Port("seed", (), "int32", "which draw; the same seed gives the same result in every runtime"),
    "count": Port("count", (), "int32", "how many examples", minimum=0),
    "truncation": Port("truncation", (), "float32", "share of the latent's spread kept", 0.0, 1.0, 1.0),
    "guidance": Port("guidance", (), "float32", "weight of the condition; 1 follows it plainly", 0.0, 100.0, 1.0),
    "steps": Port("steps", (), "int32", "network evaluations of the sampler", 1, None, 50),
    "temperature": Port("temperature", (), "float32", "spread of the choices; 1 is the model's own", 0.0, 10.0, 1.0),
    "top_k": Port("top_k", (), "int32", "choices are among so many of the likeliest; 0 is all", 0, None, 0),
    "top_p": Port(
        "top_p", (), "float32", "choices are among the likeliest that have this share together", 0.0, 1.0, 1.0
    ),
    "strength": Port("strength", (), "float32", "how much may change: 0 nothing, 1 everything", 0.0, 1.0, 0.5),
}

ANY_LABEL = -1  # in `sample`: draw the class from the seed

# What an example can be, and the axes of its shape.
KINDS = {
    "picture": ("height", "width", "channels"),
    "vector": ("dim",),
    "text": ("length",),
    "sound": ("length",),
}


def kind_of(image_shape, kinds=("picture",)) -> str:
    """Which of the kinds examples of a shape are; shapes of different rank tell them apart.

    Raises:
        ValueError: none of them has such a shape; the line says which shapes there are.

    Example:
        >>> kind_of((2,), ("picture", "vector"))
        'vector'
        >>> kind_of((28, 28))
        Traceback (most recent call last):
        ValueError: image_shape: expected (height, width, channels), got (28, 28); one channel is (28, 28, 1)
    """
    shape = tuple(image_shape) if isinstance(image_shape, (tuple, list)) else image_shape
    whole = isinstance(shape, tuple) and all(isinstance(size, numbers.Integral) and size > 0 for size in shape)
    for kind in kinds if whole else ():
        if len(KINDS[kind]) == len(shape):
            return kind
    expected = " or ".join(f"({', '.join(KINDS[kind])}{',' * (len(KINDS[kind]) == 1)})" for kind in kinds)
    hint = f"; one channel is {(*shape, 1)}" if whole and len(shape) == 2 and "picture" in kinds else ""
    raise ValueError(f"image_shape: expected {expected}, got {shape!r}{hint}")


def check_shape(image_shape, kinds=("picture",)):
    """Refuse shapes that no kind has, as `kind_of`, and warn of pictures whose channels seem to come first."""
    if kind_of(image_shape, kinds) == "picture" and image_shape[0] in (1, 3) and image_shape[2] > 4:
        shape, (height, width, channels) = tuple(image_shape), image_shape
        text = f"{shape} are {channels} channels of {height}x{width}; the channel axis is last"
        warnings.warn(f"image_shape: {text}", stacklevel=3)


def expected(function: str) -> str:
    """The inputs of a function as a sentence fragment, for error lines."""
    entry = FUNCTIONS[function]
    return ", ".join(entry.takes) + (f" [{', '.join(entry.may_take)}]" if entry.may_take else "")
