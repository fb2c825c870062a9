"""What functions of pictures are asked about the examples of some data."""

from __future__ import annotations

from kerasgen import pictures
from kerasgen.data.description import named

CHANGES = ("translate", "upscale", "colorize", "refine")  # what becomes of a picture, with nothing else told


def inputs(data, split, ports, count=None) -> dict:
    """What fills the ports `picture` and `label` of a function that changes pictures, for examples of a split.

    A picture is the one that is given with an example, else the example itself, made smaller or grey where the port
    is. Where a label is asked for, it is the domain after the example's own.

    Args:
        data: `kerasgen.data.Data` of pictures.
        split: "train", "validation" or "test".
        ports: of the function, as `ports()[function].inputs` has them.
        count: examples at most; all of them if left out.
    """
    x, given = data.arrays(split, count)
    given, ports = named(given, data.given), {port.name: port for port in ports}
    shape = ports["picture"].shape[1:]
    picture = given.get("picture", x)
    if shape[-1] == 1 and picture.shape[-1] == 3:
        picture = pictures.grey(picture)
    size = tuple(own if isinstance(side, str) else side for side, own in zip(shape, picture.shape[1:], strict=True))[:2]
    asked = {"picture": picture if picture.shape[1:3] == size else pictures.resized(picture, size)}
    if "label" in ports:
        asked["label"] = (given["label"] + 1) % data.num_classes
    return asked


def versions(model, data, split="test", count=None, seed=0) -> list:
    """Pictures of some data, what a model makes of them, and, where that is known, what it should have made.

    Args:
        model: one that serves a function of `CHANGES`.
        data, split, count: as in `inputs`.
        seed: of what is drawn.

    Returns:
        Two or three arrays (N, H, W, C) in [0, 1].
    """
    function = next(name for name in CHANGES if name in model.serves)
    ports = model.ports[function].inputs
    asked = inputs(data, split, ports, count)
    drawn = {"seed": seed} if any(port.name == "seed" for port in ports) else {}
    made = getattr(model, function)(**asked, **drawn)
    return [asked["picture"], made, *([] if "label" in asked else [data.arrays(split, count)[0]])]
