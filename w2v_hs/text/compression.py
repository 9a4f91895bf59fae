"""Compressed text, read and written: gzip, bzip2, xz and Zstandard, chosen by the file's suffix."""

import bz2
import contextlib
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError, OutputError

BLOCK = 1 << 20  # bytes of text in a block
_INPUT = 1 << 16  # bytes of compressed data per read
_ZSTD_INPUT = 1 << 10  # less, as its output cannot be limited: 4 bytes may expand to 128 KiB


def is_compressed(name: str) -> bool:
    """Whether a file of this name is read as compressed text."""
    return Path(name).suffix in _READERS


def read_blocks(raw: BinaryIO, name: str, size: int | None) -> Iterator[tuple[bytes, int]]:
    """Read an open file in blocks, decompressed according to the suffix of its name.

    `raw` is unbuffered; `size` is its length in bytes, for messages, None if unknown. Yields
    decompressed text and the bytes of the file read so far, 0 if it is not seekable. Raises
    `CorpusError` if the compressed data are damaged or truncated.
    """
    suffix = Path(name).suffix
    try:
        for block in _READERS.get(suffix, read_plain)(raw):
            yield block, _position(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile, _Damaged) as error:
        raise CorpusError(
            f"{shown(name)}: damaged or truncated {suffix} data, found before byte "
            f"{_position(raw)} of {size}: {error}; fetch or compress it again"
        ) from error


def read_plain(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """Read an open file in blocks, as it is."""
    while block := stream.read(BLOCK):
        yield block


def _position(raw: BinaryIO) -> int:
    """Bytes of the file read so far."""
    return raw.tell() if raw.seekable() else 0


class _Damaged(Exception):
    """Damaged compressed data: bz2 raises OSError, and zstandard may not be installed."""


def _read_gzip(raw: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=raw) as stream:
        yield from read_plain(stream)
    if raw.seekable() and not raw.tell():  # GzipFile takes it for an empty text
        raise _Damaged("the file is empty")


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

    return _read_streams(raw, frame, zstandard.ZstdError, input_size=_ZSTD_INPUT)


def _read_streams(
    raw: BinaryIO,
    new: Callable[[], Any],
    damage: type[Exception],
    limit: tuple[int, ...] = (),
    padded: bool = False,
    input_size: int = _INPUT,
) -> Iterator[bytes]:
    """Decompress concatenated streams, each with a new decompressor from `new`.

    The libraries' own file objects ignore a damaged second stream, or accept a truncated one.
    damage: the exception they raise. limit: the most bytes to return per call, if that can be
    limited. padded: a stream may be followed by zeros, a multiple of 4 bytes.
    """
    decompressor, zeros = new(), 0
    while data := raw.read(input_size):
        while data:
            if decompressor is None:
                rest = data.lstrip(b"\0") if padded else data
                zeros += len(data) - len(rest)
                data = rest
                if not data:
                    break
                if zeros % 4:
                    raise _Damaged("the padding between streams is not a multiple of 4 bytes")
                decompressor = new()
            yield from _decompress(decompressor, data, damage, limit)
            data = b""
            if decompressor.eof:
                data, decompressor = decompressor.unused_data, None
    if decompressor is not None:
        raise _Damaged("the last stream is incomplete")
    if zeros % 4:
        raise _Damaged("the padding at the end is not a multiple of 4 bytes")


def _decompress(
    decompressor: Any, data: bytes, damage: type[Exception], limit: tuple[int, ...]
) -> Iterator[bytes]:
    """All output for the input `data`, in blocks."""
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


# ---- writing ------------------------------------------------------------------------------------


def check_writer(output: Path) -> None:
    """Raise `OutputError` if the package that compresses a file of this name is missing."""
    if output.suffix == ".zst":
        try:
            import zstandard  # noqa: F401
        except ImportError:
            raise OutputError(
                f"{shown(output)}: writing .zst needs the package zstandard: pip install 'w2v-hs[zst]'"
            ) from None


@contextlib.contextmanager
def open_to_write(path: Path, suffix: str) -> Iterator[Any]:
    """Open a file for writing bytes, compressed as `suffix` says; equal text gives equal files."""
    with path.open("wb") as raw, _WRITERS.get(suffix, contextlib.nullcontext)(raw) as file:
        yield file


def _write_zstd(raw: BinaryIO) -> Any:
    import zstandard

    return zstandard.ZstdCompressor().stream_writer(raw, closefd=False)


_WRITERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda raw: gzip.GzipFile("", "wb", 6, raw, mtime=0),  # stores neither name nor time
    ".bz2": lambda raw: bz2.BZ2File(raw, "wb"),
    ".xz": lambda raw: lzma.LZMAFile(raw, "wb", preset=1),  # noqa: SIM115
    ".zst": _write_zstd,
}


def is_address(name: str) -> bool:
    """Whether a name is an address such as s3://bucket/key, not a path."""
    return "://" in name


def open_file(name: str, buffering: int = -1) -> Any:
    """A file by its path, or by an address that fsspec knows, open for reading bytes."""
    if not is_address(name):
        return Path(name).open("rb", buffering=buffering)
    import fsspec

    return fsspec.open(name, "rb").open()
