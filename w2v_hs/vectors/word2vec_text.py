"""word2vec text and GloVe: a line of a word and D decimals for each row.

word2vec text begins with a header line "V D", GloVe does not. Decimals are the shortest that
give the same value when they are read back.
"""

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, islice
from typing import BinaryIO

import numpy as np
import orjson

from w2v_hs.errors import FormatError
from w2v_hs.files.lines import bounded_lines
from w2v_hs.types import Array, Float32
from w2v_hs.vectors.contents import Contents, Place, decode, line_place, row_blocks, shorten

HEADER = re.compile(rb"(?:\xef\xbb\xbf)?\s*(-?\d{1,30})\s+(-?\d{1,30})\s*")
DECIMALS = b"0123456789+-.eE "
NOT_TEXT = re.compile("[\0-\x08\x0e-\x1f\x7f\udc80-\udcff]")  # surrogates: not UTF-8


# ---- writing ------------------------------------------------------------------------------------


def write_text(stream: BinaryIO, words: list[str], matrix: Array) -> None:
    """Write a header line "V D", then a word and D decimals a line."""
    stream.write(b"%d %d\n" % matrix.shape)
    write_glove(stream, words, matrix)


def write_glove(stream: BinaryIO, words: list[str], matrix: Array) -> None:
    """Write a word and D decimals a line."""
    remaining = iter(words)
    for block in row_blocks(matrix):
        rows = decimal_rows(block)
        stream.write(b"".join(b"%b %b\n" % (next(remaining).encode(), row) for row in rows))


def decimal_rows(block: Array) -> list[bytes]:
    """Each row of `block`, (R, D) float32 or float16, as decimals separated by spaces."""
    if block.dtype == np.float16:
        decimals = _float16_decimals()
        return [b" ".join([decimals[bits] for bits in row]) for row in block.view("u2").tolist()]
    text = orjson.dumps(np.ascontiguousarray(block), option=orjson.OPT_SERIALIZE_NUMPY)
    # The shortest decimal of this float32 lies so near the middle between two float32 that readers
    # that parse a double first round it to the wrong one. No other float32 has that fault.
    text = text.replace(b"7.038531e-26", b"7.0385307e-26")
    return text[2:-2].replace(b",", b" ").split(b"] [")


@cache
def _float16_decimals() -> list[bytes]:
    """The shortest decimal of each float16, indexed by its bits."""
    return [str(value).encode() for value in np.arange(1 << 16, dtype=np.uint16).view(np.float16)]


# ---- reading ------------------------------------------------------------------------------------


def read_text(
    name: str, stream: BinaryIO, header: bool | None = None, spaces_in_words: bool = False
) -> Contents:
    """Read lines of a word and D decimals from a binary stream at its beginning.

    `header`: whether the first line is "V D"; None: if it looks like that. `spaces_in_words` takes
    the last D fields of a line as numbers and all before them as the word. Raises `FormatError` if
    a line is malformed, incomplete or longer than `LONGEST_LINE`, or the header declares another
    number of rows.
    """
    lines = bounded_lines(stream, name)
    first_line = next(lines, b"")
    if header is None:
        header = HEADER.fullmatch(first_line) is not None
    if header:
        return _read_rows_after_header(name, stream, first_line, lines, spaces_in_words)
    first_line = first_line.removeprefix(codecs.BOM_UTF8)
    dim = _count_values(name, first_line, spaces_in_words)
    expected = f"line 1 has {dim}"
    if HEADER.fullmatch(first_line):
        expected += "; or is line 1 the header of word2vec-text?"
    most = 2 + _count_newlines_ahead(stream)  # the first row, and a last one without a newline
    place, shape = line_place(name), (min(most, _most_rows(stream, dim)), dim)
    words, matrix = _read_rows(chain([first_line], lines), place, shape, expected, spaces_in_words)
    return Contents(words, matrix, place)


