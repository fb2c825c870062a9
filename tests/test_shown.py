"""Every system in the demo and on the static page, at a desk and on a phone: nothing fails, nothing is cut off."""

import functools
import json

import pytest
import shelf
from serving import Quiet, serving
from test_clients import program
from test_demo import Server, nothing_is_wider, toasts
from tiny import TINY

from kerasgen import catalog

# One shelf of bundles for the whole file.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("shown")]
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A small bundle of every system, by its id."""
    folder = tmp_path_factory.mktemp("shelf")
    return [shelf.tiny(system, folder / system) for system in TINY]


@pytest.fixture(scope="module")
def browser(chromium):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture(params=WIDTHS)
def page(browser, request):
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.fixture
def errors(page):
    """What goes wrong on the page, as its console says."""
    found = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda line: found.append(line.text) if line.type == "error" else None)
    return found


def title(system):
    return catalog.SYSTEMS[system].name


def open_tab(page, name):
    """Open a tab, which may have moved into the menu of those that had no room."""
    tab, menu = page.get_by_role("tab", name=name, exact=True), page.locator(".overflow-menu > button")
    for _ in range(100):  # which it is is known when the page is laid out
        if tab.count() and tab.first.is_visible():
            return tab.first.click()
        if menu.count() and menu.first.is_visible():
            menu.first.click()
            return page.locator(".overflow-dropdown button", has_text=name).first.click()
        page.wait_for_timeout(100)
    raise AssertionError(f"no tab {name}")


FILLED = """
() => {
  const seen = [...document.querySelectorAll(".kg-out")].filter(e => e.offsetParent);
  return seen.length && seen.every(e => e.querySelector("figure, svg"));
}
"""


def test_demo(page, errors, bundles, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("app"), *map(str, bundles))
    try:
        page.goto(server.url)
        for system in TINY:
            page.locator("#picker input").click()
            page.wait_for_timeout(100)
            page.keyboard.type(system)
            page.get_by_role("option", name=f"{title(system)} · {system} ·").click()
            page.locator(".kg-head h2", has_text=f"{title(system)} · {system}").wait_for()
            assert catalog.SYSTEMS[system].title in page.locator(".kg-head").inner_text()
            names = json.loads(page.locator(".kg-head").get_attribute("data-tabs"))
            assert names
            for name in names:
                open_tab(page, name)
                page.wait_for_function(FILLED)
                assert errors == toasts(page) == [], (system, name)
                assert nothing_is_wider(page, page.viewport_size["width"]) == [], (system, name)
    finally:
        _, said = server.stop()
    assert "Traceback" not in said, said


@pytest.fixture(scope="module")
def site(bundles, tmp_path_factory):
    website, folder = program("website.py"), tmp_path_factory.mktemp("web") / "site"
    try:
        website.build(folder, bundles)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return folder


def test_page(page, errors, bundles, site):
    with serving(functools.partial(Quiet, directory=site)) as address:
        page.goto(address)
        settled = "body[data-state=done], body[data-state=failed]"
        for system in TINY:
            page.select_option("#model", system)
            page.wait_for_selector(settled)
            assert page.inner_text("#about").startswith(catalog.SYSTEMS[system].title)
            functions = page.locator("#functions input").all()
            assert functions
            for function in functions:
                name = function.get_attribute("value")
                function.evaluate("e => e.click()")
                page.wait_for_selector(settled)
                assert page.get_attribute("body", "data-state") == "done", (
                    system,
                    name,
                    page.inner_text("#error"),
                )
                assert errors == nothing_is_wider(page, page.viewport_size["width"]) == [], (system, name)
                drawn = "import('./app.js').then(({ shown: { output } }) => [...output.data].every(Number.isFinite))"
                assert page.evaluate(drawn), (system, name)
