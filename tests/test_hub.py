"""Presets: what is saved comes back; what is not ours, or not whole, is refused in one line and changes nothing."""

import inspect
import io
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny import TINY

import kerasgen
from kerasgen import catalog, hub
from kerasgen.hub import places, shelf

ARGUMENTS = dict(image_shape=(8, 8, 1), latent_dim=4, widths=(8, 4), kernel_size=3)


@pytest.fixture(scope="module")
def model():
    return kerasgen.build("dcgan", **ARGUMENTS)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    about = {
        "description": "tiny",
        "data": {"name": "digits"},
        "results": {"loss": np.float32(0.5), "command": "none"},
    }
    return hub.save_preset(model, tmp_path_factory.mktemp("presets") / "tiny", **about)


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "tiny")


def weights(model):
    return [weight.numpy() for weight in model.weights]


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", hub.list_presets())
def test_shipped_presets_are_sound(name):
    preset = hub.read_preset(name)
    assert preset["preset"] == name and name.startswith(preset["system"])
    known = inspect.signature(catalog.find(preset["system"]).load().__init__).parameters
    assert set(preset["arguments"]) <= set(known)
    folder = hub.SHIPPED / name
    assert (folder / hub.MANIFEST).exists() or not (folder / hub.WEIGHTS).exists()
    assert (
        not preset.weights
        or shelf.find(folder).stat().st_size <= (2 if (folder / hub.WEIGHTS).exists() else 12) * 2**20
    )


def test_names_are_found_as_people_write_them():
    assert "dcgan_digits_quick" in hub.list_presets("dcgan*", family="gan")
    assert hub.list_presets("dcgan*", family="flow") == []
    assert hub.find_preset("DCGAN-digits-quick") == hub.SHIPPED / "dcgan_digits_quick"


@pytest.mark.parametrize(
    "source, message",
    [
        ("dcgan_digit_quick", "unknown preset 'dcgan_digit_quick'; did you mean dcgan_digits_quick?"),
        ("http://127.0.0.1/dcgan_digits_quick.keras", "expected a local file"),
        ("nowhere.keras", "nowhere.keras: no such file"),
        ("dcgan_digits_nowhere/model", "unknown preset"),
    ],
)
def test_unknown_sources(source, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        kerasgen.load(source)


def test_a_wrong_path_meets_the_nearest_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "digits").mkdir(parents=True)
    for wrong in ("runs/digit", "run/digits", "./runs/digits_/model"):
        nearest = {"run/digits": "runs"}.get(wrong, "runs/digits")
        with pytest.raises(ValueError) as caught:
            hub.find_preset(wrong)
        assert str(caught.value) == f"unknown preset {wrong!r}; did you mean {nearest}?"
    with pytest.raises(ValueError, match="^unknown preset 'runs/xyzzy'$"):
        hub.find_preset("runs/xyzzy")


def test_a_recipe_without_weights(tmp_path):
    shutil.copy(hub.SHIPPED / "dcgan_digits_quick" / hub.PRESET, tmp_path)
    with pytest.raises(ValueError, match="a recipe without weights"):
        kerasgen.load(tmp_path)
    assert kerasgen.load(tmp_path, weights=False).latent_dim == 32


def test_unknown_family():
    with pytest.raises(ValueError, match="unknown family 'flows'; did you mean flow"):
        hub.list_presets(family="flows")


def test_a_preset_reads_like_a_dictionary_and_does_not_change():
    preset = hub.read_preset("dcgan_digits_quick")
    assert preset["system"] == preset.system.id == "dcgan" and preset == preset.content()
    other = preset.changed({"recipe.epochs": 3})
    assert (other["recipe"]["epochs"], other.name, other.folder) == (3, preset.name, None)
    assert preset["recipe"]["epochs"] != 3 and not other.weights
    with pytest.raises(TypeError):
        preset["system"] = "vae"


def test_a_preset_is_checked_once_when_it_is_made(monkeypatch):
    from kerasgen.hub import schema
    from kerasgen.runs import plans

    seen, check = [], schema.check
    monkeypatch.setattr(schema, "check", lambda content, name: (seen.append(name), check(content, name)))
    preset = hub.read_preset("dcgan_digits_quick")
    assert hub.read_preset(preset) is preset and hub.find_preset(preset) == preset.folder
    kerasgen.load(preset)
    assert len(seen) == 1
    plans.plan(preset, overrides={"recipe.epochs": 3})  # another preset
    assert len(seen) == 2


