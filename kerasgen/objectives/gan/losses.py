"""What the players of a game descend, from the scores that a discriminator gives.

A loss is a value: what the discriminator descends, what the generator descends, and the score at which the game rests.
Scores are logits (B, 1); every loss is computed from them with softplus, never from log(sigmoid).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
from keras import ops


class Loss(NamedTuple):
    """Both sides of a game.

    Attributes:
        discriminator: (scores of real pictures, scores of made ones) -> scalar.
        generator: scores of made pictures -> scalar.
        rest: score of what is as likely real as made; None for critics, whose scores have no zero.

    Example:
        >>> float(WASSERSTEIN.discriminator(tf.constant([[3.0]]), tf.constant([[1.0]])))
        -2.0
    """

    discriminator: Callable
    generator: Callable
    rest: float | None


def non_saturating_discriminator(real, fake):
    """-E log D(x) - E log(1 - D(G(z))) from logits; 2 log 2 where it cannot tell."""
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))


def non_saturating_generator(fake):
    """-E log D(G(z)): its gradient stays near 1 where the discriminator is sure, unlike that of `minimax_generator`."""
    return ops.mean(ops.softplus(-fake))


def minimax_generator(fake):
    """E log(1 - D(G(z))), the generator's side of the minimax game; its gradient is sigmoid(logit)."""
    return -ops.mean(ops.softplus(fake))


def hinge_discriminator(real, fake):
    """E [1 - D(x)]+ + E [1 + D(G(z))]+: examples that are on their side by a margin are left alone."""
    return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))


def wasserstein_discriminator(real, fake):
    """E D(G(z)) - E D(x): minus an estimate of the distance between data and samples, if D is 1-Lipschitz."""
    return ops.mean(fake) - ops.mean(real)


def critic_generator(fake):
    """-E D(G(z)), the generator's side of the hinge game and of Wasserstein games."""
    return -ops.mean(fake)


def least_squares_discriminator(real, fake):
    """E (D(x) - 1)^2 + E D(G(z))^2: examples far on the right side are drawn back too (Mao et al., 2016)."""
    return ops.mean((real - 1.0) ** 2) + ops.mean(fake**2)


def least_squares_generator(fake):
    """E (D(G(z)) - 1)^2."""
    return ops.mean((fake - 1.0) ** 2)


NON_SATURATING = Loss(non_saturating_discriminator, non_saturating_generator, rest=0.0)
MINIMAX = Loss(non_saturating_discriminator, minimax_generator, rest=0.0)
HINGE = Loss(hinge_discriminator, critic_generator, rest=0.0)
LEAST_SQUARES = Loss(least_squares_discriminator, least_squares_generator, rest=0.5)
WASSERSTEIN = Loss(wasserstein_discriminator, critic_generator, rest=None)


def adaptive_weight(first, second, most=1e4):
    """|first| / |second| of two gradients, so that the second pulls as hard as the first; at most `most`.

    Reference: Esser, Rombach, Ommer, 2020, arXiv:2012.09841, equation 7.
    """
    return tf.stop_gradient(tf.minimum(tf.norm(first) / (tf.norm(second) + 1e-6), most))
