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
from kerasgen.core.model import GenerativeModel
from kerasgen.core.ranges import shown, to_signed
from kerasgen.nets import boxes


class Scenes(GenerativeModel):
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
    reports = ("generator_loss", "discriminator_loss", "reconstruction", "kl", "latent", "object_accuracy")
    serves = ("sample",)
    crop_size: int = 32
    weights_of: tuple = (0.08, 1.0, 10.0)

    def player_networks(self, player):
        generator = self.crop_encoder, self.layout_encoder, self.decoder
        discriminator = self.image_discriminator, self.object_discriminator
        return {"generator": generator, "discriminator": discriminator}[player]

    def draw(self, seed, step, index):
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

    def losses(self, batch, training):
        x, layout = to_signed(batch.x), batch.given["layout"]
        there, label = boxes.present(layout), tf.reshape(self.classes_of(layout), (-1,))
        size = (-1, self.objects, self.latent_dim)

        def encoded(crops):
            return [tf.reshape(part, size) for part in self.crop_encoder([crops, label], training=training)]

        def judged(crops):
            return self.object_discriminator(crops, training=training)

        def over(rows):
            return per_scene(rows, there)

        real = self.crops(x, layout)
        mean, log_variance = encoded(real)
        eps, z = (self.draw(batch.seed, step, batch.index) for step in (1, 0))
        scenes = [self.paint(layout, given, training) for given in (mean + ops.exp(0.5 * log_variance) * eps, z)]
        again, other = (self.crops(scene, layout) for scene in scenes)
        kl = 0.5 * ops.sum(mean**2 + ops.exp(log_variance) - 1.0 - log_variance, axis=-1)
        values = {
            "reconstruction": ops.mean(ops.abs(scenes[0] - x)),
            "kl": ops.mean(ops.sum(kl * there, axis=1)),
            "latent": over(ops.mean(ops.abs(encoded(other)[0] - z), axis=-1)),
        }

        true, class_of_true = judged(real)
        scores, guesses = zip(*(judged(crops) for crops in (again, other)), strict=True)
        score = self.image_discriminator(x, training=training)
        made = [self.image_discriminator(scene, training=training) for scene in scenes]
        generator = sum(over(ops.softplus(-s)) + over(surprise(g, label)) for s, g in zip(scores, guesses, strict=True))
        generator += sum(ops.mean(ops.softplus(-s)) for s in made)
        discriminator = sum(over(ops.softplus(s)) for s in scores) + sum(ops.mean(ops.softplus(s)) for s in made)
        right = ops.mean(ops.softplus(-score)) + over(ops.softplus(-true)) + over(surprise(class_of_true, label))
        terms = zip(self.weights_of, ("kl", "reconstruction", "latent"), strict=True)
        found = tf.argmax(guesses[1], axis=-1, output_type=tf.int32)
        return {
            "generator_loss": sum(weight * values[name] for weight, name in terms) + 0.5 * generator,
            "discriminator_loss": right + 0.5 * discriminator,
            "object_accuracy": over(tf.cast(found == label, tf.float32)),
            **values,
        }

    def serve_sample(self, seed, index, layout):
        return shown(self.paint(layout, self.draw(seed, 0, index)))


def per_scene(rows, there):
    """The mean over scenes of the mean over the objects that are there (B, objects), of one value for each row."""
    rows = tf.reshape(rows, tf.shape(there))
    return ops.mean(ops.sum(rows * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0))


def surprise(logits, label):
    """-log P(label), one for each row."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
