"""The paper's networks, the kernel that makes pictures small, pixel shuffle, and the two stages."""

import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from PIL import Image

import kerasgen
from kerasgen.models.gan.translation.srgan import smaller
from kerasgen.nets import perceptual
from kerasgen.nets.layers.pixel_shuffle import PixelShuffle

TINY = dict(
    image_shape=(8, 8, 1), doublings=1, width=6, blocks=2, discriminator_widths=(8, 12, 16), dense=12,
    features="digits", epochs=(1, 1),
)  # fmt: skip


def test_weights_of_the_paper():
    """Counted layer by layer from the paper's figure 4, without the biases before a normalisation."""
    generator = (81 * 3 * 64 + 64) + 64  # 9x9, 64 maps, a slope for each
    generator += 16 * (2 * 9 * 64 * 64 + 2 * 2 * 64 + 64) + 9 * 64 * 64 + 2 * 64
    generator += 2 * (9 * 64 * 256 + 256 + 64) + 81 * 64 * 3 + 3
    widths = (3, 64, 64, 128, 128, 256, 256, 512, 512)
    discriminator = sum(9 * a * b for a, b in zip(widths, widths[1:], strict=False)) + 64 + 2 * sum(widths[2:])
    discriminator += 6 * 6 * 512 * 1024 + 1024 + 1024 + 1
    assert counts("srgan") == {"generator": generator, "discriminator": discriminator}
    assert (generator, discriminator) == (1_548_547, 23_563_649)


@pytest.mark.parametrize(("shape", "size"), [((8, 12, 1), (4, 6)), ((32, 24, 3), (8, 6))])
def test_pictures_are_made_small_by_the_kernel_of_pillow(shape, size):
    x = np.random.default_rng(0).random((2, *shape), "float32")
    planes = np.moveaxis(x, -1, 1)
    pillow = [[np.asarray(Image.fromarray(p).resize(size[::-1], Image.Resampling.BICUBIC)) for p in c] for c in planes]
    assert np.allclose(smaller(x, size), np.moveaxis(pillow, 1, -1).clip(0, 1), atol=2e-6)


@pytest.mark.parametrize("factor", [2, 3])
def test_pixel_shuffle_moves_every_number_once(factor):
    """Against the definition, place by place."""
    x = np.arange(2 * 3 * 4 * 5 * factor**2, dtype="float32").reshape(2, 3, 4, 5 * factor**2)
    y = PixelShuffle(factor)(x).numpy()
    assert y.shape == (2, 3 * factor, 4 * factor, 5)
    for row in range(3 * factor):
        for column in range(4 * factor):
            first = (row % factor * factor + column % factor) * 5
            assert np.array_equal(y[:, row, column], x[:, row // factor, column // factor, first : first + 5])


def test_stages_descend_what_the_paper_says():
    """First the squared error alone, of the generator alone; then features and a thousandth of the game."""
    model = kerasgen.build("srgan", **TINY)
    model.compile()
    x = np.random.default_rng(0).random((6, 8, 8, 1), "float32")
    history = model.fit(x, batch_size=3, epochs=2, verbose=0).history
    assert set(history) == {"generator_loss", "discriminator_loss", "pixels", "content"}
    assert len(history["pixels"]) == len(history["content"]) == 1
    batch = model.batch(tf.constant(x), training=False)
    values = model.losses(batch, training=False)
    small = smaller(x, (4, 4))
    made = model.generator(small).numpy()
    content = 0.006 * float(perceptual.content("digits", x, (made + 1) / 2))
    fake = np.asarray(model.discriminator(made), "float64")
    assert float(values["content"]) == pytest.approx(content, rel=1e-5)
    assert float(values["generator_loss"]) == pytest.approx(content + 1e-3 * np.log1p(np.exp(-fake)).mean(), rel=1e-5)
    assert "pixels" not in values


def test_the_first_stage_leaves_the_discriminator_alone():
    model = kerasgen.build("srgan", **{**TINY, "epochs": (2, 1)})
    model.compile()
    before = [v.numpy() for v in model.discriminator.trainable_variables]
    x = np.random.default_rng(0).random((6, 8, 8, 1), "float32")
    model.enter_stage(0, 0, 2)
    moved = [v.numpy() for v in model.generator.trainable_variables]
    model.train_step(tf.constant(x))
    assert all(
        np.array_equal(a, b.numpy()) for a, b in zip(before, model.discriminator.trainable_variables, strict=True)
    )
    assert not all(
        np.array_equal(a, b.numpy()) for a, b in zip(moved, model.generator.trainable_variables, strict=True)
    )


def test_content_is_the_last_layer_by_itself():
    """Zero for the same picture, and by hand for others."""
    x, y = np.random.default_rng(0).random((2, 3, 8, 8, 1), "float32")
    blocks, prepare = perceptual.load("digits")
    a, b = (perceptual.activations(blocks, prepare(each))[-1].numpy() for each in (x, y))
    assert float(perceptual.content("digits", x, x)) == 0.0
    assert float(perceptual.content("digits", x, y)) == pytest.approx(((a - b) ** 2).mean(), rel=1e-5)
