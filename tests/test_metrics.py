"""Metrics against closed forms, independent implementations and cases whose answer is known."""

import dataclasses
import doctest
import importlib
import itertools
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import multivariate_normal
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

import kerasgen.data
from kerasgen import metrics
from kerasgen.metrics import METRICS, evaluate, features, fidelity, likelihood, texture, two_dim
from kerasgen.runtime import BATCH, Port, Ports

SAMPLE = (Port("count", (), "int32", "", 0), Port("seed", (), "int32", ""))
LABEL = Port("label", (BATCH,), "int32", "", -1, 9, -1)


class Fake:
    """A model made of NumPy functions: `Fake(sample=...)` serves `sample`."""

    def __init__(self, shape=(8, 8, 1), levels=17, top=1.0, conditional=False, **functions):
        x = Port("x", (BATCH, *shape), "float32", "", 0.0, top)
        inputs = {"sample": SAMPLE + (LABEL,) * conditional, "bound": (x, SAMPLE[1])}
        self.levels = levels
        self.ports = {name: Ports(inputs.get(name, (x,)), None) for name in functions}
        for name, function in functions.items():
            setattr(self, name, function)


@pytest.fixture(scope="module")
def digits():
    return kerasgen.data.load("digits")


@pytest.fixture
def normal():
    return np.random.default_rng(0).normal


# --- likelihood ---------------------------------------------------------------------------------------------------


def test_uniform_over_17_levels_takes_log2_17_bits_per_dim():
    assert likelihood.bits_per_dim(-64 * math.log(17), 64) == pytest.approx(math.log2(17))
    with pytest.raises(ValueError, match="dimensions: expected at least 1, got 0"):
        likelihood.bits_per_dim(-1.0, 0)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_dequantised_levels_stay_in_their_cells(levels):
    level = np.random.default_rng(1).integers(0, levels, (100, 8, 8, 1))
    x = (level / (levels - 1)).astype("float32")
    y = likelihood.dequantise(x, levels, seed=3)
    u = y.astype("float64") * (levels - 1) - level
    assert y.dtype == np.float32 and y.max() < levels / (levels - 1)
    assert u.min() > -1e-4 and u.max() < 1 + 1e-4 and u.mean() == pytest.approx(0.5, abs=0.02)
    assert (y == likelihood.dequantise(x, levels, seed=3)).all()
    assert (y != likelihood.dequantise(x, levels, seed=4)).any()


def test_importance_weighted_is_a_log_mean_exp_without_overflow():
    weights = np.random.default_rng(0).random((50, 4)) + 0.1
    shifted = np.log(weights) - 2000
    assert likelihood.importance_weighted(shifted) + 2000 == pytest.approx(np.log(weights.mean(0)))


class LinearGaussian(Fake):
    """x = W z + b + sigma e in the plane, with z ~ N(0, I); q is the exact posterior, `wide` times as wide."""

    W, b, sigma = np.array([[1.0, 0.5], [-0.3, 0.8]]), np.array([0.2, -0.1]), 0.4

    def __init__(self, wide):
        super().__init__((2,), None, None, bound=lambda x, seed: np.zeros(len(x)))
        precision = np.eye(2) + self.W.T @ self.W / self.sigma**2
        self.covariance, self.wide = np.linalg.inv(precision), wide
        self.law = multivariate_normal(self.b, self.W @ self.W.T + self.sigma**2 * np.eye(2))

    def log_weight(self, x, seed):
        import tensorflow as tf
        from tensorflow_probability import distributions as tfd

        from kerasgen.core import random

        constant = [tf.constant(v, tf.float32) for v in (self.W, self.b, np.linalg.cholesky(self.covariance))]
        W, b, root = constant
        mean = (x - b) @ W @ root @ tf.transpose(root) / self.sigma**2
        q = tfd.MultivariateNormalTriL(mean, self.wide * root)
        noise = random.normal(seed, random.LATENT, tf.range(tf.shape(x)[0]), (2,))
        z = mean + self.wide * noise @ tf.transpose(root)
        joint = tfd.MultivariateNormalDiag(tf.zeros(2)).log_prob(z)
        joint += tfd.MultivariateNormalDiag(z @ tf.transpose(W) + b, tf.fill([2], self.sigma)).log_prob(x)
        return joint - q.log_prob(z)


