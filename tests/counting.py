"""Trainable weights of networks, for comparison with those of the papers."""

import keras

import kerasgen


def counts(system, **arguments):
    """Trainable weights of every network of a system."""
    model = kerasgen.build(system, **arguments)
    return {
        name: sum(v.value.shape.num_elements() for v in network.trainable_variables)
        for name, network in vars(model).items()
        if isinstance(network, keras.Model)
    }
