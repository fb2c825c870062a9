"""Augmentation: what each change does to a picture, exactly, and that gradients pass."""

import numpy as np
import pytest
import tensorflow as tf

from kerasgen.objectives import augment

X = np.random.default_rng(0).uniform(0.1, 1.0, (64, 8, 16, 3)).astype("float32")  # nothing is zero


def changed(name, x=X):
    return augment.apply(tf.constant(x), (name,), 7, 0, tf.range(len(x))).numpy()


def test_translation_moves_whole_pixels_and_loses_only_what_leaves():
    seen = set()
    for before, after in zip(X, changed("translation"), strict=True):
        kept = np.argwhere(after[..., 0] != 0)
        (top, left), (bottom, right) = kept.min(0), kept.max(0) + 1
        dy, dx = (top if top else bottom - 8), (left if left else right - 16)
        seen.add((dy, dx))
        source = before[max(-dy, 0) : 8 - max(dy, 0), max(-dx, 0) : 16 - max(dx, 0)]
        np.testing.assert_array_equal(after[top:bottom, left:right], source)
        assert np.count_nonzero(after) == source.size
    assert {dy for dy, _ in seen} == {-1, 0, 1} and {dx for _, dx in seen} == {-2, -1, 0, 1, 2}


def test_cutout_takes_half_of_each_side_and_nothing_else():
    holes = (changed("cutout") == 0).all(-1)
    np.testing.assert_array_equal(changed("cutout")[~holes], X[~holes])
    areas = holes.sum((1, 2))
    assert areas.max() == 4 * 8 and areas.min() < 4 * 8  # less where it meets the edge
    middle = holes[:, 3:5, 7:9].any((1, 2))
    inner = holes.any(2)[:, [0, -1]].any(1) | holes.any(1)[:, [0, -1]].any(1)
    assert (areas[middle & ~inner] == 32).all() and (middle & ~inner).any()


def test_color_keeps_the_differences_between_pixels_up_to_a_factor():
    grey = np.repeat(X.mean(-1, keepdims=True), 3, -1)
    after = changed("color", grey)
    slope = np.array([np.polyfit(a.ravel(), b.ravel(), 1)[0] for a, b in zip(grey, after, strict=True)])
    assert 0.5 <= slope.min() < 0.6 and 1.4 < slope.max() <= 1.5  # contrast
    shift = after.mean((1, 2, 3)) - grey.mean((1, 2, 3))
    assert -0.5 <= shift.min() < -0.4 and 0.4 < shift.max() <= 0.5  # brightness
    np.testing.assert_allclose(np.ptp(after, -1), 0, atol=1e-5)  # grey stays grey


@pytest.mark.parametrize("name", augment.NAMES)
def test_gradients_pass_and_examples_do_not_see_each_other(name):
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        first = tf.reduce_sum(augment.apply(x, (name,), 7, 0, tf.range(64))[0] ** 2)
    gradient = np.abs(tape.gradient(first, x).numpy())
    assert np.isfinite(gradient).all() and gradient[0].max() > 0 and gradient[1:].max() == 0
    np.testing.assert_array_equal(changed(name)[5], augment.apply(x[5:6], (name,), 7, 0, tf.constant([5]))[0])


def test_a_wrong_name_gets_one_line():
    with pytest.raises(ValueError) as error:
        augment.apply(tf.constant(X), ("flip",), 7, 0, tf.range(64))
    assert str(error.value) == "augmentations: expected some of color, translation, cutout, got 'flip'"
