"""The shelf: weights that are not in their preset's folder are found, fetched once, and refused where they differ."""

import functools
import http.server
import shutil
import threading

import numpy as np
import pooch
import pytest

import kerasgen
from kerasgen import hub
from kerasgen.hub import shelf

ARGUMENTS = dict(image_shape=(8, 8, 1), latent_dim=4, widths=(8, 4), kernel_size=3)
NAME = "dcgan_small.safetensors"


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """(preset folder without its weights, a folder that has them as the shelf does, the model)."""
    monkeypatch.delenv(shelf.VARIABLE, raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache")
    model = kerasgen.build("dcgan", **ARGUMENTS)
    folder = hub.save_preset(model, tmp_path / "dcgan_small", half=True)
    (tmp_path / "shelf").mkdir()
    shutil.move(folder / hub.WEIGHTS, tmp_path / "shelf" / NAME)
    return folder, tmp_path / "shelf", model


def same(model, other):
    return all(np.abs(a - b).max() < 1e-3 for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


def test_a_checkout_has_it(taken, monkeypatch):
    folder, place, model = taken
    monkeypatch.setattr(shelf, "CHECKOUT", place)
    assert hub.read_preset(folder).weights and same(model, kerasgen.load(folder))


def test_a_folder_that_is_named_has_it(taken, monkeypatch):
    folder, place, model = taken
    monkeypatch.setenv(shelf.VARIABLE, str(place))
    assert same(model, kerasgen.load(folder))
    (place / NAME).write_bytes((place / NAME).read_bytes() + b" ")
    with pytest.raises(ValueError, match="it is another file"):
        kerasgen.load(folder)


def test_an_address_has_it_once(taken, monkeypatch):
    folder, place, model = taken
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(place))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(shelf.VARIABLE, f"http://127.0.0.1:{server.server_port}/")
    assert same(model, kerasgen.load(folder))
    server.shutdown()
    assert same(model, kerasgen.load(folder))  # of the cache
    shutil.rmtree(place.parent / "cache")
    with pytest.raises(OSError, match=f"dcgan_small: .*{NAME} could not be fetched .*{shelf.VARIABLE}=FOLDER"):
        kerasgen.load(folder)


def test_what_is_nowhere_is_said_in_one_line(taken):
    folder = taken[0]
    with pytest.raises(FileNotFoundError, match=f"dcgan_small: its weights are on the shelf, and {NAME} is not here"):
        kerasgen.load(folder)
    assert kerasgen.load(folder, weights=False).count_params()


def test_a_recipe_has_none(taken):
    folder = taken[0]
    (folder / hub.MANIFEST).unlink()
    assert not hub.read_preset(folder).weights
    with pytest.raises(ValueError, match="a recipe without weights"):
        kerasgen.load(folder)


def test_what_lies_there_is_of_presets_and_not_too_much():
    """Each file belongs to a preset, and they stay within what a checkout can carry."""
    files = sorted(shelf.CHECKOUT.glob("*.safetensors"))
    of_presets = {hub.SHIPPED / path.stem for path in files if (hub.SHIPPED / path.stem).is_dir()}
    assert len(of_presets) == len([path for path in files if not path.stem.endswith("_classifier")])
    assert all(shelf.find(folder).parent == shelf.CHECKOUT for folder in of_presets), "weights are in one place"
    sizes = [path.stat().st_size for path in files]
    assert all(size <= 12 * 10**6 for size in sizes) and sum(sizes) <= 120 * 10**6


def test_the_classifier_of_mnist_is_the_one_that_is_named():
    """Its file has the hash that the code states, and NumPy's forward pass takes pictures of MNIST."""
    import hashlib

    from kerasgen.metrics.features import MNIST_WEIGHTS, MNISTClassifier

    name, sha256 = MNIST_WEIGHTS
    assert hashlib.sha256((shelf.CHECKOUT / name).read_bytes()).hexdigest() == sha256
    x = np.zeros((2, 28, 28, 1), "float32")
    x[1, 4:24, 13:16] = 1.0  # a one, upright
    assert MNISTClassifier().probabilities(x).shape == (2, 10)
    assert MNISTClassifier().probabilities(x)[1].argmax() == 1


@pytest.mark.parametrize("name", [path.stem for path in sorted(shelf.CHECKOUT.glob("*_*.safetensors"))])
def test_a_preset_says_what_its_data_are(name):
    """Its data may be fetched from nowhere here: its class names and its bundle do not wait for them."""
    if name.endswith("_classifier"):
        return
    preset = hub.read_preset(name)
    assert preset["about"]["name"] and preset["about"]["licence"]
    assert len(preset.class_names) == (preset["arguments"].get("num_classes") or len(preset.class_names))
