"""The bundles that a page shows, and what each of them offers."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import threading

import numpy as np

from kerasgen import runtime
from kerasgen.demo.limits import FAR, MOST_OPEN, MOST_PICTURES, MOST_POINTS, OPEN, SEEDS, Stopped, refusal
from kerasgen.demo.media import thumbnail_of

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
    "classify": "Which class it is in the model's eyes, with what it gives the three likeliest",
    "score": "Gradient of the log-density: where it is grey, nothing pulls",
}
SCORES = {"log_prob": "nats", "bound": "nats", "energy": "no unit"}


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

    def find(self, name) -> Entry:
        """The entry of that name, or one line saying that there is none."""
        if not isinstance(name, str) or name not in self.entries:
            raise refusal(f"bundle: expected one of {', '.join(self.entries)}, got {str(name)[:40]!r}")
        return self.entries[name]

    def makers(self, name: str, function: str) -> list:
        """Where examples as a function takes them come from: its own model, others that are told nothing, strokes."""
        entry = self.find(name)
        shape = entry.taken(function)
        own = [name] * (entry.samples and entry.shape == shape)
        if not entry.pictures:
            return own
        others = [key for key, e in self.entries.items() if e.draws and e.shape == shape and key != name]
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
            raise refusal(f"{function}: expected one of {', '.join(entry.ports)}, as {name} serves no other")
        try:
            values = runtime.bind(function, entry.ports[function], (), given, entry.said("class_names") or ())
        except (TypeError, ValueError) as error:
            raise refusal(str(error)) from None
        rows = max((len(value) for value in values.values() if value.ndim), default=0)
        if rows > entry.most:
            raise refusal(f"{function}: expected at most {entry.most} rows, got {rows}")
        options = getattr(self._mine, "options", None)
        try:
            feeds = {port: np.asarray(value) for port, value in values.items()}
            result = self._open(entry.directory).session(function).run(None, feeds, options)[0]
        except Exception:
            if options is None or not options.terminate:
                raise
            raise Stopped from None
        if not np.isfinite(result).all():
            raise refusal(f"{function}: {name} gave values that are not finite for these inputs")
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
        self.thumbnail = thumbnail_of(os.path.join(self.directory, "samples.png"), self.pictures)

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

    def class_name(self, label) -> str:
        """What a class is called; "" where the bundle does not say, or any class is meant."""
        names = self.said("class_names") or ()
        return str(names[label]) if isinstance(label, int) and 0 <= label < len(names) else ""

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

    def taken(self, function: str) -> tuple:
        """The shape of the examples that a function takes; a picture of any size is taken as the data have it."""
        port = self.port(function, "picture") or self.port(function, "x")
        sizes = port.shape[1:] if port else self.shape
        return tuple(size if isinstance(size, int) else own for size, own in zip(sizes, self.shape, strict=True))

    def offers(self, function: str, *given: str) -> bool:
        """Whether the function can be called with these inputs, a label where it needs one, and defaults."""
        known = {*given, "seed", "count", "label", "text", "layout"}
        beside = self.port(function, "latent") and self.port(function, "code")
        known |= {"code"} if beside and beside.shape[1:] == (1,) else set()
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
        if not port.shape and (port.span is not None or port.maximum is None):
            default = port.default or 0
            end = max(port.span or MOST_OPEN, default if port.span else 5 * default)
            return dataclasses.replace(port, maximum=end if port.maximum is None else min(end, port.maximum))
        return port
