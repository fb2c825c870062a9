"""Glow against what its parts say in closed form, and against the algorithm of the paper written out."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import trainable
from derivatives import jacobian
from scipy import stats

import kerasgen
from kerasgen.models.flow import glow
from kerasgen.models.flow.glow import ActNorm, Rotation

TINY = dict(image_shape=(8, 8, 1), levels=17, scales=2, steps=1, width=8)

SMALL = dict(image_shape=(8, 8, 1), levels=17, scales=2, steps=2, width=8)


def pictures(count=32, seed=0, shape=(8, 8, 1)):
    return np.random.default_rng(seed).integers(17, size=(count, *shape)).astype("float32") / 16


def wild(scale=0.05, **arguments):
    model, generator = kerasgen.models.Glow(**SMALL | arguments), np.random.default_rng(1)
    model.adapt(tf.constant(pictures(shape=model.image_shape)))
    for weight in model.weights:
        weight.assign(weight + scale * generator.normal(size=weight.shape))
    return model


def test_the_first_batch_comes_out_of_every_actnorm_with_mean_0_and_variance_1(monkeypatch):
    model, x, seen = kerasgen.models.Glow(**SMALL), tf.constant(pictures(64)), []
    model.adapt(x)
    again = ActNorm.call

    def record(self, inputs):
        seen.append(again(self, inputs))
        return seen[-1]

    monkeypatch.setattr(ActNorm, "call", record)
    noise = kerasgen.core.random.uniform(0, kerasgen.core.random.DEQUANTIZE, tf.range(64), (8, 8, 1))
    model.bijector().inverse(16.0 * x + noise)
    assert len(seen) == 3 * 4  # of 4 steps one by itself and two in the network
    for y in seen:
        mean, variance = tf.nn.moments(y, list(range(y.shape.rank - 1)))
        np.testing.assert_allclose(mean, 0, atol=1e-4)
        np.testing.assert_allclose(variance, 1, atol=1e-3)


def test_fit_adapts_once():
    model = kerasgen.models.Glow(**SMALL)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    model.fit(pictures(), batch_size=32, verbose=0)
    bias = model.norms[0].bias.numpy()
    assert np.abs(bias).max() > 0
    model.fit(pictures(seed=1), batch_size=32, verbose=0)
    np.testing.assert_array_equal(model.norms[0].bias.numpy(), bias)


@pytest.mark.parametrize("size", [1, 2, 4, 12])
def test_a_rotation_starts_as_one_and_counts_its_determinant(size):
    layer = Rotation(3)
    layer.build((size,))
    matrix = layer(np.eye(size, dtype="float32")).numpy()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-5)
    assert float(layer.log_det()) == pytest.approx(0, abs=1e-5)
    layer.lower_upper.assign_add(0.3 * np.random.default_rng(0).normal(size=(size, size)))
    matrix = layer(np.eye(size, dtype="float32")).numpy().astype("float64")
    assert float(layer.log_det()) == pytest.approx(np.linalg.slogdet(matrix)[1], abs=1e-5)
    x = np.random.default_rng(1).normal(size=(3, 4, 5, size)).astype("float32")
    np.testing.assert_allclose(layer(x), x @ matrix, atol=1e-5)
    np.testing.assert_allclose(layer.invert(layer(x)), x, atol=1e-4)


def test_the_inverse_of_a_rotation_is_as_exact_as_its_numbers():
    """Its factors are far worse conditioned than itself: solved in single precision they gave errors of 5e-7."""
    for number in range(5):
        layer = Rotation(number)
        layer.build((48,))
        factors = [factor.numpy().astype("float64") for factor in layer.factors()]
        exact = np.linalg.inv(layer.permutation @ factors[0] @ factors[1])
        np.testing.assert_allclose(layer.invert(np.eye(48, dtype="float32")), exact, rtol=0, atol=1e-7)


def test_every_invertible_matrix_can_be_reached_but_for_its_permutation():
    """W = P L (U + diag(s)) as SciPy's decomposition gives it."""
    from scipy.linalg import lu

    layer = Rotation(0)
    layer.build((6,))
    lower = np.tril(0.5 * np.random.default_rng(0).normal(size=(6, 6)), -1)
    upper = np.triu(np.random.default_rng(1).normal(size=(6, 6)), 1)
    scale = np.exp(np.random.default_rng(2).normal(size=6))
    layer.lower_upper.assign(lower + upper + np.diag(np.log(scale)))
    expected = layer.permutation @ (lower + np.eye(6)) @ (upper + np.diag(layer.sign * scale))
    np.testing.assert_allclose(layer(np.eye(6, dtype="float32")), expected, atol=1e-4)
    layer = Rotation(0)
    layer.build((6,))
    p, l, u = lu(layer(np.eye(6, dtype="float32")).numpy())
    np.testing.assert_array_equal(p, layer.permutation)
    np.testing.assert_array_equal(np.sign(np.diag(u)), layer.sign)


