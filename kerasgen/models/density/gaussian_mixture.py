"""Mixture of Gaussians.  Dempster, Laird, Rubin, 1977, doi:10.1111/j.2517-6161.1977.tb01600.x.

Several modes, still with an exact likelihood. Differs from the paper: fitted by gradient ascent on the log-likelihood
from k-means++ means (Arthur, Vassilvitskii, 2007), so that it trains on minibatches through the same `fit` as all else;
expectation-maximisation climbs the same likelihood.
"""

from __future__ import annotations

import math

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from kerasgen.core import random
from kerasgen.core.paper import Paper
from kerasgen.objectives.density import likelihood

PAPER = Paper(
    title="Maximum likelihood from incomplete data via the EM algorithm",
    authors="A. P. Dempster and N. M. Laird and D. B. Rubin",
    year=1977,
    reference="doi:10.1111/j.2517-6161.1977.tb01600.x",
    tags=("density", "mixture", "clustering"),
)


class GaussianMixture(likelihood.Likelihood):
    """Weighted sum of normals with full covariances.

        p(x) = sum_k w_k N(x; mean_k, L_k L_k')

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors.
        components: how many normals.
        floor: smallest diagonal element of L_k, in units of y; keeps a component from collapsing onto one example.
        levels: number of grey levels of the data, None for continuous data.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.GaussianMixture(image_shape=(2,), components=8)
        >>> model.sample(5, seed=7).shape
        (5, 2)
    """

    kinds = ("picture", "vector")
    adapts = True

    def __init__(self, image_shape=(2,), components=8, floor=0.03, levels=None, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.components, self.levels = tuple(image_shape), components, levels
        self.dim = dim = math.prod(self.image_shape)
        self.triangle = tfb.Chain(
            [tfb.TransformDiagonal(tfb.Chain([tfb.Shift(floor), tfb.Softplus()])), tfb.FillTriangular()]
        )
        self.shares = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        self.means = self.add_weight(shape=(components, dim), initializer="random_normal", name="means")
        start = self.triangle.inverse(tf.eye(dim, batch_shape=(components,))).numpy()
        self.raw_scales = self.add_weight(shape=start.shape, initializer=lambda *_, **__: start, name="raw_scales")

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-2)}

    def adapt(self, x):
        """Means by k-means++ on the first batch, deviations a fraction of the spread between them."""
        from sklearn.cluster import kmeans_plusplus

        y = tf.reshape(likelihood.to_units(x, self.levels), (-1, self.dim)).numpy()
        if len(y) < self.components:
            raise ValueError(f"batch_size: expected at least {self.components} (one per component), got {len(y)}")
        self.means.assign(kmeans_plusplus(y, self.components, random_state=0)[0])
        spread = y.std() / math.sqrt(self.components) + 0.1
        self.raw_scales.assign(self.triangle.inverse(spread * tf.eye(self.dim, batch_shape=(self.components,))))

    def distribution(self):
        scales = self.triangle.forward(tf.convert_to_tensor(self.raw_scales))
        parts = tfd.MultivariateNormalTriL(tf.convert_to_tensor(self.means), scales)
        mixture = tfd.MixtureSameFamily(tfd.Categorical(tf.convert_to_tensor(self.shares)), parts)
        return tfd.TransformedDistribution(mixture, tfb.Reshape(self.image_shape, (self.dim,)))

    def draw(self, seed, index):
        logits = tf.repeat(tf.convert_to_tensor(self.shares)[None], tf.shape(index)[0], axis=0)
        chosen = random.categorical(seed, random.CHOICE, index, logits)  # (B,)
        noise = random.normal(seed, random.LATENT, index, (self.dim,))
        scales = tf.gather(self.triangle.forward(tf.convert_to_tensor(self.raw_scales)), chosen)  # (B, D, D)
        y = tf.gather(self.means, chosen) + tf.linalg.matvec(scales, noise)
        return tf.reshape(y, (-1, *self.image_shape))
