"""The paper's networks and losses."""

import numpy as np
import pytest
import tensorflow as tf
from counting import counts

import kerasgen
from kerasgen.core import random

TINY = dict(image_shape=(8, 8, 1), latent_dim=4, widths=(8, 12, 16), hidden=16, kernel_size=3)


def test_weights_of_the_paper():
    """Counted from the paper's table of layers; the released code is narrower."""
    expected = {"encoder": 35_112_768, "decoder": 4_693_155, "discriminator": 10_953_857}
    assert counts("vae_gan") == expected


def test_losses_are_those_of_the_algorithm():
    """By hand, from the same draws: the bound in features, and the game of three kinds of pictures."""
    model = kerasgen.build("vae_gan", **TINY)
    model.compile(seed=3)
    x = tf.constant(np.random.default_rng(0).random((5, 8, 8, 1), "float32"))
    batch = model.batch(x, training=False)
    found = {name: float(value) for name, value in model.losses(batch, training=False).items()}

    mean, log_variance = (part.numpy() for part in model.encoder(2 * x - 1, training=False))
    eps, z = (random.normal(batch.seed, random.LATENT + i, batch.index, (4,)).numpy() for i in (0, 1))
    rebuilt, made = (model.decoder(latent, training=False) for latent in (mean + np.exp(log_variance / 2) * eps, z))
    judged = [model.discriminator(picture, training=False) for picture in (2 * x - 1, rebuilt, made)]
    (true, real), (like, again), (_, other) = [[np.asarray(part, "float64") for part in pair] for pair in judged]
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1).mean()
    size = true[0].size
    reconstruction = (0.5 * ((true - like) ** 2).reshape(5, -1).sum(1) + 0.5 * size * np.log(2 * np.pi)).mean()
    soft = lambda score: np.log1p(np.exp(score)).mean()  # noqa: E731
    assert found == pytest.approx(
        {
            "encoder_loss": kl + reconstruction,
            "decoder_loss": model.gamma * reconstruction + soft(-again) + soft(-other),
            "discriminator_loss": soft(-real) + soft(again) + soft(other),
            "reconstruction": reconstruction,
            "kl": kl,
        },
        rel=1e-4,
    )
