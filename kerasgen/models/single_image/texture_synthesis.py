"""Texture synthesis by non-parametric sampling.  Efros, Leung, 1999, doi:10.1109/ICCV.1999.790383.

A texture is taken to be a Markov random field: what a pixel is like depends on its neighbourhood alone. No model of
that law is fitted. To draw a pixel, find the places in the picture whose neighbourhoods are like its own as far as that
is known, and copy the middle of one of them. A picture grows like this from a seed of 3x3 pixels, and holes fill up.

Differs from the paper: pixels with equally many known neighbours are filled in reading order instead of at random; none
is put off because even its best match is bad; differences are counted in whole numbers, of 64 grey levels at most.
"""

from __future__ import annotations

import math

import tensorflow as tf

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.nets import patches
from kerasgen.objectives.single_image import exemplar

PAPER = Paper(
    title="Texture Synthesis by Non-parametric Sampling",
    authors="A. A. Efros and T. K. Leung",
    year=1999,
    reference="doi:10.1109/ICCV.1999.790383",
    tags=("texture", "one picture", "Markov random field", "hole filling", "no training"),
)

SEED = 3  # height and width of what a picture grows from
GRAIN = 64  # whole numbers by which levels are compared
KNOWN = -1e6  # added to the count of neighbours of a pixel that is known already


class TextureSynthesis(exemplar.Memory):
    """Pictures grown pixel by pixel from what is around each in the stored one.

        d(q) = sum_k g_k known_k (neighbour_k - q_k)^2,    p = the middle of one of {q : d(q) <= (1 + slack) min d}

    Args:
        image_shape: (height, width, channels) of the stored picture.
        window: height and width of a neighbourhood, odd; it must be larger than the texture's elements.
        slack: how much worse than the best a match may be, 0.1 in the paper.
        levels: grey levels of the picture.

    Raises:
        ValueError: an even window, or one that is larger than the picture.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.TextureSynthesis(image_shape=(8, 8, 1), window=3)
        >>> model.sample(2, seed=7, height=5, width=9).shape
        (2, 5, 9, 1)
    """

    serves = ("sample", "complete", "energy")
    smallest = SEED

    def __init__(self, image_shape=(64, 64, 1), window=11, slack=0.1, levels=256, **kwargs):
        super().__init__(**kwargs)
        if window % 2 == 0 or window < SEED:
            raise ValueError(f"window: expected an odd number of at least {SEED}, got {window}")
        self.slack = slack
        self.remember(image_shape, levels, window)
        self.gaussian = weights(window, self.image_shape[-1])

    def serve_sample(self, seed, index, height=None, width=None):
        height, width = (
            size if given is None else given for size, given in zip(self.image_shape[:2], (height, width), strict=True)
        )
        stored, count = self.stored(), tf.shape(index)[0]
        choices = math.prod(size - SEED + 1 for size in self.image_shape[:2])
        start = patches.windows(stored, random.integers(seed, random.LATENT, index, (), choices), SEED)
        top, left = (height - SEED) // 2, (width - SEED) // 2
        around = [[0, 0], [top, height - SEED - top], [left, width - SEED - left], [0, 0]]
        level, known = tf.pad(start, around), tf.pad(tf.ones((count, SEED, SEED, 1)), around)
        return self.from_levels(self.grow(level, known, seed, index))

    def serve_complete(self, picture, mask, seed):
        hole = mask >= 0.5
        level, known = self.to_levels(picture), 1.0 - tf.cast(hole, tf.float32)
        grown = self.grow(level * known, known, seed, tf.range(tf.shape(picture)[0]))
        return tf.where(hole, self.from_levels(grown), picture)

    def grow(self, level, known, seed, index):
        """Fill in what is not known, a pixel of each picture at a time.

        Args:
            level: (B, H, W, C), anything where nothing is known.
            known: (B, H, W, 1), 1 or 0.
            seed, index: of the choices.
        """
        stored, size, channels = self.stored(), self.window, self.image_shape[-1]
        half = size // 2
        middles = tf.reshape(stored[half:-half, half:-half], (-1, channels))
        count, height, width = tf.unstack(tf.shape(level)[:3])
        margin = [[0, 0], [half, half], [half, half], [0, 0]]
        ones = tf.ones((size, size, 1, 1))
        neighbours = tf.nn.conv2d(known, ones, 1, "SAME") + KNOWN * known  # of the pixels that are not known
        wide = width + 2 * half
        corners = tf.range(count) * (height + 2 * half) * wide
        steps = height * width - tf.cast(tf.reduce_min(tf.reduce_sum(known, (1, 2, 3))), tf.int32)

        def compared(level):
            return patches.centred(level, self.levels, GRAIN)

        def flat(x):
            return tf.reshape(tf.pad(x, margin), (-1, x.shape[-1]))  # (B (H + 2h) (W + 2h), .)

        def step(i, canvas, known, neighbours):
            place = tf.argmax(tf.reshape(neighbours, (count, height * width)), 1, output_type=tf.int32)
            row, column = place // width, place % width
            first = corners + row * wide + column
            mask = self.gaussian * patches.around(known, first, wide, size)
            seen = compared(patches.around(canvas, first, wide, size))
            d = patches.distances(compared(stored), seen, mask)
            best = d <= (1.0 + self.slack) * tf.reduce_min(d, axis=0)
            chosen = pick(best, random.uniform(seed, random.NOISE + i, index, ()))
            middle = first + half * wide + half
            open = 1.0 - tf.gather(known, middle)  # (B, 1), 0 where a picture is complete
            value = open * tf.gather(middles, chosen) + (1.0 - open) * tf.gather(canvas, middle)
            canvas = tf.tensor_scatter_nd_update(canvas, middle[:, None], value)
            known = tf.tensor_scatter_nd_update(known, middle[:, None], tf.ones_like(open))
            change = near(row, height, half)[:, :, None] * near(column, width, half)[:, None, :]
            change += KNOWN * near(row, height, 0)[:, :, None] * near(column, width, 0)[:, None, :]
            return i + 1, canvas, known, neighbours + (open[:, :, None] * change)[..., None]

        state = (tf.constant(0), flat(level), flat(known), neighbours)
        canvas = tf.while_loop(lambda i, *_: i < steps, step, state)[1]
        canvas = tf.reshape(canvas, (count, height + 2 * half, wide, channels))
        return canvas[:, half:-half, half:-half]


def weights(window: int, channels: int):
    """Of the pixels of a neighbourhood, (window, window, 1).

    Differences are below `GRAIN`, so that with these weights a distance, and each of its terms, stays exact.
    """
    return patches.gaussian(window, patches.EXACT // GRAIN**2 // channels)


def pick(best, u):
    """For every column of booleans (N, B) the place of one that holds, by a uniform number (B,)."""
    rank = tf.cumsum(tf.cast(best, tf.float32), axis=0)
    wanted = tf.minimum(tf.floor(u * rank[-1]), rank[-1] - 1.0) + 1.0
    return tf.argmax(tf.cast(best & tf.equal(rank, wanted), tf.int32), axis=0, output_type=tf.int32)


def near(at, size, reach):
    """(B, size): 1 within reach of a place (B,), 0 elsewhere."""
    return tf.cast(tf.abs(tf.range(size) - at[:, None]) <= reach, tf.float32)
