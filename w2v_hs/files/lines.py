"""Lines of files that may be anything: one without line ends, or without end, fills no memory."""

import math
from collections.abc import Iterator
from typing import BinaryIO

from w2v_hs.errors import FormatError, W2VError

LONGEST_LINE = 1 << 24  # bytes of a line, or a word, that must be in memory as a whole
LARGEST_LIST = 1 << 28  # bytes of a list of words that must be in memory as a whole


def bounded_lines(
    stream: BinaryIO,
    name: str,
    longest: int = LONGEST_LINE,
    error: type[W2VError] = FormatError,
    largest: float = math.inf,
) -> Iterator[bytes]:
    """Yield each line of a binary stream with its line end.

    `error` at a line of more than `longest` bytes, and after `largest` in all, as of a pipe that
    never ends. `name` is the path as messages show it.
    """
    number, size = 1, 0
    while line := stream.readline(longest + 1):
        if len(line) > longest:
            raise error(f"{name}:{number}: a line of more than {longest:,} bytes; is it the right file?")
        size += len(line)
        if size > largest:
            raise error(
                f"{name}:{number}: over {largest:,} bytes, the most that are read; is it the right file?"
            )
        yield line
        number += 1
