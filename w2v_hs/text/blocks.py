"""Blocks of text that the scanner can take: valid UTF-8, cut between tokens."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from w2v_hs.checks import is_text, option, shown, warn
from w2v_hs.errors import CorpusError
from w2v_hs.files.lines import LONGEST_LINE
from w2v_hs.formatting import mended
from w2v_hs.options import Preprocessing
from w2v_hs.text.columns import BadRow, json_text
from w2v_hs.text.encodings import LONGEST_MARK, check_mark
from w2v_hs.text.sources import Source
from w2v_hs.text.tokenizing import split_words, tokenized

_TOKEN_ENDS = [c.encode() for c in map(chr, range(0x3001)) if c.isspace() or c == "\0"]
BOM = b"\xef\xbb\xbf"
_REMOVE = "remove it (is this a text file?)"


@dataclass(frozen=True)
class TextBlock:
    """A part of one source that ends between two tokens."""

    data: bytes  # as read
    offset: int  # the byte of the (decompressed) source at which it begins
    position: int  # bytes of the source read so far, of compressed text as compressed


class BadByte(Exception):
    """A place in a block that is not text: the byte, what was found, and what to do about it."""

    def __init__(self, at: int, what: str, remedy: str):
        super().__init__(what)
        self.at, self.remedy = at, remedy


# ---- cutting ------------------------------------------------------------------------------------


def text_blocks(
    source: Source, preprocessing: Preprocessing, blocks: Iterable[tuple[bytes, int]] | None = None
) -> Iterator[TextBlock]:
    """Read a source in blocks for `prepared`; `blocks`, if given, are those of a part of it.

    Raises `CorpusError` if the source cannot be read, or if a line is longer than `LONGEST_LINE`
    where lines are processed as a whole: JSON lines, and text that NLTK tokenizes.
    """
    blocks = _checked_start(source, source.blocks(preprocessing) if blocks is None else blocks)
    by_line = preprocessing.needs_nltk and _tokenizes(source, preprocessing)
    if source.layout != "jsonl" and not by_line:
        return whole_tokens(blocks, source.name)
    return whole_tokens(_short_lines(source, blocks), source.name, lines=True)


def _tokenizes(source: Source, preprocessing: Preprocessing) -> bool:
    """Whether text must be tokenized; `named_corpora` has already tokenized NLTK's own corpora."""
    return preprocessing.splits and not source.name.startswith("nltk:")


