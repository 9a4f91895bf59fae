"""SIGTERM as an exception, so that a command that it ends removes its temporary files and locks."""

import time

REPEATED = 1.0  # seconds in which a second signal is the same one: `timeout` sends two
_last = -REPEATED


class Terminated(SystemExit):
    """SIGTERM ends the program. What handles Ctrl-C or errors on the way does not handle it."""


def terminate(number: int, frame: object) -> None:
    """Handle SIGTERM: raise `Terminated`."""
    global _last
    before, _last = _last, time.monotonic()
    if _last - before >= REPEATED:
        raise Terminated(128 + number)
