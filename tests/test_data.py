"""The data are what the reference figures were measured on, and their batches lose and repeat nothing."""

import importlib
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from scipy import ndimage, stats

from kerasgen import data as kdata

SINGLE = {"brick", "grass", "gravel", "camera", "astronaut", "chelsea", "coffee", "china", "flower"}
TOYS = {"eight_gaussians", "twenty_five_gaussians", "moons", "circles", "rings", "checkerboard", "spirals"}


def levels(name, split):
    """Grey levels, (N, 64)."""
    data = kdata.load(name)
    return np.rint(data.arrays(split)[0].reshape(-1, 64) * (data.levels - 1)).astype(int)


# --------------------------------------------------------------------------------------------------- digits


def test_digits_split():
    data = kdata.load("digits")
    assert [data.count(s) for s in ("train", "validation", "test")] == [1257, 180, 360]
    assert data.shape == data.image_shape == (8, 8, 1) and data.num_classes == 10 and data.levels == 17
    from sklearn.datasets import load_digits

    x, label = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(1797)
    assert order[:4].tolist() == [1081, 1707, 927, 713]
    for split, part in (("train", order[:1257]), ("validation", order[1257:1437]), ("test", order[1437:])):
        got = data.arrays(split)
        assert (got[0] == (x[part] / 16).reshape(-1, 8, 8, 1)).all() and got[0].dtype == np.float32
        assert (got[1] == label[part]).all() and got[1].dtype == np.int32


def test_digits_binary_is_thresholded_digits():
    assert (levels("digits_binary", "test") == (levels("digits", "test") >= 8)).all()
    assert kdata.load("digits_binary").levels == 2


def test_every_other_digit_has_half_the_contrast():
    data = kdata.load("digits_half_contrast")
    assert data.levels == 33 and data.num_classes == 2
    for split in data.splits:
        (x, domain), original = data.arrays(split), kdata.load("digits").arrays(split)[0]
        assert (domain == np.arange(len(x)) % 2).all()
        assert (x[domain == 0] == original[domain == 0]).all()
        assert (x[domain == 1] == 0.25 + 0.5 * original[domain == 1]).all()


def test_factorised_histogram_gives_the_reference_bits():
    train, test = levels("digits", "train"), levels("digits", "test")
    mass = np.stack([(np.bincount(pixel, minlength=17) + 1) / (len(train) + 17) for pixel in train.T])
    assert -np.log2(mass[np.arange(64), test]).mean() == pytest.approx(2.421, abs=0.003)
    assert -np.log2(1 / kdata.load("digits").levels) == pytest.approx(4.087, abs=0.001)


def test_gaussian_on_dequantised_digits_gives_the_reference_bits():
    random = np.random.RandomState(0)
    train, test = (levels("digits", s) for s in ("train", "test"))
    train, test = train + random.rand(*train.shape), test + random.rand(*test.shape)
    fitted = stats.multivariate_normal(train.mean(0), np.cov(train.T))
    assert -fitted.logpdf(test).mean() / (64 * np.log(2)) == pytest.approx(2.950, abs=0.02)


def test_bernoulli_gives_the_reference_nats():
    train, test = levels("digits_binary", "train"), levels("digits_binary", "test")
    p = (train.sum(0) + 1) / (len(train) + 2)
    nats = -(test * np.log(p) + (1 - test) * np.log1p(-p)).sum(1).mean()
    assert nats == pytest.approx(25.06, abs=0.02)


def test_mean_image_gives_the_reference_error():
    data = kdata.load("digits")
    error = (data.arrays("test")[0] - data.arrays("train")[0].mean(0)) ** 2
    assert error.mean() == pytest.approx(0.0740, abs=1e-4)


# ----------------------------------------------------------------------------------------------------- toys


