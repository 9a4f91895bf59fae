"""Words that stand together more often than by chance become one word: new york, new_york.

The score of a pair of words a b is that of word2phrase (Mikolov, Sutskever, Chen, Corrado and Dean
2013, "Distributed representations of words and phrases and their compositionality", equation 6,
times the number of tokens as in its program):

    score(a b) = (count(a b) - delta) / (count(a) * count(b)) * tokens

Pairs whose score is above the threshold are joined, from left to right. The text that comes of it
goes through a second pass, where new_york times may become new_york_times.

A pair occurs at most as often as the rarer of its words, so a word more frequent than tokens /
threshold is in no phrase. Pairs with such words, which are most of the text, are not even counted;
the result is the same. The others are counted in rounds where they would take more than `MEMORY`.
"""

import bz2
import contextlib
import gzip
import itertools
import lzma
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from w2v_hs.checks import real, shown, whole
from w2v_hs.errors import CorpusError, OptionError, OutputError
from w2v_hs.files.atomic import check_writable, replacing
from w2v_hs.kernels import pairs as kernel
from w2v_hs.kernels import tokens as reader
from w2v_hs.options import Options, Preprocessing
from w2v_hs.progress import display as progress_display
from w2v_hs.text.columns import layout
from w2v_hs.text.corpus import Encoded, encode
from w2v_hs.types import Float64, Texts

MEMORY = 1 << 30  # bytes for the counts of pairs, of all threads together
CHUNK = 1 << 22  # words of one call of a kernel
THRESHOLDS = (200.0, 100.0)
_SLOT = 16  # bytes of a slot: key and count


@dataclass(frozen=True)
class Phrase:
    """Two words that were joined. count: how often they stand side by side. number: of the pass,
    from 1."""

    phrase: str
    score: float
    count: int
    number: int


@dataclass(frozen=True)
class Pass:
    """One pass: its threshold, the pairs above it, and how often one was joined in the text."""

    threshold: float
    phrases: int
    joined: int


@dataclass(frozen=True, repr=False)
class Phrases:
    """What `join_phrases` found. phrases: by pass, the highest score first. tokens: of the text
    before and after."""

    phrases: list[Phrase]
    passes: list[Pass]
    tokens: int
    tokens_after: int

    def __repr__(self) -> str:
        return f"Phrases({len(self.phrases):,} phrases, {self.tokens_after:,} tokens)"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        for phrase in found["phrases"]:
            phrase["pass"] = phrase.pop("number")
        return found


