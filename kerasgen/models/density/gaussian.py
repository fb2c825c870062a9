"""The Gaussian, by maximum likelihood.  Fisher, 1922, doi:10.1098/rsta.1922.0009.

The smallest generative model: its optimum is known, mean = average of the data and covariance = average of their outer
products (divided by N, not N - 1), so that what gradient descent finds can be checked to the digit.
"""

from __future__ import annotations

import math

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from kerasgen.core.paper import Paper
from kerasgen.nets import bijectors
from kerasgen.objectives.density import flow

PAPER = Paper(
    title="On the mathematical foundations of theoretical statistics",
    authors="R. A. Fisher",
    year=1922,
    reference="doi:10.1098/rsta.1922.0009",
    tags=("density", "maximum likelihood", "closed form"),
)


class Gaussian(flow.Flow):
    """Multivariate normal with a full covariance, x = mean + L z with L lower triangular.

        log p(x) = -1/2 [D log 2 pi + log |S| + (x - mean)' S^-1 (x - mean)],   S = L L'

    Args:
        image_shape: (height, width, channels), or (dim,) for vectors.
        levels: number of grey levels of the data, None for continuous data.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.Gaussian(image_shape=(2,))
        >>> float(model.log_prob([[0.0, 0.0]])[0]).__round__(3)  # -log 2 pi
        -1.838
    """

    kinds = ("picture", "vector")
    adapts = True

    def __init__(self, image_shape=(2,), levels=None, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.levels = tuple(image_shape), levels
        self.latent_dim = dim = math.prod(self.image_shape)
        self.triangle = tfb.Chain([tfb.TransformDiagonal(tfb.Softplus()), tfb.FillTriangular()])
        self.mean = self.add_weight(shape=(dim,), initializer="zeros", name="mean")
        start = self.triangle.inverse(tf.eye(dim)).numpy()
        self.raw_scale = self.add_weight(shape=start.shape, initializer=lambda *_, **__: start, name="raw_scale")

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-2)}

    def adapt(self, x):
        """Start from the spread of the first batch along each axis, so that all axes have steps of one size."""
        y = tf.reshape(x, (-1, self.latent_dim)) * ((self.levels - 1.0) if self.levels else 1.0)
        self.mean.assign(tf.reduce_mean(y, axis=0))
        deviation = tf.sqrt(tf.math.reduce_variance(y, axis=0) + 1.0 / 12.0 * bool(self.levels) + 1e-6)
        self.raw_scale.assign(self.triangle.inverse(tf.linalg.diag(deviation)))

    def scale(self):
        """L, (D, D) lower triangular with a positive diagonal."""
        return self.triangle.forward(tf.convert_to_tensor(self.raw_scale))

    def bijector(self, training=False):
        affine = Affine(tf.convert_to_tensor(self.mean), self.scale())
        return bijectors.Chain(bijectors.flatten(self.image_shape), affine)


class Affine:
    """x = mean + L z, a bijector as in `nets.bijectors`."""

    def __init__(self, mean, scale):
        self.mean, self.scale = mean, scale

    def forward(self, z):
        return self.mean + tf.linalg.matvec(self.scale, z)

    def inverse(self, x):
        z = tf.linalg.triangular_solve(self.scale, tf.transpose(x - self.mean))
        return tf.transpose(z), -tf.reduce_sum(tf.math.log(tf.linalg.diag_part(self.scale)))
