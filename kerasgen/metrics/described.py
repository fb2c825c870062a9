"""What descriptions and domains tell of pictures: to see whether results are what they were asked to be."""

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


def other_contrast(x, domain):
    """Digits of full contrast (domain 0) at half contrast, and the other way round."""
    return np.where(np.asarray(domain)[:, None, None, None] == 0, x / 2 + 0.25, 2 * x - 0.5)


# Data: function (x, domain) -> the same pictures in the domain after their own.
TRUTHS = {"digits_half_contrast": other_contrast}
