"""The one table of metrics: what each needs, which way is better, and how an `Evaluation` gives it.

A metric is computed where the model serves the function in `needs` and the facts in `given` hold:

    digits_features, mnist_features, inception_features, raw_values
                                   where samples are compared: on a frozen network's features, or, vectors, as they are
    classifier                     there is a classifier for the data
    described                      the model draws what captions or boxes tell of, and the classifier can read it
    labels                         and the model draws the class that it is asked for
    classes                        the data have classes
    levels                         data and model have the same grey levels
    entropy                        that of the data is known
    modes, vectors                 the data have known modes; they are plain vectors
    single, several                all data are one picture; they are many pictures or vectors
    one_code                       an example is encoded as one code, and the data have classes
    truth                          what a translation should be is known
    log_weight                     the Keras model gives importance weights
    log_partition                  the Keras model estimates the partition function of its energy

A function below is a row: its name, its first line and its decorator. A comparison makes one row per space.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from kerasgen.metrics import features as extractors
from kerasgen.metrics import fidelity, two_dim

SPACES = ("digits_features", "mnist_features", "inception_features", "raw_values")

METRICS = {}


@dataclasses.dataclass(frozen=True)
class Metric:
    """One number about a trained system.

    Args:
        name: its key in the result.
        meaning: one line for people.
        needs: the functions that the model must serve.
        better: "lower" or "higher".
        compute: `Evaluation` -> number.
        given: facts that must hold.
        least: test examples that it takes.
    """

    name: str
    meaning: str
    needs: tuple
    better: str
    compute: Callable
    given: tuple = ()
    least: int = 1

    def fits(self, about):
        """Whether an `Evaluation` has what this needs."""
        return about.functions.issuperset(self.needs) and about.facts.issuperset(self.given)


def _metric(needs, better, *given, least=1):
    def register(compute, name=None):
        name = name or compute.__name__
        METRICS[name] = Metric(name, compute.__doc__, (needs,), better, compute, given, least)
        return compute

    return register


def _comparison(better, least, needs="sample"):
    def register(compute):
        for space in SPACES:
            _metric(needs, better, space, least=least)(compute, f"{compute.__name__}_{space}")
        return compute

    return register


@_comparison("lower", least=2)
def frechet(e):
    """Frechet distance between fitted Gaussians; this is no FID."""
    return e.over_parts(fidelity.frechet)


@_comparison("lower", least=4)
def kernel_distance(e):
    """Unbiased squared MMD with the cubic kernel."""
    return e.kernel[0]


@_comparison("lower", least=4)
def kernel_distance_error(e):
    """Standard error of the kernel distance."""
    return e.kernel[1]


@_comparison("higher", least=4)
def precision(e):
    """Share of samples on the manifold of the real examples, k = 3."""
    return e.manifold[0]


@_comparison("higher", least=4)
def recall(e):
    """Share of real examples on the manifold of the samples, k = 3."""
    return e.manifold[1]


@_comparison("higher", least=6)
def density(e):
    """How deep samples lie among the real examples, k = 5; about 1 for real ones."""
    return e.balls[0]


@_comparison("higher", least=6)
def coverage(e):
    """Share of real examples with a sample near by, k = 5."""
    return e.balls[1]


@_metric("sample", "higher", "several")
def authenticity(e):
    """Share of samples that are no copies of train examples, by raw values; those trained on reach 0."""
    return fidelity.authenticity(e.train, e.unseen)


@_metric("sample", "higher", "several", least=2)
def diversity(e):
    """Variance of the samples' raw values by that of test examples; 0 if all samples are alike."""
    return fidelity.diversity(*map(extractors.raw_values, (e.test[0], e.fake[0])))


@_metric("sample", "higher", "classifier")
def class_share_min(e):
    """Share of the rarest class among samples, as the classifier finds it."""
    probabilities = e.judged[0]
    return fidelity.class_shares(probabilities.argmax(-1), probabilities.shape[1]).min()


@_metric("sample", "higher", "classifier")
def confidence(e):
    """Mean probability of the class that the classifier finds in a sample."""
    return fidelity.confidence(e.judged[0])


@_metric("sample", "lower", "classifier")
def class_entropy(e):
    """Mean entropy of the classifier's answer to a sample, in nats."""
    return fidelity.entropy(e.judged[0])


@_metric("sample", "higher", "labels")
def conditional_accuracy(e):
    """Share of samples in which the classifier finds the class that was asked for."""
    return fidelity.conditional_accuracy(*e.judged)


@_metric("sample", "higher", "described")
def description_agreement(e):
    """Share of the digits that captions or boxes tell of that the classifier finds."""
    return e.agreement


@_metric("sample", "lower", "vectors", least=2)
def energy_distance(e):
    """Unbiased energy distance between samples and the test split."""
    return e.over_parts(two_dim.energy_distance)


