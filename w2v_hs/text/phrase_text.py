"""An encoded text whose frequent pairs of words become words.

A pair occurs at most as often as the rarer of its words, so a word that occurs more than tokens /
threshold times is in no phrase. Pairs with such words make up most of the text and are not counted.
The others are counted in several rounds if one would exceed the memory limit.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from w2v_hs.errors import CorpusError
from w2v_hs.kernels import pairs as pair_kernels
from w2v_hs.kernels import tokens as token_kernels
from w2v_hs.text.word_ids import EncodedText
from w2v_hs.types import Array, Float64, Int64, UInt8

MEMORY = 1 << 30  # bytes
CHUNK = 1 << 22  # words
_FIRST_SLOTS = 1 << 16  # of a table of pairs, which grows
_SLOT = 16  # bytes of a slot: key and count
_BLOCK = 1 << 20  # bytes of text


def warm_up() -> None:
    """Compile the kernels, or load them from the cache."""
    token_kernels.warm_up()
    pair_kernels.warm_up()


class PhraseText:
    """A text in which pairs of words can be joined, in place: `encoded.ids` is overwritten.

    `connector` joins the words of a phrase. `memory` is the bytes for the counts of pairs, for all
    threads together; less memory takes more time, with the same result. `chunk` is words per call
    of a kernel. Attributes:

        ids           (n,) int32: numbers of types, and `END` at each end of a sentence
        starts, arena (types + 1,) int64, (bytes,) uint8: type t is arena[starts[t]:starts[t + 1]]
        counts        (types,) int64: occurrences of each type; `tokens` is their sum
    """

    def __init__(
        self, encoded: EncodedText, connector: str, threads: int, *, memory: int = MEMORY, chunk: int = CHUNK
    ):
        self.connector, self._threads, self._chunk = connector, threads, chunk
        self._most_slots = max(4, memory // (threads * _SLOT))
        self._where = encoded.where
        self.ids = encoded.ids
        self.starts: Int64 = encoded.types.starts
        self.arena: UInt8 = encoded.types.arena
        for piece in encoded.pieces:
            numbers = encoded.types.of_table[piece.table].astype(np.int32)
            for begin in range(piece.begin, piece.end, chunk):
                pair_kernels.renumber(self.ids[begin : min(begin + chunk, piece.end)], numbers)
        self._count()

    def _count(self) -> None:
        self.counts = np.zeros(len(self.starts) - 1, np.int64)
        for begin in range(0, len(self.ids), self._chunk):
            token_kernels.count(self.ids[begin : begin + self._chunk], self.counts)
        self.tokens = int(self.counts.sum())

    def check_words(self) -> None:
        """Raise `CorpusError` if a word cannot be in a text file; lists of tokens may hold such."""
        letters = self.arena.tobytes().decode()
        if letters.split() != [letters]:
            raise CorpusError(
                f"{self._where}: a token holds white space, which in a text file ends it; leave out the "
                "output, or the token"
            )

    def join(self, min_count: int, delta: float, threshold: float) -> list[tuple[str, float, int]]:
        """Find the phrases of one pass and join them in the text; options as in `join_phrases`.

        Returns (phrase, score, count) by falling score, then by phrase.
        """
        pairs, pair_counts = self._pairs(min_count, delta, threshold)
        first, second = (pairs >> np.uint64(32)).astype(np.int64), pairs.astype(np.uint32)
        scores = self._scores(pair_counts, self.counts[first], self.counts[second], delta)
        kept = scores > threshold
        pairs, pair_counts, scores = pairs[kept], pair_counts[kept], scores[kept]
        names = [
            self._word(a) + self.connector + self._word(b)
            for a, b in zip(first[kept].tolist(), second[kept].tolist(), strict=True)
        ]
        if names:
            self._replace(pairs, first[kept], names)
        found = list(zip(names, scores.tolist(), pair_counts.tolist(), strict=True))
        return sorted(found, key=lambda phrase: (-phrase[1], phrase[0]))

    def _scores(self, pair: Array, first: Array, second: Array, delta: float) -> Float64:
        scores: Float64 = (pair - delta) / (first.astype(np.float64) * second) * self.tokens
        return scores

    def _word(self, number: int) -> str:
        word = self.arena[self.starts[number] : self.starts[number + 1]]
        return word.tobytes().decode()

    # ---- counting -------------------------------------------------------------------------------

    def _pairs(self, min_count: int, delta: float, threshold: float) -> tuple[Array, Array]:
        """Sorted keys and counts of all pairs frequent enough that may exceed the threshold."""
        # No pair with a word scores more than the word with itself, up to rounding.
        words = np.maximum(self.counts, 1)  # a word that was joined everywhere has count 0
        best = self._scores(words, words, words, delta)
        usable = ((self.counts >= min_count) & (best * (1 + 1e-9) > threshold)).astype(np.uint8)
        shares = 1 << (self._threads - 1).bit_length()

        def count(share: int) -> list[tuple[Array, Array]]:
            return list(self._count_share(usable, share, shares, min_count))

        with ThreadPoolExecutor(self._threads, "counter") as pool:
            parts = [part for found in pool.map(count, range(shares)) for part in found]
        keys = np.concatenate([keys for keys, _ in parts])
        counts = np.concatenate([counts for _, counts in parts])
        order = np.argsort(keys)
        return keys[order], counts[order]

    def _count_share(
        self, usable: Array, share: int, shares: int, min_count: int
    ) -> Iterator[tuple[Array, Array]]:
        """Keys and counts of the pairs of one share; if they do not fit in memory, of its halves,
        one after the other."""
        slots = min(_FIRST_SLOTS, 1 << self._most_slots.bit_length() - 1)
        keys, counts, used = np.zeros(slots, np.uint64), np.zeros(slots, np.int64), np.zeros(1, int)
        position = 1
        while position < len(self.ids):
            end = min(position + self._chunk, len(self.ids))
            position = pair_kernels.count_pairs(
                self.ids, position, end, usable, share, shares, keys, counts, used
            )
            if position == end:
                continue
            if 2 * len(keys) > self._most_slots:
                del keys, counts
                for half in (share, share + shares):
                    yield from self._count_share(usable, half, 2 * shares, min_count)
                return
            larger = np.zeros(2 * len(keys), np.uint64), np.zeros(2 * len(keys), np.int64)
            pair_kernels.fill(keys, counts, *larger)
            keys, counts = larger
        frequent = counts >= min_count
        yield keys[frequent], counts[frequent]

    # ---- joining --------------------------------------------------------------------------------

    def _replace(self, pairs: Array, first: Array, names: list[str]) -> None:
        """Replace pairs in the text by types of these names.

        A name that is a type already, or that several pairs have, is one type.
        """
        types = self._types_with_connector()
        new: list[bytes] = []
        values = np.empty(len(names), np.int64)
        for i, name in enumerate(names):
            if name not in types:
                types[name] = len(self.counts) + len(new)
                new.append(name.encode())
            values[i] = types[name] + 1
        slots = 1 << (2 * len(names)).bit_length()
        keys, table = np.zeros(slots, np.uint64), np.zeros(slots, np.int64)
        pair_kernels.fill(pairs, values, keys, table)
        firsts = np.zeros(len(self.counts) + len(new), np.uint8)
        firsts[first] = 1
        position = written = 0
        while position < len(self.ids):
            end = min(position + self._chunk, len(self.ids))
            position, written = pair_kernels.join_pairs(self.ids, position, end, written, firsts, keys, table)
        self.ids = self.ids[:written]
        lengths = np.array([0, *map(len, new)], np.int64)
        self.starts = np.append(self.starts, (self.starts[-1] + np.cumsum(lengths))[1:])
        self.arena = np.append(self.arena, np.frombuffer(b"".join(new), np.uint8))
        self._count()

    def _types_with_connector(self) -> dict[str, int]:
        """Numbers of the types that may have the name of a phrase."""
        byte = self.connector.encode()[0]
        places = np.flatnonzero(self.arena == byte)
        numbers = np.unique(np.searchsorted(self.starts, places, side="right") - 1)
        return {self._word(number): number for number in numbers.tolist()}

    def blocks(self) -> Iterator[bytes]:
        """The text in blocks, one sentence per line."""
        longest = int(np.diff(self.starts).max())
        out = np.empty(max(_BLOCK, longest + 2), np.uint8)
        position = 0
        while position < len(self.ids):
            position, written = pair_kernels.spell(self.ids, position, self.starts, self.arena, out)
            yield out[:written].tobytes()
