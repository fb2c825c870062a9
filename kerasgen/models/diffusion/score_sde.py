"""ScoreSDE.  Song, Sohl-Dickstein, Kingma, Kumar, Ermon, Poole, 2020, Score-Based Generative Modeling through
Stochastic Differential Equations, arXiv:2011.13456.

Noise is added in continuous time by a stochastic equation. Reversing it needs only the score, the gradient of the
log-density of the noisy data, which a network learns at all times at once. The reversal is run in small steps, each of
which may be corrected by Langevin's dynamics; an ordinary equation with the same densities gives codes and likelihoods.

Three kinds of noise: variance exploding (VE), variance preserving (VP, the limit of DDPM) and sub-VP, which is never
noisier than VP and gives the best likelihoods. The network is the paper's DDPM++ for all three; vectors have a residual
network.

Differs from the paper: the ordinary equation is solved in a fixed number of steps, even in about the log of the
noise-to-signal ratio, so that it exports. Pictures are in [-1, 1] also for VE, whose deviations are in that scale, and
whose network sees x / sqrt(1 + sigma^2). Norms in Langevin's step are averaged over a few examples that are drawn
beside those asked for, not over these. The last step takes all noise away that is left. Groups of four channels at
least are normalised. No NCSN++ (its network for VE).
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from kerasgen.core.paper import Paper
from kerasgen.nets import unet
from kerasgen.nets.network import network
from kerasgen.nets.sizes import stages_of
from kerasgen.objectives.diffusion import score

PAPER = Paper(
    title="Score-Based Generative Modeling through Stochastic Differential Equations",
    authors="Y. Song and J. Sohl-Dickstein and D. P. Kingma and A. Kumar and S. Ermon and B. Poole",
    year=2020,
    reference="arXiv:2011.13456",
    tags=("score", "predictor-corrector", "probability flow", "NCSN", "DDPM++", "Langevin"),
)


class ScoreSDE(score.Score):
    """Score model of data under noise that grows by a stochastic differential equation.

    Args:
        image_shape: (height, width, channels), sides that divide by 2 ** (len(multipliers) - 1), or (dim,) for vectors.
        levels: number of grey levels of the data, None for continuous data.
        sde: "vp", "sub_vp" or "ve".
        sampler: "predictor_corrector" (the paper's best), "reverse_diffusion" (its predictor alone), "euler_maruyama"
            or "probability_flow" (the ordinary equation).
        steps: times that `sample` visits if it is not told.
        width: feature maps of the U-Net at full resolution; units for vectors.
        multipliers: of the width, from full resolution down; ignored for vectors.
        blocks: residual blocks per resolution; residual layers for vectors.
        attention: resolutions (heights) with self-attention; ignored for vectors.
        dropout: in the residual blocks.
        mirror: share of the training pictures that are mirrored left to right; the authors have a half.
        largest: deviation of the most noise of "ve"; ignored by the others.
        ema: share of the old value kept by the averaged weights, which are the ones used after `fit`.

    Raises:
        ValueError: unknown sde or sampler; sides that do not divide.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.ScoreSDE(image_shape=(2,), width=8, blocks=1)
        >>> model.sample(2, seed=7, steps=5).shape
        (2, 2)
    """

    kinds = ("picture", "vector")

    def __init__(
        self, image_shape=(32, 32, 3), levels=None, sde="vp", sampler="predictor_corrector", steps=1000, width=128,
        multipliers=(1, 2, 2, 2), blocks=4, attention=(16,), dropout=0.1, mirror=0.0, largest=50.0, ema=0.9999,
        **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.image_shape, self.levels = tuple(image_shape), levels
        self.mirror, self.ema = mirror, ema
        self.sde = score.SDE(sde, sigma=(0.01, largest))
        self.sampler, self.default_steps = sampler, steps
        self.latent_dim = tf.TensorShape(image_shape).num_elements()
        if len(self.image_shape) == 1 and mirror:
            raise ValueError(f"mirror: expected 0 for vectors, got {mirror}")
        if len(self.image_shape) == 1:
            self.network = _perceptron(*self.image_shape, width, blocks, dropout)
        else:
            stages_of(image_shape, len(multipliers) - 1)
            self.network = _ddpm_plus_plus(self.image_shape, width, multipliers, blocks, attention, dropout)

    @classmethod
    def sized(cls, data):
        return unet.pattern(data.shape) if data.kind == "picture" else {}

    def optimizers(self):
        rate = keras.optimizers.schedules.CosineDecay(0.0, 10**9, warmup_target=2e-4, warmup_steps=5000)
        adam = keras.optimizers.Adam(rate, global_clipnorm=1.0, use_ema=True, ema_momentum=self.ema)
        return {"optimizer": adam}

    def predict_noise(self, x, time, training=False):
        alpha, sigma = (score.like(part, x) for part in self.sde.marginal(time))
        x = x * tf.math.rsqrt(alpha**2 + sigma**2) if self.sde.kind == "ve" else x
        return self.network([x, 999.0 * time], training=training)


def _ddpm_plus_plus(image_shape, width, multipliers, blocks, attention, dropout):
    """The U-Net of DDPM with resolutions changed inside of residual blocks, and sums divided by sqrt(2)."""
    picture, time = keras.Input(image_shape), keras.Input(())
    when = layers.Activation("swish")(unet.embed_time(time, width))

    def residual(x, channels, **options):
        return unet.residual(x, when, channels, dropout, rescale=True, **options)

    x = unet.unet(
        layers.Conv2D(width, 3, padding="same")(picture),
        [width * multiplier for multiplier in multipliers],
        blocks,
        residual,
        unet.attend_at(attention, rescale=True),
        down=lambda x: residual(x, x.shape[-1], resample=layers.AveragePooling2D(2), project=True),
        up=lambda x: residual(x, x.shape[-1], resample=layers.UpSampling2D(), project=True),
        every=False,
    )
    x = layers.Conv2D(image_shape[-1], 3, padding="same", kernel_initializer="zeros")(unet.norm_swish(x))
    return network([picture, time], x, name="network")


def _perceptron(dim, width, blocks, dropout):
    vector, time = keras.Input((dim,)), keras.Input(())
    when = layers.Activation("swish")(unet.embed_time(time, width))
    x = layers.Dense(width)(vector)
    for _ in range(blocks):
        y = layers.Dense(width)(layers.Activation("swish")(x)) + layers.Dense(width)(when)
        y = layers.Activation("swish")(y)
        y = layers.Dropout(dropout)(y) if dropout else y
        x = x + layers.Dense(width)(y)
    x = layers.Dense(dim, kernel_initializer="zeros")(layers.Activation("swish")(x))
    return network([vector, time], x, name="network")
