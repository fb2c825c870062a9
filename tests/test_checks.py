"""Each bad input gives one line that names the argument, what was expected and what arrived."""

import re
import warnings

import numpy as np
import pytest

import kerasgen
from kerasgen.data.checks import check_batch_size, check_dataset, check_examples, check_labels

SHAPE = (8, 8, 1)
ONES = np.full((5, *SHAPE), 0.5) * np.linspace(0.1, 1, 5)[:, None, None, None]


def spoilt(value, at=(3, 0, 1, 0)):
    x = ONES.copy()
    x[at] = value
    return x


def zeros(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


BAD_EXAMPLES = {
    "none": (None, SHAPE, "x: expected numbers of shape (N, 8, 8, 1), got None"),
    "channels first": (
        zeros(5, 1, 8, 8),
        SHAPE,
        "x: expected shape (N, 8, 8, 1), got (5, 1, 8, 8); the channel axis is last",
    ),
    "channels first, RGB": (
        zeros(5, 3, 8, 6),
        (8, 6, 3),
        "x: expected shape (N, 8, 6, 3), got (5, 3, 8, 6); the channel axis is last",
    ),
    "width first": (
        zeros(5, 6, 8, 3),
        (8, 6, 3),
        "x: expected shape (N, 8, 6, 3), got (5, 6, 8, 3); height comes before width",
    ),
    "no batch axis": (
        zeros(8, 8, 1),
        SHAPE,
        "x: expected shape (N, 8, 8, 1), got (8, 8, 1); add a batch axis: x[None]",
    ),
    "no channel axis": (
        zeros(5, 8, 8),
        SHAPE,
        "x: expected shape (N, 8, 8, 1), got (5, 8, 8); add a channel axis: x[..., None]",
    ),
    "flat": (
        zeros(5, 64),
        SHAPE,
        "x: expected shape (N, 8, 8, 1), got (5, 64); reshape it: x.reshape(-1, 8, 8, 1)",
    ),
    "alpha channel": (
        zeros(5, 8, 8, 4),
        (8, 8, 3),
        "x: expected shape (N, 8, 8, 3), got (5, 8, 8, 4); 3 channels wanted",
    ),
    "RGB to a grey model": (
        zeros(5, 8, 8, 3),
        SHAPE,
        "x: expected shape (N, 8, 8, 1), got (5, 8, 8, 3); 1 channel wanted",
    ),
    "another size": (zeros(5, 28, 28, 1), SHAPE, "x: expected shape (N, 8, 8, 1), got (5, 28, 28, 1)"),
    "another width of vectors": (zeros(5, 3), (2,), "x: expected shape (N, 2), got (5, 3)"),
    "a number": (0.5, SHAPE, "x: expected shape (N, 8, 8, 1), got ()"),
    "free size": (
        zeros(5, 9, 9, 1),
        (None, None, 3),
        "x: expected shape (N, any, any, 3), got (5, 9, 9, 1); 3 channels wanted",
    ),
    "ragged": (
        [[1.0], [1.0, 2.0]],
        (2,),
        "x: expected numbers of shape (N, 2), got a ragged or foreign list",
    ),
    "empty": (zeros(0, 8, 8, 1), SHAPE, "x: expected at least one example, got shape (0, 8, 8, 1)"),
    "uint8": (
        zeros(5, 8, 8, 1, dtype="uint8") + np.uint8(200),
        SHAPE,
        "x: expected floats in [0, 1], got uint8 up to 200; use x / 255",
    ),
    "bool": (
        zeros(5, 8, 8, 1, dtype="bool"),
        SHAPE,
        "x: expected real numbers of shape (N, 8, 8, 1), got dtype bool; use x.astype('float32')",
    ),
    "strings": (
        np.array(["a", "b"]),
        SHAPE,
        "x: expected real numbers of shape (N, 8, 8, 1), got dtype <U1",
    ),
    "objects": (
        np.array([object()]),
        SHAPE,
        "x: expected real numbers of shape (N, 8, 8, 1), got dtype object",
    ),
    "complex": (
        zeros(5, 8, 8, 1, dtype="complex64"),
        SHAPE,
        "x: expected real numbers of shape (N, 8, 8, 1), got dtype complex64",
    ),
    "NaN": (
        spoilt(np.nan),
        SHAPE,
        "x: expected finite values, got nan at (3, 0, 1, 0) (1 of 320 are not finite)",
    ),
    "infinity": (
        spoilt(-np.inf, at=(2, 7)),
        SHAPE,
        "x: expected finite values, got -inf at (2, 7, 0, 0) (8 of 320 are not finite)",
    ),
    "0..255": (
        ONES * 510,
        SHAPE,
        "x: expected values in [0, 1], got 25.5 to 255 (first at (0, 0, 0, 0)); from 0..255 use x / 255",
    ),
    "[-1, 1]": (
        spoilt(-1),
        SHAPE,
        "x: expected values in [0, 1], got -1 to 0.5 (first at (3, 0, 1, 0)); from [-1, 1] use (x + 1) / 2",
    ),
    "grey levels": (
        np.arange(64).reshape(1, *SHAPE) % 17,
        SHAPE,
        "x: expected values in [0, 1], got 0 to 16 (first at (0, 0, 2, 0)); from grey levels use x / (levels - 1)",
    ),
    "a little over": (
        spoilt(1.01),
        SHAPE,
        "x: expected values in [0, 1], got 0.05 to 1.01 (first at (3, 0, 1, 0))",
    ),
}

BAD_LABELS = {
    "missing": (None, 10, 3, "label: expected class numbers in [0, 10), got None"),
    "not wanted": ([0, 1, 2], 0, 3, "label: expected none (there are no classes), got list"),
    "negative": ([0, -1, 2], 10, 3, "label: expected class numbers in [0, 10), got -1 at index 1"),
    "too large": ([0, 1, 10], 10, 3, "label: expected class numbers in [0, 10), got 10 at index 2"),
    "one for all, too large": (10, 10, 3, "label: expected class numbers in [0, 10), got 10 at index 0"),
    "too few": ([0, 1], 10, 3, "label: expected one for each of 3 examples, got 2"),
    "too many": ([0, 1, 2, 3], 10, 3, "label: expected one for each of 3 examples, got 4"),
    "one-hot": (
        np.eye(10)[:3],
        10,
        3,
        "label: expected class numbers in [0, 10), got one-hot (3, 10); use label.argmax(-1)",
    ),
    "two columns": (np.zeros((3, 2), int), 10, 3, "label: expected shape (N,), got (3, 2)"),
    "broken": ([0.0, 1.5, 2.0], 10, 3, "label: expected class numbers in [0, 10), got dtype float64"),
    "words": (
        ["cat", "dog", "cat"],
        10,
        3,
        "label: expected class numbers in [0, 10), got dtype <U3; kerasgen.data.load((x, label)) numbers words",
    ),
    "words and numbers": (
        np.array(["cat", 1.0], object),
        10,
        2,
        "label: expected class numbers in [0, 10), got words and 1.0 at (1,)",
    ),
    "ragged": (
        [[0], [1, 2]],
        10,
        2,
        "label: expected class numbers in [0, 10), got a ragged or foreign list",
    ),
}


def fails(call, text):
    """The error is a plain TypeError or ValueError and its one line is the text."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert type(caught.value) in (TypeError, ValueError)
    assert str(caught.value) == text


@pytest.mark.parametrize("x, shape, text", BAD_EXAMPLES.values(), ids=BAD_EXAMPLES)
def test_bad_examples(x, shape, text):
    fails(lambda: check_examples(x, shape, 0, 1), text)


@pytest.mark.parametrize("label, num_classes, count, text", BAD_LABELS.values(), ids=BAD_LABELS)
def test_bad_labels(label, num_classes, count, text):
    fails(lambda: check_labels(label, num_classes, count), text)


@pytest.mark.parametrize("label", [[[2], [0], [1]], [2.0, 0.0, 1.0], np.array([2, 0, 1], object)])
def test_harmless_labels_become_int32(label):
    checked = check_labels(label, 3, 3)
    assert checked.dtype == np.int32 and checked.tolist() == [2, 0, 1]
    assert check_labels([True, False], 2).tolist() == [1, 0]


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64"])
def test_harmless_types_become_float32(dtype):
    x = np.array([[0, 1], [1, 1]], dtype)
    checked = check_examples(x, (2,), 0, 1)
    assert checked.dtype == np.float32 and (checked == x).all()


def test_bounds_of_centred_models():
    fails(
        lambda: check_examples(ONES * 400, SHAPE, -1, 1),
        "x: expected values in [-1, 1], got 20 to 200 (first at (0, 0, 0, 0)); from 0..255 use x / 127.5 - 1",
    )
    check_examples(ONES * 400, SHAPE)  # without bounds anything finite passes
    check_examples(zeros(2, 8, 8, 1, dtype="uint8") + np.arange(2, dtype="uint8")[:, None, None, None], SHAPE, 0, 1)


def test_slack_admits_dequantised_levels():
    x = spoilt(16.999 / 16)
    assert check_examples(x, SHAPE, 0, 1, slack=1 / 16).max() > 1
    fails(
        lambda: check_examples(spoilt(1.07), SHAPE, 0, 1, "picture", slack=1 / 16),
        "picture: expected values in [0, 1.0625], got 0.05 to 1.07 (first at (3, 0, 1, 0))",
    )


def test_float32_rounding_is_not_an_error():
    check_examples(spoilt(np.nextafter(np.float32(1), np.float32(2))), SHAPE, 0, 1)


def test_equal_examples_are_warned_about():
    with pytest.warns(UserWarning, match=re.escape("x: all 3 examples are equal")):
        check_examples(zeros(3, 2), (2,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_examples(zeros(1, 2), (2,))


def test_good_labels():
    assert check_labels([0, 9, 3], 10, 3).dtype == np.int32
    assert check_labels(7, 10, 3).tolist() == [7, 7, 7]
    assert check_labels(np.array([1, 2], "uint8"), 10).tolist() == [1, 2]


def test_datasets():
    tf = pytest.importorskip("tensorflow")
    slices = tf.data.Dataset.from_tensor_slices
    x, label = ONES.astype("float32"), np.array([0, 1, 2, 3, 11])
    check_dataset(slices(x).batch(2), SHAPE, 0, 1)
    check_dataset(slices((x, label)).batch(2), SHAPE, 0, 1, num_classes=10)
    check_dataset(slices((x, label)).batch(5), SHAPE, 0, 1)  # labels that nobody asked for are not looked at
    table = [
        (slices(x), 0, "x: expected shape (N, 8, 8, 1), got (8, 8, 1); batch it: dataset.batch(64)"),
        (slices(x * 255).batch(2), 0, None),
        (slices(x).batch(2), 10, "label: expected batches of (x, label) for 10 classes, got x alone"),
        (slices((x, label)).batch(5), 10, "label: expected class numbers in [0, 10), got 11 at index 4"),
        (slices({"picture": x}).batch(2), 0, "x: expected batches of x or (x, label), got keys ['picture']; "
         "use dataset.map to choose"),
        (slices((x, label, label)).batch(2), 0, "x: expected batches of x or (x, label), got 3 parts; "
         "use dataset.map to choose"),
        (slices(x).take(0).batch(2), 0, "x: expected at least one batch, got an empty dataset"),
        (slices(x.transpose(0, 3, 1, 2)).batch(2), 0,
         "x: expected shape (N, 8, 8, 1), got (any, 1, 8, 8); the channel axis is last"),
    ]  # fmt: skip
    for dataset, num_classes, text in table:
        if text is None:
            with pytest.raises(ValueError, match="from 0..255 use x / 255"):
                check_dataset(dataset, SHAPE, 0, 1, num_classes)
        else:
            fails(lambda d=dataset, n=num_classes: check_dataset(d, SHAPE, 0, 1, n), text)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ((64, 5), "batch_size: expected at most 5 (the number of examples), got 64"),
        ((0,), "batch_size: expected at least 1, got 0"),
        ((2.5,), "batch_size: expected an integer, got 2.5"),
        ((True,), "batch_size: expected an integer, got True"),
        ((None,), "batch_size: expected an integer, got None"),
    ],
)
def test_batch_sizes(arguments, text):
    fails(lambda: check_batch_size(*arguments), text)


@pytest.mark.parametrize(
    "system, arguments, line",
    [
        (
            "gaussian",
            {"levels": 256},
            "levels: expected 17, that of digits, got 256; build the model with levels=17",
        ),
        (
            "gaussian",
            {"image_shape": (8, 8, 3)},
            "image_shape: expected (8, 8, 1), that of digits, got (8, 8, 3); "
            "build the model with image_shape=(8, 8, 1)",
        ),
        (
            "pixel_cnn",
            {"levels": 17, "num_classes": 12, "width": 3, "depth": 1, "hidden": 3},
            "num_classes: expected 10, that of digits, got 12; build the model with num_classes=10",
        ),
    ],
)
def test_fit_compares_what_our_data_and_a_model_state(system, arguments, line):
    model = kerasgen.build(system, **{"image_shape": (8, 8, 1), **arguments})
    model.compile()
    with pytest.raises(ValueError, match="^" + re.escape(line) + "$"):
        model.fit(kerasgen.data.load("digits").train, verbose=0)
