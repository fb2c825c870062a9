"""Pictures of objects in boxes: what is in a box is encoded and painted back, or drawn, and judged alone and together.

    z ~ q(z | crop of x, class),   y = G(layout, z)          the scene again
    e ~ N(0, I),                   y' = G(layout, e)         another one
    G, q   <- descend  kl KL(q || N(0, I)) + picture |y - x| + latent |E q(crop of y', class) - e|
                       + A(D(y), D(y')) + A(O(crops of y), O(crops of y')) - log P(class | crops of y and y')
    D, O   <- descend  - log D(x) - log O(crops of x) - log P(class | crops of x)
                       - 1/2 [log(1 - D(y)) + log(1 - D(y')) + log(1 - O(crops of y)) + log(1 - O(crops of y'))]

A(s, s') = -1/2 [log s + log s'], and so for the class. Objects are a mean over those of a scene, scenes a mean over the
batch; the divergence is summed over objects and sizes. Both updates follow from one forward pass.

Reference: Zhao, Meng, Yin, Sigal, 2018, Image Generation from Layout, arXiv:1811.11389.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from kerasgen.core import random
from kerasgen.core.once import once
from kerasgen.core.ranges import shown
from kerasgen.nets import boxes
from kerasgen.objectives.gan import game


class Scene(game.Play):
    """A turn in which the scenes of a batch are painted twice: with latents of their objects, and with drawn ones."""

    @property
    def layout(self):
        return self.batch.given["layout"]

    @once
    def there(self):
        """1 for rows of a layout that are objects, (B, objects)."""
        return boxes.present(self.layout)

    @once
    def label(self):
        """The classes of all objects, in a row."""
        return tf.reshape(self.game.classes_of(self.layout), (-1,))

    @once
    def true(self):
        """What is in the boxes of the data's pictures."""
        return self.game.crops(self.x, self.layout)

    @once
    def q(self):
        """Mean and log-variance of the latents of the data's objects, (B, objects, latent_dim)."""
        return self.encoded(self.true)

    @once
    def drawn(self):
        """Latents from the prior."""
        return self.game.latents(self.batch.seed, 0, self.batch.index)

    @once
    def scenes(self):
        """The scenes painted back, and others of the same layouts."""
        mean, log_variance = self.q
        own = mean + ops.exp(0.5 * log_variance) * self.game.latents(self.batch.seed, 1, self.batch.index)
        return [self.game.paint(self.layout, z, self.training) for z in (own, self.drawn)]

    @once
    def objects(self):
        """What is in their boxes."""
        return [self.game.crops(scene, self.layout) for scene in self.scenes]

    @once
    def divergence(self):
        """KL(q || N(0, I)), summed over the objects of a scene."""
        mean, log_variance = self.q
        each = 0.5 * ops.sum(mean**2 + ops.exp(log_variance) - 1.0 - log_variance, axis=-1)
        return ops.mean(ops.sum(each * self.there, axis=1))

    @once
    def difference(self):
        """mean |y - x| of scenes painted back."""
        return ops.mean(ops.abs(self.scenes[0] - self.x))

    @once
    def latent(self):
        """How far the latents found in drawn objects are from those drawn."""
        return self.over(ops.mean(ops.abs(self.encoded(self.objects[1])[0] - self.drawn), axis=-1))

    @once
    def known(self):
        """Scores and classes of the data's objects."""
        return self.game.object_discriminator(self.true, training=self.training)

    @once
    def found(self):
        """Scores and classes of painted objects, of both scenes."""
        return [self.game.object_discriminator(crops, training=self.training) for crops in self.objects]

    @once
    def real(self):
        return self.game.image_discriminator(self.x, training=self.training)

    @once
    def fake(self):
        """Scores of both painted scenes."""
        return [self.game.image_discriminator(scene, training=self.training) for scene in self.scenes]

    def encoded(self, crops):
        size = (-1, self.game.objects, self.game.latent_dim)
        return [tf.reshape(part, size) for part in self.game.crop_encoder([crops, self.label], training=self.training)]

    def over(self, rows):
        return per_scene(rows, self.there)


