"""What a system is published in; it stands as `PAPER` beside the class, and the catalogue is made from it."""

from __future__ import annotations

from typing import NamedTuple


class Paper(NamedTuple):
    """A publication, written out in plain values so that it can be read without importing the file.

    Attributes:
        title: as published.
        authors: initials and names, joined by "and", as BibTeX has them.
        year: of the first version.
        reference: "arXiv:..." or "doi:...".
        tags: further words that people look for.
    """

    title: str
    authors: str
    year: int
    reference: str
    tags: tuple[str, ...]
