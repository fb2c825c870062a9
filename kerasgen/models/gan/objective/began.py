"""BEGAN.  Berthelot, Schumm, Metz, 2017, BEGAN: Boundary Equilibrium Generative Adversarial Networks, arXiv:1703.10717.

The discriminator is an autoencoder, and what it tells apart are losses of reconstruction, L(v) = E |v - D(v)|. It
learns to rebuild pictures of the data and not to rebuild those that are made, k times as much; the generator makes what
is easily rebuilt. A controller moves k such that L(G(z)) = gamma L(x): a small gamma asks for sharp pictures, a large
one for diverse ones. Both players learn at once, from one forward pass, and neither has batch normalisation.

Differs from the paper: it halves the rate when the convergence measure stalls and does not say when it does; here that
is so every 100,000 steps, as in a widely used implementation (carpedm20/BEGAN-tensorflow). Layers are those that it
reads in figure 1; at 128 pixels they have 25.2 million weights, and the paper's model, which it does not list, 17.3.
The discriminator sees the pictures that the generator learns from (the paper's z_D and z_G are two draws). Of the
paper's optional improvements there are skip connections, and no vanishing residuals.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import distribute, random
from kerasgen.core.paper import Paper
from kerasgen.core.ranges import shown, to_signed
from kerasgen.nets.network import network
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.gan import game

PAPER = Paper(
    title="BEGAN: Boundary Equilibrium Generative Adversarial Networks",
    authors="D. Berthelot and T. Schumm and L. Metz",
    year=2017,
    reference="arXiv:1703.10717",
    tags=("adversarial", "autoencoder", "equilibrium", "diversity", "Wasserstein"),
)


class BEGAN(game.Game):
    """GAN whose discriminator is an autoencoder, kept in balance by a controller.

        L(v) = E |v - D(v)|
        L_D = L(x) - k L(G(z)),   L_G = L(G(z)),   k <- clip(k + rate (gamma L(x) - L(G(z))), 0, 1)
        M = L(x) + |gamma L(x) - L(G(z))|, the measure of convergence
        G: z -> dense -> [convolution, ELU, convolution, ELU] at every size, nearest pixels between -> convolution
        D: convolution, ELU -> [the same with stride 2 between, n, 2n, 3n ... filters] -> dense -> h, then as G

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** (sizes - 1).
        latent_dim: size of z ~ U(-1, 1) and of h.
        filters: of every convolution of the generator, n.
        sizes: at which pictures are convolved, each half of the one before; in the paper down to 8x8.
        gamma: diversity ratio, L(G(z)) / L(x) where the game is in balance.
        rate: of k, lambda_k.
        skips: the first map of each decoder goes, enlarged, beside the maps of every other size.

    Raises:
        ValueError: the picture is too small for so many sizes.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.BEGAN(image_shape=(8, 8, 1), latent_dim=8, filters=8, sizes=2)
        >>> model.sample(2, seed=7).shape
        (2, 8, 8, 1)
    """

    serves = ("sample", "decode", "reconstruct", "energy")
    together = True
    remembers = ("convergence", "balance")
    rest = None

    def __init__(
        self, image_shape=(64, 64, 3), latent_dim=64, filters=128, sizes=4, gamma=0.5, rate=1e-3, skips=False, **kwargs
    ):
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim, self.gamma, self.rate = tuple(image_shape), latent_dim, gamma, rate
        self.generator = _generator(self.image_shape, latent_dim, filters, sizes, skips)
        self.discriminator = _discriminator(self.image_shape, latent_dim, filters, sizes, skips)
        self.balance = self.add_weight(shape=(), initializer="zeros", trainable=False, name="balance")

    @classmethod
    def sized(cls, data):
        return {"sizes": 1 + halvings(data.shape, smallest=8)}

    def optimizers(self):
        rate = keras.optimizers.schedules.ExponentialDecay(1e-4, 100_000, 0.5, staircase=True)
        return {f"{player}_optimizer": keras.optimizers.Adam(rate) for player in self.players}

    def prior(self, seed, stream, index):
        return 2.0 * random.uniform(seed, stream, index, (self.latent_dim,)) - 1.0

    def realness(self, x, given, training=False):
        """-L of every example, (B, 1)."""
        errors = ops.abs(x - self.discriminator(x, training=training))
        return -ops.mean(errors, axis=(1, 2, 3))[:, None]

    def terms(self, play, player):
        if player == "discriminator":
            yield None, -ops.mean(play.real) + tf.convert_to_tensor(self.balance) * ops.mean(play.fake)
        else:
            yield None, -ops.mean(play.fake)

    def after(self, play, player):
        if player != "discriminator":  # whose terms are the last to read k
            return {}
        errors = [tf.stop_gradient(-ops.mean(scores)) * play.batch.share for scores in (play.real, play.fake)]
        real, made = distribute.total(errors)
        before = tf.convert_to_tensor(self.balance)
        k, convergence = balanced(before, real, made, self.gamma, self.rate)
        self.balance.assign(k)
        return {"convergence": convergence, "balance": k}

    def serve_reconstruct(self, x):
        return shown(self.discriminator(to_signed(x), training=False))

    def serve_energy(self, x):
        """L of every example."""
        return -self.realness(to_signed(x), {})[:, 0]


def balanced(k, real, made, gamma, rate):
    """k after a step with losses L(x) and L(G(z)), and the measure of convergence M.

    Example:
        >>> k, measure = balanced(0.0, 0.5, 0.2, gamma=0.6, rate=0.1)
        >>> round(float(k), 3), round(float(measure), 3)
        (0.01, 0.6)
    """
    lack = gamma * real - made
    return tf.clip_by_value(k + rate * lack, 0.0, 1.0), real + abs(lack)


def _generator(image_shape, latent_dim, filters, sizes, skips):
    z = keras.Input((latent_dim,))
    return network(z, _decoded(z, image_shape, filters, sizes, skips), name="generator")


def _discriminator(image_shape, latent_dim, filters, sizes, skips):
    picture = keras.Input(image_shape)
    x = _convolution(filters)(picture)
    for i in range(sizes):
        x = _convolution((i + 1) * filters)(_convolution((i + 1) * filters)(x))
        if i < sizes - 1:
            x = _convolution((i + 1) * filters, strides=2)(x)
    h = layers.Dense(latent_dim)(layers.Flatten()(x))
    return network(picture, _decoded(h, image_shape, filters, sizes, skips), name="discriminator")


def _decoded(h, image_shape, filters, sizes, skips):
    height, width = stages_of(image_shape, sizes - 1)
    x = first = layers.Reshape((height, width, filters))(layers.Dense(height * width * filters)(h))
    for i in range(sizes):
        if i:
            x = layers.UpSampling2D(2)(x)
            x = layers.Concatenate()([x, layers.UpSampling2D(2**i)(first)]) if skips else x
        x = _convolution(filters)(_convolution(filters)(x))
    return layers.Conv2D(image_shape[-1], 3, padding="same")(x)


def _convolution(filters, strides=1):
    return layers.Conv2D(filters, 3, strides, "same", activation="elu")
