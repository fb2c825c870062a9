"""What it costs that a run can be resumed, on the preset `vae_digits`.

python benchmarks/resume.py             # prints the table of benchmarks/README.md
"""

from __future__ import annotations

import pathlib
import tempfile
import time

import machine

from kerasgen.runs import training

EPOCHS = 100


def main():
    from kerasgen.callbacks import Resume, checkpoints

    data, model = training.prepare(training.plan("vae_digits"))

    def fit(*callbacks):
        model.fit(data.train, epochs=EPOCHS, verbose=0, callbacks=list(callbacks))

    def resumable(**options):
        with tempfile.TemporaryDirectory() as folder:
            fit(Resume(folder, **options))

    seconds = machine.interleaved(
        {
            "without `Resume`": fit,
            "with it, a save every 5 minutes": resumable,
            "a save after every epoch": lambda: resumable(every=0),
        },
    )
    bare = seconds["without `Resume`"]
    print(f"| {EPOCHS} epochs of {data.steps} steps | ms per epoch | over the first |\n| --- | --- | --- |")
    for name, value in seconds.items():
        print(f"| {name} | {1e3 * value / EPOCHS:.2f} | {value / bare - 1:+.1%} |")

    with tempfile.TemporaryDirectory() as folder:
        fit(Resume(folder))
        (path,) = checkpoints.find(folder)
        start = time.perf_counter()
        fit(Resume(folder))  # which is finished: read, check, assign
        going_on = time.perf_counter() - start
        size, weights = pathlib.Path(path).stat().st_size, sum(4 * w.numpy().size for w in model.weights)
    print(f"\nA checkpoint has {size / 1e6:.1f} MB, {size / weights:.1f} times the weights; ", end="")
    print(f"going on from one takes {going_on:.2f} s.\n\n{machine.describe()}")


if __name__ == "__main__":
    main()
