"""SRGAN.  Ledig, Theis, Huszar, Caballero, et al., 2016, arXiv:1609.04802.

A picture has many originals of four times its size, and what minimises the squared error is their blurred mean. SRGAN
learns that first (SRResNet, its first stage), then trades the error for what looks like an original: its features, in
a frozen classifier, are to be those of the original, and a discriminator is to take it for one.

Differs from the paper: the classifier is an argument; the paper's is VGG-19, whose weights are downloaded. Data need
hold the originals alone: the small pictures are made of them in the training step, by the paper's bicubic kernel, and
not rounded to levels. Convolutions before a normalisation have no bias, which it would take away.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.core.ranges import from_signed, shown
from kerasgen.core.stages import Stage
from kerasgen.nets import perceptual
from kerasgen.nets.layers.pixel_shuffle import PixelShuffle
from kerasgen.nets.network import network
from kerasgen.nets.sizes import bicubic, doubling, halvings, stages_of
from kerasgen.objectives.gan import paired

PAPER = Paper(
    title="Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
    authors="C. Ledig and L. Theis and F. Huszar and J. Caballero and A. Cunningham and A. Acosta and A. Aitken and "
    "A. Tejani and J. Totz and Z. Wang and W. Shi",
    year=2016,
    reference="arXiv:1609.04802",
    tags=("adversarial", "super-resolution", "SRResNet", "perceptual"),
)
ADVERSARIAL = 1e-3  # weight of the generator's side of the game


class SRGAN(paired.Paired):
    """Super-resolution by a residual network: first nearest in the mean, then like an original.

        G: convolution, [residual block] x blocks, [convolution, pixel shuffle] x doublings, convolution
        stage "pixels":       L_G = E |x - G(p)|^2
        stage "adversarial":  L_G = content E |f(x) - f(G(p))|^2 - 1e-3 E log D(G(p))
        f: the last convolution of a frozen classifier

    Args:
        image_shape: (height, width, channels) of what is made; the sides divide by 2 ** len(discriminator_widths).
        doublings: of the sides; the paper's factor of 4 is two.
        width: feature maps of the generator.
        blocks: residual blocks.
        discriminator_widths: feature maps of pairs of convolutions, of which the second halves the sides.
        dense: units of the discriminator's last hidden layer.
        features: the classifier, one of `kerasgen.nets.perceptual`.
        content: weight of the squared difference of features, a mean over places and channels.
        epochs: of the two stages: pixels, adversarial.

    Raises:
        ValueError: the sides do not divide.

    Example:
        >>> import kerasgen, numpy as np
        >>> model = kerasgen.models.SRGAN(
        ...     image_shape=(8, 8, 1), doublings=1, width=8, blocks=1, discriminator_widths=(8, 8), dense=8,
        ...     features="digits")
        >>> model.upscale(np.zeros((2, 4, 4, 1))).shape
        (2, 8, 8, 1)
    """

    serves = ("upscale",)
    serve_translate = None
    given = ()
    figures = ("pixels", "content")

    def __init__(
        self, image_shape=(96, 96, 3), doublings=2, width=64, blocks=16, discriminator_widths=(64, 128, 256, 512),
        dense=1024, features="vgg19", content=0.006, epochs=(10, 2), **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.features, self.content = tuple(image_shape), features, content
        self.picture_shape = (*stages_of(image_shape, doublings), self.image_shape[2])
        self.generator = _generator(self.picture_shape, doublings, width, blocks)
        self.discriminator = _discriminator(self.image_shape, discriminator_widths, dense)
        self.in_stages(Stage("pixels", epochs[0], ("generator",)), Stage("adversarial", epochs[1]))

    @classmethod
    def sized(cls, data):
        stages = halvings(data.shape, smallest=3, most=4)
        return {"doublings": min(stages, 2), "discriminator_widths": doubling(64, stages, 512)}

    def optimizers(self):
        return {f"{player}_optimizer": keras.optimizers.Adam(1e-4) for player in self.players}

    def source(self, x, given):
        return smaller(x, self.picture_shape[:2])

    def draw(self, seed, step, index, given, training=False):
        return self.generator(given["picture"], training=training)

    def realness(self, x, given, training=False):
        return self.discriminator(x, training=training)

    def terms(self, play, player):
        if player == "discriminator":
            yield None, self.adversarial_loss.discriminator(play.real, play.fake)
        elif self.stage.name == "pixels":
            yield "pixels", ops.mean((play.x - play.made) ** 2)
        else:
            yield None, ADVERSARIAL * self.adversarial_loss.generator(play.fake)
            yield "content", self.content * perceptual.content(self.features, *map(from_signed, (play.x, play.made)))

    def serve_upscale(self, picture):
        return shown(self.generator(picture, training=False))


def smaller(x, size):
    """Pictures (B, H, W, C) in [0, 1] at a smaller (height, width), by the bicubic kernel."""
    rows, columns = (bicubic(own, wanted) for own, wanted in zip(x.shape[1:3], size, strict=True))
    return tf.clip_by_value(tf.einsum("th,bhwc,sw->btsc", rows, x, columns), 0.0, 1.0)


def _generator(picture_shape, doublings, width, blocks):
    picture = keras.Input(picture_shape)
    x = first = _prelu()(layers.Conv2D(width, 9, 1, "same")(picture))
    for _ in range(blocks):
        y = _prelu()(_norm()(layers.Conv2D(width, 3, 1, "same", use_bias=False)(x)))
        x = x + _norm()(layers.Conv2D(width, 3, 1, "same", use_bias=False)(y))
    x = first + _norm()(layers.Conv2D(width, 3, 1, "same", use_bias=False)(x))
    for _ in range(doublings):
        x = _prelu()(PixelShuffle(2)(layers.Conv2D(4 * width, 3, 1, "same")(x)))
    return network(picture, layers.Conv2D(picture_shape[2], 9, 1, "same")(x), name="generator")


def _discriminator(image_shape, widths, dense):
    stages_of(image_shape, len(widths))
    x = picture = keras.Input(image_shape)
    for i, width in enumerate(widths):
        for stride in (1, 2):
            first = i == 0 and stride == 1
            x = layers.Conv2D(width, 3, stride, "same", use_bias=first)(x)
            x = layers.LeakyReLU(0.2)(x if first else _norm()(x))
    x = layers.LeakyReLU(0.2)(layers.Dense(dense)(layers.Flatten()(x)))
    return network(picture, layers.Dense(1)(x), name="discriminator")


def _prelu():
    """A slope of its own for every map."""
    return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2])


def _norm():
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)
