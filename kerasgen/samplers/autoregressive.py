"""Loops that fill a sample one choice after the other, each from those before.

`naive` asks the whole network again for every choice: n choices cost n passes, and it needs nothing but `logits`. The
other loops carry what a model remembers of the earlier choices, its caches, so that n choices cost about one pass. They
know nothing of networks: a memory is a tensor or nested tensors of any kind, and a step makes the next one from it.
"""

from __future__ import annotations

import math

import tensorflow as tf


def gumbel_max(noise, first=0):
    """The `choose` of the loops below that draws from softmax(logits / T).

    Gumbel-max picks argmax(logits / T + g), which is argmax(logits + T g), also for T = 0.

    Args:
        noise: T g, Gumbel values g (B, places, levels) times the temperature. All at once: inside a loop the cipher
            would cost as much as a small network.
        first: where the loop's places begin among these.
    """

    def choose(place, logits):
        return tf.argmax(logits + tf.gather(noise, first + place, axis=1), axis=-1, output_type=tf.int32)

    return choose


def naive(logits, choose, count, shape, order=None):
    """Fill one place after the other by one pass over everything per choice.

    Args:
        logits: function of choices (B, *shape) -> (B, *shape, levels), each from earlier choices alone.
        choose: function (place, logits (B, levels)) -> choices (B,), place in 0 .. size - 1.
        count: B, may be a tensor.
        shape: static shape of one sample.
        order: (size,) places from first to last; None is raster order.

    Returns: choices (B, *shape) int32.
    """
    size = math.prod(shape)
    places = tf.range(size)

    def step(i, x):
        place = i if order is None else tf.gather(order, i)
        every = tf.reshape(logits(tf.reshape(x, (count, *shape))), (count, size, -1))
        choice = choose(place, tf.gather(every, place, axis=1))
        return i + 1, tf.where(places == place, choice[:, None], x)

    blank = tf.zeros((count, size), tf.int32)
    _, x = tf.while_loop(lambda i, x: i < size, step, (0, blank))
    return tf.reshape(x, (count, *shape))


def sequence(step, memory, length, shape=()):
    """Take steps 0 .. length - 1, each from what is remembered of the ones before.

    Args:
        step: function (i, memory) -> choices (B, *shape) int32, memory.
        memory: before the first step.
        length: number of steps.
        shape: static shape of what one step chooses.

    Returns: choices (B, length, *shape) int32.
    """

    def body(i, memory, done):
        choices, memory = step(i, memory)
        return i + 1, memory, done.write(i, choices)

    done = tf.TensorArray(tf.int32, length, element_shape=(None, *shape))
    _, _, done = tf.while_loop(lambda i, *_: i < length, body, (0, memory, done))
    return tf.transpose(done.stack(), (1, 0, *range(2, 2 + len(shape))))


def raster(pixel, row, above, left, shape):
    """Fill pictures pixel by pixel, for models that remember the rows above and the pixels to the left apart.

    Args:
        pixel: function (i, j, above, left) -> choices (B, channels) int32, left, for column j of row i.
        row: function (above, choices of a whole row (B, width, channels)) -> above.
        above: memory before the first row.
        left: memory before the first pixel of every row.
        shape: (height, width, channels).

    Returns: choices (B, height, width, channels) int32.
    """
    height, width, channels = shape

    def fill_row(i, above):
        x = sequence(lambda j, left: pixel(i, j, above, left), left, width, (channels,))
        return x, row(above, x)

    return sequence(fill_row, above, height, (width, channels))