class Scenes(game.Game):
    """A generator with its encoder of crops, against discriminators of pictures and of objects.

    A model builds the attributes below. Inside, pictures are in [-1, 1]; crops of all objects of a batch lie one after
    the other, N in all. Rows of a layout that are no object repeat the first of their scene, where only batch
    normalisation sees them; they are not in the picture, and do not count.

    Attributes:
        crop_encoder: crop (N, crop_size, crop_size, C), class (N,) -> mean, log-variance (N, latent_dim).
        layout_encoder: masks (B, objects, H, W, 1), classes and presence (B, objects), z (B, objects, latent_dim)
            -> features.
        decoder: features -> x.
        image_discriminator: x -> scores (B, 1).
        object_discriminator: crop -> scores (N, 1), logits of the class (N, classes).
        crop_size: side of a crop.
        weights_of: of the losses: kl, picture, latent.
    """

    players = ("generator", "discriminator")
    figures = ("reconstruction", "kl", "latent", "object_accuracy")
    serves = ("sample",)
    serve_decode = serve_energy = None  # pictures are made of layouts
    together = True
    crop_size: int = 32
    weights_of: tuple = (0.08, 1.0, 10.0)

    def player_networks(self, player):
        generator = self.crop_encoder, self.layout_encoder, self.decoder
        discriminator = self.image_discriminator, self.object_discriminator
        return {"generator": generator, "discriminator": discriminator}[player]

    def latents(self, seed, step, index):
        """z for every row of a layout, (B, objects, latent_dim)."""
        return random.normal(seed, random.LATENT + step, index, (self.objects, self.latent_dim))

    def paint(self, layout, z, training: bool = False):
        """The scenes (B, H, W, C) in which the objects of a layout look as z says."""
        masks = boxes.masks(boxes.filled(layout), *self.image_shape[:2])
        inputs = [masks, self.classes_of(layout), boxes.present(layout), z]
        return self.decoder(self.layout_encoder(inputs, training=training), training=training)

    def classes_of(self, layout):
        known = tf.clip_by_value(boxes.filled(layout)[..., 0], 0.0, self.classes - 1.0)
        return tf.cast(known, tf.int32)

    def crops(self, x, layout):
        """What is in the boxes, all in a row: (B objects, crop_size, crop_size, C)."""
        found = boxes.crops(x, boxes.filled(layout), self.crop_size)
        return tf.reshape(found, (-1, self.crop_size, self.crop_size, self.image_shape[-1]))

    def play(self, batch, step, training):
        return Scene(self, batch, step, training)

    def terms(self, play, player):
        """Both halves of what is judged, painted back and drawn, count as one; so do pictures and their objects."""
        if player == "generator":
            measured = play.divergence, play.difference, play.latent
            yield None, sum(weight * each for weight, each in zip(self.weights_of, measured, strict=True))
            for score, (objects, guesses) in zip(play.fake, play.found, strict=True):
                yield None, 0.5 * ops.mean(ops.softplus(-score))
                yield None, 0.5 * (play.over(ops.softplus(-objects)) + play.over(surprise(guesses, play.label)))
        else:
            objects, guesses = play.known
            yield None, ops.mean(ops.softplus(-play.real))
            yield None, play.over(ops.softplus(-objects)) + play.over(surprise(guesses, play.label))
            for score, (objects, _) in zip(play.fake, play.found, strict=True):
                yield None, 0.5 * (ops.mean(ops.softplus(score)) + play.over(ops.softplus(objects)))

    def measures(self, play):
        found = tf.argmax(play.found[1][1], axis=-1, output_type=tf.int32)
        return {
            "reconstruction": play.difference,
            "kl": play.divergence,
            "latent": play.latent,
            "object_accuracy": play.over(tf.cast(found == play.label, tf.float32)),
        }

    def serve_sample(self, seed, index, layout):
        return shown(self.paint(layout, self.latents(seed, 0, index)))


def per_scene(rows, there):
    """The mean over scenes of the mean over the objects that are there (B, objects), of one value for each row."""
    rows = tf.reshape(rows, tf.shape(there))
    return ops.mean(ops.sum(rows * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0))


def surprise(logits, label):
    """-log P(label), one for each row."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
