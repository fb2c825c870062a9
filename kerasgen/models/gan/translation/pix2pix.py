"""pix2pix.  Isola, Zhu, Zhou, Efros, 2016, arXiv:1611.07004.

Any task that makes one picture of another, by one recipe: labels to street scenes, edges to shoes, day to night. The
generator is a U-net, since what comes out has its edges where what went in has them; the discriminator judges patches
of 70 pixels, which is enough to tell what is blurred, and leaves the composition to the distance.

Differs from the paper: the generator's normalisation is over each picture by itself, which is what batch normalisation
is in batches of one, the paper's for most tasks, in training and after it; so there is none at the innermost map of 1x1
(the authors' own erratum). The dropout that is the paper's only noise is drawn from the seed, in use too. Convolutions
before a normalisation have no bias, which it would take away.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.nets.gan import patch_discriminator
from kerasgen.nets.gan.strided import normal
from kerasgen.nets.network import network
from kerasgen.nets.sizes import doubling, halvings, stages_of
from kerasgen.objectives.gan import paired

PAPER = Paper(
    title="Image-to-Image Translation with Conditional Adversarial Networks",
    authors="P. Isola and J.-Y. Zhu and T. Zhou and A. A. Efros",
    year=2016,
    reference="arXiv:1611.07004",
    tags=("adversarial", "translation", "paired", "U-Net", "PatchGAN"),
)
DROPPED = 3  # of the generator's up-convolutions, from the innermost on, half of whose feature maps are dropped


class Pix2Pix(paired.Paired):
    """Paired translation by a U-net and a discriminator of patches.

        G: [down-convolution] x n, [up-convolution, joined to what came down at that size] x n, tanh
        D: PatchGAN on the picture given and x

    Args:
        image_shape: (height, width, channels) of what is made; the sides divide by 2 ** len(widths).
        picture_channels: of what is given, whose sides are the same.
        widths: feature maps of the generator's down-convolutions; the paper halves until the sides are 1.
        discriminator_widths: feature maps of the discriminator's convolutions.
        distance: weight of E |x - G|, lambda.
        jitter: pixels by which pairs are enlarged before they are cut; the paper has 30 for sides of 256.
        mirrored: share of the pairs that are mirrored.

    Raises:
        ValueError: the sides do not divide.

    Example:
        >>> import kerasgen, numpy as np
        >>> model = kerasgen.models.Pix2Pix(
        ...     image_shape=(8, 8, 3), picture_channels=1, widths=(8, 16, 16), discriminator_widths=(8, 16))
        >>> model.translate(np.zeros((2, 8, 8, 1)), seed=7).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self, image_shape=(256, 256, 3), picture_channels=3, widths=(64, 128, 256, 512, 512, 512, 512, 512),
        discriminator_widths=(64, 128, 256, 512), distance=100.0, jitter=30, mirrored=0.5, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)
        self.picture_shape = (*self.image_shape[:2], picture_channels)
        self.distance, self.jitter, self.mirrored = distance, jitter, mirrored
        self.generator = _generator(self.picture_shape, self.image_shape, widths)
        both = (*self.image_shape[:2], picture_channels + self.image_shape[2])
        self.discriminator = patch_discriminator.discriminator(both, discriminator_widths)

    @classmethod
    def sized(cls, data):
        return {
            "widths": doubling(64, halvings(data.shape, smallest=1), 512),
            "discriminator_widths": patch_discriminator.pattern(data.shape),
            "jitter": 30 * min(data.shape[:2]) // 256,
        }

    def optimizers(self):
        return {f"{player}_optimizer": keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    def prior(self, seed, stream, index):
        """What stays in the maps that are dropped from: 2 or 0, each half of the time."""
        shapes = [tuple(mask.shape[1:]) for mask in self.generator.inputs[1:]]
        kept = random.uniform(seed, stream, index, (sum(map(_size, shapes)),)) < 0.5
        parts = tf.split(2.0 * tf.cast(kept, tf.float32), list(map(_size, shapes)), axis=1)
        return [tf.reshape(part, (-1, *shape)) for part, shape in zip(parts, shapes, strict=True)]


def _size(shape):
    height, width, channels = shape
    return height * width * channels


def _generator(picture_shape, image_shape, widths):
    stages_of(image_shape, len(widths))
    x = picture = keras.Input(picture_shape)
    masks, seen = [], []
    for i, width in enumerate(widths):
        outermost, innermost = i == 0, i + 1 == len(widths)
        x = layers.Conv2D(width, 4, 2, "same", use_bias=outermost or innermost, kernel_initializer=normal())(
            x if outermost else layers.LeakyReLU(0.2)(x)
        )
        x = x if outermost or innermost else _norm()(x)
        seen.append(x)
    for i, width in enumerate(widths[-2::-1]):
        x = layers.Conv2DTranspose(width, 4, 2, "same", use_bias=False, kernel_initializer=normal())(layers.ReLU()(x))
        x = _norm()(x)
        if i < DROPPED:
            masks.append(keras.Input(x.shape[1:]))
            x = x * masks[-1]
        x = ops.concatenate([x, seen[-2 - i]], -1)
    x = layers.Conv2DTranspose(image_shape[2], 4, 2, "same", kernel_initializer=normal())(layers.ReLU()(x))
    return network([picture, *masks], ops.tanh(x), name="generator")


def _norm():
    """Over each map of each picture, with scale and shift."""
    gamma = keras.initializers.RandomNormal(1.0, 0.02)
    return layers.GroupNormalization(-1, epsilon=1e-5, gamma_initializer=gamma)
