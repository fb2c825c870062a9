"""The demo: one small app over exported bundles, built from what their `bundle.json` says.

A model has no page of its own. Each function that it serves gets a tab, each port of the function a widget. The file
needs NumPy, Pillow, Gradio and `runtime.py` alone, so that both can be copied into the folder of a hosted app.

    launch(["exports/bundles/vae_digits", "exports/bundles/ddpm_digits"])

Visitors choose numbers, never files; every number is checked here again, since a request need not come from the page.
"""

import base64
import contextlib
import dataclasses
import errno
import functools
import html
import io
import json
import math
import os
import pathlib
import socket
import threading
import wave

# Read when Gradio and ONNX Runtime are imported: nothing leaves the machine.
for _switch in ("GRADIO_ANALYTICS_ENABLED=False", "HF_HUB_OFFLINE=1", "ORT_DISABLE_TELEMETRY=1"):
    os.environ.setdefault(*_switch.split("="))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from kerasgen import runtime  # noqa: E402

MOST_PICTURES, MOST_POINTS = 64, 1024  # examples in one request
OPEN = 4  # bundles in memory; the one used longest ago makes room
DIMENSIONS = 8  # sliders of a latent
SPANS = {"steps": 250, "guidance": 10, "temperature": 2}  # where these end, if their port goes further
SEEDS = 2**31 - 1
FAR = 10  # how far from the prior's mean a latent may lie
WALK = 12  # pictures from one point to another
NUMBERS = "seed", "last", "count"  # fields of numbers, which are empty while another one is typed
STROKES = "strokes drawn here"
CHANGES = (
    "reconstruct",
    "translate",
    "refine",
    "complete",
    "upscale",
    "colorize",
    "denoise",
)  # example to example
LOOKS = {  # what is shown beside an example
    "encode": "Their latents or codes: as curves, on one scale, or, square ones, in grey",
    "logits": "How unsure it is of each element: the brighter or higher, the more bits",
    "score": "Gradient of the log-density: where it is grey, nothing pulls",
}
TITLES = {"score": "Gradient"}  # of tabs that are not called like their function
SCORES = {"log_prob": "nats", "bound": "nats", "energy": "no unit"}

EVENT = dict(preprocess=False, trigger_mode="always_last", show_progress="hidden", api_visibility="private")
SAFE = dict(
    ssr_mode=False, max_file_size="1mb", allowed_paths=[], enable_monitoring=False, show_error=False, strict_cors=True,
    run_history=False, footer_links=["api"], quiet=True,
)  # fmt: skip
FONT = ["ui-sans-serif", "system-ui", "sans-serif"]  # of the visitor's machine: no font is fetched
FONT_MONO = ["ui-monospace", "monospace"]
LOOK = {
    "block_title_background_fill": "transparent",
    "block_title_text_color": "*body_text_color",
    "block_title_text_weight": "500",
    "block_title_padding": "0",
    "input_border_width": "1px",
    "input_border_color": "*neutral_200",
    "input_shadow": "none",
}
# A text that was chosen is marked when its field is entered, so that typing replaces it.
MARK = """
document.addEventListener("focusin", event => {
  if (event.target.matches("input[role=listbox], [role=combobox]")) setTimeout(() => event.target.select?.());
});
"""
TOP = "<div class='kg-top'><h1>kerasgen</h1><p>generative models, run from exported files</p></div>"
PICK = """
element.addEventListener("click", event => {
  const card = event.target.closest("button");
  if (card) trigger("click", {key: card.dataset.key});
});
"""
BOXES = """
const about = JSON.parse(props.about);
boxes(element.querySelector(".kg-boxes"), about, rows => {
  props.value = JSON.stringify(rows);
});
"""
BOXES = pathlib.Path(__file__).with_name("boxes.js").read_text("utf-8").replace("export ", "") + BOXES
LINK = """
key => {
  const address = new URL(location);
  address.searchParams.set("model", key);
  history.replaceState(null, "", address);
}
"""  # the address of the page names the model, so that it can be sent to others
CSS = """
.gradio-container {max-width: 1120px !important; width: 100%; margin: 0 auto; overflow: clip !important}
.kg-top h1 {font-size: 1.25rem; margin: 0}
.kg-note, .kg-top p, .kg-head p, .kg-grid figcaption {color: var(--body-text-color-subdued); margin: 0}
.kg-note, .kg-top p, .kg-head p {font-size: .85rem}
.kg-head {display: flex; gap: 1rem; align-items: center; line-height: 1.5}
.kg-head h2 {margin: 0; font-size: 1.5rem}
.kg-head > div {min-width: 0; overflow-wrap: anywhere}
.kg-head img {height: 96px; border-radius: 8px}
.kg-head img, .kg-cards img, .kg-grid img {image-rendering: pixelated}
.kg-cards {display: flex; gap: .6rem; overflow-x: auto; padding: .2rem}
.kg-cards button {flex: none; width: 124px; padding: .4rem; border-radius: 10px; font-size: .75rem; line-height: 1.3;
  background: var(--block-background-fill); border: 1px solid var(--border-color-primary)}
.kg-cards button:hover, .kg-cards button:focus-visible {border-color: var(--color-accent)}
.kg-cards b {display: block; font-size: .85rem}
.kg-cards img {width: 100%; display: block; aspect-ratio: 1; object-fit: contain; border-radius: 6px; margin: 0 0 .3rem}
.kg-seed {align-items: end}
.kg-seed button {margin-bottom: 11px; font-size: .85rem; font-weight: 500}
.kg-stop {margin-left: 12px; align-self: start}
.kg-out {min-height: 3rem}
.kg-out [data-testid=status-tracker] {overflow: visible !important} /* else cut to nothing */
.kg-stay {position: sticky; top: 1rem; align-self: start}
.kg-grid {display: grid; grid-template-columns: repeat(auto-fill, minmax(70px, 1fr)); gap: .6rem}
.kg-grid figure {margin: 0}
.kg-grid img {width: 100%; display: block; border-radius: 6px}
.kg-grid figcaption {text-align: center; font-size: .75rem}
.kg-large {grid-template-columns: minmax(0, 360px)}
.kg-large:has(pre) {grid-template-columns: minmax(0, 1fr)}
.kg-grid:has(audio) {grid-template-columns: repeat(auto-fill, minmax(220px, 1fr))}
.kg-grid pre {white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; margin: 0}
.kg-grid audio {width: 100%; height: 2rem}
.kg-plane {width: 100%; max-width: 480px; display: block}
.kg-plane circle {fill: var(--color-accent); fill-opacity: .6}
.kg-plane path {stroke: var(--border-color-primary); stroke-width: .004}
.kg-plane .kg-arrow {stroke: var(--color-accent); stroke-width: .006}
.kg-label {font-size: .875rem; font-weight: 500}
.kg-plane text {fill: var(--body-text-color-subdued); font-size: .06px}
.kg-curve {width: 100%; height: 76px}
.kg-curve polyline {fill: none; stroke: var(--color-accent); stroke-width: 1.5px; vector-effect: non-scaling-stroke}
@media (max-width: 640px) { /* the picture stays in sight while its sliders are moved */
  .kg-stay {order: -1; top: 0; z-index: 10; align-self: stretch; background: var(--body-background-fill)}
  .kg-stay .kg-grid, .kg-stay .kg-plane {max-width: 200px; margin: 0 auto}
  .kg-first {order: -1}
  .overflow-menu {position: relative; z-index: 30} /* of tabs without room, above the picture that stays */
  .kg-grid:not(.kg-large):not(:has(audio)) {grid-template-columns: repeat(auto-fill, minmax(60px, 1fr))}
  .kg-head img {display: none}
}
"""


