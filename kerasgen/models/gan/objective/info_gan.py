"""InfoGAN.  Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel, 2016, InfoGAN: Interpretable Representation Learning by
Information Maximizing Generative Adversarial Nets, arXiv:1606.03657.

Beside noise the generator gets codes, and both players are paid for what the discriminator's second output Q reads of
them, a lower bound of the mutual information of codes and pictures. Nobody says what a code is to mean: the data's
strongest discrete variation, such as which digit is written, is what the generator can say most plainly with a
categorical code, slant and width with continuous ones. Read from a picture, the code is its class, learned without a
label.

Differs from the paper: pictures are in [-1, 1], so the generator ends with tanh where the authors' code for MNIST has a
sigmoid. Convolutions and dense layers in front of batch normalisation have no biases, which would have no effect. Leaky
rectifiers have the slope 0.1 of the paper (the code's is 0.01).
"""

from __future__ import annotations

import keras
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.nets.gan.strided import batch_norm, normal
from kerasgen.nets.network import network
from kerasgen.nets.sizes import doubling, halvings, stages_of
from kerasgen.objectives.gan import information

PAPER = Paper(
    title="InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets",
    authors="X. Chen and Y. Duan and R. Houthooft and J. Schulman and I. Sutskever and P. Abbeel",
    year=2016,
    reference="arXiv:1606.03657",
    tags=("adversarial", "mutual information", "disentangled", "codes", "clustering", "unsupervised classes"),
)


class InfoGAN(information.Informed):
    """GAN that learns codes of what it makes, without labels.

        L_D = -E log D(x) - E log(1 - D(G(z, c))) - weight L_I,   L_G = -E log D(G(z, c)) - weight L_I
        L_I = E log Q(c|G(z, c)) + H(c)

        G: z, c -> [dense, batch norm, ReLU] x 2 -> [up-convolution, batch norm, ReLU] x (n - 1) -> up-convolution, tanh
        D: [down-convolution, batch norm, leaky ReLU] x n -> dense, batch norm, leaky ReLU -> score
        Q: the same up to its dense layer                 -> dense, batch norm, leaky ReLU -> logits, means

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** len(widths).
        noise_dim: size of the noise, U(-1, 1).
        size: categorical codes.
        codes: values of each of them.
        factors: continuous codes, U(-1, 1); they follow the noise in the latent.
        widths: channels of the generator from its smallest map up; the discriminator mirrors them.
        hidden: units of the dense layer between maps and scores, in both players.
        head: units of Q's own layer.
        weight: of the bound on the information, lambda.

    Raises:
        ValueError: the picture is too small for so many stages.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.InfoGAN(image_shape=(8, 8, 1), noise_dim=8, widths=(16, 8), hidden=16, head=8)
        >>> model.sample(2, seed=7, code=[3]).shape, model.encode(model.sample(2)).shape
        ((2, 8, 8, 1), (2, 1))
    """

    def __init__(
        self, image_shape=(28, 28, 1), noise_dim=62, size=1, codes=10, factors=2, widths=(128, 64), hidden=1024,
        head=128, weight=1.0, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim = tuple(image_shape), noise_dim + factors
        self.size, self.codes, self.factors, self.weight = size, codes, factors, weight
        self.generator = _generator(self.image_shape, self.latent_dim, size, codes, widths, hidden)
        self.discriminator = _discriminator(self.image_shape, size, codes, factors, widths[::-1], hidden, head)

    @classmethod
    def sized(cls, data):
        return {"widths": doubling(64, halvings(data.shape), 512)[::-1]}

    def optimizers(self):
        return {
            "generator_optimizer": keras.optimizers.Adam(1e-3, beta_1=0.5),
            "discriminator_optimizer": keras.optimizers.Adam(2e-4, beta_1=0.5),
        }


def _generator(image_shape, latent_dim, size, codes, widths, hidden):
    height, width = stages_of(image_shape, len(widths))
    latent, code = keras.Input((latent_dim,)), keras.Input((size,), dtype="int32")
    x = layers.Concatenate()([latent, layers.Flatten()(ops.one_hot(code, codes))])
    for units in (hidden, height * width * widths[0]):
        x = layers.ReLU()(batch_norm()(layers.Dense(units, use_bias=False, kernel_initializer=normal())(x)))
    x = layers.Reshape((height, width, widths[0]))(x)
    for channels in widths[1:]:
        x = layers.Conv2DTranspose(channels, 4, 2, "same", use_bias=False, kernel_initializer=normal())(x)
        x = layers.ReLU()(batch_norm()(x))
    x = layers.Conv2DTranspose(image_shape[-1], 4, 2, "same", activation="tanh", kernel_initializer=normal())(x)
    return network([latent, code], x, name="generator")


def _discriminator(image_shape, size, codes, factors, widths, hidden, head):
    x = picture = keras.Input(image_shape)
    for i, channels in enumerate(widths):
        x = layers.Conv2D(channels, 4, 2, "same", use_bias=i == 0, kernel_initializer=normal())(x)
        x = layers.LeakyReLU(0.1)(x if i == 0 else batch_norm()(x))
    x = _dense(layers.Flatten()(x), hidden)
    score = layers.Dense(1, kernel_initializer=normal())(x)
    q = _dense(x, head)
    logits = layers.Reshape((size, codes))(layers.Dense(size * codes, kernel_initializer=normal())(q))
    means = layers.Dense(factors, kernel_initializer=normal())(q) if factors else q[:, :0]
    return network(picture, [score, logits, means], name="discriminator")


def _dense(x, units):
    x = layers.Dense(units, use_bias=False, kernel_initializer=normal())(x)
    return layers.LeakyReLU(0.1)(batch_norm()(x))
