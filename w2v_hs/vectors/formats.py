"""Reading and writing vectors in any format, chosen by its name or by the path."""

from pathlib import Path

import numpy as np

from w2v_hs.checks import shown, whole
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.files.atomic import replacing
from w2v_hs.types import Array
from w2v_hs.vectors import (
    arrow_parquet,
    fasttext,
    npz,
    projector,
    safetensors,
    sentence_transformers,
    word2vec_binary,
    word2vec_text,
)
from w2v_hs.vectors.contents import Contents, Place, first_nonfinite_row, regular_file, row_blocks
from w2v_hs.vectors.vectors import Vectors

SUFFIXES = {
    ".txt": "word2vec-text",
    ".vec": "word2vec-text",
    ".w2v": "word2vec-text",
    ".bin": "word2vec-binary",
    ".glove": "glove",
    ".npz": "npz",
    ".safetensors": "safetensors",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
FOLDER_MARKS = {"modules.json": "sentence-transformers", "vectors.tsv": "projector"}
FILE_FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
FOLDER_FORMATS = ("projector", "sentence-transformers")
# fastText's files have the suffix of word2vec-binary; their first bytes tell them apart.
FORMATS = (*FILE_FORMATS[:2], "fasttext", *FILE_FORMATS[2:], *FOLDER_FORMATS)

# Each writes an open file. All other formats are saved to a path.
WRITE = {
    "word2vec-text": word2vec_text.write_text,
    "word2vec-binary": word2vec_binary.write_binary,
    "glove": word2vec_text.write_glove,
    "npz": npz.write_npz,
    "parquet": arrow_parquet.write_parquet,
    "arrow": arrow_parquet.write_arrow,
}
SAVE = {
    "safetensors": safetensors.save_safetensors,
    "projector": projector.save_projector,
    "sentence-transformers": sentence_transformers.save_sentence_transformers,
}
READ = {
    "word2vec-binary": word2vec_binary.read_binary,
    "npz": npz.read_npz,
    "parquet": arrow_parquet.read_parquet,
    "arrow": arrow_parquet.read_arrow,
}

DECIMAL = ("word2vec-text", "glove", "projector")  # cannot hold NaN and Inf
NO_WHITE_SPACE = ("word2vec-text", "word2vec-binary", "glove", "fasttext", "sentence-transformers")
FLOAT32_ONLY = ("word2vec-binary", "fasttext")
NOT_ONLY_UTF8 = ("npz", "safetensors")  # hold surrogates, too


def load_vectors(
    path: str | Path,
    *,
    format: str | None = None,
    allow_nonfinite: bool = False,
    spaces_in_words: bool = False,
) -> Vectors:
    """Read a file or a folder of vectors; values are rounded to float32.

    Parameters
    ----------
    path : str or Path
        A file or folder in one of `FORMATS`, or a model, whose input vectors are read.
    format : str, optional
        One of `FORMATS`. By default the suffix decides, or what a folder holds; a text file whose
        first line is not "V D" is then read as GloVe.
    allow_nonfinite : bool
        Accept NaN and Inf.
    spaces_in_words : bool
        Of text: take the last D fields of a line as numbers and all before them as the word.

    Raises
    ------
    FormatError
        The file cannot be read, is damaged or is not of that format; NaN or Inf among the values,
        unless `allow_nonfinite`. Or the format needs a package that is not installed.
    OptionError
        `format` is unknown, or `spaces_in_words` is given for a file of word2vec-binary.
    """
    path = Path(path)
    known = _choose_format(path, format, reading=True)
    if spaces_in_words and known == "word2vec-binary":
        raise OptionError(f"{shown(path)}: in word2vec-binary a space ends the word; omit spaces_in_words")
    if known == "projector":
        contents = projector.read_projector(path)
    elif known == "sentence-transformers":
        contents = sentence_transformers.read_sentence_transformers(path)
    else:
        contents = _read_file(path, known, format is None, spaces_in_words)
    words, matrix, place, subwords = contents
    _check_words_are_unique(list(map(str, words)), place)
    if not allow_nonfinite and (row := first_nonfinite_row(matrix)) is not None:
        raise FormatError(
            f"{place(row)}: the vector of {words[row]!r} holds NaN or Inf; "
            "expected finite values (allow_nonfinite accepts them)"
        )
    if subwords is not None and not allow_nonfinite and first_nonfinite_row(subwords.rows) is not None:
        raise FormatError(f"{shown(path)}: the vectors of n-grams hold NaN or Inf; expected finite values")
    return Vectors(words, matrix, subwords)


def save_vectors(
    vectors: Vectors,
    path: str | Path,
    *,
    format: str | None = None,
    top: int | None = None,
    normalize: bool = False,
    float16: bool = False,
    subwords: bool = True,
) -> None:
    """Write `vectors` to `path`, which stays as it was if anything fails.

    docs/formats.md describes the formats. Text holds the shortest decimals that give the same
    values when read back.

    Parameters
    ----------
    vectors : Vectors
        What to write.
    path : str or Path
        A file, which is replaced if it exists, or the name of a new folder.
    format : str, optional
        One of `FORMATS`; by default the suffix decides.
    top : int, optional
        Only the first `top` rows, the most frequent words; all if there are fewer.
    normalize : bool
        Scale each row to length 1; rows of zeros stay zeros.
    float16 : bool
        Round values to half precision, 11 significant bits: fewer digits in text, two bytes a
        value in other formats.
    subwords : bool
        With "fasttext", the only format that holds them: also write the vectors of n-grams.

    Raises
    ------
    FormatError
        The suffix is unknown, or the format cannot hold a word or a value. Or it needs a package
        that is not installed.
    OptionError
        `format` is unknown, `top` below 1, or an option is given that the format does not have.
    OutputError
        The path cannot be written to.
    """
    path = Path(path)
    name = shown(path)
    format = _choose_format(path, format)
    if float16 and format in FLOAT32_ONLY:
        raise OptionError(f"{name}: {format} holds float32 only; omit float16, or take npz")
    if normalize and format == "fasttext" and subwords and vectors.subwords is not None:
        raise OptionError(f"{name}: vectors of n-grams have no length 1; omit normalize, or the subwords")
    if top is not None:
        vectors = vectors.head(whole("top", top, 1))
    if normalize:
        try:
            vectors = vectors.normalized()
        except ValueError as error:
            raise FormatError(f"{name}: {error}") from None
    words, matrix = vectors.names, vectors.matrix
    _check_can_hold(name, words, matrix, format)
    if float16:
        matrix = _rounded_to_float16(name, words, matrix)
    if format == "fasttext":
        fasttext.save_fasttext(path, words, matrix, vectors.subwords if subwords else None)
    elif format in SAVE:
        # Its words, unlike those of other formats, may be ints.
        SAVE[format](path, vectors.words if format == "safetensors" else words, matrix)
    else:
        with replacing(path) as temporary, temporary.open("wb") as stream:
            WRITE[format](stream, words, matrix)


def _choose_format(path: Path, format: str | None, reading: bool = False) -> str:
    """The format that is named, else that of the folder, else that of the suffix."""
    if format is not None:
        if format not in FORMATS:
            raise OptionError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
        return format
    if reading and _is_folder(path):
        for name, found in FOLDER_MARKS.items():
            if (path / name).exists():
                return found
        raise FormatError(
            f"{shown(path)}: is a folder, not a regular file, without "
            f"{' or '.join(FOLDER_MARKS)}; give the name of a file of vectors"
        )
    if path.suffix.lower() not in SUFFIXES:
        if reading:
            regular_file(path)
        known = ", ".join(f"{suffix} ({name})" for suffix, name in SUFFIXES.items())
        raise FormatError(
            f"{shown(path)}: unknown suffix {path.suffix!r}; expected one of {known}, "
            f"or name the format: {', '.join(FORMATS)}"
        )
    return SUFFIXES[path.suffix.lower()]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file can have
        return False


def _read_file(path: Path, format: str, by_suffix: bool, spaces_in_words: bool) -> Contents:
    """Read a file; `by_suffix`: nobody named the format, so text may have a header or none."""
    name = shown(path)
    regular_file(path)
    try:
        if format == "safetensors":
            return safetensors.read_safetensors(path)
        with path.open("rb") as stream:
            if not stream.peek(1):
                raise FormatError(f"{name}: the file is empty; expected words and vectors")
            if format == "fasttext" or (by_suffix and fasttext.is_fasttext(stream)):
                return fasttext.read_fasttext(name, stream)
            if format in READ:
                return READ[format](name, stream)
            header = None if by_suffix and format == "word2vec-text" else format == "word2vec-text"
            return word2vec_text.read_text(name, stream, header, spaces_in_words)
    except OSError as error:
        raise FormatError(f"{name}: cannot be read: {error.strerror or error}") from error


def _check_words_are_unique(words: list[str], place: Place) -> None:
    if len(set(words)) == len(words):
        return
    first: dict[str, int] = {}
    for row, word in enumerate(words):
        if first.setdefault(word, row) != row:
            raise FormatError(
                f"{place(row)}: the word '{shown(word, 60)}' again, first at {place(first[word])}; "
                "expected every word once"
            )


# ---- what a format can hold ---------------------------------------------------------------------


def _check_can_hold(name: str, words: list[str], matrix: Array, format: str) -> None:
    """Raise `FormatError` unless reading the file would return the same words and matrix."""
    if not matrix.size:
        raise FormatError(f"{name}: no vectors to write: the matrix is {matrix.shape}")
    for row, word in enumerate(words):
        fault = _word_fault(word, format, row == 0)
        if fault is not None:
            holding = [f for f in FILE_FORMATS if _word_fault(word, f, row == 0) is None]
            remedy = f"{format} cannot hold it, {', '.join(holding)} can"
            if not holding:
                remedy = "no format holds it"
            raise FormatError(f"{name}: the word '{shown(word, 60)}' {fault}; {remedy}")
    if format == "npz" and (padded := npz.padded_bytes(words)) > npz.allowed_bytes(words, matrix):
        raise FormatError(
            f"{name}: npz pads every word to the longest, {padded:,} bytes; shorten the longest words, or "
            "take safetensors, parquet or arrow, which do not"
        )
    if format == "projector" and matrix.shape[1] == 1:
        raise FormatError(f"{name}: vectors of 1 value; the projector takes 2 and more")
    if format in DECIMAL and (bad := first_nonfinite_row(matrix)) is not None:
        raise FormatError(f"{name}: the vector of {words[bad]!r} holds NaN or Inf; {format} cannot hold it")


def _word_fault(word: str, format: str, is_first: bool) -> str | None:
    """Why a format cannot hold a word."""
    if not word or "\0" in word:
        return "is empty or holds NUL"
    if format in NO_WHITE_SPACE and word.split() != [word]:
        return "holds white space"
    if format == "projector" and (word.isspace() or any(c in word for c in "\t\n\r")):
        return "holds a tab or a line end, or nothing but white space"
    if is_first and format in ("glove", "projector") and word.startswith("\ufeff"):
        return "begins with U+FEFF, a byte order mark at the start of a file"
    if format not in NOT_ONLY_UTF8:
        try:
            word.encode()
        except UnicodeEncodeError:
            return "cannot be written as UTF-8"
    return None


def _rounded_to_float16(name: str, words: list[str], matrix: Array) -> Array:
    """The matrix as float16; `FormatError` where a finite value overflows."""
    half = np.empty(matrix.shape, np.float16)
    done = 0
    for block in row_blocks(matrix):
        rounded = half[done : done + len(block)]
        with np.errstate(over="ignore"):
            rounded[:] = block
        overflows = (np.isinf(rounded) & np.isfinite(block)).any(axis=1)
        if overflows.any():
            row = done + int(np.argmax(overflows))
            raise FormatError(
                f"{name}: the vector of {words[row]!r} holds {np.abs(matrix[row]).max():g}, "
                "float16 ends at 65504; normalize, or leave float16 out"
            )
        done += len(block)
    return half
