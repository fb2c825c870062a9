"""Who may import whom in the package, and how long a file is; the table is `docs/rooms.py`."""

import ast

import pytest
from rooms import ANYWHERE, ROOMS

LONGEST = 350  # lines of a file; another length is an exception that the file's docstring declares
ROOM = pytest.mark.parametrize("room", ROOMS)


def modules(root):
    """(room, path) of every module of the package."""
    for path in sorted((root / "kerasgen").rglob("*.py")):
        first = path.relative_to(root / "kerasgen").parts[0]
        yield first.removesuffix(".py"), path


def imported(path):
    """Rooms that a module imports, with the line: at the top, and within functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "kerasgen":
            parts = node.module.split(".")[1:]
            yield from ((parts or alias.name.split("."))[0:1] + [node.lineno] for alias in node.names)
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from ([parts[1], node.lineno] for parts in names if parts[0] == "kerasgen" and len(parts) > 1)


@ROOM
def test_a_room_imports_those_that_it_may(root, room):
    may = {room, *ROOMS[room][1], *(() if room == "runtime" else ANYWHERE)}
    found = [
        f"{path.relative_to(root)}:{line} imports {other}"
        for at, path in modules(root)
        if at == room
        for other, line in imported(path)
        if other in ROOMS and other not in may
    ]
    assert not found, "\n".join(found)


def test_every_module_is_in_a_room(root):
    known = {*ROOMS, "__init__", "__main__"}
    assert {room for room, _ in modules(root)} <= known
    assert len(list((root / "kerasgen").glob("*.py"))) <= 6


def test_rooms_form_no_circle(root):
    """Taken by what is imported when a module is: late imports, in functions, are allowed by the table alone."""
    edges = {room: set() for room in ROOMS}
    for room, path in modules(root):
        tree = ast.parse(path.read_text("utf-8"))
        top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        lines = {node.lineno for node in top}
        edges.setdefault(room, set()).update(
            other for other, line in imported(path) if line in lines and other in ROOMS and other != room
        )
    seen, path = set(), []

    def visit(room):
        assert room not in path, " -> ".join([*path, room])
        if room not in seen:
            path.append(room)
            for other in sorted(edges.get(room, ())):
                visit(other)
            path.pop()
            seen.add(room)

    for room in ROOMS:
        visit(room)


def test_files_are_read_in_one_sitting(root):
    long = {str(path.relative_to(root)): len(path.read_text("utf-8").splitlines()) for _, path in modules(root)}
    assert not {name: lines for name, lines in long.items() if lines > LONGEST}
