"""Adversarial learning: a generator and a discriminator in turn, and the losses that they descend.

    repeat discriminator_steps times:
        z ~ prior;  discriminator <- descend L_D(x, G(z))
    z ~ prior;      generator     <- descend L_G(G(z))

The discriminator returns raw scores (logits); every loss is computed from them with softplus, never from log(sigmoid).
Inside, pictures are in [-1, 1]; at the edge they are in [0, 1].

Reference: Goodfellow et al., 2014, Generative Adversarial Nets, arXiv:1406.2661.
"""

from __future__ import annotations

from keras import ops

from kerasgen import random
from kerasgen.model import GenerativeModel


class Adversarial(GenerativeModel):
    """A generator against a discriminator.

    A model builds `self.generator` (latent -> x in [-1, 1]) and `self.discriminator` (x -> score (B, 1)) and fills the
    three hooks below.
    """

    players = ("generator", "discriminator")
    reports = ("generator_loss", "discriminator_loss")
    serves = ("sample", "decode", "energy")
    discriminator_steps: int = 1

    def prior(self, seed, stream, index):
        """Hook: latents (B, latent_dim) of the examples at `index`."""
        raise NotImplementedError

    def discriminator_loss(self, x, fake, training):
        """Hook: what the discriminator descends, a scalar; x and fake (B, *image_shape) in [-1, 1]."""
        raise NotImplementedError

    def generator_loss(self, fake, training):
        """Hook: what the generator descends, a scalar."""
        raise NotImplementedError

    def fake(self, batch, step: int, training: bool):
        """Pictures in [-1, 1] from fresh latents; `step` numbers the draws within one training step."""
        return self.generator(self.prior(batch.seed, random.LATENT + step, batch.index), training=training)

    def judge(self, batch, step: int, training: bool) -> dict:
        fake = self.fake(batch, step, training)
        return {"discriminator_loss": self.discriminator_loss(to_signed(batch.x), fake, training)}

    def fool(self, batch, step: int, training: bool) -> dict:
        return {"generator_loss": self.generator_loss(self.fake(batch, step, training), training)}

    def train_step(self, data):
        batch = self.batch(data)
        for step in range(self.discriminator_steps):
            judged = self.descend(
                batch, "discriminator", lambda step=step: self.judge(batch, step, training=True)
            )
        fooled = self.descend(
            batch, "generator", lambda: self.fool(batch, self.discriminator_steps, training=True)
        )
        return self.report(batch, {**judged, **fooled})

    def losses(self, batch, training):
        return {**self.judge(batch, 0, training), **self.fool(batch, 0, training)}

    def serve_sample(self, seed, index):
        return self.serve_decode(self.prior(seed, random.LATENT, index))

    def serve_decode(self, latent):
        return from_signed(self.generator(latent, training=False))

    def serve_energy(self, x):
        return -self.discriminator(to_signed(x), training=False)[:, 0]


def to_signed(x):
    """Pictures in [0, 1] as the networks see them, in [-1, 1]."""
    return 2.0 * x - 1.0


def from_signed(x):
    """Pictures in [-1, 1] as users see them, in [0, 1]."""
    return 0.5 * (x + 1.0)


def non_saturating_discriminator(real, fake):
    """-E log D(x) - E log(1 - D(G(z))) from logits; -2 log D at equilibrium is 2 log 2."""
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))


def non_saturating_generator(fake):
    """-E log D(G(z)): its gradient stays near 1 where the discriminator is sure, unlike that of `minimax_generator`."""
    return ops.mean(ops.softplus(-fake))


def minimax_generator(fake):
    """E log(1 - D(G(z))), the generator's side of the minimax game; its gradient is sigmoid(logit)."""
    return -ops.mean(ops.softplus(fake))
