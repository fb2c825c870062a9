"""The gate: what an ONNX file of a bundle may contain, so that every runtime can load it."""

from __future__ import annotations

import onnx

from kerasgen.exporting.errors import ExportError, one_line
from kerasgen.exporting.subgraphs import graphs_in

MAX_NODES, MAX_BYTES = 100_000, 2**31 - 1


def gate(proto, function, ports, opset=18, weights=()):
    """Refuse an ONNX model that not every runtime could load, or that asks for more than its ports.

    The converter does not raise where an operator has no ONNX form: it writes a model that no runtime loads.

    Args:
        proto: `onnx.ModelProto`.
        function: its name, for the error line.
        ports: (inputs, output).
        opset: version of the standard operators that it uses.
        weights: names of inputs that stand for constants.

    Raises:
        ExportError: see above.
    """
    inputs, output = ports
    got, want = [i.name for i in proto.graph.input if i.name not in weights], [port.name for port in inputs]
    if got != want:
        extra = [name for name in got if name not in want]
        hint = "; make constants inside the function" if extra else ""
        raise ExportError(f"{function}: expected the ONNX inputs {', '.join(want)}, got {', '.join(got)}{hint}")
    if [o.name for o in proto.graph.output] != [output.name]:
        raise ExportError(
            f"{function}: expected the ONNX output {output.name}, got {[o.name for o in proto.graph.output]}"
        )
    count, foreign = 0, set()
    for graph in graphs_in(proto.graph):
        count += len(graph.node)
        for node in graph.node:
            if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, opset, ""):
                foreign.add(f"{node.domain}.{node.op_type}".lstrip("."))
        for tensor in (*graph.initializer, *(a.t for node in graph.node for a in node.attribute)):
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise ExportError(f"{function}: expected one ONNX file, got a tensor stored outside it")
    if foreign or len(proto.functions):
        names = ", ".join(sorted(foreign)) or "local functions"
        raise ExportError(f"{function}: expected standard ONNX operators, got {names}")
    if count > MAX_NODES:
        raise ExportError(f"{function}: expected at most {MAX_NODES} ONNX nodes, got {count}; a loop was unrolled")
    if proto.ByteSize() > MAX_BYTES:
        raise ExportError(f"{function}: expected an ONNX file below 2 GiB, got {proto.ByteSize()} bytes")
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{function}: not a valid ONNX model: {one_line(error)}") from error
