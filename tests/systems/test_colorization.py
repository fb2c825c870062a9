"""Colours beside scikit-image and scikit-learn, the loss by hand and its lowest point in closed form, the network."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from PIL import Image
from skimage.color import lab2rgb, rgb2lab
from sklearn.neighbors import NearestNeighbors

import kerasgen
import kerasgen.data
from kerasgen import metrics, pictures
from kerasgen.data import asking
from kerasgen.metrics import colour
from kerasgen.nets import lab
from kerasgen.nets.lab import BINS
from kerasgen.objectives.density import colours

TINY = dict(image_shape=(8, 8, 3), widths=(3, 4, 5, 4, 6, 4, 5, 4), depths=(1, 2, 1, 1, 1, 2, 1, 2), decay=0.0)
random = np.random.default_rng(0)
X = random.random((6, 8, 8, 3)).astype("float32")


def build(**arguments):
    return kerasgen.build("colorization", **TINY | arguments)


def test_weights_of_the_authors_network():
    """Layer by layer from `colorization_train_val_v2.prototxt`: inputs, outputs and side of every kernel."""
    blocks = [(1, 64, 2), (64, 128, 2), (128, 256, 3), (256, 512, 3), (512, 512, 3), (512, 512, 3), (512, 512, 3)]
    trained = sum(9 * a * b + b + (n - 1) * (9 * b * b + b) for a, b, n in blocks)
    trained += 16 * 512 * 256 + 256 + 2 * (9 * 256 * 256 + 256) + 256 * 313 + 313
    assert trained == 32_230_393
    assert counts("colorization") == {"network": trained}  # their normalisation has no scale and no shift


def test_lab_is_that_of_scikit_image():
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 18, dtype="float32")] * 3), -1).reshape(-1, 3)
    found = lab.to_lab(tf.constant(grid)).numpy()
    np.testing.assert_allclose(found, rgb2lab(grid), atol=2e-3)
    np.testing.assert_allclose(lab.from_lab(found), grid, atol=1e-4)
    beyond = np.array([[50, 120, -120], [20, -90, 80], [99, 60, 60], [0, 0, 0], [100, 0, 0]], "float32")
    with pytest.warns(UserWarning, match="negative Z"):
        np.testing.assert_allclose(lab.from_lab(beyond), lab2rgb(beyond), atol=1e-4)


def test_a_grey_picture_has_the_lightness_of_the_one_in_colour():
    np.testing.assert_allclose(lab.lightness(pictures.grey(X))[..., 0], rgb2lab(X)[..., 0], atol=1e-3)
    greys = np.repeat(np.linspace(0, 1, 50)[:, None], 3, 1)
    np.testing.assert_allclose(pictures.grey(greys)[:, 0], greys[:, 0], atol=1e-5)


def test_bins_hold_what_screens_can_show():
    """313, all different, and every colour of a fine grid lies in one of them."""
    assert BINS.shape == (313, 2) and len({tuple(row) for row in BINS}) == 313 and not (BINS % 10).any()
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 40)] * 3), -1).reshape(1, -1, 3)
    needed = {tuple(row) for row in np.rint(rgb2lab(grid)[0, :, 1:] / 10) * 10}
    assert needed <= {tuple(row) for row in BINS.astype(float)} and len(needed) > 240


def test_colours_are_shared_among_the_five_nearest_bins():
    chroma = rgb2lab(X)[..., 1:].astype("float32")
    bins, shares = (part.numpy().reshape(-1, 5) for part in colours.encoded(tf.constant(chroma)))
    far, nearest = NearestNeighbors(n_neighbors=5).fit(BINS).kneighbors(chroma.reshape(-1, 2))
    wanted = np.exp(-(far**2) / (2 * 5.0**2))
    np.testing.assert_allclose(shares, wanted / wanted.sum(1, keepdims=True), atol=1e-4)
    assert (bins == nearest).mean() > 0.999  # but for ties


def by_hand(shares):
    """w by loops over bins, in doubles."""
    p = np.zeros(313)
    for j in range(313):
        spread = np.exp(-((BINS.astype(float) - BINS[j]) ** 2).sum(1) / 50)
        p += shares[j] * spread / spread.sum()
    w = 1 / (0.5 * p + 0.5 / 313)
    return p, w / (p * w).sum()


def test_rare_colours_weigh_more():
    shares = random.dirichlet(np.full(313, 0.1))
    p, w = by_hand(shares)
    found = colours.rarity(tf.constant(shares, tf.float32)).numpy()
    np.testing.assert_allclose(found, w, rtol=1e-4)
    assert p.sum() == pytest.approx(1) and (p * found).sum() == pytest.approx(1, rel=1e-4)
    np.testing.assert_array_equal(np.argsort(found)[-3:], np.argsort(-p)[-3:])
    np.testing.assert_allclose(colours.rarity(tf.constant(shares, tf.float32), 1.0), 1.0, rtol=1e-4)


def test_the_loss_is_that_of_the_paper():
    """-mean v sum_q Z_q log Q_q, by NumPy from what the network says."""
    model = build()
    model.compile()
    model.shares.assign(random.dirichlet(np.full(313, 0.2)))
    value = float(model.losses(model.batch(tf.constant(X), training=False), training=False)["loss"])
    true = rgb2lab(X)
    chroma = true[..., 1:].reshape(6, 2, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 2)
    logits = model.predict_colours(tf.constant((true[..., :1] - 50) / 100, tf.float32)).numpy().reshape(-1, 313)
    log_q = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    w, total = by_hand(model.shares.numpy())[1], 0.0
    for ab, row in zip(chroma, log_q, strict=True):
        distance = ((BINS - ab) ** 2).sum(1)
        nearest = np.argsort(distance)[:5]
        z = np.exp(-distance[nearest] / 50)
        total -= w[nearest[0]] * (z / z.sum() * row[nearest]).sum() / len(chroma)
    assert value == pytest.approx(total, rel=1e-4)


class Table(colours.Colours):
    """One free distribution for all that is grey: what the loss makes of a grey that has two colours."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.picture_shape, self.mirrored = (4, 4, 3), (4, 4, 1), 0.0
        self.table = self.add_weight(shape=(313,), initializer="zeros", name="table")
        self.count_colours()

    def optimizers(self):
        return {"optimizer": keras.optimizers.Adam()}

    def predict_colours(self, light, training=False):
        return tf.broadcast_to(tf.convert_to_tensor(self.table), (tf.shape(light)[0], 1, 1, 313))


