"""What a shell completes after a command: names that this package knows, else names of files."""

from collections.abc import Callable, Sequence

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def files_or(names: Callable[[], Sequence[str]]) -> Completer:
    """Completes the beginning of one of `names`; where there is none, the shell completes files."""

    def complete(
        context: click.Context, parameter: click.Parameter, begin: str
    ) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in names() if begin and name.startswith(begin)]
        return found or [CompletionItem(begin, type="file")]

    return complete


def corpora() -> Sequence[str]:
    """The named corpora."""
    from w2v_hs.text.catalog import names

    return names()


texts = files_or(corpora)


def corpus_names(
    context: click.Context, parameter: click.Parameter, begin: str
) -> list[CompletionItem]:
    """Completes named corpora alone."""
    return [CompletionItem(name) for name in corpora() if name.startswith(begin)]
