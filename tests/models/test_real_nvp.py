"""Real NVP at other numbers of scales than the tiny arguments of the laws have."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import kerasgen


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_every_number_of_scales_is_a_flow(scales):
    """Decoding inverts encoding, and `log_prob` counts the Jacobian, taken by automatic differentiation."""
    model, generator = (
        kerasgen.models.RealNVP(image_shape=(4, 4, 1), width=4, blocks=0, scales=scales),
        np.random,
    )
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * generator.default_rng(1).normal(size=weight.shape))
    x = tf.constant(generator.default_rng(0).uniform(0.2, 0.8, (2, 4, 4, 1)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        z = model.bijector().inverse(x)
    np.testing.assert_allclose(model.bijector().forward(z), x, atol=1e-5)
    jacobian = (
        tape.batch_jacobian(z, x, experimental_use_pfor=False).numpy().reshape(2, 16, 16).astype("float64")
    )
    expected = stats.norm.logpdf(z).sum(-1) + np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(model.distribution().log_prob(x), expected, rtol=1e-4, atol=1e-3)
