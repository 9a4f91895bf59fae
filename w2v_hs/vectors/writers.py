"""Words and a matrix, made the bytes of each format that is one file; `readers` is the way back.

Before the first byte is written it is known that the format can hold every word and value. The
matrix is everywhere (V, dim) float32, or float16 where half precision was asked for.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import BinaryIO

import numpy as np
import orjson

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError

BLOCK_VALUES = 1 << 20  # values handled at once where a copy of the whole matrix would be too much
TEXT = ("word2vec-text", "glove", "projector")  # decimals
SPLIT_AT_SPACES = ("word2vec-text", "word2vec-binary", "glove", "sentence-transformers")
UNICODE = ("npz", "safetensors")  # hold surrogates, too; all others hold UTF-8


def check_can_hold(name: str, words: list[str], matrix: np.ndarray, format: str) -> None:
    """Raise `FormatError` where reading the file would not give words and matrix back."""
    if not matrix.size:
        raise FormatError(f"{name}: no vectors to write: the matrix is {matrix.shape}")
    for word in words:
        fault = _word_fault(word, format)
        if fault:
            raise FormatError(f"{name}: the word '{shown(word, 60)}' {fault}")
    if format in ("glove", "projector") and words[0].startswith("\ufeff"):
        raise FormatError(
            f"{name}: the first word {words[0]!r} begins with U+FEFF, which is a byte "
            f"order mark at the start of a file; {format} cannot hold it, npz can"
        )
    if format == "projector" and matrix.shape[1] == 1:
        raise FormatError(f"{name}: vectors of 1 value; the projector takes 2 and more")
    if format in TEXT and (row := first_nonfinite_row(matrix)) is not None:
        raise FormatError(
            f"{name}: the vector of {words[row]!r} holds NaN or Inf; {format} cannot hold it"
        )


def _word_fault(word: str, format: str) -> str | None:
    """Why a format cannot hold a word, and what to do."""
    if not word or "\0" in word:
        return "is empty or holds NUL; no format holds it"
    remedy = f"{format} cannot hold it, npz and safetensors can"
    if format in SPLIT_AT_SPACES and word.split() != [word]:
        return f"holds white space; {remedy}"
    if format == "projector" and (word.isspace() or any(c in word for c in "\t\n\r")):
        return f"holds a tab or a line end, or nothing but white space; {remedy}"
    if format not in UNICODE:
        try:
            word.encode()
        except UnicodeEncodeError:
            return f"cannot be written as UTF-8; {remedy}"
    return None


def rounded_to_float16(name: str, words: list[str], matrix: np.ndarray) -> np.ndarray:
    """The matrix as float16; `FormatError` where a finite value is too large for that."""
    half = np.empty(matrix.shape, np.float16)
    done = 0
    for block in row_blocks(matrix):
        with np.errstate(over="ignore"):
            half[done : done + len(block)] = block
        lost = (np.isinf(half[done : done + len(block)]) & np.isfinite(block)).any(axis=1)
        if lost.any():
            row = done + int(np.argmax(lost))
            raise FormatError(
                f"{name}: the vector of {words[row]!r} holds {np.abs(matrix[row]).max():g}, "
                "float16 ends at 65504; normalize, or leave float16 out"
            )
        done += len(block)
    return half


def write_text(stream: BinaryIO, words: list[str], matrix: np.ndarray) -> None:
    """word2vec text: a line "V D", then a word and D decimals a line."""
    stream.write(b"%d %d\n" % matrix.shape)
    write_glove(stream, words, matrix)


def write_glove(stream: BinaryIO, words: list[str], matrix: np.ndarray) -> None:
    """A word and D decimals a line."""
    _write_rows(stream, words, matrix, _text_rows)


def write_binary(stream: BinaryIO, words: list[str], matrix: np.ndarray) -> None:
    """word2vec binary: a line "V D", then word, space, D little-endian float32, newline."""
    stream.write(b"%d %d\n" % matrix.shape)
    _write_rows(stream, words, matrix, _binary_rows)


def write_npz(stream: BinaryIO, words: list[str], matrix: np.ndarray) -> None:
    """The arrays `words` (V,) str and `vectors` (V, dim)."""
    np.savez(stream, words=np.array(words), vectors=matrix)


def _write_rows(
    stream: BinaryIO,
    words: list[str],
    matrix: np.ndarray,
    encode: Callable[[np.ndarray], Iterable[bytes]],
) -> None:
    remaining = iter(words)
    for block in row_blocks(matrix):
        stream.write(b"".join(b"%b %b\n" % (next(remaining).encode(), r) for r in encode(block)))


def _text_rows(block: np.ndarray) -> list[bytes]:
    """The rows of `block` (R, D) as decimals with spaces between them."""
    if block.dtype == np.float16:
        decimals = _float16_decimals()
        return [b" ".join([decimals[bits] for bits in row]) for row in block.view("u2").tolist()]
    text = orjson.dumps(np.ascontiguousarray(block), option=orjson.OPT_SERIALIZE_NUMPY)
    # Of all float32 this one alone has a shortest decimal that lies so near to the middle between
    # two float32 that readers which parse a double first end at the wrong one.
    text = text.replace(b"7.038531e-26", b"7.0385307e-26")
    return text[2:-2].replace(b",", b" ").split(b"] [")


@cache
def _float16_decimals() -> list[bytes]:
    """The shortest decimal of each float16, by its bits."""
    return [str(value).encode() for value in np.arange(1 << 16, dtype=np.uint16).view(np.float16)]


def _binary_rows(block: np.ndarray) -> Iterator[bytes]:
    """The rows of `block` (R, D) as little-endian float32."""
    return (row.tobytes() for row in block.astype("<f4", copy=False))


def write_projector(
    vectors: BinaryIO, metadata: BinaryIO, words: list[str], matrix: np.ndarray
) -> None:
    """Decimals with tabs between them, and the words in the same order, both one a line."""
    for block in row_blocks(matrix):
        vectors.write(b"".join(row.replace(b" ", b"\t") + b"\n" for row in _text_rows(block)))
    metadata.write("".join(f"{word}\n" for word in words).encode())


def row_blocks(matrix: np.ndarray) -> Iterator[np.ndarray]:
    """Views of consecutive rows, about `BLOCK_VALUES` values each."""
    step = max(1, BLOCK_VALUES // matrix.shape[1])
    return (matrix[row : row + step] for row in range(0, len(matrix), step))


def first_nonfinite_row(matrix: np.ndarray) -> int | None:
    """The first row that holds NaN or Inf, or None."""
    done = 0
    for block in row_blocks(matrix):
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            return done + int(np.argmin(finite))
        done += len(block)
    return None
