TINY = dict(
    image_shape=(8, 8, 1), doublings=1, width=6, blocks=2, discriminator_widths=(8, 12, 16), dense=12,
    features="digits", epochs=(1, 1),
)
