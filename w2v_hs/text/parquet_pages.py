"""What the pages of a Parquet file say of themselves, known before a page is unfolded.

The footer of a Parquet file counts rows and bytes, but each page has a header of its own, and that
is what a reader takes memory by: a page of a hundred bytes may declare two gigabytes, or two
thousand million values that are all the same. This module reads footer and headers alone. They are
structures in Thrift's compact protocol (thrift-compact-protocol.md in Apache Thrift); their fields
are those of `FileMetaData` and `PageHeader` in parquet.thrift of Apache Parquet. (pyarrow shows
the footer as well, but ends the process where one of its structures lacks a part.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
DICTIONARIES = {2, 8}  # encodings of pages whose values are numbers of entries in a dictionary
DELTA_BYTE_ARRAY = 7  # an encoding whose values repeat the beginning of the one before
DEEPEST = 16  # structures and lists in each other; a footer has seven


@dataclass(frozen=True)
class Chunk:
    """A part of a column: the pages from byte `start` to byte `end`, with so many values; size:
    bytes when unfolded; dictionary: whether it begins with one."""

    start: int
    end: int
    values: int
    size: int
    dictionary: bool


@dataclass(frozen=True)
class Page:
    """values: how many it holds, nulls included; 0 for a dictionary. size: bytes when unfolded."""

    values: int
    size: int
    encoding: int


Fields = dict[int, Any]  # numbers of fields with their values


def row_groups(data: bytes) -> Iterator[tuple[int, list[Chunk]]]:
    """The rows of each row group of a file, and its chunks in the order of the columns.

    data: the file, or as much of its end as holds the footer and the byte before it.

    Raises
    ------
    ValueError
        The footer is not one of Parquet.
    """
    end = len(data) - 8
    begin = end - int.from_bytes(data[end : end + 4], "little")
    if not 0 < begin <= end:
        raise ValueError("a footer longer than the file")
    for group in _structures(_Compact(data, begin, end).structure(), 4):
        chunks = []
        for column in _structures(group, 1):
            facts = column.get(3)
            if not isinstance(facts, dict):
                raise ValueError("a column chunk without its description")
            start = _number(facts, 9)
            dictionary = 11 in facts and 0 < _number(facts, 11) < start
            if dictionary:  # it comes first
                start = _number(facts, 11)
            end, values = start + _number(facts, 7), _number(facts, 5)
            chunks.append(Chunk(start, end, values, _number(facts, 6), dictionary))
        yield _number(group, 3), chunks


def _structures(fields: Fields, key: int) -> list[Fields]:
    found = fields.get(key)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"a footer without a list of structures in field {key}")
    return found


def pages(data: bytes, start: int, end: int) -> Iterator[Page]:
    """The pages of a column chunk, which is data[start:end].

    Raises
    ------
    ValueError
        The headers are not those of pages that fill the chunk.
    """
    if not 0 <= start < end <= len(data):
        raise ValueError(f"a column chunk at byte {start} that ends at byte {end}")
    while start < end:
        reader = _Compact(data, start, end)
        header = reader.structure()
        start = reader.position + _number(header, 3)
        kind = _number(header, 1)
        if kind not in (DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2) or start > end:
            raise ValueError(f"a page of kind {kind} that ends at byte {start}")
        body = header.get({DATA_PAGE: 5, DICTIONARY_PAGE: 7, DATA_PAGE_V2: 8}[kind])
        if not isinstance(body, dict):
            raise ValueError("a page without its header")
        encoding = _number(body, 4 if kind == DATA_PAGE_V2 else 2)
        values = 0 if kind == DICTIONARY_PAGE else _number(body, 1)
        yield Page(values, _number(header, 2), encoding)


def _number(fields: Fields, key: int) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} in field {key} of a header")
    return value


class _Compact:
    """Reads one structure from data[position:end]."""

    def __init__(self, data: bytes, position: int, end: int):
        self.data, self.position, self.end = data, position, end

    def structure(self, depth: int = 0) -> Fields:
        """Field numbers with their values: whole numbers, structures, lists; None for all else."""
        fields: Fields = {}
        number = 0
        while byte := self._byte():
            number = number + (byte >> 4) if byte >> 4 else self._signed()
            fields[number] = self._value(byte & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError("structures in structures without end")
        if kind in (1, 2):  # true, false
            return None
        if kind == 3:
            self._skip(1)
        elif kind in (4, 5, 6):
            return self._signed()
        elif kind == 7:
            self._skip(8)
        elif kind == 8:
            self._skip(self._varint())
        elif kind in (9, 10):  # a list, a set
            size = self._byte()
            count = self._varint() if size >> 4 == 15 else size >> 4
            if size & 15 in (1, 2):  # here they take a byte each
                self._skip(count)
                return None
            return [self._value(size & 15, depth + 1) for _ in range(count)]
        elif kind == 12:
            return self.structure(depth + 1)
        else:
            raise ValueError(f"a field of kind {kind}")
        return None

    def _byte(self) -> int:
        self._skip(1)
        return self.data[self.position - 1]

    def _skip(self, count: int) -> None:
        self.position += count
        if self.position > self.end:
            raise ValueError("a header that does not end")

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number of more than 64 bits")

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
