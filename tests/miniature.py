"""Tiny files of public data, in each format that there is: the public one, and that of mirrors."""

import io
import json
import tarfile
import zipfile

import numpy as np
from PIL import Image

from kerasgen.data.library import binary, emoji, photographs

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
                put(package, name, content)
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
    """Two speakers, of whom each says two digits in takes 0 to 9; the public archive has more of both."""
    from scipy.io import wavfile

    digit, speaker, take = (x.ravel() for x in np.mgrid[3:5, :2, :10])
    length = rng.integers(10, 90, len(digit))
    audio = rng.integers(-(2**15), 2**15, length.sum(), dtype="int16")
    np.savez(folder / "spoken_digits.npz", audio=audio, length=length, digit=digit, speaker=speaker, take=take)
    sounds = dict(zip(zip(digit, speaker, take, strict=True), np.split(audio, np.cumsum(length)[:-1]), strict=True))
    rows = {f"{d}_{('george', 'theo')[s]}_{t}": sound for (d, s, t), sound in sounds.items()}
    with tarfile.open(folder / "free-spoken-digit-dataset-1.0.9.tar.gz", "w:gz") as archive:
        for name, sound in (rows | {"3_theo_30": audio[:20], "3_lucas_0": audio[:20]}).items():
            content = io.BytesIO()
            wavfile.write(content, 8000, sound)
            put(archive, f"free-spoken-digit-dataset-1.0.9/recordings/{name}.wav", content.getvalue())
        put(archive, "free-spoken-digit-dataset-1.0.9/README.md", b"spoken digits")


