"""What `make test` leaves out today it runs on another day; what a change touches it always runs."""

import collections
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import choice
import pytest

from kerasgen import catalog


def item(path="tests/test_conformance.py", **parameters):
    found = SimpleNamespace(path=choice.ROOT / path)
    if parameters:
        found.callspec = SimpleNamespace(params=parameters)
    return found


def runs(share, touched=()):
    """(systems whose own tests run, systems whose laws run)."""
    one = choice.Choice(share, "abc", tuple(touched))
    own = [item(f"tests/systems/test_{id}.py") for id in catalog.SYSTEMS]
    laws = [item(system=id) for id in catalog.SYSTEMS]
    return [{choice.system_of(test) for test in one.split(tests)[0]} for tests in (own, laws)]


SHARES = range(1, len(choice.shares()) + 1)


@pytest.mark.parametrize("count", [0, 1, 5, 6, 13, 120])
def test_shares_are_a_partition(count):
    """At any size of the catalogue: every system in one share, and no share larger than is said."""
    systems = [f"system_{i}" for i in range(count)]
    dealt = collections.Counter(id for share in choice.shares(systems, 5) for id in share)
    assert dealt == dict.fromkeys(systems, 1)
    assert all(len(share) <= 5 for share in choice.shares(systems, 5)) and len(choice.shares(systems, 5)) >= 1


def test_every_system_is_tested_whole_in_one_share():
    own = collections.Counter(id for share in SHARES for id in runs(share)[0])
    assert own == dict.fromkeys(catalog.SYSTEMS, 1)


def test_one_system_of_each_objective_keeps_the_laws_in_every_run():
    for share in SHARES:
        own, laws = runs(share)
        assert laws == own | set(choice.representatives())
    objectives = [catalog.SYSTEMS[id].objective for id in choice.representatives()]
    assert len(objectives) == len(set(objectives))
    assert set(objectives) == {row.objective for row in catalog.SYSTEMS.values()}


def test_days_take_turns(monkeypatch):
    days = range(100, 100 + 8 * len(SHARES))
    assert sorted(map(choice.share_of, days[: len(SHARES)])) == list(SHARES)
    assert len({(choice.share_of(day), choice.turn_of(day, 8)) for day in days}) == len(days)
    monkeypatch.setenv("KERASGEN_DAY", "101")
    assert choice.today() == 101 and choice.choose("today").share == choice.share_of(101)


@pytest.mark.parametrize("share", ["0", "1000", "tomorrow", "-1"])
def test_an_unknown_share_is_refused(share):
    with pytest.raises(ValueError, match=f"share: expected today or a number from 1 to {len(SHARES)}, got '{share}'"):
        choice.choose(share)


