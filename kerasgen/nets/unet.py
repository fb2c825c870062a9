"""The U-Net of diffusion models: down to a small picture and up again, with every stage of the way down remembered.

`unet` is the skeleton; what a stage is (how the time enters, how resolutions change) is decided by its user. Residual
blocks and attention start as the identity: their last layer is zero.
"""

from __future__ import annotations

import math

from keras import layers, ops

from kerasgen.nets.sizes import halvings


def pattern(image_shape) -> dict:
    """Multipliers and attention of the DDPM authors' networks, which have 32, 128 and 256 pixels, for any size.

    Down to 4x4, from larger pictures than theirs of 32 to 8x8; attention where the height is nearest to 16.

    Example:
        >>> pattern((32, 32, 3))
        {'multipliers': (1, 2, 2, 2), 'attention': (16,)}
    """
    levels = halvings(image_shape, smallest=4 if min(image_shape[:2]) <= 32 else 8, most=5)
    multipliers = (1, 2, 2, 2)[: levels + 1] if levels < 4 else (1, 1, 2, 2, 4, 4)[: levels + 1]
    heights = [image_shape[0] // 2**i for i in range(levels + 1)]
    return {"multipliers": multipliers, "attention": (min(heights, key=lambda height: abs(height - 16)),)}


def unet(x, channels, blocks, residual, attend, down, up, every=True):
    """Take x through all resolutions.

    Args:
        x: (B, H, W, C), the picture after its first convolution.
        channels: per resolution, from the highest down.
        blocks: residual blocks per resolution; one more on the way up.
        residual: function (x, channels) -> x.
        attend: function x -> x, which attends at the resolutions that have attention; always asked for.
        down, up: functions x -> x that halve and double the sides.
        every: on the way up attend after every block, or only after the last of a resolution.

    Returns: (B, H, W, channels[0]).
    """
    x, skips = contract(x, channels, blocks, residual, attend, down)
    for level, width in reversed(list(enumerate(channels))):
        for i in range(blocks + 1):
            x = residual(layers.Concatenate()([x, skips.pop()]), width)
            x = attend(x) if every or i == blocks else x
        if level:
            x = up(x)
    return x


def contract(x, channels, blocks, residual, attend, down):
    """The way down and the middle, as in `unet`; returns x and what was remembered on the way."""
    skips = [x]
    for level, width in enumerate(channels):
        for _ in range(blocks):
            x = attend(residual(x, width))
            skips.append(x)
        if level < len(channels) - 1:
            x = down(x)
            skips.append(x)
    return residual(attend(residual(x, x.shape[-1]), middle=True), x.shape[-1]), skips


def residual(x, when, channels, dropout, resample=None, project=False, modulate=False, rescale=False):
    """Two convolutions, told the time in between, beside a way around them.

    Args:
        when: (B, N), the embedded time (and class); None where there is none.
        resample: a layer that both ways go through, for blocks that change the resolution.
        project: also the way around has weights, not only where the channels change.
        modulate: the time scales and shifts normalised features (Dhariwal, Nichol, 2021); otherwise it is added.
        rescale: divide the sum by sqrt(2), as two equal variances ask for.
    """
    y = norm_swish(x)
    if resample:
        x, y = resample(x), resample(y)
    y = layers.Conv2D(channels, 3, padding="same")(y)
    if when is not None:
        size = 2 * channels if modulate else channels
        told = layers.Reshape((1, 1, size))(layers.Dense(size)(when))
    if modulate:
        scale, shift = ops.split(told, 2, axis=-1)
        y = layers.Activation("swish")(norm(y) * (1.0 + scale) + shift)
    else:
        y = norm_swish(y if when is None else y + told)
    y = layers.Dropout(dropout)(y) if dropout else y
    y = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")(y)
    y = y + (x if x.shape[-1] == channels and not project else layers.Conv2D(channels, 1)(x))
    return y * math.sqrt(0.5) if rescale else y


def attention(x, heads=1, rescale=False):
    """Every place looks at every other, x + attention(norm(x))."""
    height, width, channels = x.shape[1:]
    shape, y = (height * width, heads, channels // heads), norm(x)
    query, key, value = (layers.Reshape(shape)(layers.Conv2D(channels, 1)(y)) for _ in range(3))
    weights = ops.softmax(ops.einsum("bqhc,bkhc->bhqk", query, key) / math.sqrt(channels // heads))
    y = layers.Reshape((height, width, channels))(ops.einsum("bhqk,bkhc->bqhc", weights, value))
    y = layers.Conv2D(channels, 1, kernel_initializer="zeros")(y)
    return (x + y) * math.sqrt(0.5) if rescale else x + y


def attend_at(resolutions, **options):
    """`attend` for `unet`: attention in the middle and where the height is one of `resolutions`."""

    def attend(x, middle=False):
        return attention(x, **options) if middle or x.shape[1] in resolutions else x

    return attend


def norm(x):
    # The papers' 32 groups, or fewer: a group of one channel would take away the shift that tells the time.
    channels = x.shape[-1]
    groups = max((g for g in range(1, 33) if channels % g == 0 and channels >= 4 * g), default=1)
    return layers.GroupNormalization(groups, epsilon=1e-6)(x)


def norm_swish(x):
    return layers.Activation("swish")(norm(x))


def embed_time(time, width):
    """Two layers over `TimeEmbedding`, (B,) -> (B, 4 width), before their last activation."""
    return layers.Dense(4 * width)(layers.Dense(4 * width, "swish")(TimeEmbedding(width)(time)))


class TimeEmbedding(layers.Layer):
    """[sin(t w_i), cos(t w_i)] with frequencies w_i from 1 down to 1 / 10,000."""

    def __init__(self, width, **kwargs):
        super().__init__(autocast=False, **kwargs)  # half precision cannot tell late times apart
        self.width = width

    def call(self, time):
        half = self.width // 2
        angle = time[:, None] * ops.exp(-math.log(10000.0) / (half - 1) * ops.arange(half, dtype="float32"))
        return ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)
