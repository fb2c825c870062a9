"""Adversarial learning: a generator and a discriminator in turn.

    repeat critic_steps times:
        x ~ data, z ~ prior;  discriminator <- descend L_D(D(x), D(G(z))) + penalties
    z ~ prior;                generator     <- descend L_G(D(G(z))) + penalties

A turn is played once (`play`), then each player who learns from it says what it pays (`terms`). Loss and penalties are
values, so that most systems are networks, a loss and a prior. Inside, pictures are in [-1, 1]; at the edge they are in
[0, 1]; vectors are what they are. A training step takes a batch for every step of the discriminator. A conditional
model tells both networks what is given of the real examples, in the generator's step of the discriminator's last ones.
Penalties are paid in training only, and the figures of `fit` hold them.

Reference: Goodfellow et al., 2014, Generative Adversarial Nets, arXiv:1406.2661.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.model import GenerativeModel
from kerasgen.core.once import once
from kerasgen.core.ranges import shown, to_signed
from kerasgen.objectives import augment
from kerasgen.objectives.gan import losses


class Play:
    """One turn of a game. Nothing is computed before a term asks for it, and nothing twice.

    A network whose scores nobody needs must not run: batch normalisation would count what it saw.

    Attributes:
        batch: the examples, what is given of them, and the key of all draws.
        step: which turn of the training step this is; each draws other latents.
        training: whether layers are.
    """

    def __init__(self, game: Game, batch, step: int, training: bool):
        self.game, self.batch, self.step, self.training = game, batch, step, training

    @once
    def x(self):
        """Pictures of the data as the discriminator sees them, (B, *image_shape)."""
        x = self.game.real(self.game.inside(self.batch.x))
        return self.game.seen(x, self.batch, 2 * self.step + 1)

    @once
    def made(self):
        """Generated pictures as the discriminator sees them."""
        batch = self.batch
        x = self.game.draw(batch.seed, self.step, batch.index, batch.given, self.training)
        return self.game.seen(x, batch, 2 * self.step)

    # Apart: layers that look at a whole batch must not see both kinds in one.

    @once
    def real(self):
        """Scores of pictures of the data, (B, 1)."""
        return self.game.realness(self.x, self.batch.given, self.training)

    @once
    def fake(self):
        """Scores of generated pictures, (B, 1)."""
        return self.game.realness(self.made, self.batch.given, self.training)


class Game(GenerativeModel):
    """A generator against a discriminator.

    A model builds `self.generator` (latent, then what is given -> x in [-1, 1]) and `self.discriminator` (x -> scores
    (B, 1), or (B, num_classes), one for every class that x may be an example of), and says its `adversarial_loss`.

    Attributes:
        adversarial_loss: a value of `losses`; both sides of the game.
        penalties: values of `penalties`, each paid by one of the players.
        critic_steps: of the discriminator in a training step, each on a batch of its own.
        augmentations: names in `kerasgen.objectives.augment`, through which the discriminator sees all pictures.
        figures: of `terms`, which are reported beside the players' losses; those of penalties are reported too.
    """

    players = ("generator", "discriminator")
    serves = ("sample", "decode", "energy")
    adversarial_loss = losses.NON_SATURATING
    penalties: tuple = ()
    critic_steps: int = 1
    augmentations: tuple = ()
    figures: tuple = ()

    @property
    def reports(self):
        paid = (penalty.figure for penalty in self.penalties)
        return (*(f"{player}_loss" for player in self.players), *self.figures, *paid)

    @property
    def rest(self):
        return self.adversarial_loss.rest

    @property
    def batches(self):
        return self.critic_steps

    # --- what a model may say otherwise -----------------------------------------------------------------------------

    def prior(self, seed, stream, index):
        """Latents (B, latent_dim) from N(0, I)."""
        return random.normal(seed, stream, index, (self.latent_dim,))

    def draw(self, seed, step, index, given: dict, training: bool = False):
        """Pictures (B, *image_shape) in [-1, 1] from fresh latents; `step` numbers the draws for one seed."""
        return self.picture(self.prior(seed, random.LATENT + step, index), given, training)

    def picture(self, latent, given: dict, training: bool = False):
        """Pictures in [-1, 1] of these latents."""
        return self.generator([latent, *given.values()] if given else latent, training=training)

    def real(self, x):
        """Pictures of the data in [-1, 1] as they are to be matched."""
        return x

    def inside(self, x):
        """Examples as the networks see them: pictures in [-1, 1], vectors as they are."""
        return to_signed(x) if self.kind == "picture" else x

    def outside(self, x):
        """What the generator makes as users see it: pictures in [0, 1], vectors as they are."""
        return shown(x) if self.kind == "picture" else x

    def seen(self, x, batch, step):
        """Pictures as the discriminator sees them; `step` numbers the draws within one training step."""
        return augment.apply(x, self.augmentations, batch.seed, step, batch.index)

    def realness(self, x, given: dict, training: bool = False):
        """How real x looks, as an example of its class if there are classes: (B, 1)."""
        scores = self.discriminator(x, training=training)
        return tf.gather(scores, given["label"][:, None], axis=1, batch_dims=1) if "label" in given else scores

    # --- the game ---------------------------------------------------------------------------------------------------

    def play(self, batch, step: int, training: bool) -> Play:
        return Play(self, batch, step, training)

    def terms(self, play: Play, player: str):
        """(figure, scalar) of what a player descends, their sum; a figure of None is not reported by itself."""
        if player == "discriminator":
            yield None, self.adversarial_loss.discriminator(play.real, play.fake)
        else:
            yield None, self.adversarial_loss.generator(play.fake)

    def after(self, play: Play, player: str):
        """Move what a game remembers from turn to turn, after a player's terms and before its step."""

    def values(self, batch, step: int, players, training: bool) -> dict:
        """The losses of players who learn from the same turn, and the figures in them."""
        play, values = self.play(batch, step, training), {}
        for player in players:
            terms = list(self.terms(play, player))
            if training:
                terms += [(each.figure, each(self, play)) for each in self.penalties if each.player == player]
                self.after(play, player)
            values |= {figure: scalar for figure, scalar in terms if figure}
            values[f"{player}_loss"] = sum(scalar for _, scalar in terms)
        return values

    def turn(self, batch, step: int, player: str) -> dict:
        """A step of descent of one player."""
        return self.descend(batch, player, lambda: self.values(batch, step, (player,), training=True))

    def train_step(self, data):
        batch, values = self.batch(data), {}
        for step in range(self.critic_steps):
            part = batch.part(step, self.critic_steps)
            if "discriminator" in self.learners:
                values |= self.turn(part, step, "discriminator")
        values |= self.turn(part, self.critic_steps, "generator")
        return self.report(part, values)

    def losses(self, batch, training):
        return self.values(batch, 0, self.learners, training)

    # --- functions --------------------------------------------------------------------------------------------------

    def serve_sample(self, seed, index, given):
        return self.outside(self.draw(seed, 0, index, given))

    def serve_decode(self, latent, given):
        return self.outside(self.picture(latent, given))

    def serve_energy(self, x):
        """Minus the score; of a conditional model, that of the class which x suits best."""
        return -ops.max(self.discriminator(self.inside(x), training=False), axis=1)
