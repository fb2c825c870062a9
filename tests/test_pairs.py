"""Pictures that are given with pictures: folders of pairs, what data and models agree on, and what is shown of it."""

import numpy as np
import pytest
from PIL import Image

import kerasgen
from kerasgen import pictures
from kerasgen.data import asking

SIZE = (12, 8)


def write(folder, names, colour=True, size=SIZE, seed=0):
    rng = np.random.default_rng(seed)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = rng.integers(0, 256, (*size, 3) if colour else size, dtype="uint8")
        Image.fromarray(levels).save(path)


def level_of(path):
    return np.asarray(Image.open(path))


def test_a_folder_of_two_is_pairs_by_name(tmp_path):
    """The first is given; other suffixes and another order on the disk do not part them."""
    names = [f"{i}.png" for i in (3, 11, 2, 1, 10, 7, 5, 4, 6, 8, 9, 0)]
    write(tmp_path / "A", names, seed=1)
    write(tmp_path / "B", [name.replace(".png", ".bmp") for name in names[::-1]], colour=False, seed=2)
    data = kerasgen.data.load(f"pairs:{tmp_path}")
    assert data.given == ("picture",) and data.shape == (*SIZE, 1) and data.picture_shape == (*SIZE, 3)
    assert [data.count(split) for split in data.splits] == [10, 1, 1] and not data.class_names
    seen = {
        level_of(tmp_path / "A" / name).tobytes(): level_of(tmp_path / "B" / name.replace("png", "bmp"))
        for name in names
    }
    for split, (x, given) in data.splits.items():
        for made, picture in zip(x, given["picture"], strict=True):
            assert np.array_equal(seen.pop(picture.tobytes())[..., None], made), split
    assert not seen


@pytest.mark.parametrize("above", [True, False])
def test_published_splits_of_pairs_are_kept(tmp_path, above):
    counts = {"train": 6, "val": 2, "test": 3}
    for split, count in counts.items():
        for side in ("edges", "shoes"):
            folder = tmp_path / split / side if above else tmp_path / side / split
            write(folder, [f"{split}{i}.png" for i in range(count)], seed=len(side))
    data = kerasgen.data.load(f"pairs:{tmp_path}", image_shape=(4, 8, 3))
    assert [data.count(split) for split in ("train", "validation", "test")] == [6, 2, 3]
    x, picture = data.arrays("test")
    assert x.shape == picture.shape == (3, 4, 8, 3) and x.max() <= 1.0 < picture.size


def test_batches_hold_both_in_the_same_range():
    data = kerasgen.data.load("digits_edges", batch_size=5)
    x, picture = next(iter(data.validation))
    assert x.shape == picture.shape == (5, 8, 8, 1) and set(np.unique(picture)) == {0.0, 1.0}
    stored = data.splits["validation"]
    assert np.allclose(picture, stored[1]["picture"][:5] / 16) and np.allclose(x, stored[0][:5] / 16)


