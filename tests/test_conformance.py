"""Laws that every system keeps, and laws of every function that a system serves. Systems and functions come from the
catalogue and from `tests/tiny.py`: a new system is tested by being registered.

A law is a function that takes a model; `test_a_broken_model_breaks_the_law` runs them on models spoilt on purpose.
"""

import functools
import inspect
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from costly import CALLS, CLASSES, costly_calls, costly_systems
from derivatives import jacobian
from scipy import stats
from tiny import TINY, as_x, said

import kerasgen
from kerasgen import catalog
from kerasgen.core import random, vocabulary
from kerasgen.core.serving import able
from kerasgen.data.asking import CHANGES
from kerasgen.data.description import named
from kerasgen.objectives.autoregressive.chain_rule import Autoregressive
from kerasgen.objectives.density.flow import Flow
from kerasgen.objectives.density.likelihood import Likelihood
from kerasgen.objectives.diffusion.denoising import Denoising
from kerasgen.objectives.diffusion.score import Score
from kerasgen.objectives.single_image.exemplar import Memory
from kerasgen.runtime import BATCH, SIZES, check

SAMPLE_PORTS = {"seed", "count", *vocabulary.GIVEN, "picture", *vocabulary.CONTROLS}

each_system = pytest.mark.parametrize("system", CLASSES)
each_call = pytest.mark.parametrize("system, function", CALLS, ids=["-".join(call) for call in CALLS])


def each(condition):
    """Parametrise by the systems whose class meets a condition."""
    return pytest.mark.parametrize("system", [system for system, cls in CLASSES.items() if condition(cls)])


def objective(*objectives):
    return each(lambda cls: issubclass(cls, objectives))


def build(system, **arguments):
    keras.utils.set_random_seed(0)
    return kerasgen.build(system, **TINY[system] | arguments)


@functools.lru_cache(2)
def built(system):
    """A model that is only looked at."""
    return build(system)


def wild(system, scale=0.1, **arguments):
    """A model far from its initial weights, where zero-initialised layers hide nothing."""
    model, generator = build(system, **arguments), np.random.default_rng(1)
    for weight in model.weights:
        noise = scale * generator.normal(size=weight.shape)
        weight.assign(weight * np.exp(noise) if "variance" in weight.name else weight + noise)
    return model


def without_zeros(model):
    """The model with numbers in its kernels and gates of zeros, so that one step reaches what lies below them."""
    generator = np.random.default_rng(1)
    for weight in model.trainable_variables:
        if len(weight.shape) != 1 and not weight.numpy().any():
            weight.assign(0.1 * generator.normal(size=weight.shape))
    return model


def examples(model, count=8):
    """Random levels (or points) and labels of the model's kind."""
    generator, levels = np.random.default_rng(2), model.levels or 17
    x = generator.integers(levels, size=(count, *model.image_shape)) / (levels - 1)
    if model.kind == "vector":
        x = generator.normal(size=(count, *model.image_shape))
    elif model.kind != "picture":
        x = as_x(model, generator.integers(levels, size=(count, *model.image_shape)))
    label = generator.integers(model.num_classes, size=count) if model.num_classes else said(model, count)
    return x.astype("float32" if model.kind != "text" else "int32"), label


def plain_optimizers(model, rate=3e-3):
    return {name: keras.optimizers.Adam(rate) for name in model.optimizers()}


def loss_of(model, x, label):
    """The loss on a batch with draws that do not change from call to call."""
    label = None if label is None else tf.constant(label, tf.int32)
    batch = kerasgen.core.batch.Batch(tf.constant(x), named(label, model.given), tf.range(len(x)), tf.constant(0))
    return float(model.losses(batch, training=False)["loss"])


@functools.lru_cache(2)  # the laws of a system follow each other
def trained(system):
    """A model after three steps on one batch, eagerly, and what was seen: tracing one would take five times as long."""
    model = build(system)
    model.compile(**plain_optimizers(model), run_eagerly=True)
    x, label = examples(model)
    seen = {"start": weights(model)}
    if len(model.players) == 1:
        seen["loss"] = loss_of(model, x, label)
    seen["history"] = model.fit(
        repeated(x, label),
        steps_per_epoch=3,
        validation_data=repeated(x, label).take(1),
        epochs=max(1, len(model.stages)),
        verbose=0,
    ).history
    seen["three"] = weights(model)
    return model, seen


def repeated(x, label):
    return tf.data.Dataset.from_tensors((x,) if label is None else (x, label)).repeat()


def weights(model):
    return {v.path: v.numpy() for v in model.variables}


