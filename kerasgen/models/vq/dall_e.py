"""DALL-E.  Ramesh, Pavlov, Goh, Gray, Voss, Radford, Chen, Sutskever, 2021, Zero-Shot Text-to-Image Generation.

arXiv:2102.12092. A discrete variational autoencoder says a picture in a grid of codes; a transformer learns texts and
codes as one sequence, and so writes the codes of a picture after a text.

Differs from the paper: texts are bytes, not words of a learned vocabulary. Two softmaxes, one for text and one for
codes, stand for one over both. A code attends to a row of codes before it, to its column, or to a square around it; the
authors' masks are not published as code. The prior's rate does not halve by itself when its loss no longer falls. No
contrastive model ranks the samples.
"""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.core.stages import Stage
from kerasgen.nets.causal.transformer import Positions, Transformer
from kerasgen.nets.codebook import LearnedCodebook
from kerasgen.nets.network import network
from kerasgen.nets.sizes import stages_of
from kerasgen.objectives.vq import gumbel_softmax, quantization
from kerasgen.objectives.vq.quantization import Level

PAPER = Paper(
    title="Zero-Shot Text-to-Image Generation",
    authors="A. Ramesh and M. Pavlov and G. Goh and S. Gray and C. Voss and A. Radford and M. Chen and I. Sutskever",
    year=2021,
    reference="arXiv:2102.12092",
    tags=("autoencoder", "Gumbel-softmax", "transformer", "text to image", "discrete VAE"),
)

BYTES = 256


