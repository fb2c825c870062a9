"""`fit` and `evaluate`: Keras' own, after one look at the data, in an order that can be gone on with."""

from __future__ import annotations

import contextlib

import keras
import numpy as np
import tensorflow as tf

from kerasgen.core import averages, distribute
from kerasgen.core.guard import NonFiniteGuard
from kerasgen.core.stages import Schedule, ends
from kerasgen.data import Data, checks, endless, incoming
from kerasgen.data.description import named, plain
from kerasgen.runtime import BATCH, Port, bind


class Opening(keras.callbacks.Callback):
    """A callback that decides where `fit` begins, such as `callbacks.Resume`."""

    def open(self, model, callbacks, source, epochs: int) -> tuple:
        """(epoch, step) at which to go on, after the model was given the state that it had there."""
        raise NotImplementedError

    def close(self):
        """Let go of what `open` took, whatever became of `fit`."""
        raise NotImplementedError


class Fitting:
    """Training and evaluation on kerasgen's data, on arrays or on batches of any making.

    Attributes:
        batches: of the data that a training step takes; it sees their examples as one batch, so many times as large.
    """

    batches: int = 1

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=None,
        *,
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        initial_epoch=0,
        steps_per_epoch=None,
        **kwargs,
    ):
        """Train; as `keras.Model.fit`, on kerasgen's data, arrays or batches of any making, after one look at the data.

        The order of kerasgen's data and of arrays is a pure function of (seed, step): the next `fit` goes on where the
        last one stopped, and with `callbacks.Resume` a run goes on where it was killed.

        Args:
            x: `data` or `data.train`; batches of `x` or `(x, label)` as a dataset, a generator, a `PyDataset` or any
                iterable; an array (N, *image_shape) in [0, 1], or a pair of it and labels.
            y: what is given of each example when x is an array and the model is conditional: labels (N,), or what
                stands in their place, such as texts; of several, a mapping of port names to arrays.
            batch_size: examples of a global batch, when x is an array; 32 if left out, or all that there are. A
                training step takes `batches` of them, such as one for each step of a discriminator.
            epochs: left out, 1 or those of all stages; stages share a given number in proportion.
            validation_split: share of the arrays, from their end, that is held out.
            validation_data: what x may be, or a pair of x and y; of `data` the validation split.
            callbacks, shuffle, initial_epoch, steps_per_epoch, **kwargs: as in Keras; steps are training steps, and
                batches keep their own order.

        Raises:
            ValueError: the data do not have the model's shape, range or labels; the line says what arrived. Of batches
                the first is looked at before the first step, each of the others before the step that takes it.
            NonFinite: a figure stopped being finite; see `callbacks.NonFiniteGuard`.
        """
        if not self.compiled:
            raise ValueError("fit: expected a compiled model; call compile() first")
        for name in ("class_weight", "sample_weight"):
            if kwargs.get(name) is not None:
                raise ValueError(f"{name}: expected None; every example counts alike")
        told = _data_of(x)
        x, y = self._checked(x, y, "train", batch_size)
        self.class_names = tuple(getattr(told, "class_names", ())) or self.class_names
        if batch_size is None:
            batch_size = min(32, len(x)) if isinstance(x, np.ndarray) else 32
        if validation_split and not isinstance(x, np.ndarray):
            got = f"validation_split: expected 0 for batches, got {validation_split}"
            raise ValueError(f"{got}; validation_data takes others")
        if validation_split and validation_data is None:
            kept = int(len(x) * (1.0 - validation_split))
            held = tf.nest.map_structure(lambda rows: rows[kept:], (x, y))
            validation_data = held[0] if y is None else held
            x, y = tf.nest.map_structure(lambda rows: rows[:kept], (x, y))
        elif validation_data is not None:
            checked = self._checked(*checks.pair(validation_data), "validation")
            validation_data = checked[0] if checked[1] is None else checked

        callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks or [])
        if not any(isinstance(callback, NonFiniteGuard) for callback in callbacks):
            callbacks.append(NonFiniteGuard())
        callbacks.sort(key=lambda callback: not isinstance(callback, NonFiniteGuard))  # before all that write
        if self.stages:
            stage_ends = ends(self.stages, epochs)
            callbacks.insert(0, Schedule(stage_ends))
            epochs = stage_ends[-1]
        epochs = 1 if epochs is None else epochs
        resume = next((callback for callback in callbacks if isinstance(callback, Opening)), None)
        options = dict(batch_size=batch_size, shuffle=shuffle, seed=self.seed, steps=steps_per_epoch)
        x = endless.together(x, self.batches)
        source = endless.source(x, y, **options, batches=self.batches, replay=resume is not None)
        step = 0
        if resume:
            initial_epoch, step = resume.open(self, callbacks, source, epochs)
        if source:  # the steps of this run, or, as `clock` counts, those of all runs
            done = initial_epoch * source.steps + step if resume else int(self.clock.numpy())
            x, y, steps_per_epoch = source.start(done), None, source.steps
        if self.adapts and int(self.clock.numpy()) == 0:
            first = getattr(x, "kerasgen_first", None) or next(iter(x))
            self.adapt(first[0] if isinstance(first, tuple) else first)
        if not isinstance(validation_data, tf.data.Dataset):
            kwargs.setdefault("validation_batch_size", batch_size)
        try:
            counting = self._counting(source.steps, step) if source else contextlib.nullcontext()
            with counting, incoming.plainly():
                history = super().fit(
                    x,
                    y,
                    epochs=epochs,
                    callbacks=callbacks,
                    validation_data=validation_data,
                    shuffle=False,  # a dataset brings its own order
                    initial_epoch=initial_epoch,
                    steps_per_epoch=steps_per_epoch,
                    **kwargs,
                )
        finally:
            if resume:
                resume.close()
        # Keras itself ends the averaging of `optimizer` alone, and without its statistics.
        averages.finish(self)
        return history

    @contextlib.contextmanager
    def _counting(self, steps: int, passed: int):
        """Let epochs of endless data have exactly `steps` steps, whose first `passed` do nothing the first time.

        The last execution of an epoch takes what is left where `steps_per_execution` does not divide it; in a resumed
        epoch the first steps were done before.
        """
        self.make_train_function()
        train, size, place = self.train_function, self.steps_per_execution, 0
        options = (self.distribute_strategy, self.run_eagerly, self.jit_compile)
        single = self._per_stage(lambda: distribute.run(self.train_step, *options, steps_per_execution=1))

        def counted(iterator):
            nonlocal place, passed
            count = min(size, steps - place)
            place, passed = (place + count) % steps, passed - count
            if passed >= 0:
                return self.get_metrics_result()
            if count == size:
                return train(iterator)
            return [single(iterator) for _ in range(count)][-1]

        self.train_function = counted
        try:
            yield
        finally:
            self.train_function = train

    def evaluate(self, x=None, y=None, **kwargs):
        """The losses on other data; as `keras.Model.evaluate`, after the same look at the data as `fit`.

        Of `data` the test split is taken.
        """
        if not kwargs.get("_use_cached_eval_dataset"):  # else `fit` calls, which has looked at them
            x, y = self._checked(x, y, "test")
        with incoming.plainly():
            return super().evaluate(x, y, **kwargs)

    def check(self, data):
        """Refuse kerasgen's data that the model does not fit, as `fit` does: what both state, then the first batch.

        Args:
            data: `kerasgen.data.Data`.

        Raises:
            ValueError: the line says what arrived and which argument of the model would fit.
        """
        self._checked(data, None, "train")

    def _checked(self, x, y, split, batch_size=None):
        """The data as Keras takes them, or one line saying what is wrong with them."""
        data = _data_of(x)
        if data is not None:
            checks.check_match(data, self)
        port = self.port("x")
        wanted = incoming.Wanted(self.image_shape, port.minimum, port.maximum, self.kind, self.num_classes)
        x, y = incoming.read(x, y, wanted, split, batch_size)
        if not isinstance(x, np.ndarray):
            if y is not None:
                raise ValueError(f"y: expected None beside batches of (x, label), got {type(y).__name__}")
            return x, None
        if batch_size is not None:
            checks.check_batch_size(batch_size, len(x))
        given, said = {}, named(y, self.given)
        for name in self.given:
            if name == "label":
                given[name] = checks.check_labels(said.get(name), self.num_classes, len(x))
            else:
                ports = Port("x", (BATCH,), "float32", ""), self.port(name)
                given[name] = bind("fit", ports, (np.zeros(len(x)), said.get(name)), {})[name]
        return x, plain(given)


def _data_of(x):
    """kerasgen's data that `fit` was given, or whose batches it was given; None for anything else."""
    return x if isinstance(x, Data) else getattr(x, "kerasgen_data", None)