def join_phrases(
    corpus: Texts,
    output: str | Path | None = None,
    *,
    min_count: int = 5,
    delta: float | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    connector: str = "_",
    lowercase: bool = False,
    errors: str = "strict",
    tokenize: str = "none",
    split_sentences: str | None = None,
    text_column: str | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Phrases:
    """Find phrases in a corpus, and write its text with each of them as one word.

    Parameters
    ----------
    corpus
        As in `train`.
    output
        A file of text, a sentence a line, compressed where it ends in .gz, .bz2, .xz or .zst;
        None only finds phrases. Lines without a word are left out.
    min_count
        Pairs that occur less often are no phrases.
    delta
        Subtracted from the count of a pair, so that rare words do not make phrases; by default
        min_count, as in word2phrase.
    thresholds
        The score that a phrase must exceed, one for each pass, not rising.
    connector
        Stands between the words of a phrase.
    lowercase, errors, tokenize, split_sentences, text_column, threads, progress
        As in `train`.

    Raises
    ------
    OptionError, CorpusError, OutputError, TypeError
    """
    preprocessing = Preprocessing(lowercase, errors, tokenize, split_sentences, text_column)
    min_count = whole("min_count", min_count, 1, 2**62)
    delta = real("delta", min_count if delta is None else delta, 0.0, 2.0**62, "from 0 to 2^62")
    thresholds = _falling(thresholds)
    _check_connector(connector)
    threads = Options(threads=threads).resolved().threads
    if output is not None:
        _check_output(Path(output))
    with progress_display(progress) as display:
        display.step("compiling")
        reader.warm_up()
        kernel.warm_up()
        text = _Text(encode(corpus, preprocessing, threads, display.read), connector, threads)
        if output is not None:
            text.check_words()
        before, phrases, passes = text.tokens, [], []
        for number, threshold in enumerate(thresholds, 1):
            display.step(f"pass {number}")
            tokens = text.tokens
            found = text.find(min_count, delta, threshold, number)
            phrases += found
            passes.append(Pass(threshold, len(found), tokens - text.tokens))
        if output is not None:
            display.step("writing")
            with replacing(Path(output)) as temporary, _compressed(temporary, Path(output)) as file:
                for block in text.spelled():
                    file.write(block)
    return Phrases(phrases, passes, before, text.tokens)


def _falling(thresholds: Sequence[float]) -> list[float]:
    if isinstance(thresholds, str) or not isinstance(thresholds, Sequence) or not thresholds:
        raise OptionError("thresholds: expected a list of numbers, one for each pass")
    values = [real("threshold", t, 0.0, float("inf"), "0 or above") for t in thresholds]
    for before, after in itertools.pairwise(values):
        if after > before:
            raise OptionError(
                f"threshold {after:g} after {before:g}: expected thresholds that do not rise from "
                "pass to pass"
            )
    return values


def _check_connector(connector: str) -> None:
    try:
        fits = connector.split() == [connector] and "\0" not in connector and connector.encode()
    except (AttributeError, UnicodeEncodeError):
        fits = False
    if not fits:
        raise OptionError(
            f"connector={shown(repr(connector), 60)}: expected characters without white space"
        )


# ---- the text -----------------------------------------------------------------------------------


class _Text:
    """An encoded corpus whose pairs become words.

    ids: (n,) int32, numbers of types and `reader.END`. counts: (types,) int64. starts (types + 1,)
    int64, arena uint8: the bytes of the types.
    """

    def __init__(self, encoded: Encoded, connector: str, threads: int):
        self.connector, self.threads = connector, threads
        self.where = encoded.where
        self.ids = encoded.ids
        self.starts, self.arena = encoded.types.packed()
        for piece in encoded.pieces:
            numbers = encoded.types.numbers[piece.table].astype(np.int32)
            for begin in range(piece.begin, piece.end, CHUNK):
                kernel.renumber(self.ids[begin : min(begin + CHUNK, piece.end)], numbers)
        self._count()

    def _count(self) -> None:
        self.counts = np.zeros(len(self.starts) - 1, np.int64)
        for begin in range(0, len(self.ids), CHUNK):
            reader.count(self.ids[begin : begin + CHUNK], self.counts)
        self.tokens = int(self.counts.sum())

    def check_words(self) -> None:
        """`CorpusError` where a word cannot stand in a file of text; lists of tokens have such."""
        try:
            letters = self.arena.tobytes().decode()
            fits = letters.split() == [letters]
        except UnicodeDecodeError:
            fits = False
        if not fits or not self.arena.all():
            raise CorpusError(
                f"{self.where}: a token holds white space, a NUL or half of a character, which no "
                "text can; leave out the output, or the token"
            )

    def find(self, min_count: int, delta: float, threshold: float, number: int) -> list[Phrase]:
        """Find the phrases of a pass, join them, and return them."""
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
            self._join(pairs, first[kept], names)
        rows = zip(names, scores.tolist(), pair_counts.tolist(), strict=True)
        found = [Phrase(name, score, count, number) for name, score, count in rows]
        return sorted(found, key=lambda phrase: (-phrase.score, phrase.phrase))

    def _scores(
        self, pair: np.ndarray, first: np.ndarray, second: np.ndarray, delta: float
    ) -> Float64:
        scores: Float64 = (pair - delta) / (first.astype(np.float64) * second) * self.tokens
        return scores

    def _word(self, number: int) -> str:
        return (
            self.arena[self.starts[number] : self.starts[number + 1]]
            .tobytes()
            .decode(errors="surrogatepass")
        )

    # ---- counting -------------------------------------------------------------------------------

    def _pairs(
        self, min_count: int, delta: float, threshold: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keys, sorted, and counts of all pairs that occur min_count times and may reach the
        threshold."""
        # The best score of any pair with a word: with itself. A little is left for rounding.
        words = np.maximum(self.counts, 1)  # a word that is always joined is left at 0
        own = self._scores(words, words, words, delta)
        usable = (self.counts >= min_count) & (own * (1 + 1e-9) > threshold)
        usable = usable.astype(np.uint8)
        shares = 1 << (self.threads - 1).bit_length()
        slots = max(4, MEMORY // (self.threads * _SLOT))

        def count(share: int) -> list[tuple[np.ndarray, np.ndarray]]:
            return list(self._count_share(usable, share, shares, slots, min_count))

        with ThreadPoolExecutor(self.threads, "counter") as pool:
            parts = [part for found in pool.map(count, range(shares)) for part in found]
        keys = np.concatenate([keys for keys, _ in parts])
        counts = np.concatenate([counts for _, counts in parts])
        order = np.argsort(keys)
        return keys[order], counts[order]

    def _count_share(
        self, usable: np.ndarray, share: int, shares: int, most: int, min_count: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Keys and counts of the pairs of a share; where a table of `most` slots does not hold
        them, those of two shares half as large, one after the other."""
        slots = 1 << min(16, most.bit_length() - 1)
        keys, counts, used = np.zeros(slots, np.uint64), np.zeros(slots, np.int64), np.zeros(1, int)
        position = 1
        while position < len(self.ids):
            end = min(position + CHUNK, len(self.ids))
            position = kernel.count_pairs(
                self.ids, position, end, usable, share, shares, keys, counts, used
            )
            if position == end:
                continue
            if 2 * len(keys) > most:
                del keys, counts
                for half in (share, share + shares):
                    yield from self._count_share(usable, half, 2 * shares, most, min_count)
                return
            larger = np.zeros(2 * len(keys), np.uint64), np.zeros(2 * len(keys), np.int64)
            kernel.fill(keys, counts, *larger)
            keys, counts = larger
        often = counts >= min_count
        yield keys[often], counts[often]

    # ---- joining --------------------------------------------------------------------------------

    def _join(self, pairs: np.ndarray, first: np.ndarray, names: list[str]) -> None:
        """Replace pairs by types of these names in the text; a name that is a type already, or
        that two pairs have, stays one."""
        types = self._types_with_connector()
        new: list[bytes] = []
        values = np.empty(len(names), np.int64)
        for i, name in enumerate(names):
            if name not in types:
                types[name] = len(self.counts) + len(new)
                new.append(name.encode(errors="surrogatepass"))
            values[i] = types[name] + 1
        slots = 1 << (2 * len(names)).bit_length()
        keys, table = np.zeros(slots, np.uint64), np.zeros(slots, np.int64)
        kernel.fill(pairs, values, keys, table)
        firsts = np.zeros(len(self.counts) + len(new), np.uint8)
        firsts[first] = 1
        position = written = 0
        while position < len(self.ids):
            end = min(position + CHUNK, len(self.ids))
            position, written = kernel.join_pairs(
                self.ids, position, end, written, firsts, keys, table
            )
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

    def spelled(self) -> Iterator[bytes]:
        """The text, in blocks."""
        longest = int(np.diff(self.starts).max())
        out = np.empty(max(1 << 20, longest + 2), np.uint8)
        position = 0
        while position < len(self.ids):
            position, written = kernel.spell(self.ids, position, self.starts, self.arena, out)
            yield out[:written].tobytes()


# ---- the file -----------------------------------------------------------------------------------


def _check_output(output: Path) -> None:
    """`OutputError` where the text could not be written, or not be read again."""
    if layout(output) != "plain":
        raise OutputError(
            f"{shown(output)}: the text is written plain, not as {layout(output)}; give a name "
            "such as phrases.txt or phrases.txt.gz"
        )
    if output.suffix == ".zst":
        try:
            import zstandard  # noqa: F401
        except ImportError:
            raise OutputError(
                f"{shown(output)}: writing .zst needs the package zstandard: "
                "pip install 'w2v-hs[zst]'"
            ) from None
    check_writable(output)


@contextlib.contextmanager
def _compressed(
    path: Path, output: Path
) -> Iterator[BinaryIO | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]:
    """A file to write to, compressed as the name of the output says."""
    with path.open("wb") as raw:
        if output.suffix == ".gz":  # without a name and a time: the same text gives the same file
            with gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
                yield file
        elif output.suffix == ".bz2":
            with bz2.BZ2File(raw, "wb") as file:
                yield file
        elif output.suffix == ".xz":
            with lzma.LZMAFile(raw, "wb", preset=1) as file:
                yield file
        elif output.suffix == ".zst":
            import zstandard

            with zstandard.ZstdCompressor().stream_writer(raw, closefd=False) as file:
                yield file
        else:
            yield raw
