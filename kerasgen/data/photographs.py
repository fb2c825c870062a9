"""Pictures that ship with scikit-image and scikit-learn: single ones, pieces of them, and a few small faces.

A single picture is the one example of all three splits. As those of a folder it is cropped at the centre to the aspect
of `image_shape`, made grey if that has one channel, and resized with antialiasing. Textures repeat, and a piece shows
what they are: they are not made smaller than a quarter, in which bricks are still bricks, but cropped.
"""

import functools

import numpy as np

from kerasgen.data.arrays import split
from kerasgen.data.description import Data

CC0, CC_BY = "CC0", "CC BY 2.0"
PICTURES = {  # name -> (licence, origin)
    "brick": (CC0, "brick wall, CC0Textures (scikit-image)"),
    "grass": (CC0, "grass, linolafett, DeviantArt (scikit-image)"),
    "gravel": (CC0, "gravel, CC0Textures (scikit-image)"),
    "camera": (CC0, "photographer, Lav Varshney (scikit-image)"),
    "astronaut": ("public domain", "Eileen Collins, NASA (scikit-image)"),
    "chelsea": (CC0, "cat, Stefan van der Walt (scikit-image)"),
    "coffee": (CC0, "cup of coffee, Rachel Michetti (scikit-image)"),
    "china": (CC_BY, "Chinese temple, danielbuechele, Flickr (scikit-learn)"),
    "flower": (CC_BY, "flower, vultilion, Flickr (scikit-learn)"),
}


COLOURED = "astronaut", "chelsea", "coffee", "china", "flower"
PIECE = 32, 32, 3
TEXTURES = "brick", "grass", "gravel"
SHRUNK = 4  # times, at most


def single(name, seed, image_shape=None):
    """One picture, by its name in `PICTURES`."""
    from PIL import Image

    from kerasgen.data import folder

    licence, origin = PICTURES[name]
    x = _read(name)
    x = x.reshape(*x.shape[:2], -1)
    if image_shape is not None and tuple(image_shape) != x.shape:
        folder.check_shape(image_shape)
        if name in TEXTURES:
            top, left = (
                max(have - SHRUNK * side, 0) // 2 for have, side in zip(x.shape[:2], image_shape[:2], strict=True)
            )
            x = x[top : x.shape[0] - top, left : x.shape[1] - left]
        x = folder.converted(Image.fromarray(x.squeeze()), image_shape)
    return _describe(name, dict.fromkeys(("train", "validation", "test"), x[None]), licence, origin, seed)


def faces(seed, image_shape=None):
    """100 faces, 25x25, grey: those of scikit-image's `lfw_subset`."""
    from skimage.data import lfw_subset

    x = np.rint(lfw_subset()[:100, :, :, None] * 255).astype("uint8")
    splits = {name: x[i] for name, i in split(len(x), 0).items()}
    origin = "Labeled Faces in the Wild (Huang et al., 2007), 100 crops of scikit-image"
    return _describe("faces", splits, "for research; photographs from news pages", origin, seed)


def patches(seed, image_shape=None):
    """Pieces of the photographs in colour, 32x32 or of another size: cut side by side, so that they share no pixel."""
    height, width, channels = PIECE if image_shape is None else image_shape
    if channels != 3:
        raise ValueError(f"image_shape: expected three channels for patches, got {tuple(image_shape)}")
    pieces = []
    for x in map(_read, COLOURED):
        if min(x.shape[0] // height, x.shape[1] // width) < 1:
            raise ValueError(f"image_shape: expected pieces of {x.shape[0]}x{x.shape[1]} at most, got {height}x{width}")
        x = x[: x.shape[0] // height * height, : x.shape[1] // width * width]
        x = x.reshape(-1, height, x.shape[1] // width, width, 3).swapaxes(1, 2)
        pieces.append(x.reshape(-1, height, width, 3))
    x = np.concatenate(pieces)
    splits = {name: x[i] for name, i in split(len(x), 0).items()}
    licence = ", ".join(dict.fromkeys(PICTURES[name][0] for name in COLOURED))
    return _describe("patches", splits, licence, f"pieces of {', '.join(COLOURED)}", seed)


def _read(name):
    """The picture as it is shipped, uint8."""
    if PICTURES[name][0] == CC_BY:
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    import skimage.data

    return getattr(skimage.data, name)()


def _describe(name, splits, licence, origin, seed):
    return Data(
        name=name,
        splits={split: (x, None) for split, x in splits.items()},
        shape=splits["train"].shape[1:],
        minimum=0.0,
        maximum=1.0,
        levels=256,
        licence=licence,
        origin=origin,
        seed=seed,
    )


MAKERS = {name: functools.partial(single, name) for name in PICTURES} | {
    "patches": patches,
    "faces": faces,
}
