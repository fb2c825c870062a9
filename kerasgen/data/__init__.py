"""Data: embedded and public sets, folders, arrays, what other libraries download, all described and batched alike.

`load(source)` gives a `Data`; `names()` lists what needs no download. Importing this package is light:
TensorFlow, Keras, scikit-learn and Pillow are imported by the functions that need them.
"""

import difflib
import os
import warnings

from kerasgen import files
from kerasgen.data import changes, described, embedded, library, photographs, remote, sequences
from kerasgen.data.checks import check_batch_size
from kerasgen.data.description import Data

__all__ = ["Data", "load", "names", "of"]


FIXED = embedded.MAKERS | described.MAKERS
CUT = photographs.MAKERS | sequences.MAKERS  # those that `image_shape` can cut or resize


def names(public=False):
    """List the embedded data, which need no download, or the public ones, which are fetched once."""
    return list(library.SETS) if public else [*FIXED, *CUT]


def load(
    source,
    *,
    batch_size=64,
    seed=0,
    image_shape=None,
    labels=None,
    on_error="raise",
    max_pixels=50_000_000,
    levels=None,
    flip=False,
):
    """Load data by name, folder, file or array, as one description with three splits in batches.

    The source is one of: an embedded name (`names()`); a public one, fetched once and checked by hash
    (`names(public=True)`: "mnist", "cifar10", "omniglot", "spoken_digits", "penn_treebank" and others; the folder that
    the variable KERASGEN_DATA names is looked in first); a folder of pictures, of sounds (.wav) or of texts (.txt); one
    such file, or one of arrays (.npy, .npz); a NumPy array x or a pair (x, label); "keras:mnist",
    "keras:fashion_mnist", "keras:cifar10", "keras:cifar100"; "tfds:<name>" (needs tensorflow-datasets);
    "hf:<owner>/<name>" (needs datasets);
    "pairs:<folder>", a folder of two that hold pictures of the same names: of the first, as in A and B, a model is to
    make the second. Where a path has an embedded name, "./flower" is the path and "embedded:flower" the name.

    Folders called train, val (valid, validation) and test are published splits. Other sub-folders of pictures and
    sounds, if there are two or more and no file beside them, are the classes, numbered in natural order ("img2" before
    "img10"). Of other files a warning tells how many there are.

    Pictures are float32 NHWC in [0, 1]; everything else is float32 as given. Published splits are kept, and
    those that are missing are a tenth each of the training set; all else is split 80/10/10 by `seed`.

    Args:
        source: what to load.
        batch_size: examples per batch.
        seed: of the order of training batches and, for folders and arrays, of the split.
        image_shape: (height, width, channels) to crop and resize pictures of folders, of public data, of TFDS and
            "hf:" and embedded single ones to, or (length,) of the pieces that texts and sounds are cut into; for
            other sources, a check. Channels may be None: those that pictures have. May be left out where all
            pictures are of one size.
        labels: None keeps labels where there are any, True insists on them, False drops them; for an array
            source, the label array.
        on_error: "raise" stops at unreadable files of a folder, "skip" leaves them out with one warning.
        max_pixels: a folder picture whose header claims more is refused before it is decoded.
        levels: of pictures that have more grey levels: each value becomes the nearest of so many.
        flip: each training picture comes with its mirror image.

    Returns:
        A `Data`.

    Raises:
        ValueError: unknown name (the nearest is suggested) or one that is a path too, unreadable files, sizes that
            differ without `image_shape`.
        ImportError: "tfds:" without tensorflow-datasets, "hf:" without datasets.
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
        _say_what_is_empty(data)
    else:
        if labels is not None and not isinstance(labels, bool):
            got = type(labels).__name__
            raise ValueError(f"labels: expected None, True or False for a named source, got {got}")
        data = _load_named(os.fspath(source), seed, image_shape, labels, on_error, max_pixels)
        _say_what_is_empty(data)
    if image_shape is not None and image_shape[-1] is not None and tuple(image_shape) != data.shape:
        raise ValueError(f"image_shape: expected {data.shape} for {data.name}, got {tuple(image_shape)}")
    if labels is False:
        data = data.without_labels()
    elif labels is not None and not data.class_names:
        raise ValueError(f"labels: expected labelled data, got {data.name}, which has no labels")
    if levels is not None:
        data = changes.coarser(data, levels)
    return (changes.mirrored(data) if flip else data).with_batch(batch_size)


def of(about):
    """The data that a preset or a bundle names, in its size; None where it names none.

    Args:
        about: the contents of `preset.json` or `bundle.json`.
    """
    data = about.get("data")
    if not data:
        return None
    name = data["name"]
    check_here(name, yours=data.get("licence") == "yours")
    known = (data, about, about.get("arguments") or {})
    shape = next((part["image_shape"] for part in known if part.get("image_shape")), None)
    options = {key: data[key] for key in ("labels", "on_error", "max_pixels", "levels") if data.get(key) is not None}
    seed = (about.get("recipe") or {}).get("seed") or 0  # of the splits
    # There an embedded name is that of the embedded data, whatever lies in the folder of the day.
    source = f"embedded:{name}" if name in FIXED | CUT else f"public:{name}" if name in library.SETS else name
    return load(source, image_shape=shape and tuple(shape), seed=seed, **options)


def check_here(name, yours=False):
    """Refuse the path of data that are not there, as a path.

    Args:
        name: of data, or the path of files.
        yours: a name that is not a path is that of files, too.

    Raises:
        ValueError: see above.
    """
    path = name.removeprefix("pairs:")
    if (yours or os.path.isabs(path)) and not os.path.exists(path):
        raise ValueError(f"data: {name!r} is not here")


def check_known(source):
    """Refuse a text that is neither the name of data nor the path of a file or folder; nothing is loaded.

    Raises:
        ValueError: the line names the nearest of both.
    """
    if _named(source, 0, None) or os.path.exists(os.path.expanduser(source)):
        return
    if os.sep in source or os.path.splitext(source)[1]:
        hint = files.nearest(os.path.expanduser(source))
        raise ValueError(f"source: expected a folder or file, got {source!r}, which does not exist{hint}")
    known = [*names(), *names(public=True), *(f"keras:{name}" for name in remote.KERAS)]
    folders = [entry.name for entry in os.scandir() if entry.is_dir() and not entry.name.startswith(".")]
    nearest = difflib.get_close_matches(source.lower(), [*known, *folders], n=1, cutoff=0.0)[0]
    raise ValueError(f"source: unknown data {source!r}; did you mean {nearest!r}? known: {', '.join(known)}")


def _load_named(source, seed, image_shape, labels, on_error, max_pixels):
    """Load by name or path."""
    make, there = _named(source, seed, image_shape, max_pixels), os.path.exists(os.path.expanduser(source))
    if make and image_shape and image_shape[-1] is None and not source.startswith("pairs:"):
        own = _named(source, seed, None, max_pixels)().shape
        make = _named(source, seed, (*image_shape[:-1], own[-1]), max_pixels)
    if make and there and ":" not in source:
        what = "a folder" if os.path.isdir(source) else "a file"
        kind = "embedded" if _plain(source) in FIXED | CUT else "public"
        text = f"{source!r} is both {kind} data and {what} here"
        raise ValueError(f"source: {text}; write '{kind}:{source}' or {os.path.join('.', source)!r}")
    if make:
        return make()
    if there:
        return _from_path(source, seed, image_shape, labels, on_error, max_pixels)
    check_known(source)


def _named(source, seed, image_shape, max_pixels=None):
    """What makes the data of a name; None for what is no name."""
    collection, _, name = source.partition(":")
    plain = _plain(name if collection == "embedded" else source)
    if plain in FIXED:
        return lambda: FIXED[plain](seed)
    if plain in CUT:
        return lambda: CUT[plain](seed, image_shape)
    public = _plain(name if collection == "public" else source)
    if public in library.SETS:
        return lambda: library.load(public, seed, image_shape)
    if collection == "keras" and name in remote.KERAS:
        return lambda: remote.from_keras(name, seed)
    if collection == "tfds":
        return lambda: remote.from_tfds(name, seed, image_shape)
    if collection == "hf":
        return lambda: remote.from_hugging_face(name, seed, image_shape)
    if collection == "pairs":
        from kerasgen.data.pairs import from_pairs

        return lambda: from_pairs(name, seed, image_shape, max_pixels)
    return None


def _from_path(source, seed, image_shape, labels, on_error, max_pixels):
    """Load a file or folder."""
    from kerasgen.data import arrays, folder, paths

    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error: expected 'raise' or 'skip', got {on_error!r}")
    root = os.path.abspath(os.path.expanduser(source))
    kind, files = paths.look(root)
    name = os.path.basename(root)
    if _plain(name) in FIXED | CUT | library.SETS:  # it is not taken for the embedded data, by nobody
        name = os.path.join(".", name)
    if kind == "array":
        return arrays.from_file(root, labels, image_shape, seed, name)
    if kind == "sound":
        return sequences.sounds(name, root, files, seed, image_shape, labels, on_error)
    if kind == "text":
        return sequences.from_texts(name, root, files, seed, image_shape, on_error)
    return folder.from_folder(name, root, files, seed, image_shape, labels, on_error, max_pixels)


def _plain(name):
    return name.lower().replace("-", "_")


def _say_what_is_empty(data):
    """Warn about splits without examples; a single example is meant for systems that learn from one."""
    count, empty = data.count("train"), [split for split in data.splits if not data.count(split)]
    if empty and count > 1:
        text = f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty"
        warnings.warn(f"source: {text}, since {count} examples have no tenth to give", stacklevel=3)
