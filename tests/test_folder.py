"""Pictures of every kind that a folder may hold: read as documented, or listed with path and reason."""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasgen import data as kdata
from kerasgen.data import folder

RED, BLUE = (255, 0, 0), (0, 0, 255)
SHAPE = (6, 8, 3)


def plain(mode, colour, size=(8, 6)):
    return Image.new(mode, size, colour)


def halves(mode="RGB"):
    """Red left, blue right."""
    image = plain("RGB", RED)
    image.paste(BLUE, (4, 0, 8, 6))
    return image.convert(mode)


def rotated(path):
    """Stored on its side, with the orientation that turns it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    halves().rotate(90, expand=True).save(path, exif=exif)


def sixteen_bits(path):
    Image.fromarray(np.full((6, 8), 128 * 257, "uint16")).save(path)


def palette(path):
    image = plain("P", 0)
    image.putpalette([*RED, *BLUE])
    image.info["transparency"] = 0
    image.paste(1, (4, 0, 8, 6))
    image.save(path, transparency=0)


def animation(path):
    plain("RGB", RED).save(path, save_all=True, append_images=[plain("RGB", BLUE)])


# name -> how it is made, colours of its left and right half as read (RGB)
GOOD = {
    "rgb.png": (lambda p: halves().save(p), RED, BLUE),
    "rgba.png": (lambda p: plain("RGBA", (255, 0, 0, 0)).save(p), (255,) * 3, (255,) * 3),
    "half_seen.png": (lambda p: plain("RGBA", (0, 0, 0, 127)).save(p), (128,) * 3, (128,) * 3),
    "la.png": (lambda p: plain("LA", (0, 0)).save(p), (255,) * 3, (255,) * 3),
    "palette.png": (palette, (255,) * 3, BLUE),
    "one_bit.png": (lambda p: plain("1", 1).save(p), (255,) * 3, (255,) * 3),
    "sixteen.png": (sixteen_bits, (128,) * 3, (128,) * 3),
    "sixteen.tif": (sixteen_bits, (128,) * 3, (128,) * 3),
    "sixteen.pgm": (sixteen_bits, (128,) * 3, (128,) * 3),
    "cmyk.jpg": (lambda p: plain("CMYK", (0, 255, 255, 0)).save(p, quality=100), (254, 0, 0), (254, 0, 0)),
    "animated.gif": (animation, RED, RED),
    "colour.tiff": (lambda p: halves().save(p), RED, BLUE),
    "colour.webp": (lambda p: halves().save(p, lossless=True), RED, BLUE),
    "colour.bmp": (lambda p: halves().save(p), RED, BLUE),
    "on_its_side.png": (rotated, RED, BLUE),
    "wide.png": (lambda p: halves().resize((80, 6), Image.Resampling.NEAREST).save(p), RED, BLUE),
    "large.PNG": (lambda p: halves().resize((80, 60), Image.Resampling.NEAREST).save(p), RED, BLUE),
    "browser.jfif": (lambda p: halves().save(p, format="JPEG", quality=100, subsampling=0), RED, BLUE),
    "phone.avif": (lambda p: plain("RGB", RED).save(p, quality=100), RED, RED),
    "猫 ü.png": (lambda p: halves().save(p), RED, BLUE),
}


def claiming(path, side):
    """A small PNG file whose header claims another size."""
    halves().save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)


def truncated(path):
    random = np.random.RandomState(0).randint(256, size=(40, 40, 3)).astype("uint8")
    Image.fromarray(random).save(path)
    path.write_bytes(path.read_bytes()[:-600])


# name -> how it is made, part of the reason given
BAD = {
    "truncated.jpg": (truncated, "image file is truncated"),
    "truncated.png": (truncated, "image file is truncated"),
    "empty.png": (lambda p: p.write_bytes(b""), "empty file"),
    "text.jpg": (lambda p: p.write_bytes(b"this is not a picture"), "not a picture that can be read"),
    "bomb.png": (lambda p: claiming(p, 20000), "decompression bomb"),
    "large.png": (
        lambda p: claiming(p, 9000),
        "9000x9000 pixels, more than max_pixels=50000000",
    ),
    "float.tif": (lambda p: plain("F", 0.5).save(p), "float pixels, whose range is not known"),
    "postscript.png": (lambda p: plain("RGB", RED).save(p, format="EPS"), "not a picture that can be read"),
    "broken_link.png": (lambda p: os.symlink("nowhere", p), "No such file"),
}


@pytest.mark.parametrize("name", GOOD)
def test_kinds(tmp_path, name):
    make, left, right = GOOD[name]
    make(tmp_path / name)
    x = np.rint(kdata.load(tmp_path, image_shape=SHAPE).arrays("train")[0] * 255)
    assert x.shape == (1, *SHAPE)
    assert np.abs(x[0, :, :3] - left).max() <= 1 and np.abs(x[0, :, 5:] - right).max() <= 1


@pytest.mark.parametrize("name", BAD)
def test_unreadable(tmp_path, name):
    make, reason = BAD[name]
    (tmp_path / "cats").mkdir()
    make(tmp_path / "cats" / name)
    halves().save(tmp_path / "cats" / "good.png")
    with pytest.raises(ValueError) as caught:
        kdata.load(tmp_path / "cats", image_shape=SHAPE)
    text = str(caught.value)
    assert text.startswith(f"source: 1 of 2 pictures cannot be read, the first is {os.path.join('cats', name)} (")
    assert reason in text and "\n" not in text and str(tmp_path) not in text


def test_skip_warns_once_with_the_list(tmp_path):
    for name, (make, _) in BAD.items():
        make(tmp_path / name)
    with pytest.raises(ValueError, match=f"{len(BAD)} of {len(BAD)} pictures cannot be read"):
        kdata.load(tmp_path, image_shape=SHAPE, on_error="skip")
    halves().save(tmp_path / "good.png")
    with pytest.warns(UserWarning) as caught:
        data = kdata.load(tmp_path, on_error="skip", image_shape=SHAPE)
    assert data.count("train") == 1 and len(caught) == 1
    assert all(f"{name} (" in str(caught[0].message) and reason in str(caught[0].message)
               for name, (_, reason) in BAD.items())  # fmt: skip


def test_grey_is_asked_for_by_the_channel(tmp_path):
    plain("RGB", (100, 100, 100)).save(tmp_path / "a.png")
    x = kdata.load(tmp_path, image_shape=(6, 8, 1)).arrays("train")[0]
    assert x.shape == (1, 6, 8, 1) and np.rint(x * 255).max() == 100


@pytest.mark.filterwarnings("ignore:source. validation and test are empty")
def test_shape_is_inferred_when_all_agree(tmp_path):
    rotated(tmp_path / "on_its_side.png")
    plain("L", 7).save(tmp_path / "grey.png")
    assert kdata.load(tmp_path).image_shape == (6, 8, 3)
    plain("L", 7, (9, 9)).save(tmp_path / "other.png")
    with pytest.raises(ValueError, match=r"image_shape: expected .* 2 sizes, from \(6, 8\) to \(9, 9\); got None"):
        kdata.load(tmp_path)


def test_grey_folder_stays_grey(tmp_path):
    plain("L", 7).save(tmp_path / "grey.png")
    assert kdata.load(tmp_path).image_shape == (6, 8, 1)


def test_crop_keeps_the_centre_and_the_aspect(tmp_path):
    image = plain("RGB", RED, (30, 10))
    image.paste(BLUE, (4, 0, 26, 10))
    image.save(tmp_path / "a.png")
    x = kdata.load(tmp_path, image_shape=(5, 5, 3)).arrays("train")[0]
    assert (np.rint(x * 255) == BLUE).all()


def classes(root, count=20):
    for label, name in enumerate(("cats", "dogs")):
        (root / name).mkdir()
        for i in range(count):
            plain("L", 100 * label + i).save(root / name / f"{i}.png")
    return root


def test_sub_folders_are_classes(tmp_path):
    data = kdata.load(classes(tmp_path))
    assert data.class_names == ("cats", "dogs") and [data.count(s) for s in data.splits] == [32, 4, 4]
    x, label = data.arrays("train")
    assert (label == (x[:, 0, 0, 0] * 255 >= 100)).all()
    assert (kdata.load(tmp_path).arrays("test")[0] == data.arrays("test")[0]).all()
    assert (kdata.load(tmp_path, seed=1).arrays("test")[0] != data.arrays("test")[0]).any()
    assert "2 classes (0 cats, 1 dogs)" in repr(data)


def test_a_picture_beside_class_folders_is_named(tmp_path):
    plain("L", 1).save(classes(tmp_path) / "beside.png")
    text = "beside.png lies beside the folders cats, dogs, so there are no classes"
    with pytest.warns(UserWarning, match=f"source: {text}"):
        assert kdata.load(tmp_path).num_classes == 0
    with pytest.raises(ValueError, match=f"labels: expected folders alone, got files too: {text}"):
        kdata.load(tmp_path, labels=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kdata.load(tmp_path, labels=False).count("train") == 33


def test_classes_are_in_natural_order(tmp_path):
    for i in range(12):
        (tmp_path / "numbers" / str(i)).mkdir(parents=True)
        (tmp_path / "names" / f"img{i}").mkdir(parents=True)
        for j in range(5):
            plain("L", 20 * i).save(tmp_path / "numbers" / str(i) / f"{j}.png")
            plain("L", 20 * i).save(tmp_path / "names" / f"img{i}" / f"{j}.png")
    numbers, names = kdata.load(tmp_path / "numbers"), kdata.load(tmp_path / "names")
    assert numbers.class_names == tuple(map(str, range(12)))
    assert names.class_names == tuple(f"img{i}" for i in range(12))
    for data in (numbers, names):
        x, label = data.arrays("train")
        assert (np.rint(x[:, 0, 0, 0] * 255) == 20 * label).all()
    assert "12 classes, " in repr(numbers) and "12 classes (0 img0, 1 img1, " in repr(names)


def published(root, counts, names=("cats", "dogs")):
    """Pictures of as many values as there are, in folders of splits and classes."""
    value = iter(range(256))
    for split, count in counts.items():
        for name in names:
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                plain("L", next(value)).save(root / split / name / f"{i}.png")
    return root


@pytest.mark.parametrize("middle", ["val", "valid", "validation", "Val"])
def test_published_splits_are_kept(tmp_path, middle):
    data = kdata.load(published(tmp_path, {"train": 30, middle: 5, "test": 5}))
    assert [data.count(split) for split in data.splits] == [60, 10, 10]
    assert data.class_names == ("cats", "dogs")
    values = {split: np.rint(data.arrays(split)[0][:, 0, 0, 0] * 255).astype(int) for split in data.splits}
    assert sorted(values["train"]) == [*range(60)]
    assert sorted(values["validation"]) == [*range(60, 70)] and sorted(values["test"]) == [*range(70, 80)]
    assert (data.arrays("test")[1] == (values["test"] >= 75)).all()


def test_splits_that_are_not_published_come_out_of_train(tmp_path):
    two = kdata.load(published(tmp_path / "two", {"train": 20, "test": 5}))
    assert [two.count(split) for split in two.splits] == [36, 4, 10]
    assert np.rint(two.arrays("test")[0] * 255).min() == 40
    assert np.rint(two.arrays("validation")[0] * 255).max() < 40
    one = kdata.load(published(tmp_path / "one", {"train": 20}))
    assert [one.count(split) for split in one.splits] == [32, 4, 4] and one.num_classes == 2
    flat = kdata.load(published(tmp_path / "flat", {"train": 20, "valid": 3}, names=(".",)))
    assert [flat.count(split) for split in flat.splits] == [18, 3, 2] and flat.num_classes == 0


def test_what_lies_beside_splits_is_refused_but_a_class_may_be_called_train(tmp_path):
    published(tmp_path, {"train": 10, "test": 2})
    halves().save(tmp_path / "preview.png")
    line = "source: expected train, val and test alone in 'pets', got preview.png beside test, train"
    tmp_path = tmp_path.rename(tmp_path.parent / "pets")
    with pytest.raises(ValueError, match=line):
        kdata.load(tmp_path)
    vehicles = published(tmp_path.parent / "vehicles", {"train": 10, "bus": 10}, names=(".",))
    assert kdata.load(vehicles).class_names == ("bus", "train")
    halves().save(published(tmp_path.parent / "lone", {"train": 10}) / "preview.png")
    with pytest.raises(ValueError, match="in 'lone', got preview.png beside train"):
        kdata.load(tmp_path.parent / "lone")
    with pytest.raises(ValueError, match="got test, val without train"):
        kdata.load(published(tmp_path.parent / "halved", {"test": 10, "val": 10}, names=(".",)))


def test_files_that_are_not_looked_at_are_counted(tmp_path):
    for suffix, count in (("jpg", 6), ("jfif", 60), ("avif", 40)):
        for i in range(count):
            plain("RGB", (i, i, i)).save(tmp_path / f"{i}.{suffix}", format="AVIF" if suffix == "avif" else "JPEG")
    for i in range(40):
        (tmp_path / f"{i}.HEIC").write_bytes(b"phone")
    (tmp_path / "LICENSE").write_text("yours")
    with pytest.warns(UserWarning) as caught:
        data = kdata.load(tmp_path)
    (line,) = [str(one.message) for one in caught]
    assert "41 of 147 files" in line and "(40 .heic, 1 without a suffix)" in line
    assert sum(data.count(split) for split in data.splits) == 106


def test_empty_splits_are_said(tmp_path):
    for i in range(6):
        plain("L", i).save(tmp_path / f"{i}.png")
    with pytest.warns(UserWarning, match="source: validation and test are empty, since 6 examples have no tenth"):
        assert kdata.load(tmp_path).count("train") == 6


def test_a_name_that_is_a_path_too_is_refused(tmp_path, monkeypatch):
    from kerasgen.metrics.features import features_for

    monkeypatch.chdir(tmp_path)
    for name in ("flower", "digits"):
        (tmp_path / name).mkdir()
        for i in range(30):
            plain("L", i, (8, 8)).save(tmp_path / name / f"{i}.png")
        line = f"source: '{name}' is both embedded data and a folder here; write 'embedded:{name}' or './{name}'"
        with pytest.raises(ValueError, match=line):
            kdata.load(name)
        path = kdata.load(f"./{name}")
        assert path.name == f"./{name}" and path.count("train") == 24
    assert kdata.load("embedded:flower", image_shape=(32, 32, 3)).count("train") == 1
    embedded = kdata.of({"data": {"name": "digits"}})  # as a preset says it
    assert embedded.name == "digits" and embedded.count("train") == 1257
    assert features_for(embedded) is not None and features_for(kdata.load("./digits")) is None


def test_a_path_from_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "photos").mkdir()
    halves().save(tmp_path / "photos" / "a.png")
    assert kdata.load("~/photos").name == "photos"


OTHERS = {
    "corpus.md": "a text is read where it is called .txt",
    "corpus": "a text is read where it is called .txt",
    "table.csv": "read the table with pandas and give its values as an array",
    "song.mp3": "ffmpeg makes .wav of it",
    "phone.HEIC": "save it as JPEG or PNG",
    "pictures.zip": "unpack it",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_kind_gets_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"content")
    line = rf"source: expected pictures \(.*\), .txt or .wav, .npy or .npz, got '{name}'; {OTHERS[name]}$"
    with pytest.raises(ValueError, match=line):
        kdata.load(tmp_path / name)


def test_large_folders_are_decoded_on_demand(tmp_path, monkeypatch):
    small = kdata.load(classes(tmp_path), batch_size=10)
    monkeypatch.setattr(folder, "IN_MEMORY", 0)
    large = kdata.load(tmp_path, batch_size=10)
    assert isinstance(large.splits["train"][0], folder.Pictures) and repr(large) == repr(small)
    for split in ("train", "test"):
        for a, b in zip(getattr(small, split), getattr(large, split), strict=True):
            assert (a[0] == b[0]).numpy().all() and (a[1] == b[1]).numpy().all() and a[0].shape == b[0].shape
        assert (small.arrays(split)[0] == large.arrays(split)[0]).all()
    assert large.statistics == {"train": 32, "validation": 4, "test": 4}


@pytest.mark.filterwarnings("ignore:source. validation and test are empty")
def test_damage_in_large_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "IN_MEMORY", 0)
    truncated(tmp_path / "a.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "b.png")
    with pytest.warns(UserWarning, match="1 of 2 pictures cannot be read and are left out"):
        assert kdata.load(tmp_path, on_error="skip").count("train") == 1
    data = kdata.load(tmp_path)  # headers are sound: found when decoded
    with pytest.raises(Exception, match="a.png: image file is truncated"):
        list(data.train)


@pytest.mark.filterwarnings("ignore:source. validation and test are empty")
def test_links_are_followed_but_never_around_a_loop(tmp_path):
    inside = tmp_path / "all" / "cats"
    inside.mkdir(parents=True)
    halves().save(inside / "a.png")
    (inside / "loop").symlink_to(tmp_path / "all")
    (inside / "self.png").symlink_to("self.png")
    (tmp_path / "all" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    halves().save(tmp_path / "elsewhere" / "b.png")
    with pytest.warns(UserWarning, match="1 of 3 pictures .*self.png .Too many levels of symbolic links"):
        data = kdata.load(tmp_path / "all", on_error="skip")
    assert data.count("train") == 2 and data.class_names == ("cats", "more")


def test_other_files_are_left_alone(tmp_path):
    halves().save(tmp_path / "a.png")
    halves().save(tmp_path / ".hidden.png")
    os.mkfifo(tmp_path / "pipe.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kdata.load(tmp_path).count("train") == 1
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="source: expected pictures .* got none in 'none'"):
        kdata.load(tmp_path / "none")


def test_one_file_is_one_picture(tmp_path):
    halves().save(tmp_path / "stone.png")
    data = kdata.load(tmp_path / "stone.png")
    assert data.name == "stone.png" and [data.count(s) for s in data.splits] == [1, 0, 0]


def test_bad_options(tmp_path):
    halves().save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="on_error: expected 'raise' or 'skip', got 'ignore'"):
        kdata.load(tmp_path, on_error="ignore")
    with pytest.raises(ValueError, match=r"image_shape: expected \(height, width, 1 or 3\), got \(8, 8\)"):
        kdata.load(tmp_path, image_shape=(8, 8))
    with pytest.raises(ValueError, match="8x6 pixels, more than max_pixels=40"):
        kdata.load(tmp_path, max_pixels=40)
