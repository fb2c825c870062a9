"""Public data by name: pictures, emoji, sounds and texts.

A row of `SETS` says where data come from and what makes them; files are those of `fetching`. Data that are small enough
to be copied around may have a form of their own in mirrors, which another reader opens.
"""

from __future__ import annotations

from kerasgen.data.description import Data
from kerasgen.data.fetching import MIRROR, fetch, in_folder
from kerasgen.data.library import digits, emoji, sounds, texts

SETS = digits.SETS | emoji.SETS | sounds.SETS | texts.SETS


def load(name: str, seed, image_shape) -> Data:
    """Describe the data of a name in `SETS`.

    Raises:
        OSError: they could not be fetched, or are not.
        ValueError: a mirror has other files of these names; an `image_shape` that they cannot have.
    """
    known = SETS[name]
    fields = known.make(_held(name, known), seed, image_shape)
    return Data(**{"name": name, "licence": known.licence, "origin": known.origin, "seed": seed, **fields})


def _held(name, known):
    """What the row's reader gives: of the mirror's own file, else of those that are fetched."""
    found = known.small and in_folder(known.small[0])
    if found:
        return known.small[1](found)
    if known.files:
        return known.read(*(in_folder(file) or fetch(file, name) for file in known.files))
    hint = f"{MIRROR}=FOLDER names a folder that has {known.small[0].name}"
    raise OSError(f"{name}: not fetched, since no public file has a known SHA-256; {hint}; {known.elsewhere}")
