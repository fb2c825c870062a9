"""Layout2Im.  Zhao, Meng, Yin, Sigal, 2018, Image Generation from Layout, arXiv:1811.11389.

A picture of what stands in which box. Every object is a class and a latent of its looks, painted into its box; a
convolutional LSTM goes over the objects and fuses them to one scene. Latents of real objects come from an encoder of
crops, so that a scene can be painted again; drawn ones give another scene of the same layout.

Differs from the paper: both updates follow from one forward pass, an object counts by its share of a scene, and the
divergence has weight 0.08 of a mean over scenes for the code's 0.01 of a sum over a batch of eight. Crops are sampled
at the middle of their pixels. The 1x1 convolution of the layout has no border. The last layer is not bounded, as in
the code; pictures are clipped.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.nets.layers import spectral
from kerasgen.nets.network import network
from kerasgen.nets.sizes import stages_of
from kerasgen.objectives.gan import scenes

PAPER = Paper(
    title="Image Generation from Layout",
    authors="B. Zhao and L. Meng and W. Yin and L. Sigal",
    year=2018,
    reference="arXiv:1811.11389",
    tags=("adversarial", "layout", "boxes", "scenes", "convolutional LSTM"),
)


class Layout2Im(scenes.Scenes):
    """Adversarial autoencoder of objects in boxes.

        q(z | crop, class): [convolution, batch norm by class, ReLU] x n, mean over places -> mean, log-variance
        G: class embedding and z in the box -> [convolution, batch norm by class] x n -> LSTM over objects
           -> residual blocks -> [up-convolution, batch norm, ReLU] x (n - 1) -> x
        D, O: residual blocks with spectral normalisation, sum over places -> score (O: and class)

    Args:
        image_shape: (height, width, channels); the sides divide by 2 ** (len(widths) - 1).
        classes: of objects.
        objects: of a layout, at most.
        latent_dim: size of z.
        embedding: size of a class embedding.
        widths: feature maps of the layout's convolutions, the first at full size; the decoder mirrors them.
        crop_widths: feature maps of the encoder of crops, the first at full size.
        crop_size: side of a crop; divides by 2 ** (len(crop_widths) - 1).
        lstm: feature maps of the layers of the LSTM.
        lstm_kernel: size of its convolutions.
        blocks: residual blocks.
        image_widths, object_widths: feature maps of the discriminators' blocks.
        kl, picture, latent: weights of the divergence, of reconstructed pictures and of latents found again.

    Raises:
        ValueError: sides that do not divide.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.Layout2Im(
        ...     image_shape=(8, 8, 1), classes=3, objects=2, latent_dim=4, embedding=4, widths=(4, 6),
        ...     crop_widths=(4, 6), crop_size=4, lstm=(5,), lstm_kernel=3, blocks=1, image_widths=(4, 6),
        ...     object_widths=(4, 6))
        >>> model.sample(2, seed=7, layout=[[1, 0, 0, 0.5, 0.5], [2, 0.5, 0.25, 0.5, 0.5]]).shape
        (2, 8, 8, 1)
    """

    def __init__(
        self, image_shape=(64, 64, 3), classes=184, objects=8, latent_dim=64, embedding=64, widths=(64, 128, 256, 512),
        crop_widths=(64, 128, 256, 512, 1024), crop_size=32, lstm=(128, 64, 64), lstm_kernel=5, blocks=6,
        image_widths=(64, 128, 256, 512, 1024), object_widths=(64, 128, 256, 512, 1024), kl=0.08, picture=1.0,
        latent=10.0, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.classes, self.objects = tuple(image_shape), classes, objects
        self.latent_dim, self.crop_size, self.weights_of = latent_dim, crop_size, (kl, picture, latent)
        channels = image_shape[-1]
        self.crop_encoder = _crop_encoder((crop_size, crop_size, channels), classes, crop_widths, latent_dim)
        self.layout_encoder = _layout_encoder(
            self.image_shape, classes, objects, latent_dim, embedding, widths, lstm, lstm_kernel, blocks
        )
        self.decoder = _decoder(self.layout_encoder.output.shape[1:], widths[-2::-1], channels)
        self.image_discriminator = _discriminator(self.image_shape, image_widths, True)
        self.object_discriminator = _discriminator((crop_size, crop_size, channels), object_widths, False, classes)

    def optimizers(self):
        return {f"{player}_optimizer": keras.optimizers.Adam(1e-4, beta_1=0.5) for player in self.players}


def _crop_encoder(shape, classes, widths, latent_dim):
    stages_of(shape, len(widths) - 1)
    x, label = crop, _ = keras.Input(shape), keras.Input((), dtype="int32")
    for i, width in enumerate(widths):
        x = _conv(x, width, 4, 2) if i else _conv(x, width, 7)
        x = layers.ReLU()(_norm_by_class(x, label, classes))
    x = layers.GlobalAveragePooling2D()(x)
    return network([crop, label], [layers.Dense(latent_dim)(x) for _ in range(2)], name="crop_encoder")


def _layout_encoder(image_shape, classes, objects, latent_dim, embedding, widths, lstm, kernel_size, blocks):
    height, columns = stages_of(image_shape, len(widths) - 1)
    mask = keras.Input((objects, *image_shape[:2], 1))
    label, present = keras.Input((objects,), dtype="int32"), keras.Input((objects,))
    z = keras.Input((objects, latent_dim))
    looks = ops.concatenate([layers.Embedding(classes, embedding)(label), z], axis=-1)
    x = ops.reshape(looks[:, :, None, None] * mask, (-1, *image_shape[:2], embedding + latent_dim))
    rows = ops.reshape(label, (-1,))
    for i, width in enumerate(widths):
        x = _norm_by_class(_conv(x, width, 4, 2) if i else _conv(x, width, 1), rows, classes)
        x = x if i + 1 == len(widths) else layers.ReLU()(x)
    x = ops.reshape(x, (-1, objects, height, columns, widths[-1]))
    steps = [x[:, i] for i in range(objects)]
    for width in lstm:
        steps = _lstm(steps, present, width, kernel_size)
    x = steps[-1]
    for _ in range(blocks):
        y = layers.ReLU()(_norm()(_conv(x, lstm[-1], 3)))
        x = x + _norm()(_conv(y, lstm[-1], 3))
    return network([mask, label, present, z], x, name="layout_encoder")


def _lstm(steps, present, width, kernel_size):
    """What a convolutional LSTM says after each of some feature maps; where none is present, what it said before."""
    gates = layers.Conv2D(4 * width, kernel_size, padding="same")
    hidden = cell = ops.zeros_like(steps[0][..., :1]) * ops.zeros((width,))
    said = []
    for i, x in enumerate(steps):
        i_, f, o, g = ops.split(gates(ops.concatenate([x, hidden], axis=-1)), 4, axis=-1)
        after = ops.sigmoid(f) * cell + ops.sigmoid(i_) * ops.tanh(g)
        there = present[:, i, None, None, None]
        hidden = there * ops.sigmoid(o) * ops.tanh(after) + (1.0 - there) * hidden
        cell = there * after + (1.0 - there) * cell
        said.append(hidden)
    return said


def _decoder(shape, widths, channels):
    x = features = keras.Input(shape)
    x = layers.ReLU()(_norm()(_conv(x, widths[0], 3)))
    for width in widths:
        x = layers.ReLU()(_norm()(layers.Conv2DTranspose(width, 4, 2, "same", use_bias=False)(x)))
    return network(features, layers.Conv2D(channels, 7, padding="same")(x), name="decoder")


def _discriminator(shape, widths, halve_first, classes=0):
    """The first block of a discriminator of objects keeps the sides."""
    x = picture = keras.Input(shape)
    for i, width in enumerate(widths):
        h = spectral.Conv(width if i == 0 else x.shape[-1], 3)(layers.ReLU()(x) if i else x)
        h, shortcut = spectral.Conv(width, 3)(layers.ReLU()(h)), spectral.Conv(width, 1)(x)
        x = h + shortcut
        x = layers.AveragePooling2D(2)(x) if i or halve_first else x
    x = ops.sum(layers.ReLU()(x), axis=(1, 2))
    scores = spectral.Dense(1, use_bias=bool(classes))(x)
    if not classes:
        return network(picture, scores, name="image_discriminator")
    return network(picture, [scores, spectral.Dense(classes)(x)], name="object_discriminator")


def _conv(x, width, size, strides=1):
    return layers.Conv2D(width, size, strides, "same", use_bias=False)(x)


def _norm(**options):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True, **options)


def _norm_by_class(x, label, classes):
    """Batch normalisation with gains and shifts of each class."""
    one = keras.initializers.RandomNormal(1.0, 0.02)
    gain, shift = (layers.Embedding(classes, x.shape[-1], start)(label) for start in (one, "zeros"))
    return _norm(center=False, scale=False)(x) * gain[:, None, None] + shift[:, None, None]
