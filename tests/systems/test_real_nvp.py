"""Real NVP at other sizes than the tiny arguments of the laws have, and its parts against the paper written out."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import trainable
from derivatives import jacobian
from scipy import stats

import kerasgen
from kerasgen.models.flow.real_nvp import DECAY, LearnedTanh, Weighted
from kerasgen.nets import bijectors

TINY = dict(image_shape=(8, 8, 1), levels=17, width=8, blocks=1)


def wild(scale=0.1, **arguments):
    """A model far from its initial weights."""
    keras.utils.set_random_seed(0)
    model, generator = (
        kerasgen.models.RealNVP(**dict(width=4, blocks=1) | arguments),
        np.random.default_rng(1),
    )
    for weight in model.weights:
        noise = scale * generator.normal(size=weight.shape)
        weight.assign(weight * np.exp(noise) if "variance" in weight.name else weight + noise)
    return model


@pytest.mark.parametrize(
    "shape, scales",
    [((4, 4, 1), 1), ((4, 4, 1), 2), ((4, 4, 1), 3), ((4, 8, 3), 3), ((8, 4, 2), 3), ((2,), 1), ((5,), 1)],
    ids=str,
)
def test_every_number_of_scales_is_a_flow(shape, scales):
    """Decoding inverts encoding, and the density counts the Jacobian, taken by automatic differentiation."""
    model = wild(image_shape=shape, scales=scales, couplings=5)
    x = tf.constant(np.random.default_rng(0).uniform(0.2, 0.8, (1, *shape)), tf.float32)
    z, log_det = model.bijector().inverse(x)
    np.testing.assert_allclose(model.bijector().forward(z), x, atol=1e-5)
    expected = np.linalg.slogdet(jacobian(lambda x: model.bijector().inverse(x)[0], x))[1]
    np.testing.assert_allclose(log_det, [expected], rtol=1e-4, atol=1e-3)
    normal = stats.norm.logpdf(z).sum(-1)
    np.testing.assert_allclose(model.log_density(x), normal + expected, rtol=1e-4, atol=1e-3)


def test_the_density_of_a_picture_integrates_to_one():
    """Of two pixels, over all that the logit reaches."""
    model = wild(0.3, image_shape=(1, 2, 1), scales=1)
    beyond = 0.05 / 0.9
    side = np.linspace(-beyond, 1 + beyond, 402, dtype="float32")[1:-1]
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 1, 2, 1)
    density = np.exp(model.log_density(tf.constant(grid)))
    assert density.sum() * (side[1] - side[0]) ** 2 == pytest.approx(1, abs=1e-2)


def test_every_element_depends_on_every_other_after_a_scale():
    """Three checkerboards and three halves of channels leave no colour and no place alone."""
    model = wild(0.3, image_shape=(4, 8, 3), scales=2)
    x = np.random.default_rng(0).uniform(0.2, 0.8, (1, 4, 8, 3)).astype("float32")
    z = model.encode(x)[0]
    moved = np.zeros(96, bool)
    for colour in range(3):
        other = x.copy()
        other[0, 0, 0, colour] += 0.1
        changed = np.abs(model.encode(other)[0] - z) > 0
        assert changed.sum() > 48
        moved |= changed
    assert moved.sum() > 64


def layers_of(net, kind):
    """In the order in which they were made."""
    made = [layer for layer in net.layers if isinstance(layer, kind)]
    return iter(sorted(made, key=lambda layer: int(layer.name.rpartition("_")[2].replace(layer.name, "0"))))


def written_out(net, x, mask, blocks):
    """A coupling network as the authors' code describes it, for one picture (h, w, c), in NumPy."""
    weights, norms = layers_of(net, Weighted), layers_of(net, keras.layers.BatchNormalization)

    def normalised(x):
        norm = next(norms)
        mean, variance, beta = (
            v.numpy().astype("float64") for v in (norm.moving_mean, norm.moving_variance, norm.beta)
        )
        return (x - mean) / np.sqrt(variance + 1e-4) + beta

    def convolved(x):
        layer = next(weights)
        kernel = layer.v.numpy().astype("float64")
        kernel = kernel / np.sqrt((kernel**2).sum((0, 1, 2)))
        kernel = kernel * layer.g.numpy() if layer.scaled else kernel
        around = kernel.shape[0] // 2
        x, y = np.pad(x, ((around, around), (around, around), (0, 0))), 0.0
        for i, j in np.ndindex(*kernel.shape[:2]):
            y = y + x[i : i + x.shape[0] - 2 * around, j : j + x.shape[1] - 2 * around] @ kernel[i, j]
        return y + (layer.bias.numpy() if layer.biased else 0)

    x = normalised(x)
    if mask is None:
        x = np.concatenate([x, -x], -1)
    else:
        x = np.concatenate([2 * x, -2 * x, mask], -1)
    x = convolved(np.maximum(x, 0))
    seen = convolved(x)
    for _ in range(blocks):
        y = convolved(np.maximum(normalised(x), 0))
        x = x + convolved(np.maximum(normalised(y), 0))
        seen = seen + convolved(x)
    raw, shift = np.split(convolved(np.maximum(normalised(seen), 0)), 2, axis=-1)
    gain = float(next(layers_of(net, LearnedTanh)).gain.numpy())
    assert next(weights, None) is None and next(norms, None) is None
    return gain * np.tanh(raw), shift


