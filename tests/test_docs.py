"""What the docs say is true: their code runs, their tables are fresh, their links lead somewhere."""

import doctest
import importlib
import re
import sys

import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import generate  # noqa: E402

sys.path.pop(0)

from kerasgen import catalog  # noqa: E402
from kerasgen.core.vocabulary import FUNCTIONS  # noqa: E402

HIDDEN = (".", "node_modules", "build", "dist", "runs")
PAGES = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(HIDDEN) for part in path.relative_to(ROOT).parts) and "bundles" not in path.parts
]
PROGRAMS = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "kerasgen").rglob("*.py"))
    if ">>> " in path.read_text("utf-8")
]


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("page", PROGRAMS, ids=names(PROGRAMS))
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    """From top to bottom in an empty folder, as a reader would, but for one epoch instead of forty."""
    monkeypatch.chdir(tmp_path)
    some_pictures(tmp_path / "my_pictures")
    text, scope = page.read_text("utf-8"), {"__name__": "__main__"}
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
        code = block[1].replace("epochs=40", "epochs=1")
        line = text.count("\n", 0, block.start()) + 1
        program = compile("\n" * line + code, str(page), "exec")  # a traceback shows the page's line
        exec(program, scope)


def some_pictures(folder):
    from PIL import Image

    folder.mkdir()
    for i, picture in enumerate(np.random.RandomState(0).randint(0, 256, (60, 20, 24, 3), "uint8")):
        Image.fromarray(picture).save(folder / f"{i}.png")


def test_the_readme_starts_with_eight_lines():
    first = re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)[1]
    assert len([line for line in first.splitlines() if line.strip()]) <= 8


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example may write
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(importlib.import_module(module), optionflags=options)
    assert result.failed == 0, "see the captured output"


def test_generated_parts_are_fresh():
    assert generate.stale() == [], "run: python docs/generate.py"


def test_generating_keeps_what_is_written_by_hand():
    text = "before\n\n<!-- begin x -->\nold\n<!-- end x -->\n\nafter\n"
    new = generate.fill(text, "x", "new")
    assert new == "before\n\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\n\nafter\n"
    assert generate.fill(new, "x", "new") == new
    assert generate.fill("by hand\n", "x", "new") == "<!-- begin x -->\n\nnew\n\n<!-- end x -->\nby hand\n"


@pytest.mark.parametrize("system", catalog.SYSTEMS.values(), ids=catalog.SYSTEMS)
def test_the_header_tells_what_the_class_says(system):
    """The generator parses; this compares with what Python sees."""
    import inspect

    cls = system.load()
    assert system.serves == tuple(cls.serves)
    assert set(cls.serves) <= set(FUNCTIONS)
    parameters = inspect.signature(cls.__init__).parameters
    documented = [name for names, _, _ in generate.arguments(system) for name in names.split(", ")]
    assert documented == [name for name in parameters if name not in ("self", "kwargs")]


@pytest.mark.parametrize("id", catalog.SYSTEMS)
def test_a_system_page_has_its_sections(id):
    text = (ROOT / "docs" / "systems" / f"{id}.md").read_text("utf-8")
    headings = re.findall(r"^## (.*)", text, re.M)
    assert headings in ([], list(generate.SECTIONS)), "all hand-written sections, in order, or none yet"


DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


@pytest.mark.parametrize("path", DECISIONS, ids=names(DECISIONS))
def test_a_decision_has_its_parts(path):
    text = path.read_text("utf-8")
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name)
    assert text.startswith(f"# {path.name[:4]}: ")
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.M) == ["Context", "Choice", "Alternatives", "Cost"]
    assert len(text.splitlines()) <= 20


def test_decisions_are_numbered():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path) if path else page
        assert goal.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)", goal.read_text("utf-8"), re.M)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{page.name}: {target}"


# Written by docs, read by people elsewhere: nothing of the machine that wrote them.
@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_a_page_names_no_machine(page):
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users)/", page.read_text("utf-8"))