def turn(angle):
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def skeleton(name, count=200_000):
    """What noise was added to: evenly spread points without noise, and the noise."""
    u = (np.arange(count) + 0.5) / count
    arm = 2 * np.sqrt(u)[:, None] * turn(3 * np.pi * np.sqrt(u))
    grid = np.arange(-2.0, 3.0)
    return {
        "eight_gaussians": (2 * turn(np.arange(8) * np.pi / 4), 0.2),
        "twenty_five_gaussians": (np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2), 0.1),
        "moons": (np.concatenate([turn(np.pi * u), [1, 0.5] - turn(np.pi * u)]), 0.1),
        "circles": (np.concatenate([turn(2 * np.pi * u), 0.5 * turn(2 * np.pi * u)]), 0.08),
        "rings": (np.concatenate([r * turn(2 * np.pi * u) for r in (0.5, 1, 1.5, 2)]), 0.08),
        "spirals": (np.concatenate([arm, -arm]), 0.08),
    }[name]


@pytest.mark.parametrize("name", sorted(TOYS - {"checkerboard"}))
def test_toys_follow_their_law(name, cell=0.01, side=4.0):
    """The density, a blurred histogram of the skeleton, has the stated entropy, and the points have its log-loss."""
    points, sigma = skeleton(name)
    edges = np.arange(-side - cell / 2, side + cell, cell)
    mass = np.histogram2d(*points.T, bins=[edges, edges])[0] / len(points)
    blurred = cell**2 / 12 if len(points) > 25 else 0  # by the cells of the histogram, where points fill them
    blur = np.sqrt(sigma**2 - blurred) / cell
    density = ndimage.gaussian_filter(mass, blur, truncate=8, mode="constant") / cell**2
    entropy = -(density * np.log(np.maximum(density, 1e-300))).sum() * cell**2
    data = kdata.load(name)
    assert data.entropy == pytest.approx(entropy, abs=3e-4)
    for split in ("train", "test"):
        x = data.arrays(split)[0]
        loss = -np.log(density[tuple(np.rint((x.T + side) / cell).astype(int))])
        assert loss.mean() == pytest.approx(entropy, abs=4 * loss.std() / len(loss) ** 0.5 + 2e-3)


def test_checkerboard_is_uniform_on_its_squares():
    data = kdata.load("checkerboard")
    assert data.entropy == pytest.approx(np.log(8), abs=1e-4)
    square = np.floor(data.arrays("train")[0]).astype(int) + 2
    assert square.min() == 0 and square.max() == 3 and (square.sum(1) % 2 == 0).all()
    counts = np.bincount(square[:, 0] * 4 + square[:, 1])
    assert stats.chisquare(counts[counts > 0]).pvalue > 1e-3 and (counts > 0).sum() == 8


@pytest.mark.parametrize("name", sorted(TOYS))
def test_toys_are_fixed_vectors(name):
    data, again = kdata.load(name), kdata.load(name, seed=3)
    assert [data.count(s) for s in ("train", "validation", "test")] == [20_000, 2_000, 10_000]
    assert data.shape == (2,) and data.minimum is data.maximum is data.levels is None and not data.num_classes
    assert data.arrays("train")[0].dtype == np.float32
    assert (data.arrays("test")[0] == again.arrays("test")[0]).all()
    with pytest.raises(ValueError, match=rf"{name}: expected pictures, got vectors of shape \(2,\)"):
        _ = data.image_shape


# -------------------------------------------------------------------------------------------------- batches


def labels(dataset):
    return np.concatenate([label for _, label in dataset.as_numpy_iterator()])


def numbered(count, **kwargs):
    """Examples whose label is their index."""
    x = np.arange(count, dtype="float32")[:, None] * [1, 1]
    return kdata.load((x, np.arange(count)), **kwargs)


def test_an_epoch_is_a_permutation_in_full_batches():
    data = kdata.load("digits", batch_size=100)
    assert len(data.train) == data.steps == 12 and len(data.validation) == 2 and len(data.test) == 4
    x, label = next(iter(data.train))
    assert x.shape == (100, 8, 8, 1) and x.dtype == "float32" and label.shape == (100,)
    drawn = numbered(50, batch_size=7)
    seen = labels(drawn.train)
    assert len(seen) == 35 and len(set(seen)) == 35 and set(seen) <= set(drawn.arrays("train")[1])


