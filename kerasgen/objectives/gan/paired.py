"""Translation that is learned from pairs: a picture is given, and the example that is to be made of it is known.

    repeat:
        (p, x) ~ data, z ~ prior;   discriminator <- descend 1/2 L_D(D(p, x), D(p, G(p, z)))
                                    generator     <- descend L_G(D(p, G(p, z))) + lambda E |x - G(p, z)|

The distance says what a result must look like on the whole, and the discriminator, which sees what was given too, that
it must not be blurred: what is uncertain is chosen, not averaged.

Reference: Isola, Zhu, Zhou, Efros, 2016, Image-to-Image Translation with Conditional Adversarial Networks,
arXiv:1611.07004.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.ranges import shown, to_signed
from kerasgen.objectives import augment
from kerasgen.objectives.gan import game


class Paired(game.Game):
    """A generator that makes an example of the picture given with it.

    A model builds the attributes below. Inside, pictures are in [-1, 1].

    Attributes:
        generator: picture given, noise -> x.
        discriminator: picture given and x, one behind the other (B, H, W, channels of both) -> scores (B, h, w, 1).
        distance: lambda, the weight of E |x - G(p, z)|.
        jitter: pixels by which the pairs are enlarged before they are cut to their size again, anywhere.
        mirrored: share of the pairs that are mirrored left to right.
    """

    serves = ("translate",)
    figures = ("distance",)
    serve_sample = serve_decode = serve_energy = None  # all that is made is made of a picture
    distance: float = 100.0
    jitter: int = 0
    mirrored: float = 0.0

    @property
    def given(self):
        return ("picture", *super().given)

    def source(self, x, given: dict):
        """The picture that x is to be made of, in [0, 1]; if a model says nothing, the one that data give with it."""
        return given["picture"]

    def draw(self, seed, step, index, given, training=False):
        noise = self.prior(seed, random.DROPOUT + step, index)
        return self.generator([to_signed(given["picture"]), *noise], training=training)

    def realness(self, x, given, training=False):
        return self.discriminator(ops.concatenate([to_signed(given["picture"]), x], -1), training=training)

    def play(self, batch, step, training):
        x, picture = batch.x, self.source(batch.x, batch.given)
        if training:
            x, picture = (self._moved(each, batch) for each in (x, picture))
        return super().play(batch._replace(x=x, given={**batch.given, "picture": picture}), step, training)

    def _moved(self, x, batch):
        """A picture and what is given with it are moved alike: the draws are the batch's."""
        x = augment.jitter(x, self.jitter, batch.seed, batch.index)
        return augment.mirror(x, self.mirrored, batch.seed, batch.index)

    def terms(self, play, player):
        ((_, scalar),) = super().terms(play, player)
        if player == "discriminator":
            yield None, 0.5 * scalar  # it learns at half the speed
        else:
            yield None, scalar
            yield "distance", self.distance * ops.mean(ops.abs(play.x - play.made))

    def serve_translate(self, picture, seed):
        return shown(self.draw(seed, 0, tf.range(tf.shape(picture)[0]), {"picture": picture}))
