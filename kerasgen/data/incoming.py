"""What `fit` and `evaluate` are given, as Keras takes it: looked at first, and every later batch on its way.

Arrays are looked at as a whole. Of a dataset, a generator or any other iterable of batches the first batch is, before
the first step, and each of the others when it comes: before a model learns from it, beside the step at hand.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerasgen.data import checks
from kerasgen.data.description import Data


class Wanted(NamedTuple):
    """What a model wants of its data, as `checks.check_examples` and `checks.check_labels` have it."""

    shape: tuple
    minimum: float | None
    maximum: float | None
    kind: str
    num_classes: int  # 0: labels are not looked at

    def check(self, x, label=None, *rest):
        """A batch as NumPy arrays (x,) or (x, label), or one line saying what is wrong with it."""
        if rest:
            raise ValueError(f"x: expected batches of x or (x, label), got {len(rest) + 2} parts")
        x = checks.check_examples(x, self.shape, self.minimum, self.maximum, kind=self.kind)
        if self.num_classes:
            checked = checks.check_labels(checks.label_of(label), self.num_classes, len(x))
            label = {**label, "label": checked} if isinstance(label, Mapping) else checked
        return (x,) if label is None else (x, tf.nest.map_structure(np.asarray, label))


def read(x, y, wanted: Wanted, split="train", batch_size=None):
    """(x, y) as arrays, or a dataset and None, after a look at it.

    Args:
        x, y: `Data`, of which the split is taken; a `tf.data.Dataset`; a `keras.utils.PyDataset`; any other iterable of
            batches x or (x, label), such as a generator or a torch `DataLoader`; an array and its labels or None, also
            as a pair in the place of x.
        batch_size: of `Data`, where it is not to be their own.

    Returns:
        Labels of arrays are not looked at yet. Of what can be gone through once only, the attribute `kerasgen_first`
        holds the first batch.

    Raises:
        ValueError, TypeError: what was given, or its first batch, is not what is wanted.
    """
    if isinstance(x, Data):
        x = getattr(x if batch_size is None else x.with_batch(batch_size), split)
    x, y = checks.pair(x, y)
    if isinstance(x, tf.data.Dataset):
        checks.check_dataset(x, *wanted[:3], wanted.num_classes, kind=wanted.kind)
        return (x if hasattr(x, "kerasgen_data") else _watched(x, wanted)), y
    if isinstance(x, keras.utils.PyDataset):
        x = Watched(x, wanted)
        x[0]
        return x, y
    if hasattr(x, "__iter__") and not hasattr(x, "__array__") and not isinstance(x, (list, tuple, dict, str)):
        return _batches(x, wanted), y
    if not (x is None or hasattr(x, "__array__") or isinstance(x, (list, tuple, int, float))):
        got = type(x).__name__
        raise ValueError(f"x: expected an array, a tf.data.Dataset or an iterable of batches, got {got}")
    return checks.check_examples(x, *wanted[:3], kind=wanted.kind), y


@contextlib.contextmanager
def plainly():
    """Let the error be what a batch was refused for, not TensorFlow's account of how it came to hear of it."""
    try:
        yield
    except tf.errors.OpError as error:
        said = re.search(r"(?:Value|Type)Error: ((?:x|label): .*)", error.message)
        if not said:
            raise
        raise ValueError(said[1]) from None


class Watched(keras.utils.PyDataset):
    """The batches of another `PyDataset`, each looked at; its workers look too."""

    def __init__(self, inner, wanted):
        names = ("workers", "use_multiprocessing", "max_queue_size")
        super().__init__(**{name: getattr(inner, name) for name in names})
        self.inner, self.wanted = inner, wanted

    @property
    def num_batches(self):
        return self.inner.num_batches

    def __getitem__(self, index):
        return self.wanted.check(*_parts(self.inner[index]))

    def on_epoch_begin(self):
        self.inner.on_epoch_begin()

    def on_epoch_end(self):
        self.inner.on_epoch_end()


def _watched(dataset, wanted):
    """The same dataset, whose batches are looked at in its own threads: two reductions, and Python for a bad one."""
    low, high = checks.limits(wanted.minimum, wanted.maximum)

    def refuse(*batch):
        return wanted.check(*batch)[0].astype(batch[0].dtype)

    def good(x, *label):
        number = tf.cast(x, tf.float32)  # NaN is in no range
        fine = tf.reduce_all((number >= low) & (number <= high) & tf.math.is_finite(number))
        if wanted.num_classes:
            number = tf.cast(checks.label_of(label[0]), tf.float32)
            fine &= tf.reduce_all((number >= 0) & (number < wanted.num_classes) & (number == tf.round(number)))
        return fine

    def look(x, *label):
        of_rank = tf.equal(tf.rank(x), len(wanted.shape) + 1)
        of_shape = tf.cond(of_rank, lambda: tf.reduce_all(tf.shape(x)[1:] == wanted.shape), lambda: False)
        fine = tf.cond(of_shape, lambda: good(x, *label), lambda: False)
        seen = [x, *map(checks.label_of, label)] if wanted.num_classes else [x]
        checked = tf.cond(fine, lambda: x, lambda: tf.numpy_function(refuse, seen, x.dtype))
        checked = tf.ensure_shape(tf.ensure_shape(checked, x.shape), (None, *wanted.shape))
        return (checked, *label) if isinstance(dataset.element_spec, tuple) else checked

    return dataset.map(look).prefetch(tf.data.AUTOTUNE)


def _batches(source, wanted):
    """A dataset of the batches of an iterable, in its order."""
    once = isinstance(source, Iterator)
    stream = iter(source)
    first = next(stream, None)
    if first is None:
        raise ValueError("x: expected at least one batch, got none")
    first = wanted.check(*_parts(first))
    if once:
        rest = (wanted.check(*_parts(batch)) for batch in stream)
        left = itertools.chain([first], rest)
        batches = lambda: left
    else:
        batches = lambda: (wanted.check(*_parts(batch)) for batch in source)
    shapes = [(None, *wanted.shape), *((None, *part.shape[1:]) for part in first[1:])]
    signature = tuple(map(tf.TensorSpec, shapes, [part.dtype for part in first]))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    if not once and hasattr(source, "__len__"):
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(source)))
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    if once:
        dataset.kerasgen_first = first
    return dataset


def _parts(batch):
    """The parts of a batch, which generators give as a tuple, torch as a list."""
    return tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
