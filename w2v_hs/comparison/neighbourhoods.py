"""The nearest neighbours of words, and how many of them models have in common."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from w2v_hs.options import available_cores
from w2v_hs.types import Float32, Float64, Int64, UInt8

_ROWS = 256  # words whose cosines with all candidates are held at once, by each thread


def overlaps(
    old: Sequence[Float32], new: Sequence[Float32], words: Int64, candidates: int, k: int
) -> Float64:
    """The share of its nearest neighbours that a word keeps, from each old run to each new one.

    Gonen et al. (2020): the size of the intersection of the two sets of the `k` words of highest
    cosine, divided by `k`. Words as far as the k-th all count; the larger set then divides.

    old, new: for each run (n, dim) float32, the vectors of the same words scaled to length 1.
    words: (W,), the rows to compute. candidates: how many of the first rows can be neighbours, more
    than k. Returns (W, len(old), len(new)) float64.
    """
    from threadpoolctl import threadpool_limits

    found = np.empty((len(words), len(old), len(new)))

    def fill(first: int) -> None:
        rows = words[first : first + _ROWS]
        before, after = ([_nearest(run, rows, candidates, k) for run in runs] for runs in (old, new))
        for i, one in enumerate(before):
            for j, other in enumerate(after):
                sizes = np.maximum(_sizes(one), _sizes(other))
                found[first : first + _ROWS, i, j] = _sizes(one & other) / sizes

    with threadpool_limits(1), ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(fill, range(0, len(words), _ROWS)))
    return found


def nearest(runs: Sequence[Float32], word: int, candidates: int, k: int) -> list[tuple[int, float]]:
    """The `k` rows of highest mean cosine over the runs with row `word`, best first."""
    found = np.stack([run[:candidates] @ run[word] for run in runs])
    cosines = found.mean(axis=0, dtype=np.float64)
    best = [row for row in np.argsort(-cosines, kind="stable").tolist() if row != word][:k]
    return [(row, float(cosines[row])) for row in best]


def _nearest(run: Float32, rows: Int64, candidates: int, k: int) -> UInt8:
    """The neighbours of each row as a set, a bit for each candidate: (rows, candidates / 8)."""
    cosines = run[rows] @ run[:candidates].T
    own = np.flatnonzero(rows < candidates)
    cosines[own, rows[own]] = -np.inf  # a word is no neighbour of itself
    cut = candidates - k
    least = np.partition(cosines, cut, axis=1)[:, cut : cut + 1]
    return np.packbits(cosines >= least, axis=1)


def _sizes(sets: UInt8) -> Int64:
    """The size of each set, (rows,)."""
    sizes: Int64 = np.bitwise_count(sets).sum(axis=1, dtype=np.int64)
    return sizes