def test_importance_estimate_finds_the_evidence_of_a_linear_gaussian():
    x = np.random.default_rng(0).normal(size=(100, 2)).astype("float32")
    data = kerasgen.data.load("moons")
    exact, wide = LinearGaussian(1.0), LinearGaussian(1.6)
    one = likelihood.importance_estimate(exact, x, None, data, particles=1)
    assert one == pytest.approx(exact.law.logpdf(x), abs=1e-3)  # every weight is p(x)
    few, many = (likelihood.importance_estimate(wide, x, None, data, particles=k).mean() for k in (1, 100))
    assert few < many and many == pytest.approx(exact.law.logpdf(x).mean(), abs=0.01)


def test_densities_see_noise_and_discrete_models_see_levels(digits):
    seen = {}

    def record(name):
        return lambda x: seen.setdefault(name, []).append(x) or np.zeros(len(x))

    x, label = digits.arrays("test")
    for name, top in (("discrete", 1.0), ("density", 17 / 16)):
        nats = likelihood.log_likelihood(Fake(top=top, log_prob=record(name)), x, None, digits)
        assert nats.shape == (360,)
    assert (np.concatenate(seen["discrete"]) == x).all()
    u = np.concatenate(seen["density"]) * 16 - x * 16
    assert u.min() > -1e-4 and u.max() < 1 + 1e-4 and u.std() == pytest.approx(12**-0.5, abs=0.01)
    with pytest.raises(ValueError, match="data: expected 256 levels, those of the model, got 17"):
        likelihood.log_likelihood(Fake(top=256 / 255, log_prob=record("other")), x, None, digits)


# --- distances ----------------------------------------------------------------------------------------------------


def test_frechet_is_the_formula(normal):
    a, b = normal(size=(400, 6)) @ normal(size=(6, 6)), normal(size=(300, 6)) @ normal(size=(6, 6)) + 1
    covariances = np.cov(a.T), np.cov(b.T)
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert fidelity.frechet(a, b) == pytest.approx(expected)
    assert fidelity.frechet(a, b) == pytest.approx(fidelity.frechet(b, a))
    assert fidelity.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_between_gaussians_is_the_closed_form():
    scale = np.array([1.0, 2.0, 0.5])
    a = np.random.default_rng(0).normal(size=(1000, 3))
    a = (a - a.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(a.T))).T  # mean 0, covariance I, exactly
    assert fidelity.frechet(a, a * scale + [3, 0, 4]) == pytest.approx(25 + ((scale - 1) ** 2).sum())


def test_frechet_with_fewer_rows_than_features_and_with_samples_all_alike(normal):
    a = normal(size=(20, 50))
    assert fidelity.frechet(a, a) == pytest.approx(0, abs=1e-9)
    alike = np.tile(a.mean(0), (30, 1))
    assert fidelity.frechet(a, alike) == pytest.approx(np.trace(np.cov(a.T)))


def test_kernel_distance_is_the_unbiased_mmd_and_zero_for_one_law(normal):
    a, b = normal(size=(40, 5)), normal(size=(30, 5)) + 0.3
    pairs = (a, a), (b, b), (a, b)
    aa, bb, ab = (polynomial_kernel(x, y, degree=3, gamma=1 / 5, coef0=1) for x, y in pairs)
    within = [sum(k[i, j] for i in range(len(k)) for j in range(len(k)) if i != j) for k in (aa, bb)]
    expected = within[0] / (40 * 39) + within[1] / (30 * 29) - 2 * ab.mean()
    assert fidelity.kernel_distance(a, b)[0] == pytest.approx(expected)
    draws = [(normal(size=(60, 5)), normal(size=(90, 5))) for _ in range(300)]
    same = [fidelity.kernel_distance(*draw, subsets=2)[0] for draw in draws]
    assert abs(np.mean(same)) < 4 * np.std(same) / math.sqrt(300)


def test_the_error_of_the_kernel_distance_is_its_spread(normal):
    draws = [fidelity.kernel_distance(normal(size=(200, 4)), normal(size=(200, 4)) + 0.7) for _ in range(60)]
    distance, error = np.transpose(draws)
    assert error.mean() == pytest.approx(distance.std(), rel=0.35)


def test_energy_distance_of_two_normals_is_the_closed_form(normal):
    def distance(shift):
        """E|x - y| for x - y ~ N(shift, 2)."""
        return 2 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)

    drawn = two_dim.energy_distance(normal(size=(3000, 1)), normal(size=(3000, 1)) + 1)
    assert drawn == pytest.approx(2 * distance(1) - 2 * distance(0), abs=0.1)
    same = [two_dim.energy_distance(normal(size=(50, 1)), normal(size=(50, 1))) for _ in range(200)]
    assert abs(np.mean(same)) < 4 * np.std(same) / math.sqrt(200)


# --- manifolds ----------------------------------------------------------------------------------------------------


