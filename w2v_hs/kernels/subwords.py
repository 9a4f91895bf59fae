"""Input vectors that are composed of a word's own row and those of its n-grams.

With the rows r_1 .. r_n of a word (its own first), its vector is their mean, and each row takes the
gradient of the vector times a share s_i (in fastText 1). The mean of the shares is 1, so the vector
moves by exactly its gradient (Bojanowski et al. 2017). Where k_i of a word's n-grams share row i:

    n = k_1 + k_2 + ...,    x_c = (k_1 r_1 + k_2 r_2 + ...) / n
    r_i += s_i * change of x_c,    k_1 s_1 + k_2 s_2 + ... = n

A word is a context of up to left + right windows while its sentence goes by. Its vector is composed
once, when the word comes within reach, into a slot of a ring that belongs to the thread. The
windows train the slot, and its change is handed to all rows when the word is out of reach. That
costs each row two visits a word, not two a context. (FULL-W2V keeps context rows in such a ring on
GPUs: Randall et al. 2021.)

Oracles: `naive.ngram_buckets`, `naive.compose`, `naive.train_skipgram_tree` with rows.
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.common import Window, own_zeros
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.simd import (
    LANES,
    broadcast,
    load,
    multiply,
    multiply_add,
    pointer,
    prefetch,
    prefetch_to_write,
    store,
    subtract,
)

_START, _END = np.uint8(ord("<")), np.uint8(ord(">"))


class Parts(NamedTuple):
    """The rows of which each word is composed, in compressed sparse rows.

    offsets (V + 1,) int64; word w has rows[offsets[w]:offsets[w + 1]], int32, its own row first.
    counts, float32, likewise: for how many of the word, as such, and its n-grams each of them
    stands. shares, float32: how much of the gradient each takes; their mean weighted by the counts
    is 1. Where words have no n-grams, offsets has one element.
    """

    offsets: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    shares: np.ndarray


class Ring(NamedTuple):
    """Vectors of the words within reach of a thread's window.

    mask: number of slots - 1, or -1 where words have no n-grams, and the ring is not used. values
    and before (slots*stride,) float32: vectors as they are, and as they were composed.
    """

    mask: int
    offsets: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    shares: np.ndarray
    values: np.ndarray
    before: np.ndarray


_NONE = np.zeros(0, np.float32)
NO_PARTS = Parts(np.zeros(1, np.int64), np.zeros(0, np.int32), _NONE, _NONE)


def frozen_parts(parts: Parts, frozen: np.ndarray) -> Parts:
    """The same rows; those of words that are frozen, (V,) bool, take no gradient.

    parts: `NO_PARTS` where words have no n-grams. What a window changes of a frozen vector is lost
    when the word leaves the ring.
    """
    if len(parts.offsets) == 1:
        words = len(frozen)
        rows, ones = np.arange(words, dtype=np.int32), np.ones(words, np.float32)
        parts = Parts(np.arange(words + 1), rows, ones, ones)
    shares = np.where(np.repeat(frozen, np.diff(parts.offsets)), np.float32(0.0), parts.shares)
    return parts._replace(shares=shares)


def make_ring(parts: Parts, window: Window, stride: int) -> Ring:
    """A ring for the words of a window; parts: `NO_PARTS` where words have no n-grams."""
    slots = 1 << (window.left + window.right).bit_length() if len(parts.offsets) > 1 else 0
    values, before = own_zeros(slots * stride, np.float32), own_zeros(slots * stride, np.float32)
    return Ring(slots - 1, *parts, values, before)


@inline
def mean_of_rows(parts, word, matrix, stride, target, at):
    """target[at : at + stride] = the mean of the rows of a word; all float32, flat.

    Summed in the order of the rows, then multiplied with 1 / n, which gives fastText's bits where
    all counts are 1.
    """
    begin, end, n = parts.offsets[word], parts.offsets[word + 1], np.float32(0.0)
    for i in range(begin, end):
        n += parts.counts[i]
    share = broadcast(np.float32(1.0 / n))
    for k in range(0, stride, LANES):
        total = broadcast(np.float32(0.0))
        for i in range(begin, end):
            row = load(matrix, np.int64(parts.rows[i]) * stride + k)
            total = multiply_add(broadcast(parts.counts[i]), row, total)
        store(target, at + k, multiply(total, share))


@inline
def enter(ring, position, word, matrix, stride):
    """Compose the vector of a word that comes within reach, and note it."""
    slot = (position & ring.mask) * stride
    mean_of_rows(ring, word, matrix, stride, ring.values, slot)
    for k in range(0, stride, LANES):
        store(ring.before, slot + k, load(ring.values, slot + k))


@inline
def leave(ring, position, word, matrix, stride):
    """Hand the change of a word's vector to its rows."""
    slot = (position & ring.mask) * stride
    for k in range(0, stride, LANES):
        change = subtract(load(ring.values, slot + k), load(ring.before, slot + k))
        for i in range(ring.offsets[word], ring.offsets[word + 1]):
            row = np.int64(ring.rows[i]) * stride + k
            store(matrix, row, multiply_add(broadcast(ring.shares[i]), change, load(matrix, row)))


@inline
def prefetch_rows(ring, word, matrix, stride):
    """Prefetch the rows of a word."""
    for i in range(ring.offsets[word], ring.offsets[word + 1]):
        for k in range(0, stride, LANES):
            prefetch_to_write(matrix, np.int64(ring.rows[i]) * stride + k)


@inline
def prefetch_parts(ring, word):
    """Prefetch the row numbers of a word, which `prefetch_rows` reads."""
    prefetch(ring.rows, ring.offsets[word])
    prefetch(ring.rows, ring.offsets[word] + LANES)