class Stopped(Exception):
    """The visitor stopped what was computed."""


# --- what is shown -----------------------------------------------------------------------------------------


class Shelf:
    """The bundles of an app, by the name of their folder."""

    def __init__(self, directories):
        if not directories:
            how = "make one with `kerasgen export vae_digits --out DIR`"
            raise ValueError(f"demo: expected at least one bundle, got none; {how}")
        self._open = functools.lru_cache(OPEN)(runtime.Bundle)
        self._mine, self._running = threading.local(), {}  # options of this thread's run; of each visitor's
        self.entries = {}
        for directory in map(os.path.abspath, directories):
            name = os.path.basename(directory)
            if name in self.entries:  # of another parent folder
                name += f"-{len(self.entries)}"
            self.entries[name] = Entry(self._open(directory))

    def find(self, name) -> "Entry":
        """The entry of that name, or one line saying that there is none."""
        if not isinstance(name, str) or name not in self.entries:
            raise _error(f"bundle: expected one of {', '.join(self.entries)}, got {str(name)[:40]!r}")
        return self.entries[name]

    def makers(self, name: str) -> list:
        """Where examples as a bundle takes them come from: itself, others that need to be told nothing, strokes."""
        entry = self.find(name)
        own = [name] * entry.samples
        if not entry.pictures:
            return own
        others = [key for key, e in self.entries.items() if e.draws and e.shape == entry.shape and key != name]
        return [*own, *others, STROKES]

    @contextlib.contextmanager
    def stoppable(self, visitor):
        """What runs in here is ended by `stop` of the same visitor."""
        import onnxruntime

        options = self._mine.options = onnxruntime.RunOptions()
        options.log_severity_level = 4  # nothing is written where a run is stopped
        running = self._running.setdefault(visitor, set())
        running.add(options)
        try:
            yield
        finally:
            self._mine.options = None
            running.discard(options)
            if not running:
                self._running.pop(visitor, None)

    def stop(self, visitor):
        """End what runs for a visitor, at the next node of the graph."""
        for options in list(self._running.get(visitor, ())):
            options.terminate = True

    def run(self, name: str, function: str, given: dict) -> np.ndarray:
        """Run a function on inputs that come from outside."""
        entry = self.find(name)
        if function not in entry.ports:
            raise _error(f"{function}: expected one of {', '.join(entry.ports)}, as {name} serves no other")
        try:
            values = runtime.bind(function, entry.ports[function], (), given, entry.said("class_names") or ())
        except (TypeError, ValueError) as error:
            raise _error(str(error)) from None
        rows = max((len(value) for value in values.values() if value.ndim), default=0)
        if rows > entry.most:
            raise _error(f"{function}: expected at most {entry.most} rows, got {rows}")
        options = getattr(self._mine, "options", None)
        try:
            feeds = {port: np.asarray(value) for port, value in values.items()}
            result = self._open(entry.directory).session(function).run(None, feeds, options)[0]
        except Exception:
            if options is None or not options.terminate:
                raise
            raise Stopped from None
        if not np.isfinite(result).all():
            raise _error(f"{function}: {name} gave values that are not finite for these inputs")
        return result