def value(port, count):
    """A valid value of a port, for `count` examples."""
    if port.name == "layout":
        boxes = np.random.default_rng(3).uniform(0.2, 0.4, (count, *port.shape[1:])).astype("float32")
        boxes[..., 0] = np.arange(count)[:, None] % 2
        return boxes
    if port.name == "mask":  # one hole; holes of single pixels may leave no choice
        hole = np.zeros((count, *port.shape[1:]), "float32")
        hole[:, port.shape[1] // 4 :] = 1.0
        return hole
    generator, shape = np.random.default_rng(3), [count if size == BATCH else size for size in port.shape]
    if port.dtype == "int32":
        if port.name in ("count", "seed", "steps"):
            return {"count": count, "seed": 7, "steps": 3}[port.name]
        return generator.integers(max(port.minimum, 0), port.maximum + 1, shape).astype("int32")
    if port.minimum is None and port.maximum is None:
        return generator.normal(size=shape).astype("float32")
    low, high = port.minimum or 0.0, port.maximum if port.maximum is not None else (port.minimum or 0.0) + 0.5
    return generator.uniform(low, min(high, low + 2.0), shape).astype("float32")[()]


def required(model, function, count):
    """Valid values of the inputs that a function needs, and of labels and steps."""
    ports = model.ports[function].inputs
    chosen = [p for p in ports if p.default is None or p.name in ("label", "steps")]
    return {port.name: value(port, count) for port in chosen}


def run(model, function, inputs):
    return model.call_function(function, (), dict(inputs))


def rows(model, function, inputs, part):
    """The inputs of some of the examples."""
    per_example = {p.name for p in model.ports[function].inputs if p.shape}
    return {name: given[part] if name in per_example else given for name, given in inputs.items()}


def pure(model, function, **inputs):
    """A function outside any graph: quick for one call, and with gradients."""
    return model.pure(function)(**{name: tf.convert_to_tensor(given) for name, given in inputs.items()})


def flat(x):
    return tf.reshape(x, (len(x), -1))


# ------------------------------------------------------------------------------------------------- the machine


def test_every_system_has_a_line_of_tiny_arguments():
    assert list(TINY) and set(TINY) == set(catalog.SYSTEMS)


@each_system
def test_config_round_trip(system):
    model = build(system, name="mine")
    config = model.get_config()
    asked = json.loads(json.dumps(TINY[system])) | {"name": "mine"}
    assert asked.items() <= config.items() and json.loads(json.dumps(config)) == config
    signature = inspect.signature(type(model).__init__).parameters
    assert set(config) == set(signature) - {"self", "kwargs"} | {"name"}
    defaults = {name: parameter.default for name, parameter in signature.items()}
    assert any(json.loads(json.dumps(defaults[name])) != v for name, v in asked.items() if name != "name")
    again = type(model).from_config(config)
    assert again.get_config() == config
    assert [(v.name, v.shape) for v in again.variables] == [(v.name, v.shape) for v in model.variables]


@costly_systems(quick=("vae", "dcgan", "vq_vae_2"))  # one player, two players, stages
def test_compiled_fit_creates_no_variable(system):
    model = build(system)
    model.compile(**plain_optimizers(model))
    before, data = [v.path for v in model.variables], repeated(*examples(model))
    model.fit(data, steps_per_epoch=1, validation_data=data.take(1), epochs=max(1, len(model.stages)), verbose=0)
    assert before and [v.path for v in model.variables] == before


@each_system
def test_three_steps_change_every_trainable_weight(system):
    model, seen = trained(system)
    assert all(np.isfinite(v).all() for v in seen["three"].values())
    trainable = [v.path for v in model.trainable_variables]
    assert trainable and [p for p in trainable if (seen["start"][p] == seen["three"][p]).all()] == []


@costly_systems(
    [system for system, cls in CLASSES.items() if len(cls.players) == 1],
    quick=("gaussian", "gaussian_mixture", "vae", "nade", "rbm", "imle"),
)
def test_a_batch_can_be_overfitted_a_little(system):
    model, seen = trained(system)
    x, label = examples(model)
    model.fit(repeated(x, label), steps_per_epoch=27, verbose=0)
    assert loss_of(model, x, label) < seen["loss"] - 0.01 * abs(seen["loss"])


@each_system
def test_history_keys(system):
    model, seen = trained(system)
    history = seen["history"]
    told = {key.removeprefix("val_") for key in history if key.startswith("val_")}
    assert {key for key in history if not key.startswith("val_")} == set(model.reports)
    alone = {penalty.figure for penalty in getattr(model, "penalties", ())} | {*getattr(model, "remembers", ())}
    assert told == set(model.reports) - alone  # what is paid beside the game, or remembered, is so in training only
    assert np.isfinite(np.concatenate(list(history.values()))).all()
    losses = {f"{player}_loss" if player else "loss" for player in model.players}
    assert losses <= set(model.reports) or (model.stages and "loss" in model.reports)
    if "bits_per_dim" in history:
        dimensions = np.prod(model.image_shape)
        assert history["bits_per_dim"] == pytest.approx(np.divide(history["loss"], dimensions * np.log(2)))
    if {"loss", "reconstruction", "kl"} <= set(history):
        assert history["loss"] == pytest.approx(np.add(history["reconstruction"], history["kl"]))


@costly_systems()
def test_evaluation_counts_examples_alike(system):
    """Also those of a short last batch, and with the draws of an example's place in the data."""
    model, _ = trained(system)
    x, label = examples(model, 16)
    whole, halves, uneven = (
        model.evaluate(x, label, batch_size=size, verbose=0, return_dict=True) for size in (16, 8, 7)
    )
    for key in set(model.reports) & set(whole):
        assert whole[key] == pytest.approx(halves[key], rel=1e-4)
        assert whole[key] == pytest.approx(uneven[key], rel=1e-4)


RANKS = {"picture": (8, 8, 1), "vector": (6,), "text": (6,), "sound": (24,)}  # a shape of each kind


@each_system
def test_a_shape_of_another_rank_is_refused_in_one_line(system):
    kinds = CLASSES[system].kinds
    ranks = {len(vocabulary.KINDS[kind]) for kind in kinds}
    for shape in ((), (9,), (28, 28), (8, 8, 1), (4, 8, 8, 1), (8, 0, 1), (8, 8.5, 1), 28, None):
        whole = isinstance(shape, tuple) and all(isinstance(size, int) and size for size in shape)
        if not whole or len(shape) not in ranks:
            with pytest.raises(ValueError, match=r"^image_shape: expected \(") as caught:
                kerasgen.build(system, **TINY[system] | {"image_shape": shape})
            hint = "; one channel is (28, 28, 1)" if shape == (28, 28) and "picture" in kinds else ""
            assert str(caught.value).endswith(f", got {shape}{hint}")


@each(lambda cls: len(cls.kinds) > 1)
def test_every_kind_that_a_system_declares_is_learned_and_evaluated_alike(system):
    for kind in CLASSES[system].kinds:
        if len(RANKS[kind]) == len(TINY[system]["image_shape"]):
            continue  # the other laws are about this one
        levels = {"levels": None} if "levels" in TINY[system] and CLASSES[system].density else {}
        model = build(system, image_shape=RANKS[kind], **levels)
        assert model.kind == kind
        model.compile()
        x = np.random.default_rng(3).random((16, *RANKS[kind])).astype("float32")
        assert np.isfinite(model.fit(x, batch_size=8, verbose=0).history[model.reports[0]]).all()
        whole, uneven = (model.evaluate(x, batch_size=size, verbose=0, return_dict=True) for size in (16, 7))
        assert whole == pytest.approx(uneven, rel=1e-4, abs=1e-6)


def law_same_state(one, other):
    """Every weight of every network and every optimiser's slots and step count are equal, one by one."""
    slots = [(getattr(one, name).variables, getattr(other, name).variables) for name in one.optimizers()]
    for a, b in [(one.weights, other.weights), *slots]:
        assert len(a) == len(b) > 0
        assert all(np.array_equal(v.numpy(), w.numpy()) for v, w in zip(a, b, strict=True))


@costly_systems()
def test_save_and_load_restore_everything(system, tmp_path):
    model = build(system)
    x, label = examples(model)
    model.compile(seed=5, run_eagerly=True)  # the paper's optimisers
    model.train_on_batch(x, label)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model) and loaded.get_config() == model.get_config()
    law_same_state(model, loaded)
    slots = [v for name in model.optimizers() for v in getattr(loaded, name).variables]
    assert int(loaded.clock) == 1 and any(np.abs(v.numpy()).max() > 0 for v in slots if v.dtype == "float32")
    assert loaded.get_compile_config() == model.get_compile_config() and loaded.seed == 5
    unseeded = (f for f, ports in model.ports.items() if "seed" not in [p.name for p in ports.inputs])
    function = next(unseeded, model.serves[0])
    inputs = required(model, function, 2)
    one, other = (
        run(each, function, inputs) if "count" in inputs else pure(each, function, **inputs) for each in (model, loaded)
    )
    np.testing.assert_array_equal(one, other)
    model.train_on_batch(x, label), loaded.train_on_batch(x, label)  # and both go on alike
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


