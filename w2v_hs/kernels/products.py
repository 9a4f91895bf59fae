"""Products of sparse rows with a dense matrix, and what softmax regression makes of them.

`add_products` computes scores from features (X @ W) and, given the transpose of X, the gradient
from the slopes of the scores (X^T @ R). SciPy has the same product, but holds the interpreter lock
and rereads the whole matrix for each row: here a tile of its columns stays in the cache.

Oracles: dense products of NumPy; `naive.regression` for the loss.
"""

from w2v_hs.kernels.jit import inline, jit

TILE = 256  # columns of the dense matrix at once: 2 KiB of each of its rows in float64


@inline
def add_row(x, row, total):
    """total += x * row."""
    for c in range(len(total)):
        total[c] += x * row[c]


@jit
def add_products(rows, first, last, matrix, out):
    """out[i] += x_i @ matrix for the sparse rows x_i, i from `first` to `last` - 1.

    rows: `Rows`, not dense, of d columns. matrix (d, m), out (n, m): of the dtype of the values.
    The order of additions does not depend on `first` and `last`.
    """
    starts, columns, values = rows
    width = matrix.shape[1]
    for begin in range(0, width, TILE):
        end = min(begin + TILE, width)
        for i in range(first, last):
            total = out[i, begin:end]
            for k in range(starts[i], starts[i + 1]):
                add_row(values[k], matrix[columns[k], begin:end], total)


@jit
def add_outer(rows, slopes, matrix):
    """matrix[j] += x[j] * slopes[i] for each sparse row i, x, and each of its columns j.

    rows: n `Rows`, not dense, of d columns. slopes (n, m), matrix (d, m).
    """
    starts, columns, values = rows
    for i in range(len(slopes)):
        for k in range(starts[i], starts[i + 1]):
            add_row(values[k], slopes[i], matrix[columns[k]])


@jit
def largest(scores, k, best):
    """The columns of the k largest numbers of each row of scores (n, m), written to best (n, k).

    The largest first; of equals the first column.
    """
    for i in range(len(scores)):
        row, places = scores[i], best[i]
        found = 0
        for c in range(len(row)):
            if found == k and not row[c] > row[places[k - 1]]:
                continue
            at = min(found, k - 1)
            while at > 0 and row[c] > row[places[at - 1]]:
                places[at] = places[at - 1]
                at -= 1
            places[at] = c
            found = min(found + 1, k)
