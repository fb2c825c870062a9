"""Recipes of paper-scale presets: what papers and authors' code say, at chosen steps; and lengths that agree."""

import inspect
import json
import math

import keras
import pytest

from kerasgen import catalog, hub
from kerasgen.models.gan.architecture import progan
from kerasgen.models.gan.conditional import biggan

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
    # Karras et al., 2017, appendix A.1; 2019, NVlabs/stylegan2, `run_training.py`.
    ("progan_1024", "generator", {0: 1e-3, 999_999: 1e-3}),
    ("progan_1024", "discriminator", {0: 1e-3, 999_999: 1e-3}),
    ("stylegan2_256", "discriminator", {0: 2e-3, 781_249: 2e-3}),
    # Brock et al., 2018, as ajbrock/BigGAN-PyTorch says in `README.md`, "Key Differences".
    ("biggan_128", "generator", {0: 5e-5}),
    ("biggan_128", "discriminator", {0: 2e-4}),
    # Radford et al., 2015, section 4; Newmu/dcgan_code, `faces/train_uncond_dcgan.py`.
    ("dcgan_64", "generator", {0: 2e-4}),
    ("dcgan_lsun_64", "generator", {0: 2e-4}),
    ("dcgan_lsun_64", "discriminator", {0: 2e-4}),
    # Berthelot et al., 2017, section 4; halved at the steps of carpedm20/BEGAN-tensorflow, `config.py`.
    ("began_64", "generator", {0: 1e-4, 99_999: 1e-4, 100_000: 5e-5, 499_999: 1e-4 / 16}),
    ("began_128", "discriminator", {0: 1e-4, 200_000: 2.5e-5}),
    # Chen et al., 2016, appendix C; openai/InfoGAN, `launchers/run_mnist_exp.py`.
    ("info_gan_mnist", "generator", {0: 1e-3, 4_999: 1e-3}),
    ("info_gan_mnist", "discriminator", {0: 2e-4}),
    # Zhu et al., 2017, section 4: 100 epochs, then linearly to nothing in 100 more.
    ("cyclegan_256", "generator", {0: 2e-4, 99_999: 2e-4, 100_000: 2e-4 * 100 / 101, 150_000: 2e-4 * 50 / 101}),
    ("cyclegan_256", "discriminator", {199_999: 2e-4 / 101}),
    # Isola et al., 2016, section 3.3.
    ("pix2pix_256", "generator", {0: 2e-4, 79_999: 2e-4}),
    ("pix2pix_256", "discriminator", {0: 2e-4}),
    # Ledig et al., 2016, section 3.2: a million steps on pixels, 100,000 at each of two rates in the game.
    # Zhang et al., 2016, footnote of section 2.2; the authors' `solver.prototxt` has the first rate and the decay.
    ("colorization_256", None, {0: 3e-5, 199_999: 3e-5, 200_000: 1e-5, 375_000: 3e-6, 449_999: 3e-6}),
    ("srgan_96", "generator", {0: 1e-4, 1_099_999: 1e-4, 1_100_000: 1e-5, 1_199_999: 1e-5}),
    ("srgan_96", "discriminator", {0: 1e-4, 99_999: 1e-4, 100_000: 1e-5}),
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
    # Kingma, Welling, 2013, section 5: one of 0.01, 0.02 and 0.1.
    ("vae_mnist", None, {0: 0.02}),
    # Germain et al., 2015, mgermain/MADE, `README.md`, the command for MNIST.
    ("made_mnist", None, {0: 0.01}),
    # Li, Malik, 2018, `imle.py` of the authors as in the first commit of shawwn/imle.
    ("imle_mnist", None, {0: 1e-3}),
    # Salakhutdinov, `rbm.m`: with what it begins.
    ("rbm_mnist", None, {0: 0.05, 150_000: 0.025, 300_000: 0.0}),
    # ibab/tensorflow-wavenet, `train.py`.
    ("wavenet_16k", None, {0: 1e-3}),
    # Ho et al., 2020, appendix B; hojonathanho/diffusion, `scripts/run_cifar.py` and `run_celebahq.py`.
    ("ddpm_cifar10", None, {0: 0.0, 2_500: 1e-4, 5_000: 2e-4, 799_999: 2e-4}),
    ("ddpm_256", None, {0: 0.0, 2_500: 1e-5, 5_000: 2e-5, 499_999: 2e-5}),
    # Song et al., 2020, yang-song/score_sde, `configs/default_cifar10_configs.py`.
    ("score_sde_cifar10", None, {0: 0.0, 2_500: 1e-4, 5_000: 2e-4, 1_299_999: 2e-4}),
    # Dhariwal, Nichol, 2021, tables 11 and 12; to nothing as in openai/guided-diffusion, `README.md`.
    ("guided_diffusion_64", "network", {0: 3e-4, 539_999: 3e-4}),
    ("guided_diffusion_64", "classifier", {0: 6e-4, 150_000: 3e-4, 300_000: 0.0, 539_999: 0.0}),
    # Van den Oord et al., 2017, google-deepmind/sonnet, `sonnet/examples/vqvae_example.ipynb`.
    ("vq_vae_2_256", "autoencoder", {0: 3e-4}),
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
    # 4x4, two stages for each of eight more resolutions, and the last for four.
    assert steps("progan_1024") * batch("progan_1024") == (16 + progan.LAST) * 800_000
    assert steps("stylegan2_ffhq_1024") * batch("stylegan2_ffhq_1024") == 25_000_000
    assert average("stylegan2_256", "generator") ** (10_000 / 32) == pytest.approx(0.5, rel=1e-3)
    assert average("progan_1024", "generator") == 0.999 and average("biggan_128", "generator") == 0.9999
    assert batch("biggan_128") == 2048 and steps("biggan_128") == 150_000
    assert (batch("layout2im_64"), steps("layout2im_64")) == (8, 300_000)
    # Isola et al., 2016, section 6.2, facades: 400 pairs, one at a time. Ledig et al., 2016, section 3.2.
    assert (batch("pix2pix_256"), steps("pix2pix_256")) == (1, 200 * 400)
    assert (batch("srgan_96"), steps("srgan_96")) == (16, 1_200_000)
    assert (batch("colorization_256"), steps("colorization_256")) == (40, 450_000)
    assert preset("colorization_256")["arguments"]["decay"] == 1e-3 and entry("colorization_256")[1]["beta_2"] == 0.99
    assert preset("srgan_96")["arguments"]["epochs"] == [1000, 200]
    # Berthelot et al., 2017, section 4; carpedm20/BEGAN-tensorflow, `config.py`. openai/InfoGAN, `run_mnist_exp.py`.
    assert (batch("began_64"), steps("began_64")) == (batch("began_128"), steps("began_128")) == (16, 500_000)
    assert (batch("info_gan_mnist"), steps("info_gan_mnist")) == (128, 50 * 100)
    assert batch("pixel_cnn_pp_cifar10") == 16 * 8 and average("pixel_cnn_pp_cifar10", None) == 0.9995
    assert steps("dall_e_256", 300) == 3_000_000 and steps("dall_e_256", 43) == 430_000
    assert preset("dall_e_256")["arguments"]["epochs"] == [300, 43]
    clip = entry("dall_e_256", "prior")[1]
    assert (clip["global_clipnorm"], clip["beta_2"], clip["weight_decay"]) == (4.0, 0.96, 0.045)
    assert steps("vqgan_ffhq_256", preset("vqgan_ffhq_256")["arguments"]["epochs"][0]) == 30_000
    assert steps("vqgan_imagenet_256", preset("vqgan_imagenet_256")["arguments"]["epochs"][0]) == 250_000
    assert steps("vq_vae_2_256", 220) == 2_200_000 and batch("vq_vae_2_256") == 128
    # Ho et al., 2020, appendix B; Song et al., 2020, `n_iters`; Dhariwal, Nichol, 2021, table 11.
    assert (batch("ddpm_cifar10"), steps("ddpm_cifar10")) == (128, 800_000)
    assert (batch("ddpm_256"), steps("ddpm_256")) == (64, 500_000)
    assert (batch("score_sde_cifar10"), steps("score_sde_cifar10")) == (128, 1_300_000)
    assert (batch("guided_diffusion_64"), steps("guided_diffusion_64")) == (2048, 540_000)
    assert {average(name, None) for name in ("ddpm_cifar10", "ddpm_256", "score_sde_cifar10")} == {0.9999}
    assert (batch("wavenet_16k"), steps("wavenet_16k")) == (1, 100_000)
    assert steps("vae_mnist") * batch("vae_mnist") == 10**8


