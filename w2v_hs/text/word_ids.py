"""Text to numbers: tokens become numbers of types, in a temporary file.

One thread per core scans text, each with its own table of types. The numbers go to a temporary file
that is mapped into memory, so a corpus may be larger than memory.
"""

import contextlib
import errno
import hashlib
import os
import queue
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np

from w2v_hs.checks import is_integer, is_text, shown
from w2v_hs.errors import CorpusError, OptionError, OutputError
from w2v_hs.formatting import texts
from w2v_hs.kernels import tokens as token_kernels
from w2v_hs.options import Preprocessing
from w2v_hs.text.blocks import BadByte, TextBlock, locate, prepared, text_blocks
from w2v_hs.text.sources import Source, find_sources
from w2v_hs.types import Int32, Int64, Texts, UInt8, Word

Progress = Callable[[int, int | None], None]  # bytes read, bytes in total if known
TOKEN_LISTS = "token lists"  # the name of a corpus that has none
_PENDING = 100_000  # numbers of types in memory before they are written
_UNORDERED = (set, frozenset, dict)


@dataclass(frozen=True)
class TypeIndex:
    """The distinct types of a text, numbered."""

    starts: Int64  # (types + 1,) int64: type t is arena[starts[t]:starts[t + 1]]
    arena: UInt8  # (bytes,) uint8
    words_of: Callable[[Int64], list[str]]  # the types of given numbers, as strings
    of_table: list[Int64]  # for each thread's table, the number here of each of its types
    integers: frozenset[str] = frozenset()  # those that were ints in lists of tokens

    def __len__(self) -> int:
        return len(self.starts) - 1


@dataclass(frozen=True)
class Piece:
    """A part of the encoded text, ids[begin:end], with numbers of one thread's table."""

    begin: int
    end: int
    table: int


@dataclass(frozen=True)
class EncodedText:
    """A text with all its types."""

    # (n,) int32, mapped from a temporary file: in each piece the numbers of its table, and `END`
    # for each newline.
    ids: Int32
    pieces: list[Piece]  # the parts of `ids`, in order
    first_pieces: list[int]  # of each source
    types: TypeIndex  # what the numbers stand for
    names: list[str]  # the sources
    checksum: str  # SHA-256 of the text as read
    mended: int  # malformed UTF-8 sequences that were replaced or removed

    @property
    def where(self) -> str:
        """The sources, for a message."""
        return texts(self.names)


def encode(
    corpus: Texts, preprocessing: Preprocessing, threads: int, progress: Progress | None = None
) -> EncodedText:
    """Read a corpus; parameters and errors are those of `read_corpus`."""
    sources, sentences = _resolve(corpus, preprocessing)
    with tempfile.TemporaryFile(prefix="w2v-hs-", buffering=0) as file:
        stream = _Stream(file)
        if sources is None:
            names = [TOKEN_LISTS]
            types = _encode_lists(sentences, stream, preprocessing.lowercase)
        else:
            names = [source.name for source in sources]
            types = _Scanner(stream, preprocessing, threads, progress).scan(sources)
        if len(types) == 0:
            raise CorpusError(f"0 tokens in {texts(names)}")
        ids = np.memmap(file, np.int32, mode="r+", shape=(stream.length,))
    checksum = stream.checksum.hexdigest()
    return EncodedText(ids, stream.pieces, stream.first_pieces, types, names, checksum, stream.mended)


def mapped(blocks: Iterable[Int32]) -> Int32:
    """Blocks of ids, joined and mapped from a temporary file; `OutputError` if the disk is full."""
    with tempfile.TemporaryFile(prefix="w2v-hs-", buffering=0) as file:
        stream = _Stream(file)
        for block in blocks:
            stream.append(block, 0)
        return np.memmap(file, np.int32, mode="r+", shape=(stream.length,))


def _resolve(
    corpus: Texts, preprocessing: Preprocessing
) -> tuple[list[Source] | None, Iterable[Iterable[str]]]:
    """The sources of a corpus, or None and lists of tokens."""
    if isinstance(corpus, str) and not _may_be_path(corpus):
        raise TypeError(
            f"corpus is a str that begins {corpus[:40]!r}: expected the path of a file or lists "
            "of tokens; for text in memory pass [line.split() for line in text.splitlines()]"
        )
    if isinstance(corpus, (str, Path)):
        return find_sources(corpus, preprocessing.text_column, preprocessing.encoding), ()
    if isinstance(corpus, (bytes, *_UNORDERED)) or not isinstance(corpus, Iterable):
        raise TypeError(f"corpus is of type {type(corpus).__name__}: expected a path or lists of tokens")
    if are_paths(corpus):
        if [str(path) for path in corpus].count("-") > 1:
            raise CorpusError("-: given twice; standard input can be read once: give it once")
        column, encoding = preprocessing.text_column, preprocessing.encoding
        return [source for path in corpus for source in find_sources(path, column, encoding)], ()
    if preprocessing.splits or preprocessing.text_column is not None:
        raise OptionError(
            "tokenize, split_sentences and text_column are for text, and the corpus is lists of "
            "tokens; leave them out"
        )
    return None, cast(Iterable[Iterable[str]], corpus)  # `_checked_tokens` checks each


