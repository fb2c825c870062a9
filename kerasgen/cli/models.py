"""`train`, `sample`, `evaluate`: what is done with a model."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasgen import hub
from kerasgen.cli.console import Usage, console, log, print_json, table, tensorflow, usage
from kerasgen.cli.controls import with_controls
from kerasgen.runtime import Served

Source = Annotated[str, typer.Argument(help="A preset, a run folder, a bundle or a .keras file.")]
Seed = Annotated[int, typer.Option(help="Which draw.")]
MOST = 50_000_000  # pixels of a picture that is read


def train(
    preset: Annotated[str, typer.Argument(help="A preset, or a system that is fitted to --data; see `kerasgen list`.")],
    data: Annotated[
        str | None, typer.Option(help="Your folder of pictures, sounds or texts, a file of them, or data by name.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="Of the pictures, which are cut and resized: 64, or 48x64.")] = None,
    minutes: Annotated[float | None, typer.Option(help="How long a system is trained; 90.")] = None,
    steps: Annotated[int | None, typer.Option(help="How long, in the place of minutes.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bf16 or fp16, with float32 weights.")] = None,
    augment: Annotated[
        str | None, typer.Option(help="Changes of the training pictures: flip,color,translation,cutout.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="In the place of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="In the place of the recipe's.")] = None,
    set: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Change a key of the preset.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; a run there is replaced, or gone on with.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the run in --out, or with the newest unfinished one under runs/PRESET, by its own "
            "config.json; more --epochs extend it. Where there is none, a new run begins.",
        ),
    ] = False,
    strategy: Annotated[
        str | None,
        typer.Option(help="mirrored: all GPUs here; multiworker: TF_CONFIG or Slurm; see `launch`."),
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same bits on the same machine and versions.")
    ] = False,
) -> None:
    """Train a preset, or a system on your data, into a run folder. Ctrl-C stops and saves, for --resume to go on."""
    from kerasgen.cli import interrupts
    from kerasgen.runs import own, training

    with usage():
        changes = training.parse(set or []) | ({"recipe.precision": precision} if precision else {})
        words = tuple(augment.split(",")) if augment else ()
        wish = own.Wish(own.parse_size(size) if size else None, minutes, steps, words)
        fitting, source, changes = own.ask(preset, data, wish, changes)
        start = training.begin(
            source, epochs=epochs, seed=seed, out=out, overrides=changes, resume=resume, strategy=strategy
        )
        plan, folder = start.plan, start.folder
        fitting = fitting and start.record is None
        length = plan["recipe"].get("epochs") or "all"  # of all stages
        if start.finished:
            log(f"finished with {length} epochs; more --epochs extend it")
            print(folder)
            return
        if resume:
            log(f"going on with {folder}" if start.record else "no unfinished run; a new one begins")
        lasting = "" if fitting else f", {length} epochs"
        log(f"{plan['preset']}: {plan['system']} on {plan['data']['name']}{lasting}; loading TensorFlow")
        tensorflow(operate=strategy is None)
        start, given = training.fitted(start, wish, log) if fitting else (start, None)
        prepared = training.prepare(start.plan, strategy, deterministic, log, given)
    try:
        with interrupts.heard():
            training.run(start, *prepared)
    except training.Undone as error:
        raise Usage(str(error)) from error
    except (KeyboardInterrupt, SystemExit) as end:  # Ctrl-C, and other signals
        learned, undone = isinstance(end, training.Interrupted), getattr(end, "undone", False)
        state = "what was learned so far is saved" if learned else "the last checkpoint is kept"
        log(f"interrupted; {f'nothing was saved, and {folder} is as it was' if undone else state}")
        if not undone:
            print(folder)
        command = shlex.join(["kerasgen", "train", preset, "--out", str(folder), *["--resume"] * (not undone)])
        log(f"next: {command}")
        raise typer.Exit(getattr(end, "code", 130)) from None
    print(folder)
    pictures = folder / "samples.png"
    seen = f"pictures: {pictures}; " if pictures.exists() else ""
    log(f"{seen}next: kerasgen export {shlex.quote(str(folder))} --out {shlex.quote(str(folder / 'bundle'))}")


@with_controls
def sample(
    source: Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.png, .gif, .npy, .txt (texts) or .wav (sounds).")],
    count: Annotated[int | None, typer.Option("-n", "--count", help="How many; 16, or one per label or code.")] = None,
    seed: Seed = 0,
    label: Annotated[str | None, typer.Option(help="Class, or classes in turn: 3, 0,1,2 or cat,dog.")] = None,
    code: Annotated[str | None, typer.Option(help="Code, or codes in turn, of models with one: 3 or 0,1,2.")] = None,
    text: Annotated[
        str | None, typer.Option(help="What the samples are about, of models of described pictures.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Boxes as JSON, [\\[class, left, top, width, height], ...], a class by number or name."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="FILE that is to be changed, by models that translate or enlarge pictures.")
    ] = None,
    **controls: Any,
) -> None:
    """Draw samples, or what becomes of a picture, into a file. A bundle is run without TensorFlow."""
    from kerasgen import pictures

    if out.suffix.lower() not in pictures.FORMATS:
        raise Usage(f"{out}: expected a name that ends in {', '.join(pictures.FORMATS)}")
    controls = {name: value for name, value in {"text": text, **controls}.items() if value is not None}
    with usage():
        alone = 16 if picture is None else 1  # how many, where nothing says so
        for name, given in {"label": label, "code": code}.items():
            if given is not None:
                chosen = [int(part) if part.lstrip("-").isdecimal() else part for part in given.split(",")]
                if name == "code" and not all(isinstance(part, int) for part in chosen):
                    raise Usage(f"code: expected whole numbers such as 3 or 0,1,2, got {given!r}")
                count = count or (alone if len(chosen) == 1 else len(chosen))
                turns = [chosen[i % len(chosen)] for i in range(count)]
                controls[name] = turns if name == "label" else [[turn] for turn in turns]
        count = alone if count is None else count
        if layout is not None:
            controls["layout"] = _rows(layout)
        model, said = open_source(source)
        if not model.class_names and any(isinstance(name, str) for name in controls.get("label", ())):
            model.class_names = _names_of_data(said)
        if picture is None:
            x = model.sample(count, seed=seed, **controls)
        else:
            x = _changed(model, picture, count, controls | {"seed": seed})
    with usage():
        print(pictures.save(out, x, model.kind, model.sample_rate))


def _changed(model, path, count, controls):
    """What becomes of a picture; several times where it is drawn each time anew."""
    import numpy as np

    from kerasgen.data import asking, folder

    function = next((name for name in asking.CHANGES if name in model.serves), None)
    if function is None:
        raise Usage(f"--picture: expected a model that changes pictures, got one that serves {', '.join(model.serves)}")
    inputs = {port.name: port for port in model.ports[function].inputs}
    whole = folder.header(path, MOST)
    shape = [
        own if isinstance(side, str) else side for side, own in zip(inputs["picture"].shape[1:], whole, strict=True)
    ]
    x = np.float32(folder.decode(path, shape, MOST)) / 255
    asked = {name: value for name, value in controls.items() if name in inputs or name != "seed"}
    return getattr(model, function)(picture=np.repeat(x[None], count, 0), **asked)


def evaluate(
    source: Source,
    count: Annotated[int, typer.Option("-n", "--count", help="Samples to draw at most.")] = 1000,
    seed: Seed = 0,
    features: Annotated[
        str | None, typer.Option(help="What pictures are compared by: inception (downloads 88 MB).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compute the metrics that the model's functions and its data allow."""
    import warnings

    from kerasgen import data as data_sets
    from kerasgen import metrics

    with usage():
        model, about = open_source(source)
        if not about.get("data"):
            raise Usage(f"{source}: it does not say which data it was trained on")
        data = data_sets.of(about)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            figures = metrics.evaluate(model, data, count=count, seed=seed, features=features)
    said = [str(warning.message) for warning in caught if str(warning.message).startswith("data: ")]
    compared = any(name.startswith("frechet") for name in figures)
    if data.kind == "picture" and "diversity" in figures and not compared:
        said.append(f"{source}: no features for pictures of {data.name}; --features inception compares them")
    for line in [*said, *metrics.remarks(figures)]:
        log(f"note: {line}")
    if json:
        print_json(figures)
        return
    rows = table("metric", ">value", ">real data", "better", "meaning")
    for name, metric in metrics.METRICS.items():
        if name in figures:
            floor = figures.get(f"{name}_floor")
            values = (f"{figures[name]:.4g}", "" if floor is None else f"{floor:.4g}")
            rows.add_row(name, *values, metric.better, metric.meaning)
    console().print(rows)


def open_source(source: str | Path) -> tuple[Served, Mapping]:
    """(model or bundle, what it says about itself) of a preset, run folder, bundle or `.keras` file."""
    if is_bundle(source):
        from kerasgen.runtime import Bundle

        bundle = Bundle(source)
        return bundle, bundle.info
    keras_file = str(source).endswith(".keras")
    preset = None if keras_file else hub.read_preset(source)  # fails fast
    tensorflow()
    return hub.load(preset or source), preset or {}


def is_bundle(source: str | Path) -> bool:
    return (Path(source) / "bundle.json").is_file()


def _rows(text):
    from json import loads

    try:
        return loads(text)
    except ValueError:
        raise Usage(f"--layout: expected rows of numbers like [[3, 0, 0, 0.5, 0.5]], got {text!r}") from None


def _names_of_data(about):
    """What the data of a preset call their classes."""
    from kerasgen import data

    return data.of(about).class_names if about.get("data") else ()
