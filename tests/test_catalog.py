"""The catalogue, the files on disk, the tests and the docs name the same systems."""

import inspect
import re

import pytest
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
def test_a_row_leads_to_its_class(system):
    cls = system.load()
    assert cls.__name__ == system.name and cls.__module__ == system.path
    assert getattr(kerasgen.models, system.name) is cls
    assert system.name in dir(kerasgen.models)


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
