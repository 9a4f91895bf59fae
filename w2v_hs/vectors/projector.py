"""TensorBoard's embedding projector: a folder of vectors.tsv, metadata.tsv and a configuration.

`tensorboard --logdir FOLDER` shows the folder; the page projector.tensorflow.org loads the two
.tsv files.
"""

import codecs
from pathlib import Path
from typing import BinaryIO

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files.atomic import new_folder
from w2v_hs.files.lines import bounded_lines
from w2v_hs.types import Array
from w2v_hs.vectors.contents import Contents, decode, line_place, regular_file, row_blocks
from w2v_hs.vectors.word2vec_text import decimal_rows, parse_values

CONFIG = """embeddings {
  tensor_name: "vectors"
  tensor_path: "vectors.tsv"
  metadata_path: "metadata.tsv"
}
"""


def save_projector(path: Path, words: list[str], matrix: Array) -> None:
    """Write the three files; metadata.tsv has one column and, as the projector wants, no header."""
    with new_folder(path) as folder:
        (folder / "projector_config.pbtxt").write_text(CONFIG)
        with (folder / "vectors.tsv").open("wb") as vectors:
            for block in row_blocks(matrix):
                rows = (row.replace(b" ", b"\t") + b"\n" for row in decimal_rows(block))
                vectors.write(b"".join(rows))
        (folder / "metadata.tsv").write_bytes("".join(f"{word}\n" for word in words).encode())


def read_projector(path: Path) -> Contents:
    """Read vectors.tsv, and the words of metadata.tsv.

    Metadata of several columns have a header; the column `word` or `label` holds the words, else
    the first.
    """
    rows_path, words_path = path / "vectors.tsv", path / "metadata.tsv"
    rows_name, words_name = shown(rows_path), shown(words_path)
    with regular_file(words_path).open("rb") as stream:
        words = _read_words(words_name, stream)
    place = line_place(rows_name)
    matrix = np.empty((0, 0), np.float32)
    row = -1
    size = regular_file(rows_path).stat().st_size
    with rows_path.open("rb") as stream:
        for row, line in enumerate(bounded_lines(stream, rows_name)):
            values = _row_values(line, place(row), matrix.shape[1])
            if row == len(words):
                raise FormatError(f"{place(row)}: {words_name} has words for {row} rows only")
            if row == 0:  # a value takes at least two bytes
                most = size // (2 * len(values))
                matrix = np.empty((min(len(words), most), len(values)), np.float32)
            with np.errstate(over="ignore"):  # see `as_float32`
                matrix[row] = values
    if row + 1 < len(words) or not words:
        raise FormatError(f"{rows_name}: {row + 1} rows, {words_name} has {len(words)} words")
    return Contents(words, matrix, place)


def _row_values(line: bytes, place: str, dim: int) -> list[float]:
    """The values of a line of vectors.tsv: `dim` of them, or any number if `dim` is 0."""
    values = parse_values(line.rstrip(b"\r\n").replace(b"\t", b" "))
    if not line.endswith(b"\n"):
        raise FormatError(
            f"{place}: the file ends in the middle of this line, it is truncated; "
            "expected a newline after every line, the last one too"
        )
    if not values or dim not in (0, len(values)):
        expected = f"{dim} numbers" if dim else "numbers"
        raise FormatError(f"{place}: expected {expected} with tabs between them")
    return values


def _read_words(name: str, stream: BinaryIO) -> list[str]:
    """The words in a metadata.tsv."""
    words: list[str] = []
    columns, column = 1, 0
    for number, data in enumerate(bounded_lines(stream, name), 1):
        line = decode(data.removeprefix(codecs.BOM_UTF8 if number == 1 else b""), f"{name}:{number}")
        if not line.endswith("\n"):
            raise FormatError(f"{name}:{number}: the file ends without a newline; is it cut?")
        line = line[:-1].removesuffix("\r")
        cells = line.split("\t")
        if number == 1 and len(cells) > 1:  # a header
            titles = [title.lower() for title in cells]
            column = next((titles.index(t) for t in ("word", "label") if t in titles), 0)
            columns = len(cells)
            continue
        if columns > 1 and len(cells) != columns:
            raise FormatError(f"{name}:{number}: {len(cells)} columns, the header has {columns}")
        word = cells[column] if columns > 1 else line
        if not word or word.isspace():
            raise FormatError(f"{name}:{number}: the word '{shown(word, 60)}' is blank")
        words.append(word)
    return words
