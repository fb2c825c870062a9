"""Run an exported bundle with NumPy and ONNX Runtime alone.

This folder imports nothing else of kerasgen, so that it can be copied beside an app, as `runtime/` or as
`kerasgen/runtime/`, and run where TensorFlow is not installed.
"""

from .bundle import Bundle
from .description import FORMAT, VERSION
from .onnx_file import check_graph
from .ports import BATCH, SIZES, Port, Ports, Served, bind, check, from_text, numbered, port_of, to_text

__all__ = [
    "BATCH", "FORMAT", "SIZES", "VERSION", "Bundle", "Port", "Ports", "Served", "bind", "check", "check_graph",
    "from_text", "numbered", "port_of", "to_text",
]  # fmt: skip