def _straightforward(real, fake, k):
    """Precision, recall, density and coverage from the definitions, point by point."""

    def radius(x):
        return NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1]

    def distance(p, q):
        return math.sqrt(((p - q) ** 2).sum())

    inside = [[distance(r, f) < radius for f in fake] for r, radius in zip(real, radius(real), strict=True)]
    balls = list(zip(fake, radius(fake), strict=True))
    reached = [any(distance(r, f) < radius for f, radius in balls) for r in real]
    inside = np.array(inside)
    return inside.any(0).mean(), np.mean(reached), inside.sum() / (k * len(fake)), inside.any(1).mean()


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_recall_density_coverage_are_their_definitions(normal, k):
    real, fake = normal(size=(60, 3)), 0.6 * normal(size=(80, 3)) + 0.4
    got = *fidelity.precision_recall(real, fake, k), *fidelity.density_coverage(real, fake, k)
    assert got == pytest.approx(_straightforward(real, fake, k))


def test_identical_disjoint_and_equal_laws(normal):
    x, y = normal(size=(400, 4)), normal(size=(400, 4))
    for metric in (fidelity.precision_recall, fidelity.density_coverage):
        assert metric(x, x) == (1.0, 1.0) and metric(x, y + 99) == (0.0, 0.0)
    density, coverage = fidelity.density_coverage(x, y)
    assert density == pytest.approx(1, abs=0.1) and coverage == pytest.approx(1 - 2**-5, abs=0.04)


def test_a_dropped_mode_lowers_recall_and_coverage_not_precision(normal):
    centres = np.repeat([[0, 0], [20, 0], [0, 20], [20, 20]], 100, 0)
    real, fake = centres + normal(size=(400, 2)), centres[:300] + normal(size=(300, 2))
    precision, recall = fidelity.precision_recall(real, fake)
    assert precision > 0.9 and 0.6 < recall < 0.75
    assert 0.6 < fidelity.density_coverage(real, fake)[1] < 0.75


def test_a_fake_outlier_inflates_recall_but_not_coverage(normal):
    """The reason for coverage: the ball of an outlier reaches its k-th neighbour, across the real examples."""
    real, fake = normal(size=(200, 2)), 0.01 * normal(size=(200, 2)) + [50, 0]
    fake[:1] = [-50, 0]
    assert fidelity.precision_recall(real, fake)[1] == 1 and fidelity.density_coverage(real, fake)[1] == 0


@pytest.mark.parametrize("metric", [fidelity.frechet, fidelity.kernel_distance, fidelity.density_coverage])
def test_features_are_checked(metric):
    with pytest.raises(ValueError, match=r"expected shapes \(N, F\) and \(M, F\), got \(9, 2\) and \(9, 3\)"):
        metric(np.zeros((9, 2)), np.zeros((9, 3)))
    with pytest.raises(ValueError, match="features: expected at least .* rows, got 1 and 9"):
        metric(np.zeros((1, 2)), np.zeros((9, 2)))


# --- the classifier and its features ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "least"), [("digits", 0.985), ("digits_binary", 0.94)])
def test_the_classifier_knows_the_test_digits(name, least):
    x, label = kerasgen.data.load(name).arrays("test")
    probabilities = features.DigitsClassifier().probabilities(x)
    assert probabilities.shape == (360, 10) and probabilities.sum(-1) == pytest.approx(1, abs=1e-5)
    assert fidelity.conditional_accuracy(probabilities, label) >= least


def test_features_are_scaled_and_do_not_depend_on_the_batch(digits):
    classifier, x = features.DigitsClassifier(), digits.arrays("train")[0]
    rows = classifier.features(x)
    assert rows.shape == (1257, 64) and np.mean(rows**2) == pytest.approx(1, abs=1e-3)
    assert classifier.features(x[700:703]) == pytest.approx(rows[700:703], abs=1e-4)
    assert classifier.features(x[:0]).shape == (0, 64)
    with pytest.raises(ValueError, match=r"x: expected shape \(N, 8, 8, 1\), got \(2, 8, 8, 3\)"):
        classifier.features(np.zeros((2, 8, 8, 3)))


@pytest.mark.parametrize("kind", [features.DigitsClassifier, features.MNISTClassifier], ids=lambda kind: kind.name)
def test_the_numpy_forward_pass_is_the_keras_network(digits, kind):
    import keras

    from kerasgen.metrics import train_classifier

    classifier = kind()
    x, weights = digits.arrays("test")[0][:50], classifier.weights
    x = np.asarray(keras.ops.image.resize(x, kind.shape[:2]))
    network = train_classifier._network(keras, kind)
    for name in train_classifier.LAYERS:
        network.get_layer(name).set_weights([weights[f"{name}.kernel"], weights[f"{name}.bias"]])
    expected = keras.ops.softmax(network(x, training=False)).numpy()
    assert classifier.probabilities(x) == pytest.approx(expected, abs=1e-4)


