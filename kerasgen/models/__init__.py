"""What is trained: one file per system. `kerasgen.models.<Class>` is looked up in the catalogue when asked for."""

from kerasgen import catalog


def __getattr__(name):
    for system in catalog.SYSTEMS.values():
        if system.name == name:
            return system.load()
    raise AttributeError(f"no model class {name!r}{catalog.nearest(name, [s.name for s in catalog.SYSTEMS.values()])}")


def __dir__():
    return [system.name for system in catalog.SYSTEMS.values()]
