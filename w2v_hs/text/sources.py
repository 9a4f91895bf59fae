"""Where text comes from: files, folders, patterns, standard input and named corpora."""

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from w2v_hs.checks import option, shown, warn
from w2v_hs.errors import CorpusError, MissingTextError
from w2v_hs.files.container import is_container
from w2v_hs.options import Preprocessing
from w2v_hs.text import catalog
from w2v_hs.text.columns import layout, listed
from w2v_hs.text.columns.parquet import column_names, parquet_blocks, row_at
from w2v_hs.text.compression import open_file, read_blocks, read_plain
from w2v_hs.text.encodings import to_utf8
from w2v_hs.text.named_corpora import open_text


@dataclass(frozen=True)
class Source:
    """One text."""

    name: str  # a path, "-", or the name of a corpus
    kind: str  # "file", "stdin" or "named"
    size: int | None = None  # bytes, of compressed text as compressed; None: not known in advance
    layout: str = "plain"  # "plain" text, or rows of "jsonl" or "parquet"
    column: str | None = None  # holds the text; None for plain text
    encoding: str = "utf-8"

    def blocks(self, preprocessing: Preprocessing = Preprocessing()) -> Iterator[tuple[bytes, int]]:  # noqa: B008
        """Read the source: blocks of bytes, each with the bytes of the source read so far.

        JSON lines come as they are in the file but in UTF-8, rows of Parquet as lines of text.
        """
        blocks = self._blocks(preprocessing)
        return blocks if self.encoding == "utf-8" else to_utf8(blocks, self.name, self.encoding)

    def _blocks(self, preprocessing: Preprocessing) -> Iterator[tuple[bytes, int]]:
        if self.kind == "stdin":
            return _counted(read_plain(sys.stdin.buffer))
        if self.kind == "named":
            return _counted(open_text(self.name, preprocessing))
        if self.layout == "parquet":
            assert self.column is not None  # `file_source` refuses it
            return parquet_blocks(self.name, self.column, self.size or 0, preprocessing.splits)
        return _file_blocks(self.name, self.size)

    def place(self, line: int, offset: int) -> str:
        """The place of a line (from 1) and of a byte of the UTF-8 text (from 0), for a message."""
        if self.layout == "parquet":  # a row may hold several lines
            assert self.column is not None  # as above
            return f"{shown(self.name)}: row {row_at(self.name, self.column, offset)}"
        place = f"{shown(self.name)}:{line}"
        return f"{place}: byte {offset}" if self.encoding == "utf-8" else place


