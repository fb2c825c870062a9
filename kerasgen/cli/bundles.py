"""`export`, `verify`, `demo`: models outside TensorFlow."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from kerasgen import hub
from kerasgen.cli.console import Usage, console, fail, log, print_json, table, tensorflow, usage
from kerasgen.cli.models import is_bundle, open_source


def export(
    source: Annotated[str, typer.Argument(help="A preset, a run folder or a .keras file; for --layout, a bundle too.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    opset: Annotated[int | None, typer.Option(help="Version of ONNX's operators; 18, or newer.")] = None,
    variants: Annotated[
        str | None,
        typer.Option(help="Smaller files where they pay: some of float16,int8_dynamic,int8_static."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(metavar="triton|tfserving", help="Write a model repository of a server, not a bundle."),
    ] = None,
) -> None:
    """Write a model as SavedModel and ONNX files, and prove that they agree with Keras. Exit code 3 if they do not."""
    from kerasgen.exporting import serving

    if is_bundle(source) and not layout:
        raise Usage(f"{source}: it is a bundle already")
    for option, value in {"--opset": opset, "--variants": variants}.items():
        if is_bundle(source) and value:
            raise Usage(f"{option}: expected a model, got {source}, a bundle whose files are written")
    if layout and layout not in serving.LAYOUTS:
        raise Usage(f"--layout: expected {' or '.join(serving.LAYOUTS)}, got {layout!r}")
    try:
        if not layout:
            report = _export(source, out, overwrite, opset, variants)
        else:
            serving.refuse(out, overwrite)
            with tempfile.TemporaryDirectory() as folder:
                bundle = Path(source) if is_bundle(source) else Path(folder, "bundle")
                if not is_bundle(source):
                    _export(source, bundle, False, opset, variants)
                report = serving.write(bundle, out, layout, overwrite=overwrite)
    except FileExistsError as error:
        raise Usage(str(error).replace("overwrite=True", "--overwrite")) from error
    print(out)
    size = f"{report['bytes'] / 1e6:.1f} MB"
    if layout:
        log(f"{size}, {', '.join(report['models'])}; next: {out / 'README.md'} says how to serve them")
    else:
        log(f"{size}, all runtimes agree with Keras; next: kerasgen demo {shlex.quote(str(out))}")


def _export(source, out, overwrite, opset, variants):
    """Write a bundle and show what was measured."""
    with usage():
        model, about = open_source(source)
    from kerasgen.exporting import conversion, writer
    from kerasgen.exporting import variants as smaller
    from kerasgen.exporting.errors import ProofError

    opset = conversion.OPSET if opset is None else opset
    with usage():
        conversion.check_opset(opset)
        names = smaller.check_names(variants.split(",") if variants else ())
    used = _facts(model, about)
    try:
        report = writer.export(
            model, out, preset=about.get("preset"), data=used, overwrite=overwrite, progress=log,
            opset=opset, variants=names,
        )  # fmt: skip
    except ProofError as error:
        raise typer.Exit(fail(error, 3)) from None
    console(stderr=True).print(_parity(report, "SavedModel", "ONNX"))
    if names:
        console(stderr=True).print(_variants(report["variants"]))
    return report


def _facts(model, about):
    """What a bundle says of the data: what a run has kept of them, so that it is not needed; of a preset, the data."""
    from kerasgen import data
    from kerasgen.exporting.info import FACTS

    kept = about.get("about")
    given = {port.name for ports in model.ports.values() for port in ports.inputs}
    if not kept:
        return data.of(about)
    if "picture" in given and "sample" not in model.serves:  # the card's picture shows what becomes of theirs
        with contextlib.suppress(ValueError, OSError):
            return data.of(about)
    return {key: kept.get(key) for key in FACTS}


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    node: Annotated[Path | None, typer.Option(help="Folder of the Node client, if it is not this checkout's.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Prove a bundle again: its files' hashes, and every runtime that is here. Exit code 3 if it misses."""
    if not is_bundle(bundle):
        raise Usage(f"{bundle}: expected a bundle, a folder with bundle.json")
    if node and not (node / "sample.mjs").is_file():
        raise Usage(f"--node: expected the folder of the Node client, with sample.mjs, got {node}")
    tensorflow()
    from kerasgen.exporting import proof, runtimes

    among = runtimes.RUNTIMES | {"node": lambda opened: runtimes.node(opened, node)}
    wrong = None
    try:
        report = proof.verify(bundle, among)
    except ValueError as error:
        wrong, report = error, getattr(error, "report", {})
    if json:
        print_json({"ok": not wrong, **({"error": str(wrong)} if wrong else {}), **report})
    elif report:
        _show(report, runtimes.TITLES)
    if wrong:
        raise typer.Exit(fail(wrong, 3))
    if not json:
        log(f"{bundle} is as it was written, and its runtimes agree")


