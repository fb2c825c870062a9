"""Portable randomness: the same numbers in Keras, SavedModel, ONNX Runtime, Node and the browser.

Every draw is a pure function of (seed, stream, sample index, position). There is no state, so sample i of a
seed does not depend on how many samples are drawn, how they are batched or how many replicas draw them:
bits, uniforms and integers to the last bit, normal and Gumbel values to float32 rounding, because every
runtime (and the vector and scalar code of one runtime) has its own logarithm. The generator is
Threefry-2x32 with 20 rounds, a block cipher that encrypts a counter, on 32-bit words::

    word0, word1 = threefry(key=(seed, stream), counter=(index, position // 2))
    bits[index, position] = word[position % 2]

A stream separates the draws of one sample. A loop adds its step, ``random.NOISE + step``, step < 2**24.

Reference: Salmon, Moraes, Dror, Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", SC11.
"""

import math
import numbers

import tensorflow as tf

LATENT, NOISE, CHOICE, LABEL, DEQUANTIZE, TIME, DROPOUT, AUGMENT, INIT = (n << 24 for n in range(1, 10))
_FOLD = 255 << 24  # the stream of `fold`: derived seeds share no block with any draw

_WORD = 2**32
_ROTATIONS, _PARITY = (13, 15, 26, 6, 17, 29, 16, 24), 0x1BD11BDA  # the paper's constants
_KINDS = "an integer scalar", "an integer tensor (B,)"


def bits(seed, stream, index, shape):
    """Draw 32 random bits per element.

    Args:
        seed: Python integer or integer scalar tensor, taken mod 2**32.
        stream: the same: one of the constants of this module, plus a step.
        index: (B,) integer tensor, the sample indices, taken mod 2**32.
        shape: static tuple of positive integers, the shape of one sample; () draws one element.

    Returns: (B, *shape) int64 in [0, 2**32).
    Raises: TypeError if an argument is not integer, ValueError for a wrong rank or a shape not static.

    Example:
        >>> bits(0, 0, [0], (2,)).numpy().tolist() == [[0x6B200159, 0x99BA4EFE]]
        True
    """
    return _flatten(_pairs(seed, stream, index, shape), shape)


def uniform(seed, stream, index, shape):
    """Draw float32 uniforms in [0, 1): the upper 24 bits of a word, times 2**-24, exact in float32.

    Args, Raises: as `bits`.  Returns: (B, *shape) float32.

    Example:
        >>> uniform(7, LATENT, tf.range(4), (8, 8, 1)).shape
        TensorShape([4, 8, 8, 1])
    """
    return _flatten([_top(word, 24) * 2.0**-24 for word in _pairs(seed, stream, index, shape)], shape)


def normal(seed, stream, index, shape):
    """Draw float32 standard normals by Box and Muller's transform of the two words of a block.

    With u in (0, 1] and v in [0, 1), both of 24 bits, and r = sqrt(-2 ln u): an even position is
    r cos(2 pi v) and the odd one after it r sin(2 pi v). No |value| exceeds sqrt(48 ln 2) = 5.77.

    Args, Raises: as `bits`.  Returns: (B, *shape) float32.

    Example:
        >>> normal(7, LATENT, tf.range(4), (5,)).shape
        TensorShape([4, 5])
    """
    first, second = _pairs(seed, stream, index, shape)
    radius = tf.sqrt(-2.0 * tf.math.log((_top(first, 24) + 1.0) * 2.0**-24))
    angle = _top(second, 24) * (2.0 * math.pi * 2.0**-24)
    return _flatten([radius * tf.cos(angle), radius * tf.sin(angle)], shape)


def gumbel(seed, stream, index, shape):
    """Draw float32 standard Gumbel values, -ln(-ln u), always finite.

    u = (k + 1/2) * 2**-23 for the upper 23 bits k of a word: exact in float32, symmetric about 1/2, and
    never 0 or 1. The values lie in [-2.82, 16.64].

    Args, Raises: as `bits`.  Returns: (B, *shape) float32.

    Example:
        >>> bool(tf.reduce_all(tf.math.is_finite(gumbel(7, CHOICE, tf.range(100), (10,)))))
        True
    """
    uniforms = [(_top(word, 23) + 0.5) * 2.0**-23 for word in _pairs(seed, stream, index, shape)]
    return _flatten([-tf.math.log(-tf.math.log(u)) for u in uniforms], shape)


def integers(seed, stream, index, shape, bound):
    """Draw int32 integers in [0, bound) as floor(u * bound), u = bits / 2**32, in integer arithmetic.

    A probability differs from 1 / bound by less than 2**-32: a relative error of at most bound / 2**32.

    Args: bound, a Python integer in [1, 2**31); others, Raises: as `bits`.  Returns: (B, *shape) int32.

    Example:
        >>> bool(tf.reduce_all(integers(7, LABEL, tf.range(50), (), 10) < 10))
        True
    """
    if not isinstance(bound, numbers.Integral) or not 1 <= bound < 2**31:
        raise ValueError(f"bound: expected a Python integer in [1, 2**31), got {bound!r}")
    return tf.cast(tf.truncatediv(bits(seed, stream, index, shape) * int(bound), _WORD), tf.int32)


