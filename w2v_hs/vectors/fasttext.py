"""fastText's binary model files (.bin, version 12): words, their counts, n-grams and input vectors.

The layout is that of `FastText::saveModel` and `Dictionary::save` in fastText 0.9.2, little-endian:
magic and version; 12 int32 and a double of options; the entries of the dictionary; a flag and the
input matrix, whose rows are the words' and then the buckets'; a flag and the output matrix, with a
row for each word. A file must end there: nothing else shows that a byte is missing.
"""

import mmap
import struct
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import numpy as np

from w2v_hs.errors import FormatError
from w2v_hs.files.atomic import replacing
from w2v_hs.files.memory import check_memory
from w2v_hs.types import Float32, Int32
from w2v_hs.vectors.contents import Contents, check_words, decode, row_blocks, row_place
from w2v_hs.vectors.subwords import NGRAM_BYTES, Ngrams, Subwords, buckets_of, compose_rows, count_ngrams

MAGIC, VERSION = 793712314, 12
START = struct.Struct("<2i")
# dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate; t
OPTIONS = struct.Struct("<12id")
DICTIONARY = struct.Struct("<3i2q")  # size, words, labels; tokens, pruned buckets
MATRIX = struct.Struct("<2q")
ENTRY = struct.Struct("<qb")  # count, kind: 0 is a word
HIERARCHICAL, SKIPGRAM = 1, 2  # of fastText's enumerations of losses and models
LONGEST_WORD = 1 << 16  # bytes


def is_fasttext(stream: BufferedReader) -> bool:
    """Whether a file begins as fastText's do; the place in the stream stays."""
    return stream.peek(4)[:4] == struct.pack("<i", MAGIC)


def save_fasttext(path: Path, words: list[str], matrix: Float32, subwords: Subwords | None) -> None:
    """Write a file that fastText, gensim and others read.

    Without `subwords`, words have no n-grams. Output vectors are zeros: fastText has no learned
    tree. Buckets that are not in use are zeros, too. Counts are not known here and fall by rank.
    """
    ngrams = None if subwords is None else subwords.ngrams
    shortest, longest, buckets = (
        (0, 0, 0) if ngrams is None else (ngrams.shortest, ngrams.longest, ngrams.buckets)
    )
    own = matrix if subwords is None else subwords.rows[: len(words)]
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(START.pack(MAGIC, VERSION))
        dim = matrix.shape[1]
        stream.write(
            OPTIONS.pack(dim, 5, 5, 1, 5, 1, HIERARCHICAL, SKIPGRAM, buckets, shortest, longest, 100, 1e-3)
        )
        counts = np.arange(len(words), 0, -1)
        stream.write(DICTIONARY.pack(len(words), len(words), 0, int(counts.sum()), -1))
        for word, count in zip(words, counts.tolist(), strict=True):
            stream.write(word.encode() + b"\0" + ENTRY.pack(count, 0))
        stream.write(b"\0" + MATRIX.pack(len(words) + buckets, dim))
        for block in row_blocks(own):
            stream.write(block.astype("<f4", copy=False).tobytes())
        if subwords is not None:
            _write_buckets(stream, subwords)
        stream.write(b"\0" + MATRIX.pack(len(words), dim))
        _write_zeros(stream, len(words), dim)


def _write_buckets(stream: BinaryIO, subwords: Subwords) -> None:
    """Write a row for each bucket, in their order."""
    ngrams, first = subwords.ngrams, len(subwords.rows) - len(subwords.ngrams)
    order = np.argsort(ngrams.ids)
    done = 0
    for place in order:
        bucket = int(ngrams.ids[place])
        _write_zeros(stream, bucket - done, subwords.rows.shape[1])
        stream.write(subwords.rows[first + place].astype("<f4").tobytes())
        done = bucket + 1
    _write_zeros(stream, ngrams.buckets - done, subwords.rows.shape[1])


def _write_zeros(stream: BinaryIO, rows: int, dim: int) -> None:
    """Write rows of zeros, some at a time."""
    for first in range(0, rows, 1024):
        stream.write(bytes(4 * dim * min(1024, rows - first)))


