"""word2vec binary: a line "V D", then word, space and D little-endian float32 for each row."""

import mmap
from typing import BinaryIO

import numpy as np

from w2v_hs.errors import FormatError
from w2v_hs.files.lines import LONGEST_LINE, bounded_lines
from w2v_hs.files.memory import check_memory
from w2v_hs.types import Float32
from w2v_hs.vectors.contents import Contents, decode, row_blocks, row_place, shorten
from w2v_hs.vectors.word2vec_text import parse_header, split_line


def write_binary(stream: BinaryIO, words: list[str], matrix: Float32) -> None:
    """Write a file of word2vec binary, with a newline after each row."""
    stream.write(b"%d %d\n" % matrix.shape)
    remaining = iter(words)
    for block in row_blocks(matrix):
        rows = (row.tobytes() for row in block.astype("<f4", copy=False))
        stream.write(b"".join(b"%b %b\n" % (next(remaining).encode(), row) for row in rows))


def read_binary(name: str, stream: BinaryIO) -> Contents:
    """Read word, space, D little-endian float32, with a newline after each row or after none.

    A row that lacks a byte would take the newline for one of its own.
    """
    first_line = next(bounded_lines(stream, name), b"")
    declared, dim = parse_header(name, first_line)
    place = row_place(name)
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = len(first_line)
        second_line = data[position : position + min(64 * dim + 1024, LONGEST_LINE)].partition(b"\n")[0]
        if split_line(second_line, dim, False)[1] is not None:
            raise FormatError(f"{name}:2: holds decimals; read it as word2vec-text")
        words: list[str] = []
        starts: list[int] = []  # of the values of each row
        newlines = False
        while len(words) < declared:
            word, start = _binary_word(name, data, position, dim, declared, len(words))
            position = start + 4 * dim
            newline = data[position : position + 1] == b"\n"
            if words and newline != newlines:
                found = "a newline" if newline else "no newline"
                raise FormatError(
                    f"{place(len(words))}: {found} after {dim} values, unlike row 1; the file is damaged"
                )
            newlines = newline
            position += newline
            words.append(decode(word, place(len(words))))
            starts.append(start)
        if position < len(data):
            raise FormatError(
                f"{name}: header declares {declared} rows, {len(data) - position} bytes follow after them"
            )
        check_memory(name, 4 * declared * dim)
        matrix = np.empty((declared, dim), np.float32)
        for row, start in enumerate(starts):
            matrix[row] = np.frombuffer(data, "<f4", dim, start)
    return Contents(words, matrix, place)


def _binary_word(
    name: str, data: mmap.mmap, position: int, dim: int, declared: int, row: int
) -> tuple[bytes, int]:
    """The word of the row at `position`, and where its values begin."""
    space = data.find(b" ", position, position + LONGEST_LINE)
    if space < 0 and position + LONGEST_LINE < len(data):
        raise FormatError(
            f"{name}: row {row + 1}: a word of more than {LONGEST_LINE:,} bytes; is it the right file?"
        )
    if space < 0 or space + 1 + 4 * dim > len(data):
        raise FormatError(f"{name}: header declares {declared} rows, file ends after {row}")
    word = data[position:space]
    if not word:
        raise FormatError(f"{name}: row {row + 1}: a space where a word is expected")
    if b"\n" in word:
        raise FormatError(
            f"{name}: row {row + 1}: a newline in the word {shorten(word)}; expected {dim} values "
            "of 4 bytes a row, or the file is damaged"
        )
    return word, space + 1