def test_order_is_seeded_and_changes_each_epoch():
    train = kdata.load("digits").train
    first, second = labels(train), labels(train)
    assert (first != second).any()
    assert (labels(kdata.load("digits").train) == first).all()
    assert (labels(kdata.load("digits", seed=1).train) != first).any()


def test_validation_and_test_keep_order_and_every_example():
    data = kdata.load("digits", batch_size=64)
    for split, batches in (("validation", data.validation), ("test", data.test)):
        x = np.concatenate([x for x, _ in batches.as_numpy_iterator()])
        assert (x == data.arrays(split)[0]).all() and (labels(batches) == data.arrays(split)[1]).all()


def test_fewer_examples_than_a_batch_are_one_batch():
    data = kdata.load("digits").with_batch(5000)
    assert [x.shape[0] for x, _ in data.train] == [1257] and data.steps == 1
    one = kdata.load(np.full((1, 8, 8, 1), 0.5))
    assert [x.shape for x in one.train] == [(1, 8, 8, 1)] and len(one.test) == 0
    assert next(iter(one.stream())).shape == (1, 8, 8, 1)


def test_a_stream_goes_on_where_it_was_left():
    data = numbered(50, batch_size=7, seed=3)
    whole = labels(data.stream().take(3 * data.steps))
    for start in (1, 5, 7, 12):
        assert (labels(data.stream(start).take(3)) == whole[7 * start : 7 * (start + 3)]).all()
    epochs = whole.reshape(3, -1)
    assert all(len(set(epoch)) == 35 for epoch in epochs) and (epochs[0] != epochs[1]).any()
    assert (labels(numbered(50, batch_size=7, seed=4).stream().take(5)) != epochs[0]).any()


def test_datasets_shard_by_data():
    policy = kdata.load("digits").train.options().experimental_distribute.auto_shard_policy
    assert policy.name == "DATA"


def test_batch_size_and_labels_options():
    data = kdata.load("digits", labels=False)
    assert data.num_classes == 0 and next(iter(data.train)).shape == (64, 8, 8, 1)
    assert data.with_batch(3).batch_size == 3 and data.batch_size == 64
    assert data.arrays("test")[1] is None
    with pytest.raises(ValueError, match="labels: expected labelled data, got moons, which has no labels"):
        kdata.load("moons", labels=True)
    with pytest.raises(ValueError, match="labels: expected None, True or False for a named source, got list"):
        kdata.load("digits", labels=[1])
    with pytest.raises(ValueError, match="split: expected one of train, validation, test, got 'tset'"):
        data.arrays("tset")


def test_description_in_one_line():
    assert repr(kdata.load("digits")) == (
        "Data(digits: 1257/180/360 examples of (8, 8, 1) in [0, 1], 17 levels, 10 classes, batches of 64)"
    )
    assert repr(kdata.load("moons", batch_size=8)) == (
        "Data(moons: 20000/2000/10000 examples of (2,), entropy 1.0076 nats, batches of 8)"
    )
    statistics = kdata.load("digits").statistics
    assert statistics["train"] == 1257 and statistics["mean"] == pytest.approx(0.3056, abs=1e-4)


def test_the_page_states_these_statistics():
    with open(os.path.join(os.path.dirname(__file__), "..", "docs", "data.md"), encoding="utf-8") as file:
        page = file.read()
    for name in set(kdata.names()) - {"python_topics"}:  # that one is another with every Python
        data, s = kdata.load(name), kdata.load(name).statistics
        entropy = "-" if data.entropy is None else f"{data.entropy:.4f}"
        assert (
            f"| `{name}` | {data.shape} | {s['train']} / {s['validation']} / {s['test']} | {data.levels or '-'} "
            f"| {s['mean']:.4f} | {s['std']:.4f} | {s['min']:.3f} to {s['max']:.3f} | {entropy} |"
        ) in page


