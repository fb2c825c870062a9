"""Tiny constructor arguments of every system: enough to build, train and export each in seconds.

They stand as `TINY = dict(...)` in `tests/systems/test_<id>.py` and are read from there without importing it, so values
are plain. Systems of several resolutions, depths or scales have three of them: what two have in common may be false of
more.
"""

import ast
import pathlib

import numpy as np

from kerasgen import catalog
from kerasgen.data.asking import CHANGES


def read(path):
    """The tiny arguments that a file of tests states."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TINY":
            found = {word.arg: ast.literal_eval(word.value) for word in node.value.keywords}
            if "image_shape" in found:
                return found
    raise ValueError(f"{path}: expected TINY = dict(image_shape=..., ...), the smallest interesting arguments")


TINY = {id: read(pathlib.Path(__file__).parent / "systems" / f"test_{id}.py") for id in catalog.SYSTEMS}


def as_x(model, levels):
    """Levels as the model's functions take them."""
    return np.array(model.scale(model.levels).value(np.asarray(levels, "int32")))


def examples(model, count, split="train"):
    """(x, what data say of x) of so many examples: digits, moons, and texts and sounds of random levels."""
    import kerasgen

    if model.kind in ("text", "sound"):
        generator = np.random.default_rng([2, *split.encode()])
        x = as_x(model, generator.integers(model.levels, size=(count, *model.image_shape)))
        label = np.arange(count)
    else:
        name = "moons" if model.kind == "vector" else "digits_binary" if model.levels == 2 else "digits"
        x, label = kerasgen.data.load(name).arrays(split)
        x = x if model.kind == "vector" else np.repeat(x, model.image_shape[-1], -1)
    return x[:count], label[:count] % model.num_classes if model.num_classes else said(model, count)


def said(model, count):
    """What data say of so many examples: labels, texts of letters, layouts; None for nothing."""
    generator = np.random.default_rng(3)
    if "label" in model.given:
        return generator.integers(model.num_classes, size=count)
    if "text" in model.given:
        text = generator.integers(97, 123, (count, model.text_length), dtype="int32")
        text[::2, -1] = 0  # some end before the others
        return text
    if "layout" in model.given:
        boxes = generator.uniform(0.2, 0.4, (count, model.objects, 5)).astype("float32")
        boxes[..., 0] = np.arange(count)[:, None] % 2
        return boxes
    if "picture" in model.given:
        return generator.random((count, *model.picture_shape), dtype="float32")
    return None


def made(model, count):
    """Samples of a system, or what becomes of pictures."""
    if "sample" in model.serves:
        about = {name: said(model, count) for name in model.given if name != "label"}
        return model.sample(count, seed=7, **about)
    function = next(name for name in CHANGES if name in model.serves)
    x = np.random.default_rng(7).random((count, *(model.picture_shape or model.image_shape)), "float32")
    label = {"label": np.arange(count) % model.num_classes} if model.num_classes else {}
    return getattr(model, function)(x, **label)
