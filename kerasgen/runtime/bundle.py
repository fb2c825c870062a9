"""A bundle: its functions as methods on NumPy arrays, run by ONNX Runtime."""

from __future__ import annotations

import functools
import os

import numpy as np

from .description import read_file, read_info
from .onnx_file import check_graph
from .ports import Ports, bind, port_of


class Bundle:
    """An exported model: what it serves are its methods, as with the model itself.

    Opening reads `bundle.json` and checks every ONNX file that is to run: its hash, that it is one file of standard
    operators, and that its inputs and outputs are the ports. A function's file becomes a session when the function is
    first called.

    Args:
        directory: the folder that `kerasgen.export` wrote.
        variant: a smaller form, such as "float16"; a function that has none runs as it is.
        threads: how many ONNX Runtime uses for a call; left out, one for each core. In a pool of processes, 1.
        providers: where it runs, as ONNX Runtime names it, the first that is there:
            `("CUDAExecutionProvider", "CPUExecutionProvider")`.

    Attributes:
        info: `bundle.json`.
        system: id of the model's system.
        class_names: what classes are called; a name can be given wherever their numbers can.
        serves: names of the functions that ONNX Runtime can run.
        kind, image_shape, levels, sample_rate, num_classes: of its examples, as of the model's.
        ports: function -> its `Ports`, for these.
        onnx: function -> the file that it runs, for these.

    Raises:
        ValueError: not a bundle, one of a newer version, or one that is not as it was written.

    A bundle can be copied and sent to other processes, which open sessions of their own.

    Example:
        >>> bundle = Bundle("exports/bundles/dcgan_digits")     # doctest: +SKIP
        >>> bundle.sample(16, seed=7).shape                     # doctest: +SKIP
        (16, 8, 8, 1)
    """

    def __init__(self, directory, variant=None, *, threads=None, providers=("CPUExecutionProvider",)):
        if threads is not None and (type(threads) is not int or threads < 1):
            raise ValueError(f"threads: expected a whole number of at least 1, or None, got {threads!r}")
        self.threads, self.providers = threads, tuple(providers)
        self.directory = os.path.abspath(directory)
        self.info = read_info(self.directory)
        self.system = self.info["system"]
        self.class_names = tuple((self.info.get("data") or {}).get("class_names") or ())
        entries = {name: entry for name, entry in self.info["functions"].items() if entry["onnx"]}
        self.serves = tuple(entries)
        self.kind, self.image_shape = self.info["kind"], tuple(self.info["image_shape"])
        self.levels, self.num_classes = self.info["levels"], self.info["num_classes"]
        self.sample_rate = self.info.get("sample_rate")
        self.ports = {
            name: Ports(tuple(map(port_of, entry["inputs"])), port_of(entry["output"]))
            for name, entry in entries.items()
        }
        small = {name: entry.get("variants", {}) for name, entry in entries.items()}
        known = sorted({name for variants in small.values() for name in variants})
        if variant is not None and variant not in known:
            raise ValueError(f"variant: expected {' or '.join(known) or 'None, it has none'}, got {variant!r}")
        self.onnx = {n: small[n].get(variant, entry)["onnx"] for n, entry in entries.items()}
        self._sessions = {}
        for name, path in self.onnx.items():
            self.read(path, name)
            self._weights(name)

    def run(self, function: str, *args, **ports) -> np.ndarray:
        """Call a function by its name; what it takes is `self.ports[function].inputs`.

        Raises:
            ValueError: the bundle does not run this function, or an input is not what the port takes.
            TypeError: an input is missing, unknown or given twice.
        """
        if function not in self.serves:
            raise ValueError(self._unknown(function))
        values = bind(function, self.ports[function].inputs, args, ports, self.class_names)
        # ONNX Runtime refuses NumPy scalars.
        feeds = {name: np.asarray(value) for name, value in values.items()}
        return self.session(function).run(None, feeds)[0]

    def read(self, path, function=None) -> bytes:
        """The bytes of a file of the bundle, which are those that were written: what is checked is what is used.

        Args:
            path: as `bundle.json` lists it.
            function: given, the file must be an ONNX model of this function.

        Raises:
            ValueError: it is not listed, not a file, not as it was written, or no such model.
        """
        try:
            content = read_file(self.directory, path, self.info["files"])
            if function is not None:
                entry = self.info["functions"][function]
                check_graph(content, self.ports[function], entry.get("weights") if path == entry["onnx"] else None)
        except ValueError as error:
            raise ValueError(f"bundle {self.directory!r}: {path} {error}") from None
        return content

    def _weights(self, function):
        """The bytes of the second file of what a function runs, if it has one."""
        entry = self.info["functions"][function]
        return self.read(entry["weights"]) if entry.get("weights") and self.onnx[function] == entry["onnx"] else None

    def check_files(self):
        """Read every file that `bundle.json` lists, and see that nothing else lies where programs are read from.

        Raises:
            ValueError: see `read`; or a file in `onnx/` or `saved_model/` that is not listed.
        """
        for path in self.info["files"]:
            self.read(path)
        for top in ("onnx", "saved_model"):
            for folder, inside, names in os.walk(os.path.join(self.directory, top)):
                linked = [name for name in inside if os.path.islink(os.path.join(folder, name))]
                for name in [*names, *linked]:  # the walk does not go into linked folders
                    path = os.path.relpath(os.path.join(folder, name), self.directory).replace(os.sep, "/")
                    if path not in self.info["files"]:
                        raise ValueError(f"bundle {self.directory!r}: {path} is not listed in bundle.json")

    def close(self):
        """Give back the memory of what has run; a function that is called again is opened again."""
        self._sessions.clear()

    def __getstate__(self):
        return {**self.__dict__, "_sessions": {}}  # which only this process can use

    def __getattr__(self, name):
        if name.startswith("_") or name not in self.__dict__.get("serves", ()):
            raise AttributeError(self._unknown(name) if "info" in self.__dict__ else name)
        return functools.partial(self.run, name)

    def __dir__(self):
        return [*super().__dir__(), *self.serves]

    def __repr__(self):
        return f"Bundle({self.info['title']!r}: {', '.join(self.serves)})"

    def _unknown(self, function):
        entry = self.info["functions"].get(function)
        if entry:
            return f"{function}: not in ONNX ({entry['reason']}); use the SavedModel"
        return f"{self.system} does not serve {function!r}; it serves {', '.join(self.serves)}"

    def session(self, function: str):
        """The session of ONNX Runtime that runs a function; it is opened once."""
        if function not in self._sessions:
            self._sessions[function] = self.open(function)
        return self._sessions[function]

    def open(self, function: str, options=None):
        """A new session of ONNX Runtime for a function, for those who have options of their own."""
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the library is imported
        import onnxruntime

        known = onnxruntime.get_available_providers()
        for provider in self.providers:
            if provider not in known:
                raise ValueError(f"providers: expected some of {', '.join(known)}, got {provider!r}")
        if options is None:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads or 0
        content, weights = self.read(self.onnx[function], function), self._weights(function)
        if weights:
            names = [os.path.basename(self.info["functions"][function]["weights"])]
            options.add_external_initializers_from_files_in_memory(names, [weights], [len(weights)])
        return onnxruntime.InferenceSession(content, options, list(self.providers))
