"""The paper's networks, and those of its widely used variant."""

from counting import counts

TINY = dict(image_shape=(8, 8, 1), latent_dim=8, widths=(16, 8, 6), kernel_size=3)


def test_weights_of_the_variant():
    """Counted from PyTorch's example, the widely used form."""
    assert counts("dcgan", widths=(512, 256, 128, 64), kernel_size=4) == {
        "generator": 3_576_704,
        "discriminator": 2_765_568,
    }


def test_weights_of_the_paper():
    """Counted by hand from the paper's layers."""
    generator = counts("dcgan")["generator"]
    # 100 -> 4x4x1024, then 5x5 kernels 1024-512-256-128-3 without biases, and two weights per normalised channel.
    kernels = 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    assert generator == 100 * 16 * 1024 + kernels + 2 * (1024 + 512 + 256 + 128) == 18_855_040
