"""Data: embedded sets, image folders, arrays, keras.datasets and TFDS, all described and batched alike.

`load(source)` gives a `Data`; `names()` lists what needs no download. Importing this package is light:
TensorFlow, Keras, scikit-learn and Pillow are imported by the functions that need them.
"""

import difflib
import os

from kerasgen.data import described, embedded, photographs, remote, sequences
from kerasgen.data.checks import check_batch_size
from kerasgen.data.description import Data

__all__ = ["Data", "load", "names", "of"]


FIXED = embedded.MAKERS | described.MAKERS
CUT = photographs.MAKERS | sequences.MAKERS  # those that `image_shape` can cut or resize


def names():
    """List the embedded data, which need no download."""
    return [*FIXED, *CUT]


def load(
    source,
    *,
    batch_size=64,
    seed=0,
    image_shape=None,
    labels=None,
    on_error="raise",
    max_pixels=50_000_000,
):
    """Load data by name, folder, file or array, as one description with three splits in batches.

    The source is one of: an embedded name (`names()`); a folder of pictures, whose sub-folders, if it has
    two or more and no picture beside them, are the classes; a folder of texts (.txt) or sounds (.wav); one
    such file; a NumPy array x or a pair (x, label); "keras:mnist", "keras:fashion_mnist", "keras:cifar10",
    "keras:cifar100"; "tfds:<name>" (needs tensorflow-datasets).

    Pictures are float32 NHWC in [0, 1]; everything else is float32 as given. Published splits are kept (the
    last tenth of a published training set is validation); folders and arrays are split 80/10/10 by `seed`.

    Args:
        source: what to load.
        batch_size: examples per batch.
        seed: of the order of training batches and, for folders and arrays, of the split.
        image_shape: (height, width, channels) to crop and resize folder and TFDS pictures and embedded single
            ones to, or (length,) of the pieces that texts and sounds are cut into; for other sources, a check.
            May be left out where all pictures are of one size.
        labels: None keeps labels where there are any, True insists on them, False drops them; for an array
            source, the label array.
        on_error: "raise" stops at unreadable pictures of a folder, "skip" leaves them out with one warning.
        max_pixels: a folder picture whose header claims more is refused before it is decoded.

    Returns:
        A `Data`.

    Raises:
        ValueError: unknown name (the nearest is suggested), unreadable pictures, sizes that differ without
            `image_shape`.
        ImportError: "tfds:" without tensorflow-datasets.
        OSError: a download failed.

    Example:
        >>> import kerasgen.data
        >>> kerasgen.data.load("digits")
        Data(digits: 1257/180/360 examples of (8, 8, 1) in [0, 1], 17 levels, 10 classes, batches of 64)
    """
    check_batch_size(batch_size)
    if not isinstance(source, (str, os.PathLike)):
        from kerasgen.data.arrays import from_arrays

        data = from_arrays(source, labels, image_shape, seed)
    else:
        if labels is not None and not isinstance(labels, bool):
            got = type(labels).__name__
            raise ValueError(f"labels: expected None, True or False for a named source, got {got}")
        data = _load_named(os.fspath(source), seed, image_shape, on_error, max_pixels)
    if image_shape is not None and tuple(image_shape) != data.shape:
        raise ValueError(f"image_shape: expected {data.shape} for {data.name}, got {tuple(image_shape)}")
    if labels is False:
        data = data.without_labels()
    elif labels is not None and not data.class_names:
        raise ValueError(f"labels: expected labelled data, got {data.name}, which has no labels")
    return data.with_batch(batch_size)


def of(about):
    """The data that a preset or a bundle names, in its size; None where it names none.

    Args:
        about: the contents of `preset.json` or `bundle.json`.
    """
    data = about.get("data")
    if not data:
        return None
    check_here(data["name"], yours=data.get("licence") == "yours")
    known = (data, about, about.get("arguments") or {})
    shape = next((part["image_shape"] for part in known if part.get("image_shape")), None)
    options = {key: data[key] for key in ("labels", "on_error", "max_pixels") if data.get(key) is not None}
    seed = (about.get("recipe") or {}).get("seed") or 0  # of the splits
    return load(data["name"], image_shape=shape and tuple(shape), seed=seed, **options)


def check_here(name, yours=False):
    """Refuse the path of data that are not there, as a path.

    Args:
        name: of data, or the path of files.
        yours: a name that is not a path is that of files, too.

    Raises:
        ValueError: see above.
    """
    if (yours or os.path.isabs(name)) and not os.path.exists(name):
        raise ValueError(f"data: {name!r} is not here")


def _load_named(source, seed, image_shape, on_error, max_pixels):
    """Load by name or path."""
    collection, _, name = source.partition(":")
    plain = source.lower().replace("-", "_")
    if plain in FIXED:
        return FIXED[plain](seed)
    if plain in CUT:
        return CUT[plain](seed, image_shape)
    if collection == "keras" and name in remote.KERAS:
        return remote.from_keras(name, seed)
    if collection == "tfds":
        return remote.from_tfds(name, seed, image_shape)
    if os.path.exists(source):
        from kerasgen.data.folder import SUFFIXES, from_folder, walk

        root = os.path.abspath(source)
        paths = [root] if os.path.isfile(root) else list(walk(root))
        ends = {os.path.splitext(path)[1].lower() for path in paths}
        if ends & {".txt", ".wav"} and not ends & set(SUFFIXES):
            paths = [path for path in paths if path.lower().endswith((".txt", ".wav"))]
            return sequences.from_files(root, paths, seed, image_shape)
        return from_folder(source, seed, image_shape, on_error, max_pixels)
    if os.sep in source or os.path.splitext(source)[1]:
        raise ValueError(f"source: expected a folder or picture, got {source!r}, which does not exist")
    known = [*names(), *(f"keras:{name}" for name in remote.KERAS)]
    nearest = difflib.get_close_matches(source.lower(), known, n=1, cutoff=0.0)[0]
    raise ValueError(f"source: unknown data {source!r}; did you mean {nearest!r}? known: {', '.join(known)}")
