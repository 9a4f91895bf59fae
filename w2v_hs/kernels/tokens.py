"""From UTF-8 bytes to numbers of types, in one pass.

A hash table with open addressing maps the bytes of a token to the number of its type, in order of
first occurrence. White space is as in `str.split`; a newline ends a sentence. A block must be valid
UTF-8 and end with a space or newline, followed by `PAD` bytes, since eight are read at once.
Oracle: `naive.encode`.
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.jit import inline, jit, no_collection
from w2v_hs.kernels.simd import load_word

END = np.int32(-1)  # end of a sentence, in a stream of types
PAD = 8  # bytes after the text of a block and of an arena

_SPACE, _NEWLINE, _LEAD = 1, 2, 3
_BYTES = np.zeros(256, np.uint8)
_BYTES[[*range(0x09, 0x0E), *range(0x1C, 0x21)]] = _SPACE
_BYTES[0x0A] = _NEWLINE
_BYTES[[0xC2, 0xE1, 0xE2, 0xE3]] = _LEAD  # bytes with which longer white space begins


class Types(NamedTuple):
    """A hash table of types: type t is arena[starts[t]:starts[t + 1]].

    The key of a short type, of up to 8 bytes, is its bytes, so it is found without the arena; that
    of a longer one is a hash. A slot is 2 * number, plus 1 for a longer type; -1 is empty.
    """

    keys: np.ndarray  # uint64, as many as slots, a power of two
    slots: np.ndarray  # int32
    starts: np.ndarray  # (n + 1,) int64
    arena: np.ndarray  # uint8
    used: np.ndarray  # (1,) int64: number of types


def new_types(slots: int = 1 << 16, arena: int = 1 << 19) -> Types:
    """An empty table of `slots` slots, half of which can be used, and `arena` bytes."""
    return Types(
        np.zeros(slots, np.uint64),
        np.full(slots, -1, np.int32),
        np.zeros(slots // 2 + 1, np.int64),
        np.zeros(arena + PAD, np.uint8),
        np.zeros(1, np.int64),
    )


def grown(types: Types, room: int) -> Types:
    """A copy with room for more types, and for `room` more bytes at least."""
    used = int(types.used[0])
    slots = len(types.slots) * (2 if 2 * used + 2 > len(types.slots) else 1)
    filled = int(types.starts[used])
    new = new_types(slots, max(len(types.arena) - PAD, 2 * filled + room))
    new.starts[: used + 1] = types.starts[: used + 1]
    new.arena[:filled] = types.arena[:filled]
    new.used[0] = used
    _fill_slots(new)
    return new


def merged(tables: list[Types]) -> tuple[Types, list[np.ndarray]]:
    """One table of all types, and the numbers in it of the types of each table, (n,) int64.

    The first table is changed in place.
    """
    total, numbers = tables[0], []
    for table in tables:
        used = int(table.used[0])
        places = np.arange(used, dtype=np.int64)
        done = 0 if table is not tables[0] else used
        while done < used:
            done = _absorb(total, table, done, places)
            if done < used:
                total = grown(total, int(table.starts[used]))
        numbers.append(places)
    return total, numbers


def words_of(types: Types, numbers: np.ndarray) -> list[str]:
    """The types of these numbers as strings."""
    begins, ends = types.starts[numbers].tolist(), types.starts[numbers + 1].tolist()
    data = types.arena[: int(types.starts[types.used[0]])].tobytes()
    bounds = zip(begins, ends, strict=True)
    if data.isascii():  # one byte a character: cut the string
        text = data.decode("ascii")
        return [text[a:b] for a, b in bounds]
    return [data[a:b].decode() for a, b in bounds]


@inline
def _word(array, begin, end):
    """array[begin:end], 1 to 8 bytes without a zero, as a number of its own."""
    return load_word(array, begin) << np.uint64(64 - 8 * (end - begin))


@inline
def mix(number):
    """Spread the bits of a 64-bit number (finalizer of MurmurHash3, Appleby 2011)."""
    number = (number ^ (number >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    number = (number ^ (number >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return number ^ (number >> np.uint64(33))


@inline
def _key(array, begin, end):
    """The key of a type: its bytes if there are at most 8, else a hash of them."""
    key = np.uint64(0)
    while end - begin > 8:
        key = mix(key ^ load_word(array, begin)) + np.uint64(end - begin)
        begin += 8
    return key ^ _word(array, begin, end)


@inline
def _same(types, number, array, begin, end):
    """Whether a type longer than 8 bytes is array[begin:end]."""
    start = types.starts[number]
    if types.starts[number + 1] - start != end - begin:
        return False
    while end - begin > 8:
        if load_word(array, begin) != load_word(types.arena, start):
            return False
        begin += 8
        start += 8
    return _word(array, begin, end) == _word(types.arena, start, start + end - begin)


@inline
def _find(types, array, begin, end):
    """(number, slot, key) of the type array[begin:end]; number -1 and a free slot if it is new."""
    mask = len(types.slots) - 1
    key = _key(array, begin, end)
    longer = np.int32(end - begin > 8)
    slot = np.int64(mix(key)) & mask
    while types.slots[slot] != -1:
        if types.keys[slot] == key and types.slots[slot] & 1 == longer:
            number = np.int64(types.slots[slot] >> 1)
            if longer == 0 or _same(types, number, array, begin, end):
                return number, slot, key
        slot = (slot + 1) & mask
    return np.int64(-1), slot, key


@inline
def _add(types, array, begin, end, slot, key):
    """Add the type array[begin:end] at a free slot; return its number, -1 if there is no room."""
    number = types.used[0]
    start = types.starts[number]
    if 2 * number + 2 > len(types.slots) or start + end - begin > len(types.arena) - PAD:
        return np.int64(-1)
    for i in range(begin, end):
        types.arena[start + i - begin] = array[i]
    types.starts[number + 1] = start + end - begin
    types.keys[slot] = key
    types.slots[slot] = 2 * number + (end - begin > 8)
    types.used[0] = number + 1
    return number


@jit
def _absorb(total, table, begin, places):
    """Find or add the types of `table` from number `begin` on; return the first without room."""
    for number in range(begin, table.used[0]):
        first, last = table.starts[number], table.starts[number + 1]
        place, slot, key = _find(total, table.arena, first, last)
        if place == -1:
            place = _add(total, table.arena, first, last, slot, key)
            if place == -1:
                return number
        places[number] = place
    return table.used[0]


@jit
def _fill_slots(types):
    """Enter all types of the arena into the empty slots."""
    mask = len(types.slots) - 1
    for number in range(types.used[0]):
        begin, end = types.starts[number], types.starts[number + 1]
        key = _key(types.arena, begin, end)
        slot = np.int64(mix(key)) & mask
        while types.slots[slot] != -1:
            slot = (slot + 1) & mask
        types.keys[slot] = key
        types.slots[slot] = 2 * number + (end - begin > 8)


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
def scan(block, size, begin, types, stream):
    """Write the types of the tokens of block[begin:size], with `END` for each newline.

    block (size + PAD,) uint8; stream (>= size - begin,) int32. Returns where the scan stopped,
    `size` or the token for which the table has no room, and how many numbers it wrote.
    """
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
        while True:  # ends at the space or newline at the end of the block, at the latest
            i += 1
            kind = _BYTES[block[i]]
            if kind != 0 and (kind != _LEAD or _space_width(block, i, size) > 0):
                break
        number, slot, key = _find(types, block, begin, i)
        if number == -1:
            number = _add(types, block, begin, i, slot, key)
            if number == -1:
                return begin, written
        stream[written] = number
        written += 1
    return size, written


@jit
def count(stream, counts):
    """Add the occurrences of each type in a stream to `counts` (types,) int64; return newlines."""
    newlines = 0
    for number in stream:
        if number == END:
            newlines += 1
        else:
            counts[number] += 1
    return newlines


@jit
def keep_words(stream, begin, end, rows, ends):
    """Turn stream[begin:end] into rows of the vocabulary, in place, dropping all other words.

    rows (types,) int32: the row of each type, -1 if it has none. Written: ends (>= newlines,)
    int64, the number of words before each `END`. Returns how many words and ends it wrote. Threads
    can work on pieces of one stream.
    """
    words, newlines = 0, 0
    for i in range(begin, end):
        number = stream[i]
        if number == END:
            ends[newlines] = words
            newlines += 1
        elif rows[number] >= 0:
            stream[begin + words] = rows[number]
            words += 1
    return words, newlines


@jit
def join(stream, begin, words, ends, sentences, state, longest):
    """Append a piece that `keep_words` has written to the pieces before it, in place.

    A sentence ends at each of `ends` and after `longest` words. Written: sentences int64, offsets
    into the stream, of which the first must be 0; state (2,) int64, the words and sentences written
    so far.
    """
    written, sentence = state[0], state[1]
    if written < begin:
        for i in range(words):
            stream[written + i] = stream[begin + i]
    for i in range(len(ends) + 1):
        end = written + (ends[i] if i < len(ends) else words)
        while end - sentences[sentence] >= longest:
            sentences[sentence + 1] = sentences[sentence] + longest
            sentence += 1
        if i < len(ends) and end > sentences[sentence]:
            sentence += 1
            sentences[sentence] = end
    state[0], state[1] = written + words, sentence


def warm_up() -> None:
    """Compile the kernels of this module, or load them from the cache, on a text of two words."""
    with no_collection():
        data = b"a b "
        block = np.frombuffer(data + bytes(PAD), np.uint8)
        tables, stream = [new_types(8, 8), new_types(8, 8)], np.zeros(4, np.int32)
        for table in tables:
            scan(block, len(data), 0, table, stream)
        merged(tables)
        grown(tables[0], 1)
        count(stream[:2], np.zeros(2, np.int64))
        keep_words(stream, 0, 2, np.zeros(2, np.int32), np.zeros(2, np.int64))
        join(stream, 0, 2, np.zeros(1, np.int64), np.zeros(4, np.int64), np.zeros(2, np.int64), 1)
