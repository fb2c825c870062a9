"""Data from arrays in memory, or in a file of NumPy."""

import re
import zipfile

import numpy as np

from kerasgen.data.checks import check_examples, check_labels, pair, plain_labels
from kerasgen.data.description import Data

LABELS = ("label", "labels", "y")  # what the labels are called in a .npz file


def from_file(path, labels, image_shape, seed, name):
    """Describe a .npy file, or a .npz file of one array, or of x and its labels."""
    try:
        held = np.load(path, allow_pickle=False)
        arrays = dict(held) if isinstance(held, np.lib.npyio.NpzFile) else {"x": held}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"source: {name} cannot be read as arrays ({error})") from None
    said = [key for key in LABELS if key in arrays]
    given = [key for key in arrays if key not in LABELS]
    if len(given) != 1 or len(said) > 1:
        expected = f"one array, or x and one of {', '.join(LABELS)}"
        raise ValueError(f"source: expected {expected} in {name}, got {', '.join(arrays)}")
    x = arrays[given[0]], arrays[said[0]] if said else None
    return from_arrays(x, labels, image_shape, seed, name, "a file of arrays")


def from_arrays(source, labels, image_shape, seed, name="array", origin="an array in memory"):
    """Describe x or (x, label), split 80/10/10 by seed: rank 2 are vectors without bounds, the rest pictures.

    Rank 3 are pictures of one channel. uint8 pictures have 256 levels, floats are in [0, 1].
    """
    x, label = pair(source)
    if label is None and not isinstance(labels, bool):
        label = labels
    try:
        x = np.asarray(x)
    except ValueError:  # NumPy's message is about its own internals
        raise ValueError(f"source: expected an array or (x, label), got a ragged {type(x).__name__}") from None
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim not in (2, 4):
        shapes = "(N, dim), (N, height, width) or (N, height, width, channels)"
        raise ValueError(f"source: expected examples of shape {shapes}, got an array of shape {x.shape}")
    pictures = x.ndim == 4
    if pictures and x.shape[1] in (1, 3) and x.shape[3] > 4 and tuple(image_shape or ()) != x.shape[1:]:
        hint = f"the channel axis is last; image_shape={x.shape[1:]} takes it as it is"
        raise ValueError(f"source: expected pictures (N, height, width, channels), got {x.shape}; {hint}")
    levels = 256 if pictures and x.dtype == np.uint8 else None
    bounds = (0.0, 1.0) if pictures else (None, None)
    if levels is None:
        x = check_examples(x, x.shape[1:], *bounds, name="source")
    label, class_names = classes(label, len(x))
    return Data(
        name=name,
        splits={name: (x[i], None if label is None else label[i]) for name, i in split(len(x), seed).items()},
        shape=x.shape[1:],
        minimum=bounds[0],
        maximum=bounds[1],
        levels=levels,
        class_names=class_names,
        licence="yours",
        origin=origin,
        seed=seed,
    )


def classes(label, count):
    """Class numbers and names from whole numbers or words, words in natural order; (None, ()) without labels."""
    if label is None:
        return None, ()
    label = plain_labels(label, "class numbers or words", name="labels")
    if label.dtype.kind in "US" and label.ndim == 1:
        class_names = sorted(set(label.tolist()), key=natural)
        number = {name: i for i, name in enumerate(class_names)}
        label = np.array([number[name] for name in label.tolist()], "int32")
    elif label.dtype.kind in "iu" and label.ndim < 2:
        class_names = range(int(label.max(initial=0)) + 1)
    elif label.ndim == 2:  # one-hot: the check has a line for it
        class_names = range(label.shape[1])
    else:
        raise TypeError(f"labels: expected class numbers or words, got dtype {label.dtype}")
    label = check_labels(label, len(class_names), count, name="labels")
    return label, tuple(str(name) for name in class_names)


def natural(name):
    """The key by which numbers within names count as numbers.

    Example:
        >>> sorted(["img10", "img2"], key=natural)
        ['img2', 'img10']
    """
    parts = re.split("([0-9]+)", str(name))
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], str(name)


def split(count, seed):
    """Indices of each split: a tenth each for validation and test, in an order drawn from the seed."""
    tenth = count // 10
    parts = np.split(np.random.RandomState(seed).permutation(count), [count - 2 * tenth, count - tenth])
    return dict(zip(("train", "validation", "test"), parts, strict=True))