@pytest.mark.parametrize("number, channels", [(0, 3), (4, 6)], ids=["checkerboard", "channels"])
def test_a_coupling_network_is_that_of_the_authors(number, channels):
    model = wild(image_shape=(4, 6, 3), scales=2, blocks=2)
    net, mask = model.networks[number], model.masks[number] if number == 0 else None
    size = (4, 6) if number == 0 else (2, 3)
    x = np.random.default_rng(0).normal(size=(*size, channels)) * (1 if mask is None else mask)
    found = net(x[None].astype("float32"))
    for got, expected in zip(found, written_out(net, x, mask, 2), strict=True):
        np.testing.assert_allclose(got[0], expected, atol=1e-4)


def test_widths_double_at_every_scale_and_for_channels():
    model = kerasgen.models.RealNVP(image_shape=(8, 12, 3), width=3, blocks=0, scales=3)
    first = [next(layers_of(net, Weighted)).units for net in model.networks]
    assert first == [3, 3, 3, 6, 6, 6, 6, 6, 6, 12, 12, 12, 12, 12, 12, 12]
    assert [len(m.shape) for m in model.masks] == [3, 3, 3, 1, 1, 1] * 2 + [3] * 4


def test_halves_of_channels_are_none_of_checkerboards():
    """The half that goes on to the next scale has the diagonal of every 2x2 patch, of all colours."""
    model = kerasgen.models.RealNVP(image_shape=(2, 2, 3), width=2, blocks=0, scales=2)
    by_colour, diagonal = kerasgen.models.flow.real_nvp._orders(3)
    x = np.arange(12, dtype="float32").reshape(1, 2, 2, 3)  # 3 place + colour
    halved = np.asarray(bijectors.permute(by_colour).inverse(bijectors.squeeze().inverse(x)[0])[0]).ravel()
    assert halved.tolist() == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
    assert np.asarray(bijectors.permute(diagonal).inverse(halved)[0]).tolist() == [
        0, 1, 2, 9, 10, 11, 3, 4, 5, 6, 7, 8,
    ]  # fmt: skip
    assert model.masks[3].tolist() == [1] * 6 + [0] * 6
    assert model.masks[4].tolist() == [0] * 6 + [1] * 6


