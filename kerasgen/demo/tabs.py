"""The tabs that a model can have: one for each thing that its functions allow."""

import functools
import html
import math

import numpy as np

from kerasgen import runtime
from kerasgen.demo.drawing import compared, draw, show_values
from kerasgen.demo.fields import Tab, columns, note
from kerasgen.demo.limits import DIMENSIONS, SEEDS, WALK, check_value, refusal
from kerasgen.demo.shelf import CHANGES, LOOKS, SCORES, Entry

TITLES = {"score": "Gradient"}  # of tabs that are not called like their function


def _sample(tab: Tab):
    """New examples: seed, count, what they are to be, and every control of the sampler."""
    known = ("seed", "count", "label")
    controls = [port for port in tab.entry.ports["sample"] if not port.shape and port.name not in known]
    left, right = columns(elem_classes="kg-first")
    with left:
        widgets = {"seed": tab.seed(), "count": tab.count(), **tab.conditions("sample")}
        widgets |= {port.name: tab.slider(port) for port in controls}
        note("The same seed gives the same result, here and wherever the bundle runs.")
        tab.stop()
    with right:
        output = tab.output("samples", 200)

    def sample(given):
        x, name = tab.run("sample", given), tab.entry.class_name(given.get("label"))
        captions = [f"#{i} {name}".strip() for i in range(len(x))]
        return draw(tab.entry, x, captions) + _unheard(tab.entry, given.get("text"))

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
            raise refusal("latent: expected numbers, one for each slider") from None
        return draw(tab.entry, tab.run("decode", given, latent=latent), [""], large=True)

    def place(given):
        values = [round(float(v), 2) for v in _point(given["seed"], size, low, high)[:moved]]
        return [*values, decode({**given, **dict(zip(names, values, strict=True))})]

    def walk(given):
        first, last = given["seed"], given["last"]
        a, b = _point(first, size, low, high), _point(last, size, low, high)
        z = np.stack([_between(a, b, t) for t in np.linspace(0, 1, WALK)]).reshape(-1, *shape)
        captions = [f"seed {first}", *[""] * (WALK - 2), f"seed {last}"]
        return draw(tab.entry, tab.run("decode", given, latent=z), captions, way=True)

    left, right = columns(2, elem_classes="kg-stay")
    with left:
        seed = {"seed": tab.seed()}
        said = tab.conditions("decode")
        if moved < size:
            note(f"The first {moved} of {size} dimensions; the seed sets them all.")
        with gr.Row():
            sliders = {name: tab.dimension(i, low, high) for i, name in enumerate(names)}
    with right:
        output = tab.output("decoded", 200)
    left, right = columns(2)
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

    left, right = columns()
    with left:
        widgets = tab.source(functions[0], 16) | tab.conditions("sample", *functions)
        units = " · ".join(f"{function} ({SCORES[function]})" for function in functions)
        note(f"{units}; the {first} first.")
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
            check_value(noise, given["noise_level"])
            draws = np.random.default_rng(int(given["seed"])).standard_normal(x.shape)
            x = x + given["noise_level"] * draws.astype("float32")
            inputs["noise_level"] = np.full(len(x), given["noise_level"])
        return compared(tab.entry, x, tab.run(function, {**inputs, "picture": x, "x": x}))

    left, right = columns()
    with left:
        widgets = tab.source(function) | tab.conditions(*("sample",) * tab.entry.samples, function)
        widgets |= {port.name: tab.slider(port) for port in ports if port.name != "seed" and not port.shape}
        widgets |= {"hole": tab.slider(hole)} if "mask" in names else {}
        widgets |= {"noise_level": tab.slider(noise)} if "noise_level" in names else {}
        tab.stop()
    with right:
        note("Before")
        before = tab.output(tab.id("before"), 100)
        note("After, with the mean absolute difference")
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

    left, right = columns()
    with left:
        source = ("sample",) * tab.entry.samples
        widgets = tab.source(function) | tab.conditions(*source, function)
        tab.stop()
    with right:
        note("Examples")
        before = tab.output(tab.id("before"), 100)
        note(LOOKS[function])
        after = tab.output(tab.id("after"), 100)
    tab.live(look, widgets, [before, after])


def _hole(port, share, sides):
    """1 in a box in the middle of a picture of some height and width, 0 around it."""
    check_value(port, share)
    mask = np.zeros((*sides, 1), "float32")
    (top, height), (left, width) = ((round(side * (1 - share) / 2), round(side * share)) for side in sides)
    mask[top : top + height, left : left + width] = 1
    return mask


def _point(seed, size, low, high):
    """A standard normal point: somewhere to start from, while the model's own draws are on the first tab."""
    check_value(runtime.Port("seed", (), "int32", "which point", 0, SEEDS), seed)
    return np.random.default_rng(int(seed)).standard_normal(size).clip(low, high)


def _between(a, b, t):
    """A point of the great arc from a to b: unlike a straight line, it keeps a typical distance from the origin."""
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:  # no arc, or every arc
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


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
