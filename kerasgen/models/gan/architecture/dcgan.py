"""DCGAN.  Radford, Metz, Chintala, 2015, arXiv:1511.06434.

Strided convolutions instead of pooling, batch normalisation in both networks (not at the generator's output nor at the
discriminator's input), no hidden dense layers, ReLU and tanh in the generator, leaky ReLU in the discriminator: the
recipe that made adversarial training of convolutional networks stable.

Differs from the paper: the output size follows `image_shape`; with the defaults both networks are the paper's. The
widely used variant with 4x4 kernels is `widths=(512, 256, 128, 64), kernel_size=4`.
"""

from __future__ import annotations

import keras
from keras import layers

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.nets.gan.strided import batch_norm, normal
from kerasgen.nets.network import network
from kerasgen.nets.sizes import doubling, halvings, stages_of
from kerasgen.objectives.gan import game

PAPER = Paper(
    title="Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
    authors="A. Radford and L. Metz and S. Chintala",
    year=2015,
    reference="arXiv:1511.06434",
    tags=("adversarial", "convolutional"),
)


class DCGAN(game.Game):
    """Deep convolutional GAN with the non-saturating loss.

        G: z -> dense -> [up-convolution, batch norm, ReLU] x (n - 1) -> up-convolution, tanh
        D: [down-convolution, batch norm, leaky ReLU] x n -> score

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** len(widths).
        latent_dim: size of z ~ U(-1, 1).
        widths: channels of the generator from its smallest picture up; the discriminator mirrors them.
        kernel_size: of every convolution.

    Raises:
        ValueError: the picture is too small for so many stages.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.DCGAN(image_shape=(8, 8, 1), latent_dim=32, widths=(64, 32))
        >>> model.sample(2, seed=7).shape
        (2, 8, 8, 1)
    """

    def __init__(self, image_shape=(64, 64, 3), latent_dim=100, widths=(1024, 512, 256, 128), kernel_size=5, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.generator = _generator(self.image_shape, latent_dim, widths, kernel_size)
        self.discriminator = _discriminator(self.image_shape, widths[::-1], kernel_size)

    @classmethod
    def sized(cls, data):
        return {"widths": doubling(128, halvings(data.shape), 1024)[::-1]}

    def optimizers(self):
        return {
            "generator_optimizer": keras.optimizers.Adam(2e-4, beta_1=0.5),
            "discriminator_optimizer": keras.optimizers.Adam(2e-4, beta_1=0.5),
        }

    def prior(self, seed, stream, index):
        return 2.0 * random.uniform(seed, stream, index, (self.latent_dim,)) - 1.0


def _generator(image_shape, latent_dim, widths, kernel_size):
    height, width = stages_of(image_shape, len(widths))
    x = z = keras.Input((latent_dim,))
    x = layers.Dense(height * width * widths[0], use_bias=False, kernel_initializer=normal())(x)
    x = layers.Reshape((height, width, widths[0]))(x)
    for channels in widths[1:]:
        x = layers.ReLU()(batch_norm()(x))
        x = layers.Conv2DTranspose(channels, kernel_size, 2, "same", use_bias=False, kernel_initializer=normal())(x)
    x = layers.ReLU()(batch_norm()(x))
    x = layers.Conv2DTranspose(
        image_shape[-1],
        kernel_size,
        2,
        "same",
        use_bias=False,
        activation="tanh",
        kernel_initializer=normal(),
    )(x)
    return network(z, x, name="generator")


def _discriminator(image_shape, widths, kernel_size):
    x = picture = keras.Input(image_shape)
    for i, channels in enumerate(widths):
        x = layers.Conv2D(channels, kernel_size, 2, "same", use_bias=False, kernel_initializer=normal())(x)
        x = layers.LeakyReLU(0.2)(x if i == 0 else batch_norm()(x))
    x = layers.Dense(1, use_bias=False, kernel_initializer=normal())(layers.Flatten()(x))
    return network(picture, x, name="discriminator")
