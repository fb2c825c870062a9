"""`kerasgen train SYSTEM --data FOLDER`: what is chosen, that it is said, and what comes of it."""

import json
import math
import re

import numpy as np
import pytest
from PIL import Image

import kerasgen
from kerasgen import hub
from kerasgen.cli import main
from kerasgen.data import changes
from kerasgen.runs import own, training
from kerasgen.runs.own import Wish

NARROW = {"arguments.widths": [8, 8], "arguments.latent_dim": 4, "data.batch_size": 4}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """24 colour pictures of 20x30 pixels and a grey one, as somebody has them."""
    folder, rng = tmp_path_factory.mktemp("own") / "My pictures (2)", np.random.default_rng(0)
    folder.mkdir()
    for i in range(24):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), "uint8")).save(folder / f"{i}.png")
    Image.fromarray(rng.integers(0, 256, (20, 30), "uint8")).save(folder / "grey.png")
    return folder


def said(capsys):
    return capsys.readouterr().err


def test_a_folder_is_all_that_it_takes(pictures, tmp_path, monkeypatch, capsys):
    """Three steps; what was chosen stands in the run, which can be gone on with and is a preset."""
    monkeypatch.chdir(tmp_path)
    options = ["--size", "16x24", "--steps", "3", "--out", "run", "--set", "data.batch_size=4"]
    options += ["--set", "arguments.widths=[8,8]", "--set", "arguments.latent_dim=4", "--augment", "flip"]
    assert main(["train", "dcgan", "--data", str(pictures), *options]) == 0
    lines = said(capsys)
    assert "data: 42/2/2 pictures of 16x24x3 to train, validate, test on" in lines
    assert "model: image_shape=[16,24,3], widths=[8,8], latent_dim=4" in lines
    assert "recipe: that of dcgan_64, batches of 4" in lines or "recipe: that of dcgan_lsun_64" in lines
    assert re.search(r"\d,\d{3} parameters; 4 steps are timed", lines)
    assert re.search(r"about \S+ s a step and \d+\.\d GB here: 3 steps, ", lines)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    plan = config["preset"]
    assert plan["preset"] == "dcgan_my_pictures_2" and plan["data"]["name"] == str(pictures)
    assert plan["recipe"]["epochs"] * plan["recipe"]["steps_per_epoch"] == 3
    assert kerasgen.load(tmp_path / "run").sample(2, seed=7).shape == (2, 16, 24, 3)
    assert main(["train", "dcgan", "--data", str(pictures), "--out", "run", "--resume"]) == 0
    assert "finished with 3 epochs" in said(capsys)
    assert main(["train", "dcgan", "--data", str(pictures), "--out", "run", "--resume", "--size", "32"]) == 2
    assert "expected data.image_shape = [16, 24, 3] of the run to go on with, got [32, 32, null]" in said(capsys)


def test_minutes_become_steps(pictures, monkeypatch):
    """As many as fit beside saving and drawing, in epochs of equal length; schedules are of that run."""
    model = kerasgen.models.StyleGAN2(image_shape=(16, 24, 3), latent_dim=4, widths=(8, 8), mapping=1)
    monkeypatch.setattr(own, "measure", lambda content, data, log: own.Speed(2.0, 1.5, 1, 0.0, model))
    wish, lines = Wish(size=(16, 24), minutes=10), []
    overrides = {"arguments.widths": [8, 8], "arguments.latent_dim": 4, "arguments.mapping": 1}
    fitting, asked, overrides = own.ask("stylegan2", str(pictures), wish, overrides)
    start, data = training.fitted(training.begin(asked, overrides=overrides), wish, lines.append)
    recipe, steps = start.plan["recipe"], int(600 * (1 - own.BESIDE) / 2.0)
    assert fitting and recipe["epochs"] == own.PERIODS and recipe["steps_per_epoch"] == round(steps / own.PERIODS)
    paper = hub.read_preset("stylegan2_256")["recipe"]["optimizers"]["generator_optimizer"]["config"]
    config = recipe["optimizers"]["generator_optimizer"]["config"]
    horizon = min(1 / (1 - paper["ema_momentum"]), round(0.1 * recipe["epochs"] * recipe["steps_per_epoch"]))
    assert 1 / (1 - config["ema_momentum"]) == pytest.approx(horizon, rel=1e-3)
    assert config["learning_rate"] == paper["learning_rate"] and config["beta_2"] == paper["beta_2"]
    assert start.plan["data"]["batch_size"] == data.batch_size == 32
    assert any(line.endswith("10 minutes; the paper has 781,250") for line in lines)


