"""Where text comes from: files, folders, globs, standard input and named corpora, as bytes.

Every source is opened as an iterator of blocks of bytes, decompressed; what is wrong with a file
is said with its name.
"""

import bz2
import glob
import gzip
import lzma
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from w2v_hs import catalog, extract
from w2v_hs.errors import CorpusError

BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Source:
    """One text. `size` is its length in bytes where that is known before it is read (of the
    compressed file for compressed text), for the progress bar."""

    name: str
    kind: str  # "file", "stdin" or "named"
    size: int | None = None

    def blocks(self) -> Iterator[tuple[bytes, int]]:
        """Blocks of bytes, each with how far the source is read after it, in bytes."""
        if self.kind == "stdin":
            return _counted(_read_plain(sys.stdin.buffer))
        if self.kind == "named":
            return _counted(extract.open_text(self.name))
        return _file_blocks(Path(self.name))


def find_sources(text: str | Path) -> list[Source]:
    """The sources that `text` stands for.

    ``-`` is standard input, ``nltk:NAME`` a corpus of NLTK. A path that exists is a file or a
    folder (all files below it, sorted; hidden ones are left out); else a name of the catalogue;
    else a glob.

    Raises
    ------
    CorpusError
        Nothing is there under this name.
    """
    name = str(text)
    if name == "-":
        return [Source("-", "stdin")]
    if name.startswith("nltk:"):
        return [Source(name, "named")]
    path = Path(name)
    try:
        if path.is_dir():
            return _files_below(path)
        if path.exists():  # also a pipe such as /dev/fd/63
            return [_file(path)]
    except OSError as error:
        raise CorpusError(f"{name[:80]!r}: cannot be read: {error.strerror}") from error
    if name in catalog.names():
        return [Source(name, "named")]
    found = sorted(Path(p) for p in glob.glob(name, recursive=True)) if name else []  # noqa: PTH207
    files = [p for p in found if p.is_file()]
    if files:
        return [_file(p) for p in files]
    raise CorpusError(
        f"{name[:200]}: no such file, folder or named corpus, and no file matches it as a pattern; "
        "'w2v-hs corpus list' shows the named ones"
    )


def _file(path: Path) -> Source:
    return Source(str(path), "file", path.stat().st_size)


def _files_below(folder: Path) -> list[Source]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise CorpusError(f"{folder}: a folder without files; give files of text")
    return [_file(path) for path in files]


def _file_blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    position = 0
    try:
        with path.open("rb", buffering=0) as raw:
            for block in _READERS.get(path.suffix, _read_plain)(raw):
                position = raw.tell() if raw.seekable() else 0
                yield block, position
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, _Damaged) as error:
        raise CorpusError(
            f"{path}: damaged or truncated {path.suffix} data, found after byte {position} of "
            f"{path.stat().st_size}: {error}; fetch or compress it again"
        ) from error
    except OSError as error:
        if path.suffix == ".bz2" and error.errno is None:  # bz2 has no error class of its own
            raise CorpusError(
                f"{path}: damaged .bz2 data, found after byte {position} of "
                f"{path.stat().st_size}: {error}; fetch or compress it again"
            ) from error
        raise CorpusError(f"{path}: cannot be read: {error.strerror or error}") from error


class _Damaged(Exception):
    """Damaged compressed data, from a library whose own error class may not be installed."""


def _read_plain(stream) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _counted(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Blocks with the bytes of text so far, where there is no file to ask for a position."""
    position = 0
    for block in blocks:
        position += len(block)
        yield block, position


def _read_gzip(raw) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=raw) as stream:
        yield from _read_plain(stream)


def _read_bz2(raw) -> Iterator[bytes]:
    with bz2.BZ2File(raw) as stream:
        yield from _read_plain(stream)


def _read_xz(raw) -> Iterator[bytes]:
    with lzma.LZMAFile(raw) as stream:
        yield from _read_plain(stream)


def _read_zstd(raw) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise CorpusError(
            f"{raw.name}: reading .zst needs the package zstandard: pip install 'w2v-hs[zst]'"
        ) from None
    # Frames one by one: zstandard's own stream reader takes a truncated file for a short one.
    decompressor = None
    try:
        while data := raw.read(BLOCK):
            while data:
                if decompressor is None:
                    decompressor = zstandard.ZstdDecompressor().decompressobj()
                block = decompressor.decompress(data)
                data = b""
                if decompressor.eof:
                    data, decompressor = decompressor.unused_data, None
                if block:
                    yield block
    except zstandard.ZstdError as error:
        raise _Damaged(error) from error
    if decompressor is not None:
        raise _Damaged("the last frame has no end")


_READERS = {".gz": _read_gzip, ".bz2": _read_bz2, ".xz": _read_xz, ".zst": _read_zstd}
