"""The commands for corpora: `corpus list`, `corpus fetch` and `phrases`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show

if TYPE_CHECKING:
    from w2v_hs.text.phrases import Phrases

_TABLE_ROWS = 20


@click.group()
def corpus() -> None:
    """List and fetch the named corpora.

    \b
    w2v-hs corpus list
    w2v-hs corpus fetch text8
    """


@corpus.command("list")
@parameters.json_option
def corpus_list(json_out: bool) -> None:
    """List the named corpora with size, licence and status.

    \b
    w2v-hs corpus list
    w2v-hs corpus list --json
    """
    from w2v_hs.text import catalog

    entries = [catalog.entry(name) for name in catalog.names()]
    if json_out:
        show.print_json([{**vars(entry), "status": catalog.status(entry.name)} for entry in entries])
        return
    table = show.table("Named corpora", "name", "tokens", "licence", "status")
    for entry in entries:
        tokens = f"{entry.tokens / 1e6:,.1f}M" if entry.tokens else ""
        table.add_row(entry.name, tokens, entry.licence, show.plain(catalog.status(entry.name)))
    show.console().print(table)


@corpus.command("fetch")
@click.argument("name", shell_complete=parameters.complete_corpora)
def corpus_fetch(name: str) -> None:
    """Download the corpus NAME and verify its checksum.

    Afterwards 'w2v-hs train NAME' finds it.

    \b
    w2v-hs corpus fetch text8
    """
    from w2v_hs.text import catalog

    path = catalog.fetch(name, progress=sys.stderr is not None and sys.stderr.isatty())
    click.echo(f"{name}: ready" + (f" in {path}" if path else ""), err=True)


@click.command(context_settings={"show_default": True})
@parameters.texts_argument
@click.option(
    "-o",
    "--output",
    type=parameters.FILE,
    required=True,
    help="Text file to write, one sentence per line; compressed if its name ends in .gz, .bz2, .xz or .zst.",
)
@click.option("--min-count", default=5, help="Never join pairs that occur less often.")
@click.option(
    "--delta",
    type=float,
    help="Discount subtracted from the count of a pair; it prevents phrases of rare words.  "
    "[default: --min-count]",
)
@click.option(
    "--threshold",
    "thresholds",
    type=float,
    multiple=True,
    default=(200.0, 100.0),
    help="Score that a phrase must exceed. Give one per pass, none above the one before.",
)
@click.option("--connector", default="_", help="Placed between the words of a phrase.")
@parameters.preprocessing_options
@parameters.threads_option
@parameters.json_option
def phrases(text: tuple[str, ...], output: Path, json_out: bool, **options: Any) -> None:
    """Detect phrases and join their words, as in new_york.

    TEXT is as in 'w2v-hs train', which also takes the file written here. Words a b form a phrase
    if their word2phrase score, (count(a b) - delta) / (count(a) * count(b)) * tokens, exceeds the
    threshold. The second pass finds phrases of three and four words. The table shows the phrases
    with the highest scores; --json prints all.

    \b
    w2v-hs phrases wiki.txt -o phrases.txt
    w2v-hs phrases wiki.txt -o phrases.txt.gz --threshold 400 --threshold 200 --threshold 100
    w2v-hs train phrases.txt -o m.safetensors
    """
    from w2v_hs.text.phrases import join_phrases

    sources = [Path(source) for source in text]
    given = {name: value for name, value in options.items() if value is not None}
    found = join_phrases(sources, output, progress=True, **given)
    if json_out:
        show.print_json(found.as_dict())
    else:
        _print_best(found)
    for number, one in enumerate(found.passes, 1):
        click.echo(
            f"pass {number}: {one.phrases:,} phrases above {one.threshold:g}, joined {one.joined:,} times",
            err=True,
        )
    click.echo(f"{found.tokens:,} tokens became {found.tokens_after:,}\nwrote {shown(output)}", err=True)


def _print_best(found: "Phrases") -> None:
    """Print the phrases with the highest scores as a table."""
    best = found.phrases[:_TABLE_ROWS]
    title = f"the {len(best):,} highest scores of {len(found.phrases):,} phrases"
    table = show.table(title, "phrase", "score", "count", "pass")
    for phrase in best:
        row = f"{phrase.score:,.0f}", f"{phrase.count:,}", str(phrase.number)
        table.add_row(show.plain(phrase.phrase), *row)
    show.console().print(table)
