"""Write the catalogue, and what README.md and docs/ say about the systems, from the model files and the presets.

    python docs/generate.py            # write
    python docs/generate.py --check    # write nothing; exit 1 and name the files that are not up to date
    python docs/generate.py --pictures [ID ...]    # draw samples that pages lack, and those of these systems anew

Generated text stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; everything around it is written by hand and
stays. Sources are parsed, not imported, so this needs neither TensorFlow nor a second, but for pictures.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys

from rooms import ANYWHERE, ROOMS
from sources import ROOT, as_json, find_class, parse, systems  # which puts the checkout's own package first

from kerasgen.core.vocabulary import FUNCTIONS
from kerasgen.data import library
from kerasgen.data.asking import CHANGES

SECTIONS = "Idea", "Objective", "What to look at", "Exercises"  # of a system's page, by hand
COUNT, SEED = 64, 7  # of the samples on a system's page


# --- what the sources say ---------------------------------------------------------------------------------------------


def arguments(system) -> list:
    """(names, defaults, meaning) of the constructor, as the docstring groups them."""
    cls = find_class(system.path, system.name)
    init = next(node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    defaults = dict(zip([a.arg for a in init.args.args[1:]], map(ast.unparse, init.args.defaults), strict=True))
    text = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", docstring(cls), re.M | re.S)
    items = re.findall(r"^    (\w[\w, ]*): (.*?)(?=^    \w|\Z)", text[1] if text else "", re.M | re.S)
    return [
        (names, [defaults[name] for name in names.split(", ")], " ".join(meaning.split())) for names, meaning in items
    ]


def docstring(node) -> str:
    return inspect.cleandoc(ast.get_docstring(node) or "")


def presets(system) -> list:
    """Names of the shipped presets of a system."""
    files = sorted((ROOT / "kerasgen" / "presets").glob("*/preset.json"))
    return [file.parent.name for file in files if json.loads(file.read_text("utf-8"))["system"] == system.id]


def shown(system) -> str | None:
    """The preset whose samples stand for a system: one of the shelf, else the first with weights; quick ones last."""
    home = ROOT / "kerasgen" / "presets"
    trained = [name for name in presets(system) if (home / name / "manifest.json").exists()]

    def rank(name):
        small = (home / name / "model.safetensors").exists()  # those of the shelf are of real size
        return small, name.endswith("_quick"), name != f"{system.id}_digits", name

    return min(trained, key=rank, default=None)


# --- how it is said ---------------------------------------------------------------------------------------------------


def link(reference: str) -> str:
    kind, _, number = reference.partition(":")
    address = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}[kind]
    return f"[{reference}]({address}{number})"


def code(words) -> str:
    return ", ".join(f"`{word}`" for word in words)


def row(*cells) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def table(*rows) -> str:
    head, *rest = rows
    return "\n".join([row(*head), row(*["---"] * len(head)), *(row(*r) for r in rest)])


def source(module: str, up: str) -> str:
    path = f"{module.replace('.', '/')}.py"
    return f"[{path}]({up}{path})"


def header(system) -> str:
    """The generated part of a system's page."""
    module, cls = parse(system.path), find_class(system.path, system.name)
    about = docstring(module).partition("\n\n")[2]
    summary = docstring(cls).partition("\nArgs:")[0].strip()
    rows = [("argument", "default", "meaning")]
    rows += [(code(n.split(", ")), code(d), meaning) for n, d, meaning in arguments(system)]
    shipped = presets(system)
    facts = [
        ("id", f"`{system.id}`, class `{system.name}`"),
        ("family", system.family),
        ("code", source(system.path, "../../")),
        ("learns by", source(system.objective.rpartition(".")[0], "../../")),
        ("serves", code(system.serves)),
        ("presets", code(shipped) if shipped else "none yet"),
        ("also found under", ", ".join(system.tags)),
    ]
    paper = f"*{system.title}*, {system.authors.replace(' and ', ', ')}, {system.year}, {link(system.reference)}."
    preset = shown(system)
    takes = {name for names, _, _ in arguments(system) for name in names.split(", ")}
    if takes & {"text_length", "objects"}:
        how = f"What `{preset}` makes of the descriptions of the validation split, seed {SEED}."
    elif "sample" in system.serves:
        how = f"`kerasgen sample {preset} -n {COUNT} --seed {SEED} -o {system.id}.png`"
    else:
        becomes = next(name for name in CHANGES if name in system.serves)
        how = f"What is given for the test split, under each row what `{becomes}` of `{preset}` makes of it, and, where"
        how += " it is known, what it should be."
    picture = [f"![samples](../pictures/{system.id}.png)\n\n{how}"] if preset else []
    parts = [f"# {system.name}", paper, *picture, table(("", ""), *facts), about, summary, table(*rows)]
    return "\n\n".join(parts)