class DALLE(quantization.Quantized):
    """A discrete autoencoder of pictures, then a transformer over texts and codes.

        autoencoder <- descend  -log p(x | y) + beta KL(q(k | x) || uniform),   y ~ Gumbel-softmax(q, tau)
        prior       <- descend  1/8 of the nats of a byte of text + 7/8 of those of a code

    p is logit-Laplace; at the beginning of the first stage tau falls from 1 to 1/16 and beta rises from 0, each along
    half a cosine. Block i = 1, 2, ... of the transformer attends by column where i - 2 divides by 4, by row elsewhere.

    Args:
        image_shape: (height, width, channels); the sides divide by 2 ** (len(multipliers) - 1).
        text_length: bytes of a text.
        codes: choices of a code, K.
        width: feature maps of the highest resolution.
        multipliers: of the width, per resolution from the highest down.
        blocks: residual blocks per resolution.
        code_dim: size of a code's vector.
        beta: weight of the divergence once it has risen.
        cooling: updates in which tau falls.
        rising: updates in which beta rises.
        prior_width, prior_depth, prior_heads: of the transformer.
        dropout: share of the transformer's features dropped.
        attention: "row" or "column" for each block in turn, again from the first when they end; the last block attends
            to a square.
        epochs: of the two stages.

    Raises:
        ValueError: the sides do not divide.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.DALLE(
        ...     image_shape=(8, 8, 1), text_length=12, codes=8, width=8, multipliers=(1, 2), blocks=1, code_dim=4,
        ...     prior_width=8, prior_depth=1, prior_heads=2)
        >>> model.sample(3, seed=7, text="a thin one").shape
        (3, 8, 8, 1)
    """

    reports = ("loss", "squared_error", "kl", "bits_per_code", "bits_per_byte")

    def __init__(
        self, image_shape=(256, 256, 3), text_length=256, codes=8192, width=256, multipliers=(1, 2, 4, 8), blocks=2,
        code_dim=128, beta=6.6, cooling=150_000, rising=5_000, prior_width=3968, prior_depth=64, prior_heads=62,
        dropout=0.1, attention=("row", "column", "row", "row"), epochs=(1, 1), **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.text_length, self.codes = tuple(image_shape), text_length, codes
        self.beta, self.cooling, self.rising = beta, cooling, rising
        grid = stages_of(image_shape, len(multipliers) - 1)
        self.grids = [grid]
        widths = [width * multiplier for multiplier in multipliers]
        self.encoder = _encoder(self.image_shape, widths, blocks, codes)
        self.codebooks = [LearnedCodebook(codes, code_dim, name="codebook")]
        self.decoder = _decoder(grid, widths, blocks, code_dim, image_shape[-1])

        length = text_length + self.size
        masks = attention_masks(text_length, grid, prior_depth, attention)
        self.transformer = Transformer(length, prior_width, prior_depth, prior_heads, dropout, masks)
        self.text, self.pads = (
            layers.Embedding(BYTES, prior_width),
            layers.Embedding(text_length, prior_width),
        )
        self.code = layers.Embedding(codes, prior_width)
        self.places = Positions(length)
        self.heads = layers.Dense(BYTES), layers.Dense(codes)
        self.prior = self._prior()
        self.in_stages(Stage("codes", epochs[0], ("autoencoder",)), Stage("prior", epochs[1], ("prior",)))

    def optimizers(self):
        return {
            "autoencoder_optimizer": keras.optimizers.AdamW(1e-4, weight_decay=1e-4, ema_momentum=0.999, use_ema=True),
            "prior_optimizer": keras.optimizers.AdamW(4.5e-4, weight_decay=4.5e-2, beta_2=0.96, global_clipnorm=4.0),
        }

    def player_networks(self, player):
        return {"autoencoder": (self.encoder, self.decoder, *self.codebooks), "prior": (self.prior,)}[player]

    def levels_of(self, x, training=False):
        logits = self.encoder(x, training=training)
        codes = tf.argmax(logits, -1, output_type=tf.int32)
        return [Level(logits, codes, self.codebooks[0].lookup(codes))]

    def picture(self, quantized, training=False):
        location, _ = self._law(quantized[0], training)
        return 2.0 * gumbel_softmax.outside(tf.sigmoid(location)) - 1.0

    def code_losses(self, batch, x, training):
        logits = self.encoder(x, training=training)
        temperature, beta = self.annealed() if training else (1.0 / 16.0, self.beta)
        gumbel = random.gumbel(batch.seed, random.CHOICE, batch.index, logits.shape[1:])
        mixed = tf.matmul(gumbel_softmax.gumbel_softmax(logits, gumbel, temperature), self.codebooks[0].vectors)
        law = gumbel_softmax.logit_laplace(*self._law(mixed, training))
        size = math.prod(self.image_shape)
        nats = -tf.reduce_sum(law.log_prob(gumbel_softmax.inside(0.5 * (x + 1.0))), (1, 2, 3))
        kl = tf.reduce_sum(gumbel_softmax.kl_to_uniform(logits), (1, 2))
        loss = ops.mean(nats + beta * kl) / size
        shown = 2.0 * gumbel_softmax.outside(law.bijector(law.distribution.loc)) - 1.0
        return {
            "autoencoder_loss": loss,
            "loss": loss,
            "squared_error": ops.mean((x - shown) ** 2),
            "kl": ops.mean(kl),
        }

    def annealed(self):
        """tau and beta in this step of the first stage."""
        done = tf.cast(self.place[1], tf.float32)
        falling = gumbel_softmax.annealed(1.0, 1.0 / 16.0, done / self.cooling)
        return falling, gumbel_softmax.annealed(0.0, self.beta, done / self.rising)

    def prior_losses(self, batch, codes, training):
        text_logits, code_logits = self._ask(batch.given["text"], self.join(codes), training)
        text = _nats(batch.given["text"], text_logits)
        code = _nats(self.join(codes), code_logits)
        loss = text / 8.0 + 7.0 * code / 8.0
        bits = {"bits_per_byte": text / math.log(2.0), "bits_per_code": code / math.log(2.0)}
        return {"prior_loss": loss, "loss": loss, **bits}

    def prior_logits(self, codes, given, training=False):
        return self.split(self._ask(given["text"], self.join(codes), training)[1])

    def fill(self, choose, count, given):
        """Sample the codes: the text is read at once, then each code costs one place's work."""
        features, memory = self.transformer.remember(self.places(self._read(given["text"])))
        features, memory = tf.cast(features[:, -1], tf.float32), self.transformer.room(memory)
        learned = self.heads[1].kernel, self.heads[1].bias, self.code.embeddings, self.places.embeddings
        head, bias, embedding, places = map(tf.convert_to_tensor, learned)
        codes = self.transformer.fill(
            lambda i, features: choose(0)(i, tf.matmul(features, head) + bias),
            lambda place, code: tf.gather(embedding, code) + tf.gather(places, place),
            features, memory, self.size,
        )  # fmt: skip
        return self.split(codes)

    def _ask(self, text, codes, training):
        return self.prior([text, codes], training=training)

    def _law(self, quantized, training):
        """Location and logarithm of the scale of every pixel's logit."""
        return tf.split(self.decoder(quantized, training=training), 2, axis=-1)

    def _read(self, text):
        """What stands at the places of nothing and of a text, (B, length + 1, width)."""
        pads = self.pads(ops.zeros_like(text) + ops.arange(self.text_length))
        x = ops.where(ops.equal(ops.expand_dims(text, -1), 0), pads, self.text(text))  # 0 is after the end
        return ops.pad(x, ((0, 0), (1, 0), (0, 0)))

    def _prior(self):
        """Text (B, length) and codes (B, size) -> logits of every byte and of every code."""
        text, codes = (
            keras.Input((self.text_length,), dtype="int32"),
            keras.Input((self.size,), dtype="int32"),
        )
        x = ops.concatenate([self._read(text), self.code(codes[:, :-1])], 1)
        x = self.transformer(self.places(x))
        logits = self.heads[0](x[:, : self.text_length]), self.heads[1](x[:, self.text_length :])
        return network([text, codes], list(logits), name="prior")


def attention_masks(text_length, grid, depth, attention):
    """Which places each block may attend to: all of the text, and of the codes a row, a column or a square.

    Place text_length holds the last byte and predicts the first code; place text_length + j predicts code j. A block of
    "row" sees the last width codes, one of "column" the codes above; the last block sees a square of 11x11.

    Raises:
        ValueError: no such attention.
    """
    for name in attention:
        if name not in ("row", "column"):
            raise ValueError(f"attention: expected row or column for each block, got {name!r}")
    _, width = grid
    length = text_length + math.prod(grid)
    predicted = np.arange(length)[:, None] - text_length  # code that a place predicts
    held = np.arange(length)[None, :] - text_length - 1  # code that a place holds
    row, column = (np.abs(f(predicted, width) - f(held, width)) for f in (np.floor_divide, np.mod))
    kinds = {
        "row": predicted - held <= width,
        "column": column == 0,
        "square": (row <= 5) & (column <= 5),
    }
    plain = (held < 0) | (predicted < 1) | (held == predicted - 1)  # text, in text, and the place itself
    names = [attention[i % len(attention)] for i in range(depth - 1)] + ["square"]
    return [plain | kinds[name] for name in names]


def _nats(tokens, logits):
    """Mean nats of a token."""
    return ops.mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tokens, logits))


