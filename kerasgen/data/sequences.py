"""Texts and sounds: examples of one length, cut out of files or made from a formula."""

import codecs
import os
import warnings

import numpy as np

from kerasgen.data import paths as files
from kerasgen.data.description import Data

TEXT_LENGTH, SOUND_LENGTH = 256, 1000  # of an example, where nothing else is asked for
RATE, BINS, DECAY, SIGMA = (
    4000,
    64,
    0.996,
    0.03,
)  # of the plucked strings: values per second, levels, and the law
PERIODS = {"C3": 31, "D3": 27, "E3": 24, "F3": 23, "G3": 20, "A3": 18, "B3": 16, "C4": 15}
LOUDEST, LEAST = 2.0, 1e-3  # float sounds above that are no sounds; what is over 1 by less is rounding
STRINGS = {"train": 1024, "validation": 128, "test": 128}


def python_topics(seed, image_shape):
    """The help pages of the Python language, of the version that runs."""
    from pydoc_data.topics import topics

    about = dict(licence="PSF-2.0", origin="pydoc_data.topics of Python's standard library")
    text = "\n\n".join(topics[name] for name in sorted(topics))
    return texts("python_topics", [text.encode()], seed, image_shape, **about)


MARKS = {  # at the beginning of a text; the longer ones first, since one begins with another
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path):
    """The bytes of a text file in UTF-8; a mark tells its encoding and is dropped, without one bytes are as they are.

    Raises:
        ValueError: the byte 0, which no text holds, but UTF-16 without a mark does.
    """
    with open(path, "rb") as file:
        content = file.read()
    encoding = next((encoding for mark, encoding in MARKS.items() if content.startswith(mark)), None)
    if encoding:
        content = content.decode(encoding).encode()
    if b"\0" in content:
        raise ValueError("holds the byte 0; save it as UTF-8")
    return content


