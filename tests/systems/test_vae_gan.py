"""The paper's networks."""

from counting import counts

TINY = dict(image_shape=(8, 8, 1), latent_dim=4, widths=(8, 12, 16), hidden=16, kernel_size=3)


def test_weights_of_the_paper():
    """Counted from the paper's table of layers; the released code is narrower."""
    expected = {"encoder": 35_112_768, "decoder": 4_693_155, "discriminator": 10_953_857}
    assert counts("vae_gan") == expected
