"""The demo in a real browser, over two tiny bundles made by hand: no TensorFlow, no training."""

import base64
import hashlib
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import wave as wave_file
import zlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from kerasgen.demo import app, drawing, limits, media
from kerasgen.demo import shelf as shelves

SIZE, LATENT, CLASSES = 16, 10, 3
SHOTS = os.environ.get("SHOTS")  # a folder that keeps the screenshots

SERVER = """
import sys
from kerasgen.demo import app
app.launch(sys.argv[2:], int(sys.argv[1]), wait=False)
print("ready", flush=True)
sys.stdin.readline()
ours = {name for name in sys.modules if name.startswith("kerasgen.")}
print(*sorted({".".join(name.split(".")[: 1 + (name in ours)]) for name in sys.modules}), flush=True)
"""

# One server for the whole file, and its last test looks at what the others made it load: one worker runs them all.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("demo")]


# --- tiny bundles -----------------------------------------------------------------------------------------------------


def port(name, *shape, dtype="float32", low=None, high=None, default=None):
    limits = dict(minimum=low, maximum=high, default=default)
    return dict(name=name, shape=list(shape), dtype=dtype, meaning=f"the {name}", **limits)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], **attributes)


def to_float(name, output):
    return node("Cast", name, output, to=TensorProto.FLOAT)


def value_info(port):
    kind = TensorProto.INT32 if port["dtype"] == "int32" else TensorProto.FLOAT
    return helper.make_tensor_value_info(port["name"], kind, port["shape"])


