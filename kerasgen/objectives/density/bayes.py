"""Classes by Bayes' rule: whoever knows how likely an example is in every class knows how likely every class is.

    p(c | x) = p(x | c) p(c) / sum_k p(x | k) p(k)

The prior over classes is uniform, p(c) = 1 / K, whatever the shares of the classes in the data: it cancels, and what is
left is a softmax of the log-likelihoods. The rule is exact; how good the answers are is up to the likelihoods, which
were never fitted to tell classes apart. One that gives all classes the same law answers 1 / K.
"""

from __future__ import annotations

import tensorflow as tf


class Classified:
    """What a likelihood that takes a label serves beside it. A model without classes does not serve it."""

    def serve_classify(self, x):
        count, classes = tf.shape(x)[0], tf.range(self.num_classes)

        def add(label, joint):
            log_prob = self.serve_log_prob(x, tf.fill((count,), label))
            return label + 1, tf.where(classes == label, log_prob[:, None], joint)

        # Class after class, so that memory does not grow with their number.
        start = tf.constant(0), tf.zeros((count, self.num_classes))
        return tf.nn.log_softmax(tf.while_loop(lambda label, _: label < self.num_classes, add, start)[1])
