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

from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import from_signed, to_signed
from kerasgen.objectives.gan.losses import least_squares


class Unpaired(GenerativeModel):
    """Two generators, two discriminators.

    A model builds the attributes below. Inside, pictures are in [-1, 1].

    Attributes:
        generators: F and G; generator d makes pictures of domain d out of pictures of the other.
        discriminators: D_X and D_Y; discriminator d scores pictures of domain d, (B, h, w, 1).
        pool: `kerasgen.nets.gan.image_pool.Pool` of generated pictures.
        cycle: lambda, the weight of the way there and back.
        identity: weight, beside that, of leaving a picture that is in its domain already as it is; 0 for none.
    """

    players = ("generator", "discriminator")
    reports = ("generator_loss", "discriminator_loss", "cycle")
    serves = ("translate", "reconstruct")
    num_classes = 2
    cycle: float = 10.0
    identity: float = 0.0

    def player_networks(self, player):
        return {"generator": self.generators, "discriminator": self.discriminators}[player]

    def losses(self, batch, training):
        x, own, other = to_signed(batch.x), batch.label, 1 - batch.label

        def made(domain, x):
            return by_domain(self.generators, domain, x, training)

        def scored(domain, x):
            return by_domain(self.discriminators, domain, x, training)

        fake = made(other, x)
        cycle = distance(made(own, fake), x)
        generator = least_squares(scored(other, fake), 1.0) + self.cycle * cycle
        if self.identity:
            generator += self.cycle * self.identity * distance(made(own, x), x)
        seen = self.pool.exchange(batch, other, fake) if training else fake
        real, fake = least_squares(scored(own, x), 1.0), least_squares(scored(other, seen), 0.0)
        return {
            "generator_loss": 2.0 * generator,
            "discriminator_loss": 2.0 * 0.5 * (real + fake),
            "cycle": cycle,
        }

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


def distance(a, b):
    """mean |a - b|."""
    return ops.mean(ops.abs(a - b))
