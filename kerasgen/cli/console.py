"""Where commands write, how they fail, and how TensorFlow is imported without its greetings."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasgen.core import registry


class Usage(Exception):
    """What was asked for cannot be: exit code 2."""


@contextlib.contextmanager
def usage() -> Iterator[None]:
    """In here, a ValueError, TypeError or file error is about what the user gave."""
    from kerasgen.hub import Damaged

    try:
        yield
    except Damaged:
        raise
    except (ValueError, TypeError, FileExistsError, FileNotFoundError) as error:
        if os.environ.get("KERASGEN_DEBUG"):
            raise
        raise Usage(str(error)) from error


def fail(message: object, code: int) -> int:
    """Say what is wrong in one line on standard error."""
    line = " ".join(str(message).split())
    console(stderr=True).print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)
    return code


def console(stderr: bool = False) -> Console:
    """Standard output or error; wide enough for tables where it is not a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else 160)


def log(text: object) -> None:
    """One line on standard error."""
    console(stderr=True).print(Text(str(text)), soft_wrap=True)


def print_json(value: Any) -> None:
    """A result for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def table(*columns: str) -> Table:
    """A plain table; a column named with a leading `>` is aligned to the right, and no names give no header."""
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(columns))
    for column in columns:
        drawn.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return drawn


def tensorflow(operate: bool = True) -> None:
    """Import TensorFlow, holding back what it prints on file descriptor 2 unless that fails.

    Args:
        operate: look for devices and do a first operation; several workers must not before they have met.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    registry.check_backend()
    if "tensorflow" in sys.modules or os.environ.get("KERASGEN_DEBUG"):
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow as tf

            if operate:
                tf.config.list_physical_devices()
                tf.zeros(())
            tf.get_logger().setLevel("ERROR")
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
