"""Patches are replaced as a plain program in whole numbers does it; figures move with the arguments as they should."""

import numpy as np
import pytest
import tensorflow as tf

import kerasgen
from kerasgen.metrics import texture
from kerasgen.nets import patches as patch_search
from kerasgen.nets import sizes

TINY = dict(image_shape=(8, 8, 1), patch=3, coarsest=4, iterations=2, levels=17)


def remembering(picture, **arguments):
    """A model of a picture of levels (H, W, C)."""
    model = kerasgen.build("gpnn", image_shape=picture.shape, **arguments)
    model.memory.assign(picture / (model.levels - 1))
    return model


def noise(shape, levels=256, seed=0):
    return np.random.default_rng(seed).integers(levels, size=shape)


def brick(size=32, name="brick"):
    return np.rint(kerasgen.data.load(name, image_shape=(size, size, 1)).arrays("test")[0][0] * 255).astype(int)


def rows(x, size):
    found = np.lib.stride_tricks.sliding_window_view(x, (size, size), (0, 1))  # (h, w, C, size, size)
    return np.moveaxis(found, 2, -1).reshape(-1, size, size, x.shape[-1])


# --- one by one -------------------------------------------------------------------------------------------------------


def voted(where, picture, size, height, width):
    """Patches laid over each other and averaged, one after the other, in whole numbers."""
    patches, g = rows(picture, size), 1 + patch_search.gaussian(size, 2**16 - size**2).astype(int)
    total, weight = np.zeros((height, width, picture.shape[-1]), int), np.zeros((height, width, 1), int)
    for i, place in enumerate(where):
        row, column = divmod(i, width - size + 1)
        part = np.s_[row : row + size, column : column + size]
        total[part] += g * patches[place]
        weight[part] += g
    assert total.max() <= 2**24
    return np.rint(total / weight)


@pytest.mark.parametrize("channels, size", [(1, 3), (3, 2)])
def test_votes_are_weighted_means_of_overlapping_patches(channels, size):
    picture = noise((6, 7, channels))
    where = np.random.default_rng(1).integers((7 - size) * (8 - size), size=(9 - size) * (6 - size))
    found = patch_search.votes(tf.constant(where, tf.int32), tf.constant(picture, tf.float32), size, 8, 5)
    np.testing.assert_array_equal(found, voted(where, picture, size, 8, 5))


def replaced(query, keys, values, size, alpha):
    """The paper's step: normalised scores, nearest neighbours, votes."""
    q, k = (rows(x - 128, size).reshape(-1, size**2 * x.shape[-1]) for x in (query, keys))
    d = np.sqrt(((q[:, None] - k) ** 2).sum(-1))
    score = d / (alpha + d.min(0))
    return voted(score.argmin(1), values, size, *query.shape[:2]).astype(int)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_what_a_plain_program_makes(channels):
    """In the layout of another picture, over four scales."""
    stored, other = noise((12, 13, channels), seed=1), noise((12, 13, channels), seed=2)
    model = remembering(stored, patch=3, coarsest=6, iterations=2)
    assert model.sizes == [(6, 6), (8, 8), (10, 10), (12, 13)]
    scales = [np.asarray(level).astype(int) for level in model.pyramid(tf.constant(stored, tf.float32))]
    y = np.rint(patch_search.shrunk(tf.constant(other, tf.float32), 6, 6)).astype(int)
    for n, values in enumerate(scales):
        keys = values
        if n:
            y, keys = (
                np.asarray(patch_search.enlarged(tf.constant(x, tf.float32), *model.sizes[n])).astype(int)
                for x in (y, scales[n - 1])
            )
        for _ in range(2):
            y, keys = replaced(y, keys, values, 3, model.alpha), values
    got = np.rint(model.translate((other / 255)[None].astype("float32"))[0] * 255)
    np.testing.assert_array_equal(got, y)


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before, after", [(64, 48), (64, 15), (13, 12), (9, 9)])
def test_shrinking_is_exact_and_keeps_what_is_even(before, after):
    matrix = patch_search.shrinking(before, after)
    assert matrix.shape == (after, before) and matrix.min() >= 0 and (matrix.sum(1) == 256).all()
    ramp = matrix @ np.arange(before) / 256
    np.testing.assert_allclose(np.diff(ramp)[2:-2], before / after, atol=0.25)
    level = noise((before, before, 1))
    found = patch_search.shrunk(tf.constant(level, tf.float32), after, after)[..., 0]
    np.testing.assert_array_equal(found, matrix.astype(int) @ level[..., 0] @ matrix.astype(int).T / 2**16)


def test_enlarging_follows_the_lines_between_pixels():
    """As Keras resizes, but for rounding to 64ths of a pixel and to levels."""
    level = noise((9, 7, 3)).astype("float32")
    found = patch_search.enlarged(tf.constant(level), 12, 14)
    expected = tf.image.resize(level, (12, 14), "bilinear")
    assert np.abs(found - expected).max() < 256 / 32 and set(np.unique(found - np.rint(found))) == {0}
    np.testing.assert_array_equal(patch_search.enlarged(tf.constant(level), 9, 7), level)


