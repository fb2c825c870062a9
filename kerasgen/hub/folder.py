"""The files of a preset folder, and JSON as all of them have it: bounded when it is read, readable when written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FORMAT = 1
SHIPPED = Path(__file__).resolve().parents[1] / "presets"
PRESET, WEIGHTS, MANIFEST, CARD = "preset.json", "model.safetensors", "manifest.json", "README.md"
LIMITS = {"bytes": 2**20, "depth": 32}


def read_json(path: Path) -> Any:
    """What a JSON file of bounded size and depth holds, without NaN and infinity."""
    if path.stat().st_size > LIMITS["bytes"]:
        raise ValueError(f"{path.name}: expected at most {LIMITS['bytes']} bytes, got {path.stat().st_size}")

    def refuse(constant):
        raise ValueError(f"{path.name}: expected finite numbers, got {constant}")

    def depth(value):
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return 1 + max(map(depth, children), default=0)

    too_deep = f"{path.name}: expected at most {LIMITS['depth']} levels of nesting"
    try:
        value = json.loads(path.read_text("utf-8"), parse_constant=refuse)
        if depth(value) > LIMITS["depth"]:
            raise ValueError(too_deep)
    except RecursionError:
        raise ValueError(too_deep) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: expected JSON, got {error}") from None
    return value


def dumps(value: Any) -> str:
    """JSON as people read it: indented, with lists of scalars on one line; NumPy scalars are plain numbers."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    return re.sub(r"\[\n\s+([^][{}]*?)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def _plain(value):
    return dict(value) if hasattr(value, "keys") else value.item()