@each(lambda cls: len(cls.players) > 1)
def test_a_step_of_one_player_moves_only_its_variables(system):
    for mover in CLASSES[system].players:
        model = without_zeros(build(system))
        still = {name: keras.optimizers.SGD(0.0) for name in model.optimizers()}
        model.compile(run_eagerly=True, **still | {f"{mover}_optimizer": keras.optimizers.SGD(0.1)})
        before = weights(model)
        learns = [i for i, stage in enumerate(model.stages) if mover in (stage.players or model.players)]
        for stage in learns or [None]:
            if stage is not None:
                model.enter_stage(stage, 0, 1)
            model.train_on_batch(*examples(model))
        moved = {v.path for v in model.trainable_variables if (before[v.path] != v.numpy()).any()}
        # Averages of batch normalisation follow every forward pass; what is trained follows one player alone.
        own = {v.path for v in model.player_variables(mover)}
        assert moved and moved <= own and len(moved) >= len(own) - 1


@each_system
def test_players_share_no_variable_and_leave_none_out(system):
    model = built(system)
    owned = [v.path for player in model.players for v in model.player_variables(player)]
    assert sorted(owned) == sorted(v.path for v in model.trainable_variables)
    assert set(model.optimizers()) == {f"{p}_optimizer" if p else "optimizer" for p in model.players}


# ------------------------------------------------------------------------------------------------- functions


@each_system
def test_serves_what_it_has(system):
    model = built(system)
    methods = {name.removeprefix("serve_") for name in dir(model) if name.startswith("serve_") and getattr(model, name)}
    methods = {name for name in methods if able(model, name)}
    assert len(set(model.serves)) == len(model.serves) and set(model.serves) == methods <= set(vocabulary.FUNCTIONS)
    assert set(model.inconvertible) <= methods and methods & {"sample", *CHANGES}
    for function in set(vocabulary.FUNCTIONS) - methods:
        with pytest.raises(
            ValueError,
            match=f"{type(model).__name__} does not serve '{function}'; it serves {model.serves[0]}",
        ):
            getattr(model, function)()


@each_call
def test_ports_are_complete(system, function):
    model = built(system)
    assert list(model.ports) == list(model.serves)
    inputs, output = model.ports[function]
    entry = vocabulary.FUNCTIONS[function]
    names = [port.name for port in inputs]
    for word in entry.takes:
        chosen = set(word.split("|")) & set(names)
        assert len(chosen) == 1 or chosen - set(entry.may_take) < chosen  # a latent, and a code beside it
    allowed = {name for word in entry.takes + entry.may_take for name in word.split("|")}
    assert set(names) <= allowed and len(set(names)) == len(names) and output.name not in names
    assert ("label" in names) <= bool(model.num_classes) and output.name in entry.gives.split("|")
    for port in (*inputs, output):
        assert port.dtype in ("float32", "int32") and len(port.meaning) > 5 and "\n" not in port.meaning
        named = set(names) & set(SIZES) if port is output else ()  # axes of the output that inputs say
        assert port.shape[:1] in ((), (BATCH,)) and all(
            size in named or (isinstance(size, int) and size > 0) for size in port.shape[1:]
        )
        if port.default is not None:
            assert port.name in entry.may_take
            check(port, np.full([1 if size == BATCH else size for size in port.shape], port.default))  # or it raises
    graph_specs = model.graph(function)[1]
    assert list(graph_specs) == names


def law_obeys_its_port(model, function):
    port = model.ports[function].output
    for count in (3, 1, 0):
        out = run(model, function, required(model, function, count))
        assert isinstance(out, np.ndarray) and out.dtype == port.dtype
        defaults = {p.name: p.default for p in model.ports[function].inputs}
        assert out.shape == (count, *(defaults.get(size, size) for size in port.shape[1:]))
        check(port, out)  # finite and in range


@each_call
def test_outputs_obey_their_port(system, function):
    law_obeys_its_port(trained(system)[0], function)


WIDE = (8, 16, 3)  # colour, not square, and more than one place where the smallest maps of squares have one
LONG = (
    "score_sde",
    "pixel_cnn",
    "pixel_cnn_pp",
    "guided_diffusion",
    "real_nvp",
    "ddpm",
    "vqgan",
)  # seconds each
DRAWN = [system for system in CLASSES if len(TINY[system]["image_shape"]) == 3]


