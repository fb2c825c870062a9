"""Data from arrays in memory."""

import numpy as np

from kerasgen.data.checks import check_examples, check_labels
from kerasgen.data.description import Data


def from_arrays(source, labels, image_shape, seed):
    """Describe x or (x, label), split 80/10/10 by seed: rank 4 are pictures in [0, 1], anything else is
    unbounded.

    uint8 pictures have 256 levels; (N, height, width) becomes a picture where `image_shape` has one channel.
    """
    x, label = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    if label is None and not isinstance(labels, bool):
        label = labels
    x = np.asarray(x)
    if image_shape is not None and x.shape[1:] + (1,) == tuple(image_shape):
        x = x[..., None]
    if x.ndim < 2:
        raise ValueError(f"source: expected examples of shape (N, ...), got an array of shape {x.shape}")
    pictures = x.ndim == 4
    levels = 256 if pictures and x.dtype == np.uint8 else None
    bounds = (0.0, 1.0) if pictures else (None, None)
    if levels is None:
        x = check_examples(x, x.shape[1:], *bounds, name="source")
    label, class_names = classes(label, len(x))
    return Data(
        name="array",
        splits={name: (x[i], None if label is None else label[i]) for name, i in split(len(x), seed).items()},
        shape=x.shape[1:],
        minimum=bounds[0],
        maximum=bounds[1],
        levels=levels,
        class_names=class_names,
        licence="yours",
        origin="an array in memory",
        seed=seed,
    )


def classes(label, count):
    """Class numbers and names from integers or strings; (None, ()) without labels."""
    if label is None:
        return None, ()
    label = np.asarray(label)
    if label.dtype.kind in "US" and label.ndim == 1:
        class_names, label = np.unique(label, return_inverse=True)
    else:
        numeric = label.dtype.kind in "iuf" and label.ndim < 2
        class_names = range(int(label.max(initial=0)) + 1 if numeric else label.shape[-1])
    label = check_labels(label, len(class_names), count, name="labels")
    return label, tuple(str(name) for name in class_names)


def split(count, seed):
    """Indices of each split: a tenth each for validation and test, in an order drawn from the seed."""
    tenth = count // 10
    parts = np.split(np.random.RandomState(seed).permutation(count), [count - 2 * tenth, count - tenth])
    return dict(zip(("train", "validation", "test"), parts, strict=True))
