"""Words and their counts, most frequent first."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.checks import is_text, quoted, shown, warn
from w2v_hs.errors import FormatError, MissingFileError, VocabularyError
from w2v_hs.files.atomic import replacing
from w2v_hs.files.lines import LARGEST_LIST, bounded_lines
from w2v_hs.types import Float32, Float64, Int32, Int64

MOST_TOKENS = 2**62  # no sum of counts reaches it


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """V words, most frequent first; words of equal count are in code point order.

    Attributes
    ----------
    words
        The words by row.
    counts
        (V,) int64: how often each occurs.
    integers
        Those of the words that were ints in the corpus; `as_given` has them as ints.
    """

    words: list[str]
    counts: Int64
    integers: frozenset[str] = frozenset()

    @classmethod
    def from_counts(cls, counts: Mapping[str, int]) -> "Vocabulary":
        """Sort words by their counts; `VocabularyError` if these add up to 2^62 or more."""
        if (total := sum(counts.values())) >= MOST_TOKENS:
            raise VocabularyError(f"the counts add up to {total}; expected less than 2^62")
        words = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(words, np.array([counts[word] for word in words], np.int64))

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} words, {self.tokens:,} tokens)"

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    @property
    def as_given(self) -> list[Any]:
        """The words as they came in the corpus, str or int."""
        return [int(w) if w in self.integers else w for w in self.words] if self.integers else self.words

    def with_integers(self, words: Iterable[str]) -> "Vocabulary":
        """These words as ints, where they are among those here."""
        found = self.integers.union(word for word in words if word in self.index)
        return self if found == self.integers else replace(self, integers=found)

    @property
    def tokens(self) -> int:
        """Occurrences of all words."""
        return int(self.counts.sum())

    def keep_probabilities(self, sample: float) -> Float32:
        """The probability that subsampling keeps an occurrence of each word, (V,) float32.

        With threshold t = `sample`, a word with n occurrences among N is kept with probability
        (sqrt(n / tN) + 1) tN / n, at most 1, as in word2vec.c; Mikolov et al. 2013 print another
        formula. A threshold of 0 keeps everything.
        """
        if sample == 0:
            return np.ones(len(self), np.float32)
        threshold = sample * self.tokens
        keep = (np.sqrt(self.counts / threshold) + 1) * threshold / self.counts
        return np.minimum(keep, 1).astype(np.float32)

    def kept_frequencies(self, sample: float) -> Float64:
        """How many occurrences of each word subsampling is expected to keep, (V,) float64."""
        kept: Float64 = self.keep_probabilities(sample).astype(np.float64) * self.counts
        return kept

    def extended(self, more: Mapping[Any, int]) -> "Vocabulary":
        """Add words, str or int, and counts; the counts of words already here are summed."""
        counts = dict(zip(self.words, self.counts.tolist(), strict=True))
        for word, count in more.items():
            counts[str(word)] = counts.get(str(word), 0) + int(count)
        integers = {str(word) for word in more if not isinstance(word, str)} - set(self.words)
        return Vocabulary.from_counts(counts).with_integers(self.integers | integers)

    def save(self, path: str | Path) -> None:
        """Write ``word count`` lines, as word2vec.c's -save-vocab does.

        Raises `FormatError` if a word holds white space or is not text, `OutputError` if the file
        cannot be written.
        """
        with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as out:
            for word, count in zip(self.words, self.counts, strict=True):
                check_fits_line(word, path)
                out.write(f"{word} {count}\n")


def check_fits_line(word: str, path: str | Path) -> None:
    """Raise `FormatError` unless a line of a text file can begin with a word and go on."""
    if word.split() != [word] or not is_text(word):
        raise FormatError(f"{shown(path)}: the word {quoted(word)} holds white space, or is not text")


def choose_words(
    counts: Int64, words_of: Callable[[Int64], list[str]], min_count: int, max_vocab: int | None
) -> tuple[Vocabulary, Int32]:
    """Choose the vocabulary of a text; return it and the row of each type, (types,) int32.

    The row is -1 for types left out: those that occur fewer than `min_count` times, and all but the
    `max_vocab` most frequent ones. `counts` is (types,) int64. `words_of` returns the types of
    given numbers as strings; it is called only for types that may be kept. Raises `VocabularyError`
    if fewer than 2 words are left.
    """
    numbers = np.flatnonzero(counts >= min_count)
    if len(numbers) == 0:
        word = min(words_of(np.flatnonzero(counts == counts.max())))
        raise VocabularyError(
            f"all {len(counts)} types occur fewer than min_count={min_count} times; the most "
            f"frequent, {quoted(word)}, occurs {counts.max()} times; lower min_count"
        )
    words = words_of(numbers)
    order = _by_count(words, counts[numbers])[:max_vocab]
    if len(order) < 2:
        raise VocabularyError(
            f"need at least 2 words, found 1: {quoted(words[order[0]])} is all that is "
            f"left of {len(counts)} types at min_count={min_count}, max_vocab={max_vocab}"
        )
    rows = np.full(len(counts), -1, np.int32)
    rows[numbers[order]] = np.arange(len(order))
    return Vocabulary([words[i] for i in order], counts[numbers[order]]), rows


def _by_count(words: list[str], counts: Int64) -> Int64:
    """The order of words by falling count, then by word."""
    falling = np.argsort(-counts, kind="stable")
    bounds = [0, *(np.flatnonzero(np.diff(counts[falling])) + 1).tolist(), len(words)]
    order: list[int] = falling.tolist()
    for begin, end in itertools.pairwise(bounds):  # seven times as fast as sorting by both keys
        order[begin:end] = sorted(order[begin:end], key=words.__getitem__)
    return np.array(order)


def load_vocabulary(path: str | Path) -> Vocabulary:
    """Read ``word count`` lines, as `Vocabulary.save` and word2vec.c write them.

    Raises
    ------
    FormatError
        A line is malformed, a count is below 1, a word is repeated, or the counts add up to
        2^62 or more. The message has the path and the line.
    VocabularyError
        Fewer than 2 words.
    """
    name = shown(path)
    counts: dict[str, int] = {}
    for number, line in numbered_lines(path, warn_if_cut=True):
        fields = line.split(maxsplit=2)
        if len(fields) != 2 or not fields[1].isascii() or not fields[1].isdigit():
            raise FormatError(f"{name}:{number}: found {line[:80]!r}, expected 'word count'")
        word, digits = fields
        if "\0" in word:
            raise FormatError(f"{name}:{number}: the word {quoted(word)} holds a NUL")
        if word in counts:
            first = list(counts).index(word) + 1  # every line holds one word
            raise FormatError(f"{name}:{number}: {quoted(word)} is already in line {first}")
        # Python does not convert thousands of digits; 2^62 has 19.
        if len(digits) > 19 or not 1 <= int(digits) < 2**62:
            raise FormatError(f"{name}:{number}: the count {shown(digits, 60)} is not in 1 .. 2^62 - 1")
        counts[word] = int(digits)
    total = sum(counts.values())
    if total >= MOST_TOKENS:
        raise FormatError(f"{name}: the counts add up to {total}, more than 2^62 - 1")
    if len(counts) < 2:
        raise VocabularyError(f"{name}: need at least 2 words, found {len(counts)}")
    return Vocabulary.from_counts(counts)


def numbered_lines(path: str | Path, warn_if_cut: bool = False) -> Iterator[tuple[int, str]]:
    """Read a file line by line, with line numbers from 1, without a byte order mark.

    warn_if_cut: warn if the last line has no line end, as where a file is cut off within a number;
    one that was written by hand may lack it, too.

    Raises `FormatError` if the file cannot be read, is not UTF-8, has a line of more than
    `LONGEST_LINE` bytes or more than `LARGEST_LIST` in all.
    """
    name = shown(path)
    number = begin = 0
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(bounded_lines(file, name, largest=LARGEST_LIST), 1):
                text = line.decode().rstrip("\r\n")
                yield number, text.removeprefix("\ufeff" if number == 1 else "")
                begin += len(line)
            if warn_if_cut and number and not line.endswith(b"\n"):
                warn(f"{name}:{number}: no line end after {quoted(text)}; is the file whole?")
    except UnicodeDecodeError as error:
        raise FormatError(f"{name}:{number}: byte {begin + error.start}: not UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, FormatError):
            raise
        kind = MissingFileError if isinstance(error, FileNotFoundError) else FormatError
        raise kind(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
