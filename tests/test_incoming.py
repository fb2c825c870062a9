"""Data of any making reach `fit` as arrays would, and every batch is looked at before a model learns from it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import TINY

import kerasgen
from kerasgen import data as kdata
from kerasgen.callbacks import Resume
from kerasgen.core.model import GenerativeModel

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((24, 2)).astype("float32")
LABEL = np.arange(24) % 3


class Means(GenerativeModel):
    """The mean of every class."""

    kinds = ("vector",)

    def __init__(self, num_classes=3, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.num_classes = (2,), num_classes
        self.means = self.add_weight(shape=(max(num_classes, 1), 2), initializer="zeros", name="means")

    def optimizers(self):
        return {"optimizer": keras.optimizers.SGD(0.5)}

    def losses(self, batch, training):
        mean = tf.gather(self.means, batch.label) if self.num_classes else self.means
        return {"loss": tf.reduce_mean((batch.x - mean) ** 2)}

    def train_step(self, data):
        batch = self.batch(data)
        return self.report(batch, self.descend(batch, "", lambda: self.losses(batch, True)))


class Bounded(Means):
    """The same, of values in [0, 1]."""

    def port(self, name, function=""):
        port = super().port(name, function)
        return dataclasses.replace(port, minimum=0.0, maximum=1.0) if name == "x" else port


def model(num_classes=3, cls=Means):
    made = cls(num_classes)
    made.compile(run_eagerly=True)
    return made


def batches(x=X, label=LABEL, size=4):
    for i in range(0, len(x), size):
        yield (x[i : i + size],) if label is None else (x[i : i + size], label[i : i + size])


class Sequence(keras.utils.PyDataset):
    def __init__(self, label=LABEL, x=X, **kwargs):
        super().__init__(**kwargs)
        self.batches = list(batches(x, label))

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        return self.batches[i] if len(self.batches[i]) > 1 else self.batches[i][0]


class Loader:
    """Batches as lists, over and over, as torch's DataLoader gives them."""

    def __init__(self, label=LABEL, x=X):
        self.parts = x, label

    def __len__(self):
        return 6

    def __iter__(self):
        return map(list, batches(*self.parts))


def unknown(label=LABEL, x=X):
    """A dataset that knows no shape of its batches."""

    def read(i):
        got = tf.numpy_function(lambda i: (x[i], LABEL[i]), [i], [tf.float32, tf.int64])
        return tuple(got) if label is not None else got[0]

    return tf.data.Dataset.range(24).batch(4).map(read)


GIVEN = {  # batches by the label that they have
    "generator": lambda label, x=X: batches(x, label),
    "PyDataset": Sequence,
    "loader": Loader,
    "unknown shapes": unknown,
}


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("num_classes", [0, 3])
def test_batches_of_any_making_are_learned_as_arrays_are(kind, num_classes):
    label = LABEL if num_classes else None
    expected, found = model(num_classes), model(num_classes)
    expected.fit(X, label, batch_size=4, shuffle=False, verbose=0)
    history = found.fit(GIVEN[kind](label), verbose=0).history
    np.testing.assert_array_equal(found.means, expected.means)
    assert int(found.clock) == 6 and history == {"loss": [pytest.approx(history["loss"][0])]}


@pytest.mark.parametrize("kind", ["PyDataset", "loader", "unknown shapes"])
def test_batches_can_be_gone_through_again_and_validate(kind):
    expected, found = model(), model()
    first = expected.fit(X, LABEL, batch_size=4, shuffle=False, epochs=3, validation_data=(X, LABEL), verbose=0)
    second = found.fit(GIVEN[kind](LABEL), epochs=3, validation_data=GIVEN[kind](LABEL), verbose=0)
    np.testing.assert_array_equal(found.means, expected.means)
    assert second.history["val_loss"] == pytest.approx(first.history["val_loss"])
    figures = [m.evaluate(GIVEN[kind](LABEL), verbose=0, return_dict=True) for m in (expected, found)]
    assert figures[0] == figures[1] == pytest.approx({"loss": second.history["val_loss"][-1]})


