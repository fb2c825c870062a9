"""Gated PixelCNN.  van den Oord et al., 2016, Conditional Image Generation with PixelCNN Decoders, arXiv:1606.05328.

Two stacks of convolutions read what comes before a pixel: the vertical one all rows above, the horizontal one the
pixels to the left in its own row and, through a 1x1 convolution, what the vertical stack saw. There is no blind spot.
Each layer is gated, y = tanh(W_f * x + V_f h) . sigmoid(W_g * x + V_g h), with h the class.

Differs from the paper: every feature map belongs to one colour channel, so that green may look at red and blue at both,
as in the authors' PixelRNN; a dropout may be asked for.
"""

from __future__ import annotations

import keras

from kerasgen.core.paper import Paper
from kerasgen.nets.causal.gated_pixelcnn import Stack
from kerasgen.objectives.autoregressive import chain_rule

PAPER = Paper(
    title="Conditional Image Generation with PixelCNN Decoders",
    authors="A. van den Oord and N. Kalchbrenner and O. Vinyals and L. Espeholt and A. Graves and K. Kavukcuoglu",
    year=2016,
    reference="arXiv:1606.05328",
    tags=("exact likelihood", "gated", "class-conditional"),
)


class PixelCNN(chain_rule.Autoregressive):
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
            raise ValueError(f"width, hidden: expected multiples of {channels} channels, got {width}, {hidden}")
        self.image_shape, self.levels, self.num_classes = tuple(image_shape), levels, num_classes
        sizes = [first_kernel_size] + [kernel_size] * (depth - 1)
        options = dict(num_classes=num_classes, width=width, hidden=hidden, sizes=sizes, dropout=dropout)
        self.stack = Stack(self.image_shape, levels, **options)
        self.network = self.stack.network()

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-3)}

    def predict_logits(self, x, label, training=False):
        return self.network([x, label] if self.num_classes else x, training=training)

    def fill(self, choose, count, label):
        return self.stack.fill(choose, count, self.from_levels, label)