def write_bundle(folder, name, shape, functions, said=(), **about):
    """A bundle of functions: name -> (input ports, output port, nodes, constants); what it says of data and itself."""
    (folder / "onnx").mkdir(parents=True)
    info = {"format": "kerasgen-bundle", "version": 1, "system": name.lower(), "class": name, "preset": None}
    info |= {
        "title": "A <b>toy</b> ${1} {{x}}",
        "paper": "A. Nobody",
        "year": 1999,
        "data": {"name": "toys"} | dict(said),
    }
    info |= {"kind": "picture" if len(shape) == 3 else "vector", "image_shape": shape, "levels": None}
    info |= {"num_classes": 0, "functions": {}, "files": {}} | about
    for function, (inputs, output, nodes, constants) in functions.items():
        arrays = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
        graph = helper.make_graph(nodes, function, [*map(value_info, inputs)], [value_info(output)], arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.checker.check_model(model)
        path, content = f"onnx/{function}.onnx", model.SerializeToString()
        (folder / path).write_bytes(content)
        info["files"][path] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        info["functions"][function] = {"onnx": path, "inputs": inputs, "output": output}
    (folder / "bundle.json").write_text(json.dumps(info))
    return str(folder)


SEED, COUNT = port("seed", dtype="int32"), port("count", dtype="int32", low=0)


def wave(size):
    """Latents (count, size) on sine waves: each a function of its index and the seed alone."""
    nodes = [
        node("Range", "none count one", "index"), to_float("index", "i"), node("Unsqueeze", "i axis", "row"),
        to_float("seed", "s"), node("Mul", "row rates", "a"), node("Mul", "s phases", "b"), node("Add", "a b", "angle"),
        node("Sin", "angle", "unit"), node("Mul", "unit two", "wave"),
    ]  # fmt: skip
    rates, phases = np.random.default_rng(0).uniform(1, 3, (2, 1, size)).astype("f4")
    constants = {"none": np.int32(0), "one": np.int32(1), "axis": np.array([1]), "two": np.float32(2)}
    return nodes, constants | {"rates": rates, "phases": 3 * phases}


def blobs(folder):
    """Pictures of soft blobs in three classes, with a latent, a reconstruction and a score."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, SIZE)] * 2), -1).reshape(-1, 2)
    weights = (np.random.default_rng(1).normal(size=(LATENT, 2)) @ grid.T * 2).astype("f4")
    picture = [
        node("Gemm", "latent weights bias", "y"),
        node("Sigmoid", "y", "p"),
        node("Reshape", "p shape", "x"),
    ]
    constants = {"weights": weights, "bias": (3 - 8 * (grid**2).sum(1)).astype("f4")}
    constants["shape"] = np.array([-1, SIZE, SIZE, 1])
    draw, drawn = wave(LATENT)
    classes = [
        to_float("label", "l"),
        node("Unsqueeze", "l axis", "column"),
        node("Add", "wave column", "latent"),
    ]
    label = port("label", "batch", dtype="int32", low=-1, high=2, default=-1)
    x, half = port("x", "batch", SIZE, SIZE, 1, low=0.0, high=1.0), {"half": np.float32(0.5)}
    distance = [
        node("Sub", "x half", "d"), node("ReduceSumSquare", "d axes", "n", keepdims=0), node("Neg", "n", "log_prob")
    ]  # fmt: skip
    functions = {
        "sample": ([COUNT, SEED, label], x, draw + classes + picture, constants | drawn),
        "decode": ([port("latent", "batch", LATENT)], x, picture, constants),
        "reconstruct": ([x], x | {"name": "reconstruction"}, [node("Mul", "x half", "reconstruction")], half),
        "log_prob": ([x], port("log_prob", "batch"), distance, half | {"axes": np.array([1, 2, 3])}),
    }
    picture, strength = x | {"name": "picture"}, port("strength", low=0.0, high=1.0, default=0.25)
    mask, kept = port("mask", "batch", SIZE, SIZE, 1, low=0.0, high=1.0), node("Sub", "one mask", "kept")
    functions |= {
        "refine": (
            [picture, SEED, strength], x | {"name": "refined"}, [node("Mul", "picture strength", "refined")], {}
        ),
        "complete": (
            [picture, mask, SEED], x | {"name": "completed"}, [kept, node("Mul", "picture kept", "completed")],
            {"one": np.float32(1)},
        ),
    }  # fmt: skip
    return write_bundle(folder, "Blobs", [SIZE, SIZE, 1], functions)


def negative(folder, size=SIZE):
    """Pictures turned black to white; it draws none of its own."""
    picture, out = (port(name, "batch", size, size, 1, low=0.0, high=1.0) for name in ("picture", "translated"))
    turn = ([picture], out, [node("Sub", "one picture", "translated")], {"one": np.float32(1)})
    return write_bundle(folder, "Negative", [size, size, 1], {"translate": turn})


def ring(folder):
    """Points of the plane, with a control."""
    draw, drawn = wave(2)
    scale = [to_float("steps", "n"), node("Div", "n hundred", "r"), node("Mul", "wave r", "x")]
    steps, x = port("steps", dtype="int32", low=1, default=50), port("x", "batch", 2)
    functions = {
        "sample": ([COUNT, SEED, steps], x, draw + scale, drawn | {"hundred": np.float32(100)}),
        "decode": ([port("latent", "batch", 2)], x, [node("Tanh", "latent", "x")], {}),
        "score": ([x], port("score", "batch", 2), [node("Neg", "x", "score")], {}),
    }
    return write_bundle(folder, "Ring", [2], functions)


def scenes(folder, objects=3):
    """Pictures of the boxes of a layout, the brighter the higher their class: those of class -1 are black."""
    nodes = [
        to_float("count", "n"), to_float("seed", "s"),  # read, since a graph must use its inputs
        node("Gather", "layout zero", "kind", axis=2), node("Slice", "layout from to axis", "boxes"),
        node("Unsqueeze", "kind far", "k"), node("Add", "k one", "b"), node("Mul", "b tenth", "bright"),  # (N, O, 1, 1)
    ]  # fmt: skip
    nodes += [node("Gather", f"layout {side}", f"{side}_", axis=2) for side in ("left", "top", "width", "height")]
    nodes += [node("Unsqueeze", f"{side}_ far", f"{side}4") for side in ("left", "top", "width", "height")]
    nodes += [
        node("Add", "left4 width4", "right"), node("Add", "top4 height4", "bottom"),
        node("LessOrEqual", "left4 across", "a"), node("Less", "across right", "c"), node("And", "a c", "ac"),
        node("LessOrEqual", "top4 down", "d"), node("Less", "down bottom", "e"), node("And", "d e", "de"),
        node("And", "ac de", "inside"), node("Cast", "inside", "mask", to=TensorProto.FLOAT),
        node("Mul", "mask bright", "lit"), node("ReduceMax", "lit objects", "most", keepdims=0),
        node("Unsqueeze", "most last", "x"),
    ]  # fmt: skip
    middle = ((np.arange(SIZE) + 0.5) / SIZE).astype("f4")
    constants = {
        "zero": np.int64(0), "from": np.array([1]), "to": np.array([5]), "axis": np.array([2]), "far": np.array([2, 3]),
        "one": np.float32(1), "tenth": np.float32(0.1), "across": middle[None, None, None],
        "down": middle[None, None, :, None], "objects": np.array([1]), "last": np.array([3]),
        **{side: np.int64(i + 1) for i, side in enumerate(("left", "top", "width", "height"))},
    }  # fmt: skip
    x = port("x", "batch", SIZE, SIZE, 1, low=0.0, high=1.0)
    layout = port("layout", "batch", objects, 5, low=-1.0)
    functions = {"sample": ([COUNT, SEED, layout], x, nodes, constants)}
    rows = [[[2, 0.0, 0.0, 0.5, 0.5], [7, 0.5, 0.5, 0.5, 0.5], [-1, 0, 0, 0, 0]]]
    said = {"descriptions": rows, "class_names": [f"kind {i}" for i in range(10)]}
    return write_bundle(folder, "Scenes", [SIZE, SIZE, 1], functions, said)


def captions(folder, length=8):
    """Pictures as bright as the first letter of a text, with a code; noise taken off; levels that it is unsure of."""
    text = port("text", "batch", length, dtype="int32", low=0, high=255) | {"text": True}
    letter = [
        to_float("count", "n"), to_float("seed", "s"), to_float("text", "letters"),
        node("Gather", "letters zero", "first", axis=1), node("Mul", "first share", "bright"),
        node("Unsqueeze", "bright axes", "b"), node("Mul", "b canvas", "x"),
    ]  # fmt: skip
    canvas = np.ones((1, SIZE, SIZE, 1), "f4")
    constants = {
        "zero": np.int64(0),
        "share": np.float32(1 / 128),
        "axes": np.array([1, 2, 3]),
        "canvas": canvas,
    }
    x, free = port("x", "batch", SIZE, SIZE, 1, low=0.0, high=1.0), port("x", "batch", SIZE, SIZE, 1)
    level, code = (
        port("noise_level", "batch", low=0.0),
        port("code", "batch", SIZE * SIZE, dtype="int32", low=0, high=9),
    )
    denoise = [node("Unsqueeze", "noise_level axes", "l"), node("Sub", "x l", "denoised")]
    encode = [
        node("Mul", "x nine", "y"),
        node("Reshape", "y flat", "z"),
        node("Cast", "z", "code", to=TensorProto.INT32),
    ]
    logits = [
        to_float("code", "c"), to_float("text", "t"), node("Unsqueeze", "c last", "column"),
        node("Mul", "column row", "logits"),
    ]  # fmt: skip
    functions = {
        "sample": ([COUNT, SEED, text], x, letter, constants),
        "reconstruct": ([x], x | {"name": "reconstruction"}, [node("Identity", "x", "reconstruction")], {}),
        "denoise": ([free, level], free | {"name": "denoised"}, denoise, {"axes": np.array([1, 2, 3])}),
        "encode": ([x], code, encode, {"nine": np.float32(9), "flat": np.array([-1, SIZE * SIZE])}),
        "logits": (
            [code, text], port("logits", "batch", SIZE * SIZE, 4), logits,
            {"last": np.array([2]), "row": np.arange(4, dtype="f4")[None, None]},
        ),
    }  # fmt: skip
    return write_bundle(folder, "Captions", [SIZE, SIZE, 1], functions, {"descriptions": ["abc", "zebra"]})


def bells(folder, size=400):
    """Sounds; the class is how loud they are."""
    draw, drawn = wave(size)
    loud = [
        to_float("label", "l"),
        node("Unsqueeze", "l last", "c"),
        node("Mul", "wave c", "y"),
        node("Mul", "y half", "x"),
    ]
    label = port("label", "batch", dtype="int32", low=0, high=2)
    x = port("x", "batch", size, low=-1.0, high=1.0)
    functions = {
        "sample": (
            [COUNT, SEED, label],
            x,
            draw + loud,
            drawn | {"half": np.float32(0.5), "last": np.array([1])},
        )
    }
    said = {"class_names": ["silent", "soft", "loud"]}
    return write_bundle(folder, "BellsWithAVeryLongNameIndeed", [size], functions, said, kind="sound", sample_rate=4000)


def domains(folder):
    """Pictures led to one of two domains: as they are, or dark for bright."""
    x = port("x", "batch", SIZE, SIZE, 1, low=0.0, high=1.0)
    label = port("label", "batch", dtype="int32", low=0, high=1)
    turn = [
        to_float("label", "l"), node("Unsqueeze", "l axes", "c"), node("Sub", "c picture", "d"),
        node("Abs", "d", "translated"),
    ]  # fmt: skip
    keep = [to_float("label", "l"), node("Identity", "x", "reconstruction")]
    functions = {
        "translate": (
            [x | {"name": "picture"}, label],
            x | {"name": "translated"},
            turn,
            {"axes": np.array([1, 2, 3])},
        ),
        "reconstruct": ([x, label], x | {"name": "reconstruction"}, keep, {}),
    }
    return write_bundle(folder, "Domains", [SIZE, SIZE, 1], functions, {"class_names": ["bright", "dark"]})


# --- server and browser -----------------------------------------------------------------------------------------------


class Server:
    """The app in a process of its own, out of a folder with copies of its two rooms and nothing else."""

    def __init__(self, folder, *bundles):
        for room in ("runtime", "demo"):
            shutil.copytree(pathlib.Path(app.__file__).parents[1] / room, folder / "kerasgen" / room)
        (folder / "kerasgen" / "__init__.py").touch()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        command = [sys.executable, "-c", SERVER, str(port), *bundles]
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process = subprocess.Popen(command, **pipes, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)})
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(self.process.communicate()[1])

    def stop(self):
        """Ends the process; returns the modules that it had imported and what it wrote to its error stream."""
        out, errors = self.process.communicate("\n", timeout=20)
        return out.split(), errors

    def call(self, function, *data):
        """The named endpoint's answer, or its error as text; `data` goes out as it is."""
        body = json.dumps({"data": data}).encode()
        address = f"{self.url}gradio_api/call/{function}"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as reply:
            event = json.load(reply)["event_id"]
        with urllib.request.urlopen(f"{address}/{event}", timeout=20) as reply:
            kind, answer = [line.split(": ", 1)[1] for line in reply.read().decode().strip().splitlines()[-2:]]
        return json.loads(answer)[0] if kind == "complete" else json.loads(answer)["error"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shelf")
    pictures = [blobs(folder / "blobs"), ring(folder / "ring")]
    pictures += [negative(folder / "negative"), negative(folder / "small", 8)]
    pictures += [make(folder / make.__name__) for make in (scenes, captions, bells, domains)]
    Image.new("L", (24, 24), 128).save(folder / "blobs" / "samples.png")
    return pictures


@pytest.fixture(scope="module")
def server(bundles, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("app"), *bundles)
    yield server
    server.process.kill()


@pytest.fixture(scope="module")
def browser():
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("no Chromium on this machine; set CHROMIUM to its path")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags.split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """A fresh page, which must have asked this machine alone, and made no error."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(15_000)
    outside, errors = [], []
    page.on(
        "request",
        lambda r: None if r.url.startswith((server.url, "data:", "blob:")) else outside.append(r.url),
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector("#samples img")
    yield page
    page.close()
    assert not outside and not errors


def shoot(page, name, tmp_path):
    path = pathlib.Path(SHOTS or tmp_path) / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 10_000


CONTENT = "[...document.querySelectorAll(s + ' .kg-grid, ' + s + ' svg.kg-plane')].map(e => e.outerHTML).join()"


def shown(page, selector):
    """What an output shows; how long it took may lie above it."""
    return page.evaluate(f"s => {CONTENT}", selector)


def changed(page, selector, action):
    """What an output shows when the action has changed it."""
    before = shown(page, selector)
    action()
    page.wait_for_function(f"([s, b]) => {CONTENT} !== b", arg=[selector, before])
    page.wait_for_timeout(300)  # a second redraw may follow
    return shown(page, selector)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_same_seed_same_pictures(page, tmp_path):
    first = shown(page, "#samples")
    fill = page.locator("#sample-seed input").fill
    other = changed(page, "#samples", lambda: fill("5"))
    assert other != first
    assert changed(page, "#samples", lambda: fill("0")) == first
    changed(page, "#samples", lambda: page.click("#sample-seed-new"))
    shoot(page, "sample", tmp_path)


def test_count_and_label(page):
    box = page.locator("#sample-count input[type=number]")
    changed(page, "#samples", lambda: (box.fill("3"), box.press("Enter")))
    assert page.locator("#samples img").count() == 3
    page.click("#sample-label input")
    changed(page, "#samples", lambda: page.get_by_role("option", name="2").click())
    assert page.locator("#samples figcaption").all_inner_texts() == ["#0", "#1", "#2"]


def test_latent_sliders_redraw(page, tmp_path):
    page.get_by_role("tab", name="Latent").click()
    page.wait_for_selector("#decoded img")
    slider = page.locator("#latent-z0 input[type=range]")
    slider.focus()
    page.wait_for_function("document.querySelector('#latent-z0 input').value !== '0'")  # it is where the seed puts it
    moved = changed(page, "#decoded", lambda: page.keyboard.press("End"))
    assert slider.input_value() == "3"
    assert changed(page, "#decoded", lambda: page.locator("#latent-seed input").fill("9")) != moved
    page.wait_for_function("document.querySelectorAll('#walk img').length === 12")
    changed(page, "#walk", lambda: page.click("#latent-walk-to-seed-new"))
    shoot(page, "latent", tmp_path)


def test_reconstructions_and_scores(page):
    page.get_by_role("tab", name="Reconstruct").click()
    page.wait_for_function("document.querySelectorAll('#reconstruct-before img, #reconstruct-after img').length === 16")
    assert set(differences(page, "#reconstruct-after")) != {0.0}
    page.get_by_role("tab", name="Score").click()
    page.wait_for_function("document.querySelectorAll('#scores img').length === 16")
    values = [float(text) for text in page.locator("#scores figcaption").all_inner_texts()]
    assert values == sorted(values, reverse=True)


def choose(page, name):
    """Choose a model as a visitor does: enter the field, type, press Enter."""
    page.click("#picker input")
    page.wait_for_timeout(100)
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.locator(".kg-head h2", has_text=name).wait_for()


def toasts(page):
    return page.locator(".toast-body").all_inner_texts()


def test_typing_replaces_what_the_picker_says(page):
    choose(page, "scenes")
    choose(page, "ring")
    page.wait_for_selector("#samples svg")


def test_a_model_has_an_address(page, server):
    choose(page, "ring")
    page.wait_for_url("**/?model=ring")
    for asked, shown_ in {"negative": "Negative · negative", "nothing": "Blobs · blobs"}.items():
        page.goto(f"{server.url}?model={asked}")
        page.locator(".kg-head h2", has_text=shown_).wait_for()
        page.wait_for_timeout(2000)
        assert toasts(page) == [] and page.locator(".kg-head").count() == 1


def test_an_emptied_field_is_no_mistake(page):
    first = shown(page, "#samples")
    page.locator("#sample-seed input").fill("")
    page.wait_for_timeout(1000)
    assert toasts(page) == [] and shown(page, "#samples") == first
    changed(page, "#samples", lambda: page.locator("#sample-seed input").fill("3"))
    assert toasts(page) == []


def brightness(page, selector="#samples img"):
    """(16, 16) shares of white of the first picture."""
    data = base64.b64decode(page.locator(selector).first.get_attribute("src").split(",")[1])
    picture = np.asarray(Image.open(io.BytesIO(data)), "float64") / 255
    return picture[3::6, 3::6]  # each pixel is shown as 6 x 6


def test_boxes_are_drawn(page, tmp_path):
    choose(page, "scenes")
    page.wait_for_selector("#samples img")
    assert page.locator(".kg-box").count() == 2
    expected = np.zeros((SIZE, SIZE))
    expected[:8, :8], expected[8:, 8:] = 0.3, 0.8
    np.testing.assert_allclose(brightness(page), expected, atol=0.01)
    # A third one, from the middle of the upper right quarter to its corner, of another class.
    page.select_option(".kg-board-row select", "9")

    def drag(*way):
        board = page.locator(".kg-board").bounding_box()  # the page may have been scrolled
        spots = [(board["x"] + x * board["width"], board["y"] + y * board["height"]) for x, y in way]
        page.mouse.move(*spots[0])
        page.mouse.down()
        for spot in spots[1:]:
            page.mouse.move(*spot, steps=4)
        page.mouse.up()

    changed(page, "#samples", lambda: drag((0.75, 0.02), (0.98, 0.25)))
    assert page.locator(".kg-box").count() == 3 and toasts(page) == []
    drawn = brightness(page) - expected
    assert (
        drawn[:4, 12:].max() == pytest.approx(1, abs=0.01)
        and np.abs(drawn[5:]).max() < 0.01
        and np.abs(drawn[:, :11]).max() < 0.01
    )
    drag((0.6, 0.3), (0.7, 0.4))  # no more than three
    assert page.locator(".kg-box").count() == 3 and "3 boxes at most" in page.locator(".kg-boxes small").inner_text()
    changed(page, "#samples", page.get_by_role("button", name="Remove").click)
    changed(page, "#samples", lambda: drag((0.25, 0.25), (0.75, 0.25)))  # the first one is moved to the right
    assert brightness(page)[2, 12] == pytest.approx(0.3, abs=0.01) and brightness(page)[2, 2] == 0
    for _ in range(2):  # none at all
        page.locator(".kg-box").first.focus()
        page.keyboard.press("Delete")
        page.wait_for_timeout(300)
    page.wait_for_timeout(1000)
    assert page.locator(".kg-box").count() == 0 and brightness(page).max() == 0 and toasts(page) == []
    shoot(page, "boxes", tmp_path)


def test_texts_go_into_every_tab(page):
    choose(page, "captions")
    page.wait_for_selector("#samples img")
    assert brightness(page)[0, 0] == pytest.approx(ord("a") / 128, abs=0.01)
    box = page.locator("#sample-text input")
    changed(page, "#samples", lambda: (box.click(), box.fill("zoo"), box.press("Enter")))
    assert "Not among the words that its data are listed with: zoo" in page.locator("#samples").inner_text()
    for tab in ("Reconstruct", "Denoise", "Encode", "Logits"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_function(
            "t => document.querySelectorAll(`#${t}-before img, #${t}-after img`).length === 16",
            arg=tab.lower(),
        )
    assert toasts(page) == []
    assert set(differences(page, "#reconstruct-after")) == {0.0}
    # Logits (0, c, 2 c, 3 c) of the code c = 9 x: their entropy in bits.
    code = int(9 * ord("a") / 128)
    shares = np.exp(code * np.arange(4.0))
    bits = -(shares / shares.sum() * np.log2(shares / shares.sum())).sum()
    titles = page.locator("#logits-after figcaption").all_inner_texts()
    assert {float(title.split()[0]) for title in titles} == {float(f"{bits:.3g}")}


def test_gradients_of_points_are_arrows(page):
    choose(page, "ring")
    page.get_by_role("tab", name="Gradient").click()
    page.wait_for_selector("#gradient-after path.kg-arrow >> nth=100")
    assert page.locator("#gradient-after path.kg-arrow").count() == 200
    drawn = page.locator("#gradient-after path.kg-arrow").last.get_attribute("d")
    x, y, dx, dy = (float(part) for part in drawn.lstrip("M").replace("l", " ").split())
    assert dx * y == pytest.approx(dy * x, abs=1e-3) and dx * x <= 0  # the score is -x: towards the middle


def test_translation_opens_with_a_change(page):
    choose(page, "domains")
    assert page.get_by_role("tab").all_inner_texts() == ["Reconstruct", "Translate"]
    page.wait_for_selector("#reconstruct-after img")
    page.get_by_role("tab", name="Translate").click()
    page.wait_for_selector("#translate-after img")
    assert page.locator("#translate-label input").input_value() == "dark"
    assert min(differences(page, "#translate-after")) > 0.1


def nothing_is_wider(page, width):
    """Nothing reaches out of the page to the right, but what lies in a list that is moved sideways."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    return page.evaluate(
        """width => [...document.querySelectorAll("main *")].filter(e => {
          const { right, width: own } = e.getBoundingClientRect();
          const style = getComputedStyle(e);
          return own && right > width + 1 && style.visibility !== "hidden" && style.position !== "absolute"
            && !e.closest(".kg-cards, .tab-wrapper, .overflow-menu");
        }).map(e => `${e.tagName} ${e.id} ${e.className}`)""",
        width,
    )


def test_players_on_a_phone(page, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    choose(page, "bells")
    page.wait_for_selector("#samples audio")
    assert page.locator("#samples audio").first.bounding_box()["width"] >= 220  # room for the button and the time
    assert nothing_is_wider(page, 390) == []
    first, controls = page.locator("#samples").bounding_box(), page.locator("#sample-count").bounding_box()
    assert first["y"] < controls["y"]  # what is drawn is seen before the controls
    shoot(page, "players", tmp_path)


def test_ends_of_sliders_are_seen(page):
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("tab", name="Latent").click()
    page.wait_for_selector("#decoded img")
    cut = page.evaluate(
        """[...document.querySelectorAll("[id^=latent-z] *")].filter(e => {
          const own = e.getBoundingClientRect(), block = e.closest("[id^=latent-z]").getBoundingClientRect();
          return own.width && (own.right > block.right + 1 || own.left < block.left - 1);
        }).length"""
    )
    assert cut == 0


def test_what_takes_long_says_so_and_can_be_stopped(page):
    page.wait_for_selector("#sample-stop")
    changed(page, "#samples", lambda: page.locator("#sample-seed input").fill("8"))
    assert page.locator("#samples [data-testid=status-tracker].minimal").count() == 1
    page.click("#sample-stop")  # with nothing to stop, nothing happens
    page.wait_for_timeout(300)
    assert toasts(page) == []


def differences(page, selector):
    return [float(text.removeprefix("± ")) for text in page.locator(f"{selector} figcaption").all_inner_texts()]


def test_pictures_are_changed(page, tmp_path):
    page.get_by_role("tab", name="Refine").click()
    page.wait_for_function("document.querySelectorAll('#refine-before img, #refine-after img').length === 16")
    box = page.locator("#refine-strength input[type=number]")
    changed(page, "#refine-after", lambda: (box.fill("1"), box.press("Enter")))
    assert set(differences(page, "#refine-after")) == {0.0}
    page.get_by_role("tab", name="Complete").click()
    page.wait_for_selector("#complete-after img")
    box = page.locator("#complete-hole input[type=number]")
    changed(page, "#complete-after", lambda: (box.fill("0.25"), box.press("Enter")))
    assert differences(page, "#complete-after") == pytest.approx([0.5 * 4**2 / SIZE**2] * 8, abs=1e-3)
    shoot(page, "complete", tmp_path)


def test_pictures_of_another_model_are_changed(page):
    page.click("#picker input")
    page.get_by_role("option", name="Negative · negative").click()
    page.wait_for_selector("#translate-after img")
    assert page.get_by_role("tab").all_inner_texts() == ["Translate"]
    changed(page, "#translate-before", lambda: page.locator("#translate-seed input").fill("5"))
    assert len(set(differences(page, "#translate-after"))) > 1
    page.click("#picker input")
    page.get_by_role("option", name="Negative · small").click()
    page.locator("h2", has_text="small").wait_for()
    page.wait_for_selector("#translate-after img")  # of strokes, as no model of the page draws so small ones
    assert min(differences(page, "#translate-after")) > 0.2


def test_picker_switches(page, tmp_path):
    page.click("#picker input")
    page.get_by_role("option", name="Ring").click()
    page.wait_for_selector("#samples svg")
    assert page.locator("#samples circle").count() == 512
    assert page.get_by_role("tab").all_inner_texts() == ["Sample", "Latent", "Gradient"]
    box = page.locator("#sample-steps input[type=number]")
    changed(page, "#samples", lambda: (box.fill("120"), box.press("Enter")))
    shoot(page, "points", tmp_path)
    page.click("#cards button[data-key=blobs]")
    page.wait_for_selector("#samples img")


def test_pictures_of_the_last_model_do_not_stay(page):
    def wait(route):  # the first drawing of the next model takes for ever
        if len(route.request.post_data_json["data"]) != 3:
            route.continue_()

    page.route("**/queue/join*", wait)
    page.click("#picker input")
    page.get_by_role("option", name="Ring").click()
    page.locator("h2", has_text="Ring").wait_for()
    assert page.locator("#samples").count() == 1 and page.locator("#samples img").count() == 0


def test_phone(page, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("tab", name="Latent").click()
    page.wait_for_selector("#walk img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#latent-z7").scroll_into_view_if_needed()
    assert page.locator("#decoded img").bounding_box()["y"] >= 0  # the picture stays in sight
    shoot(page, "phone", tmp_path)


def test_words_of_a_bundle_are_words(page):
    assert "A <b>toy</b> ${1} {{x}}" in page.locator(".kg-head").inner_text()


FORGED = [  # position in (seed, count, label), value, the line that the visitor reads
    (0, "5", "seed: expected a whole number from 0 to 2147483647, got str '5'"),
    (0, -1, "seed: expected a whole number from 0 to 2147483647, got -1"),
    (1, 10**6, "count: expected a whole number from 1 to 64, got 1e+06"),
    (1, [3], "count: expected a whole number from 1 to 64, got shape (1,)"),
    (2, 7, "label: expected whole numbers of shape (N,) from -1 to 2, got 7"),
]


FORGED_CHANGES = [  # position in (seed, count, pictures, own, label, hole)
    (1, 65, "count: expected a whole number from 1 to 64, got 65"),
    (2, "ring", "pictures: expected one of blobs, strokes drawn here, got 'ring'"),
    (2, ["blobs"], "pictures: expected one of blobs, strokes drawn here, got \"['blobs']\""),
    (3, "file:///etc/passwd", "own picture: expected a PNG file as a data address, got 'file:///etc/passwd'"),
    (3, ["x"], "own picture: expected a PNG file as a data address, got \"['x']\""),
    (3, "data:image/png;base64,iVBORw0KGgo=", "own picture: not a PNG file that can be read"),
    (5, "0.5", "hole: expected a number from 0 to 1, got str '0.5'"),
    (5, 1.5, "hole: expected a number from 0 to 1, got 1.5"),
]


@pytest.mark.parametrize("tab, forged", [("Sample", FORGED), ("Complete", FORGED_CHANGES)])
def test_page_answers_forged_requests(page, tab, forged):
    """What the page's own widgets would refuse reaches the handler when a request is changed on its way."""
    position, value, size = 0, 0, 3 if tab == "Sample" else 6

    def forge(route):
        body = route.request.post_data_json
        if len(body["data"]) == size:
            body["data"][position] = value
        route.continue_(post_data=json.dumps(body))

    page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(500)
    page.route("**/queue/join*", forge)
    for position, value, line in forged:  # noqa: B007 (read by `forge`)
        page.click(f"#{tab.lower()}-seed-new")
        page.get_by_text(line).first.wait_for()


def saved(page, click):
    """The name and bytes of the file that a click saves."""
    with page.expect_download() as waiting:
        click()
    return waiting.value.suggested_filename, pathlib.Path(waiting.value.path()).read_bytes()


def test_what_is_made_can_be_saved(page):
    shown_ = brightness(page)
    name, content = saved(page, page.locator("#samples").get_by_text("Save as PNG").click)
    sheet = Image.open(io.BytesIO(content)).convert("L")
    assert name == "blobs.png" and sheet.size == (4 * 96 + 3 * 4,) * 2  # 16 pictures, 4 pixels between them
    np.testing.assert_allclose(np.asarray(sheet)[3:96:6, 3:96:6] / 255, shown_, atol=1e-6)
    last = base64.b64decode(page.locator("#samples img").last.get_attribute("src").split(",")[1])
    np.testing.assert_array_equal(np.asarray(sheet)[-96:, -96:], np.asarray(Image.open(io.BytesIO(last))))
    page.get_by_role("tab", name="Latent").click()
    page.wait_for_function("document.querySelectorAll('#walk img').length === 12")
    name, content = saved(page, page.locator("#walk").get_by_text("Save as GIF").click)
    way = Image.open(io.BytesIO(content))
    assert name == "blobs.gif" and way.format == "GIF" and way.n_frames == 22 and way.info["loop"] == 0
    assert page.locator("#decoded").get_by_text("Save as GIF").count() == 0
    assert saved(page, page.locator("#decoded").get_by_text("Save as PNG").click)[0] == "blobs.png"
    choose(page, "ring")
    page.wait_for_selector("#samples svg")
    name, content = saved(page, page.locator("#samples").get_by_text("Save as CSV").click)
    assert name == "ring.csv" and np.loadtxt(io.BytesIO(content), delimiter=",").shape == (512, 2)
    choose(page, "bells")
    page.wait_for_selector("#samples audio")
    name, content = saved(page, page.locator("#samples figure").nth(2).get_by_text("Save as WAV").click)
    with wave_file.open(io.BytesIO(content)) as sound:
        assert name.endswith("-2.wav") and sound.getframerate() == 4000 and sound.getnframes() == 400


def test_a_class_is_called_by_its_name(page, server):
    choose(page, "bells")
    page.wait_for_selector("#samples audio")
    assert page.locator("#samples figcaption").first.inner_text().startswith("#0 silent")
    assert server.call("sample", "bells", 1, 0, "loud", None) == server.call("sample", "bells", 1, 0, 2, None)
    line = "label: unknown class 'lout'; did you mean 'loud'?"
    assert server.call("sample", "bells", 1, 0, "lout", None) == line


def test_a_picture_of_ones_own_is_changed(page, tmp_path):
    """A picture is cut to its middle, goes through the function, and leaves nothing behind."""
    choose(page, "Negative · negative")
    page.wait_for_selector("#translate-after img")
    x = np.zeros((SIZE, 2 * SIZE), "uint8")
    x[:, : SIZE // 2], x[2:5, SIZE : SIZE + 4] = 255, 51  # a white edge, which is cut off, and a mark in the middle
    Image.fromarray(x).save(tmp_path / "own.png")
    field = page.locator("#translate-own input")
    changed(page, "#translate-after", lambda: field.set_input_files(tmp_path / "own.png"))
    assert page.locator("#translate-after img").count() == page.locator("#translate-before img").count() == 1
    expected = np.zeros((SIZE, SIZE))
    expected[2:5, SIZE // 2 : SIZE // 2 + 4] = 0.2
    np.testing.assert_allclose(brightness(page, "#translate-before img"), expected, atol=1e-6)
    np.testing.assert_allclose(brightness(page, "#translate-after img"), 1 - expected, atol=1e-6)
    shoot(page, "own", tmp_path)
    changed(page, "#translate-after", page.locator("#translate-own button").click)
    assert page.locator("#translate-after img").count() == 8 and field.input_value() == ""
    (tmp_path / "words.png").write_text("no picture")
    field.set_input_files(tmp_path / "words.png")
    page.get_by_text("This is no picture that the browser can read.").wait_for()
    assert toasts(page) == [] and page.locator("#translate-after img").count() == 8


def test_several_ways_to_change_ones_own_picture(page, tmp_path):
    """A function that takes a seed makes as many as are asked for; another, one."""
    Image.new("RGB", (3000, 2000), (255, 0, 0)).save(tmp_path / "own.jpg")
    sent, asked = [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("request", lambda r: sent.append(r.post_data or "") if "queue/join" in r.url else None)
    for tab, count in (("Refine", 8), ("Reconstruct", 1)):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(f"#{tab.lower()}-after img")
        field = page.locator(f"#{tab.lower()}-own input")
        changed(page, f"#{tab.lower()}-after", lambda: field.set_input_files(tmp_path / "own.jpg"))  # noqa: B023
        assert page.locator(f"#{tab.lower()}-before img").count() == count
    assert not [url for url in asked if "/upload" in url]  # Gradio's own would put a file on the server's disk
    address = next(part for part in json.loads(sent[-1])["data"] if str(part).startswith("data:"))
    assert Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).size == (256, 171)  # not as large as it is


# --- the interface for programs ---------------------------------------------------------------------------------------


def test_named_endpoints(server):
    pictures = server.call("sample", "blobs", 3, 7, None, None)
    assert pictures == server.call("sample", "blobs", 5, 7, -1, {})[:3]
    picture = Image.open(io.BytesIO(base64.b64decode(pictures[0].split(",")[1])))
    assert picture.format == "PNG" and picture.size == (8 * SIZE, 8 * SIZE)
    assert len(server.call("decode", "blobs", [[0.5] * LATENT] * 2, None)) == 2
    assert np.shape(server.call("sample", "ring", 4, 0, None, {"steps": 20})) == (4, 2)


NAN, INF = float("nan"), float("inf")
SAMPLE = [
    ["blobs", 1, NAN, None, None], ["blobs", NAN, 0, None, None], ["blobs", INF, 0, None, None],
    ["blobs", 10**9, 0, None, None], ["blobs", 1e308, 0, None, None], ["blobs", 65, 0, None, None],
    ["blobs", 0, 0, None, None], ["blobs", -1, 0, None, None], ["blobs", 4.5, 0, None, None],
    ["blobs", "4", 0, None, None], ["blobs", True, 0, None, None], ["blobs", [4], 0, None, None],
    ["blobs", {"n": 4}, 0, None, None], ["blobs", None, 0, None, None], ["blobs", 1, 2**31, None, None],
    ["blobs", 1, -1, None, None], ["blobs", 1, "0; rm", None, None], ["blobs", 1, 0, 3, None],
    ["blobs", 1, 0, -2, None], ["blobs", 1, 0, "1", None], ["blobs", 1, 0, [[1]], None], ["blobs", 2, 0, [1], None],
    ["blobs", 1, 0, None, {"steps": 5}], ["blobs", 1, 0, None, [5]], ["blobs", 1, 0, None, "steps"],
    ["blobs", 1, 0, None, {"latent": [0]}], ["blobs", 1, 0, None, {"": 0}], ["ring", 1, 0, 1, None],
    ["ring", 1, 0, None, {"steps": 10**9}], ["ring", 1, 0, None, {"steps": 0}], ["ring", 1, 0, None, {"steps": NAN}],
    ["ring", 1025, 0, None, None], ["", 1, 0, None, None], ["/etc/passwd", 1, 0, None, None],
    ["../blobs", 1, 0, None, None], [None, 1, 0, None, None], [["blobs"], 1, 0, None, None], [3, 1, 0, None, None],
    ["<script>", 1, 0, None, None], [], ["blobs"], ["blobs", 1],
]  # fmt: skip
DECODE = [
    ["blobs", None, None], ["blobs", [], None], ["blobs", [0.0] * LATENT, None], ["blobs", [[0.0] * 9], None],
    ["blobs", [[0.0] * 11], None], ["blobs", [[NAN] * LATENT], None], ["blobs", [[-INF] * LATENT], None],
    ["blobs", [[1e308] * LATENT], None], ["blobs", [["0"] * LATENT], None], ["blobs", [[None] * LATENT], None],
    ["blobs", [[0.0], [0.0] * LATENT], None], ["blobs", [[0.0] * LATENT] * 65, None], ["blobs", "latent", None],
    ["blobs", {"latent": 0}, None], ["blobs", [[0.0] * LATENT], 1], ["nothing", [[0.0] * LATENT], None],
]  # fmt: skip


def test_hostile_payloads_get_a_line(server):
    for function, payloads in {"sample": SAMPLE, "decode": DECODE}.items():
        for payload in payloads:
            answer = server.call(function, *payload)
            assert isinstance(answer, str) and 5 < len(answer) < 300 and "\n" not in answer, (payload, answer)
            assert "Traceback" not in answer and "/" not in answer.replace("/etc/passwd", "").replace("../", ""), answer
    assert len(server.call("sample", "blobs", 1, 0, None, None)) == 1


def test_files_are_not_served(server, bundles):
    inside = [os.path.join(bundles[0], name) for name in ("bundle.json", "samples.png", "onnx/sample.onnx")]
    for path in ("/etc/passwd", app.__file__, *inside):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{server.url}gradio_api/file={path}")
        assert error.value.code == 403
    for path in ("monitoring", "gradio_api/monitoring/summary"):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(server.url + path)
        assert error.value.code in (403, 404)


def test_server_process_is_clean(server):
    """The last of those that use the server: it needed no TensorFlow, and no request ended in a traceback."""
    modules, errors = server.stop()
    assert "gradio" in modules and "onnxruntime" in modules
    assert not {"tensorflow", "keras"} & set(modules)
    assert {name for name in modules if name.startswith("kerasgen.")} == {"kerasgen.demo", "kerasgen.runtime"}
    assert "Traceback" not in errors, errors


# --- without a server -------------------------------------------------------------------------------------------------


def test_what_is_not_a_bundle(tmp_path):
    with pytest.raises(ValueError, match="kerasgen export vae_digits --out DIR"):
        app.launch([])
    with pytest.raises(ValueError, match="expected the folder of a bundle"):
        app.launch([str(tmp_path)])


def test_gallery_without_bundles_says_how_to_make_one(tmp_path):
    gallery = pathlib.Path(app.__file__).parents[2] / "apps" / "gallery" / "app.py"
    shutil.copy(gallery, tmp_path)
    environment = os.environ | {"PYTHONPATH": str(gallery.parents[2])}
    run = subprocess.run([sys.executable, tmp_path / "app.py"], capture_output=True, text=True, env=environment)
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and "kerasgen export" in run.stderr


def test_changed_bundle_is_refused(tmp_path):
    folder = ring(tmp_path / "ring")
    with open(tmp_path / "ring" / "onnx" / "sample.onnx", "ab") as file:
        file.write(b" ")
    with pytest.raises(ValueError, match="is not as it was written"):
        app.build([folder])


def test_folders_of_one_name(tmp_path):
    shelf = shelves.Shelf([ring(tmp_path / "a" / "ring"), ring(tmp_path / "b" / "ring")])
    assert list(shelf.entries) == ["ring", "ring-1"]


def test_a_run_is_stopped_for_one_visitor(tmp_path):
    """A loop without end ends when its visitor says so, and only then; others go on."""
    INT64, BOOL, FLOAT = TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT  # noqa: N806
    body = helper.make_graph(
        [node("Identity", "go", "on"), node("Add", "total step", "more")], "body",
        [helper.make_tensor_value_info(*of) for of in (("i", INT64, []), ("go", BOOL, []), ("total", FLOAT, [1, 2]))],
        [helper.make_tensor_value_info(*of) for of in (("on", BOOL, []), ("more", FLOAT, [1, 2]))],
    )  # fmt: skip
    nodes = [
        to_float("seed", "s"), to_float("count", "n"), node("Loop", "times true start", "total", body=body),
        node("Expand", "total size", "x"),
    ]  # fmt: skip
    constants = {"times": np.int64(2**62), "true": np.bool_(True), "start": np.zeros((1, 2), "f4")}
    constants |= {"step": np.ones((1, 2), "f4"), "size": np.array([1, 2])}
    endless = {"sample": ([COUNT, SEED], port("x", "batch", 2), nodes, constants)}
    shelf = shelves.Shelf([write_bundle(tmp_path / "endless", "Endless", [2], endless), ring(tmp_path / "ring")])
    ended = []

    def visit():
        try:
            with shelf.stoppable("one"):
                shelf.run("endless", "sample", {"count": 1})
        except limits.Stopped:
            ended.append("stopped")

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    time.sleep(1)
    shelf.stop("other")
    with shelf.stoppable("other"):
        assert shelf.run("ring", "sample", {"count": 2}).shape == (2, 2)
    assert thread.is_alive() and ended == []
    shelf.stop("one")
    thread.join(10)
    assert ended == ["stopped"] and not thread.is_alive()


def png_of(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return media.address("image/png", file.getvalue())


def test_a_sent_picture_is_what_it_shows():
    levels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), "uint8")
    sent = png_of(Image.fromarray(levels))
    np.testing.assert_array_equal(media.picture_of(sent, (8, 12, 3)), levels.astype("f4") / 255)
    assert media.picture_of(sent, (5, 7, 1)).shape == (5, 7, 1)
    clear = png_of(Image.new("RGBA", (8, 8), (255, 0, 0, 0)))
    np.testing.assert_array_equal(media.picture_of(clear, (8, 8, 3)), np.ones((8, 8, 3)))


def chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def test_hostile_pictures_get_a_line():
    """A picture is refused by its header before its pixels are read, and by its kind, whatever it says it is."""
    import gradio as gr

    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", (30_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0]))
    wide = png_of(Image.new("L", (media.MOST_SIDE + 1, 1)))
    jpeg = io.BytesIO()
    Image.new("L", (8, 8)).save(jpeg, "JPEG")
    whole = png_of(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), "uint8")))
    for sent, line in {
        media.address("image/png", huge + chunk(b"IDAT", b"")): "not a PNG file|expected sides of at most",
        wide: f"expected sides of at most {media.MOST_SIDE} pixels, got {media.MOST_SIDE + 1} x 1",
        media.address("image/png", jpeg.getvalue()): "not a PNG file that can be read",
        whole[: len(whole) // 8 * 4]: "not a PNG file that can be read",
        media.PNG: "not a PNG file that can be read",
        media.PNG + "é": "not a PNG file that can be read",
        media.PNG + "A" * media.MOST_SENT: f"expected at most {media.MOST_SENT} bytes",
        "data:image/svg+xml;base64,PHN2Zz4=": "expected a PNG file as a data address",
        "http://127.0.0.1/x.png": "expected a PNG file as a data address",
    }.items():
        with pytest.raises(gr.Error, match=line):
            media.picture_of(sent, (8, 8, 1))


def test_pictures_have_their_own_size(tmp_path):
    """Small ones are enlarged by a whole number, so that every pixel is a square; large ones stay as they are."""
    entry = shelves.Shelf([blobs(tmp_path / "blobs")]).find("blobs")
    for side, large, shown_ in ((8, False, 96), (20, False, 80), (64, False, 64), (250, False, 250), (64, True, 320)):
        x = np.random.default_rng(0).random((1, side, side, 3))
        html = drawing.draw(entry, x, large=large)
        assert f'width="{shown_}" height="{shown_}"' in html and ("kg-small" in html) == (shown_ > side)
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(html.split("base64,")[1].split('"')[0]))))
        np.testing.assert_array_equal(picture[:: shown_ // side, :: shown_ // side], np.round(255 * x[0]))


def test_a_function_takes_pictures_of_its_own_size(tmp_path):
    """What is upscaled is smaller than what the model makes: its own examples do not fit, strokes do."""
    low, high = (port(name, "batch", size, size, 1, low=0.0, high=1.0) for name, size in (("picture", 8), ("y", 16)))
    turn = [helper.make_node("Resize", ["picture", "", "scales"], ["y"], mode="nearest")]
    upscale = [low], high, turn, {"scales": np.array([1, 2, 2, 1], "f4")}
    folder = write_bundle(tmp_path / "twice", "Twice", [16, 16, 1], {"upscale": upscale})
    shelf = shelves.Shelf([folder, blobs(tmp_path / "blobs")])
    assert shelf.find("twice").taken("upscale") == (8, 8, 1)
    assert shelf.makers("twice", "upscale") == [shelves.STROKES]
    assert shelf.makers("blobs", "refine") == ["blobs", shelves.STROKES]


def test_strokes_are_the_same_for_the_same_seed():
    for shape in ((8, 8, 1), (24, 32, 3), (128, 96, 3)):
        x = drawing.strokes(3, 5, shape)
        np.testing.assert_array_equal(x[:2], drawing.strokes(2, 5, shape))
        assert x.shape == (3, *shape) and x.min() == 0 and 0.5 < x.max() <= 1
        assert np.abs(x[0] - x[1]).max() > 0.3 and 0.02 < (x > 0.1).mean() < 0.7


def test_a_page_where_a_proxy_is_dead(tmp_path):
    """Gradio asks itself whether it is there, and must not ask a proxy for it; the address is said when it answers."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        free = s.getsockname()[1]
    program = (
        "import urllib.request; from kerasgen.demo import app\n"
        "def say(address): print(address, urllib.request.urlopen(address).status, flush=True)\n"
        f"app.launch([{ring(tmp_path / 'ring')!r}], {free}, wait=False, announce=say).close()"
    )
    dead = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "all_proxy")}
    environment = {k: v for k, v in os.environ.items() if k.lower() != "no_proxy"} | dead
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 0 and run.stdout.startswith(f"http://127.0.0.1:{free} 200\n"), run.stderr


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port_ = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"^port {port_} is in use; --port, or port=, takes another$"):
            app.launch([ring(tmp_path / "ring")], port_)
    with pytest.raises(ValueError, match="no.such.host:7860: .*; --port, or port=, takes another"):
        app.launch([ring(tmp_path / "other")], server_name="no.such.host")


def test_few_bundles_stay_open(tmp_path):
    shelf = shelves.Shelf([ring(tmp_path / str(i)) for i in range(limits.OPEN + 2)])
    for name in shelf.entries:
        assert shelf.run(name, "sample", {"count": 2, "seed": 1}).shape == (2, 2)
    assert shelf._open.cache_info().currsize == limits.OPEN


def test_other_shapes_are_curves(tmp_path):
    functions = {"sample": ([COUNT, SEED], port("x", "batch", 5), *wave(5))}
    functions["sample"][2][-1].output[0] = "x"
    entry = shelves.Shelf([write_bundle(tmp_path / "curves", "Curves", [5], functions)]).find("curves")
    assert drawing.draw(entry, np.zeros((3, 5))).count("<polyline") == 3