# ---------------------------------------------------------------------------------------------- photographs


@pytest.mark.parametrize("name", sorted(SINGLE))
def test_a_single_picture_is_all_of_its_splits(name):
    data = kdata.load(name)
    x, label = data.arrays("train")
    assert len(x) == 1 and label is None and data.steps == 1 and data.levels == 256
    assert all((data.arrays(split)[0] == x).all() for split in ("validation", "test"))
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        shipped = load_sample_image(f"{name}.jpg")
    else:
        shipped = getattr(importlib.import_module("skimage.data"), name)()
    np.testing.assert_array_equal(np.rint(x[0].squeeze() * 255), shipped)


def test_a_single_picture_is_cropped_made_grey_and_resized_as_those_of_a_folder(tmp_path):
    from PIL import Image
    from sklearn.datasets import load_sample_image

    Image.fromarray(load_sample_image("china.jpg")).save(tmp_path / "china.png")
    for shape in ((40, 30, 1), (32, 48, 3)):
        expected = kdata.load(tmp_path / "china.png", image_shape=shape).arrays("train")[0]
        np.testing.assert_array_equal(kdata.load("china", image_shape=shape).arrays("test")[0], expected)
    with pytest.raises(ValueError, match=r"image_shape: expected \(height, width, 1 or 3\), got \(8, 8, 2\)"):
        kdata.load("china", image_shape=(8, 8, 2))


def test_a_texture_is_a_piece_that_is_at_most_four_times_smaller():
    import skimage.data
    from PIL import Image

    piece = Image.fromarray(skimage.data.brick()[192:320, 176:336]).resize((40, 32), Image.Resampling.LANCZOS)
    x = kdata.load("brick", image_shape=(32, 40, 1)).arrays("train")[0]
    np.testing.assert_array_equal(np.rint(x[0].squeeze() * 255), piece)
    assert kdata.load("grass", image_shape=(256, 256, 3)).shape == (256, 256, 3)


def test_faces():
    from skimage.data import lfw_subset

    data = kdata.load("faces", seed=5)
    x = np.concatenate([data.arrays(split)[0] for split in ("train", "validation", "test")])
    order = np.random.RandomState(0).permutation(100)
    np.testing.assert_allclose(x[..., 0], lfw_subset()[:100][order], atol=0.5 / 255 + 1e-6)
    assert [data.count(split) for split in data.splits] == [80, 10, 10]


# -------------------------------------------------------------------------------------------- other sources


def test_arrays():
    x = np.random.RandomState(0).randint(256, size=(100, 6, 5, 3)).astype("uint8")
    data = kdata.load((x, np.array(["cat", "dog"])[np.arange(100) % 2]))
    assert [data.count(s) for s in data.splits] == [80, 10, 10]
    assert data.levels == 256 and data.class_names == ("cat", "dog") and data.image_shape == (6, 5, 3)
    everything = np.concatenate([data.arrays(s)[0] for s in data.splits])
    assert (np.sort(everything.ravel()) == np.sort(x.ravel().astype("float32") / np.float32(255))).all()
    batch = next(iter(data.test))[0]
    assert (batch == data.arrays("test")[0]).numpy().all()
    grey = kdata.load(x[..., 0], image_shape=(6, 5, 1), labels=np.arange(100) % 3)
    assert grey.image_shape == (6, 5, 1) and grey.num_classes == 3
    vectors = kdata.load(np.random.RandomState(0).randn(30, 4) * 100)
    assert vectors.shape == (4,) and vectors.minimum is None
    other = kdata.load(x, seed=1)
    assert (other.arrays("test")[0] != data.arrays("test")[0]).any()


