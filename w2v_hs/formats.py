"""Files of vectors: word2vec text and binary, GloVe text, and NumPy's npz.

Whatever a file declares is compared with what it holds, and nothing is allocated on the word of a
header alone. No format is read with pickle.
"""

import math
import mmap
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson

from w2v_hs.atomic import replacing
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.vectors import Vectors

FORMATS = ("word2vec-text", "word2vec-binary", "glove", "npz")
SUFFIXES = {
    ".txt": "word2vec-text",
    ".vec": "word2vec-text",
    ".w2v": "word2vec-text",
    ".bin": "word2vec-binary",
    ".glove": "glove",
    ".npz": "npz",
}

HEADER = re.compile(rb"(?:\xef\xbb\xbf)?\s*(-?\d{1,30})\s+(-?\d{1,30})\s*")
DECIMALS = b"0123456789+-.eE "
NOT_TEXT = re.compile("[\0-\x08\x0e-\x1f\x7f\udc80-\udcff]")  # surrogates: not UTF-8
BLOCK_VALUES = 1 << 20  # values handled at once where a copy of the whole matrix would be too much
MAX_EXPANSION = 100  # an archive that declares more than this times its size is a zip bomb
SMALL_ARCHIVE = 1 << 26  # bytes; below this even a bomb does no harm


def load_vectors(
    path: str | Path,
    *,
    format: str | None = None,
    allow_nonfinite: bool = False,
    spaces_in_words: bool = False,
) -> Vectors:
    """Read a file of vectors; the values are rounded to float32.

    `format` is one of `FORMATS`; by default the suffix decides, and a text file whose first line
    is not "V D" is read as GloVe. `spaces_in_words` takes the last D fields of a line as numbers
    and all before them as the word.

    Raises
    ------
    FormatError
        The file cannot be read, is damaged, or is not of that format; NaN or Inf among the
        values, unless `allow_nonfinite`.
    OptionError
        `format` is unknown, or `spaces_in_words` is asked of a binary file.
    """
    path = Path(path)
    sniff = format is None
    format = _choose_format(path, format)
    if spaces_in_words and format == "word2vec-binary":
        raise OptionError(f"{path}: in word2vec-binary a space ends the word; omit spaces_in_words")
    try:
        with path.open("rb") as stream:
            first_line = stream.readline()
            if not first_line:
                raise FormatError(f"{path}: the file is empty; expected words and vectors")
            if format == "word2vec-text" and sniff and not HEADER.fullmatch(first_line):
                format = "glove"
            if format == "word2vec-binary":
                words, matrix, place = _read_binary(path, stream, first_line)
            elif format == "npz":
                words, matrix, place = _read_npz(path, stream)
            else:
                has_header = format == "word2vec-text"
                words, matrix, place = _read_text(
                    path, stream, first_line, has_header, spaces_in_words
                )
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    _check_words_are_unique(words, place)
    if not allow_nonfinite and (row := _first_nonfinite_row(matrix)) is not None:
        raise FormatError(
            f"{place(row)}: the vector of {words[row]!r} holds NaN or Inf; "
            "expected finite values (allow_nonfinite accepts them)"
        )
    return Vectors(words, matrix)


def save_vectors(vectors: Vectors, path: str | Path, *, format: str | None = None) -> None:
    """Write `vectors` to `path`, which stays as it was if anything fails.

    `format` is one of `FORMATS`; by default the suffix decides. Text holds the shortest decimals
    that give the same float32 back, npz the arrays `words` (str) and `vectors` (float32).

    Raises
    ------
    FormatError
        The suffix is unknown, or the format cannot hold a word or a value.
    OptionError
        `format` is unknown.
    OutputError
        The place cannot be written to.
    """
    path = Path(path)
    format = _choose_format(path, format)
    _check_can_hold(vectors, path, format)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        if format == "npz":
            np.savez(stream, words=np.array(vectors.words), vectors=vectors.matrix)
            return
        if format != "glove":
            stream.write(b"%d %d\n" % (len(vectors), vectors.dim))
        encode = _binary_rows if format == "word2vec-binary" else _text_rows
        words = iter(vectors.words)
        for block in _row_blocks(vectors.matrix):
            rows = encode(block)
            stream.write(b"".join(b"%b %b\n" % (next(words).encode(), row) for row in rows))