@inline
def add_vector(parts, word, matrix, total):
    """total (stride,) += the vector of a word; matrix (rows, stride), all float32."""
    if len(parts.offsets) == 1:
        total += matrix[word]
        return
    begin, end = parts.offsets[word], parts.offsets[word + 1]
    share = np.float32(1.0) / parts.counts[begin:end].sum()
    for i in range(begin, end):
        total += share * parts.counts[i] * matrix[parts.rows[i]]


@inline
def add_error(parts, word, matrix, error):
    """Add error (stride,) to each row of a word; matrix (rows, stride), all float32."""
    if len(parts.offsets) == 1:
        matrix[word] += error
        return
    for i in range(parts.offsets[word], parts.offsets[word + 1]):
        matrix[parts.rows[i]] += parts.shares[i] * error


@jit
def compose(parts, words, matrix, stride, vectors):
    """vectors[w] = the mean of the rows of word w, for each of `words` (n,) int64.

    parts: `Parts`. matrix (rows*stride,) and vectors (V*stride,): float32, flat.
    """
    source, target = pointer(matrix), pointer(vectors)
    for i in range(len(words)):
        mean_of_rows(parts, words[i], source, stride, target, words[i] * stride)


@jit
def find_parents(parts, lengths, shortest, longest, masses, least, parents):
    """Find for each n-gram a longer one, or a word, that contains it and is as frequent, nearly.

    parts: all counts 1, n-grams in the order of `ngram_buckets`. lengths (V,) int64: characters of
    each word with its boundaries; 0: its n-grams are left alone. masses (rows,) float64: how often
    each row occurs. Written: parents (rows,) int64, the most frequent row of at least `least` times
    the mass and at most all of it; rows without one stay as they are. (More than all of it is not
    contained in it: another n-gram is in the same bucket.)
    """
    best = np.zeros(len(masses))
    for word in range(len(lengths)):
        at, size = parts.offsets[word] + 1, lengths[word]
        before, low_before = at, shortest  # of the n-grams from the character before
        for first in range(size):
            low = shortest + (shortest == 1 and (first == 0 or first == size - 1))  # no boundary alone
            high = min(longest, size - first)
            for length in range(low, high + 1):
                row = parts.rows[at + length - low]
                containing = parts.rows[parts.offsets[word]]
                _be_parent(row, containing, masses, least, best, parents)
                if length < high:
                    containing = parts.rows[at + length + 1 - low]
                    _be_parent(row, containing, masses, least, best, parents)
                if first > 0 and length < longest:
                    containing = parts.rows[before + length + 1 - low_before]
                    _be_parent(row, containing, masses, least, best, parents)
            before, low_before = at, low
            at += max(0, high + 1 - low)


@inline
def _be_parent(row, containing, masses, least, best, parents):
    """Make `containing` the parent of a row if it is fit and more frequent than the one it has."""
    mass = masses[containing]
    highest = masses[row] * (1 + 1e-9)  # equal, but for the rounding of sums
    if containing != row and best[row] < mass <= highest and mass >= least * masses[row]:
        best[row], parents[row] = mass, containing


@jit
def merge_rows(parts, roots, offsets, rows, counts):
    """Write `parts` with roots[r] for each row r, rows of a word that become the same counted.

    roots (rows,) int64. Written: offsets (V + 1,) int64, the rest as long as in `parts` or shorter.
    """
    end = 0
    for word in range(len(offsets) - 1):
        begin = offsets[word] = end
        for i in range(parts.offsets[word], parts.offsets[word + 1]):
            root, at = roots[parts.rows[i]], begin
            while at < end and rows[at] != root:
                at += 1
            if at == end:
                rows[at], counts[at] = root, np.float32(0.0)
                end += 1
            counts[at] += parts.counts[i]
    offsets[len(offsets) - 1] = end


@jit
def ngram_buckets(text, ends, shortest, longest, buckets, offsets, found):
    """Write the bucket of each n-gram of each word to `found`, in fastText's order.

    text (n,) uint8: words in UTF-8, one after the other; ends (V,) int64: where each ends. An
    n-gram has shortest to longest characters of ``<word>`` but is not a boundary alone. Its bucket
    is the 32-bit FNV-1a hash of its bytes, each extended by its sign as in fastText, modulo
    `buckets`. offsets (V + 1,) int64 gets where the n-grams of each word begin in `found`, int32,
    which must have room for longest - shortest + 1 a byte and boundary.
    """
    count, begin = 0, 0
    for word in range(len(ends)):
        offsets[word] = count
        size = ends[word] - begin + 2
        for i in range(size):
            if _byte(text, begin, size, i) & 0xC0 == 0x80:  # within a character
                continue
            state, j, length = np.uint32(2166136261), i, 0
            while j < size and length < longest:
                while True:  # one character
                    byte = np.uint32(np.int8(_byte(text, begin, size, j)))
                    state = np.uint32((state ^ byte) * np.uint32(16777619))
                    j += 1
                    if j >= size or _byte(text, begin, size, j) & 0xC0 != 0x80:
                        break
                length += 1
                if length >= shortest and not (length == 1 and (i == 0 or j == size)):
                    found[count] = state % np.uint32(buckets)
                    count += 1
        begin = ends[word]
    offsets[len(ends)] = count


@inline
def _byte(text, begin, size, i):
    """Byte i of ``<word>``, which has `size` bytes; the word begins at text[begin]."""
    if i == 0:
        return _START
    return _END if i == size - 1 else text[begin + i - 1]
