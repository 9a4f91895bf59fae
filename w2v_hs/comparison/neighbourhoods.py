"""The nearest neighbours of words, and how many of them models have in common."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from w2v_hs.evaluation.statistics import Bool
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


@dataclass(frozen=True)
class Agreement:
    """What R runs say about the k nearest neighbours of W words."""

    overlaps: Float64  # (W,): as `overlaps`, mean over all pairs of two runs
    neighbors: Int64  # (W, k): rows of highest mean cosine, best first
    votes: Int64  # (W, k): how many runs have them among their own k nearest
    cosines: Float32  # (W, k, R)


def agreement(runs: Sequence[Float32], words: Int64, candidates: int, k: int) -> Agreement:
    """Compare the neighbours of `words` between all runs; parameters as in `overlaps`."""
    from threadpoolctl import threadpool_limits

    pairs = list(itertools.combinations(range(len(runs)), 2))
    step = max(1, _ROWS // len(runs))

    def block(first: int) -> tuple[Float64, Int64, Int64, Float32]:
        rows = words[first : first + step]
        cosines = np.stack([_cosines(run, rows, candidates) for run in runs])
        near = [_near(each, k) for each in cosines]
        sets = [np.packbits(each, axis=1) for each in near]
        sizes = [_sizes(each) for each in sets]
        same = [_sizes(sets[i] & sets[j]) / np.maximum(sizes[i], sizes[j]) for i, j in pairs]
        best = np.argsort(-cosines.mean(axis=0, dtype=np.float64), axis=1, kind="stable")[:, :k]
        votes = np.take_along_axis(np.sum(near, axis=0), best, axis=1)
        of_best = np.take_along_axis(cosines, best[None], axis=2)
        return np.mean(same, axis=0), best, votes, np.moveaxis(of_best, 0, 2)

    with threadpool_limits(1), ThreadPoolExecutor(available_cores()) as pool:
        blocks = list(pool.map(block, range(0, len(words), step)))
    return Agreement(*map(np.concatenate, zip(*blocks, strict=True)))


def _nearest(run: Float32, rows: Int64, candidates: int, k: int) -> UInt8:
    """The neighbours of each row as a set, a bit for each candidate: (rows, candidates / 8)."""
    return np.packbits(_near(_cosines(run, rows, candidates), k), axis=1)


def _cosines(run: Float32, rows: Int64, candidates: int) -> Float32:
    """The cosine of each row with all candidates, (rows, candidates); -inf with itself."""
    cosines: Float32 = run[rows] @ run[:candidates].T
    own = np.flatnonzero(rows < candidates)
    cosines[own, rows[own]] = -np.inf  # a word is no neighbour of itself
    return cosines


def _near(cosines: Float32, k: int) -> Bool:
    """Which candidates are among the k of highest cosine, (rows, candidates)."""
    cut = cosines.shape[1] - k
    near: Bool = cosines >= np.partition(cosines, cut, axis=1)[:, cut : cut + 1]
    return near


def _sizes(sets: UInt8) -> Int64:
    """The size of each set, (rows,)."""
    sizes: Int64 = np.bitwise_count(sets).sum(axis=1, dtype=np.int64)
    return sizes