def test_a_permutation_is_a_special_case():
    layer = Rotation(5)
    layer.build((8,))
    layer.lower_upper.assign(np.zeros((8, 8)))
    x = np.random.default_rng(0).normal(size=(2, 8)).astype("float32")
    np.testing.assert_allclose(np.sort(np.abs(layer(x))), np.sort(np.abs(x)))
    assert float(layer.log_det()) == 0 and (layer.permutation != np.eye(8)).any()


def coupling(x, net):
    """The paper's affine coupling of data x, with the network of the model: halves of the channels, log-determinant."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    log_scale, shift = (part.numpy() for part in net(first))
    return first, (second - shift) * np.exp(-log_scale), -log_scale.sum((1, 2, 3))


def squeeze(x):
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // 2, width // 2, 4 * channels)


def edged(x):
    """The authors' `add_edge_padding`: zeros around the picture, and a channel that is 1 in them."""
    x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    edge = np.ones((*x.shape[:2], 1))
    edge[1:-1, 1:-1] = 0
    return np.concatenate([x, edge], -1)


def convolved(x, kernel):
    """Over all places where the kernel fits, by sums of products."""
    height, width = (side - size + 1 for side, size in zip(x.shape[:2], kernel.shape[:2], strict=True))
    y = np.zeros((height, width, kernel.shape[-1]))
    for i, j in np.ndindex(*kernel.shape[:2]):
        y += x[i : i + height, j : j + width] @ kernel[i, j]
    return y


def last_prior(model):
    """Log-deviation and mean of the last latents: the authors' convolution of zeros: its edge channel counts."""
    kernel, bias, logs = (v.numpy().astype("float64") for v in model.last.weights)
    assert kernel.shape[:3] == (3, 3, 1)
    edge = edged(np.zeros((*model.shapes[-1][:2], 0)))
    return np.split((convolved(edge, kernel) + bias) * np.exp(3 * logs), 2, axis=-1)


@pytest.mark.parametrize("shape", [(4, 6, 5), (1, 1, 6), (2, 3, 2)], ids=str)
def test_a_coupling_network_sees_the_edges_of_the_picture(shape):
    """As the authors' code describes it, in NumPy: only 3x3 convolutions have the channel, the first and the last."""
    net = glow._coupling_network(shape, 7, 0.0)
    generator = np.random.default_rng(0)
    for weight in net.weights:
        weight.assign(0.3 * generator.normal(size=weight.shape))
    one, bias_1, logs_1, two, bias_2, logs_2, last, bias, logs = (v.numpy().astype("float64") for v in net.weights)
    kept = shape[-1] - shape[-1] // 2
    assert one.shape == (3, 3, kept + 1, 7) and two.shape == (1, 1, 7, 7) and last.shape[:3] == (3, 3, 8)
    x = generator.normal(size=(*shape[:2], kept))
    h = np.maximum((convolved(edged(x), one) + bias_1) * np.exp(3 * logs_1), 0)
    h = np.maximum((convolved(h, two) + bias_2) * np.exp(3 * logs_2), 0)
    raw, shift = np.split((convolved(edged(h), last) + bias) * np.exp(3 * logs), 2, axis=-1)
    found = net(x[None].astype("float32"))
    np.testing.assert_allclose(found[0][0], np.log1p(np.exp(-raw - 2)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1][0], shift, rtol=1e-4, atol=1e-4)


def test_the_last_latents_know_their_place_by_the_edges_alone():
    """Inside all places have one mean; at an edge another; in a corner a third."""
    model = wild(image_shape=(20, 24, 1), scales=2, scale=0.2)
    np.testing.assert_allclose(model.last(np.ones((1, 5, 6, 8), "float32"))[1][0], last_prior(model)[1], rtol=1e-4)
    mean = last_prior(model)[1]
    assert np.ptp(mean[1:-1, 1:-1], axis=(0, 1)).max() < 1e-9
    assert np.abs(mean[0, 2] - mean[2, 2]).max() > 1e-2 and np.abs(mean[0, 0] - mean[0, 2]).max() > 1e-2


@pytest.mark.parametrize("alpha", [None, 0.1])
def test_log_prob_is_that_of_the_algorithm_written_out(alpha):
    """Every latent under the normal that stays predicted for it, every log-determinant by itself."""
    model = wild(alpha=alpha)
    levels = 16 * pictures(4, seed=2) + np.random.default_rng(3).random((4, 8, 8, 1)).astype("float32")
    if alpha is None:
        x, total, step = levels / 17 - 0.5, -64 * np.log(17), 0
    else:  # d logit(p) / dp = 1 / p (1 - p)
        share = alpha / 2 + (1 - alpha) * levels.astype("float64") / 17
        x, total, step = np.log(share / (1 - share)).astype("float32"), 64 * np.log((1 - alpha) / 17), 0
        total = total - np.log(share * (1 - share)).sum((1, 2, 3))
    for scale in range(2):
        x = squeeze(x)
        height, width, channels = x.shape[1:]
        for _ in range(2):
            norm, rotation, net = model.norms[step], model.rotations[step], model.networks[step]
            x = (x + norm.bias.numpy()) * np.exp(3 * norm.logs.numpy())
            matrix = rotation(np.eye(channels, dtype="float32")).numpy()
            x = x @ matrix
            total += height * width * (3 * norm.logs.numpy().sum() + np.linalg.slogdet(matrix)[1])
            first, second, log_det = coupling(x, net)
            x, total, step = np.concatenate([first, second], -1), total + log_det, step + 1
        if scale == 0:
            first, z, log_det = coupling(x, model.priors[0])
            total = total + stats.norm.logpdf(z).sum((1, 2, 3)) + log_det
            x = first
    log_deviation, mean = last_prior(model)
    total = total + stats.norm.logpdf(x, mean, np.exp(log_deviation)).sum((1, 2, 3))
    np.testing.assert_allclose(model.log_prob(levels / 16), total, rtol=1e-4)


