"""Write the table of differences between runtimes: `python exports/parity.py [BUNDLE ...] [--out exports/PARITY.md]`.

Every function of every bundle runs on the inputs of `kerasgen.exporting.cases` in SavedModel (here the reference) and
in each runtime that is here: those that `kerasgen verify` knows, the web page in Chromium, and the client in C. What
the export measured against Keras stands beside it. Exit code 3 if a runtime disagrees.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
PAGE = """# Parity

Written by `make parity`. Each figure is the largest |a - b| / max(1, |a|) over all inputs and elements; {tolerance:g}
is the limit. *Ties* counts samples in which a choice between two levels fell otherwise; each was proved to be a tie.
The first two columns compare with Keras and were recorded at export; the others compare with the SavedModel here. A
*gap* is a function that a runtime cannot run; the reasons are below the table.

| {header} |
|{dashes}|
{rows}
{notes}
Versions: {versions}.
"""


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description="Compare the runtimes of bundles.")
    parser.add_argument("bundles", nargs="*", type=pathlib.Path, help="folders; without any, exports/bundles/*")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "PARITY.md")
    arguments = parser.parse_args(argv)

    from kerasgen import files
    from kerasgen.exporting import proof
    from kerasgen.exporting.agreement import TOLERANCE
    from kerasgen.exporting.runtimes import RUNTIMES, TITLES, Absent

    folders = arguments.bundles or sorted(path.parent for path in (HERE / "bundles").glob("*/bundle.json"))
    titles = TITLES | {"chromium": "Chromium (WASM)", "c": "C"}
    rows, notes, misses, absent = [], {}, [], {}
    with contextlib.ExitStack() as stack:
        runtimes = dict(RUNTIMES)
        for name, runtime in {"chromium": lambda: chromium(folders, stack), "c": lambda: c(stack)}.items():
            try:
                runtimes[name] = runtime()
            except Absent as error:
                absent[name] = str(error)
        for folder in folders:
            report = proof.measure(folder, runtimes, progress=lambda line: print(f"  {line}", file=sys.stderr))
            info = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
            absent |= report["absent"]
            misses += [f"{folder.name}: {line}" for line in report["misses"]]
            for function, row in report["functions"].items():
                recorded, gaps = info["functions"][function]["parity"], report["gaps"].get(function, {})
                cells = [_cell(recorded["saved_model"]), _cell(recorded["onnx"])]
                for name, title in titles.items():
                    if name in gaps:
                        number = notes.setdefault(f"{title}: {gaps[name]}", len(notes) + 1)
                        cells.append(f"gap {number}")
                    elif name in absent:
                        cells.append("not run")
                    else:
                        cells.append("**miss**" if row[name] is None else _cell(row[name]))
                cells = [report["system"], f"`{function}`", *cells, str(row["flips"])]
                rows.append(f"| {' | '.join(cells)} |")
            print(f"{folder}: {report['seconds']} s", file=sys.stderr)
    names = ["system", "function", "Keras, SavedModel", "Keras, ONNX Runtime", *titles.values(), "ties"]
    lines = [f"- Gap {number}. {reason}" for reason, number in notes.items()]
    lines += [f"- Not run: {titles[name]}: {reason}" for name, reason in absent.items()]
    lines += [f"- **Miss**: {line}" for line in misses]
    page = PAGE.format(
        tolerance=TOLERANCE,
        header=" | ".join(names),
        dashes="|".join([" --- "] * len(names)),
        rows="\n".join(rows),
        notes="\n" + "\n".join(lines) + "\n" if lines else "",
        versions=", ".join(_versions()),
    )
    files.atomic_write(arguments.out, page.encode())
    for line in misses:
        print(f"error: {line}", file=sys.stderr)
    return 3 if misses else 0


def chromium(folders, stack):
    """The web page in a headless browser: one server and one page for all bundles, closed with the stack.

    Raises: `kerasgen.exporting.runtimes.Absent`, saying what is missing.
    """
    sys.path.insert(0, str(HERE))
    import website

    from kerasgen.exporting.runtimes import Absent, Gap

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not program:
        raise Absent("no Chromium on the path: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise Absent("no playwright: pip install playwright") from None
    site = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "site"
    try:
        website.build(site, folders)
    except FileNotFoundError as error:
        raise Absent(str(error)) from None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=program, args=FLAGS.split())
    stack.callback(browser.close)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/")

    def runtime(bundle):
        if bundle.directory not in map(os.path.abspath, folders):  # a copy whose loops end early
            raise Gap("the page opens whole bundles, whose loops would take too long here")
        name = pathlib.Path(bundle.directory).name
        page.evaluate("name => import('./app.js').then(async ({ open }) => { self.opened = await open(name) })", name)

        def run(function, inputs):
            given = {n: {"dims": value.shape, "data": value.ravel().tolist()} for n, value in inputs.items()}
            script = "([name, given]) => opened.run(name, given).then(({ dims, data }) => [dims, Array.from(data)])"
            dims, data = page.evaluate(script, [function, given])
            return np.asarray(data, bundle.ports[function].output.dtype).reshape(dims)

        return run

    return runtime


def c(stack):
    """The client in C; it draws samples and nothing else. Raises: as `c_program`."""
    from kerasgen.exporting.runtimes import Gap

    program = c_program(stack)
    folder = program.parent

    def runtime(bundle):
        def run(function, inputs):
            if function != "sample":
                raise Gap("this client draws samples and nothing else")
            dtypes = {port.name: port.dtype for port in bundle.ports[function].inputs}
            out, ports = folder / "x.npy", []
            for name in inputs.keys() - {"seed", "count"}:
                np.save(folder / f"{name}.npy", np.asarray(inputs[name], dtypes.get(name)))
                ports.append(f"{name}=@{folder / name}.npy")
            command = [program, bundle.directory, str(inputs["seed"]), str(inputs["count"]), out, *ports]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr.strip())
            return np.load(out)

        return run

    return runtime


def c_program(stack):
    """The client in C, compiled for the occasion: the path of the program, in a folder that is closed with the stack.

    The header is looked for in `$ORT_INCLUDE`, `$ORT/include` and where systems put it; the library is `$ORT_LIBRARY`,
    else the one inside pip's onnxruntime.

    Raises: `kerasgen.exporting.runtimes.Absent`, saying what is missing.
    """
    from kerasgen.exporting.runtimes import Absent

    given = [os.environ.get("ORT_INCLUDE", ""), os.path.join(os.environ.get("ORT", ""), "include")]
    system = [f"{root}/include{end}" for root in ("/usr", "/usr/local") for end in ("", "/onnxruntime")]
    include = next((p for p in given + system if os.path.isfile(f"{p}/onnxruntime_c_api.h")), None)
    if not include:
        raise Absent("no onnxruntime_c_api.h: unpack a release of ONNX Runtime and set ORT to its folder")
    if not (shutil.which("make") and shutil.which("cc")):
        raise Absent("no C compiler on the path: apt-get install gcc make")
    folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
    library = os.environ.get("ORT_LIBRARY")
    if not library:
        capi = importlib.metadata.distribution("onnxruntime").locate_file("onnxruntime/capi")
        found = next(pathlib.Path(capi).glob("libonnxruntime.so.*"), None)
        if not found:
            raise Absent("no libonnxruntime.so: set ORT_LIBRARY to it")
        library = folder / "libonnxruntime.so.1"  # the name that programs ask for
        library.symlink_to(found)
    command = ["make", "-C", HERE / "clients" / "c", f"ORT_INCLUDE={include}", f"ORT_LIBRARY={library}"]
    done = subprocess.run([*command, f"OUT={folder / 'sample'}"], capture_output=True, text=True)
    if done.returncode:
        raise Absent(f"the client in C does not compile: {done.stderr.strip().splitlines()[-1]}")
    return folder / "sample"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def _versions():
    for name in ("tensorflow", "onnxruntime", "openvino", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield f"{name} {importlib.metadata.version(name)}"
    package = HERE / "clients" / "node" / "node_modules" / "onnxruntime-web" / "package.json"
    if package.is_file():
        yield f"onnxruntime-web {json.loads(package.read_text())['version']}"


def _cell(value):
    return "no ONNX form" if value is None else f"{value:.1e}" if value else "0"


if __name__ == "__main__":
    sys.exit(main())
