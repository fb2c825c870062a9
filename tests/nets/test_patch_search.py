"""Patch search gives what a search one by one gives, in parts as well as at once."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.neighbors import NearestNeighbors

from kerasgen.nets import patches as patch_search


def picture(height, width, channels, seed, low=-128, high=128):
    return np.random.default_rng(seed).integers(low, high, (height, width, channels)).astype("float32")


def rows(x, size):
    """All patches of a picture, a row each."""
    found = np.lib.stride_tricks.sliding_window_view(x, (size, size), (0, 1))  # (h, w, C, size, size)
    return np.moveaxis(found, 2, -1).reshape(-1, size * size * x.shape[-1]).astype("float64")


def test_windows_are_the_patches_in_reading_order():
    x = picture(6, 7, 3, 0)
    found = patch_search.windows(tf.constant(x), tf.range(4 * 5), 3)
    np.testing.assert_array_equal(tf.reshape(found, (20, -1)), rows(x, 3))


@pytest.mark.parametrize("size, channels", [(7, 3), (7, 1), (9, 3), (2, 1)])
def test_distances_are_exact(size, channels):
    """Also between black and white, the largest there are."""
    x = picture(12, 11, channels, 1)
    x[:size, :size] = 127
    patches = np.concatenate([picture(size, size, channels, 2)[None], np.full((1, size, size, channels), -128.0)])
    expected = ((rows(x, size)[:, None] - patches.reshape(2, -1)) ** 2).sum(-1)
    np.testing.assert_array_equal(patch_search.distances(tf.constant(x), tf.constant(patches, tf.float32)), expected)


def test_weighted_distances_are_exact():
    x, patches = picture(9, 9, 3, 3, -32, 32), np.stack([picture(5, 5, 3, 4 + i, -32, 32) for i in range(2)])
    weights = np.random.default_rng(5).integers(0, 50, (2, 5, 5, 1)).astype("float32")
    gaps = (rows(x, 5).reshape(-1, 1, 5, 5, 3) - patches) ** 2
    expected = (weights * gaps).sum((2, 3, 4))
    np.testing.assert_array_equal(patch_search.distances(tf.constant(x), patches, weights), expected)


@pytest.mark.parametrize("budget", [2**22, 1000, 1], ids=["at once", "in parts", "one by one"])
def test_nearest_is_what_another_library_finds(budget, monkeypatch):
    """And no more distances than allowed are in memory at once."""
    monkeypatch.setattr(patch_search, "BUDGET", budget)
    seen, between = [], patch_search.between

    def watched(*args):
        d = between(*args)
        seen.append(d.shape)
        return d

    monkeypatch.setattr(patch_search, "between", watched)
    query, keys = picture(9, 8, 3, 6), picture(10, 12, 3, 7)
    where, how_far = patch_search.nearest(tf.constant(query), tf.constant(keys), 3)
    gaps, places = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(rows(keys, 3)).kneighbors(rows(query, 3))
    np.testing.assert_array_equal(where, places[:, 0])
    np.testing.assert_allclose(how_far, gaps[:, 0] ** 2, rtol=1e-6)
    assert all(d[0] * d[1] <= max(budget, 80) for d in seen) and sum(d[1] for d in seen) == 42


def test_ties_go_to_the_first():
    x = tf.zeros((5, 5, 1))
    np.testing.assert_array_equal(patch_search.nearest(x, x, 3)[0], np.zeros(9))


@pytest.mark.parametrize("budget", [2**22, 100])
def test_normalised_distances(budget, monkeypatch):
    monkeypatch.setattr(patch_search, "BUDGET", budget)
    query, keys, alpha = picture(7, 7, 1, 8), picture(8, 6, 1, 9), 20.0
    d = np.sqrt(((rows(query, 3)[:, None] - rows(keys, 3)[None]) ** 2).sum(-1))
    expected = d / (alpha + d.min(0))
    where, how_far = patch_search.nearest(tf.constant(query), tf.constant(keys), 3, alpha)
    np.testing.assert_array_equal(where, expected.argmin(1))
    np.testing.assert_allclose(how_far, expected.min(1) ** 2, rtol=1e-5)


def test_levels_are_counted_coarser_where_there_are_too_many():
    level = tf.range(256.0)
    np.testing.assert_array_equal(patch_search.centred(level, 256), np.arange(-128, 128))
    np.testing.assert_array_equal(patch_search.centred(level, 256, 64), np.arange(256) // 4 - 32)
    np.testing.assert_array_equal(patch_search.centred(tf.range(17.0), 17, 64), np.arange(-8, 9))


BOUND = """
import os, resource, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from kerasgen.nets import patch_search
specs = [tf.TensorSpec((None, None, 3))] * 2
search = tf.function(lambda query, keys: patch_search.nearest(query, keys, 7, 1.0), specs, autograph=False)
keys = tf.round(tf.random.uniform((512, 512, 3), -128, 127))
search(keys[:8, :8], keys[:8, :8])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
search(keys[:40, :40], keys)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_memory_is_bounded_at_512x512():
    """1,156 patches beside 256,036: 1.1 GiB of distances, of which 16 MiB exist at once, beside 144 MiB of patches."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 512  # MiB; all distances would take more than twice as much
