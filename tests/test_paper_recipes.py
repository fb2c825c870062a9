"""Recipes of paper-scale presets: what papers and authors' code say, at chosen steps; and lengths that agree."""

import json
import math

import keras
import pytest

from kerasgen import catalog, hub

FAMILIES = tuple(catalog.FAMILIES)


def preset(name):
    return json.loads((hub.find_preset(name) / "preset.json").read_text("utf-8"))


def of_families():
    return [n for n in hub.list_presets() if catalog.find(preset(n)["system"]).family in FAMILIES]


def entry(name, player=None):
    """The class and configuration of an optimiser."""
    found = preset(name)["recipe"]["optimizers"][f"{player}_optimizer" if player else "optimizer"]
    return found["class_name"], found["config"]


def rate(name, player, step):
    """The learning rate in a step, counted from 0."""
    given = entry(name, player)[1]["learning_rate"]
    return float(keras.optimizers.schedules.deserialize(given)(step)) if isinstance(given, dict) else given


@pytest.mark.parametrize("name", of_families())
def test_every_preset_has_a_recipe_that_passes(name):
    given = hub.read_preset(name)
    assert given["recipe"] is not None and given["data"]["batch_size"] >= 1
    for optimizer in (given["recipe"].get("optimizers") or {}).values():
        config = {
            key: keras.optimizers.schedules.deserialize(value) if isinstance(value, dict) else value
            for key, value in optimizer["config"].items()
        }
        getattr(keras.optimizers, optimizer["class_name"])(**config)


RATES = [
    # Karras et al., 2017, `train.py` and `config.py`; 2019, `run_training.py`.
    ("progan_1024", "generator", {0: 1e-3, 600_000: 1e-3}),
    ("stylegan2_256", "discriminator", {0: 2e-3, 781_249: 2e-3}),
    # Brock et al., 2018, table of hyperparameters.
    ("biggan_128", "generator", {0: 5e-5}),
    ("biggan_128", "discriminator", {0: 2e-4}),
    # Radford et al., 2015, section 4.
    ("dcgan_64", "generator", {0: 2e-4}),
    # Zhu et al., 2017, section 4: 100 epochs, then linearly to nothing in 100 more.
    ("cyclegan_256", "generator", {0: 2e-4, 99_999: 2e-4, 100_000: 2e-4 * 100 / 101, 150_000: 2e-4 * 50 / 101}),
    ("cyclegan_256", "discriminator", {199_999: 2e-4 / 101}),
    # Reed et al., 2016, `main_cls.lua`: halved as epochs 100, 200, ... begin, counted from 1.
    ("gan_cls_64", "generator", {99 * 138 - 1: 2e-4, 99 * 138: 1e-4, 199 * 138: 5e-5, 599 * 138: 2e-4 / 64}),
    # Zhao et al., 2018, `train.py`.
    ("layout2im_64", "generator", {299_999: 1e-4}),
    # Larsen et al., 2015, section 4.
    ("vae_gan_celeba_64", "encoder", {0: 3e-4}),
    # Rott Shaham et al., 2019, supplementary: 2,000 rounds of three steps, a tenth after 1,600 rounds, at each scale.
    ("singan_250", "generator", {0: 5e-4, 4_799: 5e-4, 4_800: 5e-5, 5_999: 5e-5, 6_000: 5e-4, 47_999: 5e-5}),
    # Salimans et al., 2017, `train.py`.
    ("pixel_cnn_pp_cifar10", None, {0: 1e-3, 1: 1e-3 * 0.999995, 100_000: 1e-3 * 0.999995**100_000}),
    # Ramesh et al., 2021, appendices A.2 and B.2.
    ("dall_e_256", "autoencoder", {0: 1e-4, 600_000: (1e-4 + 1.25e-6) / 2, 1_200_000: 1.25e-6, 2_999_999: 1.25e-6}),
    ("dall_e_256", "prior", {0: 0.0, 2_500: 2.25e-4, 5_000: 4.5e-4, 400_000: 4.5e-4}),
    # Kingma, Dhariwal, 2018, `train.py`: from nothing in ten epochs of 50,000 pictures, 512 at a time.
    ("glow_cifar10", None, {0: 0.0, 488: 488 / 977 * 1e-3, 977: 1e-3, 100_000: 1e-3}),
    # Dinh et al., 2016, section 4.1: Adam with its defaults.
    ("real_nvp_cifar10", None, {0: 1e-3}),
    # Esser et al., 2020, `configs`: 4.5e-6 for each picture of a batch.
    ("vqgan_imagenet_256", "autoencoder", {0: 5.4e-5}),
    ("vqgan_ffhq_256", "prior", {0: 1.35e-5}),
    # Graves, 2013, section 3.1.
    ("char_rnn_penn", None, {0: 1e-4}),
]  # fmt: skip


