"""Sampling loops, each a pure function that exports whole.

The samplers of denoisers, `ancestral` and `ddim`, share one signature: `clean(x, time) -> (x_0, share)` guesses the
clean picture and the share of the larger variance, `abar` (T,) is the schedule, `x` (B, ...) the starting noise,
`times` (S,) are the visited times, rising, and `noise(i)` gives fresh normal draws like x for step i. The function
`times` makes these times of a spacing and a number of steps, which is a scalar also in the exported graph.

The samplers of autoregressive models make discrete choices: `naive`, and with a memory `sequence` and `raster`.
"""

from kerasgen.samplers.autoregressive import gumbel_max, likeliest, naive, raster, sequence
from kerasgen.samplers.diffusion import SPACINGS, ancestral, ddim, times

NAMES = ("ancestral", "ddim")

__all__ = [
    "NAMES", "SPACINGS", "Choice", "ancestral", "ddim", "gumbel_max", "likeliest", "naive", "raster", "sequence",
    "times",
]  # fmt: skip


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
