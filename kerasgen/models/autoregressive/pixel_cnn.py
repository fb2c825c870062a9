"""Gated PixelCNN.  van den Oord et al., 2016, Conditional Image Generation with PixelCNN Decoders, arXiv:1606.05328.

Two stacks of convolutions read what comes before a pixel: the vertical one all rows above, the horizontal one the
pixels to the left in its own row and, through a 1x1 convolution, what the vertical stack saw. There is no blind spot.
Each layer is gated, y = tanh(W_f * x + V_f h) . sigmoid(W_g * x + V_g h), with h the class.

Differs from the paper: every feature map belongs to one colour channel, so that green may look at red and blue at both,
as in the authors' PixelRNN; a dropout may be asked for.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from kerasgen.objectives import autoregressive


class PixelCNN(autoregressive.Autoregressive):
    """Gated PixelCNN over discrete levels, optionally class-conditional.

        P(x) = prod_i softmax(logits_i(x_1 .. x_(i-1), h))[x_i]

    Args:
        image_shape: (height, width, channels).
        levels: number of grey levels.
        num_classes: number of classes h, 0 for none.
        width: feature maps of each stack; a multiple of the number of channels.
        depth: number of gated layers.
        hidden: feature maps of the two 1x1 convolutions at the end.
        kernel_size, first_kernel_size: of the gated layers and of the first one.
        dropout: share of feature maps dropped in training.

    Raises:
        ValueError: the width does not divide by the number of channels.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.PixelCNN(image_shape=(8, 8, 1), levels=2, width=8, depth=2, hidden=8)
        >>> model.logits(model.sample(3, seed=7)).shape
        (3, 8, 8, 1, 2)
    """

    def __init__(
        self, image_shape=(32, 32, 3), levels=256, num_classes=0, width=129, depth=15, hidden=1026, kernel_size=5,
        first_kernel_size=7, dropout=0.0, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        channels = image_shape[-1]
        if width % channels or hidden % channels:
            raise ValueError(
                f"width, hidden: expected multiples of {channels} channels, got {width}, {hidden}"
            )
        self.image_shape, self.levels, self.num_classes = tuple(image_shape), levels, num_classes
        sizes = [first_kernel_size] + [kernel_size] * (depth - 1)
        self.network = _network(self.image_shape, levels, num_classes, width, sizes, hidden, dropout)

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-3)}

    def predict_logits(self, x, label, training=False):
        return self.network([x, label] if self.num_classes else x, training=training)


def _network(image_shape, levels, num_classes, width, sizes, hidden, dropout):
    height, columns, channels = image_shape
    picture = keras.Input(image_shape)
    label = keras.Input((), dtype="int32") if num_classes else None
    vertical = horizontal = picture
    for i, size in enumerate(sizes):
        reach, first = size // 2, i == 0
        v = layers.ZeroPadding2D(((reach, 0), (reach, reach)))(vertical)
        v = layers.Conv2D(2 * width, (reach + 1, size))(v)  # rows r - reach .. r
        h = RowConv(2 * width, reach, includes_self=not first, channels=channels)(horizontal)
        h = h + layers.Conv2D(2 * width, 1)(_shift_down(v))  # rows above r
        if label is not None:
            v, h = (
                v + _class_bias(label, num_classes, 2 * width),
                h + _class_bias(label, num_classes, 2 * width),
            )
        v, h = _gate(v, width), _gate(h, width)
        if dropout:
            v, h = layers.SpatialDropout2D(dropout)(v), layers.SpatialDropout2D(dropout)(h)
        h = RowConv(width, 0, channels=channels)(h)
        vertical, horizontal = v, h if first else horizontal + h
    x = layers.ReLU()(horizontal)
    x = layers.ReLU()(RowConv(hidden, 0, channels=channels)(x))
    x = RowConv(levels * channels, 0, channels=channels)(x)
    x = layers.Reshape((height, columns, levels, channels))(x)  # feature i belongs to channel i % channels
    x = layers.Permute((1, 2, 4, 3))(x)
    return keras.Model(picture if label is None else [picture, label], x, name="network")


def _shift_down(x):
    return layers.ZeroPadding2D(((1, 0), (0, 0)))(layers.Cropping2D(((0, 1), (0, 0)))(x))


def _class_bias(label, num_classes, width):
    return layers.Reshape((1, 1, width))(layers.Embedding(num_classes, width)(label))


def _gate(x, width):
    return ops.tanh(x[..., :width]) * ops.sigmoid(x[..., width:])


class RowConv(layers.Layer):
    """Convolution along a row that sees `reach` pixels to the left, and of its own pixel only what comes earlier.

    Feature i belongs to colour channel i % channels. Of its own pixel, a feature sees those of earlier channels and,
    when `includes_self`, of its own channel. A mask that hides anything multiplies the kernel in every call.
    """

    def __init__(self, filters, reach, includes_self=True, channels=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.reach, self.includes_self, self.channels = filters, reach, includes_self, channels

    def build(self, shape):
        size = (1, self.reach + 1, shape[-1], self.filters)
        self.kernel = self.add_weight(shape=size, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        source, target = np.arange(shape[-1]) % self.channels, np.arange(self.filters) % self.channels
        earlier = np.less_equal if self.includes_self else np.less
        self.mask = np.ones(size, "float32")
        self.mask[0, -1] = earlier(source[:, None], target[None, :])

    def call(self, x):
        # Sampling runs this once per pixel on a small picture, where every operation saved is felt.
        kernel = self.kernel if self.mask.all() else self.kernel * self.mask
        x = ops.pad(x, ((0, 0), (0, 0), (self.reach, 0), (0, 0))) if self.reach else x
        return ops.conv(x, kernel, padding="valid") + self.bias
