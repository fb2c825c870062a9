"""One line of progress for a whole run."""

import contextlib
import math
import time

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column


class Progress(keras.callbacks.Callback):
    """A bar over epochs with the last losses and the time that remains; a few plain lines where there is no terminal.

    Use it with `fit(..., verbose=0)`.

    Args:
        console: a `rich.console.Console`; left out, standard error.
        lines: how many lines in all, without a terminal.

    Example:
        >>> model.fit(data.train, epochs=40, verbose=0, callbacks=[Progress()])     # doctest: +SKIP
    """

    def __init__(self, console=None, lines=10):
        super().__init__()
        self.console, self.lines, self.bar = console or Console(stderr=True), lines, None

    def on_train_begin(self, logs=None):
        self.epochs, self.steps = self.params["epochs"], self.params.get("steps")
        self.every, self.epoch, self.start = math.ceil(self.epochs / self.lines), 0, time.perf_counter()
        if self.console.is_terminal:
            rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
            columns = ("epoch", MofNCompleteColumn(), BarColumn(20), TimeRemainingColumn())
            figures = TextColumn("{task.fields[figures]}", table_column=rest)
            self.bar = Bar(*columns, figures, console=self.console, expand=True)
            self.task = self.bar.add_task("", total=self.epochs, figures="compiling")
            self.bar.start()

    def state(self):
        return {"epoch": self.epoch, "seconds": time.perf_counter() - self.start}

    def restore(self, state):
        self.epoch, self.start = state["epoch"], time.perf_counter() - state["seconds"]
        if self.bar:  # the time that remains is told from the steps to come
            self.bar.reset(self.task, completed=self.epoch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.bar and self.steps:
            self.bar.update(self.task, completed=self.epoch + min(1, (batch + 1) / self.steps))

    def on_epoch_end(self, epoch, logs=None):
        losses = {name: value for name, value in (logs or {}).items() if name.endswith("loss")} or logs or {}
        done, figures = epoch + 1, "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        if self.bar:
            self.bar.update(self.task, completed=done, figures=figures)
        elif done % self.every == 0 or done == self.epochs:
            line = f"epoch {done}/{self.epochs}  {figures}  {time.perf_counter() - self.start:.0f} s"
            self.console.print(line, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def saying(self, what):
        """Inside, the bar says this, and not the last losses."""
        bar, figures = self.bar, self.bar.tasks[0].fields["figures"] if self.bar else ""
        if bar:
            bar.update(self.task, figures=what, refresh=True)
        try:
            yield
        finally:
            if bar:
                bar.update(self.task, figures=figures)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Give the terminal back; for a run that was cut off."""
        if self.bar:
            self.bar.stop()
            self.bar = None