def test_scales_go_down_to_the_coarsest():
    assert sizes.scales((48, 48), 4 / 3, 14) == [(14, 14), (19, 19), (26, 26), (35, 35), (48, 48)]
    assert sizes.scales((10, 30), 4 / 3, 14) == [(10, 30)]
    for size in ((188, 250), (64, 48), (300, 77)):
        found = sizes.scales(size, 4 / 3, 25)
        steps = len(found) - 1
        assert found[-1] == size and min(found[0]) == 25
        off = [abs((min(size) / 25) ** (1 / n) - 4 / 3) for n in (steps, steps - 1, steps + 1) if n]
        assert off[0] == min(off)


def test_any_size_can_be_made():
    model = remembering(noise((12, 12, 1)), patch=3, coarsest=6, iterations=1)
    for height, width in ((3, 48), (24, 12), (13, 7)):
        x = model.sample(2, seed=3, height=height, width=width)
        assert x.shape == (2, height, width, 1) and np.abs(x[0] - x[1]).max() > 0
    np.testing.assert_array_equal(model.sample(1, seed=3), model.sample(1, seed=3, height=12, width=12))


# --- what the paper says ----------------------------------------------------------------------------------------------


def test_without_noise_the_picture_comes_back_exactly():
    picture = brick()
    model = remembering(picture, noise=0.0, iterations=1)
    np.testing.assert_array_equal(np.rint(model.sample(1, seed=7)[0] * 255), picture)
    np.testing.assert_array_equal(np.rint(model.translate(picture[None] / 255)[0] * 255), picture)


def test_noise_is_nearly_normal_and_exact():
    model = kerasgen.build("gpnn", image_shape=(64, 64, 1), noise=1 / 255)
    drawn = model.drawn(7, tf.constant(0), tf.zeros((60, 50, 1))).numpy().ravel()
    assert abs(drawn.mean()) < 0.06 and drawn.std() == pytest.approx(1, abs=0.04) and np.abs(drawn).max() < 3.5
    assert np.abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.06
    wider = model.drawn(7, tf.constant(0), tf.zeros((60, 55, 1))).numpy()  # the same where both are
    np.testing.assert_array_equal(wider[:, :50].ravel(), drawn)


@pytest.mark.parametrize("contrast", [1.0, 0.2])
def test_alpha_is_a_distance_of_patches_of_values_from_0_to_1(contrast):
    """Euclidean, of whole patches: next to nothing at its default, so that contrast changes no choice."""
    first, second = (noise((9, 10, 1), seed) - 128 for seed in (3, 4))
    model = kerasgen.build("gpnn", patch=3, coarsest=6, image_shape=(12, 12, 1))
    assert model.alpha == pytest.approx(0.005 * 255)
    query, keys = (np.rint(contrast * x).astype("float32") for x in (first, second))
    where = patch_search.nearest(tf.constant(query), tf.constant(keys), 3, model.alpha)[0]
    q, k = (rows(x.astype(float), 3).reshape(-1, 9) / 255 for x in (query, keys))
    d = np.sqrt(((q[:, None] - k) ** 2).sum(-1))
    score = d / (0.005 + d.min(0))
    np.testing.assert_allclose(score[np.arange(len(q)), where], score.min(1), rtol=1e-6)  # ties apart


@pytest.fixture(scope="module")
def samples():
    """The shipped wall, and samples of it at the shipped alpha and with no normalisation at all."""
    model = kerasgen.load("gpnn_brick_quick")
    picture = np.asarray(model.memory)
    assert model.get_config()["alpha"] == 0.005  # the default
    plain = kerasgen.build("gpnn", **model.get_config() | {"alpha": 1e6})
    plain.memory.assign(picture)
    return picture, model.sample(2, seed=7), plain.sample(1, seed=7)


def test_samples_are_new_and_made_of_the_pictures_patches(samples):
    picture, made, _ = samples
    assert texture.coherence(made, picture) < 0.05 and texture.novelty(made, picture) > 0.5


def test_the_default_alpha_uses_all_of_the_picture(samples):
    picture, made, plain = samples
    assert texture.completeness(made, picture) < 0.6 * texture.completeness(plain, picture)


def test_holes_are_filled_and_nothing_else_changes():
    picture = (brick() / 255)[None].astype("float32")
    model = remembering(brick(), iterations=2, alpha=1.0)
    mask = np.zeros((1, 32, 32, 1), "float32")
    mask[:, 10:19, 12:20] = 1
    completed = model.complete(picture * (1 - mask), mask, seed=3)
    np.testing.assert_array_equal(completed[mask == 0], picture[mask == 0])
    wrong = np.mean((completed - picture)[mask == 1] ** 2)
    flat = np.mean((picture.mean() - picture)[mask == 1] ** 2)
    assert wrong < flat and texture.distance(completed[0], picture[0]) < 1e-3


def test_bad_arguments_get_one_line():
    for arguments, line in {
        (("patch", 15),): "patch: expected at most 14, the coarsest scale, got 15",
        (("image_shape", (32, 32, 3)), ("patch", 10)): "patch: expected at most 9 for 3 channels, got 10",
    }.items():
        with pytest.raises(ValueError) as error:
            kerasgen.build("gpnn", **dict(arguments))
        assert str(error.value) == line
