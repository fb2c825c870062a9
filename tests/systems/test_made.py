"""Masks keep every order exactly, mixtures of them are laws, and without hidden layers logistic regression remains."""

import functools
import itertools

import baselines
import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from scipy import stats
from scipy.special import logsumexp

import kerasgen
from kerasgen.models.autoregressive.made import Masked

TINY = dict(image_shape=(8, 8, 1), levels=2, widths=(16,), ordering="random")

KINDS = {
    "one order": dict(image_shape=(3, 2, 1), levels=2, widths=(7,)),
    "two layers": dict(image_shape=(3, 2, 1), levels=3, widths=(20, 9), masks=3, ordering="random"),
    "one connectivity each": dict(image_shape=(2, 2, 1), levels=2, widths=(6,), masks=4),
    "no hidden layer": dict(image_shape=(2, 3, 1), levels=4, widths=(), masks=2, ordering="random"),
    "colour": dict(image_shape=(2, 2, 3), levels=2, widths=(11, 11), ordering="random"),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def wild(scale=0.5, **arguments):
    """A model far from its initial weights, where no bias is zero."""
    keras.utils.set_random_seed(0)
    model, generator = kerasgen.build("made", **arguments), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + scale * generator.normal(size=weight.shape))
    return model


def every_picture(shape, levels):
    size = int(np.prod(shape))
    x = np.array(list(itertools.product(range(levels), repeat=size)), "float32")
    return x.reshape(-1, *shape) / (levels - 1)


def layers_of(model):
    return [layer for layer in model.network.layers if isinstance(layer, Masked)]


@each_kind
def test_the_product_of_the_masks_is_strictly_lower_triangular(kind):
    """In integers, so exactly: the number of paths from input to output is 0 unless the input comes before."""
    model = wild(**KINDS[kind])
    size, per = int(np.prod(model.image_shape)), model.levels - 1
    for member, order in enumerate(model.orders):
        masks = {layer: layer.mask(member).numpy().astype(int) for layer in layers_of(model)}
        (direct,) = [m for layer, m in masks.items() if layer.use_bias and m.shape == (size, size * per)]
        np.testing.assert_array_equal(direct[:, ::per][np.ix_(order, order)].T, np.tri(size, size, -1, dtype=int))
        hidden = [mask for mask in masks.values() if mask is not direct]
        if hidden:
            paths = functools.reduce(np.matmul, hidden)[:, ::per][np.ix_(order, order)].T
            assert (np.tril(paths, -1) == paths).all() and paths.sum() > 0


@each_kind
def test_every_member_keeps_its_own_order(kind):
    """Changing the element at place i changes no logits at places up to i, and some after it."""
    model, generator = wild(**KINDS[kind]), np.random.default_rng(3)
    size = int(np.prod(model.image_shape))
    x = generator.integers(model.levels, size=(5, size)).astype("float32") / (model.levels - 1)

    def logits(x, member):
        x = tf.constant(2 * x.reshape(-1, *model.image_shape) - 1)
        return model.predict_logits(x, None, member=member).numpy().reshape(len(x), size, -1)

    for member, order in enumerate(model.orders):
        before = logits(x, member)
        for place, element in enumerate(order[:-1]):
            changed = x.copy()
            changed[:, element] = 1 - changed[:, element] + 0.25
            moved = np.abs(logits(changed, member) - before).max((0, 2))[order]
            assert moved[: place + 1].max() <= 1e-6 and moved[place + 1 :].min() > 1e-4


@pytest.mark.parametrize("kind", ["one order", "two layers", "one connectivity each"])
def test_members_and_their_mixture_sum_to_one(kind):
    model = wild(**KINDS[kind])
    x = every_picture(model.image_shape, model.levels)
    logits = [model.predict_logits(tf.constant(2 * x - 1), None, member=m) for m in range(model.members)]
    laws = [model._independent(part).log_prob(model.to_levels(x)).numpy().astype("float64") for part in logits]
    for law in laws:
        assert np.exp(law).sum() == pytest.approx(1, abs=1e-4)
    mixture = logsumexp(laws, axis=0) - np.log(len(laws))
    np.testing.assert_allclose(model.log_prob(x), mixture, rtol=1e-5, atol=1e-5)
    if len(laws) > 1:
        assert np.abs(mixture - laws[0]).max() > 0.1  # the members do differ


def test_log_prob_is_the_sum_of_what_each_step_says():
    """Element after element, each from a picture in which all that follow are blank."""
    model = wild(**KINDS["colour"])
    x = np.random.default_rng(4).integers(2, size=(6, 12)).astype("float32")
    seen, total = np.zeros_like(x), 0.0
    for element in model.order:
        logits = model.logits(seen.reshape(-1, *model.image_shape)).reshape(6, 12, 2)[:, element]
        chances = logits - logsumexp(logits, axis=-1, keepdims=True)
        total = total + np.take_along_axis(chances, x[:, element, None].astype(int), 1)[:, 0]
        seen[:, element] = x[:, element]
    np.testing.assert_allclose(model.log_prob(x.reshape(-1, *model.image_shape)), total, rtol=1e-5)