def test_a_papers_schedule_is_stretched_to_the_run():
    """At every share of the run the rate is the paper's at that share."""
    entry = hub.read_preset("wgan_gp_cifar10")["recipe"]["optimizers"]["generator_optimizer"]
    from kerasgen.runs.recipes import optimizer

    rates = [optimizer(e)._learning_rate for e in (entry, own._for_run(entry, 100_000, 500))]
    for share in (0.0, 0.25, 0.5, 0.9):
        assert float(rates[1](share * 500)) == pytest.approx(float(rates[0](share * 100_000)), rel=1e-5)


def test_the_nearest_paper_gives_the_recipe():
    assert own.nearest("wgan_gp", (64, 64, 3)).name == "wgan_gp_64"
    assert own.nearest("wgan_gp", (24, 40, 3)).name == "wgan_gp_cifar10"
    assert own.nearest("gaussian", (8, 8, 1)) is None


def test_what_only_remembers_takes_one_step(pictures, tmp_path, capsys):
    """There is nothing to train for ninety minutes."""
    run = training.train("gpnn", data=str(pictures / "0.png"), out=tmp_path / "gpnn", overrides={"arguments.patch": 5})
    recipe = json.loads((run / "config.json").read_text())["preset"]["recipe"]
    assert (recipe["epochs"], recipe["steps_per_epoch"]) == (1, 1) and "here: 1 step, " in said(capsys)


def test_black_and_white_systems_get_two_levels(pictures, tmp_path):
    overrides = {"arguments.widths": [16], "data.batch_size": 4}
    run = training.train(
        "made", data=str(pictures), wish=Wish((8, 12), steps=2), out=tmp_path / "made", overrides=overrides
    )
    plan = json.loads((run / "config.json").read_text())["preset"]
    assert plan["data"]["levels"] == 2 and plan["arguments"]["levels"] == 2
    assert set(np.unique(kerasgen.load(run).sample(2, seed=1))) <= {0.0, 1.0}


