"""kerasgen.core.random in Node and in the browser: an ONNX file drawn with onnxruntime-web, against TensorFlow.

Skipped, with the reason, where Node, npm, the npm package or Chromium is missing.
"""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf2onnx
from serving import Quiet, serving
from test_random import INPUTS, every_draw

CLIENTS = Path(__file__).parent.parent / "exports" / "clients"
NODE = CLIENTS / "node"
DRAWS = ((7, 1), (7, 33), (-3, 4), (2**31 - 1, 5), (0, 256))
FLOATS = ("normal", "gumbel")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder with random.onnx and what TensorFlow draws for the same inputs, random.json."""
    folder = tmp_path_factory.mktemp("random")
    draw = tf.function(every_draw, input_signature=INPUTS)
    tf2onnx.convert.from_function(draw, INPUTS, opset=18, output_path=str(folder / "random.onnx"))
    cases = []
    for seed, count in DRAWS:
        values = {name: np.asarray(value) for name, value in draw(seed, count).items()}
        outputs = {
            name: {
                "dims": value.shape,
                "data": value.ravel().tolist(),
                "tolerance": 1e-6 if name in FLOATS else 0,
            }
            for name, value in values.items()
        }
        cases.append({"seed": seed, "count": count, "outputs": outputs})
    (folder / "random.json").write_text(json.dumps({"cases": cases}))
    return folder


@pytest.fixture(scope="session")
def node():
    """The Node program, with the client's packages installed."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program:
        pytest.skip("node is not installed")
    if not (NODE / "node_modules" / "onnxruntime-web").is_dir():
        if not npm:
            pytest.skip("npm is not installed, and onnxruntime-web is not in exports/clients/node")
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm could not install onnxruntime-web: {done.stderr.strip()[-200:]}")
    return program


def check(report):
    print("\n" + json.dumps(report["outputs"], indent=1))  # shown by pytest -s
    per_sample = {"bits": 15, "uniform": 15, "normal": 8, "gumbel": 1, "integers": 15, "categorical": 2}
    samples = sum(count for _, count in DRAWS)
    compared = {name: row["compared"] for name, row in report["outputs"].items()}
    assert compared == {name: size * samples for name, size in per_sample.items()} | {"fold": len(DRAWS)}
    assert not report["differs"], report
    assert all(row["worst"] == 0 for name, row in report["outputs"].items() if name not in FLOATS)


def run_node(node, drawn, reference="random.json"):
    command = [node, "random_parity.mjs", drawn / "random.onnx", drawn / reference]
    return subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=120)


def test_node(node, drawn):
    done = run_node(node, drawn)
    assert done.returncode == 0, done.stderr + done.stdout
    check(json.loads(done.stdout))


def test_node_finds_a_difference(node, drawn):
    reference = json.loads((drawn / "random.json").read_text())
    reference["cases"][2]["outputs"]["bits"]["data"][5] += 1
    (drawn / "wrong.json").write_text(json.dumps(reference))
    done = run_node(node, drawn, "wrong.json")
    assert done.returncode == 3
    assert [name for name, row in json.loads(done.stdout)["outputs"].items() if row["differs"]] == ["bits"]


class Clients(Quiet):
    """Serves the clients, and the folder of the test under /drawn/."""

    extensions_map = Quiet.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def __init__(self, *args, drawn, **options):
        self.drawn = drawn
        super().__init__(*args, directory=CLIENTS, **options)

    def translate_path(self, path):
        if path.startswith("/drawn/"):
            return str(self.drawn / Path(path.split("?")[0]).name)
        return super().translate_path(path)


@pytest.fixture(scope="session")
def chromium():
    for name in (os.environ.get("CHROMIUM", "chromium"), "chromium-browser", "google-chrome"):
        if program := shutil.which(name):
            return program
    pytest.skip("chromium is not installed (set CHROMIUM to its program)")


FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync""".split()


@pytest.mark.browser
def test_browser(node, chromium, drawn):
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with serving(functools.partial(Clients, drawn=drawn)) as address, api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            page, asked = browser.new_page(), []
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"{address}/web/random_parity.html?model=/drawn/random.onnx&reference=/drawn/random.json")
            page.wait_for_selector("#report[data-state]", timeout=120_000)
            text = page.inner_text("#report")
            assert page.get_attribute("#report", "data-state") == "done", text
        finally:
            browser.close()
    check(json.loads(text))
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
