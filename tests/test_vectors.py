"""Vectors of levels: what learns pictures of so many values learns them as vectors, by the same numbers."""

import dataclasses

import numpy as np
import pytest

import kerasgen
from kerasgen.data import changes

SYSTEMS = {"made": dict(widths=(12,), levels=3), "nade": dict(width=12, levels=3), "rbm": dict(hidden=5, chains=4)}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_vector_is_a_picture_without_rows(system):
    """With the same weights, log P or the energy and the samples are those of the picture with the same values."""
    picture = kerasgen.build(system, image_shape=(2, 3, 1), **SYSTEMS[system])
    vector = kerasgen.build(system, image_shape=(6,), **SYSTEMS[system])
    random = np.random.default_rng(0)
    vector.set_weights([random.normal(size=value.shape) if value.ndim else value for value in picture.get_weights()])
    picture.set_weights(vector.get_weights())
    made = vector.sample(50, seed=3)
    assert vector.kind == "vector" and made.shape == (50, 6)
    assert np.array_equal(made, picture.sample(50, seed=3).reshape(50, 6)) and len(np.unique(made, axis=0)) > 5
    function = "energy" if system == "rbm" else "log_prob"
    np.testing.assert_allclose(
        getattr(vector, function)(made), getattr(picture, function)(made.reshape(-1, 2, 3, 1)), rtol=1e-5
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_values_that_are_no_levels_are_refused(system):
    model = kerasgen.build(system, image_shape=(6,), **SYSTEMS[system])
    model.compile()
    with pytest.raises(ValueError, match=r"x: expected values in \[0, 1\], got 0 to 2"):
        model.fit(2 * np.eye(6, dtype="float32"), batch_size=3, verbose=0)
    if system != "rbm":  # energies take anything
        with pytest.raises(ValueError, match=r"x: expected numbers of shape \(N, 6\) from 0 to 1, got 2"):
            model.log_prob(2 * np.eye(6, dtype="float32"))


def test_every_vector_has_its_share():
    """The probabilities of all vectors of three levels sum to one."""
    x = np.stack(np.meshgrid(*[np.array([0, 0.5, 1], "float32")] * 4, indexing="ij"), -1).reshape(-1, 4)
    for system in ("made", "nade"):
        model = kerasgen.build(system, image_shape=(4,), **SYSTEMS[system])
        model.set_weights([np.random.default_rng(1).normal(size=w.shape) if w.ndim else w for w in model.get_weights()])
        assert np.exp(model.log_prob(x)).sum() == pytest.approx(1, abs=1e-5)


def test_vectors_that_have_so_many_levels_stay():
    x = np.eye(6, dtype="uint8")
    data = kerasgen.data.load(np.eye(6, dtype="float32").repeat(5, 0))
    data = dataclasses.replace(data, splits={"train": (x, None)}, levels=2, minimum=0.0, maximum=1.0)
    assert data.kind == "vector" and changes.coarser(data, 2) is data
    with pytest.raises(
        ValueError, match="levels: expected 2 to as many as pictures have, got 3 of array, vectors of 2"
    ):
        changes.coarser(data, 3)
