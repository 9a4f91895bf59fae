"""Blocks of bytes made fit for the scanner: valid UTF-8, cut between tokens."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from w2v_hs.errors import CorpusError, shown

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Cleaning:
    """What is done to text before it is split: `lowercase`, and what happens to bytes that are
    not UTF-8: "strict" is an error, "replace" puts U+FFFD, "ignore" leaves them out."""

    lowercase: bool = False
    errors: str = "strict"


@dataclass(frozen=True)
class Block:
    """A piece of one source that ends between two tokens. `offset` is its first byte in the text
    (decompressed), `position` how far the file was read, for the progress bar."""

    data: bytes
    offset: int
    position: int


def whole_tokens(blocks: Iterable[tuple[bytes, int]]) -> Iterator[Block]:
    """Cut blocks after their last newline or space; strip a byte order mark; end with a newline.

    A block without newline and space grows until one comes, so that no token is ever cut.
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
        cut = max(data.rfind(b"\n"), data.rfind(b" ")) + 1
        if cut == 0:
            rest.append(data)
            continue
        whole = b"".join([*rest, data[:cut]])
        rest = [data[cut:]]
        yield Block(whole, offset, position)
        offset += len(whole)
    yield Block(b"".join([*rest, b"\n"]), offset, position)


class BadByte(Exception):
    """Something in a block that cannot be text: where (byte within the block) and what."""

    def __init__(self, at: int, what: str):
        super().__init__(what)
        self.at = at


def clean(data: bytes, cleaning: Cleaning) -> tuple[bytes, int]:
    """The block as valid UTF-8 without NUL, and the number of malformed sequences mended.

    Raises
    ------
    BadByte
        A NUL, or bytes that are not UTF-8 where `cleaning.errors` is "strict".
    """
    nul = data.find(b"\0")
    mended = 0
    if data.isascii():
        if cleaning.lowercase:
            data = data.lower()
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            if cleaning.errors == "strict":
                if 0 <= nul < error.start:
                    raise BadByte(nul, "a NUL byte") from None
                raise BadByte(error.start, f"{data[error.start]:#04x} is not UTF-8") from None
            text = data.decode(errors="replace")
            mended = text.count("\ufffd") - data.count("\ufffd".encode())
            text = data.decode(errors=cleaning.errors)
            data = text.encode()
        if cleaning.lowercase:
            data = text.lower().encode()
    if nul >= 0:
        raise BadByte(nul, "a NUL byte")
    return data, mended


def read_lines(name: str, blocks: Iterable[tuple[bytes, int]], cleaning: Cleaning) -> Iterator[str]:
    """Lines of a text without their newlines. `CorpusError` where a byte cannot be text."""
    rest, lines, line = b"", 0, None
    for block in whole_tokens(blocks):
        try:
            data, _ = clean(block.data, cleaning)
        except BadByte as error:
            raise locate(name, lines, block, error) from None
        lines += block.data.count(b"\n")
        *ended, rest = (rest + data).split(b"\n")
        for following in ended:
            if line is not None:
                yield line.decode()
            line = following
    if line:  # `whole_tokens` ends with a newline, which may come after that of the text
        yield line.decode()


def locate(name: str, lines_before: int, block: Block, error: BadByte) -> CorpusError:
    """The error for a user: ``path:line: byte offset: what``. Line and byte count from 1 and 0."""
    line = lines_before + block.data.count(b"\n", 0, error.at) + 1
    remedy = (
        "remove it (is this a text file?)"
        if "NUL" in str(error)
        else "convert the file to UTF-8, or train with errors replace or ignore"
    )
    return CorpusError(f"{shown(name)}:{line}: byte {block.offset + error.at}: {error}; {remedy}")