def test_the_smallest_preset_with_weights_stands_for_a_system():
    small = hub.small_presets()
    assert list(small) == [id for id in catalog.SYSTEMS if id in small]
    for system, name in small.items():
        of_it = [p for p in map(hub.read_preset, hub.list_presets()) if p["system"] == system and p.weights]
        quick = [p for p in of_it if p.name.endswith("_quick")] or of_it
        assert hub.read_preset(name).parameters == min(p.parameters for p in quick)


# --- round trip -----------------------------------------------------------------------------------------------------


def test_what_is_saved_comes_back(model, saved):
    kerasgen.build("dcgan", **ARGUMENTS)  # moves Keras' numbering of layers on
    for source in (saved, str(saved)):
        again = kerasgen.load(source)
        assert equal(weights(model), weights(again))
        assert np.array_equal(model.sample(3, seed=7), again.sample(3, seed=7))
    assert {path.name for path in saved.iterdir()} >= {hub.PRESET, hub.WEIGHTS, hub.MANIFEST, hub.CARD}
    assert hub.read_preset(saved)["arguments"] == {**ARGUMENTS, "image_shape": [8, 8, 1], "widths": [8, 4]}
    assert sum(hub.read_preset(saved)["parameters"].values()) == sum(w.size for w in weights(model))


def test_a_run_folder_stands_for_its_model(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "run" / "model")
    assert hub.find_preset(tmp_path / "run") == tmp_path / "run" / "model"


def test_weights_are_left_alone_on_request(folder):
    flip(folder)
    assert kerasgen.load(folder, weights=False).latent_dim == 4


def test_another_system_is_refused(saved):
    with pytest.raises(ValueError, match="expected a VAE, got a DCGAN"):
        hub.load(saved, system=kerasgen.models.VAE)
    assert hub.load(saved, system=kerasgen.models.DCGAN)


def test_names_of_weights_do_not_depend_on_what_was_built_before(model):
    names = list(hub.named_weights(model))
    assert names == list(hub.named_weights(kerasgen.build("dcgan", **ARGUMENTS)))
    assert names[:2] == ["generator/dense/kernel", "generator/batch_normalization/gamma"]
    assert "generator/conv2d_transpose_1/kernel" in names and "discriminator/conv2d_1/kernel" in names


def test_files_with_the_names_of_version_0_1_are_read(model, folder):
    """Names by number: the same weights, and the same refusal of what does not fit."""
    numbered = {name: v.numpy() for name, v in places.numbered_weights(model).items()}
    assert list(numbered)[:2] == ["0000/dense/kernel", "0001/batch_normalization/gamma"]
    save_file(numbered, folder / hub.WEIGHTS)
    hub.seal(folder)
    assert equal(weights(hub.load(folder)), weights(model))
    del numbered["0000/dense/kernel"]
    save_file(numbered, folder / hub.WEIGHTS)
    hub.seal(folder)
    with pytest.raises(hub.Damaged, match="expected '0000/dense/kernel', which is missing"):
        hub.load(folder)


@pytest.mark.parametrize("system", TINY)
def test_every_weight_has_a_place(system):
    """As many names as weights, the same in another process's order of building."""
    one, other = (hub.named_weights(kerasgen.build(system, **TINY[system])) for _ in range(2))
    assert list(one) == list(other) and len(one) == len({id(v) for v in one.values()})


def test_shipped_weights_are_named_by_place():
    for name in hub.list_presets():
        path = hub.find_preset(name) / hub.WEIGHTS
        if path.exists():
            assert not [key for key in load_file(path) if key[:4].isdigit()], name


def test_the_card_is_a_model_card(saved):
    text = (saved / hub.CARD).read_text()
    assert text.startswith("---\nlibrary_name: kerasgen\n")
    assert "| loss | 0.5 |" in text and "trained on `digits`" in text
    preset = hub.read_preset(saved)
    assert "classes" not in hub.card.card(preset, ("0", "1"))
    assert "\nIts classes, as `label` takes them: cat, dog.\n" in hub.card.card(preset, ("cat", "dog"))


def test_saving_replaces_ours_and_nothing_else(model, folder, tmp_path):
    hub.save_preset(model, folder)
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError):
        hub.save_preset(model, foreign)
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


