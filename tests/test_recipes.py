"""What a recipe counts in steps is for the run that it is used in."""

import itertools
import os

import keras
import numpy as np
import pytest

import kerasgen
from kerasgen import hub
from kerasgen.data import fetching, library
from kerasgen.runs import recipes, training
from kerasgen.runs.recipes import LENGTHS, optimizer, stretched

WRITTEN = 1000
SCHEDULES = [
    ("CosineDecay", {"initial_learning_rate": 0.5, "decay_steps": 1000, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 800, "warmup_target": 1.0, "warmup_steps": 200}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.5, "first_decay_steps": 200}),
    ("ExponentialDecay", {"initial_learning_rate": 0.5, "decay_steps": 100, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.5, "decay_steps": 100, "decay_rate": 0.5}),
    ("PolynomialDecay", {"initial_learning_rate": 0.5, "decay_steps": 1000}),
    ("PiecewiseConstantDecay", {"boundaries": [200, 600], "values": [0.3, 0.2, 0.1]}),
]  # fmt: skip


def adam(**config):
    return {"class_name": "Adam", "config": config, "steps": WRITTEN}


@pytest.mark.parametrize("name, config", SCHEDULES)
@pytest.mark.parametrize("steps", [100, 500, 1500, 30000])
def test_a_rate_is_the_same_at_the_same_share_of_a_run(name, config, steps):
    """rate(run of n steps, share s) = rate(as written, share s), for every schedule of Keras."""
    entry = adam(learning_rate={"class_name": name, "config": config})
    rates = [optimizer(stretched(entry, n))._learning_rate for n in (WRITTEN, steps)]
    for share in (0.1, 0.25, 0.5, 0.9, 1.0):
        written, run = (float(rate(share * n)) for rate, n in zip(rates, (WRITTEN, steps), strict=True))
        assert run == pytest.approx(written, rel=1e-4, abs=1e-6), share


def test_every_length_of_every_schedule_of_keras_is_known():
    module = keras.optimizers.schedules
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type)]
    kinds = {kind for kind in kinds if kind is not module.LearningRateSchedule}
    assert {kind.__name__ for kind in kinds} == {name for name, _ in SCHEDULES}
    names = set(itertools.chain(*(kind.__init__.__code__.co_varnames for kind in kinds)))
    assert {name for name in names if name.endswith("steps") or name == "boundaries"} == set(LENGTHS)


def test_an_average_looks_back_over_the_same_share_of_a_run():
    entry = adam(learning_rate=1e-3, use_ema=True, ema_momentum=0.99)  # 100 steps of 1000
    for steps, momentum in ((100, 0.9), (300, 1 - 1 / 30), (10_000, 0.999), (5, 0.0)):
        config = stretched(entry, steps)["config"]
        assert config["ema_momentum"] == pytest.approx(momentum) and config["learning_rate"] == 1e-3
    assert "ema_momentum" not in stretched(adam(learning_rate=1e-3), 100)["config"]


def test_a_recipe_at_its_own_length_is_taken_as_it_is():
    entry = adam(learning_rate=1e-3, use_ema=True, ema_momentum=0.99)
    assert stretched(entry, WRITTEN) is entry
    entry = {**entry, "steps": None}  # one that states no length
    assert stretched(entry, 5) is entry


def with_data():
    """Presets whose data are named: those of the others are the user's, and their epochs have stated steps."""
    found = {name: hub.read_preset(name) for name in hub.list_presets()}
    return [name for name, preset in found.items() if (preset.get("data") or {}).get("name")]


@pytest.mark.parametrize("name", with_data())
def test_every_shipped_recipe_states_its_own_length(name):
    """So that it trains as it did: steps = epochs x steps of its data; stages share the epochs that arguments state."""
    plan = training.plan(name)
    recipe, about = plan["recipe"], plan["data"]
    given = recipe.get("optimizers") or {}
    counted = {key: entry for key, entry in given.items() if recipes.counts(entry)}
    if not counted:
        return
    if about["name"] in library.SETS and not os.environ.get(fetching.MIRROR):
        pytest.skip(f"{fetching.MIRROR} names no folder with {about['name']}")
    data = kerasgen.data.load(about["name"], batch_size=about["batch_size"], image_shape=about.get("image_shape"))
    batches = next(
        (plan["arguments"][key] for key in ("critic_steps", "discriminator_steps") if key in plan["arguments"]), 1
    )
    each = recipe.get("steps_per_epoch") or data.steps // batches
    stages = plan["arguments"].get("epochs")
    longest = max(entry["steps"] for entry in counted.values())
    if recipe["epochs"]:
        assert {entry["steps"] for entry in counted.values()} == {recipe["epochs"] * each}
    else:
        assert all(entry["steps"] % each == 0 for entry in counted.values())
        assert longest <= sum(stages) * each


def shortest(system, length, **arguments):
    """The system's own optimiser for a run of so many steps, and what is said of it."""
    model = kerasgen.build(system, image_shape=(8, 8, 1), **arguments)
    made, said = recipes.optimizers({}, model, recipes.Length(1, dict.fromkeys(model.players, length)))
    return made, said


SMALL = dict(width=8, multipliers=(1, 2), blocks=1, attention=(), steps=20)


@pytest.mark.parametrize("steps", [280, 1200])
def test_the_papers_warm_up_and_average_fit_into_a_short_run(steps):
    made, said = shortest("ddpm", steps, **SMALL)
    adam = made["optimizer"]
    rates = [float(adam._learning_rate(step)) for step in range(steps)]
    assert max(rates) == pytest.approx(2e-4) and np.argmax(rates) <= 0.1 * steps
    assert adam.ema_momentum**steps < 1e-4  # what is left of the first weights in the average
    assert said == [
        f"the paper's warm-up of 5,000 steps is cut to {steps // 10:,}, a tenth of this run",
        f"the paper's average over 10,000 steps is cut to {steps // 10:,}, a tenth of this run",
    ]
    assert adam.global_clipnorm == 1.0


def test_the_papers_optimisers_are_the_papers_in_a_run_of_its_size():
    made, said = shortest("ddpm", 800_000, **SMALL)
    assert said == [] and made["optimizer"].ema_momentum == 0.9999
    assert made["optimizer"]._learning_rate.warmup_steps == 5000


def test_stages_share_a_run():
    """A player's steps are those of its stages, in proportion when there are other epochs."""
    plan = training.plan("vqgan_digits_quick")
    data = kerasgen.data.load("digits")
    model = kerasgen.build(plan["system"], **plan["arguments"])
    written = {key: entry["steps"] for key, entry in plan["recipe"]["optimizers"].items()}
    own = sum(plan["arguments"]["epochs"])
    for epochs, by in ((None, 1), (2 * own, 2)):
        run = recipes.length({"epochs": epochs}, data, model)
        assert run.epochs == (epochs or own)
        assert {f"{player}_optimizer": steps for player, steps in run.steps.items()} == {
            key: by * steps for key, steps in written.items()
        }