def test_the_commands_of_the_readme_are_those_of_the_command_line():
    import typer

    from kerasgen.cli import app

    commands = typer.main.get_command(app).commands
    table = dict(re.findall(r"^\| `kerasgen (\w+)([^`]*)`", (ROOT / "README.md").read_text("utf-8"), re.M))
    assert set(table) == set(commands)
    for name, usage in table.items():
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)\[?(--?[a-z]+)", usage)) <= {f"[{o}" for o in options} | options, name


def code_of(page):
    """The code of a page, a piece a line: its blocks, without continued lines, and its spans."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^ *```.*?\n(.*?)^ *```", text, re.M | re.S)
    spans = re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
    return [line for piece in (*blocks, *spans) for line in " ".join(piece.split(" ")).splitlines()]


def named(lines):
    """(command, options) of every `kerasgen ...` in lines of code."""
    for line in lines:
        found = re.match(r"\W*(?:[A-Z_]+=\S+ )*(?:\S*python3? -m |\S*/|srun )?kerasgen ([a-z]\w*)([^#;&>]*)", line)
        if found:
            yield found[1], re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", found[2])


# Hints in error lines, help and cards: `kerasgen X`, "next: kerasgen X", or a line of a card.
HINTS = [
    hint
    for path in (
        *sorted((ROOT / "kerasgen").rglob("*.py")),
        *sorted((ROOT / "apps").rglob("*.py")),
        ROOT / "Makefile",
    )
    for hint in re.findall(r"(?:`|next: |^|\$\(BIN\)/)(kerasgen [a-z][^`\n]*)", path.read_text("utf-8"), re.M)
]


@pytest.mark.parametrize("page", [*PAGES, None], ids=[*names(PAGES), "hints"])
def test_commands_that_are_named_exist(page):
    import typer

    from kerasgen.cli import app

    commands = typer.main.get_command(app).commands
    lines = code_of(page) if page else HINTS
    for command, options in named(lines):
        assert command in commands, f"kerasgen {command}: no such command"
        known = {option for parameter in commands[command].params for option in parameter.opts} | {
            "--help",
            "-h",
        }
        for option in options if command != "launch" else ():  # which hands over those of another
            assert option in known, f"kerasgen {command} {option}: no such option"
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    for line in lines:
        for target in re.findall(r"^make ([a-z-]+)", line):
            assert target in targets, f"make {target}: no such target"


def test_the_latents_of_the_gallery_fit():
    from kerasgen import hub

    text = (ROOT / "apps" / "gallery" / "README.md").read_text("utf-8")
    preset, size = re.search(r'predict\("(\w+)", \[\[0\.0\] \* (\d+)\], api_name="/decode"\)', text).groups()
    assert int(size) == hub.read_preset(preset)["arguments"]["latent_dim"]


def test_presets_promise_no_time():
    """How long a recipe takes is measured, `results.seconds`, and shown by `kerasgen list`."""
    from kerasgen import hub

    for name in hub.list_presets():
        assert not re.search(r"\b(second|minute|hour)s? on\b", hub.read_preset(name)["description"] or ""), name


def test_commands_are_found_where_they_are_named():
    lines = [
        "kerasgen publish x",
        "  python -m kerasgen train a --epoch 3 -o b  # then",
        "kerasgen list 'b*' && ls -l",
    ]
    assert list(named(lines)) == [("publish", []), ("train", ["--epoch", "-o"]), ("list", [])]
    assert len(HINTS) > 15


@pytest.mark.parametrize("system", catalog.SYSTEMS.values(), ids=catalog.SYSTEMS)
def test_a_page_shows_what_the_shipped_recipe_made(system):
    preset, picture = generate.shown(system), ROOT / "docs" / "pictures" / f"{system.id}.png"
    assert picture.exists() == bool(preset), "run: python docs/generate.py --pictures"
