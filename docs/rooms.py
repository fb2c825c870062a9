"""The rooms of the package: what each is for, and which others it may import. README's house and a test read this.

A room is a folder of `kerasgen/`, or a module that lies beside the folders. "anywhere" may be imported by all but
`runtime`, which imports nothing of ours, so that it can be copied beside an app.
"""

ANYWHERE = ("catalog", "files", "pictures", "runtime")

# room: (what it is for, rooms that it may import beside ANYWHERE)
ROOMS = {
    "core": ("the base of every system: players, a training step, `fit`, functions, randomness", ("data", "hub")),
    "objectives": ("how systems learn, by family", ("core", "nets", "samplers")),
    "nets": ("what systems are made of", ("core", "samplers")),
    "samplers": ("the loops that draw", ("core",)),
    "models": ("the systems, a short file each", ("core", "objectives", "nets", "samplers")),
    "data": ("embedded sets, folders, arrays; checks of what `fit` is given", ("core",)),
    "metrics": ("how good a system is", ("core", "data", "hub", "nets")),
    "callbacks": ("what happens beside training", ("core", "data", "hub", "metrics")),
    "hub": ("presets, weights, cards", ("core", "data", "models")),
    "runs": ("what `kerasgen train` does", ("core", "data", "hub", "models", "callbacks", "metrics")),
    "exporting": ("bundles: written, proved, made smaller, laid out for servers", ("core", "hub", "data", "metrics")),
    "demo": ("the app over bundles", ()),
    "cli": ("the commands", ("core", "data", "hub", "runs", "exporting", "demo", "metrics", "models", "callbacks")),
    "runtime": ("opens and runs bundles with NumPy and ONNX Runtime alone", ()),
    "catalog": ("every system and its paper", ()),
    "files": ("writing that is whole or not there", ()),
    "pictures": ("grids, plots, sounds as files", ()),
}
