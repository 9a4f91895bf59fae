"""Files that are either the old one or the new one, never half of each."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from w2v_hs.errors import OutputError, shown


def check_writable(path: Path) -> Path:
    """The path that a file at `path` would really have, links followed.

    Called before long work, so that a wrong folder costs a second and not an hour; nothing is left
    behind.

    Raises
    ------
    OutputError
        A file cannot be put there, or what is there is not a plain file.
    """
    try:
        real = Path(path).resolve()
        if real.is_dir():
            raise OutputError(f"{shown(path)}: is a folder; give the name of a file")
        if real.exists() and not real.is_file():
            raise OutputError(f"{shown(path)}: is a device or a pipe, which a file would replace")
        handle, name = _temporary(real)
        os.close(handle)
        Path(name).unlink()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, OutputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{shown(path, 200)}: cannot write there: {reason}") from error
    return real


def _temporary(path: Path) -> tuple[int, str]:
    return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")


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
    path = check_writable(path)
    handle, name = _temporary(path)
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
        raise OutputError(
            f"{shown(path)}: could not be written: {error.strerror or error}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
