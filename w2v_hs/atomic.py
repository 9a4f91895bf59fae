"""Files that are either the old one or the new one, never half of each."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from w2v_hs.errors import OutputError


def check_writable(path: Path) -> None:
    """Raise `OutputError` unless a file could be put at `path`; nothing is left behind.

    Called before long work, so that a wrong folder costs a second and not an hour.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(f"{path}: cannot write there: {error.strerror}") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file that becomes `path` when the block ends well.

    The temporary file lies in the same folder, is flushed to the disk before the rename, and is
    removed if anything fails; the old file stays whole until the rename.

    Raises
    ------
    OutputError
        The folder is missing or not writable, or the disk is full.
    """
    path = Path(path)
    check_writable(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes it private; a result is not
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path}: could not be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
