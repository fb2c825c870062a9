"""Progressive GAN.  Karras, Aila, Laine, Lehtinen, 2017, Progressive Growing of GANs for Improved Quality, Stability,
and Variation, arXiv:1710.10196.

Both networks begin with the smallest pictures and grow: the layers of the next resolution are faded in beside the
old ones, trained for a while, and so on up to full size. So they learn the coarse before the fine, and most steps are
cheap. Weights are scaled when they are used (equalised learning rate), the generator normalises every pixel's features,
and the discriminator is told how much the examples of a batch differ.

As in the authors' code, optimisers begin anew, without moments, when a resolution begins to fade in and when it has.

Differs from the paper: full size is trained for four times as long as any other stage (the authors' twelve million
pictures at 1024x1024); batches have one size and one rate throughout; averages of the weights begin anew with the
optimisers. The deviation that the discriminator sees is that of the whole batch (the authors take groups of four), in
evaluation and for the penalty a running average.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.core.stages import Stage, restart
from kerasgen.nets.layers.equalized import Bias, Conv, Dense, leaky
from kerasgen.nets.layers.minibatch_deviation import BatchDeviation
from kerasgen.nets.network import network
from kerasgen.nets.sizes import stages_of
from kerasgen.objectives.gan import game, losses, penalties

PAPER = Paper(
    title="Progressive Growing of GANs for Improved Quality, Stability, and Variation",
    authors="T. Karras and T. Aila and S. Laine and J. Lehtinen",
    year=2017,
    reference="arXiv:1710.10196",
    tags=("adversarial", "growing", "Wasserstein", "equalised learning rate"),
)

LAST = 4  # times as long as another stage lasts the one at full size


class ProGAN(game.Game):
    """Growing GAN with the Wasserstein loss and a penalty on the critic's slope.

        L_D = E D(G(z)) - E D(x) + 10 E (|dD(y)/dy| - 1)^2 + drift E D(x)^2,   L_G = -E D(G(z))
        y = u x + (1 - u) G(z),   u ~ U(0, 1)

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** (len(widths) - 1).
        latent_dim: size of z ~ N(0, I), which is normalised.
        widths: channels from the smallest picture up, one for every resolution; the discriminator mirrors them.
        penalty: weight of the penalty on slopes.
        drift: of that on large scores.

    Raises:
        ValueError: the picture is too small for so many resolutions.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.ProGAN(image_shape=(8, 8, 1), latent_dim=8, widths=(8, 8))
        >>> [stage.name for stage in model.stages]
        ['4x4', 'fade in 8x8', '8x8']
        >>> model.sample(2, seed=7).shape
        (2, 8, 8, 1)
    """

    adversarial_loss = losses.WASSERSTEIN
    figures = ("drift",)

    def __init__(
        self, image_shape=(1024, 1024, 3), latent_dim=512, widths=(512, 512, 512, 512, 256, 128, 64, 32, 16),
        penalty=10.0, drift=1e-3, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.penalties, self.drift = (penalties.Slope(penalty),), drift
        height, width = stages_of(self.image_shape, len(widths) - 1)
        sizes = [f"{height * 2**i}x{width * 2**i}" for i in range(len(widths))]
        *growing, last = [sizes[0], *(word + size for size in sizes[1:] for word in ("fade in ", ""))]
        self.in_stages(*map(Stage, growing), Stage(last, LAST))
        self.generator = Generator(self.image_shape, latent_dim, widths, self.grown, name="generator")
        self.discriminator = Discriminator(self.image_shape, widths, self.grown, name="discriminator")

    def optimizers(self):
        adam = dict(learning_rate=1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
        return {
            "generator_optimizer": keras.optimizers.Adam(**adam, use_ema=True, ema_momentum=0.999),
            "discriminator_optimizer": keras.optimizers.Adam(**adam),
        }

    def grown(self) -> tuple:
        """The resolution reached, and the share of its layers beside those of the one before, None for all."""
        stage = self.stages.index(self.stage)
        return (stage + 1) // 2, self.progress if stage % 2 else None

    def begin_stage(self):
        """New layers follow old ones: gradients have another size, and moments of the old size would mislead them."""
        for player in self.players:
            restart(self.player_optimizer(player))

    def real(self, x):
        return self.discriminator.blended(x)

    def seen(self, x, batch, step):
        return self.discriminator.shrunk(x)

    def terms(self, play, player):
        yield from super().terms(play, player)
        if player == "discriminator":
            yield "drift", self.drift * ops.mean(ops.square(play.real))


class Growing(layers.Layer):
    """What both networks have in common: pictures of every resolution, at full size on the outside.

    Args:
        image_shape: of full size.
        widths: channels from the smallest picture up.
        grown: function returning the resolution reached and the share of its layers; see `ProGAN.grown`.
    """

    def __init__(self, image_shape, widths, grown, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.widths, self.grown, self.channels = tuple(widths), grown, image_shape[-1]
        height, width = stages_of(image_shape, len(widths) - 1)
        self.sizes = [(height * 2**i, width * 2**i) for i in range(len(widths))]
        self.built = True

    def maps(self, level) -> tuple:
        """Shape of the features at a resolution."""
        return (*self.sizes[level], self.widths[level])


class Generator(Growing):
    """From latents to pictures: those of the resolution reached, enlarged."""

    def __init__(self, image_shape, latent_dim, widths, grown, **kwargs):
        super().__init__(image_shape, widths, grown, **kwargs)
        z = keras.Input((latent_dim,))
        x = Dense(self.sizes[0][0] * self.sizes[0][1] * widths[0], bias=None)(_normalised(z))
        x = _normalised(leaky(Bias()(layers.Reshape(self.maps(0))(x))))
        self.first = network(z, _normalised(leaky(Conv(widths[0], 3)(x))))
        self.blocks, self.colours = [], [self._colour(0)]
        for level in range(1, len(widths)):
            x = inputs = keras.Input(self.maps(level - 1))
            x = layers.UpSampling2D(2)(x)
            for _ in range(2):
                x = _normalised(leaky(Conv(widths[level], 3)(x)))
            self.blocks.append(network(inputs, x))
            self.colours.append(self._colour(level))

    def _colour(self, level):
        x = keras.Input(self.maps(level))
        return network(x, Conv(self.channels, 1)(x))

    def call(self, z):
        level, share = self.grown()
        x = self.first(z)
        for block in self.blocks[:level]:
            before, x = x, block(x)
        picture = self.colours[level](x)
        if share is not None:
            picture = share * picture + (1.0 - share) * _enlarged(self.colours[level - 1](before), 2)
        return _enlarged(picture, 2 ** (len(self.blocks) - level))


class Discriminator(Growing):
    """From pictures to scores: shrunk to the resolution reached, if they are larger."""

    def __init__(self, image_shape, widths, grown, **kwargs):
        super().__init__(image_shape, widths, grown, **kwargs)
        x = inputs = keras.Input(self.maps(0))
        x = leaky(Conv(widths[0], 3)(BatchDeviation()(x)))
        x = leaky(Dense(widths[0])(layers.Flatten()(x)))
        self.last = network(inputs, Dense(1)(x))
        self.blocks, self.features = [], [self._features(0)]
        for level in range(1, len(widths)):
            x = inputs = keras.Input(self.maps(level))
            x = leaky(Conv(widths[level], 3)(x))
            x = leaky(Conv(widths[level - 1], 3)(x))
            self.blocks.append(network(inputs, layers.AveragePooling2D(2)(x)))
            self.features.append(self._features(level))

    def _features(self, level):
        x = keras.Input((*self.sizes[level], self.channels))
        return network(x, leaky(Conv(self.widths[level], 1)(x)))

    def shrunk(self, x):
        """Pictures at the resolution reached."""
        times = x.shape[1] // self.sizes[self.grown()[0]][0]
        return ops.average_pool(x, times) if times > 1 else x

    def blended(self, x):
        """Pictures of the data at the resolution reached, as blurred as the generator's while it fades in."""
        share, x = self.grown()[1], self.shrunk(x)
        return x if share is None else share * x + (1.0 - share) * _enlarged(ops.average_pool(x, 2), 2)

    def call(self, x, training=False):
        level, share = self.grown()
        x = self.shrunk(x)
        h = self.features[level](x)
        for i in reversed(range(level)):
            h = self.blocks[i](h)
            if share is not None and i == level - 1:
                h = share * h + (1.0 - share) * self.features[i](ops.average_pool(x, 2))
        return self.last(h, training=training)


def _normalised(x):
    """Features of every pixel divided by the root of their mean square."""
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)


def _enlarged(x, times):
    return layers.UpSampling2D(times)(x) if times > 1 else x
