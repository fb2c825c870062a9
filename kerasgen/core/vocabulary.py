"""What a trained system can do, in one table: the vocabulary of functions and of the ports they read and write.

A model serves some of these functions; the names of a function's arguments are port names. Everything that looks at a
model from outside (SavedModel endpoints, ONNX files, parity, CLI verbs, demo widgets, metrics, docs, laws) reads this
page and the model's `ports`, and nothing else. A new control is one row of `WORDS`.
"""

from __future__ import annotations

import dataclasses
import numbers
import warnings
from collections.abc import Callable
from typing import NamedTuple

from kerasgen.runtime import BATCH, SIZES, Port


class Function(NamedTuple):
    """A verb of the vocabulary: required inputs, optional inputs, what its output is called, and what that is."""

    takes: tuple
    may_take: tuple
    gives: str
    meaning: str


CONTROLS = ("truncation", "guidance", "steps", "temperature", "top_k", "top_p", "height", "width", "code")
GIVEN = ("label", "text", "layout", "picture")  # what data say of an example; a model may be given several

# An output is named after what it is. It never shares a name with an input of the same function, since one ONNX graph
# cannot use a name twice.
FUNCTIONS = {
    "sample": Function(("count", "seed"), GIVEN + CONTROLS, "x", "new examples"),
    "decode": Function(("latent|code",), ("label", "code"), "x", "the example that a latent or code stands for"),
    "encode": Function(("x",), ("label",), "latent|code", "the latent or code of an example"),
    "reconstruct": Function(("x",), ("label",), "reconstruction", "an example after encoding and decoding"),
    "log_prob": Function(("x",), GIVEN, "log_prob", "exact log-likelihood, nats per example"),
    "bound": Function(("x", "seed"), ("label",), "bound", "lower bound of the log-likelihood, nats per example"),
    "logits": Function(("x|code",), GIVEN, "logits", "unnormalised log-probabilities of every element's levels"),
    "denoise": Function(("x", "noise_level"), ("label",), "denoised", "the expected clean example"),
    "classify": Function(("x",), (), "class_log_prob", "log-probabilities of the classes, by models of classes"),
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
    "colorize": Function(("picture",), ("seed", "temperature"), "colorized", "the grey picture with colours"),
}

# function -> the attribute without which a model does not serve it, though others of its class do.
NEEDS = {"classify": "num_classes"}

# What an example can be, and the axes of its shape.
KINDS = {
    "picture": ("height", "width", "channels"),
    "vector": ("dim",),
    "text": ("length",),
    "sound": ("length",),
}

ANY_LABEL = -1  # in `sample`: draw the class, or the code, from the seed
LARGEST = 4  # times the size of an example is the largest that is made, by models that make any


class Word(NamedTuple):
    """What there is to say of a port; a field may be a function of the model that has it.

    The command line asks for controls by their names, with the meaning as help; pages draw a slider from the range.
    """

    meaning: str | Callable
    shape: tuple | Callable = ()
    dtype: str = "float32"
    minimum: float | Callable | None = None
    maximum: float | Callable | None = None
    default: float | Callable | None = None
    text: bool = False
    span: float | None = None

    def port(self, name: str, model) -> Port:
        """The port of a model."""
        return Port(name, **{key: value(model) if callable(value) else value for key, value in self._asdict().items()})


def _example(model):
    return (BATCH, *model.image_shape)


def _numbers(meaning, *bounds):
    return Word(meaning, _example, "float32", *bounds)


# An example, by its kind. Many ports are examples: what goes in, and what comes out of it.
EXAMPLES = {
    "picture": _numbers("pictures, NHWC, 0 black to 1 white", 0.0, 1.0),
    "vector": _numbers(
        lambda model: f"vectors of {model.levels} levels, 0 to 1" if model.levels else "vectors",
        lambda model: 0.0 if model.levels else None,
        lambda model: 1.0 if model.levels else None,
    ),
    "sound": _numbers(lambda model: f"sounds, {model.sample_rate} values per second, -1 to 1", -1.0, 1.0),
    "text": Word("texts, UTF-8 bytes", _example, "int32", 0, lambda model: (model.levels or 256) - 1, text=True),
}
EXAMPLE_PORTS = (
    "x", "reconstruction", "denoised", "translated", "completed", "refined", "upscaled", "colorized",
)  # fmt: skip


def _size(axis):
    def word(name):
        own = lambda model: model.image_shape[axis]
        low = lambda model: min(model.smallest, own(model))
        return Word(f"{name} of what is made, in pixels", (), "int32", low, lambda model: LARGEST * own(model), own)

    return word(SIZES[axis])