@pytest.mark.filterwarnings("ignore:source. all 40 examples are equal")
def test_rank_three_are_pictures_of_one_channel():
    x = np.random.RandomState(0).randint(256, size=(120, 28, 28)).astype("uint8")
    data = kdata.load(x)
    assert data.shape == data.image_shape == (28, 28, 1) and data.levels == 256 and data.kind == "picture"
    floats = kdata.load(x / 255)
    assert floats.image_shape == (28, 28, 1) and (floats.minimum, floats.maximum) == (0, 1)
    assert kdata.load(np.zeros((40, 3, 32, 32)), image_shape=(3, 32, 32)).image_shape == (3, 32, 32)


LABELS = {
    "objects": (np.array(["b", "a"] * 60, object), ("a", "b"), [1, 0]),
    "numbers in words": (np.array(["10", "9"] * 60), ("9", "10"), [1, 0]),
    "truth": (np.array([True, False] * 60), ("0", "1"), [1, 0]),
    "whole floats": (np.array([2.0, 0.0] * 60), ("0", "1", "2"), [2, 0]),
    "a column": (np.array([[2], [0]] * 60), ("0", "1", "2"), [2, 0]),
    "objects that are numbers": (np.array([2, 0] * 60, object), ("0", "1", "2"), [2, 0]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_making(kind):
    given, class_names, first = LABELS[kind]
    x = np.arange(120, dtype="float32")[:, None] * [1, 1]
    for data in (kdata.load((x, given)), kdata.load(x, labels=given), kdata.load([x, given])):
        assert data.class_names == class_names
        for split in data.splits:
            x_, label = data.arrays(split)
            assert label.dtype == np.int32 and (label == np.array(first)[x_[:, 0].astype(int) % 2]).all()


def test_a_series_of_pandas_is_a_label():
    pandas = pytest.importorskip("pandas")
    x = np.arange(40, dtype="float32")[:, None] * [1, 1]
    for series in (pandas.Series(["b", "a"] * 20), pandas.Series(["b", "a"] * 20, dtype="category")):
        assert kdata.load((x, series)).class_names == ("a", "b")


def test_files_of_arrays(tmp_path):
    x = np.random.RandomState(0).randint(256, size=(50, 4, 4, 3)).astype("uint8")
    label = np.arange(50) % 3
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x)
    np.savez(tmp_path / "both.npz", x=x, label=label)
    expected = kdata.load((x, label))
    for name in ("x.npy", "x.npz", "both.npz"):
        data = kdata.load(tmp_path / name)
        assert data.name == name and data.image_shape == (4, 4, 3) and data.num_classes == 3 * (name[0] == "b")
        for split in data.splits:
            for a, b in zip(data.arrays(split), expected.arrays(split), strict=True):
                assert a is None or (a == b).all()
    np.savez(tmp_path / "more.npz", a=x, b=x)
    with pytest.raises(ValueError, match="source: expected one array, or x and one of .* in more.npz, got a, b"):
        kdata.load(tmp_path / "more.npz")
    np.save(tmp_path / "objects.npy", np.array([object()]))
    (tmp_path / "none.npy").write_bytes(b"")
    for name in ("objects", "none"):
        with pytest.raises(ValueError, match=f"source: {name}.npy cannot be read as arrays"):
            kdata.load(tmp_path / f"{name}.npy")


BAD = {
    "unknown": ("digitz", {}, ValueError, "source: unknown data 'digitz'; did you mean 'digits'?"),
    "unknown at Keras": ("fashion_mnist", {}, ValueError, "did you mean 'keras:fashion_mnist'?"),
    "typo at Keras": ("keras:cifar-10", {}, ValueError, "did you mean 'keras:cifar10'?"),
    "no folder": ("pictures/cats", {}, ValueError, "got 'pictures/cats', which does not exist"),
    "no file": ("cat.png", {}, ValueError, "got 'cat.png', which does not exist"),
    "scalar": (
        3,
        {},
        ValueError,
        "source: expected examples of shape (N, dim), (N, height, width) or (N, height, width, channels), "
        "got an array of shape ()",
    ),
    "videos": (np.zeros((2, 3, 4, 5, 6)), {}, ValueError, "got an array of shape (2, 3, 4, 5, 6)"),
    "ragged": ([[1], [1, 2]], {}, ValueError, "source: expected an array or (x, label), got a ragged list"),
    "channels first": (
        np.zeros((40, 3, 32, 32), "uint8"),
        {},
        ValueError,
        "source: expected pictures (N, height, width, channels), got (40, 3, 32, 32); the channel axis is last; "
        "image_shape=(3, 32, 32) takes it as it is",
    ),
    "grey levels": (
        np.full((4, 2, 2), 9.5),
        {},
        ValueError,
        "source: expected values in [0, 1], got 9.5 to 9.5",
    ),
    "range": (
        np.full((4, 2, 2, 1), 9.5),
        {},
        ValueError,
        "source: expected values in [0, 1], got 9.5 to 9.5",
    ),
    "label": (
        (np.eye(2), [0.5, 1]),
        {},
        TypeError,
        "labels: expected class numbers or words, got dtype float64",
    ),
    "words and no word": (
        (np.eye(3), np.array(["a", None, "b"], object)),
        {},
        ValueError,
        "labels: expected class numbers or words, got words and None at (1,)",
    ),
    "one-hot": (
        (np.eye(2), np.eye(2)),
        {},
        ValueError,
        "labels: expected class numbers in [0, 2), got one-hot (2, 2)",
    ),
    "labels": ((np.eye(2), [0]), {}, ValueError, "labels: expected one for each of 2 examples, got 1"),
    "shape": (
        "digits",
        {"image_shape": (16, 16, 1)},
        ValueError,
        "image_shape: expected (8, 8, 1) for digits",
    ),
    "batch": ("digits", {"batch_size": 0}, ValueError, "batch_size: expected at least 1, got 0"),
}


@pytest.mark.parametrize("source, options, error, text", BAD.values(), ids=BAD)
def test_bad_requests(source, options, error, text):
    with pytest.raises(error) as caught:
        kdata.load(source, **options)
    assert text in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "typo", ["digit", "Digits_bin", "eight-gaussian", "8_gaussians", "moon", "checkboard", "sprials"]
)
def test_typos_meet_their_nearest_name(typo):
    with pytest.raises(ValueError, match="did you mean '(digits|digits_binary|eight_g|moons|checkerb|spirals)"):
        kdata.load(typo)