@pytest.mark.parametrize(
    "test, system",
    [
        (item("tests/systems/test_glow.py"), "glow"),
        (item("tests/systems/test_glow.py", system="vae"), "glow"),
        (item(system="vae"), "vae"),
        (item(system="vae", function="sample"), "vae"),
        (item(system=catalog.SYSTEMS["ddpm"]), "ddpm"),
        (item("tests/test_docs.py", id="rbm"), "rbm"),
        (item("tests/test_hub.py", name="vae_gan_digits_quick"), "vae_gan"),  # not of vae
        (item("tests/test_cli.py", id="vq_vae_2_digits"), "vq_vae_2"),
        (item("tests/test_hub.py", name="vae_of_nobody"), None),
        (item("tests/test_data.py", name="digits"), None),
        (item("tests/test_metrics.py", k=3), None),
        (item("tests/test_rooms.py"), None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_test_is_of_one_system_or_of_the_core(test, system):
    assert choice.system_of(test) == system


def test_a_run_leaves_out_other_systems_alone():
    laws = choice.representatives()
    out = next(id for id in catalog.SYSTEMS if id not in (*choice.shares()[0], *laws))
    law = next(id for id in laws if id not in choice.shares()[0])
    tests = [
        item(), item(system=law), item(system=choice.shares()[0][0]), item(f"tests/systems/test_{law}.py"),
        item(system=out), item("tests/systems/test_three_resolutions.py", system=out),
    ]  # fmt: skip
    assert choice.Choice(1, "", ()).split(tests) == (tests[:3], tests[3:])
    assert choice.Choice(1, "", (out,)).split(tests) == (tests[:3] + tests[4:], [tests[3]])


def test_what_a_change_touches():
    some = {
        "kerasgen/models/flow/glow.py": {"glow"},
        "kerasgen/presets/vae_gan_digits_quick/model.safetensors": {"vae_gan"},
        "tests/systems/test_made.py": {"made"},
        "docs/systems/gpnn.md": {"gpnn"},
        "kerasgen/nets/gan/image_pool.py": {"cyclegan"},
        "kerasgen/core/training.py": set(),  # the core's tests and representatives run anyway
        "docs/guides/training.md": set(),
        "README.md": set(),
        "tests/systems/test_of_nobody.py": set(),
    }
    for file, systems in some.items():
        assert set(choice.touched([file])) == systems, file
    assert set(choice.touched(some)) == set().union(*some.values())


def test_a_shared_file_touches_one_system_of_each_objective_that_uses_it():
    found = choice.touched(["kerasgen/nets/__init__.py"])
    rows = [catalog.SYSTEMS[id].objective for id in found]
    assert len(rows) == len(set(rows)) > 5
    flow = choice.touched(["kerasgen/objectives/density/flow.py"])
    assert [catalog.SYSTEMS[id].objective.rpartition(".")[2] for id in flow] == ["Flow"]
    assert "kerasgen.nets.gan.image_pool" in choice.imports(catalog.SYSTEMS["cyclegan"].path)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a commit on main, and a function that runs git in it."""

    def git(*words):
        who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return subprocess.check_output(["git", *words], cwd=tmp_path, env={**os.environ, **who}, text=True).strip()

    monkeypatch.setattr(choice, "ROOT", tmp_path)
    git("init", "-q", "-b", "main")
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
        git("add", name)
        git("commit", "-q", "-m", name)
    return tmp_path, git


def test_a_branch_is_compared_with_where_it_left_main(checkout):
    folder, git = checkout
    assert choice.changed()[1] == ["second"]  # main's last commit
    start = git("rev-parse", "HEAD")
    git("checkout", "-q", "-b", "branch")
    (folder / "third").write_text("3")
    git("add", "third")
    git("commit", "-q", "-m", "third")
    (folder / "first").write_text("changed")
    (folder / "new").write_text("not added")
    assert (choice.changed()[0], sorted(choice.changed()[1])) == (start[:12], ["first", "new", "third"])
    assert "second" in choice.changed("HEAD~2")[1]


def test_without_git_nothing_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(choice, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert choice.changed() == ("", [])


def test_the_arithmetic():
    seconds = {(None, False): 100.0} | {(id, own): 5.0 for id in catalog.SYSTEMS for own in (False, True)}
    laws, share = len(choice.representatives()), choice.SHARE
    assert f"100 + {laws} x 5.0 + {share} x 10.0 = {100 + 5 * laws + 10 * share} s" in choice.arithmetic(seconds)[1]
    assert choice.arithmetic({(None, False): 3.0, ("vae", False): 2.0}) == []  # too few to speak of


EVERY_SHARE = """
import collections, pathlib, sys
import pytest

class Dealt:
    def pytest_collection_finish(self, session):
        import choice
        runs, items = collections.Counter(), session.items
        for share in range(1, len(choice.shares()) + 1):
            run, left_out = choice.Choice(share, "", ()).split(items)
            assert len(run) + len(left_out) == len(items) and left_out
            runs.update(item.nodeid for item in run)
        assert len(items) == len({item.nodeid for item in items})
        assert set(runs) == {item.nodeid for item in items}, "a test that no share runs"
        assert set(runs.values()) == {1, len(choice.shares())}, "a test of some shares"
        print("tests:", len(runs))

sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider"], plugins=[Dealt()]))
"""


@pytest.mark.slow
def test_all_shares_together_run_every_test(root):
    """A share runs a test of a system, all shares one of the core or a law of a representative."""
    done = subprocess.run([sys.executable, "-c", EVERY_SHARE], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert int(re.search(r"tests: (\d+)", done.stdout)[1]) > 4000


def test_what_is_named_runs_whatever_the_share(root):
    """Nothing is chosen then, which the head of a run would say."""
    quick = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", "--share=1"]
    for named in (["tests/test_rooms.py"], ["tests/test_rooms.py", "-k", "circle"]):
        done = subprocess.run([*quick, *named], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0 and "share 1 of" not in done.stdout
