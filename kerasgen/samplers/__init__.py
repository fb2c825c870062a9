"""Sampling loops, each a pure function that exports whole.

The samplers of denoisers share one signature: `clean(x, time) -> x_0` guesses the clean picture, `abar` (T,) is the
schedule, `x` (B, ...) the starting noise, `steps` how many of the T times are visited (a scalar, also in the exported
graph), `noise(i)` fresh normal draws like x for step i. Times are evenly spaced, t_i = floor(i T / steps).

The samplers of autoregressive models make discrete choices: `naive`, and with a memory `sequence` and `raster`.
"""

from kerasgen.samplers.autoregressive import naive, raster, sequence
from kerasgen.samplers.diffusion import ancestral, ddim

NAMES = ("ancestral", "ddim")

__all__ = ["NAMES", "ancestral", "ddim", "naive", "raster", "sequence"]
