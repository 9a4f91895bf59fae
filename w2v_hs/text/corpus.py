"""Text read once and kept as numbers.

Tokens become numbers of types while the text is read, by one thread a core, each with a table of
its own; the numbers go to a temporary file that is mapped into memory, so a corpus may be larger
than memory. When all is read the tables are merged, the vocabulary is chosen, and the file is
rewritten in place: rows of the vocabulary, without the words left out.
"""

import contextlib
import errno
import hashlib
import os
import queue
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError, OptionError, OutputError
from w2v_hs.kernels import tokens as reader
from w2v_hs.options import Preprocessing
from w2v_hs.text.blocks import BadByte, Block, locate, prepared, text_blocks
from w2v_hs.text.sources import Source, find_sources
from w2v_hs.text.vocabulary import Vocabulary, choose_words
from w2v_hs.types import Int32, Int64, Texts, UInt8

LONGEST_SENTENCE = 1000  # words, as in word2vec.c
_UNORDERED = (set, frozenset, dict)


@dataclass(frozen=True)
class Corpus:
    """Encoded text.

    ids: (N,) int32 rows of the vocabulary, mapped from a temporary file. sentences: (n + 1,)
    int64 offsets into ids; no sentence is longer than `LONGEST_SENTENCE`. tokens, types: how many
    were read, before any word was left out. checksum: SHA-256 of the text as it was read.
    mended: malformed UTF-8 sequences replaced or left out, on request.
    """

    ids: Int32
    sentences: Int64
    vocabulary: Vocabulary
    names: list[str]
    tokens: int
    types: int
    checksum: str
    mended: int = 0


@dataclass
class _Stream:
    """Numbers of types in a temporary file, piece by piece: (numbers, table they belong to)."""

    file: Any  # of `tempfile.TemporaryFile`, without buffer
    pieces: list[tuple[int, int]]

    def append(self, numbers: Int32, table: int) -> None:
        if len(numbers) == 0:
            return
        rest = numbers.data.cast("B")
        try:
            while rest:  # a file without buffer may take a part
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            raise _no_room(error, self.file.tell()) from error
        self.pieces.append((len(numbers), table))


@dataclass
class _AllTypes:
    """All types of a corpus. numbers: for each table of the stream, what its numbers are here;
    words_of(numbers) gives types as strings; packed() gives all of them as bytes: type t is
    arena[starts[t]:starts[t + 1]], with starts (count + 1,) int64 and arena uint8."""

    count: int
    numbers: list[Int64]
    words_of: Callable[[Int64], list[str]]
    packed: Callable[[], tuple[Int64, UInt8]]


@dataclass
class _Piece:
    """ids[begin:end] of the stream, numbers of one table."""

    begin: int
    end: int
    table: int
    newlines: int = 0


@dataclass
class _Tally:
    """What is counted while reading."""

    checksum: Any  # of hashlib
    mended: int = 0


@dataclass
class Encoded:
    """Text as it was read, mapped from a temporary file. ids: (n,) int32, in each piece the numbers
    of its table, `reader.END` for each newline."""

    ids: np.ndarray
    pieces: list[_Piece]
    types: _AllTypes
    names: list[str]
    tally: _Tally

    @property
    def where(self) -> str:
        """The sources, for a message."""
        where = ", ".join(map(shown, self.names[:3]))
        return where + (f" and {len(self.names) - 3} more" if len(self.names) > 3 else "")


def read_corpus(
    corpus: Texts,
    *,
    min_count: int = 5,
    max_vocab: int | None = None,
    vocabulary: Vocabulary | None = None,
    extend: bool = False,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    threads: int = 1,
    progress: Callable[[int, int | None], None] | None = None,
) -> Corpus:
    """Read and encode a corpus, once.

    corpus: a source as in `find_sources` (str or Path), a list of Paths, or any iterable of lists
    of tokens, a generator too. vocabulary: words to use instead of the corpus's own; with
    `extend`, together with those of its own that occur min_count times, counts added up.
    progress(done, total): bytes of the sources read so far and in all, where known.

    Raises
    ------
    CorpusError
        A source that is missing, damaged, not UTF-8, or without a token.
    VocabularyError
        Too few words are left.
    OutputError
        The temporary folder takes no more.
    TypeError
        The corpus is a list of str or of something else that is not a list of tokens.
    """
    encoded = encode(corpus, preprocessing, threads, progress)
    return _finish(encoded, (min_count, max_vocab, vocabulary, extend), threads)