@_metric("sample", "higher", "modes")
def modes_covered(e):
    """Number of modes that hold at least 1 % of the samples within 3 sigma."""
    return two_dim.modes_covered(e.fake[0], *e.modes)


@_metric("sample", "higher", "modes")
def high_quality_share(e):
    """Share of samples within 3 sigma of a mode."""
    return two_dim.high_quality(e.fake[0], *e.modes)


@_metric("sample", "lower", "single")
def coherence(e):
    """Distance of the samples' patches to those of the picture; 1 for shuffled pixels."""
    return e.texture[0]


@_metric("sample", "lower", "single")
def completeness(e):
    """Distance of the picture's patches to those of the samples; 1 for shuffled pixels."""
    return e.texture[1]


@_metric("sample", "higher", "single")
def novelty(e):
    """Squared difference of samples and picture, wherever it fits best, by twice its variance; 0 for a copy."""
    return e.texture[2]


@_metric("log_prob", "higher")
def nats(e):
    """Mean log-likelihood of a test example, in nats."""
    return e.nats


@_metric("log_prob", "lower", "levels")
def bits_per_dim(e):
    """-nats / (D ln 2): bits per dimension, of levels or per grey level."""
    return e.bits(e.nats)


@_metric("log_prob", "lower", "entropy")
def entropy_gap(e):
    """-nats less the entropy of the data: KL(data | model), but for the noise of the test split."""
    return two_dim.entropy_gap(e.nats, e.data.entropy)


@_metric("classify", "higher", "classes")
def classification_accuracy(e):
    """Share of test examples whose likeliest class, by the model's own likelihoods, is theirs."""
    return np.mean(e.classified == e.test[1])


@_metric("bound", "higher")
def bound_nats(e):
    """Mean lower bound of the log-likelihood of a test example, in nats."""
    return e.bound


@_metric("bound", "lower", "levels")
def bound_bits_per_dim(e):
    """-bound / (D ln 2): at least the bits per dimension."""
    return e.bits(e.bound)


@_metric("bound", "higher", "log_weight")
def importance_nats(e):
    """Importance-weighted estimate of the log-likelihood from 500 particles, in nats."""
    return e.importance


@_metric("energy", "higher", "log_partition")
def annealed_nats(e):
    """Mean log-likelihood of a test example, in nats, with the partition function by annealed importance sampling."""
    return e.annealed


@_metric("reconstruct", "lower")
def reconstruction_mse(e):
    """Mean squared error of reconstructed test examples."""
    return np.mean(np.subtract(*e.reconstruction) ** 2, dtype="float64")


@_metric("reconstruct", "higher", "classifier")
def reconstruction_agreement(e):
    """Share of reconstructions in which the classifier finds the class that it finds in the original."""
    found = [e.found(x) for x in e.reconstruction]
    return np.mean(found[0] == found[1])


@_metric("encode", "higher", "one_code")
def code_agreement(e):
    """Share of test examples whose code is that of their class, codes matched to classes one to one."""
    return fidelity.matched(*e.coded)


@_metric("translate", "higher", "classifier")
def translation_agreement(e):
    """Share of translations in which the classifier finds the class that it finds in the original."""
    found = [e.found(x) for x in e.translation]
    return np.mean(found[0] == found[1])


@_comparison("lower", 2, "upscale")
def upscaled_frechet(e):
    """Frechet distance between the originals and test examples made small and large again."""
    return fidelity.frechet(*map(e.extractor.features, (e.test[0], e.upscaled)))


@_metric("upscale", "higher")
def upscaled_psnr(e):
    """Mean peak signal-to-noise ratio of test examples made small and large again, in dB."""
    return fidelity.psnr(e.test[0], e.upscaled).mean()


@_metric("upscale", "higher")
def upscaled_ssim(e):
    """Mean structural similarity of them and the originals; 1 for the same."""
    return fidelity.ssim(e.test[0], e.upscaled).mean()


@_metric("upscale", "higher", "classifier")
def upscaled_agreement(e):
    """Share of them in which the classifier finds the class that it finds in the original."""
    return np.mean(e.found(e.test[0]) == e.found(e.upscaled))


@_metric("colorize", "higher")
def colorized_psnr(e):
    """Mean peak signal-to-noise ratio of test examples whose colours were taken and guessed, in dB."""
    return fidelity.psnr(e.test[0], e.colorized).mean()


@_metric("colorize", "higher")
def colorized_area(e):
    """Area under the share of their pixels whose colour is at most so far from the true one; 1 for the same."""
    return e.near[0]


@_metric("colorize", "higher")
def colorized_balanced_area(e):
    """The same with every true colour counting alike, however rare it is."""
    return e.near[1]


@_metric("translate", "lower", "truth")
def translation_mse(e):
    """Mean squared difference of translations and what they should be."""
    return np.mean((e.translation[1] - e.truth) ** 2, dtype="float64")
