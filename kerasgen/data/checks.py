"""Checks of what users pass in: one line naming the argument, what was expected and what arrived.

Pure functions, used by `fit`, by the functions of a model and by `kerasgen.data.load`. Values and shapes
raise ValueError, types raise TypeError. What is harmless is converted: float64, float16 and integers in range
become float32.
"""

import numbers
import warnings
from collections.abc import Mapping

import numpy as np

ROUNDING = 1e-6  # how far float32 arithmetic may carry a value over a bound


def check_examples(x, shape, minimum=None, maximum=None, name="x", *, slack=0.0, kind="picture"):
    """Check a batch of examples and return it as float32.

    Args:
        x: array-like, (N, *shape).
        shape: of one example; None stands for any size.
        minimum, maximum: bounds, None where there are none.
        name: of the argument, for the message.
        slack: how far x may exceed the maximum. Dequantised levels reach levels / (levels - 1): slack 1 /
            (levels - 1).
        kind: what an example is, "picture", "vector", "text" or "sound", for the hint.

    Returns:
        float32 array (N, *shape).

    Raises:
        TypeError: numbers of the wrong kind.
        ValueError: wrong shape, no examples, values that are not finite or out of range.

    Example:
        >>> check_examples(np.zeros((5, 1, 8, 8)), (8, 8, 1))
        Traceback (most recent call last):
        ValueError: x: expected shape (N, 8, 8, 1), got (5, 1, 8, 8); the channel axis is last
    """
    x = _array(x, name, f"numbers of shape {_text(shape)}")
    if x.dtype.kind not in "fiu":
        hint = "; use x.astype('float32')" if x.dtype.kind == "b" else ""
        raise TypeError(f"{name}: expected real numbers of shape {_text(shape)}, got dtype {x.dtype}{hint}")
    _check_shape(x.shape, shape, name)
    if not len(x):
        raise ValueError(f"{name}: expected at least one example, got shape {x.shape}")
    if x.dtype == np.uint8 and kind != "text" and maximum is not None and x.max() > maximum:
        formula = "x / 255" if minimum == 0 else "x / 127.5 - 1"
        bounds = f"[{_bound(minimum)}, {_bound(maximum)}]"
        raise TypeError(f"{name}: expected floats in {bounds}, got uint8 up to {x.max()}; use {formula}")
    bad = ~np.isfinite(x)
    if bad.any():
        count = f"{bad.sum()} of {x.size} are not finite"
        raise ValueError(f"{name}: expected finite values, got {x[bad][0]} at {_first(bad)} ({count})")
    low, high = limits(minimum, maximum, slack)
    bad = (x < low) | (x > high)
    if bad.any():
        what = "bytes" if kind == "text" else "values"
        bounds = f"[{_bound(minimum)}, {_bound(maximum, slack)}]"
        got = f"{x.min():g} to {x.max():g} (first at {_first(bad)})"
        hint = _range_hint(x, minimum, maximum, kind)
        raise ValueError(f"{name}: expected {what} in {bounds}, got {got}{hint}")
    if len(x) > 1 and (x == x[:1]).all():
        warnings.warn(f"{name}: all {len(x)} examples are equal", stacklevel=2)
    return x.astype("float32", copy=False)


def limits(minimum, maximum, slack=0.0):
    """The smallest and the largest value that pass, infinite where there is no bound."""
    low = -np.inf if minimum is None else minimum - ROUNDING
    return low, np.inf if maximum is None else maximum + slack + ROUNDING


def pair(x, label=None):
    """(x, label) of a tuple of both, or a list of both, whose shapes differ; else what is given.

    Example:
        >>> pair([np.zeros((2, 8, 8, 1)), [0, 1]])[1]
        [0, 1]
        >>> pair([[0.0, 1.0], [2.0, 3.0]])
        ([[0.0, 1.0], [2.0, 3.0]], None)
    """
    if label is None and isinstance(x, (tuple, list)) and len(x) == 2:
        if isinstance(x, tuple) or (hasattr(x[0], "shape") and np.shape(x[0]) != np.shape(x[1])):
            return tuple(x)
    return x, label


