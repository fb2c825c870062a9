"""The command line. Results go to standard output, everything else to standard error.

Exit codes: 0 ok, 1 failed, 2 usage or unknown name, 3 verification missed, 130 interrupted. An error is one line;
`KERASGEN_DEBUG=1` shows its traceback. Heavy libraries are imported inside the commands that need them.
"""

from __future__ import annotations

import os

import typer
from typer import TyperException

import kerasgen
from kerasgen.cli import bundles, doctor, launching, listing, models
from kerasgen.cli.console import Usage, fail

app = typer.Typer(
    name="kerasgen",
    help="Deep generative models for Keras 3: train, sample, export, try.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(listing.list_)
for command in (
    listing.info, models.train, models.sample, models.evaluate,
    bundles.export, bundles.verify, bundles.demo, doctor.doctor,
):  # fmt: skip
    app.command()(command)
app.command(context_settings=launching.ANYTHING)(launching.launch)


@app.callback()
def options(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")
) -> None:
    if version:
        print(kerasgen.__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        return app(argv, prog_name="kerasgen", standalone_mode=False) or 0
    except TyperException as error:
        return fail(error.format_message(), error.exit_code)
    except Usage as error:
        return fail(error, 2)
    except Exception as error:
        if os.environ.get("KERASGEN_DEBUG"):
            raise
        return fail(f"{error or type(error).__name__}", 1)