def test_normalisation_follows_the_paper():
    """By averages that include the batch; only the batch's share has a gradient; the log-determinant is autodiff's."""
    statistics = bijectors.RunningStatistics()
    statistics.build((3,))
    statistics.mean.assign([0.5, -1.0, 2.0]), statistics.variance.assign([2.0, 0.5, 1.0])
    x = tf.constant(np.random.default_rng(0).normal(1, 3, (4, 2, 5, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        mean, variance = statistics.update(x)
        total = tf.reduce_sum(mean)
    share = 1 - bijectors.MOMENTUM
    np.testing.assert_allclose(tape.gradient(total, x), share / 40, rtol=1e-5)
    np.testing.assert_allclose(
        mean, bijectors.MOMENTUM * np.array([0.5, -1, 2]) + share * x.numpy().mean((0, 1, 2)), rtol=1e-5
    )
    expected = bijectors.MOMENTUM * np.array([2, 0.5, 1]) + share * x.numpy().var((0, 1, 2))
    np.testing.assert_allclose(variance, expected, rtol=1e-5)
    np.testing.assert_array_equal(statistics.variance, variance)
    frozen = bijectors.Normalization(statistics, training=False)
    z, log_det = frozen.inverse(x)
    np.testing.assert_allclose(frozen.forward(z), x, rtol=1e-5)
    assert float(log_det) == pytest.approx(-0.5 * 10 * np.log(expected + 1e-4).sum(), rel=1e-5)


def test_scales_of_weights_decay_and_the_loss_is_the_likelihood_alone():
    model = wild(image_shape=(4, 4, 1), levels=17)
    x = np.random.default_rng(0).integers(17, size=(4, 4, 4, 1)).astype("float32") / 16
    batch = kerasgen.core.batch.Batch(tf.constant(x), {}, tf.range(4), tf.constant(0))
    layer = next(layer for layer in layers_of(model.networks[0], Weighted) if layer.scaled)
    variables = [layer.g.value, layer.v.value]

    def gradients(regularizer):
        for v in model.trainable_variables:
            v.regularizer = regularizer if v.regularizer else None
        before = [v.numpy() for v in model.non_trainable_variables]
        with tf.GradientTape() as tape:
            loss = model.losses(batch, training=True)["loss"]
        for v, value in zip(model.non_trainable_variables, before, strict=True):
            v.assign(value)
        return float(loss), tape.gradient(loss, variables)

    with_decay, (g, v) = gradients(keras.regularizers.L2(DECAY))
    without, (g0, v0) = gradients(keras.regularizers.L2(0.0))
    assert with_decay == without
    np.testing.assert_allclose(g - g0, 2 * DECAY * layer.g.numpy(), atol=2e-6)
    np.testing.assert_allclose(v, v0, rtol=1e-4, atol=1e-6)


def test_an_eager_call_keeps_nothing():
    """No cache holds what went in, or what a network made of it."""
    model, seen = wild(image_shape=(4, 4, 1), scales=2), []
    network = model.networks[-1].call

    def remember(*args, **kwargs):
        out = network(*args, **kwargs)
        seen.extend(weakref.ref(tensor) for tensor in out)
        return out

    object.__setattr__(model.networks[-1], "call", remember)
    y = tf.random.uniform((2, 4, 4, 1))
    seen.append(weakref.ref(y))
    model.log_density(y)
    del y
    gc.collect()
    assert len(seen) == 3 and [ref() for ref in seen] == [None] * 3


def test_vectors_of_one_number_are_refused():
    with pytest.raises(ValueError, match=r"image_shape: expected vectors of two numbers or more, got \(1,\)"):
        kerasgen.models.RealNVP(image_shape=(1,))


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_logit_without_room_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha: expected a number between 0 and 1, got"):
        kerasgen.models.RealNVP(image_shape=(4, 4, 1), alpha=alpha)


def residual(inputs, dim, outputs, blocks):
    """Weights of the residual network in the authors' code, https://github.com/tensorflow/models, research/real_nvp."""
    block = dim + 9 * dim * dim + dim + 9 * dim * dim + 2 * dim  # two shifts of normalisation, two convolutions
    skip = dim * dim + 2 * dim
    return 9 * inputs * dim + dim + skip + blocks * (block + skip) + dim + dim * outputs + 2 * outputs


def authors_real_nvp(channels, dim, blocks, scales):
    """Weights of all couplings: the first shift of normalisation, the scale of the tanh, the network."""
    checkered = channels + 1 + residual(2 * channels + 1, dim, 2 * channels, blocks)
    if scales == 1:
        return 4 * checkered
    half = 2 * channels
    halved = half + 1 + residual(2 * half, 2 * dim, 2 * half, blocks)
    return 3 * checkered + 3 * halved + authors_real_nvp(half, 2 * dim, blocks, scales - 1)


def test_weights_of_the_paper():
    """Counted from the authors' code for CIFAR-10: 64 maps, 8 blocks, 2 scales."""
    assert trainable(kerasgen.build("real_nvp")) == authors_real_nvp(3, 64, 8, 2) == 19_609_545


@pytest.mark.parametrize("channels, dim, blocks, scales", [(3, 6, 2, 4), (1, 4, 1, 3), (2, 8, 3, 1)])
def test_weights_at_other_sizes(channels, dim, blocks, scales):
    arguments = dict(image_shape=(16, 24, channels), width=dim, blocks=blocks, scales=scales)
    assert trainable(kerasgen.build("real_nvp", **arguments)) == authors_real_nvp(channels, dim, blocks, scales)
