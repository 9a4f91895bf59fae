"""The program `w2v-hs`: all commands, one-line errors, exit codes."""

import atexit
import errno
import gc
import io
import os
import sys
import warnings
from typing import Any

import click

from w2v_hs.checks import shown, speak_command_line
from w2v_hs.cli.classify import classify
from w2v_hs.cli.compare import align, shift, stability
from w2v_hs.cli.corpus import corpus, phrases
from w2v_hs.cli.demo import demo
from w2v_hs.cli.evaluate import evaluate
from w2v_hs.cli.predict import perplexity, predict, score
from w2v_hs.cli.report import report
from w2v_hs.cli.train import resume, train
from w2v_hs.cli.tree import tree
from w2v_hs.cli.vectors import analogy, export, info, neighbors
from w2v_hs.errors import W2VError
from w2v_hs.version import __version__

OUT_OF_MEMORY = "error: out of memory"
# What writing raises, without a name of a file; that of our own files is an `OutputError`.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EAGAIN, errno.EBADF)


def main() -> None:
    """Run a command and exit; errors and warnings are one line each."""
    # Else the last collection would walk through the many objects of Numba, for some 0.2 s.
    atexit.register(gc.freeze)
    speak_command_line()
    _open_closed_streams()
    warnings.showwarning = lambda message, *place, **_: click.echo(f"warning: {message}", err=True)
    if isinstance(sys.stderr, io.TextIOWrapper):
        lossy = io.BufferedWriter(_Lossy(sys.stderr))
        sys.stderr = io.TextIOWrapper(lossy, sys.stderr.encoding, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Characters that the terminal's encoding lacks are escaped instead of raising.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _open_closed_streams() -> None:
    """Put the null device where standard input, output or error is closed.

    A file would take its number, and get what is written to it. Standard output cannot be written
    to then, which is an error, as on a full disk.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


class _Lossy(io.RawIOBase):
    """Standard error that drops what cannot be written: a full disk under it must not end a run."""

    def __init__(self, stream: io.TextIOWrapper):
        self.stream = stream  # which would else be closed
        self.raw: Any = stream.buffer.raw if isinstance(stream.buffer, io.BufferedWriter) else stream.buffer

    def write(self, data: Any) -> int:
        try:
            return self.raw.write(data) or 0
        except OSError:
            return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.stream.fileno()

    def isatty(self) -> bool:
        return self.stream.isatty()


def _run() -> int:
    """Run a command; returns the exit code."""
    try:
        status = commands.main(prog_name="w2v-hs", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except W2VError as error:
        click.echo(f"error: {error}", err=True)
    except BrokenPipeError:  # whoever read our output has closed it, as `| head` does
        _discard_output()
    except OSError as error:
        if error.errno == errno.ENOMEM:
            click.echo(OUT_OF_MEMORY, err=True)
        else:
            where = "standard output" if error.errno in _OF_WRITING else "the system"
            if isinstance(error, FileNotFoundError):  # of a name, it would have that
                where = "the working directory, which was removed"
            where = where if error.filename is None else shown(error.filename)
            click.echo(f"error: {where}: {error.strerror or error}", err=True)
            _discard_output()
    except MemoryError:
        click.echo(OUT_OF_MEMORY, err=True)
    return 1


def _discard_output() -> None:
    """Send buffered output to the null device; else Python would fail when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="w2v-hs")
def commands() -> None:
    """Train, export and evaluate word embeddings with hierarchical softmax.

    \b
    w2v-hs demo
    w2v-hs train wiki.txt -o model.safetensors
    w2v-hs neighbors model.safetensors paris

    Results go to standard output, progress and messages to standard error: bars on a terminal, else
    a line after each epoch and every 30 seconds. NO_COLOR turns colours off.

    \b
    Exit codes:
      0    success
      1    an error, reported in one line
      2    wrong usage: an unknown option, a missing argument
      130  stopped by Ctrl-C
      143  stopped by SIGTERM

    \b
    Shell completion of commands, options and file names:
      bash  eval "$(_W2V_HS_COMPLETE=bash_source w2v-hs)"
      zsh   eval "$(_W2V_HS_COMPLETE=zsh_source w2v-hs)"
      fish  _W2V_HS_COMPLETE=fish_source w2v-hs | source
    """


_COMMANDS = [train, resume, demo, info, neighbors, analogy, export, evaluate, align, shift]
_COMMANDS += [stability, predict, perplexity, score, classify, tree, report, corpus, phrases]
for command in _COMMANDS:
    commands.add_command(command)