def test_names_ignore_case_and_hyphens():
    digits = {"digits", "digits_binary", "digits_half_contrast", "digits_edges"}
    others = {"faces", "patches", "captioned_digits", "digit_scenes", "python_topics", "plucked_strings"}
    assert set(kdata.names()) == TOYS | digits | SINGLE | others
    assert kdata.load("Eight-Gaussians").name == "eight_gaussians"


@pytest.fixture
def offline_cifar10(monkeypatch):
    """keras.datasets.cifar10 with a stand-in for the download."""
    module = importlib.import_module("keras.datasets.cifar10")
    return lambda load_data: monkeypatch.setattr(module, "load_data", load_data)


def test_keras_datasets(offline_cifar10):
    x = np.random.RandomState(0).randint(256, size=(60, 32, 32, 3)).astype("uint8")
    label = np.arange(60)[:, None] % 10
    offline_cifar10(lambda: ((x[:50], label[:50]), (x[50:], label[50:])))
    data = kdata.load("keras:cifar10")
    assert [data.count(s) for s in data.splits] == [45, 5, 10] and data.num_classes == 10
    assert (data.arrays("validation")[0] == x[45:50] / np.float32(255)).all()


def test_keras_datasets_offline(offline_cifar10):
    def fail():
        raise Exception("URL fetch failure on https://example.org: None -- no route\nmore")

    offline_cifar10(fail)
    with pytest.raises(OSError, match=r"^keras:cifar10: could not be downloaded \(URL fetch .* no route\)$"):
        kdata.load("keras:cifar10")


