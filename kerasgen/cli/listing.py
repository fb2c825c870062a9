"""`list` and `info`: what the hub has, read from the catalogue, the presets and the model files; no TensorFlow."""

from __future__ import annotations

import ast
import fnmatch
import inspect
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

import kerasgen
from kerasgen import catalog, hub
from kerasgen.cli.console import Usage, console, print_json, table, tensorflow, usage

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def list_(
    pattern: Annotated[
        str,
        typer.Argument(
            help="Part of a name, title, family, tag or function of a system, or of a preset's data; or a shell "
            "pattern of names."
        ),
    ] = "*",
    family: Annotated[str | None, typer.Option(help="Only systems of this family.")] = None,
    json: Json = False,
) -> None:
    """List systems and presets."""
    with usage():
        systems = kerasgen.list_systems(family=family)
        presets = {name: hub.read_preset(name) for name in hub.list_presets(family=family)}
    names = [*systems, *presets]
    if set(pattern) & set("*?["):
        found = {*fnmatch.filter(names, pattern.lower())}
    else:
        fits = {id for id in systems if _says(catalog.SYSTEMS[id], pattern.lower())}
        data = {name: (preset.get("data") or {}).get("name") or "" for name, preset in presets.items()}
        found = {name for name in names if pattern.lower() in f"{name} {data.get(name, '')}"} | fits
        found |= {name for name, preset in presets.items() if preset["system"] in fits}
    if not found:
        raise Usage(f"no system or preset matches {pattern!r}{catalog.nearest(pattern, names)}")
    systems = [id for id in systems if id in found]
    presets = {name: preset for name, preset in presets.items() if name in found}
    rows = [_system(catalog.SYSTEMS[id]) for id in systems], [_preset(*item) for item in presets.items()]
    if json:
        print_json(dict(zip(("systems", "presets"), rows, strict=True)))
        return
    out = console()
    if systems:
        out.print(_rows(rows[0], "system", "family", ">year", "title"))
    if presets:
        if systems:
            out.print()
        out.print(_rows(rows[1], "preset", "data", ">parameters", ">seconds", "weights", "description"))


def _says(system, words) -> bool:
    """Whether the catalogue has these words for a system."""
    return any(words in text.lower() for text in (*system[:4], *system.tags, *system.serves))


def info(
    id: Annotated[str, typer.Argument(help="A system or a preset.")],
    cite: Annotated[bool, typer.Option("--cite", help="Only the paper, as BibTeX.")] = False,
    ports: Annotated[bool, typer.Option("--ports", help="Functions and their ports; builds a model.")] = False,
    json: Json = False,
) -> None:
    """Show the idea, arguments, paper and presets of a system, or the recipe and results of a preset."""
    preset, system = _look_up(id)
    about = _system(system)
    about["idea"], about["arguments"] = _source(system)
    if preset:
        about = {**about, **preset, "weights": hub.read_preset(id).weights}
    else:
        names = hub.list_presets(family=system.family)
        about["presets"] = [name for name in names if hub.read_preset(name)["system"] == system.id]
    if cite:
        print(system.bibtex())
        return
    if ports:
        about["functions"] = _functions(id, preset, system)
    if json:
        print_json(about)
        return
    out = console()
    out.print(Text.assemble((about.get("preset") or system.name, "bold"), "  ", (system.family, "dim")))
    out.print(*filter(None, (about.get("description"), about["idea"])), "", sep="\n")
    rows = table("", "")
    rows.add_row("paper", f"{system.title}. {system.authors}, {system.year}, {system.reference}")
    for key in ("serves", "arguments", "data", "recipe", "parameters", "results", "weights", "presets"):
        if about.get(key) not in (None, {}, []):
            rows.add_row(key, _said(about[key]))
    out.print(rows)
    for function, (takes, gives) in about.get("functions", {}).items():
        out.print("", Text(function, "bold"), sep="\n")
        rows = table("", "")
        for port in takes:
            rows.add_row(f"  {port['name']}", f"{port['describe']}: {port['meaning']}")
        rows.add_row(f"  -> {gives['name']}", f"{gives['describe']}: {gives['meaning']}")
        out.print(rows)


def _look_up(id):
    """(preset or None, system) of a name; a system's id comes before a preset's name."""
    try:
        return None, catalog.find(id)
    except ValueError:
        pass
    try:
        preset = hub.read_preset(id)
    except ValueError as error:
        if "unknown preset" not in str(error):
            raise Usage(str(error)) from error
        names = [*catalog.SYSTEMS, *hub.list_presets()]
        raise Usage(f"unknown system or preset {id!r}{catalog.nearest(id, names)}") from None
    return preset, catalog.find(preset["system"])


def _system(system) -> dict:
    row = system._asdict()
    return {"system": row.pop("id"), "family": system.family, "class": row.pop("name"), **row}


def _preset(name, preset) -> dict:
    results, parameters = preset.get("results") or {}, preset.get("parameters") or {}
    return {
        "preset": name,
        "system": preset["system"],
        "data": (preset.get("data") or {}).get("name"),
        "parameters": sum(parameters.values()) or None,
        "seconds": results.get("seconds"),
        "weights": preset.weights,
        "description": preset.get("description"),
    }


def _rows(entries, *columns):
    rows = table(*columns)
    for entry in entries:
        rows.add_row(*(_said(entry[column.lstrip(">")]) for column in columns))
    return rows


def _said(value) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict) and "class_name" in value:
        return f"{value['class_name']}({_said(value.get('config') or {})})"
    if isinstance(value, dict):
        given = {key: v for key, v in value.items() if v not in (None, {})}
        return ", ".join(f"{k} ({_said(v)})" if isinstance(v, dict) else f"{k} {_said(v)}" for k, v in given.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value)) if all(isinstance(v, str) for v in value) else str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and abs(value) > 9999 else "" if value is None else str(value)


def _source(system) -> tuple[str, str]:
    """(idea, constructor arguments) of a system, read from its file without importing it."""
    path = Path(kerasgen.__file__).parents[1] / f"{system.path.replace('.', '/')}.py"
    body = ast.parse(path.read_text("utf-8")).body
    cls = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == system.name)
    idea = inspect.cleandoc(ast.get_docstring(cls) or "").split("\nArgs:")[0].rstrip()
    init = next((n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    arguments = ast.unparse(init.args).removeprefix("self, ").removesuffix(", **kwargs") if init else ""
    return idea, arguments


def _functions(id, preset, system) -> dict:
    """function -> (inputs, output), of the preset's model or of the system's with its default arguments."""
    tensorflow()
    with usage():
        model = hub.load(id, weights=False) if preset else system.load()()

    def row(port):
        return {
            "name": port.name,
            "describe": port.describe(),
            "meaning": port.meaning,
            "default": port.default,
        }

    return {name: ([row(p) for p in entry.inputs], row(entry.output)) for name, entry in model.ports.items()}