class Entry:
    """What the page needs to know of a bundle.

    Attributes:
        ports: function -> its input ports, with the ends that this page puts to counts, seeds and controls.
        shape: of one example.
        most: examples in one request.
    """

    def __init__(self, bundle):
        info = self.info = bundle.info
        self.directory, self.shape = bundle.directory, tuple(info["image_shape"])
        self.most = MOST_POINTS if info["kind"] == "vector" else MOST_PICTURES
        self.ports = {name: tuple(map(self._end, ports.inputs)) for name, ports in bundle.ports.items()}
        self.thumbnail = _thumbnail(os.path.join(self.directory, "samples.png"), self.pictures)

    @property
    def pictures(self) -> bool:
        """Whether an example is a picture that can be shown."""
        return self.info["kind"] == "picture" and self.shape[-1] in (1, 3)

    @property
    def samples(self) -> bool:
        """Whether it makes examples out of a count and a seed."""
        return self.offers("sample", "count")

    def said(self, name: str):
        """What the bundle says of its data under a name, None where it says nothing."""
        return (self.info["data"] or {}).get(name)

    def looks(self, function: str) -> bool:
        """Whether it serves a function of examples that come from itself or, pictures, from elsewhere."""
        inputs = ("x", "picture", "mask", "noise_level", "code")
        coded = self.port(function, "code") is None or self.offers("encode", "x")
        return (self.samples or self.pictures) and coded and self.offers(function, *inputs)

    @property
    def draws(self) -> bool:
        """Whether it makes pictures out of a count and a seed, with nothing else told."""
        needed = {port.name for port in self.ports.get("sample", ()) if port.default is None}
        return self.pictures and needed == {"seed", "count"}

    def port(self, function: str, name: str):
        """A port of a function, None where it has none of that name."""
        return next((port for port in self.ports.get(function, ()) if port.name == name), None)

    def offers(self, function: str, *given: str) -> bool:
        """Whether the function can be called with these inputs, a label where it needs one, and defaults."""
        known = {*given, "seed", "count", "label", "text", "layout"}
        return function in self.ports and all(
            port.name in known or port.default is not None for port in self.ports[function]
        )

    def _end(self, port):
        if port.name == "count":
            return dataclasses.replace(port, minimum=1, maximum=self.most)
        if port.name == "seed":
            return dataclasses.replace(port, minimum=0, maximum=SEEDS)
        if port.name == "latent":
            low = -FAR if port.minimum is None else port.minimum
            high = FAR if port.maximum is None else port.maximum
            return dataclasses.replace(port, minimum=low, maximum=high)
        if port.name in SPANS:
            end = max(SPANS[port.name], port.default or 0)
            return dataclasses.replace(port, maximum=end if port.maximum is None else min(end, port.maximum))
        return port


def draw(entry: Entry, x: np.ndarray, captions=None, large=False, fade=False) -> str:
    """Examples as HTML: pictures, texts and sounds with captions, points of the plane in one diagram, or curves.

    Args:
        entry: where the examples come from.
        x: (N, *shape).
        captions: one per example; by default its index.
        large: a single example, shown large.
        fade: points of the plane grow paler from the first to the last.
    """
    if entry.pictures:
        marks = [f'<img src="{png(picture)}" alt="{_title(captions, i)}">' for i, picture in enumerate(x)]
    elif entry.info["kind"] == "text":
        marks = [f"<pre>{html.escape(text)}</pre>" for text in runtime.to_text(x)]
        large = True
    elif entry.info["kind"] == "sound":
        rate = entry.info["sample_rate"]
        marks = [f'{_curve(sound)}<audio controls src="{wav(sound, rate)}"></audio>' for sound in x]
    elif entry.shape == (2,):
        return _plane(x, fade)
    else:
        marks = [_curve(values.ravel()) for values in x]
    return _figures(marks, [_title(captions, i) for i in range(len(marks))], large)


def _figures(marks, titles, large):
    """Marks of HTML in a grid, each with its title below."""
    titles = [f"<figcaption>{title}</figcaption>" for title in titles]
    figures = "".join(f"<figure>{mark}{title}</figure>" for mark, title in zip(marks, titles, strict=True))
    return f'<div class="kg-grid{" kg-large" if large else ""}">{figures}</div>'


def show_values(entry: Entry, function: str, values: np.ndarray, x: np.ndarray) -> str:
    """What a function says of examples x: a picture for each where it has the shape of one, else a curve."""
    if function == "score" and entry.shape == (2,):
        return _plane(x, False, values)
    if function == "logits":  # entropy in bits over the last axis
        shares = np.exp(values - values.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        values = -(shares * np.log2(shares + 1e-12)).sum(-1)
    titles = [f"{value:.3g} bits in the mean" for value in values.reshape(len(values), -1).mean(1)]
    titles = titles if function == "logits" else [""] * len(values)
    side = math.isqrt(values[0].size)
    square = side**2 == values[0].size and (function == "logits" or values.dtype.kind == "i")
    if not entry.pictures or not (square or values.shape[1:] == entry.shape):
        ends = float(values.min()), float(values.max())
        return _figures([_curve(row.ravel(), *ends) for row in values], titles, False)
    shown = values if values.shape[1:] == entry.shape else values.reshape(-1, side, side, 1)
    low = -np.abs(shown).max() if function == "score" else 0
    high = np.abs(shown).max() or 1
    shown = (shown - low) / (high - low)
    return _figures([f'<img src="{png(picture)}" alt="">' for picture in shown], titles, False)


def strokes(count: int, seed: int, shape: tuple) -> np.ndarray:
    """Pictures (count, *shape) in [0, 1] to begin with where no model draws any: three bright lines on black each."""
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) / max(shape[:2])
    pictures = np.zeros((count, *shape), "float32")
    for i, picture in enumerate(pictures):  # each a function of its index and the seed alone
        draws = np.random.default_rng([seed, i])
        points = draws.uniform(0.15, 0.85, (4, 2)) * np.array(shape[:2]) / max(shape[:2])
        colours = draws.uniform(0.5, 1, (3, shape[2])) if shape[2] > 1 else np.ones((3, 1))
        for (top, left), (bottom, right), colour in zip(points, points[1:], colours, strict=False):
            down, across = bottom - top, right - left
            along = ((y - top) * down + (x - left) * across) / (down**2 + across**2 + 1e-9)
            far = np.hypot(y - top - along.clip(0, 1) * down, x - left - along.clip(0, 1) * across)
            line = np.clip(1.5 - far / 0.08, 0, 1)[..., None] * colour
            np.maximum(picture, line, out=picture)
    return pictures


