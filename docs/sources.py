"""What the files of systems say, read without importing them: neither TensorFlow nor a second is needed."""

from __future__ import annotations

import ast
import functools
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kerasgen import catalog  # noqa: E402  (the checkout's own, installed or not)
from kerasgen.core.paper import Paper  # noqa: E402


@functools.cache
def systems() -> tuple[catalog.System, ...]:
    """A row for every file under `kerasgen/models`, in the order of the catalogue.

    Raises:
        ValueError: a file in no family, without a class of its name, or without a paper; the line says which and what.
    """
    home = ROOT / "kerasgen" / "models"
    rows = [_system(path.relative_to(home)) for path in home.glob("*/**/*.py") if path.stem != "__init__"]
    return tuple(sorted(rows, key=lambda row: (catalog.FAMILIES.index(row.family), row.year, row.id)))


def as_json(rows: tuple[catalog.System, ...]) -> str:
    """The text of `kerasgen/catalog.json`, a line for each system."""
    lines = [json.dumps(row._asdict(), ensure_ascii=False) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _system(path) -> catalog.System:
    folder, id = path.parent.as_posix(), path.stem
    if path.parts[0] not in catalog.FAMILIES:
        raise ValueError(f"{path}: expected a folder of {', '.join(catalog.FAMILIES)}, got {path.parts[0]}")
    module = f"kerasgen.models.{folder.replace('/', '.')}.{id}"
    body = parse(module).body
    names = [node.name for node in body if isinstance(node, ast.ClassDef)]
    name = next((name for name in names if catalog.plain(name) == catalog.plain(id)), None)
    if name is None:
        raise ValueError(f"{path}: expected a class of the name of the file, {id}, got {', '.join(names) or 'none'}")
    paper = [node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAPER"]
    try:
        paper = Paper(**{word.arg: ast.literal_eval(word.value) for word in paper[0].keywords})
    except (IndexError, AttributeError, TypeError, ValueError):
        words = ", ".join(f"{field}=..." for field in Paper._fields)
        raise ValueError(f"{path}: expected PAPER = Paper({words}) of plain values") from None
    return catalog.System(id, folder, name, *paper, serves(module, name), ".".join(base_of(module, name)))


@functools.cache
def parse(module: str) -> ast.Module:
    """The syntax tree of a module of ours, by its dotted name."""
    return ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8"))


def find_class(module: str, name: str) -> ast.ClassDef:
    return next(node for node in parse(module).body if isinstance(node, ast.ClassDef) and node.name == name)


def resolve(module: str, name: str) -> tuple[str, str]:
    """(module, class) that a possibly dotted name stands for inside a module."""
    imports = [node for node in parse(module).body if isinstance(node, ast.ImportFrom)]
    known = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    first, *rest = name.split(".")
    return tuple(".".join([known.get(first, f"{module}.{first}"), *rest]).rsplit(".", 1))


def base_of(module: str, name: str) -> tuple[str, str]:
    """(module, class) of a class' first base."""
    return resolve(module, ast.unparse(find_class(module, name).bases[0]))


def serves(module: str, name: str) -> tuple[str, ...]:
    """The functions that a class declares, or else its base."""

    def value(node):
        if isinstance(node, ast.Constant):
            return (node.value,)
        if isinstance(node, ast.Tuple):
            return sum(map(value, node.elts), ())
        if isinstance(node, ast.Starred):
            return value(node.value)
        if isinstance(node, ast.BinOp):
            return value(node.left) + value(node.right)
        return serves(*resolve(module, ast.unparse(node.value)))  # Another.serves

    for node in find_class(module, name).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "serves":
            return value(node.value)
    return serves(*base_of(module, name))