def plain_labels(label, expected, name="label"):
    """Labels as words or numbers, those of a column, of objects, of truth values and whole floats among them.

    Example:
        >>> plain_labels([[0.0], [2.0]], "class numbers").tolist()
        [0, 2]
    """
    label = _array(label, name, expected)
    if label.dtype.kind == "O":  # as pandas stores words
        words = np.array([isinstance(one, str) for one in label.flat], bool).reshape(label.shape)
        if words.any() and not words.all():
            other = label[~words][0]
            raise ValueError(f"{name}: expected {expected}, got words and {other!r} at {_first(~words)}")
        label = _array(label.tolist(), name, expected)
    if label.ndim == 2 and label.shape[1] == 1:  # a column, as CIFAR has
        label = label[:, 0]
    whole = label.dtype.kind == "f" and np.isfinite(label).all() and (label == np.round(label)).all()
    return label.astype("int64") if label.dtype.kind == "b" or whole else label


def check_labels(label, num_classes, count=None, name="label"):
    """Check class numbers and return them as int32; one number alone stands for the whole batch.

    Args:
        label: array-like (N,) or (N, 1) of whole numbers in [0, num_classes).
        num_classes: of the model.
        count: examples that the labels belong to, None when unknown.
        name: of the argument, for the message.

    Returns:
        int32 array (N,).

    Raises:
        TypeError: not whole numbers.
        ValueError: missing, not wanted, one-hot, of another length or out of range.

    Example:
        >>> check_labels([3, 10], 10)
        Traceback (most recent call last):
        ValueError: label: expected class numbers in [0, 10), got 10 at index 1
    """
    if not num_classes:
        raise ValueError(f"{name}: expected none (there are no classes), got {type(label).__name__}")
    expected = f"class numbers in [0, {num_classes})"
    if label is None:
        raise ValueError(f"{name}: expected {expected}, got None")
    label = plain_labels(label, expected, name)
    if label.ndim == 2 and label.shape[1] == num_classes > 1:
        raise ValueError(f"{name}: expected {expected}, got one-hot {label.shape}; use label.argmax(-1)")
    if label.dtype.kind not in "iu":
        hint = "; kerasgen.data.load((x, label)) numbers words" if label.dtype.kind in "US" else ""
        raise TypeError(f"{name}: expected {expected}, got dtype {label.dtype}{hint}")
    if label.ndim == 0 and count is not None:
        label = np.full(count, label)
    if label.ndim != 1:
        raise ValueError(f"{name}: expected shape (N,), got {label.shape}")
    if count is not None and len(label) != count:
        raise ValueError(f"{name}: expected one for each of {count} examples, got {len(label)}")
    bad = (label < 0) | (label >= num_classes)
    if bad.any():
        raise ValueError(f"{name}: expected {expected}, got {label[bad][0]} at index {bad.argmax()}")
    return label.astype("int32", copy=False)


