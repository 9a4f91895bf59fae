"""Offsets of the rows of a window: the path of its centre, and its context words.

They are looked up and prefetched while earlier windows are trained, so that they are in the cache
when they are needed.
"""

import numpy as np

from w2v_hs.kernels.copies import own_row
from w2v_hs.kernels.jit import inline
from w2v_hs.kernels.simd import LANES, prefetch, prefetch_outer, prefetch_to_write

# The first rows, the top of the tree, are used so often that they are in the cache anyway.
CACHED = 512
# Rows of words and nodes from here on are rare, and probably in no cache.
FAR = 1 << 16


@inline
def find_path(paths, word, weights, stride, nodes, scratch, at):
    """Write the path of `word` to scratch.path[at:] and scratch.signs[at:]; return its length.

    The path holds offsets into the flat `weights`, of this thread's copies where `nodes`, a
    `copies.Copies`, has them; then 16 offsets of the root, for blocks of nodes that extend beyond
    the path. A sign is 1 for left, -1 for right. Rows that are probably not in the cache are
    prefetched.
    """
    start = paths.offsets[word]
    length = paths.offsets[word + 1] - start
    cached = max(CACHED, nodes.count)
    for j in range(length):
        scratch.path[at + j] = own_row(nodes, np.int64(paths.nodes[start + j])) * stride
        scratch.signs[at + j] = np.float32(1.0) - np.float32(2.0) * np.float32(paths.bits[start + j])
    for j in range(length, length + LANES):
        scratch.path[at + j] = own_row(nodes, 0) * stride
    for j in range(length - 1, -1, -1):  # rows nearer the root are used more often
        if paths.nodes[start + j] < cached:
            break
        prefetch_row(weights, scratch.path[at + j], stride)
    return length


@inline
def prefetch_row(array, offset, stride):
    """Prefetch a row of `stride` numbers that will be written.

    From row `FAR` on into the second cache only: a path of millions of words has more cold lines
    than can be on their way to the first at once, and training would wait for it.
    """
    if offset < FAR * stride:
        for k in range(0, stride, LANES):
            prefetch_to_write(array, offset + k)
    else:
        for k in range(0, stride, LANES):
            prefetch_outer(array, offset + k)


@inline
def prefetch_path(paths, word):
    """Prefetch what `find_path` reads first."""
    start = paths.offsets[word]
    prefetch(paths.nodes, start)
    prefetch(paths.nodes, start + LANES)
    prefetch(paths.bits, start)


@inline
def look_ahead(i, length, window, paths, vectors, weights, stride, nodes, scratch, at):
    """Prefetch what the windows after window i of scratch.kept[:length] need.

    Writes the path of word i + 1 as `find_path` does; returns its length, 0 after the last word.
    """
    kept = scratch.kept
    if i + 3 < length:
        prefetch(paths.offsets, kept[i + 3])
        prefetch_path(paths, kept[i + 2])
    if i + 1 + window.right < length:
        prefetch_row(vectors, np.int64(kept[i + 1 + window.right]) * stride, stride)
    if i + 1 >= length:
        return 0
    return find_path(paths, kept[i + 1], weights, stride, nodes, scratch, at)


@inline
def find_contexts(kept, begin, centre, end, mask, stride, rows):
    """Write the offsets of the words kept[begin:end] but the centre to `rows`; return their number.

    They are those of the words' rows or, if mask is not -1, of their slots in a ring. kept int32:
    words. rows int64: room for one more than there are contexts.
    """
    count = 0
    for at in range(begin, end):
        rows[count] = (np.int64(kept[at]) if mask < 0 else at & mask) * stride
        count += np.int64(at != centre)
    return count