@costly_systems(DRAWN, quick=set(DRAWN) - set(LONG))
def test_pictures_may_be_wide_and_in_colour(system):
    """A step of every stage, and every function."""
    model = build(system, image_shape=WIDE)
    model.compile(**plain_optimizers(model), run_eagerly=True)
    for stage in range(max(1, len(model.stages))):
        if model.stages:
            model.enter_stage(stage, 0, 2)
        model.train_on_batch(*examples(model))
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)
    for function in model.serves:
        law_obeys_its_port(model, function)


@costly_calls()
def test_functions_are_deterministic_and_depend_on_the_seed(system, function):
    model = trained(system)[0]
    inputs = required(model, function, 3)
    first = run(model, function, inputs)
    np.testing.assert_array_equal(first, run(model, function, inputs))
    if "seed" in inputs:
        other = run(model, function, inputs | {"seed": 8})
        assert all(np.abs(a - b).max() > 1e-6 for a, b in zip(first, other, strict=True))
        assert function != "sample" or np.abs(first[0] - first[1]).max() > 1e-6


@costly_calls()
def test_left_out_inputs_take_their_defaults(system, function):
    model = trained(system)[0]
    inputs = required(model, function, 2)
    given = {p.name: p.default for p in model.ports[function].inputs if p.default is not None} | inputs
    np.testing.assert_array_equal(run(model, function, inputs), run(model, function, given))


def law_alone_or_in_company(model, function):
    """Example i is the same in parts, in a larger count, and whatever the other rows are."""
    inputs = required(model, function, 5)
    whole = run(model, function, inputs)
    scale = max(1.0, float(np.abs(whole).max(initial=0.0)))  # sums of large terms round like those
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5 * scale)
    if "count" in inputs:
        close(run(model, function, rows(model, function, inputs, slice(2)) | {"count": 2}), whole[:2])
        parts, model.parts = model.parts, 2
        try:
            close(run(model, function, inputs), whole)
        finally:
            model.parts = parts
    elif "seed" in inputs:  # draws are keyed by position
        for i in range(3):
            mates = [*np.random.default_rng(i).permutation(i), i]
            close(run(model, function, rows(model, function, inputs, np.array(mates)))[i], whole[i])
    else:
        for i in range(5):
            close(run(model, function, rows(model, function, inputs, slice(i, i + 1)))[0], whole[i])


@costly_calls()
def test_examples_do_not_see_each_other(system, function):
    law_alone_or_in_company(trained(system)[0], function)


SMOOTH = (
    "decode",
    "encode",
    "reconstruct",
    "log_prob",
    "bound",
    "logits",
    "denoise",
    "energy",
    "score",
    "classify",
)


def law_gradients(model, function):
    """With respect to numbers that go in and to what is trained: they exist, and are the same a second time.

    On the very same tensors, for nothing that was computed before may stand for what is computed now.
    """
    inputs = {name: tf.convert_to_tensor(v) for name, v in required(model, function, 3).items()}
    given = [x for x in inputs.values() if x.dtype == tf.float32]
    sources = given + [v.value for v in model.trainable_variables]

    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(given)
            total = tf.reduce_sum(model.pure(function)(**inputs))
        return [g if g is None else tf.convert_to_tensor(g) for g in tape.gradient(total, sources)]

    first, second = gradients(), gradients()
    assert [g is not None for g in first] == [g is not None for g in second]
    assert any(g is not None and np.abs(g).max() > 0 for g in first)
    for one, other in zip(first, second, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def solved(system, function):
    """Whether a function solves an equation, in a hundred passes of the network."""
    return issubclass(CLASSES[system], Score) and function in ("encode", "decode", "bound")


@pytest.mark.parametrize(
    "system, function",
    [
        pytest.param(*call, id="-".join(call), marks=pytest.mark.slow if solved(*call) else ())
        for call in CALLS
        if call[1] in SMOOTH and not issubclass(CLASSES[call[0]], Memory)  # which compares whole levels
    ],
)
def test_eager_gradients_exist_every_time(system, function):
    # Eagerly, a chain goes step after step; four show what twenty do.
    chain = function == "bound" and issubclass(CLASSES[system], Denoising)
    model = build(system, steps=4) if chain else built(system)
    if model.ports[function].output.dtype != "float32":
        pytest.skip("gives whole numbers")
    law_gradients(model, function)
    if model.density and model.levels:  # without levels the density is given the caller's own tensor
        law_gradients(build(system, levels=None), function)


def continuous(cls):
    """Whether a system takes pictures without levels, unless told otherwise."""
    parameter = inspect.signature(cls.__init__).parameters.get("levels")
    return parameter is not None and parameter.default is None


@each(continuous)
def test_pictures_without_levels_stay_between_black_and_white(system):
    model = wild(system, 0.02, image_shape=(12, 20, 3), levels=None)
    x = np.random.default_rng(0).uniform(size=(8, 12, 20, 3)).astype("float32")
    if model.adapts:
        model.adapt(tf.constant(x))
    inputs = required(model, "sample", 16)
    made = [pure(model, "sample", index=np.arange(inputs.pop("count"), dtype="int32"), **inputs)]
    if "decode" in model.serves:
        latent = 3 * np.random.default_rng(1).normal(size=(4, model.latent_dim))
        made.append(pure(model, "decode", latent=latent.astype("float32")))
    for pictures in made:
        check(model.port("x"), pictures.numpy())
        assert np.ptp(pictures) > 0.1


@costly_systems([s for s, cls in CLASSES.items() if "num_classes" in inspect.signature(cls.__init__).parameters])
def test_a_label_of_minus_one_draws_the_classes_evenly(system):
    model = wild(system, num_classes=4)
    drawn = random.integers(7, random.LABEL, tf.range(8), (), 4)
    for given in ({}, {"label": -1}, {"label": np.where(np.arange(8) % 2, drawn, -1)}):
        np.testing.assert_array_equal(model.sample(8, seed=7, **given), model.sample(8, seed=7, label=drawn))
    assert not np.array_equal(model.sample(8, seed=7, label=0), model.sample(8, seed=7, label=1))
    counts = np.bincount(random.integers(7, random.LABEL, tf.range(4000), (), 4), minlength=4)
    assert stats.chisquare(counts).pvalue > 1e-3


# ------------------------------------------------------------------------------------------------- likelihoods


def law_inverse(model):
    x, _ = examples(model, 3)
    latent = pure(model, "encode", x=x)
    np.testing.assert_allclose(pure(model, "decode", latent=latent), x, atol=1e-4)


@objective(Flow)
def test_decoding_an_encoding_gives_the_example_back(system):
    law_inverse(wild(system, 0.05))


def law_jacobian(model):
    """log p(x) = log N(z) + log |det dz/dx|, z = encode(x), the determinant by automatic differentiation."""
    x = np.random.default_rng(4).uniform(0.2, 0.8, (2, *model.image_shape)).astype("float32")
    x, top = tf.constant(x), (model.levels or 2) - 1.0
    z = pure(model, "encode", x=x)
    matrices = np.stack([jacobian(lambda x: pure(model, "encode", x=x), one[None]) for one in x])
    # Encoding takes the middle of a level's cell; the density is per grey level.
    log_prob = pure(model, "log_prob", x=x + (0.5 / top if model.levels else 0.0))
    expected = stats.norm.logpdf(z).sum(-1) + np.linalg.slogdet(matrices)[1] - z.shape[1] * np.log(top)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-4, atol=1e-3)


