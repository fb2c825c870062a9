"""DALL-E: the relaxed codes, the law of the pixels, what may attend to what, and captions that are kept."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from counting import counts
from scipy import integrate, stats

import kerasgen
from kerasgen.core import random
from kerasgen.metrics import described
from kerasgen.models.vq.dall_e import attention_masks
from kerasgen.objectives.vq import gumbel_softmax

TINY = dict(
    image_shape=(8, 8, 1),
    text_length=5,
    codes=6,
    width=8,
    multipliers=(1, 2),
    blocks=1,
    code_dim=4,
    prior_width=8,
    prior_depth=2,
    prior_heads=2,
    dropout=0.0,
)

TINY = dict(
    image_shape=(8, 8, 1), text_length=5, codes=6, width=8, multipliers=(1, 2), blocks=1, code_dim=4, prior_width=8,
    prior_heads=2, dropout=0.0,
)  # fmt: skip
draw = np.random.default_rng(0)


def wild(scale=0.3, **arguments):
    keras.utils.set_random_seed(1)
    model = kerasgen.build("dall_e", **TINY | {"prior_depth": 4} | arguments)
    for weight in model.weights:
        if "int" not in str(weight.dtype):
            weight.assign(weight + scale * draw.normal(size=weight.shape))
    return model


@pytest.mark.parametrize("location, log_scale", [(0.0, 0.0), (1.5, -1.0), (-3.0, 0.7)])
def test_the_law_of_pixels_integrates_to_one(location, log_scale):
    law = gumbel_softmax.logit_laplace(np.float64(location), np.float64(log_scale))
    density = lambda x: float(law.prob(np.float64(x)))  # noqa: E731
    middle = 1 / (1 + math.exp(-location))
    total = sum(integrate.quad(density, *ends, limit=200)[0] for ends in ((1e-9, middle), (middle, 1 - 1e-9)))
    assert total == pytest.approx(1, abs=1e-4)
    x, b = 0.3, math.exp(log_scale)
    formula = math.exp(-abs(math.log(x / (1 - x)) - location) / b) / (2 * b * x * (1 - x))
    assert density(x) == pytest.approx(formula, rel=1e-9)


def test_pictures_come_back_from_inside():
    x = draw.random((4, 3)).astype("float32")
    np.testing.assert_allclose(gumbel_softmax.outside(gumbel_softmax.inside(x)), x, atol=1e-6)


def test_the_divergence_is_log_k_less_the_entropy():
    logits = draw.normal(size=(5, 7)) * 3
    q = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(gumbel_softmax.kl_to_uniform(logits), (q * np.log(q * 7)).sum(-1), atol=1e-9)
    assert float(gumbel_softmax.kl_to_uniform(np.zeros(7))) == pytest.approx(0, abs=1e-12)
    assert float(gumbel_softmax.kl_to_uniform(np.eye(7)[0] * 1e3)) == pytest.approx(math.log(7))


def test_relaxed_codes_are_drawn_from_the_softmax():
    """The largest has the softmax's law at any temperature; at a small one nothing else is left."""
    logits = np.array([0.5, -1.0, 1.2, 0.0], "float32")
    gumbel = random.gumbel(7, random.CHOICE, tf.range(8000), (4,))
    expected = np.exp(logits.astype("float64")) / np.exp(logits.astype("float64")).sum() * 8000
    for temperature in (1.0, 1 / 16):
        y = gumbel_softmax.gumbel_softmax(logits, gumbel, temperature).numpy()
        np.testing.assert_allclose(y.sum(-1), 1, atol=1e-5)
        assert stats.chisquare(np.bincount(y.argmax(-1), minlength=4), expected).pvalue > 1e-3
    sharp = gumbel_softmax.gumbel_softmax(logits, gumbel, 1e-3).numpy().max(-1)
    assert (sharp > 0.999).mean() > 0.99


def test_temperature_and_weight_go_from_end_to_end():
    at = [float(gumbel_softmax.annealed(1.0, 1 / 16, tf.constant(t))) for t in (0.0, 0.5, 1.0, 2.0)]
    assert at == pytest.approx([1, 17 / 32, 1 / 16, 1 / 16])


