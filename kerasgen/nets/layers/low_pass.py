"""Low-pass filters between resolutions: without them, halving a picture folds what is fine into what is coarse.

Reference: Zhang, 2019, Making Convolutional Networks Shift-Invariant Again, arXiv:1904.11486.
"""

from __future__ import annotations

import numpy as np
from keras import ops

THREE, FOUR = (1.0, 2.0, 1.0), (1.0, 3.0, 3.0, 1.0)


def blur(x, taps, pad, gain=1.0):
    """Filter rows and columns of pictures (B, H, W, C) by the taps, which are made to sum to 1, after zero padding."""
    taps = np.outer(taps, taps) / np.sum(taps) ** 2 * gain
    kernel = np.tile(taps[:, :, None, None], (1, 1, x.shape[-1], 1))
    x = ops.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return ops.depthwise_conv(x, ops.cast(ops.convert_to_tensor(kernel.astype("float32")), x.dtype))


def double(x):
    """Twice the sides: zeros between the pixels, then the filter (1, 3, 3, 1), whose first half is to repeat pixels."""
    return blur(ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2), THREE, 1)
