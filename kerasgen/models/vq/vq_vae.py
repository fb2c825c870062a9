"""VQ-VAE.  Van den Oord, Vinyals, Kavukcuoglu, 2017, Neural Discrete Representation Learning, arXiv:1711.00937.

An encoder says of each place of a grid which vector of a codebook it means; a decoder makes the picture from these
vectors. Nothing else passes between them, so the codes mean something however strong the decoder is. Then a gated
PixelCNN learns which codes occur together, and writes codes for new pictures: first and second stage of one `fit`.

Differs from the paper: the networks are those of the authors' code, which has half the width after the first halving
and a convolution before the residual blocks. The vectors can also follow by moving averages, as in the paper's
appendix. The prior may be told classes.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from kerasgen.core.paper import Paper
from kerasgen.core.stages import Stage
from kerasgen.nets.causal.gated_pixelcnn import Stack
from kerasgen.nets.codebook import Codebook, LearnedCodebook
from kerasgen.nets.network import network
from kerasgen.nets.residual_stack import contract, expand
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.vq import quantization

PAPER = Paper(
    title="Neural Discrete Representation Learning",
    authors="A. van den Oord and O. Vinyals and K. Kavukcuoglu",
    year=2017,
    reference="arXiv:1711.00937",
    tags=("autoencoder", "codebook", "vector quantisation", "straight-through", "PixelCNN prior"),
)


class VQVAE(quantization.Quantized):
    """One grid of codes, P(x) = sum over codes k of p(x | k) P(k).

        k = argmin_j |z - e_j|,   z = encoder(x)
        autoencoder <- descend  |x - decoder(e_k)|^2 / variance + |sg z - e_k|^2 + beta |z - sg e_k|^2
        prior       <- descend  -log P(k)

    Args:
        image_shape: (height, width, channels); the sides divide by 2 ** halvings.
        num_classes: number of classes that the prior knows, 0 for none.
        halvings: the grid has the picture's sides divided by 2 ** halvings.
        latents: codes at each place of the grid.
        codes: vectors in the codebook, K.
        code_dim: size of a vector.
        width: feature maps of encoder and decoder.
        blocks, residual: residual blocks, and feature maps inside them.
        commitment: beta.
        decay: of moving averages that vectors follow; None for vectors that descend their own term.
        variance: of the pixels in [-1, 1], by which squared errors are divided.
        prior_width, prior_layers: of the prior's gated layers.
        kernel_size: of the prior.
        dropout: share of feature maps dropped while the prior learns.
        epochs: of the two stages.

    Raises:
        ValueError: the sides do not divide.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.VQVAE(
        ...     image_shape=(8, 8, 1), halvings=1, codes=4, code_dim=2, width=8, residual=4, prior_width=8,
        ...     prior_layers=2, kernel_size=3)
        >>> model.encode(model.sample(3, seed=7)).shape     # 4x4 codes
        (3, 16)
    """

    def __init__(
        self, image_shape=(128, 128, 3), num_classes=0, halvings=2, latents=1, codes=512, code_dim=64, width=128,
        blocks=2, residual=32, commitment=0.25, decay=None, variance=1.0, prior_width=256, prior_layers=15,
        kernel_size=5, dropout=0.0, epochs=(1, 1), **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.num_classes, self.codes = tuple(image_shape), num_classes, codes
        self.latents, self.commitment, self.variance = latents, commitment, variance
        height, across = stages_of(image_shape, halvings)
        self.grids = [(height, across * latents)]  # codes of a place side by side
        learned = LearnedCodebook(codes, code_dim, spread=1.0 / codes, name="codebook")
        self.codebooks = [learned if decay is None else Codebook(codes, code_dim, decay, name="codebook")]

        x = keras.Input(self.image_shape)
        z = layers.Conv2D(latents * code_dim, 1)(contract(x, halvings, width, blocks, residual))
        self.encoder = network(x, layers.Reshape((*self.grids[0], code_dim))(z), name="encoder")
        quantized = keras.Input((*self.grids[0], code_dim))
        y = contract(layers.Reshape((height, across, latents * code_dim))(quantized), 0, width, blocks, residual)
        self.decoder = network(quantized, expand(y, halvings, width, image_shape[-1]), name="decoder")

        self.stack = Stack(
            (height, across, latents), codes, depth=codes * latents, num_classes=num_classes, width=prior_width,
            hidden=prior_width, sizes=[kernel_size] * prior_layers, dropout=dropout,
        )  # fmt: skip
        self.prior = self.stack.network("prior")
        self.in_stages(Stage("codes", epochs[0], ("autoencoder",)), Stage("prior", epochs[1], ("prior",)))

    @classmethod
    def sized(cls, data):
        return {"halvings": halvings(data.shape, most=2)}

    def optimizers(self):
        return {
            "autoencoder_optimizer": keras.optimizers.Adam(2e-4),
            "prior_optimizer": keras.optimizers.Adam(2e-4),
        }

    def player_networks(self, player):
        return {"autoencoder": (self.encoder, self.decoder, *self.codebooks), "prior": (self.prior,)}[player]

    def levels_of(self, x, training=False):
        return [self.level(0, self.encoder(x, training=training))]

    def picture(self, quantized, training=False):
        return self.decoder(quantized[0], training=training)

    def prior_logits(self, codes, given, training=False):
        seen = self.seen(tf.reshape(codes[0], (-1, *self.stack.image_shape)))
        logits = self.prior([seen, *given.values()] if given else seen, training=training)
        return [tf.reshape(logits, (-1, *self.grids[0], self.codes))]

    def fill(self, choose, count, given):
        codes = self.stack.fill(choose(0), count, self.seen, given.get("label"))
        return [tf.reshape(codes, (-1, *self.grids[0]))]
