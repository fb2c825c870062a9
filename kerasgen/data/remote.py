"""Data that other libraries download: keras.datasets, TensorFlow Datasets and datasets of Hugging Face."""

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
        x = _stacked(f"tfds:{name}", [fit(row["image"], image_shape) for row in rows])
        return x, np.array([row["label"] for row in rows]) if class_names else None

    train = read("train")
    train, test = (train, read("test")) if "test" in builder.info.splits else last_tenth(train)
    origin = builder.info.homepage or "TensorFlow Datasets"
    return _data(f"tfds:{name}", train, test, seed, origin, class_names)


def from_hugging_face(name, seed, image_shape=None):
    """Describe pictures of huggingface.co/datasets, in memory: of the first column of pictures and that of classes.

    Published splits are kept; those that are missing are the last tenths of train.
    """
    try:
        import datasets
    except ImportError:
        raise ImportError(f"hf:{name}: Hugging Face's datasets is not installed; run pip install datasets") from None
    try:
        held = datasets.load_dataset(name)
    except Exception as error:
        raise OSError(f"hf:{name}: could not be prepared ({_first_line(error)})") from None
    if "train" not in held:
        raise ValueError(f"source: expected a split 'train' in hf:{name}, got {', '.join(held)}")
    features = held["train"].features
    column = next((key for key, feature in features.items() if type(feature).__name__ == "Image"), None)
    if column is None:
        raise ValueError(f"source: expected a column of pictures in hf:{name}, got {', '.join(features)}")
    label = next((key for key, feature in features.items() if type(feature).__name__ == "ClassLabel"), None)

    def read(split):
        if split not in held:
            return None
        x, number = [], []
        for row in held[split]:  # each is decoded when it is met
            x.append(_of_pillow(row[column], image_shape))
            number.append(row[label] if label else 0)
        return _stacked(f"hf:{name}", x), np.array(number) if label else None

    train, validation, test = map(read, ("train", "validation", "test"))
    if test is None:
        train, test = last_tenth(train)
    class_names = features[label].names if label else ()
    return _data(f"hf:{name}", train, test, seed, f"huggingface.co/datasets/{name}", class_names, validation)


def _of_pillow(picture, image_shape):
    from kerasgen.data import folder

    own = (picture.height, picture.width, 1 if picture.mode in folder.GREY else 3)
    return folder.converted(picture, tuple(image_shape or own))


def _stacked(name, pictures):
    if len({picture.shape for picture in pictures}) > 1:
        raise ValueError(f"image_shape: expected a shape, since sizes in {name} differ; got None")
    return np.stack(pictures)


def _data(name, train, test, seed, origin, class_names=(), validation=None):
    if validation is None:
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
