"""The paper's networks."""

from counting import counts

TINY = dict(image_shape=(8, 8, 1), latent_dim=4, widths=(16,), levels=2)


def test_weights_of_the_paper():
    """Counted by hand from the paper's layers, 784-500-20-500-784."""
    layers = (784 * 500 + 500) + 2 * (500 * 20 + 20) + (20 * 500 + 500) + (500 * 784 + 784)
    assert layers == 815_824
    assert sum(counts("vae").values()) == 815_824
