"""Networks at the scale of their papers have the published number of trainable weights."""

import keras

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
