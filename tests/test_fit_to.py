"""From data to a model of their size: the paper's pattern is the paper's at its own size, and fits any other."""

import functools
import inspect

import numpy as np
import pytest
from tiny import TINY

import kerasgen
from kerasgen import catalog, hub
from kerasgen.core.fit_to import STATED
from kerasgen.data import Data
from kerasgen.runs import recipes

CLASSES = 2
SINGLE = ("singan", "gpnn", "texture_synthesis")  # learn from one picture
DENSE = ("gaussian", "gaussian_mixture")  # have a weight for every pair of values
WIDE = 8  # feature maps of the networks that are trained here
KINDS = {id: system.load().kinds for id, system in catalog.SYSTEMS.items()}
PICTURES = [id for id, kinds in KINDS.items() if "picture" in kinds]


@functools.cache
def wanted(id):
    """What a system wants to be told of each example."""
    given = set(kerasgen.build(id, **TINY[id]).given)
    return given | ({"label"} if "num_classes" in TINY[id] else set())


def data_for(id, shape, levels=256, batch=4):
    """Random examples of a shape, with whatever the system wants to be told of them."""
    rng, count, told, given = np.random.default_rng(0), 1 if id in SINGLE else 12, wanted(id), {}
    if "label" in told:
        given["label"] = (np.arange(count) % CLASSES).astype("int32")
    if "text" in told:
        given["text"] = rng.integers(97, 123, (count, 12)).astype("uint8")
    if "layout" in told:
        given["layout"] = np.tile(np.float32([[0, 0.1, 0.1, 0.4, 0.4], [1, 0.5, 0.5, 0.4, 0.4]]), (count, 1, 1))
    if "picture" in told:
        given["picture"] = rng.integers(0, levels, (count, *shape)).astype("uint8")
    x = rng.integers(0, levels, (count, *shape)).astype("uint8")
    return Data(
        "random", dict.fromkeys(("train", "validation", "test"), (x, given)), shape, 0.0, 1.0, levels,
        class_names=("a", "b") if "label" in given else (), objects=("cup", "hat") if "layout" in given else (),
        batch_size=batch,
    )  # fmt: skip


def narrow(id, arguments):
    """The same with few feature maps, and with whatever tiny arguments say of the rest."""
    few = lambda value: [few(v) for v in value] if isinstance(value, list | tuple) else min(value, WIDE)
    mapped = {key: few(value) for key, value in arguments.items() if "widths" in key}
    kept = {key: value for key, value in TINY[id].items() if key not in arguments and key not in STATED}
    return arguments | kept | mapped


@pytest.mark.parametrize("id", PICTURES)
def test_a_system_is_fitted_to_colour_pictures_that_are_not_square(id):
    """24x40 pixels: a step of every stage. What a model then serves is held by the laws, at other sizes."""
    shape = (6, 10, 3) if id in DENSE else (24, 40, 3)
    black_and_white = inspect.signature(catalog.find(id).load().__init__).parameters.get("levels")
    two = id == "rbm" or (black_and_white and black_and_white.default == 2)
    data = data_for(id, shape, levels=2 if two else 256, batch=1 if id in SINGLE else 4)
    model = kerasgen.build(id, **narrow(id, catalog.find(id).load().arguments_for(data)))
    assert tuple(model.image_shape) == shape
    model.check(data)
    if model.trainable_variables:
        model.compile()
        history = model.fit(data.train, epochs=max(1, len(model.stages)), steps_per_epoch=1, verbose=0)
        assert all(np.isfinite(values).all() for values in history.history.values())


@pytest.mark.parametrize("id", PICTURES)
def test_there_are_arguments_for_every_size(id):
    cls = catalog.find(id).load()
    for shape in ((16, 16, 1), (28, 28, 1), (48, 64, 3), (64, 64, 3), (128, 128, 3), (256, 256, 3)):
        arguments = cls.arguments_for(data_for(id, shape))
        assert set(arguments) <= set(inspect.signature(cls.__init__).parameters)
        assert tuple(arguments["image_shape"]) == shape
        assert all(value is not None and value != () for value in arguments.values()), arguments