def test_a_generator_without_end_takes_epochs_of_the_given_steps():
    def forever():
        while True:
            yield from batches()

    expected, found = model(), model()
    expected.fit(X, LABEL, batch_size=4, shuffle=False, epochs=2, verbose=0)
    found.fit(forever(), steps_per_epoch=4, epochs=3, verbose=0)
    np.testing.assert_array_equal(found.means, expected.means)


def test_data_and_pairs_are_taken_as_they_are():
    data = kdata.load((np.repeat(X, 10, 0), np.repeat(LABEL, 10)), batch_size=16)
    expected, found = model(), model()
    first = expected.fit(data.train, epochs=2, validation_data=data.validation, verbose=0).history
    second = found.fit(data, epochs=2, validation_data=data, verbose=0).history
    np.testing.assert_array_equal(found.means, expected.means)
    assert first == second
    assert found.evaluate(data, verbose=0) == found.evaluate(data.test, verbose=0)
    assert found.fit(data, batch_size=48, verbose=0) and int(found.clock) == 2 * 12 + 4
    pair, listed, apart = model(), model(), model()
    pair.fit((X, LABEL), batch_size=4, verbose=0)
    listed.fit([X, LABEL], batch_size=4, verbose=0)
    apart.fit(X, LABEL, batch_size=4, verbose=0)
    np.testing.assert_array_equal(pair.means, apart.means)
    np.testing.assert_array_equal(listed.means, apart.means)
    assert pair.evaluate((X, LABEL), verbose=0) == apart.evaluate(X, LABEL, verbose=0)


def test_a_model_that_adapts_sees_the_first_batch_of_a_generator_once_more():
    x = GENERATOR.normal(size=(24, 2)).astype("float32")
    found = []
    for given in (x, batches(x, None)):
        keras.utils.set_random_seed(0)
        gaussian = kerasgen.build("gaussian", image_shape=(2,))
        gaussian.compile()
        gaussian.fit(given, batch_size=4, shuffle=False, verbose=0)
        found.append([weight.numpy() for weight in gaussian.weights])
        assert int(gaussian.clock) == 6
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_an_epoch_of_unknown_length_has_as_many_steps_as_batches(steps_per_execution):
    found = model()
    found.compile(steps_per_execution=steps_per_execution)
    found.fit(unknown().repeat().take(6), epochs=1, verbose=0)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=unknown().element_spec)
    found.fit(dataset, epochs=2, verbose=0)
    assert int(found.clock) == 18


@pytest.mark.parametrize("system", ["vae", "dcgan"])
def test_pictures_of_unknown_shapes_are_learned(system):
    pictures = GENERATOR.random((64, 8, 8, 1)).astype("float32")
    read = lambda i: tf.numpy_function(lambda i: pictures[i], [i], tf.float32)
    built = kerasgen.build(system, **TINY[system])
    built.compile()
    history = built.fit(tf.data.Dataset.range(64).map(read).batch(16), verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values()) and int(built.clock) == 4


# ------------------------------------------------------------------------------------------------ what is refused


def spoilt(value, at=14):
    x = X.copy()
    x[at, 1] = value
    return x


LATER = {  # what is wrong with the fourth batch
    "range": (
        spoilt(255.0),
        LABEL,
        r"x: expected values in \[0, 1\], got 0.\d+ to 255 \(first at \(2, 1\)\)",
    ),
    "not finite": (
        spoilt(np.nan),
        LABEL,
        r"x: expected finite values, got nan at \(2, 1\) \(1 of 8 are not finite\)",
    ),
    "label": (
        X,
        np.where(np.arange(24) == 14, 3, LABEL),
        r"label: expected class numbers in \[0, 3\), got 3 at index 2",
    ),
}


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("kind", ["generator", "loader", "PyDataset", "dataset"])
@pytest.mark.parametrize("what", LATER)
def test_a_later_batch_is_refused_before_it_is_learned(what, kind, eager):
    x, label, line = LATER[what]
    dataset = lambda label, x: tf.data.Dataset.from_tensor_slices((x, label)).batch(4)
    make, found = {**GIVEN, "dataset": dataset}[kind], model(cls=Bounded)
    found.compile(run_eagerly=eager)
    expected = model(cls=Bounded)
    expected.fit(X[:12], LABEL[:12], batch_size=4, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match=f"^{line}[^\n]*$"):
        found.fit(make(label, x), verbose=0)
    if kind != "PyDataset":  # which Keras reads ahead
        np.testing.assert_allclose(found.means, expected.means, rtol=1e-6)
    with pytest.raises(ValueError, match=f"^{line}[^\n]*$"):
        found.evaluate(make(label, x), verbose=0)
    with pytest.raises(ValueError, match=f"^{line}[^\n]*$"):
        found.fit(X, LABEL, validation_data=make(label, x), verbose=0)


