"""Private copies of the most used rows of a matrix, one for each thread.

Every path starts at the root and passes the few nodes below it, and a few hundred words make up
half of any text. Threads that update those rows in place spend their time moving cache lines
between cores. Each thread works on its own copy of the first `count` rows and from time to time
adds what it has changed to the shared rows (`merge`), taking over what the others have added.
Inner nodes are numbered by weight and words by frequency, so the most used rows are the first.

Between merges the threads go apart: the longer, the more their sum oversteps. What counts is how
often a row is updated meanwhile. In a binary tree node r is used about 1 / r as often as the root.
So the `first` rows are merged every `interval` windows, four times as many every four times as
many windows, and so on, which makes frequent merges of the root cheap.

The copies live behind the shared rows in the same matrix:

    rows 0 .. n-1                shared
    rows start .. start+count-1  the copy of one thread, for each thread
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.compile import inline
from w2v_hs.kernels.vector import (
    LANES,
    add,
    broadcast,
    load,
    multiply_add,
    prefetch_to_write,
    store,
)

AHEAD = 3  # rows that `merge` asks for before it needs them


class Copies(NamedTuple):
    """One thread's copy: `count` rows from row `start`; `turn`, from 0 to 1 and different for each
    thread, says where in the rows merging begins, so that two threads rarely meet; `first` is the
    number of rows that are merged most often, `interval` the number of windows between two merges
    of them; `snapshot` (count*stride,) float32 holds the rows as they were after the last
    merge."""

    count: int
    start: int
    turn: float
    first: int
    interval: int
    snapshot: np.ndarray


class NoCopies(NamedTuple):
    """Stands for `Copies` where all rows are shared."""

    count: int
    start: int


@inline
def own_row(copies, row):
    """The row that this thread works on in place of a shared one."""
    return row + (copies.start if row < copies.count else 0)


@inline
def merge(matrix, stride, copies, rows):
    """Add the changes of the first `rows` rows since the last merge to the shared rows, and take
    the sums over."""
    minus_one = broadcast(np.float32(-1.0))
    begin = np.int64(copies.turn * rows)
    for i in range(rows):
        row = begin + i if begin + i < rows else begin + i - rows
        shared, private, saved = row * stride, (copies.start + row) * stride, row * stride
        for k in range(0, stride, LANES):
            # They lie in another core's cache. (To ask for a row behind the matrix is no fault.)
            prefetch_to_write(matrix, shared + AHEAD * stride + k)
            change = multiply_add(
                load(copies.snapshot, saved + k), minus_one, load(matrix, private + k)
            )
            total = add(load(matrix, shared + k), change)
            store(matrix, shared + k, total)
            store(matrix, private + k, total)
            store(copies.snapshot, saved + k, total)


@inline
def merge_due(matrix, stride, copies, windows):
    """Merge the rows whose turn it is after so many windows."""
    if copies.count == 0 or windows % copies.interval != 0:
        return
    rows, merges = copies.first, windows // copies.interval
    while rows < copies.count and merges % 4 == 0:
        rows *= 4
        merges //= 4
    merge(matrix, stride, copies, min(rows, copies.count))