def two_colours(rare):
    """Ten pictures of one colour each, some red, the others blue, all of the same grey; and these colours' a and b."""
    chroma = np.float32([[58, 37], [12, -43]])
    flat = np.concatenate([np.full((2, 1), 50, "float32"), chroma], 1)
    x = lab2rgb(flat).astype("float32")[[0] * rare + [1] * (10 - rare)]
    return np.broadcast_to(x[:, None, None], (10, 4, 4, 3)), chroma


def fitted(rare):
    """The table at the loss' lowest point in closed form, Q ~ sum v Z; its gradient there is zero."""
    x, chroma = two_colours(rare)
    model = Table()
    model.compile()
    red, blue = (int(((BINS - ab) ** 2).sum(1).argmin()) for ab in chroma)
    shares = np.zeros(313)
    shares[red], shares[blue] = rare / 10, 1 - rare / 10
    model.shares.assign(shares)
    w, q = by_hand(shares)[1], np.full(313, 1e-12)
    for ab, bin_, count in zip(chroma, (red, blue), (rare, 10 - rare), strict=True):
        distance = ((BINS - ab) ** 2).sum(1)
        near = np.argsort(distance)[:5]
        z = np.exp(-distance[near] / 50)
        q[near] += w[bin_] * count * z / z.sum()
    model.table.assign(np.log(q / q.sum()))
    with tf.GradientTape() as tape:
        loss = model.losses(model.batch(tf.constant(x), training=False), training=False)["loss"]
    assert np.abs(tape.gradient(loss, model.table.value)).max() < 1e-4
    return model, chroma, q / q.sum()


def painted(model, temperature):
    picture = pictures.grey(two_colours(5)[0][:1])
    return rgb2lab(model.colorize(picture, temperature=temperature))[0, 0, 0, 1:]


def test_two_colours_of_one_grey_are_held_apart():
    """The mean is a greyish purple that the grey never has; the likeliest bin is one of its colours."""
    model, chroma, q = fitted(4)
    np.testing.assert_allclose(painted(model, 1.0), q @ BINS, atol=0.5)
    hot = q ** (1 / 0.38)
    np.testing.assert_allclose(painted(model, 0.38), hot @ BINS / hot.sum(), atol=0.5)
    np.testing.assert_allclose(painted(model, 0.0), BINS[q.argmax()], atol=0.5)
    far = [np.linalg.norm(painted(model, t) - chroma, axis=1).min() for t in (1.0, 0.38, 0.0)]
    assert far[0] > 30 and far == sorted(far, reverse=True) and far[2] < 8


def test_rebalancing_lets_a_rare_colour_speak():
    """Of one in ten it makes more than one in three: the weights are in the ratio of the smoothed shares' mixtures."""
    model, chroma, q = fitted(1)
    red = q[np.linalg.norm(BINS - chroma[0], axis=1) < 20].sum()
    _, w = by_hand(model.shares.numpy())
    near = [int(((BINS - ab) ** 2).sum(1).argmin()) for ab in chroma]
    wanted = w[near[0]] * 0.1 / (w[near[0]] * 0.1 + w[near[1]] * 0.9)
    assert red == pytest.approx(wanted, abs=1e-3) and red > 1 / 3


def test_colours_are_counted_in_all_batches():
    """After each step the shares are those of all pictures seen so far, mirrored or not."""
    model, x = build(), random.random((12, 8, 8, 3)).astype("float32") ** 2
    model.compile(run_eagerly=True)
    model.fit(x, batch_size=4, epochs=1, shuffle=False, verbose=0)
    chroma = rgb2lab(x)[..., 1:].reshape(12, 2, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 2)
    nearest = NearestNeighbors(n_neighbors=1).fit(BINS).kneighbors(chroma)[1][:, 0]
    np.testing.assert_allclose(model.shares, np.bincount(nearest, minlength=313) / 48, atol=1e-6)


