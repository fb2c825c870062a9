"""Texts and sounds, from a file to a model's port and back."""

import base64
import io
import wave

import numpy as np
import pytest
from scipy.io import wavfile

import kerasgen
from kerasgen import data as kdata
from kerasgen import pictures
from kerasgen.runtime import BATCH, Port, bind, check, from_text, to_text

TEXT = Port("text", (BATCH, 8), "int32", "words", 0, 255, 0, text=True)
SEED = Port("seed", (), "int32", "which draw")
COUNT = Port("count", (), "int32", "how many", 0)


# ---------------------------------------------------------------------------------------------------- ports


def test_texts_are_their_bytes():
    rows = from_text(["Hi", "größe", ""], 8)
    assert rows.dtype == np.int32 and rows[0].tolist() == [72, 105, 0, 0, 0, 0, 0, 0]
    assert to_text(rows) == ["Hi", "größe", ""]
    assert to_text([[255, 72]]) == ["\ufffdH"]


def test_a_port_takes_strings_and_bytes():
    np.testing.assert_array_equal(check(TEXT, ["Hi", "no"]), from_text(["Hi", "no"], 8))
    np.testing.assert_array_equal(check(TEXT, from_text(["Hi"], 8)), from_text(["Hi"], 8))


@pytest.mark.parametrize(
    "value, got",
    [
        (["too long a text"], "15 bytes"),
        (["a\0b"], "the character 0"),
        (np.zeros((2, 7)), r"shape \(2, 7\)"),
        (np.full((1, 8), 256), "256"),
    ],
)
def test_other_texts_get_a_line(value, got):
    with pytest.raises(ValueError, match=f"text: expected texts of at most 8 bytes.*({got})"):
        check(TEXT, value)


def test_one_text_stands_for_all_rows():
    given = bind("sample", (COUNT, SEED, TEXT), (3,), {"text": "Hi"})
    np.testing.assert_array_equal(given["text"], from_text(["Hi"] * 3, 8))
    np.testing.assert_array_equal(bind("sample", (COUNT, SEED, TEXT), (2,), {})["text"], 0)
    with pytest.raises(ValueError, match="expected 3 rows, got 2"):
        bind("sample", (COUNT, SEED, TEXT), (3,), {"text": ["a", "b"]})


# ----------------------------------------------------------------------------------------------------- data


def test_text_files(tmp_path):
    content = "".join(f"line {i} größe\n" for i in range(400))
    (tmp_path / "a.txt").write_text(content, "utf-8")
    data = kdata.load(tmp_path / "a.txt", image_shape=(50,))
    assert data.kind == "text" and data.shape == data.image_shape == (50,)
    whole = content.encode()
    for split, start in (("train", 0), ("test", len(whole) - len(whole) // 10)):
        x, label = data.arrays(split)
        assert x.dtype == np.int32 and label is None
        assert bytes(x.ravel().astype("uint8")) == whole[start : start + x.size]
    assert kdata.load(tmp_path, image_shape=(50,)).count("train") == data.count("train")
    with pytest.raises(ValueError, match="expected more than 100000 bytes"):
        kdata.load(tmp_path / "a.txt", image_shape=(10_000,))


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "stereo"])
def test_wav_files(tmp_path, kind):
    x = np.sin(np.arange(3000) / 9).astype("float32") * 0.9
    stored = {
        "uint8": np.rint(x * 127 + 128).astype("uint8"),
        "int16": np.rint(x * 32767).astype("int16"),
        "int32": np.rint(x.astype("float64") * (2**31 - 1)).astype("int32"),
        "float32": x,
        "stereo": np.stack([x, x], 1),
    }[kind]
    wavfile.write(tmp_path / "a.wav", 8000, stored)
    data = kdata.load(tmp_path, image_shape=(100,))
    assert data.kind == "sound" and data.sample_rate == 8000 and data.minimum == -1 and data.maximum == 1
    rows = np.concatenate([data.arrays(split)[0] for split in data.splits])
    distance = np.abs(rows[:, None] - x.reshape(30, 100)).max(-1)  # the pieces come in another order
    assert sorted(distance.argmin(1)) == list(range(30)) and distance.min(1).max() < 0.02


def test_wav_files_of_two_rates(tmp_path):
    for rate in (8000, 16000):
        wavfile.write(tmp_path / f"{rate}.wav", rate, np.zeros(3000, "int16"))
    line = r"expected sounds of one sample rate, got 8000 \(8000.wav\) and 16000 \(16000.wav\)"
    with pytest.raises(ValueError, match=line):
        kdata.load(tmp_path)


