"""What players of a game pay for beside the game.

A penalty is a value that a game lists: who pays, under which figure, how much of it and how often. The functions that
they are made of return scalars and know nothing of games.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from kerasgen.core import random


class Penalty:
    """A scalar that a player pays, `weight` times, on average over steps.

    Args:
        weight: of it in the player's loss.
        every: steps from one payment to the next, which is then so many times as high (lazy regularisation).

    Attributes:
        player: who pays.
        figure: under which it is reported.
    """

    player = "discriminator"
    figure = ""

    def __init__(self, weight: float, every: int = 1):
        self.weight, self.every = weight, every

    def __call__(self, game, play):
        """What is paid in this turn, 0 where none is due."""
        measure = self.measured(game, play)
        paid = measure() if self.every == 1 else when(due(game.clock, self.every), measure, like=0.0)
        return self.every * self.weight * paid

    def measured(self, game, play):
        """Hook: a function of no arguments that computes the scalar; what it looks at is computed before."""
        raise NotImplementedError


class R1(Penalty):
    """gamma / 2 E |dD(x)/dx|^2 at pictures of the data (Mescheder et al., 2018, arXiv:1801.04406)."""

    figure = "r1"

    def __init__(self, gamma: float, every: int = 1):
        super().__init__(gamma / 2.0, every)

    def measured(self, game, play):
        x, given = play.x, play.batch.given
        return lambda: r1(lambda x: game.realness(x, given), x)


class Slope(Penalty):
    """E (|dD(y)/dy| - 1)^2 between the data and what is made: y = u x + (1 - u) G(z), u ~ U(0, 1).

    Reference: Gulrajani et al., 2017, arXiv:1704.00028.
    """

    figure = "slope"

    def measured(self, game, play):
        batch, x, made = play.batch, play.x, play.made
        u = random.uniform(batch.seed, random.NOISE, batch.index, (1,) * (len(x.shape) - 1))
        return lambda: slope(lambda y: game.realness(y, batch.given), u * x + (1.0 - u) * made)


class Orthogonal(Penalty):
    """sum_W |W'W . (1 - I)|^2 over the kernels of the generator (Brock et al., 2018, arXiv:1809.11096).

    Args:
        kernels: function of a network that returns them.
    """

    player, figure = "generator", "orthogonality"

    def __init__(self, weight: float, kernels):
        super().__init__(weight)
        self.kernels = kernels

    def measured(self, game, play):
        return lambda: sum(map(off_diagonal, self.kernels(game.generator)))


def off_diagonal(kernel):
    """|W'W . (1 - I)|^2: zero if and only if the columns of W (inputs, outputs) are orthogonal, of any length."""
    gram = ops.matmul(ops.transpose(kernel), kernel)
    return ops.sum(ops.square(gram)) - ops.sum(ops.square(ops.diagonal(gram)))


def r1(score, x):
    """E |dD(x)/dx|^2, for a function x (B, ...) -> scores (B, 1) whose examples hardly see each other."""
    return ops.mean(_squared_slopes(score, x))


def slope(score, x):
    """E (|dD(x)/dx| - 1)^2, which makes D 1-Lipschitz where x is (Gulrajani et al., 2017, arXiv:1704.00028)."""
    return ops.mean(ops.square(ops.sqrt(_squared_slopes(score, x) + 1e-12) - 1.0))


def _squared_slopes(score, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = ops.sum(score(x))
    return ops.sum(ops.square(tape.gradient(total, x)), axis=list(range(1, len(x.shape))))


def path_lengths(picture, styles, noise):
    """|J'y| of every example: how far a step in style space moves a picture, in a random direction y.

    Args:
        picture: function styles (B, L, D) -> pictures (B, H, W, C).
        styles: at which J is the Jacobian.
        noise: (B, H, W, C) standard normal.

    Returns: (B,), each the root of the mean over layers of the squared length in style space.
    """
    with tf.GradientTape() as tape:
        tape.watch(styles)
        x = picture(styles)
        height, width = x.shape[1:3]
        projected = ops.sum(x * noise) / (height * width) ** 0.5
    slope = tape.gradient(projected, styles)
    return ops.sqrt(ops.mean(ops.sum(ops.square(slope), axis=2), axis=1) + 1e-12)


def due(step, every):
    """Whether a penalty that is paid every so many steps is paid in this one, a boolean scalar."""
    return tf.equal(tf.math.floormod(tf.cast(step, tf.int64), every), 0)


def when(due, compute, like):
    """What `compute()` returns if a penalty is due, else zeros like `like`; then nothing is computed.

    Times the number of steps between payments it is the penalty itself, on average, for a fraction of the work.
    Nothing in `compute` may look at other replicas.
    """
    return tf.cond(due, compute, lambda: tf.zeros_like(like))


def local_slope(score, x):
    """E (|dD(x)/dp| - 1)^2 over pixels p (B, H, W, C), for critics of patches that score every place of x by itself.

    Each place's scores are summed over the patches that see it (Rott Shaham et al., 2019, arXiv:1905.01164).
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = ops.sum(score(x))
    squares = ops.sum(ops.square(tape.gradient(total, x)), axis=-1)
    return ops.mean(ops.square(ops.sqrt(squares + 1e-12) - 1.0))
