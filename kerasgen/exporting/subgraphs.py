"""The graphs inside an ONNX graph: bodies of loops and branches."""

from __future__ import annotations


def graphs_in(graph):
    """A graph and those inside its Loop, If and Scan nodes."""
    yield graph
    for body in (body for node in graph.node for body in bodies(node)):
        yield from graphs_in(body)


def bodies(node):
    """The graphs inside a node."""
    for attribute in node.attribute:
        yield from (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs)
