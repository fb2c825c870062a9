"""Systems that learn one thing after the other: a growing network, codes and their prior, a pyramid of scales.

Such a system has one preset, one `fit` and one bundle. Its constructor calls `in_stages`; all variables of all stages
exist from then on. Which stage it is in, and how far, are weights of the model, so that they are saved, resumed and
distributed as the others are. `train_step` and `losses` look at `self.stage`; a change of stage traces them once more.
"""

from __future__ import annotations

import bisect
import itertools
from typing import NamedTuple

import keras
import tensorflow as tf

from kerasgen.core import averages


class Stage(NamedTuple):
    """A part of training.

    Attributes:
        name: what is learned in it.
        epochs: how long it takes, in the recipe of the paper or in proportion to the other stages.
        players: who learns in it; empty for all.
    """

    name: str
    epochs: int = 1
    players: tuple = ()


def ends(stages, epochs: int | None = None) -> list:
    """The number of epochs after which each stage is over.

    Args:
        stages: of the model.
        epochs: in all, shared out in proportion; None for as many as the stages say.

    Raises:
        ValueError: fewer epochs than stages.

    Example:
        >>> ends([Stage("codes", 60), Stage("prior", 30)]), ends([Stage("codes", 60), Stage("prior", 30)], 10)
        ([60, 90], [7, 10])
    """
    whole = list(itertools.accumulate(stage.epochs for stage in stages))
    if epochs is None:
        return whole
    if epochs < len(stages):
        names = ", ".join(stage.name for stage in stages)
        raise ValueError(f"epochs: expected at least {len(stages)}, one for each stage ({names}), got {epochs}")
    at = []
    for i, end in enumerate(whole):  # every stage has an epoch, and leaves one to each of those after it
        least, most = (at[-1] if at else 0) + 1, epochs - (len(stages) - 1 - i)
        at.append(min(max(round(epochs * end / whole[-1]), least), most))
    return at


def count_on(optimizer):
    """Let a built optimiser know the steps that it took before it was restarted; they are saved with it."""
    optimizer = averages.inner(optimizer)
    if not hasattr(optimizer, "earlier"):
        optimizer.earlier = optimizer.add_variable((), dtype="int", aggregation="only_first_replica", name="earlier")


def restart(optimizer):
    """Bring an optimiser back to where it began: no moments, no steps; its rate and its averages stay.

    A schedule of the rate begins anew, and the averages with the next step.

    Args:
        optimizer: of a model of stages that is compiled; the steps that it forgets count on in the model's `clock`.
    """
    optimizer = averages.inner(optimizer)
    fresh = type(optimizer).from_config(optimizer.get_config())
    fresh.build(optimizer._trainable_variables)
    optimizer.earlier.assign_add(optimizer.iterations)
    kept = {id(variable) for variable in getattr(optimizer, "_model_variables_moving_average", ())}
    for variable, beginning in zip(optimizer.variables, fresh.variables, strict=False):  # `earlier` is at the end
        if id(variable) not in kept:
            variable.assign(beginning)


class Schedule(keras.callbacks.Callback):
    """Bring the model to the stage of every epoch; `fit` adds one of these itself.

    Args:
        ends: of the stages, in epochs.

    Raises:
        ValueError: the data do not know the number of batches in an epoch.
    """

    def __init__(self, ends):
        super().__init__()
        self.ends = ends

    def state(self):
        """Nothing that `Resume` should give back: the epoch says it all."""

    def restore(self, state):
        pass

    def on_epoch_begin(self, epoch, logs=None):
        steps = self.params.get("steps")
        if steps is None:
            raise ValueError(
                "steps_per_epoch: expected the batches of an epoch, which this dataset does not know, got None; "
                "a model of stages counts them"
            )
        stage = min(bisect.bisect_right(self.ends, epoch), len(self.ends) - 1)
        start = self.ends[stage - 1] if stage else 0
        self.model.enter_stage(stage, (epoch - start) * steps, (self.ends[stage] - start) * steps)


class Staged:
    """What a model of stages knows of them; a model without stages has none.

    Attributes:
        stages: what is learned one after the other, for models that call `in_stages`.
    """

    stages: tuple = ()

    def in_stages(self, *stages: Stage):
        """Learn one stage after the other; to be called by the constructor."""
        self.stages = stages
        # Which stage, its steps so far, and all its steps. Every replica counts the same.
        options = dict(initializer="zeros", dtype="int32", trainable=False, aggregation="only_first_replica")
        self.place = self.add_weight(shape=(3,), name="stage", **options)

    @property
    def stage(self) -> Stage:
        """The stage that the model is in."""
        with tf.init_scope():
            return self.stages[int(self.place.numpy()[0])]

    @property
    def learners(self) -> tuple:
        """The players who learn: those of the stage, all of them where it names none."""
        return (self.stage.players if self.stages else ()) or self.players

    @property
    def progress(self):
        """How much of its stage the model has gone through, a scalar from 0 to 1; 1 in the last step."""
        _, done, steps = tf.unstack(tf.cast(self.place, tf.float32))
        return done / tf.maximum(steps, 1.0)

    def enter_stage(self, stage: int, done: int, steps: int):
        """Go to a stage of so many steps of which some are done; nothing changes if the model is in it."""
        before, _, known = self.place.numpy()
        if (before, known) != (stage, steps):
            self.place.assign([stage, done, steps])
            self.forget_compiled()
        if self.compiled and before != stage:
            with self.distribute_strategy.scope():
                self.begin_stage()

    def begin_stage(self):
        """Hook: what the compiled model does on entering another stage; if a model says nothing, nothing."""