def test_tfds_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match="tfds:cars: .* not installed; run pip install tensorflow-datasets"):
        kdata.load("tfds:cars")


def test_tfds(monkeypatch):
    rows = [{"image": np.full((4 + i % 2, 4, 3), i, "uint8"), "label": i % 2} for i in range(40)]
    info = types.SimpleNamespace(
        features={"image": None, "label": types.SimpleNamespace(names=["even", "odd"])},
        splits={"train": None},
        homepage="https://example.org",
    )
    builder = types.SimpleNamespace(info=info, download_and_prepare=lambda: None, as_dataset=lambda split: rows)
    stand_in = types.SimpleNamespace(builder=lambda name: builder, as_numpy=lambda dataset: dataset)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", stand_in)
    with pytest.raises(ValueError, match="image_shape: expected a shape, since sizes in tfds:parity differ"):
        kdata.load("tfds:parity")
    data = kdata.load("tfds:parity", image_shape=(4, 4, 1))
    assert [data.count(s) for s in data.splits] == [33, 3, 4] and data.class_names == ("even", "odd")
    assert (data.arrays("test")[1] == [0, 1, 0, 1]).all() and data.arrays("test")[0].max() == np.float32(39 / 255)


def test_hugging_face_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match="hf:a/cars: .* not installed; run pip install datasets"):
        kdata.load("hf:a/cars")


class Rows(list):
    """A split as `datasets` has it."""

    class Image:
        pass

    class ClassLabel:
        names = ["even", "odd"]

    features = {"id": None, "img": Image(), "parity": ClassLabel()}


def test_hugging_face(monkeypatch):
    from PIL import Image

    def rows(start, stop, height=4):
        pictures = [Image.new("L", (3, height), i) for i in range(start, stop)]
        return Rows({"id": str(i), "img": x, "parity": i % 2} for i, x in enumerate(pictures, start))

    held = {"train": rows(0, 40)}
    stand_in = types.SimpleNamespace(load_dataset=lambda name: held)
    monkeypatch.setitem(sys.modules, "datasets", stand_in)
    data = kdata.load("hf:a/parity")
    assert data.shape == (4, 3, 1) and data.class_names == ("even", "odd") and data.origin.endswith("datasets/a/parity")
    assert [data.count(s) for s in data.splits] == [33, 3, 4] and (data.arrays("test")[1] == [0, 1, 0, 1]).all()
    held |= {"validation": rows(40, 47), "test": rows(47, 56)}
    data = kdata.load("hf:a/parity", image_shape=(2, 2, 3))
    assert [data.count(s) for s in data.splits] == [40, 7, 9] and data.shape == (2, 2, 3)
    assert data.arrays("validation")[0][0].max() == np.float32(40 / 255)
    held["train"] = Rows(rows(0, 40) + rows(0, 3, height=5))
    with pytest.raises(ValueError, match="image_shape: expected a shape, since sizes in hf:a/parity differ"):
        kdata.load("hf:a/parity")
    monkeypatch.setattr(Rows, "features", {"text": None})
    with pytest.raises(ValueError, match="source: expected a column of pictures in hf:a/parity, got text"):
        kdata.load("hf:a/parity")
    del held["train"]
    with pytest.raises(ValueError, match="source: expected a split 'train' in hf:a/parity, got validation, test"):
        kdata.load("hf:a/parity")


def test_hugging_face_offline(monkeypatch):
    def fail(name):
        raise ConnectionError("no route\nmore")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=fail))
    with pytest.raises(OSError, match=r"^hf:a/parity: could not be prepared \(no route\)$"):
        kdata.load("hf:a/parity")


def test_import_is_light():
    code = (
        "import sys, kerasgen.data as d; d.names(); "
        "print({'tensorflow', 'keras', 'sklearn', 'PIL', 'scipy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