PAPERS = [  # presets at the papers' scale whose pattern is told by their size
    "dcgan_lsun_64", "wgan_gp_cifar10", "wgan_gp_64", "began_64", "began_128", "info_gan_mnist", "imle_mnist",
    "progan_1024", "stylegan_ffhq_1024", "stylegan2_ffhq_1024", "stylegan2_256", "biggan_128", "cyclegan_256",
    "pix2pix_256", "srgan_96", "vae_gan_celeba_64", "vq_vae_imagenet_128", "vq_vae_2_256", "vqgan_ffhq_256",
    "real_nvp_cifar10", "glow_cifar10", "ddpm_cifar10", "ddpm_256", "guided_diffusion_64", "pixel_cnn_pp_cifar10",
    "gan_cls_64",
]  # fmt: skip


@pytest.mark.parametrize("name", PAPERS)
def test_at_the_papers_size_the_pattern_is_the_papers(name):
    """Every argument that the pattern says is that of the preset, and so of the paper."""
    preset = hub.read_preset(name)
    cls = preset.system.load()
    defaults = {key: p.default for key, p in inspect.signature(cls.__init__).parameters.items()}
    shape = tuple(preset["arguments"].get("image_shape", defaults["image_shape"]))
    said = cls.sized(data_for(preset["system"], shape))
    plain = lambda value: [plain(v) for v in value] if isinstance(value, list | tuple) else value
    expected = {key: plain(preset["arguments"].get(key, defaults[key])) for key in said}
    assert said and {key: plain(value) for key, value in said.items()} == expected


def test_data_say_the_rest():
    data = data_for("biggan", (32, 32, 3))
    arguments = kerasgen.models.BigGAN.arguments_for(data, embedding=16)
    assert arguments["num_classes"] == CLASSES and arguments["embedding"] == 16
    layout = kerasgen.models.Layout2Im.arguments_for(data_for("layout2im", (32, 32, 3)))
    assert (layout["classes"], layout["objects"]) == (2, 2)
    assert kerasgen.models.GANCLS.arguments_for(data_for("gan_cls", (32, 32, 3)))["text_length"] == 12
    model = kerasgen.models.VAE.fit_to(kerasgen.data.load("digits"), latent_dim=3)
    assert (model.image_shape, model.levels, model.latent_dim) == ((8, 8, 1), 17, 3)


@pytest.mark.parametrize(
    "id, source, line",
    [
        ("dcgan", "moons", "data: expected pictures, got vectors"),
        ("wavenet", "digits", "data: expected sounds, got pictures"),
        ("biggan", "faces", "data: BigGAN learns classes, and faces has none; sub-folders name them"),
        ("dcgan", "faces", "image_shape: expected sides that divide by 2 and are 8 or more, got (25, 25, 1)"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(id, source, line):
    import re

    with pytest.raises(ValueError, match=re.escape(line)):
        catalog.find(id).load().fit_to(kerasgen.data.load(source).without_labels())


PAPER_SCALE = [name for name in hub.list_presets() if not (hub.read_preset(name).get("data") or {}).get("name")]
LARGE = 1e8  # weights; a step of more takes minutes here


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER_SCALE)
def test_a_papers_recipe_takes_its_first_steps(name):
    """Three steps of two examples with the preset's network and optimisers; the largest, and those of VGG, left out."""
    preset = hub.read_preset(name)
    model = kerasgen.build(preset["system"], **preset["arguments"])
    if model.count_params() > LARGE:
        pytest.skip(f"{model.count_params():,} weights")
    if model.kind == "picture":
        data = data_for(preset["system"], tuple(model.image_shape), model.levels or 256, batch=2)
    else:
        rng = np.random.default_rng(0)
        size = (4, *model.image_shape)
        if model.kind == "text":
            x = rng.integers(0, preset["arguments"].get("symbols", 256), size).astype("uint8")
        else:
            x = rng.uniform(-1, 1, size).astype("float32")
        given = {"label": np.zeros(4, "int32")} if model.num_classes else {}
        data = Data(
            "random", dict.fromkeys(("train", "validation", "test"), (x, given)), model.image_shape,
            text=model.kind == "text", sample_rate=model.sample_rate, batch_size=2,
        )  # fmt: skip
    recipe = {**preset["recipe"], "epochs": max(1, len(model.stages)), "steps_per_epoch": 1 if model.stages else 3}
    optimizers, _ = recipes.optimizers(recipe, model, recipes.length(recipe, data, model))
    model.compile(seed=0, **optimizers)
    try:
        history = model.fit(data.train, epochs=recipe["epochs"], steps_per_epoch=recipe["steps_per_epoch"], verbose=0)
    except Exception as error:
        if "vgg" in str(error):
            pytest.skip("weights of VGG are not here")
        raise
    assert all(np.isfinite(values).all() for values in history.history.values())
