"""Files that are either the old one or the new one, never half of each.

A file is written under another name in the same folder, flushed to the disk, checked, and renamed.
A program that is killed meanwhile leaves that temporary file; it is held by a lock that ends with
its writer, so whoever writes there next can tell, and removes it.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from w2v_hs.checks import shown
from w2v_hs.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows has none: there nothing is locked, and nothing left behind removed
    fcntl = None  # type: ignore[assignment]  # a module or None: there is no such type


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


@contextlib.contextmanager
def replacing(
    path: Path, size: int | None = None, check: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """Yield the path of a temporary file that becomes `path` when the block ends well.

    size: bytes that will be written, where known, for the message when they do not fit. check:
    reads the temporary file back once it is written, and raises where it is not what it should be.

    Raises
    ------
    OutputError
        The folder is missing or not writable, or the disk is full. The old file is then whole, and
        the temporary one gone.
    """
    path = check_writable(path)
    _remove_stale(path)
    handle, name = _temporary(path)
    temporary = Path(name)
    try:
        try:
            _lock(handle)
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes it private; a result is not
            yield temporary
            os.fsync(handle)
            if check is not None:
                check(temporary)
            temporary.replace(path)
            _flush_folder(path.parent)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            written = os.fstat(handle).st_size
            temporary.unlink(missing_ok=True)
            raise OutputError(_reason(path, error, written, size)) from error
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary folder that becomes `path` when the block ends well.

    Raises
    ------
    OutputError
        Something is there already that is not an empty folder, which nothing could replace in one
        step; or as in `replacing`. The temporary folder is then gone.
    """
    try:
        real = Path(path).resolve()
        if real.exists() and not (real.is_dir() and not any(real.iterdir())):
            raise OutputError(
                f"{shown(path)}: is there already; remove it, or give the name of a new folder"
            )
        _remove_stale(real, folder=True)
        temporary = Path(tempfile.mkdtemp(dir=real.parent, prefix=_prefix(real), suffix=".tmp"))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, OutputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{shown(path, 200)}: cannot write there: {reason}") from error
    lock = None
    try:
        if fcntl is not None:
            lock = os.open(temporary, os.O_RDONLY)
            _lock(lock)
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        for file in temporary.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        _flush_folder(temporary)
        temporary.rename(real)
        _flush_folder(real.parent)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        written = sum(file.stat().st_size for file in temporary.iterdir())
        shutil.rmtree(temporary)
        raise OutputError(_reason(real, error, written, None)) from error
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Keep other runs from writing to `path` while the block lasts.

    A file beside it, ``.NAME.lock``, holds the number of this process and a lock of the system,
    which ends with the process however it ends; so a file that a killed run left is taken over.

    Raises
    ------
    OutputError
        Another process holds it; it is named. Or the folder takes no file.
    """
    if fcntl is None:
        yield
        return
    real = check_writable(path)
    beside = real.with_name(f".{real.name}.lock")
    try:
        handle = _open_lock(beside)
        if not _lock(handle):
            holder = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise OutputError(
                f"{shown(path)}: process {shown(holder)} is writing it; wait until that has ended, "
                "or give another output"
            )
        try:
            os.ftruncate(handle, 0)
            os.write(handle, b"%d\n" % os.getpid())
        except OSError:  # a full disk
            beside.unlink(missing_ok=True)
            os.close(handle)
            raise
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(_reason(beside, error, 0, 8)) from error  # the number of a process
    try:
        yield
    finally:
        beside.unlink(missing_ok=True)
        os.close(handle)


def _open_lock(path: Path) -> int:
    """Open a lock file, and see that it is still the one of that name once it is locked: its last
    holder may have removed it in between."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not _lock(handle):
            return handle
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock an open file, without waiting; False where someone else has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _temporary(path: Path) -> tuple[int, str]:
    return tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=".tmp")


def _prefix(path: Path) -> str:
    return f".{path.name[:40]}."


def _remove_stale(path: Path, folder: bool = False) -> None:
    """Remove temporary files for `path`, or folders, whose writer is gone."""
    if fcntl is None:
        return
    prefix = _prefix(path)
    for found in path.parent.iterdir():
        middle = found.name.removeprefix(prefix).removesuffix(".tmp")
        # Only names that `tempfile` makes: eight letters, digits or underscores.
        if found.name != f"{prefix}{middle}.tmp" or not re.fullmatch("[a-z0-9_]{8}", middle):
            continue
        if found.is_dir() != folder:
            continue
        with contextlib.suppress(OSError):  # it is only a courtesy
            handle = os.open(found, os.O_RDONLY if folder else os.O_RDWR)
            try:
                if _lock(handle):
                    shutil.rmtree(found) if folder else found.unlink()
            finally:
                os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a loss of power, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(path: Path, error: OSError, written: int, size: int | None) -> str:
    """Why a file could not be written, and what to do."""
    needs = (
        f"{size:,} bytes are needed" if size is not None else f"it ended after {written:,} bytes"
    )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = os.statvfs(path.parent).f_bavail * os.statvfs(path.parent).f_frsize
        needs += f" and {free:,} free; make room, or give another folder"
    elif error.errno == errno.EFBIG:
        needs += "; raise the limit of a file's size (ulimit -f)"
    return f"{shown(path)}: could not be written: {error.strerror or error}: {needs}"
