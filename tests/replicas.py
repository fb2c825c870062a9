"""Train tiny systems in one replica, in two of one process, or as one of two workers, and write what came of it.

    python tests/replicas.py single|deterministic|mirrored|multiworker FOLDER SYSTEM ...

`tests/test_distribute.py` compares the files. SGD, because Adam forgives a gradient of the wrong scale.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402

RATE = 3e-4  # at larger ones the games of GANs amplify what rounding does
# Of these a change of one part in ten million of the weights, in a single replica, grows tenfold a step at that rate.
RATES = {"cyclegan": 3e-7, "layout2im": 3e-6}
RATES["gan"] = 0.03  # its weights start so small that a gradient of them is, too: else hardly anything would move
EXAMPLES, HELD_OUT, BATCH, EPOCHS = 44, 23, 16, 2  # the last batches have 12 and 7 examples


def strategy(mode):
    if mode == "deterministic":
        tf.config.experimental.enable_op_determinism()
    if mode in ("single", "deterministic"):
        return tf.distribute.get_strategy()
    if mode == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.MultiWorkerMirroredStrategy()


def run(system, arguments, scope, **compiled):
    """Weights, optimiser variables and figures after a few steps, as {name: array}."""
    import keras
    import numpy as np
    from tiny import examples

    import kerasgen

    keras.utils.set_random_seed(0)
    with scope.scope():
        model = kerasgen.build(system, **arguments)
        optimizers = {
            f"{player}_optimizer" if player else "optimizer": keras.optimizers.SGD(
                RATES.get(system, RATE), momentum=0.9, use_ema=True, **compiled.pop("optimizer", {})
            )
            for player in model.players
        }
        model.compile(seed=3, **optimizers, **compiled)
    start = {f"start/{i}": w.numpy() for i, w in enumerate(model.weights) if w.trainable}
    held_out = examples(model, HELD_OUT, "validation")
    fitted = model.fit(
        *examples(model, EXAMPLES),
        batch_size=BATCH,
        epochs=max(EPOCHS, len(model.stages)),
        validation_data=held_out if model.given else held_out[0],
        verbose=0,
    )
    figures = model.evaluate(*examples(model, 30), batch_size=BATCH, verbose=0, return_dict=True)
    found = {f"history/{key}": np.array(values) for key, values in fitted.history.items()}
    found |= {f"evaluate/{key}": np.array(value) for key, value in figures.items()}
    found |= start | {f"weight/{i}": w.numpy() for i, w in enumerate(model.weights)}
    for player, optimizer in optimizers.items():
        found |= {f"{player}/{i}": v.numpy() for i, v in enumerate(optimizer.variables)}
    return found


def main(mode, folder, *systems):
    scope = strategy(mode)  # before any other operation
    import numpy as np
    from tiny import TINY

    rank = "" if mode != "multiworker" else f"-{scope.cluster_resolver.task_id}"
    for system in systems:
        np.savez(f"{folder}/{system}-{mode}{rank}.npz", **run(system, TINY[system], scope))


if __name__ == "__main__":
    main(*sys.argv[1:])
