"""The command line, `w2v-hs`.

Exit codes: 0 done; 1 an error, told in one line on standard error; 2 wrong usage; 130 stopped by
Ctrl-C (SIGINT), 143 by SIGTERM.
"""

import os
import sys
import warnings
from pathlib import Path

import click

from w2v_hs import __version__, predicting, show, train_commands, tree_commands
from w2v_hs.errors import W2VError

FORMAT_NAMES = ("word2vec-text", "word2vec-binary", "glove", "npz")
in_format = click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMAT_NAMES),
    help="Format of a file of vectors whose suffix does not say it.",
)


def main() -> None:
    """Run a command; an expected error or a warning is one line."""
    warnings.showwarning = lambda message, *place, **_: click.echo(f"warning: {message}", err=True)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # a word that the terminal cannot show is no reason to fail
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
        click.echo(f"error: standard output: {error.strerror or error}", err=True)
        status = 1
        _drop_output()
    except MemoryError:
        click.echo("error: out of memory; lower dim or max_vocab, or raise min_count", err=True)
        status = 1
    sys.exit(status or 0)


def _drop_output() -> None:
    """Keep Python from writing what is left for standard output when it exits, and failing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="w2v-hs")
def commands():
    """Train word embeddings with hierarchical softmax, export and evaluate them.

    \b
    w2v-hs demo
    w2v-hs train text.txt -o model.safetensors
    w2v-hs neighbors model.safetensors paris
    """


for command in (
    train_commands.train,
    train_commands.resume,
    train_commands.demo,
    predicting.predict,
    predicting.perplexity,
    predicting.score,
    tree_commands.tree,
):
    commands.add_command(command)

# ---- models and vectors -------------------------------------------------------------------------


@commands.command()
@click.argument("model", type=click.Path(path_type=Path))
@show.as_json
def info(model, json_out):
    """Show options, corpus, counts, tree and figures of MODEL."""
    from w2v_hs.model import load

    summary = load(model).summary()
    if json_out:
        show.print_json(summary)
        return
    table = show.table(str(model), "", "")
    for part in ("options", "vocabulary", "tree"):
        for name, value in (summary[part] or {}).items():
            table.add_row(f"{part} {name}", show.plain(show.cell(value)))
    table.add_row("loss by epoch", " ".join(show.cell(loss) for loss in summary["losses"]))
    if summary["holdout_losses"]:
        losses = " ".join(show.cell(loss) for loss in summary["holdout_losses"])
        table.add_row("loss of the holdout by epoch", losses)
    for name, value in summary["provenance"].items():
        for inner, fact in value.items() if isinstance(value, dict) else [("", value)]:
            table.add_row(show.plain(f"{name} {inner}"), show.plain(show.cell(fact)))
    show.console().print(table)


@commands.command()
@click.argument("vectors", type=click.Path(path_type=Path))
@click.argument("word")
@click.option("-k", default=10, show_default=True, help="How many.")
@in_format
@show.as_json
def neighbors(vectors, word, k, json_out, format_name):
    """Show the words nearest to WORD by cosine, in a model or a file of vectors."""
    found = _load_vectors(vectors, format_name).most_similar(word, k=k)
    show.print_words(f"nearest to {word}", found, json_out)


@commands.command()
@click.argument("vectors", type=click.Path(path_type=Path))
@click.argument("a")
@click.argument("b")
@click.argument("c")
@click.option("-k", default=10, show_default=True, help="How many.")
@in_format
@show.as_json
def analogy(vectors, a, b, c, k, json_out, format_name):
    """Answer "A is to B as C is to ?" with the words nearest to B - A + C."""
    found = _load_vectors(vectors, format_name).analogy(a, b, c, k=k)
    show.print_words(f"{a} is to {b} as {c} is to", found, json_out)


@commands.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMAT_NAMES),
    help="Where the suffix of OUTPUT does not say it.",
)
def export(model, output, format_name):
    """Write the vectors of MODEL (or of a file of vectors) to OUTPUT.

    .txt, .vec: word2vec text. .bin: word2vec binary. .glove: GloVe text. .npz: NumPy.
    """
    from w2v_hs.formats import save_vectors

    vectors = _load_vectors(model)
    save_vectors(vectors, output, format=format_name)
    click.echo(f"wrote {len(vectors):,} vectors of length {vectors.dim} to {output}", err=True)


@commands.command()
@click.argument("vectors", type=click.Path(path_type=Path))
@click.option(
    "--analogies",
    multiple=True,
    help="Questions: 'google' or a file. Can be repeated.  [default: google]",
)
@click.option(
    "--similarity",
    multiple=True,
    help="Rated pairs: 'wordsim353', 'simlex999' or a file. Can be repeated.  [default: both]",
)
@click.option(
    "--restrict-vocab",
    default=30_000,
    show_default=True,
    help="Analogies only among this many most frequent words; 0 for all.",
)
@click.option("--case-sensitive", is_flag=True, help="Take words as they are written.")
@in_format
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path),
    help="Write JSON to a file; - prints it.",
)
def evaluate(
    vectors, analogies, similarity, restrict_vocab, case_sensitive, format_name, json_path
):
    """Answer analogies and correlate with rated pairs, for a model or anyone's vectors.

    Without --analogies and --similarity: Google's analogies, WordSim-353 and SimLex-999; with
    either of them only what they name.
    """
    from w2v_hs.atomic import check_writable
    from w2v_hs.evaluation import evaluate as run
    from w2v_hs.evaluation import print_evaluation

    if json_path is not None and str(json_path) != "-":
        check_writable(json_path)
        show.check_distinct([json_path], [vectors, *map(Path, (*analogies, *similarity))])
    sets = {"analogies": analogies, "similarity": similarity} if analogies or similarity else {}
    result = run(
        _load_vectors(vectors, format_name),
        restrict_vocab=restrict_vocab,
        case_insensitive=not case_sensitive,
        **sets,
    )
    if str(json_path) == "-":
        show.print_json(result.as_dict())
        return
    print_evaluation(result, show.console())
    if json_path is not None:
        show.write_json(json_path, result.as_dict())


# ---- corpora ------------------------------------------------------------------------------------


@commands.group()
def corpus():
    """List and fetch the named corpora."""


@corpus.command("list")
@show.as_json
def corpus_list(json_out):
    """List the named corpora: size, licence, and whether each is ready to train on."""
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
@click.argument("name")
def corpus_fetch(name):
    """Download the corpus NAME, check it, and keep it for `w2v-hs train NAME`."""
    from w2v_hs import catalog

    path = catalog.fetch(name, progress=sys.stderr is not None and sys.stderr.isatty())
    click.echo(f"{name}: ready" + (f" in {path}" if path else ""), err=True)


# ---- helpers ------------------------------------------------------------------------------------


def _load_vectors(path: Path, format_name: str | None = None):
    """Vectors of a model or of a file in any format that can be read."""
    from w2v_hs.formats import load_vectors
    from w2v_hs.model import load

    if path.suffix == ".safetensors" and format_name is None:
        return load(path).vectors
    return load_vectors(path, format=format_name)
