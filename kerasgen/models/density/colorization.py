"""Colorization.  Zhang, Isola, Efros, 2016, Colorful Image Colorization, arXiv:1603.08511.

What a grey picture shows says what colours it may have: sky is blue, grass is green, a shirt is of any colour. A
network that keeps the resolution, with dilated convolutions in the place of further halvings, gives every place a
distribution over 313 colours; rare ones count more in training, and what is painted is its annealed mean.

Differs from the paper: networks start from Glorot's initialisation, not from k-means of features; how often colours
occur is counted in the training batches as they come, not beforehand on ImageNet; a place has the mean colour of its
4x4 pixels, where the authors' code takes that of one of them; and their code, unlike the paper, shares a colour among
ten bins, trains on crops of 176 pixels, and leaves out pictures without colours.
"""

from __future__ import annotations

import keras
from keras import layers

from kerasgen.core.paper import Paper
from kerasgen.nets.lab import BINS
from kerasgen.nets.network import network
from kerasgen.nets.sizes import stages_of
from kerasgen.objectives.density import colours

PAPER = Paper(
    title="Colorful Image Colorization",
    authors="R. Zhang and P. Isola and A. A. Efros",
    year=2016,
    reference="arXiv:1603.08511",
    tags=("colourisation", "classification", "class rebalancing", "dilated convolutions"),
)
HALVINGS = 3  # of the first blocks, each by its last convolution
DILATED = (4, 5)  # blocks whose convolutions look at every other pixel


class Colorization(colours.Colours):
    """Colours for grey pictures: a distribution over 313 of them at every place.

        lightness -> [convolutions, batch normalisation] x 7 -> up-convolution, convolutions -> logits of 313 bins

    Args:
        image_shape: (height, width, 3); the sides divide by 8. The same weights serve pictures of any size.
        widths: feature maps of the seven blocks, and of the eighth, whose first convolution doubles the sides.
        depths: convolutions of each block.
        mirrored: share of the pictures that are mirrored in training.
        decay: of the weights.

    Raises:
        ValueError: the sides do not divide, pictures are not in colour, or there are not eight blocks.

    Example:
        >>> import kerasgen, numpy as np
        >>> model = kerasgen.models.Colorization(image_shape=(16, 16, 3), widths=(4,) * 8, depths=(1,) * 8)
        >>> model.colorize(np.zeros((2, 16, 16, 1))).shape
        (2, 16, 16, 3)
    """

    def __init__(
        self, image_shape=(256, 256, 3), widths=(64, 128, 256, 512, 512, 512, 512, 256),
        depths=(2, 2, 3, 3, 3, 3, 3, 3), mirrored=0.5, decay=1e-3, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if len(image_shape) != 3 or image_shape[2] != 3:
            raise ValueError(f"image_shape: expected three channels, got {tuple(image_shape)}")
        if not len(widths) == len(depths) == 8 or min(depths) < 1:
            raise ValueError(f"widths, depths: expected eight blocks of a convolution or more, got {widths}, {depths}")
        stages_of(image_shape, HALVINGS)
        self.image_shape, self.mirrored, self.decay = tuple(image_shape), mirrored, decay
        self.picture_shape = (*self.image_shape[:2], 1)
        self.network = _network(widths, depths)
        self.count_colours()

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(3e-5, beta_1=0.9, beta_2=0.99)}

    def predict_colours(self, light, training=False):
        return self.network(light, training=training)


def _network(widths, depths):
    x = light = keras.Input((None, None, 1))
    for block, (width, depth) in enumerate(zip(widths[:-1], depths, strict=False)):
        for i in range(depth):
            stride = 2 if block < HALVINGS and i + 1 == depth else 1
            dilation = 2 if block in DILATED else 1
            x = layers.Conv2D(width, 3, stride, "same", dilation_rate=dilation, activation="relu")(x)
        x = layers.BatchNormalization(epsilon=1e-5, center=False, scale=False, synchronized=True)(x)
    x = layers.Conv2DTranspose(widths[-1], 4, 2, "same", activation="relu")(x)
    for _ in range(depths[-1] - 1):
        x = layers.Conv2D(widths[-1], 3, 1, "same", activation="relu")(x)
    return network(light, layers.Conv2D(len(BINS), 1)(x), name="network")