def test_a_later_batch_of_another_shape_is_refused():
    parts = iter([X[:4], X[4:8], np.ones((4, 3), "float32")])
    dataset = tf.data.Dataset.range(3).map(lambda i: tf.numpy_function(lambda i: next(parts), [i], tf.float32))
    with pytest.raises(ValueError, match=r"^x: expected shape \(N, 2\), got \(4, 3\)$"):
        model(0).fit(dataset, verbose=0)


@pytest.mark.parametrize("kind", GIVEN)
def test_the_first_batch_is_looked_at_before_the_first_step(kind):
    found = model()
    with pytest.raises(ValueError, match=r"x: expected shape \(N, 2\), got \(4, 3\)"):
        found.fit(GIVEN[kind](LABEL, np.ones((24, 3), "float32")), verbose=0)
    with pytest.raises(ValueError, match=r"label: expected (class numbers in \[0, 3\)|batches of \(x, label\))"):
        found.fit(GIVEN[kind](None), verbose=0)
    assert int(found.clock) == 0


@pytest.mark.parametrize("given, line", [
    (object(), "x: expected an array, a tf.data.Dataset or an iterable of batches, got object"),
    ("photos", "x: expected an array, a tf.data.Dataset or an iterable of batches, got str"),
    (dict(x=X), "x: expected an array, a tf.data.Dataset or an iterable of batches, got dict"),
    (iter(()), "x: expected at least one batch, got none"),
    (iter([(X, LABEL, LABEL)]), r"x: expected batches of x or \(x, label\), got 3 parts"),
])  # fmt: skip
def test_what_is_no_data_gets_a_line(given, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        model().fit(given, verbose=0)


def test_a_generator_is_not_resumed(tmp_path):
    line = "x: expected an array or a dataset, to be resumed, got a generator or PyDataset"
    for given in (batches(), Sequence()):
        with pytest.raises(ValueError, match=line):
            model().fit(given, callbacks=[Resume(tmp_path)], verbose=0)


def test_a_batch_is_no_larger_than_the_data_unless_it_was_asked_for():
    found = model()
    found.fit(X[:10], LABEL[:10], verbose=0)
    assert int(found.clock) == 1
    with pytest.raises(ValueError, match=r"batch_size: expected at most 10 \(the number of examples\), got 20"):
        found.fit(X[:10], LABEL[:10], batch_size=20, verbose=0)


def test_pictures_whose_channels_come_first_are_warned_of():
    with pytest.warns(UserWarning, match=r"image_shape: \(3, 32, 8\) are 8 channels of 3x32; the channel axis is last"):
        kerasgen.build("vae", image_shape=(3, 32, 8), latent_dim=2, widths=(4,))


def test_labels_beside_batches_are_refused():
    for given in (Sequence(), kdata.load((np.repeat(X, 10, 0), np.repeat(LABEL, 10)))):
        with pytest.raises(ValueError, match=r"y: expected None beside batches of \(x, label\), got ndarray"):
            model().fit(given, LABEL, verbose=0)


def test_batches_are_not_split():
    with pytest.raises(ValueError, match="validation_split: expected 0 for batches, got 0.1; validation_data takes"):
        model().fit(Sequence(), validation_split=0.1, verbose=0)


def test_a_loader_of_torch():
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(LABEL))
    expected, found = model(), model()
    expected.fit(X, LABEL, batch_size=4, shuffle=False, verbose=0)
    found.fit(torch.utils.data.DataLoader(pairs, batch_size=4), verbose=0)
    np.testing.assert_array_equal(found.means, expected.means)
