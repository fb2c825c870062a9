"""VAE.  Kingma, Welling, 2013, Auto-Encoding Variational Bayes, arXiv:1312.6114.

An encoder guesses the latent that made a picture, a decoder draws the picture of a latent, and both ascend a lower
bound of the log-likelihood. The paper's networks have one hidden layer of tanh units.

Differs from the paper: Adam by default where the paper chose Adagrad's step on the training set; kernels start
uniformly (Glorot, Bengio, 2010) and biases at 0, not both normally with 0.01; there is no weight decay unless an
optimiser has one; ReLU and dropout may be asked for. The Gaussian decoder has one learned deviation for all pixels.
"""

from __future__ import annotations

import math

import keras
import tensorflow as tf
from keras import layers
from tensorflow_probability import distributions as tfd

from kerasgen.core.paper import Paper
from kerasgen.nets.network import network
from kerasgen.objectives.vae import elbo

PAPER = Paper(
    title="Auto-Encoding Variational Bayes",
    authors="D. P. Kingma and M. Welling",
    year=2013,
    reference="arXiv:1312.6114",
    tags=("autoencoder", "latent variable", "bound"),
)

LIKELIHOODS = ("bernoulli", "gaussian")


class VAE(elbo.Elbo):
    """Variational autoencoder of dense layers.

        maximise  E_q(z|x) log p(x|z) - KL(q(z|x) || N(0, I)),   KL = 1/2 sum(mean^2 + var - 1 - log var)

    Args:
        image_shape: (height, width, channels).
        latent_dim: size of z.
        widths: hidden units of the encoder; the decoder mirrors them.
        activation: of the hidden layers.
        dropout: share of hidden units dropped in training.
        likelihood: "bernoulli" for binary pictures (nats of their probability) or "gaussian" (nats of a density, per
            grey level where `levels` is given).
        levels: number of grey levels of the data, None for continuous pictures.

    Raises:
        ValueError: unknown likelihood.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.VAE(image_shape=(8, 8, 1), latent_dim=4, widths=(32,), levels=2)
        >>> model.encode(model.sample(3, seed=7)).shape
        (3, 4)
    """

    def __init__(
        self, image_shape=(28, 28, 1), latent_dim=20, widths=(500,), activation="tanh", dropout=0.0,
        likelihood="bernoulli", levels=None, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood: expected {' or '.join(LIKELIHOODS)}, got {likelihood!r}")
        self.image_shape, self.latent_dim, self.levels = tuple(image_shape), latent_dim, levels
        self.family, self.density = likelihood, likelihood == "gaussian"
        self.encoder = _encoder(self.image_shape, latent_dim, widths, activation, dropout)
        self.decoder = _decoder(self.image_shape, latent_dim, widths[::-1], activation, dropout)
        if self.density:
            self.log_deviation = self.add_weight(
                shape=(), initializer=keras.initializers.Constant(-1.0), name="log_deviation"
            )

    @classmethod
    def sized(cls, data):
        return {"likelihood": "bernoulli" if data.levels == 2 else "gaussian"}

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-3)}

    def posterior(self, x, training=False):
        mean, log_variance = self.encoder(x, training=training)
        return elbo.diagonal_normal(mean, log_variance)

    def likelihood(self, latent, training=False):
        out = self.decoder(latent, training=training)
        if self.density:
            return tfd.Independent(tfd.Normal(out, tf.exp(self.log_deviation)), 3)
        return tfd.Independent(tfd.Bernoulli(logits=out, dtype=tf.float32), 3)


def _encoder(image_shape, latent_dim, widths, activation, dropout):
    x = picture = keras.Input(image_shape)
    x = _hidden(layers.Flatten()(x), widths, activation, dropout)
    return network(picture, [layers.Dense(latent_dim)(x), layers.Dense(latent_dim)(x)], name="encoder")


def _decoder(image_shape, latent_dim, widths, activation, dropout):
    z = keras.Input((latent_dim,))
    x = layers.Dense(math.prod(image_shape))(_hidden(z, widths, activation, dropout))
    return network(z, layers.Reshape(image_shape)(x), name="decoder")


def _hidden(x, widths, activation, dropout):
    for width in widths:
        x = layers.Dense(width, activation)(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return x
