"""Tables: Parquet, and Arrow's file format, which Feather version 2 is as well.

The column `word` holds text, the column `vector` lists of floats of one length; other columns are
not read. We write lists of fixed size of float32 or float16. pyarrow parses the files, so they are
only as safe to open as pyarrow is: how much memory the rows that it reads at once may unfold to is
not limited.
"""

import mmap
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from w2v_hs.errors import FormatError
from w2v_hs.files.memory import check_memory
from w2v_hs.types import Array, Int64
from w2v_hs.vectors.contents import Contents, check_words, first_line_of, row_blocks, row_place

COLUMNS = ["word", "vector"]
ARROW_MAGIC = b"ARROW1\0\0"
FOOTER_END = 10  # bytes: the footer's length and the magic
END_MARK = b"\xff\xff\xff\xff\0\0\0\0"  # of the blocks
ROWS = 1 << 14  # of a Parquet file, read at once


# ---- writing ------------------------------------------------------------------------------------


def write_parquet(stream: BinaryIO, words: list[str], matrix: Array) -> None:
    """Write a Parquet file, with a checksum in every page."""
    _import_pyarrow("parquet")
    import pyarrow.parquet as pq

    # Values hardly repeat: neither dictionaries nor compression make them smaller.
    options = {"compression": {"word": "zstd", "vector": "none"}, "use_dictionary": False}
    with pq.ParquetWriter(stream, _schema(matrix), write_page_checksum=True, **options) as writer:
        for batch in _batches(words, matrix):
            writer.write_batch(batch)


def write_arrow(stream: BinaryIO, words: list[str], matrix: Array) -> None:
    """Write an Arrow file, not compressed, so that it can be mapped into memory."""
    pa = _import_pyarrow("arrow")
    with pa.ipc.new_file(stream, _schema(matrix)) as writer:
        for batch in _batches(words, matrix):
            writer.write_batch(batch)


def _schema(matrix: Array) -> Any:
    import pyarrow as pa

    value = pa.field("element", pa.from_numpy_dtype(matrix.dtype), nullable=False)
    vector = pa.list_(value, matrix.shape[1])
    return pa.schema(
        [pa.field("word", pa.string(), nullable=False), pa.field("vector", vector, nullable=False)]
    )


def _batches(words: list[str], matrix: Array) -> Iterator[Any]:
    """Record batches of the table."""
    import pyarrow as pa

    schema, done = _schema(matrix), 0
    for block in row_blocks(matrix):
        texts = pa.array(words[done : done + len(block)], pa.string())
        values = pa.array(np.ascontiguousarray(block).ravel())
        lists = pa.FixedSizeListArray.from_arrays(values, type=schema.field("vector").type)
        yield pa.record_batch([texts, lists], schema=schema)
        done += len(block)


# ---- reading ------------------------------------------------------------------------------------


def read_parquet(name: str, stream: BinaryIO) -> Contents:
    """Read the columns `word` and `vector` of a Parquet file."""
    _import_pyarrow(name)
    import pyarrow.parquet as pq

    with (
        _faults_as_format_errors(name, "Parquet"),
        pq.ParquetFile(stream, page_checksum_verification=True) as file,
    ):
        _check_columns(name, file.schema_arrow)
        batches = file.iter_batches(ROWS, columns=COLUMNS, use_threads=False)
        return _gather(name, file.metadata.num_rows, batches)


def read_arrow(name: str, stream: BinaryIO) -> Contents:
    """Read the columns `word` and `vector` of an Arrow file, compressed or not."""
    pa = _import_pyarrow(name)
    if stream.read(len(ARROW_MAGIC)) != ARROW_MAGIC:
        raise FormatError(
            f"{name}: does not begin as Arrow's file format does; Arrow streams and Feather "
            "version 1 are not read: convert it to a file of Feather version 2"
        )
    with _faults_as_format_errors(name, "Arrow"):
        with pa.ipc.open_file(stream) as reader:
            _check_columns(name, reader.schema)
            _check_blocks(name, stream)
            fields = [reader.schema.get_field_index(column) for column in COLUMNS]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        with pa.ipc.open_file(stream, options=options) as reader:
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        for batch in batches:
            batch.validate(full=True)
        return _gather(name, sum(batch.num_rows for batch in batches), batches)