@pytest.mark.parametrize("name, content, why", [
    ("bad.wav", b"RIFF and nothing else", ""), ("bad.wav", b"", ""),
    ("bad.txt", "UTF-16 without a mark".encode("utf-16-le"), "holds the byte 0; save it as UTF-8"),
    ("bad.txt", b"\xff\xfeodd", "truncated"),
], ids=["no WAV", "no bytes", "no mark", "half a character"])  # fmt: skip
def test_damaged_files_are_named_or_left_out(tmp_path, name, content, why):
    good = tmp_path / f"good{name[-4:]}"
    if name == "bad.wav":
        wavfile.write(good, 8000, (9 * np.arange(3000)).astype("int16"))
    else:
        good.write_text("It was a dark and stormy night. " * 100)
    expected = kdata.load(tmp_path, image_shape=(50,))
    (tmp_path / name).write_bytes(content)
    what = "sounds" if name == "bad.wav" else "texts"
    line = rf"source: 1 of 2 {what} cannot be read, the first is \S*{name} \(.*{why}.*on_error='skip' leaves"
    with pytest.raises(ValueError, match=line):
        kdata.load(tmp_path, image_shape=(50,))
    with pytest.warns(UserWarning, match=f"1 of 2 {what} cannot be read and are left out: .*{name}") as caught:
        data = kdata.load(tmp_path, image_shape=(50,), on_error="skip")
    assert len(caught) == 1 and (data.arrays("train")[0] == expected.arrays("train")[0]).all()


def test_a_mark_tells_the_encoding_and_is_dropped(tmp_path):
    content = "".join(f"Zeile {i}, größe\n" for i in range(300))
    codes = ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    for code in codes:
        (tmp_path / f"{code}.txt").write_text(content, code)
    (tmp_path / "be.txt").write_bytes(b"\xfe\xff" + content.encode("utf-16-be"))
    for split in ("train", "validation", "test"):
        plain, *others = (
            kdata.load(tmp_path / f"{code}.txt", image_shape=(50,)).arrays(split)[0] for code in (*codes, "be")
        )
        assert all(np.array_equal(plain, other) for other in others)
        assert split != "train" or bytes(plain[0].astype("uint8")).startswith(b"Zeile 0")


def test_published_splits_of_texts_and_sounds_are_kept(tmp_path):
    for i, name in enumerate(("train", "valid", "test")):
        (tmp_path / f"{name}.txt").write_text("abc"[i] * 1000)
        (tmp_path / "sounds" / name).mkdir(parents=True)
        wavfile.write(tmp_path / "sounds" / name / "a.wav", 8000, np.full(3000, 1000 * i, "int16"))
    texts = kdata.load(tmp_path / "train.txt", image_shape=(50,))
    assert [texts.count(split) for split in texts.splits] == [16, 2, 2]
    sounds = kdata.load(tmp_path / "sounds", image_shape=(100,))
    for i, split in enumerate(("train", "validation", "test")):
        assert (np.rint(sounds.arrays(split)[0] * 32768) == 1000 * i).all() and sounds.count(split) == 30
    (tmp_path / "texts").mkdir()
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").rename(tmp_path / "texts" / f"{name}.txt")
    texts = kdata.load(tmp_path / "texts", image_shape=(50,))
    assert [texts.count(split) for split in texts.splits] == [20, 20, 20]
    assert [set(texts.arrays(split)[0].ravel()) for split in texts.splits] == [{97}, {98}, {99}]
    (tmp_path / "texts" / "valid.txt").unlink()
    texts = kdata.load(tmp_path / "texts", image_shape=(50,))
    assert [texts.count(split) for split in texts.splits] == [18, 2, 20]


def test_sub_folders_of_sounds_are_classes(tmp_path):
    for i, name in enumerate(("bark9", "bark10")):
        (tmp_path / name).mkdir()
        for j in range(2):
            wavfile.write(tmp_path / name / f"{j}.wav", 8000, np.full(2000, 1000 * i, "int16"))
    data = kdata.load(tmp_path, image_shape=(100,))
    assert data.class_names == ("bark9", "bark10")
    for split in data.splits:
        x, label = data.arrays(split)
        assert (np.rint(x[:, 0] * 32768) == 1000 * label).all() and set(label) == {0, 1}


def test_floats_that_are_no_sounds_name_the_file(tmp_path):
    x = np.sin(np.arange(3000) / 9).astype("float32")
    wavfile.write(tmp_path / "good.wav", 8000, x)
    for value, why in ((np.nan, "not finite"), (32767.0, "values up to 32767, where 1 is the loudest")):
        wavfile.write(tmp_path / "bad.wav", 8000, np.where(np.arange(3000) == 70, np.float32(value), x))
        with pytest.raises(ValueError, match=rf"1 of 2 sounds cannot be read, the first is \S*bad.wav \(.*{why}"):
            kdata.load(tmp_path, image_shape=(100,))
    wavfile.write(tmp_path / "bad.wav", 8000, 1.5 * x)
    with pytest.warns(UserWarning, match="1 of 2 sounds have values above 1, which are cut off, the first is bad"):
        assert kdata.load(tmp_path, image_shape=(100,)).arrays("train")[0].max() == 1


@pytest.mark.parametrize("name", ["python_topics", "plucked_strings"])
def test_pieces_have_the_length_that_was_asked_for(name):
    assert kdata.load(name, image_shape=(120,)).shape == (120,)
    with pytest.raises(ValueError, match=r"image_shape: expected \(length,\)"):
        kdata.load(name, image_shape=(8, 8, 1))


