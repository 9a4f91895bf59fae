"""Pairs of adjacent words: counted, and joined to one word.

A stream (n,) int32 holds numbers of types, and `END` at the end of each sentence. A pair of types
has the key first * 2^32 + second, uint64. Hash tables use open addressing; their size is a power of
two, and a slot whose count or value is 0 is empty. Oracle: `naive.join_phrases`.
"""

import numpy as np

from w2v_hs.kernels.jit import inline, jit, no_collection
from w2v_hs.kernels.tokens import END, mix


@inline
def _pair(first, second):
    """The key of a pair."""
    return (np.uint64(first) << np.uint64(32)) | np.uint64(second)


@jit
def renumber(stream, numbers):
    """Replace each type t of a stream by numbers[t] (types,), in place."""
    for i in range(len(stream)):
        if stream[i] != END:
            stream[i] = numbers[stream[i]]


@jit
def count_pairs(stream, begin, end, usable, share, shares, keys, counts, used):
    """Count the pairs (stream[i - 1], stream[i]) for i in begin .. end - 1, begin at least 1.

    Only pairs of types that are usable (types,) uint8, and whose hash is `share` modulo `shares`, a
    power of two. Table: keys uint64, counts int64. used (1,) int64: slots taken, half of them at
    most. Returns where it stopped: `end`, or the i for whose pair the table has no room.
    """
    mask = len(keys) - 1
    for i in range(begin, end):
        first, second = stream[i - 1], stream[i]
        if first == END or second == END or usable[first] == 0 or usable[second] == 0:
            continue
        key = _pair(first, second)
        hash = mix(key)
        if np.int64(hash >> np.uint64(40)) & (shares - 1) != share:
            continue
        slot = np.int64(hash & np.uint64(0xFFFFFFFFFF)) & mask
        while counts[slot] != 0 and keys[slot] != key:
            slot = (slot + 1) & mask
        if counts[slot] == 0:
            if 2 * used[0] >= len(keys):
                return i
            keys[slot] = key
            used[0] += 1
        counts[slot] += 1
    return end


@jit
def fill(keys, values, new_keys, new_values):
    """Insert the pairs of a table, or of a list, into an empty table with room for them."""
    mask = len(new_keys) - 1
    for i in range(len(keys)):
        if values[i] == 0:
            continue
        slot = np.int64(mix(keys[i]) & np.uint64(0xFFFFFFFFFF)) & mask
        while new_values[slot] != 0:
            slot = (slot + 1) & mask
        new_keys[slot] = keys[i]
        new_values[slot] = values[i]


@jit
def join_pairs(stream, begin, end, written, firsts, keys, values):
    """Join pairs of stream[begin:end] from left to right, and write the result to stream[written:].

    firsts (types,) uint8: whether a pair begins with a type. keys uint64, values int64: a table of
    the pairs, with the number of the joined type plus 1. A joined word is not joined again. Returns
    (position, written): where it stopped, `end` or one more, and the end of what is written.
    """
    mask = len(keys) - 1
    i = begin
    while i < end:
        number = stream[i]
        i += 1
        if number != END and firsts[number] and i < len(stream) and stream[i] != END:
            key = _pair(number, stream[i])
            slot = np.int64(mix(key) & np.uint64(0xFFFFFFFFFF)) & mask
            while values[slot] != 0 and keys[slot] != key:
                slot = (slot + 1) & mask
            if values[slot] != 0:
                number = np.int32(values[slot] - 1)
                i += 1
        stream[written] = number
        written += 1
    return i, written


@jit
def spell(stream, begin, starts, arena, out):
    """Write stream[begin:] as text: spaces between words, newlines after non-empty sentences.

    Type t is arena[starts[t]:starts[t + 1]], uint8; out uint8. Returns (position, written): where
    it stopped, at the end of the stream or for lack of room in `out`, and the bytes written.
    """
    written = 0
    for i in range(begin, len(stream)):
        number = stream[i]
        if number == END:
            if i > 0 and stream[i - 1] != END:
                if written == len(out):
                    return i, written
                out[written] = 10
                written += 1
            continue
        first, last = starts[number], starts[number + 1]
        if written + last - first + 1 > len(out):
            return i, written
        for j in range(first, last):
            out[written + j - first] = arena[j]
        written += last - first
        if i + 1 < len(stream) and stream[i + 1] != END:
            out[written] = 32
            written += 1
    return len(stream), written


def warm_up() -> None:
    """Compile the kernels of this module, or load them from the cache."""
    with no_collection():
        stream, flags = np.array([0, 1, -1], np.int32), np.ones(2, np.uint8)
        keys, values = np.zeros(4, np.uint64), np.zeros(4, np.int64)
        renumber(stream, np.arange(2))
        count_pairs(stream, 1, 3, flags, 0, 1, keys, values, np.zeros(1, np.int64))
        fill(keys, values, np.zeros(4, np.uint64), np.zeros(4, np.int64))
        join_pairs(stream, 0, 3, 0, flags, keys, values)
        spell(stream, 0, np.arange(3), np.zeros(2, np.uint8), np.zeros(9, np.uint8))
