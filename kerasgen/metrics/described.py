"""Which digits descriptions tell of, and where: to see whether samples are what they were said to be."""

from __future__ import annotations

import numpy as np

from kerasgen.metrics.features import DigitsClassifier
from kerasgen.runtime import to_text


def captioned(x, text):
    """Pictures of captioned digits, and the digit that the last word of each caption (N, bytes) names."""
    from kerasgen.data.described import NAMES

    return x, np.array([NAMES.index(caption.split()[-1]) for caption in to_text(text)])


def boxed(x, layout):
    """What the boxes of layouts (N, objects, 5) hold, at the size that the classifier reads, and their digits."""
    from PIL import Image

    crops, told = [], []
    for picture, rows in zip(np.asarray(x, "float32")[..., 0], layout, strict=True):
        image, (height, width) = Image.fromarray(picture), picture.shape
        for digit, left, top, across, down in rows[rows[:, 0] >= 0]:
            box = (left * width, top * height, (left + across) * width, (top + down) * height)
            crop = image.resize(DigitsClassifier.shape[:2], Image.Resampling.BILINEAR, box)
            crops.append(np.asarray(crop)[..., None])
            told.append(digit)
    return np.stack(crops), np.array(told)


# Data: function (x, descriptions) -> pictures of digits, which they should be.
READERS = {"captioned_digits": captioned, "digit_scenes": boxed}


def agreement(name, x, descriptions):
    """Share of the digits told of that the classifier finds in examples of the data of some name."""
    pictures, told = READERS[name](x, descriptions)
    return np.mean(DigitsClassifier().probabilities(pictures).argmax(-1) == told)
