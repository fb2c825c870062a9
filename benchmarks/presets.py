"""Train the shipped presets by their own recipes, measure them, and keep weights and figures beside the recipe.

    python benchmarks/presets.py train vae_digits pixel_cnn_digits      # writes kerasgen/presets/<name>/
    python benchmarks/presets.py keep runs/vae_digits/20260101-120000   # the same from a run that is there
    python benchmarks/presets.py keep kerasgen/presets/vae_digits       # measure shipped weights again
    python benchmarks/presets.py time vae_digits                        # how long its recipe takes on this machine
    python benchmarks/presets.py steps vae_digits                       # state the steps that its recipe is written for
    python benchmarks/presets.py table                                  # docs/results.md from what is recorded
    python benchmarks/presets.py seal vae_digits                        # its manifest anew, after an edit by hand

    python benchmarks/presets.py --shelf keep runs/dcgan_mnist          # its weights go onto the shelf, exports/shelf/

`train` is how every `model.safetensors` of the package was made; the command, the seconds and the machine are recorded
with the figures. Weights are kept in half precision, and the figures are those of the weights that are kept.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import tempfile

import kerasgen
from kerasgen import files, hub
from kerasgen.hub import shelf
from kerasgen.runs import recipes, training

HOME = pathlib.Path(kerasgen.__file__).parent / "presets"
TABLE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "results.md"


def train(name: str, runs: pathlib.Path) -> pathlib.Path:
    """Train one preset by its recipe; returns the run folder."""
    return training.train(name, out=runs / name)


def keep(run: pathlib.Path, seconds: float | None = None, shelved: bool = False):
    """Evaluate a finished run on the test split and write its preset folder anew: recipe, weights, figures.

    Args:
        run: a run folder, or that of a preset.
        seconds: of training, if they were measured again.
        shelved: put the weights onto the shelf; those that lie there stay there.
    """
    import machine

    trained = hub.read_preset(run)
    name = trained["preset"]
    with tempfile.TemporaryDirectory() as scratch:
        model = kerasgen.load(hub.save_preset(kerasgen.load(run), pathlib.Path(scratch) / name, half=True))
    data = kerasgen.data.of(trained)
    model.class_names = data.class_names  # for the card
    figures = kerasgen.metrics.evaluate(model, data)
    results = {key: float(f"{value:.5g}") for key, value in figures.items()}
    results |= {"seconds": seconds or trained["results"]["seconds"], "machine": machine.describe()}
    results["command"] = f"kerasgen train {name}"
    about = {key: trained[key] for key in ("description", "data", "recipe")}
    shipped = HOME / name / hub.PRESET
    target = hub.read_preset(name).get("target") if shipped.is_file() else None
    about |= {"target": target} if target else {}
    place = shelf.CHECKOUT / f"{name}.safetensors"
    shelved = shelved or place.exists()
    about |= {"about": data.about} if shelved else {}  # what a bundle says of data that may not be here
    options = dict(overwrite=True, half=True)
    folder = hub.save_preset(model, HOME / name, preset=name, results=results, **options, **about)
    (folder / files.MARK).unlink()  # it says that a program may replace the folder; these are ours to keep
    if shelved:
        place.parent.mkdir(exist_ok=True)
        shutil.move(folder / hub.WEIGHTS, place)
    print(name, results, flush=True)


def steps(name: str):
    """State beside every optimiser with a schedule or an average the steps that it has in the recipe's own run."""
    preset = hub.read_preset(name).content()
    optimizers = (preset.get("recipe") or {}).get("optimizers") or {}
    counted = {key: entry for key, entry in optimizers.items() if recipes.counts(entry)}
    about = preset.get("data") or {}
    if counted and about.get("name"):
        options = {key: about.get(key) for key in ("batch_size", "image_shape") if about.get(key)}
        model = kerasgen.build(preset["system"], **preset["arguments"])
        run = recipes.length(preset["recipe"], kerasgen.data.load(about["name"], **options), model)
        for key, entry in counted.items():
            entry["steps"] = run.steps["" if key == "optimizer" else key.removesuffix("_optimizer")]
    files.atomic_write(HOME / name / hub.PRESET, hub.dumps(preset).encode())
    seal(name)