def texts(name, contents, seed, image_shape, where=None, licence="yours", origin="text files"):
    """Cut texts (bytes) into examples; the last tenth of each is the test split, the tenth before it validation.

    Texts that lie in a published split go there as a whole; splits that are not published are cut off those of train.
    """
    length = length_of(name, image_shape, TEXT_LENGTH)
    where = where or [None] * len(contents)
    parts = {"train": [], "validation": [], "test": []}
    for content, place in zip(contents, where, strict=True):
        ends = files.missing(where) if place in (None, "train") else []
        tenth = len(content) // 10
        cuts = [len(content) - tenth * (len(ends) - i) for i in range(len(ends))]
        places = [place or "train", *ends]
        for split, cut in zip(places, np.split(np.frombuffer(content, np.uint8), cuts), strict=True):
            parts[split].append(cut[: len(cut) // length * length].reshape(-1, length))
    splits = {split: (np.concatenate(rows), None) for split, rows in parts.items()}
    _enough(name, splits, length, "bytes")
    return Data(
        name=name, splits=splits, shape=(length,), minimum=0, maximum=255, text=True,
        licence=licence, origin=origin, seed=seed,
    )  # fmt: skip


def plucked_strings(seed, image_shape):
    """Strings plucked at eight pitches (Karplus and Strong): a burst of noise that goes round and is smoothed.

    y[n] = g (y[n - N] + y[n - N - 1]) / 2 + sigma e, rounded to one of 64 levels before it goes round, so that the
    probability of every value given those before is known.
    """
    length, longest = length_of("plucked_strings", image_shape, SOUND_LENGTH), max(PERIODS.values())
    if length <= longest:
        raise ValueError(f"image_shape: expected more than ({longest},), the longest period, got ({length},)")
    random, count = np.random.RandomState(0), sum(STRINGS.values())
    label = random.randint(len(PERIODS), size=count).astype("int32")
    period = np.array(list(PERIODS.values()))[label]
    level, surprise = np.zeros((count, length), int), np.zeros(count)
    y, rows = np.zeros((count, length), "float32"), np.arange(count)
    edges = np.linspace(-1, 1, BINS + 1)[1:-1]
    for n in range(length):
        mean = DECAY * (y[rows, n - period] + y[rows, n - period - 1]) / 2
        burst = n <= period
        heard = np.where(burst, random.uniform(-1, 1, count), mean + SIGMA * random.randn(count))
        level[:, n] = np.searchsorted(edges, heard)
        y[:, n] = (2 * level[:, n] + 1) / BINS - 1
        surprise -= np.log(np.where(burst, 1 / BINS, _mass(level[:, n], mean)))
    ends = np.cumsum(list(STRINGS.values()))[:-1]
    splits = dict(zip(STRINGS, zip(np.split(y, ends), np.split(label, ends), strict=True), strict=True))
    return Data(
        name="plucked_strings", splits=splits, shape=(length,), minimum=-1.0, maximum=1.0, sample_rate=RATE,
        class_names=tuple(PERIODS), entropy=float(surprise[ends[-1] :].mean()),
        licence="none needed (drawn from a formula)", origin="Karplus and Strong's plucked string (1983)", seed=seed,
    )  # fmt: skip


def _mass(level, mean):
    """P(level | mean): the Gaussian's mass in the level's bin; the outer bins have the tails."""
    from scipy.special import ndtr

    low = np.where(level == 0, -np.inf, 2 * level / BINS - 1)
    high = np.where(level == BINS - 1, np.inf, 2 * (level + 1) / BINS - 1)
    return ndtr((high - mean) / SIGMA) - ndtr((low - mean) / SIGMA)


def read_sound(path):
    """(values per second, values in [-1, 1], the largest before it was cut to that); several channels become one.

    Raises:
        ValueError: no WAV file, or floats that are not finite or far above 1.
    """
    from scipy.io import wavfile

    rate, x = wavfile.read(path)
    if x.dtype.kind == "u":
        x = (x.astype("float32") - 128) / 128
    elif x.dtype.kind == "i":
        x = x.astype("float32") / -np.float32(np.iinfo(x.dtype).min)
    elif not np.isfinite(x).all():
        raise ValueError("values that are not finite")
    largest = float(np.abs(x).max(initial=0))
    if largest > LOUDEST:
        raise ValueError(f"values up to {largest:g}, where 1 is the loudest; of 16 bits, they divide by 32768")
    return rate, x.reshape(len(x), -1).mean(1, dtype="float32").clip(-1, 1), largest


def sounds(name, root, paths, seed, image_shape, labels, on_error):
    """Cut WAV files of one sample rate into examples; class folders are as those of pictures."""
    length = length_of(name, image_shape, SOUND_LENGTH)
    read, bad = files.attempt(read_sound, paths)
    files.report(bad, root, len(paths), on_error, "sounds")
    paths = list(read)
    rates = {rate: path for path, (rate, _, _) in reversed(read.items())}
    if len(rates) > 1:
        got = " and ".join(f"{rate} ({os.path.relpath(rates[rate], root)})" for rate in sorted(rates))
        raise ValueError(f"{name}: expected sounds of one sample rate, got {got}")
    loud = [os.path.relpath(path, root) for path, (_, _, largest) in read.items() if largest > 1 + LEAST]
    if loud:
        text = f"{len(loud)} of {len(paths)} sounds have values above 1, which are cut off, the first is {loud[0]}"
        warnings.warn(f"source: {text}", stacklevel=5)
    where, names = files.places(paths, root, stems=True)
    label, class_names = files.classes(names, labels)
    rows = [x[: len(x) // length * length].reshape(-1, length) for _, x, _ in read.values()]
    of = np.repeat(np.arange(len(rows)), [len(pieces) for pieces in rows])  # the file of each piece
    x = np.concatenate(rows)
    indices = files.divide([where[i] for i in of], seed)
    splits = {part: (x[i], None if label is None else label[of[i]]) for part, i in indices.items()}
    _enough(name, splits, length, "values")
    return Data(
        name=name, splits=splits, shape=(length,), minimum=-1.0, maximum=1.0, sample_rate=next(iter(rates)),
        class_names=class_names, licence="yours", origin="WAV files", seed=seed,
    )  # fmt: skip


def from_texts(name, root, paths, seed, image_shape, on_error):
    """Describe text files; sub-folders are no classes."""
    read, bad = files.attempt(read_text, paths)
    files.report(bad, root, len(paths), on_error, "texts")
    where, _ = files.places(list(read), root, stems=True)
    return texts(name, list(read.values()), seed, image_shape, where)


def length_of(name, image_shape, default):
    """The length of examples: of (length,), or the default.

    Raises:
        ValueError: another shape.
    """
    shape = (default,) if image_shape is None else tuple(image_shape)
    if len(shape) != 1 or shape[0] < 1:
        raise ValueError(f"image_shape: expected (length,) for {name}, got {shape}")
    return shape[0]


def _enough(name, splits, length, what):
    if not all(len(x) for x, _ in splits.values()):
        raise ValueError(f"{name}: expected more than {10 * length} {what}, for examples of {length} in three splits")


MAKERS = {"python_topics": python_topics, "plucked_strings": plucked_strings}
