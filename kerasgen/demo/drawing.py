"""Arrays as HTML: pictures, sounds, texts, points of the plane, curves."""

from __future__ import annotations

import html
import math

import numpy as np

from kerasgen import runtime
from kerasgen.demo.media import address, enlarged, gif, png, table, wav

LIKELIEST = 3  # classes that are named of an example
SIDE, LARGE = 96, 360  # pixels to which small pictures are enlarged: among others, alone


def draw(entry, x: np.ndarray, captions=None, large=False, fade=False, way=False) -> str:
    """Examples as HTML: pictures, texts and sounds with captions, points of the plane in one diagram, or curves.

    Below them is what saves them: as PNG, text, WAV or CSV.

    Args:
        entry: where the examples come from.
        x: (N, *shape).
        captions: one per example; by default its index.
        large: a single example, shown large.
        fade: points of the plane grow paler from the first to the last.
        way: pictures are a way from the first to the last, which can be saved as GIF too.
    """
    name, kind = html.escape(entry.info["system"]), entry.info["kind"]
    titles = [_title(captions, i) for i in range(len(x))]
    if entry.pictures:
        marks = [_picture(each, title, LARGE if large else SIDE) for each, title in zip(x, titles, strict=True)]
        moving = _link(gif(x), f"{name}.gif", "Save as GIF") if way and len(x) > 1 else ""
        saves = _button(f"{name}.png", "Save as PNG") + moving
    elif kind == "text":
        texts = runtime.to_text(x)
        marks, large = [f"<pre>{html.escape(text)}</pre>" for text in texts], True
        saves = _link(address("text/plain;charset=utf-8", "\n\n".join(texts).encode()), f"{name}.txt", "Save as text")
    elif kind == "sound":
        rate, saves = entry.info["sample_rate"], ""
        marks = [f'{_curve(sound)}<audio controls src="{wav(sound, rate)}"></audio>' for sound in x]
        titles = [f"{title} {_button(f'{name}-{i}.wav', 'Save as WAV')}" for i, title in enumerate(titles)]
    else:
        saves = _link(table(x), f"{name}.csv", "Save as CSV")
        if entry.shape == (2,):
            return _made(_plane(x, fade), saves)
        marks = [_curve(values.ravel()) for values in x]
    return _made(_figures(marks, titles, large), saves)


def _made(shown, saves):
    """What an output shows, with what saves it."""
    return f'<div class="kg-made">{shown}<p class="kg-save">{saves}</p></div>'


def _button(name, text):
    """Saves pictures or a sound, which the page has already, under a name: see save.js."""
    return f'<button type="button" data-save="{name}">{text}</button>'


def _link(file, name, text):
    return f'<a href="{file}" download="{name}">{text}</a>'


def _picture(picture, title="", side=SIDE):
    """A picture at its own size; a small one is enlarged by a whole number, with its pixels as squares."""
    times = enlarged(picture.shape, side)
    height, width = (times * length for length in picture.shape[:2])
    small = ' class="kg-small"' if times > 1 else ""
    return f'<img{small} src="{png(picture, side)}" width="{width}" height="{height}" alt="{title}">'


def _figures(marks, titles, large):
    """Marks of HTML in a grid, each with its title below."""
    titles = [f"<figcaption>{title}</figcaption>" for title in titles]
    figures = "".join(f"<figure>{mark}{title}</figure>" for mark, title in zip(marks, titles, strict=True))
    kinds = " kg-large" * large + " kg-pictures" * all(mark.startswith("<img") for mark in marks)
    return f'<div class="kg-grid{kinds}">{figures}</div>'


def show_values(entry, function: str, values: np.ndarray, x: np.ndarray) -> str:
    """What a function says of examples x: a picture for each where it has the shape of one, bars, or else a curve."""
    if function == "classify":
        return _figures([_bars(entry, row) for row in np.exp(values)], [_title(None, i) for i in range(len(x))], False)
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
    return _figures([_picture(picture) for picture in shown], titles, False)


def compared(entry, before, after):
    """Both as HTML; the second with the mean absolute differences, if sizes are the same."""
    same = after.shape == before.shape
    errors = np.abs(after - before).reshape(len(before), -1).mean(1) if same else ()
    return draw(entry, before), draw(entry, after, [f"± {e:.3f}" for e in errors])


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


def _bars(entry, shares):
    """The likeliest classes, by name where that is known, each with a bar as long as its share and that in percent."""
    rows = []
    for label in np.argsort(-shares, kind="stable")[:LIKELIEST]:
        name = html.escape(entry.class_name(int(label)) or f"class {label}")
        meter = f'<meter value="{shares[label]:.4f}" aria-label="{name}"></meter>'
        rows.append(f"<tr><th>{name}</th><td>{meter}</td><td>{shares[label]:.1%}</td></tr>")
    return f'<table class="kg-bars">{"".join(rows)}</table>'


def _curve(values, *ends):
    """Values as a line, from their lowest to their highest or between given ends."""
    low, high = ends or (float(values.min()), float(values.max()))
    y = 1 - (values - low) / ((high - low) or 1)
    points = " ".join(f"{i / max(1, len(y) - 1):.4f},{v:.4f}" for i, v in enumerate(y))
    line = f'<polyline points="{points}"/>'
    return f'<svg class="kg-curve" viewBox="-.02 -.05 1.04 1.1" preserveAspectRatio="none">{line}</svg>'
