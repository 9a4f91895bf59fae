"""npz: NumPy's archive, with the arrays `words` (V,) str and `vectors` (V, dim).

An array is read only if its declared size is that of its archive member, and plausible.
"""

import io
import math
import os
import warnings
import zipfile
from typing import IO, Any, BinaryIO

import numpy as np

from w2v_hs.errors import FormatError
from w2v_hs.files.memory import check_memory
from w2v_hs.types import Array
from w2v_hs.vectors.contents import (
    Contents,
    as_float32,
    check_lengths,
    check_words,
    decode,
    first_line_of,
    row_place,
)

MAX_EXPANSION = 10  # an array larger than this many times its archive is taken for a zip bomb
SMALL_ARRAY = 1 << 24  # bytes; smaller arrays are never refused for their size
LONGEST_PIECE = 1 << 20  # bytes
WORD_BYTES = 64  # of a str in a list


def padded_bytes(words: list[str]) -> int:
    """Bytes of the words in a file: NumPy pads each to the longest, 4 bytes a letter."""
    return 4 * len(words) * max(map(len, words))


def allowed_bytes(words: list[str], matrix: Array) -> int:
    """Bytes that the padded words may take, by the size of what the file is to hold."""
    return max(SMALL_ARRAY, MAX_EXPANSION * (sum(map(len, words)) + matrix.nbytes))


def write_npz(stream: BinaryIO, words: list[str], matrix: Array) -> None:
    """Write the arrays `words` and `vectors`, not compressed."""
    np.savez(stream, words=np.array(words), vectors=matrix)


def read_npz(name: str, stream: io.BufferedReader) -> Contents:
    """Read the arrays `words` and `vectors` of an npz archive."""
    place = row_place(name)
    try:
        with zipfile.ZipFile(_Pieces(stream.raw)) as archive, warnings.catch_warnings():
            # NumPy warns of headers written by Python 2, and guesses what they mean.
            warnings.simplefilter("error", UserWarning)
            in_words, rows = _check_member(name, archive, "words", ndim=1, kinds="US")
            in_vectors, vectors = _check_member(name, archive, "vectors", ndim=2, kinds="f")
            check_lengths(name, rows, vectors)
            check_memory(name, in_words.file_size + in_vectors.file_size + WORD_BYTES * rows)
            array, matrix = _read_member(archive, in_words), _read_member(archive, in_vectors)
            words: list[Any] = array.tolist()  # fails for what is no code point
    except (FormatError, OSError):
        raise
    # zipfile, the decompressors and NumPy document no list of what they raise for damaged files:
    # LZMAError, TokenError, SystemError, MemoryError and more.
    except Exception as error:
        raise FormatError(f"{name}: is not a whole npz archive: {first_line_of(error)}") from error
    if array.dtype.kind == "S":
        words = [decode(word, place(row)) for row, word in enumerate(words)]
    check_words(words, place)
    return Contents(words, as_float32(matrix), place)


class _Pieces(io.BufferedReader):
    """A file of which a single call reads no more than `LONGEST_PIECE` bytes.

    zipfile asks for the directory of an archive at once, whatever its size is said to be.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None else min(size, LONGEST_PIECE))


def _check_member(
    name: str, archive: zipfile.ZipFile, array: str, ndim: int, kinds: str
) -> tuple[zipfile.ZipInfo, int]:
    """The member of one array and its number of rows; `FormatError` for a wrong type or size."""
    if array + ".npy" not in archive.namelist():
        raise FormatError(f"{name}: holds no array {array!r}; expected 'words' and 'vectors'")
    info = archive.getinfo(array + ".npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError(
            f"{name}: {array!r} is compressed in a way of which zipfile cannot read a part alone; "
            "compress it as numpy.savez_compressed does"
        )
    assert archive.fp is not None  # it is open
    allowed = max(SMALL_ARRAY, MAX_EXPANSION * os.fstat(archive.fp.fileno()).st_size)

    def oversized(declared: int) -> FormatError:
        return FormatError(
            f"{name}: {array!r} declares {declared} bytes, the archive holds {info.file_size} "
            f"and may hold at most {allowed}"
        )

    if info.file_size > allowed:  # before the header, which declares a length of its own
        raise oversized(info.file_size)
    with archive.open(info) as member:
        shape, dtype = _npy_header(member)
        header_bytes = member.tell()
    if dtype.hasobject:
        raise FormatError(f"{name}: {array!r} holds pickled objects, which can run code; not read")
    if dtype.kind not in kinds or len(shape) != ndim or min(shape) < 1:
        raise FormatError(
            f"{name}: {array!r} is {dtype} of shape {shape}; expected "
            + ("text of shape (V,)" if array == "words" else "float32 of shape (V, dim)")
        )
    needed = header_bytes + math.prod(shape) * dtype.itemsize
    if needed != info.file_size or math.prod(shape) > allowed:  # text may have an itemsize of 0
        raise oversized(needed)
    return info, shape[0]


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _npy_header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array that follows."""
    if np.lib.format.read_magic(member) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    return shape, dtype