@objective(Flow)
@pytest.mark.parametrize("shape", [(4, 4, 1), (2,), (3,)], ids=str)
def test_log_prob_counts_the_jacobian(system, shape):
    law_jacobian(wild(system, image_shape=shape, levels=17 if len(shape) == 3 else None))


def law_integrates_to_one(model):
    """Two-dimensional densities, by summing over a grid that holds all their mass."""
    side = np.linspace(-8, 8, 161, dtype="float32")
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    density = np.exp(np.concatenate([pure(model, "log_prob", x=part) for part in np.array_split(grid, 4)]))
    assert density.sum() * (side[1] - side[0]) ** 2 == pytest.approx(1, abs=1e-2)


@objective(Flow, Likelihood)
def test_densities_integrate_to_one(system):
    law_integrates_to_one(wild(system, image_shape=(2,), levels=None))


@objective(Flow, Likelihood)
def test_densities_are_per_grey_level(system):
    """Over all grey levels y = 16 x of a single pixel the density sums to one, not to 1/16."""
    try:
        model = build(system, image_shape=(1, 1, 1), levels=17)
    except ValueError:
        pytest.skip("takes no picture of one pixel")
    x = np.random.default_rng(5).integers(1, 16, (64, 1, 1, 1)).astype("float32") / 16
    if model.adapts:
        model.adapt(tf.constant(x))
    grid = np.linspace(-3, 4, 7001, dtype="float32")[:, None, None, None]
    density = np.exp(pure(model, "log_prob", x=grid))
    assert np.nansum(density) * (grid[1] - grid[0]).item() * 16 == pytest.approx(1, abs=1e-2)


# ------------------------------------------------------------------------------------------------- autoregressive

SMALL = dict(image_shape=(2, 2, 1), levels=2, num_classes=0)
REACHES = {
    "grey": dict(image_shape=(5, 5, 1), levels=2, num_classes=0, kernel_size=5, first_kernel_size=5),
    "colour": dict(image_shape=(3, 3, 3), levels=3, num_classes=0, width=6, hidden=6),
    "classes": dict(image_shape=(3, 3, 1), levels=3, num_classes=3),
}


def known(system, arguments):
    """Those of the arguments that a system has; a sequence is as long as the picture has elements."""
    cls = CLASSES[system]
    if not {"text", "sound"}.isdisjoint(cls.kinds):
        shape = (int(np.prod(arguments["image_shape"])),)
        arguments = {**arguments, "image_shape": shape, "symbols": arguments["levels"]}
        arguments["depth"] = 4  # two blocks of these dilations reach over any of them
    names = inspect.signature(cls.__init__).parameters
    return {name: value for name, value in arguments.items() if name in names}


def dependence(model):
    """(D, D) booleans: do the logits of element i (row) change with element j of the example?"""
    label = {"label": np.arange(8, dtype="int32") % model.num_classes} if model.num_classes else {}
    levels = np.random.default_rng(6).integers(model.levels, size=(8, *model.image_shape))

    def logits(levels):
        return pure(model, "logits", x=as_x(model, levels), **label).numpy().reshape(8, -1, model.levels)

    before, changed = logits(levels), []
    for j in range(levels[0].size):
        other = levels.copy()
        other.reshape(8, -1)[:, j] = (other.reshape(8, -1)[:, j] + 1) % model.levels
        changed.append(np.abs(logits(other) - before).max((0, 2)) > 0)
    return np.stack(changed, 1)


def law_causal(model):
    """Each element depends on all earlier ones in the model's order (no blind spot) and on no other."""
    size = np.prod(model.image_shape)
    order = list(model.order) or range(size)
    assert sorted(order) == list(range(size))
    np.testing.assert_array_equal(dependence(model)[np.ix_(order, order)], np.tri(size, size, -1, dtype=bool))


@objective(Autoregressive)
@pytest.mark.parametrize("kind", REACHES)
def test_logits_depend_on_all_earlier_elements_and_no_later_one(system, kind):
    law_causal(wild(system, 0.3, **known(system, REACHES[kind])))


@each(lambda cls: issubclass(cls, Autoregressive) and "num_classes" in inspect.signature(cls.__init__).parameters)
def test_every_element_depends_on_the_class(system):
    model = wild(system, 0.3, **known(system, REACHES["classes"]))
    x = as_x(model, np.zeros((3, *model.image_shape)))
    logits = pure(model, "logits", x=x, label=np.arange(3, dtype="int32")).numpy()
    assert (np.ptp(logits, axis=0).max(-1) > 1e-3).all()


