"""An option for every control of the vocabulary: `--steps`, `--temperature`, `--width`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from kerasgen.core.vocabulary import CONTROLS, WORDS

TYPES = {"int32": int, "float32": float}


def with_controls(command: Callable) -> Callable:
    """The same command, whose `**controls` are options: of each control the value, None if it is left out."""
    own = inspect.signature(command, eval_str=True)
    kept = [parameter for parameter in own.parameters.values() if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    named = {parameter.name for parameter in kept}  # of what is not a plain number
    options = [_option(name) for name in (*CONTROLS, "strength") if name not in named]
    command.__signature__ = own.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*kept, *options]}
    return command


def _option(name: str) -> inspect.Parameter:
    word = WORDS[name]
    help = f"{word.meaning[0].upper()}{word.meaning[1:]}."
    kind = Annotated[TYPES[word.dtype] | None, typer.Option(help=help)]  # type: ignore[valid-type,name-defined]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