@pytest.mark.parametrize("name, player, at", RATES, ids=lambda value: value if isinstance(value, str) else "")
def test_rates_are_those_of_the_paper_at_chosen_steps(name, player, at):
    for step, expected in at.items():
        assert rate(name, player, step) == pytest.approx(expected, rel=1e-4), step


def test_batches_steps_and_averages_are_those_of_the_papers():
    steps = lambda name, epochs=None: (  # noqa: E731
        (epochs or preset(name)["recipe"]["epochs"]) * preset(name)["recipe"]["steps_per_epoch"]
    )
    batch = lambda name: preset(name)["data"]["batch_size"]  # noqa: E731
    average = lambda name, player: entry(name, player)[1]["ema_momentum"]  # noqa: E731
    # 4x4, and two stages for each of eight more resolutions.
    assert steps("progan_1024") * batch("progan_1024") == 17 * 600_000
    assert steps("stylegan2_ffhq_1024") * batch("stylegan2_ffhq_1024") == 25_000_000
    assert average("stylegan2_256", "generator") ** (10_000 / 32) == pytest.approx(0.5, rel=1e-3)
    assert average("progan_1024", "generator") == 0.999 and average("biggan_128", "generator") == 0.9999
    assert batch("biggan_128") == 2048 and steps("biggan_128") == 150_000
    assert (batch("layout2im_64"), steps("layout2im_64")) == (8, 300_000)
    assert batch("pixel_cnn_pp_cifar10") == 16 * 8 and average("pixel_cnn_pp_cifar10", None) == 0.9995
    assert steps("dall_e_256", 300) == 3_000_000 and steps("dall_e_256", 43) == 430_000
    assert preset("dall_e_256")["arguments"]["epochs"] == [300, 43]
    clip = entry("dall_e_256", "prior")[1]
    assert (clip["global_clipnorm"], clip["beta_2"], clip["weight_decay"]) == (4.0, 0.96, 0.045)
    assert steps("vqgan_ffhq_256", preset("vqgan_ffhq_256")["arguments"]["epochs"][0]) == 30_000
    assert steps("vqgan_imagenet_256", preset("vqgan_imagenet_256")["arguments"]["epochs"][0]) == 250_000
    assert steps("vq_vae_2_256", 220) == 2_200_000 and batch("vq_vae_2_256") == 128


STAGES = {"dall_e_256": {"autoencoder": 0, "prior": 1}, "gan_cls_64": {"discriminator": 1, "generator": 1}}


@pytest.mark.parametrize("name", [n for n in of_families() if preset(n)["recipe"].get("steps_per_epoch")])
def test_schedules_are_as_long_as_the_run(name):
    given = preset(name)
    recipe = given["recipe"]
    for attribute, optimizer in recipe["optimizers"].items():
        stage = STAGES.get(name, {}).get(attribute.removesuffix("_optimizer"))
        epochs = recipe["epochs"] if stage is None else given["arguments"]["epochs"][stage]
        length, config = optimizer.get("steps"), optimizer["config"].get("learning_rate")
        if length and given["data"].get("name") is None:
            assert length == epochs * recipe["steps_per_epoch"]
        if isinstance(config, dict) and "boundaries" in config["config"]:
            assert max(config["config"]["boundaries"]) < epochs * recipe["steps_per_epoch"]
            assert len(config["config"]["values"]) == len(config["config"]["boundaries"]) + 1
            assert all(map(math.isfinite, config["config"]["values"]))
