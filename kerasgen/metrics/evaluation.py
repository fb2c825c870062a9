"""What metrics look at: a model's samples, likelihoods and reconstructions beside the test split."""

from __future__ import annotations

import functools

import numpy as np

from kerasgen.metrics import described, features, fidelity, likelihood, texture, two_dim


class Evaluation:
    """A model beside data, as facts, examples and features, each computed once, when it is asked for.

    Args:
        model: a `GenerativeModel`, a `kerasgen.runtime.Bundle`, or None for data alone.
        data: `kerasgen.data.Data` of the model's shape.
        count: samples to draw, and at most so many real examples to compare them with.
        seed: of everything that is drawn.
        functions: names of the functions to look at; None is all.
    """

    def __init__(self, model, data, count, seed, functions=None):
        self.single = len(data.shape) == 3 and data.count("test") == 1
        self.model, self.data, self.seed = model, data, seed
        self.count = min(count, texture.MOST) if self.single else count
        self.ports = likelihood.ports_of(model) if model else {}
        self.functions = {name for name in self.ports if functions is None or name in functions}
        required = {port.name for port in self._inputs("sample") if port.default is None}
        if not required <= {"count", "seed", "label", data.described}:  # about what the data do not say
            self.functions.discard("sample")
        self.extractor = features.features_for(data)

    @functools.cached_property
    def facts(self):
        """Names of the facts that hold, which metrics ask for in `given`."""
        sequence = self.data.kind in ("text", "sound")
        facts = {
            "classifier": self.extractor,
            "labels": self.extractor and self.data.num_classes and self._takes("sample"),
            "described": self.data.name in described.READERS and self._takes("sample", self.data.described),
            "levels": self._levels and (self.data.levels == self._levels or sequence),
            "entropy": self.data.entropy is not None,
            "modes": self.data.name in two_dim.MODES,
            "vectors": self.data.kind == "vector",
            "log_weight": hasattr(self.model, "log_weight"),
            "log_partition": hasattr(self.model, "log_partition"),
            "single": self.single,
            "raw_values": not self.extractor and not self.single and not sequence,
            "digits_features": self.extractor,
        }
        return {name for name, holds in facts.items() if holds}

    @functools.cached_property
    def test(self):
        """All of the test split, (x, label or None)."""
        return self.data.arrays("test")

    @functools.cached_property
    def fake(self):
        """Samples and the labels that were asked for: those of the test split, over and over."""
        name, label = self.data.described or "label", None
        if self._takes("sample", name):
            label = np.take(self.test[1], np.arange(self.count) % len(self.test[1]), 0)
        x = self.model.sample(self.count, seed=self.seed, **({} if label is None else {name: label}))
        if x.shape[1:] != self.data.shape:
            raise ValueError(f"data: expected shape {x.shape[1:]} as the samples, got {self.data.shape}")
        bad = ~np.isfinite(x)
        if bad.any():
            raise ValueError(f"sample: expected finite values, got {bad.sum()} of {bad.size} that are not")
        return x, label

    @functools.cached_property
    def pair(self):
        """Real and fake examples as rows of features, at most `count` of each."""
        rows = self.extractor.features if self.extractor else features.raw_values
        return rows(self.test[0][: self.count]), rows(self.fake[0])

    @property
    def examined(self):
        """What is put before the classifier, and what it was asked to be."""
        return self.fake

    @functools.cached_property
    def judged(self):
        """Class probabilities of the samples, and the labels that were asked for."""
        x, label = self.examined
        return self.extractor.probabilities(x), label

    @functools.cached_property
    def agreement(self):
        """Share of what descriptions tell of that is found in the samples."""
        return described.agreement(self.data.name, *self.examined)

    @functools.cached_property
    def kernel(self):
        return fidelity.kernel_distance(*self.pair)

    @functools.cached_property
    def manifold(self):
        return fidelity.precision_recall(*self.pair)

    @functools.cached_property
    def balls(self):
        return fidelity.density_coverage(*self.pair)

    @functools.cached_property
    def modes(self):
        return two_dim.MODES[self.data.name]

    @functools.cached_property
    def nats(self):
        return self._mean(likelihood.log_likelihood, "log_prob")

    @functools.cached_property
    def bound(self):
        return self._mean(likelihood.lower_bound, "bound")

    @functools.cached_property
    def importance(self):
        return self._mean(likelihood.importance_estimate, "bound")

    @functools.cached_property
    def annealed(self):
        energy = likelihood.in_parts(self.model.energy, self.test[0])
        return -energy.mean() - self.model.log_partition(temperatures=4000, seed=self.seed)

    @functools.cached_property
    def reconstruction(self):
        """Test examples and what becomes of them."""
        x, label = self._labelled_test("reconstruct")
        return x, likelihood.in_parts(self.model.reconstruct, x, label)

    @functools.cached_property
    def translation(self):
        """Test examples and what becomes of them in another domain: with labels, in the one after their own."""
        x, label = self._labelled_test("translate")
        domain = None if label is None else (label + 1) % self.data.num_classes
        return x, likelihood.in_parts(self.model.translate, x, domain)

    def bits(self, nats):
        return likelihood.bits_per_dim(nats, np.prod(self.data.shape))

    def found(self, x):
        """The class that the classifier finds in each picture."""
        return self.extractor.probabilities(x).argmax(-1)

    @property
    def _levels(self):
        """The model's grey levels; a bundle has them in its description."""
        return getattr(self.model, "levels", None) or getattr(self.model, "info", {}).get("levels")

    def _mean(self, estimate, function):
        x, label = self._labelled_test(function)
        return estimate(self.model, x, label, self.data, seed=self.seed).mean()

    def _labelled_test(self, function):
        x, label = self.test
        return x, label if self._takes(function) else None

    def _takes(self, function, name="label"):
        """Whether a function has an input for what the data say of an example."""
        return self.test[1] is not None and name in {port.name for port in self._inputs(function)}

    def _inputs(self, function):
        return self.ports[function].inputs if function in self.ports else ()


class Floor(Evaluation):
    """The same about real data, which no sampler should be asked to beat.

    In the place of samples stand as many examples of the train split; before the classifier, which has learnt
    those, stands the test split.
    """

    def __init__(self, data, count):
        super().__init__(None, data, count, seed=0)

    @functools.cached_property
    def fake(self):
        return tuple(None if part is None else part[: self.count] for part in self.data.arrays("train"))

    @property
    def examined(self):
        return self.test
