"""The demo: one small app over exported bundles, built from what their `bundle.json` says.

A model has no page of its own. Each function that it serves gets a tab, each port of the function a widget. The file
needs NumPy, Pillow, Gradio and `runtime.py` alone, so that both can be copied into the folder of a hosted app.

    launch(["exports/bundles/vae_digits", "exports/bundles/ddpm_digits"])

Visitors choose numbers, never files; every number is checked here again, since a request need not come from the page.
"""

import base64
import dataclasses
import functools
import html
import io
import json
import math
import os
import wave

# Read when Gradio and ONNX Runtime are imported: nothing leaves the machine.
for _switch in ("GRADIO_ANALYTICS_ENABLED=False", "HF_HUB_OFFLINE=1", "ORT_DISABLE_TELEMETRY=1"):
    os.environ.setdefault(*_switch.split("="))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

if __package__:
    from kerasgen import runtime
else:  # copied beside an app
    import runtime

MOST_PICTURES, MOST_POINTS = 64, 1024  # examples in one request
OPEN = 4  # bundles in memory; the one used longest ago makes room
DIMENSIONS = 8  # sliders of a latent
SPANS = {"steps": 250, "guidance": 10, "temperature": 2}  # where these end, if their port goes further
SEEDS = 2**31 - 1
FAR = 10  # how far from the prior's mean a latent may lie
WALK = 12  # pictures from one point to another
CHANGES = "translate", "refine", "complete", "upscale", "colorize"  # functions of pictures
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
TOP = "<div class='kg-top'><h1>kerasgen</h1><p>generative models, run from exported files</p></div>"
PICK = """
element.addEventListener("click", event => {
  const card = event.target.closest("button");
  if (card) trigger("click", {key: card.dataset.key});
});
"""
CSS = """
.gradio-container {max-width: 1120px !important; width: 100%; margin: 0 auto; overflow: clip !important}
.kg-top h1 {font-size: 1.25rem; margin: 0}
.kg-note, .kg-top p, .kg-head p, .kg-grid figcaption {color: var(--body-text-color-subdued); margin: 0}
.kg-note, .kg-top p, .kg-head p {font-size: .85rem}
.kg-head {display: flex; gap: 1rem; align-items: center; line-height: 1.5}
.kg-head h2 {margin: 0; font-size: 1.5rem}
.kg-head img {height: 96px; border-radius: 8px}
.kg-head img, .kg-cards img, .kg-grid img {image-rendering: pixelated}
.kg-cards {display: flex; gap: .6rem; overflow-x: auto; padding: .2rem}
.kg-cards button {flex: none; width: 104px; padding: .4rem; border-radius: 10px; font-size: .75rem; line-height: 1.3;
  overflow-wrap: anywhere; background: var(--block-background-fill); border: 1px solid var(--border-color-primary)}
.kg-cards button:hover, .kg-cards button:focus-visible {border-color: var(--color-accent)}
.kg-cards img {width: 100%; display: block; aspect-ratio: 1; object-fit: contain; border-radius: 6px; margin: 0 0 .3rem}
.kg-seed {align-items: end}
.kg-seed button {margin-bottom: 11px; font-size: .85rem; font-weight: 500}
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
.kg-plane text {fill: var(--body-text-color-subdued); font-size: .06px}
.kg-curve {width: 100%; height: 76px}
.kg-curve polyline {fill: none; stroke: var(--color-accent); stroke-width: 1.5px; vector-effect: non-scaling-stroke}
@media (max-width: 640px) { /* the picture stays in sight while its sliders are moved */
  .kg-stay {order: -1; top: 0; z-index: 100; align-self: stretch; background: var(--body-background-fill)}
  .kg-stay .kg-grid, .kg-stay .kg-plane {max-width: 200px; margin: 0 auto}
  .kg-grid:not(.kg-large) {grid-template-columns: repeat(auto-fill, minmax(60px, 1fr))}
  .kg-head img {display: none}
}
"""

