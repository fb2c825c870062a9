"""Several devices, one result: what has to be said once so that N replicas learn what one would.

A global batch is split into contiguous parts, one per replica. Means over the batch become sums of each replica's
share, so that a short last batch, which splits unevenly, counts as it would on one device. In a single replica, or
outside of `tf.distribute`, every function here is the identity and adds nothing to the graph.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import tensorflow as tf

NAMES = ("mirrored", "multiworker")


def strategy(name: str | None = None):
    """The strategy of a name; several workers must make it before any other TensorFlow operation.

    Args:
        name: "mirrored", all GPUs of this machine; "multiworker", one process per machine or per GPU, which the
            variable TF_CONFIG describes, or else Slurm; None, no distribution.

    Raises:
        ValueError: an unknown name; "multiworker" without a description of the workers.
    """
    if name is None:
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name != "multiworker":
        raise ValueError(f"strategy: expected {' or '.join(NAMES)}, got {name!r}")
    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if "SLURM_STEP_NUM_TASKS" not in os.environ:
        raise ValueError(
            "strategy: expected TF_CONFIG or a Slurm step to describe the workers, got neither; "
            "`kerasgen launch --workers N train ...` starts workers on this machine"
        )
    # Without GPUs the resolver divides by their number, so every task is given one that nobody looks for.
    none = dict(gpus_per_node=1024, gpus_per_task=1, auto_set_gpu=False)
    gpus = {} if tf.config.list_physical_devices("GPU") else none
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(**gpus)
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)


class Part(NamedTuple):
    """Which part of the global batch this replica has."""

    first: tf.Tensor  # () rows of the global batch before it
    share: tf.Tensor  # () its rows / all rows; 1 in a single replica
    total: tf.Tensor  # () rows of the global batch


def replicas() -> int:
    """The number of replicas that work in step, 1 outside of a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def total(tensors: list) -> list:
    """The sum over replicas of each tensor; None stays None."""
    if replicas() == 1:
        return tensors
    context = tf.distribute.get_replica_context()
    given = [tensor for tensor in tensors if tensor is not None]
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, given) if given else ())
    return [None if tensor is None else next(summed) for tensor in tensors]


def part(x) -> Part:
    """Where the rows of x, this replica's part, lie in the global batch."""
    rows = tf.shape(x)[0]
    if replicas() == 1:
        return Part(0, 1.0, rows)
    rank = tf.distribute.get_replica_context().replica_id_in_sync_group
    if x.shape[0] is not None:  # static shapes are those of equal parts
        return Part(rank * rows, 1.0 / replicas(), replicas() * rows)
    (counts,) = total([tf.one_hot(rank, replicas(), on_value=rows, off_value=0, dtype=tf.int32)])
    everyone = tf.reduce_sum(counts)
    share = tf.cast(rows, tf.float32) / tf.cast(everyone, tf.float32)
    return Part(tf.reduce_sum(counts[:rank]), share, everyone)


def never_empty(x):
    """x, or one row of zeros where a short last batch left this replica none: its share is 0, but a mean exists."""
    return x if replicas() == 1 or x.shape[0] is not None else filled(x)


def filled(x):
    """x, or one row of zeros if it has no row."""
    missing = tf.maximum(1 - tf.shape(x)[0], 0)
    return tf.pad(x, [[0, missing], *([[0, 0]] * (x.shape.rank - 1))])


def everyone(batch, x):
    """The rows x (B, ...) of all replicas, each at its place in the global batch: (batch.total, ...)."""
    if replicas() == 1:
        return x
    shape = tf.concat([[batch.total], tf.shape(x)[1:]], 0)
    there = x * tf.cast(batch.share > 0, x.dtype)  # perhaps no row of this replica is of the global batch
    return total([tf.scatter_nd(batch.index[:, None], there, shape)])[0]


def is_multi_worker(strategy) -> bool:
    """Whether the replicas are spread over processes."""
    mirrored = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return mirrored and strategy.extended._in_multi_worker_mode()


def check_optimizer(name: str, optimizer, strategy) -> None:
    """Refuse what Keras' optimisers cannot do, or do wrongly, in several replicas.

    Raises:
        ValueError: in one line, with what to do instead.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    if optimizer._distribution_strategy is not strategy:
        raise ValueError(
            f"{name}: expected an optimizer made inside strategy.scope(), like the model, got one made outside"
        )
    if strategy.num_replicas_in_sync == 1:
        return
    if optimizer.gradient_accumulation_steps:
        raise ValueError(
            f"{name}: gradient_accumulation_steps does not work in {strategy.num_replicas_in_sync} replicas; "
            "expected None and a batch of the size that accumulation would have reached"
        )
    if optimizer.ema_overwrite_frequency:
        raise ValueError(
            f"{name}: ema_overwrite_frequency does not work in {strategy.num_replicas_in_sync} replicas; "
            "expected None: use_ema alone ends with the averages, and callbacks.BestWeights looks at them"
        )
    # `descend` sums gradients over replicas before clipping and before loss scaling looks for infinities, where the
    # optimiser would do so after; it must not sum them again.
    object.__setattr__(optimizer, "_all_reduce_sum_gradients", list)


def run(step, strategy, run_eagerly: bool, jit_compile: bool, steps_per_execution: int):
    """What `fit` and `evaluate` call with an iterator: the next steps, on every replica.

    Keras' own function loses the last, incomplete execution of several steps, and reduces scalars of several workers
    along an axis that they do not have. Here every step is a call of its own. The step's values were summed over
    replicas where they were reported, so those of the first are those of all.
    """

    if jit_compile and not run_eagerly:  # in a single replica; a function of its own cannot hold a merge of several
        step = tf.function(step, reduce_retracing=True, autograph=False, jit_compile=True)

    def one(iterator):
        values = strategy.run(step, args=(next(iterator),))
        return {name: strategy.experimental_local_results(value)[0] for name, value in values.items()}

    if not run_eagerly:
        one = tf.function(one, reduce_retracing=True, autograph=False)

    def several(iterator):
        values = None
        for _ in range(steps_per_execution):
            try:
                values = one(iterator)
            except tf.errors.OutOfRangeError:
                if values is None:
                    raise
                break
        return values

    return several


def is_chief(strategy) -> bool:
    """Whether this process writes files: of several workers, one does."""
    return strategy.extended.should_checkpoint


def meet(strategy) -> None:
    """Wait for all workers."""
    if is_multi_worker(strategy):
        strategy.run(tf.function(lambda: tf.distribute.get_replica_context().all_reduce("SUM", tf.ones(()))))
