"""`export`, `verify`, `demo`: models outside TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerasgen.cli.console import Usage, console, fail, log, print_json, table, tensorflow, usage
from kerasgen.cli.models import is_bundle, open_source


def export(
    source: Annotated[str, typer.Argument(help="A preset, a run folder or a .keras file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The bundle's folder.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
):
    """Write a model as SavedModel and ONNX files, and prove that they agree with Keras."""
    if is_bundle(source):
        raise Usage(f"{source}: it is a bundle already")
    with usage():
        model, about = open_source(source)
    from kerasgen import data, exporting

    used = data.load(about["data"]["name"]) if about.get("data") else None
    try:
        report = exporting.export(
            model, out, preset=about.get("preset"), data=used, overwrite=overwrite, progress=log
        )
    except FileExistsError as error:
        raise Usage(str(error).replace("overwrite=True", "--overwrite")) from error
    console(stderr=True).print(_parity(report, "SavedModel", "ONNX"))
    print(out)
    log(f"{report['bytes'] / 1e6:.1f} MB, all runtimes agree with Keras; next: kerasgen demo {out}")


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
):
    """Prove a bundle again: every file's hash, and SavedModel against ONNX Runtime. Exit code 3 if it misses."""
    if not is_bundle(bundle):
        raise Usage(f"{bundle}: expected a bundle, a folder with bundle.json")
    tensorflow()
    from kerasgen import exporting

    try:
        report = exporting.verify(bundle)
    except ValueError as error:
        if json:
            print_json({"ok": False, "error": str(error)})
        raise typer.Exit(fail(error, 3)) from None
    if json:
        print_json({"ok": True, **report})
        return
    console().print(_parity(report, "ONNX"))
    log(f"{bundle} is as it was written, and its runtimes agree")


def demo(
    bundles: Annotated[
        list[Path] | None, typer.Argument(help="Folders; left out, all under runs and exports.")
    ] = None,
    port: Annotated[int, typer.Option(help="Where the page is.")] = 7860,
):
    """Open bundles in the browser. No TensorFlow."""
    found = bundles or sorted(
        path.parent for root in ("runs", "exports") for path in Path(root).rglob("bundle.json")
    )
    for bundle in found:
        if not is_bundle(bundle):
            raise Usage(f"{bundle}: expected a bundle, a folder with bundle.json")
    if not found:
        raise Usage(
            "no bundles under runs or exports; `kerasgen export PRESET --out exports/bundles/PRESET` makes one"
        )
    from kerasgen import panel

    log(f"http://127.0.0.1:{port} shows {len(found)} model{'s' * (len(found) > 1)}; Ctrl-C stops it")
    panel.launch([str(bundle) for bundle in found], port=port)


def _parity(report, *runtimes):
    """Largest difference from the reference per function and runtime."""
    keys = {"SavedModel": "saved_model", "ONNX": "onnx"}
    rows = table("function", *(f">{runtime}" for runtime in runtimes), ">flips")
    for function, entry in report["functions"].items():
        cells = ["not served" if entry[keys[r]] is None else f"{entry[keys[r]]:.1e}" for r in runtimes]
        rows.add_row(function, *cells, str(entry["flips"]))
    return rows
