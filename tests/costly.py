"""Which systems stand for the others in costly laws, so that the quick tests stay quick whatever the catalogue's size.

All systems keep the cheap laws in every run. A costly law of training is quick for one system of each family, one of
functions for one system of each objective and for one that serves each function; for the others it is slow.
"""

import pytest

from kerasgen import catalog

CLASSES = {system: row.load() for system, row in catalog.SYSTEMS.items()}
_OBJECTIVES, _FAMILIES, _FUNCTIONS = {}, {}, {}
for _system, _row in catalog.SYSTEMS.items():
    _OBJECTIVES.setdefault(_row.objective, _system)
    _FAMILIES.setdefault(_row.family, _system)
for _system in [*_OBJECTIVES.values(), *CLASSES]:
    for _function in CLASSES[_system].serves:
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
    calls = [(system, function) for system, cls in CLASSES.items() for function in cls.serves]
    quick = [system in REPRESENTATIVES or _FUNCTIONS[function] == system for system, function in calls]
    return pytest.mark.parametrize("system, function", [_mark(q, *call) for q, call in zip(quick, calls, strict=True)])