def _choose_format(path: Path, format: str | None) -> str:
    if format is not None and format not in FORMATS:
        raise OptionError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    if format is None and path.suffix.lower() not in SUFFIXES:
        known = ", ".join(f"{suffix} ({name})" for suffix, name in SUFFIXES.items())
        raise FormatError(
            f"{path}: unknown suffix {path.suffix!r}; expected one of {known}, "
            f"or name the format: {', '.join(FORMATS)}"
        )
    return format or SUFFIXES[path.suffix.lower()]


# Writing


def _check_can_hold(vectors: Vectors, path: Path, format: str) -> None:
    """Raise `FormatError` where reading the file would not give `vectors` back."""
    if not vectors.matrix.size:
        raise FormatError(f"{path}: no vectors to write: the matrix is {vectors.matrix.shape}")
    for word in vectors.words:
        if format == "npz":
            if word.endswith("\0"):
                raise FormatError(f"{path}: the word {word!r} ends in NUL, which npz cuts off")
            continue
        if word.split() != [word]:
            fault = "holds white space" if word else "is empty"
            raise FormatError(
                f"{path}: the word {word!r} {fault}; {format} cannot hold it, npz can"
            )
        try:
            word.encode()
        except UnicodeEncodeError:
            raise FormatError(f"{path}: the word {word!r} cannot be written as UTF-8") from None
    if format in ("word2vec-text", "glove"):
        row = _first_nonfinite_row(vectors.matrix)
        if row is not None:
            raise FormatError(
                f"{path}: the vector of {vectors.words[row]!r} holds NaN or Inf; "
                f"{format} cannot hold it"
            )


def _text_rows(block: np.ndarray) -> list[bytes]:
    """The rows of `block` (R, D) as decimals with spaces between them."""
    text = orjson.dumps(np.ascontiguousarray(block), option=orjson.OPT_SERIALIZE_NUMPY)
    # Of all float32 this one alone has a shortest decimal that lies so near to the middle between
    # two float32 that readers which parse a double first end at the wrong one.
    text = text.replace(b"7.038531e-26", b"7.0385307e-26")
    return text[2:-2].replace(b",", b" ").split(b"] [")


def _binary_rows(block: np.ndarray) -> Iterator[bytes]:
    """The rows of `block` (R, D) as little-endian float32."""
    return (row.tobytes() for row in block.astype("<f4", copy=False))


# Reading


def _read_text(
    path: Path, stream: BinaryIO, first_line: bytes, has_header: bool, spaces_in_words: bool
) -> tuple[list[str], np.ndarray, Callable[[int], str]]:
    """Read lines of a word and D decimals; the rest of `stream` follows `first_line`."""
    first_row = 1
    if has_header:
        declared, dim = _parse_header(path, first_line)
        first_row, expected = 2, f"the header says {dim}"
        line = stream.readline()
    else:
        dim = _count_values(path, first_line, spaces_in_words)
        line, expected = first_line, f"line 1 has {dim}"
        if HEADER.fullmatch(first_line):
            expected += "; or is line 1 the header of word2vec-text?"
        start = stream.tell()
        newlines = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))
        declared = 2 + newlines  # the first row, and a last one that no newline ends
        stream.seek(start)

    def place(row: int) -> str:
        return f"{path}:{first_row + row}"

    # A value takes two bytes at least, so that the matrix is at most twice as large as the file.
    fitting = path.stat().st_size // (2 * dim) + 1
    matrix = None
    words = []
    while line and len(words) < declared:
        row = len(words)
        word, values = _split_line(line, dim, spaces_in_words)
        if values is None or not word:
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
            raise FormatError(f"{path}: header declares {declared} rows, file ends after {rows}")
        if rows > declared:
            raise FormatError(f"{path}: header declares {declared} rows, file holds {rows}")
    return words, matrix[: len(words)], place


