"""Recurrent network over characters.  A. Graves, 2013, Generating Sequences With Recurrent Neural Networks.

arXiv:1308.0850.

Layers of long short-term memory read a text symbol by symbol, the next symbol is drawn from a softmax of all their
states. Every layer sees the symbol itself and the layer below, so that depth does not hide the input.

Differs from the paper: this is its half about text. Handwriting (mixtures of bivariate normals over pen strokes, the
soft window that follows a given text) is not here, and neither is priming: a text is always begun anew, none is gone on
with. Forget gates begin open (bias 1); the derivatives inside the cells are not clipped, those of the weights are; no
weight noise and no dynamic evaluation. Examples are pieces of one length, each read from a zero state. The shipped
presets have one layer; `depth` stacks more, as the paper's seven for Wikipedia.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from kerasgen import samplers
from kerasgen.core import ranges
from kerasgen.core.paper import Paper
from kerasgen.nets.causal.lstm import PeepholeLSTM
from kerasgen.nets.network import network
from kerasgen.objectives.autoregressive import chain_rule

PAPER = Paper(
    title="Generating Sequences With Recurrent Neural Networks",
    authors="A. Graves",
    year=2013,
    reference="arXiv:1308.0850",
    tags=("exact likelihood", "text", "LSTM", "recurrent", "language model"),
)


class CharRNN(chain_rule.Autoregressive):
    """Recurrent network over the bytes of a text, each predicted from those before.

        P(x) = prod_t softmax(W [h^1_t .. h^N_t] + b)[x_t],   h^n_t = LSTM(x_(t-1), h^(n-1)_t, h^n_(t-1))

    Args:
        image_shape: (length,) of a piece of text; errors flow back at most `bptt` steps in it.
        symbols: number of symbols: 256 for bytes, 128 for ASCII, fewer for numbered symbols of another kind.
        width: cells of each layer.
        depth: number of layers.
        bptt: steps over which errors flow back, 0 for all.
        dropout: share of the states that the softmax does not see in training.

    Example:
        >>> import kerasgen
        >>> model = kerasgen.models.CharRNN(image_shape=(12,), width=16)
        >>> text = model.sample(3, seed=7, temperature=0.5)
        >>> text.shape, model.log_prob(text).shape
        ((3, 12), (3,))
    """

    kinds = ("text",)
    serves = ("sample", "log_prob", "logits")
    scale = ranges.Symbols

    def __init__(self, image_shape=(10_000,), symbols=256, width=1000, depth=1, bptt=100, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.levels = tuple(image_shape), symbols
        shares = [layers.Embedding(symbols, 4 * width) for _ in range(depth)]  # of the gates, from the symbol
        below = [layers.Dense(4 * width, use_bias=False) for _ in range(depth - 1)]  # and from the layer below
        self.stack = [PeepholeLSTM(width, bptt) for _ in range(depth)]
        self.shares, self.below, self.head = shares, below, layers.Dense(symbols)

        symbol, states = keras.Input(self.image_shape, dtype="int32"), []
        for n in range(depth):
            a = ops.pad(shares[n](symbol)[:, :-1], ((0, 0), (1, 0), (0, 0)))  # nothing comes before the first
            states.append(self.stack[n](a + below[n - 1](states[-1]) if n else a))
        seen = layers.Dropout(dropout)(ops.concatenate(states, -1) if depth > 1 else states[0])
        self.network = network(symbol, self.head(seen))

    def optimizers(self):
        return {"optimizer": keras.optimizers.SGD(1e-4, momentum=0.9, clipvalue=1.0)}

    def predict_logits(self, x, label, training=False):
        return self.network(x, training=training)

    def fill(self, choose, count, label):
        """Sample by the states: a step costs the same however long the text is."""

        def step(t, memory):
            symbol, states, made = memory[0], memory[1], []
            for n, layer in enumerate(self.stack):
                a = tf.gather(self.shares[n].embeddings, tf.maximum(symbol, 0))
                a = tf.where(symbol[:, None] < 0, 0.0, a)
                a = a + tf.matmul(made[-1][0], self.below[n - 1].kernel) if n else a
                made.append(layer.step(a, states[n]))
            logits = tf.matmul(tf.concat([h for h, _ in made], -1), self.head.kernel) + self.head.bias
            symbol = choose(t, logits)
            return symbol, [symbol, made]

        start = [tf.fill((count,), -1), [layer.start(count) for layer in self.stack]]
        return samplers.sequence(step, start, self.image_shape[0])
