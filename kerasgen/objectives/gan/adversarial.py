"""Adversarial learning: a generator and a discriminator in turn, and the losses that they descend.

    repeat discriminator_steps times:
        x ~ data, z ~ prior;  discriminator <- descend L_D(D(x), D(G(z))) + penalty
    z ~ prior;                generator     <- descend L_G(D(G(z))) + penalty

The discriminator returns raw scores (logits); every loss is computed from them with softplus, never from
log(sigmoid). Inside, pictures are in [-1, 1]; at the edge they are in [0, 1]. A training step takes a batch for every
step of the discriminator. A conditional model gives both networks the labels of the real examples, the generator's step
those of the discriminator's last one. Penalties are paid in training only, and the figures of `fit` hold them.

Reference: Goodfellow et al., 2014, Generative Adversarial Nets, arXiv:1406.2661.
"""

from __future__ import annotations

import functools

import tensorflow as tf
from keras import ops

from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import shown, to_signed
from kerasgen.objectives import augment


class Adversarial(GenerativeModel):
    """A generator against a discriminator.

    A model builds `self.generator` (latent [, label] -> x in [-1, 1]) and `self.discriminator` (x -> scores (B, 1), or
    (B, num_classes), one for every class that x may be an example of), and fills the first three hooks below.

    Attributes:
        discriminator_steps: of a training step, each on a batch of its own.
        rest: score of the discriminator where it cannot tell; None for critics, whose scores have no zero.
        penalised: the players whose hook for a penalty is filled too.
        augmentations: names in `kerasgen.objectives.augment`, through which the discriminator sees all pictures.
    """

    players = ("generator", "discriminator")
    reports = ("generator_loss", "discriminator_loss")
    serves = ("sample", "decode", "energy")
    rest = 0.0
    discriminator_steps: int = 1
    penalised: tuple = ()
    augmentations: tuple = ()

    @property
    def batches(self):
        return self.discriminator_steps

    def draw(self, seed, step, index, label=None, training: bool = False):
        """Hook: pictures (B, *image_shape) in [-1, 1] from fresh latents; `step` numbers the draws for one seed."""
        raise NotImplementedError

    def discriminator_loss(self, real, fake):
        """Hook: what the discriminator descends, a scalar, from scores (B, 1)."""
        raise NotImplementedError

    def generator_loss(self, fake):
        """Hook: what the generator descends, a scalar, from scores (B, 1)."""
        raise NotImplementedError

    def real(self, x):
        """Hook: pictures of the data in [-1, 1] as they are to be matched; if a model says nothing, as they are."""
        return x

    def discriminator_penalty(self, batch, x, fake):
        """Hook: what is added to the discriminator's loss; x and fake as the discriminator sees them."""
        raise NotImplementedError

    def generator_penalty(self, batch):
        """Hook: what is added to the generator's loss."""
        raise NotImplementedError

    def realness(self, x, label, training: bool):
        """How real x looks, as an example of its class if there are classes: (B, 1)."""
        scores = self.discriminator(x, training=training)
        return scores if label is None else tf.gather(scores, label[:, None], axis=1, batch_dims=1)

    def seen(self, x, batch, step):
        """Pictures as the discriminator sees them; `step` numbers the draws within one training step."""
        return augment.apply(x, self.augmentations, batch.seed, step, batch.index)

    def judge(self, batch, step: int, training: bool) -> dict:
        fake = self.seen(self.draw(batch.seed, step, batch.index, batch.label, training), batch, 2 * step)
        x = self.seen(self.real(to_signed(batch.x)), batch, 2 * step + 1)
        # Apart: layers that look at a whole batch must not see both kinds in one.
        real_score, fake_score = (self.realness(picture, batch.label, training) for picture in (x, fake))
        loss = self.discriminator_loss(real_score, fake_score)
        if training and "discriminator" in self.penalised:
            loss += self.discriminator_penalty(batch, x, fake)
        return {"discriminator_loss": loss}

    def fool(self, batch, step: int, training: bool) -> dict:
        fake = self.seen(self.draw(batch.seed, step, batch.index, batch.label, training), batch, 2 * step)
        loss = self.generator_loss(self.realness(fake, batch.label, training))
        if training and "generator" in self.penalised:
            loss += self.generator_penalty(batch)
        return {"generator_loss": loss}

    def train_step(self, data):
        batch = self.batch(data)
        steps = self.discriminator_steps
        for step in range(steps):
            part = batch.part(step, steps)
            judged = self.descend(part, "discriminator", functools.partial(self.judge, part, step, True))
        fooled = self.descend(part, "generator", functools.partial(self.fool, part, steps, True))
        return self.report(part, {**judged, **fooled})

    def losses(self, batch, training):
        return {**self.judge(batch, 0, training), **self.fool(batch, 0, training)}

    def serve_sample(self, seed, index, label=None):
        return shown(self.draw(seed, 0, index, label))

    def serve_decode(self, latent, label=None):
        inputs = latent if label is None else [latent, label]
        return shown(self.generator(inputs, training=False))

    def serve_energy(self, x):
        """Minus the score; of a conditional model, that of the class which x suits best."""
        return -ops.max(self.discriminator(to_signed(x), training=False), axis=1)


def non_saturating_discriminator(real, fake):
    """-E log D(x) - E log(1 - D(G(z))) from logits; -2 log D at equilibrium is 2 log 2."""
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))


def non_saturating_generator(fake):
    """-E log D(G(z)): its gradient stays near 1 where the discriminator is sure, unlike that of `minimax_generator`."""
    return ops.mean(ops.softplus(-fake))


def minimax_generator(fake):
    """E log(1 - D(G(z))), the generator's side of the minimax game; its gradient is sigmoid(logit)."""
    return -ops.mean(ops.softplus(fake))


def hinge_discriminator(real, fake):
    """E [1 - D(x)]+ + E [1 + D(G(z))]+: examples that are on their side by a margin are left alone."""
    return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))


def hinge_generator(fake):
    """-E D(G(z)), the generator's side of the hinge game."""
    return -ops.mean(fake)


def least_squares(scores, target):
    """E (D - target)^2: 1 for what is to look real and 0 for what is to look made, also far on the right side."""
    return ops.mean((scores - target) ** 2)


def adaptive_weight(first, second, most=1e4):
    """|first| / |second| of two gradients, so that the second pulls as hard as the first; at most `most`.

    Reference: Esser, Rombach, Ommer, 2020, arXiv:2012.09841, equation 7.
    """
    return tf.stop_gradient(tf.minimum(tf.norm(first) / (tf.norm(second) + 1e-6), most))


def wasserstein_discriminator(real, fake):
    """E D(G(z)) - E D(x): minus an estimate of the distance between data and samples, if D is 1-Lipschitz."""
    return ops.mean(fake) - ops.mean(real)


def wasserstein_generator(fake):
    """-E D(G(z))."""
    return -ops.mean(fake)
