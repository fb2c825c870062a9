"""The clients under exports/: the same seed gives the same picture in each, and bad input gets one line."""

import contextlib
import functools
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from serving import Quiet, serving

import kerasgen
from kerasgen import hub, pictures
from kerasgen.cli import main as cli
from kerasgen.exporting import proof, runtimes
from kerasgen.runtime import to_text

EXPORTS = pathlib.Path(__file__).resolve().parents[1] / "exports"
NODE = EXPORTS / "clients" / "node"
SHOTS = os.environ.get("SHOTS")  # a folder that keeps the screenshots
MODELS = {  # pictures from a latent; a loop with classes, a control and choices; points
    "dcgan": dict(image_shape=(8, 8, 1), latent_dim=10, widths=(16, 8), kernel_size=3),
    "pixel_cnn": dict(image_shape=(4, 4, 1), levels=3, num_classes=2, width=4, depth=1, hidden=4),
    "gaussian_mixture": dict(image_shape=(2,), components=3),
    "char_rnn": dict(image_shape=(12,), symbols=128, width=8),
    "wavenet": dict(image_shape=(50,), sample_rate=4000, levels=16, width=6, skip=8, depth=2, blocks=1),
}

# The bundles, the server and the browser are shared: one worker runs them all.
pytestmark = pytest.mark.xdist_group("clients")


