"""What metrics look at: a model's samples, likelihoods and reconstructions beside the test split."""

from __future__ import annotations

import functools

import numpy as np

from kerasgen.data import asking
from kerasgen.data.description import named
from kerasgen.metrics import colour, described, fidelity, likelihood, texture, two_dim
from kerasgen.metrics import features as extractors
from kerasgen.runtime import BATCH


def some(count, total):
    """Places of so many examples, in an order drawn once and for all: splits may be sorted by class."""
    return np.resize(np.random.default_rng(0).permutation(total), count)


class Evaluation:
    """A model beside data, as facts, examples and features, each computed once, when it is asked for.

    Args:
        model: a `GenerativeModel`, a `kerasgen.runtime.Bundle`, or None for data alone.
        data: `kerasgen.data.Data` of the model's shape.
        count: samples to draw at most. They are compared in parts of as many as there are test examples.
        seed: of everything that is drawn.
        functions: names of the functions to look at; None is all.
        features: name of an extractor in `kerasgen.metrics.features`, or None for that of the data.
    """

    def __init__(self, model, data, count, seed, functions=None, features=None):
        self.single = len(data.shape) == 3 and data.count("test") == 1
        self.model, self.data, self.seed = model, data, seed
        self.part = 1 if self.single else min(count, data.count("test"))
        self.count = min(count, texture.MOST) if self.single else count // max(self.part, 1) * self.part
        self.ports = model.ports if model else {}
        self.functions = {name for name in self.ports if functions is None or name in functions}
        required = {port.name for port in self._inputs("sample") if port.default is None}
        if not required <= {"count", "seed", "label", *data.given}:  # about what the data do not say
            self.functions.discard("sample")
        self.extractor = extractors.features_for(data, features)

    @functools.cached_property
    def facts(self):
        """Names of the facts that hold, which metrics ask for in `given`."""
        sequence, space = self.data.kind in ("text", "sound"), self.extractor and self.extractor.name
        classifier = hasattr(self.extractor, "probabilities") and not self.crops
        comparable = not self.crops or self._takes("sample", self.said)
        facts = {
            space: self.extractor and comparable,
            "classifier": classifier,
            "labels": classifier and self.data.num_classes and self._takes("sample"),
            "classes": self.data.num_classes,
            "described": self.data.name in described.READERS and self._takes("sample", self.said),
            "one_code": self.data.num_classes and self._outputs("encode") == ("code", (BATCH, 1)),
            "truth": self.data.name in described.TRUTHS or self.data.picture_shape,
            "levels": self._levels and (self.data.levels == self._levels or sequence),
            "entropy": self.data.entropy is not None,
            "modes": self.data.name in two_dim.MODES,
            "vectors": self.data.kind == "vector",
            "log_weight": hasattr(self.model, "log_weight"),
            "log_partition": hasattr(self.model, "log_partition"),
            "single": self.single,
            "several": not self.single and not sequence and comparable,
        }
        return {name for name, holds in facts.items() if holds}

    @functools.cached_property
    def test(self):
        """All of the test split, as `first` gives it."""
        return self.first("test")

    def first(self, split):
        """(x, the first of what is said of each example, such as its label, or None) of a split."""
        x, given = self.data.arrays(split)
        return x, named(given, self.data.given).get(self.said)

    @functools.cached_property
    def train(self):
        """All of the train split, as rows of raw values."""
        return extractors.raw_values(self._shown(*self.first("train")))

    @functools.cached_property
    def fake(self):
        """Samples and what was asked for: what is said of train examples, of all before any is taken again."""
        chosen = some(self.count, self.data.count("train"))
        told = named(self.data.arrays("train")[1], self.data.given)
        asked = {name: rows[chosen] for name, rows in told.items() if self._takes("sample", name)}
        x = self.model.sample(self.count, seed=self.seed, **asked)
        if x.shape[1:] != self.data.shape:
            raise ValueError(f"data: expected shape {x.shape[1:]} as the samples, got {self.data.shape}")
        bad = ~np.isfinite(x)
        if bad.any():
            raise ValueError(f"sample: expected finite values, got {bad.sum()} of {bad.size} that are not")
        return x, asked.get(self.said)

    @property
    def crops(self):
        """Whether the boxes of pictures are compared, and not the pictures."""
        return self.said == "layout" and self.data.name in described.READERS

    @functools.cached_property
    def pairs(self):
        """Real and fake examples as rows of features, equally many of each: one pair for each part of the samples."""
        chosen = some(self.part, self.data.count("test"))
        real = self._rows(*(None if part is None else part[chosen] for part in self.test), 0)
        fakes = [self._rows(*self.fake, start) for start in range(0, len(self.fake[0]), self.part)]
        most = min(map(len, [real, *fakes]))  # boxes may be more or fewer
        return [(real[:most], fake[:most]) for fake in fakes]

    def _rows(self, x, said, start):
        part = slice(start, start + self.part)
        return self.extractor.features(self._shown(x[part], None if said is None else said[part]))

    def _shown(self, x, said):
        """What is compared of examples: they themselves, or what their boxes hold."""
        return described.READERS[self.data.name](x, said)[0] if self.crops else x

    def over_parts(self, compare):
        """The mean of a comparison (real, fake) -> number or numbers over the parts."""
        return np.mean([compare(*pair) for pair in self.pairs], axis=0)

    @property
    def unseen(self):
        """What is asked whether it copies train examples, as rows of raw values."""
        return extractors.raw_values(self._shown(*self.fake))

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
        return self.over_parts(fidelity.kernel_distance)

    @functools.cached_property
    def manifold(self):
        return self.over_parts(fidelity.precision_recall)

    @functools.cached_property
    def balls(self):
        return self.over_parts(fidelity.density_coverage)

    @functools.cached_property
    def texture(self):
        """Coherence, completeness and novelty."""
        return texture.judge(self.fake[0], self.test[0][0])

    @functools.cached_property
    def modes(self):
        return two_dim.MODES[self.data.name]

    @functools.cached_property
    def nats(self):
        return self._mean(likelihood.log_likelihood, "log_prob")

    @functools.cached_property
    def classified(self):
        """The class that the model itself finds in every test example."""
        return likelihood.class_log_prob(self.model, self.test[0], self.data, seed=self.seed).argmax(-1)

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
    def coded(self):
        """The codes of test examples, and their classes."""
        x, label = self.test
        return likelihood.in_parts(self.model.encode, x)[:, 0], label

    @functools.cached_property
    def translation(self):
        """Test examples, and what becomes of them in another domain or is made of what is given with them."""
        return self.test[0], self._changed("translate")

    @functools.cached_property
    def upscaled(self):
        """What is made of test examples at a smaller size."""
        return self._changed("upscale")

    @functools.cached_property
    def colorized(self):
        """What is made of test examples without their colours."""
        return self._changed("colorize")

    @functools.cached_property
    def near(self):
        return colour.areas(self.test[0], self.colorized)

    @functools.cached_property
    def truth(self):
        """What should become of test examples: themselves, where something else is given."""
        x, given = self.test
        return x if self.data.picture_shape else described.TRUTHS[self.data.name](x, given)

    def _changed(self, function):
        asked = asking.inputs(self.data, "test", self._inputs(function))
        return likelihood.in_parts(getattr(self.model, function), *asked.values())

    def bits(self, nats):
        return likelihood.bits_per_dim(nats, np.prod(self.data.shape))

    def found(self, x):
        """The class that the classifier finds in each picture."""
        return self.extractor.probabilities(x).argmax(-1)

    @property
    def _levels(self):
        return self.model.levels if self.model else None

    def _mean(self, estimate, function):
        x, label = self._labelled_test(function)
        return estimate(self.model, x, label, self.data, seed=self.seed).mean()

    @property
    def said(self):
        """The port of what the data say of an example, the first of them; "label" where they say nothing."""
        return next(iter(self.data.given), "label")

    def _labelled_test(self, function):
        x, label = self.test
        return x, label if self._takes(function) else None

    def _takes(self, function, name="label"):
        """Whether a function has an input for what the data say of an example."""
        return self.test[1] is not None and name in {port.name for port in self._inputs(function)}

    def _inputs(self, function):
        return self.ports[function].inputs if function in self.ports else ()

    def _outputs(self, function):
        """Name and shape of what a function gives."""
        port = self.ports[function].output if function in self.ports else None
        return port and (port.name, tuple(port.shape))


class Floor(Evaluation):
    """The same about real data, which no sampler should be asked to beat.

    In the place of samples stand as many examples of the train split; before the classifier, which has learnt
    those, and where copies are looked for, stands the test split. Of one picture, one half stands beside the other.
    """

    def __init__(self, data, count, features=None):
        super().__init__(None, data, count, seed=0, features=features)
        if not self.single:
            self.count = min(self.count, max(data.count("train") // max(self.part, 1), 1) * self.part)

    @functools.cached_property
    def fake(self):
        chosen = some(self.count, self.data.count("train"))
        return tuple(None if part is None else part[chosen] for part in self.first("train"))

    @functools.cached_property
    def texture(self):
        pairs = texture.halves(self.test[0][0])
        return np.mean([texture.judge(one[None], other) for one, other in pairs], axis=0)

    @property
    def unseen(self):
        return extractors.raw_values(self._shown(*self.test))

    @property
    def examined(self):
        return self.test
