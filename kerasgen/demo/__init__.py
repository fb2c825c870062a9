"""A Gradio app over exported bundles; `app.launch` serves it."""

import os

# Read when Gradio and ONNX Runtime are imported: nothing leaves the machine.
for _switch in ("GRADIO_ANALYTICS_ENABLED=False", "HF_HUB_OFFLINE=1", "ORT_DISABLE_TELEMETRY=1"):
    os.environ.setdefault(*_switch.split("="))
