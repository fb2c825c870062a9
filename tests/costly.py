"""Which systems stand for the others in costly laws, so that the quick tests stay quick whatever the catalogue's size.

All systems keep the cheap laws in every run. A costly law of training is quick for one system of each family, one of
functions for one system of each objective and for one that serves each function; for the others it is slow.
"""

import pytest
from tiny import TINY

from kerasgen import catalog
from kerasgen.core.vocabulary import NEEDS

CLASSES = {system: row.load() for system, row in catalog.SYSTEMS.items()}
CALLS = [  # of those that they serve with their tiny arguments
    (system, function)
    for system, cls in CLASSES.items()
    for function in cls.serves
    if function not in NEEDS or TINY[system].get(NEEDS[function])
]
_OBJECTIVES, _FAMILIES, _FUNCTIONS = {}, {}, {}
for _system, _row in catalog.SYSTEMS.items():
    _OBJECTIVES.setdefault(_row.objective, _system)
    _FAMILIES.setdefault(_row.family, _system)
for _system, _function in sorted(CALLS, key=lambda call: call[0] not in _OBJECTIVES.values()):
    _FUNCTIONS.setdefault(_function, _system)
REPRESENTATIVES = tuple(_OBJECTIVES.values())  # the first system of each objective
KINDS = tuple(_FAMILIES.values())  # the first of each family


def _mark(quick, *values):
    return pytest.param(*values, id="-".join(values), marks=() if quick else pytest.mark.slow)


def costly_systems(systems=CLASSES, quick=KINDS):
    """Parametrise a law by systems, of which some are quick."""
    return pytest.mark.parametrize("system", [_mark(system in quick, system) for system in systems])


def costly_calls():
    """Parametrise a law by systems and the functions that they serve."""
    quick = [system in REPRESENTATIVES or _FUNCTIONS[function] == system for system, function in CALLS]
    return pytest.mark.parametrize("system, function", [_mark(q, *call) for q, call in zip(quick, CALLS, strict=True)])
