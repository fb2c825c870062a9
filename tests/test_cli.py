"""The command line, run in this process: what is asked for, the exit code, and what is said where."""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import shelf
from tiny import TINY

import kerasgen
from kerasgen import callbacks, files, hub
from kerasgen.cli import main
from kerasgen.exporting.info import FACTS
from kerasgen.runs import training as runs

ROOT = Path(kerasgen.__file__).parents[1]


@pytest.fixture
def run(capsys):
    """`run("list", ...)` -> (exit code, standard output, standard error)."""

    def call(*argv):
        code = main([str(part) for part in argv])
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset of a very small model, with weights and a recipe of one epoch."""
    model = kerasgen.build("dcgan", image_shape=(8, 8, 1), latent_dim=4, widths=(8, 4), kernel_size=3)
    recipe = {"epochs": 1, "seed": 3, "compile": {"jit_compile": False}}
    data = {"name": "digits", "batch_size": 256}
    return hub.save_preset(model, tmp_path_factory.mktemp("presets") / "tiny", data=data, recipe=recipe)


@pytest.fixture(scope="module")
def training(preset, tmp_path_factory):
    """(folder it ran in, exit code, standard output, standard error) of a run of two epochs."""
    folder, out, error = tmp_path_factory.mktemp("work"), io.StringIO(), io.StringIO()
    changes = ("--set", "data.batch_size=512", "--set", "recipe.monitor=val_generator_loss")
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = main(["train", str(preset), "--epochs", "2", *changes])
    return folder, code, out.getvalue(), error.getvalue()


@pytest.fixture(scope="module")
def trained(training):
    """A run folder."""
    folder, _, out, _ = training
    return folder / out.strip()


@pytest.fixture(scope="module")
def bundle(trained):
    assert main(["export", str(trained), "--out", str(trained / "bundle")]) == 0
    return trained / "bundle"


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv, code, message",
    [
        ("trian x", 2, "No such command 'trian'. Did you mean 'train'?"),
        ("train", 2, "Missing argument 'preset'"),
        ("train x --epoch 3", 2, "No such option: --epoch"),
        ("train x --epochs three", 2, "--epochs"),
        (
            "train dcgan_digit_quick",
            2,
            "unknown preset 'dcgan_digit_quick'; did you mean dcgan_digits_quick?",
        ),
        ("train {preset} --set recipe.epoch=3", 2, "unknown key 'recipe.epoch'; did you mean epochs?"),
        ("train {preset} --set recipe.epochs=many", 2, "expected 'recipe.epochs' to be a whole number"),
        ("train {preset} --set epochs", 2, "--set: expected key=value, got 'epochs'"),
        ("train {preset} --set preset.x=3", 2, "preset.x: expected a key of the preset"),
        ("train {preset} --set arguments.latent=3", 2, "got 'latent'; did you mean latent_dim?"),
        (
            "train {preset} --set data.name=digit --out {tmp}/new",
            2,
            "unknown data 'digit'; did you mean 'digits'?",
        ),
        ("train {preset} --set data=null", 2, "expected a preset with 'data', got none"),
        ("train {preset} --epochs 0", 2, "expected 'recipe.epochs' to be at least 1, got 0"),
        ("train {preset} --out {preset}", 2, "expected a new or empty folder, or a run to replace"),
        (
            'train {preset} --set recipe.optimizers.generator_optimizer={{"class_name":"Adm"}}',
            2,
            "unknown Optimizer 'Adm'; did you mean Adam?",
        ),
        ("sample {preset} -o x.jpg", 2, "expected a name that ends in .png, .gif, .npy"),
        ("sample nothing_like_it -o {tmp}/x.png", 2, "unknown preset 'nothing_like_it'"),
        ("sample {preset} -n -1 -o {tmp}/x.png", 2, "count: expected a whole number of at least 0, got -1"),
        ("sample {preset} --label 3 -o {tmp}/x.png", 2, "sample: expected count, seed, got 'label'"),
        ("sample {preset} --label three -o {tmp}/x.png", 2, "sample: expected count, seed, got 'label'"),
        ("sample {preset} --steps 5 -o {tmp}/x.png", 2, "sample: expected count, seed, got 'steps'"),
        ("sample {preset}", 2, "Missing option '--out'"),
        ("list zzz", 2, "no system or preset matches 'zzz'"),
        ("list --family flows", 2, "unknown family 'flows'; did you mean flow?"),
        ("info dcgann", 2, "unknown system or preset 'dcgann'; did you mean dcgan?"),
        ("verify {preset}", 2, "expected a bundle, a folder with bundle.json"),
        ("demo {preset}", 2, "expected a bundle; `kerasgen export {preset} --out {preset}/bundle` makes one"),
        ("demo vae_digitz", 2, "unknown preset 'vae_digitz'; did you mean vae_digits?"),
        ("demo biggan_128", 2, "biggan_128: a recipe without weights; train it"),
        ("evaluate {preset} -n 1", 2, "count: expected at least 10, got 1"),
    ],
)
def test_mistakes_get_one_line(run, preset, tmp_path, argv, code, message):
    before = sorted(preset.iterdir())
    got, out, error = run(*argv.format(preset=preset, tmp=tmp_path).split())
    lines = error.splitlines()
    assert got == code and message.format(preset=preset) in lines[-1] and lines[-1].startswith("error: ") and out == ""
    assert len(lines) == 1 or lines[0].endswith("loading TensorFlow")
    assert sorted(preset.iterdir()) == before and list(tmp_path.iterdir()) == []


def test_damaged_weights_are_a_failure(run, preset, tmp_path):
    folder = shutil.copytree(preset, tmp_path / "tiny")
    content = (folder / hub.WEIGHTS).read_bytes()
    (folder / hub.WEIGHTS).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, _, error = run("sample", folder, "-o", tmp_path / "x.png")
    assert code == 1 and "SHA-256" in error and error.count("\n") == 1


def test_a_fault_of_ours_is_one_line_unless_debugging(run, preset, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(kerasgen.pictures, "save", broken)
    argv = ("sample", preset, "-o", tmp_path / "x.png")
    assert run(*argv) == (1, "", "error: first second\n")
    monkeypatch.setenv("KERASGEN_DEBUG", "1")
    with pytest.raises(RuntimeError):
        run(*argv)


def sha(folder):
    return hashlib.sha256((folder / "model" / hub.WEIGHTS).read_bytes()).hexdigest()


HOT = '{"class_name":"SGD","config":{"learning_rate":1e38}}'
RATES = [f"--set=recipe.optimizers.{player}_optimizer={HOT}" for player in ("generator", "discriminator")]


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ["--set", "arguments.image_shape=[16,16,1]"],
            "error: arguments.image_shape: expected (8, 8, 1), that of digits, got (16, 16, 1); "
            "--set 'arguments.image_shape=[8,8,1]'",
        ),
        (RATES, "error: step "),
    ],
)
@pytest.mark.parametrize("new", [False, True])
def test_a_run_that_fails_leaves_the_trained_one(run, preset, trained, tmp_path, options, message, new):
    folder = tmp_path / "run"
    if not new:
        shutil.copytree(trained, folder)
        (folder / "bundle").mkdir(exist_ok=True)
        (folder / "bundle" / "kept.txt").write_text("exported into it")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, error = run("train", preset, "--out", folder, *options)
    (line,) = [line for line in error.splitlines() if line.startswith("error: ")]
    assert code == 2 and out == "" and line.startswith(message)
    if new:
        assert list(tmp_path.iterdir()) == []
        return
    lock = folder / files.LOCK
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path != lock} == {
        path: content for path, content in before.items() if path != lock
    }
    assert sha(folder) == sha(trained) and kerasgen.load(folder).sample(2).shape == (2, 8, 8, 1)


def test_a_run_that_is_interrupted_before_it_has_learned_leaves_the_trained_one(
    run, preset, trained, tmp_path, monkeypatch
):
    class Impatient(callbacks.CSVHistory):
        def on_epoch_begin(self, epoch, logs=None):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(callbacks, "CSVHistory", Impatient)
    folder = shutil.copytree(trained, tmp_path / "a run")
    code, out, error = run("train", preset, "--out", folder)
    assert code == 130 and out == "" and sha(folder) == sha(trained)
    assert error.splitlines()[-2:] == [
        f"interrupted; nothing was saved, and {folder} is as it was",
        f"next: kerasgen train {preset} --out '{folder}'",
    ]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with data of a user's own: pictures, three classes of pictures, sounds, a text."""
    from PIL import Image
    from scipy.io import wavfile

    folder, random = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    for i in range(40):
        for name in (f"photos/{i}.png", f"pets/{('ant', 'bee', 'cat')[i % 3]}/{i}.png"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (9 + i % 3, 12, 3), "uint8")).save(folder / name)
    (folder / "rec").mkdir()
    for i in range(2):
        wavfile.write(folder / "rec" / f"{i}.wav", 44100, random.integers(-999, 999, (20_000, 2), "int16"))
    (folder / "book.txt").write_text("It was a dark and stormy night. " * 400)
    return folder


