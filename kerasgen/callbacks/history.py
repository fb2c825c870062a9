"""The history of a run as a CSV file."""

import csv
import io
import time

import keras

from kerasgen.files import atomic_write


class CSVHistory(keras.callbacks.Callback):
    """Write the history as CSV after each epoch, whole or not at all.

    Columns are `epoch`, `seconds` since the start, every figure, and the learning rate at the end of the epoch, of each
    player: `learning_rate`, or `generator_learning_rate`, ...

    With `Resume`, the table goes on with the rows and the seconds of before. Keras' `CSVLogger` appends to an open file
    and adds empty `val_` columns where there is no validation.

    Args:
        path: of the file.

    Example:
        >>> model.fit(data.train, epochs=2, callbacks=[CSVHistory("history.csv")])      # doctest: +SKIP
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        self.rows, self.start = [], time.perf_counter()

    def state(self):
        return {"rows": self.rows, "seconds": time.perf_counter() - self.start}

    def restore(self, state):
        self.rows, self.start = state["rows"], time.perf_counter() - state["seconds"]

    def on_epoch_end(self, epoch, logs=None):
        seconds = round(time.perf_counter() - self.start, 3)
        figures = {name: float(value) for name, value in (logs or {}).items()}
        rates = {
            f"{player}_learning_rate" if player else "learning_rate": float(
                keras.ops.convert_to_tensor(optimizer.learning_rate)
            )
            for player, optimizer in self.model.player_optimizers().items()
        }
        self.rows.append({"epoch": epoch, "seconds": seconds, **figures, **rates})
        text = io.StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(key for row in self.rows for key in row)))
        writer.writeheader()
        writer.writerows(self.rows)
        atomic_write(self.path, text.getvalue().encode())