def _parse_header(path: Path, line: bytes) -> tuple[int, int]:
    """The number of words and of values a word that "V D" declares."""
    match = HEADER.fullmatch(line)
    if not match:
        raise FormatError(
            f"{path}:1: {_shorten(line)} where a header 'V D', two whole numbers, is expected; "
            "if it is text without a header, read it as glove"
        )
    words, dim = int(match[1]), int(match[2])
    if words < 1 or dim < 1:
        raise FormatError(
            f"{path}:1: header declares {words} words of {dim} values; expected at least 1 of each"
        )
    return words, dim


def _count_values(path: Path, line: bytes, spaces_in_words: bool) -> int:
    """The number of values in the first line of a file without a header."""
    fields = line.split()[1:]
    numbers = 0
    while numbers < len(fields) and _parse_values(fields[-1 - numbers]) is not None:
        numbers += 1
    if numbers == 0 or (numbers < len(fields) and not spaces_in_words):
        raise FormatError(f"{path}:1: {_row_fault(line, numbers, 'a word and numbers are wanted')}")
    return numbers


def _split_line(line: bytes, dim: int, spaces_in_words: bool) -> tuple[bytes, list[float] | None]:
    """The word of a line and its `dim` values; None for values that are not `dim` numbers."""
    line = line.rstrip(b" \r\n")  # word2vec.c ends its lines with a space
    if spaces_in_words:
        word, *fields = line.rsplit(None, min(dim, len(line))) or [b""]
        rest = b" ".join(fields)
    else:
        word, _, rest = line.partition(b" ")
    values = _parse_values(rest)
    return word, values if values is not None and len(values) == dim else None


def _parse_values(text: bytes) -> list[float] | None:
    """The decimals in `text`, or None if something in it is no decimal."""
    # A JSON parser reads decimals four times as fast as float() and NumPy; but it also knows
    # words and lists, and does not know "+1", ".5" and "nan".
    if not text.translate(None, DECIMALS):
        try:
            return orjson.loads(b"[%b]" % text.replace(b" ", b","))
        except orjson.JSONDecodeError:
            pass
    try:
        return [float(field) for field in text.split()] if b"_" not in text else None
    except ValueError:
        return None


def _row_fault(line: bytes, dim: int, expected: str) -> str:
    """Say what is wrong with a line that is not a word and `dim` values."""
    line = line.rstrip(b" \r\n")
    word, _, rest = line.partition(b" ")
    fields = rest.split()
    if NOT_TEXT.search(rest.decode(errors="surrogateescape")):
        return f"{_shorten(line)} is not UTF-8 text; is it word2vec-binary?"
    if not word:
        return f"{_shorten(line)} where a word and its values are expected"
    wrong = [field for field in fields if _parse_values(field) is None]
    if wrong and fields[-dim:] and not set(wrong) & set(fields[-dim:]) and len(fields) > dim:
        return (
            f"{_shorten(wrong[-1])} where {expected}: a space inside the word? "
            f"spaces_in_words takes the last {dim} fields as numbers"
        )
    if wrong:
        return f"{_shorten(wrong[0])} is not a number"
    return f"{len(fields)} value{'s' * (len(fields) != 1)} where {expected}"


def _read_binary(
    path: Path, stream: BinaryIO, first_line: bytes
) -> tuple[list[str], np.ndarray, Callable[[int], str]]:
    """Read word, space, D little-endian float32, with or without a newline after each."""
    declared, dim = _parse_header(path, first_line)

    def place(row: int) -> str:
        return f"{path}: row {row + 1}"

    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = len(first_line)
        second_line = data[position : position + 64 * dim + 1024].split(b"\n")[0]
        if _split_line(second_line, dim, False)[1] is not None:
            raise FormatError(f"{path}:2: holds decimals; read it as word2vec-text")
        words, starts = [], []
        size = len(data)
        for row in range(declared):
            position += data[position : position + 1] == b"\n"
            space = data.find(b" ", position)
            if space < 0 or space + 1 + 4 * dim > size:
                raise FormatError(f"{path}: header declares {declared} rows, file ends after {row}")
            if space == position:
                raise FormatError(f"{place(row)}: a space where a word is expected")
            words.append(_decode(data[position:space], place(row)))
            starts.append(space + 1)
            position = space + 1 + 4 * dim
        if data[position : position + 2] not in (b"", b"\n"):
            raise FormatError(
                f"{path}: header declares {declared} rows, "
                f"{size - position} bytes follow after them"
            )
        matrix = np.empty((declared, dim), dtype=np.float32)
        for row, start in enumerate(starts):
            matrix[row] = np.frombuffer(data, "<f4", dim, start)
    return words, matrix, place