def test_decay_moves_weights_and_is_no_part_of_the_figure():
    plain, decayed = build(), build(decay=0.5)
    decayed.set_weights(plain.get_weights())
    found = []
    for model in (plain, decayed):
        model.compile()
        with tf.GradientTape() as tape:
            loss = model.losses(model.batch(tf.constant(X)), training=True)["loss"]
        found.append((float(loss), tape.gradient(loss, [v.value for v in model.trainable_variables])))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    for variable, one, other in zip(plain.trainable_variables, found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(other, one + 0.5 * variable.numpy(), atol=1e-5)


def test_the_same_weights_serve_any_size():
    small, wide = build(), build(image_shape=(16, 24, 3))
    wide.set_weights(small.get_weights())
    made = wide.colorize(random.random((2, 16, 24, 1)))
    assert made.shape == (2, 16, 24, 3)
    with pytest.raises(ValueError, match=r"image_shape: expected sides that divide by 8, got \(12, 8, 3\)"):
        build(image_shape=(12, 8, 3))
    with pytest.raises(ValueError, match=r"image_shape: expected three channels, got \(8, 8, 1\)"):
        build(image_shape=(8, 8, 1))


def test_what_is_given_keeps_its_lightness():
    """But for colours that no screen can show."""
    model = build()
    model.network.layers[-1].kernel.assign(0.0 * model.network.layers[-1].kernel)  # all bins alike: their mean
    grey = random.uniform(0.4, 0.6, (2, 8, 8, 1)).astype("float32")
    found = rgb2lab(model.colorize(grey))[..., :1]
    np.testing.assert_allclose(found, lab.lightness(grey), atol=0.05)


def test_pieces_of_photographs_share_no_pixel():
    """Each piece stands in one split, and all together are the photographs' own pixels, but for what is left over."""
    data, own = kerasgen.data.load("patches"), kerasgen.data.load("astronaut").splits["train"][0][0]
    splits = [x for x, _ in data.splits.values()]
    assert sum(map(len, splits)) == 16 * 16 + 9 * 14 + 12 * 18 + 2 * 13 * 20
    known = [piece.tobytes() for x in splits for piece in x]
    for row in range(16):
        for column in range(16):
            piece = own[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            assert known.count(np.ascontiguousarray(piece).tobytes()) >= 1
    assert kerasgen.data.load("patches", image_shape=(64, 48, 3)).shape == (64, 48, 3)
    for shape, line in {(8, 8, 1): "expected three channels", (500, 500, 3): "expected pieces of 300x451"}.items():
        with pytest.raises(ValueError, match=line):
            kerasgen.data.load("patches", image_shape=shape)


def test_areas_by_hand():
    """A colour at a known distance; balanced, one rare colour counts as much as all the others together."""
    true = np.array([[50.0, 0, 0]] * 9 + [[50, 60, 40]])[None, None]
    found = np.array([[50.0, 3, 4]] * 9 + [[50, 30, 0]])[None, None]
    area, balanced = colour.areas(lab2rgb(true), lab2rgb(found))
    assert area == pytest.approx(1 - (9 * 5 + 50) / 10 / 150, abs=2e-3)
    assert balanced == pytest.approx(1 - (5 + 50) / 2 / 150, abs=2e-3)


def test_data_in_colour_are_asked_about_in_grey():
    model, data = build(image_shape=(32, 32, 3)), kerasgen.data.load("patches")
    asked = asking.inputs(data, "test", model.ports["colorize"].inputs, 5)
    np.testing.assert_allclose(asked["picture"], pictures.grey(data.arrays("test", 5)[0]))
    assert [x.shape[-1] for x in asking.versions(model, data, count=3)] == [1, 3, 3]
    figures = metrics.evaluate(model, data)
    assert set(figures) == {"colorized_psnr", "colorized_area", "colorized_balanced_area"}
    assert 0.5 < figures["colorized_area"] < 0.95


def test_the_command_colours_a_picture_of_a_file(tmp_path):
    """It is made grey and of the model's size first; a bundle or model is asked with the temperature that is given."""
    from kerasgen.cli import main

    model = build()
    model.network.layers[-1].bias.assign(random.normal(size=313))
    model.save_to_preset(tmp_path / "model")
    file = tmp_path / "mine.png"
    Image.fromarray((255 * random.random((20, 24, 3))).astype("uint8")).save(file)
    made = []
    for i, more in enumerate(([], ["--temperature", "0.38"], ["--temperature", "0"])):
        out = str(tmp_path / f"{i}.npy")
        assert main(["sample", str(tmp_path / "model"), "--picture", str(file), "-o", out, *more]) == 0
        made.append(np.load(out))
    assert made[0].shape == (1, 8, 8, 3) and np.ptp(made[0], axis=-1).max() > 0
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2]).max() > 1e-3
