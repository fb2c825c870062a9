"""What systems must reach: figures measured from the shipped weights, beside targets that simple baselines fail."""

import pathlib

import baselines
import checks
import choice
import numpy as np
import pytest
import simple
import targets

from kerasgen import catalog, hub

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = targets.presets()
RECORDED = baselines.read()
SHARE = 8  # one preset of so many is measured in the quick tests, every turn another
TURN = choice.turn_of(choice.today(), SHARE)
QUICK = {  # data: baselines that take no fit worth mentioning
    "digits": ("copies", "grey", "independent", "pixels_of_class", "discriminant"),
    "digits_binary": ("copies", "independent"),
    "captioned_digits": ("copies", "mean_of_class"), "digits_half_contrast": ("identity", "mean_of_domain"),
    "eight_gaussians": ("copies", "gaussian"), "twenty_five_gaussians": ("copies", "gaussian"),
    "brick_48": ("copies", "moved_copies"), "plucked_strings": ("independent", "linear_40"),
}  # fmt: skip


def due(i, name):
    """This turn's share is quick, the rest slow; chains of many network runs are always slow."""
    family = catalog.find(hub.read_preset(name)["system"]).family
    today = i % SHARE == TURN and family != "diffusion"
    return pytest.param(name, marks=() if today else pytest.mark.slow)


def test_every_system_has_targets():
    assert {hub.read_preset(name)["system"] for name in NAMES} == set(catalog.SYSTEMS)
    for name in NAMES:
        assert (hub.SHIPPED / name / hub.WEIGHTS).is_file(), name


@pytest.mark.parametrize("name", NAMES)
def test_every_baseline_fails_a_target(name):
    """Else the targets would not tell a system from it. The baseline that a figure names fails that figure."""
    assert targets.passing(name) == []
    for target in targets.targets(name):
        assert (target.against is None) != (target.like is None) and target.beside is not None
        assert target.against is None or not target.met(target.beside), target.figure


@pytest.mark.parametrize("name", NAMES)
def test_targets_follow_the_rule(name):
    """At most half way from real data to the baseline, or better than it; or what an independent solver reaches."""
    for target in targets.targets(name):
        assert target.fair(), (target.figure, target.real, target.beside)


@pytest.mark.parametrize("data", [pytest.param(d, marks=() if d in QUICK else pytest.mark.slow) for d in RECORDED])
def test_recorded_baselines_are_what_they_reach(data):
    """The first seed again, within what seeds differ by: the figures that targets are about."""
    about = [
        target.figure
        for name in NAMES
        if targets.source(hub.read_preset(name)) == data
        for target in targets.targets(name)
    ]
    about = {targets.LIKELIHOODS.get(figure, figure) for figure in about}
    found = baselines.measure(data, seeds=(0,), only=QUICK.get(data))
    assert set(found["baselines"]) <= set(RECORDED[data]["baselines"])
    for baseline, figures in found["baselines"].items():
        for figure, value in figures.items():
            recorded = RECORDED[data]["baselines"][baseline][figure]
            if figure in about:
                assert value == pytest.approx(recorded, rel=0.2, abs=0.06), (baseline, figure)
    assert about <= {figure for figures in RECORDED[data]["baselines"].values() for figure in figures}
    for figure, value in found["real"].items():
        assert value == pytest.approx(RECORDED[data]["real"][figure], rel=1e-2, abs=1e-3), figure


@pytest.mark.parametrize("name", [due(i, name) for i, name in enumerate(NAMES)])
def test_shipped_weights_reach_what_the_page_says(name):
    """A figure that gets worse than its target, or better, makes the page false: `python benchmarks/checks.py`."""
    page = (ROOT / "docs" / "checks.md").read_text("utf-8").splitlines()
    reached = targets.measure(name)
    for target in targets.targets(name):
        shown = checks.row(name, target, reached[target.figure])
        start = "|".join(shown.split("|")[:4])
        (line,) = (line for line in page if line.startswith(start))
        assert line.split("|")[9] == shown.split("|")[9], f"{target.figure} {reached[target.figure]}, the page: {line}"
        value = float(line.split("|")[4].strip(" *"))
        assert value == pytest.approx(reached[target.figure], rel=0.03, abs=0.01)


def test_a_target_is_met_or_missed():
    against = targets.Target("nats", -17.0, "simple", None, 0.0, None, {"simple": -18.0})
    assert against.met(-16.0) and not against.met(-17.5) and not against.met(None) and against.fair()
    half = targets.Target("authenticity", 0.5, "simple", None, 0.0, 0.6, {"simple": 0.2})
    assert half.fair() and not targets.Target("authenticity", 0.35, "simple", None, 0.0, 0.6, {"simple": 0.2}).fair()
    lower = targets.Target("frechet_digits_features", 1.5, "simple", None, 0.0, 1.0, {"simple": 2.0})
    assert lower.met(1.4) and not lower.met(1.6) and lower.fair()
    like = targets.Target("nats", -17.0, None, "simple", 0.1, None, {"simple": -17.01})
    assert like.met(-17.05) and not like.met(-16.8) and like.fair()


# --- the baselines themselves --------------------------------------------------------------------------------------


def test_mixtures_of_coins_climb_and_find_the_mixture():
    """Expectation maximisation never lowers the likelihood of what it is fitted to; two coins are found again."""
    random = np.random.default_rng(0)
    truth = np.array([[0.9, 0.1, 0.8, 0.2, 0.9, 0.1], [0.2, 0.7, 0.1, 0.9, 0.3, 0.8]])
    x = (random.random((2000, 6)) < truth[random.integers(2, size=2000)]).astype(float)
    climbed = [simple.BernoulliMixture(x, 2, rounds=n, prior=1e-9).log_prob(x).mean() for n in (1, 2, 5, 50)]
    assert climbed == sorted(climbed)
    found = simple.BernoulliMixture(x, 2)
    np.testing.assert_allclose(found.p[np.argsort(-found.p[:, 0])], truth, atol=0.05)


def test_chains_of_logistic_regressions_are_laws():
    """Probabilities of all pictures of four values sum to one, and samples have them."""
    random = np.random.default_rng(0)
    x = random.integers(3, size=(200, 4)).astype(float)
    chain = simple.Logistic(x, 3, order=np.array([2, 0, 3, 1]))
    every = np.stack(np.meshgrid(*[np.arange(3.0)] * 4), -1).reshape(-1, 4)
    law = np.exp(chain.log_prob(every))
    assert law.sum() == pytest.approx(1, abs=1e-9)
    drawn = chain.sample(random, 20000) @ [27, 9, 3, 1]
    shares = np.bincount(drawn.astype(int), minlength=81) / 20000
    assert np.abs(shares - law[np.argsort(every @ [27, 9, 3, 1])]).max() < 0.006


def test_linear_prediction_of_strings_has_the_mass_of_bins():
    """For a pure tone with known noise: about the entropy of the noise, but for the first 40 values of 300."""
    random = np.random.default_rng(0)
    label = np.arange(40) % 2
    wave = 0.5 * np.sin(np.arange(300) * (0.3 + 0.2 * label[:, None])) + 0.05 * random.normal(size=(40, 300))
    x = (np.floor((wave + 1) * 32) + 0.5) / 32 - 1
    strings = simple.Strings(x, label, 64)
    bits = -strings.nats(x, label) / 300 / np.log(2)
    noise = 0.5 * np.log2(2 * np.pi * np.e * (0.05**2 + (2 / 64) ** 2 / 12)) + 5
    assert (40 * 6 + 260 * noise) / 300 < bits < (40 * 6 + 260 * noise) / 300 + 0.1