def check_dataset(dataset, shape, minimum=None, maximum=None, num_classes=0, name="x", *, kind="picture"):
    """Check a `tf.data.Dataset` of batches x or (x, label): its element spec, then its first batch.

    Reading the first batch starts an iterator, so a shuffled dataset moves on by one epoch's order.

    Args:
        dataset: batched.
        shape, minimum, maximum, name, kind: as in `check_examples`.
        num_classes: labels are required and checked where it is not 0, ignored otherwise.

    Raises:
        TypeError, ValueError: as `check_examples` and `check_labels`; not batches, not (x, label), empty.

    Example:
        >>> import tensorflow as tf
        >>> check_dataset(tf.data.Dataset.from_tensor_slices(np.zeros((4, 8, 8, 1), "float32")), (8, 8, 1))
        Traceback (most recent call last):
        ValueError: x: expected shape (N, 8, 8, 1), got (8, 8, 1); batch it: dataset.batch(64)
    """
    spec = dataset.element_spec
    parts = spec if isinstance(spec, tuple) else (spec,)
    if isinstance(spec, dict) or len(parts) > 2:
        got = f"keys {sorted(spec)}" if isinstance(spec, dict) else f"{len(parts)} parts"
        raise ValueError(f"{name}: expected batches of x or (x, label), got {got}; use dataset.map to choose")
    if getattr(parts[0], "shape", None) and parts[0].shape.rank is not None:
        _check_shape(tuple(parts[0].shape), shape, name, unbatched="batch it: dataset.batch(64)")
    if num_classes and len(parts) < 2:
        raise ValueError(f"label: expected batches of (x, label) for {num_classes} classes, got x alone")
    first = next(iter(dataset), None)
    if first is None:
        raise ValueError(f"{name}: expected at least one batch, got an empty dataset")
    first = first if isinstance(first, tuple) else (first,)
    x = check_examples(first[0], shape, minimum, maximum, name, kind=kind)
    if num_classes:
        check_labels(label_of(first[1]), num_classes, len(x))


def label_of(given):
    """The labels of what is given: a mapping by port name, or the labels themselves."""
    return given.get("label") if isinstance(given, Mapping) else given


class Mismatch(ValueError):
    """A fact that data and model both state, and differently.

    Attributes:
        argument: of the model, that states it.
        value: what the argument should be.
        said: the line, without what to do.
    """

    def __init__(self, argument, value, whose, got):
        self.argument, self.value = argument, value
        self.said = f"{argument}: expected {value}, that of {whose}, got {got}"
        super().__init__(f"{self.said}; build the model with {argument}={value!r}")


def check_match(data, model):
    """Compare what kerasgen's data and a model both state: kind, shape, labels or descriptions, levels, sample rate.

    Args:
        data: `kerasgen.data.Data`.
        model: a `GenerativeModel`.

    Raises:
        Mismatch: a fact that an argument of the model states.
        ValueError: examples or descriptions of another kind.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.build("gaussian", image_shape=(8, 8, 1), levels=256)
        >>> check_match(kerasgen.data.load("digits"), model)
        Traceback (most recent call last):
        kerasgen.data.checks.Mismatch: levels: expected 17, that of digits, got 256; build the model with levels=17
    """
    if model.kind not in (data.kind, "vector"):  # whose values may be anything
        raise ValueError(f"data: expected {model.kind}s, got {data.kind}s from {data.name}")
    shape, classes = tuple(data.shape), data.num_classes
    if len(shape) != len(model.image_shape) or not _agree(model.image_shape, shape):
        raise Mismatch("image_shape", shape, data.name, tuple(model.image_shape))
    for name in model.given:
        if name == "label" and (classes or not data.given) and classes != model.num_classes:
            raise Mismatch("num_classes", classes, data.name, model.num_classes)
        if name not in data.given:
            got = ", ".join(data.given) or "nothing"
            raise ValueError(f"data: expected a {name} with each example, got {got} from {data.name}")
        if name in ("text", "layout"):
            argument = {"text": "text_length", "layout": "objects"}[name]
            size, own = data.splits["train"][1][name].shape[1], getattr(model, argument)
            if size != own:
                raise Mismatch(argument, size, data.name, own)
        if name == "picture" and data.picture_shape[:2] != model.picture_shape[:2]:
            expected = f"pictures of {model.picture_shape[:2]} with each example"
            raise ValueError(f"data: expected {expected}, got {data.picture_shape[:2]} from {data.name}")
        if name == "picture" and data.picture_shape != model.picture_shape:
            raise Mismatch("picture_channels", data.picture_shape[2], data.name, model.picture_shape[2])
    if data.levels and model.levels and data.levels != model.levels:
        raise Mismatch("levels", data.levels, data.name, model.levels)
    if data.sample_rate and model.sample_rate and data.sample_rate != model.sample_rate:
        raise Mismatch("sample_rate", data.sample_rate, data.name, model.sample_rate)


