"""What examples look like to a metric: activations of the project's own digit classifier, or raw values.

The classifier is a small convolutional network, trained once on the train split of the digits (see
`train_classifier`) and shipped with the package. Its forward pass is NumPy, so that a judgement needs no
TensorFlow and never changes:

    x (8, 8, 1) -> [3x3 convolution, ReLU] x 2 -> 2x2 max pool -> 3x3 convolution, ReLU -> dense 64, ReLU ->
    dense 10

The features are the 64 activations before the last layer, scaled to a mean square of 1 on the train split. A
distance between them is named after them (`frechet_digits_features`): it is no FID, which means Inception's
features.
"""

from __future__ import annotations

import functools
import pathlib

import numpy as np
from scipy.special import softmax

WEIGHTS = pathlib.Path(__file__).with_name("digits_classifier.safetensors")
DIGITS = (
    "digits",
    "digits_binary",
    "digits_half_contrast",
    "captioned_digits",
)  # data of which it knows the classes
PART = 512  # pictures per forward pass, which bounds its memory


class DigitsClassifier:
    """The frozen classifier of 8x8 digits, grey or black and white.

    Args:
        weights: {name: array} as `train_classifier.train` returns; None loads those of the package.

    Example:
        >>> import kerasgen.data
        >>> x, label = kerasgen.data.load("digits").arrays("test")
        >>> bool((DigitsClassifier().probabilities(x).argmax(-1) == label).mean() > 0.985)
        True
    """

    name = "digits_features"
    shape = (8, 8, 1)

    def __init__(self, weights=None):
        self.weights = _shipped() if weights is None else weights

    def features(self, x):
        """Activations (N, 64) of pictures (N, 8, 8, 1) in [0, 1].

        Raises:
            ValueError: pictures of another shape.
        """
        x = np.asarray(x, "float32")
        if x.shape[1:] != self.shape:
            raise ValueError(f"x: expected shape (N, 8, 8, 1), got {x.shape}")
        return np.concatenate([self._hidden(x[i : i + PART]) for i in range(0, max(len(x), 1), PART)])

    def probabilities(self, x):
        """Class probabilities (N, 10) of pictures (N, 8, 8, 1) in [0, 1]. Raises: as `features`."""
        return softmax(self._affine("logits", self.features(x)), axis=-1)

    def _hidden(self, x):
        x = self._convolve("conv_1", x)
        x = self._convolve("conv_2", x)
        count, height, width, channels = x.shape
        x = x.reshape(count, height // 2, 2, width // 2, 2, channels).max((2, 4))
        x = self._convolve("conv_3", x)
        return _relu(self._affine("features", x.reshape(count, np.prod(x.shape[1:]))))

    def _convolve(self, name, x):
        """3x3 convolution with zero padding, then ReLU."""
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))  # (N, H, W, C, 3, 3)
        kernel, bias = self.weights[f"{name}.kernel"], self.weights[f"{name}.bias"]
        return _relu(np.tensordot(windows, kernel, ([4, 5, 3], [0, 1, 2])) + bias)

    def _affine(self, name, x):
        return x @ self.weights[f"{name}.kernel"] + self.weights[f"{name}.bias"]


def features_for(data):
    """The feature extractor that fits the data, or None where there is none but the raw values.

    Args:
        data: `kerasgen.data.Data`.

    Returns:
        A `DigitsClassifier` for 8x8 digits, else None.

    Example:
        >>> import kerasgen.data
        >>> features_for(kerasgen.data.load("digits")).name, features_for(kerasgen.data.load("moons"))
        ('digits_features', None)
    """
    return DigitsClassifier() if data.name in DIGITS and tuple(data.shape) == DigitsClassifier.shape else None


def raw_values(x):
    """Examples (N, ...) as rows (N, D) of their raw values."""
    return np.asarray(x).reshape(len(x), -1)


@functools.cache
def _shipped():
    from safetensors.numpy import load_file

    return load_file(WEIGHTS)


def _relu(x):
    return np.maximum(x, 0)
