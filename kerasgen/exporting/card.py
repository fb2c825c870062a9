"""The card and the picture of a bundle: what it is, and how each runtime calls it."""

from __future__ import annotations

import math

import numpy as np

from kerasgen import pictures
from kerasgen.data import asking
from kerasgen.exporting.cases import MAX_STEPS, value_of
from kerasgen.runtime import BATCH, port_of

CARD = """# {name}

{picture}{about}

| function | takes | gives | SavedModel | ONNX |
| --- | --- | --- | --- | --- |
{rows}

The last columns are the largest difference from Keras that was measured when this was written. {early}
Shapes, ranges and meanings are in `bundle.json`. The same seed gives the same result in every runtime. Run these in
this folder:

```bash
kerasgen verify .        # proves the files and the runtimes here again
{command}```
{variants}{onnx}
SavedModel:

```python
import numpy as np
import tensorflow as tf

model = tf.saved_model.load("saved_model")  # keep it: its functions need its variables
{output} = model.signatures["{function}"]({tensors})["{output}"]
```

Made with {versions}. Licence of the weights and the card: {licence}.
"""

VARIANTS = """
Smaller files, with the same ports: `onnx/<function>.<variant>.onnx`, or `Bundle(".", variant="float16")`.

| function | file | size | largest difference | mean | Frechet | ms, 1 row | ms, 64 rows |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

Differences are |a - b| / max(1, |a|) from the full file; times are those of the machine that wrote them.
"""

ONNX = """
Python without TensorFlow, with checked inputs and defaults (`pip install kerasgen`, or copy its folder `runtime/`):

```python
import numpy as np
from kerasgen.runtime import Bundle

{output} = Bundle(".").{function}({arguments})
```

ONNX Runtime alone:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("onnx/{function}.onnx")
({output},) = session.run(["{output}"], {{{feeds}}})
```

Node or the browser (`onnxruntime-node` or `onnxruntime-web`):

```js
const session = await ort.InferenceSession.create("onnx/{function}.onnx");
const {{ {output} }} = await session.run({{
{script}
}});
```
"""


def write_picture(info, run, path, data=None):
    """Draw what the model makes from seed 0, if it makes pictures or points; of given pictures, those of the data.

    Where a loop is too long to be proved whole, few are drawn, in few steps; none if no one can say how many steps.
    """
    size = info["image_shape"]
    made = {name: e for name, e in info["functions"].items() if _like(e["output"]["shape"][1:], size) and _short(e)}
    shown = size[-1] in (1, 3) if info["kind"] == "picture" else size[0] > 1
    if not made or not shown:
        return
    function = "sample" if "sample" in made else next(iter(made))
    side = next(n for n in (6, 4, 3, 2) if n * max(size) <= 384 or n == 2)  # pictures side by side
    side = min(side, 2) if made[function].get("rounds") else side
    count = {"vector": 1000, "text": 8, "sound": 9}.get(info["kind"], side**2)
    draw = np.random.default_rng(0)
    ports = list(map(port_of, made[function]["inputs"]))
    given = {port.name: value_of(port, count, 0, True, info, draw) for port in ports}
    if "steps" in given and made[function].get("rounds"):
        given["steps"] = np.minimum(given["steps"], MAX_STEPS)
    if "picture" in given and function in asking.CHANGES and hasattr(data, "splits"):
        given |= asking.inputs(data, "test", ports, count)
    x = run(function, given)
    pictures.write(path, pictures.draw(x, info["kind"]))


def _short(entry):
    """Whether a function's loops run whole in a proof, or can be told to be short."""
    return not entry.get("rounds") or any(port["name"] == "steps" for port in entry["inputs"])


def _like(shape, size):
    """Whether a shape is that of an example, or may be."""
    return len(shape) == len(size) and all(a == b or isinstance(a, str) for a, b in zip(shape, size, strict=True))