def read_fasttext(name: str, stream: BinaryIO) -> Contents:
    """Read the words, vectors and n-grams of a model that `fasttext skipgram` or `cbow` wrote."""
    data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last view of it
    try:
        words, (shortest, longest), matrix = _parse(name, data)
    except (struct.error, IndexError):
        raise FormatError(f"{name}: the file ends after {len(data):,} bytes; it is cut off") from None
    place = row_place(name)
    check_words(words, place)
    count, buckets = len(words), len(matrix) - len(words)
    shortest = max(shortest, 1)
    if buckets == 0 or longest < shortest:
        check_memory(name, matrix[:count].nbytes)
        return Contents(words, matrix[:count].astype(np.float32), place)
    lists = NGRAM_BYTES * count_ngrams(words, shortest, longest)
    check_memory(name, lists)
    ids = np.unique(buckets_of(words, shortest, longest, buckets)[1])
    in_use = _rows_in_use(matrix[count:])  # a bucket of zeros is one that our own export did not have
    most = max(4 * count + len(ids), 2 * (count + max(len(ids), len(in_use))))  # rows at once, with copies
    check_memory(name, lists + most * matrix[:1].nbytes)

    def rows(ids: Int32) -> Float32:
        return np.concatenate([matrix[:count], matrix[count + ids]], dtype=np.float32)

    vectors = compose_rows(Ngrams(shortest, longest, buckets, ids).parts(words), rows(ids))
    subwords = Subwords(Ngrams(shortest, longest, buckets, in_use), rows(in_use))
    return Contents(words, vectors, place, subwords)


def _rows_in_use(matrix: Float32) -> Int32:
    """The rows that are not zero."""
    found, done = [], 0
    for block in row_blocks(matrix):
        found.append(done + np.flatnonzero(block.any(axis=1)))
        done += len(block)
    return np.concatenate(found).astype(np.int32)


def _parse(name: str, data: mmap.mmap) -> tuple[list[str], tuple[int, int], Float32]:
    """Words, the lengths of n-grams, and the rows of words and buckets, which stay in the file.

    `struct.error` or `IndexError` if the file is cut off.
    """
    magic, version = START.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise FormatError(f"{name}: not a file of fastText, version {VERSION}; expected one of this version")
    dim, *_, buckets, shortest, longest, _, _ = OPTIONS.unpack_from(data, START.size)
    at = START.size + OPTIONS.size
    entries, count, labels, _, pruned = DICTIONARY.unpack_from(data, at)
    if count < 1 or entries != count + labels or not 1 <= dim <= 65_536 or buckets < 0 or longest > 100:
        raise FormatError(f"{name}: {count} words, dim {dim}, {buckets} buckets: no fastText model has these")
    if labels or pruned > 0:
        raise FormatError(f"{name}: a classifier or a pruned model of fastText; expected one of words")
    at += DICTIONARY.size
    words = []
    for row in range(count):
        end = data.find(b"\0", at, at + LONGEST_WORD)
        if end < 0 and at + LONGEST_WORD < len(data):
            raise FormatError(f"{name}: entry {row + 1}: a word of over {LONGEST_WORD:,} bytes; damaged")
        if end < 0:
            raise IndexError
        if end == at:
            raise FormatError(f"{name}: entry {row + 1}: an empty word; damaged")
        words.append(decode(data[at:end], f"{name}: entry {row + 1}"))
        occurrences, kind = ENTRY.unpack_from(data, end + 1)
        if occurrences < 0 or kind != 0:
            found = f"the count {occurrences} and the kind {kind}"
            raise FormatError(f"{name}: entry {row + 1}: {found}, which no word has; the file is damaged")
        at = end + 1 + ENTRY.size
    inputs, at = _matrix(name, data, at, count + buckets, dim)
    _, at = _matrix(name, data, at, count, dim)  # the outputs, without which bytes could be missing
    if at < len(data):
        raise FormatError(f"{name}: {len(data) - at:,} bytes follow after the model; the file is damaged")
    return words, (shortest, longest), inputs


def _matrix(name: str, data: mmap.mmap, at: int, rows: int, dim: int) -> tuple[Float32, int]:
    """The matrix at a place, which must have this shape, and where it ends."""
    if data[at] == 1:
        raise FormatError(f"{name}: a quantized model of fastText; expected the file it was made of")
    found, begin = MATRIX.unpack_from(data, at + 1), at + 1 + MATRIX.size
    if data[at] != 0 or found != (rows, dim):
        raise FormatError(f"{name}: a matrix of shape {found}; expected {(rows, dim)}, or it is damaged")
    end = begin + 4 * rows * dim
    if end > len(data):
        raise IndexError
    return np.frombuffer(data, "<f4", rows * dim, begin).reshape(rows, dim), end