# --- what is shown -----------------------------------------------------------------------------------------


class Shelf:
    """The bundles of an app, by the name of their folder."""

    def __init__(self, directories):
        if not directories:
            how = "make one with `kerasgen export vae_digits --out DIR`"
            raise ValueError(f"demo: expected at least one bundle, got none; {how}")
        self._open = functools.lru_cache(OPEN)(runtime.Bundle)
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

    def makers(self, shape: tuple, first: str) -> list:
        """The names of bundles that draw pictures of a shape, and need to be told nothing; `first` comes first."""
        found = [name for name, entry in self.entries.items() if entry.shape == shape and entry.draws]
        return sorted(found, key=lambda name: name != first)

    def run(self, name: str, function: str, given: dict) -> np.ndarray:
        """Run a function on inputs that come from outside."""
        entry = self.find(name)
        if function not in entry.ports:
            raise _error(f"{function}: expected one of {', '.join(entry.ports)}, as {name} serves no other")
        try:
            values = runtime.bind(function, entry.ports[function], (), given)
        except (TypeError, ValueError) as error:
            raise _error(str(error)) from None
        rows = max((len(value) for value in values.values() if value.ndim), default=0)
        if rows > entry.most:
            raise _error(f"{function}: expected at most {entry.most} rows, got {rows}")
        result = self._open(entry.directory).run(function, **values)
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
        self.thumbnail = _thumbnail(os.path.join(self.directory, "samples.png"))

    @property
    def pictures(self) -> bool:
        """Whether an example is a picture that can be shown."""
        return self.info["kind"] == "picture" and self.shape[-1] in (1, 3)

    @property
    def samples(self) -> bool:
        """Whether it makes examples out of a count and a seed."""
        return self.offers("sample", "count")

    def changes(self, function: str) -> bool:
        """Whether it serves a function of pictures, and of a mask at most."""
        return self.pictures and self.offers(function, "picture", "mask") and self.port(function, "picture")

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
    titles = [f"<figcaption>{_title(captions, i)}</figcaption>" for i in range(len(marks))]
    figures = "".join(f"<figure>{mark}{title}</figure>" for mark, title in zip(marks, titles, strict=True))
    return f'<div class="kg-grid{" kg-large" if large else ""}">{figures}</div>'


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


def _thumbnail(path):
    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
            image.thumbnail((128, 128))
            return _address(image)
    except (OSError, Image.DecompressionBombError):  # a bundle may come without one
        return ""


def _title(captions, i):
    return html.escape(captions[i] if captions else f"#{i}")


def _plane(points, fade):
    """A diagram of points, in a frame that is the same for most models, so that seeds can be compared."""
    end, radius = max(3, math.ceil(np.abs(points).max())), 0.012 + 0.03 / len(points)
    dots = [f'cx="{x / end:.4f}" cy="{-y / end:.4f}" r="{radius:.4f}"' for x, y in points]
    shades = [
        f' style="fill-opacity:{1 - 0.9 * i / len(dots):.2f}"' if fade else "" for i in range(len(dots))
    ]
    circles = "".join(f"<circle {dot}{shade}/>" for dot, shade in zip(dots, shades, strict=True))
    lines = "".join(f'<path d="M-1 {k / 3:.3f}H1M{k / 3:.3f} -1V1"/>' for k in range(-3, 4))
    ends = f'<text x="-1" y="1.09">−{end}</text><text x="1" y="1.09" text-anchor="end">{end}</text>'
    return (
        f'<svg class="kg-plane" viewBox="-1.05 -1.05 2.1 2.2" role="img" aria-label="{len(points)} points">'
        f"{lines}{circles}{ends}</svg>"
    )


