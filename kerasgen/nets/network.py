"""How a network is closed."""

import keras
from keras import ops


def network(inputs, outputs, name=None):
    """A functional `keras.Model` whose outputs are float32 whatever the precision inside.

    Under a policy of mixed precision layers compute in half precision; losses, densities and pictures must not.
    """
    return keras.Model(inputs, keras.tree.map_structure(_single, outputs), name=name)


def _single(x):
    return x if x.dtype == "float32" else ops.cast(x, "float32")
