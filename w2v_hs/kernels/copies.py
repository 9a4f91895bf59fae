"""Private copies of the most used inner nodes, one for each thread.

Every path starts at the root and passes the few nodes below it. Threads that update those rows in
place spend their time moving cache lines between cores. Each thread works on its own copy of the
first `count` rows and from time to time adds what it has changed to the shared rows (`merge`),
taking over what the others have added. Inner nodes are numbered by weight, so the most used rows
are the first.

Between merges the threads go apart. Each of them takes the root to where it should be, and the sum
of their changes goes as many times as far as there are threads: with eight, training ends in
infinities. So `share` of a change is added, which lies between all of it, where a row is used
little meanwhile, and one part in as many as there are threads (the rule is that of
`w2v_hs.training.cluster.rounds`).

The copies live behind the shared rows in the same matrix:

    rows 0 .. n-1                shared
    rows start .. start+count-1  the copy of one thread, for each thread
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.jit import inline
from w2v_hs.kernels.simd import (
    LANES,
    broadcast,
    load,
    multiply_add,
    prefetch_to_write,
    store,
)

AHEAD = 3  # rows that `merge` asks for before it needs them


class Copies(NamedTuple):
    """One thread's copy: `count` rows from row `start`; `turn`, from 0 to 1 and different for each
    thread, says where in the rows merging begins, so that two threads rarely meet; `interval` is
    the number of windows between two merges; share (count,) float32 is the part of a row's change
    that is added; `snapshot` (count*stride,) float32 holds the rows as they were after the last
    merge; windows (1,) int64 is how many were trained since."""

    count: int
    start: int
    turn: float
    interval: int
    share: np.ndarray
    snapshot: np.ndarray
    windows: np.ndarray


@inline
def own_row(copies, row):
    """The row that this thread works on in place of a shared one."""
    return row + (copies.start if row < copies.count else 0)


@inline
def merge(matrix, stride, copies):
    """Add the share of all changes since the last merge to the shared rows, and take the sums
    over."""
    minus_one = broadcast(np.float32(-1.0))
    copies.windows[0] = 0
    begin = np.int64(copies.turn * copies.count)
    for i in range(copies.count):
        row = begin + i if begin + i < copies.count else begin + i - copies.count
        shared, private, saved = row * stride, (copies.start + row) * stride, row * stride
        share = broadcast(copies.share[row])
        for k in range(0, stride, LANES):
            # They lie in another core's cache. (To ask for a row behind the matrix is no fault.)
            prefetch_to_write(matrix, shared + AHEAD * stride + k)
            change = multiply_add(
                load(copies.snapshot, saved + k), minus_one, load(matrix, private + k)
            )
            total = multiply_add(change, share, load(matrix, shared + k))
            store(matrix, shared + k, total)
            store(matrix, private + k, total)
            store(copies.snapshot, saved + k, total)


@inline
def merge_due(matrix, stride, copies):
    """Count a window, and merge where it was the last of an interval."""
    if copies.count == 0:
        return
    copies.windows[0] += 1
    if copies.windows[0] == copies.interval:
        merge(matrix, stride, copies)
