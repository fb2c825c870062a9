"""The catalogue, the files on disk, the tests and the docs name the same systems."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT
from tiny import TINY

import kerasgen
from kerasgen import catalog

SYSTEMS = pytest.mark.parametrize("system", catalog.SYSTEMS.values(), ids=catalog.SYSTEMS)


def test_rows_and_model_files_agree(root):
    models = root / "kerasgen" / "models"
    files = [f.relative_to(models) for f in models.glob("*/**/*.py") if f.stem != "__init__"]
    on_disk = {(f.parent.as_posix(), f.stem) for f in files}
    assert {(system.folder, system.id) for system in catalog.SYSTEMS.values()} == on_disk


def test_nothing_else_lies_among_the_models(root):
    for system in catalog.SYSTEMS.values():
        folder = root / "kerasgen" / "models" / system.folder
        assert {path.suffix for path in folder.iterdir() if path.name != "__pycache__"} == {".py"}


def test_names_are_unique_as_look_up_sees_them():
    rows = catalog.SYSTEMS.values()
    plain = [{catalog.plain(system.id), catalog.plain(system.name)} for system in rows]
    assert sum(map(len, plain)) == len(set().union(*plain))
    assert len(catalog.SYSTEMS) == len({system.id for system in rows}) == len({system.name for system in rows})


@SYSTEMS
def test_a_row_is_whole(system):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", system.id)
    assert re.fullmatch(r"(arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,}/\S+)", system.reference)
    assert system.title and system.authors and system.tags
    assert 1900 < system.year < 2100
    assert all(f"{{{value}}}" in system.bibtex() for value in (system.title, system.authors, system.year))


@SYSTEMS
def test_a_row_says_what_its_class_says(system):
    """The catalogue is made without importing anything, so what Python makes of the same files is an oracle."""
    cls, base = system.load(), system.load().__mro__[1]
    assert cls.__name__ == system.name and cls.__module__ == system.path
    assert system.serves == cls.serves and system.objective == f"{base.__module__}.{base.__name__}"
    paper = inspect.getmodule(cls).PAPER
    assert paper == tuple(getattr(system, field) for field in paper._fields)
    assert getattr(kerasgen.models, system.name) is cls
    assert system.name in dir(kerasgen.models)


def test_systems_stand_by_family_year_and_id():
    key = [(catalog.FAMILIES.index(row.family), row.year, row.id) for row in catalog.SYSTEMS.values()]
    assert key == sorted(key)


def test_the_catalogue_is_read_when_it_is_asked_for():
    code = """
        import kerasgen
        from kerasgen import catalog
        assert catalog._systems.cache_info().currsize == 0
        assert catalog.SYSTEMS and catalog._systems.cache_info().currsize == 1
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


# --- a new system -----------------------------------------------------------------------------------------------------

GUIDE = ROOT / "docs" / "guides" / "add-a-system.md"
MODEL = re.search(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)[1]  # a whole system
TESTS = re.search(r"^TINY = .*\n", GUIDE.read_text("utf-8"), re.M)[0]
PRESET = {
    "format": 1,
    "preset": "linear_vae_digits_quick",
    "system": "linear_vae",
    "description": "Digits in a plane.",
    "arguments": {"levels": 17},
    "data": {"name": "digits", "batch_size": 64},
    "recipe": {"epochs": 2},
}


@pytest.fixture(scope="module")
def checkout(root, tmp_path_factory):
    """A copy of this checkout with one more system: a model, a preset, a file of tests, and `make docs`."""
    folder = tmp_path_factory.mktemp("checkout")
    leave_out = shutil.ignore_patterns("__pycache__", "*.safetensors", ".*")
    for part in ("kerasgen", "tests", "docs"):
        shutil.copytree(root / part, folder / part, ignore=leave_out)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(root / file, folder)
    (folder / "kerasgen" / "models" / "vae" / "linear_vae.py").write_text(MODEL)
    (folder / "kerasgen" / "presets" / PRESET["preset"]).mkdir()
    (folder / "kerasgen" / "presets" / PRESET["preset"] / "preset.json").write_text(json.dumps(PRESET))
    (folder / "tests" / "systems" / "test_linear_vae.py").write_text(TESTS)
    return folder


