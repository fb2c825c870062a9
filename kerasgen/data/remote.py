"""Data that other libraries download: keras.datasets and TensorFlow Datasets."""

import importlib

import numpy as np

from kerasgen.data.arrays import classes
from kerasgen.data.description import Data

KERAS = ("mnist", "fashion_mnist", "cifar10", "cifar100")


def from_keras(name, seed):
    """Describe pictures of `keras.datasets`; the last tenth of the training set is for validation."""
    module = importlib.import_module(f"keras.datasets.{name}")
    try:
        train, test = module.load_data()
    except Exception as error:  # Keras raises bare Exception for a failed download
        raise OSError(f"keras:{name}: could not be downloaded ({_first_line(error)})") from None
    train, test = [(x.reshape(*x.shape[:3], -1), label.ravel()) for x, label in (train, test)]
    return _data(f"keras:{name}", train, test, seed, f"keras.datasets.{name}")


def from_tfds(name, seed, image_shape=None):
    """Describe pictures of TensorFlow Datasets, in memory; the last tenth of train is a missing test."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise ImportError(
            f"tfds:{name}: TensorFlow Datasets is not installed; run pip install tensorflow-datasets"
        ) from None
    try:
        builder = tfds.builder(name)
        builder.download_and_prepare()
    except Exception as error:
        raise OSError(f"tfds:{name}: could not be prepared ({_first_line(error)})") from None
    features = builder.info.features
    if "image" not in features:
        raise ValueError(f"source: expected a feature 'image' in tfds:{name}, got {', '.join(features)}")
    class_names = getattr(features["label"], "names", ()) if "label" in features else ()

    def read(split):
        rows = list(tfds.as_numpy(builder.as_dataset(split=split)))
        pictures = [fit(row["image"], image_shape) for row in rows]
        if len({picture.shape for picture in pictures}) > 1:
            raise ValueError(f"image_shape: expected a shape, since sizes in tfds:{name} differ; got None")
        return np.stack(pictures), np.array([row["label"] for row in rows]) if class_names else None

    train = read("train")
    train, test = (train, read("test")) if "test" in builder.info.splits else last_tenth(train)
    origin = builder.info.homepage or "TensorFlow Datasets"
    return _data(f"tfds:{name}", train, test, seed, origin, class_names)


def _data(name, train, test, seed, origin, class_names=()):
    train, validation = last_tenth(train)
    named = classes(train[1], len(train[0]))[1]
    splits = {"train": train, "validation": validation, "test": test}
    return Data(
        name=name,
        splits={s: (x, None if label is None else label.astype("int32")) for s, (x, label) in splits.items()},
        shape=train[0].shape[1:],
        minimum=0.0,
        maximum=1.0,
        levels=256,
        class_names=tuple(class_names) or named,
        licence="as stated at its origin",
        origin=origin,
        seed=seed,
    )


def last_tenth(pair):
    """Cut (x, label) into all but the last tenth, and that."""
    x, label = pair
    cut = len(x) - len(x) // 10
    return tuple((x[i], None if label is None else label[i]) for i in (slice(cut), slice(cut, None)))


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]


def fit(picture, image_shape):
    """Crop and resize as folders do, where a shape is asked for."""
    if image_shape is None or picture.shape == tuple(image_shape):
        return picture
    from PIL import Image

    from kerasgen.data import folder

    return folder.converted(Image.fromarray(picture.squeeze()), image_shape)
