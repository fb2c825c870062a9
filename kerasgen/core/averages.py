"""Exponential moving averages of every player, put in the place of the weights for a while.

An optimiser with `use_ema` averages what it descends. What a network has measured of its batches (batch normalisation)
belongs to the weights of that step, and averaged weights in its company shift and scale wrongly; so it is averaged with
them, in the long run at the same rate. `keras.callbacks.SwapEMAWeights` knows `model.optimizer` alone, and no
statistics; a kerasgen model has an optimiser per player.

A layer whose weights that are not trained are running averages over batches says so: `batch_statistics = True`.
"""

from __future__ import annotations

import contextlib

import tensorflow as tf
from keras import layers


def statistics(networks) -> list:
    """The variables of some networks that are running averages over batches."""
    flat = [layer for network in networks for layer in network._flatten_layers()]
    found = (layer for layer in flat if isinstance(layer, layers.BatchNormalization) or _declares(layer))
    return [variable for layer in dict.fromkeys(found) for variable in layer.non_trainable_variables]


def keep(optimizer, variables):
    """Let a built optimiser with `use_ema` hold an average of each of these too, which `follow` moves.

    They are among its variables, so that what saves an optimiser saves them.
    """
    optimizer = inner(optimizer)
    if optimizer.use_ema and not hasattr(optimizer, "statistics_averages"):
        averages = [
            optimizer.add_variable(v.shape, dtype=v.dtype, aggregation="only_first_replica", name=f"{v.name}_average")
            for v in variables
        ]
        optimizer.statistics_averages = averages


def follow(optimizer, variables):
    """Move the averages in a step of which the optimiser is about to move those of its weights.

    In early steps they look back less far, over a tenth of the way: statistics begin at numbers that no batch has, and
    change by orders of magnitude.
    """
    optimizer = inner(optimizer)
    if optimizer.use_ema:
        steps = tf.cast(optimizer.iterations, tf.float32)
        momentum = tf.minimum(steps / (steps + 9.0), optimizer.ema_momentum)
        for variable, average in zip(variables, optimizer.statistics_averages, strict=True):
            average.assign(momentum * average + (1.0 - momentum) * variable)


def pairs(model) -> list:
    """(variable, its average) for every optimiser of the model that has `use_ema` and has taken a step."""
    found = []
    for player in model.players:
        optimizer = inner(model.player_optimizer(player))
        if optimizer.use_ema and int(optimizer.iterations.numpy()):
            copies = optimizer._model_variables_moving_average + optimizer.statistics_averages
            variables = model.player_variables(player) + statistics(model.player_networks(player))
            found += zip(variables, copies, strict=True)
    return [(variable, average) for variable, average in found if average is not None]


def finish(model):
    """Put the averages in the place of the weights for good."""
    for variable, average in pairs(model):
        variable.assign(average)


def swap(model):
    """Exchange weights and averages; a second call undoes it. Before the first step there is nothing to exchange."""
    for variable, average in pairs(model):
        value = variable.numpy()
        variable.assign(average)
        average.assign(value)


@contextlib.contextmanager
def averaged(model):
    """Inside, the model has its averaged weights; without `use_ema` nothing changes."""
    swap(model)
    try:
        yield model
    finally:
        swap(model)


def inner(optimizer):
    """The optimiser itself, without the scaling of losses around it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _declares(layer):
    return getattr(layer, "batch_statistics", False)
