"""What needs a GPU: every system's step there equals the one on the CPU, in every precision; `make test-gpu`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import TINY, made, said

import kerasgen

pytestmark = pytest.mark.gpu

SGD = dict(learning_rate=1e-3)


@pytest.fixture(scope="module", autouse=True)
def grow():
    """Take memory as it is needed, so that the tests run beside other work."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def stepped(system, device, policy="float32", **compiled):
    """Weights and loss after two steps of plain gradient descent."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    rng = np.random.default_rng(0)
    with tf.device(device):
        try:
            keras.config.set_dtype_policy(policy)
            model = kerasgen.build(system, **TINY[system])
        finally:
            keras.config.set_dtype_policy(before)
        optimizers = {
            f"{player}_optimizer" if player else "optimizer": keras.optimizers.SGD(**SGD) for player in model.players
        }
        model.compile(**optimizers, **compiled)
        x = rng.random((16, *model.image_shape)).astype("float32")
        label = said(model, 16)
        history = model.fit(x, label, batch_size=8, verbose=0).history
    return [weight.numpy() for weight in model.weights], {key: values[-1] for key, values in history.items()}


@pytest.fixture(scope="module")
def on_cpu():
    kept = {}

    def get(system):
        if system not in kept:
            kept[system] = stepped(system, "CPU:0")
        return kept[system]

    return get


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("system", TINY)
def test_a_gpu_learns_what_a_cpu_does(system, jit, on_cpu):
    weights, figures = stepped(system, "GPU:0", jit_compile=jit)
    expected, losses = on_cpu(system)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    for key, value in losses.items():
        assert figures[key] == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("system", TINY)
def test_mixed_precision_learns_nearly_the_same(system, policy, on_cpu):
    _, figures = stepped(system, "GPU:0", policy)
    for key, value in on_cpu(system)[1].items():
        assert figures[key] == pytest.approx(value, rel=0.1)


@pytest.mark.parametrize("system", TINY)
def test_samples_are_those_of_a_cpu(system):
    keras.utils.set_random_seed(0)
    model = kerasgen.build(system, **TINY[system])
    with tf.device("CPU:0"):
        expected = made(model, 4)
    model.forget_compiled()
    with tf.device("GPU:0"):
        found = made(model, 4)
    if "sample" in model.discrete:  # choices may differ where two tie
        assert (np.abs(found - expected) < 1e-3).mean() > 0.9
    else:
        np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.skipif(len(tf.config.list_physical_devices("GPU")) < 2, reason="fewer than two GPUs")
@pytest.mark.parametrize("system", TINY)
def test_two_gpus_learn_what_a_cpu_does(system, on_cpu):
    with tf.distribute.MirroredStrategy(cross_device_ops=tf.distribute.NcclAllReduce()).scope():
        weights, _ = stepped(system, "")
    for a, b in zip(weights, on_cpu(system)[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