def test_schedules_are_counted_in_updates():
    """tau falls within 150,000 updates and beta rises within 5,000, however long the stage is (Ramesh et al., A.2)."""
    model = wild(cooling=150_000, rising=5_000, beta=6.6)
    for steps in (160_000, 3_000_000):
        for done, tau, beta in (
            (0, 1.0, 0.0),
            (2_500, None, 3.3),
            (5_000, None, 6.6),
            (75_000, 17 / 32, 6.6),
        ):
            model.enter_stage(0, done, steps)
            found = [float(value) for value in model.annealed()]
            assert found[1] == pytest.approx(beta, abs=1e-3) and tau in (None, pytest.approx(found[0]))
            model.place.assign([1, 0, 1])
        model.enter_stage(0, 150_000, steps)
        assert float(model.annealed()[0]) == pytest.approx(1 / 16)


def test_every_fourth_block_attends_by_column_from_the_second():
    """Blocks are counted from 1 in the paper: by column where i - 2 divides by 4, the last by a square."""
    masks = attention_masks(2, (3, 4), 12, ("row", "column", "row", "row"))
    row, column = masks[0], masks[1]
    assert [i for i, mask in enumerate(masks, 1) if (mask == column).all()] == [2, 6, 10]
    assert [i for i, mask in enumerate(masks, 1) if (mask == row).all()] == [1, 3, 4, 5, 7, 8, 9, 11]
    with pytest.raises(ValueError, match="attention: expected row or column for each block, got 'diagonal'"):
        attention_masks(2, (3, 4), 12, ("diagonal",))


def test_the_prior_clips_all_gradients_together():
    optimizer = wild().optimizers()["prior_optimizer"]
    assert optimizer.global_clipnorm == 4.0 and optimizer.clipnorm is None


def test_relaxed_and_hard_pictures_agree_when_the_temperature_is_small():
    model = wild()
    x = draw.random((3, 8, 8, 1)).astype("float32") * 2 - 1
    logits = model.encoder(x)
    y = gumbel_softmax.gumbel_softmax(1e4 * logits, tf.zeros_like(logits), 1.0)
    (level,) = model.levels_of(x)
    np.testing.assert_allclose(tf.matmul(y, model.codebooks[0].vectors), level.quantized, atol=1e-4)


def test_who_may_attend_to_whom():
    """By hand, on a grid of 2x3 after a text of two bytes: places nothing, t0, t1, then codes 0 to 4."""
    row, column = attention_masks(2, (2, 3), 4, ("row", "column", "row", "row"))[:2]
    tri = np.tri(8, dtype=bool)
    assert ((row & tri)[:3] == tri[:3]).all() and ((column & tri)[:3] == tri[:3]).all()  # text is causal
    assert row[3:, :3].all() and column[3:, :3].all()  # codes see all of the text
    held = {place: set(np.flatnonzero((row & tri)[place, 3:])) for place in range(3, 8)}
    assert held == {
        3: {0},
        4: {0, 1},
        5: {0, 1, 2},
        6: {1, 2, 3},
        7: {2, 3, 4},
    }  # place p predicts code p - 2
    held = {place: set(np.flatnonzero((column & tri)[place, 3:])) for place in range(3, 8)}
    assert held == {3: {0}, 4: {1}, 5: {0, 2}, 6: {1, 3}, 7: {2, 4}}  # the code above, and itself


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_codes_depend_on_the_text_and_on_codes_before(depth):
    model = wild(prior_depth=depth)
    text, codes = draw.integers(1, 256, (4, 5)), draw.integers(6, size=(4, 16))
    told, before = (part.numpy() for part in model._ask(text, codes, False))
    for place in range(5):
        other = text.copy()
        other[:, place] = 1 + other[:, place] % 255
        new = model._ask(other, codes, False)
        assert (np.abs(new[0] - told).max((0, 2)) > 0).tolist() == [t > place for t in range(5)]
        assert (np.abs(new[1] - before).max((0, 2)) > 0).all()
    for place in range(16):
        other = codes.copy()
        other[:, place] = (other[:, place] + 1) % 6
        new = model._ask(text, other, False)
        np.testing.assert_array_equal(new[0], told)  # no text attends to codes
        changed = np.abs(new[1] - before).max((0, 2)) > 0
        assert not changed[: place + 1].any() and (place == 15 or changed[place + 1])


