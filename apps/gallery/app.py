"""The gallery: every bundle in `bundles/`, in one app. TensorFlow is not needed."""

import os
import pathlib

from kerasgen.demo import app

BUNDLES = pathlib.Path(__file__).parent / "bundles"


def main():
    """Serve the gallery: where the host says, or else to this machine alone."""
    app.launch(
        sorted(str(path.parent) for path in BUNDLES.glob("*/bundle.json")),
        int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        server_name=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        announce=print,
    )


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        raise SystemExit(str(error)) from None
