"""GuidedDiffusion.  Dhariwal, Nichol, 2021, Diffusion Models Beat GANs on Image Synthesis, arXiv:2105.05233.

The U-Net of DDPM made better (ADM): time and class scale and shift normalised features, attention has many heads and
acts at several resolutions, residual blocks change the resolution themselves, and variances are learned. A classifier
of noisy pictures then pulls the sampler towards a class: variety is traded for fidelity. The control `guidance` says
how much; 0 ignores the class, 1 follows it plainly.

The same network, told no class now and then, guides itself without a classifier. That is another paper,
Classifier-Free Diffusion Guidance (Ho, Salimans, 2022, arXiv:2207.12598); `guide` chooses between the two.

Differs from the paper: the network that the classifier guides is told no class, so that `guidance` means the same for
both. The classifier sees the network's batches, and not random crops. Its gradient enters through the predicted noise
also where variances are drawn. At the start of a chain the networks are told the last time at which a signal is left,
abar = 0.01. Groups of four channels at least are normalised. No upsampling stages.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen.core.paper import Paper
from kerasgen.nets import unet
from kerasgen.nets.network import network
from kerasgen.nets.sizes import halvings, stages_of
from kerasgen.objectives.diffusion import denoising, guidance

PAPER = Paper(
    title="Diffusion Models Beat GANs on Image Synthesis",
    authors="P. Dhariwal and A. Nichol",
    year=2021,
    reference="arXiv:2105.05233",
    tags=("ADM", "classifier guidance", "classifier-free guidance", "class-conditional", "learned variances"),
)


class GuidedDiffusion(guidance.Guided):
    """Class-conditional diffusion with learned variances and guidance.

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** (len(multipliers) - 1).
        levels: number of grey levels of the data, for the bound; None for continuous data.
        num_classes: number of classes, 2 or more.
        steps: T, length of the chain.
        schedule: "linear" or "cosine".
        sampler: "ancestral" (the paper's, with learned variances) or "ddim".
        spacing: of the visited times where they are fewer than all: "even" (from 0 to T - 1), "quadratic" (closer
            together where there is little noise) or "stride" (DDIM's, which leaves the last times out).
        guide: "classifier" (the paper's; `sample` has no ONNX form then) or "free".
        guidance: of the control if `sample` is not told. The paper has 1 for 64x64 pictures, and more where the guided
            network knows no classes.
        drop: share of examples whose class is kept from the network; without any, it knows no picture without a class.
        width: feature maps of the U-Net at full resolution.
        multipliers: of the width, from full resolution down.
        blocks: residual blocks per resolution.
        attention: resolutions (heights) with self-attention.
        head: channels of an attention head; there is one head where it does not divide the channels.
        classifier_width, classifier_blocks: of the classifier, which is the way down of such a U-Net.
        dropout: in the residual blocks of the U-Net.
        mirror: share of the training pictures that are mirrored left to right; the authors have a half.
        ema: share of the old value kept by the averaged weights, which are the ones used after `fit`.

    Raises:
        ValueError: unknown schedule, sampler, spacing or guide; sides that do not divide; fewer than two classes.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.GuidedDiffusion(
        ...     image_shape=(8, 8, 1), num_classes=3, sampler="ddim", guide="free", width=8, multipliers=(1, 2),
        ...     blocks=1, attention=(4,), classifier_width=8, classifier_blocks=1)
        >>> model.sample(2, seed=7, label=1, guidance=2.0, steps=5).shape
        (2, 8, 8, 1)
    """

    def __init__(
        self, image_shape=(64, 64, 3), levels=256, num_classes=1000, steps=1000, schedule="cosine",
        sampler="ancestral", spacing="even", guide="classifier", guidance=1.0, drop=0.1, width=192,
        multipliers=(1, 2, 3, 4), blocks=3, attention=(32, 16, 8), head=64, classifier_width=128, classifier_blocks=4,
        dropout=0.1, mirror=0.0, ema=0.9999, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if schedule not in denoising.SCHEDULES:
            raise ValueError(f"schedule: expected {' or '.join(denoising.SCHEDULES)}, got {schedule!r}")
        if num_classes < 2:
            raise ValueError(f"num_classes: expected at least 2, got {num_classes}")
        stages_of(image_shape, len(multipliers) - 1)
        self.image_shape, self.levels, self.num_classes = tuple(image_shape), levels, num_classes
        self.guidance, self.drop, self.mirror, self.ema = guidance, drop, mirror, ema
        self.sampler, self.spacing, self.guide = sampler, spacing, guide
        self.process = denoising.Process(denoising.SCHEDULES[schedule](steps))
        shared = dict(multipliers=multipliers, attention=attention, head=head)
        self.network = _unet(self.image_shape, num_classes, width, blocks, dropout, **shared)
        self.classifier = _classifier(self.image_shape, num_classes, classifier_width, classifier_blocks, **shared)

    @classmethod
    def sized(cls, data):
        stages = halvings(data.shape, most=3)
        return {
            "multipliers": (1, 2, 3, 4)[: stages + 1],
            "attention": tuple(data.shape[0] // 2**i for i in range(1, stages + 1)),
        }

    def optimizers(self):
        return {
            "network_optimizer": keras.optimizers.AdamW(1e-4, weight_decay=0.0, use_ema=True, ema_momentum=self.ema),
            "classifier_optimizer": keras.optimizers.AdamW(3e-4, weight_decay=0.05),
        }

    def predict(self, x, time, label, training=False):
        return self.network([x, self._time(time), label], training=training)

    def class_logits(self, x, time, training=False):
        return self.classifier([x, self._time(time)], training=training)

    def _time(self, time):
        """As in a chain of 1,000 steps, for which the embedding is made."""
        return tf.cast(time, tf.float32) * (1000.0 / self.process.steps)


def _unet(image_shape, num_classes, width, blocks, dropout, multipliers, attention, head):
    picture, time, label = keras.Input(image_shape), keras.Input(()), keras.Input((), dtype="int32")
    # No class is a row of zeros.
    told = layers.Dense(4 * width, use_bias=False)(ops.one_hot(label, num_classes))
    when = layers.Activation("swish")(unet.embed_time(time, width) + told)
    parts, resample = _parts(when, attention, head, dropout)
    x = layers.Conv2D(width * multipliers[0], 3, padding="same")(picture)
    x = unet.unet(x, [width * multiplier for multiplier in multipliers], blocks, *parts, *resample)
    channels = image_shape[-1]
    x = layers.Conv2D(2 * channels, 3, padding="same", kernel_initializer="zeros")(unet.norm_swish(x))
    return network([picture, time, label], [x[..., :channels], x[..., channels:]], name="network")


def _classifier(image_shape, num_classes, width, blocks, multipliers, attention, head):
    picture, time = keras.Input(image_shape), keras.Input(())
    when = layers.Activation("swish")(unet.embed_time(time, width))
    parts, (down, _) = _parts(when, attention, head, 0.0)
    x = layers.Conv2D(width * multipliers[0], 3, padding="same")(picture)
    x, _ = unet.contract(x, [width * multiplier for multiplier in multipliers], blocks, *parts, down)
    x = unet.norm_swish(x)
    return network([picture, time], layers.Dense(num_classes)(AttentionPool(_heads(x, head))(x)), name="classifier")


def _parts(when, attention, head, dropout):
    """(residual, attend), (down, up) of ADM."""

    def residual(x, channels, **options):
        return unet.residual(x, when, channels, dropout, modulate=True, **options)

    def attend(x, middle=False):
        chosen = middle or x.shape[1] in attention
        return unet.attention(x, heads=_heads(x, head)) if chosen else x

    down = lambda x: residual(x, x.shape[-1], resample=layers.AveragePooling2D(2))
    up = lambda x: residual(x, x.shape[-1], resample=layers.UpSampling2D())
    return (residual, attend), (down, up)


def _heads(x, head):
    return x.shape[-1] // head if x.shape[-1] % head == 0 else 1


class AttentionPool(layers.Layer):
    """The mean of all places looks at them (and itself) and becomes their summary; places have learned positions."""

    def __init__(self, heads, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, shape):
        places, channels = shape[1] * shape[2], shape[3]
        start = keras.initializers.RandomNormal(stddev=channels**-0.5)
        self.position = self.add_weight(shape=(places + 1, channels), initializer=start, name="position")
        self.project = layers.Dense(3 * channels)
        self.project.build((None, places + 1, channels))

    def call(self, x):
        x = ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))
        x = ops.concatenate([ops.mean(x, 1, keepdims=True), x], 1) + ops.cast(self.position, x.dtype)
        size = x.shape[-1] // self.heads
        x = ops.reshape(self.project(x), (-1, x.shape[1], 3, self.heads, size))
        query, key, value = x[:, 0, 0], x[:, :, 1], x[:, :, 2]
        weights = ops.softmax(ops.einsum("bhc,bkhc->bhk", query, key) / size**0.5)
        return ops.reshape(ops.einsum("bhk,bkhc->bhc", weights, value), (-1, self.heads * size))
