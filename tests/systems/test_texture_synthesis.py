"""Grown pictures are what a plain program in whole numbers grows, and textures come out as the window allows."""

import keras
import numpy as np
import pytest

import kerasgen
from kerasgen.core import random
from kerasgen.metrics import texture
from kerasgen.models.single_image import texture_synthesis as module

TINY = dict(image_shape=(8, 8, 1), window=3, levels=17)


def remembering(picture, **arguments):
    """A model of a picture of levels (H, W, C)."""
    picture = np.asarray(picture)
    levels = max(2, int(picture.max()) + 1)
    model = kerasgen.build("texture_synthesis", image_shape=picture.shape, levels=levels, **arguments)
    model.memory.assign(picture / (levels - 1))
    return model


def sampled(model, count=1, size=24, seed=7):
    return np.rint(model.sample(count, seed=seed, height=size, width=size) * (model.levels - 1)).astype(int)


def checkerboard(size=24, cell=3):
    rows = np.arange(size) // cell
    return ((rows[:, None] + rows) % 2)[..., None]


def stripes(size=24, period=6):
    rows = np.arange(size)
    return ((rows[:, None] + rows) % period < period // 2).astype(int)[..., None]


def noise(shape, levels, seed=0):
    return np.random.default_rng(seed).integers(levels, size=shape)


def found(samples, picture, size=3):
    """Share of the samples' patches that are patches of the picture."""
    known = {row.tobytes() for row in texture.patches(picture, size)}
    rows = np.concatenate([texture.patches(x, size) for x in samples])
    return np.mean([row.tobytes() in known for row in rows])


# --- one by one -------------------------------------------------------------------------------------------------------


def grown(picture, level, known, model, index, seed):
    """The paper's loop in whole numbers, a window at a time."""
    half, (height, width) = model.window // 2, known.shape
    g = module.weights(model.window, picture.shape[-1])[..., 0].astype(int)
    compare = (lambda x: x * 64 // model.levels) if model.levels > 64 else (lambda x: x)
    windows = np.lib.stride_tricks.sliding_window_view(compare(picture), (model.window,) * 2, (0, 1))
    windows = np.moveaxis(windows, 2, -1).reshape(-1, model.window, model.window, picture.shape[-1])
    middles = picture[half : picture.shape[0] - half, half : picture.shape[1] - half].reshape(len(windows), -1)
    level, known = level.copy(), known.astype(int)
    for i in range(int((1 - known).sum())):
        around = np.pad(known, half)
        counts = np.array(
            [[around[r : r + model.window, c : c + model.window].sum() for c in range(width)] for r in range(height)]
        )
        row, column = np.unravel_index(np.argmax(np.where(known, -1, counts)), known.shape)
        part = np.s_[row : row + model.window, column : column + model.window]
        weight = (g * around[part])[..., None]
        mine = compare(np.pad(level, ((half, half), (half, half), (0, 0)))[part])
        d = (weight * (windows - mine) ** 2).sum((1, 2, 3))
        candidates = np.flatnonzero(d <= np.float32(1 + model.slack) * np.float32(d.min()))
        u = float(random.uniform(seed, random.NOISE + i, [index], ()).numpy()[0])
        level[row, column] = middles[candidates[min(int(u * len(candidates)), len(candidates) - 1)]]
        known[row, column] = 1
    return level


@pytest.mark.parametrize("shape, levels, window", [((9, 8, 1), 17, 5), ((7, 9, 3), 256, 3)], ids=["grey", "colour"])
def test_samples_are_those_of_a_program_in_whole_numbers(shape, levels, window):
    picture = noise(shape, levels)
    picture.flat[0] = levels - 1
    model = remembering(picture, window=window)
    for index in (0, 1):
        choices = (shape[0] - 2) * (shape[1] - 2)
        row, column = divmod(int(random.integers(7, random.LATENT, [index], (), choices)[0]), shape[1] - 2)
        level, known = np.zeros((6, 7, shape[2]), int), np.zeros((6, 7), int)
        level[1:4, 2:5], known[1:4, 2:5] = picture[row : row + 3, column : column + 3], 1
        expected = grown(picture, level, known, model, index, 7)
        got = np.rint(model.sample(2, seed=7, height=6, width=7)[index] * (levels - 1)).astype(int)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("window", [3, 11, 23])
def test_distances_stay_exact_in_float32(window, channels):
    """Even between the two most different patches there are."""
    weight = module.weights(window, channels).astype(int)
    assert weight.min() >= 0 and weight.max() > 0 and weight.sum() * channels * 64**2 <= 2**24
    g = np.exp(-0.5 * ((np.arange(window) - window // 2) / (window / 6.4)) ** 2)
    np.testing.assert_allclose(weight[..., 0] / weight.sum(), np.outer(g, g) / g.sum() ** 2, atol=0.01)


def test_a_choice_is_uniform_among_the_best():
    best = np.array([[1, 0], [0, 1], [1, 0], [1, 0]], bool)
    u = np.linspace(0, 1, 999, endpoint=False, dtype="float32")
    chosen = module.pick(np.repeat(best[:, :1], 999, 1), u).numpy()
    np.testing.assert_array_equal(chosen, np.repeat([0, 2, 3], 333))
    np.testing.assert_array_equal(module.pick(best, np.array([0.99999994, 0.99999994], "float32")), [3, 1])


# --- textures ---------------------------------------------------------------------------------------------------------


def test_only_values_of_the_picture_appear():
    picture = noise((12, 12, 3), 4) * 5
    samples = sampled(remembering(picture, window=5), 2, 12)
    values = {tuple(value) for value in picture.reshape(-1, 3)}
    assert {tuple(value) for value in samples.reshape(-1, 3)} <= values


@pytest.mark.parametrize("window, least, most", [(3, 0.1, 0.9), (7, 1.0, 1.0), (9, 1.0, 1.0)])
def test_a_window_must_be_larger_than_the_texture(window, least, most):
    """A checkerboard of 3x3 cells."""
    picture = checkerboard()
    assert least <= found(sampled(remembering(picture, window=window), 3), picture) <= most


@pytest.mark.parametrize("window", [5, 7])
def test_stripes_need_no_large_window(window):
    picture = stripes()
    assert found(sampled(remembering(picture, window=window), 2), picture) == 1.0


def test_holes_are_filled_and_nothing_else_changes():
    picture = checkerboard()
    model = remembering(picture, window=7)
    mask = np.zeros((2, 24, 24, 1), "float32")
    mask[0, 8:15, 9:17], mask[1, 2:5] = 1, 1
    completed = model.complete(np.stack([picture, picture]) * (1 - mask), mask, seed=3)
    np.testing.assert_array_equal(completed, [picture, picture])
    other = np.random.default_rng(0).uniform(size=(1, 24, 24, 1)).astype("float32")
    kept = model.complete(other, mask[:1], seed=3)
    np.testing.assert_array_equal(kept[mask[:1] == 0], other[mask[:1] == 0])
    assert set(np.unique(kept[mask[:1] == 1])) <= {0, 1}


def test_sizes_are_free_and_do_not_move_what_is_drawn():
    model = remembering(noise((8, 8, 1), 17), window=3)
    assert model.sample(2, seed=1, height=3, width=19).shape == (2, 3, 19, 1)
    assert model.sample(0, height=5).shape == (0, 5, 8, 1)
    np.testing.assert_array_equal(model.sample(2, seed=1), model.sample(2, seed=1, height=8, width=8))
    with pytest.raises(ValueError, match="height: expected a whole number from 3 to 32, got 33"):
        model.sample(1, height=33)


# --- the memory -------------------------------------------------------------------------------------------------------


def test_one_step_remembers_the_picture_and_more_steps_keep_it():
    data = kerasgen.data.load("brick", image_shape=(16, 16, 1))
    keras.utils.set_random_seed(0)
    model = kerasgen.build("texture_synthesis", image_shape=(16, 16, 1))
    model.compile()
    for _ in range(3):
        model.fit(data.train, epochs=1, verbose=0)
        np.testing.assert_array_equal(model.stored(), np.rint(data.arrays("train")[0][0] * 255))


def test_of_several_pictures_it_remembers_the_mean():
    x = noise((4, 8, 8, 1), 17) / 16
    model = kerasgen.build("texture_synthesis", image_shape=(8, 8, 1), window=3, levels=17)
    model.compile()
    model.fit(x.astype("float32"), batch_size=4, verbose=0)
    np.testing.assert_allclose(model.memory, x.mean(0), atol=1e-6)


def test_energy_is_the_distance_to_the_nearest_patches():
    picture, other = noise((9, 9, 1), 17, 1), noise((7, 9, 9, 1), 17, 2)
    picture[0, 0] = 16
    model = remembering(picture, window=3)
    expected = [texture.distance(x / 16, picture / 16, 3) for x in other]
    np.testing.assert_allclose(model.energy((other / 16).astype("float32")), expected, rtol=1e-5)
    assert model.energy((picture / 16).astype("float32")[None]) == 0


def test_half_precision_remembers_every_level():
    levels = np.arange(256).reshape(16, 16, 1)
    model = remembering(levels)
    model.memory.assign((levels / 255).astype("float16"))
    np.testing.assert_array_equal(model.stored(), levels)


def test_bad_arguments_get_one_line():
    for arguments, line in {
        (("window", 4),): "window: expected an odd number of at least 3, got 4",
        (
            ("image_shape", (6, 9, 1)),
            ("window", 7),
        ): "image_shape: expected sides of at least 7, a patch, got (6, 9, 1)",
    }.items():
        with pytest.raises(ValueError) as error:
            kerasgen.build("texture_synthesis", **dict(arguments))
        assert str(error.value) == line


def test_the_preset_makes_bricks():
    """Patches of samples are those of the picture, nearly: half of the wall is farther from the other half."""
    model = kerasgen.load("texture_synthesis_brick_quick")
    picture = kerasgen.data.load("brick", image_shape=model.image_shape).arrays("test")[0][0]
    samples = model.sample(2, seed=7, height=40, width=40)
    halves = np.mean([texture.coherence(one[None], other) for one, other in texture.halves(picture)])
    assert texture.coherence(samples, picture) < 0.05 < halves