def seal(name: str):
    """Bring a preset's manifest and card up to date with its `preset.json`, after an edit."""
    content, path = (HOME / name / hub.PRESET).read_bytes(), HOME / name / hub.MANIFEST
    if path.is_file():  # there are weights
        manifest = json.loads(path.read_text("utf-8"))
        manifest["files"][hub.PRESET] = hub.manifest.entry(content)
        files.atomic_write(path, hub.dumps(manifest).encode())
        preset = hub.read_preset(name)
        text = hub.card.card(preset, kerasgen.data.of(preset).class_names)
        files.atomic_write(HOME / name / hub.CARD, text.encode())


def time(name: str, runs: pathlib.Path):
    """Train by the recipe for its seconds alone: shipped weights stay, and their figures are measured again."""
    keep(HOME / name, hub.read_preset(train(name, runs))["results"]["seconds"])


def table():
    """Write the recorded figures of every preset as one table."""
    lines = [
        "# Results of the shipped presets",
        "",
        "Written by `python benchmarks/presets.py table` from what `train` recorded; figures are on the test split.",
        "",
        "Samples are compared at equal counts, and told what is said of train examples; in brackets real data.",
        "A row of digits without authenticity is older: 1,000 samples, told what is said of the 360 test examples.",
        "Only figures of the same data can be compared: likelihoods of two, 17 and 256 levels are not on one scale.",
        "",
        "| data | preset | parameters | seconds | figures |",
        "| --- | --- | --- | --- | --- |",
    ]
    shown = (
        "nats", "bits_per_dim", "bound_nats", "importance_nats", "annealed_nats", "conditional_accuracy",
        "description_agreement", "class_share_min",
        "frechet_digits_features", "precision_digits_features", "recall_digits_features",
        "kernel_distance_digits_features", "authenticity", "confidence", "modes_covered",
        "recall_raw_values", "high_quality_share", "reconstruction_mse", "reconstruction_agreement",
        "coherence", "completeness", "novelty", "translation_agreement", "translation_mse",
        "classification_accuracy", "colorized_psnr", "colorized_area", "colorized_balanced_area",
    )  # fmt: skip
    measured = {name: about for name in hub.list_presets() if (about := hub.read_preset(name)).get("results")}
    for name, preset in sorted(measured.items(), key=lambda item: (item[1]["data"]["name"], item[0])):
        results = preset["results"]
        figures = "; ".join(
            f"{key.replace('_digits_features', '')} {results[key]:.4g}"
            + (f" (real {results[floor]:.4g})" if (floor := f"{key}_floor") in results else "")
            for key in shown
            if key in results
        )
        total = sum(preset.get("parameters", {}).values())
        lines.append(f"| {preset['data']['name']} | {name} | {total:,} | {results['seconds']} | {figures} |")
    machines = sorted({about["results"].get("machine", "") for about in measured.values()} - {""})
    TABLE.write_text("\n".join([*lines, "", *machines, ""]), "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("train", "keep", "time", "steps", "table", "seal"))
    parser.add_argument(
        "names", nargs="*", help="presets to train, time, seal or state the steps of, or run folders to keep"
    )
    parser.add_argument("--shelf", action="store_true", help="put the weights onto the shelf")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.names:
            if options.action == "steps":
                steps(name)
            elif options.action == "time":
                time(name, pathlib.Path(scratch))
            elif options.action == "seal":
                seal(name)
            else:
                run = train(name, pathlib.Path(scratch)) if options.action == "train" else pathlib.Path(name)
                keep(run, shelved=options.shelf)
    if options.action not in ("steps", "seal"):
        table()


if __name__ == "__main__":
    main()
