"""Train a classifier behind the features again: `python -m kerasgen.metrics.train_classifier digits`, or `mnist`.

Only the train split is learnt from, in copies (40 of the digits, 4 of MNIST) that are turned, sheared, scaled and
shifted a little; in one copy of four the pictures are black and white, so that a classifier judges these too. Dropout,
a cosine schedule and an average over the last weights do the rest. Nothing was tuned: validation and test are only
reported, at the end.
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np

from kerasgen import data, files
from kerasgen.hub import shelf
from kerasgen.metrics.features import MNIST_WEIGHTS, WEIGHTS, DigitsClassifier, MNISTClassifier

PART = 2000  # examples by which features are scaled
LAYERS = ("conv_1", "conv_2", "conv_3", "features", "logits")


def train(kind=DigitsClassifier, epochs=12, copies=40, seed=0, verbose=2):
    """Train a classifier on the train split of its data.

    Args:
        kind: the class.
        epochs: passes over all copies.
        copies: distorted versions of each picture.
        seed: of the distortions, the initial weights, the dropout and the order.
        verbose: as in `keras.Model.fit`.

    Returns:
        {"<layer>.kernel" | "<layer>.bias": float32 array}, the argument of the class.

    Example:
        >>> weights = train(epochs=1, copies=1, verbose=0)      # doctest: +SKIP
    """
    import keras

    x, label = data.load(kind.data[0]).arrays("train")
    random = np.random.default_rng(seed)
    distorted = np.concatenate([_distort(x, random, binary=copy % 4 == 3) for copy in range(copies)])
    keras.utils.set_random_seed(seed)
    model = _network(keras, kind)
    steps = epochs * -(-len(distorted) // 128)
    cosine = keras.optimizers.schedules.CosineDecay
    schedule = cosine(0.0, steps, 0.01, warmup_target=2e-3, warmup_steps=steps // 20)
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=0.01, use_ema=True, ema_momentum=0.99),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(distorted, np.tile(label, copies), batch_size=128, epochs=epochs, verbose=verbose)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    layers = {name: model.get_layer(name) for name in LAYERS}
    weights = {f"{name}.kernel": layer.kernel.numpy() for name, layer in layers.items()}
    weights |= {f"{name}.bias": layer.bias.numpy() for name, layer in layers.items()}
    return _rescale(weights, x[:PART], kind)


def accuracy(classifier, name, split):
    """Share of pictures of a split whose class the classifier finds."""
    x, label = data.load(name).arrays(split)
    return float((classifier.probabilities(x).argmax(-1) == label).mean())


def _network(keras, kind):
    layers = keras.layers
    pool = lambda name: [layers.MaxPooling2D()] if name in kind.pooled else []
    return keras.Sequential([
        keras.Input(kind.shape),
        layers.Conv2D(24, 3, padding="same", activation="relu", name="conv_1"),
        *pool("conv_1"),
        layers.Conv2D(32, 3, padding="same", activation="relu", name="conv_2"),
        *pool("conv_2"),
        layers.SpatialDropout2D(0.1),
        layers.Conv2D(48, 3, padding="same", activation="relu", name="conv_3"),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(64, activation="relu", name="features"),
        layers.Dropout(0.3),
        layers.Dense(10, name="logits"),
    ])  # fmt: skip


def _distort(x, random, binary):
    """A random affine map about the centre of each picture (N, S, S, 1), read with linear interpolation."""
    from scipy.ndimage import affine_transform

    count, side = len(x), x.shape[1]
    centre = (side - 1) / 2
    angle, shear = random.uniform(-0.25, 0.25, count), random.uniform(-0.2, 0.2, count)
    scale, shift = random.uniform(0.9, 1.12, (count, 2)), random.uniform(-0.0875, 0.0875, (count, 2)) * side
    cos, sin = np.cos(angle), np.sin(angle)
    maps = np.stack([cos, shear - sin, sin, cos], -1).reshape(-1, 2, 2) * scale[:, None, :]
    offsets = centre - maps @ np.array([centre, centre]) + shift
    moved = [affine_transform(p[..., 0], m, o, order=1) for p, m, o in zip(x, maps, offsets, strict=True)]
    moved = np.stack(moved)[..., None].astype("float32")
    return (moved >= 0.5).astype("float32") if binary else moved


def _rescale(weights, x, kind):
    """Scale the features to a mean square of 1 on x; ReLU commutes with it and the logits undo it."""
    scale = np.float32(np.sqrt(np.mean(kind(weights).features(x) ** 2)))
    weights["features.kernel"] /= scale
    weights["features.bias"] /= scale
    weights["logits.kernel"] *= scale
    return weights


if __name__ == "__main__":
    from safetensors.numpy import save

    if sys.argv[1:] == ["mnist"]:
        kind, path = MNISTClassifier, shelf.CHECKOUT / MNIST_WEIGHTS[0]
        trained = {name: array.astype("float16") for name, array in train(kind, epochs=4, copies=4).items()}
    elif sys.argv[1:] == ["digits"]:
        kind, path, trained = DigitsClassifier, WEIGHTS, train()
    else:
        sys.exit("expected digits or mnist")
    files.atomic_write(path, save(trained))
    print("SHA-256", hashlib.sha256(path.read_bytes()).hexdigest())
    for name in kind.data[:2]:
        for split in ("train", "validation", "test"):
            print(f"{name:14} {split:10} accuracy {accuracy(kind(trained), name, split):.4f}")