@pytest.mark.parametrize(
    "argv, message",
    [
        (
            "biggan_digits_quick --set data.name=pets --set arguments.image_shape=[8,8,3]",
            "arguments.num_classes: expected 3, that of pets, got 10; --set arguments.num_classes=3",
        ),
        (
            "biggan_digits_quick --set data.name=photos --set data.image_shape=[8,8,3]",
            "arguments.num_classes: expected 0, that of photos, got 10; --set arguments.num_classes=0",
        ),
        (
            "wavenet_plucked_strings_quick --set data.name=rec",
            "arguments.num_classes: expected 0, that of rec, got 8; --set arguments.num_classes=0",
        ),
        (
            "wavenet_plucked_strings_quick --set data.name=rec --set arguments.num_classes=0",
            "arguments.sample_rate: expected 44100, that of rec, got 4000; --set arguments.sample_rate=44100",
        ),
        (
            "pixel_cnn_digits_quick --set data.name=photos",
            "arguments.levels: expected 256, that of photos, got 17; --set arguments.levels=256",
        ),
        (
            "dcgan_digits_quick --set data.name=plucked_strings",
            "data: expected pictures, got sounds from plucked_strings",
        ),
        ("dcgan_digits_quick --set data.name=book.txt", "data: expected pictures, got texts from book.txt"),
        (
            "gan_cls_digits_quick --set data.name=captioned_digits --set arguments.text_length=16",
            "arguments.text_length: expected 32, that of captioned_digits, got 16; --set arguments.text_length=32",
        ),
        (
            "gan_cls_digits_quick --set data.name=digits",
            "data: expected a text with each example, got label from digits",
        ),
        (
            "layout2im_scenes_quick --set data.name=digit_scenes --set arguments.objects=2",
            "arguments.objects: expected 3, that of digit_scenes, got 2; --set arguments.objects=3",
        ),
        (
            "dcgan_digits_quick --set data.name=digit_scenes",
            "arguments.image_shape: expected (24, 24, 1), that of digit_scenes, got (8, 8, 1); "
            "--set 'arguments.image_shape=[24,24,1]'",
        ),
    ],
)
def test_what_data_and_model_both_state_is_compared(run, own, monkeypatch, argv, message):
    monkeypatch.chdir(own)
    before = sorted(own.iterdir())
    code, out, error = run("train", *argv.split(), "--out", "r")
    assert (code, out, error.splitlines()[-1]) == (2, "", f"error: {message}")
    assert sorted(own.iterdir()) == before


