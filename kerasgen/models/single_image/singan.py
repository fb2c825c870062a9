"""SinGAN.  Rott Shaham, Dekel, Michaeli, 2019, SinGAN: Learning a Generative Model from a Single Natural Image,
arXiv:1905.01164.

A pyramid of small GANs learns what the patches of one picture are like at every scale. A generator adds detail to the
picture of the scale before, enlarged, plus noise. All are convolutions, so pictures of any size come out; and a picture
put in at some scale keeps its layout and takes over the texture: harmonisation, editing, paint to image.

The number of scales is the paper's rule: the coarsest has 25 pixels, the ratio is as near to 4/3 as whole scales
allow, 8 for 188x250. (The authors' program rounds up twice, and makes 10 for that size.)

Differs from the paper: the players take one step each in turn, not three; what PyTorch's batch normalisation does with
a batch of one picture is written as what it is, normalisation of each picture, in samples by the statistics remembered
from training, as the authors' program samples; their variance is divided by the pixels, not by one less; Adam goes on
from scale to scale, and its second moment forgets faster (0.99); pictures are enlarged by lines between pixels, not
by cubic curves.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.core.stages import Stage
from kerasgen.nets.sizes import scales
from kerasgen.objectives.single_image import gan_pyramid

PAPER = Paper(
    title="SinGAN: Learning a Generative Model from a Single Natural Image",
    authors="T. Rott Shaham and T. Dekel and T. Michaeli",
    year=2019,
    reference="arXiv:1905.01164",
    tags=("one picture", "adversarial", "pyramid", "harmonisation", "editing", "Wasserstein"),
)


class SinGAN(gan_pyramid.Pyramid):
    """Pyramid of patch GANs on one picture.

        G_n(noise, y) = y + tanh conv [conv, norm, LeakyReLU] x (depth - 1) (noise + y);  D_n the same on y, no tanh

    Args:
        image_shape: (height, width, channels) of the picture.
        ratio: between the sizes of neighbouring scales, as near as whole scales allow.
        coarsest: the shorter side of the coarsest scale.
        width: filters at the coarsest scale; they double every four scales, to 128 at most.
        depth: convolutions of 3x3 in a network, whose patches are 2 depth + 1 wide.
        penalty: weight of the critics' slopes.
        reconstruction: weight of giving the picture itself.

    Raises:
        ValueError: a patch is larger than the coarsest scale.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.SinGAN(image_shape=(8, 8, 1), coarsest=6, width=4, depth=2)
        >>> [stage.name for stage in model.stages], model.sample(2, seed=7, height=8, width=16).shape
        (['6x6', '8x8'], (2, 8, 16, 1))
    """

    def __init__(
        self, image_shape=(250, 250, 3), ratio=4 / 3, coarsest=25, width=32, depth=5, penalty=0.1, reconstruction=10.0,
        **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.penalty, self.reconstruction = tuple(image_shape), penalty, reconstruction
        self.sizes = scales(self.image_shape[:2], ratio, coarsest)
        if 2 * depth + 1 > min(self.sizes[0]):
            raise ValueError(
                f"depth: expected patches of at most {min(self.sizes[0])}, the coarsest scale, got {2 * depth + 1}"
            )
        self.in_stages(*(Stage(f"{h}x{w}") for h, w in self.sizes))
        channels, widths = (
            self.image_shape[-1],
            [min(width * 2 ** (n // 4), 128) for n in range(len(self.sizes))],
        )
        self.generators, self.discriminators = [], []
        for n, filters in enumerate(widths):
            below = n if n and filters == widths[n - 1] else 0
            for networks, cls, last in (
                (self.generators, Generator, channels),
                (self.discriminators, Patches, 1),
            ):
                networks.append(cls(channels, filters, depth, last, networks[n - 1] if below else None))
        self.amplitudes = self.add_weight(
            shape=(len(self.sizes),),
            initializer="ones",
            trainable=False,
            aggregation="only_first_replica",  # all have the same
            name="amplitudes",
        )

    def optimizers(self):
        names = "generator_optimizer", "discriminator_optimizer"
        return {name: keras.optimizers.Adam(5e-4, beta_1=0.5, beta_2=0.99) for name in names}


class Patches(layers.Layer):
    """Convolutions without padding: pictures (B, H, W, C) to (B, H - 2 depth, W - 2 depth, last).

    Args:
        channels, filters, last: going in, inside, coming out.
        depth: number of convolutions.
        below: the network of the scale below, whose weights this one begins with.
    """

    ends_with = ()  # a constant added to all scores would have no effect

    def __init__(self, channels, filters, depth, last, below=None, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.depth, self.convolutions = depth, []
        for i in range(depth):
            inputs, outputs = filters if i else channels, filters if i < depth - 1 else last
            names = ("scale", "shift") if i < depth - 1 else self.ends_with
            self.convolutions.append(Grown(inputs, outputs, names, below.convolutions[i] if below else None))
        self.built = True

    def call(self, x):
        for convolution in self.convolutions:
            x = convolution(x)[0]
        return x


class Generator(Patches):
    """Adds detail to a picture, of which zeros are all around.

    While it is trained it normalises each picture by its own statistics. What it makes afterwards is normalised by
    those that it remembers from training, so that a pixel depends on its patch alone, however large the picture.
    """

    ends_with = ("bias",)

    def __init__(self, channels, filters, depth, last, below=None, **kwargs):
        super().__init__(channels, filters, depth, last, below, **kwargs)
        self.remembered = [
            self.add_weight(
                shape=(2, filters),
                initializer=remembering_nothing,
                trainable=False,
                aggregation="only_first_replica",  # all have the same
                name="statistics",
            )
            for _ in range(depth - 1)
        ]

    def call(self, noise, picture):
        return self.made(noise, picture, self.remembered)[0]

    def learning(self, noise, picture):
        """A picture (B, H, W, C), and the statistics [(B, 2, filters)] by which each layer normalised it."""
        return self.made(noise, picture, [None] * len(self.remembered))

    def made(self, noise, picture, by):
        border = [[0, 0], [self.depth, self.depth], [self.depth, self.depth], [0, 0]]
        x, found = tf.pad(noise + picture, border), []
        for convolution, statistics in zip(self.convolutions, [*by, None], strict=True):
            x, own = convolution(x, statistics)
            found.append(own)
        return picture + ops.tanh(x), found[:-1]

    def remember(self, statistics):
        """Follow the statistics [(2, filters)] of what is made, a tenth of the way."""
        for remembered, found in zip(self.remembered, statistics, strict=True):
            remembered.assign(0.9 * ops.convert_to_tensor(remembered) + 0.1 * found)


def remembering_nothing(shape, dtype=None):
    """A mean of 0 and a variance of 1 for every filter, (2, filters)."""
    return ops.repeat(ops.convert_to_tensor([[0.0], [1.0]], dtype), shape[1], axis=1)


class Grown(layers.Layer):
    """3x3 convolution that begins as that of the scale below; with a scale and a shift, also normalised and leaky.

    Its weights are those of the scale below, which are not trained any more, plus what they grow by, at first zero. So
    a scale begins where the one below ended, without a moment at which anything must be copied. A bias that would be
    normalised away is left out.

    Args:
        inputs, filters: channels.
        names: of the weights beside the kernel.
        below: the convolution of the scale below.
    """

    STARTS = {"kernel": (0.0, 0.02), "scale": (1.0, 0.02), "shift": (0.0, 0.0), "bias": (0.0, 0.0)}

    def __init__(self, inputs, filters, names, below=None, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.inherited = below.weight if below else lambda name: 0.0
        self.own = {}
        for name in ("kernel", *names):
            start = "zeros" if below else keras.initializers.RandomNormal(*self.STARTS[name])
            shape = (3, 3, inputs, filters) if name == "kernel" else (filters,)
            self.own[name] = self.add_weight(shape=shape, initializer=start, name=name)
        self.built = True

    def weight(self, name):
        return ops.convert_to_tensor(self.own[name]) + tf.stop_gradient(self.inherited(name))

    def call(self, x, statistics=None):
        """Pictures (B, H - 2, W - 2, filters), and the statistics (B, 2, filters), mean and variance, of each.

        Args:
            x: pictures (B, H, W, inputs).
            statistics: by which to normalise, (2, filters); None for the pictures' own.
        """
        x, found = tf.nn.conv2d(x, self.weight("kernel"), 1, "VALID"), None
        if "scale" in self.own:
            if statistics is None:
                found = tf.stack(tf.nn.moments(x, (1, 2)), axis=1)
            mean, variance = tf.unstack(found if statistics is None else statistics[None], axis=1)
            x = (x - mean[:, None, None]) * tf.math.rsqrt(variance[:, None, None] + 1e-5)
            x = tf.nn.leaky_relu(x * self.weight("scale") + self.weight("shift"), 0.2)
        return (x + self.weight("bias") if "bias" in self.own else x), found
