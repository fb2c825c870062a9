"""Networks at the scale of their papers have the published number of trainable weights."""

import keras
import pytest

import kerasgen


def counts(system, **arguments):
    """Trainable weights of every network of a system."""
    model = kerasgen.build(system, **arguments)
    return {
        name: sum(v.value.shape.num_elements() for v in network.trainable_variables)
        for name, network in vars(model).items()
        if isinstance(network, keras.Model)
    }


def test_dcgan():
    assert counts("dcgan", widths=(512, 256, 128, 64), kernel_size=4) == {
        "generator": 3_576_704,
        "discriminator": 2_765_568,
    }


def test_dcgan_of_the_paper():
    generator = counts("dcgan")["generator"]
    # 100 -> 4x4x1024, then 5x5 kernels 1024-512-256-128-3 without biases, and two weights per normalised channel.
    kernels = 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    assert generator == 100 * 16 * 1024 + kernels + 2 * (1024 + 512 + 256 + 128) == 18_855_040


def test_vae():
    assert sum(counts("vae").values()) == 815_824


def test_vae_gan():
    expected = {"encoder": 35_112_768, "decoder": 4_693_155, "discriminator": 10_953_857}
    assert counts("vae_gan") == expected


def test_ddpm():
    assert counts("ddpm") == {"network": 35_746_307}


def test_ddpm_of_256_pixels():
    expected = {"network": 113_673_219}
    assert counts("ddpm", image_shape=(256, 256, 3), multipliers=(1, 1, 2, 2, 4, 4)) == expected


def test_glow():
    """The authors' code has a convolution of zeros before the last latents, and their scale and shift twice."""
    trainable = kerasgen.build("glow").trainable_variables
    published, unused = 44_135_856, 9 * 96 * 96 + 96
    assert sum(v.value.shape.num_elements() for v in trainable) == published - unused


def test_made():
    """The best network of the paper: 784 - 8000 - 8000 - 784, and from inputs straight to outputs."""
    made = counts("made", masks=32, ordering="random")
    assert made == {"network": 784 * 8000 + 8000 * 8000 + 8000 * 784 + 784 * 784 + 2 * 8000 + 784}


def test_nade():
    assert counts("nade") == {"network": 785_284}


def test_rbm():
    trainable = kerasgen.build("rbm").trainable_variables
    assert sum(v.value.shape.num_elements() for v in trainable) == 393_284


def test_imle():
    assert counts("imle") == {"generator": 6_622_592}


@pytest.fixture
def no_orthogonal_start(monkeypatch):
    """Zeros in its place: a decomposition of every kernel takes minutes and changes no number of weights."""
    zeros = lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype or "float32")
    monkeypatch.setattr(keras.initializers.Orthogonal, "__call__", zeros)


@pytest.mark.slow
def test_biggan(no_orthogonal_start):
    assert counts("biggan") == {"generator": 70_433_988, "discriminator": 87_982_370}


@pytest.mark.slow
def test_biggan_of_256_pixels(no_orthogonal_start):
    larger = dict(multipliers=(16, 16, 8, 8, 4, 2, 1), attention=(128,), latent_dim=140)
    expected = {"generator": 82_097_604, "discriminator": 99_191_330}
    assert counts("biggan", image_shape=(256, 256, 3), **larger) == expected


def test_score_sde():
    """DDPM++, and its deep version."""
    assert counts("score_sde") == {"network": 61_804_419}


@pytest.mark.slow
def test_score_sde_deep():
    assert counts("score_sde", blocks=8) == {"network": 106_632_579}


def test_cyclegan():
    model = kerasgen.build("cyclegan")
    sizes = [network.count_params() for network in (*model.generators, *model.discriminators)]
    assert sizes == 2 * [11_378_179] + 2 * [2_764_737]
    smaller = kerasgen.build("cyclegan", image_shape=(128, 128, 3), blocks=6)
    assert [network.count_params() for network in smaller.generators] == 2 * [7_837_699]


def test_stylegan2():
    """Configuration F."""
    assert counts("stylegan2") == {"generator": 30_370_060, "discriminator": 29_012_513}


def test_stylegan2_of_256_pixels():
    widths = (512, 512, 512, 512, 512, 256, 128)
    expected = {"generator": 30_034_338, "discriminator": 28_864_129}
    assert counts("stylegan2", image_shape=(256, 256, 3), widths=widths) == expected


def conv(size, inputs, outputs):
    """Weights of a convolution with bias."""
    return size * inputs * outputs + outputs


def test_vq_vae_2():
    """The autoencoder of the paper's table, counted by hand: its total is not published."""
    model = kerasgen.build(
        "vq_vae_2", image_shape=(256, 256, 3), prior_width=8, prior_layers=1, attention=1, heads=1
    )
    residual = 2 * (conv(9, 128, 64) + conv(1, 64, 128))
    down = conv(16, 3, 64) + conv(16, 64, 128) + conv(9, 128, 128) + residual
    encoder = down + conv(16, 128, 128) + conv(9, 128, 128) + residual + conv(1, 128, 64)
    refiner = conv(9, 64, 128) + residual + conv(16, 128, 64) + conv(1, 64 + 128, 64)
    decoder = conv(16, 64, 64) + conv(9, 128, 128) + residual + conv(16, 128, 64) + conv(16, 64, 3)
    found = [network.count_params() for network in (model.encoder, model.refiner, model.decoder)]
    assert found == [encoder, refiner, decoder]
    assert [book.total.shape for book in model.codebooks] == [(512, 64)] * 2
    assert model.grids == [(32, 32), (64, 64)]


@pytest.mark.slow
def test_priors_of_vq_vae_2():
    width, classes, codes = 512, 1000, 512
    model = kerasgen.build("vq_vae_2", num_classes=classes)

    def gated(inputs, condition):
        whole = conv(15, inputs, 2 * width) + conv(3, inputs, 2 * width)
        whole += conv(1, 2 * width, 2 * width) + conv(1, width, width) + 2 * classes * 2 * width
        return whole + 2 * condition * 2 * width

    def stack(condition):
        head = conv(1, width, width) + conv(1, width, codes)
        unseen = (classes + condition) * 2 * width  # nobody looks at the vertical stack of the last layer
        return gated(codes, condition) + 19 * gated(width, condition) + head - unseen

    attention = 4 * 4 * (width * width + width)
    condition = (
        conv(1, codes, width) + 20 * (conv(9, width, width) + conv(1, width, width)) + conv(16, width, width)
    )
    found = [n.count_params() for n in (model.top_prior, model.bottom_prior, model.conditioner)]
    assert found == [stack(0) + attention, stack(width), condition]


def test_progan():
    """The layers that are left at full size; the colours of the others fade out while it grows."""
    model = kerasgen.build("progan")
    faded = [sum(n.count_params() for n in model.generator.colours[:-1])]
    faded += [sum(n.count_params() for n in model.discriminator.features[:-1])]
    found = [sum(v.shape.num_elements() for v in model.player_variables(player)) for player in model.players]
    assert [a - b for a, b in zip(found, faded, strict=True)] == [23_071_507, 23_077_137]


def test_pixel_cnn_pp():
    assert counts("pixel_cnn_pp") == {"network": 53_659_080}