def test_the_weights_are_small():
    assert features.WEIGHTS.stat().st_size < 300_000


# --- evaluate -----------------------------------------------------------------------------------------------------

FLOORS = {  # train examples in the place of samples, against the test digits, in two parts of 360
    "frechet_digits_features_floor": 1.005,
    "kernel_distance_digits_features_floor": 0.0037,
    "precision_digits_features_floor": 0.928,
    "recall_digits_features_floor": 0.918,
    "density_digits_features_floor": 0.970,
    "coverage_digits_features_floor": 0.985,
    "authenticity_floor": 0.544,
    "diversity_floor": 0.987,
    "class_share_min_floor": 0.081,
    "confidence_floor": 0.996,
    "class_entropy_floor": 0.01,
}


def _real(data, keep=lambda label: label >= 0):
    """A sampler that has learnt the train split by heart, or the part of it whose labels are kept."""
    x, label = data.arrays("train")
    chosen = x[keep(label)]
    return lambda count, seed: chosen[np.random.default_rng(seed).integers(0, len(chosen), count)]


def test_floors_are_those_of_the_digits(digits):
    figures = evaluate(Fake(sample=_real(digits)), digits)
    for name, value in FLOORS.items():
        assert figures[name] == pytest.approx(value, rel=0.03, abs=0.003), name
        if name != "authenticity_floor":
            assert figures[name.removesuffix("_floor")] == pytest.approx(value, rel=0.35, abs=0.08), name
    assert figures["authenticity"] == 0  # it has learnt them by heart
    assert not {"conditional_accuracy", "nats", "frechet_raw_values"} & set(figures)


def test_evaluate_is_deterministic(digits):
    model = Fake(sample=_real(digits))
    first = evaluate(model, digits, count=200, seed=5)
    assert first == evaluate(model, digits, count=200, seed=5) != evaluate(model, digits, count=200, seed=6)


def test_a_collapsed_sampler_is_recognised(digits):
    figures = evaluate(Fake(sample=_real(digits, lambda label: label == 3)), digits)
    assert figures["precision_digits_features"] > 0.85 and figures["confidence"] > 0.99
    assert figures["recall_digits_features"] < 0.15 and figures["coverage_digits_features"] < 0.15
    assert figures["class_share_min"] == 0
    assert figures["frechet_digits_features"] > 50 * figures["frechet_digits_features_floor"]


def test_a_constant_sampler_is_recognised(digits):
    x = digits.arrays("train")[0][:1]
    figures = evaluate(Fake(sample=lambda count, seed: np.repeat(x, count, 0)), digits, count=100)
    assert figures["recall_digits_features"] == 0 and figures["class_share_min"] == 0
    lines = metrics.remarks(figures)
    assert lines[0].startswith("diversity 0: the samples are nearly all alike")
    assert (
        lines[1] == "recall_digits_features 0: no real example is near any sample; precision and density tell nothing"
    )
    assert lines[2].startswith("authenticity 0: the samples copy the train examples") and len(lines) == 3
    assert (
        metrics.remarks(
            evaluate(Fake(sample=lambda count, seed: digits.arrays("validation")[0][:count]), digits, count=100)
        )
        == []
    )


def _flat(count, seed):
    """A dead generator: grey, but for what rounding leaves."""
    return np.random.default_rng(seed).normal(0.5, 1e-4, (count, 16, 12, 3)).astype("float32")


def _photographs(count):
    """Pictures of one's own: smooth colours, of which pixels tell little."""
    random = np.random.default_rng(1)
    coarse = random.random((count, 4, 3, 3))
    return np.repeat(np.repeat(coarse, 4, 1), 4, 2).astype("float32")


def test_a_flat_grey_generator_of_own_pictures_is_not_praised():
    """Pixels would give it precision 1: grey is near every picture."""
    data = kerasgen.data.load(_photographs(200))
    figures = evaluate(Fake(data.shape, sample=_flat), data)
    assert set(figures) == {"authenticity", "authenticity_floor", "diversity", "diversity_floor"}
    assert figures["diversity"] < 1e-3 and figures["diversity_floor"] == pytest.approx(1, abs=0.3)
    assert metrics.remarks(figures)[0].startswith("diversity")


