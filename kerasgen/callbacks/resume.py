"""Go on where a run was stopped, as if it had never stopped."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import keras

from kerasgen import hub
from kerasgen.callbacks import checkpoints
from kerasgen.callbacks.best_weights import BestWeights
from kerasgen.core import distribute, run_state
from kerasgen.core.fitting import Opening
from kerasgen.core.guard import check_finite
from kerasgen.files import lock, sweep

KEPT = 2  # checkpoints: the newest, and the one before it in case the newest is damaged
SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]


class Stopped(KeyboardInterrupt):
    """Ctrl-C ended training, and all of it is saved."""


class Resume(Opening):
    """Save a run every few minutes, and go on from the last save when the same `fit` is called again.

    The resumed run ends with the same bits as one that was never stopped: weights, averages, every optimiser, seeds,
    order of the data, the other callbacks, and the history, which has the earlier epochs too. A checkpoint may fall
    into the middle of an epoch. It is written whole or not at all, and only if all of it is finite.

    Ctrl-C saves after the step at hand and raises `Stopped`, a KeyboardInterrupt; a second one does not wait for the
    step, but where one call of TensorFlow takes long, for that. SIGTERM and the end of the terminal save and exit with
    128 and the number of the signal, such as 143. One process at a time uses a directory. Over several workers all of
    them read `directory`, the chief writes, saves follow epochs and `steps` (clocks differ), and signals are not
    handled.

    Of other callbacks the plain attributes that changed in training are kept: numbers, text, arrays, and lists or
    dictionaries of these. One with the methods `state()` and `restore(state)` says itself what to keep.

    Args:
        directory: for the checkpoints, of this run alone; it is made.
        every: seconds between saves; the end of training is always saved.
        steps: training steps between saves, if they are to count too.

    Attributes:
        seconds: time spent in training so far, in all parts of the run.
        signal: the number of the signal that ended training, None if none did.

    Raises:
        ValueError: the run in `directory` is of another model, optimiser or data; the line names the difference.
        Damaged: the checkpoints in `directory` are.
        Locked: another process uses `directory`.
        NonFinite: a variable was not finite when it was to be saved.
        OSError: a checkpoint could not be written; the one before it is intact.

    Example:
        >>> model.fit(data.train, epochs=400, callbacks=[Resume("runs/vae/checkpoints")])     # doctest: +SKIP
    """

    def __init__(self, directory, every=300.0, steps=None):
        super().__init__()
        self.directory, self.every, self.steps = Path(directory), every, steps
        self.signal = self._found = None
        self._holds, self._kept = contextlib.ExitStack(), []
        self._began = self._ended = None

    # --- what `fit` calls -------------------------------------------------------------------------------------------

    def open(self, model, callbacks, source, epochs=1) -> tuple:
        """Take the directory and give the model the state of the last checkpoint, if there is one.

        Args:
            model: compiled.
            callbacks: of this `fit`. The history joins them, and this callback becomes the last, so that it saves what
                all others made of a step.
            source: the data; see `kerasgen.data.endless`.
            epochs: of the whole run.

        Returns:
            (epoch, step): where to go on. `step` may be all of the epoch's; its end is still to come then.
        """
        callbacks.remove(self)
        if not any(isinstance(callback, keras.callbacks.History) for callback in callbacks):
            callbacks.append(keras.callbacks.History())
        self._others = _named(callbacks)
        callbacks.append(self)
        self.set_model(model)
        strategy = model.distribute_strategy
        self._chief, self._several = distribute.is_chief(strategy), distribute.is_multi_worker(strategy)
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            if self._chief:
                self._holds.enter_context(lock(self.directory))
                sweep(self.directory)
            self._open(model, source, epochs)
        except BaseException:
            self.close()
            raise
        return self._epoch, self._step

    def _open(self, model, source, epochs):
        self._epoch_steps, self._run = source.steps, checkpoints.describe(model, source, epochs)
        self._epoch = self._step = 0
        self.signal, self._learned, seconds = None, False, 0.0
        self._found = checkpoints.newest(self.directory)
        self._kept = [self._found.path] if self._found else []
        if self._found:
            state = self._found.state
            checkpoints.check_run(self.directory, state["run"], self._run)
            checkpoints.check_variables(self._found, model)
            self._warn(state)
            self._epoch, self._step, seconds = state["epoch"], state["step"], state["seconds"]
            if self._step < source.steps and self._step % model.steps_per_execution:
                raise ValueError(
                    f"steps_per_execution: expected a divisor of {self._step}, the steps of the epoch to go on with, "
                    f"got {model.steps_per_execution}"
                )
            self._assign()
        self._saved, self._saved_at = self._done, time.monotonic()
        self._began, self._ended = self._saved_at - seconds, None

    def close(self):
        """Free the directory and the signals."""
        self._found, self._ended = None, time.monotonic()
        if self.model is not None:
            self.model._initial_epoch = None
        self._holds.close()

    @property
    def seconds(self):
        if self._began is None:
            return 0.0
        return (self._ended or time.monotonic()) - self._began

    # --- hooks ------------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs=None):
        self._beginning = {name: checkpoints.attributes(callback) for name, callback in self._others.items()}
        if not self._several and threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number) or signal.SIG_DFL
                if number == signal.SIGINT or before != signal.SIG_IGN:  # `nohup` ignores the terminal's end
                    self._holds.callback(signal.signal, number, before)
                    signal.signal(number, self._on_signal)
        if self._found is None:
            return
        self._restore()
        if self._found.state["stopped"]:  # by a callback: nothing is left but the end
            self.model._initial_epoch = self.params["epochs"]
        if self._step == 0:
            self._found = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._step = epoch, 0

    def on_train_batch_end(self, batch, logs=None):
        self._step = min(batch + 1, self._epoch_steps)  # the last execution of several steps may be a shorter one
        if self._found:  # these steps were taken before, and only callbacks see them again
            if self._step >= self._found.state["step"]:
                self._restore()
                self._found = None
            return
        self._learned = True
        if self.signal:
            self._leave()
        elif self._step < self._epoch_steps and self._due():
            self._save()

    def on_test_begin(self, logs=None):
        self._means = [mean.numpy() for mean in run_state.means(self.model)]

    def on_test_batch_end(self, batch, logs=None):
        if not self.signal:
            return
        # Validation is begun anew when the run goes on, so what it changed is undone.
        for callback in self._others.values():
            if isinstance(callback, BestWeights):  # it shows averages to validation
                callback.on_test_end()
        for mean, value in zip(run_state.means(self.model), self._means, strict=True):
            mean.assign(value)
        self._leave()

    def on_epoch_end(self, epoch, logs=None):
        stopped = self.model.stop_training
        if not stopped:
            self._epoch, self._step = epoch + 1, 0
        if stopped or self._epoch >= self.params["epochs"] or self._several or self._due():
            self._save(stopped)
        if self.signal:
            self._leave()

    def on_train_end(self, logs=None):
        if self.signal:
            self._leave()

    # --- signals ----------------------------------------------------------------------------------------------------

    def _on_signal(self, number, frame):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        self.signal = number
        if not self._learned:  # nothing to save, and the first step may take minutes to compile
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        if number == signal.SIGINT:
            with contextlib.suppress(RuntimeError):  # of a print that is interrupted by this one
                print("saving after this step; Ctrl-C again stops at once", file=sys.stderr)

    def _leave(self):
        """Save what is not saved and end training as the signal asks."""
        if self._saved != self._done:
            self._save()
        raise Stopped if self.signal == signal.SIGINT else SystemExit(128 + self.signal)

    # --- saving and restoring ---------------------------------------------------------------------------------------

    @property
    def _done(self):
        return self._epoch * self._epoch_steps + self._step

    def _due(self):
        if self.steps and self._done - self._saved >= self.steps:
            return True
        return not self._several and time.monotonic() - self._saved_at >= self.every

    def _save(self, stopped=False):
        check_finite(self.model, self._done)
        arrays = {key: variable.numpy() for key, variable in run_state.variables(self.model).items()}
        if not self._chief:
            return
        states = {}
        for name, callback in self._others.items():
            packed = checkpoints.state_of(callback, self._beginning[name], f"callbacks/{name}", arrays)
            if packed != checkpoints.NOTHING:
                states[name] = packed
        about = {"epoch": self._epoch, "step": self._step, "stopped": stopped, "seconds": self.seconds}
        try:
            path = checkpoints.write(
                self.directory, self._done, arrays, {**about, "run": self._run, "callbacks": states}
            )
        except OSError as error:
            before = f"that of step {self._saved} is intact" if self._kept else "there is none yet"
            raise OSError(
                f"{self.directory}: the checkpoint of step {self._done} was not written, {error.strerror}; {before}"
            ) from error
        self._kept = [*(kept for kept in self._kept if kept != path), path][-KEPT:]
        for old in set(checkpoints.find(self.directory)) - set(self._kept):
            old.unlink()
        self._saved, self._saved_at = self._done, time.monotonic()

    def _assign(self):
        for key, variable in run_state.variables(self.model).items():
            variable.assign(self._found.arrays[key])

    def _restore(self):
        """Undo what beginnings, of training and of an epoch, have reset."""
        self._assign()
        for name, packed in self._found.state["callbacks"].items():
            if name in self._others:
                checkpoints.give_back(self._others[name], packed, self._found.arrays)

    def _warn(self, state):
        ours, theirs = hub.versions(), state["versions"]
        other = [f"{name} {theirs.get(name)}, now {ours[name]}" for name in ours if ours[name] != theirs.get(name)]
        gone = [name for name in state["callbacks"] if name not in self._others]
        for what, names in {"saved with": other, "without the callback": gone}.items():
            if names:
                text = f"{self.directory}: {what} {', '.join(names)}; the run may not go on exactly"
                warnings.warn(text, stacklevel=4)


def _named(callbacks) -> dict:
    """Callbacks by the names of their classes, numbered where there are several of one."""
    named, seen = {}, {}
    for callback in callbacks:
        name = type(callback).__name__
        seen[name] = seen.get(name, 0) + 1
        named[name if seen[name] == 1 else f"{name}_{seen[name]}"] = callback
    return named
