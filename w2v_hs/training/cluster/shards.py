"""Text in shards, for a cluster: files on anything fsspec reads, large plain ones cut at line ends.

Each shard is read once, by one worker: `scan` turns it into numbers of its own types, `merge_types`
adds up the types of several shards, `choose` makes the vocabulary, and `encode` turns the numbers
into rows of it. All are functions of their arguments alone.
"""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError, W2VError
from w2v_hs.kernels import tokens as reader
from w2v_hs.options import Preprocessing
from w2v_hs.text.blocks import BadByte, TextBlock, locate, prepared, text_blocks
from w2v_hs.text.compression import BLOCK, is_address, is_compressed, open_file
from w2v_hs.text.corpus import LONGEST_SENTENCE
from w2v_hs.text.sources import Source, file_source, find_sources, with_encoding
from w2v_hs.text.vocabulary import Vocabulary, choose_words
from w2v_hs.text.word_ids import scan_block
from w2v_hs.training.observers.holdout import held_out

SMALLEST, LARGEST = 1 << 16, 1 << 26  # bytes of a shard


@dataclass(frozen=True)
class Shard:
    """Bytes of a file from the first newline at or after `begin` to the first at or after `end`."""

    source: Source
    begin: int = 0  # 0: from the beginning of the file
    end: int | None = None  # None: the whole file

    @property
    def size(self) -> int:
        """Approximate number of bytes."""
        if self.end is None:
            return self.source.size or 0
        return self.end - self.begin

    def blocks(self, preprocessing: Preprocessing) -> Iterator[tuple[bytes, int]]:
        """Blocks as of `Source`, each with how far the shard is read after it."""
        if self.end is None:
            yield from self.source.blocks(preprocessing)
            return
        from fsspec.utils import read_block

        with open_file(self.source.name) as raw:
            data = read_block(raw, self.begin, self.end - self.begin, delimiter=b"\n", split_before=True)
        for at in range(0, len(data), BLOCK):
            yield data[at : at + BLOCK], at


class CountedTypes(NamedTuple):
    """Types and their counts; type t is arena[starts[t]:starts[t + 1]]."""

    arena: np.ndarray  # uint8, UTF-8
    starts: np.ndarray  # (types + 1,) int64
    counts: np.ndarray  # (types,) int64
    mended: int  # malformed UTF-8 sequences


class ScannedShard(NamedTuple):
    """A shard as numbers of its types."""

    numbers: np.ndarray  # int32, with `reader.END` for each newline
    newlines: int
    counted: CountedTypes  # its types
    checksum: bytes  # SHA-256 of its bytes


class ChosenVocabulary(NamedTuple):
    """A vocabulary, and what it was chosen from."""

    vocabulary: Vocabulary
    types: int
    tokens: int
    mended: int


class EncodedShard(NamedTuple):
    """The text of a shard as rows of the vocabulary."""

    ids: np.ndarray  # (N,) int32
    sentences: np.ndarray  # (n + 1,) int64, offsets into ids


# ---- finding files ------------------------------------------------------------------------------


def find_files(text: str, preprocessing: Preprocessing = Preprocessing()) -> list[Source]:  # noqa: B008
    """The files of a path or an address, sorted; hidden ones and models are left out.

    A folder stands for all files below it, a pattern for all that match. Raises `CorpusError` if
    nothing is there, or no file that a worker could read.
    """
    column, encoding = preprocessing.text_column, preprocessing.encoding
    if is_address(text):
        files = [file_source(name, size, column) for name, size in _find_remote(text)]
        return [with_encoding(file, encoding) for file in files]
    files = find_sources(text, column, encoding)
    if any(file.kind != "file" for file in files):
        raise CorpusError(
            f"{shown(text)}: workers of a cluster read files; give files, folders or patterns, or an "
            "address such as s3://bucket/folder"
        )
    return [replace(file, name=str(Path(file.name).absolute())) for file in files]


def _find_remote(address: str) -> list[tuple[str, int | None]]:
    """The files of an address, each with its bytes if known."""
    from fsspec.core import has_magic, url_to_fs

    try:
        system, path = url_to_fs(address)
        if has_magic(path):
            found = system.glob(path, detail=True)
        elif system.isdir(path):
            found = system.find(path, detail=True)
        else:
            found = {path: system.info(path)}
        files = [
            (system.unstrip_protocol(name), info.get("size"))
            for name, info in sorted(found.items())
            if info.get("type", "file") == "file" and not _left_out(name, path)
        ]
    except ImportError as error:
        raise CorpusError(f"{shown(address)}: {shown(error)}") from error
    except Exception as error:  # file systems raise what they like
        raise CorpusError(
            f"{shown(address)}: cannot be read: {shown(str(error) or type(error).__name__)}"
        ) from error
    if not files:
        raise CorpusError(f"{shown(address)}: no file is there")
    return files


def _left_out(name: str, folder: str) -> bool:
    inside = name.removeprefix(folder) if name != folder else ""
    return inside.endswith(".safetensors") or any(part.startswith(".") for part in inside.split("/"))


