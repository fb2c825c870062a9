"""Generated pictures of earlier steps, which discriminators see again."""

from __future__ import annotations

import tensorflow as tf
from keras import layers

from kerasgen.core import distribute, random


class Pool(layers.Layer):
    """So many pictures of every domain; a discriminator that sees old ones cannot forget what it has learned.

    A picture meets one place of the pool, which is drawn. An empty place keeps it. A full one gives its own picture
    back in exchange, every other time; else the picture passes. A place meets one picture of a global batch at most, so
    that all replicas agree on what is in it: of a larger batch than there are places the rest passes.

    Args:
        domains: kinds of pictures.
        size: places for each of them, 0 for no pool.
        image_shape: of a picture.

    Reference: Shrivastava, Pfister, Tuzel, Susskind, Wang, Webb, 2016, Learning from Simulated and Unsupervised Images
    through Adversarial Training, arXiv:1612.07828.
    """

    def __init__(self, domains, size, image_shape, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        # Every replica has the same.
        options = dict(initializer="zeros", trainable=False, aggregation="only_first_replica")
        if size:
            self.pictures = self.add_weight(shape=(domains, size, *image_shape), name="pictures", **options)
            self.full = self.add_weight(shape=(domains, size), name="full", **options)
        self.built = True

    def exchange(self, batch, domain, x):
        """What the discriminators see of new pictures x (B, *image_shape); the gradient ends here.

        Args:
            batch: the `Batch` that x was made from; its seed draws.
            domain: (B,) int32, of each picture.
        """
        x = tf.stop_gradient(x)
        if not self.size:
            return x
        pictures, full = tf.convert_to_tensor(self.pictures), tf.convert_to_tensor(self.full)
        first = random.integers(batch.seed, random.CHOICE, tf.zeros((1,), tf.int32), (), self.size)
        place = tf.stack([domain, (first + batch.index) % self.size], -1)  # (B, 2)
        # Perhaps no row of this replica is of the global batch.
        meets = (batch.index < self.size) & (batch.share > 0)
        is_full = tf.gather_nd(full, place) > 0.0
        swapped = random.uniform(batch.seed, random.CHOICE + 1, batch.index, ()) < 0.5
        stays = tf.cast(meets & (swapped | ~is_full), tf.float32)

        new = tf.scatter_nd(place, _over_pixels(stays) * x, pictures.shape)
        put = tf.scatter_nd(place, stays, full.shape)
        new, put = distribute.total([new, put])
        self.pictures.assign(tf.where(_over_pixels(put) > 0.0, new, pictures))
        self.full.assign(tf.maximum(full, put))
        given = meets & swapped & is_full
        return tf.where(_over_pixels(given), tf.gather_nd(pictures, place), x)


def _over_pixels(x):
    return x[..., None, None, None]
