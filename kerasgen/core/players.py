"""Who learns: a player is one or more networks with an optimiser of their own, and takes descent steps."""

from __future__ import annotations

import keras
import tensorflow as tf

from kerasgen.core import averages, distribute
from kerasgen.core.batch import Batch
from kerasgen.core.stages import Stage, count_on


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


class Players:
    """A model's players: the networks that each moves, their optimisers, `compile`, and a step of descent.

    Attributes:
        players: names of the networks that have an optimiser of their own; `("",)` is the whole model with `optimizer`.
    """

    players: tuple = ("",)

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

    def player_networks(self, player: str) -> tuple:
        """Hook: the networks that a player's optimiser moves; if a model says nothing, the attribute of its name."""
        return (getattr(self, player) if player else self,)

    def player_variables(self, player: str) -> list:
        """The trainable variables that a player's optimiser moves."""
        return [v for network in self.player_networks(player) for v in network.trainable_variables]

    def player_optimizer(self, player: str):
        """The optimiser of a player of the compiled model."""
        return getattr(self, _join(player, "optimizer"))

    def player_optimizers(self) -> dict:
        """player -> its optimiser, of a compiled model."""
        return {player: self.player_optimizer(player) for player in self.players}

    @property
    def clock(self):
        """The number of training steps so far, a tensor: the updates of the first player, in stages of each of them."""
        first = dict.fromkeys((stage.players or self.players)[0] for stage in self.stages or (Stage(""),))
        optimizers = [averages.inner(self.player_optimizer(player)) for player in first]
        earlier = [optimizer.earlier for optimizer in optimizers] if self.stages else []
        counts = [optimizer.iterations for optimizer in optimizers]
        return tf.add_n([tf.convert_to_tensor(count) for count in [*counts, *earlier]])

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
