"""The base of every system: it owns the machine, so that an objective is only its algorithm.

A model is an objective (how it learns) over networks (what it is made of) that serves functions (what it can do).
The base records the constructor's arguments, compiles one optimiser per player, takes a descent step, reports running
means, and turns the pure `serve_*` functions into methods, SavedModel endpoints and ONNX graphs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerasgen import hub
from kerasgen.core import averages, distribute, random, registry, vocabulary
from kerasgen.core.stages import Schedule, Stage, count_on, ends
from kerasgen.core.vocabulary import FUNCTIONS, SCALARS
from kerasgen.data import Data, checks, endless, incoming
from kerasgen.runtime import BATCH, SIZES, Port, Ports, bind

registry.check_backend()


class Batch(NamedTuple):
    """What one training step sees: examples, what is said of them, and the key of every draw made for them."""

    x: tf.Tensor  # (B, *image_shape)
    label: tf.Tensor | None  # (B,) int32; of described examples the text (B, length) int32 or layout (B, objects, 5)
    index: tf.Tensor  # (B,) position in the global batch; in evaluation, in the data
    seed: tf.Tensor  # () a fresh seed per step; one for all of an evaluation
    share: tf.Tensor | float = 1.0  # () the part of the global batch that this replica has; 1 on a single device
    total: tf.Tensor | int = 1  # () examples of the global batch

    def part(self, step: int, steps: int) -> Batch:
        """What one of several steps on a batch sees of it: every so-many-th example, as a batch of its own.

        Replicas hold neighbouring examples, so that every replica has its share of each part. A part of a batch with
        fewer examples than steps may have none: a row of zeros stands there, with a share of 0.
        """
        if steps == 1:
            return self
        rows = self.x.shape[0]  # where it is known, all replicas have as many
        start = step if rows and rows % steps == 0 else (step - self.index[0]) % steps
        x, label, index = (None if t is None else t[start::steps] for t in (self.x, self.label, self.index))
        total = tf.maximum((self.total - step + steps - 1) // steps, 0)
        count = tf.cast(tf.shape(x)[0], tf.float32) * tf.cast(tf.convert_to_tensor(self.share) > 0.0, tf.float32)
        share = count / tf.cast(tf.maximum(total, 1), tf.float32)
        if not x.shape[0]:
            x, label, index = (None if t is None else distribute.filled(t) for t in (x, label, index))
        return Batch(x, label, index // steps, self.seed, share, total)


LARGEST = 4  # times the size of an example is the largest that is made, by models that make any
EVALUATION = -1  # in the place of a step, for what is drawn in evaluations


class Optimizers:
    """What Keras' callbacks see as the `optimizer` of a model with several players.

    Schedules, plateaus, averages and logs look for `optimizers` and treat each by itself; steps are those of the first.
    """

    built = True

    def __init__(self, optimizers):
        self.optimizers = [averages.inner(optimizer) for optimizer in optimizers]

    @property
    def iterations(self):
        return self.optimizers[0].iterations


class GenerativeModel(keras.Model):
    """A system of the hub.

    A subclass that is an objective overrides `train_step` and declares `players` and `reports`. A subclass of that is
    a model: it builds its networks in `__init__` (so that every variable exists before the first batch), fills the
    objective's hooks, and overrides nothing else.

    Attributes:
        serves: the functions of the vocabulary that the model serves; each is a pure method `serve_<name>` whose
            argument names are port names (`index` stands for the positions 0..count-1 of the examples).
        players: names of the networks that have an optimiser of their own; `("",)` is the whole model with `optimizer`.
        reports: keys of `fit`'s history.
        inconvertible: function -> reason, for what can be a SavedModel but not ONNX.
        kinds: what its examples can be, of `contract.KINDS`; an `image_shape` of another rank is refused.
        image_shape: shape of one example: `(height, width, channels)`, `(dim,)` for plain vectors, `(length,)` for
            texts and sounds.
        kind: what an example is, the one of `kinds` that has such a shape: "picture", "vector", "text" (UTF-8 bytes)
            or "sound" (in [-1, 1]).
        sample_rate: values of a sound per second.
        levels: number of grey levels of the data, or None for continuous data.
        num_classes: number of labels, 0 for an unconditional model.
        class_names: what the classes are called, as far as data or a preset have told; a name can be given for a label.
        text_length: bytes of the texts that examples are described by, 0 for none.
        objects: objects in the layouts that examples are described by, 0 for none.
        latent_dim: size of a latent; models without one leave it at 0.
        parts: examples that one call of a sampler makes at most; larger counts are made in parts.
        density: its likelihoods are densities: for data with levels, per grey level of x plus u ~ U[0, 1) levels.
        adapts: it initialises itself from the first batch.
        smallest: height and width that can be made, by models that make any.
        stages: what is learned one after the other, for models that call `in_stages`.
        rest: in a game, the score of what is as likely real as made; None where scores have no such value, as those of
            Wasserstein critics, and for models that play none.
        batches: of the data that a training step takes; it sees their examples as one batch, so many times as large.
    """

    serves: tuple = ()
    players: tuple = ("",)
    reports: tuple = ("loss",)
    inconvertible: dict = {}
    kinds: tuple = ("picture",)
    image_shape: tuple = ()
    sample_rate: int | None = None
    levels: int | None = None
    num_classes: int = 0
    class_names: tuple = ()
    text_length: int = 0
    objects: int = 0
    latent_dim: int = 0
    parts: int = 256
    density: bool = False
    adapts: bool = False
    smallest: int = 1
    stages: tuple = ()
    rest: float | None = None
    batches: int = 1

    @property
    def kind(self) -> str:
        return vocabulary.kind_of(self.image_shape, self.kinds)

    @property
    def described(self) -> str:
        """What data must say of every example: "label", "text", "layout", or "" for nothing."""
        given = {"text": self.text_length, "layout": self.objects, "label": self.num_classes}
        return next((name for name, size in given.items() if size), "")

    # --- construction -----------------------------------------------------------------------------------------------

    def __new__(cls, *args, **kwargs):
        registry.check_settings()
        model = super().__new__(cls, *args, **kwargs)
        bound = inspect.signature(cls.__init__).bind(model, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(list(bound.arguments.items())[1:])
        options = arguments.pop("kwargs", {})
        if "image_shape" in arguments:  # before a network of such a shape is built
            vocabulary.check_shape(arguments["image_shape"], cls.kinds)
        object.__setattr__(model, "arguments", {k: _plain(v) for k, v in arguments.items()})
        object.__setattr__(model, "_options", options)
        object.__setattr__(model, "_compiled_functions", {})
        return model

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        ours = cls.__module__.startswith(f"{registry.PACKAGE}.")
        package = registry.PACKAGE if ours else cls.__module__  # somebody else's class takes no name of ours
        keras.saving.register_keras_serializable(package)(cls)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # every network is built in the subclass' constructor

    def get_config(self) -> dict:
        return {**self.arguments, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)

    @classmethod
    def from_preset(cls, source, weights: bool = True):
        """The model of a preset, preset folder or run folder; see `kerasgen.load`."""
        return hub.load(source, weights, system=cls)

    def save_to_preset(self, folder, **about):
        """Write the model as a preset folder, which `from_preset` and `kerasgen.load` take; see `hub.save_preset`."""
        return hub.save_preset(self, folder, **about)

    # --- stages -----------------------------------------------------------------------------------------------------

    def in_stages(self, *stages: Stage):
        """Learn one stage after the other; to be called by the constructor."""
        self.stages = stages
        # Which stage, its steps so far, and all its steps. Every replica counts the same.
        options = dict(initializer="zeros", dtype="int32", trainable=False, aggregation="only_first_replica")
        self.place = self.add_weight(shape=(3,), name="stage", **options)

    @property
    def stage(self) -> Stage:
        """The stage that the model is in."""
        with tf.init_scope():
            return self.stages[int(self.place.numpy()[0])]

    @property
    def progress(self):
        """How much of its stage the model has gone through, a scalar from 0 to 1; 1 in the last step."""
        _, done, steps = tf.unstack(tf.cast(self.place, tf.float32))
        return done / tf.maximum(steps, 1.0)

    def enter_stage(self, stage: int, done: int, steps: int):
        """Go to a stage of so many steps of which some are done; nothing changes if the model is in it."""
        before, _, known = self.place.numpy()
        if (before, known) != (stage, steps):
            self.place.assign([stage, done, steps])
            self.forget_compiled()
        if self.compiled and before != stage:
            with self.distribute_strategy.scope():
                self.begin_stage()

    def begin_stage(self):
        """Hook: what the compiled model does on entering another stage; if a model says nothing, nothing."""

    # --- training ---------------------------------------------------------------------------------------------------

    def optimizers(self) -> dict:
        """The paper's optimisers: `{"<player>_optimizer": optimizer}`, or `{"optimizer": optimizer}`."""
        raise NotImplementedError

    def compile(
        self,
        *,
        seed=0,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile=False,
        auto_scale_loss=True,
        **optimizers,
    ):
        """Prepare for `fit` with the paper's optimisers, each of which can be replaced.

        Args:
            seed: which stream of latents, noise levels, dequantisation ... and which order of the data.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: as in Keras.
            **optimizers: `<player>_optimizer=` (one player: `optimizer=`), a Keras optimiser or its name.

        Raises:
            ValueError: an optimiser for a player that the model does not have, or one that does not exist; options
                that do not work in several replicas.
        """
        strategy = self.distribute_strategy
        chosen = {_join(player, "optimizer"): None for player in self.players}
        for name, optimizer in optimizers.items():
            if name not in chosen:
                raise ValueError(f"compile: expected {' or '.join(chosen)}, got {name}")
            chosen[name] = optimizer
        if jit_compile is True and strategy.num_replicas_in_sync > 1:
            raise ValueError(
                f"jit_compile: expected False in {strategy.num_replicas_in_sync} replicas: XLA compiles for one device"
            )
        with strategy.scope():
            if None in chosen.values():
                chosen = {**self.optimizers(), **{k: v for k, v in chosen.items() if v is not None}}
            chosen = {name: _optimizer(name, optimizer) for name, optimizer in chosen.items()}
            for name, optimizer in chosen.items():
                distribute.check_optimizer(name, optimizer, strategy)
            if auto_scale_loss and self.dtype_policy.name == "mixed_float16":
                chosen = {name: _scaled(optimizer) for name, optimizer in chosen.items()}
            options = dict(
                run_eagerly=run_eagerly,
                steps_per_execution=steps_per_execution,
                jit_compile=jit_compile,
                auto_scale_loss=False,  # done here, for every player
            )
            super().compile(optimizer=chosen.get("optimizer"), **options)
            for player in self.players:
                name = _join(player, "optimizer")
                if player:  # `optimizer` itself was set by Keras
                    setattr(self, name, chosen[name])
                getattr(self, name).build(self.player_variables(player))
                averages.keep(getattr(self, name), averages.statistics(self.player_networks(player)))
                if self.stages:
                    count_on(getattr(self, name))
            if "optimizer" not in chosen:
                self.optimizer = Optimizers(chosen.values())
            self.seed = seed
            self._means = {name: keras.metrics.Mean(name=name) for name in self.reports}
        options["auto_scale_loss"] = auto_scale_loss
        object.__setattr__(self, "_compile_arguments", {"seed": seed, **options})

    def get_compile_config(self):
        if not self.compiled:
            return None
        names = [_join(player, "optimizer") for player in self.players]
        optimizers = {name: keras.optimizers.serialize(getattr(self, name)) for name in names}
        return {**self._compile_arguments, **optimizers}

    def compile_from_config(self, config):
        restore = keras.optimizers.deserialize
        self.compile(**{k: restore(v) if isinstance(v, dict) else v for k, v in config.items()})

    @property
    def metrics(self):
        return list(self._means.values()) if self.compiled else []

    def player_optimizers(self) -> dict:
        """player -> its optimiser, of a compiled model."""
        return {player: self.player_optimizer(player) for player in self.players}

    def player_networks(self, player: str) -> tuple:
        """Hook: the networks that a player's optimiser moves; if a model says nothing, the attribute of its name."""
        return (getattr(self, player) if player else self,)

    def player_optimizer(self, player: str):
        """The optimiser of a player of the compiled model."""
        return getattr(self, _join(player, "optimizer"))

    def player_variables(self, player: str) -> list:
        """The trainable variables that a player's optimiser moves."""
        return [v for network in self.player_networks(player) for v in network.trainable_variables]

    def adapt(self, x):
        """Hook of models with `adapts = True`: initialise from the first batch x (B, *image_shape)."""
        raise NotImplementedError

    def losses(self, batch: Batch, training: bool) -> dict:
        """Hook of objectives with one loss: the scalars of `reports`, of which `loss` is descended."""
        raise NotImplementedError

    def test_step(self, data):
        batch = self.batch(data, training=False)
        return self.report(batch, self.losses(batch, training=False))

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=None,
        *,
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        initial_epoch=0,
        steps_per_epoch=None,
        **kwargs,
    ):
        """Train; as `keras.Model.fit`, on kerasgen's data, arrays or batches of any making, after one look at the data.

        The order of kerasgen's data and of arrays is a pure function of (seed, step): the next `fit` goes on where the
        last one stopped, and with `callbacks.Resume` a run goes on where it was killed.

        Args:
            x: `data` or `data.train`; batches of `x` or `(x, label)` as a dataset, a generator, a `PyDataset` or any
                iterable; an array (N, *image_shape) in [0, 1], or a pair of it and labels.
            y: labels (N,) when x is an array and the model is conditional.
            batch_size: examples of a global batch, when x is an array; 32 if left out, or all that there are. A
                training step takes `batches` of them, such as one for each step of a discriminator.
            epochs: left out, 1 or those of all stages; stages share a given number in proportion.
            validation_split: share of the arrays, from their end, that is held out.
            validation_data: what x may be, or a pair of x and y; of `data` the validation split.
            callbacks, shuffle, initial_epoch, steps_per_epoch, **kwargs: as in Keras; steps are training steps, and
                batches keep their own order.

        Raises:
            ValueError: the data do not have the model's shape, range or labels; the line says what arrived. Of batches
                the first is looked at before the first step, each of the others before the step that takes it.
            NonFinite: a figure stopped being finite; see `callbacks.NonFiniteGuard`.
        """
        from kerasgen.callbacks import NonFiniteGuard, Resume

        if not self.compiled:
            raise ValueError("fit: expected a compiled model; call compile() first")
        for name in ("class_weight", "sample_weight"):
            if kwargs.get(name) is not None:
                raise ValueError(f"{name}: expected None; every example counts alike")
        told = _data_of(x)
        x, y = self._checked(x, y, "train", batch_size)
        self.class_names = tuple(getattr(told, "class_names", ())) or self.class_names
        if batch_size is None:
            batch_size = min(32, len(x)) if isinstance(x, np.ndarray) else 32
        if validation_split and not isinstance(x, np.ndarray):
            got = f"validation_split: expected 0 for batches, got {validation_split}"
            raise ValueError(f"{got}; validation_data takes others")
        if validation_split and validation_data is None:
            kept = int(len(x) * (1.0 - validation_split))
            validation_data = x[kept:] if y is None else (x[kept:], y[kept:])
            x, y = x[:kept], None if y is None else y[:kept]
        elif validation_data is not None:
            checked = self._checked(*checks.pair(validation_data), "validation")
            validation_data = checked[0] if checked[1] is None else checked

        callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks or [])
        if not any(isinstance(callback, NonFiniteGuard) for callback in callbacks):
            callbacks.append(NonFiniteGuard())
        callbacks.sort(key=lambda callback: not isinstance(callback, NonFiniteGuard))  # before all that write
        if self.stages:
            stage_ends = ends(self.stages, epochs)
            callbacks.insert(0, Schedule(stage_ends))
            epochs = stage_ends[-1]
        epochs = 1 if epochs is None else epochs
        resume = next((callback for callback in callbacks if isinstance(callback, Resume)), None)
        options = dict(batch_size=batch_size, shuffle=shuffle, seed=self.seed, steps=steps_per_epoch)
        x = endless.together(x, self.batches)
        source = endless.source(x, y, **options, batches=self.batches, replay=resume is not None)
        step = 0
        if resume:
            initial_epoch, step = resume.open(self, callbacks, source, epochs)
        if source:  # the steps of this run, or, as `clock` counts, those of all runs
            done = initial_epoch * source.steps + step if resume else int(self.clock.numpy())
            x, y, steps_per_epoch = source.start(done), None, source.steps
        if self.adapts and int(self.clock.numpy()) == 0:
            first = getattr(x, "kerasgen_first", None) or next(iter(x))
            self.adapt(first[0] if isinstance(first, tuple) else first)
        if not isinstance(validation_data, tf.data.Dataset):
            kwargs.setdefault("validation_batch_size", batch_size)
        try:
            counting = self._counting(source.steps, step) if source else contextlib.nullcontext()
            with counting, incoming.plainly():
                history = super().fit(
                    x,
                    y,
                    epochs=epochs,
                    callbacks=callbacks,
                    validation_data=validation_data,
                    shuffle=False,  # a dataset brings its own order
                    initial_epoch=initial_epoch,
                    steps_per_epoch=steps_per_epoch,
                    **kwargs,
                )
        finally:
            if resume:
                resume.close()
        # Keras itself ends the averaging of `optimizer` alone, and without its statistics.
        averages.finish(self)
        return history

    @contextlib.contextmanager
    def _counting(self, steps: int, passed: int):
        """Let epochs of endless data have exactly `steps` steps, whose first `passed` do nothing the first time.

        The last execution of an epoch takes what is left where `steps_per_execution` does not divide it; in a resumed
        epoch the first steps were done before.
        """
        self.make_train_function()
        train, size, place = self.train_function, self.steps_per_execution, 0
        options = (self.distribute_strategy, self.run_eagerly, self.jit_compile)
        single = self._per_stage(lambda: distribute.run(self.train_step, *options, steps_per_execution=1))

        def counted(iterator):
            nonlocal place, passed
            count = min(size, steps - place)
            place, passed = (place + count) % steps, passed - count
            if passed >= 0:
                return self.get_metrics_result()
            if count == size:
                return train(iterator)
            return [single(iterator) for _ in range(count)][-1]

        self.train_function = counted
        try:
            yield
        finally:
            self.train_function = train

    def evaluate(self, x=None, y=None, **kwargs):
        """The losses on other data; as `keras.Model.evaluate`, after the same look at the data as `fit`.

        Of `data` the test split is taken.
        """
        if not kwargs.get("_use_cached_eval_dataset"):  # else `fit` calls, which has looked at them
            x, y = self._checked(x, y, "test")
        with incoming.plainly():
            return super().evaluate(x, y, **kwargs)

    def check(self, data):
        """Refuse kerasgen's data that the model does not fit, as `fit` does: what both state, then the first batch.

        Args:
            data: `kerasgen.data.Data`.

        Raises:
            ValueError: the line says what arrived and which argument of the model would fit.
        """
        self._checked(data, None, "train")

    def _checked(self, x, y, split, batch_size=None):
        """The data as Keras takes them, or one line saying what is wrong with them."""
        data = _data_of(x)
        if data is not None:
            checks.check_match(data, self)
        port = self.port("x")
        wanted = incoming.Wanted(self.image_shape, port.minimum, port.maximum, self.kind, self.num_classes)
        x, y = incoming.read(x, y, wanted, split, batch_size)
        if not isinstance(x, np.ndarray):
            if y is not None:
                raise ValueError(f"y: expected None beside batches of (x, label), got {type(y).__name__}")
            return x, None
        if batch_size is not None:
            checks.check_batch_size(batch_size, len(x))
        if self.described in ("text", "layout"):
            y = bind(
                "fit",
                (Port("x", (BATCH,), "float32", ""), self.port(self.described)),
                (np.zeros(len(x)), y),
                {},
            )
            return x, y[self.described]
        return x, checks.check_labels(y, self.num_classes, len(x)) if self.num_classes else None

    @property
    def clock(self):
        """The number of training steps so far, a tensor: the updates of the first player, in stages of each of them."""
        first = dict.fromkeys((stage.players or self.players)[0] for stage in self.stages or (Stage(""),))
        optimizers = [averages.inner(self.player_optimizer(player)) for player in first]
        earlier = [optimizer.earlier for optimizer in optimizers] if self.stages else []
        counts = [optimizer.iterations for optimizer in optimizers]
        return tf.add_n([tf.convert_to_tensor(count) for count in [*counts, *earlier]])

    def batch(self, data, training: bool = True) -> Batch:
        """Unpack what `train_step` was given and key its draws.

        In training by step and by position in the global batch; in evaluation by position in the data, so that two
        evaluations of the same weights, in batches of any size, give the same figures.
        """
        x, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        if self.described and label is None:
            classes = f" for {self.num_classes} classes" if self.described == "label" else ""
            raise ValueError(f"{self.described}: expected {self.described}s beside x{classes}, got none")
        x = tf.ensure_shape(tf.cast(x, tf.float32), (None, *self.image_shape))
        first, share, total = distribute.part(x)
        x = distribute.never_empty(x)
        if self.described:
            port = self.port(self.described)
            shape = [-1 if size == BATCH else size for size in port.shape]
            label = distribute.never_empty(tf.cast(tf.reshape(label, shape), port.dtype))
        else:
            label = None
        if training:
            seed = random.fold(self.seed, self.clock)
            if self.stages:
                self.place.assign(self.place + [0, 1, 0])
        else:
            seed = random.fold(self.seed, EVALUATION)
            counts = [mean.count.value for mean in self._means.values()]  # a stage may not report all of them
            first += tf.cast(tf.reduce_max(counts) if self.stages else counts[0], tf.int32)  # examples seen before
        return Batch(x, label, first + tf.range(tf.shape(x)[0]), seed, share, total)

    def descend(self, batch: Batch, players, compute) -> dict:
        """One descent step of one player, or of several at once on the same forward pass.

        Each player's variables follow the gradient of that player's own loss, a mean over the batch. Here alone are
        the replicas' shares of that mean, their sum, loss scaling and (in the optimiser) clipping and averaging.

        Args:
            batch: what `compute` looks at.
            players: a name, or a tuple of names.
            compute: function of no arguments returning scalars; `<player>_loss` (or `loss`) is what is descended.

        Returns: what `compute` returned.
        """
        players = (players,) if isinstance(players, str) else players
        optimizers = {player: self.player_optimizer(player) for player in players}
        with tf.GradientTape(persistent=len(players) > 1) as tape:
            values = compute()
            losses = {p: o.scale_loss(values[_join(p, "loss")] * batch.share) for p, o in optimizers.items()}
        variables = {player: self.player_variables(player) for player in players}
        gradients = {player: tape.gradient(losses[player], variables[player]) for player in players}
        for player, optimizer in optimizers.items():
            pairs = zip(distribute.total(gradients[player]), variables[player], strict=True)
            # Some variables may rest in a stage; anywhere else Keras warns of those that nothing moves.
            moved = [(gradient, v) for gradient, v in pairs if gradient is not None or not self.stages]
            averages.follow(optimizer, averages.statistics(self.player_networks(player)))
            optimizer.apply(*map(list, zip(*moved, strict=True)))
        return values

    def report(self, batch: Batch, values: dict) -> dict:
        """Add means over a batch to the running means and return those, as `train_step` must.

        Examples count alike: a short last batch counts by its length, and replicas by their shares. A stage reports its
        own figures alone.
        """
        names = [name for name in self._means if name in values or not self.stages]
        means = distribute.total([values[name] * batch.share for name in names])
        for name, value in zip(names, means, strict=True):
            self._means[name].update_state(value, sample_weight=batch.total)
        return {name: self._means[name].result() for name in names}

    def _make_function(self, step):
        strategy, step = self.distribute_strategy, _after_data(step)
        if strategy.num_replicas_in_sync == 1 and not distribute.is_multi_worker(strategy):
            return self._per_stage(lambda: super(GenerativeModel, self)._make_function(step))
        options = (strategy, self.run_eagerly, self.jit_compile, self.steps_per_execution)
        return self._per_stage(lambda: distribute.run(step, *options))

    def _per_stage(self, make):
        """What `make` gives, made once for every stage, so that each traces its own step."""
        if not self.stages:
            return make()
        made = functools.cache(lambda stage: make())
        return lambda iterator: made(self.stage)(iterator)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: every variable exists since the constructor. Keras' own fails on batches of several workers."""

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Keras' own, all or nothing: after an error every variable is what it was.

        Raises:
            ValueError: the file is of a model with other weights.
        """
        parts = [self, *(self.player_optimizers().values() if self.compiled else ())]
        variables = {id(variable): variable for part in parts for variable in part.variables}.values()
        before = [variable.numpy() for variable in variables]
        try:
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        except Exception as error:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            if not isinstance(error, ValueError):
                raise
            why = " ".join(str(error).split())
            raise ValueError(f"{filepath}: expected the weights of this {type(self).__name__}: {why}") from error

    def __call__(self, *args, **kwargs):
        raise NotImplementedError(self._serves_instead("call"))

    def predict(self, *args, **kwargs):
        raise NotImplementedError(self._serves_instead("predict"))

    def export(self, *args, **kwargs):
        raise NotImplementedError(
            f"{type(self).__name__} has no export; kerasgen.export(model, directory) writes SavedModel and ONNX files"
        )

    def _serves_instead(self, name):
        return f"{type(self).__name__} has no {name}; it serves {', '.join(self.serves)}"

    # --- functions --------------------------------------------------------------------------------------------------

    def port(self, name: str, function: str = "") -> Port:
        """The port of that name, with this model's shape and range."""
        if name in SCALARS:
            return SCALARS[name]
        if name in ("x", "picture", "reconstruction", "denoised", "translated", "completed", "refined"):
            if self.kind == "text":
                shape, high = (BATCH, *self.image_shape), (self.levels or 256) - 1
                return Port(name, shape, "int32", "texts, UTF-8 bytes", 0, high, text=True)
            meaning, low, high = {
                "picture": ("pictures, NHWC, 0 black to 1 white", 0.0, 1.0),
                "vector": ("vectors", None, None),
                "sound": (f"sounds, {self.sample_rate} values per second, -1 to 1", -1.0, 1.0),
            }[self.kind]
            if function in ("denoise", "score", "energy"):  # these take noisy pictures
                low, high = None, None
            if function in ("log_prob", "bound") and self.density and self.levels:  # levels plus u ~ U[0, 1)
                high = self.levels / (self.levels - 1)
            return Port(name, (BATCH, *self.image_shape), "float32", meaning, low, high)
        if name == "label":
            low = vocabulary.ANY_LABEL if function == "sample" else 0
            default = vocabulary.ANY_LABEL if function == "sample" else None
            meaning = f"class, 0 to {self.num_classes - 1}" + ("; -1 draws one from the seed" if low else "")
            return Port(name, (BATCH,), "int32", meaning, low, self.num_classes - 1, default)
        if name in SIZES:
            size = self.image_shape[SIZES.index(name)]
            low, high = min(self.smallest, size), LARGEST * size
            return Port(name, (), "int32", f"{name} of what is made, in pixels", low, high, size)
        if name == "mask":
            meaning = "1 where the picture is to be filled, 0 where it is kept"
            return Port(name, (BATCH, *self.image_shape[:2], 1), "float32", meaning, 0.0, 1.0)
        if name == "text":
            meaning = "description, UTF-8 bytes"
            return Port(name, (BATCH, self.text_length), "int32", meaning, 0, 255, text=True)
        if name == "layout":
            meaning = "rows (class or -1 for none, left, top, width, height), lengths as shares of the picture"
            return Port(name, (BATCH, self.objects, 5), "float32", meaning, -1.0)
        if name == "latent":
            return Port(name, (BATCH, self.latent_dim), "float32", "point of the latent space; its prior has mean 0")
        if name == "noise_level":
            return Port(name, (BATCH,), "float32", "standard deviation of the noise added to x", 0.0)
        if name in ("log_prob", "bound", "energy"):
            return Port(name, (BATCH,), "float32", "nats per example" if name != "energy" else "unitless")
        if name == "score":
            return Port(name, (BATCH, *self.image_shape), "float32", "gradient of the log-density")
        if name == "logits":
            return Port(name, (BATCH, *self.image_shape, self.levels), "float32", "unnormalised log-probabilities")
        raise ValueError(f"{name} is not a port of the contract")

    def ports(self) -> dict:
        """function -> its `Ports`, derived from the arguments of the `serve_*` methods."""
        table = {}
        for function in self.serves:
            inputs = []
            for name, parameter in inspect.signature(getattr(self, f"serve_{function}")).parameters.items():
                if name == "label":  # whatever data say of an example
                    if not self.described:
                        continue
                    name = self.described
                port = self.port("count" if name == "index" else name, function)
                # A number in the signature is the model's own default.
                if port.default is not None and isinstance(parameter.default, (int, float)):
                    port = dataclasses.replace(port, default=parameter.default)
                inputs.append(port)
            inputs.sort(key=lambda port: port.name != "count")  # sample(count, ...)
            gives = FUNCTIONS[function].gives
            gives = ("latent" if self.latent_dim else "code") if gives == "latent|code" else gives
            output = self.port(gives, function if gives != "x" else "")
            if set(SIZES) <= {port.name for port in inputs}:
                output = dataclasses.replace(output, shape=(BATCH, *SIZES, *output.shape[3:]))
            table[function] = Ports(tuple(inputs), output)
        return table

    def pure(self, function: str):
        """`serve_<function>` over tensors, with labels of -1 replaced by classes drawn from the seed."""
        serve, said = getattr(self, f"serve_{function}"), self.described
        takes = inspect.signature(serve).parameters

        def call(**tensors):
            if said in tensors and said not in takes:
                tensors["label"] = tensors.pop(said)
            if function == "sample" and said == "label" and "label" in tensors:
                label, index = tensors["label"], tensors["index"]
                drawn = random.integers(tensors["seed"], random.LABEL, index, (), self.num_classes)
                tensors["label"] = tf.where(label < 0, drawn, label)
            return serve(**tensors)

        return call

    def graph(self, function: str):
        """What is exported: a pure function `(**ports) -> {output port: tensor}` and `{port: tf.TensorSpec}`."""
        ports = self.ports()[function]
        call = self.pure(function)

        def run(**tensors):
            if "count" in tensors:
                tensors["index"] = tf.range(tensors.pop("count"))
            shape = _spec(ports.output).shape
            return {ports.output.name: tf.ensure_shape(tf.cast(call(**tensors), ports.output.dtype), shape)}

        return run, {port.name: _spec(port) for port in ports.inputs}

    def call_function(self, function: str, args: tuple, given: dict):
        """Check the inputs of a served function, run it compiled, and return a NumPy array."""
        if function not in self.serves:
            name = type(self).__name__
            raise ValueError(f"{name} does not serve {function!r}; it serves {', '.join(self.serves)}")
        ports, output = self.ports()[function]
        values = bind(function, ports, args, given, self.class_names)
        if 0 in [values.get("count"), *(len(values[port.name]) for port in ports if port.shape)]:
            # TensorFlow's convolutions of nothing have a wrong shape.
            return np.zeros((0, *(values.get(size, size) for size in output.shape[1:])), output.dtype)
        if "count" not in values:
            return self._compiled(function)(**_tensors(values)).numpy()
        index = np.arange(values.pop("count"), dtype=np.int32)
        rows = {port.name for port in ports if port.shape} & set(values)
        parts = []
        for start in range(0, len(index), self.parts):
            part = slice(start, start + self.parts)
            chosen = {name: value[part] if name in rows else value for name, value in values.items()}
            parts.append(self._compiled(function)(**_tensors({**chosen, "index": index[part]})).numpy())
        return np.concatenate(parts)

    def _compiled(self, function):
        if function not in self._compiled_functions:
            specs = {port.name: _spec(port) for port in self.ports()[function].inputs}
            if specs.pop("count", None):
                specs["index"] = tf.TensorSpec((None,), tf.int32, "index")
            traced = tf.function(self.pure(function), autograph=False).get_concrete_function(**specs)
            self._compiled_functions[function] = traced
        return self._compiled_functions[function]

    def forget_compiled(self):
        """Drop the compiled functions; called when what they captured (a sampler) was replaced."""
        self._compiled_functions.clear()


