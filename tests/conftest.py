"""What all tests share: few threads, no windows, one seed, and a clear reason where a machine lacks something."""

import os

# Read when the libraries are imported, so before anything else here. Workers of xdist share the cores.
_THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, _THREADS)
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import collections  # noqa: E402
import gc  # noqa: E402
import itertools  # noqa: E402
import pathlib  # noqa: E402
import random  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402

import choice  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def seed():
    """Every test starts from the same seed; Keras' too, if the test's module has brought it in."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
    else:
        random.seed(0)
        np.random.seed(0)


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser for playwright's `executable_path`; the test is skipped where there is none."""
    reason = _no_browser()
    if reason:
        pytest.skip(reason)
    return _chromium()


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory):
    """(folder, report, model) of an exported DCGAN: to be read, or copied and changed."""
    import kerasgen

    model = kerasgen.build("dcgan", image_shape=(8, 8, 1), latent_dim=8, widths=(16, 8), kernel_size=3)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:  # untrained networks are too tame to tell two runtimes apart
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    folder, lines = tmp_path_factory.mktemp("bundles") / "dcgan", []
    data = {"name": "digits", "licence": "CC BY 4.0", "origin": "UCI"}
    report = kerasgen.export(model, folder, preset="dcgan_tiny", data=data, progress=lines.append)
    assert "converting sample" in lines
    return folder, report, model


def pytest_addoption(parser):
    group = parser.getgroup("kerasgen")
    group.addoption(
        "--share", help="unless tests are named, leave out systems as tests/choice.py says: a number, or today"
    )
    group.addoption("--since", help="the commit that tells which systems a change touches, in the place of main's")


def pytest_configure(config):
    """The choice is made once, and workers are given it, so that all of them know the same tests."""
    if hasattr(config, "workerinput"):
        given = config.workerinput["chosen"]
        config.chosen = choice.Choice(*given) if given else None
        return
    os.environ.setdefault("KERASGEN_DAY", str(choice.today()))  # also after midnight
    named = config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.keyword
    share = None if named else config.option.share
    try:
        config.chosen = choice.choose(share, config.option.since) if share else None
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)  # of xdist
def pytest_configure_node(node):
    node.workerinput["chosen"] = tuple(node.config.chosen) if node.config.chosen else None


def pytest_report_header(config):
    return config.chosen.lines() if config.chosen else None


def pytest_runtest_logstart():
    _processor.since()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """A report says which system it is of, and what it took of the processor; workers send it on."""
    report = yield
    system = choice.system_of(item)
    report.system, report.own = system, bool(system) and choice.of_its_own(item)
    report.seconds = _processor.since()
    return report


class _Processor:
    """Seconds of the processor, of this process and of those that ended in it: the same on a busy machine."""

    last = 0.0

    def since(self):
        now = sum(os.times()[:4])
        spent, self.last = now - self.last, now
        return spent


_processor = _Processor()


def pytest_terminal_summary(terminalreporter, config):
    if config.chosen:
        spent = collections.defaultdict(float)
        for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
            if hasattr(report, "seconds"):
                spent[report.system, report.own] += report.seconds
        for line in choice.arithmetic(spent):
            terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config, items):
    """Leave out what is not chosen; what shares a trained model, or a module's fixtures, runs in one worker.

    So each is made once.
    """
    if config.chosen:
        items[:], left_out = config.chosen.split(items)
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        system = item.callspec.params.get("system") if hasattr(item, "callspec") else None
        system = getattr(system, "id", system)  # a row of the catalogue, or its id
        alone = item.get_closest_marker("xdist_group") or not (system or item.path.parent.name == "systems")
        if not alone:
            item.add_marker(pytest.mark.xdist_group("-".join(filter(None, (item.path.stem, system)))))


@pytest.hookimpl(trylast=True)  # after the fixtures
def pytest_runtest_teardown(item, nextitem):
    """Let the collector of garbage forget what outlives a file, or a system's laws.

    An export has all garbage collected several times. In a worker that holds the graphs of hundreds of models every
    time would take seconds.
    """
    if nextitem is None or _group(item) != _group(nextitem):
        gc.collect()
        gc.freeze()


def _group(item):
    return item.path, [marker.args for marker in item.iter_markers("xdist_group")]


def pytest_runtest_setup(item):
    reason = None
    if item.get_closest_marker("browser"):
        reason = _no_browser()
    elif item.get_closest_marker("gpu"):
        reason = _no_gpu()
    if reason:
        pytest.skip(reason)


def _chromium():
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _no_browser():
    import importlib.util

    if importlib.util.find_spec("playwright") is None:
        return "no playwright: pip install playwright"
    if _chromium() is None:
        return "no Chromium on the path: apt-get install chromium"
    return None


def _no_gpu():
    import tensorflow as tf

    return None if tf.config.list_physical_devices("GPU") else "no GPU"