def _encoder(image_shape, widths, blocks, codes):
    picture = keras.Input(image_shape)
    x, depth = layers.Conv2D(widths[0], 7, padding="same")(picture), len(widths) * blocks
    for i, width in enumerate(widths):
        x = layers.MaxPooling2D()(x) if i else x
        for _ in range(blocks):
            x = _residual(x, width, (3, 3, 3, 1), depth)
    return network(picture, layers.Conv2D(codes, 1)(ops.relu(x)), name="encoder")


def _decoder(grid, widths, blocks, code_dim, channels):
    quantized, depth = keras.Input((*grid, code_dim)), len(widths) * blocks
    x = quantized
    for i, width in enumerate(reversed(widths)):
        x = layers.UpSampling2D()(x) if i else x
        for _ in range(blocks):
            x = _residual(x, width, (1, 3, 3, 3), depth)
    return network(quantized, layers.Conv2D(2 * channels, 1)(ops.relu(x)), name="decoder")


def _residual(x, width, sizes, depth):
    """x + convolutions(x) / depth^2, narrow inside."""
    y = x
    for size, filters in zip(sizes, (width // 4, width // 4, width // 4, width), strict=True):
        y = layers.Conv2D(filters, size, padding="same")(ops.relu(y))
    x = x if x.shape[-1] == width else layers.Conv2D(width, 1)(x)
    return x + y / depth**2
