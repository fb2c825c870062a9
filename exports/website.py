"""Put the web page together: `python exports/website.py [BUNDLE ...] [--out build/site]`.

The folder holds the page of `exports/clients/web`, three files of onnxruntime-web (from `npm install` in
`exports/clients/node`) and, of each bundle, its `bundle.json` and ONNX files. Any static file server can serve it, and
the page asks nobody else: `python -m http.server --directory build/site`.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).parent
PAGE = ("index.html", "app.js")
LIBRARY = HERE / "clients" / "node" / "node_modules" / "onnxruntime-web" / "dist"
ORT = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def build(out, bundles, library=LIBRARY):
    """Write the site, whole or not at all.

    Args:
        out: folder to write; one that this program wrote is replaced.
        bundles: folders of bundles.
        library: folder with the files of onnxruntime-web.

    Raises:
        ValueError: no bundles, two of one name, or a changed one.
        FileNotFoundError: onnxruntime-web is not installed.
        FileExistsError: `out` is a folder with something else in it.
    """
    import kerasgen
    from kerasgen import files
    from kerasgen.runtime import Bundle

    bundles = [Bundle(folder) for folder in bundles]  # which checks the hashes
    names = [pathlib.Path(bundle.directory).name for bundle in bundles]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"expected bundles of different names, got {', '.join(names) or 'none'}")
    for name in ORT:
        if not (library / name).is_file():
            raise FileNotFoundError(f"no {name}: run `npm install --ignore-scripts` in {HERE / 'clients' / 'node'}")
    with files.atomic_folder(out) as site:
        site = pathlib.Path(site)
        for name in PAGE:
            shutil.copy(HERE / "clients" / "web" / name, site)
        shutil.copy(pathlib.Path(kerasgen.__file__).parent / "demo" / "boxes.js", site)  # shared with the demo
        (site / "ort").mkdir()
        for name in ORT:
            shutil.copy(library / name, site / "ort")
        for name, bundle in zip(names, bundles, strict=True):
            for file in ["bundle.json", *(bundle.info["functions"][f]["onnx"] for f in bundle.serves)]:
                (site / "bundles" / name / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(pathlib.Path(bundle.directory, file), site / "bundles" / name / file)
        (site / "bundles" / "index.json").write_text(json.dumps(names) + "\n")


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description="Put the web page and bundles together.")
    parser.add_argument("bundles", nargs="*", type=pathlib.Path, help="folders; without any, exports/bundles/*")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/site"), help="folder to write")
    arguments = parser.parse_args(argv)
    bundles = arguments.bundles or sorted(path.parent for path in (HERE / "bundles").glob("*/bundle.json"))
    try:
        build(arguments.out, bundles)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in arguments.out.rglob("*") if path.is_file())
    print(f"{arguments.out}: {len(bundles)} models, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
