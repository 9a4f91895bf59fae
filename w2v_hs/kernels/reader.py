"""From UTF-8 bytes to numbers of types, in one pass.

A hash table with open addressing maps the bytes of a token to the number of its type, in order of
first occurrence. White space is what `str.split` takes for it; a newline ends a sentence. The
caller sees to it that a block is valid UTF-8 and ends between two tokens.
"""

import itertools
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.common import inline, jit

END = np.int32(-1)  # end of a sentence, in a stream of types

_SPACE, _NEWLINE, _LEAD = 1, 2, 3
_BYTES = np.zeros(256, np.uint8)
_BYTES[[*range(0x09, 0x0E), *range(0x1C, 0x21)]] = _SPACE
_BYTES[0x0A] = _NEWLINE
_BYTES[[0xC2, 0xE1, 0xE2, 0xE3]] = _LEAD  # bytes with which longer white space begins


class Types(NamedTuple):
    """A table of types.

    slots (a power of two,) int64: high 32 bits of the hash, then the number of the type; -1 is an
    empty slot. starts (n + 1,) int64: type t is arena[starts[t]:starts[t + 1]]. arena uint8.
    used (1,) int64: number of types.
    """

    slots: np.ndarray
    starts: np.ndarray
    arena: np.ndarray
    used: np.ndarray


def new_types(slots: int = 1 << 16, arena: int = 1 << 19) -> Types:
    """An empty table; half of the slots can be used."""
    return Types(
        np.full(slots, -1, np.int64),
        np.zeros(slots // 2 + 1, np.int64),
        np.zeros(arena, np.uint8),
        np.zeros(1, np.int64),
    )


def grown(types: Types, room: int) -> Types:
    """A copy with room for as many types again and for `room` more bytes."""
    used = int(types.used[0])
    slots = len(types.slots) * (2 if 2 * used + 2 > len(types.slots) else 1)
    filled = int(types.starts[used])
    arena = max(len(types.arena), 2 * filled + room)
    new = new_types(slots, arena)
    new.starts[: used + 1] = types.starts[: used + 1]
    new.arena[:filled] = types.arena[:filled]
    new.used[0] = used
    _fill_slots(new)
    return new


def words_of(types: Types) -> list[str]:
    """The types as strings, in order of their numbers."""
    bounds = types.starts[: int(types.used[0]) + 1].tolist()
    data = types.arena[: bounds[-1]].tobytes()
    if data.isascii():  # one byte a character: cut the string
        text = data.decode("ascii")
        return [text[a:b] for a, b in itertools.pairwise(bounds)]
    return [data[a:b].decode() for a, b in itertools.pairwise(bounds)]


@inline
def _mix(hash_):
    """Spread the entropy of a multiplicative hash over all bits."""
    hash_ ^= hash_ >> np.uint64(32)
    hash_ *= np.uint64(0xD6E8FEB86659FD93)
    return hash_ ^ (hash_ >> np.uint64(32))


@jit
def _fill_slots(types):
    mask = len(types.slots) - 1
    for number in range(types.used[0]):
        hash_ = np.uint64(0)
        for i in range(types.starts[number], types.starts[number + 1]):
            hash_ = (hash_ ^ np.uint64(types.arena[i])) * np.uint64(0x100000001B3)
        hash_ = _mix(hash_)
        slot = np.int64(hash_) & mask
        while types.slots[slot] != -1:
            slot = (slot + 1) & mask
        types.slots[slot] = np.int64(hash_ & np.uint64(0x7FFFFFFF00000000)) | number


@inline
def _space_width(block, i, size):
    """Bytes of the white space beyond ASCII that begins at block[i]; 0 if there is none."""
    first = block[i]
    if first == 0xC2 and i + 1 < size:
        return 2 if block[i + 1] == 0x85 or block[i + 1] == 0xA0 else 0
    if i + 2 >= size:
        return 0
    second, third = block[i + 1], block[i + 2]
    if first == 0xE1:  # U+1680
        return 3 if second == 0x9A and third == 0x80 else 0
    if first == 0xE2:  # U+2000 .. U+200A, U+2028, U+2029, U+202F, U+205F
        if second == 0x80:
            return 3 if third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF else 0
        return 3 if second == 0x81 and third == 0x9F else 0
    if first == 0xE3:  # U+3000
        return 3 if second == 0x80 and third == 0x80 else 0
    return 0


@jit
def scan(block, begin, types, stream):
    """Write the types of the tokens of block[begin:], with `END` after each line that has any.

    block (n,) uint8; stream (>= n + 1,) int32. Returns (position, written): where the scan
    stopped, n or the token for which the table has no room, and the numbers written.
    """
    size = len(block)
    mask = len(types.slots) - 1
    slots, starts, arena = types.slots, types.starts, types.arena
    used = types.used[0]
    written = 0
    i = begin
    while i < size:
        kind = _BYTES[block[i]]
        if kind == _NEWLINE:
            stream[written] = END
            written += 1
            i += 1
            continue
        if kind == _SPACE:
            i += 1
            continue
        if kind == _LEAD:
            width = _space_width(block, i, size)
            if width > 0:
                i += width
                continue
        begin = i
        hash_ = np.uint64(0)
        while True:
            hash_ = (hash_ ^ np.uint64(block[i])) * np.uint64(0x100000001B3)
            i += 1
            if i == size:
                break
            kind = _BYTES[block[i]]
            if kind != 0 and (kind != _LEAD or _space_width(block, i, size) > 0):
                break
        hash_ = _mix(hash_)
        tag = np.int64(hash_ & np.uint64(0x7FFFFFFF00000000))
        slot = np.int64(hash_) & mask
        length = i - begin
        number = np.int64(-1)
        while slots[slot] != -1:
            if slots[slot] & ~np.int64(0xFFFFFFFF) == tag:
                candidate = slots[slot] & np.int64(0xFFFFFFFF)
                start = starts[candidate]
                if starts[candidate + 1] - start == length:
                    same = 0
                    while same < length and arena[start + same] == block[begin + same]:
                        same += 1
                    if same == length:
                        number = candidate
                        break
            slot = (slot + 1) & mask
        if number == -1:
            start = starts[used]
            if 2 * used + 2 > len(slots) or start + length > len(arena):
                types.used[0] = used
                return begin, written
            arena[start : start + length] = block[begin:i]
            number = used
            used += 1
            starts[used] = start + length
            slots[slot] = tag | number
        stream[written] = number
        written += 1
    types.used[0] = used
    return size, written


@jit
def count(stream, counts):
    """Add the occurrences of each type in a stream to `counts` (types,) int64."""
    for number in stream:
        if number != END:
            counts[number] += 1


@jit
def compact(stream, begin, end, rows, ids, sentences, state, longest):
    """Turn stream[begin:end] into words of the vocabulary.

    rows (types,) int32: the row of each type, -1 for those left out. ids may be the stream itself:
    what is written never overtakes what is read. A sentence ends at `END` and after `longest`
    words. state (2,) int64: words and sentences written so far; sentences[0] is 0.
    """
    written, sentence = state[0], state[1]
    for i in range(begin, end):
        number = stream[i]
        row = np.int32(-1) if number == END else rows[number]
        if row >= 0:
            ids[written] = row
            written += 1
        length = written - sentences[sentence]
        if length == longest or (number == END and length > 0):
            sentence += 1
            sentences[sentence] = written
    state[0], state[1] = written, sentence
