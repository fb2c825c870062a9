"""Tiny constructor arguments, one line per system: enough to build, train and export each in seconds."""

PICTURE = (8, 8, 1)

TINY = {
    "gaussian": dict(image_shape=PICTURE, levels=17),
    "gaussian_mixture": dict(image_shape=(2,), components=4),
    "vae": dict(image_shape=PICTURE, latent_dim=4, widths=(16,), levels=2),
    "vae_gan": dict(image_shape=PICTURE, latent_dim=4, widths=(8, 16), hidden=16, kernel_size=3),
    "dcgan": dict(image_shape=PICTURE, latent_dim=8, widths=(16, 8), kernel_size=3),
    "real_nvp": dict(image_shape=PICTURE, levels=17, width=8, blocks=1),
    "pixel_cnn": dict(image_shape=PICTURE, levels=17, num_classes=10, width=8, depth=2, hidden=8),
    "ddpm": dict(
        image_shape=PICTURE, levels=17, width=8, multipliers=(1, 2), blocks=1, attention=(4,), steps=20
    ),
}
