"""What sampling from memory must keep, for every model whose `fill` does so."""

import numpy as np
import tensorflow as tf


def labels(model, count):
    return np.arange(count, dtype="int32") % model.num_classes if model.num_classes else None


def given(model, count):
    return {"label": labels(model, count)} if model.num_classes else {}


def law_of_memory(model, count, spread):
    """Logits from memory are those of a whole pass, which differ between pictures by more than `spread`."""
    levels = np.random.default_rng(2).integers(model.levels, size=(count, *model.image_shape))
    x = model.scale(model.levels).value(tf.constant(levels, tf.int32)).numpy()
    logits = model.logits(x, **given(model, count))
    logits, levels = logits.reshape(count, -1, model.levels), levels.reshape(count, -1).astype("int32")
    seen = {}

    def follow(place, logits):
        seen[int(place)] = logits.numpy()
        return tf.constant(levels[:, int(place)])

    filled = model.fill(follow, count, labels(model, count))  # eagerly, so that every step can be looked at
    np.testing.assert_array_equal(tf.reshape(filled, levels.shape), levels)
    assert list(seen) == list(range(levels.shape[1]))
    np.testing.assert_allclose(np.stack([*seen.values()], 1), logits, atol=1e-5, rtol=1e-5)
    assert np.ptp(logits, axis=0).max() > spread