@pytest.mark.slow
def test_pictures_are_compared_by_a_network_that_is_asked_for(monkeypatch):
    """Random weights stand in for those of ImageNet, which are not at hand; a dead generator is recognised."""
    monkeypatch.setattr(features, "_named", lambda name: network)
    network, data = features.Inception(weights=None), kerasgen.data.load(_photographs(100))
    rows = network.features(data.arrays("test")[0])
    assert rows.shape == (10, 2048) and network.features(data.arrays("test")[0][..., :1]).shape == (10, 2048)
    assert network.features(data.arrays("test")[0][3:4]) == pytest.approx(rows[3:4], rel=1e-3, abs=1e-4)
    figures = evaluate(Fake(data.shape, sample=_flat), data, count=10, features="inception")
    assert figures["recall_inception_features"] == 0 and figures["coverage_inception_features"] < 0.5
    assert figures["frechet_inception_features"] > figures["frechet_inception_features_floor"]


def test_without_the_network_s_weights_there_is_one_line(monkeypatch):
    import keras

    def fail(**options):
        raise Exception("URL fetch failure on https://storage.googleapis.com/...")  # as Keras raises it

    monkeypatch.setattr(keras.applications, "InceptionV3", fail)
    with pytest.raises(
        ValueError, match="^features: expected weights of InceptionV3, which cannot be downloaded here; "
    ):
        features.Inception()


@pytest.mark.parametrize(
    ("name", "source", "line"),
    [
        ("vgg", "digits", "features: expected inception or none, got 'vgg'"),
        ("inception", "moons", "features: expected a set of pictures for 'inception', got moons"),
        ("inception", "brick", "features: expected a set of pictures for 'inception', got brick"),
    ],
)
def test_features_that_do_not_fit_get_one_line(name, source, line):
    with pytest.raises(ValueError) as error:
        features.features_for(kerasgen.data.load(source), name)
    assert str(error.value) == line


def test_copies_are_told_from_new_examples(normal):
    """Against a loop; copies with noise far below the distances of train examples are copies too."""
    train, fake = normal(size=(60, 3)), normal(size=(40, 3))
    new = 0
    for row in fake:
        distance = np.linalg.norm(train - row, axis=1)
        nearest = distance.argmin()
        new += distance[nearest] > np.delete(np.linalg.norm(train - train[nearest], axis=1), nearest).min()
    assert fidelity.authenticity(train, fake) == new / 40
    assert 0.3 < new / 40 < 0.8
    assert fidelity.authenticity(train, train[:9] + 1e-4) == 0 == fidelity.authenticity(train, train)


def test_equal_numbers_are_compared(digits, monkeypatch):
    """1,000 samples beside 360 test digits: two parts of 360, whose mean it is."""
    seen = []
    monkeypatch.setattr(fidelity, "frechet", lambda a, b: seen.append((len(a), len(b))) or len(seen))
    drawn = []

    def sample(count, seed):
        drawn.append(count)
        return np.resize(digits.arrays("validation")[0], (count, 8, 8, 1))

    figures = evaluate(Fake(sample=sample), digits, only=("frechet_digits_features",))
    assert seen == 4 * [(360, 360)] and drawn == [720]
    assert figures == {"frechet_digits_features": 1.5, "frechet_digits_features_floor": 3.5}
    with pytest.raises(ValueError, match="^only: expected some of frechet_digits_features, .*, got fid$"):
        evaluate(Fake(sample=sample), digits, only=("fid",))


@pytest.mark.filterwarnings("ignore:source. validation and test are empty")
def test_few_examples_get_one_line():
    """A tenth of 40 and of 5 vectors; figures that need fewer are still given."""
    random = np.random.default_rng(0)
    data = kerasgen.data.load(random.normal(size=(40, 3)).astype("float32"))
    model = Fake((3,), None, None, sample=lambda count, seed: random.normal(size=(count, 3)))
    line = "data: expected at least 6 test examples, got 4 (a tenth of 40)"
    with pytest.warns(UserWarning, match=re.escape(f"{line}; without density_raw_values, coverage_raw_values")):
        figures = evaluate(model, data)
    assert {"frechet_raw_values", "precision_raw_values", "diversity"} <= set(figures)
    assert "density_raw_values" not in figures
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        evaluate(model, data, only=("density_raw_values", "coverage_raw_values"))
    five = kerasgen.data.load(random.normal(size=(5, 3)).astype("float32"))
    with pytest.raises(ValueError, match=r"^data: expected at least 6 test examples, got 0 \(a tenth of 5\)$"):
        evaluate(model, five)


