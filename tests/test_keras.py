"""Models with one player and with several are at home in Keras: files, callbacks, precision, execution."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from costly import costly_systems
from tiny import TINY, made, said

import kerasgen

PLAYERS = ("vae", "dcgan", "vae_gan")  # one, two and three
each_number_of_players = pytest.mark.parametrize(
    "system", ["vae", pytest.param("dcgan", marks=pytest.mark.slow), "vae_gan"]
)
X = np.random.default_rng(0).random((24, 8, 8, 1)).astype("float32")


def small(system, run_eagerly=True, **compiled):
    """A tiny model with averages in every optimiser; eager, since tracing takes longer than the few steps here."""
    model = kerasgen.build(system, **TINY[system])
    adam = {
        f"{player}_optimizer" if player else "optimizer": keras.optimizers.Adam(1e-3, use_ema=True)
        for player in model.players
    }
    model.compile(seed=5, run_eagerly=run_eagerly, **adam, **compiled)
    return model


def fit(model, epochs=2, x=X, **options):
    return model.fit(x, batch_size=8, epochs=epochs, verbose=0, **options)


def optimizers(model):
    return [getattr(model, f"{player}_optimizer" if player else "optimizer") for player in model.players]


def state(model):
    """Weights and every optimiser's variables."""
    variables = [*model.weights, *(v for optimizer in optimizers(model) for v in optimizer.variables)]
    return [variable.numpy() for variable in variables]


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("whole", [True, False], ids=["model", "weights"])
@each_number_of_players
def test_model_checkpoint_holds_every_player(system, whole, tmp_path):
    path, kept = tmp_path / ("m.keras" if whole else "m.weights.h5"), []
    model = small(system)
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.extend(state(model)))
    fit(model, 1, callbacks=[keras.callbacks.ModelCheckpoint(path, save_weights_only=not whole), look])
    loaded = keras.models.load_model(path) if whole else small(system)
    if not whole:
        loaded.load_weights(path)
    assert_same(state(loaded), kept)


