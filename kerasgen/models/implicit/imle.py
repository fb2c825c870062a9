"""IMLE.  Li, Malik, 2018, Implicit Maximum Likelihood Estimation, arXiv:1809.09087.

A generator without a discriminator: draw many samples, find the nearest to each example, pull it there, draw anew. No
example is left without a sample near by, so no mode is dropped, and what is descended is a regression.

Differs from the paper: matches are made anew at every step, from fresh samples and by exact search, where the authors
keep them for some epochs and search approximately.
"""

from __future__ import annotations

import keras
from keras import layers

from kerasgen.core.paper import Paper
from kerasgen.nets.network import network
from kerasgen.nets.sizes import doubling, halvings, stages_of
from kerasgen.objectives.implicit import nearest_samples

PAPER = Paper(
    title="Implicit Maximum Likelihood Estimation",
    authors="K. Li and J. Malik",
    year=2018,
    reference="arXiv:1809.09087",
    tags=("generator", "nearest neighbour", "mode coverage"),
)


class IMLE(nearest_samples.Matching):
    """Generator trained by nearest-neighbour matching.

        pictures: z -> dense, dense to the smallest picture -> [up-convolution] x (n - 1), sigmoid; batch norm, ReLU
        vectors:  z -> [dense, ReLU] x n -> dense

    Args:
        image_shape: (height, width, channels), whose sides divide by 2 ** (len(widths) - 1); or (dim,) for vectors.
        latent_dim: size of z ~ N(0, I).
        widths: units of the first dense layer, then channels from the smallest picture up; for vectors, hidden units.
        candidates: samples among which the nearest to each example is sought.
        jitter: deviation of the noise on a matched latent.

    Raises:
        ValueError: the picture is too small for so many stages.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.IMLE(image_shape=(8, 8, 1), latent_dim=16, widths=(32, 16))
        >>> model.sample(3, seed=7).shape
        (3, 8, 8, 1)
    """

    kinds = ("picture", "vector")

    def __init__(
        self, image_shape=(28, 28, 1), latent_dim=64, widths=(1024, 128, 64), candidates=1000, jitter=0.01, **kwargs
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.candidates, self.jitter = candidates, jitter
        kind = _of_pictures if len(self.image_shape) == 3 else _of_vectors
        self.generator = kind(self.image_shape, latent_dim, widths)

    @classmethod
    def sized(cls, data):
        if data.kind == "vector":
            return {}
        return {"widths": (1024, *doubling(64, halvings(data.shape), 512)[::-1])}

    def optimizers(self):
        return {"optimizer": keras.optimizers.AdamW(1e-3, weight_decay=1e-5, beta_1=0.5)}


def _of_pictures(image_shape, latent_dim, widths):
    height, width = stages_of(image_shape, len(widths) - 1)
    first, smallest, *larger = widths
    x = z = keras.Input((latent_dim,))
    x = _normed(layers.Dense(first, use_bias=False)(x))
    x = layers.Dense(height * width * smallest, use_bias=False)(x)
    x = _normed(layers.Reshape((height, width, smallest))(x))
    for channels in larger:
        x = _normed(layers.Conv2DTranspose(channels, 4, 2, "same", use_bias=False)(x))
    x = layers.Conv2DTranspose(image_shape[-1], 4, 2, "same", use_bias=False, activation="sigmoid")(x)
    return network(z, x, name="generator")


def _of_vectors(image_shape, latent_dim, widths):
    x = z = keras.Input((latent_dim,))
    for width in widths:
        x = layers.Dense(width, "relu")(x)
    return network(z, layers.Dense(image_shape[0])(x), name="generator")


def _normed(x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9, synchronized=True)(x))
