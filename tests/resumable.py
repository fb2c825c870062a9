"""Small runs that can be resumed; tests/test_resume.py runs them, also in processes that it kills."""

import inspect
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from replicas import strategy
from tiny import TINY, examples

import kerasgen
from kerasgen import catalog
from kerasgen.callbacks import BestWeights, CSVHistory, Resume
from kerasgen.core import run_state

EXAMPLES, BATCH, EPOCHS = 40, 8, 3  # epochs at least, and one for every stage
STEPS = EXAMPLES // BATCH  # of an epoch


def dropout(system):
    """Its dropout, whose seeds are state, if it takes any."""
    takes = inspect.signature(catalog.find(system).load().__init__).parameters
    return {"dropout": 0.2} if "dropout" in takes else {}


def build(system="vae", **compiled):
    """A compiled model that is the same each time, with averages in every optimiser."""
    keras.utils.clear_session()  # layers count from 1, as in a new process: the order of a graph's sums follows names
    keras.utils.set_random_seed(0)
    model = kerasgen.build(system, **TINY[system] | dropout(system))
    names = [f"{player}_optimizer" if player else "optimizer" for player in model.players]
    optimizers = {name: keras.optimizers.Adam(1e-3, use_ema=True) for name in names}
    model.compile(**{"seed": 3, **optimizers, **compiled})
    return model


def fit(model, *callbacks, epochs=EPOCHS, data=None, validation=False):
    """Fit and return {name: array} of all that a run ends with."""
    epochs = max(epochs, len(model.stages))
    x, label = examples(model, EXAMPLES)
    held_out = examples(model, EXAMPLES, "validation")
    arguments = dict(x=x, y=label, batch_size=BATCH) if data is None else dict(x=data)
    if validation:
        arguments["validation_data"] = held_out if model.given else held_out[0]
    history = model.fit(**arguments, epochs=epochs, verbose=0, callbacks=list(callbacks))
    found = {key: variable.numpy() for key, variable in run_state.variables(model).items()}
    found |= {f"history/{key}": np.array(values) for key, values in history.history.items()}
    return found | {"epochs": np.array(history.epoch)}


def run(system, folder, mode="single", ports=(), worker=0):
    """A run that saves after every step; in a process of its own. What it ends with is in `done.npz`."""
    if ports:
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": worker}})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    with strategy(mode).scope():
        model = build(system)
    best = BestWeights(f"val_{[key for key in model.reports if key.endswith('loss')][-1]}")
    table, resume = CSVHistory(folder / f"{worker}.csv"), Resume(folder / "checkpoints", every=0, steps=1)
    found = fit(model, table, best, resume, validation=True)
    if worker == 0:
        np.savez(folder / "part.npz", **found)
        (folder / "part.npz").rename(folder / "done.npz")
