"""How the demo shows what `classify` says: the likeliest classes of each example, by name, as bars."""

import re
import types

import numpy as np

from kerasgen.demo import drawing
from kerasgen.demo.shelf import LOOKS, Entry
from kerasgen.runtime import port_of

NAMES = "cat", "<dog>", "cow", "hen"
LOGS = np.log(np.array([[0.1, 0.6, 0.05, 0.25], [0.01, 0.01, 0.97, 0.01]]))


def entry(names=NAMES):
    """What a page knows of a bundle that classifies."""
    known = types.SimpleNamespace(info={"data": {"class_names": names}}, pictures=True, shape=(8, 8, 1))
    known.said = lambda name: Entry.said(known, name)
    known.class_name = lambda label: Entry.class_name(known, label)
    return known


def bars(html):
    return re.findall(r"<th>(.*?)</th><td><meter value=\"(.*?)\".*?</td><td>(.*?)</td>", html)


def test_the_likeliest_classes_come_first():
    html = drawing.show_values(entry(), "classify", LOGS, np.zeros((2, 8, 8, 1)))
    assert bars(html)[:3] == [
        ("&lt;dog&gt;", "0.6000", "60.0%"),
        ("hen", "0.2500", "25.0%"),
        ("cat", "0.1000", "10.0%"),
    ]
    assert bars(html)[3] == ("cow", "0.9700", "97.0%") and len(bars(html)) == 6 and html.count("<figure>") == 2
    assert "#0" in html and "#1" in html  # as the examples above are called


def test_classes_without_names_have_numbers():
    html = drawing.show_values(entry(()), "classify", LOGS, np.zeros((2, 8, 8, 1)))
    assert [name for name, *_ in bars(html)] == ["class 1", "class 3", "class 0", "class 2", "class 0", "class 1"]


def test_a_bundle_that_classifies_has_a_tab():
    x = dict(name="x", shape=["batch", 8, 8, 1], dtype="float32", meaning="pictures")
    known = entry()
    known.samples, known.ports = True, {"classify": (port_of(x),)}
    known.port = lambda function, name: Entry.port(known, function, name)
    known.offers = lambda function, *given: Entry.offers(known, function, *given)
    assert "classify" in LOOKS and Entry.looks(known, "classify")
