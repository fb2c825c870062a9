"""A training step: what it sees, what it descends, what it tells."""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

from kerasgen.core import distribute, random
from kerasgen.core.batch import Batch
from kerasgen.data.description import named
from kerasgen.runtime import BATCH

EVALUATION = -1  # in the place of a step, for what is drawn in evaluations


class Training:
    """The steps that Keras calls, over the losses that an objective gives.

    Attributes:
        reports: keys of `fit`'s history.
        adapts: it initialises itself from the first batch.
    """

    reports: tuple = ("loss",)
    adapts: bool = False

    def adapt(self, x):
        """Hook of models with `adapts = True`: initialise from the first batch x (B, *image_shape)."""
        raise NotImplementedError

    def losses(self, batch: Batch, training: bool) -> dict:
        """Hook of objectives with one loss: the scalars of `reports`, of which `loss` is descended."""
        raise NotImplementedError

    def train_step(self, data):
        """One descent of all that learn, in stages of those of the stage, each of its own loss on one forward pass."""
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, self.learners, lambda: self.losses(batch, training=True)))

    def test_step(self, data):
        batch = self.batch(data, training=False)
        return self.report(batch, self.losses(batch, training=False))

    def batch(self, data, training: bool = True) -> Batch:
        """Unpack what `train_step` was given and key its draws.

        In training by step and by position in the global batch; in evaluation by position in the data, so that two
        evaluations of the same weights, in batches of any size, give the same figures.
        """
        x, said, _ = keras.utils.unpack_x_y_sample_weight(data)
        given = named(said, self.given)
        for name in self.given:
            if name not in given:
                classes = f" for {self.num_classes} classes" if name == "label" else ""
                raise ValueError(f"{name}: expected {name}s beside x{classes}, got none")
        x = tf.ensure_shape(tf.cast(x, tf.float32), (None, *self.image_shape))
        first, share, total = distribute.part(x)
        x = distribute.never_empty(x)
        given = {name: self._as_port(given[name], self.port(name)) for name in self.given}
        if training:
            seed = random.fold(self.seed, self.clock)
            if self.stages:
                self.place.assign(self.place + [0, 1, 0])
        else:
            seed = random.fold(self.seed, EVALUATION)
            counts = [
                mean.count.value for mean in self._means.values()
            ]  # not all of them are reported in a stage, or in evaluation
            first += tf.cast(tf.reduce_max(counts), tf.int32)  # examples seen before
        return Batch(x, given, first + tf.range(tf.shape(x)[0]), seed, share, total)

    def _as_port(self, value, port):
        """What data say, in the shape and type of its port."""
        shape = [-1 if size == BATCH else size for size in port.shape]
        if len(shape) > 2:  # of these no axis is left out
            value = tf.ensure_shape(value, [None, *shape[1:]])
        return distribute.never_empty(tf.cast(tf.reshape(value, shape), port.dtype))

    def report(self, batch: Batch, values: dict) -> dict:
        """Add means over a batch to the running means and return those, as `train_step` must.

        Examples count alike: a short last batch counts by its length, and replicas by their shares. A stage reports its
        own figures alone.
        """
        names = [name for name in self._means if name in values]
        means = distribute.total([values[name] * batch.share for name in names])
        for name, value in zip(names, means, strict=True):
            self._means[name].update_state(value, sample_weight=batch.total)
        return {name: self._means[name].result() for name in names}

    @property
    def metrics(self):
        return list(self._means.values()) if self.compiled else []

    def _make_function(self, step):
        strategy, step = self.distribute_strategy, _after_data(step)
        if strategy.num_replicas_in_sync == 1 and not distribute.is_multi_worker(strategy):
            return self._per_stage(lambda: super(Training, self)._make_function(step))
        options = (strategy, self.run_eagerly, self.jit_compile, self.steps_per_execution)
        return self._per_stage(lambda: distribute.run(step, *options))

    def _per_stage(self, make):
        """What `make` gives, made once for every stage, so that each traces its own step."""
        if not self.stages:
            return make()
        made = functools.cache(lambda stage: make())
        return lambda iterator: made(self.stage)(iterator)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: every variable exists since the constructor. Keras' own fails on batches of several workers."""


def _after_data(step):
    """The step, of which nothing runs before its data are there.

    Where an epoch ends because there are no more, Keras' graph else counts one step more: counters wait for nothing.
    """

    def after(data):
        with tf.control_dependencies([part for part in tf.nest.flatten(data) if tf.is_tensor(part)]):
            return step(data)

    return after
