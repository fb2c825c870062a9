"""What training changes of a model, under keys that the next process finds again."""

from __future__ import annotations

import re


def variables(model) -> dict:
    """Every variable that training changes: weights, statistics, seeds, running means, all of every optimiser.

    Keys are positions and Keras' paths without its counters, which differ from process to process.
    """
    groups = {"model": model.variables, "means": means(model)}
    groups |= {name: optimizer.variables for name, optimizer in optimizers(model).items()}
    return {
        f"{group}/{i:04d}/{re.sub(r'_[0-9]+(?=[_/]|$)', '', variable.path)}": variable
        for group, members in groups.items()
        for i, variable in enumerate(members)
    }


def means(model) -> list:
    """The variables of the figures that `fit` reports."""
    return [variable for metric in model.metrics for variable in metric.variables]


def optimizers(model):
    names = [f"{player}_optimizer" if player else "optimizer" for player in model.players]
    return {name: getattr(model, name) for name in names}
