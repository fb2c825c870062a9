"""The shelf: trained weights that are too large for the wheel, known by the hash in their preset's manifest.

A preset folder with a manifest has weights. Where they do not lie in it, they are `<preset>.safetensors` on the shelf:
`exports/shelf/` of a checkout, or the folder or address (https://...) that the variable KERASGEN_SHELF names. What an
address gives is fetched once, into a cache.
"""

from __future__ import annotations

import os
from pathlib import Path

from kerasgen.data import fetching
from kerasgen.hub import manifest
from kerasgen.hub.folder import MANIFEST, WEIGHTS

VARIABLE = "KERASGEN_SHELF"
CHECKOUT = Path(__file__).resolve().parents[2] / "exports" / "shelf"


def has_weights(folder: Path) -> bool:
    """Whether a preset folder has weights, in it or on the shelf."""
    return (folder / WEIGHTS).is_file() or (folder / MANIFEST).is_file()


def find(folder: Path) -> Path:
    """The file with the weights of a preset folder that has some; what it holds is compared when it is read.

    Raises:
        OSError: there is none here, or it could not be fetched; the line says where one may be put.
        Damaged: the manifest does not know it.
        ValueError: the folder that is named holds another file of this name, or does not exist.
    """
    if (folder / WEIGHTS).is_file():
        return folder / WEIGHTS
    return fetched(f"{folder.name}.safetensors", *manifest.hashes(folder, WEIGHTS))


def fetched(name: str, sha256: str) -> Path:
    """A file of the shelf, of the checkout or of what the variable names.

    Raises:
        OSError: it is not here, or could not be fetched.
        ValueError: the folder that is named holds another file of this name, or does not exist.
    """
    if (CHECKOUT / name).is_file():
        return CHECKOUT / name
    where, what = os.environ.get(VARIABLE, ""), name.removesuffix(".safetensors")
    file = fetching.File(name, sha256, f"{where.rstrip('/')}/{name}")
    if where.startswith(("https://", "http://")):
        return fetching.fetch(file, what, VARIABLE, "shelf")
    found = fetching.in_folder(file, VARIABLE)
    if found is None:
        hint = f"{VARIABLE}=FOLDER (or https://...) names one; a checkout has it in exports/shelf"
        raise FileNotFoundError(f"{what}: its weights are on the shelf, and {name} is not here; {hint}")
    return found
