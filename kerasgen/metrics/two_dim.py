"""Points in the plane, and vectors in general: which modes are found, how sharply, and how far the law is.

The modes of `eight_gaussians` and `twenty_five_gaussians` are known, so dropped modes can be counted and not
guessed.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from kerasgen.metrics.fidelity import rows


def _ring():
    angle = np.arange(8) * np.pi / 4
    return 2 * np.stack([np.cos(angle), np.sin(angle)], -1)


def _grid():
    return np.stack(np.meshgrid(np.arange(-2.0, 3.0), np.arange(-2.0, 3.0)), -1).reshape(-1, 2)


MODES = {"eight_gaussians": (_ring(), 0.2), "twenty_five_gaussians": (_grid(), 0.1)}  # name: (centres, sigma)


def modes_covered(x, centres, sigma, *, share=0.01):
    """Number of modes that hold at least 1 % of the samples within 3 sigma.

    Args:
        x: (N, D) samples.
        centres: (K, D) of the modes.
        sigma: standard deviation of a mode.
        share: of all samples that a mode must hold.

    Returns:
        A whole number in [0, K].

    Example:
        >>> centres, sigma = MODES["eight_gaussians"]
        >>> modes_covered(np.repeat(centres[:6], 50, 0), centres, sigma)
        6

    Reference: Srivastava et al., 2017, VEEGAN, arXiv:1705.07761 (the count of modes; its threshold is one
    sample).
    """
    return int(((cdist(x, centres) <= 3 * sigma).mean(0) >= share).sum())


def high_quality(x, centres, sigma):
    """Share of samples within 3 sigma of a mode: 1 - exp(-9/2) = 0.989 for the law itself in the plane.

    Args and range: as `modes_covered`; the result is in [0, 1].

    Example:
        >>> centres, sigma = MODES["eight_gaussians"]
        >>> high_quality([[2.0, 0.0], [0.0, 0.0]], centres, sigma)
        0.5
    """
    return float((cdist(x, centres) <= 3 * sigma).any(1).mean())


def energy_distance(a, b):
    """Energy distance, 2 E|a - b| - E|a - a'| - E|b - b'|, as an unbiased estimate, which may be negative.

    It is 0 only where the two laws are equal; unlike the Frechet distance it sees more than two moments.

    Args:
        a, b: (N, D) and (M, D), at least two rows each.

    Raises:
        ValueError: fewer than two rows, or other columns.

    Example:
        >>> energy_distance([[0.0], [0.0]], [[3.0], [3.0]])
        6.0

    Reference: Szekely and Rizzo, 2013, J. Statistical Planning and Inference 143.
    """
    a, b = rows(a, b, 2)
    within = sum(cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b))
    return float(2 * cdist(a, b).mean() - within)


def entropy_gap(nats, entropy):
    """How far the mean log-likelihood stays below that of the true law: KL(data | model), in nats.

    Args:
        nats: mean ln p(x) on test data.
        entropy: of the data in nats.

    Returns:
        A number that is at least 0 but for the noise of the test set.

    Example:
        >>> entropy_gap(-2.0, 1.5)
        0.5
    """
    return float(-nats - entropy)