def every_example(model):
    return as_x(model, np.reshape(list(itertools.product([0, 1], repeat=4)), (16, *model.image_shape)))


def law_sums_to_one(model):
    for label in range(model.num_classes or 1):
        given = {"label": np.full(16, label, "int32")} if model.num_classes else {}
        total = np.exp(pure(model, "log_prob", x=every_example(model), **given)).sum()
        assert total == pytest.approx(1, abs=1e-4)


@objective(Autoregressive)
@pytest.mark.parametrize("classes", [0, 3])
def test_probabilities_sum_to_one(system, classes):
    law_sums_to_one(wild(system, 0.5, **known(system, SMALL | {"num_classes": classes})))


@each(lambda cls: "classify" in cls.serves)
def test_classes_follow_by_bayes_rule(system):
    """Each class's share of what makes an example; over all examples, weighed by p(x), the shares are the prior."""
    model = wild(system, 0.5, **known(system, SMALL | {"num_classes": 3}))
    x = every_example(model)
    laws = [pure(model, "log_prob", x=x, label=np.full(16, c, "int32")).numpy().astype("float64") for c in range(3)]
    joint = np.exp(laws).T / 3  # (16, 3)
    evidence, found = joint.sum(1), np.exp(run(model, "classify", {"x": x}))
    np.testing.assert_allclose(found, joint / evidence[:, None], rtol=1e-4)
    np.testing.assert_allclose(evidence @ found, np.full(3, 1 / 3), rtol=1e-4)
    assert np.ptp(found, axis=1).max() > 0.2  # classes differ


@objective(Autoregressive)
def test_samples_follow_the_probabilities(system):
    model = wild(system, 0.2, **known(system, SMALL))
    expected = np.exp(pure(model, "log_prob", x=every_example(model)).numpy().astype("float64"))
    samples = model.sample(4096, seed=7).reshape(-1, 4)
    counts = np.bincount((samples > as_x(model, 0)) @ [8, 4, 2, 1], minlength=16)
    assert set(np.unique(samples)) <= set(as_x(model, [0, 1])) and expected.min() > 5 / 4096  # as the test below needs
    assert stats.chisquare(counts, expected / expected.sum() * 4096).pvalue > 1e-3
    assert stats.chisquare(counts, np.full(16, 256)).pvalue < 1e-3  # a uniform law would be told apart


@objective(Autoregressive)
def test_temperature_zero_takes_the_likeliest_level_each_time(system):
    model = wild(system, 0.5, **known(system, SMALL | {"levels": 4}))
    x = as_x(model, np.zeros((1, *model.image_shape)))
    for place in list(model.order) or range(4):
        logits = pure(model, "logits", x=x).numpy().reshape(4, 4)
        x.reshape(-1)[place] = as_x(model, logits[place].argmax())
    np.testing.assert_array_equal(model.sample(3, seed=7, temperature=0.0), np.repeat(x, 3, 0))


# ------------------------------------------------------------------------------------------------- denoisers


def law_little_noise_leaves_the_picture(model):
    x = np.random.default_rng(8).uniform(0.2, 0.8, (4, *model.image_shape)).astype("float32")
    errors = []
    for level in (0.3, 0.03, 0.001):
        denoised = pure(model, "denoise", x=x, noise_level=np.full(4, level, "float32"))
        errors.append(np.sqrt(np.mean((denoised - x) ** 2)))
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.01


@objective(Denoising)
def test_denoising_tends_to_the_identity(system):
    law_little_noise_leaves_the_picture(wild(system, 0.05, steps=1000))


@objective(Denoising)
def test_what_is_denoised_depends_on_the_time(system):
    """The network sees the time at every depth: normalisation must not take its shift away."""
    model = wild(system, 0.05)
    x = np.random.default_rng(9).normal(size=(2, *model.image_shape)).astype("float32")
    early, late = (model.predict_noise(tf.constant(x), tf.constant([t, t])) for t in (0, 19))
    assert np.abs(early - late).max() > 1e-3


# ------------------------------------------------------------------------------------------------- bad input

PICTURES = np.random.default_rng(0).uniform(size=(40, 8, 8, 1)).astype("float32")
LABELS = np.arange(40) % 10


def spoilt(value):
    x = PICTURES.copy()
    x[3, 1, 2, 0] = value
    return x


@functools.cache
def ready(system):
    model = build(system)
    model.compile()
    return model


UNIT = "numbers of shape (N, 8, 8, 1) from 0 to 1"

