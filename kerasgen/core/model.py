"""The base of every system: it owns the machine, so that an objective is only its algorithm.

A model is an objective (how it learns) over networks (what it is made of) that serves functions (what it can do).
The base has six sides, a file each: who learns (`players`), a step (`training`), `fit` (`fitting`), one thing after
the other (`stages`), what the model can do (`serving`), and which arguments suit some data (`fit_to`). Here it is made,
configured and saved.
"""

from __future__ import annotations

import inspect

import keras

from kerasgen.core import registry, vocabulary
from kerasgen.core.fit_to import Sized
from kerasgen.core.fitting import Fitting
from kerasgen.core.players import Players
from kerasgen.core.serving import Serving
from kerasgen.core.stages import Staged
from kerasgen.core.training import Training

registry.check_backend()


class GenerativeModel(Sized, Fitting, Training, Players, Staged, Serving, keras.Model):
    """A system of the hub.

    A subclass that is an objective gives `losses`, or overrides `train_step`, and declares `players` and `reports`. A
    subclass of that is a model: it builds its networks in `__init__` (so that every variable exists before the first
    batch), fills the objective's hooks, and overrides nothing else.

    Attributes:
        arguments: of the constructor, as JSON holds them.
        rest: in a game, the score of what is as likely real as made; None where scores have no such value, as those of
            Wasserstein critics, and for models that play none.
        All others stand with the side that they belong to.
    """

    rest: float | None = None

    def __new__(cls, *args, **kwargs):
        registry.check_settings()
        model = super().__new__(cls, *args, **kwargs)
        bound = inspect.signature(cls.__init__).bind(model, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(list(bound.arguments.items())[1:])
        options = arguments.pop("kwargs", {})
        if "image_shape" in arguments:  # before a network of such a shape is built
            vocabulary.check_shape(arguments["image_shape"], cls.kinds)
        object.__setattr__(model, "arguments", {k: _plain(v) for k, v in arguments.items()})
        object.__setattr__(model, "_options", options)
        object.__setattr__(model, "_compiled_functions", {})
        return model

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        ours = cls.__module__.startswith(f"{registry.PACKAGE}.")
        package = registry.PACKAGE if ours else cls.__module__  # somebody else's class takes no name of ours
        keras.saving.register_keras_serializable(package)(cls)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # every network is built in the subclass' constructor

    def get_config(self) -> dict:
        return {**self.arguments, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)

    @classmethod
    def from_preset(cls, source, weights: bool = True):
        """The model of a preset, preset folder or run folder; see `kerasgen.load`."""
        return _hub().load(source, weights, system=cls)

    def save_to_preset(self, folder, **about):
        """Write the model as a preset folder, which `from_preset` and `kerasgen.load` take; see `hub.save_preset`."""
        return _hub().save_preset(self, folder, **about)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Keras' own, all or nothing: after an error every variable is what it was.

        Raises:
            ValueError: the file is of a model with other weights.
        """
        parts = [self, *(self.player_optimizers().values() if self.compiled else ())]
        variables = {id(variable): variable for part in parts for variable in part.variables}.values()
        before = [variable.numpy() for variable in variables]
        try:
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        except Exception as error:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            if not isinstance(error, ValueError):
                raise
            why = " ".join(str(error).split())
            raise ValueError(f"{filepath}: expected the weights of this {type(self).__name__}: {why}") from error


def _hub():
    """The room that stands on top of this one: asked for when it is used, so that no file imports in a circle."""
    from kerasgen import hub

    return hub


def _plain(value):
    """Constructor arguments as JSON holds them."""
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
