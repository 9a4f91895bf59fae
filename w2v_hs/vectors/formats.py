"""Files of vectors: which formats there are, and how one is read and written."""

from pathlib import Path

import numpy as np

from w2v_hs.checks import shown, whole
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.files import container as storage
from w2v_hs.files.atomic import replacing
from w2v_hs.vectors import arrow_parquet as tables
from w2v_hs.vectors import folders, readers, writers
from w2v_hs.vectors.escaping import escape as escaped_word
from w2v_hs.vectors.escaping import unescape
from w2v_hs.vectors.readers import HEADER, Place
from w2v_hs.vectors.vectors import Vectors

FILE_FORMATS = (
    "word2vec-text",
    "word2vec-binary",
    "glove",
    "npz",
    "safetensors",
    "parquet",
    "arrow",
)
FOLDER_FORMATS = ("projector", "sentence-transformers")
FORMATS = FILE_FORMATS + FOLDER_FORMATS
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
WRITE = {
    "word2vec-text": writers.write_text,
    "word2vec-binary": writers.write_binary,
    "glove": writers.write_glove,
    "npz": writers.write_npz,
    "parquet": tables.write_parquet,
    "arrow": tables.write_arrow,
}


def load_vectors(
    path: str | Path,
    *,
    format: str | None = None,
    allow_nonfinite: bool = False,
    spaces_in_words: bool = False,
    escaped: bool = False,
) -> Vectors:
    """Read a file or a folder of vectors; the values are rounded to float32.

    `format` is one of `FORMATS`; by default the suffix decides, or what is in a folder, and a text
    file whose first line is not "V D" is read as GloVe. Of a model the input vectors are read.
    `spaces_in_words` takes the last D fields of a line as numbers and all before them as the word.
    `escaped` undoes what `save_vectors` did with `escape`.

    Raises
    ------
    FormatError
        The file cannot be read, is damaged, or is not of that format; NaN or Inf among the
        values, unless `allow_nonfinite`. Or the format needs a package that is not installed.
    OptionError
        `format` is unknown, or `spaces_in_words` is asked of a binary file.
    """
    path = Path(path)
    known = _choose_format(path, format, reading=True)
    if spaces_in_words and known == "word2vec-binary":
        raise OptionError(
            f"{shown(path)}: in word2vec-binary a space ends the word; omit spaces_in_words"
        )
    if known == "projector":
        words, matrix, place = folders.read_projector(path)
    elif known == "sentence-transformers":
        words, matrix, place = folders.read_sentence_transformers(path)
    else:
        words, matrix, place = _read_file(path, known, format is None, spaces_in_words)
    if escaped:
        words = [unescape(word, place(row)) for row, word in enumerate(words)]
    _check_words_are_unique(words, place)
    if not allow_nonfinite and (row := writers.first_nonfinite_row(matrix)) is not None:
        raise FormatError(
            f"{place(row)}: the vector of {words[row]!r} holds NaN or Inf; "
            "expected finite values (allow_nonfinite accepts them)"
        )
    return Vectors(words, matrix)


def save_vectors(
    vectors: Vectors,
    path: str | Path,
    *,
    format: str | None = None,
    top: int | None = None,
    normalize: bool = False,
    float16: bool = False,
    escape: bool = False,
) -> None:
    """Write `vectors` to `path`, which stays as it was if anything fails.

    `format` is one of `FORMATS`; by default the suffix decides. A format that is a folder makes a
    new one. Text holds the shortest decimals that give the same value back. docs/formats.md tells
    what each format holds.

    top: the first rows only, all where there are fewer: of words the most frequent. normalize:
    rows of length 1; rows of zeros stay zeros. float16: values rounded to half precision, 11
    significant bits; text then has fewer digits, the other formats two bytes a value. escape: words
    as `escaping.escape` writes them, each of them.

    Raises
    ------
    FormatError
        The suffix is unknown, or the format cannot hold a word or a value. Or it needs a package
        that is not installed.
    OptionError
        `format` is unknown, `top` below 1, or float16 is asked of word2vec-binary, which has none.
    OutputError
        The place cannot be written to.
    """
    path = Path(path)
    name = shown(path)
    format = _choose_format(path, format)
    if float16 and format == "word2vec-binary":
        raise OptionError(f"{name}: word2vec-binary holds float32 only; omit float16, or take npz")
    if top is not None:
        vectors = vectors.head(whole("top", top, 1))
    if normalize:
        try:
            vectors = vectors.normalized()
        except ValueError as error:
            raise FormatError(f"{name}: {error}") from None
    words, matrix = vectors.words, vectors.matrix
    if escape:
        words = [escaped_word(word) for word in words]
    writers.check_can_hold(name, words, matrix, format)
    if float16:
        matrix = writers.rounded_to_float16(name, words, matrix)
    if format == "projector":
        folders.save_projector(path, words, matrix)
    elif format == "sentence-transformers":
        folders.save_sentence_transformers(path, words, matrix)
    elif format == "safetensors":
        arrays = {"vectors": matrix, **storage.pack_words(words)}
        storage.save_arrays(path, arrays, {"kind": storage.VECTORS})
    else:
        with replacing(path) as temporary, temporary.open("wb") as stream:
            WRITE[format](stream, words, matrix)


def _choose_format(path: Path, format: str | None, reading: bool = False) -> str:
    if format is not None and format not in FORMATS:
        raise OptionError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    if format is None and reading and folders.is_folder(path):
        found = folders.kind_of(path)
        if found is None:
            raise FormatError(
                f"{shown(path)}: is a folder, not a regular file, without "
                f"{' or '.join(folders.KINDS)}; give the name of a file of vectors"
            )
        return found
    if format is None and path.suffix.lower() not in SUFFIXES:
        known = ", ".join(f"{suffix} ({name})" for suffix, name in SUFFIXES.items())
        raise FormatError(
            f"{shown(path)}: unknown suffix {path.suffix!r}; expected one of {known}, "
            f"or name the format: {', '.join(FORMATS)}"
        )
    return format or SUFFIXES[path.suffix.lower()]


def _read_file(
    path: Path, format: str, sniff: bool, spaces_in_words: bool
) -> tuple[list[str], np.ndarray, Place]:
    name = shown(path)
    readers.regular_file(path)
    try:
        if format == "safetensors":
            return readers.read_safetensors(path)
        with path.open("rb") as stream:
            first_line = stream.readline()
            if not first_line:
                raise FormatError(f"{name}: the file is empty; expected words and vectors")
            if format == "word2vec-binary":
                return readers.read_binary(name, stream, first_line)
            if format in ("npz", "parquet", "arrow"):
                stream.seek(0)
                read = {
                    "npz": readers.read_npz,
                    "parquet": tables.read_parquet,
                    "arrow": tables.read_arrow,
                }[format]
                return read(name, stream)
            has_header = format == "word2vec-text" and (
                not sniff or HEADER.fullmatch(first_line) is not None
            )
            return readers.read_text(name, stream, first_line, has_header, spaces_in_words)
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
