"""Blocks of bytes made fit for the scanner: valid UTF-8, cut between tokens."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from w2v_hs.errors import CorpusError
from w2v_hs.options import Preprocessing
from w2v_hs.text.columns import LONGEST_LINE, BadRow, json_texts
from w2v_hs.text.sources import Source
from w2v_hs.text.tokenizing import tokenized

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """A piece of one source that ends between two tokens. `offset` is its first byte in the text
    (decompressed), `position` how far the file was read, for the progress bar."""

    data: bytes
    offset: int
    position: int


def text_blocks(source: Source, preprocessing: Preprocessing) -> Iterator[Block]:
    """The blocks of a source, fit for `prepared`.

    Raises
    ------
    CorpusError
        The source cannot be read; or a line is longer than `LONGEST_LINE`, where whole lines are
        needed: of JSON, and for NLTK.
    """
    blocks = source.blocks(preprocessing)
    if source.layout != "jsonl" and not _tokenizes(source, preprocessing):
        return whole_tokens(blocks)
    return whole_tokens(_short_lines(source, blocks), lines=True)


def _tokenizes(source: Source, preprocessing: Preprocessing) -> bool:
    """Whether lines go through NLTK; its own corpora have done so already (`extract`)."""
    return preprocessing.splits and not source.name.startswith("nltk:")


def _short_lines(
    source: Source, blocks: Iterable[tuple[bytes, int]]
) -> Iterator[tuple[bytes, int]]:
    """Blocks as they are; `CorpusError` where one line goes on and on through them."""
    lines, length, offset = 0, 0, 0
    for data, position in blocks:
        newline = data.find(b"\n")
        length += len(data) if newline < 0 else newline
        if length > LONGEST_LINE:
            raise CorpusError(
                f"{source.place(lines + 1, offset)}: a line of more than {LONGEST_LINE:,} bytes; "
                "JSON lines, tokenize and split_sentences need shorter ones"
            )
        if newline >= 0:
            length = len(data) - data.rfind(b"\n") - 1
        lines += data.count(b"\n")
        offset += len(data)
        yield data, position


def whole_tokens(blocks: Iterable[tuple[bytes, int]], lines: bool = False) -> Iterator[Block]:
    """Cut blocks after their last newline or space; strip a byte order mark; end with a newline.

    A block without newline and space grows until one comes, so that no token is ever cut. lines:
    cut after newlines only.
    """
    rest: list[bytes] = []
    offset = position = 0
    first = True
    for data, position in blocks:
        if first and len(data) < len(BOM):
            rest.append(data)  # a pipe may deliver single bytes
            data = b"".join(rest)
            rest = []
            if len(data) < len(BOM):
                rest = [data]
                continue
        if first and rest:
            data, rest = b"".join([*rest, data]), []
        if first and data.startswith(BOM):
            data, offset = data[len(BOM) :], len(BOM)
        first = False
        cut = data.rfind(b"\n") + 1
        if not lines:
            cut = max(cut, data.rfind(b" ") + 1)
        if cut == 0:
            rest.append(data)
            continue
        whole = b"".join([*rest, data[:cut]])
        rest = [data[cut:]]
        yield Block(whole, offset, position)
        offset += len(whole)
    yield Block(b"".join([*rest, b"\n"]), offset, position)


_REMOVE = "remove it (is this a text file?)"
_CONVERT = "convert the file to UTF-8, or train with errors replace or ignore"


class BadByte(Exception):
    """Something in a block that cannot be text: where (byte within the block), what, and what to
    do about it."""

    def __init__(self, at: int, what: str, remedy: str):
        super().__init__(what)
        self.at, self.remedy = at, remedy


def prepared(data: bytes, source: Source, preprocessing: Preprocessing) -> tuple[bytes, int]:
    """A block as lines of tokens, valid UTF-8 without NUL, and the number of malformed sequences
    mended.

    Raises
    ------
    BadByte
        A NUL, bytes that are not UTF-8 where `preprocessing.errors` is "strict", or a line of JSON
        that holds no text.
    CorpusError
        A model of NLTK is missing.
    """
    tokenizes = _tokenizes(source, preprocessing)
    if source.layout != "jsonl" and not tokenizes:
        return clean(data, preprocessing)
    valid, mended = clean(data, Preprocessing(errors=preprocessing.errors))
    try:
        if source.layout == "jsonl":
            assert preprocessing.text_column is not None  # JSON lines without it are refused
            texts = json_texts(valid, preprocessing.text_column, raw=tokenizes)
        else:
            texts = valid.decode().split("\n")
    except BadRow as error:
        raise BadByte(_line_start(data, error.row), str(error), "correct the line") from None
    lines = []
    for row, text in enumerate(texts):
        if tokenizes:
            text = "\n".join(
                tokenized(line, preprocessing.tokenize, preprocessing.split_sentences)
                for line in text.split("\n")
            )
        if _SURROGATE_OR_NUL.search(text):  # of an escape that JSON or NLTK undid, as &#0;
            raise BadByte(_line_start(data, row), "an escape that is no character", _REMOVE)
        lines.append(text)
    joined = "\n".join(lines)
    return (joined.lower() if preprocessing.lowercase else joined).encode(), mended


_SURROGATE_OR_NUL = re.compile("[\0\ud800-\udfff]")


def _line_start(data: bytes, line: int) -> int:
    """Where a line of a block begins; lines count from 0."""
    begin = 0
    for _ in range(line):
        begin = data.index(b"\n", begin) + 1
    return begin


def clean(data: bytes, preprocessing: Preprocessing) -> tuple[bytes, int]:
    """The block as valid UTF-8 without NUL, and the number of malformed sequences mended.

    Raises
    ------
    BadByte
        A NUL, or bytes that are not UTF-8 where `preprocessing.errors` is "strict".
    """
    nul = data.find(b"\0")
    mended = 0
    if data.isascii():
        if preprocessing.lowercase:
            data = data.lower()
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            if preprocessing.errors == "strict":
                if 0 <= nul < error.start:
                    raise BadByte(nul, "a NUL byte", _REMOVE) from None
                what = f"{data[error.start]:#04x} is not UTF-8"
                raise BadByte(error.start, what, _CONVERT) from None
            text = data.decode(errors="replace")
            mended = text.count("\ufffd") - data.count("\ufffd".encode())
            text = data.decode(errors=preprocessing.errors)
            data = text.encode()
        if preprocessing.lowercase:
            data = text.lower().encode()
    if nul >= 0:
        raise BadByte(nul, "a NUL byte", _REMOVE)
    return data, mended


def read_lines(source: Source, preprocessing: Preprocessing) -> Iterator[str]:
    """Lines of a text without their newlines. `CorpusError` where a byte cannot be text."""
    rest, lines, line = b"", 0, None
    for block in text_blocks(source, preprocessing):
        try:
            data, _ = prepared(block.data, source, preprocessing)
        except BadByte as error:
            raise locate(source, lines, block, error) from None
        lines += block.data.count(b"\n")
        *ended, rest = (rest + data).split(b"\n")
        for following in ended:
            if line is not None:
                yield line.decode()
            line = following
    if line:  # `whole_tokens` ends with a newline, which may come after that of the text
        yield line.decode()


def locate(source: Source, lines_before: int, block: Block, error: BadByte) -> CorpusError:
    """The error for a user: ``path:line: byte offset: what``. Line and byte count from 1 and 0."""
    line = lines_before + block.data.count(b"\n", 0, error.at) + 1
    return CorpusError(f"{source.place(line, block.offset + error.at)}: {error}; {error.remedy}")
