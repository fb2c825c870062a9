"""What is installed: the wheel's content, what importing costs, and what the code may not do."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

HEAVY = {
    "tensorflow",
    "keras",
    "tensorflow_probability",
    "tf_keras",
    "onnx",
    "onnxruntime",
    "gradio",
    "sklearn",
}


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """The wheel of a copy of the checkout with the folders that must stay out of it."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy)
    shutil.copytree(root / "kerasgen", copy / "kerasgen", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("apps", "exports", "tests", "benchmarks", "docs"):
        (copy / name).mkdir()
        (copy / name / "__init__.py").touch()
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def text_of(wheel, suffix):
    (name,) = [name for name in wheel.namelist() if name.endswith(suffix)]
    return wheel.read(name).decode()


def test_the_wheel_holds_kerasgen_alone(wheel):
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"kerasgen"}


def test_the_wheel_holds_all_of_kerasgen(wheel, root):
    """Every file of the package that git would keep, data included."""
    files = (path for path in (root / "kerasgen").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {str(path.relative_to(root)) for path in files} <= set(wheel.namelist())


def test_the_wheel_says_what_it_is(wheel):
    import kerasgen

    about = text_of(wheel, ".dist-info/METADATA")
    for line in (
        f"Version: {kerasgen.__version__}",
        "License-Expression: Apache-2.0",
        "Requires-Python: >=3.11",
    ):
        assert line in about
    assert "kerasgen = kerasgen.cli:main" in text_of(wheel, ".dist-info/entry_points.txt")
    assert "Apache License" in text_of(wheel, ".dist-info/licenses/LICENSE")


def test_shipped_weights_are_small(root):
    sizes = {p: p.stat().st_size for p in (root / "kerasgen").rglob("*.safetensors")}
    assert all(size <= 2 * 2**20 for size in sizes.values()), "a preset's weights are at most 2 MB"
    assert sum(sizes.values()) <= 30 * 2**20


def imported(code: str, root) -> set:
    """The heavy libraries that some code brings in."""
    code += "\nimport sys; print('modules:', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stdout.rpartition("modules:")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import kerasgen",
        "import kerasgen; kerasgen.list_systems('*gan*')",
        "import kerasgen; kerasgen.list_presets()",
        "import kerasgen.core.vocabulary, kerasgen.hub, kerasgen.data, kerasgen.runtime",
        "import kerasgen.cli",
    ],
)
def test_looking_around_imports_nothing_heavy(code, root):
    assert imported(code, root) == set()


def test_listing_on_the_command_line_imports_nothing_heavy(root):
    code = "import sys; sys.argv = ['kerasgen', 'list']; from kerasgen.cli import main\n"
    assert imported(code + "try: main()\nexcept SystemExit: pass", root) == set()


def test_importing_switches_off_telemetry(root):
    code = "import os, kerasgen; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['GRADIO_ANALYTICS_ENABLED'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.split() == ["1", "False"]


TYPED = ("hub/*.py", "runs/*.py", "cli/*.py", "catalog.py", "core/registry.py", "core/paper.py")


@pytest.mark.parametrize("pattern", TYPED)
def test_public_signatures_say_their_types(root, pattern):
    bare = []
    for path in (root / "kerasgen").glob(pattern):
        tree = ast.parse(path.read_text("utf-8"))
        for part in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
            for node in part.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    given = [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
                    words = [w.arg for w in given if w and w.arg not in ("self", "cls") and not w.annotation]
                    bare += [f"{path.name}: {node.name}({', '.join(words)})"] * bool(words or not node.returns)
    assert bare == []


# What a hub must not do: formats that run code on loading, layers that hold code, Keras' safety switched off.
FORBIDDEN = {
    "pickle": r"\b(import|from) +(pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve)\b|allow_pickle *= *True",
    "Lambda layer": r"\bLambda\(",
    "unsafe loading": r"safe_mode *= *False|enable_unsafe_deserialization",
    "HDF5": r"\bh5py\b|\.h5\b|\.hdf5\b",
    "code from text": r"(?<![\w.])(exec|eval)\(",
    "shell": r"shell *= *True|os\.system\(",
}


# The hub opens the weights inside a `.keras` file to read the sizes they declare, before Keras makes room for them.
EXCUSED = {"HDF5": {"kerasgen/hub/keras_files.py"}}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_package_does_not_use(what, root):
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in sorted((root / "kerasgen").rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(FORBIDDEN[what], line) and str(path.relative_to(root)) not in EXCUSED.get(what, ())
    ]
    assert not found, "\n".join(found)


def test_ruff_has_one_version(project, root):
    (pinned,) = [r for r in project["project"]["optional-dependencies"]["dev"] if r.startswith("ruff")]
    hook = re.search(r"ruff-pre-commit\n +rev: v([\d.]+)", (root / ".pre-commit-config.yaml").read_text("utf-8"))
    assert pinned == f"ruff=={hook[1]}"


def test_installed_versions_meet_the_requirements(project):
    """The environment under test is the one that pyproject.toml asks for."""
    metadata = pytest.importorskip("importlib.metadata")
    packaging = pytest.importorskip("packaging.requirements")
    for text in project["project"]["dependencies"]:
        wanted = packaging.Requirement(text)
        assert wanted.specifier.contains(metadata.version(wanted.name), prereleases=True), text


def test_no_lock_file_with_addresses(root):
    for name in ("uv.lock", "pylock.toml", "package-lock.json", "poetry.lock"):
        assert not (root / name).exists(), f"{name} holds the addresses of one machine's package index"


def test_quickstart_names_a_shipped_preset(root):
    import kerasgen

    preset = re.search(r"^PRESET \?= (\S+)", (root / "Makefile").read_text("utf-8"), re.M)[1]
    assert preset in kerasgen.list_presets()