def are_paths(corpus: Texts) -> TypeGuard[Sequence[Path]]:
    """Whether a corpus is a list of paths, not of lists of tokens."""
    return isinstance(corpus, (list, tuple)) and bool(corpus) and all(isinstance(c, Path) for c in corpus)


def _may_be_path(corpus: str) -> bool:
    """Whether a str may be meant as a path: a short line, or something that exists."""
    short = len(corpus.split()) < 4 and "\n" not in corpus
    return len(corpus) < 4096 and (short or os.path.exists(corpus))  # noqa: PTH110 (never raises)


class _Stream:
    """Writes numbers of types to a temporary file; keeps the checksum of the text."""

    def __init__(self, file: Any):
        self._file = file  # unbuffered
        self.pieces: list[Piece] = []
        self.first_pieces: list[int] = []
        self.length = 0
        self.checksum = hashlib.sha256()
        self.mended = 0

    def append(self, numbers: Int32, table: int) -> None:
        if len(numbers) == 0:
            return
        rest = numbers.data.cast("B")
        try:
            while rest:  # an unbuffered write may be partial
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _no_room(error, self._file.tell()) from error
        self.pieces.append(Piece(self.length, self.length + len(numbers), table))
        self.length += len(numbers)


def _no_room(error: OSError, written: int) -> OutputError:
    """The error for a temporary file that could not grow beyond `written` bytes."""
    folder = tempfile.gettempdir()
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    remedy = "set TMPDIR to a folder with more"
    if error.errno == errno.EFBIG:
        remedy = "raise the limit of a file's size (ulimit -f)"
    return OutputError(
        f"{shown(folder)}: no room for the encoded corpus, 4 bytes a token: {error.strerror} after "
        f"{written:,} bytes; {free:,} bytes are free; {remedy}"
    )


# ---- files of text ------------------------------------------------------------------------------


class _Scanner:
    """Scans sources into a stream, in order, on several threads."""

    def __init__(
        self, stream: _Stream, preprocessing: Preprocessing, threads: int, progress: Progress | None
    ):
        self.stream, self.preprocessing, self.progress = stream, preprocessing, progress
        self.tables = [token_kernels.new_types() for _ in range(threads)]
        self.free: queue.SimpleQueue[int] = queue.SimpleQueue()  # tables that no thread is using
        for table in range(threads):
            self.free.put(table)
        self.done = 0  # bytes
        self.total: int | None = None

    def scan(self, sources: list[Source]) -> TypeIndex:
        """Scan all sources; return their types."""
        sizes = [source.size for source in sources]
        self.total = None if None in sizes else sum(cast(list[int], sizes))
        with ThreadPoolExecutor(len(self.tables), "reader") as pool, contextlib.ExitStack() as end:
            # NLTK takes a second per block, so after an error or Ctrl-C the queue is dropped.
            end.callback(pool.shutdown, wait=False, cancel_futures=True)
            for source in sources:
                self._scan_source(source, pool)
        types, of_table = token_kernels.merged(self.tables)
        count = int(types.used[0])
        starts = types.starts[: count + 1]
        words_of = partial(token_kernels.words_of, types)
        return TypeIndex(starts, types.arena[: starts[count]], words_of, of_table)

    def _scan_source(self, source: Source, pool: ThreadPoolExecutor) -> None:
        self.stream.first_pieces.append(len(self.stream.pieces))
        lines = position = 0
        waiting: deque[tuple[TextBlock, Future[tuple[Int32, int, int]]]] = deque()
        for block in text_blocks(source, self.preprocessing):
            self.stream.checksum.update(block.data)
            waiting.append((block, pool.submit(self._scan_block, source, block)))
            position = block.position
            if len(waiting) > 2 * len(self.tables):
                lines += self._collect(source, lines, *waiting.popleft())
        while waiting:
            lines += self._collect(source, lines, *waiting.popleft())
        self.done += position

    def _scan_block(self, source: Source, block: TextBlock) -> tuple[Int32, int, int]:
        """The numbers of a block's types, their table, and the malformed sequences mended."""
        data, mended = prepared(block.data, source, self.preprocessing)
        table = self.free.get()
        try:
            numbers, self.tables[table] = scan_block(data, self.tables[table])
        finally:
            self.free.put(table)
        return numbers, table, mended

    def _collect(
        self, source: Source, lines: int, block: TextBlock, future: Future[tuple[Int32, int, int]]
    ) -> int:
        """Append a scanned block, before which the source has `lines`; return its newlines."""
        try:
            numbers, table, mended = future.result()
        except BadByte as error:
            raise locate(source, lines, block, error) from None
        self.stream.append(numbers, table)
        self.stream.mended += mended
        if self.progress:
            self.progress(self.done + block.position, self.total)
        return block.data.count(b"\n")


