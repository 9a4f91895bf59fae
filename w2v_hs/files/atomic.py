"""Write a file or a folder so that readers see the old one or the new one, never half of each.

The data go to a temporary name in the same folder, are flushed to the disk, and are renamed. A
program that is killed leaves its temporary file behind. Its writer holds a lock on it that ends
with the process, so the next writer of the same output can tell, and removes it.

Every output of the package is written here, so here is also the gate: nothing is written over the
checkpoint of an unfinished run, nor to what another run is `holding`.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from w2v_hs.checks import shown
from w2v_hs.errors import OutputError, W2VError
from w2v_hs.termination import unfinished

try:
    import fcntl
except ImportError:  # Windows: temporary files are not locked, and abandoned ones stay
    fcntl = None  # type: ignore[assignment]  # a module or None: there is no such type

LOCKS_UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # by the file system
PID_WIDTH = 20  # characters of a process id in a lock file
CHECKPOINT_SUFFIX = ".checkpoint.safetensors"

_held: dict[Path, int] = {}  # outputs that this process is `holding`, each with the thread


def check_writable(path: Path, checkpoint: bool = False) -> Path:
    """Check that a file can be written at `path`; return it absolute, with symbolic links resolved.

    Called before long work, so that a wrong folder costs a second and not an hour; leaves nothing
    behind. The file may exist. `OutputError` if the folder is missing or not writable; if `path` is
    a folder, a device or a pipe; if another run holds it; or, unless it is to be a `checkpoint`, if
    it is that of an unfinished run or has the name of one.
    """
    with _temporary(path, checkpoint=checkpoint) as (_, real):
        _check_free(path, real)
        return real


@contextlib.contextmanager
def replacing(path: Path, size: int | None = None, checkpoint: bool = False) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` when the block succeeds.

    `size`, in bytes, is for messages. `OutputError` as in `check_writable`, or if the disk is full;
    the old file is then intact, and the temporary one removed.
    """
    with _temporary(path, checkpoint=checkpoint) as (temporary, real):
        _check_free(path, real)
        with _published(temporary, real, size):
            yield temporary


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary folder that is renamed to `path` when the block succeeds.

    `OutputError` as in `replacing`, and if there is anything but an empty folder at `path`: a full
    one could not be replaced in one step. So of two writers of one folder, the second is refused.
    """
    with _temporary(path, folder=True) as (temporary, real), contextlib.ExitStack() as stack:
        if not _is_held(real):
            stack.enter_context(_locked(path, real))
        with _published(temporary, real):
            yield temporary


@contextlib.contextmanager
def growing_folder(path: Path) -> Iterator[Path]:
    """Yield the path of a folder that the block makes and fills; what it wrote stays if it fails.

    Nobody else makes it while the block runs. `OutputError` as in `new_folder`, of which all files
    appear at once.
    """
    _check_free(path, _resolved(path))  # else one that grows would be said to be in the way
    with _temporary(path, folder=True) as (_, real):
        pass
    with _locked(path, real):
        yield _check_folder(path)


@contextlib.contextmanager
def holding(path: Path, checkpoint: bool = False) -> Iterator[None]:
    """Let only this thread write to `path` while the block runs.

    The lock file beside it, ``.NAME.lock``, contains the process id. The operating system releases
    the lock when the process ends, however it ends, so the lock file of a killed run is taken over.
    Where the file system has no locks, nothing is locked. `OutputError` as in `check_writable`; if
    another process holds the lock, the message names it; or if a file of that name is no lock file.
    """
    with _temporary(path, checkpoint=checkpoint) as (_, real):
        pass
    with _locked(path, real):
        _held[real] = threading.get_ident()
        try:
            yield
        finally:
            _held.pop(real, None)  # without locks, another may have held it, too


def _is_held(real: Path) -> bool:
    """Whether this thread is `holding` the output."""
    return _held.get(real) == threading.get_ident()


def _check_free(path: Path, real: Path) -> None:
    """Raise `OutputError` if another run is `holding` the output."""
    if not _is_held(real) and _hidden(real, "lock").exists():
        with _locked(path, real):  # what a killed run left goes
            pass


@contextlib.contextmanager
def _locked(path: Path, real: Path) -> Iterator[None]:
    """Lock the file beside an output while the block runs; `OutputError` if another did."""
    from filelock import FileLock, Timeout

    beside = _hidden(real, "lock")
    if not _is_lock(beside):
        raise OutputError(f"{shown(path)}: its lock {shown(beside)} is a file of another kind; move that")
    lock = FileLock(beside, timeout=0, fallback_to_soft=False)
    try:
        try:
            lock.acquire()
            unfinished.add(beside)
            _write_pid(beside)
        except Timeout:
            raise OutputError(
                f"{shown(path)}: process {_read_pid(beside)} is writing it; wait until that has "
                "ended, or give another output"
            ) from None
        except OSError as error:
            if error.errno not in LOCKS_UNSUPPORTED:
                raise OutputError(_reason(beside, error, 0, 1 + PID_WIDTH)) from error
            beside.unlink(missing_ok=True)
        yield
    finally:
        if lock.is_locked:
            # Removed while it is locked: whoever opened it before sees that its name is gone.
            with contextlib.suppress(OSError):  # Windows cannot remove an open file
                beside.unlink()
            lock.release()
            unfinished.discard(beside)


def _is_lock(lock_file: Path) -> bool:
    """Whether a file, if there is one, is empty or holds a process id, and has no other name."""
    with contextlib.suppress(OSError):  # it is gone, or Windows lets no one read its locked first byte
        found = lock_file.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_size not in (0, 1 + PID_WIDTH):
            return False
        return re.fullmatch(rb"(\0[\0 ]*\d*)?", lock_file.read_bytes()) is not None
    return True


def _write_pid(lock_file: Path) -> None:
    """Write the process id from the second byte on: Windows lets no one read the locked first."""
    with lock_file.open("rb+", buffering=0) as file:
        file.seek(1)
        file.write(b"%*d" % (PID_WIDTH, os.getpid()))


def _read_pid(lock_file: Path) -> str:
    """The process id in a lock file, or ``unknown`` if its holder has not written it yet."""
    pid = b""
    with contextlib.suppress(OSError), lock_file.open("rb", buffering=0) as file:
        file.seek(1)
        pid = file.read(PID_WIDTH).strip()
    return shown(pid.decode(errors="replace")) or "unknown"


def _resolved(path: Path) -> Path:
    """The absolute path without symbolic links; `OutputError` if they lead in a circle."""
    real = Path(os.path.realpath(path))
    if real.is_symlink():
        raise OutputError(f"{shown(path)}: is a symbolic link that leads back to itself; remove it")
    return real


def _check_file(path: Path, checkpoint: bool) -> Path:
    """The resolved path; `OutputError` if something is there that no file may replace."""
    real = _resolved(path)
    if real.is_dir():
        raise OutputError(f"{shown(path)}: is a folder; give the name of a file")
    if real.exists() and not real.is_file():
        raise OutputError(f"{shown(path)}: is a device or a pipe, which a file would replace")
    if not checkpoint:
        _check_no_checkpoint(path, real)
    return real


def _check_no_checkpoint(path: Path, real: Path) -> None:
    """Raise `OutputError` for the name of a checkpoint, or that of an unfinished run."""
    from w2v_hs.files.container import holds_unfinished_run

    if any(name.endswith(CHECKPOINT_SUFFIX) for name in (path.name, real.name)):
        what = "has the name of a checkpoint, from which 'w2v-hs resume' continues"
    elif holds_unfinished_run(real):
        what = "is the checkpoint of an unfinished run, which w2v_hs.resume finishes"
    else:
        return
    raise OutputError(f"{shown(path)}: {what}; give another name")


def _check_folder(path: Path) -> Path:
    """The resolved path; `OutputError` if something other than an empty folder is there."""
    real = _resolved(path)
    if real.exists() and not (real.is_dir() and not any(real.iterdir())):
        raise OutputError(f"{shown(path)}: is there already; remove it, or give the name of a new folder")
    return real


@contextlib.contextmanager
def _temporary(path: Path, folder: bool = False, checkpoint: bool = False) -> Iterator[tuple[Path, Path]]:
    """Yield a locked temporary file or folder and the path that it is for; remove it at the end."""
    temporary = lock = None
    try:  # from its creation on, in which a signal may come
        try:
            real = _check_folder(path) if folder else _check_file(path, checkpoint)
            _remove_abandoned(real, folder)
            while temporary is None or not temporary.exists():
                if lock is not None:  # another writer locked it first, and took it for abandoned
                    os.close(lock)
                    lock = None
                temporary = _hidden(real, f"{secrets.token_hex(4)}.tmp")
                unfinished.add(temporary)
                lock = _create(temporary, folder)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            if isinstance(error, W2VError):
                raise
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{shown(path, 200)}: cannot write there: {reason}") from error
        yield temporary, real
    finally:
        if lock is not None:
            os.close(lock)
        if temporary is not None:
            if os.path.lexists(temporary):
                _remove(temporary)
            unfinished.discard(temporary)


@contextlib.contextmanager
def _published(temporary: Path, real: Path, size: int | None = None) -> Iterator[None]:
    """Flush what the block wrote and rename it to `real`; `OutputError` if the system refuses."""
    try:
        yield
        for file in _files(temporary):
            with file.open("rb+") as stream:  # Windows flushes only what is open for writing
                os.fsync(stream.fileno())
        if temporary.is_dir():
            _flush_folder(temporary)
        with contextlib.suppress(FileNotFoundError):  # a private file stays private
            shutil.copymode(real, temporary)
        temporary.replace(real)
        _flush_folder(real.parent)
    except OSError as error:
        if isinstance(error, W2VError):
            raise
        written = sum(file.stat().st_size for file in _files(temporary))
        _remove(temporary)  # so that its space counts as free
        raise OutputError(_reason(real, error, written, size)) from error


def _create(temporary: Path, folder: bool) -> int | None:
    """Create a file or folder and lock it; returns as `_lock`."""
    if folder:
        temporary.mkdir()
    else:
        temporary.touch(exist_ok=False)
    return _lock(temporary, wait=True)


def _lock(path: Path, wait: bool) -> int | None:
    """Lock a file or folder; None if it is gone, locked by another, or cannot be locked at all."""
    if fcntl is None:
        return None
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_abandoned(real: Path, folder: bool) -> None:
    """Remove the temporary files, or folders, that killed writers of `real` left."""
    with contextlib.suppress(OSError):  # tidying up must not keep anyone from writing
        for found in real.parent.iterdir():
            if not _is_temporary(found, real) or found.is_dir() != folder:
                continue
            lock = _lock(found, wait=False)
            if lock is not None:
                with contextlib.suppress(OSError):
                    _remove(found)
                os.close(lock)


def is_beside(path: Path, real: Path) -> bool:
    """Whether a path has the name of the lock file or a temporary file of an output."""
    return path == _hidden(real, "lock") or (path.parent == real.parent and _is_temporary(path, real))


def _is_temporary(path: Path, real: Path) -> bool:
    """Whether a name is that of a temporary file of an output in its folder."""
    return re.fullmatch(re.escape(_hidden(real, "").name) + r"[a-z0-9_]{8}\.tmp", path.name) is not None


def _hidden(real: Path, ending: str) -> Path:
    """``.NAME.ENDING`` beside `real`; a hash instead of a name that would become too long."""
    name = real.name
    if len(os.fsencode(name)) > 200:  # of the 255 bytes that most file systems allow
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return real.with_name(f".{name}.{ending}")


def _files(path: Path) -> list[Path]:
    """The file itself, or all files in the folder."""
    return [file for file in (path, *path.glob("*")) if file.is_file()]


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a loss of power, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(path: Path, error: OSError, written: int, size: int | None) -> str:
    """Why a file could not be written, and what to do."""
    needs = f"{size:,} bytes are needed" if size is not None else f"it ended after {written:,} bytes"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(path.parent).free
        needs += f" and {free:,} free; make room, or give another folder"
    elif error.errno == errno.EFBIG:
        needs += "; raise the limit of a file's size (ulimit -f)"
    return f"{shown(path)}: could not be written: {error.strerror or error}: {needs}"
