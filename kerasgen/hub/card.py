"""A preset's README.md, which is a model card."""

from __future__ import annotations

import os
from typing import Any

from kerasgen.hub.presets import Preset


def card(preset: Preset, classes: tuple = ()) -> str:
    """A preset's README.md: what it is, how to use it, what was measured.

    Args:
        preset: whose card it is.
        classes: what its classes are called, in order; not shown where they are called by their numbers.
    """
    system, data = preset.system, preset.get("data")
    name = data["name"] if data else ""
    name = os.path.basename(name) if os.path.isabs(name) else name  # a card tells no paths of this machine
    trained = f", trained on `{name}`" if data else ""
    call = "x = model.sample(16, seed=7)" if "sample" in system.serves else f"help(model.{system.serves[0]})"
    measured = [f"| {key} | {_shown(value)} |" for key, value in (preset.get("results") or {}).items()]
    numbers = all(str(name) == str(i) for i, name in enumerate(classes))
    named = "" if numbers else f"\n\nIts classes, as `label` takes them: {', '.join(map(str, classes))}."
    text = f"""
---
library_name: kerasgen
tags: [{", ".join([system.family, *system.tags])}]
---

# {preset["preset"]}

{preset.get("description") or ""}

A {system.name} of {preset.parameters:,} parameters{trained}.
{system.authors}, {system.year}, *{system.title}*, {system.reference}.{named}

```python
import kerasgen

model = kerasgen.load("path/to/this/folder")
{call}
```
"""
    table = ["", "| measured | |", "| --- | --- |", *measured, ""] if measured else []
    return text.lstrip().replace("\n\n\n\n", "\n\n") + "\n".join(table)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"`{value}`"