def test_pictures_keep_their_size_or_are_told_one(pictures, tmp_path, capsys):
    """The system's own size is not lent to them."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for i, side in enumerate((16, 16, 16, 24)):
        Image.fromarray(np.full((side, side, 3), 40 * i, "uint8")).save(folder / f"{i}.png")
    with pytest.raises(ValueError, match="since pictures have 2 sizes, .*; --size 64 cuts and resizes them"):
        training.train("vae", data=str(folder), wish=Wish(steps=1), out=tmp_path / "run")
    run = training.train("vae", data=str(pictures), wish=Wish(steps=1), out=tmp_path / "run")
    assert kerasgen.load(run).image_shape == (20, 30, 3)


def test_precision_is_of_the_run_alone(pictures, tmp_path):
    import keras

    overrides = {**NARROW, "recipe.precision": "bf16"}
    run = training.train(
        "dcgan", data=str(pictures), wish=Wish((16, 24), steps=2), out=tmp_path / "b", overrides=overrides
    )
    assert json.loads((run / "config.json").read_text())["preset"]["recipe"]["precision"] == "bf16"
    assert keras.config.dtype_policy().name == "float32"
    assert kerasgen.load(run).generator.dtype_policy.name == "float32"


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["dcgan", "--size", "64"], "dcgan is a system; expected one of its presets"),
        (
            ["dcgan_64", "--data", "digits", "--steps", "5"],
            "steps: goes with a system and data; a preset says its length",
        ),
        (["dcgan", "--data", "digits", "--size", "big"], "size: expected pixels such as 64, or height x width"),
        (["dcgan", "--data", "digits", "--minutes", "0"], "minutes: expected more than 0, got 0"),
        (["dcgan", "--data", "digits", "--minutes", "1", "--steps", "5"], "steps: expected none beside minutes"),
        (
            ["dcgan", "--data", "digits", "--augment", "blur"],
            "augment: expected some of flip, color, translation, cutout",
        ),
        (
            ["dcgan", "--data", "digits", "--steps", "2", "--augment", "cutout"],
            "augment: DCGAN takes flip alone, got cutout",
        ),
        (["dcgan", "--data", "nowhere"], "source: unknown data 'nowhere'"),
        (["dcgan", "--data", "moons", "--steps", "2"], "data: expected pictures, got vectors"),
        (
            ["dcgan", "--data", "digits", "--steps", "2", "--precision", "int4"],
            "precision: expected float32, bf16, fp16",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) in (1, 2)
    lines = said(capsys).strip().splitlines()
    assert lines[-1].startswith("error: ") and line in lines[-1]
    assert not (tmp_path / "runs").exists()


# --- data made from data ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lazy", [False, True])
def test_levels_and_mirror_images(pictures, monkeypatch, lazy):
    """The same in memory and decoded when read."""
    if lazy:
        monkeypatch.setattr("kerasgen.data.folder.IN_MEMORY", 0)
    plain = kerasgen.data.load(str(pictures), image_shape=(16, 24, None))
    assert plain.shape == (16, 24, 3), "one colour picture makes them colour"
    x = plain.arrays("train")[0]
    few = kerasgen.data.load(str(pictures), image_shape=(16, 24, None), levels=4)
    assert few.levels == 4 and np.array_equal(few.arrays("train")[0], np.float32(np.rint(x * 3)) / 3)
    both = kerasgen.data.load(str(pictures), image_shape=(16, 24, None), flip=True)
    assert both.count("train") == 2 * plain.count("train") and both.count("test") == plain.count("test")
    assert np.array_equal(both.arrays("train")[0], np.concatenate([x, x[:, :, ::-1]]))
    assert next(iter(both.train)).shape[1:] == (16, 24, 3)


def test_what_is_given_is_mirrored_with_the_picture():
    scenes = kerasgen.data.load("digit_scenes")
    x, layout = scenes.arrays("train", 3)
    both = changes.mirrored(scenes)
    count = scenes.count("train")
    turned, boxes = (
        both.splits["train"][0][count : count + 3] / 255,
        both.splits["train"][1]["layout"][count : count + 3],
    )
    assert np.allclose(turned, x[:, :, ::-1])
    there = layout[..., 0] >= 0
    assert np.allclose((boxes[..., 1] + layout[..., 1] + layout[..., 3])[there], 1.0)
    assert np.array_equal(boxes[..., [0, 2, 3, 4]], layout[..., [0, 2, 3, 4]])
    edges = changes.mirrored(kerasgen.data.load("digits_edges"))
    half = edges.count("train") // 2
    picture = edges.splits["train"][1]["picture"]
    assert np.array_equal(picture[half:], picture[:half, :, ::-1])
    assert math.isclose(picture[half:].mean(), picture[:half].mean())


@pytest.mark.parametrize(
    "options, line", [(dict(levels=1), "levels: expected 2"), (dict(levels=99), "levels: expected 2")]
)
def test_levels_that_cannot_be(options, line):
    with pytest.raises(ValueError, match=line):
        kerasgen.data.load("digits", **options)
    with pytest.raises(ValueError, match="flip: expected pictures, got vectors"):
        kerasgen.data.load("moons", flip=True)