def encode(
    corpus: Texts,
    preprocessing: Preprocessing,
    threads: int,
    progress: Callable[[int, int | None], None] | None = None,
) -> Encoded:
    """The first half of `read_corpus`, with all its types; raises as that does."""
    sources, sentences = _resolve(corpus, preprocessing)
    tally = _Tally(hashlib.sha256())
    with tempfile.TemporaryFile(prefix="w2v-hs-", buffering=0) as file:
        stream = _Stream(file, [])
        if sources is not None:
            names = [source.name for source in sources]
            types = _scan_sources(sources, stream, tally, preprocessing, threads, progress)
        else:
            names = ["token lists"]
            types = _encode_lists(sentences, stream, tally, preprocessing)
        pieces, begin = [], 0
        for length, table in stream.pieces:
            pieces.append(_Piece(begin, begin + length, table))
            begin += length
        encoded = Encoded(np.zeros(0, np.int32), pieces, types, names, tally)
        if types.count == 0:
            raise CorpusError(f"0 tokens in {encoded.where}")
        encoded.ids = np.memmap(stream.file, np.int32, mode="r+", shape=(begin,))
        return encoded


def _no_room(error: OSError, written: int) -> OutputError:
    """The error for a temporary file that takes no more than the bytes `written`."""
    folder = tempfile.gettempdir()
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    remedy = "set TMPDIR to a folder with more"
    if error.errno == errno.EFBIG:
        remedy = "raise the limit of a file's size (ulimit -f)"
    return OutputError(
        f"{shown(folder)}: no room for the encoded corpus, 4 bytes a token: {error.strerror} after "
        f"{written:,} bytes; {free:,} bytes are free; {remedy}"
    )


def _resolve(
    corpus: Texts, preprocessing: Preprocessing
) -> tuple[list[Source] | None, Iterable[Iterable[str]]]:
    """Sources, or None and an iterable of token lists."""
    if isinstance(corpus, str) and not _names_text(corpus):
        raise TypeError(
            f"corpus is a str that begins {corpus[:40]!r}: expected the path of a file or lists "
            "of tokens; for text in memory pass [line.split() for line in text.splitlines()]"
        )
    if isinstance(corpus, (str, Path)):
        return find_sources(corpus, preprocessing.text_column), ()
    if isinstance(corpus, (bytes, *_UNORDERED)) or not isinstance(corpus, Iterable):
        raise TypeError(
            f"corpus is of type {type(corpus).__name__}: expected a path or lists of tokens"
        )
    if isinstance(corpus, (list, tuple)) and corpus and all(isinstance(c, Path) for c in corpus):
        if [str(path) for path in corpus].count("-") > 1:
            raise CorpusError("-: given twice; standard input can be read once: give it once")
        return [
            source for path in corpus for source in find_sources(path, preprocessing.text_column)
        ], ()
    if preprocessing.splits or preprocessing.text_column is not None:
        raise OptionError(
            "tokenize, split_sentences and text_column are for text, and the corpus is lists of "
            "tokens; leave them out"
        )
    return None, cast(Iterable[Iterable[str]], corpus)  # each is checked when it is read


def _names_text(corpus: str) -> bool:
    """Whether a str can be meant as a path: one line, not too long, or something that is there."""
    short = len(corpus.split()) < 4 and "\n" not in corpus
    return len(corpus) < 4096 and (short or os.path.exists(corpus))  # noqa: PTH110 (never raises)


# ---- reading text -------------------------------------------------------------------------------


