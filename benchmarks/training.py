"""What `fit` costs beside the step itself, and what replicas and workers bring.

python benchmarks/training.py fit        # against a bare loop over a tf.function, per step
python benchmarks/training.py scaling    # 1 and 2 replicas of one process, 1 and 2 worker processes
python benchmarks/training.py determinism    # with and without `--deterministic`
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import machine

PRESETS = ("gaussian_mixture_eight_gaussians", "gaussian_digits", "vae_digits", "real_nvp_moons")


def prepared(preset, **compiled):
    from kerasgen import hub
    from kerasgen.runs import training

    plan = training.plan(hub.read_preset(preset))
    recipe = plan["recipe"]
    recipe["compile"] = {**(recipe.get("compile") or {}), **compiled}
    return training.prepare(plan)


def fit_overhead():
    """Seconds per step of `fit` with the preset's options, of `fit` one step at a time, and of a bare loop."""
    import tensorflow as tf

    import kerasgen  # noqa: F401  (first: it chooses the backend)

    print("| preset | bare loop, ms | fit, ms | fit as the preset says, ms | over the bare loop |")
    print("| --- | --- | --- | --- | --- |")
    for preset in PRESETS:
        data, model = prepared(preset)
        _, plain = prepared(preset, steps_per_execution=1)
        epochs = max(1, 400 // data.steps)
        steps = epochs * data.steps
        step = tf.function(plain.train_step, autograph=False, jit_compile=plain.jit_compile)
        batches = data.stream().take(steps)

        def bare(step=step, batches=batches):
            for batch in batches:
                values = step(batch)
            return {name: float(value) for name, value in values.items()}

        def fit(model, data=data, epochs=epochs):
            return lambda: model.fit(data.train, epochs=epochs, verbose=0)

        seconds = machine.interleaved({"bare": bare, "fit": fit(plain), "preset": fit(model)}, repeats=5)
        ms = {name: 1e3 * value / steps for name, value in seconds.items()}
        over = f"{ms['preset'] / ms['bare'] - 1:+.0%}"
        print(f"| `{preset}` | {ms['bare']:.3f} | {ms['fit']:.3f} | {ms['preset']:.3f} | {over} |", flush=True)


def worker(mode, system, width):
    """Examples per second of one process; the chief prints."""
    import tensorflow as tf

    if mode == "mirrored2":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    elif mode == "single":
        strategy = tf.distribute.get_strategy()
    else:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    import numpy as np

    import kerasgen

    with strategy.scope():
        model = kerasgen.build(system, image_shape=(8, 8, 1), **json.loads(width))
        model.compile()
    x = np.random.default_rng(0).random((4096, 8, 8, 1)).astype("float32")
    model.fit(x[:1024], batch_size=256, verbose=0)
    start = time.perf_counter()
    model.fit(x, batch_size=256, epochs=2, verbose=0)
    if strategy.extended.should_checkpoint or mode == "single":
        print(2 * len(x) / (time.perf_counter() - start))


def scaling():
    from kerasgen.cli.launching import free_ports

    # One thread per replica, so that two replicas have twice what one has.
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

    def rate(mode, workers, *arguments):
        cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(workers)]}
        processes = []
        for index in range(workers):
            task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            extra = {"TF_CONFIG": json.dumps(task)} if mode == "workers" else {}
            command = [sys.executable, __file__, "worker", mode, *arguments]
            pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            processes.append(subprocess.Popen(command, env={**os.environ, **threads, **extra}, **pipes))
        outputs = [process.communicate()[0] for process in processes]
        return float(outputs[0].split()[-1])

    print("| system | 1 device | 2 replicas | 1 worker | 2 workers | (examples per second, global batch 256)")
    print("| --- | --- | --- | --- | --- |")
    for system, arguments in {
        "vae": {"widths": [512, 512], "latent_dim": 16},
        "dcgan": {"widths": [128, 64], "latent_dim": 32},
    }.items():
        given = (system, json.dumps(arguments))
        cells = [rate("single", 1, *given), rate("mirrored2", 1, *given)]
        cells += [rate("workers", 1, *given), rate("workers", 2, *given)]
        print(f"| `{system}` | " + " | ".join(f"{cell:.0f}" for cell in cells) + " |", flush=True)


SYSTEMS = {  # one per objective, about the size of its preset
    "gaussian": {"levels": 17},
    "vae": {"widths": [512, 512], "latent_dim": 16},
    "dcgan": {"widths": [128, 64], "latent_dim": 32},
    "vae_gan": {"widths": [16, 32], "hidden": 128, "latent_dim": 8},
    "real_nvp": {"levels": 17, "width": 16, "blocks": 2},
    "pixel_cnn": {"levels": 17, "width": 32, "depth": 4, "hidden": 64},
    "ddpm": {"levels": 17, "width": 16, "multipliers": [1, 2], "blocks": 1, "attention": []},
}


def timed(mode, system):
    """Seconds per step of one process."""
    import tensorflow as tf

    if mode == "deterministic":
        tf.config.experimental.enable_op_determinism()
    import keras
    import numpy as np

    import kerasgen

    keras.utils.set_random_seed(0)
    model = kerasgen.build(system, image_shape=(8, 8, 1), **SYSTEMS[system])
    model.compile()
    x = np.random.default_rng(0).random((1024, 8, 8, 1)).astype("float32")
    model.fit(x[:128], batch_size=64, verbose=0)
    start = time.perf_counter()
    model.fit(x, batch_size=64, epochs=2, verbose=0)
    print((time.perf_counter() - start) / 32)


def determinism(repeats=3):
    import statistics

    def seconds(*arguments):
        command = [sys.executable, __file__, "timed", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])

    print("| system | free, ms a step | deterministic | ratio |\n| --- | --- | --- | --- |")
    for system in SYSTEMS:
        pairs = [(seconds("free", system), seconds("deterministic", system)) for _ in range(repeats)]
        free, fixed = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"| `{system}` | {free:.2f} | {fixed:.2f} | {fixed / free:.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "timed":
        timed(*sys.argv[2:])
    elif sys.argv[1] == "worker":
        worker(*sys.argv[2:])
    else:
        print(machine.describe(), "\n")
        {"fit": fit_overhead, "scaling": scaling, "determinism": determinism}[sys.argv[1]]()
