"""Pictures of what texts say: a discriminator that must tell three kinds of pairs apart.

    s_r = D(x, t) of a picture and its text,   s_w = D(x, t') and another's text,   s_f = D(G(z, t), t)
    D <- descend  -log s_r - [mismatch log(1 - s_w) + (1 - mismatch) log(1 - s_f)]
    G <- descend  -log s_f - interpolation log D(G(z, m), m),     m = (t + t') / 2

Without the middle term a discriminator has no reason to read: any real picture is right. Texts stand here for their
embeddings, which are learned first, with an encoder of pictures beside that of texts and F(x, t) their inner product:

    encoders <- descend  E [1 - F(x, t) + F(x, t')]+ + E [1 - F(x, t) + F(x', t)]+

Another's text t' is that of another example of the global batch; pairs whose texts are equal do not count. Evaluation,
whose figures must not depend on what shares a batch, takes the empty text and the black picture in their place.

Reference: Reed, Akata, Yan, Logeswaran, Schiele, Lee, 2016, Generative Adversarial Text to Image Synthesis,
arXiv:1605.05396, algorithm 1.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from kerasgen.core import distribute, random
from kerasgen.core.once import once
from kerasgen.core.ranges import to_signed
from kerasgen.core.stages import Stage
from kerasgen.objectives.gan import game, losses


class MatchingAware(game.Game):
    """A generator and a discriminator that both read, after the encoder through which they do.

    A model builds the attributes below and calls `learn_in_stages`. Inside, pictures are in [-1, 1].

    Attributes:
        text_encoder: bytes (B, text_length) -> embedding (B, text_dim).
        picture_encoder: x -> embedding (B, text_dim); only the other encoder needs it.
        generator: latent, embedding -> x.
        discriminator: x, embedding -> scores (B, 1).
        mismatch: weight of wrong pairs among those to be refused.
        interpolation: weight of embeddings between two texts, of which there are no pictures.
    """

    players = ("encoder", "discriminator", "generator")
    serves = ("sample",)
    serve_decode = serve_energy = None  # pictures are made of texts and judged with them
    mismatch: float = 0.5
    interpolation: float = 0.0

    def learn_in_stages(self, matching: int, adversarial: int):
        """First what texts mean, then pictures; so many epochs each."""
        self.in_stages(
            Stage("matching", matching, ("encoder",)),
            Stage("adversarial", adversarial, ("discriminator", "generator")),
        )

    def player_networks(self, player):
        encoders = self.text_encoder, self.picture_encoder
        return encoders if player == "encoder" else super().player_networks(player)

    def match(self, batch, training: bool) -> dict:
        x = to_signed(batch.x)
        if training:  # all are encoded by every replica: what it learns of them is then its own share
            texts, pictures = (distribute.everyone(batch, rows) for rows in (batch.given["text"], x))
        else:
            texts, pictures = tf.zeros_like(batch.given["text"][:1]), -tf.ones_like(x[:1])
        picture, text = (
            self.picture_encoder(x, training=training),
            self.text_encoder(batch.given["text"], training=training),
        )
        wrong_text = picture @ tf.transpose(self.text_encoder(texts, training=training))  # (B, others)
        wrong_picture = text @ tf.transpose(self.picture_encoder(pictures, training=training))
        right = ops.sum(picture * text, axis=1, keepdims=True)
        counts = differ(batch.given["text"][:, None], texts)
        return {None: structured_hinge(right, wrong_text, wrong_picture, counts)}

    def others(self, batch, training: bool):
        """A wrong text for every example (B, text_length): that of the one so many places on, drawn for each step."""
        if not training:
            return tf.zeros_like(batch.given["text"])
        most = tf.cast(batch.total - 1, tf.float32)
        shift = 1 + tf.cast(most * random.uniform(batch.seed, random.CHOICE, [0], ())[0], tf.int32)
        return tf.gather(distribute.everyone(batch, batch.given["text"]), (batch.index + shift) % batch.total)

    def picture(self, latent, given, training=False):
        return self.generator([latent, self.read(given["text"])], training=training)

    def read(self, text):
        """The embedding of a text; texts that are embeddings already, such as those between two, are left alone."""
        return self.text_encoder(text, training=False) if text.dtype == tf.int32 else text

    def realness(self, x, given, training=False):
        return self.discriminator([x, self.read(given["text"])], training=training)

    def play(self, batch, step, training):
        return Pairs(self, batch, step, training)

    def terms(self, play, player):
        if player == "encoder":
            yield from self.match(play.batch, play.training).items()
        elif player == "discriminator":
            yield None, discriminator_loss(play.real, play.mismatched, play.fake, play.counts, self.mismatch)
        else:
            yield None, losses.non_saturating_generator(play.fake)
            if self.interpolation:
                yield None, self.interpolation * losses.non_saturating_generator(play.between)

    def train_step(self, data):
        """Both players learn from the same latents, as in the paper's algorithm."""
        batch = self.batch(data)
        values = {}
        for player in self.learners:
            values |= self.turn(batch, 0, player)
        return self.report(batch, values)


class Pairs(game.Play):
    """A turn with right and wrong pairs of pictures and texts."""

    @once
    def texts(self):
        """Embeddings of right and of wrong texts, and which of those are wrong indeed, (B, 1)."""
        wrong, right = self.game.others(self.batch, self.training), self.batch.given["text"]
        return self.game.read(right), self.game.read(wrong), differ(right, wrong)[:, None]

    @property
    def counts(self):
        return self.texts[2]

    @once
    def mismatched(self):
        """Scores of pictures of the data with wrong texts."""
        return self.game.realness(self.x, {"text": self.texts[1]}, self.training)

    @once
    def between(self):
        """Scores of what is made of embeddings half way between a right and a wrong text."""
        given = {"text": 0.5 * (self.texts[0] + self.texts[1])}
        x = self.game.draw(self.batch.seed, self.step + 1, self.batch.index, given, self.training)
        return self.game.realness(x, given, self.training)


def differ(text, other):
    """1 where two texts (..., length) are not the same, 0 where they are, (...)."""
    return tf.cast(tf.reduce_any(text != other, axis=-1), tf.float32)


def discriminator_loss(right, wrong, fake, counts=1.0, mismatch=0.5):
    """-log s_r - [mismatch log(1 - s_w) + (1 - mismatch) log(1 - s_f)] from logits.

    `counts` is 0 for wrong pairs that are left out.
    """
    refused = mismatch * ops.mean(counts * ops.softplus(wrong)) + (1.0 - mismatch) * ops.mean(ops.softplus(fake))
    return ops.mean(ops.softplus(-right)) + refused


def structured_hinge(right, wrong_text, wrong_picture, counts=1.0):
    """What wrong pairs (B, others) lack to score one less than the right (B, 1), as texts and as pictures."""
    return sum(ops.mean(counts * ops.relu(1.0 - right + wrong)) for wrong in (wrong_text, wrong_picture))
