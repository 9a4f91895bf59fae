"""Where the rows of a window are: the path of its centre and its context words.

They are looked up, and asked for, while the windows before it are trained, so that they are in the
cache when they are needed.
"""

import numpy as np

from w2v_hs.kernels.copies import own_row
from w2v_hs.kernels.jit import inline
from w2v_hs.kernels.simd import LANES, prefetch, prefetch_to_write

# Rows above this number are so much used that they are in the cache anyway.
CACHED = 512


@inline
def find_path(paths, word, weights, stride, nodes, scratch, at):
    """Write the offsets of the rows on the path of `word`, and its signs; return its length.

    16 offsets of the root follow, for blocks of nodes that go beyond the path. Rows that are
    unlikely to be in the cache are asked for.
    """
    start = paths.offsets[word]
    length = paths.offsets[word + 1] - start
    cached = max(CACHED, nodes.count)
    for j in range(length):
        scratch.path[at + j] = own_row(nodes, np.int64(paths.nodes[start + j])) * stride
        scratch.signs[at + j] = np.float32(1.0) - np.float32(2.0) * np.float32(
            paths.bits[start + j]
        )
    for j in range(length, length + LANES):
        scratch.path[at + j] = own_row(nodes, 0) * stride
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


@inline
def look_ahead(i, length, window, paths, vectors, weights, stride, nodes, scratch, at):
    """While window i is trained, what the next ones need is on its way to the cache.

    Writes the path of word i + 1 of scratch.kept[:length] as `find_path` does, and returns its
    length, 0 behind the last word.
    """
    kept = scratch.kept
    if i + 3 < length:
        prefetch(paths.offsets, kept[i + 3])
        prefetch_path(paths, kept[i + 2])
    if i + 1 + window < length:
        prefetch_row(vectors, np.int64(kept[i + 1 + window]) * stride, stride)
    if i + 1 >= length:
        return 0
    return find_path(paths, kept[i + 1], weights, stride, nodes, scratch, at)


@inline
def find_contexts(kept, begin, centre, end, stride, rows):
    """Write the offsets of the rows of kept[begin:end] without the centre; return their number."""
    count = 0
    for at in range(begin, end):
        rows[count] = np.int64(kept[at]) * stride
        count += np.int64(at != centre)
    return count
