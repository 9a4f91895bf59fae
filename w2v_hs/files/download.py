"""One file from the web: whole, checked and under its final name, or not there at all."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from w2v_hs.errors import DownloadError, OutputError
from w2v_hs.files.atomic import replacing

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 16  # bytes


def download(
    name: str,
    address: str,
    size: int,
    path: Path,
    *,
    check: Callable[[Path], str | None],
    progress: bool = False,
) -> None:
    """Download `address` to `path`, through a temporary file beside it.

    At most `size` bytes are written. `check` gets the temporary file and says what is wrong with
    it, or None. `name` is what messages and the progress bar call the file.

    Raises
    ------
    DownloadError
        The address cannot be reached, or sends something else; the message says where to put the
        file by hand.
    OutputError
        The folder cannot be written to, or is full.
    """
    import pooch
    from requests.exceptions import RequestException

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot write there: {error.strerror}") from error
    try:
        with replacing(path, size) as temporary:
            try:
                with temporary.open("wb") as stream, _bar(name, size, progress) as bar:
                    get = pooch.HTTPDownloader(bar, chunk_size=CHUNK, timeout=TIMEOUT)
                    get(address, _Capped(stream, size), None)
            except RequestException as error:
                raise _Failed(_reason(error)) from error
            fault = check(temporary)
            if fault:
                raise _Failed(f"it sent {fault}; nothing was installed")
    except _Failed as failure:
        raise DownloadError(
            f"{name}: {address}: {failure}; try again, or get the file elsewhere and "
            f"put it at {path}"
        ) from failure


class _Failed(Exception):
    """A failed download. Not an OSError, which `replacing` takes for trouble with the disk."""


class _Capped:
    """A file that takes `size` bytes and no more, whatever the server sends."""

    def __init__(self, stream: BinaryIO, size: int):
        self._stream = stream
        self._room = size

    def write(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise _Failed("it sends more bytes than the file has")
        self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: "Connection refused", not the frames of three libraries."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return " ".join((getattr(error, "strerror", None) or str(error) or repr(error)).split())


class _Bar:
    """The progress bar that pooch asks for, drawn by rich."""

    total: int | None = None  # set by pooch; the bar shows the size that is expected

    def __init__(self, bars: "Progress", task: "TaskID"):
        self._bars = bars
        self._task = task

    def update(self, count: int) -> None:
        self._bars.advance(self._task, count)

    def reset(self) -> None:
        self._bars.update(self._task, completed=0)

    def close(self) -> None:
        pass


@contextlib.contextmanager
def _bar(name: str, size: int, progress: bool) -> Iterator[_Bar | bool]:
    """A bar for pooch's downloader, or False for none."""
    if not progress:
        yield False
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _Bar(bars, bars.add_task(name, total=size))
