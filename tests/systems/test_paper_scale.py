"""Networks at the scale of their papers have the number of trainable weights that the papers' networks have.

Few papers print a number, and those that do round it. What is compared here was counted from the authors' code, built
and asked, or by hand from the layers that the paper lists; each test says which.
"""

import keras
import pytest
from counting import counts

import kerasgen


def test_glow():
    """Counted from the authors' code for CIFAR-10, https://github.com/openai/glow, with its channel of edges.

    Its convolution of zeros before the last latents has 9 x 96 x 96 weights that never move, and which are left out.
    """
    sizes = (12, 24, 48)
    step = lambda c: c * c + 2 * c + 9 * (c // 2 + 1) * 512 + 512 * 512 + 4 * 512 + 9 * 513 * c + 2 * c
    splits = sum(9 * (c // 2 + 1) * c + 2 * c for c in sizes[:-1])
    counted = 32 * sum(map(step, sizes)) + splits + 9 * 97 * 96 + 2 * 96
    assert counted == 44_603_604
    assert trainable(kerasgen.build("glow")) == counted - 9 * 96 * 96


def residual(inputs, dim, outputs, blocks):
    """Weights of the residual network in the authors' code, https://github.com/tensorflow/models, research/real_nvp."""
    block = dim + 9 * dim * dim + dim + 9 * dim * dim + 2 * dim  # two shifts of normalisation, two convolutions
    skip = dim * dim + 2 * dim
    return 9 * inputs * dim + dim + skip + blocks * (block + skip) + dim + dim * outputs + 2 * outputs


def authors_real_nvp(channels, dim, blocks, scales):
    """Weights of all couplings: the first shift of normalisation, the scale of the tanh, the network."""
    checkered = channels + 1 + residual(2 * channels + 1, dim, 2 * channels, blocks)
    if scales == 1:
        return 4 * checkered
    half = 2 * channels
    halved = half + 1 + residual(2 * half, 2 * dim, 2 * half, blocks)
    return 3 * checkered + 3 * halved + authors_real_nvp(half, 2 * dim, blocks, scales - 1)


def test_real_nvp():
    """Counted from the authors' code for CIFAR-10: 64 maps, 8 blocks, 2 scales."""
    assert trainable(kerasgen.build("real_nvp")) == authors_real_nvp(3, 64, 8, 2) == 19_609_545


@pytest.mark.parametrize("channels, dim, blocks, scales", [(3, 6, 2, 4), (1, 4, 1, 3), (2, 8, 3, 1)])
def test_real_nvp_at_other_sizes(channels, dim, blocks, scales):
    arguments = dict(image_shape=(16, 24, channels), width=dim, blocks=blocks, scales=scales)
    assert trainable(kerasgen.build("real_nvp", **arguments)) == authors_real_nvp(channels, dim, blocks, scales)


def test_made():
    """The best network of the paper: 784 - 8000 - 8000 - 784, and from inputs straight to outputs."""
    made = counts("made", masks=32, ordering="random")
    assert made == {"network": 784 * 8000 + 8000 * 8000 + 8000 * 784 + 784 * 784 + 2 * 8000 + 784}


def test_nade():
    """Counted by hand: two matrices of 784 x 500, and biases."""
    assert counts("nade") == {"network": 2 * 784 * 500 + 500 + 784} == {"network": 785_284}


def test_rbm():
    """Counted by hand: a matrix of 784 x 500, and biases."""
    assert 784 * 500 + 784 + 500 == 393_284
    trainable = kerasgen.build("rbm").trainable_variables
    assert sum(v.value.shape.num_elements() for v in trainable) == 393_284


def test_imle():
    """Counted from the layers of the authors' code."""
    assert counts("imle") == {"generator": 6_622_592}


@pytest.fixture
def no_orthogonal_start(monkeypatch):
    """Zeros in its place: a decomposition of every kernel takes minutes and changes no number of weights."""
    zeros = lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype or "float32")
    monkeypatch.setattr(keras.initializers.Orthogonal, "__call__", zeros)


@pytest.mark.slow
def test_biggan(no_orthogonal_start):
    """Counted from the authors' code."""
    assert counts("biggan") == {"generator": 70_433_988, "discriminator": 87_982_370}


@pytest.mark.slow
def test_biggan_of_256_pixels(no_orthogonal_start):
    """Counted from the authors' code."""
    larger = dict(multipliers=(16, 16, 8, 8, 4, 2, 1), attention=(128,), latent_dim=140)
    expected = {"generator": 82_097_604, "discriminator": 99_191_330}
    assert counts("biggan", image_shape=(256, 256, 3), **larger) == expected


def test_score_sde():
    """DDPM++, counted from the authors' code."""
    assert counts("score_sde") == {"network": 61_804_419}


@pytest.mark.slow
def test_score_sde_deep():
    """Counted from the authors' code."""
    assert counts("score_sde", blocks=8) == {"network": 106_632_579}


@pytest.mark.slow
def test_guided_diffusion():
    """ADM of 64 pixels and its classifier of noisy pictures, counted from the authors' code."""
    model = kerasgen.load("guided_diffusion_64", weights=False)
    assert [trainable(network) for network in (model.network, model.classifier)] == [295_904_454, 65_438_568]


def test_cyclegan():
    """Counted from the layers of the authors' PyTorch code, at 256 and at 128 pixels."""
    model = kerasgen.build("cyclegan")
    sizes = [network.count_params() for network in (*model.generators, *model.discriminators)]
    assert sizes == 2 * [11_378_179] + 2 * [2_764_737]
    smaller = kerasgen.build("cyclegan", image_shape=(128, 128, 3), blocks=6)
    assert [network.count_params() for network in smaller.generators] == 2 * [7_837_699]


def trainable(network):
    return sum(v.value.shape.num_elements() for v in network.trainable_variables)


def test_vqgan():
    """The autoencoder with 1,024 codes, and the discriminator, counted from the authors' code."""
    model = kerasgen.build("vqgan", prior_width=8, prior_depth=1, prior_heads=1)
    assert sum(map(trainable, model.player_networks("autoencoder"))) == 72_141_699
    assert trainable(model.discriminator) == 2_765_633


@pytest.fixture
def small_autoencoder():
    """Arguments of the smallest autoencoder with 16x16 codes."""
    return dict(width=4, multipliers=(1,) * 5, blocks=1, attention=(), code_dim=4)


@pytest.mark.slow
def test_prior_of_vqgan(small_autoencoder):
    """The transformer of faces, counted from the authors' code."""
    assert trainable(kerasgen.build("vqgan", **small_autoencoder).prior) == 304_932_864


@pytest.mark.slow
def test_prior_of_vqgan_by_class(small_autoencoder):
    """That of ImageNet, counted from the authors' code, from its first two blocks; it has tokens of classes."""
    options = dict(codes=16384, num_classes=1000, prior_width=1536, **small_autoencoder)
    one, two = (trainable(kerasgen.build("vqgan", prior_depth=depth, **options).prior) for depth in (1, 2))
    assert one + 47 * (two - one) - 1000 * 1536 == 1_411_034_112


def test_gan_cls():
    """Counted by hand from the layers of the authors' code."""
    model = kerasgen.load("gan_cls_64", weights=False)
    found = [trainable(network) for network in (model.generator, model.discriminator)]
    assert found == [18_909_699, 4_032_321]


def test_layout2im():
    """As counted from the authors' code, with 184 classes; the parts of the generator with 179."""
    model = kerasgen.load("layout2im_64", weights=False)
    generator = trainable(model.crop_encoder) + trainable(model.layout_encoder) + trainable(model.decoder)
    assert generator == 27_684_739
    found = [trainable(network) for network in (model.image_discriminator, model.object_discriminator)]
    assert found == [10_141_440, 10_330_041]
    small = kerasgen.build("layout2im", classes=179, objects=2, image_widths=(4, 4), object_widths=(4, 4))
    found = [trainable(network) for network in (small.crop_encoder, small.layout_encoder, small.decoder)]
    assert found == [11_992_000, 13_800_768, 1_862_211]


def test_stylegan2():
    """Configuration F, counted from the authors' code."""
    assert counts("stylegan2") == {"generator": 30_370_060, "discriminator": 29_012_513}


def test_stylegan2_of_256_pixels():
    """Counted from the authors' code at full width."""
    widths = (512, 512, 512, 512, 512, 256, 128)
    expected = {"generator": 30_034_338, "discriminator": 28_864_129}
    assert counts("stylegan2", image_shape=(256, 256, 3), widths=widths) == expected


def conv(size, inputs, outputs):
    """Weights of a convolution with bias."""
    return size * inputs * outputs + outputs


def test_vq_vae_2():
    """The autoencoder of the paper's table, counted by hand."""
    model = kerasgen.build("vq_vae_2", image_shape=(256, 256, 3), prior_width=8, prior_layers=1, attention=1, heads=1)
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
    condition = conv(1, codes, width) + 20 * (conv(9, width, width) + conv(1, width, width)) + conv(16, width, width)
    found = [n.count_params() for n in (model.top_prior, model.bottom_prior, model.conditioner)]
    assert found == [stack(0) + attention, stack(width), condition]


def test_progan():
    """Counted from the paper's table, which says 23.1 million each: what is left at full size, no faded colours."""
    model = kerasgen.build("progan")
    faded = [sum(n.count_params() for n in model.generator.colours[:-1])]
    faded += [sum(n.count_params() for n in model.discriminator.features[:-1])]
    found = [sum(v.shape.num_elements() for v in model.player_variables(player)) for player in model.players]
    assert [a - b for a, b in zip(found, faded, strict=True)] == [23_071_507, 23_077_137]


def test_pixel_cnn_pp():
    """Counted from the authors' specification."""
    assert counts("pixel_cnn_pp") == {"network": 53_659_080}


def test_singan():
    """Counted from the authors' code, but for biases without effect: before normalisation, and of a critic."""
    model = kerasgen.load("singan_250", weights=False)
    assert len(model.sizes) == 8 and min(model.sizes[0]) == 25  # as many as the paper's rule gives for 188x250
    model = kerasgen.build("singan", image_shape=(250, 250, 3))
    assert len(model.sizes) == 9 and min(model.sizes[0]) == 25
    filters = [32] * 4 + [64] * 4 + [128]
    generators, critics = (
        [sum(v.value.shape.num_elements() for v in network.trainable_variables) for network in networks]
        for networks in (model.generators, model.discriminators)
    )
    theirs = {32: (29_763, 29_185), 64: (114_819, 113_665), 128: (450_819, 448_513)}
    assert [count + 4 * f for count, f in zip(generators, filters, strict=True)] == [theirs[f][0] for f in filters]
    assert [count + 4 * f + 1 for count, f in zip(critics, filters, strict=True)] == [theirs[f][1] for f in filters]


def test_char_rnn():
    """The paper says 4.3 million for the Penn Treebank; counted: a layer of 1,000 cells with peepholes, 49 symbols."""
    assert counts("char_rnn", symbols=49) == {"network": 4_252_049}


def test_wavenet():
    """Counted from a common implementation, but for the residual output of its last layer, which nothing reads."""
    theirs, unread = 1_515_968, 32 * 32 + 32
    assert counts("wavenet") == {"network": theirs - unread}


def test_dall_e():
    """Counted from the authors' autoencoder; the bias of the decoder's first convolution is in the codes' vectors."""
    from kerasgen.models.vq import dall_e

    widths = [256, 512, 1024, 2048]
    assert dall_e._encoder((256, 256, 3), widths, 2, 8192).count_params() == 53_786_240
    decoder = dall_e._decoder((32, 32), widths, 2, 128, 3).count_params()
    assert decoder + 8192 * 128 == 43_829_766 - 128


@pytest.mark.slow
def test_dall_e_prior():
    """The paper says 12 billion: what a block adds, counted by hand at its width, times 64."""
    shape = dict(width=32, multipliers=(1, 2), blocks=1, codes=16, image_shape=(4, 4, 3), text_length=4)
    one, two = (counts("dall_e", **shape, prior_depth=depth)["prior"] for depth in (1, 2))
    assert two - one == 12 * 3968**2 + 13 * 3968
    assert 64 * (two - one) == pytest.approx(12.09e9, rel=1e-3)
