"""VAE/GAN.  Larsen, Sonderby, Larochelle, Winther, 2015, arXiv:1512.09300.

A variational autoencoder that compares pictures by the features of a discriminator instead of pixel by pixel, so that a
shifted edge costs little and a blurred one much.

Differs from the paper: the decoder's share of the game is the non-saturating loss, which keeps its gradient while the
discriminator wins. The updates are not gated by the discriminator's accuracy, as the authors' code does.
"""

from __future__ import annotations

import keras
from keras import layers

from kerasgen.core.paper import Paper
from kerasgen.nets.network import network
from kerasgen.nets.sizes import doubling, halvings, stages_of
from kerasgen.objectives.vae import learned_similarity

PAPER = Paper(
    title="Autoencoding beyond pixels using a learned similarity metric",
    authors="A. B. L. Larsen and S. K. Sonderby and H. Larochelle and O. Winther",
    year=2015,
    reference="arXiv:1512.09300",
    tags=("autoencoder", "adversarial", "hybrid", "feature matching"),
)


class VAEGAN(learned_similarity.LearnedSimilarity):
    """Autoencoder with a learned similarity metric.

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** len(widths).
        latent_dim: size of z.
        widths: channels of the encoder's strided convolutions; decoder and discriminator follow from them.
        hidden: units of the encoder's dense layer; the discriminator's has a quarter.
        kernel_size: of every convolution.
        gamma: weight of the reconstruction in the decoder's loss.

    Raises:
        ValueError: sides that do not divide.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.VAEGAN(image_shape=(8, 8, 1), latent_dim=4, widths=(8, 16), hidden=32)
        >>> model.reconstruct(model.sample(3, seed=7)).shape
        (3, 8, 8, 1)
    """

    def __init__(
        self, image_shape=(64, 64, 3), latent_dim=128, widths=(64, 128, 256), hidden=2048, kernel_size=5, gamma=1e-2,
        **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim, self.gamma = tuple(image_shape), latent_dim, gamma
        self.encoder = _encoder(self.image_shape, latent_dim, widths, hidden, kernel_size)
        self.decoder = _decoder(self.image_shape, latent_dim, (*widths[:0:-1], widths[0] // 2), kernel_size)
        self.discriminator = _discriminator(
            self.image_shape, (widths[0] // 2, *widths[1:], widths[-1]), hidden // 4, kernel_size
        )

    @classmethod
    def sized(cls, data):
        return {"widths": doubling(64, halvings(data.shape, most=3), 256)}

    def optimizers(self):
        return {f"{player}_optimizer": keras.optimizers.RMSprop(3e-4) for player in self.players}


def _encoder(image_shape, latent_dim, widths, hidden, kernel_size):
    x = picture = keras.Input(image_shape)
    for width in widths:
        x = _norm_relu(layers.Conv2D(width, kernel_size, 2, "same", use_bias=False)(x))
    x = _norm_relu(layers.Dense(hidden, use_bias=False)(layers.Flatten()(x)))
    return network(picture, [layers.Dense(latent_dim)(x), layers.Dense(latent_dim)(x)], name="encoder")


def _decoder(image_shape, latent_dim, widths, kernel_size):
    height, columns = stages_of(image_shape, len(widths))
    x = z = keras.Input((latent_dim,))
    x = _norm_relu(layers.Dense(height * columns * widths[0], use_bias=False)(x))
    x = layers.Reshape((height, columns, widths[0]))(x)
    for width in widths:
        x = _norm_relu(layers.Conv2DTranspose(width, kernel_size, 2, "same", use_bias=False)(x))
    x = layers.Conv2D(image_shape[-1], kernel_size, padding="same", activation="tanh")(x)
    return network(z, x, name="decoder")


def _discriminator(image_shape, widths, hidden, kernel_size):
    x = picture = keras.Input(image_shape)
    x = layers.ReLU()(layers.Conv2D(widths[0], kernel_size, padding="same")(x))
    for width in widths[1:]:
        features = layers.Conv2D(width, kernel_size, 2, "same", use_bias=False)(x)
        x = _norm_relu(features)
    x = _norm_relu(layers.Dense(hidden, use_bias=False)(layers.Flatten()(x)))
    return network(picture, [features, layers.Dense(1)(x)], name="discriminator")


def _norm_relu(x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9, synchronized=True)(x))
