"""Private copies of the top of the tree, one for each thread.

Every path starts at the root and passes the few nodes below it, so threads that update them in
place spend their time moving those cache lines between cores. Each thread works on its own copy
of the `count` heaviest inner nodes and from time to time adds what it has changed to the shared
rows (`merge_top`), taking over what the others have added. Inner nodes are numbered by weight, so
the top of the tree is one block of rows.

Between merges the threads go apart: the longer, the more their sum oversteps. What counts is how
often a node is updated meanwhile, and in a binary tree node r is used about 1 / r as often as the
root. So the first `FIRST` rows are merged every `interval` windows, four times as many every four
times as many windows, and so on, which makes frequent merges of the root cheap.

The copies live behind the shared rows in the same matrix of output weights:

    rows 0 .. inner-1            shared
    rows start .. start+count-1  the copy of one thread, for each thread
    the last row                 zeros, never written
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
    prefetch,
    prefetch_to_write,
    store,
)


class Top(NamedTuple):
    """One thread's copy: `count` rows from row `start`; `turn`, from 0 to 1 and different for each
    thread, says where in the rows merging begins, so that two threads rarely meet; `zero` is the
    row of zeros; `interval` is the number of windows between merges; `snapshot` (count*stride,)
    float32 holds the rows as they were after the last merge."""

    count: int
    start: int
    turn: float
    zero: int
    interval: int
    snapshot: np.ndarray


FIRST = 16  # rows that are merged most often


@inline
def merge_top(weights, stride, top, rows):
    """Add the changes of the first `rows` rows since the last merge to the shared rows, and take
    the sums over."""
    minus_one = broadcast(np.float32(-1.0))
    begin = np.int64(top.turn * rows)
    for i in range(rows):
        row = begin + i if begin + i < rows else begin + i - rows
        shared, private, saved = row * stride, (top.start + row) * stride, row * stride
        for k in range(0, stride, LANES):
            change = multiply_add(
                load(top.snapshot, saved + k), minus_one, load(weights, private + k)
            )
            total = add(load(weights, shared + k), change)
            store(weights, shared + k, total)
            store(weights, private + k, total)
            store(top.snapshot, saved + k, total)


@inline
def merge_due(weights, stride, top, windows):
    """Merge the rows whose turn it is after so many windows."""
    if top.count == 0 or windows % top.interval != 0:
        return
    rows, merges = FIRST, windows // top.interval
    while rows < top.count and merges % 4 == 0:
        rows *= 4
        merges //= 4
    merge_top(weights, stride, top, min(rows, top.count))


# Rows above this number are so much used that they are in the cache anyway.
CACHED = 512


@inline
def find_path(paths, word, weights, stride, top, scratch, at):
    """Write the offsets of the rows on the path of `word`, and its signs; return its length.

    16 offsets of the row of zeros follow. Rows that are unlikely to be
    in the cache are asked for.
    """
    start = paths.offsets[word]
    length = paths.offsets[word + 1] - start
    cached = max(CACHED, top.count)
    for j in range(length):
        row = np.int64(paths.nodes[start + j])
        scratch.path[at + j] = (row + (top.start if row < top.count else 0)) * stride
        scratch.signs[at + j] = np.float32(1.0) - np.float32(2.0) * np.float32(
            paths.bits[start + j]
        )
    for j in range(length, length + LANES):
        scratch.path[at + j] = top.zero * stride
    for j in range(length - 1, -1, -1):  # towards the root rows become more used
        if paths.nodes[start + j] < cached:
            break
        prefetch_row(weights, scratch.path[at + j], stride)
    return length


@inline
def prefetch_row(array, offset, stride):
    """Ask for a row of `stride` numbers, which will be written."""
    for k in range(0, stride, LANES):
        prefetch_to_write(array, offset + k)


@inline
def prefetch_path(paths, word):
    """Ask for what `find_path` reads first."""
    start = paths.offsets[word]
    prefetch(paths.nodes, start)
    prefetch(paths.nodes, start + LANES)
    prefetch(paths.bits, start)
