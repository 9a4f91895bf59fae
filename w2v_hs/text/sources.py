"""Where text comes from: files, folders, globs, standard input and named corpora, as bytes.

Every source is opened as an iterator of blocks of bytes, decompressed; what is wrong with a file
is said with its name.
"""

import bz2
import glob
import gzip
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError
from w2v_hs.options import Preprocessing
from w2v_hs.text import catalog, columns
from w2v_hs.text import named as extract

BLOCK = 1 << 20  # bytes
COMPRESSED = 1 << 16  # bytes read at once of compressed text
ZSTD = 1 << 10  # the same for .zst, which unfolds all it is given: 4 bytes may become 128 KiB


@dataclass(frozen=True)
class Source:
    """One text. `size` is its length in bytes where that is known before it is read (of the
    compressed file for compressed text), for the progress bar. layout: "plain" text, or rows of
    "jsonl" or "parquet", whose `column` holds it."""

    name: str
    kind: str  # "file", "stdin" or "named"
    size: int | None = None
    layout: str = "plain"
    column: str | None = None

    def blocks(self, preprocessing: Preprocessing = Preprocessing()) -> Iterator[tuple[bytes, int]]:  # noqa: B008
        """Blocks of bytes, each with how far the source is read after it, in bytes. JSON lines are
        given as they are, rows of Parquet as lines of text."""
        if self.kind == "stdin":
            return _counted(_read_plain(sys.stdin.buffer))
        if self.kind == "named":
            return _counted(extract.open_text(self.name, preprocessing))
        if self.layout == "parquet":
            assert self.column is not None  # `_file` refuses it
            return columns.parquet_blocks(Path(self.name), self.column, raw=preprocessing.splits)
        return _file_blocks(Path(self.name))

    def place(self, line: int, offset: int) -> str:
        """Where a line of the text and a byte in it stand, for a message."""
        if self.layout == "parquet":  # a row may hold several lines
            assert self.column is not None  # as above
            return f"{shown(self.name)}: row {columns.row_at(Path(self.name), self.column, offset)}"
        return f"{shown(self.name)}:{line}: byte {offset}"


def find_sources(text: str | Path, column: str | None = None) -> list[Source]:
    """The sources that `text` stands for.

    ``-`` is standard input, ``nltk:NAME`` a corpus of NLTK. A path that exists is a file or a
    folder (all files below it, sorted; hidden ones are left out); else a name of the catalogue;
    else a glob, sorted, a folder that matches giving the files below it. column: what holds the
    text in Parquet files and JSON lines (standard input then is such lines).

    Raises
    ------
    CorpusError
        Nothing is there under this name, or something that is not a file of text.
    """
    name = str(text)
    if not name:
        raise CorpusError("'': empty name; expected a file, a folder, a pattern or a named corpus")
    if name == "-":
        if sys.stdin is None:
            raise CorpusError("-: standard input is closed; give a file, or text by a pipe")
        return [Source("-", "stdin", None, "plain" if column is None else "jsonl", column)]
    if name.startswith("nltk:"):
        return [_named(name, column)]
    path = Path(name)
    try:
        if path.is_dir():
            return _files_below(path, column)
        if path.exists():  # also a pipe such as /dev/fd/63
            return [_file(path, column)]
        if name in catalog.names():
            return [_named(name, column)]
        files = _matching(name, column)
    except OSError as error:
        where = shown(error.filename or name, 400)
        raise CorpusError(f"{where}: cannot be read: {error.strerror}") from error
    if files:
        return files
    raise CorpusError(
        f"{shown(name)}: no such file, folder or named corpus, and no file matches it as a "
        "pattern; 'w2v-hs corpus list' shows the named ones"
    )


def _named(name: str, column: str | None) -> Source:
    if column is not None:
        raise CorpusError(f"{shown(name)}: a named corpus has no columns; leave out text_column")
    return Source(name, "named")


def _file(path: Path, column: str | None) -> Source:
    layout = columns.layout(path)
    if layout == "plain" and column is not None:
        raise CorpusError(
            f"{shown(path)}: text_column is for files whose names end in .parquet or .jsonl (or "
            ".ndjson, also compressed); give those alone, a pattern such as '*.jsonl' does"
        )
    if layout != "plain" and column is None:
        there = f"; it has {columns.listed(path)}" if layout == "parquet" else ""
        raise CorpusError(
            f"{shown(path)}: name the column that holds the text (text_column, --text-column)"
            f"{there}"
        )
    return Source(str(path), "file", path.stat().st_size, layout, column)


def _files_below(folder: Path, column: str | None) -> list[Source]:
    files = [_regular_file(path, column) for path in sorted(_walk(folder))]
    if not files:
        raise CorpusError(f"{shown(folder)}: a folder without files; give files of text")
    return files


def _matching(pattern: str, column: str | None) -> list[Source]:
    found = glob.glob(pattern, recursive=True) if "\0" not in pattern else []  # noqa: PTH207
    paths: set[Path] = set()  # ** matches folders and what is in them
    for path in map(Path, found):
        paths.update(_walk(path) if path.is_dir() and not path.is_symlink() else [path])
    return [_regular_file(path, column) for path in sorted(paths)]


