"""GAN.  Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio, 2014, Generative Adversarial
Nets, arXiv:1406.2661.

A generator makes examples from noise, a discriminator tells them from those of the data, and each learns from the
other's mistakes. Against the best discriminator, D(x) = p(x) / (p(x) + q(x)), the value of the game is
2 JSD(p, q) - log 4, which is least where the law q of what is made is that of the data. The networks are those of the
authors' code: rectifiers and sigmoids make pictures of digits, layers of maxout with dropout judge them.

Differs from the paper: the players learn in turn, as in algorithm 1 with k = 1, where the authors' code moves both from
one draw of latents and of dropout. The discriminator descends the sum over both kinds of pictures, of which the authors
take half; so its rate is half of theirs. Momentum stays at 0.5, where theirs grows to 0.7 in 250 epochs. The
generator's last biases begin at 0, and not at the logits of the mean picture.
"""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.nets.network import network
from kerasgen.objectives.gan import game, losses

PAPER = Paper(
    title="Generative Adversarial Nets",
    authors="I. J. Goodfellow and J. Pouget-Abadie and M. Mirza and B. Xu and D. Warde-Farley and S. Ozair and "
    "A. Courville and Y. Bengio",
    year=2014,
    reference="arXiv:1406.2661",
    tags=("adversarial", "minimax", "non-saturating", "maxout", "Jensen-Shannon"),
)

LOSSES = {"non_saturating": losses.NON_SATURATING, "minimax": losses.MINIMAX}


class GAN(game.Game):
    """The first GAN: dense networks, the minimax game or its non-saturating form.

        L_D = -E log D(x) - E log(1 - D(G(z)));   L_G = -E log D(G(z)),   or E log(1 - D(G(z))) in the minimax game
        G: z -> [dense, ReLU] x n -> dense, sigmoid (none for vectors)
        D: [dropout, maxout] x m -> dropout, dense -> score

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors.
        latent_dim: size of z, uniform with mean 0 and variance 1.
        widths: hidden units of the generator.
        units: hidden units of the discriminator.
        pieces: linear functions of which each of those is the largest.
        input_dropout: share that the discriminator drops of what it sees.
        dropout: share that it drops of its hidden units.
        loss: "non_saturating" or "minimax".

    Raises:
        ValueError: unknown loss.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.GAN(image_shape=(8, 8, 1), latent_dim=16, widths=(32,), units=(24,))
        >>> model.sample(2, seed=7).shape
        (2, 8, 8, 1)
    """

    kinds = ("picture", "vector")

    def __init__(
        self, image_shape=(28, 28, 1), latent_dim=100, widths=(1200, 1200), units=(240, 240), pieces=5,
        input_dropout=0.2, dropout=0.5, loss="non_saturating", **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if loss not in LOSSES:
            raise ValueError(f"loss: expected {' or '.join(LOSSES)}, got {loss!r}")
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.adversarial_loss = LOSSES[loss]
        self.generator = _generator(self.image_shape, latent_dim, widths)
        self.discriminator = _discriminator(self.image_shape, units, pieces, input_dropout, dropout)

    def optimizers(self):
        return {
            f"{player}_optimizer": keras.optimizers.SGD(
                # 1.000004 ** -step, as a power with few digits.
                keras.optimizers.schedules.ExponentialDecay(rate, 250_000, math.exp(-1.0)),
                momentum=0.5,
            )
            for player, rate in (("generator", 0.1), ("discriminator", 0.05))
        }

    def prior(self, seed, stream, index):
        return 3.0**0.5 * (2.0 * random.uniform(seed, stream, index, (self.latent_dim,)) - 1.0)


def _generator(image_shape, latent_dim, widths):
    x = z = keras.Input((latent_dim,))
    for width in widths:
        x = layers.Dense(width, "relu", kernel_initializer=_uniform(0.05))(x)
    x = layers.Dense(math.prod(image_shape), kernel_initializer=_uniform(0.05))(x)
    if len(image_shape) == 3:
        x = layers.Rescaling(2.0, -1.0)(layers.Activation("sigmoid")(layers.Reshape(image_shape)(x)))
    return network(z, x, name="generator")


def _discriminator(image_shape, units, pieces, input_dropout, dropout):
    x = seen = keras.Input(image_shape)
    if len(image_shape) == 3:  # black is 0, as what is dropped
        x = layers.Flatten()(layers.Rescaling(0.5, 0.5)(x))
    x = layers.Dropout(input_dropout)(x) if input_dropout else x
    for width in units:
        x = layers.Dense(width * pieces, kernel_initializer=_uniform(0.005))(x)
        x = ops.max(layers.Reshape((width, pieces))(x), axis=-1)
        x = layers.Dropout(dropout)(x) if dropout else x
    return network(seen, layers.Dense(1, kernel_initializer=_uniform(0.005))(x), name="discriminator")


def _uniform(reach):
    return keras.initializers.RandomUniform(-reach, reach)
