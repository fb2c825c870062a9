"""How near the colours of pictures are to the true ones, as the paper of `colorization` measures it.

The share of pixels whose a and b in CIE Lab are at most t away from the truth, as t goes from 0 to 150: the area under
that curve, in parts of the whole, is E max(0, 1 - distance / 150). Most pixels are nearly grey, so that a grey copy is
hard to beat; the balanced area weighs each pixel by how rare its true colour is.

Reference: Zhang, Isola, Efros, 2016, Colorful Image Colorization, arXiv:1603.08511, section 3.1.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

FARTHEST = 150.0  # distance at which the curve ends
SIDE, REACH = 10.0, 13  # of the squares that colours are counted in, and how many of them there are to each side
SPREAD = 0.5  # of the Gaussian by which counts are smoothed, in squares


def chroma(x):
    """a and b (..., 2) of pictures (..., 3) in [0, 1]."""
    from skimage.color import rgb2lab

    return rgb2lab(np.asarray(x, "float32"))[..., 1:]


def areas(true, found):
    """The area under the curve, over all pixels alike and over all colours alike, of pictures (N, H, W, 3) in [0, 1].

    Example:
        >>> x = np.random.default_rng(0).random((2, 4, 4, 3))
        >>> areas(x, x)
        (1.0, 1.0)
    """
    true, found = (chroma(x).reshape(-1, 2) for x in (true, found))
    near = np.maximum(1.0 - np.linalg.norm(true - found, axis=1) / FARTHEST, 0.0)
    place = tuple(np.clip(np.rint(true / SIDE).astype(int) + REACH, 0, 2 * REACH).T)
    counts = np.zeros((2 * REACH + 1,) * 2)
    np.add.at(counts, place, 1.0)
    weights = 1.0 / gaussian_filter(counts, SPREAD, mode="constant")[place]
    return float(near.mean()), float(np.average(near, weights=weights))
