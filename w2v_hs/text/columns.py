"""Text in a column of a table: Parquet files, and JSON lines (one object a line).

Each row is one text. A string is text as in a file: a newline inside it ends a sentence. A list of
strings is one sentence of tokens, and stays as it is.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError
from w2v_hs.text.parquet_pages import row_groups

BLOCK = 1 << 20  # bytes
LONGEST_LINE = 1 << 24  # bytes, where a line is worked on as a whole
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_NAMES = 20  # columns that an error names, at most
_TOKENS = "holds a list of tokens; tokenize and split_sentences are for text, leave them out"
_ROWS = 64  # rows of a Parquet file in memory at a time
_SMALL = 1 << 23  # bytes of a column in a row group of Parquet


class BadRow(Exception):
    """A row that holds no text: its place among the lines of a block, from 0, and what it is."""

    def __init__(self, row: int, what: str):
        super().__init__(what)
        self.row = row


def layout(path: Path) -> str:
    """How the file of this name holds text: "parquet", "jsonl" or "plain"."""
    suffix = Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix
    if suffix == ".parquet":
        return "parquet"
    return "jsonl" if suffix in (".jsonl", ".ndjson") else "plain"


# ---- JSON lines ---------------------------------------------------------------------------------


def json_texts(data: bytes, column: str, raw: bool = False) -> list[str]:
    """The text of each line of `data`, UTF-8: what a JSON object has under the name `column`.

    A list of strings is joined by spaces; with `raw`, where text is to be tokenised, it is an
    error. A blank line gives an empty text. Raises `BadRow`.
    """
    return [
        _json_text(row, line, column, raw) if line.strip() else ""
        for row, line in enumerate(data.split(b"\n"))
    ]


def _json_text(row: int, line: bytes, column: str, raw: bool) -> str:
    import orjson

    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadRow(row, f"not JSON: {shown(error, 200)}") from None
    if not isinstance(record, dict):
        raise BadRow(row, f"found {_kind(record)}, expected an object with {_quoted(column)}")
    if column not in record:
        raise BadRow(row, _missing(column, list(record)))
    value = record[column]
    if isinstance(value, str):
        return value
    if isinstance(value, list) and raw:
        raise BadRow(row, f"{_quoted(column)} {_TOKENS}")
    if isinstance(value, list):
        for token in value:
            if not isinstance(token, str):
                what = f"{_quoted(column)} is a list that holds {_kind(token)}, expected strings"
                raise BadRow(row, what)
        return _joined(row, column, value)
    raise BadRow(
        row, f"{_quoted(column)} holds {_kind(value)}, expected a string or a list of strings"
    )


_KINDS = {
    type(None): "null", bool: "true or false", int: "a number", float: "a number",
    str: "a string", list: "a list", dict: "an object",
}  # fmt: skip


def _kind(value: object) -> str:
    return _KINDS[type(value)]


def _quoted(column: str) -> str:
    return f"the column '{shown(column, 60)}'"


def _missing(column: str, names: list[str]) -> str:
    """What to say where there is no such column, with the columns that there are."""
    return f"no column '{shown(column, 60)}'; there is {_listed(names)}"


def _listed(names: list[str]) -> str:
    some = ", ".join(shown(name, 60) for name in names[:_NAMES]) or "none"
    return some + (f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else "")


def _joined(row: int, column: str, tokens: list[str]) -> str:
    """Tokens of one sentence as text that white space splits into the same tokens."""
    line = " ".join(tokens)
    if len(line.split()) != len(tokens):
        token = next(token for token in tokens if len(token.split()) != 1)
        raise BadRow(
            row, f"{_quoted(column)}: the token '{shown(token, 60)}' is empty or has white space "
            "inside"
        )  # fmt: skip
    return line


# ---- Parquet ------------------------------------------------------------------------------------


def listed(path: Path) -> str:
    """The columns of a Parquet file, for a message; `CorpusError` where it is none."""
    with _Parquet(path) as file:
        return _listed(file.schema_arrow.names)


def parquet_blocks(path: Path, column: str, raw: bool = False) -> Iterator[tuple[bytes, int]]:
    """Blocks of text, a row a line, each with how far the file is read after it, in bytes.

    Only some rows are in memory at a time, however large the row groups are. The text is what the
    file has, UTF-8 or not. raw: it is to be tokenised, so lists of tokens are an error.

    Raises
    ------
    CorpusError
        The file is damaged or no Parquet file, lacks the column, or a row holds no text.
    """
    size, lines, length = path.stat().st_size, [], 0
    with _Parquet(path, column) as file:
        total = max(1, file.metadata.num_rows)
        for number, text in _rows(path, file, column, raw):
            lines.append(text)
            length += len(text) + 1
            if length >= BLOCK:
                yield b"\n".join([*lines, b""]), size * number // total
                lines, length = [], 0
    if lines:
        yield b"\n".join([*lines, b""]), size


def row_at(path: Path, column: str, offset: int) -> int:
    """The row, from 1, that gave the byte at `offset` of the text of `parquet_blocks`."""
    with _Parquet(path, column) as file:
        end = 0
        for number, text in _rows(path, file, column, raw=False):
            end += len(text) + 1
            if end > offset:
                return number
    return 1


def _footer(path: Path) -> bytes:
    """The end of a Parquet file, from the byte before its footer on."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - 9 - length))
        return file.read()