# ------------------------------------------------------------------------------------------------ what is made


@pytest.fixture(scope="module")
def text_model():
    return kerasgen.build("char_rnn", image_shape=(12,), symbols=128, width=8)


@pytest.fixture(scope="module")
def sound_model():
    return kerasgen.build("wavenet", image_shape=(64,), sample_rate=4000, levels=16, width=6, skip=8, depth=2, blocks=1)


def test_models_take_strings(text_model):
    given = text_model.log_prob(["Hello, world"])
    np.testing.assert_array_equal(given, text_model.log_prob(from_text(["Hello, world"], 12)))
    with pytest.raises(ValueError, match="x: expected texts of at most 12 bytes, got 13 bytes"):
        text_model.log_prob("Hello, world!")


@pytest.mark.filterwarnings("ignore:x. all 8 examples are equal")
def test_a_model_learns_from_data_of_its_kind(text_model, tmp_path):
    (tmp_path / "a.txt").write_text("abcdefghijkl" * 200)
    data = kdata.load(tmp_path / "a.txt", image_shape=(12,), batch_size=8)
    model = kerasgen.build("char_rnn", image_shape=(12,), symbols=128, width=16)
    model.compile(optimizer="adam")
    history = model.fit(data.train, epochs=12, validation_data=data.validation, verbose=0).history
    assert history["val_bits_per_dim"][-1] < history["val_bits_per_dim"][0] - 1
    line = r"x: expected bytes in \[0, 127\], got 200 to 200 .*; symbols=256 takes every byte"
    with pytest.raises(ValueError, match=line):
        model.fit(np.full((4, 12), 200), verbose=0)
    (tmp_path / "a.txt").write_text("größe größe!" * 200)
    with pytest.raises(ValueError, match=line.replace("200 to 200", ".* to 195")):
        model.fit(kdata.load(tmp_path / "a.txt", image_shape=(12,)).train, verbose=0)


def test_texts_are_written_as_text_and_as_a_page(text_model, tmp_path):
    x = from_text(["first\nline", "größe"], 12)
    assert pictures.save(tmp_path / "a.txt", x, "text").read_text("utf-8") == "first\nline\n\ngröße\n"
    page = pictures.draw(x, "text")
    assert page.shape[2] == 3 and page.min() == 0 and page.max() == 255
    assert pictures.draw(from_text([""], 12), "text").min() == 255  # nothing to see
    with pytest.raises(ValueError, match="expected a sound model for .wav, got one of texts"):
        pictures.save(tmp_path / "a.wav", x, "text")
    with pytest.raises(ValueError, match="expected a text model for .txt, got one of pictures"):
        pictures.save(tmp_path / "b.txt", np.zeros((1, 8, 8, 1)))


def test_sounds_are_written_as_sound_and_as_spectrograms(sound_model, tmp_path):
    x = sound_model.sample(3, seed=1)
    rate, back = wavfile.read(pictures.save(tmp_path / "a.wav", x, "sound", 4000))
    assert rate == 4000 and len(back) == 3 * (64 + 1000)
    np.testing.assert_allclose(back.reshape(3, -1)[:, :64] / 32767, x, atol=1e-4)
    tone = np.sin(2 * np.pi * 0.25 * np.arange(1024))[None]  # a quarter of the rate: the middle of the picture
    rows = pictures.spectrograms(tone)[4:-4].astype(int).sum((1, 2))  # without the frame
    assert abs(rows.argmax() / len(rows) - 0.5) < 0.02


def test_the_demo_plays_and_prints(text_model, sound_model, tmp_path):
    from kerasgen.demo import drawing
    from kerasgen.demo import shelf as shelves

    shelf = []
    for model in (text_model, sound_model):
        path = tmp_path / type(model).__name__
        kerasgen.export(model, path)
        entry = shelves.Shelf([path]).find(path.name)
        x = model.sample(2, seed=3)
        shelf.append(drawing.draw(entry, x))
    assert shelf[0].count("<pre>") == 2 and shelf[1].count("<audio") == 2
    saved = base64.b64decode(shelf[0].split("base64,")[1].split('"')[0]).decode()
    assert 'download="char_rnn.txt"' in shelf[0] and saved == "\n\n".join(
        kerasgen.runtime.to_text(text_model.sample(2, seed=3))
    )
    sound = io.BytesIO(base64.b64decode(shelf[1].split("base64,")[1].split('"')[0]))
    with wave.open(sound) as file:
        assert file.getframerate() == 4000 and file.getnframes() == 64


def test_strings_are_longer_than_their_periods():
    assert kdata.load("plucked_strings", image_shape=(32,)).shape == (32,)
    with pytest.raises(ValueError, match=r"image_shape: expected more than \(31,\), the longest period, got \(31,\)"):
        kdata.load("plucked_strings", image_shape=(31,))