def program(path):
    """A program of exports/ as a module."""
    name = f"exports_{pathlib.Path(path).with_suffix('').as_posix().replace('/', '_')}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXPORTS / path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """A folder with one bundle of each model, and the models; most weights are kept apart, as large ones are."""
    folder, models, draw = tmp_path_factory.mktemp("shelf"), {}, np.random.default_rng(0)
    for name, arguments in MODELS.items():
        models[name] = kerasgen.build(name, **arguments)
        for weight in models[name].trainable_variables:  # untrained networks are too tame to tell runtimes apart
            weight.assign(weight + 0.3 * draw.normal(size=weight.shape))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kerasgen.exporting.onnx_graph.APART", 32)
            kerasgen.export(models[name], folder / name)
    return folder, models


@pytest.fixture(scope="session")
def node():
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    if not (NODE / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("onnxruntime-web is not installed in exports/clients/node: npm install --ignore-scripts")

    def run(*arguments):
        return subprocess.run(["node", NODE / "sample.mjs", *arguments], capture_output=True, text=True)

    return run


# --- Python -----------------------------------------------------------------------------------------------------------


def test_python_needs_no_tensorflow(shelf, tmp_path):
    folder, models = shelf
    shutil.copy(EXPORTS / "clients" / "python" / "sample.py", tmp_path)  # and no other file
    code = "import sys, sample; code = sample.main(); print(*{m.split('.')[0] for m in sys.modules}); sys.exit(code)"
    command = [sys.executable, "-c", code, folder / "dcgan", "--seed", "7", "--count", "10", "--out", "x.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert {"onnxruntime", "numpy"} <= set(done.stdout.split())
    assert not {"kerasgen", "tensorflow", "keras", "onnx"} & set(done.stdout.split())
    picture = np.asarray(Image.open(tmp_path / "x.png")).astype("float64") / 255
    assert picture.shape == (2 * 128, 8 * 128, 3)
    x = models["dcgan"].sample(10, seed=7)
    np.testing.assert_allclose(picture[8::16, 8::16, :1][:8, 16:24], x[2], atol=1 / 255)
    np.testing.assert_allclose(picture[8::16, 8::16, :1][8:, 8:16], x[9], atol=1 / 255)
    assert (picture[128:, 256:] == 1).all()


def test_python_takes_every_port(shelf, tmp_path):
    folder, models = shelf
    sample, out = program("clients/python/sample.py"), tmp_path / "x.npy"
    given = ["--count", "5", "--seed", "-3", "--label", "1", "--temperature", "0.5"]
    assert sample.main([str(folder / "pixel_cnn"), *given, "--out", str(out)]) == 0
    x = models["pixel_cnn"].sample(5, seed=-3, label=1, temperature=0.5)
    np.testing.assert_allclose(np.load(out), x, atol=1e-5)


def test_texts_and_sounds_are_written(shelf, node, tmp_path):
    folder, models = shelf
    for name, suffix in (("char_rnn", ".txt"), ("wavenet", ".wav")):
        files = [tmp_path / f"{client}{suffix}" for client in ("python", "node", "keras")]
        arguments = [str(folder / name), "--seed", "5", "--count", "3", "--out"]
        assert program("clients/python/sample.py").main([*arguments, str(files[0])]) == 0
        done = node(*arguments, str(files[1]))
        assert done.returncode == 0, done.stderr
        model = models[name]
        pictures.save(files[2], model.sample(3, seed=5), model.kind, model.sample_rate)
        if suffix == ".txt":
            assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()
        else:
            rates, sounds = zip(*map(wavfile.read, files), strict=True)
            assert rates == (4000,) * 3
            for sound in sounds:
                np.testing.assert_allclose(sound, sounds[2], atol=2)
    wrong = node(str(folder / "wavenet"), "--out", "x.png")
    assert wrong.returncode == 2 and "--out: expected FILE.wav or FILE.json, got x.png" in wrong.stderr


def test_python_draws_points():
    picture = program("clients/python/sample.py").draw([[0, 0], [3, 3], [-3, -1]])
    assert picture.shape == (384, 384, 3) and (picture == 0).sum() == 3 * 9 * 3
    assert (picture[:3, -3:] == 0).all() and (picture[:, :3] == 0).any()


WRONG = [  # arguments after the bundle, the line
    (["--out", "x.gif"], "--out: expected FILE.png or FILE.npy, got x.gif"),
    (["--out", "x.png", "--count", "-1"], "count: expected a number from 0 to 2147483647, got -1"),
    (["--out", "x.png", "--temperature", "nan"], "temperature: expected a number from 0.0 to 10.0, got nan"),
    (["--out", "x.png", "--seed", str(2**31)], f"seed: expected a number from -{2**31} to {2**31 - 1}, got {2**31}"),
    (["--out", "x.png", "--label", "2"], "label: expected a number from -1 to 1, got 2"),
]  # fmt: skip


@pytest.mark.parametrize("arguments, line", WRONG)
def test_python_answers_in_one_line(shelf, arguments, line, capsys):
    assert program("clients/python/sample.py").main([str(shelf[0] / "pixel_cnn"), *arguments]) == 2
    assert capsys.readouterr().err == f"error: {line}\n"


def test_python_refuses_what_is_not_a_bundle(shelf, tmp_path, capsys):
    main = program("clients/python/sample.py").main
    assert main([str(tmp_path), "--out", "x.png"]) == 2
    assert "expected the folder of a bundle" in capsys.readouterr().err
    changed = shutil.copytree(shelf[0] / "dcgan", tmp_path / "dcgan")
    with open(changed / "onnx" / "sample.onnx", "ab") as file:
        file.write(b" ")
    assert main([str(changed), "--out", "x.png"]) == 2
    assert capsys.readouterr().err.endswith("sample.onnx is not as it was written\n")
    assert main([str(shelf[0] / "dcgan"), "--out", str(tmp_path / "no" / "x.png")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


# --- Node -------------------------------------------------------------------------------------------------------------


def test_node_samples_what_python_samples(shelf, node, tmp_path):
    arguments = [str(shelf[0] / "pixel_cnn"), "--seed", "5", "--count", "9", "--label=1", "--out"]
    assert program("clients/python/sample.py").main([*arguments, str(tmp_path / "python.png")]) == 0
    done = node(*arguments, tmp_path / "node.png")
    assert done.returncode == 0, done.stderr
    pictures = [np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("python", "node")]
    np.testing.assert_allclose(*pictures, atol=1)
    assert len(np.unique(pictures[0])) > 1


def test_node_draws_what_python_draws(node, tmp_path):
    draws = np.random.default_rng(0)
    made = [
        draws.uniform(-0.2, 1.2, (11, 5, 6, 3)),
        draws.uniform(size=(3, 200, 3, 1)),
        draws.normal(size=(50, 2)),
    ]
    for i, x in enumerate(made):
        (tmp_path / "x.json").write_text(json.dumps({"dims": x.shape, "data": x.ravel().tolist()}))
        script = "import { draw, png } from './sample.mjs'; import { readFileSync, writeFileSync } from 'node:fs';"
        script += f"writeFileSync('{tmp_path}/x.png', png(draw(JSON.parse(readFileSync('{tmp_path}/x.json')))))"
        subprocess.run(["node", "--input-type=module", "-e", script], cwd=NODE, check=True)
        expected = program("clients/python/sample.py").draw(x)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.png")), expected, err_msg=str(i))


def test_node_answers_in_one_line(shelf, node, tmp_path):
    bundle = shelf[0] / "pixel_cnn"
    for arguments, code, line in (
        ([], 2, "usage: node sample.mjs BUNDLE"),
        ([tmp_path, "--out", "x.png"], 1, "expected the folder of a bundle"),
        ([bundle, "--out", "x.gif"], 2, "--out: expected FILE.png or FILE.json, got x.gif"),
        ([bundle, "--dance", "1", "--out", "x.png"], 2, "Unknown option '--dance'"),
        ([bundle, "--label", "2", "--out", "x.png"], 1, "label: expected a whole number from -1 to 1, got 2"),
        ([bundle, "--seed", "1.5", "--out", "x.png"], 1, "seed: expected a whole number from -2147483648 to"),
    ):  # fmt: skip
        done = node(*arguments)
        assert done.returncode == code and line in done.stderr and done.stderr.count("\n") == 1, done.stderr


# --- the web page -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(shelf, tmp_path_factory):
    """The assembled page."""
    website = program("website.py")
    if not website.LIBRARY.is_dir():
        pytest.skip("onnxruntime-web is not installed in exports/clients/node: npm install --ignore-scripts")
    folder = tmp_path_factory.mktemp("web") / "site"
    assert website.main([*(str(shelf[0] / name) for name in MODELS), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags.split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser, site):
    """The page when it has drawn its first model; it must have asked this server alone, and made no error."""
    with serving(functools.partial(Quiet, directory=site)) as address:
        page, outside, errors = browser.new_page(viewport={"width": 1100, "height": 800}), [], []
        page.set_default_timeout(60_000)
        local = (f"{address}/", "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(local) else outside.append(r.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        settled(page)
        yield page
        page.close()
    assert not outside and not errors


def settled(page, state="done"):
    page.wait_for_selector("body[data-state=done],body[data-state=failed]")
    assert page.get_attribute("body", "data-state") == state, page.inner_text("#error")


def shown(page):
    """The numbers that the canvas shows."""
    script = "import('./app.js').then(({ shown: { output } }) => [output.dims, Array.from(output.data)])"
    dims, data = page.evaluate(script)
    return np.reshape(data, dims)


def shoot(page, name, tmp_path):
    path = pathlib.Path(SHOTS or tmp_path) / f"web_{name}.png"
    page.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 10_000


def fill(page, selector, value):
    """Give a field a value as a hand would; sliders take no text."""
    send = "for (const type of ['input', 'change']) e.dispatchEvent(new Event(type, {bubbles: true}))"
    page.eval_on_selector(selector, f"(e, value) => {{ e.value = value; {send} }}", str(value))
    settled(page)


@pytest.mark.browser
def test_page_draws_what_keras_draws(page, shelf, tmp_path):
    models = shelf[1]
    assert page.locator("#model option").all_inner_texts() == list(MODELS)
    np.testing.assert_allclose(shown(page), models["dcgan"].sample(16, seed=7), atol=1e-4)
    fill(page, "#count", 5)
    page.fill("#seed", "12")
    page.press("#seed", "Enter")
    settled(page)
    x = models["dcgan"].sample(5, seed=12)
    np.testing.assert_allclose(shown(page), x, atol=1e-4)
    assert page.inner_text("#status").startswith("5 pictures in ")
    # three columns of squares of side 8 * s, four pixels between them
    side = (page.evaluate("document.getElementById('canvas').width") - 8) // 3
    row = f"document.getElementById('canvas').getContext('2d').getImageData({side + 4}, 1, {side}, 1).data"
    grey = np.reshape(page.evaluate(f"Array.from({row})"), (8, side // 8, 4))[:, 0, 0] / 255
    np.testing.assert_allclose(grey, x[1, 0, :, 0], atol=1 / 255)
    shoot(page, "sample", tmp_path)
    page.select_option("#model", "gaussian_mixture")
    settled(page)
    np.testing.assert_allclose(shown(page), models["gaussian_mixture"].sample(500, seed=7), atol=1e-3)
    assert page.locator("#functions").is_hidden() and page.url.endswith("#gaussian_mixture")
    shoot(page, "points", tmp_path)


@pytest.mark.browser
def test_page_has_a_widget_for_each_port(page, shelf, tmp_path):
    page.select_option("#model", "pixel_cnn")
    settled(page)
    assert page.locator("#label option").all_inner_texts() == ["drawn from the seed", "0", "1"]
    fill(page, "#temperature", 0.5)
    page.select_option("#label", "1")
    settled(page)
    x = shelf[1]["pixel_cnn"].sample(16, seed=7, label=1, temperature=0.5)
    np.testing.assert_allclose(shown(page), x, atol=1e-4)
    unnamed = "Array.from(document.querySelectorAll('input, select')).filter((e) => !e.labels.length).map((e) => e.id)"
    assert page.evaluate(unnamed) == []


@pytest.mark.browser
def test_page_prints_texts_and_plays_sounds(page, shelf, tmp_path):
    page.select_option("#model", "char_rnn")
    settled(page)
    x = shelf[1]["char_rnn"].sample(4, seed=7)
    np.testing.assert_array_equal(shown(page), x)
    written = page.eval_on_selector_all("#others pre", "all => all.map((e) => e.textContent)")
    assert written == to_text(x) and page.inner_text("#status").startswith("4 texts in ")
    page.select_option("#model", "wavenet")
    settled(page)
    np.testing.assert_allclose(shown(page), shelf[1]["wavenet"].sample(4, seed=7), atol=1e-4)
    ready = "new Promise((known) => (e.duration > 0 ? known() : (e.onloadedmetadata = known)))"
    seconds = page.eval_on_selector("#others audio", f"(e) => {ready}.then(() => e.duration)")
    assert seconds == pytest.approx(50 / 4000, abs=1e-3)
    page.select_option("#model", "dcgan")
    settled(page)
    assert page.locator("#canvas").is_visible() and page.locator("#others").is_hidden()


@pytest.mark.browser
def test_page_moves_in_the_latent_space_by_keyboard(page, shelf, tmp_path):
    page.focus("#model")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # from new examples to the latent space
    settled(page)
    assert page.locator("#fields input[type=range]").count() == 8
    page.focus("#latent-7")
    page.keyboard.press("End")
    settled(page)
    read = "Array.from(document.querySelectorAll('#fields input[type=range]'), (e) => Number(e.value))"
    latent = page.evaluate(read)
    assert latent[7] == 3
    # those without a slider stay where the seed puts them
    rest = page.evaluate("import('./app.js').then(({ start }) => start(7, 10, -3, 3).slice(8))")
    x = shelf[1]["dcgan"].decode(np.array([[*latent, *rest]], "float32"))
    np.testing.assert_allclose(shown(page), x, atol=1e-4)
    page.focus("#seed")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # a new seed
    settled(page)
    assert page.evaluate(read) != latent
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "phone", tmp_path)


@pytest.mark.browser
def test_page_says_what_is_wrong(page, site, tmp_path):
    page.fill("#seed", "1.5")
    page.press("#seed", "Enter")
    settled(page, "failed")
    line = "seed: expected a whole number from -2147483648 to 2147483647, got 1.5"
    assert page.inner_text("[role=alert]") == line
    shoot(page, "error", tmp_path)
    page.fill("#seed", "2")
    page.press("#seed", "Enter")
    settled(page)
    assert page.locator("[role=alert]").is_hidden()
    page.route("**/pixel_cnn/onnx/sample.onnx", lambda route: route.fulfill(body="changed"))
    page.select_option("#model", "pixel_cnn")
    settled(page, "failed")
    assert page.inner_text("[role=alert]") == "bundles/pixel_cnn/onnx/sample.onnx is not as it was written"
    page.route("**/bundle.json", lambda route: route.fulfill(status=404))
    page.select_option("#model", "gaussian_mixture")
    settled(page, "failed")
    line = "expected a file bundles/gaussian_mixture/bundle.json, got 404"
    assert page.inner_text("[role=alert]") == line
    # nothing of the model before stays under the new name
    assert page.inner_text("#about") == page.inner_text("#fields") == ""
    assert page.evaluate("import('./app.js').then(({ shown }) => shown.output)") is None
    assert page.evaluate("document.getElementById('canvas').width") == 1 and page.locator("#draw").is_disabled()


def test_website_refuses(shelf, tmp_path, capsys, monkeypatch):
    website = program("website.py")
    monkeypatch.setattr(website, "HERE", tmp_path)
    assert website.main(["--out", str(tmp_path / "site")]) == 2
    assert capsys.readouterr().err == "error: expected bundles of different names, got none\n"
    assert website.main([str(tmp_path), "--out", str(tmp_path / "site")]) == 2
    assert "expected the folder of a bundle" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="npm install --ignore-scripts"):
        website.build(tmp_path / "site", [shelf[0] / "dcgan"], library=tmp_path)
    assert not (tmp_path / "site").exists()


def test_site_holds_what_it_needs_and_no_more(site):
    assert json.loads((site / "bundles" / "index.json").read_text()) == list(MODELS)
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    rest = {name for name in files if not name.startswith(("ort/", "bundles/"))}
    assert rest == {"index.html", "app.js", "boxes.js", ".kerasgen"}
    assert {name.rsplit(".", 1)[1] for name in files if name.startswith("bundles/")} == {"json", "onnx"}


# --- verify and the page of parity ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def measured(shelf):
    """The table of a bundle with a loop, in the runtimes that are here."""
    return proof.measure(shelf[0] / "pixel_cnn")


@pytest.mark.parametrize("runtime", ["onnx", "node", "openvino"])
def test_runtimes_agree(measured, runtime):
    if runtime in measured["absent"]:
        pytest.skip(measured["absent"][runtime])
    assert measured["misses"] == []
    for function, row in measured["functions"].items():
        if runtime in measured["gaps"].get(function, {}):
            assert row[runtime] is None and runtime == "openvino" and function == "sample"
        else:
            assert row[runtime] < 1e-4


def test_measure_tells_misses_gaps_and_absences_apart(shelf):
    def shifted(bundle):
        return lambda function, inputs: bundle.run(function, **inputs) + (0.01 if function == "decode" else 0)

    def gapped(bundle):
        def run(function, inputs):
            raise runtimes.Gap("it has no numbers") if function == "sample" else RuntimeError("broken")

        return run

    def missing(bundle):
        raise runtimes.Absent("get it")

    report = proof.measure(shelf[0] / "dcgan", {"shifted": shifted, "gapped": gapped, "missing": missing})
    assert report["absent"] == {"missing": "get it"} and report["gaps"] == {"sample": {"gapped": "it has no numbers"}}
    assert report["functions"]["sample"]["shifted"] < 1e-5 and report["functions"]["sample"]["gapped"] is None
    assert report["functions"]["decode"]["shifted"] is None
    lines = sorted(report["misses"])
    assert [line.split(":")[0] for line in lines] == ["decode", "decode", "energy"]
    assert "gapped does not run: broken" in lines[0] and "shifted differs by 0.01, expected 0.0001" in lines[1]


def test_verify_command(shelf, tmp_path, monkeypatch, capsys):
    def missing(bundle):
        raise runtimes.Absent("get it")

    monkeypatch.setattr(runtimes, "RUNTIMES", {"onnx": runtimes.onnx_runtime, "openvino": missing})
    monkeypatch.setattr(runtimes, "node", lambda bundle, folder: lambda function, inputs: np.zeros(3))
    bundle = str(shelf[0] / "dcgan")
    assert cli(["verify", bundle, "--json"]) == 3
    out, error = capsys.readouterr()
    report = json.loads(out)
    assert not report["ok"] and len(report["misses"]) == 3 and report["functions"]["decode"]["onnx"] < 1e-4
    assert error.count("\n") == 1 and "decode: node differs by inf" in error
    monkeypatch.setattr(runtimes, "node", lambda bundle, folder: runtimes.onnx_runtime(bundle))
    assert cli(["verify", bundle, "--node", str(NODE)]) == 0
    out, error = capsys.readouterr()
    assert "ONNX Runtime" in out and "Node (WASM)" in out and "not run, OpenVINO: get it" in error
    assert cli(["verify", bundle, "--node", str(tmp_path)]) == 2
    assert "--node: expected the folder of the Node client" in capsys.readouterr().err


def test_node_runtime_says_what_is_missing(shelf, tmp_path, monkeypatch):
    bundle = kerasgen.runtime.Bundle(shelf[0] / "dcgan")
    with pytest.raises(
        runtimes.Absent, match="--node DIR names the folder" if shutil.which("node") else "install Node"
    ):
        runtimes.node(bundle, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(runtimes.Absent, match="install Node 20"):
        runtimes.node(bundle)


@pytest.mark.slow
@pytest.mark.browser
def test_page_of_parity(shelf, site, tmp_path):
    out = tmp_path / "PARITY.md"
    # in a process of its own: playwright allows one in each
    command = [sys.executable, EXPORTS / "parity.py", *(shelf[0] / name for name in MODELS), "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    rows = [line.split(" | ") for line in out.read_text().splitlines() if line.startswith("| ")]
    assert "Chromium (WASM)" in rows[0] and len({len(row) for row in rows}) == 1
    assert {row[0] for row in rows[2:]} == {f"| {name}" for name in MODELS}


@pytest.mark.slow  # the page is written by `make parity`, which takes longer than a change of the catalogue
def test_published_page_of_parity():
    """Every system that has a preset with weights is on the page, and nothing on it missed."""
    text = (EXPORTS / "PARITY.md").read_text(encoding="utf-8")
    shipped = [n for n in kerasgen.list_presets() if (hub.find_preset(n) / "model.safetensors").is_file()]
    systems = {hub.read_preset(name)["system"] for name in shipped}
    assert systems <= {line.split(" | ")[0].lstrip("| ") for line in text.splitlines()}
    assert "**miss**" not in text.lower()


# --- OpenVINO ---------------------------------------------------------------------------------------------------------


def test_signals_arrive_after_openvino(shelf):
    """Each of its cores sets the stack of signals, and frees it at its end; two of them used to kill the process."""
    if not importlib.util.find_spec("openvino"):
        pytest.skip("openvino is not installed: pip install openvino")
    code = f"""
        import gc, signal
        import numpy as np
        from kerasgen import runtime
        from kerasgen.exporting import runtimes
        bundle = runtime.Bundle({str(shelf[0] / "dcgan")!r})
        (latent,) = bundle.ports["decode"].inputs
        runs = [runtimes.openvino(bundle) for _ in range(2)]
        for run in runs:
            run("decode", {{"latent": np.zeros((1, *latent.shape[1:]), "float32")}})
        del run
        while runs:
            runs.pop(0)
            gc.collect()
        signal.signal(signal.SIGTERM, lambda *_: print("arrived"))
        signal.raise_signal(signal.SIGTERM)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "arrived\n")


