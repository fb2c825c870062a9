"""What a trained model can do: its functions as methods on NumPy arrays, and as graphs to be exported."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import tensorflow as tf

from kerasgen.core import random, vocabulary
from kerasgen.core.vocabulary import FUNCTIONS, GIVEN
from kerasgen.runtime import BATCH, SIZES, Port, Ports, bind


class Functions(tuple):
    """What a class serves; of a model, what its arguments allow of that, by `vocabulary.NEEDS`."""

    def __get__(self, model, owner=None):
        return self if model is None else tuple(name for name in self if able(model, name))


def able(model, function: str) -> bool:
    """Whether a model has what a function needs."""
    return function not in vocabulary.NEEDS or bool(getattr(model, vocabulary.NEEDS[function]))


class Serving:
    """The functions of the vocabulary, each from a pure method `serve_<name>` over tensors.

    Attributes:
        serves: the functions of the vocabulary that the model serves, of those of its class what its arguments allow;
            each is a pure method `serve_<name>` whose argument names are port names (`index` stands for the positions
            0..count-1 of the examples).
        inconvertible: function -> reason, for what can be a SavedModel but not ONNX.
        kinds: what its examples can be, of `vocabulary.KINDS`; an `image_shape` of another rank is refused.
        image_shape: shape of one example: `(height, width, channels)`, `(dim,)` for plain vectors, `(length,)` for
            texts and sounds.
        kind: what an example is, the one of `kinds` that has such a shape: "picture", "vector", "text" (UTF-8 bytes)
            or "sound" (in [-1, 1]).
        sample_rate: values of a sound per second.
        levels: number of grey levels of the data, or None for continuous data.
        num_classes: number of labels, 0 for an unconditional model.
        class_names: what the classes are called, as far as data or a preset have told; a name can be given for a label.
        text_length: bytes of the texts that examples are described by, 0 for none.
        objects: objects in the layouts that examples are described by, 0 for none.
        picture_shape: (height, width, channels) of the pictures that examples are made of; () where they are as those.
        latent_dim: size of a latent; models without one leave it at 0.
        codes: values that an element of a code can have; models without codes leave it at 0.
        parts: examples that one call of a sampler makes at most; larger counts are made in parts.
        density: its likelihoods are densities: for data with levels, per grey level of x plus u ~ U[0, 1) levels.
        smallest: height and width that can be made, by models that make any.
    """

    serves: tuple = ()
    inconvertible: dict = {}
    kinds: tuple = ("picture",)
    image_shape: tuple = ()
    sample_rate: int | None = None
    levels: int | None = None
    num_classes: int = 0
    class_names: tuple = ()
    text_length: int = 0
    objects: int = 0
    picture_shape: tuple = ()
    latent_dim: int = 0
    codes: int = 0
    parts: int = 256
    density: bool = False
    smallest: int = 1

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "serves" in cls.__dict__:
            cls.serves = Functions(cls.serves)

    @property
    def kind(self) -> str:
        return vocabulary.kind_of(self.image_shape, self.kinds)

    @property
    def given(self) -> tuple:
        """Names of the ports that data must fill for every example, and that a sample can be asked for."""
        sizes = {"label": self.num_classes, "text": self.text_length, "layout": self.objects}
        return tuple(name for name, size in sizes.items() if size)

    @property
    def ports(self) -> dict:
        """function -> its `Ports`, derived from the arguments of the `serve_*` methods."""
        table = {}
        for function in self.serves:
            inputs = []
            for name, parameter in self._taken(function):
                port = self.port("count" if name == "index" else name, function)
                # A number in the signature is the model's own default.
                if port.default is not None and isinstance(parameter.default, (int, float)):
                    port = dataclasses.replace(port, default=parameter.default)
                inputs.append(port)
            inputs.sort(key=lambda port: port.name != "count")  # sample(count, ...)
            gives = FUNCTIONS[function].gives
            gives = ("code" if self.codes else "latent") if gives == "latent|code" else gives
            output = self.port(gives, function if gives != "x" else "")
            if set(SIZES) <= {port.name for port in inputs}:
                output = dataclasses.replace(output, shape=(BATCH, *SIZES, *output.shape[3:]))
            table[function] = Ports(tuple(inputs), output)
        return table

    @property
    def changes(self) -> dict:
        """Hook: what is otherwise than `vocabulary.WORDS` says: "port", or "function.port", -> fields of the port."""
        return {}

    def port(self, name: str, function: str = "") -> Port:
        """The port of that name, with this model's shape and range."""
        changes = self.changes
        changed = changes.get(name, {}) | changes.get(f"{function}.{name}", {})
        return dataclasses.replace(vocabulary.port_of(name, self, function), **changed)

    def _taken(self, function):
        """(port name, parameter) of a served function: `given` stands for all that the model is given, and what it is
        not given is left out."""
        for name, parameter in inspect.signature(getattr(self, f"serve_{function}")).parameters.items():
            if name == "given":
                yield from ((port, parameter) for port in self.given)
            elif name in self.given or name in FUNCTIONS[function].takes or name not in GIVEN:
                yield name, parameter

    def pure(self, function: str):
        """`serve_<function>` over tensors, with labels of -1 replaced by classes drawn from the seed."""
        serve = getattr(self, f"serve_{function}")
        together = "given" in inspect.signature(serve).parameters

        def call(**tensors):
            if function == "sample" and "label" in tensors:
                label, index = tensors["label"], tensors["index"]
                drawn = random.integers(tensors["seed"], random.LABEL, index, (), self.num_classes)
                tensors["label"] = tf.where(label < 0, drawn, label)
            if together:
                tensors["given"] = {name: tensors.pop(name) for name in self.given}
            return serve(**tensors)

        return call

    def graph(self, function: str):
        """What is exported: a pure function `(**ports) -> {output port: tensor}` and `{port: tf.TensorSpec}`."""
        ports = self.ports[function]
        call = self.pure(function)

        def run(**tensors):
            if "count" in tensors:
                tensors["index"] = tf.range(tensors.pop("count"))
            shape = _spec(ports.output).shape
            return {ports.output.name: tf.ensure_shape(tf.cast(call(**tensors), ports.output.dtype), shape)}

        return run, {port.name: _spec(port) for port in ports.inputs}

    def call_function(self, function: str, args: tuple, given: dict):
        """Check the inputs of a served function, run it compiled, and return a NumPy array."""
        if function not in self.serves:
            name = type(self).__name__
            raise ValueError(f"{name} does not serve {function!r}; it serves {', '.join(self.serves)}")
        ports, output = self.ports[function]
        values = bind(function, ports, args, given, self.class_names)
        if 0 in [values.get("count"), *(len(values[port.name]) for port in ports if port.shape)]:
            # TensorFlow's convolutions of nothing have a wrong shape.
            return np.zeros((0, *(values.get(size, size) for size in output.shape[1:])), output.dtype)
        if "count" not in values:
            return self._compiled(function)(**_tensors(values)).numpy()
        index = np.arange(values.pop("count"), dtype=np.int32)
        rows = {port.name for port in ports if port.shape} & set(values)
        parts = []
        for start in range(0, len(index), self.parts):
            part = slice(start, start + self.parts)
            chosen = {name: value[part] if name in rows else value for name, value in values.items()}
            parts.append(self._compiled(function)(**_tensors({**chosen, "index": index[part]})).numpy())
        return np.concatenate(parts)

    def _compiled(self, function):
        if function not in self._compiled_functions:
            specs = {port.name: _spec(port) for port in self.ports[function].inputs}
            if specs.pop("count", None):
                specs["index"] = tf.TensorSpec((None,), tf.int32, "index")
            traced = tf.function(self.pure(function), autograph=False).get_concrete_function(**specs)
            self._compiled_functions[function] = traced
        return self._compiled_functions[function]

    def forget_compiled(self):
        """Drop the compiled functions; called when what they captured (a sampler) was replaced."""
        self._compiled_functions.clear()

    def __call__(self, *args, **kwargs):
        raise NotImplementedError(self._serves_instead("call"))

    def predict(self, *args, **kwargs):
        raise NotImplementedError(self._serves_instead("predict"))

    def export(self, *args, **kwargs):
        raise NotImplementedError(
            f"{type(self).__name__} has no export; kerasgen.export(model, directory) writes SavedModel and ONNX files"
        )

    def _serves_instead(self, name):
        return f"{type(self).__name__} has no {name}; it serves {', '.join(self.serves)}"


def _method(function: str):
    entry = FUNCTIONS[function]

    def method(self, *args, **ports):
        return self.call_function(function, args, ports)

    method.__name__ = function
    method.__doc__ = (
        f"Serve {entry.meaning}.\n\n        Takes {vocabulary.expected(function)}, the first by position. "
        f"Returns {entry.gives} as a NumPy array.\n        `ports()` states shapes and ranges.\n        "
    )
    return method


for _name in FUNCTIONS:
    setattr(Serving, _name, _method(_name))


def _tensors(values: dict) -> dict:
    return {name: tf.convert_to_tensor(value) for name, value in values.items()}


def _spec(port: Port) -> tf.TensorSpec:
    return tf.TensorSpec([None if isinstance(size, str) else size for size in port.shape], port.dtype, port.name)
