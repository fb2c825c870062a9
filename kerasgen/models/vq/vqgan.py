"""VQGAN.  Esser, Rombach, Ommer, 2020, Taming Transformers for High-Resolution Image Synthesis, arXiv:2012.09841.

A picture is worth 16x16 words: a convolutional autoencoder learns a codebook of what pictures are made of, judged by a
perceptual distance and by a discriminator of patches, so that few codes still give sharp pictures. Then a transformer
learns which codes follow which, and writes pictures as one writes text.

Differs from the paper: the discriminator begins in a stage of its own, and its update and the autoencoder's follow from
one forward pass. The perceptual distance weighs all channels alike; for 8x8 digits its classifier is one of digits.
The transformer decays all its weights and has a token of its own for every class. Larger pictures by a sliding window
and rejection by a classifier are left out.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import distribute
from kerasgen.core.paper import Paper
from kerasgen.core.ranges import from_signed
from kerasgen.core.stages import Stage
from kerasgen.nets import perceptual, unet
from kerasgen.nets.causal.transformer import Tokens
from kerasgen.nets.codebook import LearnedCodebook
from kerasgen.nets.gan import patch_discriminator
from kerasgen.nets.network import network
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.gan import losses
from kerasgen.objectives.vq import quantization

PAPER = Paper(
    title="Taming Transformers for High-Resolution Image Synthesis",
    authors="P. Esser and R. Rombach and B. Ommer",
    year=2020,
    reference="arXiv:2012.09841",
    tags=("autoencoder", "codebook", "adversarial", "transformer", "perceptual", "class-conditional"),
)


class VQGAN(quantization.Quantized):
    """An autoencoder over codes that plays against a discriminator, and a transformer over the codes.

        L = |x - y| + perceptual(x, y) + |sg z - e|^2 + beta |z - sg e|^2
        autoencoder    <- descend  L - lambda weight E D(y),      lambda = |dL_rec / dW| / |dE D(y) / dW|
        discriminator  <- descend  1/2 E [1 - D(x)]+ + 1/2 E [1 + D(y)]+
        prior          <- descend  -sum_t log P(k_t | k_1 .. k_(t-1), label)

    L_rec is the first two terms, W the last kernel of the decoder.

    Args:
        image_shape: (height, width, channels); the sides divide by 2 ** (len(multipliers) - 1).
        num_classes: number of classes that the prior knows, 0 for none.
        codes: vectors in the codebook, K.
        code_dim: size of a vector.
        width: feature maps of the highest resolution.
        multipliers: of the width, per resolution from the highest down.
        blocks: residual blocks per resolution, and one more on the way up.
        attention: sides of the resolutions that have attention.
        perceptual: classifier of the perceptual distance, "vgg16" or "digits"; None for no such distance.
        discriminator_widths: feature maps of the discriminator's convolutions.
        adversarial: weight of the game beside lambda.
        commitment: beta.
        prior_width, prior_depth, prior_heads: of the transformer.
        positions: places that the transformer knows, at least as many as codes of a picture; None for those.
        dropout: share of the transformer's features dropped.
        epochs: of the three stages: codes, game, prior.

    Raises:
        ValueError: the sides do not divide.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.VQGAN(
        ...     image_shape=(8, 8, 1), codes=8, code_dim=4, width=8, multipliers=(1, 2), blocks=1, attention=(),
        ...     perceptual=None, discriminator_widths=(8, 16), prior_width=8, prior_depth=1, prior_heads=2,
        ...     positions=None)
        >>> model.encode(model.sample(3, seed=7)).shape     # 4x4 codes
        (3, 16)
    """

    players = ("autoencoder", "discriminator", "prior")
    reports = (
        "loss", "reconstruction", "perceptual", "commitment", "generator_loss", "discriminator_loss", "bits_per_code",
    )  # fmt: skip

    def __init__(
        self, image_shape=(256, 256, 3), num_classes=0, codes=1024, code_dim=256, width=128,
        multipliers=(1, 1, 2, 2, 4), blocks=2, attention=(16,), perceptual="vgg16",
        discriminator_widths=(64, 128, 256, 512), adversarial=0.8, commitment=0.25, prior_width=1024, prior_depth=24,
        prior_heads=16, positions=512, dropout=0.0, epochs=(4, 8, 8), **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.num_classes, self.codes = tuple(image_shape), num_classes, codes
        self.perceptual, self.adversarial, self.commitment = perceptual, adversarial, commitment
        grid = stages_of(image_shape, len(multipliers) - 1)
        self.grids = [grid]
        widths = [width * multiplier for multiplier in multipliers]
        self.encoder = _encoder(self.image_shape, widths, blocks, attention, code_dim)
        self.decoder = _decoder(grid, widths, blocks, attention, code_dim, image_shape[-1])
        self.codebooks = [LearnedCodebook(codes, code_dim, spread=1.0 / codes, name="codebook")]
        self.discriminator = patch_discriminator.discriminator(self.image_shape, discriminator_widths)
        self.tokens = Tokens(codes, self.size, prior_width, prior_depth, prior_heads, dropout, num_classes, positions)
        self.prior = self.tokens.network("prior")
        self.in_stages(
            Stage("codes", epochs[0], ("autoencoder",)),
            Stage("game", epochs[1], ("autoencoder", "discriminator")),
            Stage("prior", epochs[2], ("prior",)),
        )

    @classmethod
    def sized(cls, data):
        stages = halvings(data.shape, most=4)
        height, width = (side // 2**stages for side in data.shape[:2])
        return {
            "multipliers": (1, 1, 2, 2, 4)[-stages - 1 :],
            "attention": (height,),
            "positions": max(512, height * width + 1),
        }

    def optimizers(self):
        return {
            "autoencoder_optimizer": keras.optimizers.Adam(5.4e-5, beta_1=0.5, beta_2=0.9),
            "discriminator_optimizer": keras.optimizers.Adam(5.4e-5, beta_1=0.5, beta_2=0.9),
            "prior_optimizer": keras.optimizers.AdamW(5.4e-5, weight_decay=0.01, beta_1=0.9, beta_2=0.95),
        }

    def player_networks(self, player):
        autoencoder = self.encoder, self.decoder, *self.codebooks
        return autoencoder if player == "autoencoder" else super().player_networks(player)

    def levels_of(self, x, training=False):
        return [self.level(0, self.encoder(x, training=training))]

    def picture(self, quantized, training=False):
        return self.decoder(quantized[0], training=training)

    def code_losses(self, batch, x, training):
        game = "discriminator" in self.stage.players
        (level,) = self.levels_of(x, training)
        vector = self.codebooks[0].lookup(level.codes)
        with tf.GradientTape(persistent=True) as tape:
            y = self.picture([level.quantized], training)
            values = {"reconstruction": ops.mean(ops.abs(x - y)), "perceptual": tf.zeros(())}
            if self.perceptual:
                values["perceptual"] = perceptual.distance(self.perceptual, from_signed(x), from_signed(y))
            rebuilt = values["reconstruction"] + values["perceptual"]
            if game:
                score = self.discriminator(y, training=training)
                values["generator_loss"] = losses.critic_generator(score)
        values["commitment"] = quantization.commitment(level.z, vector)
        learned = self.codebooks[0].learn(batch, level.z, level.codes, training)
        values["loss"] = values["autoencoder_loss"] = rebuilt + learned + self.commitment * values["commitment"]
        if game:
            if training:
                kernel = self.decoder.get_layer("last").kernel
                pulls = tape.gradient(rebuilt, kernel), tape.gradient(values["generator_loss"], kernel)
                pulls = distribute.total([pull * batch.share for pull in pulls])
                weight = self.adversarial * losses.adaptive_weight(*pulls)
                values["autoencoder_loss"] += weight * values["generator_loss"]
            real = self.discriminator(x, training=training)
            fake = self.discriminator(tf.stop_gradient(y), training=training)
            values["discriminator_loss"] = 0.5 * losses.hinge_discriminator(real, fake)
        return values

    def prior_logits(self, codes, given, training=False):
        tokens = self.join(codes)
        logits = self.prior([tokens, *given.values()] if given else tokens, training=training)
        return self.split(logits)

    def fill(self, choose, count, given):
        return self.split(self.tokens.fill(choose(0), count, given.get("label")))


def _encoder(image_shape, widths, blocks, attention, code_dim):
    picture = keras.Input(image_shape)
    x = layers.Conv2D(widths[0], 3, padding="same")(picture)
    x, _ = unet.contract(x, widths, blocks, _residual, unet.attend_at(attention), _down)
    x = layers.Conv2D(code_dim, 3, padding="same")(unet.norm_swish(x))
    return network(picture, layers.Conv2D(code_dim, 1)(x), name="encoder")


def _decoder(grid, widths, blocks, attention, code_dim, channels):
    attend = unet.attend_at(attention)
    quantized = keras.Input((*grid, code_dim))
    x = layers.Conv2D(code_dim, 1)(quantized)
    x = layers.Conv2D(widths[-1], 3, padding="same")(x)
    x = _residual(attend(_residual(x, widths[-1]), middle=True), widths[-1])
    for i, width in reversed(list(enumerate(widths))):
        for _ in range(blocks + 1):
            x = attend(_residual(x, width))
        x = _up(x) if i else x
    x = layers.Conv2D(channels, 3, padding="same", name="last")(unet.norm_swish(x))
    return network(quantized, x, name="decoder")


def _residual(x, width):
    return unet.residual(x, None, width, dropout=0.0)


def _down(x):
    return layers.Conv2D(x.shape[-1], 3, 2, "same")(x)


def _up(x):
    return layers.Conv2D(x.shape[-1], 3, padding="same")(layers.UpSampling2D()(x))
