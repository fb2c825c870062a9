"""DDPM.  Ho, Jain, Abbeel, 2020, Denoising Diffusion Probabilistic Models, arXiv:2006.11239.

A U-Net learns to predict the noise in a picture; a thousand small denoising steps turn noise into pictures. The same
network samples in a few dozen steps with DDIM (Song, Meng, Ermon, 2020, arXiv:2010.02502).

Both take fewer steps than there are (Nichol, Dhariwal, 2021, arXiv:2102.09672).

Differs from the paper: the cosine schedule (Nichol, Dhariwal, 2021) may be asked for. At its start a chain's network is
told the last time at which a signal is left, abar = 0.01. Data without levels have a density in the place of the
decoder of levels in `bound`, with beta_1 for its variance.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from kerasgen.core.paper import Paper
from kerasgen.nets import unet
from kerasgen.nets.network import network
from kerasgen.nets.sizes import stages_of
from kerasgen.objectives.diffusion import denoising

PAPER = Paper(
    title="Denoising Diffusion Probabilistic Models",
    authors="J. Ho and A. Jain and P. Abbeel",
    year=2020,
    reference="arXiv:2006.11239",
    tags=("score", "denoising", "U-Net", "DDIM"),
)


class DDPM(denoising.Denoising):
    """Denoising diffusion with the simple loss E |eps - eps_theta(x_t, t)|^2.

    Args:
        image_shape: (height, width, channels); height and width divide by 2 ** (len(multipliers) - 1).
        levels: number of grey levels of the data, for the bound; None for continuous data.
        steps: T, length of the chain.
        schedule: "linear" or "cosine".
        variance: of the reverse steps, "fixed_large" (beta_t) or "fixed_small" (the posterior's).
        sampler: "ancestral" (the paper's) or "ddim".
        spacing: of the visited times where they are fewer than all: "even" (from 0 to T - 1), "quadratic" (closer
            together where there is little noise) or "stride" (DDIM's, which leaves the last times out).
        width: feature maps of the U-Net at full resolution.
        multipliers: of the width, from full resolution down.
        blocks: residual blocks per resolution.
        attention: resolutions (heights) with self-attention.
        dropout: in the residual blocks.
        mirror: share of the training pictures that are mirrored left to right; the authors have a half.
        ema: share of the old value kept by the averaged weights, which are the ones used after `fit`.

    Raises:
        ValueError: unknown schedule, sampler, spacing or variance; sides that do not divide.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.DDPM(image_shape=(8, 8, 1), width=8, multipliers=(1, 2), blocks=1, sampler="ddim")
        >>> model.sample(2, seed=7, steps=5).shape
        (2, 8, 8, 1)
    """

    def __init__(
        self, image_shape=(32, 32, 3), levels=256, steps=1000, schedule="linear", variance="fixed_large",
        sampler="ancestral", spacing="even", width=128, multipliers=(1, 2, 2, 2), blocks=2, attention=(16,),
        dropout=0.1, mirror=0.0, ema=0.9999, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if schedule not in denoising.SCHEDULES:
            raise ValueError(f"schedule: expected {' or '.join(denoising.SCHEDULES)}, got {schedule!r}")
        stages_of(image_shape, len(multipliers) - 1)
        self.image_shape, self.levels = tuple(image_shape), levels
        self.mirror, self.ema = mirror, ema
        self.process = denoising.Process(denoising.SCHEDULES[schedule](steps), variance)
        self.sampler, self.spacing = sampler, spacing
        self.network = _unet(self.image_shape, width, multipliers, blocks, attention, dropout)

    @classmethod
    def sized(cls, data):
        return unet.pattern(data.shape)

    def optimizers(self):
        rate = keras.optimizers.schedules.CosineDecay(0.0, 10**9, warmup_target=2e-4, warmup_steps=5000)
        return {"optimizer": keras.optimizers.Adam(rate, global_clipnorm=1.0, use_ema=True, ema_momentum=self.ema)}

    def predict_noise(self, x, time, label=None, training=False):
        return self.network([x, tf.cast(time, tf.float32)], training=training)


def _unet(image_shape, width, multipliers, blocks, attention, dropout):
    picture, time = keras.Input(image_shape), keras.Input(())
    when = layers.Activation("swish")(unet.embed_time(time, width))
    x = unet.unet(
        layers.Conv2D(width, 3, padding="same")(picture),
        [width * multiplier for multiplier in multipliers],
        blocks,
        lambda x, channels: unet.residual(x, when, channels, dropout),
        unet.attend_at(attention),
        down=lambda x: layers.Conv2D(x.shape[-1], 3, 2, "same")(x),
        up=lambda x: layers.Conv2D(x.shape[-1], 3, padding="same")(layers.UpSampling2D()(x)),
    )
    x = layers.Conv2D(image_shape[-1], 3, padding="same", kernel_initializer="zeros")(unet.norm_swish(x))
    return network([picture, time], x, name="network")
