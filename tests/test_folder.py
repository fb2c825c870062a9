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
    assert text.startswith(
        f"source: 1 of 2 pictures cannot be read, the first is {os.path.join('cats', name)} ("
    )
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


def test_shape_is_inferred_when_all_agree(tmp_path):
    rotated(tmp_path / "on_its_side.png")
    plain("L", 7).save(tmp_path / "grey.png")
    assert kdata.load(tmp_path).image_shape == (6, 8, 3)
    plain("L", 7, (9, 9)).save(tmp_path / "other.png")
    with pytest.raises(
        ValueError, match=r"image_shape: expected .* 2 sizes, from \(6, 8\) to \(9, 9\); got None"
    ):
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
    plain("L", 1).save(tmp_path / "beside.png")
    assert kdata.load(tmp_path).num_classes == 0


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


def test_damage_in_large_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "IN_MEMORY", 0)
    truncated(tmp_path / "a.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "b.png")
    with pytest.warns(UserWarning, match="1 of 2 pictures cannot be read and are left out"):
        assert kdata.load(tmp_path, on_error="skip").count("train") == 1
    data = kdata.load(tmp_path)  # headers are sound: found when decoded
    with pytest.raises(Exception, match="a.png: image file is truncated"):
        list(data.train)


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
    (tmp_path / "README.txt").write_text("pictures of halves")
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