def systems_table(up: str) -> str:
    """One line per system, in the catalogue's order; `up` leads to docs/."""
    rows = [
        (
            f"[{s.name}]({up}systems/{s.id}.md)",
            f"`{s.id}`",
            s.family,
            f"{s.title.split(':')[0]}, {s.year}",
            code(s.serves),
        )
        for s in systems()
    ]
    return table(("system", "id", "family", "paper", "serves"), *rows)


def functions_table() -> str:
    """Which system serves which function."""
    rows = []
    for name, function in FUNCTIONS.items():
        who = [s for s in systems() if name in s.serves]
        if who:
            rows.append((f"`{name}`", function.meaning, ", ".join(f"[{s.name}](systems/{s.id}.md)" for s in who)))
    return table(("function", "gives", "served by"), *rows)


def decisions_list() -> str:
    lines = []
    for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        title = path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}](decisions/{path.name})")
    return "\n".join(lines)


def public_table() -> str:
    """One line per set of public data, in the order of their table."""
    rows = []
    for name, known in library.SETS.items():
        counts = " / ".join(f"{count:,}" for count in known.counts)
        public = ", ".join(f"[`{file.name}`]({file.url})" for file in known.files)
        own = f"`{known.small[0].name}` of a mirror" if known.small else ""
        where = " or ".join(filter(None, (public, own)))
        rows.append((f"`{name}`", known.what, known.shape, counts, known.licence, where, known.citation))
    return table(("name", "what", "shape", "train / validation / test", "licence", "file", "cite"), *rows)


# --- files ------------------------------------------------------------------------------------------------------------


def house() -> str:
    """The rooms of the package and who may import whom, as `tests/test_rooms.py` holds them to it."""
    common = ", ".join(f"`{name}`" for name in ANYWHERE)
    lines = [
        f"Anyone may import {common}; `runtime` imports nothing of ours.",
        "",
        "| room of `kerasgen/` | is | imports |",
        "| --- | --- | --- |",
    ]
    for room, (what, imports) in ROOMS.items():
        folder = (ROOT / "kerasgen" / room).is_dir()
        lines.append(f"| `{room}{'/' if folder else '.py'}` | {what} | {', '.join(imports)} |")
    return "\n".join(lines)


def fill(text: str, name: str, content: str) -> str:
    """The text with what stands between the markers of that name replaced; a new page starts with them."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = text.partition(begin)
    if not found:
        before, rest = "", f"{end}\n{text}"
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}"


def pages() -> dict:
    """path -> what the file should hold."""
    parts = {
        "README.md": {"systems": systems_table("docs/"), "house": house()},
        "docs/data.md": {"public": public_table()},
        "docs/README.md": {"decisions": decisions_list()},
        "docs/systems.md": {"systems": systems_table(""), "functions": functions_table()},
        **{f"docs/systems/{system.id}.md": {"header": header(system)} for system in systems()},
    }
    result = {ROOT / "kerasgen" / "catalog.json": as_json(systems())}
    for path, contents in parts.items():
        text = (ROOT / path).read_text("utf-8") if (ROOT / path).exists() else ""
        for name, content in contents.items():
            text = fill(text, name, content)
        result[ROOT / path] = text
    return result


def pictures(again=()) -> list:
    """Draw the samples that pages show: those that are missing, and those of the systems named. It takes TensorFlow."""
    import kerasgen
    from kerasgen import data, hub, pictures
    from kerasgen.data import asking

    drawn = []
    for system in systems():
        path, preset = ROOT / "docs" / "pictures" / f"{system.id}.png", shown(system)
        if preset and (system.id in again or not path.exists()):
            model = kerasgen.load(preset)
            about = described(model, preset)
            if "sample" in model.serves:
                drawn.append(str(pictures.save(path, model.sample(COUNT, seed=SEED, **about), model.kind)))
            else:
                rows = asking.versions(model, data.of(hub.read_preset(preset)), "test", COUNT // 2, SEED)
                drawn.append(str(pictures.write(path, pictures.versions(*rows))))
    return drawn


def described(model, preset):
    """The descriptions of the validation split, as `sample` takes them; nothing for models without."""
    from kerasgen import data, hub

    asked = [name for name in model.given if name != "label"]
    told = data.of(hub.read_preset(preset)).splits["validation"][1] if asked else {}
    return {name: told[name][:COUNT] for name in asked}


def stale() -> list:
    """The files that are not up to date, relative to the checkout."""
    return [
        str(path.relative_to(ROOT))
        for path, text in pages().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]


def main(arguments) -> int:
    if "--pictures" in arguments:
        print(*pictures(arguments), sep="\n")
        return 0
    outdated = stale()
    if "--check" in arguments:
        if outdated:
            print(f"not up to date: {', '.join(outdated)}; run: python docs/generate.py")
        return int(bool(outdated))
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print("\n".join(f"wrote {path}" for path in outdated) or "all pages were up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
