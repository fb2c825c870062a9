"""Glow.  Kingma, Dhariwal, 2018, Glow: Generative Flow with Invertible 1x1 Convolutions, arXiv:1807.03039.

Real NVP with three changes. Instead of masks that alternate, a learned rotation of the channels, W = P L (U + diag(s)),
lets every coupling see a new half; its log-determinant, h w sum ln |s|, costs nothing. Instead of batch normalisation,
a scale and shift per channel that are set once, so that the first batch comes out with mean 0 and variance 1, and are
then learned. And nothing but the channels is ever split: a step is

    actnorm -> invertible 1x1 convolution -> affine coupling of the two halves of the channels.

After every scale half of the channels leave as latents under a normal whose mean and deviation the staying half
predicts. In terms of standard normals that is one more coupling, and so `temperature` scales all draws alike.

Vectors go through the same steps, with matrices in the place of convolutions.

3x3 convolutions see one more channel, 1 outside of the picture and 0 inside, and so know its edges. The mean and the
deviation of the last latents are what such a convolution makes of nothing but that channel.

Differs from the paper: in a convolution of zeros, which the authors' code (https://github.com/openai/glow) has before
the last latents, only the weights of the edge channel ever move; the others are left out. W is learned by its factors,
as the paper proposes; the code's default is the matrix itself. The first rotations are fixed, so that permutations and
signs, which are not learned, need not be kept with the weights. The rate warms up for 7,800 steps, ten epochs of
CIFAR-10 in batches of 64. Pictures are not shifted or flipped. Dropout may be asked for, and Real NVP's logit, without
which a flow must spend its steps on what is piled up at black and at white.
"""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.nets import bijectors
from kerasgen.nets.bijectors import Chain, Coupling, FirstChannels, MaskedCoupling
from kerasgen.nets.network import network
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.density import flow, likelihood

PAPER = Paper(
    title="Glow: Generative Flow with Invertible 1x1 Convolutions",
    authors="D. P. Kingma and P. Dhariwal",
    year=2018,
    reference="arXiv:1807.03039",
    tags=("exact likelihood", "coupling", "actnorm", "bijector"),
)

SPEED = 3.0  # log-scales are this many times a weight, so that they learn as much faster


