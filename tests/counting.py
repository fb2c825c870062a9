"""Trainable weights of networks, for comparison with those of the papers."""

import keras

import kerasgen


def counts(system, **arguments):
    """Trainable weights of every network of a system."""
    model = kerasgen.build(system, **arguments)
    return {name: trainable(network) for name, network in vars(model).items() if isinstance(network, keras.Model)}


def trainable(network):
    """Trainable weights of a network or of a whole system."""
    return sum(v.value.shape.num_elements() for v in network.trainable_variables)
