"""Exponential moving averages of every player, put in the place of the weights for a while.

`keras.callbacks.SwapEMAWeights` knows `model.optimizer` alone; a kerasgen model has an optimiser per player.
"""

import contextlib


def pairs(model) -> list:
    """(variable, its average) for every optimiser of the model that has `use_ema` and has taken a step."""
    found = []
    for player in model.players:
        optimizer = getattr(model, f"{player}_optimizer" if player else "optimizer")
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
        if optimizer.use_ema and int(optimizer.iterations.numpy()):
            copies = optimizer._model_variables_moving_average
            found += zip(model.player_variables(player), copies, strict=True)
    return [(variable, average) for variable, average in found if average is not None]


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
