"""How close samples are to data, on features: distances, precision, recall, density, coverage, class shares.

Rows are examples, columns are features. Nothing here knows where the features come from
(`kerasgen.metrics.features`).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import entr


def frechet(a, b):
    """Frechet distance between the Gaussians fitted to two sets of features: the formula behind the FID.

        |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))

    With centred rows A and C_a = A^T A, the eigenvalues of (C_a C_b)^(1/2) are the singular values of A B^T, which
    are those of R_a R_b^T for the triangular factors of A and B. So no root of a nonsymmetric matrix is taken, the
    result is symmetric, and covariances may be singular (fewer examples than features, or samples all alike).

    Args:
        a, b: (N, F) and (M, F), at least two rows each.

    Returns:
        A number of at least 0, biased upwards for few examples: compare equal numbers of them.

    Raises:
        ValueError: fewer than two rows, or other columns.

    Example:
        >>> a = np.random.default_rng(0).normal(size=(100, 3))
        >>> round(frechet(a, a + [3, 0, 4]), 6)
        25.0

    Reference: Dowson and Landau, 1982; Heusel et al., 2017, arXiv:1706.08500.
    """
    a, b = rows(a, b, 2)
    factors = [np.linalg.qr((x - x.mean(0)) / np.sqrt(len(x) - 1), mode="r") for x in (a, b)]
    traces = sum((factor**2).sum() for factor in factors)
    spread = traces - 2 * np.linalg.norm(factors[0] @ factors[1].T, "nuc")
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + max(spread, 0.0))


def kernel_distance(a, b, *, subsets=50, seed=0):
    """Kernel distance: the unbiased squared MMD with kernel k(x, y) = (x.y / F + 1)^3, and its error.

        mean_{i != j} k(a_i, a_j) + mean_{i != j} k(b_i, b_j) - 2 mean_{i, j} k(a_i, b_j)

    It is 0 on average for two samples of one law, whatever their size, so it may be negative. The standard
    error is the standard deviation over random halves of both sets: the delete-half jackknife, which is too
    careful where the two laws are equal.

    Args:
        a, b: (N, F) and (M, F), at least four rows each.
        subsets: random halves.
        seed: of the halves.

    Returns:
        (distance, standard error).

    Raises:
        ValueError: fewer than four rows, or other columns.

    Example:
        >>> random = np.random.default_rng(0)
        >>> distance, error = kernel_distance(random.normal(size=(200, 4)), random.normal(size=(300, 4)) + 1)
        >>> distance > 5 * error
        True

    Reference: Gretton et al., 2012, JMLR 13; Binkowski et al., 2018, arXiv:1801.01401; Shao and Wu, 1989
    (jackknife).
    """
    from sklearn.metrics.pairwise import polynomial_kernel

    a, b = rows(a, b, 4)
    kernels = [polynomial_kernel(x, y, degree=3, coef0=1) for x, y in ((a, a), (b, b), (a, b))]
    ones = [np.ones((1, len(x))) for x in (a, b)]
    random = np.random.default_rng(seed)
    halves = [random.permuted(np.arange(len(x)) < np.full((subsets, 1), len(x) // 2), axis=1) for x in (a, b)]
    return float(_mmd(*kernels, *ones)[0]), float(_mmd(*kernels, *halves).std())


def precision_recall(real, fake, k=3):
    """Precision: the share of fake examples on the manifold of the real ones. Recall: the other way round.

    The manifold of a set is the union of the balls around its points that reach their k-th nearest neighbour.

    Args:
        real, fake: (N, F) and (M, F), more than k rows each; similar numbers of them.
        k: neighbours.

    Returns:
        (precision, recall), each in [0, 1].

    Raises:
        ValueError: no more than k rows, or other columns.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 2))
        >>> precision_recall(x, x), precision_recall(x, x + 100)
        ((1.0, 1.0), (0.0, 0.0))

    Reference: Kynkaanniemi et al., 2019, arXiv:1904.06991.
    """
    real, fake = rows(real, fake, k + 1)
    distance = cdist(real, fake)
    precision = (distance <= _radii(real, k)[:, None]).any(0).mean()
    return float(precision), float((distance <= _radii(fake, k)).any(1).mean())


def density_coverage(real, fake, k=5):
    """Density: balls around real examples that hold a fake one, over k. Coverage: the share that holds any.

    Both measure with the balls of the real examples alone, so that a fake outlier cannot cover the space. For
    two samples of one law density is 1 on average, and coverage 1 - 2^-k where they are large and equally
    many.

    Args:
        real, fake: (N, F) and (M, F), more than k real rows.
        k: neighbours.

    Returns:
        (density, coverage): at least 0 (it may exceed 1), and in [0, 1].

    Raises:
        ValueError: no more than k rows, or other columns.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 2))
        >>> density_coverage(x, x), density_coverage(x, x + 100)
        ((1.0, 1.0), (0.0, 0.0))

    Reference: Naeem et al., 2020, arXiv:2002.09797.
    """
    real, fake = rows(real, fake, k + 1)
    inside = cdist(real, fake) < _radii(real, k)[:, None]
    return float(inside.sum(0).mean() / k), float(inside.any(1).mean())


def authenticity(train, fake):
    """Share of examples that are no copies: farther from the nearest train example than that one from any other.

    Real examples that were not trained on are at both distances alike often, so they reach about 1/2; copies, and
    copies with a little noise, reach 0. It rises to 1 for examples that resemble nothing: it tells copies alone.

    Args:
        train, fake: (N, F) and (M, F), at least two train rows.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: fewer rows, or other columns.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 2))
        >>> authenticity(x, x), authenticity(x, x + 100)
        (0.0, 1.0)

    Reference: Alaa et al., 2022, arXiv:2102.08921.
    """
    from sklearn.neighbors import NearestNeighbors

    train, fake = rows(train, fake, 1)
    if len(train) < 2:
        raise ValueError(f"features: expected at least 2 train rows, got {len(train)}")
    search = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(train)
    distance, nearest = search.kneighbors(fake, 1)
    found, back = np.unique(nearest[:, 0], return_inverse=True)
    others = search.kneighbors(train[found], 2)[0][:, 1]
    return float((distance[:, 0] > others[back]).mean())


def diversity(real, fake):
    """Variance of fake examples, by that of real ones: 0 if all are alike, about 1 for real examples.

    Args:
        real, fake: (N, F) and (M, F), at least two rows each.

    Example:
        >>> diversity([[0.0], [2.0]], [[5.0], [5.0]])
        0.0
    """
    real, fake = rows(real, fake, 2)
    return float(fake.var(0).sum() / max(real.var(0).sum(), np.finfo(float).tiny))


def class_shares(labels, num_classes):
    """Share of each class among labels.

    Args:
        labels: (N,) class numbers.
        num_classes: K.

    Returns:
        (K,), with sum 1.

    Raises:
        ValueError: no labels.

    Example:
        >>> class_shares([0, 0, 2, 2], 3).tolist()
        [0.5, 0.0, 0.5]
    """
    labels = np.asarray(labels)
    if not labels.size:
        raise ValueError("labels: expected at least one, got none")
    return np.bincount(labels, minlength=num_classes) / len(labels)


def conditional_accuracy(probabilities, label):
    """Share of examples in which a classifier finds the class that was asked for.

    Args:
        probabilities: (N, K) of the classifier.
        label: (N,) asked for.

    Example:
        >>> conditional_accuracy([[0.9, 0.1], [0.6, 0.4]], [0, 1])
        0.5
    """
    return float((np.argmax(probabilities, -1) == np.asarray(label)).mean())


def matched(code, label):
    """Share of examples whose code is that of their class, where codes stand for classes one to one, as fits best.

    Args:
        code: (N,) numbers of groups, found without labels.
        label: (N,) classes.

    Example:
        >>> matched([2, 2, 0, 1], [0, 0, 1, 1])
        0.75
    """
    from scipy.optimize import linear_sum_assignment

    code, label = np.asarray(code), np.asarray(label)
    together = np.zeros((code.max() + 1, label.max() + 1), int)
    np.add.at(together, (code, label), 1)
    return float(together[linear_sum_assignment(together, maximize=True)].sum() / len(label))


def confidence(probabilities):
    """Mean probability that a classifier gives to the class it finds: 1 / K for no idea, 1 for certainty.

    Example:
        >>> confidence([[1.0, 0.0], [0.5, 0.5]])
        0.75
    """
    return float(np.max(probabilities, -1).mean())


def entropy(probabilities):
    """Mean entropy of a classifier's answers in nats: 0 for certainty, ln K for no idea.

    Example:
        >>> round(entropy([[1.0, 0.0], [0.5, 0.5]]), 4)
        0.3466
    """
    return float(entr(np.asarray(probabilities, "float64")).sum(-1).mean())


def psnr(x, y):
    """Peak signal-to-noise ratio of each of the pictures y (N, H, W, C) in [0, 1] beside x, in dB.

    Example:
        >>> psnr(np.zeros((1, 8, 8, 1)), np.full((1, 8, 8, 1), 0.1)).round(6)
        array([20.])
    """
    error = ((np.asarray(x, "float64") - y) ** 2).mean((1, 2, 3))
    return -10.0 * np.log10(np.maximum(error, 1e-10))


def ssim(x, y):
    """Structural similarity of each of the pictures y (N, H, W, C) in [0, 1] beside x: 1 for the same.

    The window is the Gaussian of the paper, sigma 1.5 on 11x11 pixels; for smaller pictures it is even, of at most 7x7.

    Example:
        >>> x = np.random.default_rng(0).random((2, 16, 16, 3))
        >>> ssim(x, x).round(6)
        array([1., 1.])

    Reference: Wang, Bovik, Sheikh, Simoncelli, 2004, Image Quality Assessment.
    """
    from skimage.metrics import structural_similarity

    side = min(x.shape[1:3])
    window = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    if side < 11:
        window = dict(win_size=min(7, side - 1 + side % 2))
    pairs = zip(np.asarray(x, "float64"), np.asarray(y, "float64"), strict=True)
    return np.array([structural_similarity(a, b, data_range=1.0, channel_axis=-1, **window) for a, b in pairs])


def _mmd(aa, bb, ab, p, q):
    """Unbiased squared MMD of the rows that masks p (S, N) and q (S, M) pick from the three kernel matrices: (S,)."""
    p, q = p.astype("float64"), q.astype("float64")
    n, m = p.sum(1), q.sum(1)
    within = ((p @ aa * p).sum(1) - p @ aa.diagonal()) / (n * (n - 1))
    within += ((q @ bb * q).sum(1) - q @ bb.diagonal()) / (m * (m - 1))
    return within - 2 * (p @ ab * q).sum(1) / (n * m)


def _radii(x, k):
    """Distance of each row to its k-th nearest other row; place 0 is the row itself."""
    return np.partition(cdist(x, x), k, axis=1)[:, k]


def rows(a, b, least):
    """Two sets of features as float64, checked: the same columns, and at least so many rows."""
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features: expected shapes (N, F) and (M, F), got {a.shape} and {b.shape}")
    if min(len(a), len(b)) < least:
        raise ValueError(f"features: expected at least {least} rows, got {len(a)} and {len(b)}")
    return a, b
