"""A GAN for every scale of one picture, learnt one after the other from the coarse to the fine.

    x~_n = G_n(s_n z_n + up x~_(n+1), up x~_(n+1));    x^_n the same with z_N = z*, fixed, and z_n = 0 elsewhere
    L_D = E D_n(x~_n) - E D_n(x_n) + penalty,          L_G = -E D_n(x~_n) + weight E |x^_n - x_n|^2

Critics see patches, so that one picture holds many examples; the second term keeps one z that gives the picture itself.
s_n is a tenth of what is missing in up x^_(n+1): coarse scales draw the layout, fine ones detail. Scales that are
learnt are left alone. Inside, pictures are in [-1, 1].

Reference: Rott Shaham, Dekel, Michaeli, 2019, arXiv:1905.01164.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from kerasgen.core import distribute, random
from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import shown, to_signed
from kerasgen.core.vocabulary import LARGEST
from kerasgen.nets import noise_fields, patches
from kerasgen.nets import sizes as shapes
from kerasgen.objectives.gan import penalties
from kerasgen.objectives.gan.losses import critic_generator, wasserstein_discriminator


class Pyramid(GenerativeModel):
    """Generators and critics of all scales, counted from the coarsest.

    A model builds the attributes below and is in one stage for each scale, in this order.

    Attributes:
        sizes: (height, width) of every scale.
        generators: function (noise, picture) -> picture (B, h, w, C) of any size, for every scale; its `learning` gives
            the picture as training sees it and statistics of each, its `remember` follows their means.
        discriminators: picture -> scores (B, h', w', 1) of its patches, for every scale.
        amplitudes: variable (scales,) that is not trained, s_n in shares of what noise could be.
        penalty, reconstruction: weights of the critics' slopes and of the picture itself.
    """

    players = ("generator", "discriminator")
    reports = ("generator_loss", "discriminator_loss", "reconstruction")
    serves = ("sample", "refine", "energy")
    parts = 16
    penalty: float = 0.1
    reconstruction: float = 10.0

    def player_networks(self, player):
        return {"generator": self.generators, "discriminator": self.discriminators}[player]

    # --- pictures ---------------------------------------------------------------------------------------------------

    def scales_of(self, x):
        """A picture at every scale."""
        return [*(patches.shrunk(x, *size) for size in self.sizes[:-1]), x]

    def noises(self, seed, index, sizes):
        """z_n at all scales; at the coarsest all channels have the same. Rows of all are drawn as those of one."""
        widest, channels = LARGEST * self.image_shape[1], self.image_shape[-1]
        heights = [height for height, _ in sizes]
        field = noise_fields.field(
            random.normal, seed, random.NOISE, index, (sum(heights), sizes[-1][1]), widest, channels
        )
        rows = tf.split(field, heights, axis=1)
        found = [z[:, :, :width] for z, (_, width) in zip(rows, sizes, strict=True)]
        return [tf.repeat(found[0][..., :1], channels, axis=-1), *found[1:]]

    def made(self, noises, last):
        """x~ at a scale, or x^, from the noise at this and the coarser ones; (B, h, w, C)."""
        y = tf.zeros_like(noises[0])
        for n in range(last + 1):
            y = self.generators[n](self.amplitudes[n] * noises[n], enlarged(y, noises[n]))
        return y

    @property
    def fixed(self):
        """z*, and zeros for the finer scales."""
        sizes, channels = self.sizes, self.image_shape[-1]
        coarsest = random.normal(0, random.INIT, tf.range(1), (*sizes[0], 1))
        return [
            tf.repeat(coarsest, channels, axis=-1),
            *(tf.zeros((1, *size, channels)) for size in sizes[1:]),
        ]

    # --- learning ---------------------------------------------------------------------------------------------------

    def at_scale(self, batch):
        """What the players of this stage see: scale, pictures, and how to make those they are to be mistaken for."""
        n = self.stages.index(self.stage)
        x = self.scales_of(to_signed(batch.x))[n]
        pairs = []
        for noises in (self.noises(batch.seed, batch.index, self.sizes), self.fixed):
            before = tf.zeros_like(noises[0]) if n == 0 else enlarged(self.made(noises, n - 1), noises[n])
            pairs.append((noises[n], tf.stop_gradient(before)))
        return n, x, *pairs

    def judge(self, batch, n, x, drawn, training):
        critic, (fake, _) = self.discriminators[n], self.learnt(n, drawn)
        loss = wasserstein_discriminator(critic(x), critic(fake))
        if training:
            u = random.uniform(batch.seed, random.TIME, batch.index, (1, 1, 1))
            loss += self.penalty * penalties.local_slope(critic, u * x + (1.0 - u) * fake)
        return {"discriminator_loss": loss}

    def learnt(self, n, drawn):
        """What the generator of a scale makes while it is trained, and its statistics."""
        noise, before = drawn
        return self.generators[n].learning(self.amplitudes[n] * noise, before)

    def fool(self, n, x, drawn, fixed, seen=None):
        """The generator's loss; the statistics of both pictures are appended to a list."""
        (fake, of_fake), (again, of_again) = (self.learnt(n, pair) for pair in (drawn, fixed))
        if seen is not None:
            seen += [of_fake, of_again]
        error = ops.mean(ops.square(again - x))
        loss = critic_generator(self.discriminators[n](fake)) + self.reconstruction * error
        return {"generator_loss": loss, "reconstruction": error}

    def remember(self, batch, n, seen):
        """The generator's memory of its statistics: of the drawn pictures, then of the one that is given back."""
        for statistics in seen:
            means = [tf.reduce_mean(found, axis=0) * batch.share for found in statistics]
            self.generators[n].remember(distribute.total(means))

    def measure(self, batch, n, x, fixed):
        """In the first step of a scale: s_n, from the root of the mean squared error of up x^."""
        error = ops.mean(ops.square(fixed[1] - x)) * batch.share
        missing = 0.1 * tf.sqrt(distribute.total([error])[0]) if n else 1.0
        amplitude = tf.where(self.place[1] <= 1, missing, self.amplitudes[n])
        amplitudes = tf.convert_to_tensor(self.amplitudes)
        self.amplitudes.assign(tf.tensor_scatter_nd_update(amplitudes, [[n]], [amplitude]))

    def train_step(self, data):
        batch = self.batch(data)
        n, x, drawn, fixed = self.at_scale(batch)
        self.measure(batch, n, x, fixed)
        judged = self.descend(batch, "discriminator", lambda: self.judge(batch, n, x, drawn, training=True))
        seen = []
        fooled = self.descend(batch, "generator", lambda: self.fool(n, x, drawn, fixed, seen))
        self.remember(batch, n, seen)
        return self.report(batch, {**judged, **fooled})

    def losses(self, batch, training):
        n, x, drawn, fixed = self.at_scale(batch)
        return {**self.judge(batch, n, x, drawn, training), **self.fool(n, x, drawn, fixed)}

    # --- functions --------------------------------------------------------------------------------------------------

    def serve_sample(self, seed, index, height=None, width=None):
        size = [own if given is None else given for own, given in zip(self.image_shape, (height, width), strict=False)]
        sizes = [shapes.at_scale(size, scale, self.image_shape) for scale in self.sizes]
        return shown(self.made(self.noises(seed, index, sizes), len(sizes) - 1))

    def serve_refine(self, picture, seed, strength=0.5):
        """The picture takes the place of x~; a share of the scales goes on from there, all but the coarsest for 1."""
        index, count = tf.range(tf.shape(picture)[0]), len(self.sizes)
        first = count - tf.cast(tf.math.ceil(strength * (count - 1)), tf.int32)
        pictures, noises = self.scales_of(to_signed(picture)), self.noises(seed, index, self.sizes)
        y = pictures[0]
        for n in range(1, count):
            x, noise = pictures[n], self.amplitudes[n] * noises[n]
            y = tf.where(n >= first, self.generators[n](noise, enlarged(y, x)), x)
        return shown(y)

    def serve_energy(self, x):
        """Minus the mean score of the finest critic."""
        return -ops.mean(self.discriminators[-1](to_signed(x)), axis=(1, 2, 3))


def enlarged(y, like):
    """A picture at the size of another."""
    return tf.image.resize(y, tf.shape(like)[1:3])