def test_openvino_draws(shelf, tmp_path, capsys):
    if not importlib.util.find_spec("openvino"):
        pytest.skip("openvino is not installed: pip install openvino")
    openvino = program("clients/openvino/sample.py")
    sample, run = openvino.client, openvino.openvino_runtime
    arguments = ["--seed", "5", "--count", "9", "--out", str(tmp_path / "x.npy")]
    assert sample.main([str(shelf[0] / "dcgan"), *arguments], run) == 0
    assert "these latents are NumPy's" in capsys.readouterr().err
    latent = np.random.default_rng(5).standard_normal((9, 10), "float32")
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), shelf[1]["dcgan"].decode(latent), atol=1e-4)
    assert sys.modules["openvino_telemetry"] is None  # so that it sent nothing
    assert sample.main([str(shelf[0] / "gaussian_mixture"), *arguments], run) == 1
    assert (
        capsys.readouterr().err == "error: OpenVINO computes int64 in 32 bits, too few for the draws of sample.onnx\n"
    )


# --- C ----------------------------------------------------------------------------------------------------------------


def test_c_client_draws_what_python_draws(shelf, tmp_path):
    with contextlib.ExitStack() as stack:
        try:
            runtime = program("parity.py").c(stack)
        except runtimes.Absent as error:
            pytest.skip(str(error))
        bundle = kerasgen.runtime.Bundle(shelf[0] / "pixel_cnn")
        inputs = {"count": 4, "seed": -3, "label": np.array([0, 1, 1, 0], "int32"), "temperature": 0.5}
        np.testing.assert_allclose(runtime(bundle)("sample", inputs), bundle.sample(**inputs), atol=1e-5)
        sample = runtime(bundle)("sample", {"count": 2, "seed": 1})  # with the defaults of the file
        np.testing.assert_allclose(sample, bundle.sample(2, seed=1), atol=1e-5)
        with pytest.raises(
            RuntimeError, match="^error: expected PORT=VALUE with a port that the model has, got dance=@"
        ):
            runtime(bundle)("sample", {"count": 2, "seed": 1, "dance": 1})
        text = kerasgen.runtime.Bundle(shelf[0] / "char_rnn")
        np.testing.assert_array_equal(runtime(text)("sample", {"count": 3, "seed": 1}), text.sample(3, seed=1))