class _Parquet:
    """Context of an open Parquet file; what pyarrow raises within becomes a `CorpusError`."""

    def __init__(self, path: Path, column: str | None = None):
        self.path, self.column = path, column

    def __enter__(self) -> Any:
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise CorpusError(
                f"{shown(self.path)}: reading Parquet needs the package pyarrow: "
                "pip install 'w2v-hs[parquet]'"
            ) from None
        try:
            # A stream: pages are read as they are needed, not a column of a row group at once.
            self.file = pq.ParquetFile(self.path, buffer_size=BLOCK, pre_buffer=False)
            if self.column is not None and (parts := self._repeated()):
                self.file.close()
                self.file = pq.ParquetFile(
                    self.path, buffer_size=BLOCK, pre_buffer=False, read_dictionary=parts
                )
        except Exception as error:
            self._fail(error)
        return self.file

    def _repeated(self) -> list[str]:
        """The parts of the column, itself or what its lists hold, whose texts are to be kept once
        where they are repeated: with a dictionary a few bytes may stand for any number of texts.
        What is large is seldom repeated, and pyarrow would collect it all."""
        schema = self.file.schema
        # Read by ourselves: pyarrow ends the process where a chunk's description is damaged.
        groups = [chunks for _, chunks in row_groups(_footer(self.path))]
        if any(len(chunks) != len(schema) for chunks in groups):
            raise ValueError("a row group with another number of columns than the schema")
        repeated = []
        for number in range(len(schema)):
            part = schema.column(number)
            if (
                f"{part.path}.".startswith(f"{self.column}.")
                and part.physical_type == "BYTE_ARRAY"
                and all(c[number].dictionary and c[number].size <= _SMALL for c in groups)
            ):
                repeated.append(part.path)
        return repeated

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()
        if isinstance(error, Exception) and not isinstance(error, CorpusError):
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        """pyarrow raises its own classes, OSError, ValueError, KeyError, even TypeError."""
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CorpusError(
            f"{shown(self.path)}: damaged, truncated or no Parquet file: {shown(reason, 200)}"
        ) from error


def _rows(path: Path, file: Any, column: str, raw: bool) -> Iterator[tuple[int, bytes]]:
    """Number, from 1, and text of each row; the errors of `parquet_blocks`."""
    import pyarrow as pa

    names = file.schema_arrow.names
    if names.count(column) != 1:
        what = _missing(column, names)
        if column in names:
            what = f"{names.count(column)} columns have the name '{shown(column, 60)}'"
        raise CorpusError(f"{shown(path)}: {what}")
    kind = file.schema_arrow.field(column).type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not _is_text(kind.value_type if lists else kind):
        raise CorpusError(
            f"{shown(path)}: {_quoted(column)} is of type {shown(kind, 60)}, expected strings or "
            "lists of strings"
        )
    if lists and raw:
        raise CorpusError(f"{shown(path)}: {_quoted(column)} {_TOKENS}")
    number = 0
    for group in range(file.num_row_groups):  # a batch must not have the dictionaries of two
        for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[column]):
            for value in _values(batch.column(column), lists):
                number += 1
                try:
                    yield number, _row_text(number, value, column)
                except BadRow as error:
                    raise CorpusError(f"{shown(path)}: row {error.row}: {error}") from None


def _values(array: Any, lists: bool) -> Iterator[bytes | list[bytes | None] | None]:
    """The bytes of each row of a column, or of each string in its list; None for null. Bytes, since
    what Parquet calls a string may be no UTF-8."""
    import pyarrow as pa

    words = array.flatten() if lists else array
    if not pa.types.is_dictionary(words.type):
        plain = pa.large_list(pa.large_binary()) if lists else pa.large_binary()
        yield from array.cast(plain).to_pylist()
        return
    known: dict[int | None, bytes | None] = {None: None}
    numbers = iter(words.indices.to_pylist())

    def next_word() -> bytes | None:
        number = next(numbers)
        if number not in known:
            known[number] = words.dictionary[number].as_buffer().to_pybytes()
        return known[number]

    if not lists:
        for _ in range(len(array)):
            yield next_word()
        return
    for length in array.value_lengths().to_pylist():
        yield None if length is None else [next_word() for _ in range(length)]


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return (
        types.is_string(kind) or types.is_large_string(kind)
        or types.is_binary(kind) or types.is_large_binary(kind)
        or (types.is_dictionary(kind) and _is_text(kind.value_type))
    )  # fmt: skip


def _row_text(number: int, value: bytes | list[bytes | None] | None, column: str) -> bytes:
    if value is None:
        raise BadRow(number, f"{_quoted(column)} holds null, expected a string")
    if isinstance(value, bytes):
        return value
    words = [word for word in value if word is not None]
    if len(words) < len(value):
        raise BadRow(number, f"{_quoted(column)} is a list that holds null, expected strings")
    if sum(map(len, words)) > LONGEST_LINE:
        raise BadRow(number, f"{_quoted(column)} is a list of more than {LONGEST_LINE:,} bytes")
    tokens = [token.decode(errors="surrogateescape") for token in words]
    return _joined(number, column, tokens).encode(errors="surrogateescape")
