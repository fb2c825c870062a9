"""One tab of a model's page: its widgets, and functions that run as they are moved."""

import html
import json

import numpy as np

from kerasgen import runtime
from kerasgen.demo.drawing import strokes
from kerasgen.demo.limits import SEEDS, Stopped, check_value, refusal
from kerasgen.demo.look import BOXES, SAVE, UPLOAD
from kerasgen.demo.media import picture_of
from kerasgen.demo.shelf import STROKES, Shelf

NUMBERS = "seed", "last", "count"  # fields of numbers, which are empty while another one is typed
EVENT = dict(preprocess=False, trigger_mode="always_last", show_progress="hidden", api_visibility="private")


class Tab:
    """A tab of a bundle's page: its widgets, and handlers that check what they are given.

    Handlers get the values of a request raw, since Gradio's own checks answer a wrong type with a traceback; so every
    value goes through `Shelf.run` or `limits.check_value`.
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
        if isinstance(given.get("code"), int):  # of every row
            given["code"] = [given["code"]]
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
        """Widgets for what examples can be asked to be, name -> widget: a choice of classes or codes, a text, boxes.

        "any" is a class if all of the functions that take one can draw it.
        """
        ports = [port for function in functions for port in self.entry.ports.get(function, ())]
        ports = [port for port in ports if port.name != "code" or port.shape[1:] == (1,)]
        makers = {"label": self.choice, "code": self.choice, "text": self.text, "layout": self.boxes}
        found = {name: [port for port in ports if port.name == name] for name in makers}
        return {name: makers[name](ports) for name, ports in found.items() if ports}

    def choice(self, ports):
        """A choice of classes, or of the values of a code."""
        import gradio as gr

        choices, name = [("any", -1)] * all(port.minimum < 0 for port in ports), ports[0].name
        names = name == "label" and self.entry.said("class_names") or range(int(ports[0].maximum) + 1)
        choices += [(str(each), i) for i, each in enumerate(names)]
        # Pictures that are translated are mostly of the first domain: it shows nothing to lead them there.
        first = min(1, len(choices) - 1) if self.name == "Translate" else 0
        names = dict(label=name, elem_id=self.id(name))
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
        if self.entry.pictures:
            widgets["own"] = self.upload(function)
        return widgets

    def upload(self, function: str):
        """A picture of the visitor's machine; the value is a PNG data address, "" where there is none."""
        import gradio as gr

        side = max(256, 2 * max(self.entry.taken(function)[:2]))
        field = "<input type='file' accept='image/*' aria-label='picture of your own'>"
        parts = f"{field}<button type='button' hidden>Remove</button><small></small>"
        label = f"<span class='kg-label'>or a picture of your own</span><div class='kg-upload'>{parts}</div>"
        names = dict(html_template=label, js_on_load=UPLOAD, elem_id=self.id("own"))
        return gr.HTML("", side=str(side), **names)

    def makers(self, function: str) -> list:
        """Where examples for a function can come from: the model itself, others that draw such, strokes."""
        return self.shelf.makers(self.key, function)

    def examples(self, function: str, given: dict) -> np.ndarray:
        """The examples that the widgets of `source` stand for, within the range that the function takes.

        A visitor's own picture comes before a choice of others.
        """
        makers, maker = self.makers(function), given["pictures"]
        if maker not in makers:
            raise refusal(f"pictures: expected one of {', '.join(makers)}, got {str(maker)[:40]!r}")
        for name in ("count", "seed"):
            check_value(self.limits(name), given[name])
        if given.get("own"):  # several only where each can become something else
            count = int(given["count"]) if self.entry.port(function, "seed") else 1
            x = np.repeat(picture_of(given["own"], self.entry.taken(function))[None], count, 0)
        elif maker == STROKES:
            x = strokes(int(given["count"]), int(given["seed"]), self.entry.taken(function))
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

        return gr.HTML("", elem_id=name, min_height=height, elem_classes="kg-out", js_on_load=SAVE)

    def id(self, name: str) -> str:
        return f"{self.name}-{name}".lower().replace(" ", "-")


def columns(share=1, **right):
    """Two columns, for widgets and pictures (a share to three); on a phone one is below the other."""
    import gradio as gr

    with gr.Row():
        return gr.Column(scale=share, min_width=260), gr.Column(scale=3, min_width=300, **right)


def note(text):
    import gradio as gr

    return gr.HTML(f"<p class='kg-note'>{html.escape(text)}</p>")


def _layout(words):
    """The rows that the editor of boxes wrote; what they must be is checked with the port."""
    try:
        return json.loads(words)
    except (TypeError, ValueError, RecursionError):
        raise refusal(f"layout: expected rows of numbers like [[3, 0, 0, 0.5, 0.5]], got {str(words)[:40]!r}") from None
