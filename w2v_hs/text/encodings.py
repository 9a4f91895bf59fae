"""Text in other encodings than UTF-8."""

import codecs
from collections.abc import Iterator

from w2v_hs.checks import option, shown
from w2v_hs.errors import CorpusError

_UNDECODABLE = "w2v_hs.undecodable"  # the name of an error handler
_MARKS = {  # those of UTF-32 begin as those of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LONGEST_MARK = max(map(len, _MARKS))


def to_utf8(blocks: Iterator[tuple[bytes, int]], name: str, encoding: str) -> Iterator[tuple[bytes, int]]:
    """The blocks of a text in UTF-8.

    What cannot be decoded becomes the byte 0xff, which is not UTF-8 either. Blocks come with the
    bytes of the source read so far.
    """
    codecs.register_error(_UNDECODABLE, _undecodable)
    decoder = codecs.getincrementaldecoder(encoding)(_UNDECODABLE)
    position = 0
    try:
        for data, position in blocks:
            yield decoder.decode(data).encode(errors=_UNDECODABLE), position
        yield decoder.decode(b"", final=True).encode(errors=_UNDECODABLE), position
    except UnicodeError as error:  # such as UTF-16 or UTF-32 without a byte order mark
        raise CorpusError(f"{shown(name)}: cannot be read as {encoding}: {shown(error, 200)}") from error


def _undecodable(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    assert isinstance(error, UnicodeEncodeError)  # the same, or a surrogate that a codec lets pass
    return b"\xff" * (error.end - error.start), error.end


def check_mark(start: bytes, name: str) -> None:
    """Raise `CorpusError` if a text read as UTF-8 begins with another byte order mark."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            raise CorpusError(
                f"{shown(name)}: not UTF-8: its byte order mark is that of {encoding.upper()}; give "
                f"{option('encoding', encoding)}"
            )