def png(picture: np.ndarray) -> str:
    """A picture (H, W, C) in [0, 1] as a data address; small ones are enlarged, so that a saved copy can be seen."""
    levels = np.round(np.clip(picture, 0, 1) * 255).astype("uint8")
    times = max(1, 128 // max(levels.shape[:2]))
    levels = levels.repeat(times, 0).repeat(times, 1)
    return _address(Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels))


def wav(sound: np.ndarray, sample_rate: int) -> str:
    """A sound (length,) in [-1, 1] as a data address."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, sample_rate, 0, "NONE", "not compressed"))
        out.writeframes(np.rint(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return _data("audio/wav", file)


def _address(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return _data("image/png", file)


def _data(media, file):
    return f"data:{media};base64,{base64.b64encode(file.getvalue()).decode()}"


def _thumbnail(path, pictures):
    """A bundle's picture, small; of a grid of pictures the first few, or all grids of one kind would look alike."""
    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
            if pictures:
                image = image.crop((0, 0, *(max(1, 2 * side // 5) for side in image.size)))
            image.thumbnail((128, 128))
            return _address(image)
    except (OSError, Image.DecompressionBombError):  # a bundle may come without one
        return ""


def _title(captions, i):
    return html.escape(captions[i] if captions else f"#{i}")


def _plane(points, fade, arrows=None):
    """A diagram of points, in a frame that is the same for most models, so that seeds can be compared.

    Arrows, one for each point, are drawn as lines, the longest of them a quarter of the frame.
    """
    end, radius = max(3, math.ceil(np.abs(points).max())), 0.012 + 0.03 / len(points)
    dots = [f'cx="{x / end:.4f}" cy="{-y / end:.4f}" r="{radius:.4f}"' for x, y in points]
    shades = [f' style="fill-opacity:{1 - 0.9 * i / len(dots):.2f}"' if fade else "" for i in range(len(dots))]
    circles = "".join(f"<circle {dot}{shade}/>" for dot, shade in zip(dots, shades, strict=True))
    lines = "".join(f'<path d="M-1 {k / 3:.3f}H1M{k / 3:.3f} -1V1"/>' for k in range(-3, 4))
    if arrows is not None:
        ways = arrows / (np.linalg.norm(arrows, axis=1).max() or 1) / 4
        lines += "".join(
            f'<path class="kg-arrow" d="M{x / end:.4f} {-y / end:.4f}l{u:.4f} {-v:.4f}"/>'
            for (x, y), (u, v) in zip(points, ways, strict=True)
        )
    ends = f'<text x="-1" y="1.09">−{end}</text><text x="1" y="1.09" text-anchor="end">{end}</text>'
    return (
        f'<svg class="kg-plane" viewBox="-1.05 -1.05 2.1 2.2" role="img" aria-label="{len(points)} points">'
        f"{lines}{circles}{ends}</svg>"
    )


def _curve(values, *ends):
    """Values as a line, from their lowest to their highest or between given ends."""
    low, high = ends or (float(values.min()), float(values.max()))
    y = 1 - (values - low) / ((high - low) or 1)
    points = " ".join(f"{i / max(1, len(y) - 1):.4f},{v:.4f}" for i, v in enumerate(y))
    line = f'<polyline points="{points}"/>'
    return f'<svg class="kg-curve" viewBox="-.02 -.05 1.04 1.1" preserveAspectRatio="none">{line}</svg>'


# --- the page ----------------------------------------------------------------------------------------------


class Tab:
    """A tab of a bundle's page: its widgets, and handlers that check what they are given.

    Handlers get the values of a request raw, since Gradio's own checks answer a wrong type with a traceback; so every
    value goes through `Shelf.run`, `_check` or `_point`.
    """

    def __init__(self, shelf: Shelf, key: str, name: str, first: bool):
        import gradio as gr

        self.shelf, self.key, self.name, self.entry, self.first = shelf, key, name, shelf.find(key), first
        self.shell = gr.Tab(name, id=name)

    def run(self, function: str, given: dict, **more) -> np.ndarray:
        """Run a function of the bundle, leaving out the inputs that it does not take."""
        taken = {port.name for port in self.entry.ports[function]}
        given = {name: value for name, value in {**given, **more}.items() if name in taken}
        if isinstance(given.get("layout"), str):
            given["layout"] = _layout(given["layout"])
        return self.shelf.run(self.key, function, given)

    def live(self, handler, widgets: dict, outputs, on=None, progress="minimal"):
        """Call the handler when the tab is opened and when an input changes; while it runs, the last change waits.

        Args:
            handler: function of one dictionary, name -> value.
            widgets: name -> widget.
            outputs: as in Gradio.
            on: the events that call it, by default that the tab is opened, and every change.
            progress: as in Gradio: "minimal" says what runs and for how long, "hidden" nothing.
        """
        import gradio as gr

        outputs = outputs if isinstance(outputs, list) else [outputs]

        def handle(request, *values):
            given = dict(zip(widgets, values, strict=True))
            nothing = [gr.skip()] * len(outputs) if len(outputs) > 1 else gr.skip()
            if any(given.get(name, 0) is None for name in NUMBERS):  # a field that was emptied to be filled again
                return nothing
            try:
                with self.shelf.stoppable(request.session_hash):
                    return handler(given)
            except Stopped:
                return nothing

        handle.__annotations__["request"] = gr.Request
        changes = [widget.change for widget in widgets.values()]
        # None is Gradio's word for: when the page is there, and at every change.
        triggers = on or (None if self.first else [self.shell.select, *changes])
        gr.on(triggers, handle, list(widgets.values()), outputs, **EVENT | {"show_progress": progress})

    def stop(self):
        """A button that ends what this visitor's page computes."""
        import gradio as gr

        def stop(request):
            self.shelf.stop(request.session_hash)

        stop.__annotations__["request"] = gr.Request
        button = gr.Button("Stop", elem_id=self.id("stop"), size="sm", scale=0, elem_classes="kg-stop")
        button.click(stop, None, None, queue=False, show_progress="hidden", api_visibility="private")

    def seed(self, name="seed", value=0):
        """A seed, and a button that draws another one in the browser."""
        import gradio as gr

        with gr.Row(elem_classes="kg-seed", equal_height=True):
            names = dict(label=name, elem_id=self.id(name), min_width=120)
            seed = gr.Number(value, precision=0, minimum=0, maximum=SEEDS, **names)
            another = gr.Button("New", elem_id=self.id(f"{name} new"), min_width=72, scale=0)
        another.click(None, None, seed, js="() => Math.floor(Math.random() * 1e6)", api_visibility="private")
        return seed

    def count(self, pictures=16, points=512):
        """How many examples."""
        value = {"vector": points, "text": 4, "sound": 4}.get(self.entry.info["kind"], pictures)
        meaning = "how many examples"
        return self.slider(runtime.Port("count", (), "int32", meaning, 1, self.entry.most, value))

    def slider(self, port):
        """A slider for a port of one number."""
        import gradio as gr

        step = 1 if port.dtype == "int32" else 0.05
        names = dict(label=port.name, info=port.meaning, elem_id=self.id(port.name))
        return gr.Slider(port.minimum or 0, port.maximum, port.default, step=step, interactive=True, **names)

    def dimension(self, i, low, high):
        """A slider for one dimension of a latent."""
        import gradio as gr

        names = dict(label=f"z{i}", elem_id=self.id(f"z{i}"), min_width=180, buttons=[])
        return gr.Slider(low, high, 0, step=0.01, interactive=True, **names)

    def conditions(self, *functions) -> dict:
        """Widgets for what examples can be asked to be, name -> widget: a choice of classes, a text, boxes.

        "any" is a class if all of the functions that take one can draw it.
        """
        ports = [port for function in functions for port in self.entry.ports.get(function, ())]
        makers = {"label": self.choice, "text": self.text, "layout": self.boxes}
        found = {name: [port for port in ports if port.name == name] for name in makers}
        return {name: makers[name](ports) for name, ports in found.items() if ports}

    def choice(self, ports):
        """A choice of classes."""
        import gradio as gr

        choices = [("any", -1)] * all(port.minimum < 0 for port in ports)
        names = self.entry.said("class_names") or range(int(ports[0].maximum) + 1)
        choices += [(str(name), i) for i, name in enumerate(names)]
        # Pictures that are translated are mostly of the first domain: it shows nothing to lead them there.
        first = min(1, len(choices) - 1) if self.name == "Translate" else 0
        names = dict(label="label", elem_id=self.id("label"))
        return gr.Dropdown(choices, value=choices[first][1], interactive=True, **names)

    def text(self, ports):
        """A line to write in, with some that the data have."""
        import gradio as gr

        known = self.entry.said("descriptions") or [""]
        info = f"{ports[0].meaning}; choose one, or write your own and press Enter"
        names = dict(label="text", info=info, elem_id=self.id("text"))
        return gr.Dropdown(known, value=known[0], allow_custom_value=True, interactive=True, **names)

    def boxes(self, ports):
        """Boxes to be drawn; the value is a list of rows as JSON."""
        import gradio as gr

        known, most = self.entry.said("descriptions") or [[]], int(ports[0].shape[1])
        classes = max((int(row[0]) for rows in known for row in rows), default=9) + 1
        names = self.entry.said("class_names") or [str(i) for i in range(classes)]
        first = next((rows for rows in known if sum(row[0] >= 0 for row in rows) > 1), known[0])
        ratio = self.entry.shape[0] / self.entry.shape[1]
        about = dict(rows=first, most=most, names=list(names), ratio=ratio)
        label = "<span class='kg-label'>layout</span><div class='kg-boxes'></div>"
        return gr.HTML(
            json.dumps(first), html_template=label, js_on_load=BOXES, about=json.dumps(about),
            elem_id=self.id("layout"),
        )  # fmt: skip

    def source(self, function: str, count=8) -> dict:
        """Widgets for the examples that a function looks at: of this model, of another one, or drawn by this page."""
        import gradio as gr

        makers = self.makers(function)
        widgets = {"seed": self.seed(), "count": self.count(count, 200)}
        names = dict(label="pictures of", visible=len(makers) > 1, elem_id=self.id("pictures"))
        widgets["pictures"] = gr.Dropdown(makers, value=makers[0], interactive=True, **names)
        return widgets

    def makers(self, function: str) -> list:
        """Where examples for a function can come from: the model itself, others that draw such, strokes."""
        return self.shelf.makers(self.key)

    def examples(self, function: str, given: dict) -> np.ndarray:
        """The examples that the widgets of `source` stand for, within the range that the function takes."""
        makers, maker = self.makers(function), given["pictures"]
        if maker not in makers:
            raise _error(f"pictures: expected one of {', '.join(makers)}, got {str(maker)[:40]!r}")
        for name in ("count", "seed"):
            _check(self.limits(name), given[name])
        if maker == STROKES:
            x = strokes(int(given["count"]), int(given["seed"]), self.entry.shape)
        elif maker == self.key:
            x = self.run("sample", given)
        else:
            x = self.shelf.run(maker, "sample", {name: given[name] for name in ("count", "seed")})
        port = self.entry.port(function, "picture") or self.entry.port(function, "x")
        return x if port is None or port.minimum is None else np.clip(x, port.minimum, port.maximum)

    def limits(self, name: str):
        """The port of a seed or count."""
        low, high = (0, SEEDS) if name == "seed" else (1, self.entry.most)
        return runtime.Port(name, (), "int32", name, low, high)

    def output(self, name: str, height: int):
        """Where results are shown; empty at first, or those of the model before would stay until the next come."""
        import gradio as gr

        return gr.HTML("", elem_id=name, min_height=height, elem_classes="kg-out")

    def id(self, name: str) -> str:
        return f"{self.name}-{name}".lower().replace(" ", "-")


def _columns(share=1, **right):
    """Two columns, for widgets and pictures (a share to three); on a phone one is below the other."""
    import gradio as gr

    with gr.Row():
        return gr.Column(scale=share, min_width=260), gr.Column(scale=3, min_width=300, **right)


def _note(text):
    import gradio as gr

    return gr.HTML(f"<p class='kg-note'>{html.escape(text)}</p>")


def _sample(tab: Tab):
    """New examples: seed, count, what they are to be, and every control of the sampler."""
    known = ("seed", "count", "label")
    controls = [port for port in tab.entry.ports["sample"] if not port.shape and port.name not in known]
    left, right = _columns(elem_classes="kg-first")
    with left:
        widgets = {"seed": tab.seed(), "count": tab.count(), **tab.conditions("sample")}
        widgets |= {port.name: tab.slider(port) for port in controls}
        _note("The same seed gives the same result, here and wherever the bundle runs.")
        tab.stop()
    with right:
        output = tab.output("samples", 200)

    def sample(given):
        x = tab.run("sample", given)
        return draw(tab.entry, x) + _unheard(tab.entry, given.get("text"))

    tab.live(sample, widgets, output)


def _unheard(entry, text):
    """A note of the words in a text that no description of the data has, as far as the bundle lists them."""
    known = {word for line in entry.said("descriptions") or () for word in line.lower().split()} if text else ()
    new = [word for word in str(text).lower().split() if word not in known] if known else []
    words = html.escape(", ".join(new))
    return f"<p class='kg-note'>Not among the words that its data are listed with: {words}</p>" if new else ""


def _latent(tab: Tab):
    """One point of the latent space, moved by sliders, and the way from one point to another."""
    import gradio as gr

    port = tab.entry.port("decode", "latent")
    shape, size = tuple(port.shape[1:]), math.prod(port.shape[1:])
    low, high = max(-3, port.minimum), min(3, port.maximum)
    moved = min(DIMENSIONS, size)
    names = [f"z{i}" for i in range(moved)]

    def decode(given):
        z = [*(given[name] for name in names), *_point(given["seed"], size, low, high)[moved:]]
        try:
            latent = np.reshape(z, (1, *shape))
        except ValueError:  # a value is a list
            raise _error("latent: expected numbers, one for each slider") from None
        return draw(tab.entry, tab.run("decode", given, latent=latent), [""], large=True)

    def place(given):
        values = [round(float(v), 2) for v in _point(given["seed"], size, low, high)[:moved]]
        return [*values, decode({**given, **dict(zip(names, values, strict=True))})]

    def walk(given):
        first, last = given["seed"], given["last"]
        a, b = _point(first, size, low, high), _point(last, size, low, high)
        z = np.stack([_between(a, b, t) for t in np.linspace(0, 1, WALK)]).reshape(-1, *shape)
        captions = [f"seed {first}", *[""] * (WALK - 2), f"seed {last}"]
        return draw(tab.entry, tab.run("decode", given, latent=z), captions)

    left, right = _columns(2, elem_classes="kg-stay")
    with left:
        seed = {"seed": tab.seed()}
        said = tab.conditions("decode")
        if moved < size:
            _note(f"The first {moved} of {size} dimensions; the seed sets them all.")
        with gr.Row():
            sliders = {name: tab.dimension(i, low, high) for i, name in enumerate(names)}
    with right:
        output = tab.output("decoded", 200)
    left, right = _columns(2)
    with left:
        last = {"last": tab.seed("walk to seed", 1)}
    with right:
        way = tab.output("walk", 80)
    moves = [*(slider.input for slider in sliders.values()), *(widget.change for widget in said.values())]
    tab.live(decode, {**seed, **sliders, **said}, output, on=moves, progress="hidden")
    opened = None if tab.first else [tab.shell.select, seed["seed"].change]
    tab.live(place, {**seed, **said}, [*sliders.values(), output], on=opened)
    tab.live(walk, {**seed, **last, **said}, way)


def _score(tab: Tab):
    """What the model says of its own examples, in the order of the first score."""
    functions = [function for function in SCORES if tab.entry.offers(function, "x")]
    sign, first = (1, "lowest") if functions[0] == "energy" else (-1, "highest")

    def score(given):
        x = tab.examples(functions[0], given)
        values = {function: tab.run(function, {**given, "x": x, "seed": 0}) for function in functions}
        order = np.argsort(values[functions[0]] * sign)
        captions = [" · ".join(f"{values[function][i]:.4g}" for function in functions) for i in order]
        return draw(tab.entry, x[order], captions, fade=True)

    left, right = _columns()
    with left:
        widgets = tab.source(functions[0], 16) | tab.conditions("sample", *functions)
        units = " · ".join(f"{function} ({SCORES[function]})" for function in functions)
        _note(f"{units}; the {first} first.")
    with right:
        output = tab.output("scores", 200)
    tab.live(score, widgets, output)


def _change(tab: Tab, function: str):
    """Examples of the model, of another one of the app or of this page, and what a function makes of them."""
    ports = tab.entry.ports[function]
    names = {port.name for port in ports}
    hole = runtime.Port("hole", (), "float32", "share of both sides, in the middle", 0.0, 1.0, 0.5)
    noise = runtime.Port("noise_level", (), "float32", "standard deviation of the noise added", 0.0, 2.0, 0.3)

    def change(given):
        x, inputs = tab.examples(function, given), dict(given)
        if "mask" in names:
            inputs["mask"] = np.repeat(_hole(hole, given["hole"], x.shape[1:3])[None], len(x), 0)
            x = np.where(inputs["mask"] > 0, 0.5, x)
        if "noise_level" in names:
            _check(noise, given["noise_level"])
            draws = np.random.default_rng(int(given["seed"])).standard_normal(x.shape)
            x = x + given["noise_level"] * draws.astype("float32")
            inputs["noise_level"] = np.full(len(x), given["noise_level"])
        return _compared(tab.entry, x, tab.run(function, {**inputs, "picture": x, "x": x}))

    left, right = _columns()
    with left:
        widgets = tab.source(function) | tab.conditions(*("sample",) * tab.entry.samples, function)
        widgets |= {port.name: tab.slider(port) for port in ports if port.name != "seed" and not port.shape}
        widgets |= {"hole": tab.slider(hole)} if "mask" in names else {}
        widgets |= {"noise_level": tab.slider(noise)} if "noise_level" in names else {}
        tab.stop()
    with right:
        _note("Before")
        before = tab.output(tab.id("before"), 100)
        _note("After, with the mean absolute difference")
        after = tab.output(tab.id("after"), 100)
    tab.live(change, widgets, [before, after])


def _look(tab: Tab, function: str):
    """What a function says of examples, as a picture or curve of its own for each."""
    coded = tab.entry.port(function, "code") is not None

    def look(given):
        x = tab.examples("encode" if coded else function, given)
        inputs = {**given, "x": x, "seed": 0}
        if coded:
            inputs["code"] = tab.run("encode", inputs)
        values = tab.run(function, inputs)
        return draw(tab.entry, x), show_values(tab.entry, function, values, x)

    left, right = _columns()
    with left:
        source = ("sample",) * tab.entry.samples
        widgets = tab.source(function) | tab.conditions(*source, function)
        tab.stop()
    with right:
        _note("Examples")
        before = tab.output(tab.id("before"), 100)
        _note(LOOKS[function])
        after = tab.output(tab.id("after"), 100)
    tab.live(look, widgets, [before, after])


# name, content, and whether a bundle has what it shows
TABS = (
    ("Sample", _sample, lambda e: e.samples),
    ("Latent", _latent, lambda e: e.port("decode", "latent") and e.offers("decode", "latent")),
    ("Score", _score, lambda e: e.samples and any(e.offers(function, "x") for function in SCORES)),
    *((function.title(), functools.partial(_change, function=function),
       functools.partial(Entry.looks, function=function)) for function in CHANGES),
    *((TITLES.get(function, function.title()), functools.partial(_look, function=function),
       functools.partial(Entry.looks, function=function)) for function in LOOKS),
)  # fmt: skip


def build(bundle_dirs):
    """The app over some bundles, ready to `launch`.

    Args:
        bundle_dirs: folders that `kerasgen.export` wrote.

    Raises:
        ValueError: there are none, or one of them is not a bundle; the line says which and why.

    Returns: `gradio.Blocks`.
    """
    shelf = Shelf(bundle_dirs)

    import gradio as gr

    class App(gr.Blocks):
        def validate_inputs(self, block_fn, inputs):
            """One line for a request with too few values; Gradio's own error carries a traceback."""
            if len(inputs) < len(block_fn.inputs):
                raise _error(f"{block_fn.name}: expected {len(block_fn.inputs)} values, got {len(inputs)}")

    def answer(bundle, function, given, label):
        x, entry = (
            shelf.run(bundle, function, given | ({} if label is None else {"label": label})),
            shelf.find(bundle),
        )
        if entry.info["kind"] == "sound":
            return [wav(sound, entry.info["sample_rate"]) for sound in x]
        shown = runtime.to_text if entry.info["kind"] == "text" else np.ndarray.tolist
        return [png(picture) for picture in x] if entry.pictures else shown(x)

    def sample(
        bundle: str, count: int = 1, seed: int = 0, label: int | None = None, controls: dict | None = None
    ) -> list:
        """New examples: pictures and sounds as PNG and WAV data addresses, texts, or lists of numbers."""
        if not isinstance(controls, dict | None):
            raise _error(f"controls: expected a table of numbers by name, got {type(controls).__name__}")
        return answer(bundle, "sample", {**(controls or {}), "count": count, "seed": seed}, label)

    def decode(bundle: str, latent: list, label: int | None = None) -> list:
        """The examples that rows of latents stand for, in the same form."""
        return answer(bundle, "decode", {"latent": latent}, label)

    first, several = next(iter(shelf.entries)), len(shelf.entries) > 1
    with App(title="kerasgen", analytics_enabled=False, delete_cache=(3600, 3600)) as app:
        choices = [(_label(key, entry), key) for key, entry in shelf.entries.items()]
        with gr.Row(equal_height=True):
            with gr.Column(min_width=280):
                gr.HTML(TOP, js_on_load=MARK)
            with gr.Column(min_width=280):
                seen = True if several else "hidden"  # there, or its change would not be heard
                picker = gr.Dropdown(choices, value=None, label="model", visible=seen, elem_id="picker")
        pictures = several and any(entry.thumbnail for entry in shelf.entries.values())
        cards = gr.HTML(_cards(shelf.entries), js_on_load=PICK, visible=pictures, elem_id="cards")

        def pick(event: gr.EventData):
            key = event._data.get("key") if isinstance(event._data, dict) else None
            shelf.find(key)
            return key

        def asked(request):
            key = request.query_params.get("model")
            return key if key in shelf.entries else first

        asked.__annotations__["request"] = gr.Request
        quiet = dict(show_progress="hidden", api_visibility="private")
        cards.click(pick, None, picker, **quiet)
        picker.change(None, picker, None, js=LINK, api_visibility="private")
        app.load(asked, None, picker, **quiet)

        @gr.render(inputs=picker, triggers=[picker.change], concurrency_limit=2)  # once, when the address is read
        def page(key):
            entry = shelf.find(key)
            shown = [(name, content) for name, content, fits in TABS if fits(entry)]
            gr.HTML(_heading(key, entry, [name for name, _ in shown]))
            if not shown:
                gr.HTML("<p>This bundle has no function that the page can show; see its README.md.</p>")
            with gr.Tabs(selected=shown[0][0] if shown else None):
                for i, (name, content) in enumerate(shown):
                    tab = Tab(shelf, key, name, first=i == 0)
                    with tab.shell:
                        content(tab)

        gr.api(sample, api_name="sample")
        gr.api(decode, api_name="decode")
    return app.queue(max_size=16, default_concurrency_limit=2)


def launch(
    bundle_dirs, port=7860, *, server_name="127.0.0.1", share=False, auth=None, inbrowser=False, wait=True,
    announce=None,
):  # fmt: skip
    """Serve the app: to this machine alone, unless told otherwise.

    Args:
        bundle_dirs: as in `build`.
        port: where the page is, `http://127.0.0.1:<port>`.
        server_name: address to listen on; "0.0.0.0" for every network of this machine.
        share: ask Gradio for a public address; this goes through its servers.
        auth: (name, password) that visitors must give.
        inbrowser: open the page.
        wait: return when the app is stopped (Ctrl-C) rather than at once.
        announce: function called with the address when the page answers there.

    Raises:
        ValueError: no bundles, a damaged one, or a port that something else listens on.

    Returns: the app; `close()` stops it.
    """
    _check_port(server_name, port)
    # Gradio asks its own page whether it is there; a proxy for the world outside must not be asked for it.
    for variable in ("no_proxy", "NO_PROXY"):
        known = os.environ.get(variable, "")
        os.environ[variable] = ",".join(filter(None, (known, "localhost,127.0.0.1", server_name)))
    app = build(bundle_dirs)

    import gradio as gr

    app.launch(
        server_name=server_name, server_port=port, share=share, auth=auth, inbrowser=inbrowser,
        prevent_thread_lock=True, theme=gr.themes.Soft(font=FONT, font_mono=FONT_MONO).set(**LOOK), css=CSS, **SAFE,
    )  # fmt: skip
    if announce:
        announce(f"http://{server_name}:{port}")
    if wait:
        app.block_thread()
    return app


def _check_port(host, port):
    """One line for an address that cannot be listened on, before anything is loaded."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = f"port {port} is in use" if taken else f"{host}:{port}: {error.strerror or error}"
        raise ValueError(f"{why}; --port, or port=, takes another") from None
    except OverflowError:
        raise ValueError(f"port: expected a whole number from 0 to 65535, got {port}") from None


def _label(key, entry):
    """The class, the name, and, so that typing it finds its models, the family."""
    return " · ".join(filter(None, (entry.info["class"], key, entry.info.get("family"))))


def _heading(key, entry, tabs):
    info = entry.info
    data = f"data: {info['data']['name']}" if info["data"] else ""
    size = " × ".join(map(str, entry.shape))
    lines = [[info["title"]], [info["paper"], info["year"]], [size, data, ", ".join(entry.ports)]]
    lines = [html.escape(" · ".join(str(part) for part in line if part)) for line in lines]
    image = f'<img src="{entry.thumbnail}" alt="">' if entry.thumbnail else ""
    title = html.escape(f"{info['class']} · {key}").replace("_", "_<wbr>")
    text = f"<h2>{title}</h2>" + "".join(f"<p>{line}</p>" for line in lines)
    tabs = html.escape(json.dumps(tabs))  # all of them, also those without room
    return f'<div class="kg-head" data-tabs="{tabs}">{image}<div>{text}</div></div>'


def _cards(entries):
    cards = [
        f'<button data-key="{html.escape(key)}"><img src="{entry.thumbnail}" alt="">'
        f"<b>{html.escape(entry.info['class'])}</b>{html.escape(key).replace('_', '_<wbr>')}</button>"
        for key, entry in entries.items()
        if entry.thumbnail
    ]
    return f'<div class="kg-cards">{"".join(cards)}</div>'


def _error(line):
    import gradio as gr

    return gr.Error(line, print_exception=False)


def _compared(entry, before, after):
    """Both as HTML; the second with the mean absolute differences, if sizes are the same."""
    same = after.shape == before.shape
    errors = np.abs(after - before).reshape(len(before), -1).mean(1) if same else ()
    return draw(entry, before), draw(entry, after, [f"± {e:.3f}" for e in errors])


def _check(port, value):
    """One line for a value that is not what the port takes."""
    try:
        runtime.check(port, value)
    except ValueError as error:
        raise _error(str(error)) from None


def _hole(port, share, sides):
    """1 in a box in the middle of a picture of some height and width, 0 around it."""
    _check(port, share)
    mask = np.zeros((*sides, 1), "float32")
    (top, height), (left, width) = ((round(side * (1 - share) / 2), round(side * share)) for side in sides)
    mask[top : top + height, left : left + width] = 1
    return mask


def _layout(words):
    """The rows that the editor of boxes wrote; what they must be is checked with the port."""
    try:
        return json.loads(words)
    except (TypeError, ValueError, RecursionError):
        raise _error(f"layout: expected rows of numbers like [[3, 0, 0, 0.5, 0.5]], got {str(words)[:40]!r}") from None


def _point(seed, size, low, high):
    """A standard normal point: somewhere to start from, while the model's own draws are on the first tab."""
    _check(runtime.Port("seed", (), "int32", "which point", 0, SEEDS), seed)
    return np.random.default_rng(int(seed)).standard_normal(size).clip(low, high)


def _between(a, b, t):
    """A point of the great arc from a to b: unlike a straight line, it keeps a typical distance from the origin."""
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:  # no arc, or every arc
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