def cut(files: list[Source], size: int) -> list[Shard]:
    """Shards of about `size` bytes.

    Files that are compressed, of unknown size, Parquet or not UTF-8 are not cut.
    """
    shards = []
    for file in files:
        whole = is_compressed(file.name) or file.layout == "parquet" or file.encoding != "utf-8"
        if file.size is None or whole:
            shards.append(Shard(file))
            continue
        bounds = [*range(0, max(file.size - size // 2, 1), size), file.size]
        shards += [Shard(file, a, b) for a, b in itertools.pairwise(bounds)]
    return shards


# ---- what workers do ----------------------------------------------------------------------------


def scan(shard: Shard, preprocessing: Preprocessing) -> ScannedShard:
    """Read a shard; `CorpusError` if it cannot be read or is not UTF-8."""
    types = reader.new_types()
    pieces, checksum, mended, lines = [], hashlib.sha256(), 0, 0
    try:
        for block in text_blocks(shard.source, preprocessing, shard.blocks(preprocessing)):
            checksum.update(block.data)
            try:
                data, more = prepared(block.data, shard.source, preprocessing)
            except BadByte as error:
                raise _located(shard, lines, block, error) from None
            mended += more
            lines += block.data.count(b"\n")
            piece, types = scan_block(data, types)
            pieces.append(piece)
    except W2VError:
        raise
    except Exception as error:  # file systems raise what they like
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CorpusError(
            f"{shown(shard.source.name)}: cannot be read by a worker: {shown(reason)}; every worker "
            "must find it under this name"
        ) from error
    numbers = np.concatenate(pieces)
    used = int(types.used[0])
    counts = np.zeros(used, np.int64)
    newlines = reader.count(numbers, counts)
    return ScannedShard(numbers, newlines, _counted(types, counts, mended), checksum.digest())


def _located(shard: Shard, lines: int, block: TextBlock, error: BadByte) -> CorpusError:
    """The error with its place; the lines before a shard in its file are not known."""
    if shard.begin == 0:
        return locate(shard.source, lines, block, error)
    from fsspec.utils import seek_delimiter

    with open_file(shard.source.name) as raw:
        raw.seek(shard.begin)
        seek_delimiter(raw, b"\n", 1 << 16)
        at = raw.tell() - 1 + block.offset + error.at
    return CorpusError(f"{shown(shard.source.name)}: byte {at}: {error}; {error.remedy}")


def _counted(types: reader.Types, counts: np.ndarray, mended: int) -> CountedTypes:
    starts = types.starts[: len(counts) + 1].copy()
    return CountedTypes(types.arena[: starts[-1]].copy(), starts, counts, mended)


def _types(counted: CountedTypes) -> reader.Types:
    """A table whose types can be read, not found."""
    arena = np.zeros(len(counted.arena) + reader.PAD, np.uint8)
    arena[: len(counted.arena)] = counted.arena
    used = np.array([len(counted.counts)])
    empty = reader.new_types(2, 0)
    return empty._replace(starts=counted.starts.copy(), arena=arena, used=used)


def merge_types(parts: list[CountedTypes]) -> CountedTypes:
    """The types of several shards."""
    types, numbers = reader.merged([reader.new_types(), *map(_types, parts)])
    counts = np.zeros(int(types.used[0]), np.int64)
    for places, part in zip(numbers[1:], parts, strict=True):
        counts[places] += part.counts
    return _counted(types, counts, sum(part.mended for part in parts))


def choose(
    counted: CountedTypes,
    where: str,
    min_count: int,
    max_vocab: int | None,
    vocabulary: Vocabulary | None = None,
) -> ChosenVocabulary:
    """The vocabulary of all types, or the one that is given; raises as `choose_words`."""
    tokens = int(counted.counts.sum())
    if tokens == 0:
        raise CorpusError(f"0 tokens in {where}")
    types = _types(counted)
    if vocabulary is None:
        vocabulary, _ = choose_words(
            counted.counts, lambda numbers: reader.words_of(types, numbers), min_count, max_vocab
        )
    return ChosenVocabulary(vocabulary, len(counted.counts), tokens, counted.mended)


def encode(scanned: ScannedShard, chosen: ChosenVocabulary) -> EncodedShard:
    """A shard as rows of the vocabulary, in sentences, without the words left out."""
    index = chosen.vocabulary.index
    count = len(scanned.counted.counts)
    words = reader.words_of(_types(scanned.counted), np.arange(count))
    rows = np.array([index.get(word, -1) for word in words], np.int32)
    ids = scanned.numbers.copy()
    ends = np.empty(scanned.newlines, np.int64)
    kept, _ = reader.keep_words(ids, 0, len(ids), rows, ends)
    sentences = np.zeros(scanned.newlines + kept // LONGEST_SENTENCE + 2, np.int64)
    state = np.zeros(2, np.int64)
    reader.join(ids, 0, kept, ends, sentences, state, LONGEST_SENTENCE)
    if state[0] > sentences[state[1]]:
        state[1] += 1
        sentences[state[1]] = state[0]
    return EncodedShard(ids[: state[0]].copy(), sentences[: state[1] + 1].copy())


def set_aside(text: EncodedShard, first: int, share: float, seed: int) -> list[EncodedShard]:
    """What of a shard is trained on, and what is set aside, as `holdout.set_aside` does.

    first: the number of its first sentence in the whole text.
    """
    lengths = np.diff(text.sentences)
    held = held_out(first, len(lengths), share, seed)
    words = np.repeat(held, lengths)
    return [
        EncodedShard(text.ids[words == part], np.append(0, np.cumsum(lengths[held == part])))
        for part in (False, True)
    ]
