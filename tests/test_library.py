"""Public data by name: readers on tiny files of each format, mirrors, hashes, what is said where a file is missing."""

import hashlib
import io
import json
import os
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

import kerasgen.data
from kerasgen.data import fetching, library
from kerasgen.data.library import emoji

CODES = ["1f600", "1f34e", "2764-fe0f", "1f680", "1f3c1", "1f436", "26bd", "1f4a1", "1f44b", "1f511", "1f3b5"]
GROUPS = ["Smileys & Emotion", "Food & Drink", "Symbols", "Travel & Places", "Flags"]


def png(code, style, size=64):
    """A picture with a transparent corner that tells its emoji and style."""
    rng = np.random.default_rng([int(code.split("-")[0], 16), len(style)])
    levels = np.concatenate([rng.integers(0, 256, (size, size, 3)), np.full((size, size, 1), 255)], -1)
    levels[:8, :8, 3] = 0
    file = io.BytesIO()
    Image.fromarray(levels.astype("uint8"), "RGBA").save(file, "PNG")
    return file.getvalue()


def packages(folder):
    """Two packages as npm has them, with a skin tone and a country, which are left out, and an emoji of one style."""
    rows = [
        dict(name=f"EMOJI {i}", image=f"{code}.png", category=GROUPS[i % 5], subcategory="some")
        for i, code in enumerate(CODES)
    ]
    rows += [
        dict(name="SKIN", image="1f3fb.png", category="Component", subcategory="skin-tone"),
        dict(name="Nowhere Flag", image="1f1e6.png", category="Flags", subcategory="country-flag"),
        dict(name="ALONE", image="1f9ff.png", category="Objects", subcategory="some"),
    ]
    found = []
    for style in emoji.STYLES:
        path = folder / f"emoji-datasource-{style}-16.0.0.tgz"
        with tarfile.open(path, "w:gz") as package:
            files = {"package/emoji.json": json.dumps(rows).encode()}
            for row in rows:
                if row["name"] != "ALONE" or style == "google":
                    files[f"package/img/{style}/64/{row['image']}"] = png(row["image"][:-4], style)
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                package.addfile(member, io.BytesIO(content))
        found.append(path)
    return found


def archive(folder):
    path = folder / "emoji_pairs.zip"
    with zipfile.ZipFile(path, "w") as file:
        lines = ["code,name,category,subcategory"]
        for i, code in enumerate(CODES):
            lines.append(f"{code},emoji {i},{GROUPS[i % 5]},some")
            for style in emoji.STYLES:
                file.writestr(f"{style}/{code}.png", png(code, style))
        file.writestr("emoji.csv", "\n".join(lines))
    return path


def words(folder, rng):
    """Two speakers, of whom each says two digits in takes 0 to 9."""
    digit, speaker, take = (x.ravel() for x in np.mgrid[3:5, :2, :10])
    length = rng.integers(10, 90, len(digit))
    path = folder / "spoken_digits.npz"
    np.savez(
        path, audio=rng.integers(-(2**15), 2**15, length.sum(), dtype="int16"), length=length, digit=digit,
        speaker=speaker, take=take,
    )  # fmt: skip
    return path


def known(path, url=None):
    return fetching.File(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), url)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A mirror with tiny files of every set, which the table knows by their hashes."""
    rng = np.random.default_rng(0)
    digits = {
        name: rng.integers(0, 256, (count, 28, 28), dtype="uint8") for name, count in (("train", 40), ("test", 7))
    }
    np.savez(
        tmp_path / "mnist.npz", x_train=digits["train"], x_test=digits["test"],
        y_train=np.arange(40, dtype="uint8") % 10, y_test=np.arange(7, dtype="uint8"),
    )  # fmt: skip
    (tmp_path / "tiny_shakespeare.txt").write_bytes(b"Speak, speak. " * 400)
    packages(tmp_path)
    archive(tmp_path)
    words(tmp_path, rng)
    for name, row in library.SETS.items():
        files = tuple(known(tmp_path / file.name, "https://nowhere.invalid/x") for file in row.files)
        small = row.small and (known(tmp_path / row.small[0].name), row.small[1])
        monkeypatch.setitem(library.SETS, name, row._replace(files=files, small=small))
    monkeypatch.setenv(fetching.MIRROR, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", library.SETS)
def test_every_set_is_described(shelf, name):
    data = kerasgen.data.load(name)
    assert data.name == name and data.licence and data.origin
    assert all(data.count(split) for split in data.splits)
    batch = next(iter(data.with_batch(2).train))
    x = batch[0] if data.given else batch
    assert x.shape[1:] == data.shape and data.about["name"] == name
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


def test_what_mirrors_alone_have_says_so(shelf):
    (shelf / "spoken_digits.npz").unlink()
    with pytest.raises(OSError) as error:
        kerasgen.data.load("spoken_digits")
    assert str(error.value) == (
        "spoken_digits: not fetched, since no public file has a known SHA-256; KERASGEN_DATA=FOLDER names a folder "
        "that has spoken_digits.npz; github.com/Jakobovski/free-spoken-digit-dataset has the sounds, "
        "which load as a folder"
    )


def test_a_mirrors_own_form_holds_the_same(shelf):
    """Where it is not there, the public files are read: the same emoji."""
    names = ("emoji", "emoji_pairs", "emoji_styles")
    own = {name: kerasgen.data.load(name) for name in names}
    (shelf / "emoji_pairs.zip").unlink()
    for name, data in own.items():
        public = kerasgen.data.load(name)
        for split, (x, given) in data.splits.items():
            assert np.array_equal(x, public.splits[split][0]), (name, split)
            for port, rows in given.items():
                assert np.array_equal(rows, public.splits[split][1][port]), (name, split, port)


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


REAL = {
    "mnist": ((28, 28, 1), [54_000, 6_000, 10_000]),
    "mnist_binary": ((28, 28, 1), [54_000, 6_000, 10_000]),
    "spoken_digits": ((4000,), [880, 120, 200]),
    "tiny_shakespeare": ((256,), [3485, 435, 435]),
    "emoji": ((64, 64, 3), [1316, 164, 164]),
    "emoji_pairs": ((64, 64, 3), [1316, 164, 164]),
    "emoji_styles": ((64, 64, 3), [1316, 164, 164]),
}


@pytest.mark.skipif(not os.environ.get(fetching.MIRROR), reason="KERASGEN_DATA names no folder of the real files")
@pytest.mark.parametrize("name", library.SETS)
def test_the_real_files_are_as_stated(name):
    data = kerasgen.data.load(name)
    assert (data.shape, [data.count(split) for split in ("train", "validation", "test")]) == REAL[name]
