"""WGAN-GP.  Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, 2017, Improved Training of Wasserstein GANs,
arXiv:1704.00028.

A critic whose scores nowhere change faster than its input (1-Lipschitz) sees no further apart than the Wasserstein
distance says, and the best one sees just that. Instead of clipping weights, its slope is pulled to 1 on the lines
between examples and what is made, where the best critic has it. The critic learns several steps for one of the
generator and sees no batch normalisation, through which examples of a batch would share their slopes.

Differs from the paper: the generator's steps draw as many pictures as the critic's, where the authors' code for CIFAR
draws twice as many; the pictures get no noise below a grey level; samples use the running statistics of batch
normalisation. Convolutions in front of batch normalisation have no biases, which would have no effect, and the last
one of the generator begins at Glorot's scale at every size; nor has the critic's last layer, whose bias no loss would
see. The terms of classes (AC-GAN) of the supervised runs are left out.
"""

from __future__ import annotations

import keras
from keras import layers

from kerasgen.core.paper import Paper
from kerasgen.nets.network import network
from kerasgen.nets.sizes import doubling, halvings, stages_of
from kerasgen.objectives.gan import game, losses, penalties

PAPER = Paper(
    title="Improved Training of Wasserstein GANs",
    authors="I. Gulrajani and F. Ahmed and M. Arjovsky and V. Dumoulin and A. Courville",
    year=2017,
    reference="arXiv:1704.00028",
    tags=("adversarial", "Wasserstein", "gradient penalty", "critic", "Lipschitz", "residual"),
)


class WGANGP(game.Game):
    """Wasserstein GAN whose critic pays for slopes other than 1.

        L_D = E D(G(z)) - E D(x) + penalty E (|dD(y)/dy| - 1)^2,   L_G = -E D(G(z))
        y = u x + (1 - u) G(z),   u ~ U(0, 1)

        G: z -> dense -> [residual block, twice the sides] x (n - 1) -> tanh;  batch normalisation
        D, plain: residual block x n, of which all but the last two halve the sides -> mean over places -> dense
        D, normed: convolution -> [residual block, half the sides] x (n - 1) -> dense;  layer normalisation
        vectors: [dense, ReLU] x n -> dense, both players

    Args:
        image_shape: (height, width, channels), sides that divide by 2 ** (len(widths) - 1); or (dim,) for vectors.
        latent_dim: size of z ~ N(0, I).
        widths: channels of the generator from its smallest picture up, which the critic mirrors; hidden units of both
            for vectors.
        critic: "plain", the authors' for CIFAR-10, or "normed", theirs for 64x64; for vectors there is one.
        penalty: weight of the penalty on slopes.
        critic_steps: per step of the generator, each on a batch of its own.

    Raises:
        ValueError: the picture is too small for so many stages, an unknown critic.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.WGANGP(image_shape=(8, 8, 1), latent_dim=8, widths=(8, 8, 8))
        >>> model.sample(2, seed=7).shape
        (2, 8, 8, 1)
    """

    kinds = ("picture", "vector")
    adversarial_loss = losses.WASSERSTEIN

    def __init__(
        self, image_shape=(32, 32, 3), latent_dim=128, widths=(128, 128, 128, 128), critic="plain", penalty=10.0,
        critic_steps=5, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if critic not in CRITICS:
            raise ValueError(f"critic: expected {' or '.join(CRITICS)}, got {critic!r}")
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.penalties, self.critic_steps = (penalties.Slope(penalty),), critic_steps
        if len(self.image_shape) == 1:
            self.generator = _perceptron(latent_dim, widths, self.image_shape[0], "generator")
            self.discriminator = _perceptron(self.image_shape[0], widths, 1, "discriminator", use_bias=False)
        else:
            self.generator = _generator(self.image_shape, latent_dim, widths)
            self.discriminator = CRITICS[critic](self.image_shape, widths[::-1])

    @classmethod
    def sized(cls, data):
        if data.kind == "vector":
            return {"widths": (512, 512, 512)}
        stages = halvings(data.shape)
        if stages < 4:
            return {"widths": (128,) * (stages + 1)}
        return {"widths": doubling(64, stages + 1, 512)[::-1], "critic": "normed"}

    def optimizers(self):
        rate = keras.optimizers.schedules.PolynomialDecay
        return {
            f"{player}_optimizer": keras.optimizers.Adam(rate(2e-4, 100_000 * steps, 0.0), beta_1=0.0, beta_2=0.9)
            for player, steps in (("generator", 1), ("discriminator", self.critic_steps))
        }


def _generator(image_shape, latent_dim, widths):
    height, width = stages_of(image_shape, len(widths) - 1)
    z = keras.Input((latent_dim,))
    x = layers.Reshape((height, width, widths[0]))(layers.Dense(height * width * widths[0])(z))
    for channels in widths[1:]:
        x = _residual(x, channels, _batch_norm, up=True)
    x = layers.ReLU()(_batch_norm()(x))
    return network(z, layers.Conv2D(image_shape[-1], 3, padding="same", activation="tanh")(x), name="generator")


def _plain(image_shape, widths):
    x = picture = keras.Input(image_shape)
    for i, channels in enumerate(widths):
        x = _residual(x, channels, down=i < len(widths) - 2, first=i == 0)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return network(picture, layers.Dense(1, use_bias=False)(x), name="discriminator")


def _normed(image_shape, widths):
    picture = keras.Input(image_shape)
    x = layers.Conv2D(widths[0], 3, padding="same")(picture)
    for channels in widths[1:]:
        x = _residual(x, channels, _layer_norm, down=True)
    return network(picture, layers.Dense(1, use_bias=False)(layers.Flatten()(x)), name="discriminator")


CRITICS = {"plain": _plain, "normed": _normed}


def _perceptron(inputs, widths, outputs, name, use_bias=True):
    x = vector = keras.Input((inputs,))
    for width in widths:
        x = layers.Dense(width, "relu", kernel_initializer="he_uniform")(x)
    return network(vector, layers.Dense(outputs, use_bias=use_bias)(x), name=name)


def _residual(x, channels, norm=None, up=False, down=False, first=False):
    """A residual block; the first one sees pictures, which may be negative."""
    inner = channels if up or first else x.shape[-1]
    h = x if first else _activated(x, norm)
    h = layers.UpSampling2D(2)(h) if up else h
    h = _convolution(inner, use_bias=norm is None)(h)
    h = _convolution(channels)(_activated(h, norm))
    h = layers.AveragePooling2D(2)(h) if down else h
    # A 1x1 convolution and a change of the sides may change their order; the smaller picture is convolved.
    x = layers.AveragePooling2D(2)(x) if down else x
    x = layers.Conv2D(channels, 1)(x) if up or down or x.shape[-1] != channels else x
    x = layers.UpSampling2D(2)(x) if up else x
    return layers.Add()([x, h])


def _activated(x, norm):
    return layers.ReLU()(norm()(x) if norm else x)


def _convolution(channels, use_bias=True):
    he = keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")
    return layers.Conv2D(channels, 3, padding="same", use_bias=use_bias, kernel_initializer=he)


def _batch_norm():
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)


def _layer_norm():
    """Over all places and channels of an example, with a gain and a bias for each channel."""
    return layers.GroupNormalization(1, epsilon=1e-5)
