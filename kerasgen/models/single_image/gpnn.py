"""GPNN.  Granot, Feinstein, Shocher, Bagon, Irani, 2021, Drop the GAN: In Defense of Patches Nearest Neighbors as
Single Image Generative Models, arXiv:2103.15545.

A picture is made coarse to fine. At every scale each patch of what there is so far is replaced by the patch of the
stored picture that is nearest to it, and patches that overlap are averaged. Distances are divided by how well the
stored patch is matched already, so that all of the picture is used. Noise at the coarsest scale makes a new layout;
another picture there gives its layout to the stored one's patches.

The unit of alpha is that of the released program (iyttor/GPNN): the distance of two patches is the root of the sum of
squares of values in [0, 1]. There the default of 0.005 is next to nothing, and all of the picture is used. An earlier
version of that program had the same 0.005 beside means of squares, where pictures of little contrast are hardly
normalised at all.

Differs from the paper: patches are found by exhaustive search, in parts; the coarsest scale is iterated as the others
are, as the released program does; pictures are kept in whole levels, and the noise is a sum of four bytes, so that
every runtime finds the same patches.
"""

from __future__ import annotations

import tensorflow as tf

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.core.vocabulary import LARGEST
from kerasgen.nets import patches, sizes
from kerasgen.nets.noise_fields import field
from kerasgen.objectives.single_image import exemplar

PAPER = Paper(
    title="Drop the GAN: In Defense of Patches Nearest Neighbors as Single Image Generative Models",
    authors="N. Granot and B. Feinstein and A. Shocher and S. Bagon and M. Irani",
    year=2021,
    reference="arXiv:2103.15545",
    tags=("one picture", "patches", "nearest neighbour", "retargeting", "structural analogy", "no training"),
)