def test_nothing_is_written_where_meta_is_wrong(model, tmp_path):
    with pytest.raises(ValueError, match="unknown key 'descripton'; did you mean description"):
        hub.save_preset(model, tmp_path / "new", descripton="tiny")
    assert list(tmp_path.iterdir()) == []


# --- preset.json ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        ({"sytem": "dcgan"}, "unknown key 'sytem'; did you mean system"),
        ({"recipe": {"epoch": 3}}, "unknown key 'recipe.epoch'; did you mean epochs"),
        ({"recipe": {"compile": {"jit": True}}}, "unknown key 'recipe.compile.jit'"),
        (
            {"target": {"nats": {"goal": -17.0}}},
            "unknown key 'target.nats.goal'; expected at, against, like, within",
        ),
        ({"target": {"nats": {"at": "high"}}}, "expected 'target.nats.at' to be a number with a point"),
        ({"recipe": {"epochs": "3"}}, "expected 'recipe.epochs' to be a whole number, got \"3\""),
        ({"recipe": {"epochs": True}}, "expected 'recipe.epochs' to be a whole number, got true"),
        ({"recipe": {"epochs": 0}}, "expected 'recipe.epochs' to be at least 1, got 0"),
        ({"recipe": {"steps_per_epoch": 0}}, "expected 'recipe.steps_per_epoch' to be at least 1, got 0"),
        (
            {"recipe": {"optimizers": {"optimizer": {"kind": "Adam"}}}},
            "unknown key 'recipe.optimizers.optimizer.kind'",
        ),
        (
            {"recipe": {"optimizers": {"optimizer": "adam"}}},
            "expected 'recipe.optimizers.optimizer' to be an object",
        ),
        ({"recipe": [3]}, "expected 'recipe' to be an object"),
        ({"data": {"batch_size": -1}}, "expected 'data.batch_size' to be at least 1"),
        (
            {"arguments": {"widths": {"class_name": "Lambda"}}},
            "expected 'arguments.widths' to be a scalar or a list",
        ),
        ({"arguments": {"widths": [[{}]]}}, "expected 'arguments.widths' to be a scalar or a list"),
        ({"arguments": None}, "'arguments' is missing"),
        ({"system": "dcgn"}, "unknown system 'dcgn'; did you mean dcgan"),
        ({"system": 3}, "expected 'system' to be text"),
        ({"format": 2}, "expected format 1, got 2; upgrade kerasgen"),
        ({"arguments": {"latent": 3}}, "got 'latent'; did you mean latent_dim"),
    ],
)
def test_faults_of_a_preset(folder, change, message):
    preset = json.loads((folder / hub.PRESET).read_text())
    (folder / hub.PRESET).write_text(json.dumps({**preset, **change}))
    with pytest.raises(ValueError) as caught:
        kerasgen.load(folder)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "expected JSON"),
        ("[1]", "expected 'the file' to be an object"),
        ('{"format": NaN}', "expected finite numbers, got NaN"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "expected at most 32 levels"),
        ('{"a": ' + "[" * 100_000, "expected at most 32 levels"),
        (" " * 2**20 + "{}", "expected at most 1048576 bytes"),
        ("\udcff", "expected JSON"),
    ],
)
def test_files_that_are_no_preset(folder, text, message):
    (folder / hub.PRESET).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=message):
        hub.read_preset(folder)


# --- weights --------------------------------------------------------------------------------------------------------


def flip(folder):
    content = bytearray((folder / hub.WEIGHTS).read_bytes())
    content[-3] ^= 1
    (folder / hub.WEIGHTS).write_bytes(content)


def edit(change):
    """Change the arrays and write a manifest that agrees, as one who means harm would."""

    def apply(folder):
        arrays = load_file(folder / hub.WEIGHTS)
        change(arrays)
        save_file(arrays, folder / hub.WEIGHTS)
        hub.seal(folder)

    return apply


def cut(folder):
    (folder / hub.WEIGHTS).write_bytes((folder / hub.WEIGHTS).read_bytes()[:-100])
    hub.seal(folder)


FIRST = "generator/dense/kernel"