def _curve(values):
    low, high = float(values.min()), float(values.max())
    y = 1 - (values - low) / ((high - low) or 1)
    points = " ".join(f"{i / max(1, len(y) - 1):.4f},{v:.4f}" for i, v in enumerate(y))
    line = f'<polyline points="{points}"/>'
    return f'<svg class="kg-curve" viewBox="-.02 -.05 1.04 1.1" preserveAspectRatio="none">{line}</svg>'


# --- the page ----------------------------------------------------------------------------------------------


class Tab:
    """A tab of a bundle's page: its widgets, and handlers that check what they are given.

    Handlers get the values of a request raw, since Gradio's own checks answer a wrong type with a traceback; so every
    value goes through `Shelf.run` or `_point`.
    """

    def __init__(self, shelf: Shelf, key: str, name: str, first: bool):
        import gradio as gr

        self.shelf, self.key, self.name, self.entry, self.first = shelf, key, name, shelf.find(key), first
        self.shell = gr.Tab(name, id=name)

    def run(self, function: str, **given) -> np.ndarray:
        """Run a function of the bundle, leaving out the inputs that it does not take."""
        taken = {port.name for port in self.entry.ports[function]}
        return self.shelf.run(self.key, function, {k: v for k, v in given.items() if k in taken})

    def draw_own(self, function: str, count, seed, label) -> np.ndarray:
        """The model's own examples, as another of its functions takes them."""
        x, port = self.run("sample", count=count, seed=seed, label=label), self.entry.port(function, "x")
        return np.clip(x, port.minimum, port.maximum)

    def live(self, handler, inputs, outputs, on=None):
        """Call the handler when the tab is opened and when an input changes; while it runs, the last change waits.

        Args:
            handler, inputs, outputs: as in Gradio.
            on: the inputs whose change counts, by default all.
        """
        import gradio as gr

        if self.first and on is None:
            triggers = None  # Gradio's word for: when the page is there, and at every change
        else:
            triggers = [self.shell.select, *(widget.change for widget in on or inputs)]
        gr.on(triggers, handler, inputs, outputs, **EVENT)

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
        return self.slider(dataclasses.replace(self.entry.port("sample", "count"), default=value))

    def words(self, port):
        """A line to write in for a text, some for a layout as JSON."""
        import gradio as gr

        names = dict(label=port.name, info=port.meaning, elem_id=self.id(port.name))
        known = (self.entry.info["data"] or {}).get("descriptions") or [""]
        if not port.text:
            return gr.Textbox(json.dumps(known[0]), lines=3, max_length=2000, interactive=True, **names)
        return gr.Textbox(known[0], max_length=port.shape[1], interactive=True, **names)

    def slider(self, port):
        """A slider for a scalar port."""
        import gradio as gr

        step = 1 if port.dtype == "int32" else 0.05
        names = dict(label=port.name, info=port.meaning, elem_id=self.id(port.name))
        return gr.Slider(port.minimum or 0, port.maximum, port.default, step=step, interactive=True, **names)

    def dimension(self, i, low, high):
        """A slider for one dimension of a latent."""
        import gradio as gr

        names = dict(label=f"z{i}", elem_id=self.id(f"z{i}"), min_width=130, buttons=[])
        return gr.Slider(low, high, 0, step=0.01, interactive=True, **names)

    def labels(self, *functions):
        """A choice of classes, if one of the functions takes a label; "any" is one if all of those can draw it.

        Returns: a list of that one widget, or of none.
        """
        import gradio as gr

        ports = [port for port in (self.entry.port(function, "label") for function in functions) if port]
        if not ports:
            return []
        choices = [("any", -1)] * all(port.minimum < 0 for port in ports)
        names = (self.entry.info["data"] or {}).get("class_names") or range(int(ports[0].maximum) + 1)
        choices += [(str(name), i) for i, name in enumerate(names)]
        names = dict(label="label", elem_id=self.id("label"))
        return [gr.Dropdown(choices, value=choices[0][1], interactive=True, **names)]

    def output(self, name: str, height: int):
        """Where results are shown; empty at first, or those of the model before would stay until the next come."""
        import gradio as gr

        return gr.HTML("", elem_id=name, min_height=height)

    def id(self, name: str) -> str:
        return f"{self.name}-{name}".lower().replace(" ", "-")


