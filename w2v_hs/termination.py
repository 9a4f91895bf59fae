"""SIGINT and SIGTERM end a command at once: one line, no temporary files and no locks."""

import contextlib
import os
import shutil
from pathlib import Path

unfinished: set[Path] = set()  # what is being written, and locks; `files.atomic` keeps them here


def terminate(number: int, frame: object) -> None:
    """Handle a signal: remove what is unfinished and end the program.

    An exception would be lost where Python ignores those, such as in `__del__`, and with it the
    signal.
    """
    for path in tuple(unfinished):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    show_cursor = b"\033[?25h" if os.isatty(2) else b""
    with contextlib.suppress(OSError):  # a closed pipe, or a full disk
        os.write(2, show_cursor + b"stopped\n")
    os._exit(128 + number)