def _scan_sources(
    sources: list[Source],
    stream: _Stream,
    tally: _Tally,
    preprocessing: Preprocessing,
    threads: int,
    progress: Callable[[int, int | None], None] | None,
) -> _AllTypes:
    """Scan all sources into the stream."""
    sizes = [source.size for source in sources]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    tables: queue.SimpleQueue[int] = queue.SimpleQueue()  # those no thread is using
    all_tables = [reader.new_types() for _ in range(threads)]
    for number in range(threads):
        tables.put(number)

    def scan(source: Source, block: Block) -> tuple[tuple[Int32, int], int, int]:
        data, mended = prepared(block.data, source, preprocessing)
        number = tables.get()
        try:
            numbers = scan_block(data, all_tables, number)
        finally:
            tables.put(number)
        return numbers, mended, block.data.count(b"\n")

    done = 0
    with ThreadPoolExecutor(threads, "reader") as pool, contextlib.ExitStack() as stopped:
        # NLTK takes a second for a block: an error or Ctrl-C does not wait for those in the queue.
        stopped.callback(pool.shutdown, wait=False, cancel_futures=True)
        for source in sources:
            lines = 0
            position = 0
            waiting: deque[tuple[Block, Future[Any]]] = deque()

            def collect_first() -> None:
                nonlocal lines
                block, future = waiting.popleft()  # noqa: B023 (called within this turn)
                try:
                    (numbers, table), mended, newlines = future.result()
                except BadByte as error:
                    raise locate(source, lines, block, error) from None  # noqa: B023
                stream.append(numbers, table)
                tally.mended += mended
                lines += newlines
                if progress:
                    progress(done + block.position, total)  # noqa: B023

            for block in text_blocks(source, preprocessing):
                tally.checksum.update(block.data)
                waiting.append((block, pool.submit(scan, source, block)))
                position = block.position
                if len(waiting) > 2 * threads:
                    collect_first()
            while waiting:
                collect_first()
            done += position
    types, numbers = reader.merged(all_tables)
    count = int(types.used[0])
    starts = types.starts[: count + 1]
    return _AllTypes(
        count,
        numbers,
        lambda wanted: reader.words_of(types, wanted),
        lambda: (starts, types.arena[: starts[count]]),
    )


def scan_block(data: bytes, tables: list[reader.Types], number: int) -> tuple[Int32, int]:
    """The numbers of types of a block that `prepared` gave, as `reader.scan` writes them, by table
    `number`, which grows as needed; and `number`."""
    block = np.frombuffer(data + bytes(reader.PAD), np.uint8)
    numbers = np.empty(len(data), np.int32)
    position = written = 0
    while True:
        position, more = reader.scan(block, len(data), position, tables[number], numbers[written:])
        written += more
        if position == len(data):
            return numbers[:written].copy(), number
        tables[number] = reader.grown(tables[number], len(data))


def _encode_lists(
    sentences: Iterable[Iterable[str]], stream: _Stream, tally: _Tally, preprocessing: Preprocessing
) -> _AllTypes:
    """Encode lists of tokens into the stream."""
    numbers: dict[str, int] = {}
    pending: list[int] = []
    for place, sentence in enumerate(sentences):
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Iterable):
            raise TypeError(
                f"corpus[{place}] is {str(sentence)[:40]!r} of type {type(sentence).__name__}: "
                "expected a list of tokens; split it first, as in [s.split() for s in corpus] "
                "(files are given as pathlib.Path)"
            )
        if isinstance(sentence, _UNORDERED):
            raise TypeError(
                f"corpus[{place}] is of type {type(sentence).__name__}, which has no order: "
                "expected a list of tokens"
            )
        tokens = list(sentence)
        for token in tokens:
            if not isinstance(token, str) or not token:
                raise TypeError(
                    f"corpus[{place}] holds the token {shown(repr(token), 60)}: expected a "
                    "non-empty str"
                )
        tokens = [str(token) for token in tokens]  # plain ones, of NumPy's
        if preprocessing.lowercase:
            tokens = [token.lower() for token in tokens]
        # Lengths stand before the tokens, so that no two corpora give the same bytes.
        for token in tokens:
            encoded = token.encode(errors="surrogatepass")
            tally.checksum.update(b"%d " % len(encoded) + encoded)
        tally.checksum.update(b"\n")
        pending += [numbers.setdefault(token, len(numbers)) for token in tokens]
        pending.append(int(reader.END))
        if len(pending) > 100_000:
            stream.append(np.array(pending, np.int32), 0)
            pending = []
    stream.append(np.array(pending, np.int32), 0)
    words = list(numbers)

    def packed() -> tuple[np.ndarray, np.ndarray]:
        encoded = [word.encode(errors="surrogatepass") for word in words]
        starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return starts, np.frombuffer(b"".join(encoded), np.uint8)

    return _AllTypes(
        len(words),
        [np.arange(len(words))],
        lambda wanted: [words[i] for i in wanted.tolist()],
        packed,
    )