def _columns(share=1, **right):
    """Two columns, for widgets and pictures (a share to three); on a phone one is below the other."""
    import gradio as gr

    with gr.Row():
        return gr.Column(scale=share, min_width=260), gr.Column(scale=3, min_width=300, **right)


def _sample(tab: Tab):
    """New examples: seed, count, label, and every control of the sampler."""
    import gradio as gr

    known = ("seed", "count", "label")
    controls = [port for port in tab.entry.ports["sample"] if not port.shape and port.name not in known]
    texts = [port for port in tab.entry.ports["sample"] if port.text or port.name == "layout"]
    left, right = _columns()
    with left:
        widgets = dict(zip(known, [tab.seed(), tab.count(), *tab.labels("sample")], strict=False))
        widgets |= {port.name: tab.words(port) for port in texts}
        widgets |= {port.name: tab.slider(port) for port in controls}
        gr.HTML(
            "<p class='kg-note'>The same seed gives the same result, here and wherever the bundle runs.</p>"
        )
    with right:
        output = tab.output("samples", 200)

    def sample(*values):
        given = dict(zip(widgets, values, strict=True))
        if "layout" in given:
            given["layout"] = _layout(given["layout"])
        return draw(tab.entry, tab.run("sample", **given))

    tab.live(sample, list(widgets.values()), output)


def _latent(tab: Tab):
    """One point of the latent space, moved by sliders, and the way from one point to another."""
    import gradio as gr

    port = tab.entry.port("decode", "latent")
    shape, size = tuple(port.shape[1:]), math.prod(port.shape[1:])
    low, high = max(-3, port.minimum), min(3, port.maximum)
    moved = min(DIMENSIONS, size)

    def decode(seed, *values):
        z = [*values[:moved], *_point(seed, size, low, high)[moved:]]
        try:
            latent = np.reshape(z, (1, *shape))
        except ValueError:  # a value is a list
            raise _error("latent: expected numbers, one for each slider") from None
        return draw(tab.entry, tab.run("decode", latent=latent, label=_one(values[moved:])), [""], large=True)

    def place(seed, *label):
        values = [round(float(v), 2) for v in _point(seed, size, low, high)[:moved]]
        return [*values, decode(seed, *values, *label)]

    def walk(first, last, *label):
        a, b = _point(first, size, low, high), _point(last, size, low, high)
        z = np.stack([_between(a, b, t) for t in np.linspace(0, 1, WALK)]).reshape(-1, *shape)
        captions = [f"seed {first}", *[""] * (WALK - 2), f"seed {last}"]
        return draw(tab.entry, tab.run("decode", latent=z, label=_one(label)), captions)

    left, right = _columns(2, elem_classes="kg-stay")
    with left:
        seed, label = tab.seed(), tab.labels("decode")
        if moved < size:
            gr.HTML(f"<p class='kg-note'>The first {moved} of {size} dimensions; the seed sets them all.</p>")
        with gr.Row():
            sliders = [tab.dimension(i, low, high) for i in range(moved)]
    with right:
        output = tab.output("decoded", 200)
    left, right = _columns(2)
    with left:
        last = tab.seed("walk to seed", 1)
    with right:
        way = tab.output("walk", 80)
    moves = [*(slider.input for slider in sliders), *(widget.change for widget in label)]
    gr.on(moves, decode, [seed, *sliders, *label], output, **EVENT)
    tab.live(place, [seed, *label], [*sliders, output], on=[seed])
    tab.live(walk, [seed, last, *label], way)


