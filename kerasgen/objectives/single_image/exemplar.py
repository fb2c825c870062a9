"""Remembering one picture: what learns is the picture itself.

    min_m  1/2 E |m - x|^2

The loss is a parabola, so that one step of rate 1 goes to its lowest point: m is then the picture, or, of several,
their mean, however often `fit` goes on. There is no network, and no gradient goes through anything. What the models of
this objective do with their picture is in how they sample: patch by patch.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops

from kerasgen.core.model import GenerativeModel
from kerasgen.nets import patches


class Memory(GenerativeModel):
    """A stored picture, whose patches new pictures are made of.

    A model calls `remember` in its constructor and samples.

    Attributes:
        window: height and width of a patch.
    """

    reports = ("loss",)
    levels = 256
    window: int = 7
    parts = 16

    def remember(self, image_shape, levels, window):
        """Make the weight that holds the picture, noise until it is fitted.

        Raises:
            ValueError: no patch fits in the picture.
        """
        self.image_shape, self.levels, self.window = tuple(image_shape), levels, window
        if window > min(self.image_shape[:2]):
            raise ValueError(f"image_shape: expected sides of at least {window}, a patch, got {image_shape}")
        noise = keras.initializers.RandomUniform(0.0, 1.0)
        self.memory = self.add_weight(shape=self.image_shape, initializer=noise, name="memory")

    def optimizers(self):
        return {"optimizer": keras.optimizers.SGD(1.0)}

    def losses(self, batch, training):
        gap = ops.convert_to_tensor(self.memory) - batch.x
        return {"loss": 0.5 * ops.mean(ops.sum(ops.square(gap), axis=(1, 2, 3)))}

    def stored(self):
        """The picture in levels, (H, W, C)."""
        return self.to_levels(tf.convert_to_tensor(self.memory))

    def to_levels(self, x):
        """Pictures in [0, 1] as whole numbers."""
        return tf.round(tf.clip_by_value(x, 0.0, 1.0) * (self.levels - 1.0))

    def from_levels(self, level):
        """Levels as pictures in [0, 1]."""
        return level / (self.levels - 1.0)

    def serve_energy(self, x):
        """Mean squared difference per value between the patches of x and those nearest to them in the picture."""
        level, stored = (patches.centred(picture, self.levels) for picture in (self.to_levels(x), self.stored()))

        def energy(picture):
            return tf.reduce_mean(patches.nearest(picture, stored, self.window)[1])

        values = self.window**2 * x.shape[-1] * (self.levels - 1) ** 2
        return one_by_one(energy, (level,)) / float(values)


def one_by_one(function, values, shape=()):
    """What a function gives for each example, in a loop, so that memory does not grow with their number.

    Args:
        function: of tensors without a batch axis, giving one.
        values: tuple of tensors with that axis.
        shape: of what it gives: numbers, or integer scalars that are known later.
    """
    count = tf.shape(values[0])[0]

    def step(i, found):
        return i + 1, tf.concat([found, function(*(value[i] for value in values))[None]], 0)

    known = [size if isinstance(size, int) else None for size in shape]
    shapes = tf.TensorShape(()), tf.TensorShape((None, *known))
    start = tf.constant(0), tf.zeros((0, *shape))
    return tf.while_loop(lambda i, _: i < count, step, start, shapes)[1]
