"""Pictures that are described by texts or layouts: the data, and how models get them."""

import numpy as np
import pytest

from kerasgen import data as kdata
from kerasgen.data import described
from kerasgen.runtime import BATCH, Port, bind, to_text

WORDS = [("thin", "bold"), ("upright", "slanted"), ("small", "large"), described.NAMES]


def test_captions_say_what_is_seen():
    data, digits = kdata.load("captioned_digits"), kdata.load("digits")
    middle = np.median(described.traits(digits.arrays("train")[0]), axis=0)
    for split in data.splits:
        (x, text), (same, label) = data.arrays(split), digits.arrays(split)
        np.testing.assert_array_equal(x, same)
        traits = described.traits(x) > middle
        for row, told, digit in zip(to_text(text), traits, label, strict=True):
            article, *words = row.split()
            assert article == "a" and words == [w[int(i)] for w, i in zip(WORDS, [*told, digit], strict=True)]


def test_traits_are_those_of_strokes():
    """An upright bar, one that leans to the right, a thick one and a short one."""
    x = np.zeros((4, 8, 8, 1))
    x[0, 1:7, 3] = 1
    x[1, [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]] = 1
    x[2, 1:7, 3:5] = 1
    x[3, 3:5, 3] = 1
    ink, slant, size = described.traits(x).T
    assert slant[0] == slant[2] == 0 and slant[1] == pytest.approx(1)
    assert ink[2] == 2 * ink[0] and size[3] < size[0] < size[1]


def test_scenes_hold_the_digits_that_layouts_tell_of():
    data = kdata.load("digit_scenes")
    x, layout = data.arrays("test")
    assert x.shape[1:] == (24, 24, 1) and layout.shape[1:] == (3, 5)
    there = layout[..., 0] >= 0
    assert set(there.sum(1)) == {1, 2, 3} and set(np.unique(layout[there][:, 0])) == set(range(10))
    boxes = np.rint(layout[..., 1:] * 24).astype(int)
    np.testing.assert_allclose(boxes / 24, layout[..., 1:], atol=1e-6)
    for scene, rows, seen in zip(x[:100], boxes, there, strict=False):
        covered = np.zeros((24, 24), bool)
        for left, top, width, height in rows[seen]:
            assert scene[top : top + height, left : left + width].max() > 0.5  # there is ink in every box
            covered[top : top + height, left : left + width] = True
        assert scene[~covered].max(initial=0) == 0  # and none beside them


@pytest.mark.parametrize("name", ["captioned_digits", "digit_scenes"])
def test_descriptions_to_begin_with(name):
    data = kdata.load(name)
    given = data.descriptions
    assert len(given) == 36 and len({str(one) for one in given}) == 36
    assert kdata.load("digits").descriptions == []
    x, y = next(iter(data.train))
    assert len(x) == len(y) == 64 and y.dtype == ("int32" if name == "captioned_digits" else "float32")


def test_one_layout_stands_for_all_rows():
    count, layout = (
        Port("count", (), "int32", "how many", 0),
        Port("layout", (BATCH, 3, 5), "float32", "boxes", -1),
    )
    one = np.arange(15.0).reshape(3, 5)
    given = bind("sample", (count, layout), (4,), {"layout": one})["layout"]
    assert given.shape == (4, 3, 5) and (given == one).all()
    with pytest.raises(ValueError, match="layout: expected"):
        bind("sample", (count, layout), (4,), {"layout": np.zeros(5)})