class GPNN(exemplar.Memory):
    """Pictures made of the stored one's patches, from the coarse to the fine.

        y_n <- values[argmin_j D_ij / (alpha + min_l D_lj)],   D_ij = |query_i - key_j|

    The query is y_(n+1), enlarged, and then y_n itself; the keys are x_(n+1), enlarged, and then x_n; the values x_n.

    Args:
        image_shape: (height, width, channels) of the stored picture x_0.
        patch: height and width of a patch.
        ratio: between the sizes of neighbouring scales, as near as whole scales allow.
        coarsest: the shorter side of the coarsest scale; larger keeps more of the layout.
        noise: deviation of what is added there, in shares of white.
        alpha: the smaller, the more evenly all patches are used; a distance of whole patches, values from 0 to 1.
        iterations: replacements at each scale.
        levels: grey levels of the picture, 256 at most.

    Raises:
        ValueError: patches that are larger than the coarsest scale, or so large that distances are no longer exact.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.GPNN(image_shape=(8, 8, 1), patch=3, coarsest=4)
        >>> model.sample(2, seed=7, height=6, width=9).shape
        (2, 6, 9, 1)
    """

    serves = ("sample", "translate", "complete", "energy")

    def __init__(
        self, image_shape=(64, 64, 1), patch=7, ratio=4 / 3, coarsest=14, noise=0.75, alpha=0.005, iterations=10,
        levels=256, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.noise, self.iterations = noise, iterations
        if patch > coarsest:
            raise ValueError(f"patch: expected at most {coarsest}, the coarsest scale, got {patch}")
        if patch**2 * image_shape[-1] * levels**2 > patches.EXACT:
            most = int((patches.EXACT / image_shape[-1]) ** 0.5 / levels)
            raise ValueError(f"patch: expected at most {most} for {image_shape[-1]} channels, got {patch}")
        self.remember(image_shape, levels, patch)
        self.smallest = patch
        self.alpha = alpha * (levels - 1.0)
        self.sizes = sizes.scales(image_shape[:2], ratio, coarsest)

    def serve_sample(self, seed, index, height=None, width=None):
        height, width = (
            self.image_shape[0] if height is None else height,
            self.image_shape[1] if width is None else width,
        )
        pyramid = self.pyramid(self.stored())

        def sample(i):
            start = patches.enlarged(pyramid[0], *self.size_at(0, height, width))
            return self.refined(pyramid, start + self.drawn(seed, i, start), height, width)

        return self.from_levels(exemplar.one_by_one(sample, (index,), (height, width, self.image_shape[-1])))

    def serve_translate(self, picture):
        """The stored picture in the layout of another."""
        pyramid = self.pyramid(self.stored())

        def translate(coarse):
            return self.refined(pyramid, coarse, *self.image_shape[:2])

        coarse = tf.round(patches.shrunk(self.to_levels(picture), *self.sizes[0]))
        return self.from_levels(exemplar.one_by_one(translate, (coarse,), self.image_shape))

    def serve_complete(self, picture, mask, seed):
        hole = mask >= 0.5
        pyramid, known = self.pyramid(self.stored()), 1.0 - tf.cast(hole, tf.float32)
        index = tf.range(tf.shape(picture)[0])

        def complete(i, level, known):
            shares = [patches.shrunk(255.0 * known, *size) / 255.0 for size in self.sizes]
            seen = [patches.shrunk(level * known, *size) for size in self.sizes]
            kept = [(s > 0.999, tf.round(x / tf.maximum(s, 1e-3))) for s, x in zip(shares, seen, strict=True)]
            start = tf.where(shares[0] > 0.001, kept[0][1], self.levels / 2.0)
            return self.refined(pyramid, start + self.drawn(seed, i, start), *self.image_shape[:2], kept)

        level = self.to_levels(picture)
        found = exemplar.one_by_one(complete, (index, level, known), self.image_shape)
        return tf.where(hole, self.from_levels(found), picture)

    def refined(self, pyramid, start, height, width, kept=None):
        """From the coarsest scale to a picture in levels.

        Args:
            pyramid: the stored picture in levels, the coarsest first.
            start: levels (h, w, C) at the coarsest scale, which may be out of range.
            height, width: of the picture.
            kept: for every scale (where, what): pixels that stay.
        """
        y, channels = tf.clip_by_value(tf.round(start), 0.0, self.levels - 1.0), self.image_shape[-1]
        ranks = tuple(map(tf.TensorShape, ((), (None, None, channels), (None, None, channels))))
        for n, values in enumerate(pyramid):
            size, keys = self.size_at(n, height, width), values
            if n:
                y, keys = (
                    patches.enlarged(y, *size),
                    patches.enlarged(pyramid[n - 1], *self.sizes[n]),
                )

            def hold(y, n=n):
                return y if kept is None else tf.where(*kept[n], y)

            def step(i, y, keys, values=values, size=size, hold=hold):
                query, keys = (patches.centred(level, self.levels) for level in (y, keys))
                where = patches.nearest(query, keys, self.window, self.alpha)[0]
                return i + 1, hold(patches.votes(where, values, self.window, *size)), values

            state = tf.constant(0), hold(y), keys
            y = tf.while_loop(lambda i, *_: i < self.iterations, step, state, ranks)[1]
        return y

    def pyramid(self, level):
        """A picture in levels at every scale, the coarsest first."""
        return [tf.round(patches.shrunk(level, *size)) for size in self.sizes[:-1]] + [level]

    def size_at(self, n, height, width):
        """Of a picture of some size, its size at a scale; a patch fits in."""
        return sizes.at_scale((height, width), self.sizes[n], self.image_shape, least=self.window)

    def drawn(self, seed, index, like):
        """Noise of the shape (h, w, C) of another picture: sums of four bytes, nearly normal."""
        size, widest = tf.unstack(tf.shape(like)[:2]), max(LARGEST * self.sizes[0][1] + 1, self.window)
        words = field(random.bits, seed, random.LATENT, index[None], size, widest, like.shape[-1])[0]
        total = sum(tf.truncatediv(words, 256**k) & 255 for k in range(4))
        deviation = (4 * (256**2 - 1) / 12) ** 0.5
        return (tf.cast(total, tf.float32) - 510.0) * (self.noise * (self.levels - 1) / deviation)