# Every other port: a row per word.
WORDS = {
    "seed": Word("which draw; the same seed gives the same result in every runtime", dtype="int32"),
    "count": Word("how many examples", dtype="int32", minimum=0),
    # what a sample is asked to be
    "label": Word(
        lambda model: f"class, 0 to {model.num_classes - 1}", (BATCH,), "int32", 0, lambda model: model.num_classes - 1
    ),
    "text": Word("description, UTF-8 bytes", lambda model: (BATCH, model.text_length), "int32", 0, 255, text=True),
    "layout": Word(
        "rows (class or -1 for none, left, top, width, height), lengths as shares of the picture",
        lambda model: (BATCH, model.objects, 5), minimum=-1.0,
    ),
    "picture": Word(
        "pictures, NHWC, 0 black to 1 white", lambda model: (BATCH, *(model.picture_shape or model.image_shape)),
        minimum=0.0, maximum=1.0,
    ),
    "mask": Word(
        "1 where the picture is to be filled, 0 where it is kept", lambda model: (BATCH, *model.image_shape[:2], 1),
        minimum=0.0, maximum=1.0,
    ),
    # how it is made
    "truncation": Word("share of the latent's spread kept", (), "float32", 0.0, 1.0, 1.0),
    "guidance": Word("weight of the condition; 1 follows it plainly", (), "float32", 0.0, 100.0, 1.0, span=10),
    "steps": Word("network evaluations of the sampler", (), "int32", 1, None, 50, span=250),
    "temperature": Word("spread of the choices; 1 is the model's own", (), "float32", 0.0, 10.0, 1.0, span=2),
    "top_k": Word("choices are among so many of the likeliest; 0 is all", (), "int32", 0, None, 0, span=100),
    "top_p": Word("choices are among the likeliest that have this share together", (), "float32", 0.0, 1.0, 1.0),
    "strength": Word("how much may change: 0 nothing, 1 everything", (), "float32", 0.0, 1.0, 0.5),
    "height": _size(0),
    "width": _size(1),
    "noise_level": Word("standard deviation of the noise added to x", (BATCH,), minimum=0.0),
    # what stands for an example, and what is said of it
    "latent": Word("point of the latent space; its prior has mean 0", lambda model: (BATCH, model.latent_dim)),
    "code": Word(
        "codes, level by level in raster order", lambda model: (BATCH, model.size), "int32", 0,
        lambda model: model.codes - 1,
    ),
    "logits": Word("unnormalised log-probabilities", lambda model: (BATCH, *model.image_shape, model.levels)),
    "log_prob": Word("nats per example", (BATCH,)),
    "bound": Word("nats per example", (BATCH,)),
    "class_log_prob": Word("nats, of every class", lambda model: (BATCH, model.num_classes), maximum=0.0),
    "energy": Word("unitless", (BATCH,)),
    "score": Word("gradient of the log-density", _example),
}  # fmt: skip


def _any_class(model):
    meaning = f"class, 0 to {model.num_classes - 1}; -1 draws one from the seed"
    return dict(meaning=meaning, minimum=ANY_LABEL, default=ANY_LABEL)


def _any_code(model):
    meaning = f"codes, 0 to {model.codes - 1}; -1 draws one from the seed"
    return dict(meaning=meaning, minimum=ANY_LABEL, default=ANY_LABEL)


def _unbounded(model):
    """These take noisy pictures."""
    return {} if model.kind == "text" else dict(minimum=None, maximum=None)


def _dequantized(model):
    """Densities take levels plus u ~ U[0, 1) levels."""
    return dict(maximum=model.levels / (model.levels - 1)) if model.density and model.levels else {}


# What is otherwise in a function: (function, port) -> function of the model that gives the fields.
IN_FUNCTION = {
    ("sample", "label"): _any_class,
    ("sample", "code"): _any_code,
    **{(function, port): _unbounded for function in ("denoise", "score", "energy") for port in ("x", "denoised")},
    **{(function, "x"): _dequantized for function in ("log_prob", "bound", "classify")},
}


def port_of(name: str, model, function: str = "") -> Port:
    """The port of a function of a model, by the rows above.

    Raises:
        ValueError: there is no such word.
    """
    word = EXAMPLES[model.kind] if name in EXAMPLE_PORTS else WORDS.get(name)
    if word is None:
        raise ValueError(f"{name} is not a port of the contract")
    otherwise = IN_FUNCTION.get((function, name), lambda model: {})(model)
    return dataclasses.replace(word.port(name, model), **otherwise)


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
    whole = isinstance(shape, tuple) and all(isinstance(size, numbers.Integral) and int(size) > 0 for size in shape)
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
