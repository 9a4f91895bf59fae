"""The commands for corpora: `corpus list`, `corpus fetch`, and `phrases`."""

import sys
from pathlib import Path
from typing import Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import completion, show
from w2v_hs.cli.text_options import errors, text_options

_SHOWN = 20  # phrases in the table


@click.group()
def corpus() -> None:
    """List and fetch the named corpora.

    \b
    w2v-hs corpus list
    w2v-hs corpus fetch text8
    """


@corpus.command("list")
@show.as_json
def corpus_list(json_out: bool) -> None:
    """List the named corpora: size, licence, readiness.

    \b
    w2v-hs corpus list
    w2v-hs corpus list --json
    """
    from w2v_hs.text import catalog

    entries = [catalog.entry(name) for name in catalog.names()]
    if json_out:
        show.print_json(
            [{**vars(entry), "status": catalog.status(entry.name)} for entry in entries]
        )
        return
    table = show.table("Named corpora", "name", "tokens", "licence", "status")
    for entry in entries:
        tokens = f"{entry.tokens / 1e6:,.1f}M" if entry.tokens else ""
        table.add_row(entry.name, tokens, entry.licence, show.plain(catalog.status(entry.name)))
    show.console().print(table)


@corpus.command("fetch")
@click.argument("name", shell_complete=completion.corpus_names)
def corpus_fetch(name: str) -> None:
    """Download the corpus NAME and check it.

    It is kept for 'w2v-hs train NAME'.

    \b
    w2v-hs corpus fetch text8
    """
    from w2v_hs.text import catalog

    path = catalog.fetch(name, progress=sys.stderr is not None and sys.stderr.isatty())
    click.echo(f"{name}: ready" + (f" in {path}" if path else ""), err=True)


@click.command(context_settings={"show_default": True})
@click.argument("text", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="File for the text with phrases, a sentence a line; compressed where it ends in .gz, "
    ".bz2, .xz or .zst.",
)
@click.option("--min-count", default=5, help="Pairs rarer than this are no phrases.")
@click.option(
    "--delta",
    type=float,
    help="Subtracted from the count of a pair, against phrases of rare words.  "
    "[default: --min-count]",
)
@click.option(
    "--threshold",
    "thresholds",
    type=float,
    multiple=True,
    default=(200.0, 100.0),
    help="Score that a phrase must exceed; give it once for each pass, not rising.",
)
@click.option("--connector", default="_", help="What stands between the words of a phrase.")
@text_options
@errors
@click.option("--threads", type=int, help="Threads.  [default: one a core]")
@show.as_json
def phrases(text: tuple[str, ...], output: Path, json_out: bool, **options: Any) -> None:
    """Join words that belong together, as in new_york.

    TEXT is what 'w2v-hs train' takes, and so is the file that is written. Two words a b are a
    phrase if (count(a b) - delta) / (count(a) * count(b)) * tokens, the score of word2phrase, is
    above the threshold. The second pass finds phrases of three and four words. The best phrases
    are shown, all of them with --json.

    \b
    w2v-hs phrases wiki.txt -o phrases.txt
    w2v-hs phrases wiki.txt -o phrases.txt.gz --threshold 400 --threshold 200 --threshold 100
    w2v-hs train phrases.txt -o m.safetensors
    """
    from w2v_hs.text.phrases import join_phrases

    if "" in text:
        raise click.UsageError("one of the texts has an empty name")
    sources = [Path(source) for source in text]
    show.check_distinct([output], sources)
    found = join_phrases(sources, output, progress=True, **options)
    if json_out:
        show.print_json(found.as_dict())
    else:
        most = min(_SHOWN, len(found.phrases))
        title = f"the {most:,} highest scores of {len(found.phrases):,} phrases"
        table = show.table(title, "phrase", "score", "count", "pass")
        for phrase in found.phrases[:_SHOWN]:
            row = f"{phrase.score:,.0f}", f"{phrase.count:,}", str(phrase.number)
            table.add_row(show.plain(phrase.phrase), *row)
        show.console().print(table)
    for number, one in enumerate(found.passes, 1):
        click.echo(
            f"pass {number}: {one.phrases:,} phrases above {one.threshold:g}, joined "
            f"{one.joined:,} times",
            err=True,
        )
    click.echo(
        f"{found.tokens:,} tokens became {found.tokens_after:,}\nwrote {shown(output)}", err=True
    )