def scan_block(data: bytes, table: token_kernels.Types) -> tuple[Int32, token_kernels.Types]:
    """Scan a block that `prepared` returned.

    Returns the type of each token, and `END` for each newline, (n,) int32; and the table with the
    types of the block, a larger one if they needed room.
    """
    block = np.frombuffer(data + bytes(token_kernels.PAD), np.uint8)
    numbers = np.empty(len(data), np.int32)
    position = written = 0
    while True:
        position, more = token_kernels.scan(block, len(data), position, table, numbers[written:])
        written += more
        if position == len(data):
            return numbers[:written].copy(), table
        table = token_kernels.grown(table, len(data))


# ---- lists of tokens ----------------------------------------------------------------------------


def _encode_lists(sentences: Iterable[Iterable[str]], stream: _Stream, lowercase: bool) -> TypeIndex:
    """Encode lists of tokens; return their types."""
    numbers: dict[Word, int] = {}
    pending: list[int] = []
    for place, sentence in enumerate(sentences):
        tokens = _checked_tokens(place, sentence)
        if lowercase:
            tokens = [token.lower() if isinstance(token, str) else token for token in tokens]
        # A length before each token, so that different corpora give different bytes.
        for token in tokens:
            encoded = str(token).encode()
            stream.checksum.update(b"%d " % len(encoded) + encoded)
        stream.checksum.update(b"\n")
        pending += [numbers.setdefault(token, len(numbers)) for token in tokens]
        pending.append(int(token_kernels.END))
        if len(pending) > _PENDING:
            stream.append(np.array(pending, np.int32), 0)
            pending = []
    stream.append(np.array(pending, np.int32), 0)
    integers = frozenset(str(token) for token in numbers if not isinstance(token, str))
    if both := sorted(integers & numbers.keys()):
        raise TypeError(
            f"the corpus holds the token {both[0]} as an int and as a str, in a file the same word; "
            "make both int or both str"
        )
    words = list(map(str, numbers))
    packed = [word.encode() for word in words]
    return TypeIndex(
        np.cumsum([0, *map(len, packed)], dtype=np.int64),
        np.frombuffer(b"".join(packed), np.uint8),
        lambda wanted: [words[number] for number in wanted.tolist()],
        [np.arange(len(words))],
        integers,
    )


def _checked_tokens(place: int, sentence: object) -> list[Word]:
    """A sentence as plain str and int; `TypeError` if it is not a list of tokens.

    `CorpusError` for what no text holds: a NUL, a lone surrogate.
    """
    if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Iterable):
        raise TypeError(
            f"corpus[{place}] is {str(sentence)[:40]!r} of type {type(sentence).__name__}: "
            "expected a list of tokens; split it first, as in [s.split() for s in corpus] "
            "(files are given as pathlib.Path)"
        )
    if isinstance(sentence, _UNORDERED):
        raise TypeError(
            f"corpus[{place}] is of type {type(sentence).__name__}, which has no order: expected a list "
            "of tokens; sort them, and if their order tells nothing, train with window=None"
        )
    tokens: list[Word] = []
    for token in sentence:
        if isinstance(token, str) and not is_text(token):
            found = shown(repr(token), 60)
            raise CorpusError(f"corpus[{place}] holds the token {found}: a NUL or lone surrogate; remove it")
        if isinstance(token, str) and token:
            tokens.append(str(token))  # NumPy has its own str, and its own int
        elif is_integer(token):
            if not -(2**63) <= token < 2**64:
                raise TypeError(f"corpus[{place}] holds an int of more than 64 bits; make it a str")
            tokens.append(int(token))
        else:
            raise TypeError(
                f"corpus[{place}] holds the token {shown(repr(token), 60)}: expected a non-empty str, or "
                "an int"
            )
    return tokens
