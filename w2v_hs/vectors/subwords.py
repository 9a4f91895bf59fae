"""Character n-grams of words, hashed into buckets, and their vectors (Bojanowski et al. 2017)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np

from w2v_hs.errors import FormatError
from w2v_hs.kernels.subwords import Parts, find_parents, merge_rows, ngram_buckets
from w2v_hs.types import Array, Float32, Float64, Int32, Int64

# 0 gives each row the same share, as in fastText. Chosen on 8 million words of Wikipedia: from 0 to
# 0.25, WordSim-353 rose from 0.604 to 0.649, SimLex-999 from 0.254 to 0.273 and the semantic
# analogies from 0.239 to 0.262, while the syntactic ones fell from 0.669 to 0.623.
RARITY = 0.25
# On two texts of 8 million words 1, 0.9, 0.8 and 0.7 were as good as n-grams each by itself, within
# the noise of seeds, with 17.6, 14.4, 13.0 and 11.6 rows a token for 20.5; 0.5 lost 0.03 on
# WordSim-353 and 0.06 on analogies.
TIE = 0.8
NGRAM_BYTES = 36  # an n-gram of a word at the peak of `Ngrams.parts`, which has 12 of them in the end
LINE_END = "</s>"  # in fastText's files


@dataclass(frozen=True)
class Ngrams:
    """Which n-grams of a word have vectors, and which buckets are in use.

    shortest, longest: characters of an n-gram, with the boundaries ``<`` and ``>`` of its word.
    buckets: how many there are. ids (N,) int32: those in use, each of which has a vector.
    """

    shortest: int
    longest: int
    buckets: int
    ids: Int32

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _sorted(self) -> tuple[Int64, Int32]:
        """The places of the buckets in their order, and the buckets in it."""
        order = np.argsort(self.ids)
        return order, self.ids[order]

    def places(self, buckets: Int32) -> Int64:
        """The place of each bucket in `ids`, -1 where it is not in use."""
        order, ids = self._sorted
        if not len(ids):
            return np.full(len(buckets), -1)
        found = np.minimum(np.searchsorted(ids, buckets), len(ids) - 1)
        return np.where(ids[found] == buckets, order[found], -1)

    def of(self, words: Sequence[str]) -> tuple[Int64, Int64]:
        """The n-grams of each word: offsets (n + 1,) into places in `ids`, -1 for those unused."""
        offsets, found = buckets_of(words, self.shortest, self.longest, self.buckets)
        return offsets, self.places(found)

    def extended(self, words: Sequence[str]) -> "Ngrams":
        """These and the n-grams of further words, which follow them."""
        _, found = buckets_of(words, self.shortest, self.longest, self.buckets)
        new = np.unique(found[self.places(found) < 0])
        return replace(self, ids=np.concatenate([self.ids, new]))

    def parts(self, words: Sequence[str]) -> Parts:
        """The rows of each of V words: its own, 0 to V - 1, then V + i for bucket ids[i]."""
        offsets, places = self.of(words)
        known = places >= 0
        before = np.concatenate([[0], np.cumsum(known)])[offsets]  # known n-grams of earlier words
        starts = before + np.arange(len(words) + 1)
        rows = np.empty(starts[-1], np.int32)
        own = np.zeros(starts[-1], bool)
        own[starts[:-1]] = True
        rows[own] = np.arange(len(words))
        rows[~own] = len(words) + places[known]
        ones = np.ones(len(rows), np.float32)
        return Parts(starts, rows, ones, ones)


def tied_rows(ngrams: Ngrams, words: Sequence[str], parts: Parts, frequencies: Float64) -> Int64:
    """The row that each of V + N rows is trained as: its own, or that of a longer n-gram or a word.

    parts: of the words. frequencies (V,): how often each word is trained. Most n-grams tell nothing
    that one more character would not: "whic" is in "which" and hardly elsewhere. Where a longer
    n-gram or a word has at least `TIE` of the occurrences of one that it contains, the two are
    trained as one row, which saves a third of the rows of a word.
    """
    sizes = np.diff(parts.offsets)
    masses = np.bincount(parts.rows, np.repeat(frequencies, sizes))
    lengths = np.fromiter(map(len, words), np.int64, len(words)) + 2
    spans = np.subtract.outer(lengths + 1, np.arange(ngrams.shortest, ngrams.longest + 1))
    whole = np.maximum(spans, 0).sum(axis=1) - 2 * (ngrams.shortest == 1)  # no boundary alone
    lengths[sizes - 1 != whole] = 0  # a word of which some n-grams have no vector
    roots = np.arange(len(masses))
    find_parents(parts, lengths, ngrams.shortest, ngrams.longest, masses, TIE, roots)
    for _ in range(ngrams.longest.bit_length()):  # to the end of chains of longer and longer n-grams
        roots = roots[roots]
    # What remains goes in circles, through n-grams that are hashed into one bucket.
    return np.where(roots[roots] == roots, roots, np.arange(len(roots)))


def parts_to_train(parts: Parts, roots: Int64, frequencies: Float64) -> Parts:
    """The rows that are trained of each word, and how its gradient is shared among them.

    parts, frequencies (V,): as in `tied_rows`, which gives `roots`. A row's share is proportional
    to its own frequency, in all words, to the power of -`RARITY`, and 1 in the mean over the
    n-grams of a word: what tells more about the word learns more of it.
    """
    offsets, rows, counts = (
        np.empty_like(parts.offsets),
        np.empty_like(parts.rows),
        np.empty_like(parts.counts),
    )
    merge_rows(parts, roots, offsets, rows, counts)
    rows, counts = rows[: offsets[-1]].copy(), counts[: offsets[-1]].copy()
    sizes = np.diff(offsets)
    totals = np.bincount(rows, np.repeat(frequencies, sizes))
    weights = totals[rows] ** -RARITY
    means = np.add.reduceat(weights * counts, offsets[:-1]) / np.diff(parts.offsets)
    return Parts(offsets, rows, counts, (weights / np.repeat(means, sizes)).astype(np.float32))


def count_ngrams(words: Sequence[str], shortest: int, longest: int) -> int:
    """How many n-grams the words have together, at most."""
    lengths = np.fromiter(map(len, words), np.int64, len(words)) + 2
    return sum(int(np.maximum(lengths + 1 - n, 0).sum()) for n in range(shortest, longest + 1))


def buckets_of(words: Sequence[str], shortest: int, longest: int, buckets: int) -> tuple[Int64, Int32]:
    """The buckets of the n-grams of each word: offsets (n + 1,) into them, and them.

    fastText's mark of line ends has none.
    """
    encoded = [word.encode(errors="surrogatepass") for word in words]
    ends = np.fromiter(accumulate(map(len, encoded)), np.int64, len(encoded))
    text = np.frombuffer(b"".join(encoded), np.uint8)
    room = (longest - shortest + 1) * (len(text) + 2 * len(words))
    offsets, found = np.zeros(len(words) + 1, np.int64), np.empty(room, np.int32)
    ngram_buckets(text, ends, shortest, longest, buckets, offsets, found)
    found = found[: offsets[-1]].copy()
    if LINE_END in words:
        at = words.index(LINE_END)
        begin, end = offsets[at : at + 2]
        found = np.delete(found, slice(begin, end))
        offsets[at + 1 :] -= end - begin
    return offsets, found


def choose_ngrams(
    words: Sequence[str], frequencies: Float64, shortest: int, longest: int, buckets: int
) -> Ngrams:
    """The n-grams that occur in some words, the most frequent first, so that caches hold them."""
    offsets, found = buckets_of(words, shortest, longest, buckets)
    used, places = np.unique(found, return_inverse=True)
    weights = np.bincount(places, np.repeat(frequencies, np.diff(offsets)), len(used))
    return Ngrams(shortest, longest, buckets, used[np.argsort(-weights, kind="stable")].astype(np.int32))


@dataclass(frozen=True)
class Subwords:
    """The rows that compose vectors of words.

    rows (V + N, dim) float32: those of the V words themselves, then those of `ngrams`.
    """

    ngrams: Ngrams
    rows: Float32

    def vector(self, word: str) -> Float32 | None:
        """The vector of a word outside the vocabulary, (dim,): the mean of its n-grams' vectors.

        None if none of its n-grams has one. To the bit that of fastText.
        """
        _, places = self.ngrams.of([word])
        known = places[places >= 0]  # the others count as zeros
        if not len(known):
            return None
        first = len(self.rows) - len(self.ngrams)
        total = np.zeros(self.rows.shape[1], np.float32)
        for place in known:  # in this order: a sum of float32 depends on it
            total += self.rows[first + place]
        return total * np.float32(1.0 / len(places))


def subword_arrays(subwords: Subwords) -> dict[str, Array]:
    """The arrays of a model file."""
    ngrams = subwords.ngrams
    return {
        "subwords.range": np.array([ngrams.shortest, ngrams.longest, ngrams.buckets]),
        "subwords.buckets": ngrams.ids,
        "subwords.rows": subwords.rows,
    }


def read_subwords(name: str, arrays: dict[str, Array], shape: tuple[int, int]) -> Subwords | None:
    """The n-grams of a model file, if it has any; `FormatError` unless they fit (V, dim)."""
    if "subwords.rows" not in arrays:
        return None
    bounds, ids, rows = (arrays.get(f"subwords.{part}") for part in ("range", "buckets", "rows"))
    fault = f"{name}: the arrays of its n-grams do not fit each other; the file is damaged"
    if bounds is None or ids is None or rows is None or ids.ndim != 1:
        raise FormatError(fault)
    if bounds.shape != (3,) or bounds.dtype != np.int64:
        raise FormatError(fault)
    shortest, longest, buckets = map(int, bounds)
    if ids.dtype != np.int32 or not 1 <= shortest <= longest <= 100 or not 1 <= buckets < 2**31:
        raise FormatError(fault)
    if len(np.unique(ids)) < len(ids) or ids.min(initial=0) < 0 or ids.max(initial=0) >= buckets:
        raise FormatError(fault)
    expected = (shape[0] + len(ids), shape[1])
    if rows.dtype != np.float32 or rows.shape != expected:
        raise FormatError(fault)
    return Subwords(Ngrams(shortest, longest, buckets, ids), rows)


def compose_rows(parts: Parts, rows: Float32) -> Float32:
    """The vector of each word, (V, dim) float32: the mean of its rows; the bits of training."""
    sizes = np.diff(parts.offsets)
    total = np.zeros((len(sizes), rows.shape[1]), np.float32)
    for i in range(int(sizes.max(initial=0))):  # row by row: a sum of float32 depends on the order
        longer = np.flatnonzero(sizes > i)
        total[longer] += rows[parts.rows[parts.offsets[longer] + i]]
    return total * (1.0 / sizes).astype(np.float32)[:, np.newaxis]