class Glow(flow.Flow):
    """Flow of affine couplings between learned rotations of the channels.

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors.
        levels: number of grey levels of the data, None for continuous data.
        scales: L, resolutions of the multi-scale stack; ignored for vectors.
        steps: K, steps per resolution.
        width: feature maps (units for vectors) of the coupling networks.
        dropout: share of features dropped in training, inside the coupling networks.
        alpha: given, pictures go through Real NVP's logit, which keeps this share of its range free, half at each end.

    Raises:
        ValueError: the sides of the picture do not divide by 2 ** scales; vectors of one number, or with alpha; alpha
            is no share.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.Glow(image_shape=(8, 8, 1), levels=17, scales=2, steps=2, width=8)
        >>> model.sample(3, seed=7, temperature=0.7).shape
        (3, 8, 8, 1)
    """

    adapts = True
    kinds = ("picture", "vector")

    def __init__(
        self, image_shape=(32, 32, 3), levels=None, scales=3, steps=32, width=512, dropout=0.0, alpha=None, **kwargs
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.levels, self.steps, self.alpha = tuple(image_shape), levels, steps, alpha
        self.latent_dim = math.prod(self.image_shape)
        if alpha is not None and not 0 < alpha < 1:
            raise ValueError(f"alpha: expected a number between 0 and 1, or None, got {alpha}")
        if len(self.image_shape) == 1:
            if self.latent_dim < 2:
                raise ValueError(f"image_shape: expected vectors of two numbers or more, got {image_shape}")
            if alpha is not None:
                raise ValueError(f"alpha: expected None for vectors, which have no range, got {alpha}")
            shapes = [self.image_shape]
        else:
            stages_of(self.image_shape, scales)
            height, width_, channels = self.image_shape
            shapes = [(height >> i, width_ >> i, channels << (i + 1)) for i in range(1, scales + 1)]
        self.shapes = shapes
        each = [shape for shape in shapes for _ in range(steps)]
        # Densities are in single precision whatever the networks compute in.
        self.norms = [ActNorm(dtype="float32") for _ in each]
        self.rotations = [Rotation(i, dtype="float32") for i, _ in enumerate(each)]
        self.networks = [_coupling_network(shape, width, dropout) for shape in each]
        self.priors = [_prior_network(shape) for shape in shapes[:-1]]
        self.last = _last_prior(shapes[-1])
        for layer, shape in zip([*self.norms, *self.rotations], [*each, *each], strict=True):
            layer.build(shape)

    @classmethod
    def sized(cls, data):
        return {"scales": halvings(data.shape)}

    def optimizers(self):
        rate = keras.optimizers.schedules.CosineDecay(0.0, 10**9, warmup_target=1e-3, warmup_steps=7800)
        return {"optimizer": keras.optimizers.Adamax(rate, use_ema=True, ema_momentum=0.999)}

    def adapt(self, x):
        """Set every actnorm, also those inside of the networks, by what the first batch is when it gets there."""
        inner = [layer for net in self.networks for layer in net.layers if isinstance(layer, ActNorm)]
        noise = random.uniform(0, random.DEQUANTIZE, tf.range(len(x)), self.image_shape) if self.levels else 0.0
        for layer in [*self.norms, *inner]:
            layer.adapting = True
        self.bijector().inverse(likelihood.to_units(tf.cast(x, tf.float32), self.levels) + noise)
        for layer in [*self.norms, *inner]:
            layer.adapting = False

    def bijector(self, training=False):
        pictures = len(self.image_shape) == 3
        last = MaskedCoupling(self.last, np.zeros(self.shapes[-1], "float32"), training)
        for scale, shape in reversed(list(enumerate(self.shapes))):
            part, kept = slice(scale * self.steps, (scale + 1) * self.steps), _kept(shape)
            parts = [bijectors.squeeze()] if pictures else []
            for norm, rotation, net in zip(self.norms[part], self.rotations[part], self.networks[part], strict=True):
                parts += [Channels(norm), Channels(rotation), Coupling(net, kept, True, training)]
            if scale + 1 < len(self.shapes):
                parts += [Coupling(self.priors[scale], kept, True, training), FirstChannels(last)]
            else:
                parts += [last]
            last = Chain(*parts, *([bijectors.unsqueeze()] if pictures else []))
        return Chain(*self.to_range(), last, bijectors.flatten(self.image_shape))

    def to_range(self):
        """From what the flow ends with to the data."""
        if self.alpha is not None:
            return [bijectors.Logistic(float(self.levels or 1), self.alpha / 2)]
        return [bijectors.Range(float(self.levels))] if self.levels else []


class Channels:
    """Apply an invertible layer to the channels of every place; it goes from data to latents."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, z):
        return self.layer.invert(z)

    def inverse(self, x):
        return self.layer(x), bijectors.places(x) * self.layer.log_det()


class ActNorm(layers.Layer):
    """(x + bias) exp(logs) per channel, set so that the first batch comes out with mean 0 and variance 1."""

    adapting = False

    def build(self, shape):
        self.bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="bias")
        self.logs = self.add_weight(shape=(shape[-1],), initializer="zeros", name="logs")

    def call(self, x):
        if self.adapting:
            mean, variance = tf.nn.moments(x, axes=list(range(x.shape.rank - 1)))
            self.bias.assign(-mean)
            self.logs.assign(-tf.math.log(tf.sqrt(variance) + 1e-6) / SPEED)
        return (x + ops.cast(self.bias, x.dtype)) * ops.exp(SPEED * ops.cast(self.logs, x.dtype))

    def invert(self, z):
        return z * tf.exp(-SPEED * self.logs) - self.bias

    def log_det(self):
        return SPEED * tf.reduce_sum(self.logs)


class Rotation(layers.Layer):
    """x W over the channels, W = P L (U + diag(s)): P and the signs of s stay, L, U and ln |s| are learned.

    One square weight holds L below the diagonal, U above it and ln |s| on it. W starts as a rotation, the `number`th.
    """

    def __init__(self, number, **kwargs):
        super().__init__(**kwargs)
        self.number = number

    def build(self, shape):
        size = shape[-1]
        rotation, upper = np.linalg.qr(np.random.RandomState(self.number).randn(size, size))
        lower_upper, order = (t.numpy() for t in tf.linalg.lu(rotation * np.sign(np.diag(upper))))
        self.permutation = np.eye(size, dtype="float32")[np.argsort(order)]
        self.sign = np.sign(np.diag(lower_upper)).astype("float32")
        np.fill_diagonal(lower_upper, np.log(np.abs(np.diag(lower_upper))))
        self.lower_upper = self.add_weight(shape=(size, size), initializer="zeros", name="lower_upper")
        self.lower_upper.assign(lower_upper)

    def call(self, x):
        lower, upper = self.factors()
        return tf.tensordot(x, tf.cast(self.permutation @ lower @ upper, x.dtype), 1)

    def invert(self, z):
        # W is a rotation at first, but its factors are not: in single precision they lose a digit of its inverse.
        lower, upper = (tf.cast(factor, tf.float64) for factor in self.factors())
        inverse = tf.linalg.triangular_solve(lower, self.permutation.T.astype("float64"))
        inverse = tf.linalg.triangular_solve(upper, inverse, lower=False)
        return tf.tensordot(z, tf.cast(inverse, z.dtype), 1)

    def factors(self):
        weight, size = tf.convert_to_tensor(self.lower_upper), len(self.sign)
        below, main = np.tri(size, k=-1, dtype="float32"), np.eye(size, dtype="float32")
        scale = self.sign * tf.exp(tf.linalg.diag_part(weight))
        return weight * below + main, weight * below.T + main * scale

    def log_det(self):
        return tf.linalg.trace(self.lower_upper)


class FastScale(layers.Layer):
    """x times a scale per channel that learns fast."""

    def build(self, shape):
        self.logs = self.add_weight(shape=(shape[-1],), initializer="zeros", name="logs")

    def call(self, x):
        return x * ops.exp(SPEED * self.logs)


def _edged(x, seen=True):
    """Zeros around a picture, and a channel that is 1 there and 0 inside; of what is not to be seen, that alone."""
    around = ((0, 0), (1, 1), (1, 1), (0, 0))
    edge = 1.0 - ops.pad(ops.ones_like(x[..., :1]), around)
    return ops.concatenate([ops.pad(x, around), edge], axis=-1) if seen else edge


def _linear(x, units, size, seen=True, **options):
    """A convolution, or a product with a matrix for vectors."""
    if len(x.shape) == 2:
        return layers.Dense(units, **options)(x if seen else ops.ones_like(x[..., :1]))
    return layers.Conv2D(units, size, **options)(_edged(x, seen) if size == 3 else x)


def _zeros(x, units, seen=True):
    """The same, starting at zero, with scales of the outputs that learn fast."""
    return FastScale()(_linear(x, units, 3, seen, kernel_initializer="zeros"))


def _kept(shape):
    return shape[-1] - shape[-1] // 2


def _coupling_network(shape, width, dropout):
    """First half -> (log-scale, shift) of the second; in the direction of latents the scale is sigmoid(raw + 2)."""
    x = first = keras.Input((*shape[:-1], _kept(shape)))
    for size in (3, 1):
        x = _linear(x, width, size, kernel_initializer="random_normal", use_bias=False)
        x = layers.ReLU()(ActNorm()(x))
        x = layers.Dropout(dropout)(x) if dropout else x
    raw, shift = ops.split(_zeros(x, 2 * (shape[-1] // 2)), 2, axis=-1)
    return network(first, [ops.softplus(-raw - 2.0), shift])


def _prior_network(shape):
    """First half -> (log-deviation, mean) of the normal of the second."""
    first = keras.Input((*shape[:-1], _kept(shape)))
    return network(first, ops.split(_zeros(first, 2 * (shape[-1] // 2)), 2, axis=-1))


def _last_prior(shape):
    """(Log-deviation, mean) of the normal of the last latents, of which nothing is known but the edges."""
    z = keras.Input(shape)
    return network(z, ops.split(_zeros(z, 2 * shape[-1], seen=False), 2, axis=-1))