# ---- from types to rows of the vocabulary -------------------------------------------------------


def _choose(
    types: _AllTypes,
    counts: Int64,
    where: str,
    min_count: int,
    max_vocab: int | None,
    vocabulary: Vocabulary | None,
    extend: bool,
) -> tuple[Vocabulary, Int32]:
    """The vocabulary, and the row in it of each type, (types,) int32, -1 for those left out."""
    if vocabulary is None:
        return choose_words(counts, types.words_of, min_count, max_vocab)
    words = types.words_of(np.arange(types.count))
    if extend:
        found = zip(words, counts.tolist(), strict=True)
        vocabulary = vocabulary.extended(
            {word: n for word, n in found if n >= min_count or word in vocabulary.index}
        )
    rows = np.array([vocabulary.index.get(word, -1) for word in words], np.int32)
    if rows.max() < 0:
        raise CorpusError(
            f"none of the {len(words)} types in {where} is in the given vocabulary of "
            f"{len(vocabulary)} words"
        )
    return vocabulary, rows


def _finish(
    encoded: Encoded, choice: tuple[int, int | None, Vocabulary | None, bool], threads: int
) -> Corpus:
    """Count, choose the vocabulary, and rewrite the stream as rows of it."""
    ids, pieces, types = encoded.ids, encoded.pieces, encoded.types
    own_counts = [np.zeros(len(numbers), np.int64) for numbers in types.numbers]

    def count(table: int) -> None:
        for piece in pieces:
            if piece.table == table:
                piece.newlines = reader.count(ids[piece.begin : piece.end], own_counts[table])

    with ThreadPoolExecutor(threads, "counter") as pool:
        list(pool.map(count, range(len(own_counts))))
    counts = np.zeros(types.count, np.int64)
    for numbers, own in zip(types.numbers, own_counts, strict=True):
        counts[numbers] += own
    tokens = int(counts.sum())
    vocabulary, rows = _choose(types, counts, encoded.where, *choice)
    own_rows = [rows[numbers] for numbers in types.numbers]

    def keep(piece: _Piece) -> tuple[int, Int64]:
        ends = np.empty(piece.newlines, np.int64)
        words, _ = reader.keep_words(ids, piece.begin, piece.end, own_rows[piece.table], ends)
        return words, ends

    newlines = sum(piece.newlines for piece in pieces)
    sentences = np.zeros(newlines + tokens // LONGEST_SENTENCE + 2, np.int64)
    state = np.zeros(2, np.int64)
    with ThreadPoolExecutor(threads, "encoder") as pool:
        for piece, (words, ends) in zip(pieces, pool.map(keep, pieces), strict=True):
            reader.join(ids, piece.begin, words, ends, sentences, state, LONGEST_SENTENCE)
    if state[0] > sentences[state[1]]:
        state[1] += 1
        sentences[state[1]] = state[0]
    return Corpus(
        ids=ids[: state[0]],
        sentences=sentences[: state[1] + 1].copy(),
        vocabulary=vocabulary,
        names=encoded.names,
        tokens=tokens,
        types=types.count,
        checksum=encoded.tally.checksum.hexdigest(),
        mended=encoded.tally.mended,
    )
