"""Real NVP.  Dinh, Sohl-Dickstein, Bengio, 2016, arXiv:1605.08803.

Half of the elements pass unchanged and decide how the other half is scaled and shifted; halves alternate, so that after
a few such couplings everything has moved. The Jacobian is triangular: its log-determinant is the sum of the log-scales,
and the inverse costs as much as the forward pass.

Pictures go through a multi-scale stack: three couplings with checkerboard masks, a squeeze that trades space for
channels, three couplings of the halves of the channels, then half of the channels leave as finished latents; the last
scale has four checkerboard couplings. Vectors go through couplings with alternating halves. Batch normalisation follows
every coupling, by running averages that include the batch, and its scale counts in the log-determinant.

The coupling networks are residual, with batch normalisation and normalised weights; 1x1 convolutions of every block are
added up before the last layer. They see x and -x, each cut at zero, and a checkerboard shows its mask as one more
channel. Their width doubles at every scale, and again for couplings of channels. Layers are as in the authors' code,
https://github.com/tensorflow/models, research/real_nvp.

Differs from the paper: the logit keeps 0.05 of its range free at both ends, as the authors' code does, where the paper
has it at the dark end only (and is infinite at white). Shifts are added before scales, z = (x - t) exp(-s), as in the
authors' code. Batch normalisation of a coupling is of its whole output, as in the paper; the authors' code normalises
the moved half alone, by the batch's own moments. The decay of weight scales moves the weights, but is no part of the
reported loss. Pictures are not flipped. Dropout may be asked for. Vectors, which the paper only draws, have matrices in
the place of convolutions.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.nets import bijectors
from kerasgen.nets.bijectors import Chain, Coupling, MaskedCoupling, Normalization, RunningStatistics
from kerasgen.nets.network import network
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.density import flow

PAPER = Paper(
    title="Density estimation using Real NVP",
    authors="L. Dinh and J. Sohl-Dickstein and S. Bengio",
    year=2016,
    reference="arXiv:1605.08803",
    tags=("exact likelihood", "coupling", "bijector"),
)

DECAY = 5e-5  # of the weights' scales


class RealNVP(flow.Flow):
    """Flow of affine couplings, x2 = z2 * exp(s(x1)) + t(x1).

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors.
        levels: number of grey levels of the data, None for continuous data.
        width: feature maps (units for vectors) of the coupling networks at the first scale.
        blocks: residual blocks of each coupling network.
        scales: resolutions of the multi-scale stack; ignored for vectors.
        couplings: number of couplings for vectors; ignored for pictures.
        dropout: share of features dropped in training, inside the residual blocks.
        alpha: share of its range that the logit keeps free, half at each end, so that it is finite; ignored for
            vectors.

    Raises:
        ValueError: the sides of the picture do not divide by 2 ** (scales - 1); vectors of one number; alpha is no
            share.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.RealNVP(image_shape=(2,), couplings=4, width=16)
        >>> model.log_prob(model.sample(3, seed=7)).shape
        (3,)
    """

    kinds = ("picture", "vector")

    def __init__(
        self,
        image_shape=(32, 32, 3),
        levels=None,
        width=64,
        blocks=8,
        scales=2,
        couplings=12,
        dropout=0.0,
        alpha=0.1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape, self.levels, self.scales, self.alpha = tuple(image_shape), levels, scales, alpha
        self.latent_dim = math.prod(self.image_shape)
        if not 0 < alpha < 1:
            raise ValueError(f"alpha: expected a number between 0 and 1, got {alpha}")
        if len(self.image_shape) == 1:
            if self.latent_dim < 2:
                raise ValueError(f"image_shape: expected vectors of two numbers or more, got {image_shape}")
            plan = [(self.image_shape, _half(self.latent_dim, i), width) for i in range(couplings)]
        else:
            stages_of(self.image_shape, scales - 1)
            plan = _multi_scale(self.image_shape, scales, width)
        self.masks = [mask for _, mask, _ in plan]
        self.networks = [_network(shape, mask, maps, blocks, dropout) for shape, mask, maps in plan]
        self.statistics = [RunningStatistics() for _ in plan]
        for statistics, (shape, _, _) in zip(self.statistics, plan, strict=True):
            statistics.build(shape)

    @classmethod
    def sized(cls, data):
        if data.kind == "vector":
            return {}
        return {"scales": halvings(data.shape, smallest=8)}

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-3, epsilon=1e-8, global_clipnorm=100.0)}

    def bijector(self, training=False):
        steps = [
            Chain(_coupling(mask, net, training), Normalization(statistics, training))
            for mask, net, statistics in zip(self.masks, self.networks, self.statistics, strict=True)
        ]
        if len(self.image_shape) == 1:
            return Chain(*steps)
        height, width, channels = self.image_shape
        last = Chain(*steps[-4:])
        for scale in reversed(range(self.scales - 1)):
            checkered, halved = steps[6 * scale : 6 * scale + 3], steps[6 * scale + 3 : 6 * scale + 6]
            by_colour, diagonal_first = _orders(channels << scale)
            last = Chain(
                *checkered,
                bijectors.squeeze(),
                bijectors.permute(by_colour),
                *halved,
                bijectors.permute(diagonal_first),
                bijectors.FirstChannels(last),
                *([bijectors.unsqueeze()] if scale else []),  # to the size at which the scale before split
            )
        shape = (height // 2, width // 2, 4 * channels) if self.scales > 1 else self.image_shape
        return Chain(bijectors.Logistic(float(self.levels or 1), self.alpha / 2), last, bijectors.flatten(shape))


def _multi_scale(shape, scales, width):
    """(shape, mask, feature maps) of every coupling: of places (h, w, 1), or of channels (c,)."""
    height, length, channels = shape
    checkerboard = ((1 + np.indices((height, length)).sum(0)) % 2)[..., None].astype("float32")
    checkered = [(shape, 1.0 - checkerboard if i % 2 else checkerboard, width) for i in range(4)]
    if scales == 1:
        return checkered
    squeezed = (height // 2, length // 2, 4 * channels)
    halved = [(squeezed, _half(4 * channels, i), 2 * width) for i in range(3)]
    return checkered[:3] + halved + _multi_scale((*squeezed[:2], 2 * channels), scales - 1, 2 * width)


def _half(size, number):
    """1 where an element passes: in the first half, or, of every other coupling, in the rest."""
    return ((np.arange(size) < size // 2) != bool(number % 2)).astype("float32")


def _orders(channels):
    """Of the channels after a squeeze: all of a colour together; and from there, the diagonals of 2x2 patches first.

    So halves of channels are no checkerboards, and the half that goes on has pixels from all rows and columns.
    """
    place, colour = np.divmod(np.arange(4 * channels), channels)
    by_colour = np.lexsort((place, colour))
    rank = np.array([0, 2, 3, 1])[place]  # of a patch, row by row
    return by_colour.tolist(), np.lexsort((colour[by_colour], rank[by_colour])).tolist()


def _coupling(mask, net, training):
    if mask.ndim == 3:
        return MaskedCoupling(net, mask, training)
    return Coupling(net, int(mask.sum()), bool(mask[0]), training)


def _network(shape, mask, width, blocks, dropout):
    """What passes -> (log-scale, shift), for all elements of checkerboards, for the other half of halves."""
    checkered = mask.ndim == 3
    given = keras.Input(shape if checkered else (*shape[:-1], int(mask.sum())))
    x = _normalised(given)
    if checkered:  # half of what it sees are zeros
        place = ops.zeros_like(given[..., :1]) + mask
        x = ops.concatenate([2.0 * x, -2.0 * x, place], axis=-1)
    else:
        x = ops.concatenate([x, -x], axis=-1)
    moved = shape[-1] if checkered else shape[-1] - given.shape[-1]
    x = _residual(layers.ReLU()(x), width, blocks, 2 * moved, dropout)
    raw, shift = ops.split(x, 2, axis=-1)
    return network(given, [LearnedTanh(0.0 if checkered else 1.0)(raw), shift])


def _residual(x, width, blocks, units, dropout):
    """3x3 convolutions around which x passes, and the sum of what a 1x1 convolution sees of every block."""
    x = Weighted(width, 3, scaled=False)(x)
    seen = Weighted(width)(x)
    for _ in range(blocks):
        y = Weighted(width, 3, scaled=False, biased=False)(layers.ReLU()(_normalised(x)))
        y = layers.ReLU()(_normalised(y))
        y = layers.Dropout(dropout)(y) if dropout else y
        x = x + Weighted(width, 3)(y)
        seen = seen + Weighted(width)(x)
    return Weighted(units)(layers.ReLU()(_normalised(seen)))


def _normalised(x):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-4, scale=False, synchronized=True)(x)


class Weighted(layers.Layer):
    """A convolution of normalised weights, w = g v / |v|, or the product with such a matrix, for vectors.

    Args:
        units: feature maps.
        size: pixels of a side of the kernel.
        scaled: learn the lengths g; else they are 1.
        biased: add a bias.

    Reference: Salimans, Kingma, 2016, arXiv:1602.07868.
    """

    def __init__(self, units, size=1, scaled=True, biased=True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.size, self.scaled, self.biased = units, size, scaled, biased

    def build(self, shape):
        inputs, exact = shape[-1], dict(autocast=False)
        window = (self.size, self.size) if len(shape) == 4 else ()
        reach, spread = math.prod(window) * inputs, math.sqrt(2.0 / inputs)
        uniform = keras.initializers.RandomUniform(-spread, spread)
        self.v = self.add_weight(shape=(*window, inputs, self.units), initializer=uniform, name="v", **exact)
        if self.scaled:
            length = keras.initializers.Constant(spread * math.sqrt(reach / 12.0))
            decay = keras.regularizers.L2(DECAY)
            self.g = self.add_weight(shape=(self.units,), initializer=length, regularizer=decay, name="g", **exact)
        if self.biased:
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, x):
        v = ops.convert_to_tensor(self.v)
        kernel = v * ops.rsqrt(ops.sum(ops.square(v), axis=tuple(range(len(v.shape) - 1))) + 1e-12)
        kernel = ops.cast(kernel * self.g if self.scaled else kernel, x.dtype)
        x = ops.conv(x, kernel, padding="same") if len(kernel.shape) == 4 else ops.matmul(x, kernel)
        return x + self.bias if self.biased else x


class LearnedTanh(layers.Layer):
    """gain * tanh(x) with one learned gain: log-scales stay bounded while the network is still wild."""

    def __init__(self, start, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, shape):
        start, decay = keras.initializers.Constant(self.start), keras.regularizers.L2(DECAY)
        self.gain = self.add_weight(shape=(), initializer=start, regularizer=decay, name="gain")

    def call(self, x):
        return self.gain * ops.tanh(x)
