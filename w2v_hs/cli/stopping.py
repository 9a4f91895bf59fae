"""How a command that trains ends when it is stopped, or when memory does not suffice."""

import contextlib
import shlex
import signal
from collections.abc import Iterator

import click

from w2v_hs.checks import argument
from w2v_hs.errors import Interrupted, VocabularyError


@contextlib.contextmanager
def exit_when_interrupted(scheduler: str | None = None) -> Iterator[None]:
    """Exit with the code of the signal if it interrupts training; print how to resume.

    `VocabularyError` where memory does not suffice for the model.
    """
    try:
        yield
    except MemoryError:
        advice = "lower dim or max_vocab, or raise min_count"
        raise VocabularyError(f"out of memory; {advice}") from None
    except Interrupted as stop:
        for number in (signal.SIGINT, signal.SIGTERM):  # `timeout` sends two, the second one now
            signal.signal(number, signal.SIG_IGN)
        command = ""
        if stop.checkpoint is not None:
            command = f"; to resume: w2v-hs resume {argument(stop.checkpoint)}"
            if scheduler is not None:
                command += f" --scheduler {shlex.quote(scheduler)}"
        click.echo(f"{stop}{command}", err=True)
        click.get_current_context().exit(128 + stop.signal)
