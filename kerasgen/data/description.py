"""What a set of data is, and how its batches are made."""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from kerasgen.runtime import to_text

SHOWN = 36  # descriptions that a bundle shows
NAMED = 12  # classes that the line of some data names


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Data with a description: examples of one shape in three splits, batched for `fit`.

    The splits hold examples as stored, uint8 grey levels (x = level / (levels - 1) when read) or float32,
    either in an array or in an object that decodes `x[indices]` on demand. Batches are gathered by index, so
    shuffling moves integers, not pictures. Texts are uint8, the bytes of their UTF-8.

    Args:
        name: of the data.
        splits: {"train" | "validation" | "test": (x, given)}; given is None for nothing, labels (N,), or a mapping of
            port names to arrays: "label", "text", bytes (N, length), "layout", rows (class, left, top, width, height)
            of an example's objects (N, objects, 5), "picture", stored as x is (N, height, width, channels). It is kept
            as a mapping.
        shape: of one example, channels last.
        minimum, maximum: bounds of x, None where there are none.
        levels: number of grey levels, None for continuous data.
        class_names: one per class, empty without labels.
        text: examples are texts.
        objects: names of the classes in layouts.
        sample_rate: of sounds, values per second.
        entropy: of the distribution in nats, where it is known: no model's expected test loss can be below
            it.
        licence, origin: of the data, in words.
        batch_size: examples per batch.
        seed: of the order of training batches.

    Example:
        >>> import kerasgen.data
        >>> data = kerasgen.data.load("digits", batch_size=32)
        >>> x, label = next(iter(data.train))
        >>> x.shape, label.shape
        (TensorShape([32, 8, 8, 1]), TensorShape([32]))
    """

    name: str
    splits: dict
    shape: tuple
    minimum: float | None = None
    maximum: float | None = None
    levels: int | None = None
    class_names: tuple = ()
    text: bool = False
    objects: tuple = ()
    sample_rate: int | None = None
    entropy: float | None = None
    licence: str = "unknown"
    origin: str = "unknown"
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self):
        splits = {split: (x, named(given)) for split, (x, given) in self.splits.items()}
        object.__setattr__(self, "splits", splits)

    @property
    def given(self):
        """Names of what comes with each example: ("label",), ("text",), ... and () for nothing."""
        return tuple(next(iter(self.splits.values()))[1])

    @property
    def num_classes(self):
        """The number of classes, 0 without labels."""
        return len(self.class_names)

    @property
    def picture_shape(self):
        """(height, width, channels) of the picture that is given with each example, () where none is."""
        picture = next(iter(self.splits.values()))[1].get("picture")
        return () if picture is None else tuple(picture.shape[-3:])

    @property
    def kind(self):
        """What an example is, "picture", "vector", "text" or "sound", as models have it."""
        if self.text or self.sample_rate:
            return "text" if self.text else "sound"
        return "picture" if len(self.shape) == 3 else "vector"

    @property
    def descriptions(self):
        """Some descriptions, each another one, as a sampler takes them; empty without."""
        port = next((name for name in ("text", "layout") if name in self.given), None)
        if port is None:
            return []
        given = self.splits["test"][1][port][:256]
        first = np.unique(given.reshape(len(given), -1), axis=0, return_index=True)[1]
        chosen = given[np.sort(first)[:SHOWN]]
        return to_text(chosen) if port == "text" else np.round(chosen.astype("float64"), 4).tolist()

    @property
    def about(self):
        """What there is to say of the data, as plain values: what a run and a bundle keep of them."""
        words = {key: getattr(self, key) for key in ("name", "licence", "origin", "entropy", "descriptions")}
        facts = {"shape": list(self.shape), "levels": self.levels, "sample_rate": self.sample_rate}
        return {**words, "class_names": list(self.class_names), **facts}

    @property
    def image_shape(self):
        """(height, width, channels) of a picture, (length,) of a text or sound."""
        if self.kind == "vector":
            raise ValueError(f"{self.name}: expected pictures, got vectors of shape {self.shape}; use data.shape")
        return self.shape

    @property
    def train(self):
        """Batches in another order each epoch, without a smaller last one unless it is the only one.

        `model.fit` takes the order of `stream` in the place of this one, from the step at which it begins.
        """
        import tensorflow as tf

        count = self.count("train")
        order = tf.data.Dataset.range(count).shuffle(max(count, 1), seed=self.seed)
        batches = self._fetch("train", order.batch(self._train_batch, drop_remainder=True))
        batches.kerasgen_data = self
        return batches

    @property
    def validation(self):
        """All batches of the validation split, in order."""
        return self._in_order("validation")

    @property
    def test(self):
        """All batches of the test split, in order."""
        return self._in_order("test")

    @property
    def steps(self):
        """Training batches in an epoch."""
        return self.count("train") // self._train_batch

    def stream(self, start=0):
        """Endless training batches from a step on, in an order that is a pure function of (seed, step).

        So `fit(data.stream(k * data.steps), steps_per_epoch=data.steps, initial_epoch=k)` resumes a run with
        the batches that it would have seen. Each epoch is a permutation computed index by index: there is no
        state and no buffer.
        """
        from kerasgen.data.endless import indices

        return self._fetch("train", indices(self.count("train"), self._train_batch, self.seed, start))

    def arrays(self, split, count=None):
        """One split as NumPy arrays: (x, label), with None for unlabelled data, and a mapping where much is given.

        With a `count`, its first examples alone, and no file of the others is read.
        """
        x, given = self._split(split)
        chosen = np.arange(len(x))[:count]
        scaled = lambda name, rows: self._scale(rows[chosen]) if name == "picture" else rows[:count]
        return self._scale(x[chosen]), plain({name: scaled(name, rows) for name, rows in given.items()})

    def count(self, split):
        """The number of examples in a split."""
        return len(self._split(split)[0])

    def with_batch(self, batch_size):
        """The same data in batches of another size."""
        return dataclasses.replace(self, batch_size=batch_size)

    def without_labels(self):
        """The same data without labels."""
        without = lambda given: {name: rows for name, rows in given.items() if name != "label"}
        splits = {split: (x, without(given)) for split, (x, given) in self.splits.items()}
        return dataclasses.replace(self, splits=splits, class_names=())

    @functools.cached_property
    def statistics(self):
        """Counts of the splits and, for data in memory, moments and range of the train values."""
        counts = {split: self.count(split) for split in self.splits}
        if not isinstance(self.splits["train"][0], np.ndarray):
            return counts
        x = self.arrays("train")[0].astype("float64")
        return counts | {"mean": x.mean(), "std": x.std(), "min": x.min(), "max": x.max()}

    def __repr__(self):
        parts = [f"{'/'.join(str(self.count(s)) for s in self.splits)} examples of {self.shape}"]
        parts[0] += "" if self.minimum is None else f" in [{self.minimum:g}, {self.maximum:g}]"
        parts += [f"{self.levels} levels"] if self.levels else []
        parts += [f"{self.num_classes} classes{self._mapping}"] if self.class_names else []
        parts += [] if self.entropy is None else [f"entropy {self.entropy:.4f} nats"]
        return f"Data({self.name}: {', '.join(parts)}, batches of {self.batch_size})"

    @property
    def _mapping(self):
        """Which number is which class, where names are not the numbers: " (0 cat, 1 dog)"."""
        pairs = [f"{i} {name}" for i, name in enumerate(self.class_names)]
        if all(str(i) == name for i, name in enumerate(self.class_names)):
            return ""
        shown = pairs if len(pairs) <= NAMED else [*pairs[: NAMED - 1], "...", pairs[-1]]
        return f" ({', '.join(shown)})"

    @property
    def _train_batch(self):
        """The size of training batches: all examples where there are fewer than `batch_size`."""
        return max(1, min(self.batch_size, self.count("train")))

    def _split(self, split):
        if split not in self.splits:
            raise ValueError(f"split: expected one of {', '.join(self.splits)}, got {split!r}")
        return self.splits[split]

    def _scale(self, x):
        """Stored examples as float32, by the same division as in batches."""
        if self.text:
            return x.astype("int32")
        return x.astype("float32") / np.float32(self.levels - 1) if self.levels else x

    def _in_order(self, split):
        import tensorflow as tf

        return self._fetch(split, tf.data.Dataset.range(self.count(split)).batch(self.batch_size))

    def _fetch(self, split, indices):
        """Turn batches of indices into batches of x or (x, label), or (x, mapping) where much is given."""
        import tensorflow as tf

        x, given = self._split(split)
        with tf.device("CPU"):  # tf.data runs there: a copy on an accelerator would be fetched at each step
            x, *rows = map(_reader, (x, *given.values()))

        def scaled(batch):
            return tf.cast(batch, tf.float32) / (self.levels - 1) if self.levels else batch

        def gather(i):
            batch = scaled(tf.ensure_shape(x(i), (i.shape[0], *self.shape)))
            said = {name: read(i) for name, read in zip(given, rows, strict=True)}
            if "picture" in said:
                said["picture"] = scaled(tf.ensure_shape(said["picture"], (i.shape[0], *self.picture_shape)))
            said = plain(said)
            return batch if said is None else (batch, said)

        options = tf.data.Options()  # by files, the default policy, finds no files here and warns
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        calls = None if isinstance(self._split(split)[0], np.ndarray) else tf.data.AUTOTUNE
        return indices.map(gather, num_parallel_calls=calls).prefetch(tf.data.AUTOTUNE).with_options(options)


def _reader(rows):
    """What gathers rows by their indices: of an array, or, while the step at hand is computed, decoded from files."""
    import tensorflow as tf

    if not isinstance(rows, np.ndarray):
        return lambda i: tf.numpy_function(rows.__getitem__, [i], tf.uint8)
    constant = tf.constant(rows)
    return lambda i: tf.gather(constant, i)


def named(given, ports=("label",)):
    """What is given of examples as a mapping of port names: one array alone is that of the first, or only, port.

    Example:
        >>> named([0, 1]), named(None), named({"text": "a"})
        ({'label': [0, 1]}, {}, {'text': 'a'})
    """
    if given is None:
        return {}
    return dict(given) if isinstance(given, Mapping) else {next(iter(ports), "label"): given}


def plain(given):
    """The same as Keras has it: None for nothing, the array where there is one, else the mapping."""
    return next(iter(given.values())) if len(given) == 1 else given or None
