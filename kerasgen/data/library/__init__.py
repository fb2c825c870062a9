"""Public data by name: pictures, sounds, texts and vectors.

A row of `SETS` says where data come from and what makes them; files are those of `fetching`. Data that are small enough
to be copied around may have a form of their own in mirrors, which another reader opens.
"""

from __future__ import annotations

from kerasgen.data.description import Data
from kerasgen.data.fetching import MIRROR, fetch, in_folder
from kerasgen.data.library import binary, characters, digits, emoji, measures, photographs, sounds, texts

KINDS = (digits, characters, photographs, emoji, sounds, texts, binary, measures)
SETS = {name: row for kind in KINDS for name, row in kind.SETS.items()}


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
    """What the row's reader gives: of a mirror's public files, else of its own file, else of what is fetched."""
    public = [in_folder(file) for file in known.files]
    own = known.small and not (public and all(public)) and in_folder(known.small[0])
    if own:
        return known.small[1](own)
    if public:
        return known.read(*(there or fetch(file, name) for there, file in zip(public, known.files, strict=True)))
    hint = f"{MIRROR}=FOLDER names a folder that has {known.small[0].name}"
    raise OSError(f"{name}: not fetched, since no public file has a known SHA-256; {hint}; {known.elsewhere}")
