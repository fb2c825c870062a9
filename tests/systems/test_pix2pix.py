TINY = dict(
    image_shape=(8, 8, 3), picture_shape=(8, 8, 1), widths=(6, 8, 8), discriminator_widths=(8, 12), jitter=2
)
