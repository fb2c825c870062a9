"""Tiny constructor arguments of every system: enough to build, train and export each in seconds.

Systems of several resolutions, depths or scales have three of them: what two have in common may be false of more.
"""

import numpy as np

PICTURE = (8, 8, 1)

TINY = {
    "gaussian": dict(image_shape=PICTURE, levels=17),
    "gaussian_mixture": dict(image_shape=(2,), components=4),
    "vae": dict(image_shape=PICTURE, latent_dim=4, widths=(16,), levels=2),
    "vae_gan": dict(image_shape=PICTURE, latent_dim=4, widths=(8, 12, 16), hidden=16, kernel_size=3),
    "dcgan": dict(image_shape=PICTURE, latent_dim=8, widths=(16, 8, 6), kernel_size=3),
    "biggan": dict(
        image_shape=PICTURE, num_classes=10, latent_dim=6, width=8, multipliers=(2, 2, 1), embedding=4,
        attention=(4,),
    ),
    "cyclegan": dict(
        image_shape=PICTURE, width=8, halvings=2, blocks=1, kernel_size=3, discriminator_widths=(8, 16),
        identity=0.5, pool=6,
    ),
    "gan_cls": dict(
        image_shape=PICTURE, text_length=12, latent_dim=6, widths=(8, 6, 5), discriminator_widths=(5, 6, 8),
        text_dim=6, text_width=8, projection=4, interpolation=0.5, epochs=(1, 1),
    ),
    "layout2im": dict(
        image_shape=PICTURE, classes=3, objects=3, latent_dim=4, embedding=4, widths=(4, 5, 6),
        crop_widths=(4, 5, 6), crop_size=4, lstm=(6, 5, 4), lstm_kernel=3, blocks=1, image_widths=(4, 5, 6),
        object_widths=(4, 5, 6),
    ),
    "stylegan2": dict(
        image_shape=PICTURE, latent_dim=6, widths=(8, 7, 6), mapping=2, gamma=0.1, r1_every=2,
        path_every=2,
    ),
    "real_nvp": dict(image_shape=PICTURE, levels=17, width=8, blocks=1),
    "nade": dict(image_shape=PICTURE, levels=2, width=16),
    "made": dict(image_shape=PICTURE, levels=2, widths=(16,), ordering="random"),
    "glow": dict(image_shape=PICTURE, levels=17, scales=2, steps=1, width=8),
    "pixel_cnn": dict(image_shape=PICTURE, levels=17, num_classes=10, width=9, depth=2, hidden=9),
    "pixel_cnn_pp": dict(
        image_shape=PICTURE, levels=17, num_classes=10, width=8, depth=1, components=2, dropout=0.0,
    ),
    "char_rnn": dict(image_shape=(6,), symbols=20, width=8, depth=2, bptt=3),
    "wavenet": dict(
        image_shape=(24,), sample_rate=100, levels=6, num_classes=3, width=6, skip=8, depth=2, blocks=2,
    ),
    "ddpm": dict(
        image_shape=PICTURE, levels=17, width=8, multipliers=(1, 2), blocks=1, attention=(4,), steps=20,
    ),
    "guided_diffusion": dict(
        image_shape=PICTURE, levels=17, num_classes=10, steps=20, guide="free", width=8,
        multipliers=(1, 2), blocks=1, attention=(4,), head=4, classifier_width=8, classifier_blocks=1,
        dropout=0.0,
    ),
    "score_sde": dict(
        image_shape=PICTURE, levels=17, width=8, multipliers=(1, 2), blocks=1, attention=(), steps=5,
    ),
    "rbm": dict(image_shape=PICTURE, hidden=8, chains=6),
    "imle": dict(image_shape=PICTURE, latent_dim=4, widths=(16, 8), candidates=20),
    "texture_synthesis": dict(image_shape=PICTURE, window=3, levels=17),
    "gpnn": dict(image_shape=PICTURE, patch=3, coarsest=4, iterations=2, levels=17),
    "singan": dict(image_shape=PICTURE, coarsest=6, width=4, depth=2),
    "progan": dict(image_shape=PICTURE, latent_dim=6, widths=(8, 7, 6)),
    # Its discriminator is so wide that some scores pass the hinge's margin, or the last bias rests.
    "vqgan": dict(
        image_shape=PICTURE, num_classes=10, codes=8, code_dim=4, width=8, multipliers=(1, 2), blocks=1,
        attention=(), perceptual="digits", discriminator_widths=(8, 128), prior_width=8, prior_depth=2,
        prior_heads=2, positions=None, epochs=(1, 1, 1),
    ),
    "dall_e": dict(
        image_shape=PICTURE, text_length=5, codes=6, width=8, multipliers=(1, 2), blocks=1, code_dim=4,
        prior_width=8, prior_depth=2, prior_heads=2, dropout=0.0,
    ),
    "vq_vae_2": dict(
        image_shape=PICTURE, num_classes=10, halvings=1, codes=8, code_dim=4, width=8, blocks=1,
        residual=4, prior_width=8, prior_layers=2, attention=1, heads=2, condition_blocks=1,
        kernel_size=3, dropout=0.0,
    ),
}  # fmt: skip


def as_x(model, levels):
    """Levels as the model's functions take them."""
    return np.array(model.scale(model.levels).value(np.asarray(levels, "int32")))


def examples(model, count, split="train"):
    """(x, what data say of x) of so many examples: digits, moons, and texts and sounds of random levels."""
    import kerasgen

    if model.kind in ("text", "sound"):
        generator = np.random.default_rng([2, *split.encode()])
        x = as_x(model, generator.integers(model.levels, size=(count, *model.image_shape)))
        label = np.arange(count)
    else:
        name = "moons" if model.kind == "vector" else "digits_binary" if model.levels == 2 else "digits"
        x, label = kerasgen.data.load(name).arrays(split)
    return x[:count], label[:count] % model.num_classes if model.num_classes else said(model, count)


def said(model, count):
    """What data say of so many examples: labels, texts of letters, layouts; None for nothing."""
    generator = np.random.default_rng(3)
    if "label" in model.given:
        return generator.integers(model.num_classes, size=count)
    if "text" in model.given:
        text = generator.integers(97, 123, (count, model.text_length), dtype="int32")
        text[::2, -1] = 0  # some end before the others
        return text
    if "layout" in model.given:
        boxes = generator.uniform(0.2, 0.4, (count, model.objects, 5)).astype("float32")
        boxes[..., 0] = np.arange(count)[:, None] % 2
        return boxes
    return None


def made(model, count):
    """Samples of a system, or pictures that it translates."""
    if "sample" in model.serves:
        about = {name: said(model, count) for name in model.given if name != "label"}
        return model.sample(count, seed=7, **about)
    x = np.random.default_rng(7).random((count, *model.image_shape)).astype("float32")
    return model.translate(x, **({"label": np.arange(count) % model.num_classes} if model.num_classes else {}))