def _method(function: str):
    entry = FUNCTIONS[function]

    def method(self, *args, **ports):
        return self.call_function(function, args, ports)

    method.__name__ = function
    method.__doc__ = (
        f"Serve {entry.meaning}.\n\n        Takes {vocabulary.expected(function)}, the first by position. "
        f"Returns {entry.gives} as a NumPy array.\n        `ports()` states shapes and ranges.\n        "
    )
    return method


for _name in FUNCTIONS:
    setattr(GenerativeModel, _name, _method(_name))


def _after_data(step):
    """The step, of which nothing runs before its data are there.

    Where an epoch ends because there are no more, Keras' graph else counts one step more: counters wait for nothing.
    """

    def after(data):
        with tf.control_dependencies([part for part in tf.nest.flatten(data) if tf.is_tensor(part)]):
            return step(data)

    return after


def _data_of(x):
    """kerasgen's data that `fit` was given, or whose batches it was given; None for anything else."""
    return x if isinstance(x, Data) else getattr(x, "kerasgen_data", None)


def _optimizer(name: str, optimizer):
    try:
        return keras.optimizers.get(optimizer)
    except ValueError as error:
        raise ValueError(f"{name}: expected a Keras optimiser or its name, got {optimizer!r}") from error


def _scaled(optimizer):
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer if scales else keras.optimizers.LossScaleOptimizer(optimizer)


def _join(player: str, word: str) -> str:
    return f"{player}_{word}" if player else word


def _plain(value):
    """Constructor arguments as JSON holds them."""
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def _tensors(values: dict) -> dict:
    return {name: tf.convert_to_tensor(value) for name, value in values.items()}


def _spec(port: Port) -> tf.TensorSpec:
    return tf.TensorSpec([None if isinstance(size, str) else size for size in port.shape], port.dtype, port.name)
