"""What one training step sees."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from kerasgen.core import distribute


class Batch(NamedTuple):
    """What one training step sees: examples, what is said of them, and the key of every draw made for them."""

    x: tf.Tensor  # (B, *image_shape)
    given: dict  # what data say of them, by port name: label (B,), text (B, length), layout (B, objects, 5), ...
    index: tf.Tensor  # (B,) position in the global batch; in evaluation, in the data
    seed: tf.Tensor  # () a fresh seed per step; one for all of an evaluation
    share: tf.Tensor | float = 1.0  # () the part of the global batch that this replica has; 1 on a single device
    total: tf.Tensor | int = 1  # () examples of the global batch

    @property
    def label(self):
        """The classes (B,) int32, None where data have none or the model asks for none."""
        return self.given.get("label")

    def part(self, step: int, steps: int) -> Batch:
        """What one of several steps on a batch sees of it: every so-many-th example, as a batch of its own.

        Replicas hold neighbouring examples, so that every replica has its share of each part. A part of a batch with
        fewer examples than steps may have none: a row of zeros stands there, with a share of 0.
        """
        if steps == 1:
            return self
        rows = self.x.shape[0]  # where it is known, all replicas have as many
        start = step if rows and rows % steps == 0 else (step - self.index[0]) % steps
        x, given, index = tf.nest.map_structure(lambda t: t[start::steps], (self.x, self.given, self.index))
        total = tf.maximum((self.total - step + steps - 1) // steps, 0)
        count = tf.cast(tf.shape(x)[0], tf.float32) * tf.cast(tf.convert_to_tensor(self.share) > 0.0, tf.float32)
        share = count / tf.cast(tf.maximum(total, 1), tf.float32)
        if not x.shape[0]:
            x, given, index = tf.nest.map_structure(distribute.filled, (x, given, index))
        return Batch(x, given, index // steps, self.seed, share, total)