def test_features_rank_what_pixels_cannot(digits):
    """Samples of one Gaussian fitted to the pixels match their first two moments, and are no digits."""
    x = digits.arrays("train")[0].reshape(-1, 64)
    law = multivariate_normal(x.mean(0), np.cov(x.T), allow_singular=True)

    def sample(count, seed):
        return law.rvs(count, random_state=seed).reshape(-1, 8, 8, 1).clip(0, 1)

    figures = evaluate(Fake(sample=sample), digits)
    assert figures["frechet_digits_features"] > 10 * figures["frechet_digits_features_floor"]
    assert figures["confidence"] < 0.9 and figures["coverage_digits_features"] < 0.6


def test_conditional_samples_are_judged_by_the_class_asked_for(digits):
    x, label = digits.arrays("train")
    first = np.stack([x[label == c][0] for c in range(10)])
    right = Fake(conditional=True, sample=lambda count, seed, label: first[label])
    wrong = Fake(conditional=True, sample=lambda count, seed, label: first[(label + 1) % 10])
    figures = evaluate(right, digits, count=100)
    assert figures["conditional_accuracy"] == 1
    assert figures["conditional_accuracy_floor"] == pytest.approx(0.9917, abs=0.003)
    assert evaluate(wrong, digits, count=100)["conditional_accuracy"] == 0


def test_splits_may_be_sorted_by_class(digits):
    """As those of a folder are: all classes are asked for, in every part, and compared with."""
    orders = {split: np.argsort(given["label"], kind="stable") for split, (_, given) in digits.splits.items()}
    splits = {split: (x[orders[split]], y["label"][orders[split]]) for split, (x, y) in digits.splits.items()}
    data, asked = dataclasses.replace(digits, splits=splits), []
    x, label = digits.arrays("train")
    first = np.stack([x[label == c][0] for c in range(10)])
    model = Fake(conditional=True, sample=lambda count, seed, label: asked.append(label) or first[label])
    figures = evaluate(model, data, count=100)
    assert (np.bincount(asked[0], minlength=10) > 3).all()
    assert figures["class_share_min"] > 0.03 and figures["recall_digits_features_floor"] > 0.7


def test_simple_models_of_the_digits_get_their_known_bits_per_dim(digits):
    """A full Gaussian of dequantised levels takes 2.950 bits per dimension, independent histograms of levels 2.421."""
    x = digits.arrays("train")[0]
    y = 16.0 * np.concatenate([likelihood.dequantise(x, 17, seed) for seed in range(1, 6)]).reshape(-1, 64)
    law = multivariate_normal(y.mean(0), np.cov(y.T))
    gaussian = Fake(top=17 / 16, log_prob=lambda x: law.logpdf(16.0 * x.reshape(-1, 64)))
    level = np.rint(16 * x.reshape(-1, 64)).astype(int)
    share = (np.stack([(level == k).sum(0) for k in range(17)]) + 1) / (len(x) + 17)

    def histogram(x):
        return np.log(share[np.rint(16 * x.reshape(-1, 64)).astype(int), np.arange(64)]).sum(1)

    assert evaluate(gaussian, digits)["bits_per_dim"] == pytest.approx(2.950, abs=0.01)
    assert evaluate(Fake(log_prob=histogram), digits)["bits_per_dim"] == pytest.approx(2.421, abs=0.005)


def test_likelihood_bound_and_reconstruction(digits):
    model = Fake(
        log_prob=lambda x: np.full(len(x), -64 * math.log(17)),
        bound=lambda x, seed: np.full(len(x), -70 * math.log(17)),
        reconstruct=lambda x: x / 2,
    )
    figures = evaluate(model, digits)
    assert figures["nats"] == pytest.approx(-181.33, abs=0.01)
    assert figures["bits_per_dim"] == pytest.approx(math.log2(17))
    assert figures["bound_bits_per_dim"] == pytest.approx(70 / 64 * math.log2(17))
    assert figures["reconstruction_mse"] == pytest.approx(np.mean((digits.arrays("test")[0] / 2) ** 2))
    assert 0.8 < figures["reconstruction_agreement"] < 1
    assert list(evaluate(model, digits, functions=("bound",))) == ["bound_nats", "bound_bits_per_dim"]
    model.levels = None  # nats of something else than the levels: no bits per dimension
    assert "bits_per_dim" not in evaluate(model, digits)


