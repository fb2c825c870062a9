"""What the files of systems say, read without importing them: neither TensorFlow nor a second is needed."""

from __future__ import annotations

import ast
import functools
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]


@functools.cache
def parse(module: str) -> ast.Module:
    """The syntax tree of a module of ours, by its dotted name."""
    return ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8"))


def find_class(module: str, name: str) -> ast.ClassDef:
    return next(node for node in parse(module).body if isinstance(node, ast.ClassDef) and node.name == name)


def resolve(module: str, name: str) -> tuple:
    """(module, class) that a possibly dotted name stands for inside a module."""
    imports = [node for node in parse(module).body if isinstance(node, ast.ImportFrom)]
    known = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    first, *rest = name.split(".")
    return ".".join([known.get(first, f"{module}.{first}"), *rest]).rsplit(".", 1)


def base_of(module: str, name: str) -> tuple:
    """(module, class) of a class' first base."""
    return resolve(module, ast.unparse(find_class(module, name).bases[0]))


def serves(module: str, name: str) -> tuple:
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
