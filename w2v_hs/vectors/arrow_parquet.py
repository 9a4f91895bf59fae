"""Vectors as tables: Parquet, and Arrow's file format, which is also Feather of version 2.

A table has the column `word`, text, and the column `vector`, a list of numbers that is as long in
every row; other columns are not read. Ours holds lists of fixed size, of float32 or float16.

pyarrow does the work. What it is given is checked first, for a small file of either format may
declare any amount of memory, or unfold to it.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from w2v_hs.errors import FormatError
from w2v_hs.text import parquet_pages
from w2v_hs.vectors.readers import MAX_EXPANSION, Place, check_words
from w2v_hs.vectors.writers import row_blocks

COLUMNS = ["word", "vector"]
MAGIC = b"ARROW1\0\0"
ROWS = 1 << 14  # read at once
SMALL = 1 << 22  # bytes; a file may always unfold to that


def write_parquet(stream: BinaryIO, words: list[str], matrix: np.ndarray) -> None:
    """Write a Parquet file, with a checksum in every page."""
    _pyarrow("parquet")
    import pyarrow.parquet as pq

    # Vectors hardly repeat: neither dictionaries nor compression make them smaller.
    options = {"compression": {"word": "zstd", "vector": "none"}, "use_dictionary": False}
    with pq.ParquetWriter(stream, _schema(matrix), write_page_checksum=True, **options) as writer:
        for batch in _batches(words, matrix):
            writer.write_batch(batch)


def write_arrow(stream: BinaryIO, words: list[str], matrix: np.ndarray) -> None:
    """Write an Arrow file, not compressed, so that it can be mapped into memory."""
    pa = _pyarrow("arrow")
    with pa.ipc.new_file(stream, _schema(matrix)) as writer:
        for batch in _batches(words, matrix):
            writer.write_batch(batch)


def _schema(matrix: np.ndarray) -> Any:
    import pyarrow as pa

    value = pa.field("element", pa.from_numpy_dtype(matrix.dtype), nullable=False)
    vector = pa.list_(value, matrix.shape[1])
    return pa.schema(
        [pa.field("word", pa.string(), nullable=False), pa.field("vector", vector, nullable=False)]
    )


def _batches(words: list[str], matrix: np.ndarray) -> Iterator[Any]:
    import pyarrow as pa

    schema, done = _schema(matrix), 0
    for block in row_blocks(matrix):
        texts = pa.array(words[done : done + len(block)], pa.string())
        values = pa.array(np.ascontiguousarray(block).ravel())
        lists = pa.FixedSizeListArray.from_arrays(values, type=schema.field("vector").type)
        yield pa.record_batch([texts, lists], schema=schema)
        done += len(block)


def read_parquet(name: str, stream: BinaryIO) -> tuple[list[str], np.ndarray, Place]:
    """Read the columns `word` and `vector` of a Parquet file."""
    pa = _pyarrow(name)
    import pyarrow.parquet as pq

    data = stream.read()
    size = len(data)
    limits = {"thrift_string_size_limit": size, "thrift_container_size_limit": size}
    try:
        with pq.ParquetFile(pa.BufferReader(data), **limits) as file:
            _check_columns(name, file.schema_arrow)
            options: dict[str, Any] = limits | {"page_checksum_verification": True}
            if parquet_pages.DICTIONARIES & _check_chunks(name, data, file):
                # One word that is repeated a million times then takes its place once.
                options["read_dictionary"] = ["word"]
        with pq.ParquetFile(pa.BufferReader(data), **options) as file:
            batches = file.iter_batches(ROWS, columns=COLUMNS, use_threads=False)
            return _gather(name, file.metadata.num_rows, batches, _allowed(size))
    except FormatError:
        raise
    except Exception as error:  # damage makes pyarrow raise anything, MemoryError included
        raise _damaged(name, "Parquet", error) from error


def _check_chunks(name: str, data: bytes, file: Any) -> set[int]:
    """The encodings of the pages of words in a `ParquetFile`. Raises `FormatError` unless the
    footer and the headers of all pages agree, and promise no more than the file may hold;
    `ValueError` where they cannot be read."""
    declared = file.metadata.num_rows
    if declared < 1:
        raise FormatError(f"{name}: declares {declared} rows; expected 1 or more")
    roots = [column.path.partition(".")[0] for column in file.schema]
    allowed = _allowed(len(data))
    encodings = set()
    unfolded = rows = 0
    for count, chunks in parquet_pages.row_groups(data):
        rows += count
        if len(chunks) != len(roots):
            raise ValueError(f"a row group of {len(chunks)} columns, the schema has {len(roots)}")
        for root, chunk in zip(roots, chunks, strict=True):
            if root not in COLUMNS:
                continue
            values = 0
            for page in parquet_pages.pages(data, chunk.start, chunk.end):
                if page.encoding == parquet_pages.DELTA_BYTE_ARRAY:
                    raise FormatError(
                        f"{name}: the column {root!r} has the encoding DELTA_BYTE_ARRAY, of which "
                        "the size is not known before it is read; write it with another encoding"
                    )
                if root == "word":
                    encodings.add(page.encoding)
                values += page.values
                unfolded += page.size
            if values != chunk.values:
                raise FormatError(
                    f"{name}: the column {root!r} declares {chunk.values} values, its pages "
                    f"{values}; the file is damaged"
                )
            # A value of the matrix takes four bytes, and Arrow counts its levels in two each.
            unfolded += 8 * values
            if unfolded > allowed:
                raise _oversized(name, unfolded, len(data))
    if rows != declared:
        raise FormatError(f"{name}: declares {declared} rows, its row groups {rows}")
    return encodings


def read_arrow(name: str, stream: BinaryIO) -> tuple[list[str], np.ndarray, Place]:
    """Read the columns `word` and `vector` of an Arrow file, compressed or not."""
    pa = _pyarrow(name)
    content = stream.read()
    if not content.startswith(MAGIC):
        raise FormatError(
            f"{name}: does not begin as Arrow's file format does; a stream of Arrow, and Feather "
            "of version 1, are not read: write it anew"
        )
    data = pa.py_buffer(content)
    try:
        _check_blocks(name, data, _blocks(content))
        with pa.ipc.open_file(data) as reader:
            _check_columns(name, reader.schema)
            fields = [reader.schema.get_field_index(column) for column in COLUMNS]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        with pa.ipc.open_file(data, options=options) as reader:
            batches = [
                reader.get_batch(number).select(COLUMNS)
                for number in range(reader.num_record_batches)
            ]
        for batch in batches:
            batch.validate(full=True)
        rows = sum(batch.num_rows for batch in batches)
        return _gather(name, rows, batches, _allowed(len(data)))
    except FormatError:
        raise
    except Exception as error:  # as above
        raise _damaged(name, "Arrow", error) from error


def _blocks(content: bytes) -> list[tuple[int, int]]:
    """(begin, end) of all messages that the footer of an Arrow file names, in the order in which
    they lie there; FlatBuffers, with the fields of File.fbs of Arrow."""
    end = len(content) - len("1234ARROW1")
    footer = content[end - int.from_bytes(content[end : end + 4], "little") : end]
    root = struct.unpack_from("<I", footer)[0]
    found = []
    for number in (2, 3):  # dictionaries, record batches
        vector = _field(footer, root, number)
        if vector is None:
            continue
        vector += struct.unpack_from("<I", footer, vector)[0]
        for block in range(struct.unpack_from("<I", footer, vector)[0]):
            begin, head, body = struct.unpack_from("<qi4xq", footer, vector + 4 + 24 * block)
            found.append((begin, begin + head + body))
    return sorted(found)


def _check_blocks(name: str, data: Any, blocks: list[tuple[int, int]]) -> None:
    """Raise `FormatError` where messages overlap, for a footer may name one a million times, or
    declare that they unfold to more than a file may hold."""
    from pyarrow.ipc import read_message

    unfolded = last = 0
    for begin, end in blocks:
        if not last <= begin < end <= len(data):
            raise FormatError(f"{name}: a batch at bytes {begin} to {end} overlaps another")
        last = end
        unfolded += _unfolded(read_message(data.slice(begin, end - begin)))
        if unfolded > _allowed(len(data)):
            raise _oversized(name, unfolded, len(data))


def _unfolded(message: Any) -> int:
    """Bytes that the body of a message declares to take in memory.

    Each compressed buffer begins with its length when unfolded, int64, or -1 where it is as it is.
    Where the buffers lie, the metadata say: FlatBuffers, with the fields of Message.fbs of Arrow.
    """
    metadata, body = bytes(message.metadata), message.body
    number = {"dictionary": 2, "record batch": 2}.get(message.type)
    if number is None or body is None:
        return 0
    table = _there(_field(metadata, struct.unpack_from("<I", metadata)[0], number))
    table += struct.unpack_from("<I", metadata, table)[0]
    if message.type == "dictionary":
        table = _there(_field(metadata, table, 1))
        table += struct.unpack_from("<I", metadata, table)[0]
    if _field(metadata, table, 3) is None:  # no compression
        return len(body)
    vector = _there(_field(metadata, table, 2))
    vector += struct.unpack_from("<I", metadata, vector)[0]
    total = 0
    for buffer in range(struct.unpack_from("<I", metadata, vector)[0]):
        offset, length = struct.unpack_from("<qq", metadata, vector + 4 + 16 * buffer)
        if length >= 8:
            declared = struct.unpack("<q", body.slice(offset, 8).to_pybytes())[0]
            total += max(declared, length)
    return total


def _field(data: bytes, table: int, number: int) -> int | None:
    """The place of a field in a FlatBuffers table, None where the table lacks it."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", data, fields)[0]:
        return None
    offset = struct.unpack_from("<H", data, fields + 4 + 2 * number)[0]
    return table + offset if offset else None