def test_c_client_reads_and_writes_texts(shelf, tmp_path):
    from tiny import TINY

    model = kerasgen.build("gan_cls", **TINY["gan_cls"])
    kerasgen.export(model, tmp_path / "gan_cls")
    with contextlib.ExitStack() as stack:
        try:
            draw = program("parity.py").c_program(stack)
        except runtimes.Absent as error:
            pytest.skip(str(error))
        texts, x = tmp_path / "x.txt", tmp_path / "x.npy"
        subprocess.run([draw, shelf[0] / "char_rnn", "1", "3", texts], check=True)
        made = shelf[1]["char_rnn"].sample(3, seed=1)
        assert texts.read_bytes() == b"".join(bytes(row).split(b"\0")[0] + b"\n" for row in made.astype("uint8"))
        subprocess.run([draw, tmp_path / "gan_cls", "1", "3", x, "text=a bold 3"], check=True)
        np.testing.assert_allclose(np.load(x), model.sample(3, seed=1, text="a bold 3"), atol=1e-4)
        for value, line in {
            "text=a thin three, or so": "text: expected at most 12 bytes",
            "text=@no.npy": "No such file or directory",
        }.items():
            done = subprocess.run([draw, tmp_path / "gan_cls", "1", "3", x, value], capture_output=True, text=True)
            assert done.returncode == 1 and done.stderr.startswith(f"error: {line}, got ")
