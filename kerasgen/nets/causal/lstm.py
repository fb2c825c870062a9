"""Recurrent layers that run over whole sequences in training and one step at a time in sampling."""

from __future__ import annotations

import tensorflow as tf
from keras import initializers, layers, ops


class PeepholeLSTM(layers.Layer):
    """Long short-term memory whose gates look at the cell, from what its inputs add to the gates.

        i, f = sigmoid(a_if + W_if h + p_if c),  c' = f c + i tanh(a_c + W_c h),  o = sigmoid(a_o + W_o h + p_o c'),
        h' = o tanh(c')

    with a the inputs' share (B, length, 4 width), made outside for all times at once.

    Args:
        width: number of cells.
        bptt: errors flow back over at most so many steps: at its multiples the state is a constant. 0 is all.

    Reference: Gers, Schraudolph and Schmidhuber, 2002, Learning Precise Timing with LSTM Recurrent Networks.
    """

    def __init__(self, width, bptt=0, **kwargs):
        super().__init__(**kwargs)
        self.width, self.bptt = width, bptt

    def build(self, shape):
        width = self.width
        self.recurrent = self.add_weight(shape=(width, 4 * width), initializer="orthogonal", name="recurrent")
        self.peepholes = self.add_weight(shape=(3, width), initializer="zeros", name="peepholes")
        self.bias = self.add_weight(shape=(4 * width,), initializer=_remembering, name="bias")

    def start(self, count):
        """The state (h, c) before the first step."""
        return tf.zeros((count, self.width)), tf.zeros((count, self.width))

    def step(self, a, state):
        """The next state, from the inputs' share a (B, 4 width)."""
        h, c = state
        weights = [ops.cast(ops.convert_to_tensor(w), a.dtype) for w in (self.recurrent, self.peepholes, self.bias)]
        recurrent, (for_i, for_f, for_o), bias = weights[0], tf.unstack(weights[1]), weights[2]
        i, f, new, o = tf.split(a + tf.matmul(h, recurrent) + bias, 4, axis=-1)
        c = tf.sigmoid(f + for_f * c) * c + tf.sigmoid(i + for_i * c) * tf.tanh(new)
        return tf.sigmoid(o + for_o * c) * tf.tanh(c), c

    def call(self, a):
        """h (B, length, width) of all steps."""
        length, state = a.shape[1], tuple(tf.cast(s, a.dtype) for s in self.start(tf.shape(a)[0]))
        inputs = tf.TensorArray(a.dtype, length).unstack(tf.transpose(a, (1, 0, 2)))

        def body(t, h, c, done):
            if self.bptt:
                cut = tf.equal(t % self.bptt, 0)
                h, c = (tf.where(cut, tf.stop_gradient(s), s) for s in (h, c))
            h, c = self.step(inputs.read(t), (h, c))
            return t + 1, h, c, done.write(t, h)

        done = tf.TensorArray(a.dtype, length, element_shape=(None, self.width))
        loop = (lambda t, *_: t < length, body, (0, *state, done))
        *_, done = tf.while_loop(*loop, maximum_iterations=length)
        return tf.ensure_shape(tf.transpose(done.stack(), (1, 0, 2)), (None, length, self.width))


def _remembering(shape, dtype=None):
    """Biases that let a fresh cell remember: 1 for the forget gate, 0 for the others."""
    ones = initializers.Ones()((shape[0] // 4,), dtype)
    return ops.concatenate([ops.zeros_like(ones), ones, ops.zeros_like(ones), ops.zeros_like(ones)])