def test_after_the_end_of_a_text_stand_the_pads():
    model = wild()
    text, codes = np.array([[97, 98, 0, 0, 0]]), np.zeros((1, 16), int)
    before = model._ask(text, codes, False)[1].numpy()
    table = model.text.embeddings.numpy()
    table[0] += draw.normal(size=8)  # the byte 0 is never read
    model.text.embeddings.assign(table)
    np.testing.assert_allclose(model._ask(text, codes, False)[1], before, atol=1e-5)
    table = model.pads.embeddings.numpy()
    table[3] += draw.normal(size=8)  # the pad of a place after the end is
    model.pads.embeddings.assign(table)
    assert np.abs(model._ask(text, codes, False)[1] - before).max() > 1e-3


def test_remembered_logits_are_those_of_a_whole_pass():
    model = wild()
    text, codes = draw.integers(1, 256, (3, 5)), draw.integers(6, size=(3, 16)).astype("int32")
    whole = model._ask(text, codes, False)[1].numpy()
    seen = {}

    def follow(level):
        def choose(place, logits):
            seen[int(place)] = logits.numpy()
            return tf.constant(codes[:, int(place)])

        return choose

    np.testing.assert_array_equal(model.join(model.fill(follow, 3, {"text": tf.constant(text, tf.int32)})), codes)
    np.testing.assert_allclose(np.stack([*seen.values()], 1), whole, atol=1e-5)


def test_text_and_codes_weigh_one_and_seven():
    model = wild()
    batch = kerasgen.core.batch.Batch(
        None, {"text": tf.constant(draw.integers(1, 256, (3, 5)), tf.int32)}, tf.range(3), tf.constant(0)
    )
    values = model.prior_losses(batch, [tf.constant(draw.integers(6, size=(3, 4, 4)), tf.int32)], False)
    expected = math.log(2) * (values["bits_per_byte"] / 8 + 7 * values["bits_per_code"] / 8)
    assert float(values["loss"]) == pytest.approx(float(expected), rel=1e-5)


@pytest.fixture(scope="module")
def shipped():
    return kerasgen.load("dall_e_captioned_digits"), *kerasgen.data.load("captioned_digits").arrays("test")


def test_samples_are_the_digits_of_their_captions(shipped):
    model, _, text = shipped
    assert described.agreement("captioned_digits", model.sample(len(text), seed=7, text=text), text) >= 0.8


def test_eighty_bits_hold_a_digit(shipped):
    """4x4 codes out of 32, against the best constant picture (0.074)."""
    model, x, _ = shipped
    assert ((model.reconstruct(x) - x) ** 2).mean() < 0.02


def test_weights_of_the_paper():
    """Counted from the authors' autoencoder; the bias of the decoder's first convolution is in the codes' vectors."""
    from kerasgen.models.vq import dall_e

    widths = [256, 512, 1024, 2048]
    assert dall_e._encoder((256, 256, 3), widths, 2, 8192).count_params() == 53_786_240
    decoder = dall_e._decoder((32, 32), widths, 2, 128, 3).count_params()
    assert decoder + 8192 * 128 == 43_829_766 - 128


@pytest.mark.slow
def test_weights_of_the_papers_prior():
    """The paper says 12 billion: what a block adds, counted by hand at its width, times 64."""
    shape = dict(width=32, multipliers=(1, 2), blocks=1, codes=16, image_shape=(4, 4, 3), text_length=4)
    one, two = (counts("dall_e", **shape, prior_depth=depth)["prior"] for depth in (1, 2))
    assert two - one == 12 * 3968**2 + 13 * 3968
    assert 64 * (two - one) == pytest.approx(12.09e9, rel=1e-3)
