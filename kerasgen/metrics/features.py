"""What examples look like to a metric: activations of the project's own digit classifiers, or raw values.

A classifier is a small convolutional network, trained once on the train split of the digits, or of MNIST (see
`train_classifier`). Its forward pass is NumPy, so that a judgement needs no TensorFlow and never changes:

    8x8:    3x3 convolution, ReLU -> 3x3 convolution, ReLU, pool -> 3x3 convolution, ReLU -> dense 64, ReLU -> dense 10
    28x28:  the same, with a pool after the first convolution, too

A pool is the largest of 2x2. The features are the 64 activations before the last layer, scaled to a mean square of 1 on
the train split. A distance between them is named after them (`frechet_digits_features`, `frechet_mnist_features`): it
is no FID, which means Inception's features.
"""

from __future__ import annotations

import functools
import pathlib

import numpy as np
from scipy.special import softmax

from kerasgen.hub import shelf

WEIGHTS = pathlib.Path(__file__).parents[1] / "nets" / "digits_classifier.safetensors"
MNIST_WEIGHTS = (
    "mnist_classifier.safetensors",
    "96449622f16ebbb57b18555c582e04518882d906fff4a9ff5bf773b5c5720266",
)  # on the shelf, and its SHA-256
DIGITS = (
    "digits",
    "digits_binary",
    "digits_half_contrast",
    "digits_edges",
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
    pooled = ("conv_2",)  # convolutions with a pool behind them
    data = DIGITS

    def __init__(self, weights=None):
        self.weights = self.shipped() if weights is None else weights

    @staticmethod
    @functools.cache
    def shipped():
        """The weights of the package."""
        from safetensors.numpy import load_file

        return load_file(WEIGHTS)

    def features(self, x):
        """Activations (N, 64) of pictures (N, *shape) in [0, 1].

        Raises:
            ValueError: pictures of another shape.
        """
        x = np.asarray(x, "float32")
        if x.shape[1:] != self.shape:
            raise ValueError(f"x: expected shape (N, {str(self.shape)[1:]}, got {x.shape}")
        return np.concatenate([self._hidden(x[i : i + PART]) for i in range(0, max(len(x), 1), PART)])

    def probabilities(self, x):
        """Class probabilities (N, 10) of pictures (N, *shape) in [0, 1]. Raises: as `features`."""
        return softmax(self._affine("logits", self.features(x)), axis=-1)

    def _hidden(self, x):
        for name in ("conv_1", "conv_2", "conv_3"):
            x = self._convolve(name, x)
            if name in self.pooled:
                count, height, width, channels = x.shape
                x = x.reshape(count, height // 2, 2, width // 2, 2, channels).max((2, 4))
        return _relu(self._affine("features", x.reshape(len(x), np.prod(x.shape[1:]))))

    def _convolve(self, name, x):
        """3x3 convolution with zero padding, then ReLU."""
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))  # (N, H, W, C, 3, 3)
        kernel, bias = self.weights[f"{name}.kernel"], self.weights[f"{name}.bias"]
        return _relu(np.tensordot(windows, kernel, ([4, 5, 3], [0, 1, 2])) + bias)

    def _affine(self, name, x):
        return x @ self.weights[f"{name}.kernel"] + self.weights[f"{name}.bias"]


class MNISTClassifier(DigitsClassifier):
    """The same for MNIST, grey or black and white; its weights lie on the shelf.

    Example:
        >>> MNISTClassifier().features(np.zeros((2, 28, 28, 1))).shape
        (2, 64)
    """

    name = "mnist_features"
    shape = (28, 28, 1)
    pooled = ("conv_1", "conv_2")
    data = ("mnist", "mnist_binary")

    @staticmethod
    @functools.cache
    def shipped():
        from safetensors.numpy import load_file

        return {name: array.astype("float32") for name, array in load_file(shelf.fetched(*MNIST_WEIGHTS)).items()}


class Inception:
    """The ImageNet network of `keras.applications`, for pictures of any kind and size; made once, when it is needed.

    Pictures are resized to 299x299, grey ones repeated in three channels; the features are the 2,048 means before the
    last layer. The weights are those of Keras, which downloads them (88 MB) where they are not in its cache. They are
    not those behind the FID of papers, nor is the resizing: compare with figures of this program alone.

    Args:
        weights: as in `keras.applications.InceptionV3`; None starts it at random, for tests.

    Raises:
        ValueError: the weights are not here and cannot be fetched.

    Reference: Szegedy et al., 2016, arXiv:1512.00567; Heusel et al., 2017, arXiv:1706.08500.
    """

    name = "inception_features"

    def __init__(self, weights="imagenet"):
        import keras

        try:
            self.network = keras.applications.InceptionV3(include_top=False, weights=weights, pooling="avg")
        except Exception as error:  # Keras raises a bare Exception where a download fails
            what = "expected weights of InceptionV3, which cannot be downloaded here"
            where = "copy them from another machine into ~/.keras/models"
            raise ValueError(f"features: {what}; {where}, or leave --features out") from error

    def features(self, x):
        """Rows (N, 2048) of pictures (N, H, W, 1 or 3) in [0, 1]."""
        import keras

        x = np.asarray(x, "float32")
        if x.ndim != 4 or x.shape[-1] not in (1, 3):
            raise ValueError(f"x: expected pictures of 1 or 3 channels, got shape {x.shape}")

        def part(x):
            x = keras.ops.image.resize(np.repeat(x, 3 // x.shape[-1], -1), (299, 299), antialias=True)
            return np.asarray(self.network(2 * x - 1, training=False))

        return np.concatenate([part(x[i : i + 32]) for i in range(0, max(len(x), 1), 32)])


class RawValues:
    """Vectors as they are."""

    name = "raw_values"

    def features(self, x):
        return raw_values(x)


NAMED = {"inception": Inception}


def features_for(data, name=None):
    """What examples of the data are compared by, or None where there is nothing: pixels are no measure of pictures.

    Args:
        data: `kerasgen.data.Data`.
        name: "inception" for any pictures; None for what the package has.

    Returns:
        The classifier of 8x8 digits, of scenes of digits, or of MNIST, `RawValues` for vectors, else None.

    Raises:
        ValueError: an unknown name; a network for pictures and other data.

    Example:
        >>> import kerasgen.data
        >>> features_for(kerasgen.data.load("digits")).name, features_for(kerasgen.data.load("moons")).name
        ('digits_features', 'raw_values')
        >>> print(features_for(kerasgen.data.load("brick")))
        None
    """
    if name is not None:
        if name not in NAMED:
            raise ValueError(f"features: expected {', '.join(NAMED)} or none, got {name!r}")
        if data.kind != "picture" or data.count("test") == 1:
            raise ValueError(f"features: expected a set of pictures for {name!r}, got {data.name}")
        return _named(name)
    if data.kind == "vector":
        return RawValues()
    for kind in (DigitsClassifier, MNISTClassifier):
        if data.name in kind.data and tuple(data.shape) == kind.shape:
            return kind()
    return DigitsClassifier() if data.name == "digit_scenes" else None


def raw_values(x):
    """Examples (N, ...) as rows (N, D) of their raw values."""
    return np.asarray(x).reshape(len(x), -1)


@functools.cache
def _named(name):
    return NAMED[name]()


def _relu(x):
    return np.maximum(x, 0)