def _short_lines(source: Source, blocks: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The same blocks; `CorpusError` if a line is longer than `LONGEST_LINE`."""
    lines, length, offset = 0, 0, 0
    for data, position in blocks:
        newline = data.find(b"\n")
        length += len(data) if newline < 0 else newline
        if length > LONGEST_LINE:
            raise CorpusError(
                f"{source.place(lines + 1, offset)}: a line of more than {LONGEST_LINE:,} bytes; "
                "JSON lines, NLTK's tokenizers and split_sentences need shorter ones"
            )
        if newline >= 0:
            length = len(data) - data.rfind(b"\n") - 1
        lines += data.count(b"\n")
        offset += len(data)
        yield data, position


def whole_tokens(blocks: Iterable[tuple[bytes, int]], name: str, lines: bool = False) -> Iterator[TextBlock]:
    """Cut blocks after a newline or space, or only after newlines, so that no token is split.

    A block without a place to cut is joined to the next one. A byte order mark is removed, and a
    newline is added at the end. `blocks` come with the bytes of the source, whose name is `name`,
    read so far. Raises `CorpusError` if a token is longer than `LONGEST_LINE`.
    """
    rest: list[bytes] = []
    offset = position = waiting = 0
    for number, (data, position) in enumerate(_joined_start(blocks)):
        if number == 0 and data.startswith(BOM):
            data, offset = data[len(BOM) :], len(BOM)
        cut = data.rfind(b"\n") + 1
        if not lines:
            cut = max(cut, data.rfind(b" ") + 1)
        if cut == 0:
            rest.append(data)
            waiting += len(data)
            if waiting <= LONGEST_LINE:
                continue
            data, rest = b"".join(rest), []
            cut = _after_last_space(data)
            if cut == 0:
                where = f"{shown(name)}: byte {offset}"
                raise CorpusError(
                    f"{where}: a word of more than {LONGEST_LINE:,} bytes; is it the right file?"
                )
        whole = b"".join([*rest, data[:cut]])
        rest, waiting = [data[cut:]], len(data) - cut
        yield TextBlock(whole, offset, position)
        offset += len(whole)
    yield TextBlock(b"".join([*rest, b"\n"]), offset, position)


def _after_last_space(data: bytes) -> int:
    """Where the last white space of any kind, or a NUL, which is an error anyway, ends; 0: none."""
    return max(data.rfind(end) + len(end) if end in data else 0 for end in _TOKEN_ENDS)


def _checked_start(source: Source, blocks: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The same blocks; `CorpusError` if they begin with a byte order mark of another encoding."""
    blocks = _joined_start(blocks)
    start, position = next(blocks)
    if source.kind != "named" and source.layout != "parquet":
        check_mark(start, source.name)
    yield start, position
    yield from blocks


def _joined_start(blocks: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The same blocks, the first ones joined: a pipe may deliver single bytes."""
    start, position = b"", 0
    remaining = iter(blocks)
    for data, position in remaining:  # noqa: B007
        start += data
        if len(start) >= LONGEST_MARK:
            break
    yield start, position
    yield from remaining


# ---- validating ---------------------------------------------------------------------------------


def prepared(data: bytes, source: Source, preprocessing: Preprocessing) -> tuple[bytes, int]:
    """Turn a block into lines of tokens, valid UTF-8 without NUL.

    Also returns how many malformed UTF-8 sequences were replaced or removed. Raises `BadByte` at a
    NUL, at bytes that are not UTF-8 if `preprocessing.errors` is "strict", and at a line of JSON
    that holds no text. Raises `CorpusError` if a model of NLTK is missing.
    """
    tokenizes = _tokenizes(source, preprocessing)
    if source.layout != "jsonl" and not tokenizes:
        return clean(data, preprocessing)
    valid, mended = clean(data, replace(preprocessing, lowercase=False))
    if source.layout != "jsonl" and not preprocessing.needs_nltk:
        words = split_words(valid)
        return (_lower(words) if preprocessing.lowercase else words), mended
    lines = []
    for number, line in enumerate(valid.split(b"\n")):
        try:
            lines.append(_prepared_line(line, source, preprocessing, tokenizes))
        except BadRow as error:
            raise BadByte(_line_start(data, number), str(error), error.remedy) from None
    joined = "\n".join(lines)
    return (joined.lower() if preprocessing.lowercase else joined).encode(), mended


def _prepared_line(line: bytes, source: Source, preprocessing: Preprocessing, tokenizes: bool) -> str:
    """The text of a line, tokenized if asked for."""
    if source.layout == "jsonl":
        assert preprocessing.text_column is not None  # `find_sources` refuses it
        text = json_text(line, preprocessing.text_column, tokenizes)
    else:
        text = line.decode()
    if tokenizes:
        tokenize, language = preprocessing.tokenize, preprocessing.split_sentences
        text = "\n".join(tokenized(part, tokenize, language) for part in text.split("\n"))
    if not is_text(text):  # JSON and NLTK resolve escapes, such as &#0;
        raise BadRow("an escape that is no character", _REMOVE)
    return text


def _line_start(data: bytes, line: int) -> int:
    """The byte of a block at which a line begins; lines count from 0."""
    begin = 0
    for _ in range(line):
        begin = data.index(b"\n", begin) + 1
    return begin


def clean(data: bytes, preprocessing: Preprocessing) -> tuple[bytes, int]:
    """Validate a block, and convert it to lowercase if asked for; returns as `prepared`.

    Raises `BadByte` at a NUL, or at bytes that are not UTF-8 if `preprocessing.errors` is "strict".
    """
    nul = data.find(b"\0")
    mended = 0
    valid = data
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if preprocessing.errors == "strict" and not 0 <= nul < error.start:
                raise _undecodable(data, error.start, preprocessing.encoding) from None
            replaced = data.decode(errors="replace")
            mended = replaced.count("\ufffd") - data.count("\ufffd".encode())
            text = replaced if preprocessing.errors == "replace" else data.decode(errors="ignore")
            valid = text.encode()
    if nul >= 0:
        raise BadByte(nul, "a NUL byte", f"{_REMOVE[:-1]} If UTF-16, give {option('encoding', 'utf-16')})")
    return (_lower(valid) if preprocessing.lowercase else valid), mended


def _undecodable(data: bytes, at: int, encoding: str) -> BadByte:
    read_on = f"train with {option('errors', 'replace')} (inserts U+FFFD) or ignore (drops it)"
    if encoding != "utf-8":
        return BadByte(at, f"bytes that are not {encoding}", f"give another encoding, or {read_on}")
    other = option("encoding", "latin-1")
    remedy = (
        f"if all of the text has another encoding, give it, such as {other}; else convert this file to "
        f"UTF-8, or {read_on}"
    )
    return BadByte(at, f"{data[at]:#04x} is not UTF-8", remedy)


def _lower(data: bytes) -> bytes:
    return data.lower() if data.isascii() else data.decode().lower().encode()


def locate(source: Source, lines_before: int, block: TextBlock, error: BadByte) -> CorpusError:
    """The error for the user, ``path:line: byte offset: what; remedy``; lines count from 1."""
    line = lines_before + block.data.count(b"\n", 0, error.at) + 1
    return CorpusError(f"{source.place(line, block.offset + error.at)}: {error}; {error.remedy}")


def read_lines(
    source: Source, preprocessing: Preprocessing, progress: Callable[[int], None] | None = None
) -> Iterator[str]:
    """Read a source line by line, without newlines.

    progress is called with the bytes of the source read so far.

    Raises `CorpusError` where it is not text, or a line is longer than `LONGEST_LINE`; warns of
    bytes that could not be decoded, where the options allow them.
    """
    rest, lines, line, faults = b"", 0, None, 0
    for block in text_blocks(source, preprocessing):
        try:
            data, more = prepared(block.data, source, preprocessing)
        except BadByte as error:
            raise locate(source, lines, block, error) from None
        faults += more
        if progress is not None:
            progress(block.position)
        lines += block.data.count(b"\n")
        *ended, rest = (rest + data).split(b"\n")
        for following in ended:
            if line is not None:
                yield line.decode()
            line = following
        if len(rest) > LONGEST_LINE:
            place = source.place(lines + 1, block.offset)
            raise CorpusError(f"{place}: a line of more than {LONGEST_LINE:,} bytes; give shorter ones")
    if faults:
        done = mended(faults, preprocessing.encoding, preprocessing.errors)
        warn(f"{shown(source.name)}: {done}")
    if line:  # empty where the newline that `whole_tokens` adds follows that of the text
        yield line.decode()
