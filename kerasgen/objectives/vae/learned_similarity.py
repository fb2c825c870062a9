"""A variational bound that judges reconstructions by a discriminator's features, in one step with the game of both.

    z = E(x),  x~ = G(z),  x_p = G(z_p) with z_p ~ N(0, I),  f = features of the discriminator D
    rec = -log N(f(x); f(x~), I)
    E <- descend  KL(q(z|x) || N(0, I)) + rec
    G <- descend  gamma rec + [what D gets wrong about x~ and x_p]
    D <- descend  -log D(x) - log(1 - D(x~)) - log(1 - D(x_p))        (no rec: D must not learn to see less)

Reference: Larsen, Sonderby, Larochelle, Winther, 2015, arXiv:1512.09300, algorithm 1.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops
from tensorflow_probability import distributions as tfd

from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import from_signed, to_signed
from kerasgen.objectives.gan import losses
from kerasgen.objectives.vae import elbo


class LearnedSimilarity(GenerativeModel):
    """Encoder, decoder and discriminator, each with a loss of its own on one forward pass.

    A model builds `self.encoder` (x -> mean, log-variance), `self.decoder` (latent -> x in [-1, 1]) and
    `self.discriminator` (x -> features, score), and sets `self.gamma`, the weight of the reconstruction against the
    game in the decoder's loss.
    """

    players = ("encoder", "decoder", "discriminator")
    reports = ("encoder_loss", "decoder_loss", "discriminator_loss", "reconstruction", "kl")
    serves = ("sample", "decode", "encode", "reconstruct")

    def losses(self, batch, training):
        x = to_signed(batch.x)
        q = elbo.diagonal_normal(*self.encoder(x, training=training))
        eps = random.normal(batch.seed, random.LATENT, batch.index, (self.latent_dim,))
        prior = random.normal(batch.seed, random.LATENT + 1, batch.index, (self.latent_dim,))
        rebuilt = self.decoder(elbo.reparameterise(q, eps), training=training)
        made = self.decoder(prior, training=training)
        real_features, real = self.discriminator(x, training=training)
        rebuilt_features, rebuilt = self.discriminator(rebuilt, training=training)
        _, made = self.discriminator(made, training=training)

        seen = tfd.Independent(tfd.Normal(rebuilt_features, 1.0), 3)
        reconstruction = -ops.mean(seen.log_prob(real_features))
        kl = ops.mean(tfd.kl_divergence(q, elbo.standard_normal(self.latent_dim)))
        fake = tf.concat([rebuilt, made], axis=0)
        return {
            "encoder_loss": kl + reconstruction,
            "decoder_loss": self.gamma * reconstruction + 2.0 * losses.non_saturating_generator(fake),
            "discriminator_loss": ops.mean(ops.softplus(-real)) + 2.0 * ops.mean(ops.softplus(fake)),
            "reconstruction": reconstruction,
            "kl": kl,
        }

    def serve_sample(self, seed, index):
        return self.serve_decode(random.normal(seed, random.LATENT, index, (self.latent_dim,)))

    def serve_decode(self, latent):
        return from_signed(self.decoder(latent, training=False))

    def serve_encode(self, x):
        return self.encoder(to_signed(x), training=False)[0]

    def serve_reconstruct(self, x):
        return self.serve_decode(self.serve_encode(x))
