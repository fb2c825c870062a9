"""What works in two replicas where Keras itself goes wrong, and what is refused; run by tests/test_distribute.py."""

import sys

from replicas import strategy

scope = strategy("mirrored")
alone = strategy("single")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import kerasgen  # noqa: E402

X = np.random.default_rng(0).random((40, 8, 8, 1)).astype("float32")
SMALL = dict(image_shape=(8, 8, 1), latent_dim=2, widths=(8,))


def fitted(where, optimizer, epochs=1, **compiled):
    keras.utils.set_random_seed(0)
    with where.scope():
        model = kerasgen.build("vae", **SMALL)
        model.compile(optimizer=optimizer(), **compiled)
    model.fit(X, batch_size=16, epochs=epochs, verbose=0)
    return model


def same(optimizer, tolerance=1e-6, **compiled):
    """One replica and two end with the same weights; returns what one ended with."""
    one, two = fitted(alone, optimizer, **compiled), fitted(scope, optimizer, **compiled)
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=tolerance)
    return [weight.numpy() for weight in one.weights]


def refused(line, optimizer, **compiled):
    try:
        fitted(scope, optimizer, **compiled)
    except ValueError as error:
        assert line in str(error) and "\n" not in str(error), error
    else:
        raise AssertionError(f"not refused: {line}")


sgd = keras.optimizers.SGD
plain = same(lambda: sgd(1e-3))
for clip in (dict(clipnorm=0.5), dict(global_clipnorm=0.5), dict(clipvalue=0.01)):
    clipped = same(lambda clip=clip: sgd(1e-3, **clip))
    assert max(np.abs(a - b).max() for a, b in zip(plain, clipped, strict=True)) > 1e-4  # it did clip
same(lambda: keras.optimizers.LossScaleOptimizer(sgd(1e-3, global_clipnorm=0.5)))
same(lambda: keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(1e-3, 10), weight_decay=0.1), 1e-4)
# 40 examples are three steps, the last of them in an execution of its own
same(lambda: sgd(1e-3), steps_per_execution=2)
same(lambda: sgd(1e-3), run_eagerly=True)

refused("gradient_accumulation_steps does not work in 2 replicas", lambda: sgd(gradient_accumulation_steps=2))
refused("ema_overwrite_frequency does not work", lambda: sgd(use_ema=True, ema_overwrite_frequency=2))
refused("jit_compile: expected False in 2 replicas", lambda: sgd(), jit_compile=True)
outside = sgd()
refused("expected an optimizer made inside strategy.scope()", lambda: outside)

# An infinite gradient on one replica alone must be skipped by both.
with scope.scope():
    model = kerasgen.build("vae", **SMALL)
    model.compile(optimizer=keras.optimizers.LossScaleOptimizer(sgd(1e-3)))


@tf.function(autograph=False)
def poisoned(wrong):
    rank = tf.distribute.get_replica_context().replica_id_in_sync_group
    factor = tf.where(rank == wrong, np.inf, 1.0)
    batch = model.batch(tf.constant(X[:8]))
    model.descend(batch, "", lambda: {"loss": factor * tf.reduce_sum(model.trainable_variables[0])})


before = model.trainable_variables[0].numpy()
scope.run(poisoned, args=(1,))
assert (model.trainable_variables[0].numpy() == before).all()
scope.run(poisoned, args=(2,))  # no such replica
assert (model.trainable_variables[0].numpy() != before).any()

# More replicas than examples: the replica without any waits with a share of 0.
model = fitted(scope, lambda: sgd(1e-3))
figures = model.evaluate(X[:1], verbose=0, return_dict=True)
expected = fitted(alone, lambda: sgd(1e-3)).evaluate(X[:1], verbose=0, return_dict=True)
for key in expected:
    np.testing.assert_allclose(figures[key], expected[key], rtol=1e-5)
assert tf.reduce_all(tf.math.is_finite(list(figures.values())))
sys.exit(0)
