"""The gate that outputs pass before long work: nothing is written over what is read or running."""

import contextlib
import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from w2v_hs.checks import shown
from w2v_hs.errors import OptionError, OutputError
from w2v_hs.files.atomic import holding, is_beside


@contextlib.contextmanager
def reserved(
    outputs: Sequence[str | Path | None], inputs: Sequence[object], also: Sequence[Path | None] = ()
) -> Iterator[None]:
    """Let only this thread write to the outputs, of which some may be None, while the block runs.

    also: what the block writes and reserves itself: a checkpoint, a new folder. `OptionError` as in
    `check_distinct`; `OutputError` as in `files.atomic.holding`.
    """
    check_distinct([*outputs, *also], inputs)
    with contextlib.ExitStack() as stack:
        for output in outputs:
            if output is not None:
                stack.enter_context(holding(Path(output)))
        yield


def check_distinct(outputs: Sequence[str | Path | None], inputs: Sequence[object]) -> None:
    """Raise `OptionError` if an output would replace an input or another output, or is "-".

    Nor can an output lie within another, a new folder, which appears when all of it is there, nor
    anything have the name of the lock file or a temporary file of an output.

    Inputs may also be folders, patterns or names of corpora. What is neither a str nor a path is no
    name: None for an option that was not given, lists of tokens.
    """
    sources = [str(source) for source in inputs if isinstance(source, (str, Path))]
    sources = [source for source in sources if "\0" not in source]  # which no file has in its name
    taken = {os.path.realpath(source) for source in sources}
    written: set[str] = set()
    for output in outputs:
        if output is None or "\0" in str(output):
            continue
        if str(output) == "-":
            raise OptionError("the output '-': a file is written, so give its name")
        real = os.path.realpath(output)
        if real in taken:
            raise OptionError(f"{shown(output)} is given twice; writing it would destroy the other")
        if "-" in sources and _is_standard_input(real):
            raise OptionError(
                f"{shown(output)} is standard input, too; writing it would destroy what is read"
            )
        if os.path.exists(output):  # noqa: PTH110 (never raises)
            _check_not_within(output, real, sources)
        taken.add(real)
        written.add(real)
    for real in written:
        for other in taken:
            if is_beside(Path(other), Path(real)):
                raise OptionError(f"{shown(other)} has the name of a lock or temporary file of {shown(real)}")
        for parent in written.intersection(map(str, Path(real).parents)):
            raise OptionError(f"{shown(real)} lies within {shown(parent)}, which is written, too; move one")


def checksum(path: Path | None) -> str | None:
    """The SHA-256 of a file as hexadecimal digits; None if there is none."""
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_unchanged(output: Path | None, before: str | None) -> None:
    """Raise `OutputError` if a file is there whose `checksum` is not `before`."""
    if checksum(output) not in (None, before):
        raise OutputError(
            f"{shown(output)}: was written since the run began, and would be replaced; move it, and resume "
            "again"
        )


def _is_standard_input(real: str) -> bool:
    """Whether standard input is redirected from this file."""
    with contextlib.suppress(OSError):  # there is no such file, or no standard input
        return os.path.samestat(os.fstat(0), os.stat(real))  # noqa: PTH116 (beside `fstat`)
    return False


def _check_not_within(output: str | Path, real: str, sources: Sequence[str]) -> None:
    """Refuse an existing output that would be read from a source folder or pattern."""
    from w2v_hs.files.container import is_container

    ours = is_container(Path(real))
    for source in sources:
        # A folder of texts leaves our files out; one of sentence-transformers has vectors in them.
        if ours and not os.path.exists(Path(source, "modules.json")):  # noqa: PTH110 (never raises)
            continue
        if real in _files_in(source):
            raise OptionError(
                f"{shown(output)} is one of the files of {shown(source)}; writing it would destroy "
                "what is read"
            )


def _files_in(source: str) -> Iterator[str]:
    """The files in a folder or matched by a pattern."""
    if os.path.isdir(source):  # noqa: PTH112 (never raises)
        for place, _, names in os.walk(source):
            yield from (os.path.realpath(Path(place, name)) for name in names)
    elif glob.has_magic(source) and not os.path.exists(source):  # noqa: PTH110
        for found in glob.iglob(source, recursive=True):  # noqa: PTH207 (as `find_sources`)
            yield os.path.realpath(found)
            yield from _files_in(found) if os.path.isdir(found) else ()  # noqa: PTH112