CALLED = {  # system, function, arguments, the line
    "function not served": (
        "vae",
        "energy",
        (PICTURES,),
        {},
        "VAE does not serve 'energy'; it serves sample, decode, encode, reconstruct, bound",
    ),
    "no such port": (
        "vae",
        "sample",
        (3,),
        dict(temperature=1.0),
        "sample: expected count, seed, got 'temperature'",
    ),
    "missing": ("vae", "encode", (), {}, "encode: expected x, x is missing"),
    "given twice": ("vae", "sample", (3,), dict(count=3), "sample: got 'count' twice"),
    "too many": ("vae", "encode", (PICTURES, PICTURES), {}, "encode: expected x, got 2 values"),
    "negative count": ("vae", "sample", (-1,), {}, "count: expected a whole number of at least 0, got -1"),
    "broken count": ("vae", "sample", (2.5,), {}, "count: expected a whole number of at least 0, got 2.5"),
    "true as count": (
        "vae",
        "sample",
        (True,),
        {},
        "count: expected a whole number of at least 0, got bool 'True'",
    ),
    "float seed": ("vae", "sample", (2,), dict(seed=0.5), "seed: expected a whole number, got 0.5"),
    "seed beyond int32": (
        "vae",
        "sample",
        (2,),
        dict(seed=2**31),
        "seed: expected a whole number from -2147483648 to 2147483647, got 2147483648",
    ),
    "seed in words": (
        "vae",
        "sample",
        (2,),
        dict(seed="seven"),
        "seed: expected a whole number, got str 'seven'",
    ),
    "channels first": (
        "vae",
        "encode",
        (np.zeros((2, 1, 8, 8)),),
        {},
        f"x: expected {UNIT}, got shape (2, 1, 8, 8); the channel axis is last",
    ),
    "one picture": (
        "vae",
        "encode",
        (np.zeros((8, 8, 1)),),
        {},
        f"x: expected {UNIT}, got shape (8, 8, 1); the first axis counts examples",
    ),
    "grey levels": (
        "vae",
        "encode",
        (spoilt(16.0),),
        {},
        f"x: expected {UNIT}, got 16 at [3, 1, 2, 0]; divide levels by their maximum",
    ),
    "signed": ("vae", "encode", (spoilt(-1.0),), {}, f"x: expected {UNIT}, got -1 at [3, 1, 2, 0]"),
    "NaN": (
        "vae",
        "encode",
        (spoilt(np.nan),),
        {},
        f"x: expected {UNIT}, all finite, got nan at [3, 1, 2, 0]",
    ),
    "text": ("vae", "encode", ("picture.png",), {}, f"x: expected {UNIT}, got str 'picture.png'"),
    "ragged": ("vae", "encode", ([[1], [1, 2]],), {}, f"x: expected {UNIT}, got list '[[1], [1, 2]]'"),
    "latent of another size": (
        "vae",
        "decode",
        (np.zeros((2, 5)),),
        {},
        "latent: expected numbers of shape (N, 4), got shape (2, 5)",
    ),
    "beyond the last level": (
        "gaussian",
        "log_prob",
        (spoilt(1.5),),
        {},
        f"x: expected {UNIT}.0625, got 1.5 at [3, 1, 2, 0]; divide levels by their maximum",
    ),
    "no such class": (
        "pixel_cnn",
        "sample",
        (2,),
        dict(label=10),
        "label: expected whole numbers of shape (N,) from -1 to 9, got 10 at [0]",
    ),
    "half a class": (
        "pixel_cnn",
        "sample",
        (2,),
        dict(label=[0.5, 1]),
        "label: expected whole numbers of shape (N,) from -1 to 9, got 0.5",
    ),
    "too many classes": ("pixel_cnn", "sample", (2,), dict(label=[1, 2, 3]), "label: expected 2 rows, got 3"),
    "no classes": (
        "made",
        "classify",
        (PICTURES,),
        {},
        "MADE does not serve 'classify'; it serves sample, log_prob, logits",
    ),
    "no class": ("pixel_cnn", "logits", (PICTURES,), {}, "logits: expected x, label, label is missing"),
    "any class where one is needed": (
        "pixel_cnn",
        "logits",
        (PICTURES,),
        dict(label=-1),
        "label: expected whole numbers of shape (N,) from 0 to 9, got -1 at [0]",
    ),
    "negative temperature": (
        "pixel_cnn",
        "sample",
        (2,),
        dict(temperature=-1),
        "temperature: expected a number from 0 to 10, got -1",
    ),
    "no steps": ("ddpm", "sample", (2,), dict(steps=0), "steps: expected a whole number from 1 to 20, got 0"),
    "more steps than the chain has": (
        "ddpm",
        "sample",
        (2,),
        dict(steps=21),
        "steps: expected a whole number from 1 to 20, got 21",
    ),
    "negative noise": (
        "ddpm",
        "denoise",
        (PICTURES[:2],),
        dict(noise_level=-0.1),
        "noise_level: expected numbers of shape (N,) of at least 0, got -0.1 at [0]",
    ),
    "noise of others": (
        "ddpm",
        "denoise",
        (PICTURES[:2],),
        dict(noise_level=[0.1] * 3),
        "noise_level: expected 2 rows, got 3",
    ),
}

FITTED = {  # system, arguments of fit, the line
    "channels first": (
        "vae",
        dict(x=PICTURES.reshape(-1, 1, 8, 8)),
        "x: expected shape (N, 8, 8, 1), got (40, 1, 8, 8); the channel axis is last",
    ),
    "no channels": (
        "vae",
        dict(x=PICTURES[..., 0]),
        "x: expected shape (N, 8, 8, 1), got (40, 8, 8); add a channel axis: x[..., None]",
    ),
    "booleans": (
        "vae",
        dict(x=PICTURES > 0.5),
        "x: expected real numbers of shape (N, 8, 8, 1), got dtype bool; use x.astype('float32')",
    ),
    "bytes": (
        "vae",
        dict(x=np.full((40, 8, 8, 1), 255, "uint8")),
        "x: expected floats in [0, 1], got uint8 up to 255; use x / 255",
    ),
    "signed": (
        "vae",
        dict(x=spoilt(-1.0)),
        f"x: expected values in [0, 1], got -1 to {PICTURES.max():g} (first at (3, 1, 2, 0)); "
        "from [-1, 1] use (x + 1) / 2",
    ),
    "NaN": (
        "vae",
        dict(x=spoilt(np.nan)),
        "x: expected finite values, got nan at (3, 1, 2, 0) (1 of 2560 are not finite)",
    ),
    "empty": ("vae", dict(x=PICTURES[:0]), "x: expected at least one example, got shape (0, 8, 8, 1)"),
    "nothing": ("vae", {}, "x: expected numbers of shape (N, 8, 8, 1), got None"),
    "batch larger than the data": (
        "vae",
        dict(x=PICTURES, batch_size=64),
        "batch_size: expected at most 40 (the number of examples), got 64",
    ),
    "empty batches": ("vae", dict(x=PICTURES, batch_size=0), "batch_size: expected at least 1, got 0"),
    "vectors of another size": (
        "gaussian_mixture",
        dict(x=np.ones((40, 3))),
        "x: expected shape (N, 2), got (40, 3)",
    ),
    "fewer examples than components": (
        "gaussian_mixture",
        dict(x=PICTURES[:, 0, :2, 0], batch_size=2),
        "batch_size: expected at least 4 (one per component), got 2",
    ),
    "no labels": ("pixel_cnn", dict(x=PICTURES), "label: expected class numbers in [0, 10), got None"),
    "labels out of range": (
        "pixel_cnn",
        dict(x=PICTURES, y=LABELS + 1),
        "label: expected class numbers in [0, 10), got 10 at index 9",
    ),
    "too few labels": (
        "pixel_cnn",
        dict(x=PICTURES, y=LABELS[:5]),
        "label: expected one for each of 40 examples, got 5",
    ),
    "broken labels": (
        "pixel_cnn",
        dict(x=PICTURES, y=LABELS / 2),
        "label: expected class numbers in [0, 10), got dtype float64",
    ),
    "one-hot labels": (
        "pixel_cnn",
        dict(x=PICTURES, y=np.eye(10)[LABELS]),
        "label: expected class numbers in [0, 10), got one-hot (40, 10); use label.argmax(-1)",
    ),
    "dataset without batches": (
        "vae",
        dict(x=tf.data.Dataset.from_tensor_slices(PICTURES)),
        "x: expected shape (N, 8, 8, 1), got (8, 8, 1); batch it: dataset.batch(64)",
    ),
    "dataset without labels": (
        "pixel_cnn",
        dict(x=tf.data.Dataset.from_tensors(PICTURES)),
        "label: expected batches of (x, label) for 10 classes, got x alone",
    ),
}