def test_a_wrong_path_of_data_meets_the_nearest_before_tensorflow(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_pictures").mkdir()
    for wrong, told in {"./my_picturs": "my_pictures", "my_picturs": "'my_pictures'"}.items():
        code, out, error = run("train", "dcgan_64", "--set", f"data.name={wrong}", "--epochs", 1)
        assert code == 2 and out == "" and f"; did you mean {told}?" in error and error.count("\n") == 1


def test_what_was_told_of_is_the_cure(own):
    changes = {"data.name": str(own / "rec"), "arguments.num_classes": 0, "arguments.sample_rate": 44100}
    plan = runs.plan("wavenet_plucked_strings_quick", overrides=changes)
    data, model = runs.prepare(plan)
    assert model.sample_rate == data.sample_rate == 44100 and model.num_classes == data.num_classes == 0


@pytest.mark.parametrize(
    "argv, message",
    [
        ("dcgan", "dcgan is a system; expected one of its presets, dcgan_64, dcgan_digits, dcgan_digits_quick, "),
        ("dcgan", "; on your own pictures: kerasgen train dcgan --data FOLDER"),
        ("dcgan_64", "expected data with a 'name', got none; --data FOLDER trains on your pictures"),
        (
            "bare --set data.name=photos",
            "bare: expected a preset with 'recipe', got none; --epochs 10 trains that long, with the paper's ",
        ),
        ("dcgan_64 --set data.batch_size=8 --epochs 1", "expected data with a 'name', got none"),
    ],
)  # fmt: skip
def test_the_way_to_train_on_own_pictures_is_told(run, own, monkeypatch, argv, message):
    monkeypatch.chdir(own)
    about = kerasgen.hub.read_preset("dcgan_64").content() | {"preset": "bare", "recipe": None}
    os.makedirs("bare", exist_ok=True)
    with open("bare/preset.json", "w") as file:
        file.write(kerasgen.hub.dumps(about))
    code, out, error = run("train", *argv.split())
    assert code == 2 and out == "" and message in error and error.count("\n") == 1


def test_mistakes_are_told_before_tensorflow_is_imported(tmp_path):
    program = "import sys; from kerasgen.cli import main; assert main(['train', 'dcgan_64']) == 2; "
    program += "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize("stated", ["data", "arguments", "both", "neither"])
def test_a_size_is_stated_once(own, monkeypatch, stated):
    monkeypatch.chdir(own)
    parts = {"both": ["data", "arguments"], "neither": []}.get(stated, [stated])
    size = [64, 64, 3] if stated == "neither" else [16, 24, 3]  # that of the preset
    changes = {"data.name": "photos", "recipe.epochs": 1, "arguments.widths": [8, 8]}
    changes |= {f"{part}.image_shape": size for part in parts}
    data, model = runs.prepare(runs.plan("dcgan_64", overrides=changes))
    assert list(data.shape) == list(model.image_shape) == size
    if len(parts) == 1:  # a preset of data that are cut
        plan = runs.plan("char_rnn_python_topics", overrides={f"{stated}.image_shape": [32]})
        assert plan["data"]["image_shape"] == plan["arguments"]["image_shape"] == [32]


@pytest.mark.filterwarnings("ignore:source. 1 of 41 pictures cannot be read")
def test_a_run_knows_its_data_from_anywhere(run, own, preset, tmp_path, monkeypatch):
    """A damaged picture is left out when asked; export needs no data, and says of them what it said with them."""
    home = shutil.copytree(own, tmp_path / "home")
    monkeypatch.chdir(home)
    (home / "pets" / "cat" / "damaged.png").touch()
    options = ("--set", "data.name=pets", "--set", "data.image_shape=[8,8,3]", "--set", "data.batch_size=8")
    code, _, error = run("train", preset, *options, "--out", "r")
    assert code == 2 and "damaged.png (empty file); --set data.on_error=skip leaves them out" in error
    with pytest.warns(UserWarning, match="1 of 41 pictures cannot be read and are left out"):
        assert run("train", preset, *options, "--set", "data.on_error=skip", "--out", "r")[0] == 0
    about = hub.read_preset("r")["about"]
    assert about["class_names"] == ["ant", "bee", "cat"] and about["shape"] == [8, 8, 3]
    assert about["levels"] == 256 and about["sample_rate"] is None and about["name"] == "pets"
    config = json.loads(Path("r", "config.json").read_text())
    assert config["preset"]["data"]["name"] == str(home / "pets")
    assert str(home) not in Path("r", "model", "README.md").read_text()
    data = kerasgen.data.of(hub.read_preset("r"))
    assert sum(map(data.count, data.splits)) == 40 and data.class_names == ("ant", "bee", "cat")
    kept = json.loads(json.dumps({key: getattr(data, key) for key in FACTS}))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    shutil.rmtree(home / "pets")
    assert run("export", home / "r", "--out", "b")[0] == 0
    assert json.loads(Path("b", "bundle.json").read_text())["data"] == kept
    for argv in (("evaluate", home / "r"), ("train", preset, "--out", home / "r", "--resume", "--epochs", 2)):
        code, _, error = run(*argv)
        assert (code, error.splitlines()[-1]) == (2, f"error: data: '{home / 'pets'}' is not here")
    code, _, error = run("evaluate", "b")
    assert (code, error.splitlines()[-1]) == (2, "error: data: 'pets' is not here")


# --- looking --------------------------------------------------------------------------------------------------------


def test_list_and_its_patterns(run):
    code, out, error = run("list", "digits")
    assert code == 0 and error == "" and "dcgan_digits_quick" in out
    shown = json.loads(run("list", "--json")[1])
    assert [entry["system"] for entry in shown["systems"]] == kerasgen.list_systems()
    assert [entry["preset"] for entry in shown["presets"]] == kerasgen.list_presets()
    shown = json.loads(run("list", "dc*", "--family", "gan", "--json")[1])
    assert {entry["system"] for entry in [*shown["systems"], *shown["presets"]]} == {"dcgan"}


@pytest.mark.parametrize("id", [*kerasgen.list_systems(), *kerasgen.list_presets()])
def test_info_of_everything(run, id):
    code, out, _ = run("info", id, "--json")
    about = json.loads(out)
    assert code == 0 and about["idea"] and about["title"] and about["system"] in id
    assert run("info", id)[0] == 0
    assert run("info", id, "--cite")[1].startswith(f"@misc{{{about['system']},")


def test_info_with_ports(run, preset):
    about = json.loads(run("info", preset, "--ports", "--json")[1])
    assert about["functions"]["decode"][0][0]["describe"] == "numbers of shape (N, 4)"
    assert "\ndecode\n" in run("info", preset, "--ports")[1]


def test_help_and_version(run):
    assert run("--version")[1] == f"{kerasgen.__version__}\n"
    assert "train" in run()[1] and "--epochs" in run("train", "--help")[1]


def test_listing_and_bundles_need_no_tensorflow(bundle, tmp_path):
    program = f"""
import sys
from kerasgen.cli import main
assert main(["list"]) == 0 and main(["info", "dcgan"]) == 0
assert main(["sample", {str(bundle)!r}, "-n", "4", "-o", {str(tmp_path / "x.png")!r}]) == 0
sys.exit(bool({{"tensorflow", "keras"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.png").exists() and done.stderr == ""
    assert "\x1b" not in done.stdout  # no colours where there is no terminal


# --- doing ----------------------------------------------------------------------------------------------------------


def test_a_run_folder_holds_everything(trained):
    names = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    expected = {"config.json", "history.csv", "samples.png", "samples/samples.gif", "samples/epoch_0002.png"}
    assert expected | {"model/preset.json", "model/model.safetensors", "model/manifest.json"} <= names
    config = json.loads((trained / "config.json").read_text())
    assert config["preset"]["data"]["batch_size"] == 512 and config["versions"]["kerasgen"] == kerasgen.__version__
    preset = hub.read_preset(trained)
    assert preset["results"]["epochs"] == 2 and preset["recipe"]["epochs"] == 2 and preset["recipe"]["seed"] == 3
    assert len((trained / "history.csv").read_text().splitlines()) == 3


def test_train_says_where_things_are_and_what_is_next(training):
    _, code, out, error = training
    assert code == 0 and re.fullmatch(r"runs/tiny/\d{8}-\d{6}\n", out)
    run = out.strip()
    assert error.splitlines()[-1] == f"pictures: {run}/samples.png; next: kerasgen export {run} --out {run}/bundle"


def test_interrupting_saves_what_was_learned_in_the_place_of_an_older_run(run, preset, trained, tmp_path, monkeypatch):
    class Impatient(callbacks.CSVHistory):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if epoch == 0:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(callbacks, "CSVHistory", Impatient)
    before = signal.getsignal(signal.SIGINT)  # a shell starts background jobs with Ctrl-C ignored
    folder = shutil.copytree(trained, tmp_path / "run")
    (folder / "samples" / "old.png").touch()
    code, out, error = run("train", preset, "--epochs", "100", "--out", folder)
    assert code == 130 and out == f"{folder}\n" and "interrupted; what was learned so far is saved" in error
    assert hub.read_preset(folder)["results"]["epochs"] == 1 and not (folder / "samples" / "old.png").exists()
    assert kerasgen.load(folder).sample(2).shape == (2, 8, 8, 1)
    assert not (folder / "samples.png").exists() and not (folder / files.ASIDE).exists()
    assert signal.getsignal(signal.SIGINT) is before
    assert error.splitlines()[-1] == f"next: kerasgen train {preset} --out {folder} --resume"


@pytest.fixture
def ended_by(monkeypatch):
    """`ended_by("SIGTERM")`: runs get this signal in the middle of their second epoch."""

    def choose(name):
        class Ended(callbacks.CSVHistory):
            def on_train_batch_end(self, batch, logs=None):
                if name and len(self.rows) == 1 and batch == 1:
                    signal.raise_signal(getattr(signal, name))

        monkeypatch.setattr(callbacks, "CSVHistory", Ended)

    return choose


def outcome(folder):
    """What a run came to, without its seconds."""
    rows = [row.split(",") for row in (folder / "history.csv").read_text().splitlines()]
    preset = hub.read_preset(folder)
    del preset["results"]["seconds"]
    pictures = {path.name: path.read_bytes() for path in folder.glob("samples*/*")}
    weights = (folder / "model" / hub.WEIGHTS).read_bytes()
    return (
        [row[:1] + row[2:] for row in rows],
        preset,
        pictures,
        weights,
        (folder / "samples.png").read_bytes(),
    )


@pytest.mark.parametrize("name, code", [("SIGTERM", 143), pytest.param("SIGINT", 130, marks=pytest.mark.slow)])
def test_a_run_that_was_ended_goes_on(run, preset, ended_by, tmp_path, monkeypatch, name, code):
    monkeypatch.chdir(tmp_path)
    options = ("--epochs", 3, "--set", "recipe.monitor=val_generator_loss")
    assert run("train", preset, *options, "--out", "whole")[0] == 0
    ended_by(name)
    got, out, error = run("train", preset, *options)
    folder = Path(out.strip())
    assert got == code and error.splitlines()[-1] == f"next: kerasgen train {preset} --out {folder} --resume"
    assert (folder / "model").exists() == (name == "SIGINT")  # there is time for it
    assert [path.name.split("-")[0] for path in (folder / "checkpoints").glob("*-*")] == ["0000000006"]
    ended_by(None)
    got, out, error = run("train", preset, "--resume")
    assert got == 0 and Path(out.strip()) == folder and f"going on with {folder}" in error
    assert outcome(folder) == outcome(Path("whole"))
    assert len(list((folder / "checkpoints").glob("*-*"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_process_that_gets_a_signal_ends_in_time_and_goes_on(preset, tmp_path, number, code):
    def train(folder):
        command = [sys.executable, "-m", "kerasgen", "train", preset, "--out", folder]
        options = ["--epochs", "60", "--deterministic", "--resume"]
        null = subprocess.DEVNULL
        return subprocess.Popen([*command, *options], cwd=ROOT, stderr=null, stdout=null)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(whole).wait() == 0
    process, table = train(parts), parts / "history.csv"
    while not table.exists() or len(table.read_text().splitlines()) < 5:
        assert process.poll() is None
        time.sleep(0.05)
    asked = time.monotonic()
    process.send_signal(number)
    assert process.wait() == code and time.monotonic() - asked < 10
    assert train(parts).wait() == 0 and outcome(parts) == outcome(whole)


def test_a_finished_run_is_left_alone_and_can_be_extended(run, preset, trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    before = (folder / "config.json").read_bytes()
    code, out, error = run("train", preset, "--out", folder, "--resume")
    assert (code, out) == (0, f"{folder}\n") and error == "finished with 2 epochs; more --epochs extend it\n"
    assert (folder / "config.json").read_bytes() == before
    assert run("train", preset, "--out", folder, "--resume", "--epochs", 3)[0] == 0
    config = json.loads((folder / "config.json").read_text())
    assert config["preset"]["recipe"]["epochs"] == 3 and "finished" in config
    assert len((folder / "history.csv").read_text().splitlines()) == 4


def rates(folder):
    return [float(row["learning_rate"]) for row in csv.DictReader((folder / "history.csv").open())]


def test_an_extended_run_goes_on_learning(run, tmp_path):
    """Its schedule is that of the longer run from there on."""
    folder = tmp_path / "run"
    options = ("gaussian_digits", "--out", folder, "--set", "recipe.compile.steps_per_execution=1")
    assert run("train", *options, "--epochs", 2)[0] == 0
    before, first = sha(folder), rates(folder)
    assert first[1] == pytest.approx(0.0, abs=1e-9)
    code, _, error = run("train", *options, "--epochs", 4, "--resume")
    assert code == 0 and "what is written for 400 steps is stretched to the 16 of this run" in error
    assert sha(folder) != before
    assert rates(folder) == pytest.approx([*first, 0.03 * (1 + np.cos(0.75 * np.pi)) / 2, 0.0], abs=1e-8)


def test_a_recipe_ends_at_the_same_rate_on_twice_the_data(run, tmp_path):
    for size in (256, 128):  # half the batch is twice the steps
        options = ("--set", f"data.batch_size={size}", "--set", "recipe.compile.steps_per_execution=1")
        assert run("train", "gaussian_digits", "--epochs", 2, *options, "--out", tmp_path / f"{size}")[0] == 0
    assert rates(tmp_path / "256") == pytest.approx(rates(tmp_path / "128"), abs=2e-3)
    assert rates(tmp_path / "128")[-1] == pytest.approx(0.0, abs=1e-9)


def test_grids_take_few_steps(preset):
    model = kerasgen.build("ddpm", image_shape=(8, 8, 1), width=8, multipliers=(1,), blocks=1, attention=(), steps=60)
    assert runs._fewer_steps(model) == {"steps": 50}
    assert model.sample(1, steps=50).shape == (1, 8, 8, 1)
    model = kerasgen.build("ddpm", image_shape=(8, 8, 1), width=8, multipliers=(1,), blocks=1, attention=(), steps=20)
    assert runs._fewer_steps(model) == {}
    assert runs._fewer_steps(kerasgen.load(preset)) == {}


HELD = """
import hashlib, signal
from kerasgen.cli.interrupts import heard
signal.signal(signal.SIGINT, lambda number, frame: print("heard by Python", flush=True))
with heard():
    print("held", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # one call for some minutes, as TensorFlow makes them
"""


def test_a_second_interrupt_does_not_wait_for_a_long_call():
    command = dict(cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process = subprocess.Popen([sys.executable, "-c", HELD], **command)
    try:
        assert process.stdout.readline() == "held\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "stopping after the call at hand; Ctrl-C again stops at once\n"
        assert process.poll() is None
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130 and time.monotonic() - asked < 5
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_second_interrupt_ends_a_run_and_leaves_the_trained_one(run, preset, trained, tmp_path):
    """In one execution of a million steps, after the old run was set aside."""
    folder = shutil.copytree(trained, tmp_path / "run")
    many = ["--set", "recipe.steps_per_epoch=1000000", "--set", "recipe.compile.steps_per_execution=1000000"]
    command = [sys.executable, "-m", "kerasgen", "train", preset, "--out", folder, *many]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (folder / files.ASIDE / "config.json").exists():
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(20)  # until the step is traced
    process.send_signal(signal.SIGINT)
    time.sleep(3)
    assert process.poll() is None
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130 and time.monotonic() - asked < 8
    assert "stopping after the call at hand; Ctrl-C again stops at once\n" in said and "stopped at once\n" in said
    assert np.array_equal(kerasgen.load(folder).sample(2, seed=1), kerasgen.load(trained).sample(2, seed=1))
    assert run("train", preset, "--out", folder, *RATES)[0] == 2
    assert sha(folder) == sha(trained) and not (folder / files.ASIDE).exists()


@pytest.mark.parametrize(
    "argv, message",
    [
        ("--seed 4", "expected recipe.seed = 3 of the run to go on with, got 4"),
        ("--epochs 1", "expected recipe.epochs = 2 or more of the run to go on with, got 1"),
        ("--set data.batch_size=64", "expected data.batch_size = 512 of the run to go on with, got 64"),
        ("--set arguments.latent_dim=5", "expected arguments.latent_dim = 4 of the run to go on with, got 5"),
    ],
)
def test_another_run_is_not_gone_on_with(run, preset, trained, tmp_path, argv, message):
    folder = shutil.copytree(trained, tmp_path / "run")
    code, out, error = run("train", preset, "--out", folder, "--resume", *argv.split())
    assert (code, out, error) == (2, "", f"error: {folder}: {message}\n")


def test_a_run_of_another_preset_or_without_checkpoints_is_not_gone_on_with(run, preset, trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    error = run("train", "dcgan_digits_quick", "--out", folder, "--resume")[2]
    assert error == f"error: {folder}: expected a run of dcgan_digits_quick, got one of tiny\n"
    shutil.rmtree(folder / "checkpoints")
    code, _, error = run("train", preset, "--out", folder, "--resume", "--epochs", 3)
    assert code == 2 and "expected a run with checkpoints, got one without; it can only be replaced" in error


def test_without_a_run_to_go_on_with_a_new_one_begins(run, preset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for beginnings in ((), (".lock",), (".lock", ".kerasgen"), (".kerasgen", ".lock", "checkpoints")):
        shutil.rmtree("new", ignore_errors=True)
        for name in beginnings:
            path = tmp_path / "new" / name
            path.mkdir(parents=True) if name == "checkpoints" else (
                path.parent.mkdir(exist_ok=True),
                path.touch(),
            )
        start = runs.begin(preset, out="new", resume=True)
        assert start.record is None and not start.finished
    code, out, error = run("train", preset, "--resume", "--out", "new")
    assert code == 0 and out == "new\n" and "no unfinished run; a new one begins" in error


def test_a_folder_that_a_process_trains_into_is_left_alone(run, preset, trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    before = sorted(folder.rglob("*"))
    with files.lock(folder):
        for option in ((), ("--resume", "--epochs", 5)):
            code, out, error = run("train", preset, "--out", folder, *option)
            assert code == 1 and error.startswith(f"error: {folder}: in use by process ") and error.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_samples_are_the_same_from_preset_run_and_bundle(run, trained, bundle, tmp_path):
    drawn = []
    for i, source in enumerate((trained, trained / "model", bundle)):
        path = tmp_path / f"{i}.npy"
        assert run("sample", source, "-n", 5, "--seed", 7, "-o", path) == (0, f"{path}\n", "")
        drawn.append(np.load(path))
    assert np.array_equal(drawn[0], drawn[1])
    np.testing.assert_allclose(drawn[0], drawn[2], atol=1e-4)
    assert run("sample", trained, "-n", 3, "-o", tmp_path / "new" / "x.gif")[0] == 0


def test_labels_and_codes_are_taken_in_turn(run, preset, tmp_path, monkeypatch):
    asked = {}
    model = type(
        "Model",
        (),
        {
            "sample": lambda self, n, **given: asked.update(given, n=n) or np.zeros((n, 8, 8, 1)),
            "class_names": (),
            "kind": "picture",
            "sample_rate": None,
        },
    )()
    monkeypatch.setattr("kerasgen.cli.models.open_source", lambda source: (model, {}))
    for argv, count, label in (("3", 16, [3] * 16), ("0,1,2", 3, [0, 1, 2]), ("0,1 -n 3", 3, [0, 1, 0])):
        assert run("sample", "x", "-o", tmp_path / "x.png", "--label", *argv.split())[0] == 0
        assert (asked["n"], asked["label"]) == (count, label)
        assert run("sample", "x", "-o", tmp_path / "x.png", "--code", *argv.split())[0] == 0
        assert (asked["n"], asked["code"]) == (count, [[number] for number in label])
    line = "error: code: expected whole numbers such as 3 or 0,1,2, got '0,a'\n"
    assert run("sample", "x", "-o", tmp_path / "x.png", "--code", "0,a") == (2, "", line)


def test_evaluate(run, trained, bundle):
    figures = [json.loads(run("evaluate", source, "-n", "50", "--json")[1]) for source in (trained, bundle)]
    assert figures[0].keys() == figures[1].keys() and len(figures[0]) > 3
    name = next(iter(figures[0]))
    assert figures[0][name] == pytest.approx(figures[1][name], rel=1e-2)
    assert name in run("evaluate", bundle, "-n", "50")[1]


def test_a_dead_generator_of_own_pictures_is_called_out(run, monkeypatch, tmp_path):
    """One flat grey, beside pictures of which pixels tell nothing."""
    from types import SimpleNamespace

    from PIL import Image

    from kerasgen.runtime import Port, Ports

    random = np.random.default_rng(0)
    for i in range(100):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), "uint8")).save(tmp_path / f"{i:03}.png")
    ports = Ports((Port("count", (), "int32", "", 0), Port("seed", (), "int32", "")), None)
    grey = lambda count, seed: np.full((count, 16, 16, 3), 0.5, "float32")  # noqa: E731
    model = SimpleNamespace(ports={"sample": ports}, sample=grey, levels=256)
    about = {"data": {"name": str(tmp_path)}, "image_shape": [16, 16, 3]}
    monkeypatch.setattr("kerasgen.cli.models.open_source", lambda source: (model, about))
    code, out, error = run("evaluate", "x")
    assert code == 0 and "diversity" in out and "precision" not in out
    assert "note: diversity 0: the samples are nearly all alike (real examples: 1)" in error
    assert "--features inception compares them" in error
    assert run("evaluate", "x", "--features", "vgg") == (
        2,
        "",
        "error: features: expected inception or none, got 'vgg'\n",
    )


def test_export_and_verify(run, trained, bundle, tmp_path):
    code, out, error = run("verify", bundle)
    assert code == 0 and "sample" in out and "agree" in error
    report = json.loads(run("verify", bundle, "--json")[1])
    assert report["ok"] and report["functions"]["sample"]["onnx"] < 1e-4
    code, _, error = run("export", trained, "--out", bundle)
    assert code == 2 and "is a bundle already; --overwrite replaces it" in error and error.count("\n") == 1
    assert run("export", bundle, "--out", tmp_path / "b")[2] == f"error: {bundle}: it is a bundle already\n"
    damaged = shutil.copytree(bundle, tmp_path / "damaged")
    path = damaged / "onnx" / "sample.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    code, out, error = run("verify", damaged, "--json")
    assert code == 3 and json.loads(out)["ok"] is False and error.count("\n") == 1


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    """A run folder and a bundle of a model of two classes that have names."""
    folder = tmp_path_factory.mktemp("animals")
    model = kerasgen.build("wavenet", **TINY["wavenet"] | {"num_classes": 2})
    data = {"name": "pets", "licence": "CC0-1.0", "origin": "made up", "class_names": ("cat", "dog")}
    about = {
        "preset": "animals",
        "system": "wavenet",
        "data": {"name": "plucked_strings", "image_shape": [50]},
    }
    hub.save_preset(model, folder / "run" / "model", **{key: about[key] for key in ("preset", "data")})
    shelf.write(model, folder / "bundle", data=data)
    return folder


def _with(preset, said):
    return hub.Preset(preset.content() | said, preset.folder)


def test_a_class_by_its_name(run, animals, tmp_path, monkeypatch):
    read = hub.read_preset
    said = {"about": {"class_names": ["cat", "dog"]}}  # as a run says it of its data
    monkeypatch.setattr(hub, "read_preset", lambda source: _with(read(source), said))
    files = []
    for source in ("run", "bundle"):
        for label in ("dog", "1"):
            files.append(tmp_path / f"{source}-{label}.npy")
            assert run("sample", animals / source, "--label", label, "-n", 3, "-o", files[-1])[0] == 0
        code, out, error = run("sample", animals / source, "--label", "cot", "-o", tmp_path / "x.npy")
        assert (code, out) == (2, "") and error == "error: label: unknown class 'cot'; did you mean 'cat'?\n"
    for group in (files[:2], files[2:]):
        assert group[0].read_bytes() == group[1].read_bytes()
    mixed, numbers = tmp_path / "mixed.npy", tmp_path / "numbers.npy"
    assert run("sample", animals / "bundle", "--label", "dog,0", "-n", 4, "-o", mixed)[0] == 0
    assert run("sample", animals / "bundle", "--label", "1,0", "-n", 4, "-o", numbers)[0] == 0
    assert mixed.read_bytes() == numbers.read_bytes() != files[2].read_bytes()
    monkeypatch.undo()
    code, _, error = run("sample", animals / "run", "--label", "dog", "-o", tmp_path / "x.npy")
    assert code == 2 and "label: unknown class 'dog'; known: " in error  # the classes of the named data
    model = kerasgen.load(animals / "run")
    with pytest.raises(ValueError, match="as the model knows no names of classes, got 'dog'"):
        model.sample(1, label="dog")
    model.class_names = ("cat", "dog")
    assert (model.sample(2, seed=1, label="dog") == model.sample(2, seed=1, label=1)).all()


def test_another_backend_is_one_line(tmp_path):
    for backend in ("jax", "torch"):
        command = [
            sys.executable,
            "-m",
            "kerasgen",
            "sample",
            "vae_digits_quick",
            "-o",
            str(tmp_path / "x.png"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": backend})
        line = f"error: kerasgen: expected the Keras backend 'tensorflow', got '{backend}'; import kerasgen before "
        assert done.returncode == 1 and done.stderr.startswith(line) and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "pattern, systems, others",
    [("diffusion", {"ddpm", "score_sde", "guided_diffusion"}, {"vae"}), ("likelihood", {"glow", "made"}, {"dcgan"}),
     ("raw audio", {"wavenet"}, {"char_rnn"}), ("log_prob", {"real_nvp", "nade"}, {"vae"}),
     ("text to image", {"dall_e", "gan_cls"}, {"vae"}), ("scenes", {"layout2im"}, {"vae"})],
)  # fmt: skip
def test_list_finds_what_people_look_for(run, pattern, systems, others):
    shown = json.loads(run("list", pattern, "--json")[1])
    found = {row["system"] for row in shown["systems"]}
    assert systems <= found and not others & found
    assert systems <= {row["system"] for row in shown["presets"]}  # and their presets


def test_list_finds_presets_by_their_data(run):
    shown = json.loads(run("list", "plucked", "--json")[1])
    assert shown["presets"] and all("plucked" in row["data"] for row in shown["presets"]) and not shown["systems"]


def test_info_says_what_a_system_serves_without_building_it(run):
    code, out, _ = run("info", "vae")
    assert code == 0 and re.search(r"serves +sample, decode, encode, reconstruct, bound", out)


def test_demo_opens_what_is_there(run, bundle, tmp_path, monkeypatch):
    opened = []

    def launch(folders, port, server_name, announce):
        opened.append((folders, port, server_name))
        announce(f"http://{server_name}:{port}")

    monkeypatch.setattr("kerasgen.demo.app.launch", launch)
    code, _, error = run("demo", bundle, "--port", 7000, "--host", "0.0.0.0")
    assert (code, error) == (0, "http://0.0.0.0:7000 shows 1 model; Ctrl-C stops it\n")
    monkeypatch.chdir(tmp_path)
    code, _, error = run("demo")
    assert code == 2 and "`kerasgen demo vae_digits` makes one, and opens it" in error
    shutil.copytree(bundle, tmp_path / "exports" / "bundles" / "tiny")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "::1")
    assert run("demo")[0] == 0
    assert opened == [([str(bundle)], 7000, "0.0.0.0"), (["exports/bundles/tiny"], 7860, "::1")]


def test_demo_exports_a_preset_once(run, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("kerasgen.demo.app.launch", lambda folders, *_, **options: opened.append(folders))
    monkeypatch.chdir(tmp_path)
    name, out = "gaussian_mixture_eight_gaussians", tmp_path / "exports" / "bundles"
    code, _, error = run("demo", name)
    assert code == 0 and f"{name}: exported once, into exports/bundles/{name}" in error
    written = (out / name / "bundle.json").stat().st_mtime_ns
    code, _, error = run("demo", name)
    assert code == 0 and error == "" and (out / name / "bundle.json").stat().st_mtime_ns == written
    assert opened == [[f"exports/bundles/{name}"]] * 2


def test_doctor(run):
    code, out, error = run("doctor", "--json")
    rows = {row["what"]: row for row in json.loads(out)}
    assert len(rows) == len(json.loads(out)) and rows["tensorboard"]["state"] == "ok"  # each once
    assert code == 0 and error == "" and rows["export"]["state"] == rows["keras"]["state"] == "ok"
    assert all(row["fix"] for row in rows.values() if row["state"] == "wrong")
    assert "export" in run("doctor")[1]
