"""Files of vectors: word2vec text and binary, GloVe text, and NumPy's npz."""

import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from w2v_hs.atomic import replacing
from w2v_hs.errors import FormatError, OptionError, shown
from w2v_hs.readers import HEADER, Place, read_binary, read_npz, read_text
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

BLOCK_VALUES = 1 << 20  # values handled at once where a copy of the whole matrix would be too much


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
        raise OptionError(
            f"{shown(path)}: in word2vec-binary a space ends the word; omit spaces_in_words"
        )
    name = shown(path)
    _check_is_regular(path)
    try:
        with path.open("rb") as stream:
            first_line = stream.readline()
            if not first_line:
                raise FormatError(f"{name}: the file is empty; expected words and vectors")
            if format == "word2vec-text" and sniff and not HEADER.fullmatch(first_line):
                format = "glove"
            if format == "word2vec-binary":
                words, matrix, place = read_binary(name, stream, first_line)
            elif format == "npz":
                words, matrix, place = read_npz(name, stream)
            else:
                has_header = format == "word2vec-text"
                words, matrix, place = read_text(
                    name, stream, first_line, has_header, spaces_in_words
                )
    except OSError as error:
        raise FormatError(f"{name}: cannot be read: {error.strerror or error}") from error
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
            f"{shown(path)}: unknown suffix {path.suffix!r}; expected one of {known}, "
            f"or name the format: {', '.join(FORMATS)}"
        )
    return format or SUFFIXES[path.suffix.lower()]


def _check_is_regular(path: Path) -> None:
    """Raise `FormatError` unless a file is there whose size says how much it holds.

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


# Writing


def _check_can_hold(vectors: Vectors, path: Path, format: str) -> None:
    """Raise `FormatError` where reading the file would not give `vectors` back."""
    name = shown(path)
    if not vectors.matrix.size:
        raise FormatError(f"{name}: no vectors to write: the matrix is {vectors.matrix.shape}")
    for word in vectors.words:
        if not word or "\0" in word:
            raise FormatError(
                f"{name}: the word {word!r} is empty or holds NUL; no format holds it"
            )
        if format == "npz":
            continue
        if word.split() != [word]:
            raise FormatError(
                f"{name}: the word {word!r} holds white space; {format} cannot hold it, npz can"
            )
        try:
            word.encode()
        except UnicodeEncodeError:
            raise FormatError(f"{name}: the word {word!r} cannot be written as UTF-8") from None
    if format == "glove" and vectors.words[0].startswith("\ufeff"):
        raise FormatError(
            f"{name}: the first word {vectors.words[0]!r} begins with U+FEFF, which is a byte "
            "order mark at the start of a file; glove cannot hold it, npz can"
        )
    if format in ("word2vec-text", "glove"):
        row = _first_nonfinite_row(vectors.matrix)
        if row is not None:
            raise FormatError(
                f"{name}: the vector of {vectors.words[row]!r} holds NaN or Inf; "
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


def _check_words_are_unique(words: list[str], place: Place) -> None:
    if len(set(words)) == len(words):
        return
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
