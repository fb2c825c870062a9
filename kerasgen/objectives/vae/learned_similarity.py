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
from kerasgen.core.once import once
from kerasgen.core.ranges import from_signed, to_signed
from kerasgen.objectives.gan import game
from kerasgen.objectives.vae import elbo


class Likeness(game.Play):
    """A turn in which pictures are rebuilt from their latents, and others made from the prior."""

    @once
    def q(self):
        """The latents that a picture may come from."""
        return elbo.diagonal_normal(*self.game.encoder(self.x, training=self.training))

    @once
    def rebuilt(self):
        """Features and scores of rebuilt pictures."""
        z = elbo.reparameterise(self.q, self.game.prior(self.batch.seed, random.LATENT, self.batch.index))
        return self._seen(self.game.decoder(z, training=self.training))

    @once
    def made(self):
        """Features and scores of pictures from the prior."""
        z = self.game.prior(self.batch.seed, random.LATENT + 1, self.batch.index)
        return self._seen(self.game.decoder(z, training=self.training))

    @once
    def judged(self):
        """Features and scores of pictures of the data."""
        return self._seen(self.x)

    @property
    def real(self):
        return self.judged[1]

    @once
    def fake(self):
        """Scores of rebuilt pictures, then of those from the prior, (2 B, 1)."""
        return tf.concat([self.rebuilt[1], self.made[1]], axis=0)

    @once
    def reconstruction(self):
        """-log N(f(x); f(x~), I), a mean over the batch."""
        seen = tfd.Independent(tfd.Normal(self.rebuilt[0], 1.0), 3)
        return -ops.mean(seen.log_prob(self.judged[0]))

    def _seen(self, x):
        return self.game.discriminator(x, training=self.training)


class LearnedSimilarity(game.Game):
    """Encoder, decoder and discriminator, each with a loss of its own on one forward pass.

    A model builds `self.encoder` (x -> mean, log-variance), `self.decoder` (latent -> x in [-1, 1]) and
    `self.discriminator` (x -> features, score), and sets `self.gamma`, the weight of the reconstruction against the
    game in the decoder's loss.
    """

    players = ("encoder", "decoder", "discriminator")
    figures = ("reconstruction", "kl")
    serves = ("sample", "decode", "encode", "reconstruct")
    serve_energy = None
    together = True

    def play(self, batch, step, training):
        return Likeness(self, batch, step, training)

    def terms(self, play, player):
        if player == "encoder":
            yield "kl", ops.mean(tfd.kl_divergence(play.q, elbo.standard_normal(self.latent_dim)))
            yield "reconstruction", play.reconstruction
        elif player == "decoder":
            yield None, self.gamma * play.reconstruction
            yield None, 2.0 * self.adversarial_loss.generator(play.fake)
        else:  # what is made is twice as much as the data
            yield None, ops.mean(ops.softplus(-play.real)) + 2.0 * ops.mean(ops.softplus(play.fake))

    def picture(self, latent, given, training=False):
        return self.decoder(latent, training=training)

    def serve_encode(self, x):
        return self.encoder(to_signed(x), training=False)[0]

    def serve_reconstruct(self, x):
        return from_signed(self.decoder(self.serve_encode(x), training=False))
