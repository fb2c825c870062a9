"""Build the bundles of presets: `python exports/build.py [PRESET ...] [--out exports/bundles]`.

Without names, all presets that ship with weights. A bundle that is there is replaced.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description="Export presets as bundles.")
    parser.add_argument("presets", nargs="*", help="names of presets; without any, all that ship with weights")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "bundles", help="folder of the bundles")
    arguments = parser.parse_args(argv)

    import kerasgen
    from kerasgen import hub

    names = arguments.presets
    if not names:
        names = [n for n in kerasgen.list_presets() if (hub.find_preset(n) / "model.safetensors").is_file()]
    failed = 0
    for name in names:
        try:
            folder = hub.find_preset(name)
            about = hub.read_preset(name)
            data = kerasgen.data.of(about)
            out = arguments.out / folder.name
            report = kerasgen.export(kerasgen.load(name), out, preset=folder.name, data=data, overwrite=True)
        except (ValueError, FileExistsError) as error:
            failed += 1
            print(f"error: {name}: {error}", file=sys.stderr)
            continue
        print(f"{out}: {report['bytes'] / 1e6:.1f} MB, {sum(report['seconds'].values()):.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
