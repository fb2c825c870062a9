"""What lies at a path: which files are data, what split and class each is of, and which of them cannot be read.

Folders called train, val (valid, validation) and test are published splits; other sub-folders are classes, if there are
two or more and no file lies beside them.
"""

import collections
import concurrent.futures
import os
import warnings

import numpy as np

from kerasgen.data.arrays import natural, split

SUFFIXES = {  # the first of which a folder has files is what it is taken for
    "picture": (
        ".avif", ".bmp", ".gif", ".jfif", ".jpg", ".jpeg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
    ),
    "sound": (".wav",),
    "text": (".txt",),
}  # fmt: skip
ARRAYS = (".npy", ".npz")
SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
THREADS = 4  # each may hold one picture of max_pixels
INSTEAD = {  # what to do about a file of another kind
    "a text is read where it is called .txt": ("", ".htm", ".html", ".json", ".log", ".md", ".rst", ".tex", ".xml"),
    "read the table with pandas and give its values as an array": (".csv", ".parquet", ".tsv", ".xlsx"),
    "ffmpeg makes .wav of it": (".aac", ".aiff", ".flac", ".m4a", ".mp3", ".ogg", ".opus"),
    "save it as JPEG or PNG": (".cr2", ".dng", ".heic", ".heif", ".nef", ".psd", ".svg"),
    "unpack it": (".7z", ".gz", ".tar", ".tgz", ".zip"),
}  # fmt: skip


def look(root):
    """(kind, files) of a file or folder: "picture", "sound", "text" or "array"; a warning counts the other files.

    Raises:
        ValueError: nothing there can be read; the line says what could.
    """
    alone = os.path.isfile(root)
    found = [root] if alone else list(walk(root))
    ends = {path: os.path.splitext(path)[1].lower() for path in found}
    if alone and ends[root] in ARRAYS:
        return "array", found
    kinds = (kind for kind, suffixes in SUFFIXES.items() if set(suffixes) & set(ends.values()))
    kind = next(kinds, None)
    name, known = os.path.basename(root), f"pictures ({' '.join(SUFFIXES['picture'])}), .txt or .wav"
    if kind is None and alone:
        instead = next((f"; {hint}" for hint, suffixes in INSTEAD.items() if ends[root] in suffixes), "")
        raise ValueError(f"source: expected {known}, {' or '.join(ARRAYS)}, got {name!r}{instead}")
    others = collections.Counter(
        end or "without a suffix" for end in ends.values() if end not in SUFFIXES.get(kind, ())
    )
    counts = ", ".join(f"{count} {end}" for end, count in others.most_common())
    if kind is None:
        raise ValueError(f"source: expected {known}, got none in {name!r}{f' ({counts})' if counts else ''}")
    if others:
        text = f"source: {others.total()} of {len(found)} files in {name!r} are not looked at ({counts})"
        warnings.warn(text, stacklevel=5)
    return kind, [path for path, end in ends.items() if end in SUFFIXES[kind]]


def walk(folder, above=()):
    """Yield files of a folder tree by name, through links but never around a loop, without hidden ones."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if os.path.isdir(path):
            yield from walk(path, (*above, real))
        elif os.path.isfile(path) or os.path.islink(path):  # a broken link is reported; a pipe would block
            yield path


def places(paths, root, stems=False):
    """The published split of each file, or None for every one of them, and where it lies in there.

    Args:
        stems: files called train, val and test are splits too.

    Raises:
        ValueError: something else lies beside two splits or more, or train does not.
    """
    names = [os.path.relpath(path, root).split(os.sep) for path in paths]
    firsts = [name[0] if len(name) > 1 else os.path.splitext(name[0])[0] if stems else "" for name in names]
    given = [SPLITS.get(first.lower()) for first in firsts]
    beside = [name for name, split in zip(names, given, strict=True) if not split]
    found, others = set(filter(None, given)), {name[0] for name in beside}
    among_classes = len(found) == 1 and ("train" not in found or any(stems or len(name) > 1 for name in beside))
    if not found or among_classes:  # a class may have such a name
        return [None] * len(names), names
    if others or "train" not in found:
        there = ", ".join(sorted({first for first, split in zip(firsts, given, strict=True) if split}))
        got = f"{sorted(others)[0]} beside {there}" if others else f"{there} without train"
        raise ValueError(f"source: expected train, val and test alone in {os.path.basename(root)!r}, got {got}")
    return given, [name[1:] for name in names]


def divide(where, seed):
    """Indices of each split, of examples that lie in these published ones or, all of them, in None.

    Splits that are not published are a tenth each of the others' training set, drawn from the seed.
    """
    if set(where) <= {None}:
        return split(len(where), seed)
    where = np.array(where)
    indices = {name: np.flatnonzero(where == name) for name in ("train", "validation", "test")}
    tenth = len(indices["train"]) // 10
    for name in missing(where):
        order = np.random.RandomState(seed).permutation(indices["train"])
        indices[name], indices["train"] = np.sort(order[:tenth]), np.sort(order[tenth:])
    return indices


def missing(where):
    """The splits beside train that are not published."""
    return [name for name in ("validation", "test") if name not in set(where)]


def classes(names, labels):
    """Class numbers and names from the first sub-folders, in natural order; (None, ()) where there are none.

    Args:
        names: where each file lies, as `places` has it.
        labels: as in `kerasgen.data.load`.

    Raises:
        ValueError: labels are insisted on, but a file lies beside the folders.
    """
    class_names = sorted({name[0] for name in names if len(name) > 1}, key=natural)
    if labels is False or len(class_names) < 2:
        return None, ()
    beside = [name[0] for name in names if len(name) == 1]
    if beside:
        shown = ", ".join([*class_names[:3], *(["..."] if len(class_names) > 3 else [])])
        text = f"{beside[0]} lies beside the folders {shown}, so there are no classes"
        if labels:
            raise ValueError(f"labels: expected folders alone, got files too: {text}")
        warnings.warn(f"source: {text}", stacklevel=6)
        return None, ()
    number = {name: i for i, name in enumerate(class_names)}
    return np.array([number[name[0]] for name in names], "int32"), tuple(class_names)


def attempt(function, paths):
    """Apply a function to each file: ({path: result}, {path: reason})."""

    def call(path):
        try:
            return path, function(path), None
        except Exception as error:  # readers raise whatever a damaged file makes them raise
            return path, None, reason(error)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(call, paths))
    good = {path: result for path, result, why in results if why is None}
    return good, {path: why for path, _, why in results if why is not None}


def reason(error):
    """Why a file cannot be read, in one line without its path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def report(bad, root, count, on_error, what="pictures"):
    """Raise or warn, once, about the files that cannot be read."""
    above = os.path.dirname(root)
    files = [f"{os.path.relpath(path, above)} ({why})" for path, why in sorted(bad.items())]
    text = f"{len(files)} of {count} {what} cannot be read"
    if files and (on_error == "raise" or len(files) == count):
        skip = "on_error='skip' leaves them out"
        raise ValueError(f"source: {text}, the first is {files[0]}; {skip}")
    if files:
        warnings.warn(f"source: {text} and are left out: {', '.join(files)}", stacklevel=6)
