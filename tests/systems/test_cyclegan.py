"""Losses against sums over domains, the pool against its definition, the shipped model against the true translation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.core.batch import Batch
from kerasgen.metrics.features import DigitsClassifier
from kerasgen.nets.gan.image_pool import Pool

TINY = dict(
    image_shape=(8, 8, 1),
    width=8,
    halvings=2,
    blocks=1,
    kernel_size=3,
    discriminator_widths=(8, 16),
    identity=0.5,
    pool=6,
)


def build(**arguments):
    keras.utils.set_random_seed(0)
    return kerasgen.build("cyclegan", **TINY | arguments)


def batch_of(x, label, seed=3):
    x, label, seed = map(tf.convert_to_tensor, (x, label, seed))
    return Batch(x, {"label": label}, tf.range(len(x)), seed, 1.0, len(x))


def pictures(count):
    return np.random.default_rng(0).random((count, 8, 8, 1)).astype("float32")


# --- the objective ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [[0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 1, 0]], ids=["even", "uneven"])
def test_losses_are_the_sums_over_both_domains(label):
    """As the paper writes them, one network and one domain at a time; a domain counts as often as it occurs."""
    model, x, label = build(identity=0.5), pictures(6), np.array(label, "int32")
    found = model.losses(batch_of(x, label), training=False)
    (f, g), (d_x, d_y) = model.generators, model.discriminators
    a, b = 2 * x[label == 0] - 1, 2 * x[label == 1] - 1
    share_a, share_b = 2 * len(a) / len(x), 2 * len(b) / len(x)

    def square(scores, target):
        return np.mean((scores.numpy() - target) ** 2)

    def gap(x, y):
        return np.mean(np.abs(x - np.asarray(y)))

    cycles = share_a * gap(a, f(g(a))), share_b * gap(b, g(f(b)))
    leaves = share_a * gap(a, f(a)) + share_b * gap(b, g(b))
    generator = share_a * square(d_y(g(a)), 1) + share_b * square(d_x(f(b)), 1) + 10 * sum(cycles) + 5 * leaves
    discriminator = share_a * (square(d_x(a), 1) + square(d_y(g(a)), 0)) / 2
    discriminator += share_b * (square(d_y(b), 1) + square(d_x(f(b)), 0)) / 2
    assert float(found["generator_loss"]) == pytest.approx(generator, rel=1e-5)
    assert float(found["discriminator_loss"]) == pytest.approx(discriminator, rel=1e-5)
    assert float(found["cycle"]) == pytest.approx(sum(cycles) / 2, rel=1e-5)


def test_a_label_is_the_domain_to_go_to():
    model, x = build(), pictures(4)
    for domain, generator in enumerate(model.generators):
        expected = 0.5 * (generator(2 * x - 1).numpy() + 1)
        np.testing.assert_allclose(model.translate(x, label=domain), expected, atol=1e-6)
    both = model.translate(x, label=[0, 1, 0, 1])
    np.testing.assert_allclose(both[1::2], model.translate(x, label=1)[1::2], atol=1e-6)
    there = model.translate(x, label=[1, 0, 1, 0])
    back = model.translate(there, label=[0, 1, 0, 1])
    np.testing.assert_allclose(model.reconstruct(x, label=[0, 1, 0, 1]), back, atol=1e-6)


def test_the_generators_keep_size_and_edges():
    """With reflection at the edges a constant picture stays constant up to instance norm's zero."""
    model = build(halvings=0)
    out = model.translate(np.full((1, 8, 8, 1), 0.3, "float32"), label=0)
    np.testing.assert_allclose(out, np.broadcast_to(out[0, 0, 0, 0], out.shape), atol=1e-5)


# --- the pool ---------------------------------------------------------------------------------------------------------


def steps(pool, count, rows=4, domains=2):
    """Rows of numbered 1x1 pictures step after step: (domain, what was new, what was seen, pool before)."""
    exchange = tf.function(lambda x, domain, seed: pool.exchange(batch_of(x, domain, seed), domain, x))
    number = 0
    for step in range(count):
        x = np.arange(number + 1, number + rows + 1, dtype="float32").reshape(rows, 1, 1, 1)
        number += rows
        domain = np.random.default_rng(step).integers(domains, size=rows).astype("int32")
        before = pool.pictures.numpy()[..., 0, 0, 0]
        seen = exchange(tf.constant(x), tf.constant(domain), tf.constant(step)).numpy()
        yield domain, x.ravel(), seen.ravel(), before, pool.pictures.numpy()[..., 0, 0, 0]