def _read_rows_after_header(
    name: str, stream: BinaryIO, first_line: bytes, lines: Iterator[bytes], spaces_in_words: bool
) -> Contents:
    """Read exactly as many rows as the header declares."""
    declared, dim = parse_header(name, first_line)
    place = line_place(name, first=2)
    shape = (min(declared, _most_rows(stream, dim)), dim)
    words, matrix = _read_rows(lines, place, shape, f"the header says {dim}", spaces_in_words)
    rows = len(words) + sum(1 for _ in lines)
    if rows < declared:
        raise FormatError(f"{name}: header declares {declared} rows, file ends after {rows}")
    if rows > declared:
        raise FormatError(f"{name}: header declares {declared} rows, file holds {rows}")
    return Contents(words, matrix, place)


def _read_rows(
    lines: Iterable[bytes], place: Place, shape: tuple[int, int], expected: str, spaces_in_words: bool
) -> tuple[list[str], Float32]:
    """Words and values of the lines, at most as many as `shape` has rows."""
    words: list[str] = []
    matrix = np.empty((0, 0), np.float32)
    for row, line in enumerate(islice(lines, shape[0])):
        word, values = split_line(line, shape[1], spaces_in_words)
        if values is None or not word or not line.endswith(b"\n"):
            raise FormatError(f"{place(row)}: {_row_fault(line, shape[1], expected)}")
        if row == 0:  # only now is it known that a row can be as long as the header says
            matrix = np.empty(shape, np.float32)
        words.append(decode(word, place(row)))
        with np.errstate(over="ignore"):  # see `as_float32`
            matrix[row] = values
    return words, matrix[: len(words)]


def _most_rows(stream: BinaryIO, dim: int) -> int:
    """How many rows a file can hold, and one more: a value takes at least two bytes of text."""
    return os.fstat(stream.fileno()).st_size // (2 * dim) + 1


def _count_newlines_ahead(stream: BinaryIO) -> int:
    start = stream.tell()
    newlines = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))
    stream.seek(start)
    return newlines


def parse_header(name: str, line: bytes) -> tuple[int, int]:
    """The V and D that a header "V D" declares."""
    match = HEADER.fullmatch(line)
    if not match:
        raise FormatError(
            f"{name}:1: {shorten(line)} where a header 'V D', two whole numbers, is expected; "
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
        fault = _row_fault(line, numbers, "a word and numbers are expected")
        raise FormatError(f"{name}:1: {fault}")
    return numbers


def split_line(line: bytes, dim: int, spaces_in_words: bool) -> tuple[bytes, list[float] | None]:
    """The word of a line and its values; None unless they are `dim` numbers."""
    line = line.rstrip(b" \r\n")  # word2vec.c ends its lines with a space
    if spaces_in_words:
        word, *fields = line.rsplit(None, min(dim, len(line))) or [b""]
        rest = b" ".join(fields)
    else:
        word, _, rest = line.partition(b" ")
    values = parse_values(rest)
    return word, values if values is not None and len(values) == dim else None


def parse_values(text: bytes) -> list[float] | None:
    """The decimals in `text`, or None if it holds anything else."""
    # orjson parses decimals four times as fast as float() or NumPy. But JSON also has words and
    # lists, which `DECIMALS` excludes, and lacks "+1", ".5" and "nan", which float() parses.
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
    """What is wrong with a line that is not a word and `dim` values."""
    is_whole = line.endswith(b"\n")
    line = line.rstrip(b" \r\n")
    word, _, rest = line.partition(b" ")
    fields = rest.split()
    if NOT_TEXT.search(rest.decode(errors="surrogateescape")):
        return f"{shorten(line)} is not UTF-8 text; is it word2vec-binary?"
    if not is_whole:  # checked first: a number that lost its last digits is still a number
        return (
            "the file ends in the middle of this line, it is truncated; "
            "expected a newline after every line, the last one too"
        )
    if not word:
        return f"{shorten(line)} where a word and its values are expected"
    wrong = [field for field in fields if parse_values(field) is None]
    if wrong and fields[-dim:] and not set(wrong) & set(fields[-dim:]) and len(fields) > dim:
        return (
            f"{shorten(wrong[-1])} where {expected}: a space inside the word? "
            f"spaces_in_words takes the last {dim} fields as numbers"
        )
    if wrong:
        return f"{shorten(wrong[0])} is not a number"
    return f"{len(fields)} value{'s' * (len(fields) != 1)} where {expected}"
