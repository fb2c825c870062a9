"""Which tests `make test` runs, so that it takes minutes whatever the catalogue's size; `make test-all` runs them all.

    core        every test that is of no one system
    laws        of the first system of each objective: its tests that do not lie in `tests/systems`
    touched     every test of the systems whose files differ from what the branch started from
    a share     every test of some systems, others from day to day

A test is of one system if its file is `tests/systems/test_<id>.py`, or if it is parametrised by the system or by a
preset of it. Shares are a partition of the systems, so that all of them together leave out no test. Tests that are slow
are left out besides.

The choice is made when `--share` is given, which the Makefile does, and no test is named by path or `-k`.
"""

import ast
import datetime
import functools
import os
import pathlib
import subprocess
from typing import NamedTuple

from kerasgen import catalog

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARE = 5  # systems in a share, at most
NAMES = ("system", "id", "name")  # parameters of tests that may say a system
SHARED = ("objectives", "nets", "samplers")  # rooms of the package whose files several systems use


def representatives() -> list[str]:
    """The first system of each objective."""
    first = {}
    for id, row in catalog.SYSTEMS.items():
        first.setdefault(row.objective, id)
    return list(first.values())


def shares(systems=None, size=SHARE) -> list[list[str]]:
    """The systems, dealt into shares of at most so many."""
    systems = list(catalog.SYSTEMS if systems is None else systems)
    count = max(1, -(-len(systems) // size))
    return [systems[i::count] for i in range(count)]


def today() -> int:
    """The number of the day; `KERASGEN_DAY` names another."""
    return int(os.environ.get("KERASGEN_DAY", datetime.datetime.now(datetime.UTC).toordinal()))


def share_of(day: int) -> int:
    """The share of a day, counted from 1."""
    return day % len(shares()) + 1


def turn_of(day: int, turns: int) -> int:
    """Which of so many turns the shares take on a day: a test that every so-many-th turn has meets all shares."""
    return day // len(shares()) % turns


def system_named(value) -> str | None:
    """The system that a value of a test's parameter is: its id, its row of the catalogue, or the name of a preset."""
    value = getattr(value, "id", value)
    if not isinstance(value, str):
        return None
    if value in catalog.SYSTEMS:
        return value
    if not (ROOT / "kerasgen" / "presets" / value / "preset.json").is_file():
        return None
    return max((id for id in catalog.SYSTEMS if value.startswith(f"{id}_")), key=len, default=None)


def system_of(item) -> str | None:
    """The one system that a test is of; None for a test of the core."""
    path = pathlib.Path(item.path)
    id = path.stem.removeprefix("test_")
    if path.parent.name == "systems" and id in catalog.SYSTEMS:
        return id
    said = item.callspec.params if hasattr(item, "callspec") else {}
    return next(filter(None, (system_named(said[name]) for name in NAMES if name in said)), None)


def of_its_own(item) -> bool:
    """Whether a test of a system lies where its own tests lie, and is no law."""
    return pathlib.Path(item.path).parent.name == "systems"


# ----------------------------------------------------------------------------------------- what a change touches


def changed(since: str | None = None) -> tuple[str, list[str]]:
    """(what was compared, the files that differ from it); of a checkout without git, ("", []).

    Compared with where the branch left `main`; on `main` itself with the commit before. What is not committed counts.
    """

    def git(*words):
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    if since is None:
        bases = (git("merge-base", "HEAD", name) for name in ("origin/main", "main"))
        head = git("rev-parse", "HEAD")
        since = next((base for base in bases if base and base != head), "") or git("rev-parse", "HEAD~1")
    if not since:
        return "", []
    files = git("diff", "--name-only", since).splitlines()
    return since[:12], files + git("ls-files", "--others", "--exclude-standard").splitlines()


def touched(files) -> list[str]:
    """The systems that changed files belong to.

    A file of a system is its module, a preset, its tests or its page. A file of objectives, networks and samplers
    touches, of each objective, the first system that imports it; all others are the core's, which always runs.
    """
    found = set()
    for file in map(pathlib.PurePosixPath, files):
        parts, stem = file.parts, file.stem.removeprefix("test_")
        if parts[:2] == ("kerasgen", "presets") and len(parts) > 3:
            found.add(system_named(parts[2]))
        elif parts[:2] in (("kerasgen", "models"), ("tests", "systems"), ("docs", "systems")):
            found.add(stem if stem in catalog.SYSTEMS else None)
        elif parts[:1] == ("kerasgen",) and parts[1] in SHARED and file.suffix == ".py":
            found |= set(users(".".join(file.with_suffix("").parts).removesuffix(".__init__")))
    return [id for id in catalog.SYSTEMS if id in found]


def users(module: str) -> list[str]:
    """Of each objective, the first system that imports a module, itself or through others."""
    first = {}
    for id, row in catalog.SYSTEMS.items():
        if module in imports(row.path):
            first.setdefault(row.objective, id)
    return list(first.values())


@functools.cache
def imports(module: str) -> frozenset[str]:
    """A module and those of objectives, networks, samplers and systems that it imports, itself or through others."""
    seen, left = set(), [module]
    while left:
        module = left.pop()
        if module not in seen:
            seen.add(module)
            left += imported(module)
    return frozenset(seen)


@functools.cache
def imported(module: str) -> list[str]:
    """What a module itself imports of those rooms; a name that is no module leads nowhere."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    path = path if path.is_file() else path.with_suffix("") / "__init__.py"
    tree = ast.parse(path.read_text("utf-8")) if path.is_file() else ast.Module([], [])
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    names = [name for node in nodes for name in (node.module, *(f"{node.module}.{a.name}" for a in node.names))]
    return [name for name in names if name.startswith(tuple(f"kerasgen.{room}" for room in (*SHARED, "models")))]


# ----------------------------------------------------------------------------------------- the choice


class Choice(NamedTuple):
    """What a run of `make test` runs beside the core and the laws of representatives."""

    share: int  # counted from 1
    since: str  # what the change was compared with
    touched: tuple[str, ...]

    def lines(self) -> list[str]:
        """For the head of a run."""
        if self.since:
            touched = f"touched since {self.since}: {', '.join(self.touched) or 'none'}"
        else:
            touched = "no git, so nothing is known of the change"
        share = f"share {self.share} of {len(shares())}: {', '.join(shares()[self.share - 1])}"
        return [
            f"tests: the core; the laws of {len(representatives())} systems, one of each objective; {touched};",
            f"  {share}; the same again: make test SHARE={self.share}",
        ]

    def split(self, items) -> tuple[list, list]:
        """Tests that run and tests that are left out."""
        whole, laws = {None, *self.touched, *shares()[self.share - 1]}, set(representatives())
        runs, left_out = [], []
        for item in items:
            system = system_of(item)
            chosen = system in whole or (system in laws and not of_its_own(item))
            (runs if chosen else left_out).append(item)
        return runs, left_out


def choose(share: str, since: str | None = None) -> Choice:
    """The choice of a share: its number, or `today`.

    Raises:
        ValueError: there is no such share.
    """
    count = len(shares())
    number = share_of(today()) if share == "today" else int(share) if share.isdecimal() else 0
    if not 1 <= number <= count:
        raise ValueError(f"share: expected today or a number from 1 to {count}, got {share!r}")
    base, files = changed(since)
    return Choice(number, base, tuple(touched(files)))


def arithmetic(seconds: dict[tuple[str | None, bool], float]) -> list[str]:
    """Where the processor's time went, by (system or None for the core, of its own), and what a run takes of it."""
    laws, own = (
        {name: value for (name, its_own), value in seconds.items() if name and its_own == kind}
        for kind in (False, True)
    )
    if len(laws) < len(representatives()) or not own:
        return []
    core = seconds.get((None, False), 0.0)
    law, tests, count = sum(laws.values()) / len(laws), sum(own.values()) / len(own), len(representatives())
    whole = core + count * law + SHARE * (law + tests)
    return [
        f"seconds of the processor: core {core:.0f}; laws {law:.1f} a system, tests of its own {tests:.1f}",
        f"a run: {core:.0f} + {count} x {law:.1f} + {SHARE} x {law + tests:.1f} = {whole:.0f} s, "
        f"{whole / 120:.1f} minutes on two cores",
    ]