def test_what_comes_out_of_the_pool_was_in_it_and_what_goes_in_is_new():
    for domain, new, seen, before, after in steps(Pool(2, 5, (1, 1, 1)), 200):
        old = seen != new
        assert all(seen[i] in before[domain[i]] for i in np.flatnonzero(old))
        changed = before != after
        assert set(after[changed]) <= set(new)
        for i in np.flatnonzero(old):  # one goes, one comes, at the same place
            (place,) = np.flatnonzero(before[domain[i]] == seen[i])
            assert after[domain[i], place] == new[i]
        assert changed.sum() == old.sum() + (changed & (before == 0)).sum()


def test_a_full_pool_gives_back_half_of_the_time():
    pool, given, met = Pool(2, 5, (1, 1, 1)), 0, 0
    for _, new, seen, before, _ in steps(pool, 1000):
        if before.all():
            given, met = given + (seen != new).sum(), met + len(new)
    assert met > 3900 and given / met == pytest.approx(0.5, abs=0.03)  # 4 standard deviations
    assert pool.full.numpy().all()


def test_every_place_is_met_alike():
    pool, hits = Pool(1, 5, (1, 1, 1)), np.zeros(5)
    for _, _, _, before, after in steps(pool, 1000, rows=1, domains=1):
        hits += (before != after)[0]
    assert ((hits - hits.mean()) ** 2 / hits.mean()).sum() < 18.5  # chi-square of 4, p = 0.001


def test_no_pool_and_the_rest_of_a_large_batch_pass():
    x, domain = tf.reshape(tf.range(1.0, 9.0), (8, 1, 1, 1)), tf.zeros((8,), tf.int32)
    for pool in (Pool(2, 0, (1, 1, 1)), Pool(2, 3, (1, 1, 1))):
        for step in range(30):
            seen = pool.exchange(batch_of(x, domain, seed=step), domain, x)
            np.testing.assert_array_equal(seen[3:], x[3:])
    assert not (pool.pictures.numpy() > 3).any()


def test_an_empty_place_keeps_the_first_picture():
    pool = Pool(1, 4, (1, 1, 1))
    x, domain = tf.reshape(tf.range(1.0, 5.0), (4, 1, 1, 1)), tf.zeros((4,), tf.int32)
    np.testing.assert_array_equal(pool.exchange(batch_of(x, domain), domain, x), x)
    assert sorted(pool.pictures.numpy().ravel()) == [1, 2, 3, 4]


# --- the shipped model ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    model, data = kerasgen.load("cyclegan_digits_quick"), kerasgen.data.load("digits_half_contrast")
    return model, *data.arrays("test")


def signed_gap(x, y):
    """Mean absolute difference of pictures in [-1, 1]."""
    return 2 * np.abs(x - y).mean()


def test_the_way_there_and_back_ends_where_it_began(shipped):
    model, x, domain = shipped
    assert signed_gap(model.reconstruct(x, label=domain), x) < 0.15


def test_it_finds_the_true_translation(shipped):
    """Which it has never seen: no digit is in both domains."""
    model, x, domain = shipped
    made = model.translate(x, label=1 - domain)
    for d, true in enumerate((0.25 + 0.5 * x, 2 * (x - 0.25))):
        assert signed_gap(made[domain == d], true[domain == d]) < 0.12
        assert signed_gap(x[domain == d], true[domain == d]) > 0.3  # to leave them as they are is not enough


def test_translations_keep_the_class(shipped):
    model, x, domain = shipped
    made, classifier = model.translate(x, label=1 - domain), DigitsClassifier()

    def classes(x, domain):
        full = np.where(domain[:, None, None, None] == 0, x, 2 * (x - 0.25))
        return classifier.probabilities(np.clip(full, 0, 1)).argmax(-1)

    assert (classes(made, 1 - domain) == classes(x, domain)).mean() > 0.9


# --- the paper's scale ------------------------------------------------------------------------------------------------


def test_weights_of_the_paper():
    """Counted from the layers of the authors' PyTorch code, at 256 and at 128 pixels."""
    model = kerasgen.build("cyclegan")
    sizes = [network.count_params() for network in (*model.generators, *model.discriminators)]
    assert sizes == 2 * [11_378_179] + 2 * [2_764_737]
    smaller = kerasgen.build("cyclegan", image_shape=(128, 128, 3), blocks=6)
    assert [network.count_params() for network in smaller.generators] == 2 * [7_837_699]
