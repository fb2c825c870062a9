"""TensorFlow operations that have no ONNX form, each written as operations that have one.

tf2onnx converts operation by operation. What it does not know it leaves in the graph, and some it converts wrongly:
integer division truncates, and `where(c, a, b)` becomes `c * a + (1 - c) * b`, which spreads the NaN or infinity of the
branch that was not chosen. Here each such operation is defined in TensorFlow itself, by operations that do convert.
`lower` is a tf2onnx rewriter: before the conversion it traces the definition for every such node, in the main graph and
in the bodies of loops and conditions, and puts the traced nodes in its place.

So a lowering is read, and tested, as the formula that it is. Definitions may use each other's operations.
"""

from kerasgen.exporting.lowering import integers, logarithms, matrices, searches, special  # noqa: F401  (they register)
from kerasgen.exporting.lowering.rewriter import lower

__all__ = ["lower"]
