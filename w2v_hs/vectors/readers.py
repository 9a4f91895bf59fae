"""The bytes of a file of vectors, made words and a matrix: text, binary, npz and safetensors.

Whatever a file declares is compared with what it holds, and nothing is allocated on the word of a
header alone. No format is read with pickle.

`name` is everywhere the path as messages show it. The `Place` that comes with the words tells
where in the file a row stands.
"""

import codecs
import math
import mmap
import os
import re
import stat
import warnings
import zipfile
from collections.abc import Callable, Sized
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files import container as storage

HEADER = re.compile(rb"(?:\xef\xbb\xbf)?\s*(-?\d{1,30})\s+(-?\d{1,30})\s*")
DECIMALS = b"0123456789+-.eE "
NOT_TEXT = re.compile("[\0-\x08\x0e-\x1f\x7f\udc80-\udcff]")  # surrogates: not UTF-8
MAX_EXPANSION = 10  # an array that takes more than this times the size of its archive is a bomb
SMALL_ARRAY = 1 << 24  # bytes; below this even a bomb does no harm

Place = Callable[[int], str]


def regular_file(path: Path) -> Path:
    """The path; `FormatError` unless a file is there whose size says how much it holds.

    Known before the file is opened: opening a pipe waits for whoever writes into it.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"{shown(path)}: cannot be read: {reason}") from error
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise FormatError(
            f"{shown(path)}: is {found}, not a regular file; give the name of a file of vectors"
        )
    return path


def read_text(
    name: str, stream: BinaryIO, first_line: bytes, has_header: bool, spaces_in_words: bool
) -> tuple[list[str], np.ndarray, Place]:
    """Read lines of a word and D decimals; the rest of `stream` follows `first_line`."""
    first_row = 1
    if has_header:
        declared, dim = _parse_header(name, first_line)
        first_row, expected = 2, f"the header says {dim}"
        line = stream.readline()
    else:
        first_line = first_line.removeprefix(codecs.BOM_UTF8)
        dim = _count_values(name, first_line, spaces_in_words)
        line, expected = first_line, f"line 1 has {dim}"
        if HEADER.fullmatch(first_line):
            expected += "; or is line 1 the header of word2vec-text?"
        start = stream.tell()
        newlines = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))
        declared = 2 + newlines  # the first row, and what may follow after the last newline
        stream.seek(start)

    def place(row: int) -> str:
        return f"{name}:{first_row + row}"

    # A value takes two bytes at least, so that the matrix is at most twice as large as the file.
    fitting = os.fstat(stream.fileno()).st_size // (2 * dim) + 1
    matrix: np.ndarray | None = None
    words: list[str] = []
    while line and len(words) < declared:
        row = len(words)
        word, values = _split_line(line, dim, spaces_in_words)
        if values is None or not word or not line.endswith(b"\n"):
            raise FormatError(f"{place(row)}: {_row_fault(line, dim, expected)}")
        words.append(_decode(word, place(row)))
        if matrix is None:  # only now is it known that the file holds rows of that length
            matrix = np.empty((min(declared, fitting), dim), dtype=np.float32)
        with np.errstate(over="ignore"):  # found as Inf, with its line, at the end
            matrix[row] = values
        line = stream.readline()
    if has_header:
        rows = len(words) + bool(line) + sum(1 for _ in stream)
        if rows < declared:
            raise FormatError(f"{name}: header declares {declared} rows, file ends after {rows}")
        if rows > declared:
            raise FormatError(f"{name}: header declares {declared} rows, file holds {rows}")
    assert matrix is not None  # one row at least is declared
    return words, matrix[: len(words)], place


def _parse_header(name: str, line: bytes) -> tuple[int, int]:
    """The number of words and of values a word that "V D" declares."""
    match = HEADER.fullmatch(line)
    if not match:
        raise FormatError(
            f"{name}:1: {_shorten(line)} where a header 'V D', two whole numbers, is expected; "
            "if it is text without a header, read it as glove"
        )
    words, dim = int(match[1]), int(match[2])
    if words < 1 or dim < 1:
        raise FormatError(
            f"{name}:1: header declares {words} words of {dim} values; expected at least 1 of each"
        )
    return words, dim


def _count_values(name: str, line: bytes, spaces_in_words: bool) -> int:
    """The number of values in the first line of a file without a header."""
    fields = line.split()[1:]
    numbers = 0
    while numbers < len(fields) and parse_values(fields[-1 - numbers]) is not None:
        numbers += 1
    if numbers == 0 or (numbers < len(fields) and not spaces_in_words):
        raise FormatError(f"{name}:1: {_row_fault(line, numbers, 'a word and numbers are wanted')}")
    return numbers


def _split_line(line: bytes, dim: int, spaces_in_words: bool) -> tuple[bytes, list[float] | None]:
    """The word of a line and its `dim` values; None for values that are not `dim` numbers."""
    line = line.rstrip(b" \r\n")  # word2vec.c ends its lines with a space
    if spaces_in_words:
        word, *fields = line.rsplit(None, min(dim, len(line))) or [b""]
        rest = b" ".join(fields)
    else:
        word, _, rest = line.partition(b" ")
    values = parse_values(rest)
    return word, values if values is not None and len(values) == dim else None


def parse_values(text: bytes) -> list[float] | None:
    """The decimals in `text`, or None if something in it is no decimal."""
    # A JSON parser reads decimals four times as fast as float() and NumPy; but it also knows
    # words and lists, and does not know "+1", ".5" and "nan".
    if not text.translate(None, DECIMALS):
        try:
            values: list[float] = orjson.loads(b"[%b]" % text.replace(b" ", b","))
            return values
        except orjson.JSONDecodeError:
            pass
    try:
        return [float(field) for field in text.split()] if b"_" not in text else None
    except ValueError:
        return None


def _row_fault(line: bytes, dim: int, expected: str) -> str:
    """Say what is wrong with a line that is not a word and `dim` values."""
    is_whole = line.endswith(b"\n")
    line = line.rstrip(b" \r\n")
    word, _, rest = line.partition(b" ")
    fields = rest.split()
    if NOT_TEXT.search(rest.decode(errors="surrogateescape")):
        return f"{_shorten(line)} is not UTF-8 text; is it word2vec-binary?"
    if not is_whole:  # its last number may have lost digits and be a number still
        return (
            "the file ends in the middle of this line, it is truncated; "
            "expected a newline after every line, the last one too"
        )
    if not word:
        return f"{_shorten(line)} where a word and its values are expected"
    wrong = [field for field in fields if parse_values(field) is None]
    if wrong and fields[-dim:] and not set(wrong) & set(fields[-dim:]) and len(fields) > dim:
        return (
            f"{_shorten(wrong[-1])} where {expected}: a space inside the word? "
            f"spaces_in_words takes the last {dim} fields as numbers"
        )
    if wrong:
        return f"{_shorten(wrong[0])} is not a number"
    return f"{len(fields)} value{'s' * (len(fields) != 1)} where {expected}"


def read_binary(
    name: str, stream: BinaryIO, first_line: bytes
) -> tuple[list[str], np.ndarray, Place]:
    """Read word, space, D little-endian float32, with or without a newline after each."""
    declared, dim = _parse_header(name, first_line)

    def place(row: int) -> str:
        return f"{name}: row {row + 1}"

    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = len(first_line)
        second_line = data[position : position + 64 * dim + 1024].partition(b"\n")[0]
        if _split_line(second_line, dim, False)[1] is not None:
            raise FormatError(f"{name}:2: holds decimals; read it as word2vec-text")
        words, starts = [], []
        size = len(data)
        for row in range(declared):
            position += data[position : position + 1] == b"\n"
            space = data.find(b" ", position)
            if space < 0 or space + 1 + 4 * dim > size:
                raise FormatError(f"{name}: header declares {declared} rows, file ends after {row}")
            if space == position:
                raise FormatError(f"{place(row)}: a space where a word is expected")
            word = data[position:space]
            if b"\n" in word:
                raise FormatError(
                    f"{place(row)}: a newline in the word {_shorten(word)}; expected {dim} values "
                    "of 4 bytes a row, or the file is damaged"
                )
            words.append(_decode(word, place(row)))
            starts.append(space + 1)
            position = space + 1 + 4 * dim
        if data[position : position + 2] not in (b"", b"\n"):
            raise FormatError(
                f"{name}: header declares {declared} rows, "
                f"{size - position} bytes follow after them"
            )
        matrix = np.empty((declared, dim), dtype=np.float32)
        for row, start in enumerate(starts):
            matrix[row] = np.frombuffer(data, "<f4", dim, start)
    return words, matrix, place


def read_npz(name: str, stream: BinaryIO) -> tuple[list[str], np.ndarray, Place]:
    """Read the arrays `words` and `vectors` of an npz archive, never with pickle."""

    def place(row: int) -> str:
        return f"{name}: row {row + 1}"

    try:
        with zipfile.ZipFile(stream) as archive, warnings.catch_warnings():
            # NumPy warns of headers as Python 2 wrote them, and guesses at what they mean.
            warnings.simplefilter("error", UserWarning)
            array = _read_npz_member(name, archive, "words", ndim=1, kinds="US")
            matrix = _read_npz_member(name, archive, "vectors", ndim=2, kinds="f")
    except (FormatError, OSError):
        raise
    # Nobody lists what damage makes zipfile, the decompressors and NumPy's parser of headers
    # raise: LZMAError, TokenError, SystemError, MemoryError and more have been seen.
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise FormatError(f"{name}: is not a whole npz archive: {reason[:200]}") from error
    _check_as_many(name, array, matrix)
    words: list[str] = array.tolist()
    if array.dtype.kind == "S":
        words = [_decode(word, place(row)) for row, word in enumerate(array.tolist())]
    check_words(words, place)
    with np.errstate(over="ignore"):  # found as Inf, with its row, by the caller
        return words, matrix.astype(np.float32, copy=False), place


def _read_npz_member(
    name: str, archive: zipfile.ZipFile, array: str, ndim: int, kinds: str
) -> np.ndarray:
    """Read one array, once its header is known to be of those kinds and of a size to believe."""
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

    if info.file_size > allowed:  # before its header is read, whose length is declared as well
        raise oversized(info.file_size)
    with archive.open(info) as member:
        if np.lib.format.read_magic(member) == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(member)
        header_bytes = member.tell()
    if dtype.hasobject:
        raise FormatError(f"{name}: {array!r} holds pickled objects, which can run code; not read")
    if dtype.kind not in kinds or len(shape) != ndim or min(shape) < 1:
        raise FormatError(
            f"{name}: {array!r} is {dtype} of shape {shape}; expected "
            + ("text of shape (V,)" if array == "words" else "float32 of shape (V, dim)")
        )
    needed = header_bytes + math.prod(shape) * dtype.itemsize
    if needed != info.file_size or math.prod(shape) > allowed:  # words may be of 0 bytes each
        raise oversized(needed)
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def read_safetensors(path: Path) -> tuple[list[str], np.ndarray, Place]:
    """Read the arrays `vectors`, `words.bytes` and `words.ends`, which models have, too."""
    name = shown(path)

    def place(row: int) -> str:
        return f"{name}: row {row + 1}"

    arrays, _ = storage.load_tensors(path)
    for array in ("vectors", "words.bytes", "words.ends"):
        if array not in arrays:
            found = shown(", ".join(map(repr, arrays)), 200)
            raise FormatError(
                f"{name}: holds no array {array!r} but {found or 'none'}; expected 'vectors', "
                "'words.bytes' and 'words.ends'"
            )
    matrix = arrays["vectors"]
    if matrix.dtype.kind != "f" or matrix.ndim != 2 or not matrix.size:
        raise FormatError(
            f"{name}: 'vectors' is {matrix.dtype} of shape {matrix.shape}; expected float32 of "
            "shape (V, dim)"
        )
    words = storage.unpack_words(arrays, path)
    _check_as_many(name, words, matrix)
    check_words(words, place)
    with np.errstate(over="ignore"):  # as above
        return words, matrix.astype(np.float32, copy=False), place


def _check_as_many(name: str, words: Sized, matrix: np.ndarray) -> None:
    if len(words) != len(matrix):
        raise FormatError(f"{name}: {len(words)} words and {len(matrix)} vectors; expected as many")


def check_words(words: list[str], place: Place) -> None:
    """Raise `FormatError` for words that no file holds."""
    for row, word in enumerate(words):
        if not word or "\0" in word:
            raise FormatError(f"{place(row)}: the word '{shown(word, 60)}' is empty or holds NUL")


def _decode(word: bytes, place: str) -> str:
    if b"\0" in word:
        raise FormatError(f"{place}: NUL in the word {_shorten(word)}; the file is damaged")
    try:
        return word.decode()
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{place}: byte {error.start + 1} of the word, 0x{word[error.start]:02x}, is not UTF-8"
        ) from None


def _shorten(text: bytes) -> str:
    """What a message shows of bytes from a file."""
    shown = text.rstrip(b"\r\n").decode(errors="backslashreplace")
    return repr(shown if len(shown) <= 40 else shown[:40] + "…")
