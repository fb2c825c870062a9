"""Public data by name: readers on tiny files of each format, mirrors, hashes, what is said where a file is missing."""

import hashlib
import os
import shutil

import miniature
import numpy as np
import pytest
from miniature import CODES, GROUPS

import kerasgen.data
from kerasgen.data import arrays, fetching, library


def known(path, url=None):
    return fetching.File(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), url)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    miniature.everything(folder)
    return folder


@pytest.fixture
def shelf(tiny, tmp_path, monkeypatch):
    """A mirror with tiny files of every set, which the table knows by their hashes."""
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    for name, row in library.SETS.items():
        files = tuple(known(tmp_path / file.name, "https://nowhere.invalid/x") for file in row.files)
        small = row.small and (known(tmp_path / row.small[0].name), row.small[1])
        monkeypatch.setitem(library.SETS, name, row._replace(files=files, small=small))
    monkeypatch.setenv(fetching.MIRROR, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", library.SETS)
def test_every_set_is_described(shelf, name):
    data = kerasgen.data.load(name)
    assert data.name == name and data.licence and data.origin and library.SETS[name].citation
    assert all(data.count(split) for split in data.splits)
    batch = next(iter(data.with_batch(2).train))
    x = batch[0] if data.given else batch
    assert x.shape[1:] == data.shape == library.SETS[name].shape and data.about["name"] == name
    assert kerasgen.data.load(f"public:{name}").shape == data.shape


def test_digits_keep_their_published_test_set(shelf):
    data, held = kerasgen.data.load("mnist"), np.load(shelf / "mnist.npz")
    assert [data.count(split) for split in ("train", "validation", "test")] == [36, 4, 7]
    x, label = data.splits["test"]
    assert np.array_equal(x[..., 0], held["x_test"]) and np.array_equal(label["label"], held["y_test"])
    assert kerasgen.data.load("mnist", image_shape=(32, 32, 1)).shape == (32, 32, 1)


def test_binary_digits_are_drawn_from_their_grey_values(shelf):
    """Grey 0 is never 1, grey 255 always, and a pixel of grey g in g / 255 of many; bits are everybody's."""
    x = np.zeros((4000, 2, 2), "uint8")
    x[:] = [[0, 255], [51, 204]]
    np.savez(shelf / "mnist.npz", x_train=x, x_test=x[:3], y_train=np.zeros(4000, "u1"), y_test=np.zeros(3, "u1"))
    file = known(shelf / "mnist.npz")
    library.SETS["mnist_binary"] = library.SETS["mnist_binary"]._replace(files=(file,))
    data = kerasgen.data.load("mnist_binary")
    assert data.levels == 2 and set(np.unique(data.arrays("train")[0])) == {0.0, 1.0}
    mean = data.arrays("train")[0].mean(0)[..., 0]
    assert mean[0].tolist() == [0, 1] and np.allclose(mean[1], [0.2, 0.8], atol=5 * 0.4 / np.sqrt(3600))
    again = kerasgen.data.load("mnist_binary", seed=3)
    assert all(np.array_equal(data.splits[split][0], again.splits[split][0]) for split in data.splits)


def test_spoken_digits_are_the_beginnings_of_words(shelf):
    """A word is one piece: cut where it is longer, silent where it is over; takes 0 to 4 are the test set."""
    held, data = np.load(shelf / "spoken_digits.npz"), kerasgen.data.load("spoken_digits", image_shape=(50,))
    assert [data.count(split) for split in ("train", "validation", "test")] == [8, 12, 20]
    assert data.sample_rate == 8000 and data.kind == "sound" and data.class_names[3] == "3"
    x, label = data.arrays("test")
    starts, rows = np.cumsum(held["length"]) - held["length"], np.flatnonzero(held["take"] < 5)
    assert np.array_equal(label, held["digit"][rows])
    for piece, row in zip(x, rows, strict=True):
        word = held["audio"][starts[row] :][: min(held["length"][row], 50)]
        assert np.array_equal(piece[: len(word)] * 32768, word) and not piece[len(word) :].any()
    assert kerasgen.data.load("spoken_digits").shape == (4000,)


@pytest.mark.parametrize("name", [name for name, row in library.SETS.items() if not row.files])
def test_what_mirrors_alone_have_says_so(shelf, name):
    row = library.SETS[name]
    (shelf / row.small[0].name).unlink()
    with pytest.raises(OSError) as error:
        kerasgen.data.load(name)
    assert str(error.value) == (
        f"{name}: not fetched, since no public file has a known SHA-256; KERASGEN_DATA=FOLDER names a folder that has "
        f"{row.small[0].name}; {row.elsewhere}"
    )


BOTH = [name for name, row in library.SETS.items() if row.files and row.small and name != "cifar10"]


@pytest.mark.parametrize("name", BOTH)
def test_a_mirrors_own_form_holds_the_same(shelf, name):
    """Where it is not there, the public files are read: the same examples, in the same order."""
    public, row = kerasgen.data.load(name), library.SETS[name]
    for file in row.files:
        (shelf / file.name).unlink()
    own = kerasgen.data.load(name)
    assert (own.class_names, own.levels, own.sample_rate) == (public.class_names, public.levels, public.sample_rate)
    for split, (x, given) in own.splits.items():
        assert np.array_equal(x, public.splits[split][0]), split
        for port, rows in given.items():
            assert np.array_equal(rows, public.splits[split][1][port]), (split, port)


def test_copies_of_cifar_say_that_they_are_copies(shelf):
    """In each split classes take turns, and colours are nearly those of the exact pictures."""
    exact = kerasgen.data.load("cifar10")
    assert [exact.count(split) for split in ("train", "validation", "test")] == [45, 5, 10]
    (shelf / "cifar-10-binary.tar.gz").unlink()
    copies = kerasgen.data.load("cifar10")
    assert exact.name == "cifar10" and copies.name == "cifar10_jpeg" and "JPEG copies" in copies.origin
    for split in exact.splits:
        (x, label), (near, of) = exact.arrays(split), copies.arrays(split)
        assert np.array_equal(label, of) and 0 < np.abs(x - near).max() < 4 / 255, split
        assert np.ptp(x.reshape(len(x), -1, 3), axis=1).max() == 0, "of one colour, in its own channels"


def test_streets_are_made_of_maps_in_the_colours_of_camvid(shelf):
    data = kerasgen.data.load("camvid")
    photographs, maps = data.arrays("test")
    assert {tuple(c) for c in (255 * maps).round().reshape(-1, 3)} <= {tuple(c) for c in library.photographs.COLOURS}
    far = np.abs(255 * maps[..., None, :] - library.photographs.COLOURS).sum(-1)  # of each class
    assert (far.min(-1) < 0.01).all() and np.abs(255 * photographs[..., 0] - 20 * far.argmin(-1)).mean() < 3
    small = kerasgen.data.load("camvid", image_shape=(24, 32, 3))
    said = {tuple(c) for c in (255 * small.arrays("train")[1]).round().reshape(-1, 3)}
    assert said <= {tuple(c) for c in library.photographs.COLOURS}, "classes do not blend"


def test_omniglot_has_every_character_in_every_split(shelf):
    data = kerasgen.data.load("omniglot")
    assert data.class_names == ("Greek 1", "Greek 2", "Tagalog 1", "Tagalog 2")
    assert [data.count(split) for split in ("train", "validation", "test")] == [64, 8, 8]
    assert all(set(data.arrays(split)[1]) == {0, 1, 2, 3} for split in data.splits)
    assert data.arrays("train")[0].mean() < 0.2, "ink is 1"


def test_measures_are_prepared_as_rnade_has_it(shelf):
    """What is discrete or said twice is gone; in the train split means are 0 and deviations 1."""
    held = np.load(shelf / "uci_real.npz")
    kept = {
        "wine_red": range(11),
        "ionosphere": range(2, 34),
        "parkinsons": [*range(3, 6), 7, 9, 10, 12, 14, 15, *range(16, 22)],
    }
    for name, columns in kept.items():
        data = kerasgen.data.load(name)
        x = data.arrays("train")[0]
        assert np.allclose(x.mean(0), 0, atol=1e-5) and np.allclose(x.std(0), 1, atol=1e-5), name
        rows = np.concatenate([data.splits[part][0] for part in data.splits])
        raw = held[name][:, list(columns)]
        raw = raw[np.concatenate(list(arrays.split(len(raw), 0).values()))]
        assert np.allclose([np.corrcoef(*pair)[0, 1] for pair in zip(raw.T, rows.T, strict=True)], 1), name
        assert data.minimum is None and data.levels is None and data.kind == "vector"


def test_letters_are_pictures_in_black_and_white(shelf):
    data, held = kerasgen.data.load("ocr_letters"), np.load(shelf / "uci_binary.npz")
    assert data.levels == 2 and data.kind == "picture"
    x = np.unpackbits(held["ocr_letters_test"], axis=1).reshape(-1, 16, 8, 1)
    assert np.array_equal(data.arrays("test")[0], x)
    with pytest.raises(
        ValueError, match=r"image_shape: expected \(16, 8, 1\) for ocr_letters, which are black and white"
    ):
        kerasgen.data.load("ocr_letters", image_shape=(28, 28, 1))


def test_newspapers_keep_their_published_parts(shelf):
    data = kerasgen.data.load("penn_treebank", image_shape=(32,))
    for split, word in (("train", b"train"), ("validation", b"valid"), ("test", b"test")):
        content = data.arrays(split)[0].astype("uint8").tobytes()
        assert content.startswith(b" the <unk> of " + word) and content.count(word) == content.count(b"of")


def test_emoji_say_what_they_are(shelf):
    data = kerasgen.data.load("emoji", image_shape=(16, 24, 3))
    assert data.given == ("label", "text") and data.class_names == tuple(sorted(GROUPS))
    assert sum(data.count(split) for split in data.splits) == len(CODES), "no skin tone, no country, none of one style"
    pairs = kerasgen.data.load("emoji_pairs")
    x, picture = pairs.arrays("train")
    assert x.shape == picture.shape and np.abs(x - picture).mean() > 0.1
    assert np.allclose(x[:, :8, :8], 1.0), "transparency is laid on white"
    styles = kerasgen.data.load("emoji_styles")
    told = {row.tobytes() for row in np.concatenate([pairs.splits[s][0] for s in pairs.splits])}
    for split in styles.splits:
        x, label = styles.splits[split]
        assert [row.tobytes() in told for row in x] == (label["label"] == 1).tolist()


def test_another_file_of_the_name_is_refused(shelf):
    (shelf / "mnist.npz").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"mnist\.npz: expected SHA-256 \w{12}\.\.\., got \w{12}\.\.\.; it is another"):
        kerasgen.data.load("mnist")