def _walk(folder: Path) -> Iterator[Path]:
    """Files and links below a folder, and whatever else is no folder; hidden ones are left out."""

    def fail(error: OSError) -> None:
        raise error  # os.walk goes on without a word

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name) for name in links + names if not name.startswith("."))


def _regular_file(path: Path, column: str | None) -> Source:
    """The source for something found in a folder, where no one named it, so it must be a file."""
    if path.is_file():
        return _file(path, column)
    if path.is_dir():
        what = "is a link to a folder; name it as a source of its own"
    elif path.is_symlink() and not path.exists():
        what = "is a link to nothing; remove it"
    else:
        what = "is neither a file nor a folder; leave it out"
    raise CorpusError(f"{shown(path)}: {what}")


def _file_blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    try:
        with path.open("rb", buffering=0) as raw:
            yield from decoded(raw, str(path), path.stat().st_size)
    except OSError as error:
        raise CorpusError(f"{shown(path)}: cannot be read: {error.strerror or error}") from error


def compressed(name: str) -> bool:
    """Whether a file of this name is read as compressed text."""
    return Path(name).suffix in _READERS


def decoded(raw: BinaryIO, name: str, size: int | None) -> Iterator[tuple[bytes, int]]:
    """Blocks of a file that is open, decompressed as its name says, each with how far the file is
    read after it. Raises `CorpusError` where compressed data are damaged."""
    suffix = Path(name).suffix
    try:
        for block in _READERS.get(suffix, _read_plain)(raw):
            yield block, _position(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile, _Damaged) as error:
        raise CorpusError(
            f"{shown(name)}: damaged or truncated {suffix} data, found before byte "
            f"{_position(raw)} of {size}: {error}; fetch or compress it again"
        ) from error


def _position(raw: BinaryIO) -> int:
    """How far a file is read, in bytes."""
    return raw.tell() if raw.seekable() else 0


class _Damaged(Exception):
    """Damaged compressed data: bz2 raises OSError, and zstandard may not be installed."""


def _read_plain(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _counted(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Blocks with the bytes of text so far, where there is no file to ask for a position."""
    position = 0
    for block in blocks:
        position += len(block)
        yield block, position


def _read_gzip(raw: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=raw) as stream:
        yield from _read_plain(stream)


def _read_bz2(raw: BinaryIO) -> Iterator[bytes]:
    return _read_streams(raw, bz2.BZ2Decompressor, OSError, (BLOCK,))


def _read_xz(raw: BinaryIO) -> Iterator[bytes]:
    return _read_streams(raw, lzma.LZMADecompressor, lzma.LZMAError, (BLOCK,), padded=True)


def _read_zstd(raw: BinaryIO) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise CorpusError(
            f"{shown(getattr(raw, 'name', 'a file'))}: reading .zst needs the package zstandard: "
            "pip install 'w2v-hs[zst]'"
        ) from None

    def frame() -> Any:
        # The window of `zstd --ultra --long=31`; the default refuses more than --long=27.
        return zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()

    return _read_streams(raw, frame, zstandard.ZstdError, piece=ZSTD)


def _read_streams(
    raw: BinaryIO,
    new: Callable[[], Any],
    damage: type[Exception],
    limit: tuple[int, ...] = (),
    padded: bool = False,
    piece: int = COMPRESSED,
) -> Iterator[bytes]:
    """Decompress streams that stand one after the other, each by a decompressor made by `new`.

    The libraries' own file objects drop a damaged second stream, or take a truncated one for a
    short one. damage: what they raise. limit: the most bytes at a time, for those that can.
    padded: zeros may follow a stream, a multiple of 4 bytes. piece: bytes read at once.
    """
    decompressor, zeros = new(), 0
    while data := raw.read(piece):
        while data:
            if decompressor is None:
                rest = data.lstrip(b"\0") if padded else data
                zeros += len(data) - len(rest)
                data = rest
                if not data:
                    break
                if zeros % 4:
                    raise _Damaged("the padding between streams is no multiple of 4 bytes")
                decompressor = new()
            yield from _decompressed(decompressor, data, damage, limit)
            data = b""
            if decompressor.eof:
                data, decompressor = decompressor.unused_data, None
    if decompressor is not None:
        raise _Damaged("the last stream has no end")
    if zeros % 4:
        raise _Damaged("the padding at the end is no multiple of 4 bytes")


def _decompressed(
    decompressor: Any, data: bytes, damage: type[Exception], limit: tuple[int, ...]
) -> Iterator[bytes]:
    """All that a decompressor makes of `data`, in blocks."""
    more = True
    try:
        while more:
            if block := decompressor.decompress(data, *limit):
                yield block
            data = b""
            more = not decompressor.eof and not getattr(decompressor, "needs_input", True)
    except damage as error:
        raise _Damaged(error) from error


_READERS = {".gz": _read_gzip, ".bz2": _read_bz2, ".xz": _read_xz, ".zst": _read_zstd}
