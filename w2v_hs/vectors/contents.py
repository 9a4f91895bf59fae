"""What all formats share: words and their matrix as a file holds them, checked and in blocks.

`name` is everywhere the path as messages show it.
"""

import mmap
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError, MissingFileError
from w2v_hs.types import Array, Float32
from w2v_hs.vectors.subwords import Subwords

LARGEST_WHOLE = 1 << 30  # bytes of a file of JSON
BLOCK_VALUES = 1 << 20  # values converted at once, where a copy of all would take much memory

Place = Callable[[int], str]


class Contents(NamedTuple):
    """What a file of vectors holds."""

    words: list[str]  # V words
    matrix: Float32  # (V, dim) float32, one row a word; values too large for float32 are Inf
    place: Place  # the place of a row in the file, for messages
    subwords: Subwords | None = None  # the rows that compose the matrix, if words have n-grams


def row_place(name: str) -> Place:
    """Places in a file of rows."""
    return lambda row: f"{name}: row {row + 1}"


def line_place(name: str, first: int = 1) -> Place:
    """Places in a file of lines, whose first row is line `first`."""
    return lambda row: f"{name}:{row + first}"


def regular_file(path: Path) -> Path:
    """The path of a regular file, else `FormatError`; opening a pipe would wait for its writer."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        reason = getattr(error, "strerror", None) or error
        kind = MissingFileError if isinstance(error, FileNotFoundError) else FormatError
        raise kind(f"{shown(path)}: cannot be read: {reason}") from error
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise FormatError(
            f"{shown(path)}: is {found}, not a regular file; give the name of a file of vectors"
        )
    return path


def whole_file(path: Path) -> bytes:
    """The bytes of a text file that must be in memory as a whole; `FormatError` for all else."""
    size = regular_file(path).stat().st_size
    if size > LARGEST_WHOLE:
        raise FormatError(f"{shown(path)}: {size:,} bytes; expected at most {LARGEST_WHOLE:,}")
    if not size:
        return b""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if (at := data.find(b"\0")) >= 0:  # such as a sparse file, which only seems to be large
            raise FormatError(f"{shown(path)}: byte {at}: NUL, which no text has; is it the right file?")
        return data[:]


def as_float32(matrix: Array, copy: bool = False) -> Float32:
    """Convert to float32, by default without a copy if possible; overflow becomes Inf.

    Only the caller of a reader knows whether Inf is allowed, and reports its row.
    """
    with np.errstate(over="ignore"):
        return matrix.astype(np.float32, copy=copy)


def check_words(words: list[str], place: Place) -> None:
    """Raise `FormatError` for a word that no format can hold."""
    for row, word in enumerate(words):
        if not word or "\0" in word:
            raise FormatError(f"{place(row)}: the word '{shown(word, 60)}' is empty or holds NUL")


def first_line_of(error: Exception) -> str:
    """The first line of an exception of a library, to quote in a message."""
    return shown(str(error).partition("\n")[0] or type(error).__name__, 200)


def check_lengths(name: str, words: int, vectors: int) -> None:
    if words != vectors:
        raise FormatError(f"{name}: {words} words and {vectors} vectors; expected one vector a word")


def decode(word: bytes, place: str) -> str:
    """A word of a file as text."""
    if b"\0" in word:
        raise FormatError(f"{place}: NUL in the word {shorten(word)}; the file is damaged")
    try:
        return word.decode()
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{place}: byte {error.start + 1} of the word, 0x{word[error.start]:02x}, is not UTF-8"
        ) from None


def shorten(text: bytes) -> str:
    """Bytes of a file as messages quote them."""
    line = text.rstrip(b"\r\n").decode(errors="backslashreplace")
    return repr(line if len(line) <= 40 else line[:40] + "…")


def row_blocks(matrix: Array) -> Iterator[Array]:
    """Views of consecutive rows, about `BLOCK_VALUES` values each."""
    step = max(1, BLOCK_VALUES // matrix.shape[1])
    return (matrix[row : row + step] for row in range(0, len(matrix), step))


def first_nonfinite_row(matrix: Array) -> int | None:
    """The first row that holds NaN or Inf, or None."""
    done = 0
    for block in row_blocks(matrix):
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            return done + int(np.argmin(finite))
        done += len(block)
    return None
