"""Private copies of the most used inner nodes, one for each thread.

Every path starts at the root and passes the few nodes below it. Threads that update those rows in
place spend their time moving cache lines between cores. So each thread works on its own copy of the
first `count` rows, and from time to time adds its changes to the shared rows (`merge`) and takes
over those of the others. Inner nodes are numbered by weight, so the most used rows are the first.

Each thread moves the root near its optimum between merges, so adding the changes of n threads
overshoots n-fold; with eight, training diverges. Only a share of a change is added: between all of
it, for a row that is rarely used between merges, and 1 / n. `w2v_hs.training.cluster` merges the
changes of workers by the same rule.

The copies live behind the shared rows in the same matrix:

    rows 0 .. n-1                shared
    rows start .. start+count-1  the copy of one thread, for each thread

Oracle: with all changes added, one thread trains as without copies (tests/kernels/test_kernels.py).
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.jit import inline
from w2v_hs.kernels.simd import LANES, broadcast, load, multiply_add, prefetch_to_write, store

AHEAD = 3  # rows that `merge` prefetches


class Copies(NamedTuple):
    """The copy of one thread."""

    count: int  # number of rows
    start: int  # the first row
    turn: float  # where in the rows merging begins, 0 to 1; differs by thread, so two rarely meet
    interval: int  # windows between two merges
    share: np.ndarray  # (count,) float32: the part of a row's change that is added
    snapshot: np.ndarray  # (count*stride,) float32: the rows after the last merge
    windows: np.ndarray  # (1,) int64: number trained since the last merge


@inline
def own_row(copies, row):
    """The row that this thread uses in place of a shared one."""
    return row + (copies.start if row < copies.count else 0)


@inline
def merge(matrix, stride, copies):
    """Merge the copy with the shared rows of `matrix` (rows*stride,) float32, flat:

    shared += share * (private - snapshot),    private = snapshot = shared
    """
    minus_one = broadcast(np.float32(-1.0))
    copies.windows[0] = 0
    begin = np.int64(copies.turn * copies.count)
    for i in range(copies.count):
        row = begin + i if begin + i < copies.count else begin + i - copies.count
        shared, private, saved = row * stride, (copies.start + row) * stride, row * stride
        share = broadcast(copies.share[row])
        for k in range(0, stride, LANES):
            # They are in another core's cache. (Prefetching beyond the matrix does no harm.)
            prefetch_to_write(matrix, shared + AHEAD * stride + k)
            change = multiply_add(load(copies.snapshot, saved + k), minus_one, load(matrix, private + k))
            total = multiply_add(change, share, load(matrix, shared + k))
            store(matrix, shared + k, total)
            store(matrix, private + k, total)
            store(copies.snapshot, saved + k, total)


@inline
def merge_due(matrix, stride, copies):
    """Count a window, and merge if it is the last of an interval."""
    if copies.count == 0:
        return
    copies.windows[0] += 1
    if copies.windows[0] == copies.interval:
        merge(matrix, stride, copies)
