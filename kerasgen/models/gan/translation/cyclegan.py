"""CycleGAN.  Zhu, Park, Isola, Efros, 2017, arXiv:1703.10593.

Horses to zebras without a single pair: two generators translate between two sets of pictures, two discriminators judge
whether results look like the other set, and what was translated there and back must be what it was. Only then does a
translation keep what a picture shows.

Differs from the paper: pictures of both sets come in one batch, in any order, and the loss is a mean over it (where the
paper takes one of each, a batch has two). A place of the pool exchanges pictures as soon as it has one.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.nets.gan import patch_discriminator
from kerasgen.nets.gan.image_pool import Pool
from kerasgen.nets.gan.strided import normal
from kerasgen.nets.network import network
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.gan import unpaired as objective

PAPER = Paper(
    title="Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
    authors="J.-Y. Zhu and T. Park and P. Isola and A. A. Efros",
    year=2017,
    reference="arXiv:1703.10593",
    tags=("adversarial", "translation", "unpaired", "PatchGAN", "least squares", "LSGAN"),
)


class CycleGAN(objective.Unpaired):
    """Unpaired translation between two domains, by residual generators and discriminators of patches.

        G, F: convolution, [down-convolution] x halvings, [residual block] x blocks, [up-convolution] x halvings,
              convolution, tanh;  instance normalisation and ReLU after each
        D_X, D_Y: PatchGAN

    Args:
        image_shape: (height, width, channels); the sides divide by 2 ** halvings.
        width: feature maps of the generators' first convolution; each halving doubles them.
        halvings: of the sides, before the residual blocks.
        blocks: residual blocks; the paper has 6 for pictures of 128 pixels and 9 from 256 on.
        kernel_size: of the generators' first and last convolution.
        discriminator_widths: feature maps of the discriminators' convolutions.
        cycle: weight of the way there and back, lambda.
        identity: weight, beside that, of leaving pictures of the target domain as they are.
        pool: earlier pictures of each domain that discriminators may see again.

    Raises:
        ValueError: the sides do not divide.

    Example:
        >>> import kerasgen, numpy as np
        >>> model = kerasgen.models.CycleGAN(
        ...     image_shape=(8, 8, 1), width=8, halvings=0, blocks=1, kernel_size=3, discriminator_widths=(8, 16))
        >>> model.translate(np.zeros((3, 8, 8, 1)), label=1).shape
        (3, 8, 8, 1)
    """

    def __init__(
        self, image_shape=(256, 256, 3), width=64, halvings=2, blocks=9, kernel_size=7,
        discriminator_widths=(64, 128, 256, 512), cycle=10.0, identity=0.0, pool=50, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.cycle, self.identity = tuple(image_shape), cycle, identity
        self.generators = [
            _generator(self.image_shape, width, halvings, blocks, kernel_size, f"generator_{domain}")
            for domain in range(2)
        ]
        self.discriminators = [
            patch_discriminator.discriminator(
                self.image_shape, discriminator_widths, "instance", f"discriminator_{domain}"
            )
            for domain in range(2)
        ]
        self.pool = Pool(2, pool, self.image_shape, name="pool")

    @classmethod
    def sized(cls, data):
        return {
            "halvings": halvings(data.shape, most=2),
            "blocks": 9 if min(data.shape[:2]) >= 256 else 6,
            "discriminator_widths": patch_discriminator.pattern(data.shape),
        }

    def optimizers(self):
        return {f"{player}_optimizer": keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}


def _generator(image_shape, width, halvings, blocks, kernel_size, name):
    stages_of(image_shape, halvings)
    x = picture = keras.Input(image_shape)
    x = _norm_relu(_convolve(x, width, kernel_size))
    for i in range(halvings):
        x = _norm_relu(_kernel(layers.Conv2D, width * 2 ** (i + 1), 3, 2, "same")(x))
    for _ in range(blocks):
        y = _norm_relu(_convolve(x, x.shape[-1], 3))
        x = x + patch_discriminator.instance_norm()(_convolve(y, x.shape[-1], 3))
    for i in reversed(range(halvings)):
        x = _norm_relu(_kernel(layers.Conv2DTranspose, width * 2**i, 3, 2, "same")(x))
    return network(picture, ops.tanh(_convolve(x, image_shape[-1], kernel_size)), name=name)


def _convolve(x, width, size):
    """At the same sides, with reflection in the place of pixels beyond the edge."""
    reach = size // 2
    x = ops.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "reflect")
    return _kernel(layers.Conv2D, width, size)(x)


def _kernel(kind, *args):
    return kind(*args, kernel_initializer=normal())


def _norm_relu(x):
    return layers.ReLU()(patch_discriminator.instance_norm()(x))