COMPILED = {
    "no such keyword": ("vae", dict(loss="mse"), "compile: expected optimizer, got loss"),
    "one optimizer for two players": (
        "dcgan",
        dict(optimizer="adam"),
        "compile: expected generator_optimizer or discriminator_optimizer, got optimizer",
    ),
}


def one_line(line, call, *args, **kwargs):
    with pytest.raises((TypeError, ValueError)) as error:
        call(*args, **kwargs)
    assert str(error.value) == line and "\n" not in line


@pytest.mark.parametrize("system, function, args, kwargs, line", CALLED.values(), ids=CALLED)
def test_a_bad_call_gets_one_line(system, function, args, kwargs, line):
    one_line(line, getattr(ready(system), function), *args, **kwargs)


@pytest.mark.parametrize("system, arguments, line", FITTED.values(), ids=FITTED)
def test_bad_data_get_one_line(system, arguments, line):
    model = ready(system)
    one_line(line, model.fit, **arguments, verbose=0)
    assert int(model.clock) == 0


@pytest.mark.parametrize("system, arguments, line", COMPILED.values(), ids=COMPILED)
def test_a_bad_compile_gets_one_line(system, arguments, line):
    one_line(line, build(system).compile, **arguments)


def test_fit_before_compile_gets_one_line():
    one_line("fit: expected a compiled model; call compile() first", build("vae").fit, PICTURES)


# ------------------------------------------------------------------------------------------------- laws can fail


def spoil(model, function, change):
    """The model with a function whose result is changed."""
    served = getattr(model, f"serve_{function}")

    @functools.wraps(served)
    def spoilt(*args, **kwargs):
        return change(served(*args, **kwargs))

    object.__setattr__(model, f"serve_{function}", spoilt)
    return model


def without_masks():
    model = wild("pixel_cnn", 0.3, **REACHES["grey"])
    for layer in model.network.layers:
        if hasattr(layer, "mask") and hasattr(layer, "reach"):
            layer.mask[...] = 1.0
    return model


def mix_rows(out):
    return out + 1e-3 * tf.reduce_mean(out, axis=0, keepdims=True)


BROKEN = {
    "out of range": (
        lambda m: law_obeys_its_port(m, "decode"),
        lambda: spoil(build("vae"), "decode", lambda x: x + 1),
    ),
    "not finite": (
        lambda m: law_obeys_its_port(m, "encode"),
        lambda: spoil(build("vae"), "encode", lambda z: z / 0),
    ),
    "mixes a batch": (
        lambda m: law_alone_or_in_company(m, "encode"),
        lambda: spoil(wild("vae"), "encode", mix_rows),
    ),
    "mixes samples": (
        lambda m: law_alone_or_in_company(m, "sample"),
        lambda: spoil(wild("vae"), "sample", lambda x: tf.minimum(mix_rows(x), 1.0)),
    ),
    "wrong inverse": (law_inverse, lambda: spoil(wild("gaussian"), "encode", lambda z: 1.01 * z)),
    "no determinant": (
        law_jacobian,
        lambda: spoil(wild("gaussian", image_shape=(2,), levels=None), "log_prob", lambda p: p + 0.01),
    ),
    "too much mass": (
        law_integrates_to_one,
        lambda: spoil(wild("gaussian", image_shape=(2,), levels=None), "log_prob", lambda p: p + 0.05),
    ),
    "sees what follows": (law_causal, without_masks),
    "blind spot": (
        law_causal,
        lambda: wild("pixel_cnn", 0.3, **REACHES["grey"] | {"kernel_size": 3, "first_kernel_size": 3}),
    ),
    "sum above one": (
        law_sums_to_one,
        lambda: spoil(wild("pixel_cnn", 0.5, **SMALL), "log_prob", lambda p: p + 0.001),
    ),
    "shifts the picture": (
        law_little_noise_leaves_the_picture,
        lambda: spoil(build("ddpm", steps=1000), "denoise", lambda x: x + 0.02),
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_model_breaks_the_law(kind):
    law, make = BROKEN[kind]
    model = make()
    with pytest.raises((AssertionError, ValueError)):
        law(model)


def test_a_lost_optimizer_state_breaks_the_law():
    one, other = build("vae_gan"), build("vae_gan")
    for model in (one, other):
        model.compile()
    other.set_weights(one.get_weights())
    law_same_state(one, other)
    other.discriminator_optimizer.variables[-1].assign_add(np.ones(other.discriminator_optimizer.variables[-1].shape))
    with pytest.raises(AssertionError):
        law_same_state(one, other)
