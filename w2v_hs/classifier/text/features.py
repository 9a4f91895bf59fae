"""Texts to rows of features: words, n-grams of words, n-grams of characters.

Row 0 is the end of a text, `LINE_END`, which every text has, as in fastText: it learns how frequent
labels are. Then come the words, the most frequent first, then the buckets in use of n-grams, which
share one hash table. Words and n-grams that no training text holds have no row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from w2v_hs.checks import is_text, short, shown
from w2v_hs.classifier.text.options import TextOptions
from w2v_hs.errors import FormatError, OptionError, VocabularyError
from w2v_hs.kernels import tokens as token_kernels
from w2v_hs.kernels.text_classifier import Grams, Texts, count_grams, find_rows
from w2v_hs.text.tokenizing import split_words, word_splitter
from w2v_hs.text.word_ids import scan_block
from w2v_hs.types import Int32, Int64
from w2v_hs.vectors.subwords import LINE_END, buckets_of

_BLOCK = 10_000  # texts that are scanned at once


@dataclass(frozen=True)
class Features:
    """What has a row: V words, of which the first is `LINE_END`, and buckets (N,) int32 of n-grams.

    Bucket i has row V + i. options: how texts are prepared, and which n-grams count.
    """

    words: list[str]
    buckets: Int32
    options: TextOptions

    def __len__(self) -> int:
        return len(self.words) + len(self.buckets)

    def rows_of(self, texts: Iterable[Any]) -> Texts:
        """The rows of each text."""
        table = token_kernels.Types(*(array.copy() for array in self._table))
        stream, table = _scan(texts, self.options, table)
        words = np.full(int(table.used[0]), -1, np.int32)
        words[: len(self.words)] = np.arange(len(self.words))
        return _find(stream, words, self._parts(table), self._grams)

    def check(self, path: object) -> None:
        """Raise `FormatError`, which names the file, if the words are not distinct tokens."""
        if not all(map(is_text, self.words)) or int(self._table.used[0]) != len(self.words):
            raise FormatError(f"{shown(path)}: its words are not distinct tokens")

    def _parts(self, table: token_kernels.Types) -> Texts:
        """The rows of the character n-grams of each type that have one."""
        if self.options.subwords is None:
            return Texts(np.zeros(1, np.int64), np.zeros(0, np.int32))
        offsets, found = _subword_buckets(table, self.options)
        rows = self._grams.rows[found]
        known = rows >= 0
        before = np.concatenate([[0], np.cumsum(known)])[offsets]
        return Texts(before, rows[known])

    @cached_property
    def _grams(self) -> Grams:
        options = self.options
        table = np.full(options.buckets if options.has_ngrams else 1, -1, np.int32)
        table[self.buckets] = len(self.words) + np.arange(len(self.buckets))
        return Grams(options.word_ngrams, table)

    @cached_property
    def _table(self) -> token_kernels.Types:
        """The words as types, in their order."""
        _, table = scan_block(" ".join([*self.words, ""]).encode(), token_kernels.new_types())
        return table


def learn_features(
    texts: Iterable[Any], options: TextOptions, further: Sequence[str] = ()
) -> tuple[Features, Texts, int]:
    """The features of training texts, the rows of each text, and the number of tokens.

    further: words that have a row even if no text holds them, as those of pretrained vectors.
    `VocabularyError` if no word occurs often enough.
    """
    stream, table = _scan(texts, options, token_kernels.new_types())
    counts = np.zeros(int(table.used[0]), np.int64)
    tokens = len(stream) - token_kernels.count(stream, counts)
    names = token_kernels.words_of(table, np.arange(len(counts)))
    rows = np.full(len(counts), -1, np.int32)
    frequent = np.flatnonzero(counts >= options.min_count)
    frequent = frequent[np.argsort(-counts[frequent], kind="stable")]
    if LINE_END in names:
        end = names.index(LINE_END)
        rows[end], frequent = 0, frequent[frequent != end]
    if not len(frequent):
        raise VocabularyError(
            f"no word of the {tokens:,} tokens occurs {options.min_count:,} times; lower min_count"
        )
    rows[frequent] = np.arange(1, len(frequent) + 1)
    words = [LINE_END, *(names[number] for number in frequent)]
    known = set(words)
    words += [word for word in dict.fromkeys(further) if word not in known and word.split() == [word]]
    features = Features(words, _buckets_in_use(stream, rows, table, counts, options), options)
    return features, _find(stream, rows, features._parts(table), features._grams), tokens


def _buckets_in_use(
    stream: Int32, rows: Int32, table: token_kernels.Types, counts: Int64, options: TextOptions
) -> Int32:
    """The buckets that n-grams of the texts fall in, the most frequent first: caches hold them."""
    if not options.has_ngrams:
        return np.zeros(0, np.int32)
    occurrences = np.zeros(options.buckets, np.int32)
    count_grams(stream, rows, options.word_ngrams, occurrences)
    if options.subwords is not None:
        offsets, found = _subword_buckets(table, options)
        weights = np.repeat(counts, np.diff(offsets)).astype(np.float64)
        occurrences += np.bincount(found, weights, options.buckets).astype(np.int32)
    used = np.flatnonzero(occurrences)
    return used[np.argsort(-occurrences[used], kind="stable")].astype(np.int32)


def _subword_buckets(table: token_kernels.Types, options: TextOptions) -> tuple[Int64, Int32]:
    """The buckets of the character n-grams of each type: offsets (types + 1,), and the buckets."""
    assert options.subwords is not None
    words = token_kernels.words_of(table, np.arange(int(table.used[0])))
    return buckets_of(words, *options.subwords, options.buckets)


def _find(stream: Int32, words: Int32, parts: Texts, grams: Grams) -> Texts:
    """The rows of each text of a stream of types."""
    ends = stream == token_kernels.END
    room = len(stream) * grams.longest
    if len(parts.offsets) > 1:
        room += int(np.diff(parts.offsets)[stream[~ends]].sum())
    offsets, found = np.zeros(int(ends.sum()) + 1, np.int64), np.empty(room, np.int32)
    count = find_rows(stream, words, parts, grams, offsets, found)
    return Texts(offsets, found[:count].copy())


def _scan(
    texts: Iterable[Any], options: TextOptions, table: token_kernels.Types
) -> tuple[Int32, token_kernels.Types]:
    """The types of the tokens of each text and `END`, (n,) int32, and the table with the types."""
    streams = [np.zeros(0, np.int32)]
    for block in _blocks(texts):
        numbers, table = scan_block(_prepared(block, options), table)
        streams.append(numbers)
    return np.concatenate(streams), table


def _blocks(texts: Iterable[Any]) -> Iterator[list[str]]:
    """The texts in lists of `_BLOCK`; `OptionError` for what is no text."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise OptionError(
            f"X={short(texts)}: expected a list of texts; for a file of labelled lines use read_labelled"
        )
    block: list[str] = []
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise OptionError(f"X[{place}] is {short(text)} of type {type(text).__name__}: expected a str")
        if not is_text(text):
            found = shown(repr(str(text)), 60)
            raise OptionError(f"X[{place}] holds a NUL or a lone surrogate: {found}; remove it")
        block.append(text)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block


def _prepared(texts: list[str], options: TextOptions) -> bytes:
    """Tokens of the texts, one text a line."""
    if options.tokenize not in ("none", "words"):
        split = word_splitter(options.tokenize)
        texts = [" ".join(split(text)) for text in texts]
        if not all(map(is_text, texts)):  # an escape such as &#0;, which "tweet" resolves
            raise OptionError(f"tokenize={options.tokenize!r}: a text holds an escape that is no character")
    joined = "\n".join(text.replace("\n", " ") for text in texts) + "\n"
    if options.tokenize == "words":
        joined = split_words(joined.encode()).decode()
    return (joined.lower() if options.lowercase else joined).encode()