def _show(report, titles):
    """Largest difference from the SavedModel per function and runtime; what was not run is said below the table."""
    here = [name for name in titles if name not in report["absent"]]
    rows = table("function", *(f">{titles[name]}" for name in here), ">ties")
    for function, row in report["functions"].items():
        gaps = report["gaps"].get(function, {})
        cells = ["gap" if name in gaps else "MISS" if row[name] is None else f"{row[name]:.1e}" for name in here]
        rows.add_row(function, *cells, str(row["flips"]))
    console().print(rows)
    gaps = {}
    for function, reasons in report["gaps"].items():
        for name, reason in reasons.items():
            gaps.setdefault((titles[name], reason), []).append(function)
    for (title, reason), functions in gaps.items():
        log(f"gap in {title}, {', '.join(functions)}: {reason}")
    for name, reason in report["absent"].items():
        log(f"not run, {titles[name]}: {reason}")


def demo(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BUNDLE|PRESET]...",
            help="Bundles, or presets with weights, which are exported into exports/bundles first; left out, all "
            "bundles under runs and exports.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Where the page is.")] = 7860,
    host: Annotated[
        str,
        typer.Option(
            envvar="GRADIO_SERVER_NAME",
            help="The address to listen on; 0.0.0.0 is every network of this machine, as a container needs.",
        ),
    ] = "127.0.0.1",
) -> None:
    """Serve a page on which models can be tried, and say its address. Bundles are run without TensorFlow."""
    found = [path.parent for root in ("runs", "exports") for path in sorted(Path(root).rglob("bundle.json"))]
    if not sources and not found:
        raise Usage("no bundles under runs or exports; `kerasgen demo vae_digits` makes one, and opens it")
    bundles = [_bundle(source) for source in sources] if sources else found
    from kerasgen.demo import app

    count = f"{len(bundles)} model{'s' * (len(bundles) > 1)}"
    with usage():
        app.launch(
            [str(bundle) for bundle in bundles], port, server_name=host,
            announce=lambda address: log(f"{address} shows {count}; Ctrl-C stops it"),
        )  # fmt: skip


def _bundle(source) -> Path:
    """The bundle that a source is, or the one that was or now is exported from the preset of that name."""
    if is_bundle(source):
        return Path(source)
    with usage():
        folder, preset = hub.find_preset(source), hub.read_preset(source)
        if folder.parent != hub.SHIPPED:
            raise Usage(f"{source}: expected a bundle; `kerasgen export {source} --out {source}/bundle` makes one")
        if not preset.weights:
            raise Usage(f"{folder.name}: a recipe without weights; train it, and export the run")
        out = Path("exports", "bundles", folder.name)
        if not is_bundle(out):
            log(f"{folder.name}: exported once, into {out}")
            _export(folder.name, out, False, None, None)
    return out


def _parity(report, *runtimes):
    """Largest difference from the reference per function and runtime."""
    keys = {"SavedModel": "saved_model", "ONNX": "onnx"}
    rows = table("function", *(f">{runtime}" for runtime in runtimes), ">flips")
    for function, entry in report["functions"].items():
        cells = ["not served" if entry[keys[r]] is None else f"{entry[keys[r]]:.1e}" for r in runtimes]
        rows.add_row(function, *cells, str(entry["flips"]))
    return rows


def _variants(report):
    """What each smaller file gives up and saves, or why it was not written."""
    rows = table("function", "variant", ">kB", ">max", ">mean", ">ms, 64 rows", "")
    for function, variants in report.items():
        for name, one in variants.items():
            if isinstance(one, str):
                rows.add_row(function, name, "", "", "", "", f"not written: {one}")
                continue
            fidelity = [f"{one['fidelity'][key]:.1e}" for key in ("max", "mean")]
            rows.add_row(
                function,
                name,
                f"{one['bytes'] / 1000:.0f}",
                *fidelity,
                f"{one['milliseconds']['64']:.3g}",
                "",
            )
    return rows
