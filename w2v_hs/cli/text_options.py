"""Options that commands share which read text."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from w2v_hs.options import ERRORS, LANGUAGES, TOKENIZERS

Command = TypeVar("Command", bound=Callable[..., Any])
_OPTIONS = (
    click.option(
        "--lowercase", is_flag=True, help="Turn the text to lower case.", show_default=False
    ),
    click.option(
        "--tokenize",
        type=click.Choice(TOKENIZERS),
        default="none",
        show_default=True,
        help="For raw text: find words with this tokeniser of NLTK. It is slow, about a megabyte a "
        "second.",
    ),
    click.option(
        "--split-sentences",
        metavar="LANGUAGE",
        type=click.Choice(LANGUAGES),
        help="For raw text: find sentences with NLTK's model of this language, such as english; "
        "else each line is one.",
    ),
    click.option(
        "--text-column",
        metavar="NAME",
        help="TEXT is Parquet files or JSON lines, and this column holds the text.",
    ),
)
errors = click.option(
    "--errors",
    type=click.Choice(ERRORS),
    default="strict",
    show_default=True,
    help="What to do with bytes that are not UTF-8.",
)


def text_options(command: Command) -> Command:
    """--lowercase, --tokenize, --split-sentences and --text-column, whose names are those of
    `Preprocessing`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
