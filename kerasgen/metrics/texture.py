"""How samples of a model of one picture compare with that picture: by their patches, in both directions.

Distances are squared, and divided by those of a picture that has the same pixels in any order.
"""

from __future__ import annotations

import numpy as np

SIZE = 7  # of a patch
MOST = 16  # samples that are looked at


def patches(picture, size=SIZE):
    """All patches of a picture (H, W, C) as rows."""
    picture = np.asarray(picture, "float64")
    found = np.lib.stride_tricks.sliding_window_view(picture, (size, size), (0, 1))
    return found.reshape(-1, picture.shape[-1] * size * size)


def distance(first, second, size=SIZE):
    """Mean squared distance, per value, of the patches of one picture to the nearest of another.

    Example:
        >>> distance(np.zeros((8, 8, 1)), np.ones((8, 8, 1)))
        1.0
    """
    from sklearn.neighbors import NearestNeighbors

    rows, others = patches(first, size), patches(second, size)
    gaps = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(others).kneighbors(rows)[0]
    return float(np.mean(gaps**2) / rows.shape[1])


def shuffled(picture, seed=0):
    """The same pixels in another order."""
    rows = np.asarray(picture).reshape(-1, picture.shape[-1])
    return np.random.default_rng(seed).permutation(rows).reshape(picture.shape)


def coherence(samples, picture, size=SIZE):
    """0 if every patch of the samples is one of the picture, 1 if they are no nearer than those of shuffled pixels."""
    far = distance(shuffled(picture), picture, size)
    return np.mean([distance(x, picture, size) for x in samples]) / far


def completeness(samples, picture, size=SIZE):
    """0 if every patch of the picture is in each sample, 1 if they are no nearer than to those of shuffled pixels."""
    far = distance(picture, shuffled(picture), size)
    return np.mean([distance(picture, x, size) for x in samples]) / far


def novelty(samples, picture):
    """Squared difference of samples and picture, by twice the picture's variance: 0 for a copy, about 1 elsewhere.

    The picture is laid over each sample where it fits best, cyclically shifted and mirrored: what is moved as a whole
    is not new.

    Args:
        samples: (N, H, W, C).
        picture: (H, W, C).

    Example:
        >>> picture = np.random.default_rng(0).random((8, 9, 1))
        >>> abs(round(novelty([np.roll(picture, 3, axis=1)[::-1]], picture), 6))
        0.0
    """
    picture = np.asarray(picture, "float64")
    mirrored = [picture, picture[::-1], picture[:, ::-1], picture[::-1, ::-1]]
    waves = [np.fft.fft2(x, axes=(0, 1)).conj() for x in mirrored]

    def gap(x):
        """|x - shifted|^2 = |x|^2 + |picture|^2 - 2 <x, shifted>, the products of all shifts by Fourier transforms."""
        wave = np.fft.fft2(np.asarray(x, "float64"), axes=(0, 1))
        products = [np.fft.ifft2((wave * other).sum(-1)).real.max() for other in waves]
        return (np.sum(np.square(x, dtype="float64")) + np.sum(picture**2) - 2 * max(products)) / picture.size

    return float(np.mean([gap(x) for x in samples]) / (2.0 * np.var(picture, axis=(0, 1)).mean()))


def judge(samples, picture):
    """(coherence, completeness, novelty) of samples beside the picture."""
    return tuple(measure(samples, picture) for measure in (coherence, completeness, novelty))


def halves(picture):
    """(one half, the other half) of a picture, all four ways: what another piece of the same texture reaches."""
    height, width = (side // 2 for side in picture.shape[:2])
    cuts = (picture[:height], picture[-height:]), (picture[:, :width], picture[:, -width:])
    return [pair[::order] for pair in cuts for order in (1, -1)]