def _there(place: int | None) -> int:
    if place is None:
        raise ValueError("a message without a field that it needs")
    return place


# What both have in common


def _check_columns(name: str, schema: Any) -> None:
    """Raise `FormatError` unless there is a column of text and one of lists of floats."""
    import pyarrow as pa

    for column in COLUMNS:
        if len(schema.get_all_field_indices(column)) != 1:
            found = ", ".join(map(repr, schema.names))[:200]
            raise FormatError(
                f"{name}: has the columns {found}; expected 'word' and 'vector', once each"
            )
    word, vector = (schema.field(column).type for column in COLUMNS)
    if pa.types.is_dictionary(word):
        word = word.value_type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(kind(word) for kind in texts):
        raise FormatError(f"{name}: 'word' is {word}; expected text")
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(kind(vector) for kind in lists) or not pa.types.is_floating(vector.value_type):
        raise FormatError(f"{name}: 'vector' is {str(vector)[:200]}; expected lists of floats")


def _gather(
    name: str, rows: int, batches: Iterable[Any], allowed: int
) -> tuple[list[str], np.ndarray, Place]:
    """Words and matrix of record batches with `COLUMNS`, which have `rows` rows together."""

    def place(row: int) -> str:
        return f"{name}: row {row + 1}"

    words: list[str] = []
    matrix = None
    letters = 0
    for batch in batches:
        begin, count = len(words), batch.num_rows
        if not count:
            continue
        if batch.column("word").null_count:
            row = batch.column("word").is_null().index(True).as_py()
            raise FormatError(f"{place(begin + row)}: the word is null; expected text")
        distinct, size = _extent(batch.column("word"))
        letters += size
        if distinct < count or letters > allowed:
            raise FormatError(
                f"{place(begin)}: {count} rows from here have {distinct} different words of {size} "
                "bytes; expected every word once"
            )
        words += batch.column("word").to_pylist()
        values, dims = _values(batch.column("vector"))
        dim = dims[0] if matrix is None else matrix.shape[1]
        wrong = np.flatnonzero(dims != dim)
        if wrong.size or dim < 1:
            row = int(wrong[0]) if wrong.size else 0
            raise FormatError(
                f"{place(begin + row)}: {dims[row]} values; expected as many in every row, "
                f"{max(dim, 1)} as in the first, and no nulls"
            )
        if matrix is None:
            matrix = np.empty((rows, dim), np.float32)
        with np.errstate(over="ignore"):  # found as Inf, with its row, by the caller
            matrix[begin : begin + count] = values.reshape(count, dim)
    if matrix is None or len(words) != rows:
        raise FormatError(f"{name}: declares {rows} rows, holds {len(words)}; expected 1 or more")
    check_words(words, place)
    return words, matrix, place


