"""What systems must reach: the `target` of a preset beside real data and the baselines of `baselines.json`.

    "target": {
      "frechet_digits_features": {"at": 1.29, "against": "mixture_100_diagonal"},
      "bits_per_dim": {"at": 2.95, "like": "gaussian", "within": 0.01}
    }

A figure is set *against* the baseline that it is there to tell systems from: where it is known what real data reach,
the target is at most half way from them to that baseline, else it is better than the baseline. Or it is to be *like*
an independent solution of the same problem. All figures of a preset are to be met, and every baseline of its data
fails at least one of them.
"""

from __future__ import annotations

import dataclasses

import baselines

import kerasgen
from kerasgen import hub, metrics

LIKELIHOODS = {  # what a figure of a system is called where a baseline has it exactly
    "importance_nats": "nats", "annealed_nats": "nats", "bound_nats": "nats", "bound_bits_per_dim": "bits_per_dim",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Target:
    """What one figure must reach.

    Args:
        figure: of `kerasgen.metrics`.
        at: the number.
        against: the baseline that it tells systems from, or None.
        like: the independent solution that it repeats, or None.
        within: how closely.
        real: what real data reach, or the bound that the data's law sets; None where it is unknown.
        rivals: {baseline: its figure} of all that have one.
    """

    figure: str
    at: float
    against: str | None
    like: str | None
    within: float
    real: float | None
    rivals: dict

    def met(self, value) -> bool:
        """Whether a figure, or None for one that a model does not have, reaches it."""
        if value is None:
            return False
        if self.like:
            return abs(value - self.at) <= self.within
        return value >= self.at if self.higher else value <= self.at

    @property
    def higher(self):
        return metrics.METRICS[self.figure].better == "higher"

    @property
    def beside(self):
        """The baseline's own figure."""
        return self.rivals.get(self.against or self.like)

    def fair(self) -> bool:
        """Whether the number follows the rule above."""
        if self.like:
            return abs(self.at - self.beside) <= self.within / 2
        edge = self.beside if self.real is None else (self.real + self.beside) / 2
        slack = 0.005 * abs(edge)  # of rounding
        return self.at >= edge - slack if self.higher else self.at <= edge + slack

    def __str__(self):
        if self.like:
            return f"{self.at:.4g} ± {self.within:.2g}"
        return f"{'≥' if self.higher else '≤'} {self.at:.4g}"


def presets() -> list[str]:
    """Names of the presets that must reach something."""
    return [name for name in hub.list_presets() if hub.read_preset(name).get("target")]


def source(about) -> str:
    """Name of the baselines of a preset's data; those of one picture are of one size."""
    data = about["data"]
    shape = data.get("image_shape") or about["arguments"].get("image_shape")
    sized = f"{data['name']}_{shape[0]}"
    return sized if sized in baselines.read() else data["name"]


def targets(name) -> list[Target]:
    """Those of a preset."""
    about = hub.read_preset(name)
    beside = baselines.read()[source(about)]
    found = []
    for figure, aim in about["target"].items():
        key = LIKELIHOODS.get(figure, figure)
        rivals = {rival: figures[key] for rival, figures in beside["baselines"].items() if key in figures}
        options = {key: aim.get(key) for key in ("against", "like")}
        found.append(
            Target(
                figure,
                aim["at"],
                **options,
                within=aim.get("within", 0.0),
                real=beside["real"].get(key),
                rivals=rivals,
            )
        )
    return found


def passing(name) -> list[str]:
    """Baselines that reach all targets of a preset: there should be none, but the solution that a figure repeats."""
    aims, about = targets(name), hub.read_preset(name)
    rivals = baselines.read()[source(about)]["baselines"]
    own = {aim.like for aim in aims} | set(baselines.SOLUTIONS.get(source(about), ()))
    return [rival for rival in rivals if rival not in own and all(aim.met(aim.rivals.get(rival)) for aim in aims)]


def measure(name) -> dict:
    """{figure: number} of the shipped weights of a preset, for all that it must reach."""
    about = hub.read_preset(name)
    model, data = kerasgen.load(name), kerasgen.data.of(about)
    return metrics.evaluate(model, data, only=tuple(about["target"]))
