"""The commands for named corpora: `corpus list`, `corpus fetch`."""

import sys

import click

from w2v_hs import completion, show


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
    from w2v_hs import catalog

    entries = [catalog.entry(name) for name in catalog.names()]
    if json_out:
        show.print_json(
            [{**vars(entry), "status": catalog.status(entry.name)} for entry in entries]
        )
        return
    table = show.table("Named corpora", "name", "tokens", "licence", "status")
    for entry in entries:
        tokens = f"{entry.tokens / 1e6:,.1f}M" if entry.tokens else ""
        table.add_row(entry.name, tokens, entry.licence, catalog.status(entry.name))
    show.console().print(table)


@corpus.command("fetch")
@click.argument("name", shell_complete=completion.corpus_names)
def corpus_fetch(name: str) -> None:
    """Download the corpus NAME and check it.

    It is kept for 'w2v-hs train NAME'.

    \b
    w2v-hs corpus fetch text8
    """
    from w2v_hs import catalog

    path = catalog.fetch(name, progress=sys.stderr is not None and sys.stderr.isatty())
    click.echo(f"{name}: ready" + (f" in {path}" if path else ""), err=True)
