"""Stop when a figure or a weight stops being finite, with the model as it was while all were."""

import math
import threading
import time
from numbers import Real

import keras
import numpy as np
import tensorflow as tf

from kerasgen.core import distribute, run_state

SHARE = 0.003  # of the time of training, at most, that goes into copies of the state
SHOWN = 3  # names in the line of an error


class NonFinite(ArithmeticError):
    """A figure or a weight stopped being finite.

    Attributes:
        step: of training, counted from 1.
        values: {key of the history, or path of a variable: what it is}.
        back: the step at which the model is again: 0 where `fit` began, None if it was left as it is.
    """

    def __init__(self, step, values, back=None):
        self.step, self.values, self.back = step, values, back
        names = [f"{name} is {value:g}" for name, value in list(values.items())[:SHOWN]]
        names += [f"{len(values) - SHOWN} more"] if len(values) > SHOWN else []
        then = f"; training stopped, and the model is back {f'at step {back}' if back else 'where fit began'}"
        super().__init__(f"step {step}: {', '.join(names)}{'' if back is None else then}")


def check_finite(model, step):
    """Look at all weights and all optimisers' states; to be called before any of them is written.

    A sum of squares per variable, so that 100 million weights take some hundredths of a second.

    Args:
        model: a compiled kerasgen model.
        step: for the line of the error.

    Raises:
        NonFinite: it names the step and the variables.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.build("gaussian", image_shape=(8, 8, 1), levels=17)
        >>> model.compile()
        >>> check_finite(model, step=0)
    """
    _check(run_state.variables(model).values(), step)


class NonFiniteGuard(keras.callbacks.Callback):
    """Stop training when a logged figure or a weight is not finite; `fit` adds one of these itself.

    Every figure is looked at after every step (with `steps_per_execution`, after every execution), those of validation
    and the weights at the end of every epoch. The figures of a step are means since the beginning of its epoch, in
    which NaN and infinity stay. A step that a `LossScaleOptimizer` skips changes no weight and does not count.

    Then `fit` raises `NonFinite`, and weights and optimisers are as at the end of an earlier epoch, so that the model
    can be saved, or compiled anew and trained on. For this the guard keeps a copy of them in memory, which it renews
    at the end of an epoch, though not so often that it would take more than 0.3 % of the time. Over several
    workers no copy is kept; checkpoints are what is left.

    It protects what other callbacks write at the end of an epoch if it comes before them.

    Args:
        keep: a copy, and put it back; False leaves the model as it is.

    Raises:
        NonFinite: from `fit`; the line names the step, the figures and the step at which the model is again.

    Example:
        >>> model.fit(data.train, epochs=40, callbacks=[NonFiniteGuard()])          # doctest: +SKIP
        NonFinite: step 57: generator_loss is nan; training stopped, and the model is back at step 38
    """

    async_safe = True  # Keras may read figures in threads of its own, so that no step waits for those before

    def __init__(self, keep=True):
        super().__init__()
        self.keep = keep

    def on_train_begin(self, logs=None):
        self._thread, self._found, self._kept, self._step = threading.get_ident(), {}, None, 0
        # Clocks of several workers differ, and reading some variables needs all of them at once.
        self._alone = not distribute.is_multi_worker(self.model.distribute_strategy)
        if self._alone:
            self._keep()
        self._due = 0.0  # the first copy takes long for its size

    def state(self):
        """Nothing that `Resume` should give back: copies, threads and times are those of a process."""

    def restore(self, state):
        pass

    def on_epoch_begin(self, epoch, logs=None):
        self._steps = self.params.get("steps") or math.inf
        known = math.isfinite(self._steps)
        self._first = self._step = epoch * self._steps if known else int(self.model.clock.numpy())

    def on_train_batch_begin(self, batch, logs=None):
        self._stop_if_found()

    def on_train_batch_end(self, batch, logs=None):
        step = self._first + min(batch + 1, self._steps)  # the last execution of several steps may be shorter
        self._step = max(self._step, step)  # threads may overtake each other
        bad = _not_finite(logs)
        if bad:
            self._found[step] = bad
            if threading.get_ident() == self._thread:  # the copy is put back where training is held up
                self._stop_if_found()

    def on_epoch_end(self, epoch, logs=None):
        self._stop_if_found()
        try:
            bad = _not_finite(logs)
            if bad:
                raise NonFinite(self._step, bad)
            _check(self.model.weights, self._step)
            if self._alone and time.perf_counter() > self._due:
                self._keep()
        except NonFinite as error:
            self._stop(error)

    def on_train_end(self, logs=None):
        self._kept = None

    def _keep(self):
        """Copy the state, once it is known to be good."""
        start = time.perf_counter()
        variables = list(run_state.variables(self.model).values())
        _check(variables, self._step)
        if self.keep:
            self._kept = self._step, [(variable, variable.numpy()) for variable in variables]
        end = time.perf_counter()
        self._due = end + (end - start) / SHARE

    def _stop_if_found(self):
        if self._found:
            if self._step > min(self._found):
                time.sleep(0.1)  # for threads that have an earlier step in hand
            step = min(self._found)
            self._stop(NonFinite(step, self._found[step]))

    def _stop(self, error):
        if self._kept is None:
            raise error
        (back, copies), self._kept = self._kept, None
        for variable, value in copies:
            variable.assign(value)
        raise NonFinite(error.step, error.values, back) from None


def _not_finite(logs) -> dict:
    """The figures among the logs that are not."""
    numbers = (float, Real)  # nearly all are floats, which are found sooner
    return {k: v for k, v in (logs or {}).items() if isinstance(v, numbers) and not math.isfinite(v)}


def _check(variables, step):
    """Raise `NonFinite` for variables that are not finite."""
    floating = [variable for variable in variables if "float" in variable.dtype]
    totals = [tf.nn.l2_loss(variable.value) for variable in floating]  # all, before one is waited for
    bad = {}
    for variable, total in zip(floating, totals, strict=True):
        if not math.isfinite(total):
            value = variable.numpy().astype("float32")
            wrong = value[~np.isfinite(value)]  # none where only the sum overflowed
            if wrong.size:
                bad[variable.path] = float(wrong.flat[0])
    if bad:
        raise NonFinite(step, bad)
