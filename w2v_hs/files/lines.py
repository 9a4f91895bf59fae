"""Lines of files that may be anything: a file without line ends does not fill the memory."""

from collections.abc import Iterator
from typing import BinaryIO

from w2v_hs.errors import FormatError, W2VError

LONGEST_LINE = 1 << 24  # bytes of a line, or a word, that must be in memory as a whole


def bounded_lines(
    stream: BinaryIO, name: str, longest: int = LONGEST_LINE, error: type[W2VError] = FormatError
) -> Iterator[bytes]:
    """Yield each line of a binary stream with its line end.

    `error` at a line of more than `longest` bytes. `name` is the path as messages show it.
    """
    number = 1
    while line := stream.readline(longest + 1):
        if len(line) > longest:
            raise error(f"{name}:{number}: a line of more than {longest:,} bytes; is it the right file?")
        yield line
        number += 1