def test_a_fresh_process_loads_the_file(tmp_path):
    for system in PLAYERS:
        model = small(system)
        fit(model, 1)
        model.save(tmp_path / f"{system}.keras")
        np.savez(tmp_path / f"{system}.npz", *state(model), sample=model.sample(3, seed=1))
    program = f"""
        import sys
        sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
        import kerasgen, keras, numpy as np
        from test_keras import state, fit, PLAYERS
        from tiny import TINY
        kerasgen.models.VAE, kerasgen.models.DCGAN, kerasgen.models.VAEGAN  # so that Keras knows them
        for system in PLAYERS:
            model = keras.models.load_model(r"{tmp_path}/" + system + ".keras")
            kept = np.load(r"{tmp_path}/" + system + ".npz")
            sample = model.sample(3, seed=1)
            np.testing.assert_array_equal(sample, kept["sample"])
            found = state(model)
            assert len(found) == len(kept) - 1
            for i, value in enumerate(found):
                np.testing.assert_array_equal(value, kept[f"arr_{{i}}"])
            given = {{key: list(value) if type(value) is tuple else value for key, value in TINY[system].items()}}
            assert model.seed == 5 and given.items() <= model.get_config().items()
            fit(model, 1)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


@each_number_of_players
def test_backup_and_restore_goes_on(system, tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    first = small(system)
    fit(first, 2, callbacks=[backup])
    second = small(system)
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append((epoch, state(second)))
    )
    fit(second, 3, callbacks=[keras.callbacks.BackupAndRestore(tmp_path), look])
    assert [epoch for epoch, _ in seen] == [2]
    assert int(second.clock.numpy()) == 9


@each_number_of_players
def test_callbacks_reach_every_player(system, tmp_path):
    model = small(system)
    monitor = model.reports[0]
    fit(
        model,
        3,
        validation_data=X[:8],
        callbacks=[
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
            keras.callbacks.SwapEMAWeights(),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TensorBoard(tmp_path / "board"),
            keras.callbacks.ReduceLROnPlateau(f"val_{monitor}", mode="min", patience=100),
            keras.callbacks.EarlyStopping(f"val_{monitor}", mode="min", patience=100),
        ],
    )
    for optimizer in optimizers(model):
        assert float(optimizer.learning_rate.numpy()) == pytest.approx(1e-3 / 8)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert len(lines) == 4 and set(model.reports) < set(lines[0].split(","))
    assert list((tmp_path / "board").rglob("events*"))


@each_number_of_players
def test_averages_are_swapped_in_for_evaluation(system):
    model, seen = small(system), {}

    def averages(batch, logs):
        held = [
            average
            for optimizer in optimizers(model)
            for average in optimizer._model_variables_moving_average
        ]
        seen["averages"] = [average.numpy() for average in held]

    def tested(batch, logs):
        held = [variable for player in model.players for variable in model.player_variables(player)]
        seen["tested"] = [variable.numpy() for variable in held]

    look = keras.callbacks.LambdaCallback(on_train_batch_end=averages, on_test_batch_end=tested)
    fit(model, 1, validation_data=X[:8], callbacks=[keras.callbacks.SwapEMAWeights(), look])
    for average, value in zip(seen["averages"], seen["tested"], strict=True):
        np.testing.assert_allclose(average, value, atol=1e-6)


def test_early_stopping_stops():
    stop = keras.callbacks.EarlyStopping("generator_loss", mode="min", patience=1, min_delta=100.0)
    assert len(fit(small("dcgan"), 9, callbacks=[stop]).history["generator_loss"]) == 2


@pytest.mark.parametrize("policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
@costly_systems()
def test_mixed_precision(system, policy):
    """Variables, figures and samples are float32; float16 scales every player's loss. Eagerly, which is tried too."""
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        model = kerasgen.build(system, **TINY[system])
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(run_eagerly=True)
    rng = np.random.default_rng(0)
    x = rng.random((8, *model.image_shape)).astype("float32")
    label = said(model, 8)
    start = [weight.numpy() for weight in model.trainable_variables]
    kinds = {str(weight.dtype) for weight in model.weights}
    assert kinds - {"int32"} == {"float32"}  # a stage is a whole number
    for _ in range(9):  # steps whose gradients overflow are passed over, and the scale is halved
        history = model.fit(x, label, batch_size=8, epochs=max(1, len(model.stages)), verbose=0).history
        assert all(np.isfinite(values).all() for values in history.values())
        if any((a != b.numpy()).any() for a, b in zip(start, model.trainable_variables, strict=True)):
            break
    else:
        raise AssertionError("no step moved a weight")
    for optimizer in optimizers(model):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    sample = made(model, 1)
    assert sample.dtype == (np.int32 if model.kind == "text" else np.float32) and np.isfinite(sample).all()


@pytest.mark.parametrize("system", ["vae", pytest.param("dcgan", marks=pytest.mark.slow)])
def test_several_steps_per_execution_are_the_same_steps(system):
    """Also where they do not divide the epoch: 3 steps in executions of 2."""
    keras.utils.set_random_seed(0)
    one = small(system, run_eagerly=False)
    fit(one, 1)
    keras.utils.set_random_seed(0)
    two = small(system, run_eagerly=False, steps_per_execution=2)
    fit(two, 1)
    assert int(two.clock.numpy()) == int(one.clock.numpy()) == 3
    for a, b in zip(state(one), state(two), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    "system", ["vae", *(pytest.param(s, marks=pytest.mark.slow) for s in TINY if s != "vae")]
)
def test_xla_learns_the_same(system):
    rng, found = np.random.default_rng(0), []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        model = kerasgen.build(system, **TINY[system])
        sgd = {
            f"{player}_optimizer" if player else "optimizer": keras.optimizers.SGD(1e-3)
            for player in model.players
        }
        model.compile(jit_compile=jit, **sgd)
        rng = np.random.default_rng(0)
        x = rng.random((16, *model.image_shape)).astype("float32")
        label = said(model, 16)
        model.fit(x, label, batch_size=8, verbose=0)
        found.append([weight.numpy() for weight in model.weights])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_an_unknown_optimizer_is_named():
    model = kerasgen.build("dcgan", **TINY["dcgan"])
    with pytest.raises(
        ValueError, match="generator_optimizer: expected a Keras optimiser or its name, got 'adm'"
    ):
        model.compile(generator_optimizer="adm")
