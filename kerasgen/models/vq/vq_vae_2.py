"""VQ-VAE-2.  Razavi, van den Oord, Vinyals, 2019, Generating Diverse High-Fidelity Images with VQ-VAE-2,
arXiv:1906.00446.

A picture becomes codes at two resolutions: a small top level says what is global, a bottom level, which knows the top,
adds the details. Then a prior with attention learns which top codes occur, and a second one which bottom codes go with
them: first stage and second stage of one `fit`.

Differs from the paper: both priors are made of the gated layers of van den Oord et al., 2016, without the wider
residual units inside, and both learn at once; the top one is sampled by whole passes, the bottom one from cached
activations.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from kerasgen import samplers
from kerasgen.core.paper import Paper
from kerasgen.core.stages import Stage
from kerasgen.nets.causal.gated_pixelcnn import Stack
from kerasgen.nets.codebook import Codebook
from kerasgen.nets.network import network
from kerasgen.nets.residual_stack import contract, expand, residual_blocks
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.vq import quantization

PAPER = Paper(
    title="Generating Diverse High-Fidelity Images with VQ-VAE-2",
    authors="A. Razavi and A. van den Oord and O. Vinyals",
    year=2019,
    reference="arXiv:1906.00446",
    tags=("autoencoder", "codebook", "hierarchical", "PixelSNAIL", "class-conditional"),
)


class VQVAE2(quantization.Quantized):
    """Two levels of codes, P(x) = sum over codes of p(x | top, bottom) P(bottom | top) P(top).

    Args:
        image_shape: (height, width, channels); the sides divide by 2 ** (halvings + 1).
        num_classes: number of classes that the priors know, 0 for none.
        halvings: the bottom level has the picture's sides divided by 2 ** halvings, the top level half of that.
        codes: vectors in each codebook, K.
        code_dim: size of a vector.
        width: feature maps of encoder and decoder.
        blocks, residual: residual blocks, and feature maps inside them.
        variance: of the pixels in [-1, 1], by which squared errors are divided.
        prior_width, prior_layers: of the gated layers of both priors.
        attention, heads: number of attention layers of the top prior, and their heads.
        condition_blocks: residual blocks between the top codes and the bottom prior.
        kernel_size: of the priors.
        dropout: share of feature maps dropped while the priors learn.
        epochs: of the two stages.

    Raises:
        ValueError: the sides do not divide.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.VQVAE2(
        ...     image_shape=(8, 8, 1), halvings=1, codes=4, code_dim=2, width=8, residual=4, prior_width=8,
        ...     prior_layers=2, attention=1, heads=1, condition_blocks=1, kernel_size=3)
        >>> model.encode(model.sample(3, seed=7)).shape     # 2x2 and 4x4 codes
        (3, 20)
    """

    def __init__(
        self, image_shape=(256, 256, 3), num_classes=0, halvings=2, codes=512, code_dim=64, width=128, blocks=2,
        residual=64, variance=1.0, prior_width=512, prior_layers=20, attention=4, heads=8, condition_blocks=20,
        kernel_size=5, dropout=0.1, epochs=(60, 40), **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.num_classes, self.codes = tuple(image_shape), num_classes, codes
        self.variance = variance
        self.grids = top, bottom = [stages_of(image_shape, halvings + more) for more in (1, 0)]
        self.codebooks = [Codebook(codes, code_dim, name=name) for name in ("top", "bottom")]

        def convolve(x, halvings):
            return contract(x, halvings, width, blocks, residual)

        x = keras.Input(self.image_shape)
        fine = convolve(x, halvings)
        self.encoder = network(x, [fine, layers.Conv2D(code_dim, 1)(convolve(fine, 1))], name="encoder")

        fine, above = keras.Input(fine.shape[1:]), keras.Input((*top, code_dim))
        coarse = layers.Conv2DTranspose(code_dim, 4, 2, "same")(convolve(above, 0))
        z = layers.Conv2D(code_dim, 1)(layers.Concatenate()([coarse, fine]))
        self.refiner = network([fine, above], z, name="refiner")

        above, below = keras.Input((*top, code_dim)), keras.Input((*bottom, code_dim))
        coarse = layers.Conv2DTranspose(code_dim, 4, 2, "same")(above)
        y = expand(convolve(layers.Concatenate()([coarse, below]), 0), halvings, width, image_shape[-1])
        self.decoder = network([above, below], y, name="decoder")

        options = dict(
            depth=codes, num_classes=num_classes, width=prior_width, hidden=prior_width,
            sizes=[kernel_size] * prior_layers, dropout=dropout,
        )  # fmt: skip
        looks = [prior_layers * (i + 1) // attention for i in range(attention)]
        self.top_prior = Stack((*top, 1), codes, attention=looks, heads=heads, **options).network("top_prior")
        self.bottom = Stack((*bottom, 1), codes, condition=prior_width, **options)
        self.bottom_prior = self.bottom.network("bottom_prior")
        known = keras.Input((*top, codes))
        y = residual_blocks(layers.Conv2D(prior_width, 1)(known), condition_blocks, prior_width)
        self.conditioner = network(known, layers.Conv2DTranspose(prior_width, 4, 2, "same")(y), name="conditioner")
        self.in_stages(Stage("codes", epochs[0], ("autoencoder",)), Stage("priors", epochs[1], ("prior",)))

    @classmethod
    def sized(cls, data):
        return {"halvings": halvings(data.shape, least=2, most=3) - 1}

    def optimizers(self):
        return {
            "autoencoder_optimizer": keras.optimizers.Adam(3e-4),
            "prior_optimizer": keras.optimizers.Adam(3e-4),
        }

    def player_networks(self, player):
        priors = self.top_prior, self.conditioner, self.bottom_prior
        return {"autoencoder": (self.encoder, self.refiner, self.decoder), "prior": priors}[player]

    def levels_of(self, x, training=False):
        fine, z = self.encoder(x, training=training)
        top = self.level(0, z)
        return [top, self.level(1, self.refiner([fine, top.quantized], training=training))]

    def picture(self, quantized, training=False):
        return self.decoder(quantized, training=training)

    def prior_logits(self, codes, given, training=False):
        top, bottom = (self.seen(k[..., None]) for k in codes)
        condition = self.conditioner(top, training=training)
        logits = [
            self.top_prior([top, *given.values()] if given else top, training=training),
            self.bottom_prior([bottom, *given.values(), condition], training=training),
        ]
        return [tf.squeeze(each, 3) for each in logits]

    def fill(self, choose, count, given):
        def top_logits(codes):
            x = self.seen(codes[..., None])
            return self.top_prior([x, *given.values()] if given else x)

        top = samplers.naive(top_logits, choose(0), count, self.grids[0])
        condition = self.conditioner(self.seen(top[..., None]))
        return [top, self.bottom.fill(choose(1), count, self.seen, given.get("label"), condition)[..., 0]]
