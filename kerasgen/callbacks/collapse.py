"""Say when a generator has collapsed, a discriminator has won, or a loss has run away."""

import math
import warnings
from statistics import median

import keras
import numpy as np
from scipy.spatial.distance import pdist

from kerasgen.data.description import Data
from kerasgen.metrics import features, two_dim

COVERED = 0.01  # share of the samples that a mode must hold
MOST = 0.75  # share of the looks at which a fault must be seen


class CollapseMonitor(keras.callbacks.Callback):
    """Compare samples of one seed with the data every few epochs, and flag a run of a GAN that has gone wrong.

    The history gets these figures; between two looks the last ones are repeated:

        spread          mean distance between two samples / between two real examples: 1 where they vary alike, 0 where
                        all samples are equal
        modes           known modes that hold 1 % of the samples: digits, as a classifier finds them, or centres of the
                        two-dimensional toys; only for such data
        real_accuracy   share of real examples whose score, minus `energy`, is above that at which the game rests: the
                        discriminator takes them for real
        fake_accuracy   share of samples whose score is below; both only for models that say where scores `rest`, which
                        Wasserstein critics do not

    A run is flagged when a figure is beyond its threshold, and was so at three quarters of the looks over the last
    `patience` steps: neither the first steps nor a bad moment count. Each fault is told once, in a warning of one line.
    Samples are those of the weights that are trained, not of their averages.

    Args:
        data: `kerasgen.data.Data`, a `tf.data.Dataset` of `x` or `(x, label)` batches, or an array (N, *image_shape).
        every: epochs between two looks; the first and the last epoch are always looked at.
        count: samples, and real examples.
        seed: of the samples, from which labels are drawn too.
        spread: collapsed, if it is lower.
        modes: collapsed, if a smaller share is covered of the modes that real examples cover.
        accuracy: saturated, if the mean of both accuracies is higher: the generator learns little from a discriminator
            that is sure of everything.
        loss: diverged, if a loss is so many times its median before, or so many if that is below 1.
        patience: training steps; a shorter run is never flagged. Large models need more.
        warmup: share of the epochs, at the beginning, that is not judged.
        stop: end training at the first flag.
        **ports: further inputs of `sample`, such as `label` or `truncation`.

    A threshold of None switches its flag off.

    Attributes:
        flags: [(epoch, counted from 0, reason)].

    Raises:
        ValueError: the model does not serve `sample`; data of another shape, or fewer than two examples.

    Example:
        >>> monitor = CollapseMonitor(data)                                         # doctest: +SKIP
        >>> model.fit(data.train, epochs=40, callbacks=[monitor])                   # doctest: +SKIP
        >>> monitor.flags                                                           # doctest: +SKIP
        [(30, 'collapsed: spread 0.02, expected at least 0.4')]
    """

    def __init__(
        self, data, every=5, count=256, seed=0, *, spread=0.4, modes=0.6, accuracy=0.98, loss=10.0, patience=500,
        warmup=0.1, stop=False, **ports,
    ):  # fmt: skip
        super().__init__()
        self.data, self.every, self.count, self.seed, self.ports = data, every, count, seed, ports
        self.spread, self.modes, self.accuracy, self.loss = spread, modes, accuracy, loss
        self.patience, self.warmup, self.stop = patience, warmup, stop
        self.flags = []

    def on_train_begin(self, logs=None):
        if "sample" not in self.model.serves:
            name = type(self.model).__name__
            raise ValueError(f"CollapseMonitor: expected a model that serves sample, got {name}")
        self._real = _examples(self.data, self.count)
        if len(self._real) < 2 or self._real.shape[1:] != self.model.image_shape:
            expected = f"(2 or more, {', '.join(map(str, self.model.image_shape))})"
            raise ValueError(f"data: expected shape {expected}, got {self._real.shape}")
        self._distance = _mean_distance(self._real) or 1.0
        self._covered = _modes_of(self.data)
        self._known = self._covered(self._real) if self._covered else 0
        self._judges = self.model.rest is not None and "energy" in self.model.serves
        self._warm = int(self.model.clock.numpy())  # the step before the first that is judged
        self.flags, self._told, self._figures, self._losses, self._verdicts = [], [], {}, [], []

    def state(self):
        names = ("flags", "_told", "_figures", "_losses", "_verdicts", "_warm")
        return {name: getattr(self, name) for name in names}

    def restore(self, state):
        vars(self).update(state)

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        epochs, step = self.params["epochs"], int(self.model.clock.numpy())
        losses = {
            name: abs(value) for name, value in logs.items() if name.endswith("loss") and not name.startswith("val_")
        }
        faults = self._faults_of_losses(losses, step)
        if not self._figures or epoch % self.every == 0 or epoch + 1 == epochs:
            self._figures = self._look()
            faults |= self._faults_of_figures(**self._figures)
        logs.update(self._figures)
        self._losses.append((step, losses))
        if epoch + 1 <= self.warmup * epochs:
            self._warm = step
        else:
            self._judge(epoch, step, faults)

    def _look(self) -> dict:
        x = self.model.sample(self.count, seed=self.seed, **self.ports)
        x = np.where(np.isfinite(x), x, 0.0)
        figures = {"spread": _mean_distance(x) / self._distance}
        if self._covered:
            figures["modes"] = self._covered(x)
        if self._judges:
            real, fake = (-self.model.energy(examples) for examples in (self._real, x))
            figures["real_accuracy"] = float((real > self.model.rest).mean())
            figures["fake_accuracy"] = float((fake < self.model.rest).mean())
        return figures

    def _faults_of_figures(self, spread, modes=0, real_accuracy=0.0, fake_accuracy=0.0) -> dict:
        """{figure: what is wrong with it now, "" if nothing is}."""
        least, right = math.ceil((self.modes or 0) * self._known), (real_accuracy + fake_accuracy) / 2
        faults = {"spread": "", "modes": "", "accuracy": ""}
        if self.spread is not None and spread < self.spread:
            faults["spread"] = f"collapsed: spread {spread:.2g}, expected at least {self.spread:g}"
        if modes < least:
            faults["modes"] = f"collapsed: {modes} of {self._known} modes, expected at least {least}"
        if self.accuracy is not None and right > self.accuracy:
            faults["accuracy"] = (
                f"saturated: discriminator right about {right:.1%}, expected at most {self.accuracy:.1%}"
            )
        return faults

    def _faults_of_losses(self, losses, step) -> dict:
        faults = dict.fromkeys(losses if self.loss is not None else (), "")
        for name in faults:
            before = [row[name] for at, row in self._losses if at <= step - self.patience and name in row]
            most = self.loss * max(median(before), 1.0) if before else math.inf
            if losses[name] > most:
                faults[name] = f"diverged: {name} {losses[name]:.3g}, expected at most {most:.3g}"
        return faults

    def _judge(self, epoch, step, faults):
        """Flag what is wrong and was wrong at most looks over the last `patience` steps."""
        self._verdicts.append((step, {name: bool(fault) for name, fault in faults.items()}))
        if step - self._warm < self.patience:
            return
        for name in [name for name in faults if faults[name] and name not in self._told]:
            recent = [row[name] for at, row in self._verdicts if at > step - self.patience and name in row]
            if sum(recent) >= MOST * len(recent):
                self._told.append(name)
                self.flags.append((epoch, faults[name]))
                warnings.warn(f"epoch {epoch + 1}, step {step}: {faults[name]}", stacklevel=2)
                self.model.stop_training = self.model.stop_training or self.stop


def _examples(data, count):
    """At most `count` examples (N, ...); of an array from all over it, since it may be in an order."""
    if isinstance(data, Data):
        data = data.train
    if hasattr(data, "shape"):
        return np.asarray(data)[np.linspace(0, len(data) - 1, min(count, len(data))).astype(int)]
    parts, rows = [], 0
    for batch in data:
        parts.append(np.asarray(batch[0] if isinstance(batch, tuple) else batch))
        rows += len(parts[-1])
        if rows >= count:
            break
    return np.concatenate(parts)[:count]


def _modes_of(data):
    """Function x -> number of known modes that it covers; None where none are known."""
    if not isinstance(data, Data):
        return None
    if data.name in two_dim.MODES:
        return lambda x: two_dim.modes_covered(x, *two_dim.MODES[data.name], share=COVERED)
    classifier = features.features_for(data)
    if classifier is None:
        return None

    def classes(x):
        found = classifier.probabilities(x).argmax(-1)
        return int((np.bincount(found) >= COVERED * len(x)).sum())

    return classes


def _mean_distance(x):
    """Mean Euclidean distance between two of the examples."""
    return float(pdist(features.raw_values(x)).mean())