@pytest.mark.parametrize(
    "harm, message",
    [
        (flip, "SHA-256 is not that of the manifest"),
        (cut, "expected safetensors"),
        (edit(lambda a: a.pop(FIRST)), f"expected '{FIRST}', which is missing"),
        (edit(lambda a: a.update(more=np.zeros(1))), "got 'more', which the model does not have"),
        (edit(lambda a: a.update({FIRST: a[FIRST].T.copy()})), f"expected '{FIRST}' of shape"),
        (edit(lambda a: a.update({FIRST: a[FIRST].astype("float64")})), "float64"),
        (edit(lambda a: a.update({FIRST: a[FIRST] * np.nan})), f"got NaN or infinity in '{FIRST}'"),
        (edit(lambda a: a.update(big=np.zeros(2**20))), "expected at most"),
        (lambda f: (f / hub.MANIFEST).unlink(), "manifest.json is missing"),
        (lambda f: (f / hub.MANIFEST).write_text("{}"), "expected 'format' and the hashes"),
        (
            lambda f: (f / hub.MANIFEST).write_text('{"format": 2, "files": {}}'),
            "expected 'format' and the hashes",
        ),
        (
            lambda f: (f / hub.PRESET).write_text((f / hub.PRESET).read_text() + " "),
            "preset.json: its SHA-256",
        ),
    ],
)
def test_damaged_weights_change_nothing(model, folder, harm, message):
    harm(folder)
    before = weights(model)
    with pytest.raises(hub.Damaged) as caught:
        hub.load_weights(model, folder)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert equal(before, weights(model))


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = kerasgen.build("dcgan", **ARGUMENTS)
    model.weights[0].assign(model.weights[0] * np.nan)
    with pytest.raises(ValueError, match="expected finite weights"):
        hub.save_preset(model, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_weights_in_half_precision(model, saved, tmp_path):
    folder = hub.save_preset(model, tmp_path / "half", half=True)
    assert (folder / hub.WEIGHTS).stat().st_size < 0.7 * (saved / hub.WEIGHTS).stat().st_size
    for stored, weight in zip(weights(kerasgen.load(folder)), weights(model), strict=True):
        assert stored.dtype == weight.dtype and np.array_equal(stored, weight.astype("float16"))


def test_weights_too_large_for_half_precision_are_refused(tmp_path):
    model = kerasgen.build("dcgan", **ARGUMENTS)
    model.weights[0].assign(model.weights[0] + 1e5)
    with pytest.raises(ValueError, match="expected finite weights"):
        hub.save_preset(model, tmp_path / "new", half=True)


# --- .keras ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras_file(model, tmp_path_factory):
    model.compile()
    path = tmp_path_factory.mktemp("keras") / "tiny.keras"
    model.save(path)
    return path


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras reading HDF5
def test_a_keras_file_comes_back(model, keras_file):
    again = kerasgen.load(keras_file)
    assert type(again) is type(model) and equal(weights(model), weights(again))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda c: c.update(registered_name="kerasgen>Exec"),
            "expected a kerasgen model, got 'kerasgen>Exec'",
        ),
        (
            lambda c: c.update(registered_name="other>DCGAN"),
            "expected a kerasgen model, got 'other>DCGAN'; keras.saving.load_model opens a class of your own where",
        ),
        (lambda c: c.update(registered_name=None), "expected a .keras file of a kerasgen model"),
        (
            lambda c: c["config"].update(widths={"class_name": "Lambda", "config": {}}),
            "does not hold 'Lambda'",
        ),
        (
            lambda c: c["compile_config"].update(generator_optimizer={"class_name": "Popen", "module": "subprocess"}),
            "does not hold 'Popen'",
        ),
    ],
)
def test_other_keras_files_are_refused_before_keras_reads_them(keras_file, tmp_path, monkeypatch, change, message):
    import keras

    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras was asked"))
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(keras_file) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config)
            new.writestr(name, content)
    with pytest.raises(ValueError, match=message):
        kerasgen.load(path)


def test_weights_that_declare_more_than_there_is(keras_file, tmp_path):
    path = shutil.copy(keras_file, tmp_path / "bomb.keras")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("large", (2**28,), "float32", chunks=True)
    with zipfile.ZipFile(keras_file) as old, zipfile.ZipFile(path, "w") as new:
        new.writestr("config.json", old.read("config.json"))
        new.writestr("model.weights.h5", content.getvalue())
    with pytest.raises(hub.Damaged, match="got 1073741824 declared"):
        kerasgen.load(path)


def test_a_file_that_is_no_archive(tmp_path):
    path = tmp_path / "other.keras"
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match="expected a .keras file"):
        kerasgen.load(path)
