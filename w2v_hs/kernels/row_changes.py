"""Changes of rows of a matrix, as workers of a cluster send them: computed, rounded, added.

They are sent as bfloat16 (Wang and Kanwar 2019), the upper half of a float32, which has its range
and 8 significant bits, and stored as uint16, as NumPy has no such type. Oracle: rounding to the
nearest by NumPy, in tests/training/test_cluster.py.
"""

import numpy as np

from w2v_hs.kernels.jit import jit


@jit
def differences(matrix, block, rows, first, step):
    """Changes of rows of a block in training, rounded to the nearest: (t, dim) bfloat16 in uint16.

    matrix (>= V, stride) float32: after training. block (n, dim) float32: rows first, first + step,
    ... of it before training. rows (t,) int64: rows of the block. All numbers must be finite.
    """
    dim = block.shape[1]
    changes = np.empty((len(rows), dim), np.uint16)
    exact = np.empty(dim, np.float32)
    bits = exact.view(np.uint32)
    for i in range(len(rows)):
        row = rows[i]
        at = first + row * step
        for k in range(dim):
            exact[k] = matrix[at, k] - block[row, k]
        for k in range(dim):  # ties to even
            odd = (bits[k] >> np.uint32(16)) & np.uint32(1)
            changes[i, k] = np.uint16((bits[k] + np.uint32(0x7FFF) + odd) >> np.uint32(16))
    return changes


@jit
def add_rows(total, rows, changes, scale):
    """total[rows[i]] += scale[rows[i]] * changes[i] for each i.

    total (n, dim) floats, rows (t,) int64, scale (n,) floats, changes (t, dim) float32.
    """
    for i in range(len(rows)):
        row = rows[i]
        s = scale[row]
        for k in range(total.shape[1]):
            total[row, k] += s * changes[i, k]


@jit
def add_rounded_rows(total, rows, changes, scale):
    """As `add_rows`, for changes in bfloat16."""
    dim = total.shape[1]
    bits = np.empty(dim, np.uint32)
    exact = bits.view(np.float32)
    for i in range(len(rows)):
        row = rows[i]
        s = scale[row]
        for k in range(dim):
            bits[k] = np.uint32(changes[i, k]) << np.uint32(16)
        for k in range(dim):
            total[row, k] += s * exact[k]
