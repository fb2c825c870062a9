"""Translation between two kinds of pictures, of which no pairs are known.

    L = E_x (D_Y(G(x)) - 1)^2 + E_y (D_X(F(y)) - 1)^2  +  lambda [ E_x |F(G(x)) - x| + E_y |G(F(y)) - y| ]
    G, F      <- descend L
    D_X, D_Y  <- descend 1/2 [ E_x (D_X(x) - 1)^2 + E_y D_X(F(y))^2 + E_y (D_Y(y) - 1)^2 + E_x D_Y(G(x))^2 ]

Translations must look like pictures of the other domain, and the way there and back must end where it began. The
discriminators' terms see pictures of earlier steps too. Both updates follow from one forward pass.

An example's label is its domain. The data hold both in any order, so a batch does, and E_x + E_y is taken as 2 E over
the batch, each example with the networks of its own domain: a domain counts as often as it occurs. This way the loss is
a mean over examples, which replicas share out and a short batch does not bend.

Reference: Zhu, Park, Isola, Efros, 2017, arXiv:1703.10593.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from kerasgen.core.once import once
from kerasgen.core.ranges import from_signed, to_signed
from kerasgen.objectives.gan import game, losses


class Domains(game.Play):
    """A turn in which each example is led to the other domain and back."""

    @property
    def own(self):
        """The domain of each example, 0 or 1, (B,)."""
        return self.batch.label

    @once
    def made(self):
        """The examples in the other domain."""
        return self.led(1 - self.own, self.x)

    @once
    def back(self):
        """How far the way there and back ends from where it began, a mean over pixels."""
        return ops.mean(ops.abs(self.led(self.own, self.made) - self.x))

    @once
    def real(self):
        return self.judged(self.own, self.x)

    @once
    def fake(self):
        return self.judged(1 - self.own, self.made)

    @once
    def remembered(self):
        """Scores of pictures made in this step and before; in evaluation, of these."""
        if not self.training:
            return self.fake
        return self.judged(1 - self.own, self.game.pool.exchange(self.batch, 1 - self.own, self.made))

    def led(self, domain, x):
        return by_domain(self.game.generators, domain, x, self.training)

    def judged(self, domain, x):
        return by_domain(self.game.discriminators, domain, x, self.training)


class Unpaired(game.Game):
    """Two generators, two discriminators.

    A model builds the attributes below. Inside, pictures are in [-1, 1].

    Attributes:
        generators: F and G; generator d makes pictures of domain d out of pictures of the other.
        discriminators: D_X and D_Y; discriminator d scores pictures of domain d, (B, h, w, 1).
        pool: `kerasgen.nets.gan.image_pool.Pool` of generated pictures.
        cycle: lambda, the weight of the way there and back.
        identity: weight, beside that, of leaving a picture that is in its domain already as it is; 0 for none.
    """

    serves = ("translate", "reconstruct")
    serve_sample = serve_decode = serve_energy = None  # all that is made is made of a picture
    adversarial_loss = losses.LEAST_SQUARES
    together = True
    figures = ("cycle",)
    num_classes = 2
    cycle: float = 10.0
    identity: float = 0.0

    def player_networks(self, player):
        return {"generator": self.generators, "discriminator": self.discriminators}[player]

    def play(self, batch, step, training):
        return Domains(self, batch, step, training)

    def terms(self, play, player):
        """Twice what the batch's mean is, for two domains; the discriminators learn at half the speed."""
        if player == "discriminator":
            yield None, 2.0 * 0.5 * self.adversarial_loss.discriminator(play.real, play.remembered)
            return
        yield None, 2.0 * self.adversarial_loss.generator(play.fake)
        yield None, 2.0 * self.cycle * play.back
        if self.identity:
            left = ops.mean(ops.abs(play.led(play.own, play.x) - play.x))
            yield None, 2.0 * self.cycle * self.identity * left

    def measures(self, play):
        return {"cycle": play.back}

    @property
    def changes(self):
        meanings = {"translate": "domain to translate to, 0 or 1", "reconstruct": "domain of x, 0 or 1"}
        return {f"{function}.label": dict(meaning=meaning) for function, meaning in meanings.items()}

    def serve_translate(self, picture, label):
        return from_signed(by_domain(self.generators, label, to_signed(picture)))

    def serve_reconstruct(self, x, label):
        """There and back."""
        return self.serve_translate(self.serve_translate(x, 1 - label), label)


def by_domain(networks, domain, x, training: bool = False):
    """What the network of its domain, 0 or 1, makes of each example; both see all, so that shapes are fixed."""
    first, second = (network(x, training=training) for network in networks)
    return tf.where(domain[:, None, None, None] == 0, first, second)
