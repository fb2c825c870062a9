"""Diagonals, triangles and factors of matrices."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kerasgen.exporting.lowering.registry import lowering


@lowering("MatrixBandPart")
def matrix_band_part(x, below, above):
    """What lies at most so many places below and above the diagonal; a negative number keeps all."""
    rows, columns = tf.range(tf.shape(x)[-2])[:, None], tf.range(tf.shape(x)[-1])[None, :]
    below, above = tf.cast(below, tf.int32), tf.cast(above, tf.int32)
    keep = ((below < 0) | (rows - columns <= below)) & ((above < 0) | (columns - rows <= above))
    return tf.where(keep, x, tf.zeros_like(x))


@lowering("MatrixSetDiagV3")
def matrix_set_diag(x, diagonal, k):
    """x with another main diagonal."""
    if _is_main(k) and x.shape[-1] == x.shape[-2]:
        return tf.where(_diagonal(x), diagonal[..., None], x)


@lowering("MatrixDiagPartV3")
def matrix_diag_part(x, k, padding):
    """The main diagonal of a square matrix."""
    if _is_main(k) and x.shape[-1] == x.shape[-2]:
        return tf.reduce_sum(tf.where(_diagonal(x), x, tf.zeros_like(x)), -1)


@lowering("MatrixDiagV3")
def matrix_diag(diagonal, k, rows, columns, padding):
    """A matrix with this main diagonal and zeros."""
    if _is_main(k) and tf.get_static_value(rows) == tf.get_static_value(columns) == -1:
        column = diagonal[..., None]
        return tf.where(_diagonal(column), column, tf.zeros_like(column))


def _is_main(k):
    return np.all(tf.get_static_value(k) == 0)


def _diagonal(x):
    places = tf.range(tf.shape(x)[-2])
    return places[:, None] == places[None, :]


@lowering("MatrixTriangularSolve")
def matrix_triangular_solve(matrix, right, *, lower, adjoint):
    """X of matrix X = right: by the inverse in float64 if the matrix is a constant, else by substitution."""
    known = tf.get_static_value(matrix)
    if known is not None:
        full = np.tril(known) if lower else np.triu(known)
        inverse = np.linalg.inv(full.astype(np.float64)).astype(known.dtype)
        return tf.matmul(tf.constant(inverse), right, adjoint_a=bool(adjoint))
    if adjoint:
        matrix, lower = tf.linalg.matrix_transpose(matrix), not lower
    size, solved, done = matrix.shape[-1], None, []
    for i in range(size) if lower else reversed(range(size)):
        row = right[..., i : i + 1, :]
        if done:
            row -= tf.matmul(tf.gather(matrix[..., i : i + 1, :], done, axis=-1), solved)
        row /= matrix[..., i : i + 1, i : i + 1]
        solved = row if solved is None else tf.concat([solved, row], -2)
        done.append(i)
    return solved if lower else tf.reverse(solved, [-2])


@lowering("Cholesky")
def cholesky(matrix):
    """The lower factor, column by column; a constant matrix is folded before this."""
    size, columns = matrix.shape[-1], []
    for j in range(size):
        column = matrix[..., j]
        if columns:
            left = tf.stack(columns, -1)
            column -= tf.linalg.matvec(left, left[..., j, :])
        column /= tf.sqrt(column[..., j : j + 1])
        columns.append(column * np.array([0.0] * j + [1.0] * (size - j), matrix.dtype.as_numpy_dtype))
    return tf.stack(columns, -1)
