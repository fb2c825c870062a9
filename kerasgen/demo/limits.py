"""What visitors may ask for: numbers within bounds, checked again here, since a request need not come from the page."""

from __future__ import annotations

import errno
import socket

from kerasgen import runtime

MOST_PICTURES, MOST_POINTS = 64, 1024  # examples in one request
MOST_OPEN = 100  # where a number ends that has no end, in bundles that say no span
OPEN = 4  # bundles in memory; the one used longest ago makes room
DIMENSIONS = 8  # sliders of a latent
SEEDS = 2**31 - 1
FAR = 10  # how far from the prior's mean a latent may lie
WALK = 12  # pictures from one point to another
MOST_SIDE = 2048  # pixels along a side of a picture that a visitor sends
MOST_SENT = 8 * 2**20  # bytes of its data address


class Stopped(Exception):
    """The visitor stopped what was computed."""


def refusal(line):
    import gradio as gr

    return gr.Error(line, print_exception=False)


def check_value(port, value):
    """One line for a value that is not what the port takes."""
    try:
        runtime.check(port, value)
    except ValueError as error:
        raise refusal(str(error)) from None


def check_port(host, port):
    """One line for an address that cannot be listened on, before anything is loaded."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = f"port {port} is in use" if taken else f"{host}:{port}: {error.strerror or error}"
        raise ValueError(f"{why}; --port, or port=, takes another") from None
    except OverflowError:
        raise ValueError(f"port: expected a whole number from 0 to 65535, got {port}") from None
