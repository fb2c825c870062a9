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
from kerasgen.nets.gan import growing
from kerasgen.nets.layers.equalized import Bias, Conv, Dense, leaky
from kerasgen.nets.network import network
from kerasgen.nets.sizes import maps_of_sides
from kerasgen.objectives.gan import losses, penalties
from kerasgen.objectives.gan.growing import Growing

PAPER = Paper(
    title="Progressive Growing of GANs for Improved Quality, Stability, and Variation",
    authors="T. Karras and T. Aila and S. Laine and J. Lehtinen",
    year=2017,
    reference="arXiv:1710.10196",
    tags=("adversarial", "growing", "Wasserstein", "equalised learning rate"),
)

LAST = 4  # times as long as another stage lasts the one at full size


class ProGAN(Growing):
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
        self.grow_through(len(widths), epochs=(1, LAST))
        self.generator = Generator(self.image_shape, latent_dim, widths, self.grown, name="generator")
        self.discriminator = growing.Discriminator(self.image_shape, widths, self.grown, _smaller, name="discriminator")

    @classmethod
    def sized(cls, data):
        return {"widths": maps_of_sides(data.shape, 16384)}

    def optimizers(self):
        adam = dict(learning_rate=1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
        return {
            "generator_optimizer": keras.optimizers.Adam(**adam, use_ema=True, ema_momentum=0.999),
            "discriminator_optimizer": keras.optimizers.Adam(**adam),
        }

    def terms(self, play, player):
        yield from super().terms(play, player)
        if player == "discriminator":
            yield "drift", self.drift * ops.mean(ops.square(play.real))


class Generator(growing.Generator):
    """From latents to pictures, with the features of every pixel normalised."""

    def __init__(self, image_shape, latent_dim, widths, grown, **kwargs):
        super().__init__(image_shape, widths, grown, **kwargs)
        z = keras.Input((latent_dim,))
        x = Dense(self.sizes[0][0] * self.sizes[0][1] * widths[0], bias=None)(_normalised(z))
        x = _normalised(leaky(Bias()(layers.Reshape(self.maps(0))(x))))
        self.first = network(z, _normalised(leaky(Conv(widths[0], 3)(x))))
        self.build_up(self._block)

    def _block(self, level):
        x = inputs = keras.Input(self.maps(level - 1))
        x = layers.UpSampling2D(2)(x)
        for _ in range(2):
            x = _normalised(leaky(Conv(self.widths[level], 3)(x)))
        return network(inputs, x)

    def features(self, level, x, given):
        return self.blocks[level - 1](x) if level else self.first(given)


def _smaller(x, width, narrow):
    """Features of the discriminator at half the sides."""
    x = leaky(Conv(width, 3)(x))
    x = leaky(Conv(narrow, 3)(x))
    return layers.AveragePooling2D(2)(x)


def _normalised(x):
    """Features of every pixel divided by the root of their mean square."""
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)