def _reconstruct(tab: Tab):
    """The model's own examples before and after encoding and decoding."""
    import gradio as gr

    def reconstruct(seed, count, *label):
        x = tab.draw_own("reconstruct", count, seed, _one(label))
        after = tab.run("reconstruct", x=x, label=_one(label))
        return _compared(tab.entry, x, after)

    left, right = _columns()
    with left:
        widgets = [tab.seed(), tab.count(8), *tab.labels("sample", "reconstruct")]
    with right:
        gr.HTML("<p class='kg-note'>The model's own samples</p>")
        before = tab.output("before", 100)
        gr.HTML("<p class='kg-note'>After encoding and decoding, with the mean absolute difference</p>")
        after = tab.output("after", 100)
    tab.live(reconstruct, widgets, [before, after])


def _score(tab: Tab):
    """What the model says of its own examples, in the order of the first score."""
    import gradio as gr

    functions = [function for function in SCORES if tab.entry.offers(function, "x")]
    sign, first = (1, "lowest") if functions[0] == "energy" else (-1, "highest")

    def score(seed, count, *label):
        x = tab.draw_own(functions[0], count, seed, _one(label))
        values = {function: tab.run(function, x=x, seed=0, label=_one(label)) for function in functions}
        order = np.argsort(values[functions[0]] * sign)
        captions = [" · ".join(f"{values[function][i]:.4g}" for function in functions) for i in order]
        return draw(tab.entry, x[order], captions, fade=True)

    left, right = _columns()
    with left:
        widgets = [tab.seed(), tab.count(), *tab.labels("sample", *functions)]
        units = " · ".join(f"{function} ({SCORES[function]})" for function in functions)
        gr.HTML(f"<p class='kg-note'>{units}; the {first} first.</p>")
    with right:
        output = tab.output("scores", 200)
    tab.live(score, widgets, output)


def _change(tab: Tab, function: str):
    """Pictures that a model of the app draws, its own if it does, and what a function makes of them."""
    import gradio as gr

    port = tab.entry.port(function, "picture")
    makers = tab.shelf.makers(tuple(port.shape[1:]), tab.key)
    if not makers:
        size = " × ".join(map(str, port.shape[1:]))
        gr.HTML(f"<p class='kg-note'>It changes pictures of {size}; no model of this page draws such.</p>")
        return
    count = runtime.Port("count", (), "int32", "how many examples", 1, tab.entry.most, 8)
    hole = runtime.Port("hole", (), "float32", "share of both sides, in the middle", 0.0, 1.0, 0.5)

    def change(*values):
        given = dict(zip(widgets, values, strict=True))
        if given["pictures"] not in makers:
            raise _error(
                f"pictures: expected one of {', '.join(makers)}, got {str(given['pictures'])[:40]!r}"
            )
        drawn = tab.shelf.run(given["pictures"], "sample", {name: given[name] for name in ("count", "seed")})
        x = np.clip(drawn, port.minimum, port.maximum)
        if "hole" in given:
            given["mask"] = np.repeat(_hole(hole, given["hole"], x.shape[1:3])[None], len(x), 0)
            x = np.where(given["mask"] > 0, 0.5, x)
        return _compared(tab.entry, x, tab.run(function, picture=x, **given))

    left, right = _columns()
    with left:
        widgets = {"seed": tab.seed(), "count": tab.slider(count)}
        names = dict(label="pictures of", visible=len(makers) > 1, elem_id=tab.id("pictures"))
        widgets["pictures"] = gr.Dropdown(makers, value=makers[0], interactive=True, **names)
        widgets |= dict(zip(("label",), tab.labels(function), strict=False))
        widgets |= {
            each.name: tab.slider(each)
            for each in tab.entry.ports[function]
            if each.name != "seed" and each.name != "label" and not each.shape
        }
        if tab.entry.port(function, "mask"):
            widgets["hole"] = tab.slider(hole)
    with right:
        gr.HTML("<p class='kg-note'>Before</p>")
        before = tab.output(tab.id("before"), 100)
        gr.HTML("<p class='kg-note'>After, with the mean absolute difference</p>")
        after = tab.output(tab.id("after"), 100)
    tab.live(change, list(widgets.values()), [before, after])


