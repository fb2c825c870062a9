"""WaveNet.  van den Oord et al., 2016, WaveNet: A Generative Model for Raw Audio, arXiv:1609.03499.

Convolutions whose dilation doubles from layer to layer see thousands of values of a sound and none of the future. Each
value is one of 256 levels, finer where the sound is soft, and its softmax depends on all the values that can be seen.

Differs from the paper: conditioned on a class alone, not on features that vary in time. The paper states no widths;
those of the defaults are common in other implementations. The last layer has no residual output, which nothing reads.
"""

from __future__ import annotations

import keras

from kerasgen.core import ranges
from kerasgen.core.paper import Paper
from kerasgen.nets.causal.wavenet import Stack
from kerasgen.objectives.autoregressive import chain_rule

PAPER = Paper(
    title="WaveNet: A Generative Model for Raw Audio",
    authors=(
        "A. van den Oord and S. Dieleman and H. Zen and K. Simonyan and O. Vinyals and A. Graves and N. "
        "Kalchbrenner and A. Senior and K. Kavukcuoglu"
    ),
    year=2016,
    reference="arXiv:1609.03499",
    tags=("exact likelihood", "sound", "dilated convolution", "mu-law", "class-conditional"),
)

COMPANDING = {"mu_law": ranges.MuLaw, "linear": ranges.Linear}


class WaveNet(chain_rule.Autoregressive):
    """Dilated causal convolutions over the values of a sound, optionally class-conditional.

        P(x) = prod_t softmax(logits_t(x_1 .. x_(t-1), h))[x_t]

    The receptive field is blocks * (2^depth - 1) + 2 values: so many blocks of dilations 1, 2, 4 .. 2^(depth - 1), and
    the two values before that the first convolution sees.

    Args:
        image_shape: (length,) of a sound.
        sample_rate: values per second.
        levels: number of levels of a value.
        num_classes: number of classes h, 0 for none.
        width: feature maps of the layers.
        skip: feature maps of the head.
        depth: layers of a block.
        blocks: number of blocks.
        companding: "mu_law", levels finer where sounds are soft, or "linear".

    Raises:
        ValueError: unknown companding.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.WaveNet(image_shape=(32,), levels=16, width=8, skip=8, depth=3, blocks=1)
        >>> sound = model.sample(3, seed=7)
        >>> sound.shape, model.log_prob(sound).shape
        ((3, 32), (3,))
    """

    kinds = ("sound",)

    def __init__(
        self, image_shape=(16_000,), sample_rate=16_000, levels=256, num_classes=0, width=32, skip=512, depth=10,
        blocks=5, companding="mu_law", **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if companding not in COMPANDING:
            raise ValueError(f"companding: expected {' or '.join(COMPANDING)}, got {companding!r}")
        self.image_shape, self.sample_rate = tuple(image_shape), sample_rate
        self.levels, self.num_classes, self.scale = levels, num_classes, COMPANDING[companding]
        dilations = [2**i for i in range(depth)] * blocks
        self.stack = Stack(self.image_shape[0], levels, dilations, num_classes, width, skip)
        self.network = self.stack.network()

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-3)}

    def predict_logits(self, x, label, training=False):
        return self.network([x, label] if self.num_classes else x, training=training)

    def fill(self, choose, count, label):
        return self.stack.fill(choose, count, label)
