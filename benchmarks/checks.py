"""Write docs/checks.md: what every system must reach on real data, what it reached, and how fast its bundle draws.

    make parity                                     # bundles, and the differences between runtimes
    python benchmarks/checks.py build/parity/*      # times these bundles, in turn, and writes the page

Figures, parameters and seconds of training are those that `benchmarks/presets.py` recorded beside the shipped weights.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re
import sys

import machine

import kerasgen
from kerasgen import hub, metrics
from kerasgen.runtime import Bundle

ROOT = pathlib.Path(__file__).resolve().parents[1]
BATCH = 64
PAGE = """# Checks of the systems

Written by `python benchmarks/checks.py`. Each system is held to one figure that its shipped recipe must reach on data
that it has not seen; what the paper claims beyond figures (identities, exact laws, gradients) is in its tests. Samples
per second are those of one small bundle in ONNX Runtime, {batch} at a time; systems without `sample` translate. The
difference is the largest of all functions and runtimes in [PARITY.md](../exports/PARITY.md), where {tolerance:g} is
the limit.

| system | preset | parameters | trained in, s | figure | reached | target | samples per second | largest difference |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

{missed}

{machine}
"""


@dataclasses.dataclass(frozen=True)
class Check:
    """A figure of `kerasgen.metrics` that the shipped weights of a preset must reach."""

    preset: str
    figure: str
    target: float

    @functools.cached_property
    def about(self):
        return hub.read_preset(self.preset)

    @property
    def reached(self):
        return self.about["results"][self.figure]

    @property
    def met(self):
        higher = metrics.METRICS[self.figure].better == "higher"
        return self.reached >= self.target if higher else self.reached <= self.target


CHECKS = {
    "gaussian": Check("gaussian_digits", "bits_per_dim", 2.96),  # the closed form has 2.954
    "gaussian_mixture": Check("gaussian_mixture_eight_gaussians", "nats", -1.72),  # the entropy is 1.698
    "vae": Check("vae_digits", "importance_nats", -17.2),
    "vae_gan": Check("vae_gan_digits", "reconstruction_agreement", 0.9),
    "vq_vae_2": Check("vq_vae_2_digits", "reconstruction_mse", 0.008),
    "vqgan": Check("vqgan_digits_quick", "reconstruction_mse", 1.3 * 0.008),
    "dall_e": Check("dall_e_captioned_digits", "description_agreement", 0.8),
    "dcgan": Check("dcgan_digits", "coverage_digits_features", 0.8),
    "progan": Check("progan_digits", "coverage_digits_features", 0.8),
    "stylegan2": Check("stylegan2_digits", "coverage_digits_features", 0.8),
    "biggan": Check("biggan_digits", "conditional_accuracy", 0.9),
    "cyclegan": Check("cyclegan_digits_quick", "translation_agreement", 0.9),
    "gan_cls": Check("gan_cls_digits_quick", "description_agreement", 0.85),
    "layout2im": Check("layout2im_scenes", "description_agreement", 0.8),
    "real_nvp": Check("real_nvp_digits", "bits_per_dim", 2.05),
    "glow": Check("glow_digits", "bits_per_dim", 2.05),
    "nade": Check("nade_digits", "nats", -16.9),
    "made": Check("made_digits", "nats", -16.9),
    "pixel_cnn": Check("pixel_cnn_digits", "bits_per_dim", 1.78),
    "pixel_cnn_pp": Check("pixel_cnn_pp_digits", "bits_per_dim", 1.78),
    "char_rnn": Check("char_rnn_python_topics", "bits_per_dim", 1.90),
    "wavenet": Check("wavenet_plucked_strings", "bits_per_dim", 2.188),  # the entropy is 2.138
    "ddpm": Check("ddpm_digits", "coverage_digits_features", 0.8),
    "score_sde": Check("score_sde_eight_gaussians", "bound_nats", -1.748),
    "guided_diffusion": Check("guided_diffusion_digits_quick", "conditional_accuracy", 0.9),
    "rbm": Check("rbm_digits", "annealed_nats", -17.2),
    "imle": Check("imle_twenty_five_gaussians", "modes_covered", 25),
    "texture_synthesis": Check("texture_synthesis_brick_quick", "coherence", 0.3),
    "gpnn": Check("gpnn_brick_quick", "coherence", 0.05),
    "singan": Check("singan_brick", "coherence", 0.3),
}


def draw(bundle: Bundle):
    """A function that makes `BATCH` samples, or translations; what data say of samples is that of the test split."""
    data = kerasgen.data.of(bundle.info)
    function = "sample" if "sample" in bundle.ports else "translate"
    needed = {port.name for port in bundle.ports[function].inputs if port.default is None} - {"count", "seed"}
    x, said = (None, None) if data is None else data.arrays("test")
    known = {"picture": x, (data and data.described) or "label": said}
    given = {name: known[name][:BATCH] for name in needed}
    if function == "sample":
        return lambda: bundle.sample(BATCH, seed=1, **given)
    return lambda: bundle.translate(**given)


def differences() -> dict:
    """system -> the largest figure in its rows of PARITY.md."""
    found = {}
    for line in (ROOT / "exports" / "PARITY.md").read_text("utf-8").splitlines():
        system, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if system in CHECKS:
            values = [float(cell) for cell in cells[1:-1] if re.fullmatch(r"[0-9.e+-]+", cell)]
            found[system] = max([found.get(system, 0.0), *values])
    return found


def main(folders) -> int:
    from kerasgen import exporting, files

    speeds = {}
    for folder in folders:
        bundle = Bundle(folder)
        seconds = machine.interleaved({"": draw(bundle)}, repeats=5)[""]
        speeds[bundle.info["system"]] = BATCH / seconds
        print(f"{folder}: {BATCH / seconds:.3g} samples per second", file=sys.stderr)
    rows, missed, apart = [], [], differences()
    for system, check in CHECKS.items():
        about = check.about
        row = (
            f"[`{system}`](systems/{system}.md)", f"`{check.preset}`", f"{sum(about['parameters'].values()):,}",
            f"{about['results']['seconds']:.0f}", check.figure.replace("_digits_features", ""),
            f"{check.reached:.4g}" if check.met else f"**{check.reached:.4g}**",
            f"{'>=' if metrics.METRICS[check.figure].better == 'higher' else '<='} {check.target:.4g}",
            f"{speeds[system]:.3g}" if system in speeds else "not timed",
            f"{apart[system]:.1e}" if system in apart else "not run",
        )  # fmt: skip
        rows.append(f"| {' | '.join(row)} |")
        missed += [] if check.met else [f"`{system}`"]
    page = PAGE.format(
        batch=BATCH, tolerance=exporting.TOLERANCE, rows="\n".join(rows), machine=f"{machine.describe()}.",
        missed=f"Targets missed: {', '.join(missed)}." if missed else "All targets are met.",
    )  # fmt: skip
    files.atomic_write(ROOT / "docs" / "checks.md", page.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