def _read_npz(path: Path, stream: BinaryIO) -> tuple[list[str], np.ndarray, Callable[[int], str]]:
    """Read the arrays `words` and `vectors` of an npz archive, never with pickle."""

    def place(row: int) -> str:
        return f"{path}: row {row + 1}"

    try:
        with zipfile.ZipFile(stream) as archive:
            words = _read_npz_member(path, archive, "words", ndim=1, kinds="US")
            matrix = _read_npz_member(path, archive, "vectors", ndim=2, kinds="f")
    except FormatError:
        raise
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError) as error:
        raise FormatError(f"{path}: is not a whole npz archive: {error}") from error
    if len(words) != len(matrix):
        raise FormatError(f"{path}: {len(words)} words and {len(matrix)} vectors; expected as many")
    if words.dtype.kind == "S":
        words = [_decode(word, place(row)) for row, word in enumerate(words.tolist())]
    else:
        words = words.tolist()
    with np.errstate(over="ignore"):  # found as Inf, with its row, by the caller
        return words, matrix.astype(np.float32, copy=False), place


def _read_npz_member(
    path: Path, archive: zipfile.ZipFile, name: str, ndim: int, kinds: str
) -> np.ndarray:
    """Read one array, once its header is known to be of those kinds and of a size to believe."""
    if name + ".npy" not in archive.namelist():
        raise FormatError(f"{path}: holds no array {name!r}; expected 'words' and 'vectors'")
    info = archive.getinfo(name + ".npy")
    with archive.open(info) as member:
        if np.lib.format.read_magic(member) == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(member)
        header_bytes = member.tell()
    if dtype.hasobject:
        raise FormatError(f"{path}: {name!r} holds pickled objects, which can run code; not read")
    if dtype.kind not in kinds or len(shape) != ndim or min(shape) < 1:
        raise FormatError(
            f"{path}: {name!r} is {dtype} of shape {shape}; expected "
            + ("text of shape (V,)" if name == "words" else "float32 of shape (V, dim)")
        )
    needed = header_bytes + math.prod(shape) * dtype.itemsize
    allowed = max(SMALL_ARCHIVE, MAX_EXPANSION * path.stat().st_size)
    if needed != info.file_size or needed > allowed:
        raise FormatError(
            f"{path}: {name!r} declares {needed} bytes, the archive holds {info.file_size} "
            f"and may hold at most {allowed}"
        )
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


# Both


def _decode(word: bytes, place: str) -> str:
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


def _check_words_are_unique(words: list[str], place: Callable[[int], str]) -> None:
    first: dict[str, int] = {}
    for row, word in enumerate(words):
        if first.setdefault(word, row) != row:
            raise FormatError(
                f"{place(row)}: the word {word!r} again, first at {place(first[word])}; "
                "expected every word once"
            )


def _row_blocks(matrix: np.ndarray) -> Iterator[np.ndarray]:
    """Views of consecutive rows, about `BLOCK_VALUES` values each."""
    step = max(1, BLOCK_VALUES // matrix.shape[1])
    return (matrix[row : row + step] for row in range(0, len(matrix), step))


def _first_nonfinite_row(matrix: np.ndarray) -> int | None:
    """The first row that holds NaN or Inf, or None."""
    done = 0
    for block in _row_blocks(matrix):
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            return done + int(np.argmin(finite))
        done += len(block)
    return None
