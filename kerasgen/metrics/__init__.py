"""How good a trained system is, as numbers: each metric names what it needs, `evaluate` computes what it can.

    figures = evaluate(model, data)    # {"frechet_digits_features": ..., "recall_digits_features": ..., ...}

`METRICS` is the one table of them. Importing this package imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from kerasgen.metrics import features, fidelity, likelihood, texture, two_dim
from kerasgen.metrics.evaluation import Evaluation, Floor
from kerasgen.metrics.table import METRICS, Metric

__all__ = ["METRICS", "Metric", "evaluate", "features", "fidelity", "likelihood", "texture", "two_dim"]


def evaluate(model, data, *, count=1000, seed=0, functions=None):
    """Compute every metric that the model's functions and the data allow.

    Beside each figure of samples stands that of real data, under the same name and `_floor`: train examples
    in the place of samples, against the same test split. All figures are pure functions of the arguments.

    Args:
        model: a `GenerativeModel`, or a `kerasgen.runtime.Bundle`.
        data: `kerasgen.data.Data` of the model's shape; its test split is what counts.
        count: samples drawn; they are compared with at most so many real examples. Likelihoods and
            reconstructions use the whole test split.
        seed: of samples, dequantisation noise and latents.
        functions: names of the functions to look at; None is all.

    Returns:
        {name: number}, in the order of `METRICS`.

    Raises:
        ValueError: a count below 10, a function that the model does not serve, samples of another shape than
            the data or not finite, other grey levels than the model's.

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
    served = likelihood.ports_of(model)
    unknown = [name for name in functions or () if name not in served]
    if unknown:
        raise ValueError(f"functions: expected some of {', '.join(served)}, got {', '.join(unknown)}")
    about, floor = Evaluation(model, data, count, seed, functions), Floor(data, count)
    figures = {}
    for name, metric in METRICS.items():
        if about.functions.issuperset(metric.needs) and about.facts.issuperset(metric.given):
            figures[name] = float(metric.compute(about))
            if metric.needs == ("sample",):
                figures[f"{name}_floor"] = float(metric.compute(floor))
    return figures
