"""Texts and sounds: examples of one length, cut out of files or made from a formula."""

import os

import numpy as np

from kerasgen.data.description import Data

TEXT_LENGTH, SOUND_LENGTH = 256, 1000  # of an example, where nothing else is asked for
RATE, BINS, DECAY, SIGMA = (
    4000,
    64,
    0.996,
    0.03,
)  # of the plucked strings: values per second, levels, and the law
PERIODS = {"C3": 31, "D3": 27, "E3": 24, "F3": 23, "G3": 20, "A3": 18, "B3": 16, "C4": 15}
STRINGS = {"train": 1024, "validation": 128, "test": 128}


def python_topics(seed, image_shape):
    """The help pages of the Python language, of the version that runs."""
    from pydoc_data.topics import topics

    about = dict(licence="PSF-2.0", origin="pydoc_data.topics of Python's standard library")
    text = "\n\n".join(topics[name] for name in sorted(topics))
    return texts("python_topics", [text.encode()], seed, image_shape, **about)


def texts(name, contents, seed, image_shape, licence="yours", origin="text files"):
    """Cut texts (bytes) into examples; the last tenth of each is the test split, the tenth before it validation."""
    length = _length(name, image_shape, TEXT_LENGTH)
    parts = {"train": [], "validation": [], "test": []}
    for content in contents:
        tenth = len(content) // 10
        cuts = np.split(np.frombuffer(content, np.uint8), [len(content) - 2 * tenth, len(content) - tenth])
        for rows, cut in zip(parts.values(), cuts, strict=True):
            rows.append(cut[: len(cut) // length * length].reshape(-1, length))
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
    length = _length("plucked_strings", image_shape, SOUND_LENGTH)
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


def sounds(name, paths, seed, image_shape):
    """Cut WAV files of one sample rate into examples; several channels become one."""
    from scipy.io import wavfile

    from kerasgen.data.arrays import split

    length, rows, rates = _length(name, image_shape, SOUND_LENGTH), [], set()
    for path in paths:
        try:
            rate, x = wavfile.read(path)
        except ValueError as error:
            raise ValueError(f"{path}: expected a WAV file, got one that cannot be read ({error})") from None
        rates.add(rate)
        if x.dtype.kind == "u":
            x = (x.astype("float32") - 128) / 128
        elif x.dtype.kind == "i":
            x = x.astype("float32") / -np.float32(np.iinfo(x.dtype).min)
        x = x.reshape(len(x), -1).mean(1, dtype="float32").clip(-1, 1)
        rows.append(x[: len(x) // length * length].reshape(-1, length))
    if len(rates) > 1:
        raise ValueError(
            f"{name}: expected sounds of one sample rate, got {', '.join(map(str, sorted(rates)))}"
        )
    x = np.concatenate(rows)
    splits = {part: (x[i], None) for part, i in split(len(x), seed).items()}
    _enough(name, splits, length, "values")
    return Data(
        name=name, splits=splits, shape=(length,), minimum=-1.0, maximum=1.0, sample_rate=rates.pop(),
        licence="yours", origin="WAV files", seed=seed,
    )  # fmt: skip


def from_files(root, paths, seed, image_shape):
    """Describe text or WAV files; the suffix of the first tells which."""
    name = os.path.basename(root)
    if paths[0].lower().endswith(".wav"):
        return sounds(name, [path for path in paths if path.lower().endswith(".wav")], seed, image_shape)
    contents = []
    for path in paths:
        if path.lower().endswith(".txt"):
            with open(path, "rb") as file:
                contents.append(file.read())
    return texts(name, contents, seed, image_shape)


def _length(name, image_shape, default):
    shape = (default,) if image_shape is None else tuple(image_shape)
    if len(shape) != 1 or shape[0] < 1:
        raise ValueError(f"image_shape: expected (length,) for {name}, got {shape}")
    return shape[0]


def _enough(name, splits, length, what):
    if not all(len(x) for x, _ in splits.values()):
        raise ValueError(
            f"{name}: expected more than {10 * length} {what}, for examples of {length} in three splits"
        )


MAKERS = {"python_topics": python_topics, "plucked_strings": plucked_strings}
