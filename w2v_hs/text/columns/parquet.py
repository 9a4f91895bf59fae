"""Text in a column of a Parquet file, read by pyarrow in batches of rows."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from w2v_hs.checks import quoted, shown
from w2v_hs.errors import CorpusError
from w2v_hs.files.lines import LONGEST_LINE
from w2v_hs.text.columns.rows import TOKEN_LISTS, BadRow, described, missing, sentence
from w2v_hs.text.compression import BLOCK, is_address, open_file

_ROWS = 64  # in memory at a time, or as many as take no more than
_BATCH = 1 << 31  # bytes, even if each is as long as its row group
_UNFOLDED = 1000  # bytes of a row group for each byte of the file; text has some ten


def column_names(path: str) -> list[str]:
    """The columns of a Parquet file; `CorpusError` if it cannot be read."""
    with _opened(path) as file:
        names: list[str] = file.schema_arrow.names
        return names


def parquet_blocks(
    path: str, column: str, size: int = 0, tokenize: bool = False
) -> Iterator[tuple[bytes, int]]:
    """Read a column in blocks of text, one row per line.

    Only a few rows are in memory at a time, however large the row groups are, and the page that
    pyarrow decompresses. The text is what the file holds, whether valid UTF-8 or not. A row holds a
    string or a list of strings; lists are an error if the text will be tokenized. Yields lines,
    each with its newline, and about how many of the `size` bytes of the file were read. Raises
    `CorpusError` if the file is damaged or is not a Parquet file, lacks the column, or a row holds
    no text or more than `LONGEST_LINE` bytes of it.
    """
    lines: list[bytes] = []
    length = 0
    with _opened(path) as file:
        rows = max(1, file.metadata.num_rows)
        for row, text in enumerate(_texts(path, file, column, tokenize), 1):
            lines.append(text)
            length += len(text) + 1
            if length >= BLOCK:
                yield b"\n".join([*lines, b""]), size * row // rows
                lines, length = [], 0
    if lines:
        yield b"\n".join([*lines, b""]), size


def row_at(path: str, column: str, offset: int) -> int:
    """The row, from 1, that holds the byte at `offset` of the text that `parquet_blocks` reads."""
    with _opened(path) as file:
        end = 0
        for row, text in enumerate(_texts(path, file, column, tokenize=False), 1):
            end += len(text) + 1
            if end > offset:
                return row
    return 1


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """The Parquet file of a path or address; any error while it is open becomes a `CorpusError`."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise CorpusError(
            f"{shown(path)}: reading Parquet needs the package pyarrow: pip install 'w2v-hs[parquet]'"
        ) from None
    try:
        # With a buffer, pages are read as they are needed, not a column of a row group at once.
        raw = open_file(path) if is_address(path) else contextlib.nullcontext(path)
        with raw as source, pq.ParquetFile(source, buffer_size=BLOCK, pre_buffer=False) as file:
            yield file
    except CorpusError:
        raise
    except Exception as error:  # pyarrow's own classes, OSError, ValueError, KeyError, TypeError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CorpusError(
            f"{shown(path)}: damaged, truncated or no Parquet file: {shown(reason, 200)}"
        ) from error


def _texts(path: str, file: Any, column: str, tokenize: bool) -> Iterator[bytes]:
    """The text of each row; raises as `parquet_blocks`."""
    import pyarrow as pa

    lists = _holds_lists(path, file.schema_arrow, column)
    if lists and tokenize:
        raise CorpusError(f"{shown(path)}: {described(column)} {TOKEN_LISTS}")
    # Bytes, as what Parquet declares a string may not be UTF-8.
    plain = pa.large_list(pa.large_binary()) if lists else pa.large_binary()
    with open_file(path) as raw:
        whole = raw.seek(0, os.SEEK_END)
    row = 0
    for group in range(file.num_row_groups):  # pyarrow cannot join dictionaries of two within lists
        size = file.metadata.row_group(group).total_byte_size
        if size > max(LONGEST_LINE, _UNFOLDED * whole):
            raise CorpusError(
                f"{shown(path)}: its {whole:,} bytes unfold to {size:,}, over {_UNFOLDED:,} "
                "times as many; is it the right file?"
            )
        rows = min(max(1, _BATCH // max(1, size)), _ROWS)
        for batch in file.iter_batches(rows, row_groups=[group], columns=[column]):
            texts = batch.column(column)
            lengths = _lengths(texts, lists)
            for number, length in enumerate(lengths, row + 1):
                if length > LONGEST_LINE:
                    raise CorpusError(
                        f"{shown(path)}: row {number}: {described(column)} holds {length:,} bytes, expected "
                        f"at most {LONGEST_LINE:,}; make several rows of it"
                    )
            step = _ROWS if sum(lengths) <= LONGEST_LINE else 1  # what is converted takes three times as much
            for start in range(0, len(texts), step):
                for value in texts.slice(start, step).cast(plain).to_pylist():
                    row += 1
                    try:
                        yield _text(value, column)
                    except BadRow as error:
                        raise CorpusError(f"{shown(path)}: row {row}: {error}") from None


def _holds_lists(path: str, schema: Any, column: str) -> bool:
    """Whether the column holds lists of strings; `CorpusError` if it holds no strings either."""
    import pyarrow as pa

    count = schema.names.count(column)
    if count == 0:
        raise CorpusError(f"{shown(path)}: {missing(column, schema.names)}")
    if count > 1:
        raise CorpusError(f"{shown(path)}: {count} columns have the name {quoted(column)}")
    kind = schema.field(column).type
    lists: bool = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not _is_text(kind.value_type if lists else kind):
        raise CorpusError(
            f"{shown(path)}: {described(column)} is of type {shown(kind, 60)}, expected "
            "strings or lists of strings"
        )
    return lists


def _lengths(texts: Any, lists: bool) -> list[int]:
    """The bytes of the text of each row, with a space after each token; 0 for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if lists:
        rows = (row.values for row in texts)
        return [0 if row is None else sum(_lengths(row, lists=False)) + len(row) for row in rows]
    if pa.types.is_dictionary(texts.type):
        lengths = pc.binary_length(texts.dictionary).take(texts.indices)
    else:
        lengths = pc.binary_length(texts)
    found: list[int] = lengths.fill_null(0).to_pylist()
    return found


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


def _text(value: bytes | list[bytes | None] | None, column: str) -> bytes:
    """The text of one row."""
    if value is None:
        raise BadRow(f"{described(column)} holds null, expected a string")
    if isinstance(value, bytes):
        return value
    words = [word for word in value if word is not None]
    if len(words) < len(value):
        raise BadRow(f"{described(column)} is a list that holds null, expected strings")
    tokens = [word.decode(errors="surrogateescape") for word in words]
    return sentence(column, tokens).encode(errors="surrogateescape")