def test_codes_are_matched_to_classes_one_to_one(digits):
    """As the best of all matchings, by enumeration; and classes themselves under other numbers agree wholly."""
    draw = np.random.default_rng(0)
    code, label = draw.integers(5, size=60), draw.integers(5, size=60)
    best = max(np.mean(np.take(order, code) == label) for order in itertools.permutations(range(5)))
    assert fidelity.matched(code, label) == pytest.approx(best) and best < 0.5
    known = {x.tobytes(): (7 * c + 3) % 10 for x, c in zip(*digits.arrays("test"), strict=True)}
    model = Fake(encode=lambda x: np.array([[known[one.tobytes()]] for one in x]))
    assert evaluate(model, digits) == {}  # it gives what is no code
    model.ports["encode"] = model.ports["encode"]._replace(output=Port("code", (BATCH, 1), "int32", ""))
    assert evaluate(model, digits)["code_agreement"] == 1
    model.encode = lambda x: np.zeros((len(x), 1), int)
    shares = np.bincount(digits.arrays("test")[1]) / digits.count("test")
    assert evaluate(model, digits)["code_agreement"] == pytest.approx(shares.max())
    model.ports["encode"] = model.ports["encode"]._replace(output=Port("code", (BATCH, 2), "int32", ""))
    assert evaluate(model, digits) == {}  # two codes are no class


@pytest.mark.parametrize(("name", "modes"), [("eight_gaussians", 8), ("twenty_five_gaussians", 25)])
def test_modes_of_the_plane(name, modes):
    data = kerasgen.data.load(name)
    x = data.arrays("train")[0]
    figures = evaluate(Fake((2,), None, None, sample=lambda count, seed: x[:count]), data)
    assert figures["modes_covered"] == modes and abs(figures["energy_distance"]) < 0.02
    assert figures["high_quality_share"] == pytest.approx(1 - math.exp(-4.5), abs=0.01)
    right = x[x[:, 0] > 0.5]
    figures = evaluate(Fake((2,), None, None, sample=lambda count, seed: right[:count]), data)
    assert figures["modes_covered"] == {8: 3, 25: 10}[modes] and figures["energy_distance"] > 0.2
    assert figures["recall_raw_values"] < 0.6 and figures["precision_raw_values"] > 0.9


def test_the_entropy_gap_of_the_true_law_is_zero():
    data = kerasgen.data.load("eight_gaussians")
    centres, sigma = two_dim.MODES["eight_gaussians"]

    def log_prob(x):
        return np.log(np.mean([multivariate_normal(c, sigma**2).pdf(x) for c in centres], 0))

    figures = evaluate(Fake((2,), None, None, log_prob=log_prob), data)
    assert figures["entropy_gap"] == pytest.approx(0, abs=0.03)


def test_bundles_hold_their_ports_and_levels(digits):
    """A bundle is asked as a model is: for its `ports` and `levels`."""

    class Bundle:
        ports, levels = Fake(log_prob=None).ports, 17

        def log_prob(self, x):
            return np.zeros(len(x))

    assert evaluate(Bundle(), digits) == {"nats": 0.0, "bits_per_dim": 0.0}


@pytest.mark.parametrize(
    ("sample", "options", "message"),
    [
        (lambda count, seed: np.zeros((count, 4, 4, 1)), {}, "data: expected shape .4, 4, 1. as the samples"),
        (
            lambda count, seed: np.full((count, 8, 8, 1), np.nan),
            {},
            "expected finite values, got 46080 of 46080",
        ),
        (None, {"count": 5}, "count: expected at least 10, got 5"),
        (None, {"functions": ("bound",)}, "functions: expected some of sample, got bound"),
    ],
)
def test_one_clear_line_for_what_cannot_be_evaluated(digits, sample, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(Fake(sample=sample), digits, **options)


def test_samples_about_a_picture_are_left_out(digits):
    model = Fake(sample=None)
    model.ports["sample"] = Ports((*SAMPLE, Port("picture", (BATCH, 8, 8, 1), "float32", "")), None)
    assert evaluate(model, digits) == {}


def test_every_metric_is_described():
    from kerasgen.core.vocabulary import FUNCTIONS

    for name, metric in METRICS.items():
        assert metric.name == name and metric.better in ("lower", "higher") and metric.meaning.endswith(".")
        assert set(metric.needs) <= set(FUNCTIONS)


def test_a_keras_model_is_evaluated(digits):
    import kerasgen

    options = {"latent_dim": 2, "widths": (16,), "likelihood": "gaussian", "levels": 17}
    model = kerasgen.build("vae", image_shape=(8, 8, 1), **options)
    figures = evaluate(model, digits, count=100)
    assert figures["bound_nats"] < figures["importance_nats"] < 0
    assert {"frechet_digits_features", "reconstruction_mse", "bound_bits_per_dim"} <= set(figures)


def test_importing_metrics_is_light():
    code = "import sys, kerasgen.metrics; assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["", ".features", ".fidelity", ".likelihood", ".two_dim"])
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(f"kerasgen.metrics{name}")).failed == 0


