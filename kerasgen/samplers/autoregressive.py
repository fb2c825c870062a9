"""Loops that fill a sample one choice after the other, each from those before.

`naive` asks the whole network again for every choice: n choices cost n passes, and it needs nothing but `logits`. The
other loops carry what a model remembers of the earlier choices, its caches, so that n choices cost about one pass. They
know nothing of networks: a memory is a tensor or nested tensors of any kind, and a step makes the next one from it.
"""

from __future__ import annotations

import math

import tensorflow as tf

COLD = 1e-4  # a temperature at which only the likeliest has any share
FORBIDDEN = -1e9  # a logit that no noise makes the highest


def gumbel_max(noise, first=0, among=lambda logits: logits):
    """The `choose` of the loops below that draws from softmax(logits / T).

    Gumbel-max picks argmax(logits / T + g), which is argmax(logits + T g), also for T = 0.

    Args:
        noise: T g, Gumbel values g (B, places, levels) times the temperature. All at once: inside a loop the cipher
            would cost as much as a small network.
        first: where the loop's places begin among these.
        among: what lowers the logits of levels that are not to be chosen, such as `likeliest`.
    """

    def choose(place, logits):
        score = among(logits) + tf.gather(noise, first + place, axis=1)
        return tf.argmax(score, axis=-1, output_type=tf.int32)

    return choose


def likeliest(logits, temperature, top_k, top_p):
    """Logits (B, K) in which those that may not be chosen are so low that they never are.

    The k likeliest may be, and of these the fewest whose probabilities at the temperature, among the k, add up to
    `top_p`; always the likeliest of all. Levels that are equally likely go together.

    Args:
        temperature: T of the choices, a scalar.
        top_k: how many, a scalar; 0 is all.
        top_p: share of the probability, a scalar; 1 is all.

    Example:
        >>> likeliest(tf.math.log([[0.5, 0.3, 0.2]]), 1.0, 0, 0.6).numpy() > -1e3
        array([[ True,  True, False]])

    Reference: Fan, Lewis, Dauphin, 2018, Hierarchical Neural Story Generation, arXiv:1805.04833 (top k); Holtzman et
    al., 2019, The Curious Case of Neural Text Degeneration, arXiv:1904.09751 (top p).
    """
    size = logits.shape[-1]
    falling = tf.math.top_k(logits, size).values
    inside = tf.range(size) < tf.where(top_k < 1, size, top_k)
    share = tf.nn.softmax(tf.where(inside, falling / tf.maximum(temperature, COLD), FORBIDDEN))
    before = tf.cumsum(share, axis=-1) - share  # of those that are likelier
    inside &= (before < top_p) | (tf.range(size) == 0) | (top_p >= 1.0)
    least = tf.reduce_min(tf.where(inside, falling, tf.reduce_max(falling, axis=-1, keepdims=True)), -1, keepdims=True)
    return tf.where(logits >= least, logits, FORBIDDEN)


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
