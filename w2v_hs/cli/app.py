"""The command line, `w2v-hs`: all commands together, errors in one line, exit codes."""

import errno
import io
import os
import sys
import warnings

import click

from w2v_hs.cli import corpus as corpus_commands
from w2v_hs.cli import evaluate as evaluate_commands
from w2v_hs.cli import predict as predicting
from w2v_hs.cli import report as report_commands
from w2v_hs.cli import train as train_commands
from w2v_hs.cli import tree as tree_commands
from w2v_hs.cli import vectors as vector_commands
from w2v_hs.errors import W2VError
from w2v_hs.version import __version__

OUT_OF_MEMORY = "error: out of memory; lower dim or max_vocab, or raise min_count"


def main() -> None:
    """Run a command; an expected error or a warning is one line."""
    warnings.showwarning = lambda message, *place, **_: click.echo(f"warning: {message}", err=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A word that the terminal cannot show is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = commands.main(prog_name="w2v-hs", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        status = 130
    except W2VError as error:
        click.echo(f"error: {error}", err=True)
        status = 1
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        status = 1
        _drop_output()
    except OSError as error:  # in writing to standard output: files are the business of W2VError
        if error.errno == errno.ENOMEM:
            click.echo(OUT_OF_MEMORY, err=True)
            sys.exit(1)
        click.echo(f"error: standard output: {error.strerror or error}", err=True)
        status = 1
        _drop_output()
    except MemoryError:
        click.echo(OUT_OF_MEMORY, err=True)
        status = 1
    sys.exit(status or 0)


def _drop_output() -> None:
    """Keep Python from writing what is left for standard output when it exits, and failing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="w2v-hs")
def commands() -> None:
    """Train word embeddings with hierarchical softmax, export and evaluate them.

    \b
    w2v-hs demo
    w2v-hs train wiki.txt -o model.safetensors
    w2v-hs neighbors model.safetensors paris

    Results go to standard output, progress and messages to standard error. Where standard error is
    no terminal there are no progress bars; NO_COLOR turns colours off.

    \b
    Exit codes:
      0    done
      1    an error, told in one line
      2    wrong usage: an unknown option, a missing argument
      130  stopped by Ctrl-C
      143  stopped by SIGTERM

    \b
    To have the shell complete commands, options and names of files:
      bash  eval "$(_W2V_HS_COMPLETE=bash_source w2v-hs)"
      zsh   eval "$(_W2V_HS_COMPLETE=zsh_source w2v-hs)"
      fish  _W2V_HS_COMPLETE=fish_source w2v-hs | source
    """


for command in (
    train_commands.train,
    train_commands.resume,
    train_commands.demo,
    vector_commands.info,
    vector_commands.neighbors,
    vector_commands.analogy,
    vector_commands.export,
    evaluate_commands.evaluate,
    predicting.predict,
    predicting.perplexity,
    predicting.score,
    tree_commands.tree,
    report_commands.report,
    corpus_commands.corpus,
    corpus_commands.phrases,
):
    commands.add_command(command)