def _counted(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Blocks, each with the bytes of text so far."""
    position = 0
    for block in blocks:
        position += len(block)
        yield block, position


def _file_blocks(name: str, size: int | None) -> Iterator[tuple[bytes, int]]:
    try:
        with open_file(name, buffering=0) as raw:
            yield from read_blocks(raw, name, size)
    except OSError as error:
        raise CorpusError(f"{shown(name)}: cannot be read: {error.strerror or error}") from error


def find_sources(text: str | Path, column: str | None = None, encoding: str = "utf-8") -> list[Source]:
    """Find the sources, at least one, that a name stands for.

    `text` is tried as, in this order: ``-`` for standard input; ``nltk:NAME`` for a corpus of NLTK;
    the path of a file, or of a folder for all files below it, sorted, except hidden ones, models
    and checkpoints; the name of a corpus in the catalogue; a glob pattern, sorted, with the same
    exceptions, where a folder that matches stands for the files below it. `column` holds the text
    of Parquet files and JSON lines; if it is given, standard input is read as JSON lines.
    `encoding` is that of files and standard input. Raises `CorpusError` if nothing has this name,
    or something in it is not a file of text.
    """
    return [with_encoding(source, encoding) for source in _find(str(text), column)]


def with_encoding(source: Source, encoding: str) -> Source:
    """A source in an encoding; `CorpusError` if it cannot have another than UTF-8."""
    if encoding != "utf-8" and (source.kind == "named" or source.layout == "parquet"):
        what = "a named corpus" if source.kind == "named" else "Parquet"
        raise CorpusError(f"{shown(source.name)}: {what} is UTF-8; give {option('encoding', 'utf-8')}")
    return replace(source, encoding=encoding)


def _find(name: str, column: str | None) -> list[Source]:
    if not name:
        raise CorpusError("'': empty name; expected a file, a folder, a pattern or a named corpus")
    if name == "-":
        if sys.stdin is None:
            raise CorpusError("-: standard input is closed; name a file, or pipe text in")
        return [Source("-", "stdin", None, "plain" if column is None else "jsonl", column)]
    if name.startswith("nltk:"):
        return [_named(name, column)]
    path = Path(name)
    try:
        if path.is_dir():
            return _files_below(path, column)
        if path.exists():  # also a pipe such as /dev/fd/63
            return [file_source(str(path), path.stat().st_size, column)]
        if name in catalog.names():
            return [_named(name, column)]
        files = _matching(name, column)
    except OSError as error:
        where = shown(error.filename or name, 400)
        raise CorpusError(f"{where}: cannot be read: {error.strerror}") from error
    if files:
        return files
    raise MissingTextError(
        f"{shown(name)}: no such file, folder or named corpus, and no file matches it as a "
        "pattern; 'w2v-hs corpus list' shows the named ones"
    )


def _named(name: str, column: str | None) -> Source:
    if column is not None:
        raise CorpusError(f"{shown(name)}: a named corpus has no columns; leave out text_column")
    return Source(name, "named")


def file_source(name: str, size: int | None, column: str | None) -> Source:
    """A file as a source; `CorpusError` where it needs a column, or has none."""
    kind = layout(Path(name))
    if kind == "plain" and column is not None:
        raise CorpusError(
            f"{shown(name)}: text_column is for files whose names end in .parquet or .jsonl (or "
            ".ndjson, also compressed); select only those, with a pattern such as '*.jsonl'"
        )
    if kind != "plain" and column is None:
        names = f"; it has {listed(column_names(name))}" if kind == "parquet" else ""
        raise CorpusError(
            f"{shown(name)}: name the column that holds the text (text_column, --text-column){names}"
        )
    return Source(name, "file", size, kind, column)


def _files_below(folder: Path, column: str | None) -> list[Source]:
    files = _files(_walk(folder), column)
    if not files:
        raise CorpusError(f"{shown(folder)}: a folder without files; expected files of text")
    return files


def _matching(pattern: str, column: str | None) -> list[Source]:
    found = glob.glob(pattern, recursive=True) if "\0" not in pattern else []  # noqa: PTH207
    paths: set[Path] = set()  # ** matches both folders and the files in them
    for path in map(Path, found):
        paths.update(_walk(path) if path.is_dir() and not path.is_symlink() else [path])
    return _files(paths, column)


def _files(paths: Iterable[Path], column: str | None) -> list[Source]:
    """The sources for paths that the user did not name, without models and checkpoints.

    Warns of exported vectors, which are text, too.
    """
    sources = [_regular_file(p, column) for p in sorted(paths) if not is_container(p)]
    vectors = [source.name for source in sources if _holds_vectors(source)]
    if vectors:
        more = f" (and {len(vectors) - 1} more)" if vectors[1:] else ""
        warn(
            f"{shown(vectors[0])}{more}: looks like vectors in word2vec's text format, and is read as text; "
            "move it elsewhere if it is no text"
        )
    return sources


def _holds_vectors(source: Source) -> bool:
    """Whether a plain file begins as word2vec's text format: "V D", then a word and D numbers."""
    if source.layout != "plain":
        return False
    with Path(source.name).open("rb") as file:
        header = re.fullmatch(rb"\d{1,18} (\d{1,9})\s*", file.readline(64))
        return header is not None and len(file.readline(1 << 20).split()) == int(header[1]) + 1


def _walk(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is not itself a folder, except hidden names."""

    def fail(error: OSError) -> None:
        raise error  # os.walk would skip the folder

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name) for name in links + names if not name.startswith("."))


def _regular_file(path: Path, column: str | None) -> Source:
    """The source for a path that the user did not name, so it must be a regular file."""
    if path.is_file():
        return file_source(str(path), path.stat().st_size, column)
    if path.is_dir():
        what = "is a link to a folder; name it as a source of its own"
    elif path.is_symlink() and not path.exists():
        what = "is a link to nothing; remove it"
    else:
        what = "is neither a file nor a folder; leave it out"
    raise CorpusError(f"{shown(path)}: {what}")