def put(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def mnist(folder, rng):
    x = {name: rng.integers(0, 256, (count, 28, 28), dtype="uint8") for name, count in (("train", 40), ("test", 7))}
    y = {"y_train": np.arange(400, dtype="uint8") % 10, "y_test": np.arange(7, dtype="uint8")}
    np.savez(folder / "mnist.npz", x_train=x["train"], x_test=x["test"], **y)


def cifar10(folder, rng):
    """Every picture has one colour, which JPEG keeps nearly; the batches hold what the copies hold, in their order."""
    with (
        tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive,
        zipfile.ZipFile(folder / "cifar10_jpeg.zip", "w") as copies,
    ):
        for part, files in photographs.BATCHES.items():
            for number, file in enumerate(files):
                rows = b""
                for i, kind in enumerate(photographs.THINGS):
                    colour = rng.integers(0, 256, 3, dtype="uint8")
                    rows += bytes([i]) + np.repeat(colour, 1024).tobytes()
                    jpeg = io.BytesIO()
                    Image.new("RGB", (32, 32), tuple(colour.tolist())).save(jpeg, "JPEG", quality=95)
                    copies.writestr(f"{part}/{kind}/{number:04d}.jpg", jpeg.getvalue())
                put(archive, f"cifar-10-batches-bin/{file}", rows)


def frey_faces(folder, rng):
    np.savez(folder / "frey_faces.npz", x=rng.integers(0, 256, (420, 28, 20), dtype="uint8"))


def omniglot(folder, rng):
    """Two alphabets of two characters by twenty drawers; the first is in both archives."""
    alphabets, held = ("Greek", "Tagalog"), {"x28": [], "alphabet": [], "character": [], "drawer": []}
    again = []
    for place, alphabet in enumerate(alphabets):
        with zipfile.ZipFile(folder / f"images_background_small{place + 1}.zip", "w") as archive:
            for character, drawer in np.ndindex(2, 20):
                x = rng.random((105, 105)) < 0.1
                png = io.BytesIO()
                Image.fromarray(~x).save(png, "PNG")
                name = f"images/{alphabet}/character{character + 1:02d}/0{place}{character}_{drawer + 1:02d}.png"
                archive.writestr(name, png.getvalue())
                if not place:
                    again.append((name, png.getvalue()))
                small = Image.fromarray((255 * x).astype("uint8")).resize((28, 28), Image.Resampling.BOX)
                for key, value in zip(held, (np.asarray(small), place, character + 1, drawer + 1), strict=True):
                    held[key].append(value)
    with zipfile.ZipFile(folder / "images_background_small2.zip", "a") as archive:
        for name, content in again:
            archive.writestr(name, content)
    held = {key: np.array(rows, "uint8") for key, rows in held.items()}
    np.savez(folder / "omniglot_pictures.npz", alphabets=np.array(alphabets), **held)


def camvid(folder, rng):
    """Each photograph is grey as its map is: class k, level 20 k."""
    with zipfile.ZipFile(folder / "camvid_pairs.zip", "w") as archive:
        for part, count in (("train", 4), ("val", 2), ("test", 3)):
            for i in range(count):
                classes = rng.integers(0, 12, (6, 8)).repeat(16, 0).repeat(16, 1).astype("uint8")
                for kind, x, form in (("photo", 20 * classes, "jpg"), ("labels", classes, "png")):
                    content = io.BytesIO()
                    picture = Image.fromarray(x).convert("RGB") if kind == "photo" else Image.fromarray(x)
                    picture.save(content, "JPEG" if form == "jpg" else "PNG")
                    archive.writestr(f"{part}/{kind}/{i:04d}.{form}", content.getvalue())


def binary_vectors(folder, rng):
    held, widths = {}, []
    for name, row in binary.SETS.items():
        width = int(np.prod(row.shape))
        widths.append(f"{name}={width}")
        for part, count in zip(binary.PARTS, (7, 2, 3), strict=True):
            x = rng.integers(0, 2, (count, width), dtype="uint8")
            held[f"{name}_{part}"] = np.packbits(x, axis=1)
            if row.files:
                np.savetxt(folder / f"{name}.{part}.data", x, "%d", ",")
    np.savez(folder / "uci_binary.npz", widths=np.array(widths), **held)


def measures(folder, rng):
    """As many columns as the real ones: those that go are discrete, constant, or said twice."""
    held = {
        "wine_red": rng.normal(size=(400, 11)),
        "wine_white": rng.normal(size=(400, 11)),
        "ionosphere": np.concatenate([rng.integers(0, 2, (400, 1)), np.zeros((400, 1)), rng.normal(size=(400, 32))], 1),
        "parkinsons": np.concatenate([rng.integers(0, 9, (400, 3)), rng.normal(size=(400, 19))], 1),
    }
    voices = held["parkinsons"]
    for first, second in ((6, 8), (6, 10), (11, 12), (11, 14), (13, 16)):
        voices[:, second] = voices[:, first] + 0.18 * rng.normal(size=400) * (second in (12, 14))
    held = {name: np.round(x, 4).astype("float32") for name, x in held.items()}
    np.savez(folder / "uci_real.npz", **held)
    for name, file in (("wine_red", "winequality-red.csv"), ("wine_white", "winequality-white.csv")):
        lines(folder / file, held[name], end=",5")
    lines(folder / "ionosphere.csv", held["ionosphere"], end=",g")
    lines(folder / "parkinsons_updrs.data", held["parkinsons"], start="subject#,age\n")


def lines(path, x, start="", end=""):
    path.write_text(start + "".join(",".join(f"{value:.9g}" for value in row) + end + "\n" for row in x))


def texts(folder, rng):
    (folder / "tiny_shakespeare.txt").write_bytes(b"Speak, speak. " * 400)
    with zipfile.ZipFile(folder / "penn_treebank.zip", "w", zipfile.ZIP_LZMA) as archive:
        for part, count in (("train", 90), ("valid", 30), ("test", 40)):
            content = f" the <unk> of {part} rose N \n".encode() * count
            archive.writestr(f"ptb.{part}.txt", content)
            (folder / f"ptb.{part}.txt").write_bytes(content)


def everything(folder):
    rng = np.random.default_rng(0)
    makers = (mnist, cifar10, frey_faces, omniglot, camvid, words, binary_vectors, measures, texts)
    for make in makers:
        make(folder, rng)
    packages(folder)
    archive(folder)
