"""The definitions, by the type of the operation that they stand for."""

from __future__ import annotations

LOWERINGS: dict = {}  # type of the operation -> (definition, types of its last input for which it is used, or None)


def lowering(*operations, types=None):
    """Register a definition: a function of the operation's inputs and, by keyword, of its attributes.

    A definition that does not cover these inputs returns None, and the node is left to tf2onnx.
    """

    def register(definition):
        LOWERINGS.update({operation: (definition, types) for operation in operations})
        return definition

    return register
