"""What goes wrong when a bundle is written or proved, each told in one line."""

from __future__ import annotations


class ExportError(ValueError):
    """A function could not be written, or a runtime disagrees: one line naming function, runtime and difference."""


class ProofError(ExportError):
    """A runtime disagrees with the reference, or does not run; `report` is what was measured, where all was."""

    report: dict | None = None


def one_line(error):
    """An error as one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