# --- one picture ------------------------------------------------------------------------------------------------------


def test_patches_of_one_picture_beside_another():
    """By a search of every patch beside every patch."""
    one, other = (np.random.default_rng(i).uniform(size=(9 + i, 10, 2)) for i in range(2))
    found = []
    for row in range(3):
        for column in range(4):
            patch = one[row : row + 7, column : column + 7]
            gaps = [((patch - other[r : r + 7, c : c + 7]) ** 2).mean() for r in range(4) for c in range(4)]
            found.append(min(gaps))
    assert texture.distance(one, other) == pytest.approx(np.mean(found))


def test_samples_of_one_picture_are_judged_by_their_patches():
    picture = kerasgen.data.load("brick", image_shape=(24, 24, 1))
    x = picture.arrays("test")[0]

    def figures(sample):
        return evaluate(Fake((24, 24, 1), 256, sample=lambda count, seed, **_: sample(count)), picture)

    copies = figures(lambda count: np.repeat(x, count, 0))
    assert all(abs(copies[name]) < 1e-9 for name in ("coherence", "completeness", "novelty"))
    moved = figures(lambda count: np.stack([np.roll(x[0], (i, 7), (0, 1))[::-1] for i in range(count)]))
    assert abs(moved["novelty"]) < 1e-9 < moved["coherence"]  # shifted and mirrored as a whole, it is no other picture
    half = figures(lambda count: np.repeat(np.concatenate([x[:, :12], x[:, :12]], 1), count, 0))
    assert half["completeness"] > half["coherence"] > 0
    assert half["coherence_floor"] > half["coherence"] and half["novelty_floor"] > 0.2  # one half beside the other
    orders = np.random.default_rng(0).permutation(24 * 24)
    shuffled = figures(lambda count: np.repeat(x.reshape(1, -1, 1)[:, orders].reshape(x.shape), count, 0))
    assert shuffled["coherence"] == pytest.approx(1, abs=0.2) and shuffled["novelty"] == pytest.approx(1, abs=0.2)
    assert set(copies) == {
        f"{name}{end}" for name in ("coherence", "completeness", "novelty") for end in ("", "_floor")
    }


@pytest.mark.parametrize("name", ["captioned_digits", "digit_scenes"])
def test_samples_are_what_descriptions_tell(name):
    """Real examples with their own descriptions, and with those of others."""
    data = kerasgen.data.load(name)
    x, told = data.arrays("train")
    (name,) = data.given
    port = Port(name, (BATCH, *told.shape[1:]), "int32", "")
    known = {row.tobytes(): i for i, row in enumerate(told)}
    shift = 0

    def sample(count, seed, **given):
        places = np.array([known[row.tobytes()] for row in given[name]])  # nothing of the test split
        assert len(set(places)) > 0.5 * min(count, len(known))
        return x[(places + shift) % len(x)]

    model = Fake(data.shape, data.levels, sample=sample)
    assert "description_agreement" not in evaluate(Fake(data.shape, sample=lambda count, seed: x), data)
    model.ports["sample"] = Ports((*SAMPLE, port), None)
    figures = evaluate(model, data)
    assert figures["description_agreement"] == pytest.approx(figures["description_agreement_floor"], abs=0.01)
    assert figures["description_agreement"] > 0.97
    shift = 1
    assert evaluate(model, data)["description_agreement"] < 0.3


def test_data_of_a_preset_or_bundle_have_its_size():
    about = {"data": {"name": "brick", "image_shape": [16, 16, 1], "batch_size": 1}}
    assert kerasgen.data.of(about).shape == (16, 16, 1)
    assert kerasgen.data.of({"data": {"name": "brick"}, "image_shape": [8, 8, 3]}).shape == (8, 8, 3)
    assert kerasgen.data.of({"data": {"name": "digits", "batch_size": 64}}).shape == (8, 8, 1)
    assert kerasgen.data.of({"data": None, "image_shape": [8, 8, 3]}) is None


def test_more_that_is_said_of_examples_changes_no_figure(digits):
    """Data with a label and a text each, as emoji have them, are measured as those with the label alone."""
    import dataclasses

    def told(x, given):
        return x, {**given, "text": np.full((len(x), 4), 97, "uint8")}

    both = dataclasses.replace(digits, splits={name: told(*rows) for name, rows in digits.splits.items()})
    x = digits.arrays("train")[0]
    figures = [evaluate(Fake(sample=lambda count, seed, **_: x[:count]), data, count=100) for data in (digits, both)]
    assert figures[0] == pytest.approx(figures[1]) and "diversity_floor" in figures[0]
