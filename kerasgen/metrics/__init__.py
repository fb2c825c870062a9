"""How good a trained system is, as numbers: each metric names what it needs, `evaluate` computes what it can.

    figures = evaluate(model, data)    # {"frechet_digits_features": ..., "recall_digits_features": ..., ...}

`METRICS` is the one table of them. Importing this package imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import warnings

from kerasgen.metrics import features, fidelity, likelihood, texture, two_dim
from kerasgen.metrics.evaluation import Evaluation, Floor
from kerasgen.metrics.table import METRICS, Metric

__all__ = [
    "METRICS", "Metric", "evaluate", "features", "fidelity", "likelihood", "remarks", "texture", "two_dim",
]  # fmt: skip

ALIKE = 0.05  # a share of the variance of real examples, below which samples count as all alike


def evaluate(model, data, *, count=1000, seed=0, functions=None, features=None, only=None):
    """Compute every metric that the model's functions and the data allow.

    Samples are compared with the test split at equal counts: they are cut into parts of as many as there are test
    examples, and a figure is the mean over the parts. What a sample needs to be told (a label, a caption, a layout)
    is that of train examples, so nothing of the test split is given away. Beside each figure of samples stands that
    of real data, under the same name and `_floor`: train examples in the place of samples, against the same test
    split. All figures are pure functions of the arguments.

    Args:
        model: a `GenerativeModel`, or a `kerasgen.runtime.Bundle`.
        data: `kerasgen.data.Data` of the model's shape; its test split is what counts.
        count: samples drawn at most; a multiple of the test examples is used where there are fewer of these.
            Likelihoods and reconstructions use the whole test split.
        seed: of samples, dequantisation noise and latents.
        functions: names of the functions to look at; None is all.
        features: what pictures are compared by; None is what the package has for the data (a classifier for digits,
            the values of vectors), "inception" the ImageNet network of `keras.applications`.
        only: names of figures; None is all.

    Returns:
        {name: number}, in the order of `METRICS`.

    Raises:
        ValueError: a count below 10, a function that the model does not serve, an unknown figure, no test examples
            or too few for any figure, samples of another shape than the data or not finite, other grey levels
            than the model's.

    Warns:
        UserWarning: too few test examples for some of the figures, which are left out.

    Example:
        >>> import kerasgen
        >>> data = kerasgen.data.load("digits")
        >>> model = kerasgen.build("dcgan", image_shape=data.image_shape, latent_dim=16, widths=(16, 8))
        >>> figures = evaluate(model, data, count=100)
        >>> figures["frechet_digits_features"] > figures["frechet_digits_features_floor"]
        True
    """
    if count < 10:
        raise ValueError(f"count: expected at least 10, got {count}")
    served = model.ports
    _known("functions", functions, served)
    _known("only", only, METRICS)
    about = Evaluation(model, data, count, seed, functions, features)
    floor = Floor(data, count, features)
    asked = {name: metric for name, metric in METRICS.items() if (only is None or name in only) and metric.fits(about)}
    few = {name: metric for name, metric in asked.items() if metric.least > data.count("test")}
    figures = {}
    for name, metric in asked.items():
        if name not in few:
            figures[name] = float(metric.compute(about))
            if metric.needs == ("sample",):
                figures[f"{name}_floor"] = float(metric.compute(floor))
    if few:
        line = _too_few(data, max(metric.least for metric in few.values()))
        if not figures:
            raise ValueError(line)
        warnings.warn(f"{line}; without {', '.join(few)}", stacklevel=2)
    return figures


def remarks(figures):
    """What should be said beside figures, lest they be misread: one line each, mostly none.

    Args:
        figures: the result of `evaluate`.

    Example:
        >>> remarks({"diversity": 0.001, "authenticity": 1.0})
        ['diversity 0.001: the samples are nearly all alike (real examples: 1); no other figure of them tells anything']
    """
    lines = []
    diversity = figures.get("diversity")
    if diversity is not None and diversity < ALIKE:
        what = "the samples are nearly all alike (real examples: 1); no other figure of them tells anything"
        lines.append(f"diversity {diversity:.2g}: {what}")
    lines += [
        f"{name} 0: no real example is near any sample; precision and density tell nothing"
        for name, value in figures.items()
        if name.startswith("recall") and not name.endswith("_floor") and value == 0
    ]
    authenticity, real = (figures.get(f"authenticity{end}") for end in ("", "_floor"))
    if authenticity is not None and real is not None and authenticity < real / 2:
        lines.append(
            f"authenticity {authenticity:.2g}: the samples copy the train examples (real examples: {real:.2g})"
        )
    return lines


def _known(argument, names, known):
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ValueError(f"{argument}: expected some of {', '.join(known)}, got {', '.join(unknown)}")


def _too_few(data, least):
    found = data.count("test")
    total = sum(data.count(split) for split in ("train", "validation", "test"))
    share = "a tenth of" if found == round(total / 10) else "of"
    return f"data: expected at least {least} test example{'s' * (least > 1)}, got {found} ({share} {total})"