# name, content, and whether a bundle has what it shows
TABS = (
    ("Sample", _sample, lambda e: e.samples),
    ("Latent", _latent, lambda e: e.port("decode", "latent") and e.offers("decode", "latent")),
    ("Reconstruct", _reconstruct, lambda e: e.samples and e.offers("reconstruct", "x")),
    ("Score", _score, lambda e: e.samples and any(e.offers(function, "x") for function in SCORES)),
    *(
        (
            name.title(),
            functools.partial(_change, function=name),
            functools.partial(Entry.changes, function=name),
        )
        for name in CHANGES
    ),
)


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
                gr.HTML(TOP)
            with gr.Column(min_width=280):
                picker = gr.Dropdown(choices, value=first, label="model", visible=several, elem_id="picker")
        pictures = several and any(entry.thumbnail for entry in shelf.entries.values())
        cards = gr.HTML(_cards(shelf.entries), js_on_load=PICK, visible=pictures, elem_id="cards")

        def pick(event: gr.EventData):
            key = event._data.get("key") if isinstance(event._data, dict) else None
            shelf.find(key)
            return key

        cards.click(pick, None, picker, show_progress="hidden", api_visibility="private")

        @gr.render(inputs=picker, concurrency_limit=2)
        def page(key):
            entry = shelf.find(key)
            gr.HTML(_heading(key, entry))
            shown = [(name, content) for name, content, fits in TABS if fits(entry)]
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
    bundle_dirs, port=7860, *, server_name="127.0.0.1", share=False, auth=None, inbrowser=False, wait=True
):
    """Serve the app: to this machine alone, unless told otherwise.

    Args:
        bundle_dirs: as in `build`.
        port: where the page is, `http://127.0.0.1:<port>`.
        server_name: address to listen on; "0.0.0.0" for every network of this machine.
        share: ask Gradio for a public address; this goes through its servers.
        auth: (name, password) that visitors must give.
        inbrowser: open the page.
        wait: return when the app is stopped (Ctrl-C) rather than at once.

    Returns: the app; `close()` stops it.
    """
    app = build(bundle_dirs)

    import gradio as gr

    app.launch(
        server_name=server_name, server_port=port, share=share, auth=auth, inbrowser=inbrowser,
        prevent_thread_lock=not wait, theme=gr.themes.Soft(font=FONT, font_mono=FONT_MONO).set(**LOOK), css=CSS, **SAFE,
    )  # fmt: skip
    return app


def _label(key, entry):
    return f"{entry.info['class']} · {key}"


def _heading(key, entry):
    info = entry.info
    data = f"data: {info['data']['name']}" if info["data"] else ""
    size = " × ".join(map(str, entry.shape))
    lines = [[info["title"]], [info["paper"], info["year"]], [size, data, ", ".join(entry.ports)]]
    lines = [html.escape(" · ".join(str(part) for part in line if part)) for line in lines]
    image = f'<img src="{entry.thumbnail}" alt="">' if entry.thumbnail else ""
    text = f"<h2>{html.escape(_label(key, entry))}</h2>" + "".join(f"<p>{line}</p>" for line in lines)
    return f'<div class="kg-head">{image}<div>{text}</div></div>'


def _cards(entries):
    cards = [
        f'<button data-key="{html.escape(key)}"><img src="{entry.thumbnail}" alt="">{html.escape(key)}</button>'
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
    """Rows of numbers out of what was written; what they must be is checked with the port."""
    try:
        return np.array(json.loads(words), "float32")
    except (TypeError, ValueError, RecursionError):
        raise _error(
            f"layout: expected rows of numbers like [[3, 0, 0, 0.5, 0.5]], got {str(words)[:40]!r}"
        ) from None


def _one(label):
    """The value of the label widget, None where there is none."""
    return label[0] if label else None


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