def categorical(seed, stream, index, logits):
    """Draw one class per row of logits by the Gumbel-max trick, argmax(logits + gumbel) ~ softmax(logits).

    Args: logits, (B, ..., K) float tensor, static but for B, -inf allowed; the others as `bits`.
    Returns: (B, ...) int32 in [0, K).  Raises: as `bits`, for the shape logits.shape[1:].

    Example:
        >>> categorical(7, CHOICE, tf.range(2), [[0.0, -1e9], [-1e9, 0.0]]).numpy().tolist()
        [0, 1]
    """
    logits = tf.cast(logits, tf.float32)
    if logits.shape.rank is None or logits.shape.rank < 2:
        raise ValueError(f"logits: expected a tensor (B, ..., K), got shape {logits.shape}")
    return tf.argmax(logits + gumbel(seed, stream, index, logits.shape[1:]), axis=-1, output_type=tf.int32)


def fold(seed, value):
    """Derive a seed from a seed and a number, for example one seed per training step.

    Args: seed, value: as the seed of `bits`.  Returns: scalar int64 in [0, 2**32).  Raises: as `bits`.

    Example:
        >>> int(fold(7, 0)) != int(fold(7, 1))
        True
    """
    return bits(seed, _FOLD, _integer("value", value)[None], ())[0]


def _pairs(seed, stream, index, shape):
    """Return the words of every block, (B, ceil(size / 2)) int64 each: the even and the odd positions."""
    blocks = (math.prod(_static(shape)) + 1) // 2
    counter = _integer("index", index, rank=1)[:, None], tf.range(blocks, dtype=tf.int64)[None, :]
    return _threefry((_integer("seed", seed), _integer("stream", stream)), counter)


def _threefry(key, counter):
    """Encrypt the counter's two words with the key's two, all int64 in [0, 2**32): Threefry-2x32-20.

    A round on 32-bit words is  x0 += x1;  x1 = rotate_left(x1, r) ^ x0. ONNX runtimes add and divide int64,
    not uint32. y = x1 * 2**r < 2**61 holds the rotated word in two parts; y + y // 2**32 brings the upper one
    low; what is left above bit 31 is masked once a round. x0 grows by 26 words at most and is masked at the
    end. Nothing is ever negative, because a converted integer division truncates. Constants are Python
    integers: a tensor made outside would be captured and become an extra input of the graph.
    """
    schedule = key[0], key[1], key[0] ^ key[1] ^ _PARITY
    x0, x1 = counter[0] + key[0], (counter[1] + key[1]) & (_WORD - 1)
    for i in range(20):
        x0 += x1
        y = x1 * 2 ** _ROTATIONS[i % 8]
        x1 = (y + tf.truncatediv(y, _WORD)) ^ x0
        if i % 4 == 3:
            block = i // 4 + 1
            x0 += schedule[block % 3]
            x1 += schedule[(block + 1) % 3] + block
        x1 &= _WORD - 1
    return x0 & (_WORD - 1), x1


def _flatten(pairs, shape):
    """Interleave even and odd positions, (B, n) each, to (B, *shape), dropping the last of an odd size."""
    size = math.prod(shape)
    flat = tf.reshape(tf.stack(pairs, axis=-1), (-1, size + size % 2))
    return tf.reshape(flat[:, :size], (-1, *shape))


def _top(word, count):
    """Return the upper `count` <= 24 bits of a word as a float32 integer, exactly."""
    return tf.cast(tf.truncatediv(word, 2 ** (32 - count)), tf.float32)


def _integer(name, value, rank=0):
    """Return an integer tensor of the given rank as int64 mod 2**32."""
    try:
        python = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        tensor = tf.constant(int(value) % _WORD, tf.int64) if python else tf.convert_to_tensor(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected {_KINDS[rank]}, got {value!r}") from None
    if not tensor.dtype.is_integer or tensor.shape.rank != rank:
        error = ValueError if tensor.dtype.is_integer else TypeError
        raise error(f"{name}: expected {_KINDS[rank]}, got {tensor.dtype.name} of shape {tensor.shape}")
    return tf.cast(tensor, tf.int64) & (_WORD - 1)


def _static(shape):
    """Return the shape of one sample as a tuple of Python integers."""
    known = isinstance(shape, (tuple, list, tf.TensorShape)) and getattr(shape, "rank", 0) is not None
    if not known or not all(isinstance(size, numbers.Integral) and size > 0 for size in shape):
        raise ValueError(f"shape: expected a static tuple of positive integers, got {shape}")
    return tuple(map(int, shape))