@pytest.mark.parametrize("kind", ["two layers", "one connectivity each"])
def test_samples_follow_the_mixture(kind):
    model = wild(0.45, **KINDS[kind] | {"image_shape": (2, 2, 1), "levels": 2})
    expected = np.exp(model.log_prob(every_picture((2, 2, 1), 2)).astype("float64"))
    samples = model.sample(4096, seed=7).reshape(-1, 4)
    counts = np.bincount((samples @ [8, 4, 2, 1]).astype(int), minlength=16)
    assert expected.min() > 5 / 4096
    assert stats.chisquare(counts, expected / expected.sum() * 4096).pvalue > 1e-3
    first = model.predict_logits(tf.constant(2 * every_picture((2, 2, 1), 2) - 1), None, member=0)
    alone = model._independent(first).log_prob(model.to_levels(every_picture((2, 2, 1), 2)))
    alone = np.exp(alone.numpy().astype("float64"))
    assert stats.chisquare(counts, alone / alone.sum() * 4096).pvalue < 1e-3  # not those of one member


def test_one_mask_learns_at_a_time():
    model = wild(image_shape=(3, 3, 1), levels=2, widths=(16,), masks=2)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    x = np.random.default_rng(5).integers(2, size=(64, 3, 3, 1)).astype("float32")
    (first,) = [layer for layer in layers_of(model) if layer.target.shape[1] == 16]
    masks = [first.mask(member).numpy() for member in range(2)]
    assert (masks[0] != masks[1]).any()
    for mask in (*masks, masks[0]):
        before = first.kernel.numpy()
        model.train_on_batch(x)
        moved = before != first.kernel.numpy()
        assert not moved[~mask].any() and moved[mask].mean() > 0.2  # a ReLU may be off for all


def test_without_hidden_layers_it_is_logistic_regression():
    """The convex problem has one solution, which scikit-learn finds too."""
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(6)
    x = (generator.random((400, 4)) < [0.3, 0.5, 0.6, 0.5]).astype("float32")
    x[:, 2] = np.where(generator.random(400) < 0.7, x[:, 0], x[:, 2])
    x[:, 3] = np.where(generator.random(400) < 0.6, x[:, 1] * x[:, 2], x[:, 3])
    expected = [-np.log(np.where(x[:, 0] == 1, x[:, 0].mean(), 1 - x[:, 0].mean())).mean()]
    for i in range(1, 4):
        fitted = LogisticRegression(C=1e6, tol=1e-8).fit(x[:, :i], x[:, i])
        expected.append(-np.log(fitted.predict_proba(x[:, :i])[np.arange(400), x[:, i].astype(int)]).mean())
    model = kerasgen.build("made", image_shape=(2, 2, 1), widths=())
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 4 * 4 + 4
    model.compile(optimizer=keras.optimizers.SGD(0.5, momentum=0.9), steps_per_execution=100)
    pictures = tf.data.Dataset.from_tensors(x.reshape(-1, 2, 2, 1)).repeat()
    model.fit(pictures, steps_per_epoch=400, verbose=0)
    assert -model.log_prob(x.reshape(-1, 2, 2, 1)).mean() == pytest.approx(sum(expected), abs=1e-4)


def test_like_is_compared_with_like():
    """One mask with one chain of logistic regressions, the mixture of eight with a mixture of eight."""
    rivals = baselines.read()["digits_binary"]["baselines"]
    model, x = kerasgen.load("made_digits"), kerasgen.data.load("digits_binary").arrays("test")[0]
    alone = []
    for member in range(8):
        logits = model.predict_logits(tf.constant(2 * x - 1), None, member=member)
        alone.append(model._independent(logits).log_prob(model.to_levels(x)).numpy().mean())
    mixture = model.log_prob(x).mean()
    assert min(alone) > rivals["logistic"]["nats"] + 0.5
    assert mixture > rivals["logistic_8_orders"]["nats"] + 0.5 and mixture > max(alone)


def test_an_unknown_ordering_gets_one_line():
    with pytest.raises(ValueError, match="^ordering: expected raster or random, got 'spiral'$"):
        kerasgen.build("made", ordering="spiral")


def test_weights_of_the_paper():
    """The best network of the paper: 784 - 8000 - 8000 - 784, and from inputs straight to outputs."""
    made = counts("made", masks=32, ordering="random")
    assert made == {"network": 784 * 8000 + 8000 * 8000 + 8000 * 784 + 784 * 784 + 2 * 8000 + 784}
