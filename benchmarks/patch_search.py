"""The patch search of GPNN against other libraries, in one run, and the memory that it takes.

    python benchmarks/patch_search.py            # prints the tables of benchmarks/README.md

1. For every 7x7 patch of one picture the nearest of another: `patch_search.nearest`, one product of all patches with
   all, and scikit-learn's brute force, for pictures of growing size.
2. What the memory of a process grows by in a search of some patches in a picture of 512x512, of our search and of the
   product of all with all. Each is a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import machine
import numpy as np
import tensorflow as tf

import kerasgen  # noqa: F401  isort: skip  (first: it chooses the backend)
from kerasgen.nets import patches

SIZE, SIDES, LARGE, SOME = (
    7,
    (32, 64, 96),
    512,
    40,
)  # patches, pictures, the large one, and what is looked for in it


def picture(side: int, seed: int):
    return np.random.default_rng(seed).integers(-128, 128, (side, side, 1)).astype("float32")


GREY = [tf.TensorSpec((None, None, 1))] * 2


@tf.function(input_signature=GREY, autograph=False)
def ours(query, keys):
    return patches.nearest(query, keys, SIZE)[0]


@tf.function(input_signature=GREY, autograph=False)
def product(query, keys):
    """All distances at once."""
    options = dict(sizes=[1, SIZE, SIZE, 1], strides=[1] * 4, rates=[1] * 4, padding="VALID")
    q, k = (tf.reshape(tf.image.extract_patches(x[None], **options), (-1, SIZE**2)) for x in (query, keys))
    squares = tf.reduce_sum(q * q, 1)[:, None] + tf.reduce_sum(k * k, 1)
    return tf.argmin(squares - 2.0 * tf.matmul(q, k, transpose_b=True), 1, output_type=tf.int32)


def neighbours(query, keys):
    from sklearn.neighbors import NearestNeighbors

    q, k = (
        np.lib.stride_tricks.sliding_window_view(x[..., 0], (SIZE, SIZE)).reshape(-1, SIZE**2) for x in (query, keys)
    )
    return NearestNeighbors(n_neighbors=1, algorithm="brute").fit(k).kneighbors(q, return_distance=False)[:, 0]


def seconds(side: int) -> dict:
    query, keys = picture(side, 0), picture(side, 1)
    found = {search.__name__: np.asarray(search(query, keys)) for search in (ours, product, neighbours)}
    assert all(np.array_equal(found["ours"], other) for other in found.values())
    q, k = tf.constant(query), tf.constant(keys)
    return machine.interleaved(
        {
            "ours": lambda: ours(q, k).numpy(),
            "all with all": lambda: product(q, k).numpy(),
            "scikit-learn": lambda: neighbours(query, keys),
        },
        repeats=5,
    )


def growth(name: str) -> int:
    """MiB, in this process."""
    search, keys = {"ours": ours, "product": product}[name], tf.constant(picture(LARGE, 1))
    search(keys[:SIZE, :SIZE], keys[:SIZE, :SIZE])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    search(tf.constant(picture(SOME, 0)), keys)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024


def main():
    print(machine.describe(), "\n")
    print("| pictures | ours, s | all with all, s | scikit-learn, s |\n| --- | --- | --- | --- |")
    for side in SIDES:
        print(f"| {side}x{side} | {' | '.join(f'{value:.3f}' for value in seconds(side).values())} |")
    print(f"\n| {SOME}x{SOME} in {LARGE}x{LARGE} | grows by, MiB |\n| --- | --- |")
    for name in ("ours", "product"):
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
        print(f"| {name} | {done.stdout.split()[-1]} |")


if __name__ == "__main__":
    print(growth(sys.argv[1])) if sys.argv[1:] else main()