def _check_blocks(name: str, stream: BinaryIO) -> None:
    """Raise `FormatError` unless the blocks end where the footer begins, a mark between them.

    The footer says where each begins, so values after a byte that is missing would be shifted.
    """
    import pyarrow as pa

    data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last view of it
    (footer,) = struct.unpack_from("<i", data, len(data) - FOOTER_END)
    end, blocks = len(data) - FOOTER_END - footer, pa.BufferReader(data)
    blocks.seek(len(ARROW_MAGIC))
    messages = pa.ipc.MessageReader.open_stream(blocks)
    while blocks.tell() < end - len(END_MARK):
        messages.read_next_message()
    marked = data[end - len(END_MARK) : end] == END_MARK  # old writers use half of it, or none
    if blocks.tell() not in ((end - len(END_MARK),) if marked else (end - 4, end)):
        raise FormatError(
            f"{name}: blocks end at byte {blocks.tell():,}, the footer begins at {end:,}; damaged"
        )


@contextmanager
def _faults_as_format_errors(name: str, kind: str) -> Iterator[None]:
    """Turn what pyarrow raises for damaged files, which can be anything, into `FormatError`."""
    try:
        yield
    except FormatError:
        raise
    except Exception as error:  # MemoryError included
        raise FormatError(f"{name}: is not a whole {kind} file: {first_line_of(error)}") from error


def _check_columns(name: str, schema: Any) -> None:
    """Raise `FormatError` unless there is a column of text and one of lists of floats."""
    import pyarrow as pa

    for column in COLUMNS:
        if len(schema.get_all_field_indices(column)) != 1:
            found = ", ".join(map(repr, schema.names))[:200]
            raise FormatError(f"{name}: has the columns {found}; expected 'word' and 'vector', once each")
    word, vector = (schema.field(column).type for column in COLUMNS)
    if pa.types.is_dictionary(word):
        word = word.value_type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(is_kind(word) for is_kind in texts):
        raise FormatError(f"{name}: 'word' is {word}; expected text")
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_kind(vector) for is_kind in lists) or not pa.types.is_floating(vector.value_type):
        raise FormatError(f"{name}: 'vector' is {str(vector)[:200]}; expected lists of floats")


def _gather(name: str, rows: int, batches: Iterable[Any]) -> Contents:
    """Words and matrix of record batches that have `rows` rows together."""
    place = row_place(name)
    words: list[str] = []
    matrix = np.empty((0, 0), np.float32)
    for batch in batches:
        begin, count = len(words), batch.num_rows
        if not count:
            continue
        if batch.column("word").null_count:
            row = batch.column("word").is_null().index(True).as_py()
            raise FormatError(f"{place(begin + row)}: the word is null; expected text")
        values, lengths = _values(batch.column("vector"))
        dim = matrix.shape[1] if begin else int(lengths[0])
        wrong = np.flatnonzero(lengths != dim)
        if wrong.size or dim < 1:
            row = int(wrong[0]) if wrong.size else 0
            raise FormatError(
                f"{place(begin + row)}: {lengths[row]} values; expected as many in every row, "
                f"{max(dim, 1)} as in the first, and no nulls"
            )
        if not begin:
            check_memory(name, 4 * rows * dim)
            matrix = np.empty((rows, dim), np.float32)
        words += batch.column("word").to_pylist()
        with np.errstate(over="ignore"):  # see `as_float32`
            matrix[begin : begin + count] = values.reshape(count, dim)
    if not words or len(words) != rows:
        raise FormatError(f"{name}: declares {rows} rows, holds {len(words)}; expected 1 or more")
    check_words(words, place)
    return Contents(words, matrix, place)


def _values(vectors: Any) -> tuple[Array, Int64]:
    """All values of a column of lists, and the length of each list: 0 if it is or holds a null."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(vectors.type):
        lengths = np.full(len(vectors), vectors.type.list_size)
    else:
        lengths = np.diff(vectors.offsets.to_numpy())
    if vectors.null_count:
        lengths = np.where(vectors.is_null().to_numpy(zero_copy_only=False), 0, lengths)
    values = vectors.flatten()
    if values.null_count:
        row_of_value = np.repeat(np.arange(len(lengths)), lengths)
        lengths[row_of_value[values.is_null().to_numpy(zero_copy_only=False)]] = 0
    return values.to_numpy(zero_copy_only=False), lengths


def _import_pyarrow(name: str) -> Any:
    try:
        import pyarrow.ipc
    except ImportError:
        raise FormatError(f"{name}: needs the package pyarrow: pip install 'w2v-hs[parquet]'") from None
    return pyarrow
