"""StyleGAN.  Karras, Laine, Aila, 2018, A Style-Based Generator Architecture for Generative Adversarial Networks,
arXiv:1812.04948.

A mapping network turns the latent into a style w. The synthesis network begins with a learned constant; after each of
its layers fresh noise is added, every feature map is brought to mean 0 and deviation 1, and w gives it a mean and a
deviation of its own (adaptive instance normalisation). So what is said at one layer is forgotten at the next, and
styles of coarse layers say what is seen, those of fine ones in which colours. In training some pictures have two
latents, one for the coarse layers and one for the others. Both networks grow, and filters smooth each doubling and
halving.

Differs from the paper: batches have one size and one rate throughout (the authors' batches are larger and their rate is
lower at small pictures); averages of the weights begin anew with the optimisers. The constant begins as noise, as in
their later code, not as ones, which the normalisation makes zeros. Biases learn at the gain of their layer. The
deviation that the discriminator sees is that of the whole batch (theirs of groups of four), in evaluation and for R1 a
running average. `decode` leaves the noise out.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.core.ranges import shown
from kerasgen.nets.gan import growing, styles
from kerasgen.nets.layers.equalized import Bias, Conv, Dense, leaky
from kerasgen.nets.layers.low_pass import THREE, blur
from kerasgen.nets.network import network
from kerasgen.nets.sizes import maps_of_sides
from kerasgen.objectives.gan import penalties
from kerasgen.objectives.gan.growing import Growing

PAPER = Paper(
    title="A Style-Based Generator Architecture for Generative Adversarial Networks",
    authors="T. Karras and S. Laine and T. Aila",
    year=2018,
    reference="arXiv:1812.04948",
    tags=("adversarial", "style", "adaptive instance normalisation", "growing", "truncation", "R1"),
)


class StyleGAN(Growing):
    """Growing style-based GAN with the non-saturating loss.

        w = mapping(z),  x = synthesis(w_1 .. w_L, noise)
        after each layer:  x_c <- (1 + s_c) (x_c - mean of x_c) / deviation of x_c + b_c,   (s, b) = A w
        L_D = E sp(-D(x)) + E sp(D(G(z))) + gamma / 2 E |dD(x)/dx|^2,   L_G = E sp(-D(G(z)))

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** (len(widths) - 1).
        latent_dim: size of z ~ N(0, I) and of w.
        widths: channels from the smallest picture up, one for every resolution; the discriminator mirrors them.
        mapping: number of layers of the mapping network.
        begins: the first resolution that is trained, counted from 0.
        epochs: of every stage, and of the last one, at full size.
        gamma: weight of R1.
        mixing: share of training pictures whose fine styles come from a second latent.
        truncated: number of layers, from the first, whose styles truncation pulls to their mean.

    Raises:
        ValueError: the picture is too small for so many resolutions, or none is left to be trained.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.StyleGAN(image_shape=(16, 16, 1), latent_dim=8, widths=(8, 8, 8), mapping=2)
        >>> [stage.name for stage in model.stages]
        ['8x8', 'fade in 16x16', '16x16']
        >>> model.sample(2, seed=7, truncation=0.7).shape
        (2, 16, 16, 1)
    """

    def __init__(
        self, image_shape=(1024, 1024, 3), latent_dim=512, widths=(512, 512, 512, 512, 256, 128, 64, 32, 16),
        mapping=8, begins=1, epochs=(3, 83), gamma=10.0, mixing=0.9, truncated=8, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.penalties, self.mixing, self.truncated = (penalties.R1(gamma),), mixing, truncated
        self.grow_through(len(widths), begins, epochs)
        options = dict(widths=widths, grown=self.grown, begins=begins)
        self.generator = Generator(self.image_shape, latent_dim, mapping, **options, name="generator")
        self.discriminator = growing.Discriminator(self.image_shape, block=_smaller, **options, name="discriminator")
        self.mean_style = self.add_weight(shape=(latent_dim,), initializer="zeros", trainable=False, name="mean_style")

    @classmethod
    def sized(cls, data):
        return {"widths": maps_of_sides(data.shape, 16384)}

    def optimizers(self):
        adam = dict(learning_rate=1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
        return {
            "generator_optimizer": keras.optimizers.Adam(**adam, use_ema=True, ema_momentum=0.997784),
            "discriminator_optimizer": keras.optimizers.Adam(**adam),
        }

    def synthesise(self, seed, step, index, w):
        """Pictures of styles (B, L, latent_dim), with fresh noise."""
        return self.generator([w, random.normal(seed, random.NOISE + step, index, (self.generator.places,))])

    def styles(self, seed, step, index, training):
        """A style for each layer; in training some pictures have two."""
        mapping, depth = self.generator.mapping, self.generator.depth
        if training:
            return styles.mixed(mapping, seed, step, index, depth, self.mixing)
        return styles.one_each(styles.drawn(mapping, seed, random.LATENT + 2 * step, index), depth)

    def draw(self, seed, step, index, given, training=False):
        w = self.styles(seed, step, index, training)
        if training:
            styles.follow(self.mean_style, w[:, 0])
        return self.synthesise(seed, step, index, w)

    def picture(self, latent, given, training=False):
        w = styles.one_each(self.generator.mapping(latent), self.generator.depth)
        return self.generator([w, tf.zeros((tf.shape(w)[0], self.generator.places))])

    def serve_sample(self, seed, index, truncation=1.0):
        w, mean = self.styles(seed, 0, index, training=False), tf.convert_to_tensor(self.mean_style)
        pulled = tf.range(self.generator.depth)[:, None] < self.truncated
        return shown(self.synthesise(seed, 0, index, tf.where(pulled, mean + truncation * (w - mean), w)))


class Generator(growing.Generator):
    """From styles (B, L, D) and noise (B, N), of the layers up to the resolution reached, to pictures."""

    def __init__(self, image_shape, latent_dim, mapping, widths, grown, begins, **kwargs):
        super().__init__(image_shape, widths, grown, begins, **kwargs)
        self.latent_dim = latent_dim
        self.mapping = styles.mapping(latent_dim, mapping)
        self.first = self._block(0)
        self.build_up(self._block)

    @property
    def depth(self) -> int:
        """Number of layers up to the resolution reached, L."""
        return 2 * (self.grown()[0] + 1)

    @property
    def places(self) -> int:
        """Numbers of noise in them, N."""
        return self._places(self.grown()[0] + 1)

    def _places(self, levels):
        return sum(2 * height * width for height, width in self.sizes[:levels])

    def _block(self, level):
        height, width = self.sizes[level]
        w, noise = keras.Input((2, self.latent_dim)), keras.Input((2 * height * width,))
        fields = layers.Reshape((2, height, width, 1))(noise)

        def styled(x, i):
            x = leaky(Bias()(styles.Noise(each=True)(x, fields[:, i])))
            return AdaptiveNorm()(x, w[:, i])

        if level:
            x = before = keras.Input(self.maps(level - 1))
            x = blur(Conv(self.widths[level], 3, use_bias=False)(layers.UpSampling2D(2)(x)), THREE, 1)
        else:
            x = styles.Constant(self.maps(0))(w)
        x = styled(Conv(self.widths[level], 3, use_bias=False)(styled(x, 0)), 1)
        return network([before, w, noise] if level else [w, noise], x)

    def features(self, level, x, given):
        w, noise = given
        said = [w[:, 2 * level : 2 * level + 2], noise[:, self._places(level) : self._places(level + 1)]]
        return self.blocks[level - 1]([x, *said]) if level else self.first(said)


class AdaptiveNorm(layers.Layer):
    """Adaptive instance normalisation: every feature map of every example is given the style's mean and deviation.

    y_c = (1 + s_c) (x_c - mean of x_c) / deviation of x_c + b_c,   (s, b) = A w
    """

    def build(self, x_shape, style_shape):
        self.affine = Dense(2 * x_shape[-1], dtype="float32")
        self.affine.build(style_shape)

    def call(self, x, style):
        s, b = ops.split(self.affine(style)[:, None, None], 2, axis=-1)  # (B, 1, 1, C)
        y = ops.cast(x, "float32")  # squares overflow half precision
        y = y - ops.mean(y, axis=(1, 2), keepdims=True)
        y = y * ops.rsqrt(ops.mean(ops.square(y), axis=(1, 2), keepdims=True) + 1e-8)
        return ops.cast((1.0 + s) * y + b, x.dtype)

    def compute_output_shape(self, x_shape, style_shape):
        return x_shape


def _smaller(x, width, narrow):
    """Features of the discriminator at half the sides."""
    x = leaky(Conv(width, 3)(x))
    x = Conv(narrow, 3, use_bias=False)(blur(x, THREE, 1))
    return leaky(Bias()(layers.AveragePooling2D(2)(x)))