def card(info, picture) -> str:
    """The README of a bundle: what it is, its ports, and how each runtime calls it."""
    functions, data = info["functions"], info["data"]
    function = max(functions, key=lambda name: (functions[name]["onnx"] is not None, name == "sample"))
    inputs = functions[function]["inputs"]
    about = f"{info['class']}: *{info['title']}*"
    about += f", {info['paper']} ({info['year']})." if info["paper"] else "."
    if data:
        origin, licence = data.get("origin", "origin unknown"), data.get("licence", "unknown")
        about += f"\n\nTrained on {data['name']}: {origin}. Licence of the data: {licence}."
        names = data.get("class_names") or ()
        if names:
            about += f"\n\nClasses: {', '.join(f'{i} {name}' for i, name in enumerate(names))}."
    words = dict(
        name=info["preset"] or info["class"],
        picture="![samples](samples.png)\n\n" if picture else "",
        about=about,
        rows="\n".join(_row(name, entry) for name, entry in functions.items()),
        command="kerasgen sample . -n 16 --seed 7 -o pictures.png\n" if function == "sample" else "",
        function=function,
        output=functions[function]["output"]["name"],
        arguments=", ".join(f"{p['name']}={_python(p)}" for p in inputs if p["default"] is None),
        feeds=", ".join(f'"{p["name"]}": {_python(p, "np.asarray")}' for p in inputs),
        tensors=", ".join(f"{p['name']}=tf.constant({_python(p)})" for p in inputs),
        script="\n".join(f"  {p['name']}: {_javascript(p)}," for p in inputs),
        versions=", ".join(f"{name} {version}" for name, version in info["versions"].items()),
        licence=info["licence"],
    )
    words["variants"], words["early"] = _variants(functions), _early(functions)
    return CARD.format(**words, onnx=ONNX.format(**words) if functions[function]["onnx"] else "")


def _row(name, entry):
    """A function's row of the card's table."""

    def cell(port):
        shape = f" ({', '.join(map(str, port['shape']))})" if port["shape"] else ""
        return f"`{port['name']}` {port['dtype']}{shape}"

    saved, flips = f"{entry['parity']['saved_model']:.1e}", entry["parity"]["flips"]
    ties = f", {flips} ties fell otherwise" if flips else ""
    onnx = f"{entry['parity']['onnx']:.1e}{ties}" if entry["onnx"] else f"no: {entry['reason']}"
    return f"| `{name}` | {', '.join(map(cell, entry['inputs']))} | {cell(entry['output'])} | {saved} | {onnx} |"


def _early(functions):
    """Of which functions the loops were not run whole, if there are any."""
    early = {name: entry["rounds"] for name, entry in functions.items() if entry.get("rounds")}
    if not early:
        return ""
    first, second = next(iter(early.values()))
    names = ", ".join(f"`{name}`" for name in early)
    return f"For it, loops of {names} ended after {first} and {second} rounds: every round is the same network."


def _variants(functions):
    """A table of the smaller files, if there are any."""
    rows = []
    for function, entry in functions.items():
        small = entry.get("variants", {})
        for name, one in {"full": entry, **small}.items() if small else ():
            measured, fidelity = one["measured"], one.get("fidelity", {})
            size = f"{measured['bytes'] / 1000:.0f} kB"
            far = [f"{fidelity[key]:.1e}" if key in fidelity else "" for key in ("max", "mean", "frechet")]
            times = [f"{milliseconds:.3g}" for milliseconds in measured["milliseconds"].values()]
            rows.append(f"| {' | '.join([f'`{function}`', name, size, *far, *times])} |")
    return VARIANTS.format(rows="\n".join(rows)) if rows else ""


def _snippet(port):
    """The value that the card gives to a port, and its shape: 16 rows of the default, or of zeros."""
    value = {"count": 16, "seed": 7}.get(port["name"], port["default"] or 0)
    value = float(value) if port["dtype"] == "float32" else value
    return value, [16 if size == BATCH else size for size in port["shape"]]


def _python(port, scalar=""):
    """A port's value as Python; a scalar as a plain number, or as an array made by `scalar`."""
    value, shape = _snippet(port)
    if shape:
        return f"np.full({tuple(shape)}, {value}, np.{port['dtype']})"
    return f"{scalar}({value}, np.{port['dtype']})" if scalar else str(value)


def _javascript(port):
    value, shape = _snippet(port)
    array = {"float32": "Float32Array", "int32": "Int32Array"}[port["dtype"]]
    return f'new ort.Tensor("{port["dtype"]}", new {array}({math.prod(shape)}).fill({value}), {shape})'
