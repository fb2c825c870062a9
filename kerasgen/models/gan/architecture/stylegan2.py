"""StyleGAN2.  Karras, Laine, Aittala, Hellsten, Lehtinen, Aila, 2019, Analyzing and Improving the Image Quality of
StyleGAN, arXiv:1912.04958.

A mapping network turns the latent into a style w; at every depth of the synthesis network w scales the channels of a
convolution (modulation), whose outputs are brought back to unit variance (demodulation), and fresh noise adds what is
random in a picture, such as where each hair lies. Pictures are sums of the outputs of all resolutions. Two penalties
keep the game smooth: R1 on the slope of the discriminator at real pictures, and path lengths, which make a step in w
move the picture by about the same anywhere. Both are paid every few steps only.

Differs from the paper: a penalty is added to the loss of its step and is no step of its own, so optimisers need no
correction for it; path lengths are those of the whole batch, and their mean starts at the first ones (the authors' at
0). The deviation that the discriminator sees is that of the whole batch (theirs of groups of four), in evaluation and
for R1 a running average. `decode` leaves the noise out. Pictures may be augmented (arXiv:2006.10738).
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import distribute, random
from kerasgen.core.paper import Paper
from kerasgen.core.ranges import shown
from kerasgen.nets.gan import styles
from kerasgen.nets.layers.equalized import Bias, Conv, Dense, leaky
from kerasgen.nets.layers.low_pass import double
from kerasgen.nets.layers.minibatch_deviation import BatchDeviation
from kerasgen.nets.layers.modulated import Modulated
from kerasgen.nets.network import network
from kerasgen.nets.sizes import maps_of_sides, stages_of
from kerasgen.objectives.gan import game, penalties

PAPER = Paper(
    title="Analyzing and Improving the Image Quality of StyleGAN",
    authors="T. Karras and S. Laine and M. Aittala and J. Hellsten and J. Lehtinen and T. Aila",
    year=2019,
    reference="arXiv:1912.04958",
    tags=("adversarial", "style", "modulation", "path length", "R1", "DiffAugment"),
)


class StyleGAN2(game.Game):
    """Style-based GAN with the non-saturating loss.

        w = mapping(z),  x = synthesis(w_1 .. w_L, noise)
        L_D = E sp(-D(x)) + E sp(D(G(z))) + gamma / 2 E |dD(x)/dx|^2
        L_G = E sp(-D(G(z))) + weight E (|J_w' y| - a)^2,   y ~ N(0, I),  a the running mean of |J_w' y|

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** (len(widths) - 1).
        latent_dim: size of z ~ N(0, I) and of w.
        widths: channels from the smallest picture up; the discriminator mirrors them.
        mapping: number of layers of the mapping network.
        gamma: weight of R1.
        path_weight: of the path lengths' penalty.
        mixing: share of training pictures whose fine styles come from a second latent.
        r1_every, path_every: steps from one payment of a penalty to the next.
        augmentations: names in `kerasgen.objectives.augment`; the paper has none.

    Raises:
        ValueError: the picture is too small for so many stages.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.StyleGAN2(image_shape=(8, 8, 1), latent_dim=8, widths=(8, 8), mapping=2)
        >>> model.sample(2, seed=7, truncation=0.7).shape
        (2, 8, 8, 1)
    """

    def __init__(
        self, image_shape=(1024, 1024, 3), latent_dim=512, widths=(512, 512, 512, 512, 512, 256, 128, 64, 32),
        mapping=8, gamma=10.0, path_weight=2.0, mixing=0.9, r1_every=16, path_every=4, augmentations=(), **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim, self.augmentations = (
            tuple(image_shape),
            latent_dim,
            tuple(augmentations),
        )
        self.penalties, self.mixing = (penalties.R1(gamma, r1_every), PathLength(path_weight, path_every)), mixing
        self.generator = _generator(
            styles.mapping(latent_dim, mapping), _synthesis(self.image_shape, latent_dim, widths)
        )
        self.discriminator = _discriminator(self.image_shape, widths[::-1])
        self.mean_style = self.add_weight(shape=(latent_dim,), initializer="zeros", trainable=False, name="mean_style")
        self.mean_length = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean_length")

    @classmethod
    def sized(cls, data):
        return {"widths": maps_of_sides(data.shape, 32768)}

    def optimizers(self):
        adam = dict(learning_rate=2e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
        return {
            "generator_optimizer": keras.optimizers.Adam(**adam, use_ema=True, ema_momentum=0.998),
            "discriminator_optimizer": keras.optimizers.Adam(**adam),
        }

    def style(self, seed, stream, index):
        """w (B, latent_dim) of fresh latents."""
        return styles.drawn(self.generator.get_layer("mapping"), seed, stream, index)

    def styles(self, seed, step, index, training):
        """One w per layer (B, L, latent_dim); in training some pictures have a second one from a random layer on."""
        mapping, synthesis = map(self.generator.get_layer, ("mapping", "synthesis"))
        depth = synthesis.input_shape[0][1]
        if training:
            return styles.mixed(mapping, seed, step, index, depth, self.mixing)
        return styles.one_each(self.style(seed, random.LATENT + 2 * step, index), depth)

    def synthesise(self, seed, step, index, w):
        synthesis = self.generator.get_layer("synthesis")
        return synthesis([w, random.normal(seed, random.NOISE + step, index, synthesis.input_shape[1][1:])])

    def draw(self, seed, step, index, given, training=False):
        w = self.styles(seed, step, index, training)
        if training:
            styles.follow(self.mean_style, w[:, 0])
        return self.synthesise(seed, step, index, w)

    def serve_sample(self, seed, index, truncation=1.0):
        w, mean = self.styles(seed, 0, index, training=False), tf.convert_to_tensor(self.mean_style)
        x = self.synthesise(seed, 0, index, mean + truncation * (w - mean))
        return shown(x)


class PathLength(penalties.Penalty):
    """E (|J_w' y| - a)^2, y ~ N(0, I): a step in w moves a picture by about a, the running mean, anywhere."""

    player, figure = "generator", "path_length"

    def __call__(self, game, play):
        batch, step = play.batch, game.critic_steps + 1  # latents that nothing else uses

        def lengths():
            noise = random.normal(batch.seed, random.NOISE + step + 1, batch.index, game.image_shape)
            w = game.styles(batch.seed, step, batch.index, training=True)
            return penalties.path_lengths(lambda w: game.synthesise(batch.seed, step, batch.index, w), w, noise)

        due = penalties.due(game.clock, self.every)
        found = penalties.when(due, lengths, like=tf.zeros_like(batch.index, "float32"))
        (mean,) = distribute.total([tf.stop_gradient(tf.reduce_mean(found)) * batch.share])
        before = tf.convert_to_tensor(game.mean_length)
        # Starting at the first lengths: from zero it would press all of them to zero until it has caught up.
        mean = tf.where(due, tf.where(before > 0.0, before + 0.01 * (mean - before), mean), before)
        game.mean_length.assign(mean)
        spread = tf.where(due, tf.reduce_mean(tf.square(found - mean)), 0.0)
        return self.every * self.weight * spread


def _synthesis(image_shape, latent_dim, widths):
    """Styles (B, L, D) and noise (B, N), one number per place of every layer, to pictures."""
    height, width = stages_of(image_shape, len(widths) - 1)
    sizes = [height * width] + [height * width * 4**i for i in range(1, len(widths)) for _ in "ab"]
    given, noise = keras.Input((len(sizes) + 1, latent_dim)), keras.Input((sum(sizes),))
    w = [given[:, i] for i in range(len(sizes) + 1)]
    parts = iter(ops.split(noise, [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)], axis=1))

    def layer(x, i, channels, up=False):
        x = Modulated(channels, 3, up)(x, w[i])
        x = styles.Noise()(x, layers.Reshape((*x.shape[1:3], 1))(next(parts)))
        return leaky(Bias()(x))

    x = styles.Constant((height, width, widths[0]))(given)
    x, i = layer(x, 0, widths[0]), 1
    picture = Bias()(Modulated(image_shape[-1], 1, demodulate=False)(x, w[i]))
    for channels in widths[1:]:
        x = layer(layer(x, i, channels, up=True), i + 1, channels)
        i += 2
        picture = double(picture) + Bias()(Modulated(image_shape[-1], 1, demodulate=False)(x, w[i]))
    return network([given, noise], picture, name="synthesis")


def _generator(mapping, synthesis):
    """From latents to pictures in [-1, 1], without noise."""
    depth, places = synthesis.input_shape[0][1], synthesis.input_shape[1][1]
    z = keras.Input(mapping.input_shape[1:])
    w = mapping(z)
    quiet = ops.zeros_like(ops.repeat(w[:, :1], places, axis=1))
    x = synthesis([layers.RepeatVector(depth)(w), quiet])
    return network(z, ops.clip(x, -1.0, 1.0), name="generator")


def _discriminator(image_shape, widths):
    picture = keras.Input(image_shape)
    x = leaky(Conv(widths[0], 1)(picture))
    for narrow, wide in zip(widths, widths[1:], strict=False):
        y = leaky(Conv(wide, 3, down=True)(leaky(Conv(narrow, 3)(x))))
        x = layers.Rescaling(0.5**0.5)(y + Conv(wide, 1, down=True, use_bias=False)(x))
    x = leaky(Conv(widths[-1], 3)(BatchDeviation()(x)))
    x = leaky(Dense(widths[-1])(layers.Flatten()(x)))
    return network(picture, Dense(1)(x), name="discriminator")
