"""Download one file: complete and checked under its final name, or not there at all."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from w2v_hs.checks import shown
from w2v_hs.errors import DownloadError, OutputError
from w2v_hs.files.atomic import replacing


def download(
    name: str,
    address: str,
    size: int,
    path: Path,
    *,
    check: Callable[[Path], str | None],
    progress: bool = False,
    timeout: float = 30,
    chunk: int = 1 << 16,
) -> None:
    """Download an ``http`` or ``https`` URL through a temporary file beside `path`.

    Creates missing folders, and accepts no more than `size` bytes. `check` returns what is wrong
    with the temporary file, or None. Messages and the progress bar call the file `name`. `timeout`
    counts seconds without a byte; `chunk` bytes are read at a time. `DownloadError` if the address
    cannot be reached or sends something else; the message says where to put the file by hand.
    `OutputError` if the folder is not writable, or the disk is full.
    """
    import pooch
    from requests.exceptions import RequestException
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    bars = Progress(*columns, console=Console(stderr=True, quiet=not progress))
    task = bars.add_task(name, total=size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot write there: {error.strerror}"
        raise OutputError(f"{shown(path.parent)}: {reason}") from error
    with replacing(path, size) as temporary:
        try:
            with bars, temporary.open("wb") as file:
                target = _Capped(file, size, lambda count: bars.advance(task, count))
                pooch.HTTPDownloader(chunk_size=chunk, timeout=timeout)(address, target, None)
            fault = check(temporary)
            problem = f"it sent {fault}; nothing was installed" if fault else None
        except (RequestException, _TooLong) as error:
            problem = _reason(error)
        if problem:
            raise DownloadError(
                f"{name}: {address}: {problem}; try again, or get the file elsewhere and put it at "
                f"{shown(path)}"
            )


class _TooLong(Exception):
    """A server sends more bytes than were expected."""


class _Capped:
    """A file for pooch to write to: it accepts `size` bytes and reports each write."""

    def __init__(self, file: BinaryIO, size: int, report: Callable[[int], None]):
        self._file, self._room, self._report = file, size, report

    def write(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise _TooLong("it sends more bytes than the file has")
        self._file.write(data)
        self._report(len(data))

    def flush(self) -> None:
        self._file.flush()


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: "Connection refused", not the frames of three libraries."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return " ".join((getattr(error, "strerror", None) or str(error) or repr(error)).split())