def _extent(words: Any) -> tuple[int, int]:
    """How many words of a column differ, at most, and the bytes of all together."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string_view(words.type):
        # A view has 16 bytes, of which the first four are its length; many may share one word.
        views = np.frombuffer(words.buffers()[1], "<i4")[::4]
        return len(words), int(views[words.offset : words.offset + len(words)].sum(dtype=np.int64))
    if not pa.types.is_dictionary(words.type):
        return len(words), pc.sum(pc.binary_length(words)).as_py() or 0
    lengths = pc.binary_length(words.dictionary).cast(pa.int64())
    return len(words.dictionary), pc.sum(lengths.take(words.indices)).as_py() or 0


def _values(vectors: Any) -> tuple[np.ndarray, np.ndarray]:
    """The values of a column of lists on end, and how many each row has: 0 if one is null."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(vectors.type):
        dims = np.full(len(vectors), vectors.type.list_size)
    else:
        dims = np.diff(vectors.offsets.to_numpy())
    if vectors.null_count:
        dims = np.where(vectors.is_null().to_numpy(zero_copy_only=False), 0, dims)
    values = vectors.flatten()
    if values.null_count:
        of_row = np.repeat(np.arange(len(dims)), dims)
        dims[of_row[values.is_null().to_numpy(zero_copy_only=False)]] = 0
    return values.to_numpy(zero_copy_only=False), dims


def _allowed(size: int) -> int:
    return max(SMALL, MAX_EXPANSION * size)


def _oversized(name: str, declared: int, size: int) -> FormatError:
    return FormatError(
        f"{name}: declares {declared} bytes, the file of {size} may hold at most {_allowed(size)}"
    )


def _damaged(name: str, kind: str, error: Exception) -> FormatError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return FormatError(f"{name}: is not a whole {kind} file: {reason[:200]}")


def _pyarrow(name: str) -> Any:
    try:
        import pyarrow.ipc
    except ImportError:
        raise FormatError(
            f"{name}: needs the package pyarrow: pip install 'w2v-hs[parquet]'"
        ) from None
    return pyarrow
