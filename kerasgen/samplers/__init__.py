"""Sampling loops, each a pure function that exports whole.

The samplers of denoisers share one signature: `clean(x, time) -> x_0` guesses the clean picture, `abar` (T,) is the
schedule, `x` (B, ...) the starting noise, `steps` how many of the T times are visited (a scalar, also in the exported
graph), `noise(i)` fresh normal draws like x for step i. Times are evenly spaced, t_i = floor(i T / steps).

The samplers of autoregressive models make discrete choices: `naive`, and with a memory `sequence` and `raster`.
"""

from kerasgen.samplers.autoregressive import gumbel_max, likeliest, naive, raster, sequence
from kerasgen.samplers.diffusion import ancestral, ddim

NAMES = ("ancestral", "ddim")

__all__ = ["NAMES", "Choice", "ancestral", "ddim", "gumbel_max", "likeliest", "naive", "raster", "sequence"]


class Choice:
    """An attribute of a model that is one of some names, such as its sampler; it may be replaced after training."""

    def __init__(self, *names):
        self.names = names

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, model, owner=None):
        return self if model is None else getattr(model, f"_{self.name}")

    def __set__(self, model, value):
        if value not in self.names:
            raise ValueError(f"{self.name}: expected {' or '.join(self.names)}, got {value!r}")
        object.__setattr__(model, f"_{self.name}", value)
        model.forget_compiled()  # they captured the old one
