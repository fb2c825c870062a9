"""Networks that grow: layers of every resolution, those of the resolution reached faded in beside the ones before.

Reference: Karras, Aila, Laine, Lehtinen, 2017, Progressive Growing of GANs, arXiv:1710.10196.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from kerasgen.nets.layers.equalized import Conv, Dense, leaky
from kerasgen.nets.layers.minibatch_deviation import BatchDeviation
from kerasgen.nets.network import network
from kerasgen.nets.sizes import stages_of


class Growing(layers.Layer):
    """What both networks have in common: pictures of every resolution, at full size on the outside.

    Args:
        image_shape: of full size.
        widths: channels from the smallest picture up.
        grown: function returning the resolution reached, and the share of its layers beside those of the one before,
            None for all; see `kerasgen.objectives.gan.growing`.
        begins: the first resolution that is trained; those below it have no pictures.
    """

    def __init__(self, image_shape, widths, grown, begins=0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.widths, self.grown, self.begins, self.channels = tuple(widths), grown, begins, image_shape[-1]
        height, width = stages_of(image_shape, len(widths) - 1)
        self.sizes = [(height * 2**i, width * 2**i) for i in range(len(widths))]
        self.built = True

    def maps(self, level) -> tuple:
        """Shape of the features at a resolution."""
        return (*self.sizes[level], self.widths[level])


class Generator(Growing):
    """Pictures of the resolution reached, enlarged.

    A network fills `features`, sets what these need for the smallest picture, and calls `build_up`.
    """

    def features(self, level, x, given):
        """Hook: features at a resolution, from those at the one before, None at first, and what `call` was given."""
        raise NotImplementedError

    def build_up(self, block):
        """Make `blocks`, one for every resolution above the first, and `colours`, which make pictures of features.

        Args:
            block: function of the resolution -> network.
        """
        self.blocks, self.colours = [], [] if self.begins else [self._colour(0)]
        for level in range(1, len(self.widths)):
            self.blocks.append(block(level))
            if level >= self.begins:
                self.colours.append(self._colour(level))

    def _colour(self, level):
        x = keras.Input(self.maps(level))
        return network(x, Conv(self.channels, 1)(x))

    def picture(self, level, x):
        return self.colours[level - self.begins](x)

    def call(self, given):
        level, share = self.grown()
        before = x = None
        for i in range(level + 1):
            before, x = x, self.features(i, x, given)
        picture = self.picture(level, x)
        if share is not None:
            picture = share * picture + (1.0 - share) * enlarged(self.picture(level - 1, before), 2)
        return enlarged(picture, 2 ** (len(self.blocks) - level))


class Discriminator(Growing):
    """From pictures to scores: shrunk to the resolution reached, if they are larger.

    Args:
        block: function (features, width, width of the next smaller resolution) -> features at that resolution.
    """

    def __init__(self, image_shape, widths, grown, block, begins=0, **kwargs):
        super().__init__(image_shape, widths, grown, begins, **kwargs)
        x = inputs = keras.Input(self.maps(0))
        x = leaky(Conv(widths[0], 3)(BatchDeviation()(x)))
        x = leaky(Dense(widths[0])(layers.Flatten()(x)))
        self.last = network(inputs, Dense(1)(x))
        self.blocks, self.features = [], [] if begins else [self._features(0)]
        for level in range(1, len(widths)):
            x = keras.Input(self.maps(level))
            self.blocks.append(network(x, block(x, widths[level], widths[level - 1])))
            if level >= begins:
                self.features.append(self._features(level))

    def _features(self, level):
        x = keras.Input((*self.sizes[level], self.channels))
        return network(x, leaky(Conv(self.widths[level], 1)(x)))

    def seen(self, level, x):
        return self.features[level - self.begins](x)

    def shrunk(self, x):
        """Pictures at the resolution reached."""
        times = x.shape[1] // self.sizes[self.grown()[0]][0]
        return ops.average_pool(x, times) if times > 1 else x

    def blended(self, x):
        """Pictures of the data at the resolution reached, as blurred as the generator's while it fades in."""
        share, x = self.grown()[1], self.shrunk(x)
        return x if share is None else share * x + (1.0 - share) * enlarged(ops.average_pool(x, 2), 2)

    def call(self, x, training=False):
        level, share = self.grown()
        x = self.shrunk(x)
        h = self.seen(level, x)
        for i in reversed(range(level)):
            h = self.blocks[i](h)
            if share is not None and i == level - 1:
                h = share * h + (1.0 - share) * self.seen(i, ops.average_pool(x, 2))
        return self.last(h, training=training)


def enlarged(x, times):
    """Every pixel repeated, `times` as high and as wide."""
    return layers.UpSampling2D(times)(x) if times > 1 else x
