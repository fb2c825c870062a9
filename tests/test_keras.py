"""Models with one player and with several are at home in Keras: files, callbacks, precision, execution."""

import re
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from costly import costly_systems
from tiny import TINY, made, said

import kerasgen
from kerasgen import catalog

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
    look = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append((epoch, state(second))))
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
        held = [average for optimizer in optimizers(model) for average in optimizer._model_variables_moving_average]
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


@pytest.mark.parametrize("system", ["vae", *(pytest.param(s, marks=pytest.mark.slow) for s in TINY if s != "vae")])
def test_xla_learns_the_same(system):
    rng, found = np.random.default_rng(0), []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        model = kerasgen.build(system, **TINY[system])
        sgd = {f"{player}_optimizer" if player else "optimizer": keras.optimizers.SGD(1e-3) for player in model.players}
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
    with pytest.raises(ValueError, match="generator_optimizer: expected a Keras optimiser or its name, got 'adm'"):
        model.compile(generator_optimizer="adm")


# --- Keras' own road --------------------------------------------------------------------------------------------------

FAMILIES = {family: next(id for id in TINY if catalog.SYSTEMS[id].family == family) for family in catalog.FAMILIES}


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras reading HDF5
@pytest.mark.parametrize(
    "order, families",
    [("import keras, kerasgen", ("density", "vae")), ("import kerasgen.runtime, keras", ("gan",)),
     pytest.param("import kerasgen, keras", tuple(FAMILIES), marks=pytest.mark.slow)],
)  # fmt: skip
def test_keras_finds_classes_that_are_not_imported(order, families, tmp_path):
    """Systems by `keras.saving.load_model` in a process that has imported none of them."""
    for family in families:
        system = FAMILIES[family]
        model = small(system)
        model.save(tmp_path / f"{system}.keras")
        np.savez(tmp_path / f"{system}.npz", *state(model), sample=made(model, 2))
    program = f"""
        {order}
        import sys, numpy as np
        assert "kerasgen.core.model" not in sys.modules
        sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
        for system in {[FAMILIES[family] for family in families]}:
            model = keras.saving.load_model(r"{tmp_path}/" + system + ".keras")
            from tiny import made
            from test_keras import state
            known = np.load(r"{tmp_path}/" + system + ".npz")
            values = state(model)
            assert len(values) == len(known.files) - 1
            for i, value in enumerate(values):
                np.testing.assert_array_equal(value, known[f"arr_{{i}}"])
            np.testing.assert_array_equal(made(model, 2), known["sample"])
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]


def test_nothing_heavy_is_imported_before_keras_is():
    program = """
        import sys, kerasgen
        assert not {"keras", "tensorflow", "numpy"} & set(sys.modules), sys.modules
        import keras
        assert "kerasgen>VAE" in keras.saving.get_custom_objects() and "kerasgen.core.model" not in sys.modules
        assert not any(type(finder).__name__ == "AfterImport" for finder in sys.meta_path)
        assert kerasgen.models.VAE is keras.saving.get_registered_object("kerasgen>VAE")
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]


def test_classes_of_ones_own(tmp_path):
    """They are kept by Keras, take no name of ours, and what they cannot do is one line."""

    class BetaVAE(kerasgen.models.VAE):
        """Somebody's."""

    Ours, Own = kerasgen.models.VAE, type("VAE", (kerasgen.models.VAE,), {"__module__": "__main__"})
    known = keras.saving.get_registered_object
    assert known("kerasgen>VAE") is Ours and known("__main__>VAE") is Own
    for cls, name in ((BetaVAE, "BetaVAE"), (Own, "VAE")):
        model = cls(**TINY["vae"])
        model.compile()
        fit(model, 1, (X > 0.5).astype("float32"))
        with pytest.raises(ValueError, match=f"^{name}: a preset is of a system of the catalogue, and this is a class"):
            model.save_to_preset(tmp_path / "preset")
        path = tmp_path / f"{name}.keras"
        model.save(path)
        again = keras.saving.load_model(path)
        assert type(again) is cls
        assert_same(state(again), state(model))
        line = f"expected a kerasgen model, got '.*>{name}'; keras.saving.load_model opens a class of your own"
        with pytest.raises(ValueError, match=line):
            kerasgen.load(path)


# --- habits and settings of Keras -------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["vae", "dcgan", "cyclegan"])
def test_what_models_do_not_do_is_one_line(system, tmp_path):
    model = kerasgen.build(system, **TINY[system])
    name, serves = type(model).__name__, ", ".join(model.serves)
    for call, line in {
        lambda: model(X): f"{name} has no call; it serves {serves}",
        lambda: model.predict(X): f"{name} has no predict; it serves {serves}",
        lambda: model.export(
            tmp_path
        ): f"{name} has no export; kerasgen.export(model, directory) writes SavedModel and ONNX files",
    }.items():
        with pytest.raises(NotImplementedError) as error:
            call()
        assert str(error.value) == line


@pytest.mark.parametrize(
    "name, value, line",
    [("image_data_format", "channels_first", "'channels_last', got 'channels_first'; call keras.config.set_image_"),
     ("floatx", "float64", "'float32', got 'float64'; call keras.config.set_floatx('float32'), or mend ~/.keras/"),
     ("floatx", "float16", "'float32', got 'float16'; call keras.config.set_floatx('float32'), or mend ~/.keras/")],
)  # fmt: skip
@pytest.mark.parametrize("system", TINY)
def test_settings_of_keras_that_do_not_fit_are_named(system, name, value, line):
    change, before = getattr(keras.config, f"set_{name}"), getattr(keras.config, name)()
    change(value)
    try:
        with pytest.raises(ValueError, match=f"^keras: expected {name} {re.escape(line)}"):
            kerasgen.build(system, **TINY[system])
    finally:
        change(before)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning", "ignore:Skipping")  # of Keras reading HDF5
@pytest.mark.parametrize("system, change", [("vae", {"latent_dim": 9}), ("dcgan", {"widths": (16, 12)})])
def test_weights_of_another_size_change_nothing(system, change, tmp_path):
    other, model = kerasgen.build(system, **TINY[system] | change), small(system)
    fit(model, 1)
    other.save_weights(tmp_path / "other.weights.h5")
    before = state(model)
    line = f"other.weights.h5: expected the weights of this {type(model).__name__}: "
    with pytest.raises(ValueError, match=line) as error:
        model.load_weights(tmp_path / "other.weights.h5")
    assert "\n" not in str(error.value)
    assert_same(state(model), before)
    assert len(before) > len(model.weights)  # the optimisers' too


def test_fit_learns_what_classes_are_called():
    data = kerasgen.data.load("digits")
    model = kerasgen.build("wavenet", **TINY["wavenet"])
    assert model.class_names == ()
    model = kerasgen.build("biggan", **TINY["biggan"])
    model.compile()
    model.fit(data.train, epochs=1, steps_per_epoch=1, verbose=0)
    assert model.class_names == data.class_names == tuple("0123456789")
    np.testing.assert_array_equal(model.sample(2, label="7"), model.sample(2, label=7))
