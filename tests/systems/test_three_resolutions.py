"""Systems at three resolutions or depths, in colour, not square, in odd batches.

Two levels and square grey pictures hide an exchanged side, a forgotten level and a channel that is never read.
"""

import keras
import numpy as np
import pytest
from tiny import as_x, said

import kerasgen

COLOUR = (16, 8, 3)
SIZES = {
    "vq_vae_2": dict(
        image_shape=COLOUR, halvings=2, codes=8, code_dim=4, width=8, blocks=1, residual=4, prior_width=8,
        prior_layers=3, attention=1, heads=2, condition_blocks=1, kernel_size=3, dropout=0.0,
    ),
    "vqgan": dict(
        image_shape=COLOUR, codes=8, code_dim=4, width=8, multipliers=(1, 2, 2), blocks=1, attention=(8,),
        perceptual=None, discriminator_widths=(8, 16), prior_width=8, prior_depth=3, prior_heads=2, positions=None,
        epochs=(1, 1, 1),
    ),
    "dall_e": dict(
        image_shape=COLOUR, text_length=5, codes=6, width=8, multipliers=(1, 2, 2), blocks=1, code_dim=4,
        prior_width=8, prior_depth=6, prior_heads=2, dropout=0.0,
    ),
    "pixel_cnn": dict(image_shape=(6, 5, 3), levels=17, width=9, depth=3, hidden=9),
    "pixel_cnn_pp": dict(
        image_shape=(8, 12, 3), levels=17, width=6, depth=1, components=2, resolutions=3, dropout=0.0
    ),
    "made": dict(image_shape=(4, 3, 3), levels=5, widths=(20, 18, 16), masks=3, ordering="random"),
    "nade": dict(image_shape=(4, 3, 3), levels=5, width=16),
    "vae": dict(image_shape=COLOUR, latent_dim=4, widths=(16, 12, 8), likelihood="gaussian"),
    "vae_gan": dict(image_shape=COLOUR, latent_dim=4, widths=(6, 8, 8), hidden=12, kernel_size=3),
    "imle": dict(image_shape=COLOUR, latent_dim=4, widths=(16, 8, 6), candidates=12),
    "rbm": dict(image_shape=(4, 3, 1), hidden=8, chains=6),
    "wavenet": dict(image_shape=(24,), sample_rate=100, levels=6, width=6, skip=8, depth=3, blocks=3),
    "char_rnn": dict(image_shape=(6,), symbols=20, width=8, depth=3, bptt=3),
    "singan": dict(image_shape=(16, 12, 3), coarsest=6, width=4, depth=2),
    "texture_synthesis": dict(image_shape=(9, 7, 3), window=3, levels=17),
    "gpnn": dict(image_shape=(12, 14, 3), patch=3, coarsest=6, iterations=2, levels=17),
}  # fmt: skip


COSTLY = (
    "vqgan",
    "dall_e",
    "pixel_cnn_pp",
)  # three stages, or three times as many streams, traced one after the other


@pytest.mark.parametrize("system", [pytest.param(s, marks=pytest.mark.slow if s in COSTLY else ()) for s in SIZES])
def test_it_learns_and_what_it_makes_has_its_shape(system):
    keras.utils.set_random_seed(0)
    model = kerasgen.build(system, **SIZES[system])
    draw = np.random.default_rng(1)
    levels = getattr(model, "levels", None)
    if model.kind in ("text", "sound"):
        x = as_x(model, draw.integers(levels, size=(5, *model.image_shape)))
    elif system == "rbm" or levels:
        x = draw.integers(levels or 2, size=(5, *model.image_shape)) / ((levels or 2) - 1)
    else:
        x = draw.uniform(size=(5, *model.image_shape))
    x, about = np.asarray(x, "float32") if x.dtype != "int32" else x, said(model, 5)
    given = {} if about is None else {model.given[0]: about[:3]}
    before = [v.numpy() for v in model.trainable_variables]
    model.compile(seed=3)
    model.fit(x, about, batch_size=3, epochs=max(len(model.stages), 1), verbose=0)
    assert any((a != v.numpy()).any() for a, v in zip(before, model.trainable_variables, strict=True))
    samples = model.sample(3, seed=7, **({"text": about[:3]} if "text" in given else {}))
    assert samples.shape == (3, *model.image_shape) and np.isfinite(samples).all()
    alone = model.sample(1, seed=7, **({"text": about[:1]} if "text" in given else {}))
    np.testing.assert_allclose(samples[:1], alone, atol=1e-5)
    for function in ("log_prob", "reconstruct", "energy"):
        if function in model.serves:
            whole, part = getattr(model, function)(x[:3]), getattr(model, function)(x[1:2])
            assert len(whole) == 3 and np.isfinite(whole).all()
            np.testing.assert_allclose(whole[1:2], part, rtol=1e-3, atol=1e-4)