def test_other_numbers_are_those_of_the_papers():
    epochs = lambda name: preset(name)["recipe"]["epochs"]  # noqa: E731
    batch = lambda name: preset(name)["data"]["batch_size"]  # noqa: E731
    # Larochelle, Murray, 2011, `run_nade.py`: at most 500 epochs.
    assert entry("nade_mnist")[0] == "SGD" and epochs("nade_mnist") == 500
    # Li, Malik, 2018, `imle.py`.
    imle = entry("imle_mnist")[1]
    assert (imle["beta_1"], imle["weight_decay"]) == (0.5, 1e-5)
    assert (batch("imle_mnist"), epochs("imle_mnist")) == (64, 100)
    # Germain et al., 2015, `README.md` and `MADE/update_rules.py`.
    made = entry("made_mnist")[1]
    assert (made["epsilon"], made["initial_accumulator_value"]) == (1e-6, 0.0)
    assert batch("made_mnist") == 100 and preset("made_mnist")["arguments"]["masks"] == 32
    # Graves, 2013, section 3.1 and table 1; 0.9 is the momentum of section 3.2, for Wikipedia.
    assert entry("char_rnn_penn")[1]["momentum"] == 0.99 and epochs("char_rnn_penn") == 9
    # Radford et al., 2015, figure 3; Newmu/dcgan_code, `faces/train_uncond_dcgan.py`.
    assert (batch("dcgan_lsun_64"), epochs("dcgan_lsun_64")) == (128, 5)
    assert (batch("dcgan_64"), epochs("dcgan_64")) == (128, 25)
    # ibab/tensorflow-wavenet, `wavenet/ops.py`; Song et al., 2020; Ramesh et al., 2021, A.2 and B.2.
    assert entry("wavenet_16k")[1]["epsilon"] == 1e-4 and entry("score_sde_cifar10")[1]["epsilon"] == 1e-8
    assert entry("dall_e_256", "autoencoder")[1]["epsilon"] == 1e-8
    # Ramesh et al., 2021, B.2: the average keeps .99 every 25 steps.
    assert entry("dall_e_256", "prior")[1]["ema_momentum"] ** 25 == pytest.approx(0.99, rel=1e-5)
    # Dhariwal, Nichol, 2021, table 12.
    assert entry("guided_diffusion_64", "classifier")[1]["weight_decay"] == 0.2
    # Kingma, Dhariwal, 2018, `optim.py`: squares are averaged over the 98 steps of an epoch.
    glow = entry("glow_cifar10")[1]
    assert glow["beta_2"] == pytest.approx(1 - 1 / 98, rel=1e-5) and batch("glow_cifar10") == 8 * 64
    # Dinh et al., 2016, section 4.1; tensorflow/models, `research/real_nvp/README.md`.
    assert batch("real_nvp_cifar10") == 64 and entry("real_nvp_cifar10")[1]["global_clipnorm"] == 100.0
    # Karras et al., 2019, `run_training.py`, configuration F.
    assert {preset(name)["arguments"]["gamma"] for name in ("stylegan2_256", "stylegan2_ffhq_1024")} == {10.0}
    # Brock et al., 2018.
    assert inspect.signature(biggan.BigGAN).parameters["discriminator_steps"].default == 2


STAGES = {
    "srgan_96": {"discriminator": 1},
    "dall_e_256": {"autoencoder": 0, "prior": 1},
    "gan_cls_64": {"discriminator": 1, "generator": 1},
}


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