def check_batch_size(batch_size, count=None):
    """Check that a batch size is a positive integer and, where `count` is given, that the data fill one
    batch.

    Example:
        >>> check_batch_size(64, 5)
        Traceback (most recent call last):
        ValueError: batch_size: expected at most 5 (the number of examples), got 64
    """
    if not isinstance(batch_size, numbers.Integral) or isinstance(batch_size, bool):
        raise TypeError(f"batch_size: expected an integer, got {batch_size!r}")
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    if count is not None and batch_size > count:
        raise ValueError(f"batch_size: expected at most {count} (the number of examples), got {batch_size}")


def _array(x, name, expected):
    if x is None:
        raise ValueError(f"{name}: expected {expected}, got None")
    try:
        return np.asarray(x)
    except (TypeError, ValueError):  # NumPy's message is about its own internals
        got = type(x).__name__
        raise ValueError(f"{name}: expected {expected}, got a ragged or foreign {got}") from None


def _check_shape(got, shape, name, unbatched="add a batch axis: x[None]"):
    shape = tuple(shape)
    if len(got) != len(shape) + 1 or not _agree(got[1:], shape):
        hint = _shape_hint(got, shape, unbatched)
        raise ValueError(f"{name}: expected shape {_text(shape)}, got {_text(got, batch=False)}{hint}")


def _agree(got, shape):
    """Sizes are equal where both are known."""
    return all(g is None or s is None or g == s for g, s in zip(got, shape, strict=True))


def _shape_hint(got, shape, unbatched):
    """What most likely happened, or nothing."""
    example = got[1:]
    same_rank = len(example) == len(shape)
    if len(got) == len(shape) and _agree(got, shape):
        return f"; {unbatched}"
    if len(shape) == 3 and same_rank and _agree(example, (shape[2], shape[0], shape[1])):
        return "; the channel axis is last"
    if len(shape) == 3 and same_rank and _agree(example, (shape[1], shape[0], shape[2])):
        return "; height comes before width"
    if len(shape) == 3 and shape[2] == 1 and len(example) == 2 and _agree(example, shape[:2]):
        return "; add a channel axis: x[..., None]"
    if None not in shape + example and example and np.prod(example) == np.prod(shape):
        return f"; reshape it: x.reshape{(-1, *shape)}"
    if len(shape) == 3 and same_rank and _agree(example[:2], shape[:2]):
        return f"; {shape[2]} channel{'s' * (shape[2] != 1)} wanted"
    return ""


def _range_hint(x, minimum, maximum, kind):
    """How values of a usual other range become the expected one."""
    if kind == "text":
        return "; symbols=256 takes every byte" if x.min() >= 0 and x.max() <= 255 else ""
    if (minimum, maximum) == (0, 1):
        if -1 <= x.min() < 0 and x.max() <= 1:
            return "; from [-1, 1] use (x + 1) / 2"
        if x.min() >= 0 and 16 < x.max() <= 255:
            return "; from 0..255 use x / 255"
        if x.min() >= 0 and x.max() <= 16 and (x == np.round(x)).all():
            return "; from grey levels use x / (levels - 1)"
    if (minimum, maximum) == (-1, 1) and x.min() >= 0 and x.max() <= 255:
        return "; from 0..255 use x / 127.5 - 1"
    if kind == "sound" and 255 < np.abs(x).max() <= 32768:
        return "; from 16 bits use x / 32768"
    return ""


def _bound(value, slack=0.0):
    return "-" if value is None else f"{value + slack:g}"


def _first(bad):
    return tuple(int(i) for i in np.unravel_index(bad.argmax(), bad.shape))


def _text(shape, batch=True):
    sizes = ["N"] * batch + ["any" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"
