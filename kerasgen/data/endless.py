"""Training batches without end, from any step on, in an order that is a pure function of (seed, step)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf


class Source(NamedTuple):
    """Batches for `fit`, epoch after epoch.

    Attributes:
        steps: batches in an epoch.
        start: step -> `tf.data.Dataset` of the batches from there on.
    """

    steps: int
    start: Callable

    def fingerprint(self) -> int:
        """A checksum of the first batch of all: another one means other data, or an order that cannot be repeated."""
        parts = tf.nest.flatten(next(iter(self.start(0))))
        return zlib.crc32(b"".join(np.ascontiguousarray(part.numpy()).tobytes() for part in parts))


def together(x, count: int):
    """A dataset whose batches are so many of another's, one after the other; what is not another's is left to `source`.

    Example:
        >>> [len(x) for x in together(tf.data.Dataset.range(10).batch(3), 2)]
        [6, 4]
    """
    if count == 1 or not isinstance(x, tf.data.Dataset) or hasattr(x, "kerasgen_data"):
        return x

    def joined(part):
        ragged = isinstance(part, tf.RaggedTensor)  # as batches may have several sizes
        return part.merge_dims(0, 1) if ragged else tf.reshape(part, (-1, *part.shape[2:]))

    parts = x.ragged_batch(count)
    return parts.map(lambda *part: tf.nest.map_structure(joined, part if len(part) > 1 else part[0]))


def source(x, y=None, *, batch_size=32, batches=1, shuffle=True, seed=0, steps=None, replay=False):
    """The source behind what `fit` was given, or None where Keras can be left to read it.

    Args:
        x, y: `Data.train`, another dataset, or an array with its labels or None.
        batch_size, shuffle, seed: of arrays.
        batches: of arrays and kerasgen's data that make one of the source; other datasets bring theirs `together`.
        steps: batches in an epoch; left out, all of them once.
        replay: other datasets too, by repeating them and skipping forward.

    Raises:
        ValueError: what is to be replayed is a dataset of unknown length, or one that says that its order is not
            deterministic, or can be gone through once only.

    Example:
        >>> source(np.zeros((10, 2), "float32"), batch_size=4).steps
        3
    """
    if isinstance(x, keras.utils.PyDataset) or hasattr(x, "kerasgen_first"):
        if replay:
            raise ValueError("x: expected an array or a dataset, to be resumed, got a generator or PyDataset")
        return None
    if not isinstance(x, tf.data.Dataset):
        batch_size = min(batch_size * batches, len(x))
        arrays = (x,) if y is None else (x, y)
        with tf.device("CPU"):  # tf.data runs there
            arrays = tf.nest.map_structure(tf.constant, arrays)

        def start(step):
            order = indices(len(x), batch_size, seed, step, shuffle, short=True)
            return _options(order.map(lambda i: tf.nest.map_structure(lambda array: tf.gather(array, i), arrays)))

        return Source(steps or -(-len(x) // batch_size), start)
    ours = getattr(x, "kerasgen_data", None)
    if ours is not None:
        ours = ours.with_batch(ours.batch_size * batches)
        return Source(steps or ours.steps, ours.stream)
    if not replay:
        return None
    steps = steps or int(x.cardinality())
    if steps < 0:
        raise ValueError(
            "steps_per_epoch: expected the batches of an epoch, which this dataset does not know, got None"
        )
    if x.options().deterministic is False:
        raise ValueError("x: expected a dataset that can be resumed, got one with options().deterministic = False")
    return Source(steps, lambda step: x.repeat().skip(step))


def indices(count, batch, seed, start=0, shuffle=True, short=False):
    """Endless batches of indices into `count` examples, as int64 tensors (batch,).

    Each epoch is a permutation computed index by index: there is no state and no buffer.

    Args:
        start: the step of the first batch.
        short: epochs end with the examples that are left; else those are left out of the epoch.
    """
    steps = -(-count // batch) if short else count // batch
    even = steps * batch <= count

    def at(step):
        epoch, first = step // steps, step % steps * batch
        place = tf.range(first, tf.minimum(first + batch, count))
        place = tf.ensure_shape(place, (batch if even else None,))
        if not shuffle:
            return place
        key = tf.cast(tf.stack([tf.constant(seed, tf.int64), epoch]), tf.uint32)
        return tf.random.experimental.index_shuffle(place, key, tf.constant(count - 1, tf.int64))

    return tf.data.Dataset.range(start, 2**62).map(at)


def _options(dataset):
    options = tf.data.Options()  # by files, the default policy, finds no files here and warns
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