REFUSED = {
    "one folder": (["A/1.png"], "expected two sub-folders of pictures in '{}', got A"),
    "three": (["A/1.png", "B/1.png", "C/1.png"], "expected two sub-folders of pictures in '{}', got A, B, C"),
    "flat": (["1.png", "2.png"], "expected two sub-folders of pictures in '{}', got none"),
    "alone": (["A/1.png", "A/2.png", "B/1.png"], "expected pairs, got '2' in 'A' alone, of 1 not in 'B' too"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_folder_of_pairs_is_refused_in_one_line(tmp_path, case):
    names, line = REFUSED[case]
    write(tmp_path, names)
    with pytest.raises(ValueError) as error:
        kerasgen.data.load(f"pairs:{tmp_path}")
    assert str(error.value) == "source: " + line.format(tmp_path)


def tiny(**arguments):
    chosen = dict(image_shape=(8, 8, 1), picture_channels=1, widths=(4, 4), discriminator_widths=(4, 4), jitter=0)
    return kerasgen.build("pix2pix", **chosen | arguments)


def test_what_data_and_model_do_not_agree_on_is_said_before_training():
    data = kerasgen.data.load("digits_edges")
    for arguments, line in (
        (dict(picture_channels=3), "picture_channels: expected 1, that of digits_edges, got 3"),
        (dict(image_shape=(8, 16, 1)), "image_shape: expected"),
    ):
        with pytest.raises(ValueError, match=line):
            tiny(**arguments).check(data)
    with pytest.raises(ValueError, match="data: expected a picture with each example, got label from digits"):
        tiny().check(kerasgen.data.load("digits"))


def test_arrays_of_pairs_are_looked_at():
    model = tiny()
    model.compile()
    x = np.zeros((4, 8, 8, 1), "float32")
    with pytest.raises(ValueError, match=r"picture: expected .* from 0 to 1, got 2"):
        model.fit(x, {"picture": x + 2.0}, verbose=0)
    with pytest.raises(ValueError, match=r"picture: expected .*\(N, 8, 8, 1\).*got shape \(4, 16, 8, 1\)"):
        model.fit(x, np.zeros((4, 16, 8, 1), "float32"), verbose=0)
    model.fit(x, x, verbose=0)


def test_versions_stand_below_each_other():
    """Small pictures are enlarged by squares; grey ones stand beside colour."""
    small, large = np.full((3, 2, 2, 1), 0.2), np.full((3, 4, 4, 3), 0.8)
    image = pictures.versions(small, large, columns=2)
    scale = (image.shape[1] - 2) // 2 - 2
    rows = [round(float(image[2 + i * (scale + 2), 2].mean()) / 255, 1) for i in range(4)]
    assert rows == [0.2, 0.8, 0.2, 0.8]
    assert (image[-4, -4] == 255).all(), "where a row has no picture it is white"


def test_a_model_is_asked_about_what_it_takes():
    pairs, digits = kerasgen.data.load("digits_edges"), kerasgen.data.load("digits")
    small = kerasgen.build(
        "srgan", image_shape=(8, 8, 1), doublings=1, width=4, blocks=1, discriminator_widths=(4,), dense=4,
        features="digits",
    )  # fmt: skip
    asked = asking.inputs(digits, "test", small.ports["upscale"].inputs, 7)
    assert list(asked) == ["picture"] and asked["picture"].shape == (7, 4, 4, 1)
    given, made, truth = asking.versions(tiny(), pairs, "validation", 6, seed=3)
    x, edges = pairs.arrays("validation")
    assert np.array_equal(given, edges[:6]) and np.array_equal(truth, x[:6]) and made.shape == truth.shape
    domains = kerasgen.data.load("digits_half_contrast")
    turned = asking.inputs(domains, "test", [*small.ports["upscale"].inputs, small.port("label")], 4)
    assert turned["label"].tolist() == [1, 0, 1, 0]


def test_a_run_shows_what_becomes_of_validation_pictures(tmp_path):
    preset = kerasgen.hub.read_preset("pix2pix_digits_quick")
    changes = {"arguments.widths": [4, 4], "arguments.discriminator_widths": [4], "recipe.compile.jit_compile": False}
    from kerasgen.runs import training

    folder = training.train(preset, epochs=1, out=tmp_path / "run", overrides=changes, progress=False)
    image = level_of(folder / "samples.png")
    assert image.ndim == 3 and image.shape[0] > 3 * 16
    assert list((folder / "samples").glob("*.png"))


def test_a_file_is_changed_from_the_command_line(tmp_path, capsys):
    from kerasgen.cli import main

    tiny().save_to_preset(tmp_path / "model")
    write(tmp_path, ["mine.png"], size=(30, 20))
    made = tmp_path / "made.npy"
    run = ["sample", str(tmp_path / "model"), "--picture", str(tmp_path / "mine.png"), "-n", "3", "-o", str(made)]
    assert main(run) == 0
    x = np.load(made)
    assert x.shape == (3, 8, 8, 1) and np.abs(x[0] - x[1]).max() > 0, "each is drawn anew"
    kerasgen.build("gaussian", image_shape=(8, 8, 1), levels=17).save_to_preset(tmp_path / "other")
    assert main(["sample", str(tmp_path / "other"), *run[2:]]) == 2
    line = "--picture: expected a model that changes pictures, got one that serves sample, decode, encode, log_prob"
    assert line in " ".join(capsys.readouterr().err.split())


def test_one_class_asked_for_is_one_picture(tmp_path):
    """Of a translation that draws nothing, more would be copies."""
    from kerasgen.cli import main

    arguments = dict(image_shape=(8, 8, 1), width=4, halvings=0, blocks=1, kernel_size=3, discriminator_widths=(4, 4))
    kerasgen.build("cyclegan", **arguments).save_to_preset(tmp_path / "model")
    write(tmp_path, ["mine.png"])
    run = ["sample", str(tmp_path / "model"), "--picture", str(tmp_path / "mine.png"), "-o", str(tmp_path / "x.npy")]
    for label, count in (("1", 1), ("0,1", 2)):
        assert main([*run, "--label", label]) == 0
        assert np.load(tmp_path / "x.npy").shape == (count, 8, 8, 1)


def test_what_is_not_shown_is_not_read():
    """Of a folder whose files are decoded when they are asked for."""
    asked = []

    class Files:
        shape = (8, 8, 1)

        def __len__(self):
            return 1000

        def __getitem__(self, indices):
            asked.extend(indices)
            return np.zeros((len(indices), *self.shape), "uint8")

    data = kerasgen.data.Data("files", {"validation": (Files(), {"picture": Files()})}, (8, 8, 1), 0.0, 1.0, levels=256)
    shown = asking.versions(tiny(), data, "validation", 3)
    assert [len(each) for each in shown] == [3, 3, 3] and set(asked) == {0, 1, 2}
