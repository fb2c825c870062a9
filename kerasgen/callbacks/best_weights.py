"""Keep the weights that did best on validation data."""

import math

import keras

from kerasgen.core import averages


class BestWeights(keras.callbacks.Callback):
    """Keep in memory the weights of the epoch with the lowest value of one figure, and end with them.

    Where optimisers average the weights (`use_ema`), validation during `fit` looks at the averages, and they are what
    is kept: the model ends with them. Batch statistics are averaged and kept with the weights.

    A model of stages ends every stage with the best weights of that stage, and goes on from them.

    Args:
        monitor: a key of the history, such as "val_loss". An epoch in which it is not finite is never the best.

    Attributes:
        epoch: the best epoch (of the stage), counted from 0; None before the first one.
        value: its figure.
        figures: the history's figures of the best epoch of every stage.

    Raises:
        ValueError: the history has no such key; the line names those that it has.

    Example:
        >>> best = BestWeights("val_loss")
        >>> model.fit(data.train, epochs=40, validation_data=data.validation, callbacks=[best])     # doctest: +SKIP
        >>> best.epoch                                                                              # doctest: +SKIP
        31
    """

    def __init__(self, monitor="val_loss"):
        super().__init__()
        self.monitor = monitor
        self._training = False

    def on_train_begin(self, logs=None):
        self.epoch, self.value, self._weights, self._training = None, math.inf, None, True
        self.figures, self._stage = {}, None

    def on_epoch_begin(self, epoch, logs=None):
        if not self.model.stages:
            return
        if self._stage not in (None, self.model.stage.name):
            self._put_back()
            self.epoch, self.value, self._weights = None, math.inf, None
        self._stage = self.model.stage.name

    def on_test_begin(self, logs=None):
        if self._training:
            averages.swap(self.model)

    def on_test_end(self, logs=None):
        if self._training:
            averages.swap(self.model)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self.monitor not in logs:
            raise ValueError(f"monitor: expected one of {', '.join(logs)}, got {self.monitor!r}")
        if logs[self.monitor] < self.value:  # false for NaN
            self.epoch, self.value = epoch, float(logs[self.monitor])
            self.figures |= {name: float(value) for name, value in logs.items()}
            with averages.averaged(self.model):
                self._weights = [weight.numpy() for weight in self.model.weights]

    def on_train_end(self, logs=None):
        self._training = False
        self._put_back()
        self._weights = None

    def _put_back(self):
        if self._weights is None:
            return
        for weight, value in zip(self.model.weights, self._weights, strict=True):
            if not (self.model.stages and weight is self.model.place):  # time does not go back
                weight.assign(value)
        for variable, average in averages.pairs(self.model):
            average.assign(variable)  # `fit` ends by putting averages in the place of weights
