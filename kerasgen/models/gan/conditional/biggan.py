"""BigGAN.  Brock, Donahue, Simonyan, 2018, Large Scale GAN Training for High Fidelity Natural Image Synthesis,
arXiv:1809.11096.

Residual networks with self-attention, made large. The latent is cut into chunks, one for each depth of the generator;
a chunk and an embedding of the class, shared by all depths, set the gains and biases of batch normalisation. Both
networks are spectrally normalised, the hinge loss compares scores, and the discriminator's score of a class is a
projection on it. After training, truncation trades variety for fidelity: latents are drawn from the middle of their
distribution only.

Differs from the paper: generated pictures have the classes of the real ones in the batch, where the authors draw them.
Truncation is given as the share of the latent's mass that is kept, P(|z| < threshold): 1 is the whole normal, 0.954 the
paper's threshold 2, 0.683 the threshold 1. Samples use the running statistics of batch normalisation at every
truncation, averaged with the weights.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.nets.layers import spectral
from kerasgen.nets.layers.attention import self_attention
from kerasgen.nets.network import network
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.gan import game, losses, penalties

PAPER = Paper(
    title="Large Scale GAN Training for High Fidelity Natural Image Synthesis",
    authors="A. Brock and J. Donahue and K. Simonyan",
    year=2018,
    reference="arXiv:1809.11096",
    tags=("adversarial", "class-conditional", "spectral normalisation", "attention", "hinge"),
)


class BigGAN(game.Game):
    """Class-conditional residual GAN with hinge loss.

        L_D = E [1 - D(x, y)]+ + E [1 + D(G(z, y), y)]+,   L_G = -E D(G(z, y), y) + beta sum_W |W'W . (1 - I)|^2
        D(x, y) = h(x) . (w + V_y) + b

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** (len(multipliers) - 1).
        num_classes: number of classes y, at least 1.
        latent_dim: size of z ~ N(0, I); divides by len(multipliers), the number of chunks.
        width: channels at full size.
        multipliers: channels of the generator over `width`, from its smallest picture up; the discriminator mirrors
            them.
        embedding: size of the class embedding that all depths of the generator share.
        attention: heights of the feature maps that have self-attention.
        orthogonality: beta, the weight of the generator's orthogonal regularisation.
        discriminator_steps: per step of the generator, each on a batch of its own.
        augmentations: names in `kerasgen.objectives.augment`; the paper has none.

    Raises:
        ValueError: the picture is too small for so many stages, a latent that does not divide, no classes.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.BigGAN(
        ...     image_shape=(8, 8, 1), num_classes=10, latent_dim=12, width=4, multipliers=(2, 2, 1), attention=(4,))
        >>> model.sample(2, seed=7, label=3, truncation=0.7).shape
        (2, 8, 8, 1)
    """

    adversarial_loss = losses.HINGE

    def __init__(
        self, image_shape=(128, 128, 3), num_classes=1000, latent_dim=120, width=96, multipliers=(16, 16, 8, 4, 2, 1),
        embedding=128, attention=(64,), orthogonality=1e-4, discriminator_steps=2, augmentations=(), **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if num_classes < 1:
            raise ValueError(f"num_classes: expected at least 1, got {num_classes}")
        if latent_dim % len(multipliers):
            raise ValueError(f"latent_dim: expected a multiple of {len(multipliers)} chunks, got {latent_dim}")
        self.image_shape, self.num_classes, self.latent_dim = tuple(image_shape), num_classes, latent_dim
        self.penalties = (penalties.Orthogonal(orthogonality, spectral.kernels),)
        self.critic_steps = discriminator_steps
        self.augmentations = tuple(augmentations)
        widths = [width * multiplier for multiplier in multipliers]
        self.generator = _generator(self.image_shape, num_classes, latent_dim, widths, embedding, attention)
        self.discriminator = _discriminator(self.image_shape, num_classes, widths[::-1], attention)

    @classmethod
    def sized(cls, data):
        height, stages = data.shape[0], halvings(data.shape)
        if stages < 4:  # that of the authors' code for 32 pixels
            return {
                "multipliers": (4,) * (stages + 1),
                "width": 64,
                "attention": (height // 2,),
                "latent_dim": 32 * (stages + 1),
            }
        multipliers = (16, 16, 8, 4, 2, 1) if stages < 6 else (16, 16, 8, 8, 4, 2, 1)
        return {"multipliers": multipliers[: stages + 1], "attention": (height // 2,), "latent_dim": 20 * (stages + 1)}

    def optimizers(self):
        rates = {"generator_optimizer": 5e-5, "discriminator_optimizer": 2e-4}
        adam = {name: keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.999) for name, rate in rates.items()}
        adam["generator_optimizer"].use_ema, adam["generator_optimizer"].ema_momentum = True, 0.9999
        return adam

    def prior(self, seed, stream, index, truncation=1.0):
        """z ~ N(0, I) given |z| < t, t such that a share `truncation` of the mass is kept: the inverse of its CDF."""
        u = random.uniform(seed, stream, index, (self.latent_dim,)) - 0.5 + 2.0**-25  # exact, symmetric about 0
        return 2.0**0.5 * tf.math.erfinv(2.0 * truncation * u)

    def serve_sample(self, seed, index, given, truncation=1.0):
        return self.serve_decode(self.prior(seed, random.LATENT, index, truncation), given)


def _generator(image_shape, num_classes, latent_dim, widths, embedding, attention):
    height, width = stages_of(image_shape, len(widths) - 1)
    z, label = keras.Input((latent_dim,)), keras.Input((), dtype="int32")
    first, *chunks = ops.split(z, len(widths), axis=1)
    shared = layers.Embedding(num_classes, embedding, embeddings_initializer="orthogonal")(label)
    x = spectral.Dense(height * width * widths[0])(first)
    x = layers.Reshape((height, width, widths[0]))(x)
    for channels, chunk in zip(widths[1:], chunks, strict=True):
        x = _up(x, channels, layers.Concatenate()([shared, chunk]))
        x = self_attention(x) if x.shape[1] in attention else x
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)(x))
    x = layers.Activation("tanh")(spectral.Conv(image_shape[-1], 3)(x))
    return network([z, label], x, name="generator")


def _up(x, channels, condition):
    """A residual block that doubles the sides."""
    h = layers.UpSampling2D(2)(layers.ReLU()(_conditional_norm(x, condition)))
    h = spectral.Conv(channels, 3)(h)
    h = spectral.Conv(channels, 3)(layers.ReLU()(_conditional_norm(h, condition)))
    return layers.Add()([h, spectral.Conv(channels, 1)(layers.UpSampling2D(2)(x))])


def _conditional_norm(x, condition):
    """Batch normalisation whose gains 1 + A c and biases B c follow from a condition c (B, D)."""
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, center=False, scale=False, synchronized=True)(x)
    gain, bias = (
        layers.Reshape((1, 1, x.shape[-1]))(spectral.Dense(x.shape[-1], use_bias=False)(condition)) for _ in "gb"
    )
    return layers.Add()([x, layers.Multiply()([x, gain]), bias])


def _discriminator(image_shape, num_classes, widths, attention):
    x = picture = keras.Input(image_shape)
    for i, channels in enumerate(widths):
        x = _down(x, channels, first=i == 0, last=i == len(widths) - 1)
        x = self_attention(x) if x.shape[1] in attention else x
    # The sum over places, by the mean, which every runtime knows.
    h = layers.Rescaling(x.shape[1] * x.shape[2])(layers.GlobalAveragePooling2D()(layers.ReLU()(x)))
    any_class, classes = spectral.Dense(1)(h), spectral.Dense(num_classes, use_bias=False)(h)
    return network(picture, layers.Add()([any_class, classes]), name="discriminator")


def _down(x, channels, first, last):
    """A residual block that halves the sides, but for the last; the first one sees pictures, which may be negative."""
    h = spectral.Conv(channels, 3)(x if first else layers.ReLU()(x))
    h = spectral.Conv(channels, 3)(layers.ReLU()(h))
    if last:
        return layers.Add()([h, x if x.shape[-1] == channels else spectral.Conv(channels, 1)(x)])
    # A 1x1 convolution and a mean over places may change their order; the smaller of the two comes first.
    return layers.Add()([layers.AveragePooling2D(2)(h), spectral.Conv(channels, 1)(layers.AveragePooling2D(2)(x))])
