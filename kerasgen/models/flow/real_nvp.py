"""Real NVP.  Dinh, Sohl-Dickstein, Bengio, 2016, arXiv:1605.08803.

Half of the elements pass unchanged and decide how the other half is scaled and shifted; masks alternate, so that after
a few such couplings everything has moved. The Jacobian is triangular: its log-determinant is the sum of the log-scales,
and the inverse costs as much as the forward pass.

Pictures go through a multi-scale stack: three couplings with checkerboard masks, a squeeze that trades space for
channels, three couplings with channel masks, then half of the channels leave as finished latents; the last scale has
four checkerboard couplings. Vectors go through couplings with alternating halves. Batch normalisation follows every
coupling, and its scale counts in the log-determinant.

Differs from the paper: the logit keeps alpha / 2 at both ends, where the paper keeps alpha at the dark end only (its
map is infinite at white). No weight normalisation; the last layer of each coupling starts at zero, so the flow starts
as the identity, up to the logit.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import layers
from tensorflow_probability import bijectors as tfb

from kerasgen.nets.bijectors import (
    Coupling,
    FirstChannels,
    Normalization,
    RunningStatistics,
    Squeeze,
    chain,
    logistic,
)
from kerasgen.nets.network import network
from kerasgen.nets.shapes import stages_of
from kerasgen.objectives import flow

ALPHA = 0.05  # share of the unit interval kept free of grey levels, so that their logits are finite


class RealNVP(flow.Flow):
    """Flow of affine couplings, y2 = x2 * exp(s(x1)) + t(x1).

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors.
        levels: number of grey levels of the data, None for continuous data.
        width: feature maps (units for vectors) of the coupling networks.
        blocks: residual blocks of each coupling network.
        scales: resolutions of the multi-scale stack; ignored for vectors.
        couplings: number of couplings for vectors; ignored for pictures.
        dropout: share of features dropped in training, inside the residual blocks.

    Raises:
        ValueError: the sides of the picture do not divide by 2 ** (scales - 1).

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape, self.levels, self.scales = tuple(image_shape), levels, scales
        self.latent_dim = math.prod(self.image_shape)
        if len(self.image_shape) == 1:
            masks = [_halves(*self.image_shape, flip=i % 2) for i in range(couplings)]
        else:
            stages_of(self.image_shape, scales - 1)
            masks = _multi_scale_masks(self.image_shape, scales)
        self.networks = [_coupling_network(mask.shape, width, blocks, dropout) for mask in masks]
        self.masks = masks
        self.statistics = [RunningStatistics() for _ in masks]
        for statistics, mask in zip(self.statistics, masks, strict=True):
            statistics.build(mask.shape)

    def optimizers(self):
        return {"optimizer": keras.optimizers.AdamW(1e-3, weight_decay=5e-5)}

    def bijector(self, training=False):
        steps = [
            chain(Coupling(mask, network, training), Normalization(statistics, mask.ndim, training))
            for mask, network, statistics in zip(self.masks, self.networks, self.statistics, strict=True)
        ]
        if len(self.image_shape) == 1:
            return chain(*steps)
        last = chain(*steps[-4:])
        for scale in reversed(range(self.scales - 1)):
            checker, channel = steps[6 * scale : 6 * scale + 3], steps[6 * scale + 3 : 6 * scale + 6]
            outer = (
                [tfb.Invert(Squeeze())] if scale else []
            )  # back to the size at which the scale before split
            last = chain(*checker, Squeeze(), *channel, FirstChannels(last), *outer)
        height, width, channels = self.image_shape
        shape = (height // 2, width // 2, 4 * channels) if self.scales > 1 else self.image_shape
        to_levels = logistic(float(self.levels or 1), ALPHA)
        return chain(to_levels, last, tfb.Reshape(shape, (self.latent_dim,)))


def _halves(dim, flip):
    """1 where an element passes: the even ones, or the odd ones."""
    return ((np.arange(dim) + flip) % 2).astype("float32")


def _multi_scale_masks(shape, scales):
    height, width, channels = shape
    checkerboard = ((np.indices((height, width)).sum(0)) % 2)[..., None].astype("float32")
    if scales == 1:
        return [_alternate(np.repeat(checkerboard, channels, -1), i) for i in range(4)]
    half = np.broadcast_to(np.arange(4 * channels) < 2 * channels, (height // 2, width // 2, 4 * channels))
    here = [_alternate(np.repeat(checkerboard, channels, -1), i) for i in range(3)]
    here += [_alternate(half.astype("float32"), i) for i in range(3)]
    return here + _multi_scale_masks((height // 2, width // 2, 2 * channels), scales - 1)


def _alternate(mask, i):
    return 1.0 - mask if i % 2 else mask


def _coupling_network(shape, width, blocks, dropout):
    """x -> (log-scale, shift), both like x and zero at the start."""

    def linear(units):
        return layers.Conv2D(units, 3, padding="same") if len(shape) == 3 else layers.Dense(units)

    x = masked = keras.Input(shape)
    x = linear(width)(x)
    for _ in range(blocks):
        y = linear(width)(layers.ReLU()(x))
        y = layers.Dropout(dropout)(layers.ReLU()(y)) if dropout else layers.ReLU()(y)
        x = x + linear(width)(y)
    x = layers.Dense(2 * shape[-1], kernel_initializer="zeros")(layers.ReLU()(x))
    raw, shift = x[..., : shape[-1]], x[..., shape[-1] :]
    return network(masked, [LearnedTanh()(raw), shift])


class LearnedTanh(layers.Layer):
    """gain * tanh(x) with a learned gain per channel: log-scales stay bounded while the network is still wild."""

    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), initializer="ones", name="gain")

    def call(self, x):
        return self.gain * keras.ops.tanh(x)