def test_the_logit_keeps_draws_within_its_range():
    model = wild(alpha=0.1, scale=0.01)
    y = model.bijector().forward(3.0 * tf.random.stateless_normal((16, 64), (0, 1))).numpy()
    spread = 17 * 0.05 / 0.9
    assert -spread <= y.min() and y.max() <= 17 + spread and y.min() < 0 < 17 < y.max()


@pytest.mark.parametrize("shape", [(8, 16, 3), (16, 8, 2), (8, 8, 1)], ids=str)
def test_three_scales_are_a_flow(shape):
    """Nothing is lost, and the log-determinant is that of the Jacobian."""
    model = wild(image_shape=shape, scales=3, width=4, steps=1, levels=None)
    height, width, channels = shape
    assert [s[:2] for s in model.shapes] == [(height >> i, width >> i) for i in (1, 2, 3)]
    x = tf.constant(np.random.default_rng(0).uniform(0.2, 0.8, (1, *shape)), tf.float32)
    z, log_det = model.bijector().inverse(x)
    np.testing.assert_allclose(model.bijector().forward(z), x, atol=1e-4)
    expected = np.linalg.slogdet(jacobian(lambda x: model.bijector().inverse(x)[0], x))[1]
    np.testing.assert_allclose(log_det, [expected], rtol=1e-4, atol=1e-2)


def test_temperature_zero_is_the_centre_of_the_latents():
    model = wild()
    cold = model.sample(3, seed=7, temperature=0.0)
    np.testing.assert_allclose(cold, model.decode(np.zeros((3, 64))), atol=1e-6)
    z = model.encode(model.sample(64, seed=7, temperature=0.5))
    assert np.abs(cold[0] - model.sample(1, seed=8, temperature=1.0)).max() > 1e-3
    assert z.std() < 0.9 * model.encode(model.sample(64, seed=7)).std()


def test_a_coupling_starts_with_the_scale_of_the_authors():
    """sigmoid(2) in the direction of latents, no shift, whatever the data."""
    model = kerasgen.models.Glow(**SMALL)
    log_scale, shift = model.networks[0](np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype("float32"))
    np.testing.assert_allclose(np.exp(-log_scale), 1 / (1 + np.exp(-2.0)), rtol=1e-6)
    assert not shift.numpy().any()


def test_both_ends_of_an_interpolation_are_the_pictures():
    model, x = wild(), pictures(2)
    first, last = model.encode(x)
    path = np.stack([(1 - t) * first + t * last for t in (0.0, 0.5, 1.0)])
    found = model.decode(path)
    np.testing.assert_allclose(found[[0, 2]], x, atol=1e-4)
    assert np.abs(found[1] - x).max(axis=(1, 2, 3)).min() > 1e-2


@pytest.mark.parametrize("shape", [(8, 6, 1), (1, 1, 1), (1,)])
def test_shapes_that_cannot_be_split_are_refused(shape):
    with pytest.raises(ValueError, match="image_shape: expected"):
        kerasgen.models.Glow(image_shape=shape, scales=2)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_a_logit_without_room_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha: expected a number between 0 and 1, or None, got"):
        kerasgen.models.Glow(**SMALL | {"alpha": alpha})


def test_a_logit_of_vectors_is_refused():
    with pytest.raises(ValueError, match="alpha: expected None for vectors, which have no range, got 0.1"):
        kerasgen.models.Glow(image_shape=(4,), alpha=0.1)


def test_weights_of_the_paper():
    """Counted from the authors' code for CIFAR-10, https://github.com/openai/glow, with its channel of edges.

    Its convolution of zeros before the last latents has 9 x 96 x 96 weights that never move, and which are left out.
    """
    sizes = (12, 24, 48)
    step = lambda c: c * c + 2 * c + 9 * (c // 2 + 1) * 512 + 512 * 512 + 4 * 512 + 9 * 513 * c + 2 * c
    splits = sum(9 * (c // 2 + 1) * c + 2 * c for c in sizes[:-1])
    counted = 32 * sum(map(step, sizes)) + splits + 9 * 97 * 96 + 2 * 96
    assert counted == 44_603_604
    assert trainable(kerasgen.build("glow")) == counted - 9 * 96 * 96
