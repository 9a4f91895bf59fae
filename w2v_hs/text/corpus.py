"""A corpus: encoded text as rows of its vocabulary, in sentences.

`encode` reads the text as numbers of types. Once all is read, the vocabulary is chosen and the
numbers are rewritten in place: rows of the vocabulary, without the words left out.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from w2v_hs.errors import CorpusError
from w2v_hs.kernels import tokens as token_kernels
from w2v_hs.options import Preprocessing
from w2v_hs.text.vocabulary import Vocabulary, choose_words
from w2v_hs.text.word_ids import EncodedText, Piece, Progress, encode, mapped
from w2v_hs.types import Int32, Int64, Texts

LONGEST_SENTENCE = 1000  # words, as in word2vec.c
_SENTENCES = 1 << 14  # copied at once
_BLOCK = 20_000  # tokens, within which sentences of a bootstrap stand by their weight


@dataclass(frozen=True)
class Corpus:
    """Encoded text."""

    ids: Int32  # (N,) int32: rows of the vocabulary, mapped from a temporary file
    sentences: Int64  # (n + 1,) int64: offsets into `ids`, at most `LONGEST_SENTENCE` apart
    vocabulary: Vocabulary  # the words that were kept
    names: list[str]  # the sources
    tokens: int  # how many were read, including those left out
    types: int  # likewise
    checksum: str  # SHA-256 of the text as read
    mended: int = 0  # malformed UTF-8 sequences that were replaced or removed
    preprocessing: Preprocessing = Preprocessing()  # noqa: RUF009 (frozen)
    sources: Int64 | None = None  # (m,) int64: where in `ids` each source begins, if read from files
    weights: Int64 | None = None  # (n,) int64: how many sentences each one stands for; None: itself

    def facts(self) -> dict[str, Any]:
        """What a model file says of it."""
        lengths = np.diff(self.sentences)
        weights = np.ones_like(lengths) if self.weights is None else self.weights
        return {
            "names": self.names,
            "sha256": self.checksum,
            "tokens": self.tokens,
            "types": self.types,
            "retained_tokens": int(weights @ lengths),
            "sentences": int(weights.sum()),
            "decoding_errors": self.mended,
            "preprocessing": asdict(self.preprocessing),
        }


def read_corpus(
    corpus: Texts,
    *,
    min_count: int = 5,
    max_vocab: int | None = None,
    vocabulary: Vocabulary | None = None,
    extend: bool = False,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    threads: int = 1,
    progress: Progress | None = None,
) -> Corpus:
    """Read a corpus once and encode it.

    `corpus` is a source as in `find_sources` (str or Path), a list of Paths, or any iterable of
    lists of tokens, including a generator. Words that occur fewer than `min_count` times are left
    out, and `max_vocab` keeps only that many of the most frequent ones. A given `vocabulary` is
    used instead of choosing words; `extend` adds the corpus's own words that occur `min_count`
    times, and sums the counts. The result does not depend on `threads`. `progress` is called with
    the bytes read so far and in total, None if the total is not known.

    Raises `CorpusError` if a source is missing, damaged, not UTF-8, or has no tokens;
    `VocabularyError` if fewer than 2 words are left; `OutputError` if the temporary folder is full;
    and `TypeError` if the corpus is neither paths nor lists of tokens.
    """
    text = encode(corpus, preprocessing, threads, progress)
    counts, newlines = _count(text, threads)
    known: set[str] = set()  # words that stay as they are
    if vocabulary is None:
        vocabulary, rows = choose_words(counts, text.types.words_of, min_count, max_vocab)
    else:
        known = set(vocabulary.words)
        vocabulary, rows = _given(vocabulary, text, counts, min_count if extend else None)
    vocabulary = vocabulary.with_integers(text.types.integers - known)
    tokens = int(counts.sum())
    ids, sentences, sources = _keep(text, newlines, rows, tokens, threads)
    return Corpus(
        ids=ids,
        sentences=sentences,
        vocabulary=vocabulary,
        names=text.names,
        tokens=tokens,
        types=len(counts),
        checksum=text.checksum,
        mended=text.mended,
        preprocessing=preprocessing,
        sources=sources,
    )


def resampled(corpus: Corpus, seed: int) -> Corpus:
    """A bootstrap of the text: as many of its sentences as it has, drawn with replacement.

    Two copies of a sentence become one of weight 2, so that 0.72 of the tokens are left to train.
    They stay in the order of the text, but in each block those of weight 1 come first, so that
    stretches of one weight are long. Vocabulary and counts are those of the whole text.
    """
    count = len(corpus.sentences) - 1
    drawn = np.random.Generator(np.random.PCG64(seed)).integers(count, size=count)
    times = np.bincount(drawn, minlength=count)
    pairs, single = np.repeat(np.arange(count), times // 2), np.flatnonzero(times % 2)
    chosen = np.concatenate([single, pairs])
    weights = np.repeat([1, 2], [len(single), len(pairs)])
    order = np.lexsort((weights, corpus.sentences[chosen] // _BLOCK))
    return replace(_sentences(corpus, chosen[order]), weights=weights[order])


def thinned(corpus: Corpus, tokens: int) -> Corpus:
    """Sentences at equal distances, about so many tokens in all; the corpus itself if it has fewer.

    Vocabulary and counts are those of the whole text.
    """
    if len(corpus.ids) <= tokens:
        return corpus
    count = len(corpus.sentences) - 1
    return _sentences(corpus, np.arange(0, count, len(corpus.ids) / max(1, tokens)).astype(np.int64))


def _sentences(corpus: Corpus, chosen: Int64) -> Corpus:
    """Some sentences of a corpus, by their numbers."""
    lengths = np.diff(corpus.sentences)[chosen]
    sentences = np.concatenate([[0], np.cumsum(lengths)])
    moves = corpus.sentences[chosen] - sentences[:-1]

    def block(first: int) -> Int32:
        these = slice(first, min(first + _SENTENCES, len(chosen)))
        places = np.arange(sentences[these.start], sentences[these.stop])
        return np.array(corpus.ids[places + np.repeat(moves[these], lengths[these])])

    ids = mapped(map(block, range(0, len(chosen), _SENTENCES)))
    return replace(corpus, ids=ids, sentences=sentences)


def _count(text: EncodedText, threads: int) -> tuple[Int64, list[int]]:
    """Occurrences of each type, (types,) int64, and the newlines of each piece."""
    of_table = [np.zeros(len(numbers), np.int64) for numbers in text.types.of_table]
    newlines = [0] * len(text.pieces)

    def count(table: int) -> None:
        for i, piece in enumerate(text.pieces):
            if piece.table == table:
                newlines[i] = token_kernels.count(text.ids[piece.begin : piece.end], of_table[table])

    with ThreadPoolExecutor(threads, "counter") as pool:
        list(pool.map(count, range(len(of_table))))
    counts = np.zeros(len(text.types), np.int64)
    for numbers, own in zip(text.types.of_table, of_table, strict=True):
        counts[numbers] += own
    return counts, newlines


def _given(
    vocabulary: Vocabulary, text: EncodedText, counts: Int64, min_count: int | None
) -> tuple[Vocabulary, Int32]:
    """A given vocabulary, extended if `min_count` is not None, and rows as in `choose_words`."""
    words = text.types.words_of(np.arange(len(counts)))
    if min_count is not None:
        known = vocabulary.index
        found = zip(words, counts.tolist(), strict=True)
        vocabulary = vocabulary.extended({w: n for w, n in found if n >= min_count or w in known})
    rows = np.array([vocabulary.index.get(word, -1) for word in words], np.int32)
    if rows.max() < 0:
        raise CorpusError(
            f"none of the {len(words)} types in {text.where} is in the given vocabulary of "
            f"{len(vocabulary)} words"
        )
    return vocabulary, rows


def _keep(
    text: EncodedText, newlines: list[int], rows: Int32, tokens: int, threads: int
) -> tuple[Int32, Int64, Int64]:
    """Rewrite the text in place as rows, without types whose row is -1.

    Returns ids, sentences, and where in the ids each source begins.
    """
    rows_of_table = [rows[numbers] for numbers in text.types.of_table]

    def keep(piece: Piece, count: int) -> tuple[int, Int64]:
        ends = np.empty(count, np.int64)
        words, _ = token_kernels.keep_words(
            text.ids, piece.begin, piece.end, rows_of_table[piece.table], ends
        )
        return words, ends

    sentences = np.zeros(sum(newlines) + tokens // LONGEST_SENTENCE + 2, np.int64)
    state = np.zeros(2, np.int64)  # words and sentences written
    bounds = [0]  # of the pieces, in words
    with ThreadPoolExecutor(threads, "encoder") as pool:
        kept = pool.map(keep, text.pieces, newlines)
        for piece, (words, ends) in zip(text.pieces, kept, strict=True):
            token_kernels.join(text.ids, piece.begin, words, ends, sentences, state, LONGEST_SENTENCE)
            bounds.append(int(state[0]))
    words, count = state.tolist()
    if words > sentences[count]:
        count += 1
        sentences[count] = words
    sources = np.array([bounds[piece] for piece in text.first_pieces], np.int64)
    return text.ids[:words], sentences[: count + 1].copy(), sources
