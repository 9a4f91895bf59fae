"""Words and their counts, most frequent first."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError, VocabularyError
from w2v_hs.files.atomic import replacing
from w2v_hs.types import Float32, Int32, Int64


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """V words and their counts (int64), most frequent first; ties by code point order."""

    words: list[str]
    counts: Int64

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} words, {self.tokens:,} tokens)"

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    @property
    def tokens(self) -> int:
        """Occurrences of all words together."""
        return int(self.counts.sum())

    def keep_probabilities(self, sample: float) -> Float32:
        """(V,) float32: probability that subsampling keeps an occurrence of each word.

        (sqrt(n / tN) + 1) tN / n for a word that occurs n times among N, with t = `sample`; 1
        where that is more, or where t is 0 (word2vec.c; Mikolov et al. 2013 print another form).
        """
        if sample == 0:
            return np.ones(len(self), np.float32)
        threshold = sample * self.tokens
        keep = (np.sqrt(self.counts / threshold) + 1) * threshold / self.counts
        return np.minimum(keep, 1).astype(np.float32)

    def extended(self, more: Mapping[str, int]) -> "Vocabulary":
        """These words and more, in their new order; counts of words that are here are added up."""
        counts = dict(zip(self.words, self.counts.tolist(), strict=True))
        for word, count in more.items():
            counts[word] = counts.get(word, 0) + int(count)
        words = sorted(counts, key=lambda word: (-counts[word], word))
        return Vocabulary(words, np.array([counts[word] for word in words], np.int64))

    def save(self, path: str | Path) -> None:
        """Write one ``word count`` a line, as word2vec.c's -save-vocab does."""
        with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as out:
            for word, count in zip(self.words, self.counts, strict=True):
                if word.split() != [word]:
                    raise FormatError(f"{shown(path)}: the word {_quoted(word)} holds white space")
                out.write(f"{word} {count}\n")


def _quoted(word: str) -> str:
    """A word for a message, cut where it is very long."""
    return f"'{shown(word, 60)}'"


def choose_words(
    counts: Int64,
    words_of: Callable[[Int64], list[str]],
    min_count: int,
    max_vocab: int | None,
) -> tuple[Vocabulary, Int32]:
    """The vocabulary of all types that occur `min_count` times, cut to the `max_vocab` first.

    counts: (types,) int64. words_of(numbers): the types of these numbers as strings; it is asked
    only for those that may be kept. Returns the vocabulary and the row of each type in it, (types,)
    int32, -1 for those left out.

    Raises
    ------
    VocabularyError
        Fewer than 2 words are left.
    """
    numbers = np.flatnonzero(counts >= min_count)
    if len(numbers) == 0:
        word = min(words_of(np.flatnonzero(counts == counts.max())))
        raise VocabularyError(
            f"all {len(counts)} types occur fewer than min_count={min_count} times; the most "
            f"frequent, {_quoted(word)}, occurs {counts.max()} times; lower min_count"
        )
    words = words_of(numbers)
    order = _by_count(words, counts[numbers])[:max_vocab]
    if len(order) < 2:
        raise VocabularyError(
            f"need at least 2 words, found 1: {_quoted(words[order[0]])} is all that is "
            f"left of {len(counts)} types at min_count={min_count}, max_vocab={max_vocab}"
        )
    rows = np.full(len(counts), -1, np.int32)
    rows[numbers[order]] = np.arange(len(order))
    return Vocabulary([words[i] for i in order], counts[numbers[order]]), rows


def _by_count(words: list[str], counts: Int64) -> Int64:
    """The order of words by falling count, of equals by the word."""
    falling = np.argsort(-counts, kind="stable")
    bounds = [0, *(np.flatnonzero(np.diff(counts[falling])) + 1).tolist(), len(words)]
    order: list[int] = falling.tolist()
    for begin, end in itertools.pairwise(bounds):  # sorting ties alone takes a seventh of the time
        order[begin:end] = sorted(order[begin:end], key=words.__getitem__)
    return np.array(order)


def load_vocabulary(path: str | Path) -> Vocabulary:
    """Read ``word count`` lines, as `Vocabulary.save` and word2vec.c write them.

    Raises
    ------
    FormatError
        ``path:line: found, expected``: a malformed line, a count below 1, a word twice;
        or counts that add up to more than int64 holds.
    VocabularyError
        Fewer than 2 words.
    """
    name = shown(path)
    counts: dict[str, int] = {}
    for number, line in numbered_lines(path):
        fields = line.split(maxsplit=2)
        if len(fields) != 2 or not fields[1].isascii() or not fields[1].isdigit():
            raise FormatError(f"{name}:{number}: found {line[:80]!r}, expected 'word count'")
        word, digits = fields
        if "\0" in word:
            raise FormatError(f"{name}:{number}: the word {_quoted(word)} holds a NUL")
        if word in counts:
            first = list(counts).index(word) + 1  # every line holds one word
            raise FormatError(f"{name}:{number}: {_quoted(word)} stands in line {first} already")
        # Python reads no number of thousands of digits; 2^62 has 19.
        if len(digits) > 19 or not 1 <= int(digits) < 2**62:
            raise FormatError(
                f"{name}:{number}: the count {shown(digits, 60)} is not in 1 .. 2^62 - 1"
            )
        counts[word] = int(digits)
    total = sum(counts.values())
    if total >= 2**63:
        raise FormatError(f"{name}: the counts add up to {total}, more than 2^63 - 1")
    if len(counts) < 2:
        raise VocabularyError(f"{name}: need at least 2 words, found {len(counts)}")
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return Vocabulary(words, np.array([counts[word] for word in words], np.int64))


def numbered_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines of a file, one after the other; a byte order mark is left out.

    Raises `FormatError` where it cannot be read or is not UTF-8.
    """
    name = shown(path)
    number = begin = 0
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                text = line.decode().rstrip("\r\n")
                yield number, text.removeprefix("\ufeff" if number == 1 else "")
                begin += len(line)
    except OSError as error:
        raise FormatError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{name}:{number}: byte {begin + error.start}: not UTF-8") from error
