"""GAN-CLS.  Reed, Akata, Yan, Logeswaran, Schiele, Lee, 2016, arXiv:1605.05396.

A picture of what a sentence says. Both networks read an embedding of the text, and the discriminator sees, beside
real and made pictures, real ones with the text of another: so it must judge whether the two belong together, and the
generator has to read. With `interpolation`, GAN-INT-CLS, it also learns from embeddings between two texts.

Differs from the paper: the encoder of texts, there a character CNN-RNN pretrained beside an image classifier, is
learned in a first stage from bytes, by convolutions and a maximum over places, beside a small encoder of pictures.
Wrong texts come from the same batch. The rate is not halved on the way; the style encoder that inverts the generator
is left out.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.nets.gan.strided import batch_norm, normal
from kerasgen.nets.network import network
from kerasgen.nets.sizes import doubling, halvings, stages_of
from kerasgen.objectives.gan import text_matching

PAPER = Paper(
    title="Generative Adversarial Text to Image Synthesis",
    authors="S. Reed and Z. Akata and X. Yan and L. Logeswaran and B. Schiele and H. Lee",
    year=2016,
    reference="arXiv:1605.05396",
    tags=("adversarial", "text to image", "matching-aware", "GAN-INT-CLS", "interpolation"),
)


class GANCLS(text_matching.MatchingAware):
    """Generative adversarial text to image synthesis.

        G: z, projected text -> [up-convolution, batch norm (, residual block), ReLU] x n -> up-convolution, tanh
        D: [down-convolution, batch norm, leaky ReLU] x n, residual block -> beside the projected text at every place
           -> 1x1 convolution, batch norm, leaky ReLU -> score

    The first half of the generator's levels have residual blocks.

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** len(widths).
        text_length: bytes of a text.
        latent_dim: size of z ~ N(0, I).
        widths: channels of the generator from its smallest picture up.
        discriminator_widths: channels of the discriminator's down-convolutions, as many.
        text_dim: size of an embedding.
        text_width: channels of the text encoder.
        projection: size to which both networks bring an embedding.
        mismatch: weight of wrong pairs among those that the discriminator is to refuse.
        interpolation: weight of embeddings between two texts in the generator's loss; 0 for GAN-CLS.
        epochs: of the two stages: matching, adversarial.

    Raises:
        ValueError: the picture is too small for so many levels, or the networks have not as many.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.GANCLS(
        ...     image_shape=(8, 8, 1), text_length=16, latent_dim=4, widths=(16, 8), discriminator_widths=(8, 16),
        ...     text_dim=8, text_width=8, projection=4)
        >>> model.sample(2, seed=7, text="a thin three").shape
        (2, 8, 8, 1)
    """

    def __init__(
        self, image_shape=(64, 64, 3), text_length=201, latent_dim=100, widths=(1024, 512, 256, 128),
        discriminator_widths=(64, 128, 256, 512), text_dim=1024, text_width=256, projection=128, mismatch=0.5,
        interpolation=0.0, epochs=(200, 600), **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.text_length, self.latent_dim = tuple(image_shape), text_length, latent_dim
        self.mismatch, self.interpolation = mismatch, interpolation
        if len(widths) != len(discriminator_widths):
            raise ValueError(
                f"discriminator_widths: expected {len(widths)}, as many as widths, got {len(discriminator_widths)}"
            )
        small = stages_of(image_shape, len(widths))
        self.text_encoder = _text_encoder(text_length, text_dim, text_width)
        self.picture_encoder = _picture_encoder(self.image_shape, text_dim, discriminator_widths)
        self.generator = _generator(small, image_shape[-1], latent_dim, widths, text_dim, projection)
        self.discriminator = _discriminator(self.image_shape, discriminator_widths, text_dim, projection)
        self.learn_in_stages(*epochs)

    @classmethod
    def sized(cls, data):
        stages = halvings(data.shape)
        return {"widths": doubling(128, stages, 1024)[::-1], "discriminator_widths": doubling(64, stages, 512)}

    def optimizers(self):
        rates = {"encoder": 7e-4, "discriminator": 2e-4, "generator": 2e-4}
        return {f"{player}_optimizer": keras.optimizers.Adam(rate, beta_1=0.5) for player, rate in rates.items()}


def _text_encoder(length, text_dim, width):
    text = keras.Input((length,), dtype="int32")
    x = layers.Embedding(256, width)(text)
    for size in (4, 3):
        x = layers.Conv1D(width, size, padding="same", activation="relu")(x)
    return network(text, layers.Dense(text_dim)(ops.max(x, axis=1)), name="text_encoder")


def _picture_encoder(image_shape, text_dim, widths):
    x = picture = keras.Input(image_shape)
    for width in widths:
        x = layers.LeakyReLU(0.2)(layers.Conv2D(width, 4, 2, "same")(x))
    return network(picture, layers.Dense(text_dim)(layers.Flatten()(x)), name="picture_encoder")


def _generator(small, channels, latent_dim, widths, text_dim, projection):
    z, text = keras.Input((latent_dim,)), keras.Input((text_dim,))
    x = ops.concatenate([z, layers.LeakyReLU(0.2)(layers.Dense(projection)(text))], axis=-1)
    x = _kernel(layers.Conv2DTranspose, widths[0], small)(x[:, None, None])
    for i, width in enumerate(widths):
        if i:
            x = _kernel(layers.Conv2DTranspose, width, 4, 2, "same")(x)
        x = batch_norm()(x)
        if i < len(widths) // 2:
            x = _residual(x, layers.ReLU)
        x = layers.ReLU()(x)
    x = _kernel(layers.Conv2DTranspose, channels, 4, 2, "same", activation="tanh")(x)
    return network([z, text], x, name="generator")


def _discriminator(image_shape, widths, text_dim, projection):
    def leaky():
        return layers.LeakyReLU(0.2)

    picture, text = keras.Input(image_shape), keras.Input((text_dim,))
    x = _kernel(layers.Conv2D, widths[0], 4, 2, "same")(picture)
    for width in widths[1:]:
        x = batch_norm()(_kernel(layers.Conv2D, width, 4, 2, "same")(leaky()(x)))
    x = leaky()(_residual(x, leaky))
    words = leaky()(batch_norm()(layers.Dense(projection)(text)))
    words = ops.tile(words[:, None, None], (1, *x.shape[1:3], 1))
    x = _kernel(layers.Conv2D, widths[-1], 1)(ops.concatenate([x, words], axis=-1))
    score = _kernel(layers.Conv2D, 1, x.shape[1:3])(leaky()(batch_norm()(x)))
    return network([picture, text], layers.Flatten()(score), name="discriminator")


def _residual(x, activation):
    """x + a bottleneck of a quarter of its channels."""
    width = x.shape[-1]
    y = activation()(batch_norm()(_kernel(layers.Conv2D, width // 4, 1)(x)))
    y = activation()(batch_norm()(_kernel(layers.Conv2D, width // 4, 3, 1, "same")(y)))
    return x + batch_norm()(_kernel(layers.Conv2D, width, 3, 1, "same")(y))


def _kernel(kind, *args, **kwargs):
    return kind(*args, kernel_initializer=normal(), **kwargs)
