"""Rows of a block of a matrix: what training has changed, and changes added. See `rounds`."""

import numpy as np

from w2v_hs.kernels.compile import jit


@jit
def differences(matrix, block, rows, first, step):
    """(t, dim) float32: what has become of some rows of a block, less what they were.

    matrix (>= V, stride) float32: after training. block (n, dim) float32: rows first, first + step
    ... of it before. rows (t,) int64: rows of the block.
    """
    dim = block.shape[1]
    changes = np.empty((len(rows), dim), np.float32)
    for i in range(len(rows)):
        row = rows[i]
        at = first + row * step
        for k in range(dim):
            changes[i, k] = matrix[at, k] - block[row, k]
    return changes


@jit
def add_rows(total, rows, changes, scale):
    """total[rows[i]] += scale[rows[i]] * changes[i], for (n, dim), (t,), (t, dim) and (n,)."""
    for i in range(len(rows)):
        row = rows[i]
        s = scale[row]
        for k in range(total.shape[1]):
            total[row, k] += s * changes[i, k]