def test_a_mirror_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv(fetching.MIRROR, "/nowhere/at/all")
    with pytest.raises(ValueError, match="KERASGEN_DATA: expected a folder, got '/nowhere/at/all'"):
        kerasgen.data.load("mnist")


def test_without_a_network_there_is_one_line(shelf, tmp_path, monkeypatch):
    monkeypatch.delenv(fetching.MIRROR)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")

    def fail(*args, **options):
        raise ConnectionError("Name or service\nnot known")

    monkeypatch.setattr("pooch.retrieve", fail)
    with pytest.raises(OSError) as error:
        kerasgen.data.load("mnist")
    assert str(error.value) == (
        "mnist: https://nowhere.invalid/x could not be fetched (Name or service not known); "
        "KERASGEN_DATA=FOLDER names a folder that has mnist.npz"
    )


def test_what_is_fetched_is_checked_and_kept(shelf, tmp_path, monkeypatch):
    """Once: the second time nothing is asked for. A file that is another is refused and not kept."""
    from http.server import HTTPServer, SimpleHTTPRequestHandler
    from threading import Thread

    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(shelf))

        def log_message(self, *args):
            asked.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.delenv(fetching.MIRROR)
        monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
        url = f"http://127.0.0.1:{server.server_port}/mnist.npz"
        file = known(shelf / "mnist.npz", url)
        for _ in range(2):
            assert fetching.fetch(file, "mnist").read_bytes() == (shelf / "mnist.npz").read_bytes()
        assert asked == ["/mnist.npz"]
        other = fetching.File("other.npz", "0" * 64, url)
        with pytest.raises(OSError, match="mnist: .* could not be fetched"):
            fetching.fetch(other, "mnist")
        assert not (tmp_path / "cache" / "data" / "other.npz").exists()
    finally:
        server.shutdown()


def test_a_folder_of_that_name_is_told_apart(shelf, tmp_path, monkeypatch):
    (tmp_path / "here" / "emoji").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ValueError, match="'emoji' is both public data and a folder here; write 'public:emoji' or"):
        kerasgen.data.load("emoji")


@pytest.mark.skipif(not os.environ.get(fetching.MIRROR), reason="KERASGEN_DATA names no folder of the real files")
@pytest.mark.parametrize("name", library.SETS)
def test_the_real_files_are_as_stated(name):
    data, row = kerasgen.data.load(name), library.SETS[name]
    counts = tuple(data.count(split) for split in ("train", "validation", "test"))
    assert (data.shape, counts) == (row.shape, row.counts)


def test_public_names_are_listed_apart():
    assert kerasgen.data.names(public=True) == list(library.SETS)
    assert not set(kerasgen.data.names()) & set(library.SETS)
    with pytest.raises(ValueError, match="did you mean 'omniglot'"):
        kerasgen.data.load("omniglott")