def python(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def test_a_new_system_is_three_files(checkout):
    """The catalogue, the command line, the hub and the laws know it then; what is slow of a system stays slow."""
    stale = python(checkout, "docs/generate.py", "--check")
    assert stale.returncode == 1 and "kerasgen/catalog.json" in stale.stdout
    assert python(checkout, "docs/generate.py").returncode == 0
    assert python(checkout, "docs/generate.py", "--check").returncode == 0
    shown = json.loads(python(checkout, "-m", "kerasgen", "info", "linear-vae", "--json").stdout)
    assert shown["class"] == "LinearVAE" and shown["year"] == 1999 and shown["presets"] == [PRESET["preset"]]
    assert shown["serves"] == list(catalog.find("vae").serves)
    laws = ("tests/test_catalog.py", "tests/test_hub.py", "tests/test_conformance.py")
    chosen = ("-k", "linear_vae or linear-vae", "-m", "not slow", "-p", "no:cacheprovider", "-n", "0")
    done = python(checkout, "-m", "pytest", "-q", *laws, *chosen)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 40 and "skipped" not in done.stdout


@pytest.mark.parametrize(
    "harm, line",
    [
        (
            lambda text: text.replace("PAPER =", "ARTICLE ="),
            "expected PAPER = Paper(title=..., authors=..., ",
        ),
        (lambda text: text.replace("year=1999", "year=1900 + 99"), "of plain values"),
        (
            lambda text: text.replace("class LinearVAE", "class Linear"),
            "of the name of the file, linear_vae, got L",
        ),
    ],
    ids=["no paper", "a sum", "another name"],
)
def test_a_model_file_that_says_too_little(checkout, harm, line):
    path = checkout / "kerasgen" / "models" / "vae" / "linear_vae.py"
    path.write_text(harm(MODEL))
    done = python(checkout, "docs/generate.py")
    path.write_text(MODEL)
    assert done.returncode == 1 and line in done.stderr and "vae/linear_vae.py" in done.stderr


@SYSTEMS
def test_a_model_file_says_what_it_is(system):
    module = inspect.getdoc(inspect.getmodule(system.load()))
    assert re.search(rf"\b{system.year}\b", module.partition("\n\n")[0]), "the first line cites the paper"
    assert system.reference in module
    assert all(part in inspect.getdoc(system.load()) for part in ("Args:", "Example:"))


@SYSTEMS
def test_depth_is_model_objective_base(system):
    """keras.Model -> GenerativeModel -> objective -> model, and a model inherits from no other model.

    Between the objective and the base may stand one other, which it refines.
    """
    from kerasgen.core.model import GenerativeModel

    cls = system.load()
    above = cls.__mro__[1 : cls.__mro__.index(GenerativeModel)]
    assert 1 <= len(above) <= 2
    assert all(objective.__module__.startswith("kerasgen.objectives.") for objective in above)
    assert not cls.__subclasses__(), "a model class is final"


@SYSTEMS
def test_arguments_are_primitives_with_defaults(system):
    def plain(value):
        return all(map(plain, value)) if isinstance(value, tuple) else isinstance(value, (int, float, str, type(None)))

    parameters = list(inspect.signature(system.load().__init__).parameters.values())[1:]
    assert parameters[-1].kind is inspect.Parameter.VAR_KEYWORD
    assert all(plain(parameter.default) for parameter in parameters[:-1])


@SYSTEMS
def test_a_system_has_tiny_arguments(system):
    assert set(TINY[system.id]) <= set(inspect.signature(system.load().__init__).parameters)


@SYSTEMS
def test_a_system_has_a_page(system, root):
    assert (root / "docs" / "systems" / f"{system.id}.md").is_file()


def test_pages_are_of_known_systems(root):
    assert {path.stem for path in (root / "docs" / "systems").glob("*.md")} == set(catalog.SYSTEMS)


@SYSTEMS
@pytest.mark.parametrize("change", [str, str.upper, lambda s: s.replace("_", "-"), lambda s: s.replace("_", "")])
def test_look_up_ignores_case_and_dashes(system, change):
    assert catalog.find(change(system.id)) is system
    assert catalog.find(change(system.name)) is system


@pytest.mark.parametrize(
    ("typo", "line"),
    {
        "real_nvpp": "unknown system 'real_nvpp'; did you mean real_nvp?",
        "dc_gna": "unknown system 'dc_gna'; did you mean dcgan?",
        "PixelCN": "unknown system 'PixelCN'; did you mean pixel_cnn?",
        "xyzzy": "unknown system 'xyzzy'",
    }.items(),
)
def test_a_typo_meets_the_nearest_name(typo, line):
    for find in (catalog.find, kerasgen.build):
        with pytest.raises(ValueError) as error:
            find(typo)
        assert str(error.value) == line


def test_an_unknown_class_meets_the_nearest_name():
    with pytest.raises(AttributeError, match="no model class 'RealNVPP'; did you mean RealNVP?"):
        getattr(kerasgen.models, "RealNVPP")  # noqa: B009


def test_an_unknown_argument_meets_the_known_ones():
    with pytest.raises(ValueError, match=r"dcgan: expected image_shape, .*, got 'latentdim'; did you mean latent_dim?"):
        kerasgen.build("dcgan", latentdim=3)


@pytest.mark.parametrize(
    "argument, line",
    [("latent_dim", "latent_dim: expected a whole number like 100, got 'two'"),
     ("widths", "widths: expected a list like .*, got 'two'")],
)  # fmt: skip
def test_a_text_for_a_number_is_one_line(argument, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        kerasgen.build("dcgan", **{argument: "two"})


def test_lists_take_a_pattern_and_a_family():
    assert kerasgen.list_systems() == list(catalog.SYSTEMS)
    assert set(kerasgen.list_systems("*gan*")) == {id for id in catalog.SYSTEMS if "gan" in id}
    for family in catalog.FAMILIES:
        members = [id for id, system in catalog.SYSTEMS.items() if system.family == family]
        assert kerasgen.list_systems(family=family) == members
    with pytest.raises(ValueError, match="unknown family 'flows'; did you mean flow?"):
        kerasgen.list_systems(family="flows")


def test_every_folder_of_models_is_a_family(root):
    folders = {p.name for p in (root / "kerasgen" / "models").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders == set(catalog.FAMILIES)
