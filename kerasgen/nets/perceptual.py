"""How different two pictures look: the distance between what a frozen classifier makes of them, layer by layer.

    d(x, y) = sum over layers of mean over places of |f(x) / |f(x)| - f(y) / |f(y)||^2

f are the activations of a layer at one place. LPIPS is this with VGG-16 and a learned weight for every channel, which
no library has; here the channels weigh alike. The weights of "vgg16" and "vgg19" are those of `keras.applications`,
which downloads them; "digits" is the project's own classifier of 8x8 digits, and needs no download.

Reference: Zhang, Isola, Efros, Shechtman, Wang, 2018, The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric, arXiv:1801.03924.
"""

from __future__ import annotations

import functools
import pathlib

import numpy as np
import tensorflow as tf


def distance(name, x, y):
    """d(x, y), mean over the batch, of pictures in [0, 1].

    Args: name of the classifier, one of `NAMES`.
    """
    blocks, prepare = load(name)
    total = 0.0
    for a, b in zip(*(activations(blocks, prepare(picture)) for picture in (x, y)), strict=True):
        a, b = (f * tf.math.rsqrt(tf.reduce_sum(f * f, -1, keepdims=True) + 1e-8) for f in (a, b))
        total += tf.reduce_mean(tf.reduce_sum((a - b) ** 2, -1))
    return total


def content(name, x, y):
    """Mean squared difference of the last activations that are looked at, of pictures (B, H, W, C) in [0, 1].

    Reference: Johnson, Alahi, Fei-Fei, 2016, Perceptual Losses for Real-Time Style Transfer and Super-Resolution,
    arXiv:1603.08155.
    """
    blocks, prepare = load(name)
    a, b = (activations(blocks, prepare(picture))[-1] for picture in (x, y))
    return tf.reduce_mean((a - b) ** 2)


def activations(blocks, x):
    """The activations after every convolution whose block says so; between blocks the sides are halved.

    Args: blocks, a list of lists of (kernel (3, 3, C, D), bias (D,), whether it is looked at).
    """
    seen = []
    for i, block in enumerate(blocks):
        x = tf.nn.max_pool2d(x, 2, 2, "VALID") if i else x
        for kernel, bias, looked_at in block:
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
            seen += [x] if looked_at else []
    return seen


@functools.cache
def load(name):
    """(blocks, how pictures in [0, 1] are prepared) of a classifier; the weights are arrays, part of no model."""
    return NAMES[name]()


def _digits():
    from safetensors.numpy import load_file

    weights = load_file(pathlib.Path(__file__).with_name("digits_classifier.safetensors"))
    layers = [(weights[f"conv_{i}.kernel"], weights[f"conv_{i}.bias"], True) for i in (1, 2, 3)]
    return [layers[:2], layers[2:]], lambda x: x


def _vgg(name):
    import keras

    with tf.init_scope():
        return from_vgg(getattr(keras.applications, name)(weights="imagenet", include_top=False))


def from_vgg(model):
    """The convolutions of a Keras VGG; the last of every block is looked at."""
    blocks = []
    for layer in model.layers:
        if "conv" in layer.name:
            number = int(layer.name.removeprefix("block").partition("_")[0])
            blocks += [[]] if number > len(blocks) else []
            blocks[-1].append((*map(np.array, layer.get_weights()), False))
    blocks = [[*block[:-1], (*block[-1][:2], True)] for block in blocks]
    mean = np.float32([103.939, 116.779, 123.68])  # of ImageNet, blue first
    return blocks, lambda x: 255.0 * x[..., ::-1] - mean


NAMES = {"digits": _digits, "vgg16": lambda: _vgg("VGG16"), "vgg19": lambda: _vgg("VGG19")}
